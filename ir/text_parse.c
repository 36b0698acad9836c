/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The parser of the textual IR, by recursive descent; docs/ir.md has the grammar. Tokens are in
 * text_token.c, ops and regions in text_op.c.
 *
 * When the whole text is sound, the verifier and shape inference look at the module; the positions
 * of its ops are kept, so that what they say names a line.
 */
#include "ir/infer.h"
#include "ir/text.h"

#include <string.h>

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

static bool parse_outputs(ran_parser *parser, ran_parser_items *outputs)
{
    if (!ran_parser_accept(parser, '-'))
        return true;
    return ran_parser_expect(parser, '(') && ran_parser_list(parser, ')', parse_output, outputs);
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
                          const ran_parser_items *outputs)
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
    ran_parser_items outputs = {.size = sizeof(struct output)};
    if (!ran_parser_expect(parser, '(') ||
        !ran_parser_arguments(parser, ran_function_body(function)) ||
        !parse_outputs(parser, &outputs) || !ran_parser_expect(parser, '{'))
        return false;
    ran_parser_body(parser, ran_function_body(function));
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
        key = ran_parser_word(parser);
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
    if (ran_parser_accept_word(parser, "const"))
        return parse_constant(parser);
    if (ran_parser_accept_word(parser, "func"))
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
    if (ran_parser_accept_word(parser, "module") && !parse_metadata(parser))
        skip_definition(parser);
    while (parser->token.kind != RAN_TOKEN_END && !ran_parser_has_given_up(parser))
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
