/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Modules, functions, regions, values, constants. */
#include "ir/module.h"

#include <stdlib.h>
#include <string.h>

ran_module *ran_module_create(ran_context *context)
{
    ran_module *module = calloc(1, sizeof *module);
    if (!module)
        RAN_BUG(context, "out of memory");
    module->context = context;
    module->arena = ran_arena_create();
    return module;
}

void ran_module_destroy(ran_module *module)
{
    if (!module)
        return;
    for (ran_tensor_link *link = module->tensors; link; link = link->next)
        ran_tensor_release(link->tensor);
    for (ran_value *c = module->first_constant; c; c = c->next)
        ran_tensor_release(c->tensor);
    ran_table_free(&module->constant_names);
    free(module->metadata);
    if (module->source)
        ran_map_clear(&module->source->ops);
    ran_arena_destroy(module->arena);
    free(module);
}

ran_context *ran_module_context(const ran_module *module)
{
    return module->context;
}

ran_arena *ran_module_arena(ran_module *module)
{
    return module->arena;
}

void ran_module_keep_tensor(ran_module *module, const ran_tensor *tensor)
{
    ran_tensor_link *link = RAN_ARENA_NEW(module->arena, ran_tensor_link);
    link->tensor = ran_tensor_retain(tensor);
    link->next = module->tensors;
    module->tensors = link;
}

/* ---- Metadata -------------------------------------------------------------------------------- */

static size_t find_metadata(const ran_module *module, const char *key)
{
    size_t i = 0;
    while (i < module->metadata_count && strcmp(module->metadata[i].key, key) != 0)
        i++;
    return i;
}

void ran_module_set_metadata(ran_module *module, const char *key, const char *value)
{
    size_t at = find_metadata(module, key);
    if (!value) {
        if (at < module->metadata_count)
            memmove(&module->metadata[at], &module->metadata[at + 1],
                    (--module->metadata_count - at) * sizeof *module->metadata);
        return;
    }
    if (at == module->metadata_count) {
        ran_metadata *larger = realloc(module->metadata, (at + 1) * sizeof *larger);
        if (!larger)
            RAN_BUG(module->context, "out of memory");
        module->metadata = larger;
        module->metadata_count++;
        larger[at].key = ran_intern(module->context, key);
    }
    module->metadata[at].value = ran_intern(module->context, value);
}

const char *ran_module_metadata(const ran_module *module, const char *key)
{
    size_t at = find_metadata(module, key);
    return at < module->metadata_count ? module->metadata[at].value : NULL;
}

size_t ran_module_metadata_count(const ran_module *module)
{
    return module->metadata_count;
}

const char *ran_module_metadata_key(const ran_module *module, size_t index)
{
    return index < module->metadata_count ? module->metadata[index].key : NULL;
}

/* ---- Functions ------------------------------------------------------------------------------- */

ran_function *ran_module_first_function(const ran_module *module)
{
    return module->first_function;
}

ran_function *ran_function_next(const ran_function *function)
{
    return function->next;
}

ran_function *ran_module_find_function(const ran_module *module, const char *name)
{
    for (ran_function *f = module->first_function; f; f = f->next)
        if (strcmp(f->name, name) == 0)
            return f;
    return NULL;
}

ran_region *ran_region_create(ran_function *function, ran_op *parent)
{
    ran_region *region = RAN_ARENA_NEW(function->module->arena, ran_region);
    region->function = function;
    region->parent = parent;
    return region;
}

ran_function *ran_function_create(ran_module *module, const char *name)
{
    ran_function *function = RAN_ARENA_NEW(module->arena, ran_function);
    function->module = module;
    function->name = ran_intern(module->context, name);
    function->body = ran_region_create(function, NULL);
    ran_function **end = &module->first_function;
    while (*end)
        end = &(*end)->next;
    *end = function;
    return function;
}

const char *ran_function_name(const ran_function *function)
{
    return function->name;
}

ran_module *ran_function_module(const ran_function *function)
{
    return function->module;
}

ran_region *ran_function_body(const ran_function *function)
{
    return function->body;
}

void ran_function_set_output_name(ran_function *function, size_t index, const char *name)
{
    ran_module *module = function->module;
    if (index >= function->output_name_count) {
        size_t count = index + 1 > function->output_name_count * 2
                           ? index + 1
                           : function->output_name_count * 2;
        const char **names = RAN_ARENA_ARRAY(module->arena, const char *, count);
        for (size_t i = 0; i < function->output_name_count; i++)
            names[i] = function->output_names[i];
        function->output_names = names;
        function->output_name_count = count;
    }
    function->output_names[index] = name ? ran_intern(module->context, name) : NULL;
}

const char *ran_function_output_name(const ran_function *function, size_t index)
{
    return index < function->output_name_count ? function->output_names[index] : NULL;
}

/* ---- Constants ------------------------------------------------------------------------------- */

static bool constant_named(const void *item, const void *key)
{
    return ((const ran_value *)item)->name == key;
}

static uint64_t name_hash(const char *interned)
{
    return ran_hash_pointer(6, interned);
}

/* Names of dropped constants stay taken: nothing may tell two constants apart by reuse. */
static bool is_taken(const ran_module *module, const char *name)
{
    return ran_table_find(&module->constant_names, name_hash(name), constant_named, name) != NULL;
}

static const char *unique_name(ran_module *module, const char *wanted)
{
    if (wanted && *wanted) {
        const char *name = ran_intern(module->context, wanted);
        if (!is_taken(module, name))
            return name;
    }
    for (;;) {
        const char *name =
            wanted && *wanted
                ? ran_intern_printf(module->context, "%s_%zu", wanted, module->next_name++)
                : ran_intern_printf(module->context, "c%zu", module->next_name++);
        if (!is_taken(module, name))
            return name;
    }
}

ran_value *ran_constant_create(ran_module *module, const char *name, const ran_tensor *tensor)
{
    ran_value *value = RAN_ARENA_NEW(module->arena, ran_value);
    value->kind = RAN_VALUE_CONSTANT;
    value->owner.module = module;
    value->name = unique_name(module, name);
    value->tensor = ran_tensor_retain(tensor);
    value->type = ran_type_tensor_i64(module->context, ran_tensor_elem(tensor),
                                      ran_tensor_rank(tensor), ran_tensor_dims(tensor));
    ran_table_insert(&module->constant_names, name_hash(value->name), value);
    value->prev = module->last_constant;
    if (value->prev)
        value->prev->next = value;
    else
        module->first_constant = value;
    module->last_constant = value;
    return value;
}

ran_value *ran_module_first_constant(const ran_module *module)
{
    return module->first_constant;
}

ran_value *ran_constant_next(const ran_value *constant)
{
    return constant->next;
}

static void drop_constant(ran_module *module, ran_value *c)
{
    if (c->prev)
        c->prev->next = c->next;
    else
        module->first_constant = c->next;
    if (c->next)
        c->next->prev = c->prev;
    else
        module->last_constant = c->prev;
    ran_tensor_release(c->tensor);
    c->tensor = NULL;
}

size_t ran_module_drop_unused_constants(ran_module *module)
{
    size_t count = 0;
    for (ran_value *c = module->first_constant, *next; c; c = next) {
        next = c->next;
        if (c->first_use)
            continue;
        drop_constant(module, c);
        count++;
    }
    return count;
}

/* ---- Regions --------------------------------------------------------------------------------- */

ran_value *ran_region_add_argument(ran_region *region, const char *name, const ran_type *type)
{
    ran_module *module = region->function->module;
    if (region->argument_count == region->argument_capacity) {
        size_t capacity = region->argument_capacity ? region->argument_capacity * 2 : 4;
        ran_value **larger = RAN_ARENA_ARRAY(module->arena, ran_value *, capacity);
        for (size_t i = 0; i < region->argument_count; i++)
            larger[i] = region->arguments[i];
        region->arguments = larger;
        region->argument_capacity = capacity;
    }
    ran_value *value = RAN_ARENA_NEW(module->arena, ran_value);
    value->kind = RAN_VALUE_ARGUMENT;
    value->owner.region = region;
    value->index = (uint32_t)region->argument_count;
    value->type = type;
    value->name = name ? ran_intern(module->context, name) : NULL;
    region->arguments[region->argument_count++] = value;
    return value;
}

void ran_region_remove_argument(ran_region *region, size_t index)
{
    RAN_ASSERT(region->function->module->context,
               index < region->argument_count && !region->arguments[index]->first_use);
    for (size_t i = index + 1; i < region->argument_count; i++) {
        region->arguments[i - 1] = region->arguments[i];
        region->arguments[i - 1]->index = (uint32_t)(i - 1);
    }
    region->argument_count--;
}

size_t ran_region_argument_count(const ran_region *region)
{
    return region->argument_count;
}

ran_value *ran_region_argument(const ran_region *region, size_t index)
{
    return index < region->argument_count ? region->arguments[index] : NULL;
}

ran_op *ran_region_first(const ran_region *region)
{
    return region->first;
}

ran_op *ran_region_last(const ran_region *region)
{
    return region->last;
}

ran_op *ran_region_terminator(const ran_region *region)
{
    ran_op *last = region->last;
    return last && ran_opcode_has_flag(last->opcode, RAN_FLAG_TERMINATOR) ? last : NULL;
}

ran_op *ran_region_parent_op(const ran_region *region)
{
    return region->parent;
}

ran_function *ran_region_function(const ran_region *region)
{
    return region->function;
}

/* ---- Values ---------------------------------------------------------------------------------- */

static ran_module *module_of(const ran_value *value)
{
    if (value->kind == RAN_VALUE_CONSTANT)
        return value->owner.module;
    if (value->kind == RAN_VALUE_ARGUMENT)
        return value->owner.region->function->module;
    return value->owner.op->parent->function->module;
}

const ran_type *ran_value_type(const ran_value *value)
{
    return value->type;
}

/* Known elements belong to a type of this shape; a new type starts without. */
void ran_value_set_type(ran_value *value, const ran_type *type)
{
    if (value->type != type)
        value->known = NULL;
    value->type = type;
}

const char *ran_value_name(const ran_value *value)
{
    return value->name;
}

void ran_value_set_name(ran_value *value, const char *name)
{
    ran_module *module = module_of(value);
    if (value->kind != RAN_VALUE_CONSTANT) {
        value->name = name ? ran_intern(module->context, name) : NULL;
        return;
    }
    if (name && value->name == ran_intern(module->context, name))
        return;
    value->name = unique_name(module, name);
    ran_table_insert(&module->constant_names, name_hash(value->name), value);
}

ran_op *ran_value_op(const ran_value *value)
{
    return value && value->kind == RAN_VALUE_RESULT ? value->owner.op : NULL;
}

size_t ran_value_index(const ran_value *value)
{
    return value->index;
}

ran_region *ran_value_argument_region(const ran_value *value)
{
    return value && value->kind == RAN_VALUE_ARGUMENT ? value->owner.region : NULL;
}

const ran_tensor *ran_value_constant(const ran_value *value)
{
    return value && value->kind == RAN_VALUE_CONSTANT ? value->tensor : NULL;
}

bool ran_value_has_uses(const ran_value *value)
{
    return value->first_use != NULL;
}

bool ran_value_has_one_use(const ran_value *value)
{
    return value->first_use && !value->first_use->next;
}

size_t ran_value_use_count(const ran_value *value)
{
    size_t count = 0;
    for (const ran_use *use = value->first_use; use; use = use->next)
        count++;
    return count;
}

ran_use *ran_value_first_use(const ran_value *value)
{
    return value->first_use;
}

ran_use *ran_use_next(const ran_use *use)
{
    return use->next;
}

ran_op *ran_use_op(const ran_use *use)
{
    return use->op;
}

size_t ran_use_index(const ran_use *use)
{
    return use->index;
}

/* Constants of integer type know themselves; the elements are made when first asked for. */
static void know_constant(ran_value *value)
{
    ran_elem elem = ran_tensor_elem(value->tensor);
    int64_t count = ran_tensor_numel(value->tensor);
    if (count > RAN_MAX_KNOWN || (!ran_elem_is_int(elem) && elem != RAN_ELEM_BOOL))
        return;
    ran_module *module = value->owner.module;
    const ran_dim **known = RAN_ARENA_ARRAY(module->arena, const ran_dim *, (size_t)count + 1);
    for (int64_t i = 0; i < count; i++)
        known[i] = ran_dim_constant(module->context, ran_tensor_get_i64(value->tensor, i));
    value->known = known;
    value->known_count = (uint32_t)count;
}

size_t ran_value_known(const ran_value *value, const ran_dim *const **out_elements)
{
    if (value->kind == RAN_VALUE_CONSTANT && !value->known)
        know_constant((ran_value *)value);
    *out_elements = (const ran_dim *const *)value->known;
    return value->known ? value->known_count : 0;
}
