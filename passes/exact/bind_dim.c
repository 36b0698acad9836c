/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Binds symbolic dimensions of the function's inputs: `bind-dim{dims=N:8+H:224}`. Types are inferred
 * again everywhere. A name that no input has is an error, so that a typing mistake shows.
 */
#include "passes/passes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool has_symbol(const ran_dim *dim, const char *name)
{
    switch (ran_dim_get_kind(dim)) {
    case RAN_DIM_CONSTANT:
        return false;
    case RAN_DIM_SYMBOL:
        return !strcmp(ran_dim_name(dim), name);
    default:
        return has_symbol(ran_dim_lhs(dim), name) || has_symbol(ran_dim_rhs(dim), name);
    }
}

static bool is_input_symbol(const ran_function *function, const char *name)
{
    const ran_region *body = ran_function_body(function);
    for (size_t i = 0; i < ran_region_argument_count(body); i++) {
        const ran_type *type = ran_value_type(ran_region_argument(body, i));
        for (int axis = 0; ran_type_is_tensor(type) && axis < ran_type_rank(type); axis++) {
            if (has_symbol(ran_type_dim(type, axis), name))
                return true;
        }
    }
    return false;
}

static ran_status bind_one(ran_pass_context *pass, ran_function *function, char *binding)
{
    char *colon = strchr(binding, ':'), *end = NULL;
    errno = 0;
    long long size = colon ? strtoll(colon + 1, &end, 10) : -1;
    if (!colon || end == colon + 1 || *end || errno || size < 0)
        return ran_error(ran_pass_ir(pass), RAN_USAGE,
                         "bind-dim: '%s' is not NAME:VALUE with a value from 0 on", binding);
    *colon = '\0';
    if (!is_input_symbol(function, binding))
        return ran_error(ran_pass_ir(pass), RAN_USAGE,
                         "bind-dim: no input of '%s' has a dimension called '%s'",
                         ran_function_name(function), binding);
    ran_status status = ran_function_bind_dim(function, binding, size);
    if (!status)
        ran_pass_count(pass, "bound", 1);
    return status;
}

ran_status ran_run_bind_dim(ran_pass_context *pass, ran_function *function)
{
    const char *dims = ran_pass_string(pass, "dims");
    char *text = ran_pass_alloc(pass, strlen(dims) + 1), *save = NULL;
    strcpy(text, dims);
    for (char *one = strtok_r(text, "+", &save); one; one = strtok_r(NULL, "+", &save)) {
        ran_status status = bind_one(pass, function, one);
        if (status)
            return status;
    }
    return RAN_OK;
}
