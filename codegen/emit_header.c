/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The C header of a compiled model: needs the C library's headers only, and works in C++. */
#include "codegen/emit.h"

#include <ctype.h>
#include <string.h>

#include "codegen/cpu/cpu.h"

static const char *c_type(ran_elem elem)
{
    static const char *const types[RAN_ELEM_COUNT] = {
        [RAN_ELEM_F32] = "float",    [RAN_ELEM_F64] = "double",    [RAN_ELEM_F16] = "uint16_t",
        [RAN_ELEM_BF16] = "uint16_t", [RAN_ELEM_BOOL] = "uint8_t", [RAN_ELEM_U8] = "uint8_t",
        [RAN_ELEM_I8] = "int8_t",    [RAN_ELEM_U16] = "uint16_t",  [RAN_ELEM_I16] = "int16_t",
        [RAN_ELEM_U32] = "uint32_t", [RAN_ELEM_I32] = "int32_t",   [RAN_ELEM_U64] = "uint64_t",
        [RAN_ELEM_I64] = "int64_t"};
    return types[elem] ? types[elem] : "uint8_t";
}

static void print_upper(FILE *out, const char *name)
{
    for (; *name; name++)
        fputc(toupper((unsigned char)*name), out);
}

static const char parallel_struct[] =
    "#ifndef RAN_PARALLEL_DEFINED\n"
    "#define RAN_PARALLEL_DEFINED\n"
    "/* How the caller runs tasks on several threads. `run` calls `task` so that the ranges\n"
    " * [begin, end) cover [0, tasks) once, each call with the number of a slot (< slots) that no\n"
    " * other call uses at the same time, and returns when all are done. */\n"
    "struct ran_parallel {\n"
    "    unsigned slots;\n"
    "    void (*run)(const struct ran_parallel *self, size_t tasks,\n"
    "                void (*task)(void *argument, unsigned slot, size_t begin, size_t end),\n"
    "                void *argument);\n"
    "};\n"
    "#endif\n";

static void print_opening(const ran_compiled *model, FILE *out)
{
    fprintf(out, "/* %s: a neural network compiled by rancc for %s", model->prefix, model->targets);
    fprintf(out, model->next_variant ? ". */\n" : " (%s). */\n", model->codegen->target.cpu);
    fprintf(out, "#ifndef ");
    print_upper(out, model->prefix);
    fprintf(out, "_H\n#define ");
    print_upper(out, model->prefix);
    fprintf(out, "_H\n\n#include <stddef.h>\n#include <stdint.h>\n\n"
                 "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n%s\nstruct ran_model_desc;\n\n",
            parallel_struct);
}

static void print_symbols(const ran_compiled *model, FILE *out)
{
    for (size_t i = 0; i < model->codegen->symbols.argument_count; i++)
        fprintf(out, "int64_t %s, ", ran_size_identifier(model, i));
}

static size_t input_count(const ran_compiled *model)
{
    return ran_region_argument_count(ran_function_body(model->function));
}

static const ran_op *return_op(const ran_compiled *model)
{
    return ran_region_terminator(ran_function_body(model->function));
}

static void describe_value(const ran_compiled *model, FILE *out, const char *kind,
                           const char *identifier, const char *name, const ran_type *type)
{
    fprintf(out, " *   %-9s %s: %s", kind, identifier, ran_type_text(model->context, type));
    fprintf(out, name && *name ? " (\"" : "");
    for (const char *p = name ? name : ""; *p; p++)
        fputc(p[0] == '*' && p[1] == '/' ? '.' : p[0], out);
    fprintf(out, name && *name ? "\")\n" : "\n");
}

static bool depends_on_data(const ran_compiled *model, size_t output)
{
    return ran_symbols_depend_on_data(&model->codegen->symbols,
                                      ran_value_type(ran_op_operand(return_op(model), output)));
}

/* What has room in any case. */
static void describe_most(const ran_compiled *model, FILE *out, const ran_type *type)
{
    fprintf(out, " *             at most");
    for (int axis = 0; axis < ran_type_rank(type); axis++) {
        const ran_dim *most =
            ran_symbols_most(model->context, &model->codegen->symbols, ran_type_dim(type, axis));
        fprintf(out, "%s%s", axis ? " x " : " ", ran_dim_text(model->context, most));
    }
    fprintf(out, "\n");
}

static void describe_values(const ran_compiled *model, FILE *out)
{
    ran_region *body = ran_function_body(model->function);
    for (size_t i = 0; i < input_count(model); i++)
        describe_value(model, out, "input", ran_input_identifier(model, i),
                       ran_value_name(ran_region_argument(body, i)),
                       ran_value_type(ran_region_argument(body, i)));
    for (size_t i = 0; i < return_op(model)->operand_count; i++) {
        const ran_type *type = ran_value_type(ran_op_operand(return_op(model), i));
        describe_value(model, out, "output", ran_output_identifier(model, i),
                       ran_function_output_name(model->function, i), type);
        if (depends_on_data(model, i))
            describe_most(model, out, type);
    }
}

static void print_size(const ran_compiled *model, FILE *out)
{
    fprintf(out, "/* Bytes of workspace for a run on `slots` threads (1 without parallel); any\n"
                 " * alignment will do. */\nsize_t %s_workspace_size(",
            model->prefix);
    print_symbols(model, out);
    fprintf(out, "unsigned slots);\n\n");
}

/* What the CPU must have: of several targets the least demanding one. */
static void print_cpu(const ran_compiled *model, FILE *out)
{
    const ran_compiled *least = model;
    while (least->next_variant)
        least = least->next_variant;
    const char *names = ran_cpu_feature_names(model->context, least->codegen->target.arch,
                                              least->cpu_features);
    if (!*names)
        return;
    size_t column = (size_t)fprintf(out, " * 1: the CPU lacks one of");
    for (const char *p = names; *p; p += strcspn(p, ","), p += *p == ',') {
        int length = (int)strcspn(p, ",");
        if (column + (size_t)length + 1 > 98)
            column = (size_t)fprintf(out, "\n *   ") - 1;
        column += (size_t)fprintf(out, " %.*s", length, p);
    }
    fprintf(out, "\n");
}

static void print_codes(const ran_compiled *model, FILE *out)
{
    bool sized = false;
    for (size_t i = 0; i < return_op(model)->operand_count; i++)
        sized |= depends_on_data(model, i);
    if (sized)
        fprintf(out, "An output whose size depends on data (?) takes a capacity,\n"
                     " * the elements for which there is room, and gives its shape.\n * ");
    fprintf(out, "Returns 0, or why there are no results:\n");
    print_cpu(model, out);
    fprintf(out, " * 2: an index in the data is out of range\n");
    if (sized)
        fprintf(out,
                " * 3: an output has more elements than its capacity; its shape says how many\n");
    if (model->codegen->symbols.count)
        fprintf(out, " * 4: sizes don't fit together\n");
}

static void print_inputs(const ran_compiled *model, FILE *out)
{
    ran_region *body = ran_function_body(model->function);
    for (size_t i = 0; i < input_count(model); i++)
        fprintf(out, "const %s *%s, ",
                c_type(ran_type_elem(ran_value_type(ran_region_argument(body, i)))),
                ran_input_identifier(model, i));
}

static void print_outputs(const ran_compiled *model, FILE *out)
{
    for (size_t i = 0; i < return_op(model)->operand_count; i++) {
        const ran_type *type = ran_value_type(ran_op_operand(return_op(model), i));
        const char *name = ran_output_identifier(model, i);
        fprintf(out, "%s *%s, ", c_type(ran_type_elem(type)), name);
        if (depends_on_data(model, i))
            fprintf(out, "size_t %s_capacity, int64_t *%s_shape, ", name, name);
    }
}

static void print_run(const ran_compiled *model, FILE *out)
{
    fprintf(out, "/* One run. Arrays are dense and row-major, aligned as their elements; f16 and\n"
                 " * bf16 are uint16_t, bool is uint8_t. Re-entrant with a workspace a call.\n"
                 " * parallel may be NULL. ");
    print_codes(model, out);
    describe_values(model, out);
    if (!model->weights_embedded)
        fprintf(out, " *   weights   the contents of the weights file (%llu bytes, 64-byte aligned)\n",
                (unsigned long long)ran_memory_plan_weights_size(model->plan));
    fprintf(out, " */\nint %s_run(", model->prefix);
    print_symbols(model, out);
    print_inputs(model, out);
    print_outputs(model, out);
    fprintf(out, "void *workspace, const struct ran_parallel *parallel%s);\n\n",
            model->weights_embedded ? "" : ", const void *weights");
}

ran_status ran_emit_header(ran_compiled *model, FILE *out)
{
    print_opening(model, out);
    print_size(model, out);
    print_run(model, out);
    fprintf(out,
            "/* Names, types and entry points, for loaders (ran/rt.h). */\n"
            "const struct ran_model_desc *%s_desc(void);\n\n"
            "#ifdef __cplusplus\n}\n#endif\n\n#endif\n",
            model->prefix);
    return ferror(out) ? ran_error(model->context, RAN_INVALID, "cannot write the header") : RAN_OK;
}
