/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A compiled library tells no nodes, but what running it takes: targets and the CPU features that
 * they need, inputs and outputs, workspace, and the weights' bytes (in the file's section of them).
 */
#include "tools/stat/stat.h"

#include <elf.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <ran/rt.h>
#include <ran/tensor_file.h>

struct stat_library {
    ran_context *context;
    const char *path;
    struct ran_rt_library *library;
    const struct ran_model_desc *desc;
    int64_t workspace, weights; /* bytes; workspace -1: depends on an unbound symbol */
};

/* ---- Sizes --------------------------------------------------------------------------- */

static bool read_at(FILE *stream, uint64_t offset, void *out, size_t size)
{
    return !fseek(stream, (long)offset, SEEK_SET) && fread(out, 1, size, stream) == size;
}

static bool is_weights(FILE *stream, const Elf64_Shdr *names, const Elf64_Shdr *section)
{
    static const char wanted[] = ".ran_weights";
    char name[sizeof(wanted)];
    return read_at(stream, names->sh_offset + section->sh_name, name, sizeof(name)) &&
           !memcmp(name, wanted, sizeof(wanted));
}

/* Of the section that the weights lie in; 0 without one. */
static int64_t embedded_weights(const char *path)
{
    int64_t size = 0;
    Elf64_Ehdr header;
    Elf64_Shdr names, section;
    FILE *stream = fopen(path, "rb");
    if (!stream)
        return 0;
    if (read_at(stream, 0, &header, sizeof(header)) && header.e_ident[EI_CLASS] == ELFCLASS64 &&
        read_at(stream, header.e_shoff + (uint64_t)header.e_shstrndx * sizeof(names), &names,
                sizeof(names)))
        for (unsigned i = 0; i < header.e_shnum; i++)
            if (read_at(stream, header.e_shoff + i * sizeof(section), &section, sizeof(section)) &&
                is_weights(stream, &names, &section))
                size = (int64_t)section.sh_size;
    fclose(stream);
    return size;
}

static int64_t workspace_of(const struct ran_model_desc *desc, const ran_model_options *options)
{
    int64_t bytes = -1, *symbols = calloc(desc->symbol_count + 1, sizeof(*symbols));
    uint32_t bound = 0;
    for (uint32_t i = 0; symbols && i < desc->symbol_count; i++)
        for (size_t j = 0; j < options->dim_count; j++)
            if (!strcmp(options->dims[j].name, desc->symbols[i])) {
                symbols[i] = options->dims[j].value;
                bound++;
            }
    if (symbols && bound >= desc->symbol_count)
        bytes = (int64_t)desc->workspace_size(symbols, 1);
    free(symbols);
    return bytes;
}

ran_status stat_library_open(ran_context *context, const char *path,
                             const ran_model_options *options, stat_library **out_library)
{
    struct ran_rt_error error = {{0}};
    stat_library *l = calloc(1, sizeof(*l));
    if (!l)
        return ran_error(context, RAN_INVALID, "out of memory");
    l->context = context;
    l->path = path;
    l->library = ran_rt_library_open(path, NULL, &error);
    if (!l->library) {
        free(l);
        return ran_error(context, RAN_INVALID, "%s: %s", path, error.text);
    }
    l->desc = ran_rt_library_desc(l->library);
    l->workspace = workspace_of(l->desc, options);
    l->weights = l->desc->weights_size ? (int64_t)l->desc->weights_size : embedded_weights(path);
    *out_library = l;
    return RAN_OK;
}

void stat_library_close(stat_library *l)
{
    ran_rt_library_close(l->library);
    free(l);
}

/* ---- As text ------------------------------------------------------------------------- */

static const char *elem_name(int32_t onnx)
{
    ran_elem elem;
    return ran_elem_from_onnx(onnx, &elem) ? ran_elem_name(elem) : "?";
}

static const char *runs_here(const stat_library *l)
{
    int index = l->desc->variant();
    return index < 0 ? NULL : l->desc->variants[index].target;
}

static void print_values(const stat_library *l, const char *kind,
                         const struct ran_value_desc *values, uint32_t count, FILE *stream)
{
    for (uint32_t i = 0; i < count; i++) {
        fprintf(stream, "%-10s %s: ", kind, values[i].name);
        for (int axis = 0; axis < values[i].rank; axis++) {
            int64_t dim = values[i].dims[axis];
            if (dim >= 0)
                fprintf(stream, "%" PRId64 "x", dim);
            else
                fprintf(stream, "%sx", dim <= RAN_DIM_DATA ? "?" : l->desc->symbols[-1 - dim]);
        }
        fprintf(stream, "%s\n", elem_name(values[i].elem));
    }
}

void stat_library_print(const stat_library *l, FILE *stream)
{
    const struct ran_model_desc *d = l->desc;
    fprintf(stream, "%s: model %s, compiled by rancc (ABI %u)\n", l->path, d->name, d->abi);
    for (uint32_t i = 0; i < d->variant_count; i++)
        fprintf(stream, "%-10s %s%s%s\n", "target", d->variants[i].target,
                *d->variants[i].cpu_features ? ": needs " : "", d->variants[i].cpu_features);
    fprintf(stream, "%-10s %s\n", "runs here", runs_here(l) ? runs_here(l) : "nothing");
    print_values(l, "input", d->inputs, d->input_count, stream);
    print_values(l, "output", d->outputs, d->output_count, stream);
    if (l->workspace >= 0)
        fprintf(stream, "%-10s %" PRId64 " bytes on one thread\n", "workspace", l->workspace);
    else
        fprintf(stream, "%-10s depends on a symbolic dimension (--dim)\n", "workspace");
    fprintf(stream, "%-10s %" PRId64 " bytes %s\n", "weights", l->weights,
            d->weights_size ? "in a file" : "inside");
}

/* ---- As JSON ------------------------------------------------------------------------- */

static json_t *values_json(const stat_library *l, const struct ran_value_desc *values,
                           uint32_t count)
{
    json_t *array = json_array();
    for (uint32_t i = 0; i < count; i++) {
        json_t *shape = json_array();
        for (int axis = 0; axis < values[i].rank; axis++) {
            int64_t dim = values[i].dims[axis];
            json_array_append_new(
                shape, dim >= 0
                           ? json_integer(dim)
                           : json_string(dim <= RAN_DIM_DATA ? "?" : l->desc->symbols[-1 - dim]));
        }
        json_array_append_new(array, json_pack("{s:s*, s:s, s:o}", "name", values[i].name, "type",
                                               elem_name(values[i].elem), "shape", shape));
    }
    return array;
}

static json_t *known(int64_t value)
{
    return value < 0 ? json_null() : json_integer(value);
}

json_t *stat_library_json(const stat_library *l)
{
    const struct ran_model_desc *d = l->desc;
    json_t *targets = json_array();
    for (uint32_t i = 0; i < d->variant_count; i++)
        json_array_append_new(targets,
                              json_pack("{s:s, s:s}", "target", d->variants[i].target,
                                        "cpu_features", d->variants[i].cpu_features));
    return json_pack("{s:s*, s:s, s:i, s:o, s:s?, s:o, s:o, s:{s:o, s:I}}", "model", l->path, "name",
                     d->name, "abi", (int)d->abi, "targets", targets, "runs_here", runs_here(l),
                     "inputs", values_json(l, d->inputs, d->input_count), "outputs",
                     values_json(l, d->outputs, d->output_count), "total", "activation_bytes",
                     known(l->workspace), "weights_bytes", (json_int_t)l->weights);
}
