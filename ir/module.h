/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The module from inside. */
#ifndef IR_MODULE_H
#define IR_MODULE_H

#include "ir/context.h"
#include "ir/source.h"

/* A tensor that an attribute refers to. */
typedef struct ran_tensor_link {
    ran_tensor *tensor;
    struct ran_tensor_link *next;
} ran_tensor_link;

typedef struct ran_metadata {
    const char *key, *value; /* interned */
} ran_metadata;

struct ran_module {
    ran_context *context;
    ran_arena *arena;
    ran_function *first_function;
    ran_value *first_constant, *last_constant;
    ran_table constant_names; /* values by interned name */
    size_t next_name;
    ran_tensor_link *tensors;
    ran_metadata *metadata;
    size_t metadata_count;
    ran_source *source; /* of a module that was parsed, or NULL; in the arena */
};

void ran_module_keep_tensor(ran_module *module, const ran_tensor *tensor);
ran_region *ran_region_create(ran_function *function, ran_op *parent);

static inline ran_module *ran_op_module(const ran_op *op)
{
    return op->parent->function->module;
}

#endif
