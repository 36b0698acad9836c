/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The textual IR from inside: what printer and parser share. docs/ir.md is the specification.
 *
 * The parser is one token ahead of what it has used; between `tensor<` and `>` it reads
 * characters, because there `x` separates dimensions. A function that returns false has reported
 * its error; the caller unwinds to the op or definition, where parsing goes on.
 */
#ifndef IR_TEXT_H
#define IR_TEXT_H

#include "ir/ir.h"
#include "ir/map.h"
#include "ir/source.h"

enum {
    RAN_TEXT_LISTED = 16,         /* elements that a constant prints one by one */
    RAN_TEXT_NUMBER = 400,        /* characters of a number with its zero byte */
    RAN_TEXT_DEPTH = 64,          /* of regions and of types */
    RAN_TEXT_DIM_FACTORS = 1000,  /* operands of one dimension's expression */
    RAN_TEXT_RESULTS = 1 << 16,   /* of one op */
    RAN_TEXT_ERRORS = 20,         /* reported in one run */
    RAN_TEXT_GENERATED = 1 << 28, /* bytes of splats and noise in one text */
};

/* ---- Tokens --------------------------------------------------------------------------------- */

typedef enum ran_token_kind {
    RAN_TOKEN_END,
    RAN_TOKEN_ERROR,  /* reported */
    RAN_TOKEN_SYMBOL, /* one character */
    RAN_TOKEN_WORD,   /* identifier */
    RAN_TOKEN_INTEGER,
    RAN_TOKEN_NUMBER, /* with fraction, exponent, or "-inf" */
    RAN_TOKEN_STRING,
    RAN_TOKEN_VALUE,  /* %3 %name %name#1 */
    RAN_TOKEN_GLOBAL, /* @name */
} ran_token_kind;

typedef struct ran_token {
    ran_token_kind kind;
    char symbol; /* SYMBOL; "->" is '-' */
    const char *start;
    size_t length; /* of a string: without quotes */
    int line, column;
    bool first_on_line;
    bool has_escapes;
    const char *name; /* VALUE, GLOBAL: interned; NULL for a number */
    uint64_t number;  /* VALUE: the number, or the ordinal behind # */
} ran_token;

typedef struct ran_lexer {
    ran_context *context;
    const char *file;
    const char *cursor, *end, *line_start;
    int line;
    bool fresh_line; /* no token yet on this line */
    bool quiet;      /* what is skipped behind an error is not reported */
    size_t errors;
} ran_lexer;

ran_token ran_lexer_next(ran_lexer *lexer);
/* Digits at the cursor, without a sign; false when there are none or too many. */
bool ran_lexer_decimal(ran_lexer *lexer, uint64_t *out_value);
int ran_lexer_column(const ran_lexer *lexer, const char *at);
/* The contents of a string token without its escapes, interned; NULL and an error when it holds a
 * wrong escape or a zero byte. */
const char *ran_lexer_string(ran_lexer *lexer, const ran_token *token);
bool ran_is_word_char(char c);
bool ran_is_identifier(const char *text, size_t length);

/* ---- The parser -------------------------------------------------------------------------------
 */

typedef struct ran_parser {
    ran_lexer lexer;
    ran_token token; /* the next one */
    ran_context *context;
    ran_module *module;
    ran_arena *scratch;
    ran_map constants; /* interned name -> ran_value * */
    ran_map values;    /* label (name, number) -> ran_value *, 0 where its op is faulty */
    ran_map files;     /* interned name -> mapped side file */
    ran_source *source;
    const char *op;     /* mnemonic of the op that is being parsed, for messages */
    int depth;          /* of regions */
    int dim_factors;    /* of the current dimension */
    uint64_t generated; /* bytes of splats and noise so far */
} ran_parser;

void ran_parser_advance(ran_parser *parser);
RAN_PRINTF(2, 3) bool ran_parser_error(ran_parser *parser, const char *format, ...);
RAN_PRINTF(3, 4)
bool ran_parser_error_at(ran_parser *parser, const ran_token *token, const char *format, ...);
/* The symbol comes next / is taken if it comes next / must come next. */
bool ran_parser_at(const ran_parser *parser, char symbol);
bool ran_parser_accept(ran_parser *parser, char symbol);
bool ran_parser_expect(ran_parser *parser, char symbol);
bool ran_parser_at_word(const ran_parser *parser, const char *word);
bool ran_parser_accept_word(ran_parser *parser, const char *word);
/* Of a word that comes next: interned. */
const char *ran_parser_word(const ran_parser *parser);
/* Too many errors: nothing more is read. */
bool ran_parser_has_given_up(const ran_parser *parser);
/* What comes next, quoted for a message. */
const char *ran_parser_found(ran_parser *parser);
bool ran_parser_int(ran_parser *parser, int64_t *out_value);
bool ran_parser_uint(ran_parser *parser, uint64_t *out_value);
bool ran_parser_number_text(ran_parser *parser, char out[RAN_TEXT_NUMBER]);
bool ran_parser_number(ran_parser *parser, double *out_value);
bool ran_parser_string(ran_parser *parser, const char **out_string);

/* An array of `size`-byte items that grows in the parser's scratch arena. */
typedef struct ran_parser_items {
    void *items;
    size_t count, capacity, size;
} ran_parser_items;

typedef bool ran_parser_item(ran_parser *parser, void *out_item);

void *ran_parser_list_add(ran_parser *parser, ran_parser_items *list);
/* Items up to `close`, which is taken. The opening symbol has been. */
bool ran_parser_list(ran_parser *parser, char close, ran_parser_item *item, ran_parser_items *list);

/* ir/text_op.c: `(%x: type, ...)` as the region's arguments; the ops of a region. */
bool ran_parser_arguments(ran_parser *parser, ran_region *region);
void ran_parser_body(ran_parser *parser, ran_region *region);

/* ran_module_parse without the verifier: what is well-formed, sound or not. */
ran_status ran_text_parse(ran_context *context, const char *text, size_t length, const char *file,
                          RAN_GIVE ran_module **out_module);

/* ir/text_type.c */
bool ran_parser_type(ran_parser *parser, const ran_type **out_type);
/* ir/text_data.c: a type and its data. */
bool ran_parser_tensor(ran_parser *parser, RAN_GIVE ran_tensor **out_tensor);
/* Part of it: bytes that no element has are an error. */
bool ran_text_check_bytes(ran_parser *parser, const ran_tensor *tensor);
/* ir/text_file.c: `"name", offset, length` of a side file, mapped. */
bool ran_text_parse_file(ran_parser *parser, const ran_type *type,
                         RAN_GIVE ran_tensor **out_tensor);
void ran_text_close_files(ran_parser *parser);

/* ---- The printer --------------------------------------------------------------------------------
 */

/* Where large constants go while a module prints: NULL stream, and they stay in the text. */
typedef struct ran_side_file {
    FILE *stream;
    const char *name; /* as written into the text */
    uint64_t offset;
    bool outline; /* large data is not written at all: noise stands for it */
} ran_side_file;

void ran_print_quoted(FILE *out, const char *string);
void ran_print_name(FILE *out, const char *name); /* quoted unless an identifier */
void ran_print_dim(FILE *out, const ran_dim *dim);
void ran_print_type(FILE *out, const ran_type *type);
void ran_print_tensor(FILE *out, const ran_tensor *tensor, ran_side_file *side);

#endif
