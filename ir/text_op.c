/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Parsing of ops and regions. Each op is created as it is read, with the result types that the text
 * gives. After an error the rest of the op is skipped: its results are known as faulty, and what
 * uses them is read but not reported again.
 */
#include "ir/number.h"
#include "ir/text.h"

#include <string.h>

/* ---- Values --------------------------------------------------------------------------------- */

static bool parse_label(ran_parser *parser, void *out_item)
{
    if (parser->token.kind != RAN_TOKEN_VALUE)
        return ran_parser_error(parser, "expected a value such as %%3, found %s",
                                ran_parser_found(parser));
    *(ran_token *)out_item = parser->token;
    ran_parser_advance(parser);
    return true;
}

/* `value` is NULL for the result of a faulty op. */
static bool define(ran_parser *parser, const ran_token *label, ran_value *value)
{
    bool is_new;
    uint64_t *place = ran_map_insert(&parser->values, label->name, label->number, &is_new);
    if (!is_new)
        return ran_parser_error_at(parser, label, "%.*s is already defined",
                                   label->length < 60 ? (int)label->length : 60, label->start);
    *place = (uint64_t)(uintptr_t)value;
    if (value && label->name)
        ran_value_set_name(value, label->name);
    return true;
}

static bool find_value(ran_parser *parser, const ran_token *label, ran_value **out_value)
{
    bool is_global = label->kind == RAN_TOKEN_GLOBAL;
    const ran_map *map = is_global ? &parser->constants : &parser->values;
    uint64_t *place = ran_map_find(map, label->name, label->number);
    if (!place)
        return ran_parser_error_at(parser, label, "%.*s is not defined%s",
                                   label->length < 60 ? (int)label->length : 60, label->start,
                                   is_global ? "" : " before its use");
    *out_value = (ran_value *)(uintptr_t)*place;
    return true;
}

static bool parse_operand(ran_parser *parser, void *out_item)
{
    ran_value **out_value = out_item;
    *out_value = NULL;
    if (ran_parser_accept_word(parser, "_"))
        return true;
    if (parser->token.kind != RAN_TOKEN_VALUE && parser->token.kind != RAN_TOKEN_GLOBAL)
        return ran_parser_error(parser, "expected an operand, found %s", ran_parser_found(parser));
    if (!find_value(parser, &parser->token, out_value))
        return false;
    ran_parser_advance(parser);
    return true;
}

/* ---- Attributes ----------------------------------------------------------------------------- */

static bool parse_int_item(ran_parser *parser, void *out_item)
{
    return ran_parser_int(parser, out_item);
}

/* Float attributes are of single precision, read without an intermediate rounding. */
static bool parse_float_item(ran_parser *parser, void *out_item)
{
    char text[RAN_TEXT_NUMBER];
    if (!ran_parser_number_text(parser, text))
        return false;
    *(double *)out_item = (double)ran_parse_f32(text, NULL);
    return true;
}

static bool parse_string_item(ran_parser *parser, void *out_item)
{
    return ran_parser_string(parser, out_item);
}

static bool attribute_int(ran_parser *parser, ran_op *op, const char *name)
{
    int64_t value;
    if (!ran_parser_int(parser, &value))
        return false;
    ran_op_set_int(op, name, value);
    return true;
}

static bool attribute_float(ran_parser *parser, ran_op *op, const char *name)
{
    double value;
    if (!parse_float_item(parser, &value))
        return false;
    ran_op_set_float(op, name, value);
    return true;
}

static bool attribute_string(ran_parser *parser, ran_op *op, const char *name)
{
    const char *value;
    if (!ran_parser_string(parser, &value))
        return false;
    ran_op_set_string(op, name, value);
    return true;
}

static bool attribute_ints(ran_parser *parser, ran_op *op, const char *name)
{
    ran_parser_items list = {.size = sizeof(int64_t)};
    if (!ran_parser_expect(parser, '[') || !ran_parser_list(parser, ']', parse_int_item, &list))
        return false;
    ran_op_set_ints(op, name, list.items, list.count);
    return true;
}

static bool attribute_floats(ran_parser *parser, ran_op *op, const char *name)
{
    ran_parser_items list = {.size = sizeof(double)};
    if (!ran_parser_expect(parser, '[') || !ran_parser_list(parser, ']', parse_float_item, &list))
        return false;
    ran_op_set_floats(op, name, list.items, list.count);
    return true;
}

static bool attribute_strings(ran_parser *parser, ran_op *op, const char *name)
{
    ran_parser_items list = {.size = sizeof(const char *)};
    if (!ran_parser_expect(parser, '[') || !ran_parser_list(parser, ']', parse_string_item, &list))
        return false;
    ran_op_set_strings(op, name, list.items, list.count);
    return true;
}

/* `f16` alone stands for a tensor of that element, of any rank. */
static bool attribute_type(ran_parser *parser, ran_op *op, const char *name)
{
    const ran_type *type;
    ran_elem elem;
    if (parser->token.kind == RAN_TOKEN_WORD && ran_elem_parse(ran_parser_word(parser), &elem)) {
        type = ran_type_tensor(parser->context, elem, -1, NULL, RAN_PLAIN);
        ran_parser_advance(parser);
    } else if (!ran_parser_type(parser, &type))
        return false;
    ran_op_set_type_attr(op, name, type);
    return true;
}

static bool attribute_tensor(ran_parser *parser, ran_op *op, const char *name)
{
    ran_tensor *tensor;
    if (!ran_parser_tensor(parser, &tensor))
        return false;
    ran_op_set_tensor(op, name, tensor);
    ran_tensor_release(tensor);
    return true;
}

typedef bool parse_attribute_value(ran_parser *parser, ran_op *op, const char *name);

static parse_attribute_value *const attribute_values[] = {
    [RAN_ATTR_INT] = attribute_int,       [RAN_ATTR_FLOAT] = attribute_float,
    [RAN_ATTR_STRING] = attribute_string, [RAN_ATTR_INTS] = attribute_ints,
    [RAN_ATTR_FLOATS] = attribute_floats, [RAN_ATTR_STRINGS] = attribute_strings,
    [RAN_ATTR_TYPE] = attribute_type,     [RAN_ATTR_TENSOR] = attribute_tensor,
};

static bool parse_attribute(ran_parser *parser, ran_op *op)
{
    if (parser->token.kind != RAN_TOKEN_WORD)
        return ran_parser_error(parser, "expected an attribute, found %s",
                                ran_parser_found(parser));
    const char *name = ran_parser_word(parser);
    const ran_attr_spec *spec = ran_attr_spec_find(op->opcode, name);
    if (!spec)
        return ran_parser_error(parser, "there is no attribute '%.60s'", name);
    if (ran_op_has_attr(op, spec->name))
        return ran_parser_error(parser, "the attribute '%s' is set twice", name);
    ran_parser_advance(parser);
    return ran_parser_expect(parser, '=') && attribute_values[spec->kind](parser, op, spec->name);
}

static bool parse_attributes(ran_parser *parser, ran_op *op)
{
    do {
        if (!parse_attribute(parser, op))
            return false;
    } while (ran_parser_accept(parser, ','));
    return ran_parser_expect(parser, '}');
}

/* ---- Locations ------------------------------------------------------------------------------ */

static bool parse_source(ran_parser *parser, const ran_location **inout_location)
{
    const char *name = NULL, *type = NULL;
    if (!ran_parser_accept_word(parser, "_") && !ran_parser_string(parser, &name))
        return false;
    if (ran_parser_accept(parser, ':') && !ran_parser_string(parser, &type))
        return false;
    *inout_location = ran_location_fuse(parser->context, *inout_location,
                                        ran_location_create(parser->context, name, type));
    return true;
}

static bool parse_location(ran_parser *parser, ran_op *op)
{
    if (!ran_parser_accept_word(parser, "loc"))
        return true;
    const ran_location *location = NULL;
    if (!ran_parser_expect(parser, '('))
        return false;
    do {
        if (!parse_source(parser, &location))
            return false;
    } while (ran_parser_accept(parser, ','));
    ran_op_set_location(op, location);
    return ran_parser_expect(parser, ')');
}

/* ---- Ops and regions ------------------------------------------------------------------------ */

static bool parse_argument(ran_parser *parser, ran_region *region)
{
    ran_token label;
    const ran_type *type;
    if (!parse_label(parser, &label) || !ran_parser_expect(parser, ':') ||
        !ran_parser_type(parser, &type))
        return false;
    return define(parser, &label, ran_region_add_argument(region, label.name, type));
}

bool ran_parser_arguments(ran_parser *parser, ran_region *region)
{
    if (ran_parser_accept(parser, ')'))
        return true;
    do {
        if (!parse_argument(parser, region))
            return false;
    } while (ran_parser_accept(parser, ','));
    return ran_parser_expect(parser, ')');
}

static bool parse_region(ran_parser *parser, ran_op *op)
{
    if (parser->depth == RAN_TEXT_DEPTH)
        return ran_parser_error(parser, "regions nest too deeply");
    ran_region *region = ran_op_add_region(op);
    if (!ran_parser_arguments(parser, region) || !ran_parser_expect(parser, '{'))
        return false;
    const char *outer = parser->op;
    ran_parser_body(parser, region);
    parser->op = outer;
    return ran_parser_expect(parser, '}');
}

static bool parse_result_types(ran_parser *parser, ran_op *op, const ran_token *at)
{
    size_t count = 0;
    if (ran_parser_accept(parser, ':'))
        do {
            const ran_type *type;
            if (!ran_parser_type(parser, &type))
                return false;
            if (count < op->result_count)
                ran_value_set_type(&op->results[count], type);
            count++;
        } while (ran_parser_accept(parser, ','));
    if (count == op->result_count)
        return true;
    return ran_parser_error_at(parser, at, "%zu result types for %zu results", count,
                               op->result_count);
}

static bool parse_opcode(ran_parser *parser, ran_opcode *out_opcode)
{
    if (parser->token.kind != RAN_TOKEN_WORD)
        return ran_parser_error(parser, "expected an op, found %s", ran_parser_found(parser));
    const char *name = ran_parser_word(parser);
    if (!ran_opcode_parse(name, out_opcode))
        return ran_parser_error(parser, "there is no op '%.60s'", name);
    parser->op = name;
    ran_parser_advance(parser);
    return true;
}

static bool at_operand(const ran_parser *parser)
{
    return parser->token.kind == RAN_TOKEN_VALUE || parser->token.kind == RAN_TOKEN_GLOBAL ||
           ran_parser_at_word(parser, "_");
}

static bool parse_operands(ran_parser *parser, ran_parser_items *operands)
{
    if (!at_operand(parser))
        return true;
    do {
        if (!parse_operand(parser, ran_parser_list_add(parser, operands)))
            return false;
    } while (ran_parser_accept(parser, ','));
    return true;
}

static void keep_position(ran_parser *parser, const ran_op *op, const ran_token *at)
{
    bool is_new;
    *ran_map_insert(&parser->source->ops, op, 0, &is_new) =
        (uint64_t)at->line << 32 | (uint32_t)at->column;
}

static bool parse_regions(ran_parser *parser, ran_op *op)
{
    while (ran_parser_accept(parser, '('))
        if (!parse_region(parser, op))
            return false;
    return true;
}

/* Everything behind the '='. */
static bool parse_operation(ran_parser *parser, ran_region *region, const ran_token *at,
                            size_t result_count, ran_op **out_op)
{
    ran_opcode opcode;
    ran_parser_items operands = {.size = sizeof(ran_value *)};
    if (!parse_opcode(parser, &opcode) || !parse_operands(parser, &operands))
        return false;
    ran_builder builder = ran_builder_at_end(region);
    ran_op *op = ran_op_create(&builder, opcode, operands.count, operands.items, result_count);
    *out_op = op;
    keep_position(parser, op, at);
    if (ran_parser_accept(parser, '{') && !parse_attributes(parser, op))
        return false;
    return parse_result_types(parser, op, at) && parse_location(parser, op) &&
           parse_regions(parser, op);
}

static bool parse_results(ran_parser *parser, ran_parser_items *labels)
{
    if (parser->token.kind != RAN_TOKEN_VALUE)
        return true;
    do {
        if (labels->count == RAN_TEXT_RESULTS)
            return ran_parser_error(parser, "the op has too many results");
        if (!parse_label(parser, ran_parser_list_add(parser, labels)))
            return false;
    } while (ran_parser_accept(parser, ','));
    return ran_parser_expect(parser, '=');
}

/* To the next line that can begin an op or end a region, leaving out regions that are opened. */
static bool at_line_of_op(const ran_parser *parser)
{
    const ran_token *token = &parser->token;
    bool is_start = token->kind == RAN_TOKEN_VALUE || token->kind == RAN_TOKEN_WORD ||
                    ran_parser_at(parser, '}');
    return token->first_on_line && is_start;
}

static void skip_op(ran_parser *parser, const char *op_start)
{
    size_t open = 0;
    parser->lexer.quiet = true;
    while (parser->token.kind != RAN_TOKEN_END) {
        if (!open && parser->token.start != op_start && at_line_of_op(parser))
            break;
        open += ran_parser_at(parser, '{');
        open -= ran_parser_at(parser, '}') && open;
        ran_parser_advance(parser);
    }
    parser->lexer.quiet = false;
}

static void define_results(ran_parser *parser, const ran_parser_items *labels, ran_op *op)
{
    const ran_token *label = labels->items;
    for (size_t i = 0; i < labels->count; i++)
        define(parser, &label[i], op ? &op->results[i] : NULL);
}

static void parse_op(ran_parser *parser, ran_region *region)
{
    ran_token at = parser->token;
    ran_parser_items labels = {.size = sizeof(ran_token)};
    ran_op *op = NULL;
    parser->op = NULL;
    bool is_sound =
        parse_results(parser, &labels) && parse_operation(parser, region, &at, labels.count, &op);
    define_results(parser, &labels, is_sound ? op : NULL);
    parser->op = NULL;
    if (!is_sound)
        skip_op(parser, at.start);
}

void ran_parser_body(ran_parser *parser, ran_region *region)
{
    parser->depth++;
    while (!ran_parser_at(parser, '}') && parser->token.kind != RAN_TOKEN_END &&
           !ran_parser_has_given_up(parser))
        parse_op(parser, region);
    parser->depth--;
}
