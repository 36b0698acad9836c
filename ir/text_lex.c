/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ir/text.h"

#include <stdlib.h>
#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool ran_is_word_char(char c)
{
    return is_word_start(c) || is_digit(c) || c == '.' || c == '$';
}

bool ran_is_identifier(const char *text, size_t length)
{
    if (!length || !is_word_start(text[0]))
        return false;
    for (size_t i = 1; i < length; i++)
        if (!ran_is_word_char(text[i]))
            return false;
    return true;
}

int ran_lexer_column(const ran_lexer *lexer, const char *at)
{
    ptrdiff_t column = at - lexer->line_start + 1;
    return column < INT32_MAX ? (int)column : INT32_MAX;
}

static char peek(const ran_lexer *lexer, size_t ahead)
{
    return (size_t)(lexer->end - lexer->cursor) > ahead ? lexer->cursor[ahead] : '\0';
}

static void new_line(ran_lexer *lexer)
{
    lexer->cursor++;
    lexer->line++;
    lexer->line_start = lexer->cursor;
    lexer->fresh_line = true;
}

static void skip_comment(ran_lexer *lexer)
{
    const char *end = memchr(lexer->cursor, '\n', (size_t)(lexer->end - lexer->cursor));
    lexer->cursor = end ? end : lexer->end;
}

static void skip_blanks(ran_lexer *lexer)
{
    while (lexer->cursor < lexer->end) {
        char c = *lexer->cursor;
        if (c == '\n')
            new_line(lexer);
        else if (c == ' ' || c == '\t' || c == '\r')
            lexer->cursor++;
        else if (c == '/' && peek(lexer, 1) == '/')
            skip_comment(lexer);
        else
            break;
    }
}

RAN_PRINTF(3, 4)
static void report(ran_lexer *lexer, ran_token *token, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char message[160];
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    token->kind = RAN_TOKEN_ERROR;
    if (lexer->quiet || lexer->errors >= RAN_TEXT_ERRORS)
        return;
    lexer->errors++;
    ran_error_at(lexer->context, RAN_INVALID, lexer->file, token->line, token->column, "%s",
                 message);
}

static void lex_word(ran_lexer *lexer, ran_token *token)
{
    token->kind = RAN_TOKEN_WORD;
    while (ran_is_word_char(peek(lexer, 0)))
        lexer->cursor++;
}

static void skip_digits(ran_lexer *lexer)
{
    while (is_digit(peek(lexer, 0)))
        lexer->cursor++;
}

static void lex_exponent(ran_lexer *lexer)
{
    char c = peek(lexer, 0);
    bool has_sign = peek(lexer, 1) == '-' || peek(lexer, 1) == '+';
    if ((c != 'e' && c != 'E') || !is_digit(peek(lexer, has_sign ? 2 : 1)))
        return;
    lexer->cursor += has_sign ? 2 : 1;
    skip_digits(lexer);
}

static void lex_number(ran_lexer *lexer, ran_token *token)
{
    if (*lexer->cursor == '-')
        lexer->cursor++;
    if (lexer->end - lexer->cursor >= 3 && !memcmp(lexer->cursor, "inf", 3)) {
        lexer->cursor += 3;
        token->kind = RAN_TOKEN_NUMBER;
        return;
    }
    skip_digits(lexer);
    const char *integer_end = lexer->cursor;
    if (peek(lexer, 0) == '.' && is_digit(peek(lexer, 1))) {
        lexer->cursor++;
        skip_digits(lexer);
    }
    lex_exponent(lexer);
    token->kind = lexer->cursor == integer_end ? RAN_TOKEN_INTEGER : RAN_TOKEN_NUMBER;
    if (ran_is_word_char(peek(lexer, 0)))
        report(lexer, token, "malformed number");
}

/* start and length are those of the contents. */
static void lex_string(ran_lexer *lexer, ran_token *token)
{
    const char *start = ++lexer->cursor;
    for (; lexer->cursor < lexer->end; lexer->cursor++) {
        char c = *lexer->cursor;
        if (c == '"' || c == '\n')
            break;
        if (c == '\\') {
            token->has_escapes = true;
            if (lexer->cursor + 1 < lexer->end && lexer->cursor[1] != '\n')
                lexer->cursor++;
        }
    }
    token->kind = RAN_TOKEN_STRING;
    token->start = start;
    token->length = (size_t)(lexer->cursor - start);
    if (peek(lexer, 0) != '"')
        report(lexer, token, "the string does not end on its line");
    else
        lexer->cursor++;
}

static int hex_digit(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Decodes one escape behind the backslash; returns its length, 0 when it is none. */
static size_t unescape(const char *text, size_t length, char *out)
{
    static const char from[] = "\"\\ntr", to[] = "\"\\\n\t\r";
    if (!length)
        return 0;
    const char *simple = text[0] ? strchr(from, text[0]) : NULL;
    if (simple) {
        *out = to[simple - from];
        return 1;
    }
    if (text[0] != 'x' || length < 3 || hex_digit(text[1]) < 0 || hex_digit(text[2]) < 0)
        return 0;
    *out = (char)(hex_digit(text[1]) * 16 + hex_digit(text[2]));
    return *out ? 3 : 0;
}

static bool decode(const ran_token *token, char *out, size_t *out_length)
{
    size_t length = 0;
    for (size_t i = 0; i < token->length; i++) {
        out[length] = token->start[i];
        if (!out[length])
            return false;
        if (out[length] == '\\') {
            size_t used = unescape(token->start + i + 1, token->length - i - 1, &out[length]);
            if (!used)
                return false;
            i += used;
        }
        length++;
    }
    *out_length = length;
    return true;
}

const char *ran_lexer_string(ran_lexer *lexer, const ran_token *token)
{
    char *buffer = malloc(token->length + 1);
    if (!buffer)
        abort();
    size_t length;
    const char *string = NULL;
    if (decode(token, buffer, &length))
        string = ran_intern_n(lexer->context, buffer, length);
    free(buffer);
    if (!string) {
        ran_token at = *token;
        report(lexer, &at, "the string has a wrong escape or a zero byte");
    }
    return string;
}

bool ran_lexer_decimal(ran_lexer *lexer, uint64_t *out_value)
{
    const char *start = lexer->cursor;
    uint64_t value = 0;
    bool fits = true;
    for (; is_digit(peek(lexer, 0)); lexer->cursor++)
        if (__builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*lexer->cursor - '0'), &value))
            fits = false;
    *out_value = value;
    return fits && lexer->cursor > start;
}

/* The name behind % or @, a word or a string. */
static void lex_name(ran_lexer *lexer, ran_token *token, ran_token_kind kind)
{
    const char *start = lexer->cursor;
    ran_token name = {.line = token->line, .column = token->column};
    if (peek(lexer, 0) == '"') {
        lex_string(lexer, &name);
        if (name.kind == RAN_TOKEN_STRING)
            token->name = ran_lexer_string(lexer, &name);
        token->kind = token->name ? kind : RAN_TOKEN_ERROR;
        return;
    }
    if (!is_word_start(peek(lexer, 0))) {
        report(lexer, token, "a name is missing behind '%c'", start[-1]);
        return;
    }
    lex_word(lexer, &name);
    token->kind = kind;
    token->name = ran_intern_n(lexer->context, start, (size_t)(lexer->cursor - start));
}

static void lex_value(ran_lexer *lexer, ran_token *token)
{
    lexer->cursor++;
    if (is_digit(peek(lexer, 0))) {
        token->kind = RAN_TOKEN_VALUE;
        if (!ran_lexer_decimal(lexer, &token->number))
            report(lexer, token, "the number of the value is too large");
        return;
    }
    lex_name(lexer, token, RAN_TOKEN_VALUE);
    if (token->kind != RAN_TOKEN_VALUE || peek(lexer, 0) != '#')
        return;
    lexer->cursor++;
    if (!ran_lexer_decimal(lexer, &token->number))
        report(lexer, token, "a number is missing behind '#'");
}

static void lex_symbol(ran_lexer *lexer, ran_token *token)
{
    char c = *lexer->cursor++;
    token->kind = RAN_TOKEN_SYMBOL;
    token->symbol = c;
    if (c == '-' && peek(lexer, 0) == '>')
        lexer->cursor++;
    else if (!c || !strchr("{}()[]<>,:=+*?", c))
        report(lexer, token,
               c > ' ' && c < 127 ? "unexpected character '%c'" : "unexpected byte 0x%02x",
               (unsigned char)c);
}

ran_token ran_lexer_next(ran_lexer *lexer)
{
    skip_blanks(lexer);
    ran_token token = {.start = lexer->cursor,
                       .line = lexer->line,
                       .column = ran_lexer_column(lexer, lexer->cursor),
                       .first_on_line = lexer->fresh_line};
    lexer->fresh_line = false;
    if (lexer->cursor == lexer->end)
        return token;
    char c = *lexer->cursor;
    if (is_word_start(c))
        lex_word(lexer, &token);
    else if (is_digit(c) || (c == '-' && (is_digit(peek(lexer, 1)) || peek(lexer, 1) == 'i')))
        lex_number(lexer, &token);
    else if (c == '"')
        lex_string(lexer, &token);
    else if (c == '%')
        lex_value(lexer, &token);
    else if (c == '@') {
        lexer->cursor++;
        lex_name(lexer, &token, RAN_TOKEN_GLOBAL);
    } else
        lex_symbol(lexer, &token);
    if (token.kind != RAN_TOKEN_STRING)
        token.length = (size_t)(lexer->cursor - token.start);
    return token;
}
