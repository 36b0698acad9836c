/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Files of the programs: reading models, and where output may go. */
#ifndef RAN_TOOLS_FILES_H
#define RAN_TOOLS_FILES_H

#include <ran/ir.h>

/* The whole of a file, or of standard input for "-"; a zero byte follows. Freed by the caller. */
RAN_MUST_USE ran_status ran_tool_read(ran_context *context, const char *path,
                                      RAN_GIVE char **out_data, size_t *out_size);

/* Whether `path` is a directory with a model.onnx in it; writes that file's path to `out_model`. */
bool ran_tool_is_model_directory(ran_context *context, const char *path, const char **out_model);

/* Whether `path` is an ELF file: a shared library that rancc wrote. */
bool ran_tool_is_library(const char *path);

/* A model of any kind: ONNX, IR text, a directory with model.onnx, or either on "-". */
RAN_MUST_USE ran_status ran_tool_load(ran_context *context, const char *path,
                                      RAN_GIVE ran_module **out_module);

/* Whether a file can be written there, to know before a long computation; "-", "" and NULL can. */
RAN_MUST_USE ran_status ran_tool_check_writable(ran_context *context, const char *path);

/* Prints the diagnostics to stderr and frees the context; returns `status` for main. */
int ran_tool_finish(RAN_TAKE ran_context *context, ran_status status);

#endif
