/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tensors from files and from seeds, put in the order of a model's inputs. */
#include "tools/run/run.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <ran/tensor_file.h>

static void *checked(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

/* ---- Files ----------------------------------------------------------------------------------- */

static void release_file_tensor(void *data, void *owner)
{
    (void)data;
    ran_rt_tensor_clear(owner);
    free(owner);
}

/* `out_name` belongs to the tensor. */
static ran_status read_tensor(ran_context *context, const char *path, ran_tensor **out_tensor,
                              const char **out_name)
{
    struct ran_rt_tensor *file = checked(calloc(1, sizeof(*file)));
    struct ran_rt_error error;
    ran_elem elem;
    if (ran_rt_tensor_read(path, file, &error)) {
        free(file);
        return ran_error(context, RAN_INVALID, "%s", error.text); /* names the file */
    }
    *out_tensor =
        ran_elem_from_onnx(file->elem, &elem)
            ? ran_tensor_wrap(elem, file->rank, file->dims, file->data, release_file_tensor, file)
            : NULL;
    if (!*out_tensor) {
        release_file_tensor(NULL, file);
        return ran_error_at(context, RAN_UNSUPPORTED, path, 0, 0, "element type not supported");
    }
    *out_name = file->name;
    return RAN_OK;
}

ran_status run_tensor_read(ran_context *context, const char *path, ran_tensor **out_tensor)
{
    const char *name;
    return read_tensor(context, path, out_tensor, &name);
}

ran_status run_tensor_write(ran_context *context, const char *path, const char *name,
                            const ran_tensor *tensor)
{
    struct ran_rt_tensor file = {
        .elem = ran_elem_onnx(ran_tensor_elem(tensor)),
        .rank = ran_tensor_rank(tensor),
        .numel = ran_tensor_numel(tensor),
        .bytes = ran_tensor_bytes(tensor),
        .data = (void *)ran_tensor_data(tensor),
        .name = (char *)name,
    };
    struct ran_rt_error error;
    for (int i = 0; i < file.rank; i++)
        file.dims[i] = ran_tensor_dims(tensor)[i];
    if (ran_rt_tensor_write(path, &file, &error))
        return ran_error_at(context, RAN_INVALID, path, 0, 0, "%s", error.text);
    return RAN_OK;
}

/* ---- Random data ----------------------------------------------------------------------------- */

/* SplitMix64: the same sequence everywhere. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Floats uniform in [-1, 1), integers in [0, 16) (4-bit signed ones in [0, 8)), bools. */
static void fill_random(ran_tensor *tensor, uint64_t seed)
{
    ran_elem elem = ran_tensor_elem(tensor);
    unsigned mask = elem == RAN_ELEM_BOOL ? 1 : elem == RAN_ELEM_I4 ? 7 : 15;
    for (int64_t i = 0; i < ran_tensor_numel(tensor); i++) {
        uint64_t bits = next_random(&seed);
        if (ran_elem_is_float(elem))
            ran_tensor_set_f64(tensor, i, (double)(bits >> 11) * 0x1p-52 - 1);
        else
            ran_tensor_set_i64(tensor, i, (int64_t)(bits >> 60 & mask));
    }
}

static ran_status random_tensor(ran_context *context, const ran_value *input, uint64_t seed,
                                ran_tensor **out_tensor)
{
    const ran_type *type = ran_value_type(input);
    const char *name = ran_value_name(input);
    int64_t dims[RAN_MAX_RANK];
    if (!ran_type_is_static(type))
        return ran_error(
            context, RAN_USAGE,
            "input '%s' is %s: bind what is dynamic with --dim NAME=N or --shape %s=...", name,
            ran_type_text(context, type), name);
    ran_elem elem = ran_type_elem(type);
    if (!ran_elem_is_float(elem) && !ran_elem_is_int(elem) && elem != RAN_ELEM_BOOL)
        return ran_error(context, RAN_UNSUPPORTED, "input '%s': no random data of type %s", name,
                         ran_elem_name(elem));
    for (int i = 0; i < ran_type_rank(type); i++)
        dims[i] = ran_type_extent(type, i);
    *out_tensor = ran_tensor_create(elem, ran_type_rank(type), dims);
    if (!*out_tensor)
        return ran_error(context, RAN_INVALID, "input '%s': out of memory", name);
    fill_random(*out_tensor, seed * 1000003 + ran_value_index(input));
    return RAN_OK;
}

/* ---- Sets ------------------------------------------------------------------------------------ */

static size_t result_count(const ran_function *function)
{
    return ran_op_operand_count(ran_region_terminator(ran_function_body(function)));
}

static run_data_set new_set(const ran_function *function, const char *name)
{
    run_data_set set = {.name = name};
    set.input_count = ran_region_argument_count(ran_function_body(function));
    set.output_count = result_count(function);
    set.inputs = checked(calloc(set.input_count + 1, sizeof(*set.inputs)));
    set.expected = checked(calloc(set.output_count + 1, sizeof(*set.expected)));
    return set;
}

void run_data_clear(run_data_set *set)
{
    for (size_t i = 0; i < set->input_count; i++)
        ran_tensor_release(set->inputs[i]);
    for (size_t i = 0; i < set->output_count; i++)
        ran_tensor_release(set->expected[i]);
    free(set->inputs);
    free(set->expected);
    *set = (run_data_set){0};
}

/* The index of the input or output with this name; -1 when there is none. */
static int64_t find_name(const ran_function *function, bool input, const char *name)
{
    const ran_region *body = ran_function_body(function);
    size_t count = input ? ran_region_argument_count(body) : result_count(function);
    for (size_t i = 0; name && i < count; i++) {
        const char *other = input ? ran_value_name(ran_region_argument(body, i))
                                  : ran_function_output_name(function, i);
        if (other && strcmp(other, name) == 0)
            return (int64_t)i;
    }
    return -1;
}

static int64_t next_empty(ran_tensor *const *tensors, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!tensors[i])
            return (int64_t)i;
    return -1;
}

static bool find_file(const char *directory, const char *stem, size_t number, char path[4096])
{
    static const char *const suffixes[] = {"pb", "npy"};
    struct stat info;
    for (size_t s = 0; s < 2; s++) {
        snprintf(path, 4096, "%s/%s_%zu.%s", directory, stem, number, suffixes[s]);
        if (!stat(path, &info))
            return true;
    }
    return false;
}

/* input_NUMBER or output_NUMBER. */
static ran_status read_numbered(ran_context *context, const ran_function *function,
                                const char *directory, bool input, size_t number, run_data_set *set,
                                bool *out_found)
{
    ran_tensor **slots = input ? set->inputs : set->expected, *tensor;
    size_t count = input ? set->input_count : set->output_count;
    char path[4096];
    const char *name;
    *out_found = find_file(directory, input ? "input" : "output", number, path);
    if (!*out_found)
        return RAN_OK;
    ran_status status = read_tensor(context, path, &tensor, &name);
    if (status != RAN_OK)
        return status;
    int64_t at = find_name(function, input, name);
    if (at < 0 || slots[at])
        at = number < count && !slots[number] ? (int64_t)number : -1;
    if (at >= 0)
        slots[at] = tensor;
    else
        ran_tensor_release(tensor);
    return RAN_OK;
}

static ran_status check_complete(ran_context *context, const ran_function *function,
                                 const run_data_set *set)
{
    int64_t missing = next_empty(set->inputs, set->input_count);
    if (missing < 0)
        return RAN_OK;
    return ran_error(
        context, RAN_INVALID, "%s: nothing is given for input '%s'", set->name,
        ran_value_name(ran_region_argument(ran_function_body(function), (size_t)missing)));
}

/* Older files hold bf16 as the u16 of its bits. */
static ran_tensor *adopt_type(const ran_type *type, RAN_TAKE ran_tensor *tensor)
{
    if (!tensor || !ran_type_is_tensor(type) || ran_type_elem(type) != RAN_ELEM_BF16 ||
        ran_tensor_elem(tensor) != RAN_ELEM_U16)
        return tensor;
    ran_tensor *copy =
        checked(ran_tensor_create(RAN_ELEM_BF16, ran_tensor_rank(tensor), ran_tensor_dims(tensor)));
    memcpy(ran_tensor_mutable_data(copy), ran_tensor_data(tensor), ran_tensor_bytes(tensor));
    ran_tensor_release(tensor);
    return copy;
}

/* What nothing uses may have any shape; zeros of the declared one take its place. */
static void replace_unused(const ran_type *type, ran_tensor **tensor)
{
    int64_t dims[RAN_MAX_RANK];
    if (!ran_type_is_tensor(type) || !ran_type_is_static(type))
        return;
    for (int i = 0; i < ran_type_rank(type); i++)
        dims[i] = ran_type_extent(type, i);
    ran_tensor_release(*tensor);
    *tensor = checked(ran_tensor_create(ran_type_elem(type), ran_type_rank(type), dims));
}

static void adopt_types(const ran_function *function, run_data_set *set)
{
    const ran_region *body = ran_function_body(function);
    const ran_op *end = ran_region_terminator(body);
    for (size_t i = 0; i < set->input_count; i++) {
        const ran_value *input = ran_region_argument(body, i);
        set->inputs[i] = adopt_type(ran_value_type(input), set->inputs[i]);
        if (!ran_value_has_uses(input))
            replace_unused(ran_value_type(input), &set->inputs[i]);
    }
    for (size_t i = 0; i < set->output_count; i++)
        set->expected[i] = adopt_type(ran_value_type(ran_op_operand(end, i)), set->expected[i]);
}

ran_status run_data_from_directory(ran_context *context, const ran_function *function,
                                   const char *path, run_data_set *out_set)
{
    const char *slash = strrchr(path, '/');
    *out_set = new_set(function, slash ? slash + 1 : path);
    ran_status status = RAN_OK;
    for (int input = 1; input >= 0 && status == RAN_OK; input--) {
        bool found = true;
        for (size_t i = 0; found && status == RAN_OK; i++)
            status = read_numbered(context, function, path, input, i, out_set, &found);
    }
    if (status == RAN_OK)
        status = check_complete(context, function, out_set);
    if (status == RAN_OK)
        adopt_types(function, out_set);
    else
        run_data_clear(out_set);
    return status;
}

static bool parse_seed(const char *source, uint64_t *out_seed)
{
    char *end;
    if (strncmp(source, "random:", 7))
        return false;
    *out_seed = strtoull(source + 7, &end, 10);
    return end != source + 7 && !*end;
}

static ran_status place(ran_context *context, const ran_function *function, bool input,
                        const run_source *from, run_data_set *set)
{
    ran_tensor **slots = input ? set->inputs : set->expected;
    const char *what = input ? "input" : "output", *name = NULL;
    ran_tensor *tensor = NULL;
    uint64_t seed;
    int64_t at = from->name ? find_name(function, input, from->name)
                            : next_empty(slots, input ? set->input_count : set->output_count);
    if (at < 0 && from->name)
        return ran_error(context, RAN_USAGE, "the model has no %s '%s'", what, from->name);
    if (at < 0)
        return ran_error(context, RAN_USAGE, "more %ss are given than the model has", what);
    ran_status status =
        input && parse_seed(from->source, &seed)
            ? random_tensor(context, ran_region_argument(ran_function_body(function), (size_t)at),
                            seed, &tensor)
            : read_tensor(context, from->source, &tensor, &name);
    if (status != RAN_OK)
        return status;
    ran_tensor_release(slots[at]);
    slots[at] = tensor;
    return RAN_OK;
}

ran_status run_data_from_options(ran_context *context, const ran_function *function,
                                 const run_source *inputs, size_t input_count,
                                 const run_source *expected, size_t expected_count,
                                 run_data_set *out_set)
{
    static const run_source zero = {NULL, "random:0"};
    const run_source *first = input_count ? &inputs[0] : &zero;
    *out_set = new_set(function, first->source);
    ran_status status = RAN_OK;
    for (size_t i = 0; i < input_count && status == RAN_OK; i++)
        status = place(context, function, true, &inputs[i], out_set);
    /* A seed alone is for all inputs. */
    uint64_t seed;
    bool fill = input_count < 2 && !first->name && parse_seed(first->source, &seed);
    while (fill && status == RAN_OK && next_empty(out_set->inputs, out_set->input_count) >= 0)
        status = place(context, function, true, first, out_set);
    for (size_t i = 0; i < expected_count && status == RAN_OK; i++)
        status = place(context, function, false, &expected[i], out_set);
    if (status == RAN_OK)
        status = check_complete(context, function, out_set);
    if (status == RAN_OK)
        adopt_types(function, out_set);
    else
        run_data_clear(out_set);
    return status;
}

/* ---- Directories ----------------------------------------------------------------------------- */

static const char set_prefix[] = "test_data_set_";

static int is_data_set(const struct dirent *entry)
{
    return strncmp(entry->d_name, set_prefix, sizeof(set_prefix) - 1) == 0;
}

static int by_number(const struct dirent **a, const struct dirent **b)
{
    long x = strtol((*a)->d_name + sizeof(set_prefix) - 1, NULL, 10);
    long y = strtol((*b)->d_name + sizeof(set_prefix) - 1, NULL, 10);
    return x != y ? (x > y) - (x < y) : strcmp((*a)->d_name, (*b)->d_name);
}

char **run_data_directories(const char *directory, size_t *out_count)
{
    struct dirent **entries = NULL;
    int count = scandir(directory, &entries, is_data_set, by_number);
    char **paths = checked(calloc(count > 0 ? (size_t)count : 1, sizeof(*paths)));
    for (int i = 0; i < count; i++) {
        size_t room = strlen(directory) + strlen(entries[i]->d_name) + 2;
        paths[i] = checked(malloc(room));
        snprintf(paths[i], room, "%s/%s", directory, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    *out_count = count > 0 ? (size_t)count : 0;
    return paths;
}

static bool accepts(const ran_type *type, const ran_tensor *tensor)
{
    if (!ran_type_is_tensor(type) || ran_type_elem(type) != ran_tensor_elem(tensor))
        return false;
    if (ran_type_rank(type) < 0)
        return true;
    if (ran_type_rank(type) != ran_tensor_rank(tensor))
        return false;
    for (int i = 0; i < ran_type_rank(type); i++) {
        const ran_dim *dim = ran_type_dim(type, i);
        if (ran_dim_is_constant(dim) && !ran_dim_is(dim, ran_tensor_dims(tensor)[i]))
            return false;
    }
    return true;
}

ran_status run_data_check(ran_context *context, const ran_function *function,
                          const run_data_set *set)
{
    for (size_t i = 0; i < set->input_count; i++) {
        const ran_value *input = ran_region_argument(ran_function_body(function), i);
        const ran_tensor *tensor = set->inputs[i];
        if (accepts(ran_value_type(input), tensor))
            continue;
        const ran_type *given = ran_type_tensor_i64(
            context, ran_tensor_elem(tensor), ran_tensor_rank(tensor), ran_tensor_dims(tensor));
        return ran_error(context, RAN_INVALID, "%s: input '%s' takes %s, the data is %s", set->name,
                         ran_value_name(input), ran_type_text(context, ran_value_type(input)),
                         ran_type_text(context, given));
    }
    return RAN_OK;
}
