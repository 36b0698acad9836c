/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/model.h"

#include <errno.h>
#include <ran/pass.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ir/beside.h"
#include "ir/map.h"

/* ---- Passes -----------------------------------------------------------------------------------
 */

static ran_status run_passes(ran_module *module, const char *text)
{
    ran_pass_manager *manager = ran_pass_manager_create(ran_module_context(module));
    ran_status status = ran_pass_manager_run_text(manager, text, module);
    ran_pass_manager_destroy(manager);
    return status;
}

ran_status ran_search_clean(ran_module *module)
{
    return run_passes(
        module, "fixpoint(fold-constants,canonicalize,common-subexpressions,dead-code),"
                "recognize-hard-swish,recognize-silu,recognize-gelu,recognize-layernorm,dead-code");
}

ran_status ran_search_set_batch(ran_module *module, int64_t batch)
{
    ran_context *context = ran_module_context(module);
    ran_function *function = ran_module_first_function(module);
    const ran_region *body = ran_function_body(function);
    const ran_type *type =
        ran_region_argument_count(body) ? ran_value_type(ran_region_argument(body, 0)) : NULL;
    if (!type || !ran_type_is_tensor(type) || ran_type_rank(type) < 1)
        return ran_error(context, RAN_UNSUPPORTED, "the model has no input with a batch");
    const ran_dim *dim = ran_type_dim(type, 0);
    if (ran_dim_get_kind(dim) == RAN_DIM_SYMBOL)
        return ran_function_bind_dim(function, ran_dim_name(dim), batch);
    if (ran_dim_is(dim, batch))
        return RAN_OK;
    return run_passes(
        module, ran_intern_printf(context, "rebatch{batch=%lld},fold-constants", (long long)batch));
}

ran_status ran_search_optimize(ran_module *module, const char *target, const char *level)
{
    ran_context *context = ran_module_context(module);
    ran_cost_model *model = NULL;
    ran_pass_manager *manager = ran_pass_manager_create(context);
    ran_status status = ran_pass_manager_set_level(manager, level);
    if (status == RAN_OK)
        status = ran_cost_model_create(
            context, &(ran_compile_options){.target = target, .winograd = !strcmp(level, "3")},
            &model);
    if (status == RAN_OK) {
        ran_pass_manager_set_cost_model(manager, model);
        status = ran_pass_manager_run(manager, module);
    }
    ran_pass_manager_destroy(manager);
    if (model)
        ran_cost_model_destroy(model);
    return status;
}

/* ---- Values -------------------------------------------------------------------------------------
 */

static bool is_named(const ran_value *value, const char *name)
{
    return ran_value_name(value) && !strcmp(ran_value_name(value), name);
}

ran_value *ran_search_find_value(const ran_function *function, const char *name)
{
    const ran_region *body = ran_function_body(function);
    for (size_t i = 0; i < ran_region_argument_count(body); i++)
        if (is_named(ran_region_argument(body, i), name))
            return ran_region_argument(body, i);
    for (ran_op *op = ran_region_first(body); op; op = ran_op_next(op))
        for (size_t i = 0; i < ran_op_result_count(op); i++)
            if (is_named(ran_op_result(op, i), name))
                return ran_op_result(op, i);
    return NULL;
}

/* ---- Substitution
 * --------------------------------------------------------------------------------- */

static void copy_constants(ran_module *module, const ran_module *source, const char *prefix,
                           ran_mapping *mapping)
{
    ran_context *context = ran_module_context(module);
    for (const ran_value *c = ran_module_first_constant(source); c; c = ran_constant_next(c)) {
        const char *name = ran_intern_printf(context, "%s.%s", prefix,
                                             ran_value_name(c) ? ran_value_name(c) : "constant");
        ran_mapping_set(mapping, c, ran_constant_create(module, name, ran_value_constant(c)));
    }
}

static void prefix_location(ran_op *op, ran_context *context, const char *prefix)
{
    const ran_location *location = ran_op_location(op);
    const char *name = location ? ran_location_name(location) : NULL;
    ran_op_set_location(
        op, ran_location_create(context,
                                ran_intern_printf(context, "%s.%s", prefix, name ? name : "op"),
                                location ? ran_location_type(location) : NULL));
}

/* Copies the ops of `source` in front of the builder's op; returns what it would return. */
static ran_value *inline_function(ran_builder *builder, const ran_function *source, ran_value *x,
                                  const char *prefix)
{
    const ran_region *body = ran_function_body(source);
    ran_context *context = ran_module_context(builder->module);
    ran_mapping *mapping = ran_mapping_create();
    ran_value *y = ran_op_operand(ran_region_terminator(body), 0), *result;
    ran_mapping_set(mapping, ran_region_argument(body, 0), x);
    copy_constants(builder->module, ran_function_module(source), prefix, mapping);
    for (const ran_op *op = ran_region_first(body); op != ran_region_terminator(body);
         op = ran_op_next(op)) {
        ran_op *copy = ran_op_clone(builder, op, mapping);
        prefix_location(copy, context, prefix);
        for (size_t i = 0; i < ran_op_result_count(copy); i++)
            ran_value_set_name(ran_op_result(copy, i), NULL);
    }
    result = ran_mapping_get(mapping, y);
    ran_mapping_destroy(mapping);
    return result ? result : y;
}

ran_status ran_search_substitute(ran_function *function, const char *input, const char *output,
                                 const ran_function *candidate, const char *name)
{
    ran_module *module = ran_function_module(function);
    ran_context *context = ran_module_context(module);
    ran_value *x = ran_search_find_value(function, input);
    ran_value *y = ran_search_find_value(function, output);
    if (!x || !y || !ran_value_op(y))
        return ran_error(context, RAN_INVALID, "layer %s: the model has no value %s", name,
                         x ? output : input);
    ran_builder builder = ran_builder_before(ran_value_op(y));
    ran_value *result = inline_function(&builder, candidate, x, name);
    ran_value_replace_uses(y, result);
    ran_value_set_name(y, NULL);
    if (result != x)
        ran_value_set_name(result, output);
    ran_status status = ran_function_infer_types(function);
    return status == RAN_OK ? run_passes(module, "dead-code") : status;
}

/* ---- Cutting
 * --------------------------------------------------------------------------------------- */

static void mark_needed(const ran_value *value, const ran_value *from, ran_map *needed)
{
    bool is_new;
    ran_op *op = ran_value_op(value);
    if (value == from || !op)
        return;
    ran_map_insert(needed, op, 0, &is_new);
    if (!is_new)
        return;
    for (size_t i = 0; i < ran_op_operand_count(op); i++)
        if (ran_op_operand(op, i))
            mark_needed(ran_op_operand(op, i), from, needed);
}

ran_status ran_search_cut(const ran_function *function, const ran_value *from, const ran_value *to,
                          ran_module **out_module)
{
    const ran_module *source = ran_function_module(function);
    ran_module *module = ran_module_create(ran_module_context(source));
    ran_function *cut = ran_function_create(module, "main");
    ran_builder builder = ran_builder_at_end(ran_function_body(cut));
    ran_mapping *mapping = ran_mapping_create();
    ran_map needed = {0};
    mark_needed(to, from, &needed);
    ran_value *x = ran_region_add_argument(ran_function_body(cut),
                                           ran_value_name(from) ? ran_value_name(from) : "x",
                                           ran_value_type(from));
    ran_mapping_set(mapping, from, x);
    for (const ran_value *c = ran_module_first_constant(source); c; c = ran_constant_next(c))
        ran_mapping_set(mapping, c,
                        ran_constant_create(module, ran_value_name(c), ran_value_constant(c)));
    for (const ran_op *op = ran_region_first(ran_function_body(function)); op; op = ran_op_next(op))
        if (ran_map_find(&needed, op, 0))
            ran_op_clone(&builder, op, mapping);
    ran_value *y = ran_mapping_get(mapping, to);
    ran_op_create(&builder, RAN_OP_RETURN, 1, &y, 0);
    ran_function_set_output_name(cut, 0, "y");
    ran_mapping_destroy(mapping);
    ran_map_clear(&needed);
    ran_module_drop_unused_constants(module);
    ran_status status = ran_module_verify(module);
    if (status != RAN_OK)
        ran_module_destroy(module);
    else
        *out_module = module;
    return status;
}

void ran_search_return_values(ran_function *function, ran_value *const *values, size_t count)
{
    ran_op *end = ran_region_terminator(ran_function_body(function));
    ran_op_set_operands(end, count, values);
    for (size_t i = 0; i < count; i++)
        ran_function_set_output_name(function, i, ran_value_name(values[i]));
}

/* ---- Files
 * ------------------------------------------------------------------------------------------- */

ran_status ran_search_make_directory(ran_context *context, const char *path)
{
    char *copy = strdup(path);
    bool failed = !copy;
    for (char *at = copy ? strchr(copy + 1, '/') : NULL; at && !failed; at = strchr(at + 1, '/')) {
        *at = '\0';
        failed = mkdir(copy, 0777) && errno != EEXIST;
        *at = '/';
    }
    if (!failed)
        failed = mkdir(copy, 0777) && errno != EEXIST;
    free(copy);
    return failed ? ran_error(context, RAN_INVALID, "cannot make directory %s: %s", path,
                              strerror(errno))
                  : RAN_OK;
}

/* Text names its side file, so that keeps its name from the start: weights first, text renamed
 * last, because a text that is there stands for both. */
ran_status ran_search_save(const ran_module *module, const char *path)
{
    ran_context *context = ran_module_context(module);
    const char *weights = ran_intern_printf(context, "%s.weights", path);
    ran_beside_file out;
    ran_status status = ran_beside_open(context, path, &out);
    return status == RAN_OK
               ? ran_beside_close(context, &out, ran_module_print(module, out.stream, weights))
               : status;
}

ran_status ran_search_load(ran_context *context, const char *path, ran_module **out_module)
{
    FILE *file = fopen(path, "r");
    struct stat info;
    if (!file || fstat(fileno(file), &info)) {
        if (file)
            fclose(file);
        return ran_error(context, RAN_INVALID, "cannot read %s: %s", path, strerror(errno));
    }
    size_t size = (size_t)info.st_size;
    char *text = malloc(size + 1);
    ran_status status = RAN_OK;
    if (!text || fread(text, 1, size, file) != size)
        status = ran_error(context, RAN_INVALID, "cannot read %s", path);
    fclose(file);
    if (status == RAN_OK) {
        text[size] = '\0';
        status = ran_module_parse(context, text, size, path, out_module);
    }
    free(text);
    return status;
}
