/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tools/model.h"

#include <stdlib.h>
#include <string.h>

#include "tools/files.h"

/* ---- Options ----------------------------------------------------------------------------------- */

enum { OPTION_DIM = 0x1000, OPTION_SHAPE };

static const struct argp_option options[] = {
    {"dim", OPTION_DIM, "NAME=N", 0, "Bind a symbolic dimension; '*=N' binds all others", 0},
    {"shape", OPTION_SHAPE, "INPUT=1x3x224x224", 0, "Bind an input's shape (? keeps a dimension)",
     0},
    {0},
};

static bool parse_extent(const char **text, int64_t *out)
{
    if (**text == '?') {
        *out = -1;
        (*text)++;
        return true;
    }
    char *end;
    if (**text < '0' || **text > '9')
        return false;
    *out = strtoll(*text, &end, 10);
    *text = end;
    return true;
}

static bool parse_shape(const char *text, int64_t *dims, int *out_rank)
{
    int rank = 0;
    while (*text) {
        if (rank == RAN_MAX_RANK || !parse_extent(&text, &dims[rank++]))
            return false;
        if (*text && *text != 'x' && *text != ',')
            return false;
        text += *text != 0;
    }
    *out_rank = rank;
    return true;
}

/* Splits NAME=REST in place; the name may contain '='. */
static char *split_binding(char *text)
{
    char *equal = strrchr(text, '=');
    if (!equal || equal == text)
        return NULL;
    *equal = '\0';
    return equal + 1;
}

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    ran_model_options *o = state->input;
    if (key != OPTION_DIM && key != OPTION_SHAPE)
        return ARGP_ERR_UNKNOWN;
    if (o->dim_count == RAN_MODEL_BINDINGS || o->shape_count == RAN_MODEL_BINDINGS)
        argp_error(state, "more than %d bindings", RAN_MODEL_BINDINGS);
    char *rest = split_binding(value);
    if (key == OPTION_DIM) {
        const char *text = rest ? rest : "";
        int64_t extent = -1;
        if (!parse_extent(&text, &extent) || *text || extent < 0)
            argp_error(state, "--dim wants NAME=N, not %s", value);
        if (!strcmp(value, "*")) {
            o->binds_rest = true;
            o->rest = extent;
        } else {
            o->dims[o->dim_count++] = (ran_dim_binding){value, extent};
        }
    } else {
        ran_shape_binding *shape = &o->shapes[o->shape_count];
        shape->input = value;
        shape->dims = o->extents[o->shape_count++];
        if (!rest || !parse_shape(rest, o->extents[o->shape_count - 1], &shape->rank))
            argp_error(state, "--shape wants INPUT=1x3x224x224, not %s", value);
    }
    return 0;
}

const struct argp ran_model_argp = {.options = options, .parser = parse_option};

/* ---- IR text -------------------------------------------------------------------------------------- */

static ran_value *find_argument(const ran_function *function, const char *name)
{
    const ran_region *body = ran_function_body(function);
    for (size_t i = 0; i < ran_region_argument_count(body); i++) {
        ran_value *argument = ran_region_argument(body, i);
        if (ran_value_name(argument) && !strcmp(ran_value_name(argument), name))
            return argument;
    }
    return NULL;
}

/* The shape's symbols become the given numbers, wherever they stand. */
static ran_status bind_shape(ran_context *context, ran_function *function,
                             const ran_shape_binding *shape)
{
    ran_value *input = find_argument(function, shape->input);
    if (!input)
        return ran_error(context, RAN_USAGE, "the model has no input '%s'", shape->input);
    if (ran_type_rank(ran_value_type(input)) != shape->rank)
        return ran_error(context, RAN_USAGE, "input '%s' is %s, the given shape has rank %d",
                         shape->input, ran_type_text(context, ran_value_type(input)), shape->rank);
    for (int i = 0; i < shape->rank; i++) {
        const ran_dim *dim = ran_type_dim(ran_value_type(input), i);
        ran_status status = RAN_OK;
        if (shape->dims[i] < 0 || ran_dim_is(dim, shape->dims[i]))
            continue;
        if (ran_dim_get_kind(dim) == RAN_DIM_SYMBOL)
            status = ran_function_bind_dim(function, ran_dim_name(dim), shape->dims[i]);
        else
            status = ran_error(context, RAN_USAGE, "input '%s' has %s on axis %d, not %lld",
                               shape->input, ran_dim_text(context, dim), i,
                               (long long)shape->dims[i]);
        if (status != RAN_OK)
            return status;
    }
    return RAN_OK;
}

static ran_status bind_all(ran_context *context, ran_module *module, const ran_model_options *o)
{
    ran_function *function = ran_module_first_function(module);
    ran_status status = RAN_OK;
    for (size_t i = 0; o && function && i < o->dim_count && status == RAN_OK; i++)
        status = ran_function_bind_dim(function, o->dims[i].name, o->dims[i].value);
    for (size_t i = 0; o && function && i < o->shape_count && status == RAN_OK; i++)
        status = bind_shape(context, function, &o->shapes[i]);
    return status;
}

/* Dimensions of inputs that are still symbols, named or not, become `value`; a note says which. */
static ran_status bind_rest(ran_context *context, ran_module *module, int64_t value)
{
    ran_function *function = ran_module_first_function(module);
    const ran_region *body = function ? ran_function_body(function) : NULL;
    ran_status status = RAN_OK;
    for (size_t i = 0; body && i < ran_region_argument_count(body); i++) {
        const ran_value *input = ran_region_argument(body, i);
        for (int axis = 0; axis < ran_type_rank(ran_value_type(input)) && !status; axis++) {
            const ran_dim *dim = ran_type_dim(ran_value_type(input), axis);
            if (ran_dim_get_kind(dim) != RAN_DIM_SYMBOL)
                continue;
            const char *name = ran_dim_name(dim);
            status = ran_function_bind_dim(function, name, value);
            ran_note(context, "input '%s': the dynamic dimension %s (axis %d) is bound to %lld",
                     ran_value_name(input), *name == '?' ? "without a name" : name, axis,
                     (long long)value);
        }
    }
    return status;
}

static ran_status load_text(ran_context *context, const char *path,
                            const ran_model_options *bindings, ran_module **out_module)
{
    char *text;
    size_t length;
    ran_status status = ran_tool_read(context, path, &text, &length);
    if (status != RAN_OK)
        return status;
    const char *file = strcmp(path, "-") ? path : "<stdin>";
    status = ran_module_parse(context, text, length, file, out_module);
    free(text);
    if (status != RAN_OK)
        return status;
    status = bind_all(context, *out_module, bindings);
    if (status != RAN_OK) {
        ran_module_destroy(*out_module);
        *out_module = NULL;
    }
    return status;
}

/* ---- Loading ---------------------------------------------------------------------------------------- */

/* A model's first field is its ir_version, 0x08, which no text begins with. */
static bool is_onnx(const char *path)
{
    if (strcmp(path, "-")) {
        size_t length = strlen(path);
        return length < 4 || strcmp(path + length - 4, ".ran");
    }
    int first = getc(stdin);
    if (first != EOF)
        ungetc(first, stdin);
    return first != EOF && first < ' ' && !strchr("\t\n\r", first);
}

static ran_status load(ran_context *context, const char *path, const ran_model_options *bindings,
                       ran_module **out_module)
{
    if (!is_onnx(path))
        return load_text(context, path, bindings, out_module);
    ran_import_options import = {0};
    if (bindings)
        import = (ran_import_options){bindings->dims, bindings->dim_count, bindings->shapes,
                                      bindings->shape_count};
    return ran_onnx_import(context, path, &import, out_module);
}

ran_status ran_model_load(ran_context *context, const char *path,
                          const ran_model_options *bindings, ran_module **out_module)
{
    const char *model;
    if (ran_tool_is_model_directory(context, path, &model))
        path = model;
    ran_status status = load(context, path, bindings, out_module);
    if (!status && bindings && bindings->binds_rest) {
        status = bind_rest(context, *out_module, bindings->rest);
        if (status) {
            ran_module_destroy(*out_module);
            *out_module = NULL;
        }
    }
    return status;
}
