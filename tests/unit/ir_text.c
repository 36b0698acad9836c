/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The IR's text: every op with random attributes through print and parse, numbers, noise, side
 * files. */
#include "ir/noise.h"
#include "ir/number.h"
#include "ir/text.h"

#include "tests/harness/unit.h"

#include <locale.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

static uint64_t state = 1;

static uint64_t random_bits(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    uint64_t high = state >> 32;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return high << 32 | state >> 32;
}

static size_t random_count(size_t limit)
{
    return random_bits() % limit;
}

/* ---- Modules with one op of every kind ----------------------------------------------------------
 */

static const char *random_string(ran_context *context)
{
    char text[12];
    size_t length = random_count(sizeof(text));
    for (size_t i = 0; i < length; i++)
        text[i] = (char)(1 + random_count(255));
    return ran_intern_n(context, text, length);
}

static double random_float(void)
{
    static const double special[] = {0, -0.0, INFINITY, -INFINITY, 1, -1, 0.1, 1e-45, 3e38};
    if (random_count(3) == 0)
        return special[random_count(sizeof(special) / sizeof(*special))];
    union {
        uint32_t bits;
        float value;
    } any = {.bits = (uint32_t)random_bits()};
    return isnan(any.value) ? (double)NAN : (double)any.value;
}

static const ran_dim *random_dim(ran_context *context, int depth)
{
    static const char *const names[] = {"N", "x", "max_len", "M", "min", "a b"};
    if (depth > 3 || random_count(3) == 0)
        return random_count(2) ? ran_dim_constant(context, (int64_t)random_count(100))
                               : ran_dim_symbol(context, names[random_count(6)]);
    ran_dim_kind kind = (ran_dim_kind)(RAN_DIM_ADD + random_count(6));
    const ran_dim *rhs = random_dim(context, depth + 1);
    if (kind == RAN_DIM_FLOORDIV || kind == RAN_DIM_CEILDIV)
        rhs = ran_dim_constant(context, 1 + (int64_t)random_count(9));
    return ran_dim_binary(context, kind, random_dim(context, depth + 1), rhs);
}

static const ran_type *random_type(ran_context *context)
{
    ran_elem elem = (ran_elem)random_count(RAN_ELEM_COUNT);
    const ran_dim *dims[5];
    int rank = (int)random_count(6) - 1;
    for (int i = 0; i < rank; i++)
        dims[i] = random_dim(context, 0);
    ran_layout layout = rank > 1 && random_count(3) == 0 ? (ran_layout){1, 16} : RAN_PLAIN;
    const ran_type *type = ran_type_tensor(context, elem, rank, dims, layout);
    if (random_count(6) == 0)
        type = ran_type_sequence(context, type);
    return random_count(6) ? type : ran_type_optional(context, type);
}

static ran_tensor *random_tensor(void)
{
    static const ran_elem elems[] = {RAN_ELEM_F32, RAN_ELEM_I64, RAN_ELEM_U4,  RAN_ELEM_BOOL,
                                     RAN_ELEM_F16, RAN_ELEM_C64, RAN_ELEM_F64, RAN_ELEM_BF16};
    int64_t dims[] = {(int64_t)random_count(5), (int64_t)random_count(8)};
    ran_tensor *tensor = ran_tensor_create(elems[random_count(8)], 2, dims);
    unsigned char *data = ran_tensor_mutable_data(tensor);
    bool is_bool = ran_tensor_elem(tensor) == RAN_ELEM_BOOL;
    for (size_t i = 0; i < ran_tensor_bytes(tensor); i++)
        data[i] = (unsigned char)random_count(is_bool ? 2 : 256);
    if (ran_tensor_elem(tensor) == RAN_ELEM_U4 && ran_tensor_numel(tensor) % 2)
        data[ran_tensor_bytes(tensor) - 1] &= 15;
    return tensor;
}

static void set_ints(ran_op *op, const char *name)
{
    int64_t values[5];
    size_t count = random_count(5);
    for (size_t i = 0; i < count; i++)
        values[i] = (int64_t)(random_bits() >> random_count(64));
    ran_op_set_ints(op, name, values, count);
}

static void set_floats(ran_op *op, const char *name)
{
    double values[5];
    size_t count = random_count(5);
    for (size_t i = 0; i < count; i++)
        values[i] = random_float();
    ran_op_set_floats(op, name, values, count);
}

static void set_strings(ran_op *op, ran_context *context, const char *name)
{
    const char *values[5];
    size_t count = random_count(5);
    for (size_t i = 0; i < count; i++)
        values[i] = random_string(context);
    ran_op_set_strings(op, name, values, count);
}

static void set_tensor(ran_op *op, const char *name)
{
    ran_tensor *tensor = random_tensor();
    ran_op_set_tensor(op, name, tensor);
    ran_tensor_release(tensor);
}

static void set_attribute(ran_context *context, ran_op *op, const ran_attr_spec *spec)
{
    switch (spec->kind) {
    case RAN_ATTR_INT:
        ran_op_set_int(op, spec->name, (int64_t)random_bits());
        break;
    case RAN_ATTR_FLOAT:
        ran_op_set_float(op, spec->name, random_float());
        break;
    case RAN_ATTR_STRING:
        ran_op_set_string(op, spec->name, random_string(context));
        break;
    case RAN_ATTR_INTS:
        set_ints(op, spec->name);
        break;
    case RAN_ATTR_FLOATS:
        set_floats(op, spec->name);
        break;
    case RAN_ATTR_STRINGS:
        set_strings(op, context, spec->name);
        break;
    case RAN_ATTR_TYPE:
        ran_op_set_type_attr(op, spec->name, random_type(context));
        break;
    case RAN_ATTR_TENSOR:
        set_tensor(op, spec->name);
        break;
    }
}

static void add_regions(ran_op *op, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        ran_region *region = ran_op_add_region(op);
        ran_value *argument =
            ran_region_add_argument(region, i ? "x" : NULL, ran_value_type(ran_op_operand(op, 0)));
        ran_builder builder = ran_builder_at_end(region);
        ran_op_create(&builder, RAN_OP_YIELD, 1, &argument, 0);
    }
}

static ran_op *add_op(ran_context *context, ran_builder *builder, ran_opcode opcode,
                      ran_value *const *operands, size_t operand_count)
{
    const ran_op_def *def = ran_op_definition(opcode);
    ran_op *op = ran_op_create(builder, opcode, operand_count, operands, def->result_count);
    for (size_t i = 0; i < def->attr_count; i++)
        if (random_count(4))
            set_attribute(context, op, &def->attrs[i]);
    for (size_t i = 0; i < op->result_count; i++) {
        ran_value_set_type(ran_op_result(op, i), random_type(context));
        if (random_count(2))
            ran_value_set_name(ran_op_result(op, i), random_count(2) ? "same" : "7/y:0");
    }
    add_regions(op, def->region_count);
    return op;
}

static const ran_location *random_location(ran_context *context)
{
    const ran_location *location = NULL;
    for (size_t i = random_count(4); i; i--)
        location = ran_location_fuse(
            context, location,
            ran_location_create(context, random_count(4) ? random_string(context) : NULL,
                                random_count(2) ? random_string(context) : NULL));
    return location;
}

/* A function with one op; its operands are arguments, a constant, and absent ones. */
static void add_function(ran_context *context, ran_module *module, ran_opcode opcode)
{
    const ran_op_def *def = ran_op_definition(opcode);
    ran_function *function = ran_function_create(module, def->name);
    ran_region *body = ran_function_body(function);
    ran_tensor *tensor = random_tensor();
    ran_value *pool[] = {
        ran_region_add_argument(body, random_string(context), random_type(context)),
        ran_region_add_argument(body, NULL, random_type(context)), NULL,
        ran_constant_create(module, random_string(context), tensor)};
    ran_tensor_release(tensor);
    ran_value *operands[16];
    size_t count = def->operand_count + random_count(3);
    for (size_t i = 0; i < count; i++)
        operands[i] = pool[i ? random_count(4) : 0];
    ran_builder builder = ran_builder_at_end(body);
    builder.location = random_location(context);
    ran_op *op = add_op(context, &builder, opcode, operands, def->region_count ? 1 : count);
    builder.location = NULL;
    ran_value *outputs[] = {op->result_count ? ran_op_result(op, 0) : pool[0], pool[1]};
    ran_op_create(&builder, RAN_OP_RETURN, 2, outputs, 0);
    ran_function_set_output_name(function, 1, random_string(context));
}

static char *print(const ran_module *module, size_t *out_length)
{
    char *text = NULL;
    FILE *stream = open_memstream(&text, out_length);
    ck_assert_int_eq(ran_module_print(module, stream, NULL), RAN_OK);
    fclose(stream);
    return text;
}

/* ---- Equality, by the nodes and not by their text
 * -------------------------------------------------- */

static bool same_double(double a, double b)
{
    return (isnan(a) && isnan(b)) || (a == b && signbit(a) == signbit(b));
}

static void check_lists(const ran_attr *a, const ran_attr *b)
{
    ck_assert_uint_eq(a->count, b->count);
    for (size_t i = 0; i < a->count; i++) {
        if (a->kind == RAN_ATTR_INTS)
            ck_assert_int_eq(a->as.ints[i], b->as.ints[i]);
        else if (a->kind == RAN_ATTR_FLOATS)
            ck_assert(same_double(a->as.floats[i], b->as.floats[i]));
        else
            ck_assert_str_eq(a->as.strings[i], b->as.strings[i]);
    }
}

static void check_attribute(const ran_attr *a, const ran_attr *b)
{
    ck_assert_str_eq(a->name, b->name);
    ck_assert_int_eq(a->kind, b->kind);
    if (a->kind == RAN_ATTR_INT)
        ck_assert_int_eq(a->as.i, b->as.i);
    else if (a->kind == RAN_ATTR_FLOAT)
        ck_assert(same_double(a->as.f, b->as.f));
    else if (a->kind == RAN_ATTR_STRING)
        ck_assert_str_eq(a->as.s, b->as.s);
    else if (a->kind == RAN_ATTR_TYPE)
        ck_assert_ptr_eq(a->as.type, b->as.type);
    else if (a->kind == RAN_ATTR_TENSOR)
        ck_assert(ran_tensor_equal(a->as.tensor, b->as.tensor));
    else
        check_lists(a, b);
}

static void check_value(const ran_value *a, const ran_value *b)
{
    ck_assert_int_eq(!a, !b);
    if (!a)
        return;
    ck_assert_int_eq(a->kind, b->kind);
    ck_assert_uint_eq(a->index, b->index);
    ck_assert_ptr_eq(a->name, b->name);
    ck_assert_ptr_eq(a->type, b->type);
    if (a->kind == RAN_VALUE_CONSTANT)
        ck_assert(ran_tensor_equal(a->tensor, b->tensor));
}

static void check_region(const ran_region *a, const ran_region *b);

static void check_op(const ran_op *a, const ran_op *b)
{
    ck_assert_int_eq(a->opcode, b->opcode);
    ck_assert_ptr_eq(a->location, b->location);
    ck_assert_uint_eq(a->operand_count, b->operand_count);
    ck_assert_uint_eq(a->result_count, b->result_count);
    ck_assert_uint_eq(a->attr_count, b->attr_count);
    ck_assert_uint_eq(a->region_count, b->region_count);
    for (size_t i = 0; i < a->operand_count; i++)
        check_value(a->operands[i].value, b->operands[i].value);
    for (size_t i = 0; i < a->result_count; i++)
        check_value(&a->results[i], &b->results[i]);
    for (size_t i = 0; i < a->attr_count; i++)
        check_attribute(&a->attrs[i], &b->attrs[i]);
    for (size_t i = 0; i < a->region_count; i++)
        check_region(a->regions[i], b->regions[i]);
}

static void check_region(const ran_region *a, const ran_region *b)
{
    ck_assert_uint_eq(a->argument_count, b->argument_count);
    for (size_t i = 0; i < a->argument_count; i++)
        check_value(a->arguments[i], b->arguments[i]);
    const ran_op *x = a->first, *y = b->first;
    for (; x && y; x = x->next, y = y->next)
        check_op(x, y);
    ck_assert(!x && !y);
}

static void check_function(const ran_function *a, const ran_function *b)
{
    ck_assert_str_eq(a->name, b->name);
    check_region(a->body, b->body);
    for (size_t i = 0; i < 2; i++)
        ck_assert_ptr_eq(ran_function_output_name(a, i), ran_function_output_name(b, i));
}

static void check_round_trip(ran_context *context, const ran_module *module)
{
    size_t length, again_length;
    char *text = print(module, &length);
    ran_module *parsed = NULL;
    if (ran_text_parse(context, text, length, "printed", &parsed) != RAN_OK) {
        ran_diagnostics_print(context, stdout);
        ck_abort_msg("%s", text);
    }
    const ran_function *a = ran_module_first_function(module);
    const ran_function *b = ran_module_first_function(parsed);
    for (; a && b; a = ran_function_next(a), b = ran_function_next(b))
        check_function(a, b);
    ck_assert(!a && !b);
    char *again = print(parsed, &again_length);
    ck_assert_str_eq(text, again);
    free(text);
    free(again);
    ran_module_destroy(parsed);
}

START_TEST(every_op_survives_print_and_parse)
{
    for (int round = 0; round < 40; round++) {
        ran_context *context = ran_context_create();
        ran_module *module = ran_module_create(context);
        ran_module_set_metadata(module, random_string(context), random_string(context));
        for (int opcode = 0; opcode < RAN_OP_COUNT; opcode++)
            add_function(context, module, (ran_opcode)opcode);
        check_round_trip(context, module);
        ran_module_destroy(module);
        ran_context_destroy(context);
    }
}
END_TEST

/* ---- Numbers
 * ------------------------------------------------------------------------------------------ */

static void check_numbers(void)
{
    char text[RAN_NUMBER_SIZE];
    for (int i = 0; i < 20000; i++) {
        union {
            uint64_t bits;
            double f64;
            float f32;
        } any = {.bits = random_bits()};
        ran_format_f64(any.f64, text);
        ck_assert(same_double(ran_parse_f64(text, NULL), any.f64));
        ran_format_f32(any.f32, text);
        ck_assert(same_double((double)ran_parse_f32(text, NULL), (double)any.f32));
    }
}

START_TEST(numbers_read_back)
{
    char text[RAN_NUMBER_SIZE];
    check_numbers();
    ran_format_f32(0.1f, text);
    ck_assert_str_eq(text, "0.1");
    ran_format_f64((double)0.1f, text);
    ck_assert_str_eq(text, "0.10000000149011612");
    ran_format_f64(5e-324, text);
    ck_assert_str_eq(text, "5e-324");
}
END_TEST

/* Some locale with a decimal comma, where this machine has one. */
START_TEST(numbers_do_not_depend_on_the_locale)
{
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "nl_NL.UTF-8"};
    char text[RAN_NUMBER_SIZE];
    size_t i = 0;
    while (i < 4 && !setlocale(LC_ALL, names[i]))
        i++;
    printf("decimal point of the program: %s\n", localeconv()->decimal_point);
    ran_format_f64(0.5, text);
    ck_assert_str_eq(text, "0.5");
    ck_assert_double_eq(ran_parse_f64("1.25", NULL), 1.25);
    check_numbers();
}
END_TEST

/* ---- Noise
 * -------------------------------------------------------------------------------------------- */

START_TEST(noise_is_what_it_was)
{
    double sum = 0, squares = 0;
    enum { COUNT = 100000 };
    for (uint64_t i = 0; i < COUNT; i++) {
        double value = ran_noise_value(3, i);
        sum += value;
        squares += value * value;
    }
    ck_assert_double_lt(fabs(sum / COUNT), 0.02);
    ck_assert_double_lt(fabs(squares / COUNT - 1), 0.02);
    /* Files in the field depend on these. */
    ck_assert_double_eq(ran_noise_value(1, 0), 1.6370391845703125);
    ck_assert_double_eq(ran_noise_value(1, 1), 0.7723846435546875);
    ck_assert_double_ne(ran_noise_value(1, 0), ran_noise_value(2, 0));
}
END_TEST

/* ---- Side files
 * ----------------------------------------------------------------------------------------- */

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

static ran_status parse_with_file(const char *data, const char **out_message)
{
    char text[512];
    static ran_context *context;
    ran_context_destroy(context);
    context = ran_context_create();
    ran_module *module = NULL;
    int length = snprintf(text, sizeof(text),
                          "const @w = tensor<4xu8> %s\nfunc @main() -> (tensor<4xu8>) {\n"
                          "  return @w\n}\n",
                          data);
    ran_status status = ran_module_parse(context, text, (size_t)length, "side/model.ran", &module);
    if (status == RAN_OK) {
        const ran_tensor *tensor = ran_value_constant(ran_module_first_constant(module));
        ck_assert_mem_eq(ran_tensor_data(tensor), "cdef", 4);
        ran_module_destroy(module);
    }
    *out_message = status == RAN_OK ? "" : ran_diagnostic_at(context, 0)->message;
    return status;
}

START_TEST(side_files_stay_beside)
{
    char directory[] = "/tmp/ran-text-XXXXXX";
    const char *message;
    ck_assert_ptr_nonnull(mkdtemp(directory));
    ck_assert_int_eq(chdir(directory), 0);
    ck_assert_int_eq(mkdir("side", 0700), 0);
    write_text("outside", "abcdefgh");
    write_text("side/weights", "abcdefgh");
    ck_assert_int_eq(symlink("../outside", "side/link"), 0);
    ck_assert_int_eq(parse_with_file("file(\"weights\", 2, 4)", &message), RAN_OK);
    static const char *const wrong[][2] = {
        {"file(\"../outside\", 2, 4)", "outside the directory"},
        {"file(\"link\", 2, 4)", "outside the directory"},
        {"file(\"/etc/passwd\", 2, 4)", "outside the directory"},
        {"file(\"missing\", 2, 4)", "cannot read 'missing'"},
        {"file(\".\", 2, 4)", "'.'"},
        {"file(\"weights\", 5, 4)", "has 8 bytes only"},
        {"file(\"weights\", 18446744073709551615, 4)", "has 8 bytes only"},
        {"file(\"weights\", 2, 5)", "takes 4 bytes, not 5"},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        ck_assert_int_eq(parse_with_file(wrong[i][0], &message), RAN_INVALID);
        ck_assert_msg(strstr(message, wrong[i][1]), "%s: %s", wrong[i][0], message);
    }
    ck_assert_int_eq(system("rm -r side outside"), 0);
    ck_assert_int_eq(rmdir(directory), 0);
}
END_TEST

RAN_UNIT_TESTS(every_op_survives_print_and_parse, numbers_read_back,
               numbers_do_not_depend_on_the_locale, noise_is_what_it_was, side_files_stay_beside)
