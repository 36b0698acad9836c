/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * Running compiled models: the binary interface between generated code and its callers, and the
 * helpers of libran_rt. Generated code needs nothing of this library; a program that includes only
 * the generated header compiles and links without it.
 */
#ifndef RAN_RT_H
#define RAN_RT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { RAN_ABI_VERSION = 3 };

/* What model_run returns. */
enum {
    RAN_RUN_OK = 0,
    RAN_RUN_CPU = 1,      /* this CPU lacks an instruction set of every target of the model */
    RAN_RUN_INDEX = 2,    /* an index in the data is out of range */
    RAN_RUN_CAPACITY = 3, /* an output is larger than its buffer: its shape says how large */
    RAN_RUN_SHAPE = 4,    /* sizes don't fit together; nothing was computed */
};

#ifndef RAN_PARALLEL_DEFINED
#define RAN_PARALLEL_DEFINED
/* How the caller runs tasks on several threads. `run` calls `task` so that the ranges [begin, end)
 * cover [0, tasks) once, each call with the number of a slot (< slots) that no other call uses at
 * the same time, and returns when all are done. */
struct ran_parallel {
    unsigned slots;
    void (*run)(const struct ran_parallel *self, size_t tasks,
                void (*task)(void *argument, unsigned slot, size_t begin, size_t end),
                void *argument);
};
#endif

/* Extents of a ran_value_desc that are neither a number nor a symbol: the least ones. */
#define RAN_DIM_EXPRESSION INT64_MIN /* of symbols: output_shapes computes it */
#define RAN_DIM_DATA (INT64_MIN + 1) /* depends on data: a run tells it */

struct ran_value_desc {
    const char *name;
    int32_t elem;        /* ONNX's TensorProto.DataType */
    int32_t rank;
    const int64_t *dims; /* at least 0: the extent; -1-k: symbol k; or one of the above */
};

/* Arrays with an entry for each output; only those of outputs with a RAN_DIM_DATA count. */
struct ran_output_sizes {
    const size_t *capacities; /* elements for which there is room */
    int64_t *const *shapes;   /* where a run writes the extents */
};

/* One target that the model has code for. */
struct ran_variant_desc {
    const char *target;
    const char *cpu_features; /* what its code needs, by LLVM's names with commas between; "" for
                                 every CPU of the architecture */
};

/* Everything a loader needs. `symbols`: one value for each symbolic dimension. */
struct ran_model_desc {
    uint32_t abi;
    uint32_t symbol_count, input_count, output_count;
    const char *name;
    const char *target; /* as given to --target */
    const char *const *symbols;
    const struct ran_value_desc *inputs, *outputs;
    size_t (*workspace_size)(const int64_t *symbols, unsigned slots); /* any alignment will do */
    /* `sizes` may be NULL where no output has a size that depends on data. */
    int (*run)(const int64_t *symbols, const void *const *inputs, void *const *outputs,
               const struct ran_output_sizes *sizes, void *workspace,
               const struct ran_parallel *parallel, const void *weights);
    /* The extents of all outputs, one output after the other; of sizes that depend on data, the
     * most that they can be. */
    void (*output_shapes)(const int64_t *symbols, int64_t *dims);
    uint64_t weights_size; /* bytes of the weights file; 0 when the weights are inside */
    /* The most demanding one first: `run` takes the first that this CPU can run, whose index
     * `variant` returns; -1 where there is none (then `run` returns RAN_RUN_CPU). */
    uint32_t variant_count;
    const struct ran_variant_desc *variants;
    int (*variant)(void);
    /* What is wrong with these sizes, "matmul (node MatMul_1): inner dimensions of a and b: M and N
     * differ"; NULL when they fit. Otherwise `run` returns RAN_RUN_SHAPE. */
    const char *(*unmet)(const int64_t *symbols);
};

/* ---- libran_rt: the rest of this header ---------------------------------------------- */

struct ran_rt_tensor; /* ran/tensor_file.h */
struct ran_rt_error;

/* Values of the symbolic dimensions from the inputs' shapes; checks types and shapes. 0, or -1 with
 * the reason in `error`, which names the input, or the sizes that don't fit together. */
int ran_rt_bind(const struct ran_model_desc *desc, const struct ran_rt_tensor *inputs,
                int64_t *out_symbols, struct ran_rt_error *error);
/* Outputs of the right types and shapes, zeroed; clear each with ran_rt_tensor_clear. */
int ran_rt_create_outputs(const struct ran_model_desc *desc, const int64_t *symbols,
                          struct ran_rt_tensor *out_outputs, struct ran_rt_error *error);
/* All of it: binds, creates the outputs, runs once with a workspace of its own. */
int ran_rt_run(const struct ran_model_desc *desc, const void *weights,
               const struct ran_rt_tensor *inputs, struct ran_rt_tensor *out_outputs,
               const struct ran_parallel *parallel, struct ran_rt_error *error);

/* A pool of threads - 1 workers (the caller is slot 0). They sleep between runs of a model and do
 * not spin when idle. One model runs on a pool at a time. NULL when threads can't be had. */
struct ran_rt_pool;
struct ran_rt_pool *ran_rt_pool_create(unsigned threads);
void ran_rt_pool_destroy(struct ran_rt_pool *pool);
const struct ran_parallel *ran_rt_pool_parallel(const struct ran_rt_pool *pool);

/* A shared library that rancc wrote. `prefix` NULL: the file's stem. */
struct ran_rt_library;
struct ran_rt_library *ran_rt_library_open(const char *path, const char *prefix,
                                           struct ran_rt_error *error);
void ran_rt_library_close(struct ran_rt_library *library);
const struct ran_model_desc *ran_rt_library_desc(const struct ran_rt_library *library);

#ifdef __cplusplus
}
#endif
#endif
