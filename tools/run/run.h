/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ran-run from inside: an engine runs a model on tensors, data sets bring inputs and what is
 * expected, a comparison says how far apart two tensors are, a report prints what came out.
 */
#ifndef TOOLS_RUN_RUN_H
#define TOOLS_RUN_RUN_H

#include <ran/compile.h>
#include <ran/ir.h>

#include <jansson.h>

/* ---- Times -------------------------------------------------------------------------------------- */

typedef struct run_timing {
    double median_ms, min_ms, p90_ms;
    size_t runs;
} run_timing;

typedef struct run_timer {
    double end, start;
    double *seconds;
    size_t count, capacity;
    int warm;
} run_timer;

/* start; while (next) { run; stop; } finish, which frees. */
void run_timer_start(run_timer *timer, double seconds);
bool run_timer_next(run_timer *timer);
void run_timer_stop(run_timer *timer);
void run_timer_finish(run_timer *timer, run_timing *out_timing);

/* ---- Engines ---------------------------------------------------------------------------------- */

/* What runs a model. An engine is created for a module that outlives it. */
typedef struct run_engine {
    const char *name;
    /* Inputs in the order of the function's arguments; results are new references. */
    ran_status (*run)(struct run_engine *self, const ran_tensor *const *inputs,
                      ran_tensor **out_results);
    /* Runs for that many seconds, the outputs' memory and the workspace being there. */
    ran_status (*bench)(struct run_engine *self, const ran_tensor *const *inputs, double seconds,
                        run_timing *out_timing);
    void (*destroy)(struct run_engine *self);
} run_engine;

/* The reference evaluator. */
RAN_MUST_USE ran_status run_interpreter_create(const ran_function *function,
                                               RAN_GIVE run_engine **out_engine);

/* Native code; lowers `module` in place. */
RAN_MUST_USE ran_status run_native_create(ran_module *module, const ran_compile_options *options,
                                          unsigned threads, bool mem_report,
                                          RAN_GIVE run_engine **out_engine);
/* A shared library that rancc wrote; `prefix` may be NULL. */
RAN_MUST_USE ran_status run_library_create(ran_context *context, const char *path,
                                           const char *prefix, unsigned threads,
                                           RAN_GIVE run_engine **out_engine);
const struct ran_model_desc *run_native_desc(const run_engine *engine);
/* A function with the inputs and outputs of a description, and nothing that computes. */
RAN_MUST_USE ran_status run_signature_create(ran_context *context,
                                             const struct ran_model_desc *desc,
                                             RAN_GIVE ran_module **out_module);
/* An executable for the options' target, started by a command as `runner` ("qemu-aarch64 -L DIR");
 * `function` is the one as it was read. Lowers `module` in place. */
RAN_MUST_USE ran_status run_runner_create(ran_module *module, const ran_function *function,
                                          const ran_compile_options *options, const char *runner,
                                          unsigned threads, RAN_GIVE run_engine **out_engine);
const ran_compiled *run_native_compiled(const run_engine *engine);

/* Whether inputs decide shapes by their values, so that code is compiled for the data. */
bool run_needs_values(const ran_function *function);
/* Optimises and compiles a module, which it may change. */
typedef ran_status run_compile(const void *data, ran_module *module, run_engine **out_engine);
/* An engine that binds such inputs to what the data says. `module`, as it was read, outlives it. */
RAN_GIVE run_engine *run_specialize_create(ran_context *context, const ran_module *module,
                                           run_compile *compile, const void *data);
/* What runs now inside of such an engine (NULL before the first run); any other engine itself. */
const run_engine *run_specialize_inner(const run_engine *engine);

/* The times of each kernel, one a run. */
typedef struct run_profile {
    struct run_series {
        double *seconds;
        size_t count, capacity;
    } *kernels;
    double last;
    size_t capacity, runs;
} run_profile;

/* Microseconds: on average, in the middle, undisturbed, and of all runs' time the part of one. */
typedef struct run_times {
    double mean, median, least, a_run;
} run_times;

/* Makes the compiled code call back between kernels. `profile` is zero or was used. */
void run_profile_start(run_profile *profile, ran_compile_options *options);
run_times run_profile_times(const run_profile *profile, size_t kernel);
void run_profile_clear(run_profile *profile);
/* A table, or an array of objects; frees the profile. */
void run_profile_print(run_profile *profile, const ran_compiled *compiled, bool json);

/* ---- Data --------------------------------------------------------------------------------------- */

/* One --input: NAME=SOURCE or SOURCE, which is a file (.pb, .npy) or random:SEED. */
typedef struct run_source {
    const char *name; /* NULL: the next input without one */
    const char *source;
} run_source;

typedef struct run_data_set {
    const char *name;
    ran_tensor **inputs;   /* as many as the function has */
    ran_tensor **expected; /* as many as it has results; NULL where nothing is expected */
    size_t input_count, output_count;
} run_data_set;

/* From a directory with input_N.pb and output_N.pb (or .npy); what the file's name does not say
 * about the order, the tensor's may. */
RAN_MUST_USE ran_status run_data_from_directory(ran_context *context, const ran_function *function,
                                                const char *path, run_data_set *out_set);
/* From options; with no source at all every input is random:0. */
RAN_MUST_USE ran_status run_data_from_options(ran_context *context, const ran_function *function,
                                              const run_source *inputs, size_t input_count,
                                              const run_source *expected, size_t expected_count,
                                              run_data_set *out_set);
void run_data_clear(run_data_set *set);
RAN_MUST_USE ran_status run_tensor_read(ran_context *context, const char *path,
                                        RAN_GIVE ran_tensor **out_tensor);
/* DIR/test_data_set_*, in the order of their numbers; all freed by the caller. */
char **run_data_directories(const char *directory, size_t *out_count);
/* An error where a tensor is not what the input's type asks for. */
RAN_MUST_USE ran_status run_data_check(ran_context *context, const ran_function *function,
                                       const run_data_set *set);
RAN_MUST_USE ran_status run_tensor_write(ran_context *context, const char *path, const char *name,
                                         const ran_tensor *tensor);

/* ---- Comparison --------------------------------------------------------------------------------- */

typedef struct run_tolerance {
    double rtol; /* negative: 1e-3, or the spacing of the element type */
    double atol; /* negative: 1e-4 of the largest expected magnitude */
} run_tolerance;

/* |got - expected| <= rtol |expected| + atol; integers, bools and strings equal; NaN equals NaN. */
typedef struct run_difference {
    bool ok;
    const char *problem;    /* type or shape differ; NULL otherwise */
    double max_abs;         /* largest |got - expected| */
    double max_rel;         /* that, relative to the largest |expected| */
    int64_t mismatches;     /* elements beyond the tolerance */
    int64_t first_mismatch; /* row-major index, -1 when there is none */
} run_difference;

run_difference run_compare(const ran_tensor *got, const ran_tensor *expected,
                           const run_tolerance *tolerance);

/* ---- Report --------------------------------------------------------------------------------------- */

/* Prints one line about a data set, or adds an object to `json` (an array) when that is not NULL.
 * Returns whether all comparisons hold. */
bool run_report(ran_context *context, const ran_function *function, const run_data_set *set,
                ran_tensor *const *results, const run_tolerance *tolerance, json_t *json);

#endif
