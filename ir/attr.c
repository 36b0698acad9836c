/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Attributes: kept in the order of op.def, so that equal ops print and hash the same. */
#include "ir/attr.h"

#include "ir/module.h"

#include <string.h>

static ran_context *context_of(const ran_op *op)
{
    return ran_op_module(op)->context;
}

static const ran_attr_spec *spec_of(const ran_op *op, const char *name)
{
    const ran_attr_spec *spec = ran_attr_spec_find(op->opcode, name);
    if (!spec)
        RAN_BUG(context_of(op), "%s has no attribute %s", ran_opcode_name(op->opcode), name);
    return spec;
}

static const ran_attr *find_set(const ran_op *op, const ran_attr_spec *spec)
{
    for (size_t i = 0; i < op->attr_count; i++)
        if (op->attrs[i].name == spec->name)
            return &op->attrs[i];
    return NULL;
}

/* The attribute when it is set, NULL when not; its specification in any case. */
static const ran_attr *find(const ran_op *op, const char *name, ran_attr_kind kind,
                            const ran_attr_spec **out_spec)
{
    *out_spec = spec_of(op, name);
    if ((*out_spec)->kind != kind)
        RAN_BUG(context_of(op), "%s: attribute %s is of kind %s", ran_opcode_name(op->opcode), name,
                ran_attr_kind_name((*out_spec)->kind));
    return find_set(op, *out_spec);
}

bool ran_op_has_attr(const ran_op *op, const char *name)
{
    return find_set(op, spec_of(op, name)) != NULL;
}

int64_t ran_op_int(const ran_op *op, const char *name)
{
    const ran_attr_spec *spec;
    const ran_attr *attr = find(op, name, RAN_ATTR_INT, &spec);
    return attr ? attr->as.i : spec->int_default;
}

double ran_op_float(const ran_op *op, const char *name)
{
    const ran_attr_spec *spec;
    const ran_attr *attr = find(op, name, RAN_ATTR_FLOAT, &spec);
    return attr ? attr->as.f : spec->float_default;
}

const char *ran_op_string(const ran_op *op, const char *name)
{
    const ran_attr_spec *spec;
    const ran_attr *attr = find(op, name, RAN_ATTR_STRING, &spec);
    return attr ? attr->as.s : spec->string_default;
}

static const ran_attr *find_list(const ran_op *op, const char *name, ran_attr_kind kind,
                                 size_t *out_count)
{
    const ran_attr_spec *spec;
    const ran_attr *attr = find(op, name, kind, &spec);
    if (out_count)
        *out_count = attr ? attr->count : 0;
    return attr;
}

const int64_t *ran_op_ints(const ran_op *op, const char *name, size_t *out_count)
{
    const ran_attr *attr = find_list(op, name, RAN_ATTR_INTS, out_count);
    return attr ? attr->as.ints : NULL;
}

int64_t ran_op_int_at(const ran_op *op, const char *name, size_t index, int64_t fallback)
{
    size_t count;
    const int64_t *values = ran_op_ints(op, name, &count);
    return index < count ? values[index] : fallback;
}

const double *ran_op_floats(const ran_op *op, const char *name, size_t *out_count)
{
    const ran_attr *attr = find_list(op, name, RAN_ATTR_FLOATS, out_count);
    return attr ? attr->as.floats : NULL;
}

const char *const *ran_op_strings(const ran_op *op, const char *name, size_t *out_count)
{
    const ran_attr *attr = find_list(op, name, RAN_ATTR_STRINGS, out_count);
    return attr ? attr->as.strings : NULL;
}

const ran_type *ran_op_type_attr(const ran_op *op, const char *name)
{
    const ran_attr_spec *spec;
    const ran_attr *attr = find(op, name, RAN_ATTR_TYPE, &spec);
    return attr ? attr->as.type : NULL;
}

const ran_tensor *ran_op_tensor(const ran_op *op, const char *name)
{
    const ran_attr_spec *spec;
    const ran_attr *attr = find(op, name, RAN_ATTR_TENSOR, &spec);
    return attr ? attr->as.tensor : NULL;
}

/* ---- Setting --------------------------------------------------------------------------------- */

static size_t row_index(const ran_op *op, const char *spec_name)
{
    const ran_op_def *d = ran_op_definition(op->opcode);
    size_t i = 0;
    while (d->attrs[i].name != spec_name)
        i++;
    return i;
}

static ran_attr *insert(ran_op *op, const ran_attr_spec *spec)
{
    ran_attr *larger =
        RAN_ARENA_ARRAY(ran_op_module(op)->arena, ran_attr, op->attr_count + 1);
    size_t at = 0, row = row_index(op, spec->name);
    while (at < op->attr_count && row_index(op, op->attrs[at].name) < row)
        at++;
    if (op->attr_count) {
        memcpy(larger, op->attrs, at * sizeof *larger);
        memcpy(larger + at + 1, op->attrs + at, (op->attr_count - at) * sizeof *larger);
    }
    op->attrs = larger;
    op->attr_count++;
    larger[at].name = spec->name;
    larger[at].kind = spec->kind;
    return &larger[at];
}

static ran_attr *set(ran_op *op, const char *name, ran_attr_kind kind)
{
    const ran_attr_spec *spec;
    ran_attr *attr = (ran_attr *)find(op, name, kind, &spec);
    return attr ? attr : insert(op, spec);
}

void ran_op_set_int(ran_op *op, const char *name, int64_t value)
{
    set(op, name, RAN_ATTR_INT)->as.i = value;
}

void ran_op_set_float(ran_op *op, const char *name, double value)
{
    set(op, name, RAN_ATTR_FLOAT)->as.f = (float)value;
}

void ran_op_set_string(ran_op *op, const char *name, const char *value)
{
    set(op, name, RAN_ATTR_STRING)->as.s = ran_intern(context_of(op), value);
}

void ran_op_set_ints(ran_op *op, const char *name, const int64_t *values, size_t count)
{
    ran_attr *attr = set(op, name, RAN_ATTR_INTS);
    attr->as.ints = ran_arena_copy(ran_op_module(op)->arena, values, count * sizeof *values);
    attr->count = count;
}

void ran_op_set_floats(ran_op *op, const char *name, const double *values, size_t count)
{
    ran_attr *attr = set(op, name, RAN_ATTR_FLOATS);
    double *copy = RAN_ARENA_ARRAY(ran_op_module(op)->arena, double, count);
    for (size_t i = 0; i < count; i++)
        copy[i] = (float)values[i];
    attr->as.floats = copy;
    attr->count = count;
}

void ran_op_set_strings(ran_op *op, const char *name, const char *const *values, size_t count)
{
    ran_attr *attr = set(op, name, RAN_ATTR_STRINGS);
    const char **copy = RAN_ARENA_ARRAY(ran_op_module(op)->arena, const char *, count);
    for (size_t i = 0; i < count; i++)
        copy[i] = ran_intern(context_of(op), values[i]);
    attr->as.strings = copy;
    attr->count = count;
}

void ran_op_set_type_attr(ran_op *op, const char *name, const ran_type *type)
{
    set(op, name, RAN_ATTR_TYPE)->as.type = type;
}

void ran_op_set_tensor(ran_op *op, const char *name, const ran_tensor *tensor)
{
    /* The module keeps every tensor that was ever set until it ends: they are small. */
    ran_module_keep_tensor(ran_op_module(op), tensor);
    set(op, name, RAN_ATTR_TENSOR)->as.tensor = (ran_tensor *)tensor;
}

void ran_op_remove_attr(ran_op *op, const char *name)
{
    ran_attr *attr = (ran_attr *)find_set(op, spec_of(op, name));
    if (!attr)
        return;
    size_t behind = (size_t)(op->attrs + op->attr_count - (attr + 1));
    memmove(attr, attr + 1, behind * sizeof *attr);
    op->attr_count--;
}

size_t ran_op_attr_count(const ran_op *op)
{
    return op->attr_count;
}

const char *ran_op_attr_name(const ran_op *op, size_t index)
{
    return index < op->attr_count ? op->attrs[index].name : NULL;
}

ran_attr_kind ran_op_attr_kind(const ran_op *op, size_t index)
{
    return op->attrs[index].kind;
}

/* ---- Equality: an attribute that is set to its default equals one that is not set ------------ */

/* The value in force, in the form of an attribute; false when there is none. */
static bool effective(const ran_op *op, const ran_attr_spec *spec, ran_attr *out)
{
    const ran_attr *attr = find_set(op, spec);
    if (attr) {
        *out = *attr;
        return true;
    }
    *out = (ran_attr){.name = spec->name, .kind = spec->kind};
    if (spec->kind == RAN_ATTR_INT)
        out->as.i = spec->int_default;
    else if (spec->kind == RAN_ATTR_FLOAT)
        out->as.f = spec->float_default;
    else if (spec->kind == RAN_ATTR_STRING)
        out->as.s = spec->has_default ? ran_intern(context_of(op), spec->string_default) : NULL;
    bool is_list = spec->kind == RAN_ATTR_INTS || spec->kind == RAN_ATTR_FLOATS ||
                   spec->kind == RAN_ATTR_STRINGS;
    return spec->has_default || is_list;
}

static bool attr_equal(const ran_attr *a, const ran_attr *b)
{
    if (a->kind != b->kind || a->count != b->count)
        return false;
    switch (a->kind) {
    case RAN_ATTR_INT:
        return a->as.i == b->as.i;
    case RAN_ATTR_FLOAT:
        return memcmp(&a->as.f, &b->as.f, sizeof a->as.f) == 0;
    case RAN_ATTR_STRING:
        return a->as.s == b->as.s;
    case RAN_ATTR_INTS:
        return a->count == 0 || memcmp(a->as.ints, b->as.ints, a->count * sizeof(int64_t)) == 0;
    case RAN_ATTR_FLOATS:
        return a->count == 0 ||
               memcmp(a->as.floats, b->as.floats, a->count * sizeof(double)) == 0;
    case RAN_ATTR_STRINGS:
        return a->count == 0 ||
               memcmp(a->as.strings, b->as.strings, a->count * sizeof(char *)) == 0;
    case RAN_ATTR_TYPE:
        return a->as.type == b->as.type;
    case RAN_ATTR_TENSOR:
        return ran_tensor_equal(a->as.tensor, b->as.tensor);
    }
    return false;
}

static uint64_t attr_hash(const ran_attr *a)
{
    switch (a->kind) {
    case RAN_ATTR_INT:
    case RAN_ATTR_FLOAT:
        return ran_hash_bytes(7, &a->as, sizeof(int64_t));
    case RAN_ATTR_STRING:
        return a->as.s ? ran_hash_bytes(7, a->as.s, strlen(a->as.s)) : 7;
    case RAN_ATTR_INTS:
        return ran_hash_bytes(7, a->as.ints, a->count * sizeof(int64_t));
    case RAN_ATTR_FLOATS:
        return ran_hash_bytes(7, a->as.floats, a->count * sizeof(double));
    case RAN_ATTR_TENSOR:
        return ran_tensor_hash(a->as.tensor);
    default:
        return a->count;
    }
}

static bool attrs_equal(const ran_op *a, const ran_op *b)
{
    const ran_op_def *d = ran_op_definition(a->opcode);
    for (size_t i = 0; i < d->attr_count; i++) {
        ran_attr of_a, of_b;
        bool has_a = effective(a, &d->attrs[i], &of_a), has_b = effective(b, &d->attrs[i], &of_b);
        if (has_a != has_b || (has_a && !attr_equal(&of_a, &of_b)))
            return false;
    }
    return true;
}

bool ran_op_equal(const ran_op *a, const ran_op *b)
{
    if (a->opcode != b->opcode || a->operand_count != b->operand_count ||
        a->result_count != b->result_count || a->region_count || b->region_count)
        return false;
    for (size_t i = 0; i < a->operand_count; i++)
        if (a->operands[i].value != b->operands[i].value)
            return false;
    for (size_t i = 0; i < a->result_count; i++)
        if (a->results[i].type != b->results[i].type)
            return false;
    return attrs_equal(a, b);
}

uint64_t ran_op_hash(const ran_op *op)
{
    const ran_op_def *d = ran_op_definition(op->opcode);
    uint64_t hash = ran_hash_word(8, op->opcode);
    for (size_t i = 0; i < op->operand_count; i++)
        hash = ran_hash_pointer(hash, op->operands[i].value);
    for (size_t i = 0; i < op->result_count; i++)
        hash = ran_hash_pointer(hash, op->results[i].type);
    for (size_t i = 0; i < d->attr_count; i++) {
        ran_attr attr;
        if (effective(op, &d->attrs[i], &attr))
            hash = ran_hash_word(hash, attr_hash(&attr));
    }
    return hash;
}
