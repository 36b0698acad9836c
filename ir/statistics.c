/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ir/statistics.h"
#include "ir/map.h"

#include <stdlib.h>
#include <string.h>

static const char *const rule_names[] = {
    [RAN_RULE_ALL] = "all",
    [RAN_RULE_RAN] = "ran",
    [RAN_RULE_CONVNEXT] = "convnext",
    [RAN_RULE_REXNET] = "rexnet",
    [RAN_RULE_DEEPRESHAPE] = "deepreshape",
};

bool ran_rule_parse(const char *name, ran_count_rule *out_rule)
{
    for (int rule = 0; rule < RAN_RULE_COUNT; rule++)
        if (!strcmp(rule_names[rule], name)) {
            *out_rule = (ran_count_rule)rule;
            return true;
        }
    return false;
}

const char *ran_rule_name(ran_count_rule rule)
{
    return rule_names[rule];
}

/* ---- Rules ---------------------------------------------------------------------------------- */

/* How often each part counts. */
static const struct weights {
    int bn, ln, fc_macs, product_macs, norm_macs;
} rule_weights[] = {
    [RAN_RULE_ALL] = {.fc_macs = 1, .product_macs = 1},
    [RAN_RULE_RAN] = {.bn = 4, .ln = 2},
    [RAN_RULE_CONVNEXT] = {.bn = 2, .ln = 2, .fc_macs = 1, .product_macs = 1, .norm_macs = 5},
    [RAN_RULE_REXNET] = {.bn = 2, .ln = 2, .fc_macs = 1, .product_macs = 1},
    [RAN_RULE_DEEPRESHAPE] = {.bn = 2, .ln = 2, .fc_macs = 1, .product_macs = 1},
};

static int64_t weigh_parameters(const ran_parts *p, ran_count_rule rule)
{
    const struct weights *w = &rule_weights[rule];
    if (rule == RAN_RULE_ALL)
        return p->elements;
    return p->conv_weights + p->fc_weights + p->biases + w->bn * p->bn_channels +
           w->ln * p->ln_channels + p->scale_channels + p->other;
}

static int64_t weigh_macs(const ran_parts *p, ran_count_rule rule)
{
    const struct weights *w = &rule_weights[rule];
    return p->conv_macs + p->se_macs + w->fc_macs * p->fc_macs + w->product_macs * p->product_macs +
           w->norm_macs * p->norm_elements;
}

static void add_parts(ran_parts *to, const ran_parts *from)
{
    to->elements += from->elements;
    to->conv_weights += from->conv_weights;
    to->fc_weights += from->fc_weights;
    to->biases += from->biases;
    to->bn_channels += from->bn_channels;
    to->ln_channels += from->ln_channels;
    to->scale_channels += from->scale_channels;
    to->other += from->other;
    to->conv_macs += from->conv_macs;
    to->fc_macs += from->fc_macs;
    to->se_macs += from->se_macs;
    to->product_macs += from->product_macs;
    to->norm_elements += from->norm_elements;
}

/* ---- Values --------------------------------------------------------------------------------- */

/* Through the arguments of fused kernels, which are their operands. */
static const ran_value *resolve(const ran_value *value)
{
    const ran_region *region = value ? ran_value_argument_region(value) : NULL;
    const ran_op *kernel = region ? ran_region_parent_op(region) : NULL;
    if (!ran_op_is(kernel, RAN_OP_KERNEL))
        return value;
    return resolve(ran_op_operand(kernel, ran_value_index(value)));
}

static bool changes_form(const ran_op *op)
{
    return ran_op_is(op, RAN_OP_DEQUANTIZE_LINEAR) || ran_op_is(op, RAN_OP_CAST) ||
           ran_op_is(op, RAN_OP_TRANSPOSE) || ran_op_is(op, RAN_OP_IDENTITY) ||
           ran_op_is(op, RAN_OP_RESHAPE) || ran_op_is(op, RAN_OP_PACK);
}

/* A constant, also behind the ops that only give it another form. */
static const ran_value *constant_behind(const ran_value *value)
{
    value = resolve(value);
    while (value && !ran_value_constant(value))
        value = changes_form(ran_value_op(value)) ? resolve(ran_op_operand(ran_value_op(value), 0))
                                                  : NULL;
    return value;
}

/* One element along all axes but one. */
static bool is_vector(const ran_tensor *tensor)
{
    int wide = 0;
    for (int i = 0; i < ran_tensor_rank(tensor); i++)
        wide += ran_tensor_dims(tensor)[i] != 1;
    return wide <= 1;
}

static int64_t positions(const ran_value *value)
{
    const ran_type *type = value ? ran_value_type(value) : NULL;
    int64_t count = 1;
    if (!type || !ran_type_is_tensor(type))
        return 1;
    for (int axis = 2; axis < ran_type_rank(type); axis++)
        if (ran_dim_is_constant(ran_type_dim(type, axis)))
            count *= ran_dim_value(ran_type_dim(type, axis));
    return count;
}

/* ---- Parameters ----------------------------------------------------------------------------- */

/* MORE: elements of something whose channels another operand counts. */
enum part { OTHER, NONE, CONV_WEIGHT, FC_WEIGHT, BIAS, BN, LN, MORE, SCALE };

/* What each operand is, by position; what is not listed is OTHER. */
static const struct role {
    ran_opcode opcode;
    unsigned char parts[6];
} roles[] = {
    {RAN_OP_CONV, {OTHER, CONV_WEIGHT, BIAS}},
    {RAN_OP_CONV_TRANSPOSE, {OTHER, CONV_WEIGHT, BIAS}},
    {RAN_OP_GEMM, {FC_WEIGHT, FC_WEIGHT, BIAS}},
    {RAN_OP_MATMUL, {FC_WEIGHT, FC_WEIGHT}},
    {RAN_OP_EINSUM, {FC_WEIGHT, FC_WEIGHT, FC_WEIGHT}},
    {RAN_OP_RNN, {OTHER, FC_WEIGHT, FC_WEIGHT, BIAS}},
    {RAN_OP_GRU, {OTHER, FC_WEIGHT, FC_WEIGHT, BIAS}},
    {RAN_OP_LSTM, {OTHER, FC_WEIGHT, FC_WEIGHT, BIAS}},
    {RAN_OP_BATCH_NORMALIZATION, {OTHER, BN, MORE, MORE, MORE}},
    {RAN_OP_LAYER_NORMALIZATION, {OTHER, LN, MORE}},
    {RAN_OP_GROUP_NORMALIZATION, {OTHER, LN, MORE}},
    {RAN_OP_INSTANCE_NORMALIZATION, {OTHER, LN, MORE}},
    {RAN_OP_RMS_NORMALIZATION, {OTHER, SCALE}},
    {RAN_OP_ADD, {BIAS, BIAS}},
    {RAN_OP_SUB, {BIAS, BIAS}},
    {RAN_OP_MUL, {SCALE, SCALE}},
    {RAN_OP_CLIP, {OTHER, NONE, NONE}},
    {RAN_OP_RESIZE, {OTHER, NONE, NONE, NONE}},
    {RAN_OP_PAD, {OTHER, NONE, NONE, NONE}},
    {RAN_OP_ONE_HOT, {NONE, NONE, NONE}},
    {RAN_OP_QUANTIZE_LINEAR, {OTHER, NONE, NONE}},
};

static enum part part_of(ran_opcode opcode, size_t operand)
{
    for (size_t i = 0; i < sizeof(roles) / sizeof(*roles); i++)
        if (roles[i].opcode == opcode)
            return operand < sizeof(roles[i].parts) ? (enum part)roles[i].parts[operand] : OTHER;
    return OTHER;
}

static bool holds_parameters(const ran_tensor *tensor)
{
    ran_elem elem = ran_tensor_elem(tensor);
    bool is_weight = ran_elem_is_float(elem) || (ran_elem_is_int(elem) && ran_elem_bits(elem) <= 8);
    return is_weight && ran_tensor_rank(tensor) > 0;
}

/* Normalisations count by channel, whether or not they share their constants. */
static void add_parameter(ran_parts *parts, enum part part, const ran_tensor *tensor, bool is_new)
{
    int64_t *const fields[] = {
        [OTHER] = &parts->other,          [CONV_WEIGHT] = &parts->conv_weights,
        [FC_WEIGHT] = &parts->fc_weights, [BIAS] = &parts->biases,
        [BN] = &parts->bn_channels,       [LN] = &parts->ln_channels,
        [SCALE] = &parts->scale_channels, [MORE] = NULL,
    };
    bool wants_vector = part == BIAS || part == SCALE;
    int64_t *field = wants_vector && !is_vector(tensor) ? &parts->other : fields[part];
    if (field && (is_new || part == BN || part == LN))
        *field += ran_tensor_numel(tensor);
    if (is_new)
        parts->elements += ran_tensor_numel(tensor);
}

/* `seen`: constants that another op has brought. */
static void count_parameters(const ran_op *op, ran_map *seen, ran_parts *parts)
{
    if (changes_form(op)) /* counted at the op that uses the result */
        return;
    for (size_t i = 0; i < ran_op_operand_count(op); i++) {
        const ran_value *constant = constant_behind(ran_op_operand(op, i));
        enum part part = part_of(op->opcode, i);
        bool is_new;
        if (!constant || part == NONE || !holds_parameters(ran_value_constant(constant)))
            continue;
        ran_map_insert(seen, constant, 0, &is_new);
        add_parameter(parts, part, ran_value_constant(constant), is_new);
    }
}

/* ---- Multiply-accumulates ------------------------------------------------------------------- */

/* The value leads, through ops on single positions, to a product with a feature map. */
static bool scales_a_map(const ran_value *value, int depth)
{
    for (const ran_use *use = ran_value_first_use(value); use; use = ran_use_next(use)) {
        const ran_op *op = ran_use_op(use);
        const ran_value *result = ran_op_result_count(op) ? ran_op_result(op, 0) : NULL;
        if (!result)
            continue;
        if (ran_op_is(op, RAN_OP_MUL) && positions(result) > positions(value))
            return true;
        if (depth && positions(result) == 1 && scales_a_map(result, depth - 1))
            return true;
    }
    return false;
}

enum { SE_DEPTH = 12 };

/* A convolution on a single position is a linear layer: of squeeze-and-excitation, or a classifier.
 */
static int64_t *mac_field(const ran_op *op, ran_parts *parts)
{
    bool is_conv = op->opcode == RAN_OP_CONV || op->opcode == RAN_OP_CONV_TRANSPOSE;
    if (is_conv && (positions(ran_op_result(op, 0)) > 1 || positions(ran_op_operand(op, 0)) > 1))
        return &parts->conv_macs;
    bool is_product = op->opcode == RAN_OP_MATMUL || op->opcode == RAN_OP_EINSUM;
    if (is_product && !constant_behind(ran_op_operand(op, 0)) &&
        !constant_behind(ran_op_operand(op, 1)))
        return &parts->product_macs;
    if (ran_type_rank(ran_value_type(ran_op_result(op, 0))) != 3 &&
        scales_a_map(ran_op_result(op, 0), SE_DEPTH))
        return &parts->se_macs;
    return &parts->fc_macs;
}

static bool only_moves(const ran_op *op)
{
    return ran_op_is(op, RAN_OP_TRANSPOSE) || ran_op_is(op, RAN_OP_RESHAPE) ||
           ran_op_is(op, RAN_OP_IDENTITY);
}

/* A convolution that steps by its own size: the stem and the downsampling of ConvNeXt. */
static bool is_patch_conv(const ran_op *op)
{
    if (!ran_op_is(op, RAN_OP_CONV) || !ran_value_constant(ran_op_operand(op, 1)))
        return false;
    const ran_tensor *w = ran_value_constant(ran_op_operand(op, 1));
    size_t count;
    const int64_t *strides = ran_op_ints(op, "strides", &count);
    for (size_t i = 0; i < count; i++)
        if ((int)i + 2 >= ran_tensor_rank(w) || strides[i] < 2 ||
            strides[i] != ran_tensor_dims(w)[i + 2])
            return false;
    return count > 0;
}

static bool leads_to_patches(const ran_value *value)
{
    for (const ran_use *use = ran_value_first_use(value); use; use = ran_use_next(use)) {
        const ran_op *op = ran_use_op(use);
        if (is_patch_conv(op) || (only_moves(op) && leads_to_patches(ran_op_result(op, 0))))
            return true;
    }
    return false;
}

static bool comes_from_patches(const ran_value *value)
{
    const ran_op *op = value ? ran_value_op(value) : NULL;
    return is_patch_conv(op) || (op && only_moves(op) && comes_from_patches(ran_op_operand(op, 0)));
}

static int64_t counted_norm_elements(const ran_op *op)
{
    if (!ran_op_is(op, RAN_OP_LAYER_NORMALIZATION) || leads_to_patches(ran_op_result(op, 0)) ||
        comes_from_patches(ran_op_operand(op, 0)))
        return 0;
    return ran_type_numel_or_one(ran_value_type(ran_op_result(op, 0)));
}

/* ---- Ops ------------------------------------------------------------------------------------ */

/* Channels: axis 1 of a feature map, the last axis of anything else. */
static int64_t units_of(const ran_type *type)
{
    int rank = type && ran_type_is_tensor(type) ? ran_type_rank(type) : 0;
    if (rank < 1)
        return 1;
    const ran_dim *dim = ran_type_dim(type, rank > 3 ? 1 : rank - 1);
    return ran_dim_is_constant(dim) ? ran_dim_value(dim) : 1;
}

/* Images that a run takes: the rules of papers count one. */
static int64_t batch_of(const ran_function *function, ran_count_rule rule)
{
    const ran_region *body = ran_function_body(function);
    if (rule == RAN_RULE_ALL || !ran_region_argument_count(body))
        return 1;
    const ran_type *type = ran_value_type(ran_region_argument(body, 0));
    if (!ran_type_is_tensor(type) || ran_type_rank(type) < 2 ||
        !ran_dim_is_constant(ran_type_dim(type, 0)) || ran_type_extent(type, 0) < 1)
        return 1;
    return ran_type_extent(type, 0);
}

static const char *name_of(const ran_op *op)
{
    const char *name = ran_location_name(ran_op_location(op));
    if ((!name || !*name) && ran_op_result_count(op))
        name = ran_value_name(ran_op_result(op, 0));
    return name ? name : "";
}

typedef struct counter {
    ran_statistics *statistics;
    ran_stages *stages;
    ran_map seen;
    int64_t batch;
    size_t capacity;
} counter;

static ran_kind_statistics *kind_of(ran_statistics *s, ran_opcode opcode)
{
    for (size_t i = 0; i < s->kind_count; i++)
        if (s->kinds[i].opcode == opcode)
            return &s->kinds[i];
    s->kinds[s->kind_count] = (ran_kind_statistics){.opcode = opcode};
    return &s->kinds[s->kind_count++];
}

static ran_op_statistics *add_row(counter *c)
{
    ran_statistics *s = c->statistics;
    if (s->op_count == c->capacity) {
        c->capacity = c->capacity ? 2 * c->capacity : 64;
        s->ops = realloc(s->ops, c->capacity * sizeof(*s->ops));
        if (!s->ops)
            RAN_BUG(NULL, "out of memory");
    }
    return &s->ops[s->op_count++];
}

static void count_nonlinear(counter *c, ran_op_statistics *row)
{
    if (!row->nonlinear_elements)
        return;
    row->nonlinear_units = units_of(ran_value_type(ran_op_result(row->op, 0)));
    ran_kind_statistics *kind = kind_of(c->statistics, row->op->opcode);
    kind->ops++;
    kind->elements += row->nonlinear_elements;
    kind->units += row->nonlinear_units;
}

static void add_totals(ran_statistics *s, const ran_op_statistics *row, const ran_parts *parts)
{
    add_parts(&s->parts, parts);
    s->nonlinear_elements += row->nonlinear_elements;
    s->nonlinear_units += row->nonlinear_units;
    s->relu_elements += row->relu_elements;
}

static void count_op(counter *c, const ran_op *op)
{
    ran_counts counts = {0};
    ran_parts parts = {0};
    ran_count_rule rule = c->statistics->rule;
    ran_count_op(op, &counts);
    count_parameters(op, &c->seen, &parts);
    if (counts.macs)
        *mac_field(op, &parts) += counts.macs / c->batch;
    parts.norm_elements = counted_norm_elements(op) / c->batch;
    ran_op_statistics *row = add_row(c);
    *row = (ran_op_statistics){.op = op,
                               .name = name_of(op),
                               .stage = ran_stages_of(c->stages, op),
                               .parameters = weigh_parameters(&parts, rule),
                               .macs = weigh_macs(&parts, rule),
                               .nonlinear_elements = counts.nonlinear_elements / c->batch,
                               .relu_elements = counts.relu_elements / c->batch,
                               .activation_bytes = counts.activation_bytes};
    count_nonlinear(c, row);
    add_totals(c->statistics, row, &parts);
}

static void count_region(counter *c, const ran_region *region)
{
    for (const ran_op *op = ran_region_first(region); op; op = ran_op_next(op)) {
        if (op->opcode == RAN_OP_KERNEL)
            count_region(c, ran_op_region(op, 0));
        else if (!ran_opcode_has_flag(op->opcode, RAN_FLAG_TERMINATOR))
            count_op(c, op);
    }
}

static int by_elements(const void *a, const void *b)
{
    const ran_kind_statistics *x = a, *y = b;
    if (x->elements != y->elements)
        return x->elements > y->elements ? -1 : 1;
    return x->opcode < y->opcode ? -1 : x->opcode > y->opcode;
}

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (!memory)
        RAN_BUG(NULL, "out of memory");
    return memory;
}

static void keep_stages(ran_statistics *s, const ran_stages *stages)
{
    s->stage_count = ran_stages_count(stages);
    s->stage_positions = allocate((size_t)s->stage_count + 1, sizeof(*s->stage_positions));
    for (int stage = 1; stage <= s->stage_count; stage++)
        s->stage_positions[stage] = ran_stages_positions(stages, stage);
}

ran_statistics *ran_statistics_create(const ran_function *function, ran_count_rule rule)
{
    ran_statistics *s = allocate(1, sizeof(*s));
    s->rule = rule;
    s->kinds = allocate(RAN_OP_COUNT, sizeof(*s->kinds));
    counter c = {
        .statistics = s, .stages = ran_stages_create(function), .batch = batch_of(function, rule)};
    count_region(&c, ran_function_body(function));
    s->parameters = weigh_parameters(&s->parts, rule);
    s->macs = weigh_macs(&s->parts, rule);
    keep_stages(s, c.stages);
    qsort(s->kinds, s->kind_count, sizeof(*s->kinds), by_elements);
    ran_stages_destroy(c.stages);
    ran_map_clear(&c.seen);
    return s;
}

void ran_statistics_destroy(ran_statistics *statistics)
{
    if (!statistics)
        return;
    free(statistics->ops);
    free(statistics->stage_positions);
    free(statistics->kinds);
    free(statistics);
}
