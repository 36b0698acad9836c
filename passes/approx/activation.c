/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Activations by structure: what a function has, where its channels are, and building new ones. */
#include "passes/approx/approx.h"

#include <fnmatch.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct kind {
    ran_opcode opcode;
    bool is_gate;
} kinds[] = {
    {RAN_OP_RELU, false},        {RAN_OP_LEAKY_RELU, false},
    {RAN_OP_PRELU, false},       {RAN_OP_THRESHOLDED_RELU, false},
    {RAN_OP_CLIP, false},        {RAN_OP_ELU, false},
    {RAN_OP_CELU, false},        {RAN_OP_SELU, false},
    {RAN_OP_SILU, false},        {RAN_OP_SWISH, false},
    {RAN_OP_HARD_SWISH, false},  {RAN_OP_GELU_ERF, false},
    {RAN_OP_GELU_TANH, false},   {RAN_OP_MISH, false},
    {RAN_OP_SOFTPLUS, true},     {RAN_OP_SOFTSIGN, true},
    {RAN_OP_SIGMOID, true},      {RAN_OP_HARD_SIGMOID, true},
    {RAN_OP_TANH, true},
};

static const struct kind *kind_of(const ran_op *op)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
        if (op && op->opcode == kinds[i].opcode)
            return &kinds[i];
    return NULL;
}

enum { FIXED_DEPTH = 4 };

static bool is_fixed(const ran_value *value, int depth)
{
    if (!value || ran_value_constant(value))
        return true;
    const ran_op *op = ran_value_op(value);
    if (!op || !depth || op->region_count)
        return false;
    RAN_FOR_OPERANDS (op, i, operand) {
        if (!is_fixed(operand, depth - 1))
            return false;
    }
    return true;
}

/* f(x), possibly scaled, multiplies x or what x is a shift of: f is the gate of a composite activation
 * that was not recognised, and x f(x) does not become linear without it. */
static bool multiplies(const ran_value *value, const ran_value *x, int depth)
{
    const ran_op *shift = ran_value_op(x);
    for (const ran_use *use = ran_value_first_use(value); use; use = ran_use_next(use)) {
        const ran_op *op = ran_use_op(use);
        if (op->opcode != RAN_OP_MUL && op->opcode != RAN_OP_DIV)
            continue;
        const ran_value *other = ran_op_operand(op, 1 - ran_use_index(use));
        if (other == x || (shift && shift->opcode == RAN_OP_ADD &&
                           other == ran_op_operand(shift, 0)))
            return true;
        if (depth && is_fixed(other, FIXED_DEPTH) &&
            multiplies(ran_op_result(op, 0), x, depth - 1))
            return true;
    }
    return false;
}

/* Elementwise in its first operand, everything else is constant, and the type is that of x. */
bool ran_is_activation(const ran_op *op)
{
    if (!kind_of(op) || is_fixed(ran_op_operand(op, 0), 0))
        return false;
    for (size_t i = 1; i < op->operand_count; i++)
        if (!is_fixed(ran_op_operand(op, i), FIXED_DEPTH))
            return false;
    return ran_match_same_type(ran_op_operand(op, 0), ran_op_result(op, 0)) &&
           ran_value_is_float(ran_op_result(op, 0));
}

bool ran_function_is_entry(const ran_function *function)
{
    const ran_module *module = ran_function_module(function);
    const ran_function *entry = ran_module_find_function(module, "main");
    return function == (entry ? entry : ran_module_first_function(module));
}

int64_t ran_function_batch(const ran_function *function)
{
    const ran_region *body = ran_function_body(function);
    if (!ran_region_argument_count(body))
        return 1;
    const ran_type *type = ran_value_type(ran_region_argument(body, 0));
    if (!ran_type_is_tensor(type) || ran_type_rank(type) < 2 ||
        !ran_dim_is_constant(ran_type_dim(type, 0)) || ran_type_extent(type, 0) < 1)
        return 1;
    return ran_type_extent(type, 0);
}

RAN_GIVE ran_tensor *ran_constant_behind(const ran_value *value)
{
    const ran_tensor *constant = ran_value_constant(value);
    const ran_op *op = ran_value_op(value);
    if (constant)
        return ran_tensor_retain(constant);
    if (!op || op->operand_count > RAN_MATCH_OPS || op->result_count != 1 ||
        !is_fixed(value, FIXED_DEPTH))
        return NULL;
    ran_tensor *operands[RAN_MATCH_OPS] = {0}, *result = NULL;
    RAN_FOR_OPERANDS (op, i, operand)
        operands[i] = ran_constant_behind(operand);
    if (ran_op_evaluate(op, (const ran_tensor *const *)operands, &result))
        result = NULL;
    for (size_t i = 0; i < op->operand_count; i++)
        ran_tensor_release(operands[i]);
    return result;
}

/* ---- Channels --------------------------------------------------------------------------------------- */

static const struct producer {
    ran_opcode opcode;
    bool is_last; /* channels on the last axis; else on axis 1 */
} producers[] = {
    {RAN_OP_CONV, false},
    {RAN_OP_CONV_TRANSPOSE, false},
    {RAN_OP_BATCH_NORMALIZATION, false},
    {RAN_OP_INSTANCE_NORMALIZATION, false},
    {RAN_OP_GROUP_NORMALIZATION, false},
    {RAN_OP_MAX_POOL, false},
    {RAN_OP_AVERAGE_POOL, false},
    {RAN_OP_GLOBAL_AVERAGE_POOL, false},
    {RAN_OP_MATMUL, true},
    {RAN_OP_GEMM, true},
    {RAN_OP_LAYER_NORMALIZATION, true},
};

enum { PRODUCER_DEPTH = 16 };

static int channel_axis(const ran_value *value, int depth)
{
    int rank = ran_type_rank(ran_value_type(value));
    const ran_op *op = ran_value_op(value);
    for (size_t i = 0; op && i < sizeof(producers) / sizeof(*producers); i++)
        if (op->opcode == producers[i].opcode)
            return producers[i].is_last ? rank - 1 : 1;
    if (op && depth && ran_opcode_is_elementwise(op->opcode)) {
        RAN_FOR_OPERANDS (op, i, operand) {
            if (!ran_value_constant(operand) && ran_type_rank(ran_value_type(operand)) == rank)
                return channel_axis(operand, depth - 1);
        }
    }
    return rank == 3 || rank < 2 ? rank - 1 : 1;
}

int ran_channel_axis(const ran_value *value)
{
    int axis = channel_axis(value, PRODUCER_DEPTH);
    return axis < 0 ? 0 : axis;
}

/* Elements of one image, its channels, and the elements behind one of them. */
static void measure(ran_site *site, int64_t batch)
{
    const ran_type *type = ran_value_type(site->x);
    int rank = ran_type_rank(type);
    site->axis = ran_channel_axis(site->x);
    site->elements = ran_type_numel_or_one(type);
    site->channels = site->inner = 1;
    site->is_static = rank >= 1;
    for (int axis = 0; axis < rank; axis++) {
        const ran_dim *dim = ran_type_dim(type, axis);
        int64_t size = ran_dim_is_constant(dim) ? ran_dim_value(dim) : 1;
        site->is_static = site->is_static && (axis == 0 || ran_dim_is_constant(dim));
        if (axis == site->axis)
            site->channels = size;
        else if (axis > site->axis)
            site->inner *= size;
    }
    if (batch > 1 && rank >= 2 && ran_dim_is(ran_type_dim(type, 0), batch))
        site->elements /= batch;
}

/* ---- Sites ------------------------------------------------------------------------------------------- */

/* f(x) + eps (x - f(x)), as remove-nonlinearity{hybrid=true} writes it. */
static ran_value *hybrid_of(ran_op *op)
{
    ran_value *f = ran_op_result(op, 0), *x = ran_op_operand(op, 0);
    if (ran_value_use_count(f) != 2)
        return NULL;
    for (ran_use *use = ran_value_first_use(f); use; use = ran_use_next(use)) {
        ran_value *from, *what, *difference, *eps;
        ran_op *add = ran_use_op(use);
        if (add->opcode != RAN_OP_ADD || ran_op_operand(add, 0) != f)
            continue;
        if (ran_match_binary(ran_op_operand(add, 1), RAN_OP_MUL, &difference, &eps) &&
            ran_match_binary(difference, RAN_OP_SUB, &from, &what) && from == x && what == f)
            return ran_op_result(add, 0);
    }
    return NULL;
}

static const char *name_of(const ran_site *site)
{
    const char *name = ran_location_name(ran_op_location(site->op));
    if (!name || !*name)
        name = ran_value_name(ran_op_result(site->op, 0));
    return name ? name : "";
}

bool ran_site_is_named(const ran_site *site, const char *glob)
{
    const char *value = ran_value_name(ran_op_result(site->op, 0));
    for (const ran_location *l = ran_op_location(site->op); l; l = ran_location_next(l))
        if (ran_location_name(l) && !fnmatch(glob, ran_location_name(l), 0))
            return true;
    return value && !fnmatch(glob, value, 0);
}

static size_t count_activations(const ran_region *body)
{
    size_t count = 0;
    RAN_FOR_OPS (body, op) {
        count += ran_is_activation(op);
        for (size_t i = 0; i < op->region_count; i++)
            count += count_activations(op->regions[i]);
    }
    return count;
}

static void add_site(ran_sites *sites, ran_op *op, const ran_stages *stages, int64_t batch)
{
    ran_site *site = &sites->sites[sites->count++];
    ran_value *hybrid = hybrid_of(op);
    *site = (ran_site){.op = op, .x = ran_op_operand(op, 0)};
    site->is_gate = kind_of(op)->is_gate ||
                    multiplies(ran_op_result(op, 0), ran_op_operand(op, 0), FIXED_DEPTH);
    site->y = hybrid ? hybrid : ran_op_result(op, 0);
    site->name = name_of(site);
    site->stage = ran_stages_of(stages, op);
    measure(site, batch);
}

/* Branches and bodies of loops stand where the op does that has them. */
static void find_sites(ran_sites *sites, ran_region *body, const ran_stages *stages, int64_t batch)
{
    RAN_FOR_OPS (body, op) {
        if (ran_is_activation(op))
            add_site(sites, op, stages, batch);
        for (size_t i = 0; i < op->region_count; i++)
            find_sites(sites, op->regions[i], stages, batch);
    }
}

void ran_sites_find(ran_pass_context *pass, ran_function *function, ran_sites *out_sites)
{
    ran_region *body = ran_function_body(function);
    ran_stages *stages = ran_stages_create(function);
    *out_sites = (ran_sites){.stage_count = ran_stages_count(stages)};
    out_sites->sites = ran_pass_alloc(pass, (count_activations(body) + 1) * sizeof(ran_site));
    find_sites(out_sites, body, stages, ran_function_batch(function));
    ran_stages_destroy(stages);
    ran_slopes_of_model(pass, out_sites);
    ran_sites_number(ran_function_module(function), out_sites);
}

ran_site *ran_sites_of(const ran_sites *sites, const ran_op *op)
{
    for (size_t i = 0; i < sites->count; i++)
        if (sites->sites[i].op == op)
            return &sites->sites[i];
    return NULL;
}

/* ---- Building ------------------------------------------------------------------------------------------- */

static const struct maker {
    const char *name;
    ran_opcode opcode;
} makers[] = {
    {"relu", RAN_OP_RELU},         {"relu6", RAN_OP_CLIP},        {"hard_swish", RAN_OP_HARD_SWISH},
    {"silu", RAN_OP_SILU},         {"gelu", RAN_OP_GELU_ERF},     {"gelu_tanh", RAN_OP_GELU_TANH},
    {"elu", RAN_OP_ELU},           {"softplus", RAN_OP_SOFTPLUS}, {"leaky_relu", RAN_OP_LEAKY_RELU},
    {"prelu", RAN_OP_PRELU},       {"identity", RAN_OP_IDENTITY},
};

const char ran_activation_kinds[] =
    "relu|relu6|hard_swish|silu|gelu|gelu_tanh|elu|softplus|leaky_relu|prelu|identity";

static const struct maker *maker_of(const char *kind)
{
    for (size_t i = 0; i < sizeof(makers) / sizeof(*makers); i++)
        if (!strcmp(makers[i].name, kind))
            return &makers[i];
    return NULL;
}

bool ran_activation_is_known(const char *kind)
{
    return maker_of(kind);
}

static ran_tensor *slope_tensor(const ran_value *x, const ran_site *shape, ran_unit unit,
                                double slope)
{
    const ran_type *type = ran_value_type(x);
    int rank = ran_type_rank(type);
    int64_t dims[RAN_MAX_RANK], count = 0;
    for (int axis = 1; axis < rank; axis++) {
        bool keeps = unit == RAN_UNIT_ELEMENT || (unit == RAN_UNIT_CHANNEL && axis == shape->axis);
        dims[count++] = keeps ? ran_type_extent(type, axis) : 1;
    }
    if (unit == RAN_UNIT_LAYER)
        count = 1;
    ran_tensor *tensor = ran_tensor_create(ran_type_elem(type), (int)count, dims);
    for (int64_t i = 0; i < ran_tensor_numel(tensor); i++)
        ran_tensor_set_f64(tensor, i, slope);
    return tensor;
}

ran_value *ran_activation_build(ran_pass_context *pass, ran_op *before, const char *kind,
                                ran_value *x, const ran_site *shape, ran_unit unit, double slope)
{
    const struct maker *maker = maker_of(kind);
    ran_elem elem = ran_type_elem(ran_value_type(x));
    if (maker->opcode == RAN_OP_IDENTITY)
        return x;
    ran_value *operands[3] = {x};
    size_t count = 1;
    if (maker->opcode == RAN_OP_CLIP) {
        operands[1] = ran_new_scalar(before, elem, 0);
        operands[2] = ran_new_scalar(before, elem, 6);
        count = 3;
    } else if (maker->opcode == RAN_OP_PRELU) {
        const char *name = ran_intern_printf(ran_pass_ir(pass), "%s.slope", shape->name);
        operands[1] = ran_new_constant(before, name, slope_tensor(x, shape, unit, slope));
        count = 2;
    }
    ran_op *op = ran_new_op(before, maker->opcode, count, operands);
    if (maker->opcode == RAN_OP_LEAKY_RELU)
        ran_op_set_float(op, "alpha", slope);
    return ran_finish_op(pass, op);
}
