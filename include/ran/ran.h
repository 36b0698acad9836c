/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The compiler library: status, context, diagnostics.
 *
 * A context owns what modules share (interned strings, dimensions, types) and the list of
 * diagnostics. Everything that input or environment can cause is a ran_status, with the details in
 * the context; a broken invariant calls the context's bug handler. Nothing here prints or exits.
 * A context and all that hangs on it belong to one thread at a time.
 */
#ifndef RAN_RAN_H
#define RAN_RAN_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define RAN_MUST_USE __attribute__((warn_unused_result))
#define RAN_PRINTF(string, first) __attribute__((format(printf, string, first)))
#else
#define RAN_MUST_USE
#define RAN_PRINTF(string, first)
#endif

/* Ownership of what does not live in an arena: the caller gets it, gives it away, or keeps it. */
#define RAN_GIVE
#define RAN_TAKE
#define RAN_KEEP

/* The values are the exit statuses of the programs. */
typedef enum ran_status {
    RAN_OK = 0,
    RAN_INVALID = 1,     /* the input is wrong or the environment fails */
    RAN_USAGE = 2,       /* options that make no sense */
    RAN_UNSUPPORTED = 3, /* valid, but not supported */
    RAN_MISMATCH = 4,    /* a comparison, a budget or an accuracy guard does not hold */
    RAN_INTERNAL = 70,   /* a bug in rancc */
} ran_status;

typedef struct ran_context ran_context;

/* Returns NULL only when out of memory. */
RAN_GIVE ran_context *ran_context_create(void);
void ran_context_destroy(RAN_TAKE ran_context *context);

/* ---- Diagnostics --------------------------------------------------------------------------- */

typedef enum ran_severity { RAN_NOTE, RAN_WARNING, RAN_ERROR } ran_severity;

typedef struct ran_diagnostic {
    ran_severity severity;
    ran_status status;   /* RAN_OK for notes and warnings */
    const char *file;    /* NULL when unknown */
    int line, column;    /* 1-based; 0 when unknown (binary input) */
    const char *message; /* names node, op, opset, shapes, and what to do */
} ran_diagnostic;

/* Appends an error and returns `status`, so that callers write `return ran_error(...)`. */
ran_status ran_error(ran_context *context, ran_status status, const char *format, ...)
    RAN_PRINTF(3, 4);
ran_status ran_error_at(ran_context *context, ran_status status, const char *file, int line,
                        int column, const char *format, ...) RAN_PRINTF(6, 7);
void ran_warn(ran_context *context, const char *format, ...) RAN_PRINTF(2, 3);
void ran_note(ran_context *context, const char *format, ...) RAN_PRINTF(2, 3);

size_t ran_diagnostic_count(const ran_context *context);
const ran_diagnostic *ran_diagnostic_at(const ran_context *context, size_t index);
/* Errors so far; lets an importer collect all problems of a kind and fail once. */
size_t ran_error_count(const ran_context *context);
/* Forgets the diagnostics from `first` on (a speculative step that failed and does not matter). */
void ran_diagnostics_truncate(ran_context *context, size_t first);
/* One line each: "file:line:column: error: message". */
void ran_diagnostics_print(const ran_context *context, FILE *stream);

/* ---- Files ------------------------------------------------------------------------------------ */

/* What was read on the way to a result, each path once: models, external data, side files, slopes,
 * plug-ins. Build systems want to know. */
size_t ran_file_count(const ran_context *context);
const char *ran_file_at(const ran_context *context, size_t index);
/* For readers of other inputs. */
void ran_file_note(ran_context *context, const char *path);

/* Called for a broken invariant; must not return. The default prints to stderr and aborts. */
typedef void ran_bug_handler(ran_context *context, const char *message, void *data);
void ran_context_set_bug_handler(ran_context *context, ran_bug_handler *handler, void *data);

#ifdef __cplusplus
}
#endif
#endif
