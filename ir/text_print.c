/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The printer of the textual IR; docs/ir.md has the grammar.
 *
 * All labels of a function are decided before its first line: values without a name count from 0,
 * a name that several values have gets ordinals. What it prints the parser reads back as the same
 * module, and that prints as the same text.
 */
#include "ir/beside.h"
#include "ir/number.h"
#include "ir/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- Words ---------------------------------------------------------------------------------- */

/* The length of the valid UTF-8 sequence at `s`, 0 when there is none. */
static size_t utf8_length(const unsigned char *s)
{
    size_t length = s[0] >= 0xf0 && s[0] < 0xf5   ? 4
                    : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
                    : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
                                                  : 0;
    for (size_t i = 1; i < length; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
    bool outside = (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf4 && s[1] > 0x8f);
    return length && !overlong && !outside ? length : 0;
}

static size_t print_character(FILE *out, const unsigned char *s)
{
    static const char from[] = "\"\\\n\t\r", to[] = "\"\\ntr";
    const char *simple = strchr(from, s[0]);
    size_t length = s[0] < 0x80 ? 0 : utf8_length(s);
    if (simple)
        fprintf(out, "\\%c", to[simple - from]);
    else if (length)
        fwrite(s, 1, length, out);
    else if (s[0] < ' ' || s[0] >= 0x7f)
        fprintf(out, "\\x%02x", s[0]);
    else
        fputc(s[0], out);
    return length ? length : 1;
}

void ran_print_quoted(FILE *out, const char *string)
{
    const unsigned char *s = (const unsigned char *)string;
    fputc('"', out);
    while (*s)
        s += print_character(out, s);
    fputc('"', out);
}

void ran_print_name(FILE *out, const char *name)
{
    if (ran_is_identifier(name, strlen(name)))
        fputs(name, out);
    else
        ran_print_quoted(out, name);
}

/* Float attributes are of single precision. */
static void print_float(FILE *out, double value)
{
    char text[RAN_NUMBER_SIZE];
    ran_format_f32((float)value, text);
    fputs(text, out);
}

/* ---- Labels --------------------------------------------------------------------------------- */

typedef struct printer {
    FILE *out;
    ran_map labels; /* ran_value * -> its number or ordinal */
    ran_map names;  /* interned name -> how many values have it so far */
    uint64_t unnamed;
} printer;

static void label_value(printer *p, const ran_value *value)
{
    bool is_new;
    uint64_t label =
        value->name ? (*ran_map_insert(&p->names, value->name, 0, &is_new))++ : p->unnamed++;
    *ran_map_insert(&p->labels, value, 0, &is_new) = label;
}

/* In the order of the text: an op's results stand before its regions. */
static void label_region(printer *p, const ran_region *region)
{
    for (size_t i = 0; i < region->argument_count; i++)
        label_value(p, region->arguments[i]);
    for (const ran_op *op = region->first; op; op = op->next) {
        for (size_t i = 0; i < op->result_count; i++)
            label_value(p, &op->results[i]);
        for (size_t i = 0; i < op->region_count; i++)
            label_region(p, op->regions[i]);
    }
}

static void clear_labels(printer *p)
{
    ran_map_clear(&p->labels);
    ran_map_clear(&p->names);
    p->unnamed = 0;
}

static void print_label(const printer *p, const ran_value *value)
{
    const uint64_t *label = ran_map_find(&p->labels, value, 0);
    fputc('%', p->out);
    if (value->name)
        ran_print_name(p->out, value->name);
    else if (!label)
        fputc('?', p->out); /* of an op that is in no function (messages only) */
    if (label && (*label || !value->name))
        fprintf(p->out, value->name ? "#%llu" : "%llu", (unsigned long long)*label);
}

static void print_operand(const printer *p, const ran_value *value)
{
    if (!value)
        fputc('_', p->out);
    else if (value->kind == RAN_VALUE_CONSTANT) {
        fputc('@', p->out);
        ran_print_name(p->out, value->name);
    } else
        print_label(p, value);
}

/* ---- Attributes ----------------------------------------------------------------------------- */

static void print_type_attribute(FILE *out, const ran_type *type)
{
    bool is_elem = type && type->kind == RAN_TYPE_TENSOR && type->rank < 0 && !type->layout.block;
    if (is_elem)
        fputs(ran_elem_name(type->elem), out);
    else
        ran_print_type(out, type);
}

static void print_list(FILE *out, const ran_attr *attr)
{
    fputc('[', out);
    for (size_t i = 0; i < attr->count; i++) {
        if (i)
            fputs(", ", out);
        if (attr->kind == RAN_ATTR_INTS)
            fprintf(out, "%lld", (long long)attr->as.ints[i]);
        else if (attr->kind == RAN_ATTR_FLOATS)
            print_float(out, attr->as.floats[i]);
        else
            ran_print_quoted(out, attr->as.strings[i]);
    }
    fputc(']', out);
}

static void print_attribute(FILE *out, const ran_attr *attr)
{
    fprintf(out, "%s = ", attr->name);
    switch (attr->kind) {
    case RAN_ATTR_INT:
        fprintf(out, "%lld", (long long)attr->as.i);
        break;
    case RAN_ATTR_FLOAT:
        print_float(out, attr->as.f);
        break;
    case RAN_ATTR_STRING:
        ran_print_quoted(out, attr->as.s);
        break;
    case RAN_ATTR_INTS:
    case RAN_ATTR_FLOATS:
    case RAN_ATTR_STRINGS:
        print_list(out, attr);
        break;
    case RAN_ATTR_TYPE:
        print_type_attribute(out, attr->as.type);
        break;
    case RAN_ATTR_TENSOR:
        ran_print_tensor(out, attr->as.tensor, &(ran_side_file){0});
        break;
    }
}

static void print_attributes(FILE *out, const ran_op *op)
{
    for (size_t i = 0; i < op->attr_count; i++) {
        fputs(i ? ", " : " {", out);
        print_attribute(out, &op->attrs[i]);
    }
    if (op->attr_count)
        fputc('}', out);
}

/* ---- Ops and regions ------------------------------------------------------------------------ */

static void print_location(FILE *out, const ran_location *location)
{
    if (!location)
        return;
    fputs(" loc(", out);
    for (const ran_location *l = location; l; l = l->next) {
        if (l != location)
            fputs(", ", out);
        if (l->name)
            ran_print_quoted(out, l->name);
        else
            fputc('_', out);
        if (l->type) {
            fputs(": ", out);
            ran_print_quoted(out, l->type);
        }
    }
    fputc(')', out);
}

static void print_head(const printer *p, const ran_op *op)
{
    FILE *out = p->out;
    for (size_t i = 0; i < op->result_count; i++) {
        if (i)
            fputs(", ", out);
        print_label(p, &op->results[i]);
    }
    fprintf(out, "%s%s", op->result_count ? " = " : "", ran_opcode_name(op->opcode));
    for (size_t i = 0; i < op->operand_count; i++) {
        fputs(i ? ", " : " ", out);
        print_operand(p, op->operands[i].value);
    }
    print_attributes(out, op);
    for (size_t i = 0; i < op->result_count; i++) {
        fputs(i ? ", " : " : ", out);
        ran_print_type(out, op->results[i].type);
    }
    print_location(out, op->location);
}

static void print_arguments(const printer *p, const ran_region *region)
{
    fputc('(', p->out);
    for (size_t i = 0; i < region->argument_count; i++) {
        if (i)
            fputs(", ", p->out);
        print_label(p, region->arguments[i]);
        fputs(": ", p->out);
        ran_print_type(p->out, region->arguments[i]->type);
    }
    fputc(')', p->out);
}

static void print_body(const printer *p, const ran_region *region, int indent)
{
    fputs(" {\n", p->out);
    for (const ran_op *op = region->first; op; op = op->next) {
        fprintf(p->out, "%*s", indent + 2, "");
        print_head(p, op);
        for (size_t i = 0; i < op->region_count; i++) {
            fputc(' ', p->out);
            print_arguments(p, op->regions[i]);
            print_body(p, op->regions[i], indent + 2);
        }
        fputc('\n', p->out);
    }
    fprintf(p->out, "%*s}", indent, "");
}

/* ---- Functions and the module --------------------------------------------------------------- */

static void print_outputs(const printer *p, const ran_function *function)
{
    const ran_op *end = ran_region_terminator(function->body);
    if (!end || !end->operand_count)
        return;
    fputs(" -> (", p->out);
    for (size_t i = 0; i < end->operand_count; i++) {
        const char *name = ran_function_output_name(function, i);
        const ran_value *value = end->operands[i].value;
        if (i)
            fputs(", ", p->out);
        if (name) {
            fputc('%', p->out);
            ran_print_name(p->out, name);
            fputs(": ", p->out);
        }
        ran_print_type(p->out, value ? value->type : NULL);
    }
    fputc(')', p->out);
}

static void print_function(printer *p, const ran_function *function)
{
    clear_labels(p);
    label_region(p, function->body);
    fputs("func @", p->out);
    ran_print_name(p->out, function->name);
    print_arguments(p, function->body);
    print_outputs(p, function);
    print_body(p, function->body, 0);
    fputc('\n', p->out);
}

static void print_metadata(FILE *out, const ran_module *module)
{
    size_t count = ran_module_metadata_count(module);
    for (size_t i = 0; i < count; i++) {
        const char *key = ran_module_metadata_key(module, i);
        fputs(i ? ", " : "module {", out);
        ran_print_name(out, key);
        fputs(" = ", out);
        ran_print_quoted(out, ran_module_metadata(module, key));
    }
    if (count)
        fputs("}\n\n", out);
}

static void print_constants(FILE *out, const ran_module *module, ran_side_file *side)
{
    const ran_value *first = ran_module_first_constant(module);
    for (const ran_value *c = first; c; c = ran_constant_next(c)) {
        fputs("const @", out);
        ran_print_name(out, c->name);
        fputs(" = ", out);
        ran_print_tensor(out, c->tensor, side);
        fputc('\n', out);
    }
    if (first)
        fputc('\n', out);
}

static void print_module(const ran_module *module, FILE *out, ran_side_file *side)
{
    printer p = {.out = out};
    print_metadata(out, module);
    print_constants(out, module, side);
    const ran_function *first = ran_module_first_function(module);
    for (const ran_function *f = first; f; f = ran_function_next(f)) {
        if (f != first)
            fputc('\n', out);
        print_function(&p, f);
    }
    clear_labels(&p);
}

/* ---- Side files: written beside, renamed when complete -------------------------------------- */

static ran_status write_error(const ran_module *module, const char *path)
{
    return ran_error(ran_module_context(module), RAN_INVALID, "cannot write %s: %s", path,
                     strerror(errno));
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static ran_status close_side(const ran_module *module, ran_side_file *side, const char *temporary,
                             const char *path)
{
    bool failed = ferror(side->stream);
    failed |= fclose(side->stream) != 0;
    if (!failed && side->offset && ran_beside_rename(temporary, path))
        return RAN_OK;
    ran_status status = failed || side->offset ? write_error(module, path) : RAN_OK;
    ran_beside_remove(temporary, path);
    return status;
}

static ran_status print_with_side(const ran_module *module, FILE *stream, const char *path)
{
    const char *temporary = ran_beside(ran_module_context(module), path);
    ran_side_file side = {.stream = fopen(temporary, "wb"), .name = base_name(path)};
    ran_status status;
    if (side.stream) {
        print_module(module, stream, &side);
        status = close_side(module, &side, temporary, path);
    } else
        status = write_error(module, path);
    return status;
}

static ran_status finish_print(const ran_module *module, FILE *stream, ran_status status)
{
    if (status == RAN_OK && (fflush(stream) || ferror(stream)))
        return ran_error(ran_module_context(module), RAN_INVALID, "cannot write the text: %s",
                         strerror(errno));
    return status;
}

ran_status ran_module_print_outline(const ran_module *module, FILE *stream)
{
    print_module(module, stream, &(ran_side_file){.outline = true});
    return finish_print(module, stream, RAN_OK);
}

ran_status ran_module_print(const ran_module *module, FILE *stream, const char *weights_path)
{
    ran_status status = RAN_OK;
    if (weights_path)
        status = print_with_side(module, stream, weights_path);
    else
        print_module(module, stream, &(ran_side_file){0});
    return finish_print(module, stream, status);
}

/* ---- Short forms ---------------------------------------------------------------------------- */

/* A stream into memory; its text becomes an interned string. */
struct memory {
    FILE *out;
    char *text;
    size_t length;
};

static void open_memory(struct memory *memory)
{
    memory->out = open_memstream(&memory->text, &memory->length);
    if (!memory->out)
        RAN_BUG(NULL, "out of memory");
}

static const char *close_memory(ran_context *context, struct memory *memory)
{
    fclose(memory->out);
    const char *text = ran_intern_n(context, memory->text, memory->length);
    free(memory->text);
    return text;
}

const char *ran_type_text(ran_context *context, const ran_type *type)
{
    struct memory memory;
    open_memory(&memory);
    ran_print_type(memory.out, type);
    return close_memory(context, &memory);
}

const char *ran_dim_text(ran_context *context, const ran_dim *dim)
{
    struct memory memory;
    open_memory(&memory);
    ran_print_dim(memory.out, dim);
    return close_memory(context, &memory);
}

const char *ran_op_text(ran_context *context, const ran_op *op)
{
    struct memory memory;
    open_memory(&memory);
    printer p = {.out = memory.out};
    if (op->parent && op->parent->function)
        label_region(&p, op->parent->function->body);
    print_head(&p, op);
    clear_labels(&p);
    return close_memory(context, &memory);
}
