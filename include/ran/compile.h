/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Native code from a module: compile once, then write files or run it in this process. */
#ifndef RAN_COMPILE_H
#define RAN_COMPILE_H

#include <ran/ir.h>
#include <ran/pass.h>
#include <ran/rt.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Names that --target takes, and what each stands for ("native" and LLVM triples are others). */
size_t ran_target_count(void);
const char *ran_target_name(size_t index);
const char *ran_target_description(size_t index);

typedef enum ran_weights_mode {
    RAN_WEIGHTS_AUTO,  /* embedded up to 1 GiB, else a file */
    RAN_WEIGHTS_EMBED,
    RAN_WEIGHTS_FILE,  /* model_run takes their address */
} ran_weights_mode;

typedef struct ran_compile_options {
    const char *target;   /* --target; NULL: native */
    const char *cpu;      /* -mcpu; NULL: the target's */
    const char *features; /* -mattr; NULL: none beyond the target's */
    const char *prefix;   /* of the symbols; NULL: "model" */
    const char *entry;    /* the function to compile; NULL: the first */
    ran_weights_mode weights;
    /* 3x3 convolutions by Winograd's F(4x4, 3x3) where that is predicted to be faster: their results
     * are rounded differently (below 1e-6 of the largest), their weights take four times the room. */
    bool winograd;
    /* Directory of the kernels that were compiled before; NULL: $XDG_CACHE_HOME/rancc or
     * ~/.cache/rancc; "none": no cache. Results do not depend on it. */
    const char *kernel_cache;
    /* Called with data and the kernel's number before each kernel, and with the count of kernels at
     * the end. In-process runs only. */
    void (*profile)(void *data, size_t kernel);
    void *profile_data;
    /* Called with the module after each lowering step ("layout", "fuse", ...); may be NULL. */
    void (*observe)(void *data, const char *step, const ran_module *module);
    void *observe_data;
} ran_compile_options;

typedef enum ran_emit_kind {
    RAN_EMIT_OBJECT,
    RAN_EMIT_LIBRARY, /* static library, and its header beside it */
    RAN_EMIT_SHARED,  /* shared library, and its header beside it */
    RAN_EMIT_ASSEMBLY,
    RAN_EMIT_LLVM_IR,
    RAN_EMIT_LLVM_BITCODE,
    RAN_EMIT_HEADER,
    RAN_EMIT_EXECUTABLE,
} ran_emit_kind;

typedef struct ran_compiled ran_compiled;

/* Lowers `module` in place (layouts, kernels) and generates code. Everything that has no kernel is
 * reported in one run: RAN_UNSUPPORTED. The module must outlive the result (its constants are
 * the weights). */
RAN_MUST_USE ran_status ran_compile(ran_module *module, const ran_compile_options *options,
                                    RAN_GIVE ran_compiled **out_compiled);
void ran_compiled_destroy(RAN_TAKE ran_compiled *compiled);

/* Writes beside the path and renames. */
RAN_MUST_USE ran_status ran_compiled_emit(ran_compiled *compiled, ran_emit_kind kind,
                                          const char *path);

/* What is known after compiling. Bytes; -1 when it depends on a symbolic dimension. */
int64_t ran_compiled_workspace(const ran_compiled *compiled);
int64_t ran_compiled_live_peak(const ran_compiled *compiled);
uint64_t ran_compiled_weights_size(const ran_compiled *compiled);
void ran_compiled_memory_report(const ran_compiled *compiled, FILE *stream);
/* A buffer of the workspace. */
typedef struct ran_planned_buffer {
    const char *node; /* what computes it */
    const char *type;
    int64_t offset, bytes; /* -1: depends on a symbolic dimension */
    size_t first, last;    /* it lives from the op at this position to that one */
    bool in_place;         /* takes over the memory of an operand */
} ran_planned_buffer;
/* In the order in which they are written. */
size_t ran_compiled_buffer_count(const ran_compiled *compiled);
ran_planned_buffer ran_compiled_buffer_at(const ran_compiled *compiled, size_t index);
/* The kernels in the order in which they run. */
size_t ran_compiled_kernel_count(const ran_compiled *compiled);
const char *ran_compiled_kernel_node(const ran_compiled *compiled, size_t index);     /* location */
const char *ran_compiled_kernel_schedule(const ran_compiled *compiled, size_t index);
/* What the cost model predicts for one run on one core; negative when it is not known. */
double ran_compiled_kernel_seconds(const ran_compiled *compiled, size_t index);

/* What a model will take, known without generating its code. */
typedef struct ran_prediction {
    int64_t workspace; /* bytes of the memory plan; -1 when it depends on a symbolic dimension */
    int64_t live_peak; /* bytes; the largest sum of tensors that live at one time; -1 likewise */
    double seconds;    /* one run on one core, by the analytic cost model; -1 when not known */
    /* Called for each kernel with the name of its anchor's node ("" without one); may be NULL. */
    void (*kernel)(void *data, const char *node, double seconds);
    void *data;
} ran_prediction;

/* Lowers `module` in place, as ran_compile does. */
RAN_MUST_USE ran_status ran_predict(ran_module *module, const ran_compile_options *options,
                                    ran_prediction *prediction);

/* The analytic cost model of the options' target, for ran_pass_manager_set_cost_model: what passes
 * ask when they choose between forms of a network. The context must outlive it. */
RAN_MUST_USE ran_status ran_cost_model_create(ran_context *context,
                                              const ran_compile_options *options,
                                              RAN_GIVE ran_cost_model **out_model);
void ran_cost_model_destroy(RAN_TAKE ran_cost_model *model);

/* Loads the code into this process (native targets only). The description's `run` takes
 * `*out_weights` as its last argument. Both live as long as `compiled`. */
RAN_MUST_USE ran_status ran_compiled_load(ran_compiled *compiled,
                                          const struct ran_model_desc **out_desc,
                                          const void **out_weights);

#ifdef __cplusplus
}
#endif
#endif
