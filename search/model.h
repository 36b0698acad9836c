/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What searches do with models as wholes: clean them up, replace and cut out parts, run them. */
#ifndef SEARCH_MODEL_H
#define SEARCH_MODEL_H

#include <ran/compile.h>
#include <ran/ir.h>

/* ---- Models as IR ---------------------------------------------------------------------------- */

/* Constants folded, canonical, composite ops recognised: as `rancc --substitute` finds a model. */
RAN_MUST_USE ran_status ran_search_clean(ran_module *module);
/* Another batch, also for one that is a symbol. */
RAN_MUST_USE ran_status ran_search_set_batch(ran_module *module, int64_t batch);
/* All exact passes of a level, with the cost model of the target. */
RAN_MUST_USE ran_status ran_search_optimize(ran_module *module, const char *target,
                                            const char *level);
/* A value of the function by name: an argument, or a result of one of its own ops; else NULL. */
ran_value *ran_search_find_value(const ran_function *function, const char *name);
/* Puts `candidate` (one input, one output) where `input` becomes `output`: what used `output` uses
 * the candidate's, which takes over its name. Constants and locations begin with `name`. */
RAN_MUST_USE ran_status ran_search_substitute(ran_function *function, const char *input,
                                              const char *output, const ran_function *candidate,
                                              const char *name);
/* A module with one function, from `from` to `to`. */
RAN_MUST_USE ran_status ran_search_cut(const ran_function *function, const ran_value *from,
                                       const ran_value *to, RAN_GIVE ran_module **out_module);
/* The function returns these values, under their names, instead of its results. */
void ran_search_return_values(ran_function *function, ran_value *const *values, size_t count);

/* ---- Files ----------------------------------------------------------------------------------- */

/* IR text with its weights in a file beside it (PATH with .weights); both written beside their
 * targets and renamed. */
RAN_MUST_USE ran_status ran_search_save(const ran_module *module, const char *path);
RAN_MUST_USE ran_status ran_search_load(ran_context *context, const char *path,
                                        RAN_GIVE ran_module **out_module);
RAN_MUST_USE ran_status ran_search_make_directory(ran_context *context, const char *path);

/* How many images go through a network at once where only results count. */
enum { EVALUATION_BATCH = 8 };

/* ---- Running in this process ----------------------------------------------------------------- */

/* A compiled function of one input and some outputs on plain buffers. */
typedef struct ran_native ran_native;

/* `module` is copied, optimised (-O3 of `target`, NULL: native) and compiled. */
RAN_MUST_USE ran_status ran_native_create(const ran_module *module, const char *target,
                                          RAN_GIVE ran_native **out_native);
/* For this machine, with another batch. */
RAN_MUST_USE ran_status ran_native_create_batch(const ran_module *module, int64_t batch,
                                                RAN_GIVE ran_native **out_native);
void ran_native_destroy(RAN_TAKE ran_native *native);
/* One run. `outputs` has a buffer each; NULL: thrown away. */
RAN_MUST_USE ran_status ran_native_run(ran_native *native, const float *input,
                                       float *const *outputs);
/* `count` samples, batch by batch; each output's maps one behind another. */
RAN_MUST_USE ran_status ran_native_run_all(ran_native *native, const float *x, int64_t count,
                                           float *const *ys);
int64_t ran_native_input_numel(const ran_native *native);
int64_t ran_native_output_numel(const ran_native *native, size_t index);
/* Nanoseconds of one run on noise, by the clock. */
RAN_MUST_USE ran_status ran_native_time(ran_native *native, int64_t *out_nanoseconds);

#endif
