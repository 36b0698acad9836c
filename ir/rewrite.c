/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Mappings between values, and copies of ops and modules. */
#include "ir/module.h"

#include <stdlib.h>

/* ---- Mappings -------------------------------------------------------------------------------- */

typedef struct entry {
    const ran_value *from;
    ran_value *to;
} entry;

struct ran_mapping {
    entry *entries; /* open addressing, linear probing */
    size_t count, capacity;
};

ran_mapping *ran_mapping_create(void)
{
    ran_mapping *mapping = calloc(1, sizeof *mapping);
    if (!mapping)
        RAN_BUG(NULL, "out of memory");
    return mapping;
}

void ran_mapping_destroy(ran_mapping *mapping)
{
    if (mapping)
        free(mapping->entries);
    free(mapping);
}

static entry *slot_of(const ran_mapping *mapping, const ran_value *from)
{
    size_t mask = mapping->capacity - 1;
    size_t i = (size_t)ran_hash_pointer(0, from) & mask;
    while (mapping->entries[i].from && mapping->entries[i].from != from)
        i = (i + 1) & mask;
    return &mapping->entries[i];
}

static void grow(ran_mapping *mapping)
{
    ran_mapping larger = {.capacity = mapping->capacity ? mapping->capacity * 2 : 32};
    larger.entries = calloc(larger.capacity, sizeof *larger.entries);
    if (!larger.entries)
        RAN_BUG(NULL, "out of memory");
    for (size_t i = 0; i < mapping->capacity; i++)
        if (mapping->entries[i].from)
            *slot_of(&larger, mapping->entries[i].from) = mapping->entries[i];
    larger.count = mapping->count;
    free(mapping->entries);
    *mapping = larger;
}

void ran_mapping_set(ran_mapping *mapping, const ran_value *from, ran_value *to)
{
    if (mapping->count * 4 >= mapping->capacity * 3)
        grow(mapping);
    entry *e = slot_of(mapping, from);
    mapping->count += !e->from;
    *e = (entry){from, to};
}

ran_value *ran_mapping_get(const ran_mapping *mapping, const ran_value *from)
{
    return mapping->capacity && from ? slot_of(mapping, from)->to : NULL;
}

/* ---- Clones ---------------------------------------------------------------------------------- */

static void copy_value(ran_module *module, ran_value *to, const ran_value *from,
                       ran_mapping *mapping)
{
    to->type = from->type;
    to->name = from->name;
    if (from->known) {
        /* Immutable, but in the arena of its module. */
        to->known = ran_arena_copy(module->arena, from->known,
                                   from->known_count * sizeof *from->known);
        to->known_count = from->known_count;
    }
    ran_mapping_set(mapping, from, to);
}

static void copy_attrs(ran_op *to, const ran_op *from)
{
    for (size_t i = 0; i < from->attr_count; i++) {
        const ran_attr *a = &from->attrs[i];
        switch (a->kind) {
        case RAN_ATTR_INT:
            ran_op_set_int(to, a->name, a->as.i);
            break;
        case RAN_ATTR_FLOAT:
            ran_op_set_float(to, a->name, a->as.f);
            break;
        case RAN_ATTR_STRING:
            ran_op_set_string(to, a->name, a->as.s);
            break;
        case RAN_ATTR_INTS:
            ran_op_set_ints(to, a->name, a->as.ints, a->count);
            break;
        case RAN_ATTR_FLOATS:
            ran_op_set_floats(to, a->name, a->as.floats, a->count);
            break;
        case RAN_ATTR_STRINGS:
            ran_op_set_strings(to, a->name, a->as.strings, a->count);
            break;
        case RAN_ATTR_TYPE:
            ran_op_set_type_attr(to, a->name, a->as.type);
            break;
        case RAN_ATTR_TENSOR:
            ran_op_set_tensor(to, a->name, a->as.tensor);
            break;
        }
    }
}

static void copy_region(ran_region *to, const ran_region *from, ran_mapping *mapping)
{
    ran_module *module = to->function->module;
    for (size_t i = 0; i < from->argument_count; i++) {
        const ran_value *argument = from->arguments[i];
        copy_value(module, ran_region_add_argument(to, NULL, argument->type), argument, mapping);
    }
    ran_builder builder = ran_builder_at_end(to);
    for (const ran_op *op = from->first; op; op = op->next) {
        builder.location = op->location;
        ran_op_clone(&builder, op, mapping);
    }
}

ran_op *ran_op_clone(ran_builder *builder, const ran_op *op, ran_mapping *mapping)
{
    ran_op *copy = ran_op_create(builder, op->opcode, 0, NULL, op->result_count);
    copy->location = op->location;
    ran_value **operands = calloc(op->operand_count + 1, sizeof *operands);
    if (!operands)
        RAN_BUG(builder->module->context, "out of memory");
    for (size_t i = 0; i < op->operand_count; i++) {
        ran_value *mapped = ran_mapping_get(mapping, op->operands[i].value);
        operands[i] = mapped ? mapped : op->operands[i].value;
    }
    ran_op_set_operands(copy, op->operand_count, operands);
    free(operands);
    copy_attrs(copy, op);
    for (size_t i = 0; i < op->result_count; i++)
        copy_value(builder->module, &copy->results[i], &op->results[i], mapping);
    for (size_t i = 0; i < op->region_count; i++)
        copy_region(ran_op_add_region(copy), op->regions[i], mapping);
    return copy;
}

ran_module *ran_module_clone(const ran_module *module)
{
    ran_module *copy = ran_module_create(module->context);
    ran_mapping *mapping = ran_mapping_create();
    for (size_t i = 0; i < module->metadata_count; i++)
        ran_module_set_metadata(copy, module->metadata[i].key, module->metadata[i].value);
    for (const ran_value *c = module->first_constant; c; c = c->next)
        ran_mapping_set(mapping, c, ran_constant_create(copy, c->name, c->tensor));
    copy->next_name = module->next_name;
    for (const ran_function *f = module->first_function; f; f = f->next) {
        ran_function *to = ran_function_create(copy, f->name);
        copy_region(to->body, f->body, mapping);
        for (size_t i = 0; i < f->output_name_count; i++)
            ran_function_set_output_name(to, i, f->output_names[i]);
    }
    ran_mapping_destroy(mapping);
    return copy;
}
