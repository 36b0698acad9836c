/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The parser's errors, what it takes token by token, and lists. */
#include "ir/number.h"
#include "ir/text.h"

#include <string.h>

/* ---- Errors and tokens ---------------------------------------------------------------------- */

bool ran_parser_has_given_up(const ran_parser *parser)
{
    return parser->lexer.errors >= RAN_TEXT_ERRORS;
}

static void report(ran_parser *parser, const ran_token *token, const char *format,
                   va_list arguments)
{
    char message[512];
    vsnprintf(message, sizeof(message), format, arguments);
    if (ran_parser_has_given_up(parser))
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

bool ran_parser_accept_word(ran_parser *parser, const char *word)
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

const char *ran_parser_word(const ran_parser *parser)
{
    return ran_intern_n(parser->context, parser->token.start, parser->token.length);
}

/* ---- Lists ---------------------------------------------------------------------------------- */

void *ran_parser_list_add(ran_parser *parser, ran_parser_items *list)
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

bool ran_parser_list(ran_parser *parser, char close, ran_parser_item *item, ran_parser_items *list)
{
    if (ran_parser_accept(parser, close))
        return true;
    do {
        if (!item(parser, ran_parser_list_add(parser, list)))
            return false;
    } while (ran_parser_accept(parser, ','));
    return ran_parser_expect(parser, close);
}
