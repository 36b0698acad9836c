/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tools/list.h"

#include "ir/ir.h"
#include "ir/number.h"

static void print_values(FILE *stream, const ran_operand_spec *specs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        fprintf(stream, "%s%s%s%s", i ? ", " : "", specs[i].name, specs[i].optional ? "?" : "",
                specs[i].variadic ? "..." : "");
}

static void print_default(FILE *stream, const ran_attr_spec *spec)
{
    char number[RAN_NUMBER_SIZE];
    ran_format_f32((float)spec->float_default, number);
    if (spec->required)
        fputs(", required", stream);
    else if (spec->has_default && spec->kind == RAN_ATTR_INT)
        fprintf(stream, " = %lld", (long long)spec->int_default);
    else if (spec->has_default && spec->kind == RAN_ATTR_FLOAT)
        fprintf(stream, " = %s", number);
    else if (spec->has_default && spec->kind == RAN_ATTR_STRING)
        fprintf(stream, " = \"%s\"", spec->string_default);
}

static void print_attributes(FILE *stream, const ran_op_def *def)
{
    for (size_t i = 0; i < def->attr_count; i++) {
        fprintf(stream, "%s`%s`: %s", i ? "; " : "", def->attrs[i].name,
                ran_attr_kind_name(def->attrs[i].kind));
        print_default(stream, &def->attrs[i]);
    }
}

static const struct {
    unsigned flag;
    const char *word;
} flag_words[] = {
    {RAN_FLAG_NONLINEAR, "non-linear"},  {RAN_FLAG_COMMUTATIVE, "commutative"},
    {RAN_FLAG_TERMINATOR, "terminator"}, {RAN_FLAG_ISOLATED, "isolated region"},
    {RAN_FLAG_IMPURE, "impure"},
};

static void print_notes(FILE *stream, const ran_op_def *def)
{
    const char *separator = "";
    if (def->elementwise) {
        fputs("elementwise", stream);
        separator = ", ";
    }
    for (size_t i = 0; i < sizeof(flag_words) / sizeof(*flag_words); i++)
        if (def->flags & flag_words[i].flag) {
            fprintf(stream, "%s%s", separator, flag_words[i].word);
            separator = ", ";
        }
    if (def->region_count)
        fprintf(stream, "%sregions: %u", separator, def->region_count);
}

void ran_tool_list_ops(FILE *stream)
{
    fputs("| op | operands | results | attributes | |\n|---|---|---|---|---|\n", stream);
    for (int opcode = 0; opcode < RAN_OP_COUNT; opcode++) {
        const ran_op_def *def = ran_op_definition((ran_opcode)opcode);
        fprintf(stream, "| `%s` | ", def->name);
        print_values(stream, def->operands, def->operand_count);
        fputs(" | ", stream);
        print_values(stream, def->results, def->result_count);
        fputs(" | ", stream);
        print_attributes(stream, def);
        fputs(" | ", stream);
        print_notes(stream, def);
        fputs(" |\n", stream);
    }
}
