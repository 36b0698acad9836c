/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/pool.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "ir/ir.h"
#include "search/cell.h"

static const ran_family families[] = {
#define RAN_FAMILY(...) {__VA_ARGS__},
#include "search/pool.def"
};

enum { FAMILIES = sizeof families / sizeof *families };

/* What small data and one core can train in minutes: the cheap, the deep, and what collapses. */
static const char reduced_pool[] = "identity\n"
                                   "efn_3x3_e1_se1\n"
                                   "efn_3x3_e3_se1\n"
                                   "efn_3x3_e6_se1\n"
                                   "efn_5x5_e3_se1\n"
                                   "efn_3x3_e3_se0.04\n"
                                   "efnv2_3x3_e1_se1\n"
                                   "efnv2_3x3_e3_se1\n"
                                   "cb_stack_3x3_ex0.25\n"
                                   "cb_stack_3x3_ex0.5\n"
                                   "cb_stack_3x3_ex1\n"
                                   "cb_bottle_3x3_ex0.25\n"
                                   "cb_bottle_3x3_ex0.5\n"
                                   "cb_bottle_5x5_ex0.25\n"
                                   "cb_res_1x1\n"
                                   "cb_res_3x3\n"
                                   "cb_res_5x5\n"
                                   "repvgg_3x3\n"
                                   "ran_3x3_e3\n"
                                   "ran_3x3_e6\n"
                                   "dwnas_3x3_e6\n"
                                   "reuse_3x3_n4\n";

size_t ran_family_count(void)
{
    return FAMILIES;
}

const ran_family *ran_family_at(size_t index)
{
    return &families[index];
}

/* ---- Every candidate there is -------------------------------------------------------------------
 */

typedef struct axis {
    size_t values; /* offset in ran_family */
    size_t value;  /* offset in ran_candidate */
    const char *format;
} axis;

#define AXIS(field, format_)                                                                       \
    {                                                                                              \
        offsetof(ran_family, field), offsetof(ran_candidate, field), format_                       \
    }

/* In the order of the name's parts. */
static const axis axes[] = {
    AXIS(kernel, NULL),   AXIS(depth, "_d%g"),    AXIS(dim, "_dim%g"),  AXIS(heads, "_h%g"),
    AXIS(expand, "_e%g"), AXIS(squeeze, "_se%g"), AXIS(width, "_ex%g"), AXIS(reuse, "_n%g"),
};

enum { AXES = sizeof axes / sizeof *axes };

static const double *axis_values(const ran_family *family, size_t a)
{
    return (const double *)((const char *)family + axes[a].values);
}

static size_t axis_count(const ran_family *family, size_t a)
{
    size_t count = 0;
    while (count < RAN_AXIS_VALUES && axis_values(family, a)[count] != 0)
        count++;
    return count;
}

static const char *candidate_name(ran_arena *arena, const ran_candidate *candidate)
{
    char name[128];
    int length = snprintf(name, sizeof name, "%s", candidate->family->name);
    for (size_t a = 0; a < AXES; a++) {
        double value = *(const double *)((const char *)candidate + axes[a].value);
        size_t room = sizeof name - (size_t)length;
        if (value != 0 && !axes[a].format)
            length += snprintf(name + length, room, "_%gx%g", value, value);
        else if (value != 0)
            length += snprintf(name + length, room, axes[a].format, value);
    }
    return ran_arena_string(arena, name);
}

static void add_candidate(ran_arena *arena, const ran_candidate *candidate, ran_pool *pool)
{
    if (pool->count % 64 == 0) {
        const ran_candidate **larger =
            RAN_ARENA_ARRAY(arena, const ran_candidate *, pool->count + 64);
        if (pool->count)
            memcpy(larger, pool->candidates, pool->count * sizeof *larger);
        pool->candidates = larger;
    }
    pool->candidates[pool->count++] = candidate;
}

/* All combinations of the values, the last axis fastest. */
static void add_family(ran_arena *arena, const ran_family *family, ran_pool *pool)
{
    size_t at[AXES] = {0};
    for (;;) {
        ran_candidate *candidate = RAN_ARENA_NEW(arena, ran_candidate);
        candidate->family = family;
        candidate->is_trained = family->build != ran_build_identity;
        for (size_t a = 0; a < AXES; a++)
            if (axis_count(family, a))
                *(double *)((char *)candidate + axes[a].value) = axis_values(family, a)[at[a]];
        candidate->name = candidate_name(arena, candidate);
        add_candidate(arena, candidate, pool);
        size_t a = AXES;
        while (a > 0 &&
               (axis_count(family, a - 1) == 0 || ++at[a - 1] == axis_count(family, a - 1)))
            at[--a] = 0;
        if (a == 0)
            return;
    }
}

static ran_pool every_candidate(ran_arena *arena)
{
    ran_pool all = {0};
    for (size_t i = 0; i < FAMILIES; i++)
        add_family(arena, &families[i], &all);
    return all;
}

/* ---- Pools
 * ------------------------------------------------------------------------------------------ */

typedef struct pool_reader {
    ran_context *context;
    ran_arena *arena;
    const char *file; /* NULL: a pool of ours */
    ran_pool all, *pool;
} pool_reader;

static bool has_candidate(const ran_pool *pool, const char *name)
{
    for (size_t i = 0; i < pool->count; i++)
        if (!strcmp(pool->candidates[i]->name, name))
            return true;
    return false;
}

static ran_status add_matches(const pool_reader *r, const char *glob)
{
    size_t matched = 0;
    for (size_t i = 0; i < r->all.count; i++) {
        const ran_candidate *candidate = r->all.candidates[i];
        if (fnmatch(glob, candidate->name, 0))
            continue;
        matched++;
        if (!has_candidate(r->pool, candidate->name))
            add_candidate(r->arena, candidate, r->pool);
    }
    if (matched)
        return RAN_OK;
    return ran_error(r->context, RAN_USAGE,
                     "%s: there is no candidate %s; `ran-search pool' lists them",
                     r->file ? r->file : "pool", glob);
}

static ran_status read_file(ran_context *context, ran_arena *arena, const char *path,
                            const char **out_text, size_t *out_size)
{
    FILE *file = fopen(path, "r");
    long size = -1;
    if (file && !fseek(file, 0, SEEK_END) && (size = ftell(file)) >= 0)
        rewind(file);
    char *text = size >= 0 ? ran_arena_alloc(arena, (size_t)size + 1) : NULL;
    bool good = text && fread(text, 1, (size_t)size, file) == (size_t)size;
    ran_status status =
        good ? RAN_OK
             : ran_error(context, RAN_INVALID, "cannot read %s: %s", path, strerror(errno));
    if (file)
        fclose(file);
    *out_text = text;
    *out_size = size >= 0 ? (size_t)size : 0;
    return status;
}

static ran_status add_function(const pool_reader *r, const char *path, const ran_function *function)
{
    const ran_region *body = ran_function_body(function);
    const ran_op *end = ran_region_terminator(body);
    if (ran_region_argument_count(body) != 1 || ran_op_operand_count(end) != 1)
        return ran_error(r->context, RAN_INVALID,
                         "%s: candidate %s: expected one input and one output", path,
                         ran_function_name(function));
    ran_candidate *candidate = RAN_ARENA_NEW(r->arena, ran_candidate);
    candidate->name = ran_arena_string(r->arena, ran_function_name(function));
    candidate->function = function;
    candidate->is_trained = true;
    if (has_candidate(&r->all, candidate->name) || has_candidate(r->pool, candidate->name))
        return ran_error(r->context, RAN_INVALID, "%s: there is a candidate %s already", path,
                         candidate->name);
    add_candidate(r->arena, candidate, r->pool);
    return RAN_OK;
}

static ran_status add_module(const pool_reader *r, const char *name)
{
    const char *slash = r->file ? strrchr(r->file, '/') : NULL, *text;
    const char *path =
        slash && *name != '/'
            ? ran_intern_printf(r->context, "%.*s/%s", (int)(slash - r->file), r->file, name)
            : name;
    size_t size;
    ran_module *module;
    ran_status status = read_file(r->context, r->arena, path, &text, &size);
    if (status == RAN_OK)
        status = ran_module_parse(r->context, text, size, path, &module);
    if (status != RAN_OK)
        return status;
    ran_module **modules = RAN_ARENA_ARRAY(r->arena, ran_module *, r->pool->module_count + 1);
    if (r->pool->module_count)
        memcpy(modules, r->pool->modules, r->pool->module_count * sizeof *modules);
    modules[r->pool->module_count++] = module;
    r->pool->modules = modules;
    status = ran_module_verify(module);
    for (const ran_function *f = ran_module_first_function(module); f && status == RAN_OK;
         f = ran_function_next(f))
        status = add_function(r, path, f);
    return status;
}

static ran_status read_pool(const pool_reader *r, const char *text)
{
    ran_status status = RAN_OK;
    char *copy = ran_arena_string(r->arena, text), *lines, *words;
    for (char *line = strtok_r(copy, "\n", &lines); line && status == RAN_OK;
         line = strtok_r(NULL, "\n", &lines)) {
        char *comment = strchr(line, '#');
        if (comment)
            *comment = '\0';
        for (char *word = strtok_r(line, " \t\r", &words); word && status == RAN_OK;
             word = strtok_r(NULL, " \t\r", &words)) {
            size_t length = strlen(word);
            bool is_ir = length > 4 && !strcmp(word + length - 4, ".ran");
            status = is_ir ? add_module(r, word) : add_matches(r, word);
        }
    }
    return status;
}

ran_status ran_pool_open(ran_context *context, ran_arena *arena, const char *name,
                         ran_pool *out_pool)
{
    *out_pool = (ran_pool){0};
    pool_reader r = {.context = context, .arena = arena, .pool = out_pool};
    r.all = every_candidate(arena);
    if (!strcmp(name, "full") || !strcmp(name, "all")) {
        for (size_t i = 0; i < r.all.count; i++)
            if (!r.all.candidates[i]->family->is_off || !strcmp(name, "all"))
                add_candidate(arena, r.all.candidates[i], out_pool);
        return RAN_OK;
    }
    if (!strcmp(name, "reduced"))
        return read_pool(&r, reduced_pool);
    const char *text;
    size_t size;
    r.file = name;
    ran_status status = read_file(context, arena, name, &text, &size);
    if (status == RAN_OK)
        status = read_pool(&r, text);
    if (status != RAN_OK)
        ran_pool_close(out_pool);
    return status;
}

void ran_pool_close(ran_pool *pool)
{
    for (size_t i = 0; i < pool->module_count; i++)
        ran_module_destroy(pool->modules[i]);
    pool->module_count = 0;
}

/* ---- Slots
 * ---------------------------------------------------------------------------------------------- */

static bool is_activation(const ran_op *op)
{
    size_t computed = 0;
    for (size_t i = 0; i < ran_op_operand_count(op); i++)
        computed += ran_op_operand(op, i) && !ran_value_constant(ran_op_operand(op, i));
    return computed == 1 && ran_opcode_is_elementwise(op->opcode) &&
           ran_opcode_has_flag(op->opcode, RAN_FLAG_NONLINEAR);
}

/* ReLU6 where the network clips, SiLU or hard-swish where it has these; else ReLU. */
static ran_opcode inner_activation(const ran_layer *layer)
{
    for (size_t i = 0; i < layer->op_count; i++) {
        ran_opcode opcode = ran_op_opcode(layer->ops[i]);
        if (opcode == RAN_OP_SILU || opcode == RAN_OP_HARD_SWISH || opcode == RAN_OP_CLIP ||
            opcode == RAN_OP_RELU)
            return opcode;
    }
    return RAN_OP_RELU;
}

ran_slot ran_slot_of(const ran_layer *layer)
{
    const ran_op *last = layer->ops[layer->op_count - 1];
    return (ran_slot){.input = ran_value_type(layer->input),
                      .output = ran_value_type(layer->output),
                      .stride = layer->stride,
                      .inner = inner_activation(layer),
                      .end = is_activation(last) ? last : NULL};
}

/* The user's function may leave the batch open. */
static bool same_map(const ran_type *a, const ran_type *b)
{
    if (!ran_type_is_tensor(a) || ran_type_rank(a) != 4 || ran_type_elem(a) != ran_type_elem(b))
        return false;
    for (int axis = 1; axis < 4; axis++)
        if (ran_type_dim(a, axis) != ran_type_dim(b, axis))
            return false;
    return !ran_dim_is_constant(ran_type_dim(a, 0)) || ran_type_dim(a, 0) == ran_type_dim(b, 0);
}

static bool function_fits(const ran_function *function, const ran_slot *slot)
{
    const ran_region *body = ran_function_body(function);
    const ran_value *y = ran_op_operand(ran_region_terminator(body), 0);
    return same_map(ran_value_type(ran_region_argument(body, 0)), slot->input) &&
           same_map(ran_value_type(y), slot->output);
}

bool ran_candidate_fits(const ran_candidate *candidate, const ran_slot *slot)
{
    if (candidate->function)
        return function_fits(candidate->function, slot);
    int64_t channels = ran_type_extent(slot->output, 1);
    if (candidate->family->same_shape && slot->input != slot->output)
        return false;
    /* What is divided needs channels for all parts. */
    return candidate->reuse == 0 || channels >= 4;
}

/* ---- Building
 * --------------------------------------------------------------------------------------------- */

static ran_value *copy_end(ran_cell *cell, ran_value *y)
{
    const ran_op *end = cell->slot->end;
    if (!end || cell->status != RAN_OK)
        return y;
    ran_mapping *mapping = ran_mapping_create();
    for (size_t i = 0; i < ran_op_operand_count(end); i++) {
        ran_value *operand = ran_op_operand(end, i);
        if (operand && ran_value_constant(operand))
            ran_mapping_set(mapping, operand,
                            ran_constant_create(cell->module, NULL, ran_value_constant(operand)));
        else if (operand)
            ran_mapping_set(mapping, operand, y);
    }
    ran_op *copy = ran_op_clone(&cell->builder, end, mapping);
    ran_value_set_name(ran_op_result(copy, 0), NULL);
    ran_mapping_destroy(mapping);
    cell->status = ran_op_infer_types(copy);
    return ran_op_result(copy, 0);
}

static ran_status build_family(ran_cell *cell, const ran_candidate *candidate,
                               ran_function *function)
{
    const ran_slot *slot = cell->slot;
    ran_value *x = ran_region_add_argument(ran_function_body(function), "x", slot->input);
    ran_value *y = candidate->family->build(cell, candidate, x);
    if (!candidate->family->no_skip && slot->input == slot->output)
        y = ran_cell_binary(cell, RAN_OP_ADD, y, x);
    if (candidate->is_trained)
        y = copy_end(cell, y);
    if (cell->status != RAN_OK)
        return cell->status;
    if (ran_value_type(y) != slot->output)
        return ran_error(cell->context, RAN_INVALID, "candidate %s gives %s, expected %s",
                         candidate->name, ran_type_text(cell->context, ran_value_type(y)),
                         ran_type_text(cell->context, slot->output));
    ran_op_create(&cell->builder, RAN_OP_RETURN, 1, &y, 0);
    ran_function_set_output_name(function, 0, "y");
    return RAN_OK;
}

/* The user's function with the slot's batch. */
static ran_status copy_function(ran_cell *cell, const ran_candidate *candidate,
                                ran_function *function)
{
    const ran_region *source = ran_function_body(candidate->function);
    ran_mapping *mapping = ran_mapping_create();
    ran_value *x = ran_region_add_argument(ran_function_body(function), "x", cell->slot->input);
    ran_mapping_set(mapping, ran_region_argument(source, 0), x);
    for (const ran_value *c = ran_module_first_constant(ran_function_module(candidate->function));
         c; c = ran_constant_next(c))
        ran_mapping_set(
            mapping, c,
            ran_constant_create(cell->module, ran_value_name(c), ran_value_constant(c)));
    for (const ran_op *op = ran_region_first(source); op; op = ran_op_next(op))
        ran_op_clone(&cell->builder, op, mapping);
    ran_mapping_destroy(mapping);
    ran_function_set_output_name(function, 0, "y");
    return ran_function_infer_types(function);
}

ran_status ran_candidate_build(ran_context *context, const ran_candidate *candidate,
                               const ran_slot *slot, uint64_t seed, ran_module **out_module)
{
    ran_cell cell = {.context = context, .slot = slot, .seed = seed};
    cell.module = ran_module_create(context);
    ran_function *function = ran_function_create(cell.module, candidate->name);
    cell.builder = ran_builder_at_end(ran_function_body(function));
    ran_status status = candidate->function ? copy_function(&cell, candidate, function)
                                            : build_family(&cell, candidate, function);
    ran_module_drop_unused_constants(cell.module);
    if (status == RAN_OK)
        status = ran_module_verify(cell.module);
    if (status != RAN_OK)
        ran_module_destroy(cell.module);
    else
        *out_module = cell.module;
    return status;
}
