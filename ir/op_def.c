/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The rows of op.def; their signature strings are parsed once a process. */
#include "ir/ir.h"

#include <ctype.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define RAN_OP(ENUM, name, hooks, ...) extern const ran_op_hooks ran_hooks_##hooks;
#include <ran/op.def>

typedef struct row {
    const char *name;
    const ran_op_hooks *hooks;
    const char *operands, *results, *attributes, *types, *result, *gradient;
    unsigned flags, elementwise, regions;
} row;

static const row rows[RAN_OP_COUNT] = {
#define RAN_OP(ENUM, name_, hooks_, ...)                                                           \
    [RAN_OP_##ENUM] = {.name = #name_, .hooks = &ran_hooks_##hooks_, __VA_ARGS__},
#include <ran/op.def>
};

static ran_op_def definitions[RAN_OP_COUNT];
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* ---- Parsing --------------------------------------------------------------------------------- */

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);
    if (!memory)
        RAN_BUG(NULL, "out of memory");
    return memory;
}

/* The pieces between commas, without blanks around them; empty text has none. What the pieces
 * point into lives as long as the table. */
static size_t split_list(const char *text, char ***out_items)
{
    size_t count = 0;
    char *copy = strdup(text ? text : "");
    char **items = allocate(copy ? strlen(copy) + 1 : 0, sizeof *items);
    if (!copy)
        RAN_BUG(NULL, "out of memory");
    for (char *piece = strtok(copy, ","); piece; piece = strtok(NULL, ",")) {
        piece += strspn(piece, " ");
        for (size_t n = strlen(piece); n && piece[n - 1] == ' '; n--)
            piece[n - 1] = 0;
        if (*piece)
            items[count++] = piece;
    }
    if (!count)
        free(copy);
    *out_items = items;
    return count;
}

static bool cut_suffix(char *text, const char *suffix)
{
    size_t length = strlen(text), cut = strlen(suffix);
    if (length < cut || strcmp(text + length - cut, suffix) != 0)
        return false;
    text[length - cut] = 0;
    return true;
}

static const ran_operand_spec *parse_operands(const char *text, size_t *out_count, size_t *out_min)
{
    char **items;
    size_t count = split_list(text, &items), min = 0;
    ran_operand_spec *specs = allocate(count, sizeof *specs);
    for (size_t i = 0; i < count; i++) {
        specs[i].variadic = cut_suffix(items[i], "...");
        specs[i].optional = cut_suffix(items[i], "?");
        specs[i].name = items[i];
        if (!specs[i].variadic && !specs[i].optional)
            min = i + 1;
    }
    free(items);
    *out_count = count;
    *out_min = min;
    return specs;
}

static const char *const kind_names[] = {
    [RAN_ATTR_INT] = "int",         [RAN_ATTR_FLOAT] = "float",   [RAN_ATTR_STRING] = "string",
    [RAN_ATTR_INTS] = "ints",       [RAN_ATTR_FLOATS] = "floats", [RAN_ATTR_STRINGS] = "strings",
    [RAN_ATTR_TYPE] = "type",       [RAN_ATTR_TENSOR] = "tensor",
};

const char *ran_attr_kind_name(ran_attr_kind kind)
{
    return kind_names[kind];
}

static ran_attr_kind parse_kind(const char *name)
{
    for (size_t i = 0; i < sizeof kind_names / sizeof *kind_names; i++)
        if (strcmp(kind_names[i], name) == 0)
            return (ran_attr_kind)i;
    RAN_BUG(NULL, "op.def: %s is no kind of attribute", name);
}

/* The tables are ASCII with C numbers, whatever the locale. */
static double parse_float(const char *text)
{
    double value = 0, scale = 1;
    bool negative = *text == '-';
    bool fraction = false;
    for (text += negative; isdigit((unsigned char)*text) || *text == '.'; text++) {
        if (*text == '.') {
            fraction = true;
            continue;
        }
        value = value * 10 + (*text - '0');
        scale *= fraction ? 10 : 1;
    }
    value /= scale;
    if (*text == 'e')
        for (long e = strtol(text + 1, NULL, 10); e; e += e < 0 ? 1 : -1)
            value = e < 0 ? value / 10 : value * 10;
    return negative ? -value : value;
}

/* ONNX's attributes are f32: the default is the f32 nearest to the text. */
static void parse_default(ran_attr_spec *spec, const char *text)
{
    spec->has_default = true;
    if (spec->kind == RAN_ATTR_INT)
        spec->int_default = strtoll(text, NULL, 10);
    else if (spec->kind == RAN_ATTR_FLOAT)
        spec->float_default = (float)parse_float(text);
    else if (spec->kind == RAN_ATTR_STRING)
        spec->string_default = text;
    else
        RAN_BUG(NULL, "op.def: attribute %s can't have a default", spec->name);
}

static ran_attr_spec parse_attribute(char *text)
{
    ran_attr_spec spec = {0};
    char *equals = strstr(text, " = ");
    if (equals)
        *equals = 0;
    spec.required = cut_suffix(text, "!");
    cut_suffix(text, "?");
    char *blank = strchr(text, ' ');
    if (!blank)
        RAN_BUG(NULL, "op.def: attribute without a kind: %s", text);
    *blank = 0;
    spec.kind = parse_kind(text);
    spec.name = blank + 1;
    if (equals)
        parse_default(&spec, equals + 3);
    return spec;
}

static const ran_attr_spec *parse_attributes(const char *text, size_t *out_count)
{
    char **items;
    size_t count = split_list(text, &items);
    ran_attr_spec *specs = allocate(count, sizeof *specs);
    for (size_t i = 0; i < count; i++)
        specs[i] = parse_attribute(items[i]);
    free(items);
    *out_count = count;
    return specs;
}

static void parse_rows(void)
{
    for (int i = 0; i < RAN_OP_COUNT; i++) {
        const row *r = &rows[i];
        ran_op_def *d = &definitions[i];
        *d = (ran_op_def){.name = r->name,
                          .hooks = r->hooks,
                          .flags = r->flags,
                          .elementwise = r->elementwise,
                          .types = r->types,
                          .result = r->result,
                          .gradient = r->gradient,
                          .region_count = r->regions};
        d->operands = parse_operands(r->operands, &d->operand_count, &d->min_operands);
        d->results = parse_operands(r->results, &d->result_count, &d->min_results);
        d->attrs = parse_attributes(r->attributes, &d->attr_count);
    }
}

/* ---- Lookups --------------------------------------------------------------------------------- */

const ran_op_def *ran_op_definition(ran_opcode opcode)
{
    pthread_once(&once, parse_rows);
    RAN_ASSERT(NULL, (unsigned)opcode < RAN_OP_COUNT);
    return &definitions[opcode];
}

const char *ran_opcode_name(ran_opcode opcode)
{
    return (unsigned)opcode < RAN_OP_COUNT ? rows[opcode].name : "invalid";
}

bool ran_opcode_parse(const char *name, ran_opcode *out_opcode)
{
    for (int i = 0; i < RAN_OP_COUNT; i++)
        if (strcmp(rows[i].name, name) == 0) {
            *out_opcode = (ran_opcode)i;
            return true;
        }
    return false;
}

const ran_attr_spec *ran_attr_spec_find(ran_opcode opcode, const char *name)
{
    const ran_op_def *d = ran_op_definition(opcode);
    for (size_t i = 0; i < d->attr_count; i++)
        if (d->attrs[i].name == name || strcmp(d->attrs[i].name, name) == 0)
            return &d->attrs[i];
    return NULL;
}

bool ran_opcode_has_flag(ran_opcode opcode, unsigned flag)
{
    return (rows[opcode].flags & flag) != 0;
}

bool ran_opcode_is_elementwise(ran_opcode opcode)
{
    return rows[opcode].elementwise != 0;
}

size_t ran_op_scalar_attrs(const ran_op *op, double out_values[4])
{
    const ran_op_def *d = ran_op_definition(op->opcode);
    size_t count = 0;
    for (size_t i = 0; i < d->attr_count && count < 4; i++) {
        if (d->attrs[i].kind == RAN_ATTR_FLOAT)
            out_values[count++] = ran_op_float(op, d->attrs[i].name);
        else if (d->attrs[i].kind == RAN_ATTR_INT)
            out_values[count++] = (double)ran_op_int(op, d->attrs[i].name);
    }
    return count;
}
