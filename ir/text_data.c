/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The data of constants: reading and writing all of its forms. */
#include "ir/noise.h"
#include "ir/number.h"
#include "ir/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool is_complex(ran_elem elem)
{
    return elem == RAN_ELEM_C64 || elem == RAN_ELEM_C128;
}

/* ---- Elements ------------------------------------------------------------------------------- */

/* Where one prints and reads as the machine's own float, so that no rounding comes twice. */
static void store_float(ran_tensor *tensor, int64_t index, const char *text)
{
    if (ran_tensor_elem(tensor) == RAN_ELEM_F32)
        ((float *)ran_tensor_mutable_data(tensor))[index] = ran_parse_f32(text, NULL);
    else
        ran_tensor_set_f64(tensor, index, ran_parse_f64(text, NULL));
}

static void format_float(const ran_tensor *tensor, int64_t index, char out[RAN_NUMBER_SIZE])
{
    if (ran_tensor_elem(tensor) == RAN_ELEM_F64)
        ran_format_f64(ran_tensor_get_f64(tensor, index), out);
    else
        ran_format_f32((float)ran_tensor_get_f64(tensor, index), out);
}

/* Complex parts, as their storage: pairs of f32 or f64. */
static void store_part(ran_tensor *tensor, int64_t index, const char *text)
{
    void *data = ran_tensor_mutable_data(tensor);
    if (ran_tensor_elem(tensor) == RAN_ELEM_C64)
        ((float *)data)[index] = ran_parse_f32(text, NULL);
    else
        ((double *)data)[index] = ran_parse_f64(text, NULL);
}

static void format_part(const ran_tensor *tensor, int64_t index, char out[RAN_NUMBER_SIZE])
{
    const void *data = ran_tensor_data(tensor);
    if (ran_tensor_elem(tensor) == RAN_ELEM_C64)
        ran_format_f32(((const float *)data)[index], out);
    else
        ran_format_f64(((const double *)data)[index], out);
}

/* ---- Parsing -------------------------------------------------------------------------------- */

static bool parse_complex(ran_parser *parser, ran_tensor *tensor, int64_t index)
{
    char text[RAN_TEXT_NUMBER];
    if (!ran_parser_expect(parser, '(') || !ran_parser_number_text(parser, text))
        return false;
    store_part(tensor, 2 * index, text);
    if (!ran_parser_expect(parser, ',') || !ran_parser_number_text(parser, text))
        return false;
    store_part(tensor, 2 * index + 1, text);
    return ran_parser_expect(parser, ')');
}

static bool parse_bool(ran_parser *parser, ran_tensor *tensor, int64_t index)
{
    bool is_true = ran_parser_at_word(parser, "true");
    if (!is_true && !ran_parser_at_word(parser, "false"))
        return ran_parser_error(parser, "expected true or false, found %s",
                                ran_parser_found(parser));
    ran_tensor_set_i64(tensor, index, is_true);
    ran_parser_advance(parser);
    return true;
}

static bool parse_integer(ran_parser *parser, ran_tensor *tensor, int64_t index)
{
    ran_elem elem = ran_tensor_elem(tensor);
    unsigned bits = ran_elem_bits(elem);
    ran_token at = parser->token;
    int64_t value;
    bool fits;
    if (ran_elem_is_unsigned_int(elem)) {
        uint64_t large;
        if (!ran_parser_uint(parser, &large))
            return false;
        fits = bits == 64 || large >> bits == 0;
        value = (int64_t)large;
    } else {
        if (!ran_parser_int(parser, &value))
            return false;
        fits = bits == 64 ||
               (value >= -(INT64_C(1) << (bits - 1)) && value < INT64_C(1) << (bits - 1));
    }
    if (!fits)
        return ran_parser_error_at(parser, &at, "%.*s does not fit %s", (int)at.length, at.start,
                                   ran_elem_name(elem));
    ran_tensor_set_i64(tensor, index, value);
    return true;
}

static bool parse_float(ran_parser *parser, ran_tensor *tensor, int64_t index)
{
    char text[RAN_TEXT_NUMBER];
    if (!ran_parser_number_text(parser, text))
        return false;
    store_float(tensor, index, text);
    return true;
}

static bool parse_element(ran_parser *parser, ran_tensor *tensor, int64_t index)
{
    ran_elem elem = ran_tensor_elem(tensor);
    if (elem == RAN_ELEM_STRING) {
        const char *string;
        if (!ran_parser_string(parser, &string))
            return false;
        ran_tensor_set_string(tensor, index, string);
        return true;
    }
    if (elem == RAN_ELEM_BOOL)
        return parse_bool(parser, tensor, index);
    if (is_complex(elem))
        return parse_complex(parser, tensor, index);
    if (ran_elem_is_int(elem))
        return parse_integer(parser, tensor, index);
    return parse_float(parser, tensor, index);
}

static ran_tensor *create(ran_parser *parser, const ran_type *type)
{
    int64_t dims[RAN_MAX_RANK];
    for (int i = 0; i < type->rank; i++)
        dims[i] = ran_dim_value(type->dims[i]);
    ran_tensor *tensor = ran_tensor_create(type->elem, type->rank, dims);
    if (!tensor)
        ran_parser_error(parser, "not enough memory for the tensor");
    return tensor;
}

static bool parse_elements(ran_parser *parser, ran_tensor *tensor)
{
    int64_t count = ran_tensor_numel(tensor), i = 0;
    for (; i < count; i++) {
        if (ran_parser_at(parser, ']'))
            return ran_parser_error(parser, "%lld elements for a type of %lld", (long long)i,
                                    (long long)count);
        if ((i && !ran_parser_expect(parser, ',')) || !parse_element(parser, tensor, i))
            return false;
    }
    return ran_parser_expect(parser, ']');
}

/* Each element takes two characters, so a text that is too short allocates nothing. */
static bool parse_list(ran_parser *parser, const ran_type *type, ran_tensor **out_tensor)
{
    size_t rest = (size_t)(parser->lexer.end - parser->lexer.cursor);
    if (ran_type_numel(type) > (int64_t)(rest / 2 + 1))
        return ran_parser_error(parser, "fewer elements than the %lld of the type",
                                (long long)ran_type_numel(type));
    ran_parser_advance(parser);
    *out_tensor = create(parser, type);
    return *out_tensor && parse_elements(parser, *out_tensor);
}

/* Counts what the text makes out of nothing against a limit. */
static bool generate(ran_parser *parser, const ran_type *type, ran_tensor **out_tensor)
{
    uint64_t bytes = ran_elem_bytes(type->elem, ran_type_numel(type));
    if (bytes > RAN_TEXT_GENERATED || parser->generated + bytes > RAN_TEXT_GENERATED)
        return ran_parser_error(parser, "splats and noise of one text take more than %d MiB",
                                RAN_TEXT_GENERATED >> 20);
    parser->generated += bytes;
    *out_tensor = create(parser, type);
    return *out_tensor != NULL;
}

static void fill_strings(ran_tensor *tensor, const ran_tensor *one)
{
    for (int64_t i = 0; i < ran_tensor_numel(tensor); i++)
        ran_tensor_set_string(tensor, i, ran_tensor_string(one, 0));
}

static void fill(ran_tensor *tensor, const ran_tensor *one)
{
    int64_t count = ran_tensor_numel(tensor);
    size_t width = ran_elem_bits(ran_tensor_elem(tensor)) / 8;
    unsigned char *data = ran_tensor_mutable_data(tensor);
    if (ran_tensor_elem(tensor) == RAN_ELEM_STRING)
        fill_strings(tensor, one);
    else if (!width)
        for (int64_t i = 0; i < count; i++)
            ran_tensor_set_f64(tensor, i, ran_tensor_get_f64(one, 0));
    else
        for (int64_t i = 0; i < count; i++)
            memcpy(data + (size_t)i * width, ran_tensor_data(one), width);
}

static bool parse_splat(ran_parser *parser, const ran_type *type, ran_tensor **out_tensor)
{
    if (!generate(parser, type, out_tensor))
        return false;
    ran_tensor *one = ran_tensor_create(type->elem, 0, NULL);
    if (!one)
        return ran_parser_error(parser, "not enough memory for the tensor");
    bool done = parse_element(parser, one, 0);
    if (done)
        fill(*out_tensor, one);
    ran_tensor_release(one);
    return done;
}

static bool parse_noise(ran_parser *parser, const ran_type *type, ran_tensor **out_tensor)
{
    ran_noise noise = {.deviation = 1};
    ran_elem elem = type->elem;
    if (elem == RAN_ELEM_STRING || is_complex(elem))
        return ran_parser_error(parser, "there is no noise of type %s", ran_elem_name(elem));
    if (!ran_parser_uint(parser, &noise.seed))
        return false;
    if (ran_parser_accept(parser, ',') && !ran_parser_number(parser, &noise.deviation))
        return false;
    if (ran_parser_accept(parser, ',') && !ran_parser_number(parser, &noise.mean))
        return false;
    if (!isfinite(noise.deviation) || !isfinite(noise.mean))
        return ran_parser_error(parser, "deviation and mean of noise are finite");
    if (!generate(parser, type, out_tensor))
        return false;
    ran_tensor_fill_noise(*out_tensor, &noise);
    return true;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool decode_hex(const char *text, unsigned char *out, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        int high = hex_value(text[2 * i]), low = hex_value(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (unsigned char)(high * 16 + low);
    }
    return true;
}

/* Bytes that no element has: bools beside 0 and 1, bits behind the last 4-bit element. */
bool ran_text_check_bytes(ran_parser *parser, const ran_tensor *tensor)
{
    const unsigned char *data = ran_tensor_data(tensor);
    size_t bytes = ran_tensor_bytes(tensor);
    if (ran_tensor_elem(tensor) == RAN_ELEM_BOOL)
        for (size_t i = 0; i < bytes; i++)
            if (data[i] > 1)
                return ran_parser_error(parser, "byte %zu of the bools is neither 0 nor 1", i);
    bool has_rest = ran_elem_bits(ran_tensor_elem(tensor)) == 4 && ran_tensor_numel(tensor) % 2;
    if (has_rest && data[bytes - 1] >> 4)
        return ran_parser_error(parser, "the bits behind the last element are not 0");
    return true;
}

static bool parse_hex(ran_parser *parser, const ran_type *type, ran_tensor **out_tensor)
{
    ran_token digits = parser->token;
    size_t bytes = ran_elem_bytes(type->elem, ran_type_numel(type));
    if (type->elem == RAN_ELEM_STRING)
        return ran_parser_error(parser, "strings have no hexadecimal form");
    if (digits.kind != RAN_TOKEN_STRING)
        return ran_parser_error(parser, "expected a string, found %s", ran_parser_found(parser));
    if (digits.length / 2 != bytes || digits.length % 2)
        return ran_parser_error(parser, "expected %zu hexadecimal digits, found %zu", 2 * bytes,
                                digits.length);
    *out_tensor = create(parser, type);
    if (!*out_tensor)
        return false;
    if (!decode_hex(digits.start, ran_tensor_mutable_data(*out_tensor), bytes))
        return ran_parser_error(parser, "expected the digits 0-9 and a-f only");
    ran_parser_advance(parser);
    return ran_text_check_bytes(parser, *out_tensor);
}

typedef bool data_form(ran_parser *parser, const ran_type *type, ran_tensor **out_tensor);

static const struct {
    const char *word;
    data_form *parse;
} data_forms[] = {
    {"splat", parse_splat},
    {"noise", parse_noise},
    {"hex", parse_hex},
    {"file", ran_text_parse_file},
};

static bool parse_data(ran_parser *parser, const ran_type *type, ran_tensor **out_tensor)
{
    if (ran_parser_at(parser, '['))
        return parse_list(parser, type, out_tensor);
    for (size_t i = 0; i < sizeof(data_forms) / sizeof(*data_forms); i++) {
        if (!ran_parser_at_word(parser, data_forms[i].word))
            continue;
        ran_parser_advance(parser);
        return ran_parser_expect(parser, '(') && data_forms[i].parse(parser, type, out_tensor) &&
               ran_parser_expect(parser, ')');
    }
    return ran_parser_error(parser, "expected [...], splat, noise, hex or file, found %s",
                            ran_parser_found(parser));
}

bool ran_parser_tensor(ran_parser *parser, ran_tensor **out_tensor)
{
    ran_token at = parser->token;
    const ran_type *type;
    *out_tensor = NULL;
    if (!ran_parser_type(parser, &type))
        return false;
    if (!ran_type_is_tensor(type) || !ran_type_is_static(type) || type->layout.block)
        return ran_parser_error_at(parser, &at,
                                   "data needs a tensor type with constant dimensions, row-major");
    if (parse_data(parser, type, out_tensor))
        return true;
    ran_tensor_release(*out_tensor);
    *out_tensor = NULL;
    return false;
}

/* ---- Printing ------------------------------------------------------------------------------- */

static void print_complex(FILE *out, const ran_tensor *tensor, int64_t index)
{
    char re[RAN_NUMBER_SIZE], im[RAN_NUMBER_SIZE];
    format_part(tensor, 2 * index, re);
    format_part(tensor, 2 * index + 1, im);
    fprintf(out, "(%s, %s)", re, im);
}

static void print_element(FILE *out, const ran_tensor *tensor, int64_t index)
{
    ran_elem elem = ran_tensor_elem(tensor);
    char number[RAN_NUMBER_SIZE];
    if (elem == RAN_ELEM_STRING)
        ran_print_quoted(out, ran_tensor_string(tensor, index));
    else if (elem == RAN_ELEM_BOOL)
        fputs(ran_tensor_get_i64(tensor, index) ? "true" : "false", out);
    else if (is_complex(elem))
        print_complex(out, tensor, index);
    else if (ran_elem_is_unsigned_int(elem))
        fprintf(out, "%llu", (unsigned long long)ran_tensor_get_i64(tensor, index));
    else if (ran_elem_is_int(elem))
        fprintf(out, "%lld", (long long)ran_tensor_get_i64(tensor, index));
    else {
        format_float(tensor, index, number);
        fputs(number, out);
    }
}

/* Whether the decimal form reads back to the same bytes: NaNs with a payload don't. */
static bool reads_back(const ran_tensor *tensor, int64_t index, ran_tensor *scratch)
{
    ran_elem elem = ran_tensor_elem(tensor);
    char number[RAN_NUMBER_SIZE];
    if (elem == RAN_ELEM_STRING || elem == RAN_ELEM_BOOL || ran_elem_is_int(elem))
        return true;
    size_t width = ran_elem_bits(elem) / 8;
    for (int64_t part = 0; part < 2 && is_complex(elem); part++) {
        format_part(tensor, 2 * index + part, number);
        store_part(scratch, part, number);
    }
    if (!is_complex(elem)) {
        format_float(tensor, index, number);
        store_float(scratch, 0, number);
    }
    if (!width) /* 4-bit floats have no NaN and are all exact */
        return true;
    const unsigned char *data = ran_tensor_data(tensor);
    return !memcmp(data + (size_t)index * width, ran_tensor_data(scratch), width);
}

static bool all_read_back(const ran_tensor *tensor, int64_t count)
{
    ran_tensor *scratch = ran_tensor_create(ran_tensor_elem(tensor), 0, NULL);
    bool all = scratch != NULL;
    for (int64_t i = 0; all && i < count; i++)
        all = reads_back(tensor, i, scratch);
    ran_tensor_release(scratch);
    return all;
}

static bool is_splat(const ran_tensor *tensor)
{
    int64_t count = ran_tensor_numel(tensor);
    const unsigned char *data = ran_tensor_data(tensor);
    ran_elem elem = ran_tensor_elem(tensor);
    size_t width = ran_elem_bits(elem) / 8;
    if (count < 2)
        return false;
    if (width)
        return !memcmp(data, data + width, (size_t)(count - 1) * width);
    for (int64_t i = 1; i < count; i++)
        if (elem == RAN_ELEM_STRING
                ? strcmp(ran_tensor_string(tensor, i), ran_tensor_string(tensor, 0)) != 0
                : ran_tensor_get_f64(tensor, i) != ran_tensor_get_f64(tensor, 0))
            return false;
    return true;
}

static void print_list(FILE *out, const ran_tensor *tensor)
{
    fputc('[', out);
    for (int64_t i = 0; i < ran_tensor_numel(tensor); i++) {
        if (i)
            fputs(", ", out);
        print_element(out, tensor, i);
    }
    fputc(']', out);
}

static void print_noise(FILE *out, const ran_noise *noise)
{
    char deviation[RAN_NUMBER_SIZE], mean[RAN_NUMBER_SIZE];
    ran_format_f64(noise->deviation, deviation);
    ran_format_f64(noise->mean, mean);
    fprintf(out, "noise(%llu", (unsigned long long)noise->seed);
    if (noise->deviation != 1 || noise->mean != 0)
        fprintf(out, ", %s", deviation);
    if (noise->mean != 0)
        fprintf(out, ", %s", mean);
    fputc(')', out);
}

static void print_hex(FILE *out, const ran_tensor *tensor)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *data = ran_tensor_data(tensor);
    fputs("hex(\"", out);
    for (size_t i = 0; i < ran_tensor_bytes(tensor); i++) {
        fputc(digits[data[i] >> 4], out);
        fputc(digits[data[i] & 15], out);
    }
    fputs("\")", out);
}

/* Aligned, so that a mapping of the file can be used in place. */
enum { SIDE_ALIGNMENT = 64 };

static void print_side(FILE *out, const ran_tensor *tensor, ran_side_file *side)
{
    for (; side->offset % SIDE_ALIGNMENT; side->offset++)
        fputc(0, side->stream);
    size_t bytes = ran_tensor_bytes(tensor);
    fwrite(ran_tensor_data(tensor), 1, bytes, side->stream);
    fputs("file(", out);
    ran_print_quoted(out, side->name);
    fprintf(out, ", %llu, %zu)", (unsigned long long)side->offset, bytes);
    side->offset += bytes;
}

static void print_data(FILE *out, const ran_tensor *tensor, ran_side_file *side)
{
    int64_t count = ran_tensor_numel(tensor);
    bool splat = is_splat(tensor);
    bool is_listed = count <= RAN_TEXT_LISTED || ran_tensor_elem(tensor) == RAN_ELEM_STRING;
    if (ran_tensor_noise(tensor))
        print_noise(out, ran_tensor_noise(tensor));
    else if (splat && all_read_back(tensor, 1)) {
        fputs("splat(", out);
        print_element(out, tensor, 0);
        fputc(')', out);
    } else if (is_listed && all_read_back(tensor, count))
        print_list(out, tensor);
    else if (side->stream && !is_listed)
        print_side(out, tensor, side);
    else if (side->outline && !is_listed)
        print_noise(out, &(ran_noise){.seed = ran_tensor_hash(tensor), .deviation = 1});
    else
        print_hex(out, tensor);
}

void ran_print_tensor(FILE *out, const ran_tensor *tensor, ran_side_file *side)
{
    fputs("tensor<", out);
    for (int i = 0; i < ran_tensor_rank(tensor); i++)
        fprintf(out, "%lldx", (long long)ran_tensor_dims(tensor)[i]);
    fprintf(out, "%s> ", ran_elem_name(ran_tensor_elem(tensor)));
    print_data(out, tensor, side);
}
