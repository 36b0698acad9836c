/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The weights as they lie in memory: every constant at its offset in the plan, in the layout of its
 * type. Written piece by piece; the whole is never in memory twice.
 */
#include "codegen/model.h"

#include <stdlib.h>
#include <string.h>

static const char zeros[RAN_WEIGHTS_ALIGNMENT];

/* [outer, channels, inner] -> [outer, blocks, inner, block], zeros behind the last channel. */
static void block_channels(const char *from, char *to, size_t size, int64_t outer,
                           int64_t channels, int64_t inner, int64_t block)
{
    int64_t blocks = (channels + block - 1) / block;
    for (int64_t o = 0; o < outer; o++)
        for (int64_t c = 0; c < channels; c++)
            for (int64_t i = 0; i < inner; i++) {
                int64_t source = (o * channels + c) * inner + i;
                int64_t target = ((o * blocks + c / block) * inner + i) * block + c % block;
                memcpy(to + target * (int64_t)size, from + source * (int64_t)size, size);
            }
}

static ran_status write_blocked(const ran_compiled *model, const ran_value *constant,
                                ran_weights_sink *sink, void *data)
{
    const ran_type *type = ran_value_type(constant);
    ran_layout layout = ran_type_layout(type);
    int64_t outer = 1, inner = 1, bytes = ran_type_storage_bytes(type);
    for (int i = 0; i < ran_type_rank(type); i++) {
        outer *= i < layout.axis ? ran_type_extent(type, i) : 1;
        inner *= i > layout.axis ? ran_type_extent(type, i) : 1;
    }
    char *blocked = calloc(1, (size_t)bytes + 1);
    if (!blocked)
        return ran_error(model->context, RAN_INVALID, "out of memory");
    block_channels(ran_tensor_data(ran_value_constant(constant)), blocked,
                   ran_elem_bits(ran_type_elem(type)) / 8, outer,
                   ran_type_extent(type, layout.axis), inner, layout.block);
    ran_status status = sink(data, blocked, (size_t)bytes);
    free(blocked);
    return status;
}

static ran_status write_constant(const ran_compiled *model, const ran_value *constant,
                                 ran_weights_sink *sink, void *data, size_t *out_bytes)
{
    const ran_tensor *tensor = ran_value_constant(constant);
    if (ran_type_layout(ran_value_type(constant)).block) {
        *out_bytes = (size_t)ran_type_storage_bytes(ran_value_type(constant));
        return write_blocked(model, constant, sink, data);
    }
    *out_bytes = ran_tensor_bytes(tensor);
    return sink(data, ran_tensor_data(tensor), *out_bytes);
}

ran_status ran_weights_write(const ran_compiled *model, ran_weights_sink *sink, void *data)
{
    ran_status status = RAN_OK;
    for (size_t i = 0; !status && i < ran_memory_plan_constant_count(model->plan); i++) {
        size_t bytes = 0;
        status = write_constant(model, ran_memory_plan_constant(model->plan, i), sink, data,
                                &bytes);
        size_t rest = bytes % RAN_WEIGHTS_ALIGNMENT;
        if (!status && rest)
            status = sink(data, zeros, RAN_WEIGHTS_ALIGNMENT - rest);
    }
    return status;
}
