/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What a run of a described model needs, made once for many runs. */
#ifndef RT_CALL_H
#define RT_CALL_H

#include <ran/rt.h>
#include <ran/tensor_file.h>

struct ran_rt_call {
    const int64_t *symbols;
    const void **inputs;
    void **outputs;
    size_t *capacities;
    int64_t **shapes;
    void *workspace;
};

/* Outputs as ran_rt_create_outputs made them: a run changes the dims of those whose sizes depend on
 * data. Clear the call also after an error. */
int ran_rt_call_prepare(const struct ran_model_desc *desc, const int64_t *symbols,
                        const struct ran_rt_tensor *inputs, struct ran_rt_tensor *outputs,
                        unsigned slots, struct ran_rt_call *out_call, struct ran_rt_error *error);
void ran_rt_call_clear(struct ran_rt_call *call);
/* A RAN_RUN_ code. */
int ran_rt_call_run(const struct ran_model_desc *desc, const struct ran_rt_call *call,
                    const struct ran_parallel *parallel, const void *weights);

#endif
