/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The parser of the textual IR, by recursive descent; docs/ir.md has the grammar.
 *
 * Each op is created as it is read, with the result types that the text gives. When the whole text
 * is sound, the verifier and shape inference look at the module; the positions of its ops are kept,
 * so that what they say names a line. After an error the rest of the op is skipped: its results
 * are known as faulty, and what uses them is read but not reported again.
 */
#include "ir/infer.h"
#include "ir/number.h"
#include "ir/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Errors and tokens ---------------------------------------------------------------------- */

static bool has_given_up(const ran_parser *parser)
{
    return parser->lexer.errors >= RAN_TEXT_ERRORS;
}

static void report(ran_parser *parser, const ran_token *token, const char *format,
                   va_list arguments)
{
    char message[512];
    vsnprintf(message, sizeof(message), format, arguments);
    if (has_given_up(parser))
        return;
    parser->lexer.errors++;
    ran_error_at(parser->context, RAN_INVALID, parser->lexer.file, token->line, token->column,
                 "%s%s%s", parser->op ? parser->op : "", parser->op ? ": " : "", message);
}

bool ran_parser_error_at(ran_parser *parser, const ran_token *token, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    report(parser, token, format, arguments);
    va_end(arguments);
    return false;
}

/* The lexer has reported what is wrong with an error token. */
bool ran_parser_error(ran_parser *parser, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (parser->token.kind != RAN_TOKEN_ERROR)
        report(parser, &parser->token, format, arguments);
    va_end(arguments);
    return false;
}

void ran_parser_advance(ran_parser *parser)
{
    parser->token = ran_lexer_next(&parser->lexer);
}

bool ran_parser_at(const ran_parser *parser, char symbol)
{
    return parser->token.kind == RAN_TOKEN_SYMBOL && parser->token.symbol == symbol;
}

bool ran_parser_accept(ran_parser *parser, char symbol)
{
    if (!ran_parser_at(parser, symbol))
        return false;
    ran_parser_advance(parser);
    return true;
}

const char *ran_parser_found(ran_parser *parser)
{
    const ran_token *token = &parser->token;
    if (token->kind == RAN_TOKEN_END)
        return "the end of the text";
    int length = token->length < 40 ? (int)token->length : 40;
    return ran_intern_printf(parser->context, "'%.*s'", length, token->start);
}

bool ran_parser_expect(ran_parser *parser, char symbol)
{
    if (ran_parser_accept(parser, symbol))
        return true;
    return ran_parser_error(parser, "expected '%c', found %s", symbol, ran_parser_found(parser));
}

bool ran_parser_at_word(const ran_parser *parser, const char *word)
{
    return parser->token.kind == RAN_TOKEN_WORD && parser->token.length == strlen(word) &&
           !memcmp(parser->token.start, word, parser->token.length);
}

static bool accept_word(ran_parser *parser, const char *word)
{
    if (!ran_parser_at_word(parser, word))
        return false;
    ran_parser_advance(parser);
    return true;
}

/* The magnitude of an integer token; its sign is its first character. */
static bool integer(ran_parser *parser, uint64_t *out_magnitude, bool *out_is_negative)
{
    const ran_token *token = &parser->token;
    if (token->kind != RAN_TOKEN_INTEGER)
        return ran_parser_error(parser, "expected an integer, found %s", ran_parser_found(parser));
    *out_is_negative = token->start[0] == '-';
    *out_magnitude = 0;
    for (size_t i = *out_is_negative; i < token->length; i++)
        if (__builtin_mul_overflow(*out_magnitude, 10u, out_magnitude) ||
            __builtin_add_overflow(*out_magnitude, (uint64_t)(token->start[i] - '0'),
                                   out_magnitude))
            return ran_parser_error(parser, "the integer is out of range");
    return true;
}

bool ran_parser_int(ran_parser *parser, int64_t *out_value)
{
    uint64_t magnitude;
    bool is_negative;
    if (!integer(parser, &magnitude, &is_negative))
        return false;
    if (magnitude > (uint64_t)INT64_MAX + is_negative)
        return ran_parser_error(parser, "the integer is out of range");
    *out_value = (int64_t)(is_negative ? -magnitude : magnitude);
    ran_parser_advance(parser);
    return true;
}

bool ran_parser_uint(ran_parser *parser, uint64_t *out_value)
{
    bool is_negative;
    if (!integer(parser, out_value, &is_negative))
        return false;
    if (is_negative && *out_value)
        return ran_parser_error(parser, "the integer is negative");
    ran_parser_advance(parser);
    return true;
}

bool ran_parser_number_text(ran_parser *parser, char out[RAN_TEXT_NUMBER])
{
    const ran_token *token = &parser->token;
    bool is_number = token->kind == RAN_TOKEN_INTEGER || token->kind == RAN_TOKEN_NUMBER ||
                     ran_parser_at_word(parser, "inf") || ran_parser_at_word(parser, "nan");
    if (!is_number)
        return ran_parser_error(parser, "expected a number, found %s", ran_parser_found(parser));
    if (token->length >= RAN_TEXT_NUMBER)
        return ran_parser_error(parser, "the number is too long");
    memcpy(out, token->start, token->length);
    out[token->length] = '\0';
    ran_parser_advance(parser);
    return true;
}

bool ran_parser_number(ran_parser *parser, double *out_value)
{
    char text[RAN_TEXT_NUMBER];
    if (!ran_parser_number_text(parser, text))
        return false;
    *out_value = ran_parse_f64(text, NULL);
    return true;
}

bool ran_parser_string(ran_parser *parser, const char **out_string)
{
    if (parser->token.kind != RAN_TOKEN_STRING)
        return ran_parser_error(parser, "expected a string, found %s", ran_parser_found(parser));
    *out_string = ran_lexer_string(&parser->lexer, &parser->token);
    if (!*out_string)
        return false;
    ran_parser_advance(parser);
    return true;
}

static const char *word_text(const ran_parser *parser)
{
    return ran_intern_n(parser->context, parser->token.start, parser->token.length);
}

/* ---- Lists ---------------------------------------------------------------------------------- */

/* An array that grows in the parser's scratch arena. */
struct list {
    void *items;
    size_t count, capacity, size;
};

static void *list_add(ran_parser *parser, struct list *list)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 8;
        void *items = ran_arena_alloc(parser->scratch, capacity * list->size);
        if (list->count)
            memcpy(items, list->items, list->count * list->size);
        list->items = items;
        list->capacity = capacity;
    }
    return (char *)list->items + list->count++ * list->size;
}

typedef bool parse_item(ran_parser *parser, void *out_item);

/* Items up to `close`, which is taken. The opening symbol has been. */
static bool parse_list(ran_parser *parser, char close, parse_item *item, struct list *list)
{
    if (ran_parser_accept(parser, close))
        return true;
    do {
        if (!item(parser, list_add(parser, list)))
            return false;
    } while (ran_parser_accept(parser, ','));
    return ran_parser_expect(parser, close);
}

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
    if (accept_word(parser, "_"))
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
    struct list list = {.size = sizeof(int64_t)};
    if (!ran_parser_expect(parser, '[') || !parse_list(parser, ']', parse_int_item, &list))
        return false;
    ran_op_set_ints(op, name, list.items, list.count);
    return true;
}

static bool attribute_floats(ran_parser *parser, ran_op *op, const char *name)
{
    struct list list = {.size = sizeof(double)};
    if (!ran_parser_expect(parser, '[') || !parse_list(parser, ']', parse_float_item, &list))
        return false;
    ran_op_set_floats(op, name, list.items, list.count);
    return true;
}

static bool attribute_strings(ran_parser *parser, ran_op *op, const char *name)
{
    struct list list = {.size = sizeof(const char *)};
    if (!ran_parser_expect(parser, '[') || !parse_list(parser, ']', parse_string_item, &list))
        return false;
    ran_op_set_strings(op, name, list.items, list.count);
    return true;
}

/* `f16` alone stands for a tensor of that element, of any rank. */
static bool attribute_type(ran_parser *parser, ran_op *op, const char *name)
{
    const ran_type *type;
    ran_elem elem;
    if (parser->token.kind == RAN_TOKEN_WORD && ran_elem_parse(word_text(parser), &elem)) {
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
    const char *name = word_text(parser);
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
    if (!accept_word(parser, "_") && !ran_parser_string(parser, &name))
        return false;
    if (ran_parser_accept(parser, ':') && !ran_parser_string(parser, &type))
        return false;
    *inout_location = ran_location_fuse(parser->context, *inout_location,
                                        ran_location_create(parser->context, name, type));
    return true;
}

static bool parse_location(ran_parser *parser, ran_op *op)
{
    if (!accept_word(parser, "loc"))
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

static void parse_body(ran_parser *parser, ran_region *region);

static bool parse_argument(ran_parser *parser, ran_region *region)
{
    ran_token label;
    const ran_type *type;
    if (!parse_label(parser, &label) || !ran_parser_expect(parser, ':') ||
        !ran_parser_type(parser, &type))
        return false;
    return define(parser, &label, ran_region_add_argument(region, label.name, type));
}

static bool parse_arguments(ran_parser *parser, ran_region *region)
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
    if (!parse_arguments(parser, region) || !ran_parser_expect(parser, '{'))
        return false;
    const char *outer = parser->op;
    parse_body(parser, region);
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
    const char *name = word_text(parser);
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

static bool parse_operands(ran_parser *parser, struct list *operands)
{
    if (!at_operand(parser))
        return true;
    do {
        if (!parse_operand(parser, list_add(parser, operands)))
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
    struct list operands = {.size = sizeof(ran_value *)};
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

static bool parse_results(ran_parser *parser, struct list *labels)
{
    if (parser->token.kind != RAN_TOKEN_VALUE)
        return true;
    do {
        if (labels->count == RAN_TEXT_RESULTS)
            return ran_parser_error(parser, "the op has too many results");
        if (!parse_label(parser, list_add(parser, labels)))
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

static void define_results(ran_parser *parser, const struct list *labels, ran_op *op)
{
    const ran_token *label = labels->items;
    for (size_t i = 0; i < labels->count; i++)
        define(parser, &label[i], op ? &op->results[i] : NULL);
}

static void parse_op(ran_parser *parser, ran_region *region)
{
    ran_token at = parser->token;
    struct list labels = {.size = sizeof(ran_token)};
    ran_op *op = NULL;
    parser->op = NULL;
    bool is_sound =
        parse_results(parser, &labels) && parse_operation(parser, region, &at, labels.count, &op);
    define_results(parser, &labels, is_sound ? op : NULL);
    parser->op = NULL;
    if (!is_sound)
        skip_op(parser, at.start);
}

static void parse_body(ran_parser *parser, ran_region *region)
{
    parser->depth++;
    while (!ran_parser_at(parser, '}') && parser->token.kind != RAN_TOKEN_END &&
           !has_given_up(parser))
        parse_op(parser, region);
    parser->depth--;
}

/* ---- Functions and the module --------------------------------------------------------------- */

struct output {
    ran_token at;
    const char *name;
    const ran_type *type;
};

static bool parse_output(ran_parser *parser, void *out_item)
{
    struct output *output = out_item;
    *output = (struct output){.at = parser->token};
    if (parser->token.kind == RAN_TOKEN_VALUE) {
        output->name = parser->token.name;
        if (!output->name)
            return ran_parser_error(parser, "the name of an output is quoted when it is a number");
        ran_parser_advance(parser);
        if (!ran_parser_expect(parser, ':'))
            return false;
    }
    return ran_parser_type(parser, &output->type);
}

static bool parse_outputs(ran_parser *parser, struct list *outputs)
{
    if (!ran_parser_accept(parser, '-'))
        return true;
    return ran_parser_expect(parser, '(') && parse_list(parser, ')', parse_output, outputs);
}

static void add_mismatch(ran_parser *parser, const ran_token *at, const char *message)
{
    ran_source_mismatch *mismatch =
        RAN_ARENA_NEW(ran_module_arena(parser->module), ran_source_mismatch);
    *mismatch = (ran_source_mismatch){at->line, at->column, message, parser->source->mismatches};
    parser->source->mismatches = mismatch;
}

/* Outputs are what `return` returns; a function without `return` is the verifier's. */
static void check_outputs(ran_parser *parser, const ran_token *at, const ran_function *function,
                          const struct list *outputs)
{
    ran_context *context = parser->context;
    const ran_op *end = ran_region_terminator(ran_function_body(function));
    const struct output *output = outputs->items;
    size_t returned = end ? end->operand_count : outputs->count;
    if (returned != outputs->count)
        add_mismatch(parser, at,
                     ran_intern_printf(context, "@%s has %zu outputs, its return %zu operands",
                                       function->name, outputs->count, returned));
    for (size_t i = 0; end && returned == outputs->count && i < returned; i++) {
        const ran_value *value = end->operands[i].value;
        if (value && value->type != output[i].type)
            add_mismatch(parser, &output[i].at,
                         ran_intern_printf(context, "output %zu is declared %s, but is %s", i,
                                           ran_type_text(context, output[i].type),
                                           ran_type_text(context, value->type)));
    }
}

static ran_status report_mismatches(const ran_module *module)
{
    const ran_source *source = module->source;
    for (const ran_source_mismatch *m = source->mismatches; m; m = m->next)
        ran_error_at(module->context, RAN_INVALID, source->file, m->line, m->column, "%s",
                     m->message);
    return source->mismatches ? RAN_INVALID : RAN_OK;
}

static bool parse_global(ran_parser *parser, ran_token *out_name)
{
    *out_name = parser->token;
    if (parser->token.kind != RAN_TOKEN_GLOBAL)
        return ran_parser_error(parser, "expected a name such as @main, found %s",
                                ran_parser_found(parser));
    ran_parser_advance(parser);
    return true;
}

static bool parse_function_rest(ran_parser *parser, const ran_token *at, ran_function *function)
{
    struct list outputs = {.size = sizeof(struct output)};
    if (!ran_parser_expect(parser, '(') || !parse_arguments(parser, ran_function_body(function)) ||
        !parse_outputs(parser, &outputs) || !ran_parser_expect(parser, '{'))
        return false;
    parse_body(parser, ran_function_body(function));
    const struct output *output = outputs.items;
    for (size_t i = 0; i < outputs.count; i++)
        if (output[i].name)
            ran_function_set_output_name(function, i, output[i].name);
    check_outputs(parser, at, function, &outputs);
    return ran_parser_expect(parser, '}');
}

static bool parse_function(ran_parser *parser)
{
    ran_token name;
    if (!parse_global(parser, &name))
        return false;
    if (ran_module_find_function(parser->module, name.name))
        return ran_parser_error_at(parser, &name, "the function @%s is defined twice", name.name);
    ran_function *function = ran_function_create(parser->module, name.name);
    ran_map_clear(&parser->values);
    return parse_function_rest(parser, &name, function);
}

static bool parse_constant(ran_parser *parser)
{
    ran_token name;
    ran_tensor *tensor;
    bool is_new;
    if (!parse_global(parser, &name))
        return false;
    uint64_t *place = ran_map_insert(&parser->constants, name.name, 0, &is_new);
    if (!is_new)
        return ran_parser_error_at(parser, &name, "the constant @%s is defined twice", name.name);
    if (!ran_parser_expect(parser, '=') || !ran_parser_tensor(parser, &tensor))
        return false;
    *place = (uint64_t)(uintptr_t)ran_constant_create(parser->module, name.name, tensor);
    ran_tensor_release(tensor);
    return true;
}

static bool parse_pair(ran_parser *parser)
{
    const char *key = NULL, *value;
    if (parser->token.kind == RAN_TOKEN_WORD) {
        key = word_text(parser);
        ran_parser_advance(parser);
    } else if (!ran_parser_string(parser, &key))
        return false;
    if (ran_module_metadata(parser->module, key))
        return ran_parser_error(parser, "the metadata '%s' is set twice", key);
    if (!ran_parser_expect(parser, '=') || !ran_parser_string(parser, &value))
        return false;
    ran_module_set_metadata(parser->module, key, value);
    return true;
}

static bool parse_metadata(ran_parser *parser)
{
    if (!ran_parser_expect(parser, '{'))
        return false;
    if (ran_parser_accept(parser, '}'))
        return true;
    do {
        if (!parse_pair(parser))
            return false;
    } while (ran_parser_accept(parser, ','));
    return ran_parser_expect(parser, '}');
}

static bool parse_definition(ran_parser *parser)
{
    if (accept_word(parser, "const"))
        return parse_constant(parser);
    if (accept_word(parser, "func"))
        return parse_function(parser);
    ran_parser_error(parser, "expected 'const' or 'func', found %s", ran_parser_found(parser));
    ran_parser_advance(parser);
    return false;
}

static bool at_definition(const ran_parser *parser)
{
    return parser->token.first_on_line &&
           (ran_parser_at_word(parser, "const") || ran_parser_at_word(parser, "func"));
}

/* To the next line that begins a definition. */
static void skip_definition(ran_parser *parser)
{
    parser->lexer.quiet = true;
    while (parser->token.kind != RAN_TOKEN_END && !at_definition(parser))
        ran_parser_advance(parser);
    parser->lexer.quiet = false;
}

static void parse_module(ran_parser *parser)
{
    ran_parser_advance(parser);
    if (accept_word(parser, "module") && !parse_metadata(parser))
        skip_definition(parser);
    while (parser->token.kind != RAN_TOKEN_END && !has_given_up(parser))
        if (!parse_definition(parser))
            skip_definition(parser);
    if (!parser->lexer.errors && !ran_module_first_function(parser->module))
        ran_parser_error(parser, "the text has no function");
}

static void finish(ran_parser *parser)
{
    ran_text_close_files(parser);
    ran_map_clear(&parser->values);
    ran_map_clear(&parser->constants);
    ran_arena_destroy(parser->scratch);
}

ran_status ran_text_parse(ran_context *context, const char *text, size_t length, const char *file,
                          ran_module **out_module)
{
    ran_parser parser = {.context = context,
                         .module = ran_module_create(context),
                         .scratch = ran_arena_create(),
                         .lexer = {.context = context,
                                   .file = file ? ran_intern(context, file) : NULL,
                                   .cursor = text,
                                   .end = text + length,
                                   .line_start = text,
                                   .line = 1,
                                   .fresh_line = true}};
    parser.source = RAN_ARENA_NEW(ran_module_arena(parser.module), ran_source);
    parser.source->file = parser.lexer.file;
    parser.module->source = parser.source;
    parse_module(&parser);
    finish(&parser);
    *out_module = parser.module;
    if (!parser.lexer.errors)
        return RAN_OK;
    ran_module_destroy(parser.module);
    *out_module = NULL;
    return RAN_INVALID;
}

ran_status ran_module_parse(ran_context *context, const char *text, size_t length, const char *file,
                            ran_module **out_module)
{
    ran_status status = ran_text_parse(context, text, length, file, out_module);
    if (status != RAN_OK)
        return status;
    status = ran_module_check(*out_module);
    if (status == RAN_OK)
        status = report_mismatches(*out_module);
    if (status == RAN_OK)
        return RAN_OK;
    ran_module_destroy(*out_module);
    *out_module = NULL;
    return status;
}
