/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "passes/linear/emit.h"

#include <stdlib.h>
#include <string.h>

const char *ran_border_form_name(ran_border_form form)
{
    static const char *const names[] = {
        [RAN_BORDER_NONE] = "no border treatment", [RAN_BORDER_TABLE] = "border-class bias table",
        [RAN_BORDER_ONES] = "channel of ones",     [RAN_BORDER_TILES] = "border tiles",
        [RAN_BORDER_IGNORE] = "border ignored",    [RAN_BORDER_REFUSED] = "not exact"};
    return names[form];
}

ran_emitter ran_emitter_before(ran_pass_context *pass, ran_op *op, const ran_chain *chain)
{
    ran_builder builder = ran_builder_before(op);
    ran_elem elem = ran_type_elem(ran_value_type(&op->results[0]));
    return (ran_emitter){pass, builder, NULL, elem, chain->last, op->location};
}

ran_emitter ran_emitter_at_end(ran_pass_context *pass, ran_region *region, ran_elem elem,
                               const ran_chain *chain, bool scratch)
{
    return (ran_emitter){pass, ran_builder_at_end(region), scratch ? region : NULL, elem,
                         chain->last, NULL};
}

/* ---- Ops and constants ---------------------------------------------------------------------------- */

static ran_op *new_op(ran_emitter *e, ran_opcode opcode, size_t count, ran_value *const *operands)
{
    e->builder.location = e->location;
    return ran_op_create(&e->builder, opcode, count, operands, 1);
}

static ran_value *finish(ran_emitter *e, ran_op *op)
{
    return ran_finish_op(e->pass, op);
}

static ran_value *binary(ran_emitter *e, ran_opcode opcode, ran_value *a, ran_value *b)
{
    ran_value *operands[] = {a, b};
    return finish(e, new_op(e, opcode, 2, operands));
}

static ran_value *keep(ran_emitter *e, RAN_TAKE ran_tensor *tensor)
{
    ran_value *value = ran_constant_create(e->builder.module, NULL, tensor);
    ran_tensor_release(tensor);
    return value;
}

ran_value *ran_emit_constant(ran_emitter *e, const double *values, int rank, const int64_t *dims)
{
    if (e->scratch)
        return ran_region_add_argument(
            e->scratch, NULL, ran_type_tensor_i64(ran_pass_ir(e->pass), e->elem, rank, dims));
    ran_tensor *tensor = ran_tensor_create(e->elem, rank, dims);
    if (!tensor)
        RAN_BUG(ran_pass_ir(e->pass), "no memory for a constant");
    int64_t count = ran_tensor_numel(tensor);
    float *floats = e->elem == RAN_ELEM_F32 ? ran_tensor_mutable_data(tensor) : NULL;
    for (int64_t i = 0; values && i < count; i++) {
        if (floats)
            floats[i] = (float)values[i];
        else
            ran_tensor_set_f64(tensor, i, values[i]);
    }
    return keep(e, tensor);
}

/* Integers are constants in scratch functions too: shapes follow from them. */
static ran_value *ints(ran_emitter *e, const int64_t *values, int64_t count)
{
    ran_tensor *tensor = ran_tensor_create(RAN_ELEM_I64, 1, &count);
    for (int64_t i = 0; i < count; i++)
        ran_tensor_set_i64(tensor, i, values[i]);
    return keep(e, tensor);
}

ran_value *ran_emit_slice(ran_emitter *e, ran_value *x, int axis, int64_t begin, int64_t end)
{
    int64_t where = axis;
    ran_value *operands[] = {x, ints(e, &begin, 1), ints(e, &end, 1), ints(e, &where, 1)};
    return finish(e, new_op(e, RAN_OP_SLICE, 4, operands));
}

ran_value *ran_emit_concat(ran_emitter *e, ran_value *const *parts, size_t count, int axis)
{
    if (count == 1)
        return parts[0];
    ran_op *op = new_op(e, RAN_OP_CONCAT, count, parts);
    ran_op_set_int(op, "axis", axis);
    return finish(e, op);
}

/* ---- Layers ----------------------------------------------------------------------------------------- */

static ran_value *by_channel(ran_emitter *e, const double *values, int64_t channels, int spatial)
{
    int64_t dims[1 + RAN_LAYER_AXES] = {channels, 1, 1, 1};
    return ran_emit_constant(e, values, 1 + spatial, dims);
}

static bool any_bias(const ran_emitter *e, const ran_layer *layer)
{
    if (e->scratch || !layer->weight)
        return layer->biased;
    for (int64_t i = 0; layer->bias && i < layer->out; i++)
        if (layer->bias[i] != 0)
            return true;
    return false;
}

static bool all_ones(const ran_layer *layer)
{
    for (int64_t i = 0; layer->weight && i < layer->out; i++)
        if (layer->weight[i] != 1)
            return false;
    return layer->weight || layer->identity;
}

static ran_value *emit_channelwise(ran_emitter *e, const ran_layer *layer, ran_value *x)
{
    if (!all_ones(layer))
        x = binary(e, RAN_OP_MUL, x, by_channel(e, layer->weight, layer->out, layer->spatial));
    if (any_bias(e, layer))
        x = binary(e, RAN_OP_ADD, x, by_channel(e, layer->bias, layer->out, layer->spatial));
    return x;
}

static double *transposed_matrix(const ran_layer *layer)
{
    double *columns = layer->weight ? malloc((size_t)(layer->in * layer->out) * sizeof(*columns))
                                    : NULL;
    for (int64_t o = 0; columns && o < layer->out; o++)
        for (int64_t i = 0; i < layer->in; i++)
            columns[i * layer->out + o] = layer->weight[o * layer->in + i];
    return columns;
}

static ran_value *emit_product(ran_emitter *e, const ran_layer *layer, ran_value *x)
{
    ran_layer dense = ran_layer_copy(layer);
    ran_layer_regroup(&dense, 1);
    double *columns = transposed_matrix(&dense);
    ran_value *w = ran_emit_constant(e, columns, 2, (int64_t[]){layer->in, layer->out});
    free(columns);
    ran_layer_clear(&dense);
    bool biased = any_bias(e, layer);
    ran_value *b = biased ? ran_emit_constant(e, layer->bias, 1, &layer->out) : NULL;
    if (ran_type_rank(ran_value_type(x)) == 2) {
        ran_value *operands[] = {x, w, b};
        return finish(e, new_op(e, RAN_OP_GEMM, biased ? 3 : 2, operands));
    }
    x = binary(e, RAN_OP_MATMUL, x, w);
    return biased ? binary(e, RAN_OP_ADD, x, b) : x;
}

static bool all_are(const int64_t *values, int count, int64_t wanted)
{
    for (int i = 0; i < count; i++)
        if (values[i] != wanted)
            return false;
    return true;
}

static void set_window(ran_op *op, const ran_layer *layer)
{
    int n = layer->spatial;
    int64_t pads[2 * RAN_LAYER_AXES];
    for (int i = 0; i < n; i++) {
        pads[i] = layer->pad_begin[i];
        pads[n + i] = layer->pad_end[i];
    }
    if (layer->groups != 1)
        ran_op_set_int(op, "group", layer->groups);
    if (!all_are(layer->stride, n, 1))
        ran_op_set_ints(op, "strides", layer->stride, (size_t)n);
    if (!all_are(layer->dilation, n, 1))
        ran_op_set_ints(op, "dilations", layer->dilation, (size_t)n);
    if (!all_are(pads, 2 * n, 0))
        ran_op_set_ints(op, "pads", pads, 2 * (size_t)n);
}

static ran_value *emit_transposed(ran_emitter *e, const ran_layer *layer, ran_value *x,
                                  const ran_op *like)
{
    int64_t dims[2 + RAN_LAYER_AXES] = {layer->in, layer->out / layer->groups};
    memcpy(dims + 2, layer->kernel, sizeof(layer->kernel));
    bool biased = any_bias(e, layer);
    ran_value *operands[] = {x, ran_emit_constant(e, layer->weight, 2 + layer->spatial, dims),
                             biased ? ran_emit_constant(e, layer->bias, 1, &layer->out) : NULL};
    ran_mapping *mapping = ran_mapping_create();
    e->builder.location = e->location;
    ran_op *op = ran_op_clone(&e->builder, like, mapping);
    ran_mapping_destroy(mapping);
    op->results[0].name = NULL;
    ran_op_set_operands(op, biased ? 3 : 2, operands);
    if (layer->groups != ran_op_int(op, "group"))
        ran_op_set_int(op, "group", layer->groups);
    return finish(e, op);
}

static ran_value *emit_conv(ran_emitter *e, const ran_layer *layer, ran_value *x, bool biased)
{
    int64_t dims[2 + RAN_LAYER_AXES] = {layer->out, layer->in / layer->groups};
    memcpy(dims + 2, layer->kernel, sizeof(layer->kernel));
    ran_value *operands[] = {x, ran_emit_constant(e, layer->weight, 2 + layer->spatial, dims),
                             biased ? ran_emit_constant(e, layer->bias, 1, &layer->out) : NULL};
    ran_op *op = new_op(e, RAN_OP_CONV, biased ? 3 : 2, operands);
    set_window(op, layer);
    return finish(e, op);
}

ran_value *ran_emit_layer(ran_emitter *e, const ran_layer *layer, ran_value *x, const ran_op *like)
{
    if (ran_layer_is_depthwise_pointwise(layer))
        return emit_channelwise(e, layer, x);
    if (e->last)
        return emit_product(e, layer, x);
    if (layer->transposed)
        return emit_transposed(e, layer, x, like);
    return emit_conv(e, layer, x, any_bias(e, layer));
}

/* ---- Links as they are --------------------------------------------------------------------------------- */

static ran_value *emit_sum(ran_emitter *e, const ran_chain *chain, ran_link *link, ran_value *x)
{
    ran_value *branch[2];
    for (int i = 0; i < 2; i++)
        branch[i] = ran_emit_links(e, chain, link->branches[i].links, link->branches[i].count, x);
    return binary(e, link->op->opcode, branch[0], branch[1]);
}

/* What stands for a constant operand in the function that is built. */
static ran_value *operand_for(ran_emitter *e, ran_value *operand)
{
    const ran_tensor *tensor = ran_value_constant(operand);
    if (e->scratch && ran_elem_is_float(ran_type_elem(ran_value_type(operand))))
        return ran_region_add_argument(e->scratch, NULL, ran_value_type(operand));
    return tensor && operand->owner.module != e->builder.module
               ? ran_constant_create(e->builder.module, NULL, tensor)
               : operand;
}

static ran_value *emit_copy(ran_emitter *e, const ran_link *link, ran_value *x)
{
    ran_mapping *mapping = ran_mapping_create();
    /* The one operand that is no constant is what it reads, be it replaced by now or not. */
    RAN_FOR_OPERANDS (link->op, i, operand)
        ran_mapping_set(mapping, operand,
                        ran_value_constant(operand) ? operand_for(e, operand) : x);
    e->builder.location = e->location;
    ran_op *op = ran_op_clone(&e->builder, link->op, mapping);
    ran_mapping_destroy(mapping);
    op->results[0].name = NULL;
    return finish(e, op);
}

ran_value *ran_emit_links(ran_emitter *e, const ran_chain *chain, ran_link *links, size_t count,
                          ran_value *x)
{
    for (size_t i = 0; i < count; i++)
        x = links[i].branches ? emit_sum(e, chain, &links[i], x) : emit_copy(e, &links[i], x);
    return x;
}

/* ---- Collapsed, in its forms ---------------------------------------------------------------------------- */

static int64_t output_extent(const ran_layer *layer, const ran_value *x, const ran_op *like, int axis)
{
    const ran_dim *dim = like && layer->transposed
                             ? ran_type_dim(ran_value_type(&like->results[0]), 2 + axis)
                             : ran_type_dim(ran_value_type(x), 2 + axis);
    if (!ran_dim_is_constant(dim))
        return -1;
    return layer->transposed ? ran_dim_value(dim)
                             : ran_layer_out_extent(layer, axis, ran_dim_value(dim));
}

/* [channels, extents]: an axis along which the map does not vary has size 1. */
static ran_value *table_constant(ran_emitter *e, const ran_bias_map *map)
{
    int64_t dims[1 + RAN_LAYER_AXES] = {map->channels}, position[RAN_LAYER_AXES], count = map->channels;
    for (int i = 0; i < map->spatial; i++) {
        dims[1 + i] = map->classes[i] > 1 ? map->extent[i] : 1;
        count *= dims[1 + i];
    }
    double *values = malloc((size_t)count * sizeof(*values));
    if (!values)
        RAN_BUG(ran_pass_ir(e->pass), "no memory for a bias table");
    for (int64_t n = 0; n < count; n++) {
        int64_t rest = n;
        for (int i = map->spatial; i-- > 0;) {
            position[i] = rest % dims[1 + i];
            rest /= dims[1 + i];
        }
        values[n] = ran_bias_map_at(map, rest, position);
    }
    ran_value *constant = ran_emit_constant(e, values, 1 + map->spatial, dims);
    free(values);
    return constant;
}

static ran_value *table_argument(ran_emitter *e, const ran_layer *layer, const ran_value *x,
                                 const ran_op *like)
{
    int64_t dims[1 + RAN_LAYER_AXES] = {layer->out};
    for (int i = 0; i < layer->spatial; i++) {
        dims[1 + i] = layer->varies[i] ? output_extent(layer, x, like, i) : 1;
        if (dims[1 + i] < 1)
            return NULL;
    }
    return ran_emit_constant(e, NULL, 1 + layer->spatial, dims);
}

static ran_value *emit_table(ran_emitter *e, const ran_chain *chain, const ran_link *links,
                             size_t count, const ran_layer *layer, ran_value *x)
{
    const ran_op *like = ran_links_transposed(links, count);
    ran_layer plain = *layer;
    ran_value *table;
    plain.biased = false;
    plain.bias = NULL;
    if (e->scratch && !layer->weight) {
        table = table_argument(e, layer, x, like);
    } else {
        int64_t extents[RAN_LAYER_AXES];
        ran_bias_map map;
        ran_chain_extents(chain, x, extents);
        if (!ran_links_bias(e->pass, chain, links, count, extents, &map))
            return NULL;
        table = table_constant(e, &map);
        ran_bias_map_clear(&map);
    }
    return table ? binary(e, RAN_OP_ADD, ran_emit_layer(e, &plain, x, like), table) : NULL;
}

/* [out][in + 1][taps], the last input channel being ones. */
static ran_layer with_ones_channel(const ran_layer *layer)
{
    ran_layer wide = *layer;
    int64_t taps = ran_layer_taps(layer), row = layer->in * taps;
    wide.in++;
    wide.ones = NULL;
    if (!layer->weight)
        return wide;
    wide.weight = calloc((size_t)(layer->out * (row + taps)), sizeof(double));
    if (!wide.weight)
        RAN_BUG(NULL, "out of memory");
    for (int64_t o = 0; o < layer->out; o++) {
        memcpy(wide.weight + o * (row + taps), layer->weight + o * row,
               (size_t)row * sizeof(double));
        if (layer->ones)
            memcpy(wide.weight + o * (row + taps) + row, layer->ones + o * taps,
                   (size_t)taps * sizeof(double));
    }
    return wide;
}

static ran_value *emit_ones(ran_emitter *e, const ran_layer *layer, ran_value *x)
{
    int rank = 2 + layer->spatial;
    int64_t pads[2 * (2 + RAN_LAYER_AXES)] = {0};
    pads[rank + 1] = 1;
    ran_value *operands[] = {x, ints(e, pads, 2 * rank),
                             ran_emit_constant(e, (double[]){1}, 0, NULL)};
    ran_value *padded = finish(e, new_op(e, RAN_OP_PAD, 3, operands));
    ran_layer wide = with_ones_channel(layer);
    ran_value *result = ran_emit_layer(e, &wide, padded, NULL);
    free(layer->weight ? wide.weight : NULL);
    return result;
}

ran_value *ran_emit_collapsed(ran_emitter *e, const ran_chain *chain, ran_link *links, size_t count,
                              const ran_layer *layer, ran_border_form form, ran_value *x)
{
    switch (form) {
    case RAN_BORDER_NONE:
    case RAN_BORDER_IGNORE:
        return ran_emit_layer(e, layer, x, ran_links_transposed(links, count));
    case RAN_BORDER_TABLE:
        return emit_table(e, chain, links, count, layer, x);
    case RAN_BORDER_ONES:
        return emit_ones(e, layer, x);
    case RAN_BORDER_TILES:
        return ran_emit_tiles(e, chain, links, count, layer, x);
    case RAN_BORDER_REFUSED:
        break;
    }
    return NULL;
}
