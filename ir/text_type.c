/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ir/text.h"

#include <stdlib.h>
#include <string.h>

/* ---- Printing ------------------------------------------------------------------------------- */

static const char *const dim_words[] = {"floordiv", "ceildiv", "min", "max"};

/* May stand in a shape without quotes: docs/ir.md, symbol-name. */
static bool is_bare_symbol(const char *name)
{
    if (name[0] == '?')
        return name[1] && strspn(name + 1, "0123456789") == strlen(name + 1);
    if (!ran_is_identifier(name, strlen(name)) || strpbrk(name, "x.$"))
        return false;
    for (size_t i = 0; i < sizeof(dim_words) / sizeof(*dim_words); i++)
        if (!strcmp(name, dim_words[i]))
            return false;
    return true;
}

static void print_symbol(FILE *out, const char *name)
{
    if (is_bare_symbol(name))
        fputs(name, out);
    else
        ran_print_quoted(out, name);
}

enum { PRECEDENCE_SUM = 1, PRECEDENCE_PRODUCT, PRECEDENCE_ATOM };

static const struct dim_operator {
    const char *text;
    int precedence;
} dim_operators[] = {
    [RAN_DIM_ADD] = {" + ", PRECEDENCE_SUM},
    [RAN_DIM_MUL] = {" * ", PRECEDENCE_PRODUCT},
    [RAN_DIM_FLOORDIV] = {" floordiv ", PRECEDENCE_PRODUCT},
    [RAN_DIM_CEILDIV] = {" ceildiv ", PRECEDENCE_PRODUCT},
    [RAN_DIM_MIN] = {"min(", PRECEDENCE_ATOM},
    [RAN_DIM_MAX] = {"max(", PRECEDENCE_ATOM},
};

static void print_expression(FILE *out, const ran_dim *dim, int precedence);

static void print_infix(FILE *out, const ran_dim *dim, int precedence)
{
    const struct dim_operator *row = &dim_operators[dim->kind];
    bool quoted = row->precedence < precedence;
    if (quoted)
        fputc('(', out);
    print_expression(out, dim->lhs, row->precedence);
    fputs(row->text, out);
    print_expression(out, dim->rhs, row->precedence + 1);
    if (quoted)
        fputc(')', out);
}

static void print_call(FILE *out, const ran_dim *dim)
{
    fputs(dim_operators[dim->kind].text, out);
    print_expression(out, dim->lhs, PRECEDENCE_SUM);
    fputs(", ", out);
    print_expression(out, dim->rhs, PRECEDENCE_SUM);
    fputc(')', out);
}

static void print_expression(FILE *out, const ran_dim *dim, int precedence)
{
    if (dim->kind == RAN_DIM_CONSTANT)
        fprintf(out, "%lld", (long long)dim->value);
    else if (dim->kind == RAN_DIM_SYMBOL)
        print_symbol(out, dim->name);
    else if (dim_operators[dim->kind].precedence == PRECEDENCE_ATOM)
        print_call(out, dim);
    else
        print_infix(out, dim, precedence);
}

void ran_print_dim(FILE *out, const ran_dim *dim)
{
    bool is_atom =
        dim->kind == RAN_DIM_SYMBOL || (dim->kind == RAN_DIM_CONSTANT && dim->value >= 0);
    if (!is_atom)
        fputc('(', out);
    print_expression(out, dim, PRECEDENCE_SUM);
    if (!is_atom)
        fputc(')', out);
}

static void print_tensor_type(FILE *out, const ran_type *type)
{
    fputs("tensor<", out);
    if (type->rank < 0)
        fputs("*x", out);
    for (int i = 0; i < type->rank; i++) {
        ran_print_dim(out, type->dims[i]);
        fputc('x', out);
    }
    fputs(ran_elem_name(type->elem), out);
    if (type->layout.block)
        fprintf(out, ", block<%u, %u>", type->layout.axis, type->layout.block);
    fputc('>', out);
}

void ran_print_type(FILE *out, const ran_type *type)
{
    if (!type) {
        fputs("untyped", out);
        return;
    }
    if (type->kind == RAN_TYPE_TENSOR) {
        print_tensor_type(out, type);
        return;
    }
    fputs(type->kind == RAN_TYPE_SEQUENCE ? "sequence<" : "optional<", out);
    ran_print_type(out, type->inner);
    fputc('>', out);
}

/* ---- Parsing -------------------------------------------------------------------------------- */

static bool parse_sum(ran_parser *parser, const ran_dim **out_dim);

static bool parse_bounds(ran_parser *parser, ran_dim_kind kind, const ran_dim **out_dim)
{
    const ran_dim *a, *b;
    if (!parse_sum(parser, &a) || !ran_parser_expect(parser, ',') || !parse_sum(parser, &b) ||
        !ran_parser_expect(parser, ')'))
        return false;
    *out_dim = ran_dim_binary(parser->context, kind, a, b);
    return true;
}

/* "?" alone is a size that no other has; "?3" is what it printed as. */
static bool parse_fresh(ran_parser *parser, const ran_dim **out_dim)
{
    ran_lexer *lexer = &parser->lexer;
    const char *start = lexer->cursor - 1;
    while (lexer->cursor < lexer->end && *lexer->cursor >= '0' && *lexer->cursor <= '9')
        lexer->cursor++;
    size_t length = (size_t)(lexer->cursor - start);
    *out_dim = length == 1
                   ? ran_dim_fresh(parser->context)
                   : ran_dim_symbol(parser->context, ran_intern_n(parser->context, start, length));
    return true;
}

static bool parse_symbol(ran_parser *parser, const ran_dim **out_dim)
{
    const char *name = NULL;
    if (parser->token.kind == RAN_TOKEN_STRING)
        name = ran_lexer_string(&parser->lexer, &parser->token);
    else if (parser->token.kind == RAN_TOKEN_WORD)
        name = ran_intern_n(parser->context, parser->token.start, parser->token.length);
    else
        return ran_parser_error(parser, "expected a dimension, found %s", ran_parser_found(parser));
    if (!name)
        return false;
    *out_dim = ran_dim_symbol(parser->context, name);
    return true;
}

static bool parse_factor(ran_parser *parser, const ran_dim **out_dim)
{
    if (++parser->dim_factors > RAN_TEXT_DIM_FACTORS)
        return ran_parser_error(parser, "the dimension is too long");
    if (ran_parser_accept(parser, '('))
        return parse_sum(parser, out_dim) && ran_parser_expect(parser, ')');
    bool is_min = ran_parser_at_word(parser, "min");
    if (is_min || ran_parser_at_word(parser, "max")) {
        ran_parser_advance(parser);
        return ran_parser_expect(parser, '(') &&
               parse_bounds(parser, is_min ? RAN_DIM_MIN : RAN_DIM_MAX, out_dim);
    }
    if (parser->token.kind == RAN_TOKEN_INTEGER) {
        int64_t value;
        if (!ran_parser_int(parser, &value))
            return false;
        *out_dim = ran_dim_constant(parser->context, value);
        return true;
    }
    if (!(ran_parser_at(parser, '?') ? parse_fresh(parser, out_dim)
                                     : parse_symbol(parser, out_dim)))
        return false;
    ran_parser_advance(parser);
    return true;
}

static bool product_operator(const ran_parser *parser, ran_dim_kind *out_kind)
{
    if (ran_parser_at(parser, '*'))
        *out_kind = RAN_DIM_MUL;
    else if (ran_parser_at_word(parser, "floordiv"))
        *out_kind = RAN_DIM_FLOORDIV;
    else if (ran_parser_at_word(parser, "ceildiv"))
        *out_kind = RAN_DIM_CEILDIV;
    else
        return false;
    return true;
}

static bool parse_product(ran_parser *parser, const ran_dim **out_dim)
{
    if (!parse_factor(parser, out_dim))
        return false;
    for (ran_dim_kind kind; product_operator(parser, &kind);) {
        ran_parser_advance(parser);
        ran_token at = parser->token;
        const ran_dim *rhs;
        if (!parse_factor(parser, &rhs))
            return false;
        if (kind != RAN_DIM_MUL && ran_dim_is_constant(rhs) && ran_dim_value(rhs) <= 0)
            return ran_parser_error_at(parser, &at, "the divisor is not positive");
        *out_dim = ran_dim_binary(parser->context, kind, *out_dim, rhs);
    }
    return true;
}

static bool parse_sum(ran_parser *parser, const ran_dim **out_dim)
{
    if (!parse_product(parser, out_dim))
        return false;
    while (ran_parser_accept(parser, '+')) {
        const ran_dim *rhs;
        if (!parse_product(parser, &rhs))
            return false;
        *out_dim = ran_dim_binary(parser->context, RAN_DIM_ADD, *out_dim, rhs);
    }
    return true;
}

/* From here to the element type the lexer's cursor is what moves, not the token. */

static char cursor_char(const ran_parser *parser)
{
    return parser->lexer.cursor < parser->lexer.end ? *parser->lexer.cursor : '\0';
}

RAN_PRINTF(2, 3) static bool error_at_cursor(ran_parser *parser, const char *format, ...)
{
    ran_token at = {.line = parser->lexer.line,
                    .column = ran_lexer_column(&parser->lexer, parser->lexer.cursor)};
    char message[200];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    return ran_parser_error_at(parser, &at, "%s", message);
}

static bool shape_constant(ran_parser *parser, const ran_dim **out_dim)
{
    uint64_t value;
    if (!ran_lexer_decimal(&parser->lexer, &value) || value > INT64_MAX)
        return error_at_cursor(parser, "the dimension is too large");
    *out_dim = ran_dim_constant(parser->context, (int64_t)value);
    return true;
}

/* Leaves the closing parenthesis as the current token, the cursor behind it. */
static bool shape_expression(ran_parser *parser, const ran_dim **out_dim)
{
    ran_parser_advance(parser);
    ran_parser_advance(parser);
    parser->dim_factors = 0;
    if (!parse_sum(parser, out_dim))
        return false;
    if (!ran_parser_at(parser, ')'))
        return ran_parser_error(parser, "expected ')', found %s", ran_parser_found(parser));
    if (ran_dim_is_constant(*out_dim) && ran_dim_value(*out_dim) < 0)
        return ran_parser_error(parser, "the dimension is negative");
    return true;
}

static bool shape_quoted(ran_parser *parser, const ran_dim **out_dim)
{
    ran_parser_advance(parser);
    return parser->token.kind == RAN_TOKEN_STRING && parse_symbol(parser, out_dim);
}

/* A word up to the next 'x': a symbol when an 'x' follows, else the element type. */
static size_t shape_word_length(const ran_parser *parser)
{
    const char *start = parser->lexer.cursor, *at = start;
    while (at < parser->lexer.end && *at != 'x' && *at != '.' && *at != '$' &&
           (at > start ? ran_is_word_char(*at) : ran_is_identifier(at, 1)))
        at++;
    return (size_t)(at - start);
}

static bool shape_dim(ran_parser *parser, const ran_dim **out_dim)
{
    char c = cursor_char(parser);
    if (c >= '0' && c <= '9')
        return shape_constant(parser, out_dim);
    if (c == '(')
        return shape_expression(parser, out_dim);
    if (c == '"')
        return shape_quoted(parser, out_dim);
    if (c == '?') {
        parser->lexer.cursor++;
        return parse_fresh(parser, out_dim);
    }
    size_t length = shape_word_length(parser);
    if (!length)
        return error_at_cursor(parser, "expected a dimension or an element type");
    *out_dim = ran_dim_symbol(parser->context,
                              ran_intern_n(parser->context, parser->lexer.cursor, length));
    parser->lexer.cursor += length;
    return true;
}

static bool shape_separator(ran_parser *parser)
{
    if (cursor_char(parser) != 'x')
        return error_at_cursor(parser, "expected 'x' behind the dimension");
    parser->lexer.cursor++;
    return true;
}

static bool at_element_type(const ran_parser *parser, size_t length)
{
    const char *behind = parser->lexer.cursor + length;
    return length && (behind == parser->lexer.end || *behind != 'x');
}

static bool shape_element_type(ran_parser *parser, size_t length, ran_elem *out_elem)
{
    const char *name = ran_intern_n(parser->context, parser->lexer.cursor, length);
    if (!ran_elem_parse(name, out_elem))
        return error_at_cursor(parser, "there is no element type '%.40s'", name);
    parser->lexer.cursor += length;
    return true;
}

static bool parse_shape(ran_parser *parser, const ran_dim **dims, int *out_rank, ran_elem *out_elem)
{
    *out_rank = 0;
    if (cursor_char(parser) == '*') {
        parser->lexer.cursor++;
        *out_rank = -1;
        if (!shape_separator(parser))
            return false;
    }
    for (size_t length; !at_element_type(parser, length = shape_word_length(parser));) {
        if (*out_rank < 0)
            return error_at_cursor(parser, "expected an element type behind '*x'");
        if (*out_rank == RAN_MAX_RANK)
            return error_at_cursor(parser, "the rank is above %d", RAN_MAX_RANK);
        if (!shape_dim(parser, &dims[*out_rank]) || !shape_separator(parser))
            return false;
        ++*out_rank;
    }
    return shape_element_type(parser, shape_word_length(parser), out_elem);
}

/* Counts and sizes of static types are 64-bit everywhere; keep some room. */
static bool check_size(ran_parser *parser, int rank, const ran_dim *const *dims)
{
    int64_t count = 1;
    for (int i = 0; i < rank; i++)
        if (ran_dim_is_constant(dims[i]) && ran_dim_value(dims[i]) > 0 &&
            (__builtin_mul_overflow(count, ran_dim_value(dims[i]), &count) || count >> 48))
            return ran_parser_error(parser, "the tensor has too many elements");
    return true;
}

static bool parse_layout(ran_parser *parser, int rank, ran_layout *out_layout)
{
    if (!ran_parser_at_word(parser, "block"))
        return ran_parser_error(parser, "expected 'block', found %s", ran_parser_found(parser));
    ran_parser_advance(parser);
    int64_t axis, block;
    ran_token at = parser->token;
    if (!ran_parser_expect(parser, '<') || !ran_parser_int(parser, &axis) ||
        !ran_parser_expect(parser, ',') || !ran_parser_int(parser, &block) ||
        !ran_parser_expect(parser, '>'))
        return false;
    if (axis < 0 || axis >= rank || block < 1 || block > UINT8_MAX)
        return ran_parser_error_at(parser, &at, "block<%lld, %lld> does not fit rank %d",
                                   (long long)axis, (long long)block, rank);
    *out_layout = (ran_layout){(uint8_t)axis, (uint8_t)block};
    return true;
}

static bool parse_tensor_type(ran_parser *parser, const ran_type **out_type)
{
    if (cursor_char(parser) != '<')
        return error_at_cursor(parser, "expected '<' behind 'tensor'");
    parser->lexer.cursor++;
    const ran_dim *dims[RAN_MAX_RANK];
    int rank;
    ran_elem elem;
    ran_layout layout = RAN_PLAIN;
    if (!parse_shape(parser, dims, &rank, &elem))
        return false;
    ran_parser_advance(parser);
    if (ran_parser_accept(parser, ',') && !parse_layout(parser, rank, &layout))
        return false;
    if (!check_size(parser, rank, dims) || !ran_parser_expect(parser, '>'))
        return false;
    *out_type = ran_type_tensor(parser->context, elem, rank, dims, layout);
    return true;
}

static bool parse_type(ran_parser *parser, int depth, const ran_type **out_type)
{
    if (ran_parser_at_word(parser, "tensor"))
        return parse_tensor_type(parser, out_type);
    bool is_sequence = ran_parser_at_word(parser, "sequence");
    if (!is_sequence && !ran_parser_at_word(parser, "optional"))
        return ran_parser_error(parser, "expected a type, found %s", ran_parser_found(parser));
    if (depth > RAN_TEXT_DEPTH)
        return ran_parser_error(parser, "the type nests too deeply");
    ran_parser_advance(parser);
    const ran_type *inner;
    if (!ran_parser_expect(parser, '<') || !parse_type(parser, depth + 1, &inner) ||
        !ran_parser_expect(parser, '>'))
        return false;
    *out_type = is_sequence ? ran_type_sequence(parser->context, inner)
                            : ran_type_optional(parser->context, inner);
    return true;
}

bool ran_parser_type(ran_parser *parser, const ran_type **out_type)
{
    return parse_type(parser, 0, out_type);
}
