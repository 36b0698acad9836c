/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "passes/linear/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double *new_doubles(int64_t count)
{
    double *values = calloc((size_t)(count > 0 ? count : 1), sizeof(*values));
    if (!values)
        RAN_BUG(NULL, "out of memory");
    return values;
}

/* ---- The border, ignored ---------------------------------------------------------------------------- */

/* What is known at a value inside: the layer from the input to here, the error of each channel. */
typedef struct state {
    ran_layer layer;
    double *error;
} state;

typedef struct bound {
    ran_pass_context *pass;
    const ran_chain *chain;
    double range;
} bound;

/* Sets of outside taps along an axis: [sets][kernel], 1 where outside. */
typedef struct tap_sets {
    int64_t count;
    int32_t *signature;
} tap_sets;

static tap_sets outside_taps(const ran_chain *chain, const ran_link *link, int axis)
{
    int64_t extent[RAN_LAYER_AXES];
    const ran_layer *l = &link->shape;
    int32_t *class_of;
    tap_sets sets;
    ran_chain_extents(chain, link->input, extent);
    /* Of an unknown size: one that is large. */
    int64_t in = extent[axis] > 0 ? extent[axis]
                                  : 4 * (ran_layer_reach(l, axis) + l->pad_begin[axis] +
                                         l->pad_end[axis]) * l->stride[axis];
    sets.count = ran_window_classes(l, axis, in, ran_layer_out_extent(l, axis, in), NULL, &class_of,
                                    &sets.signature);
    free(class_of);
    return sets;
}

/* Which taps are outside for a choice of sets. A tap that is outside along an axis on which the
 * layer so far is one tap wide reads nothing of the input: only its bias is wrong. */
static void choose_taps(const ran_layer *l, const ran_layer *so_far, const tap_sets *sets,
                        int64_t choice, bool *linear, bool *biased)
{
    for (int64_t tap = 0; tap < ran_layer_taps(l); tap++) {
        int64_t rest = tap, chosen = choice;
        bool outside = false, reads_nothing = false;
        for (int i = l->spatial; i-- > 0;) {
            const int32_t *signature =
                sets[i].signature + chosen % sets[i].count * l->kernel[i];
            bool here = signature[rest % l->kernel[i]] < 0;
            outside = outside || here;
            reads_nothing = reads_nothing || (here && so_far->kernel[i] == 1);
            rest /= l->kernel[i];
            chosen /= sets[i].count;
        }
        biased[tap] = outside;
        linear[tap] = outside && !reads_nothing;
    }
}

/* Adds the largest wrong contribution of one set of outside taps to each channel. */
static void take_choice(const bound *b, const ran_layer *so_far, const ran_layer *next,
                        const bool *linear, const bool *biased, double *largest)
{
    ran_layer masked = ran_layer_copy(next), wrong;
    free(masked.bias);
    masked.bias = NULL;
    ran_layer_mask_taps(&masked, biased);
    ran_layer_compose(so_far, &masked, &wrong);
    double *bias = wrong.bias;
    wrong.bias = NULL;
    ran_layer_clear(&wrong);
    ran_layer_mask_taps(&masked, linear);
    ran_layer_compose(so_far, &masked, &wrong);
    int64_t row = ran_layer_weight_count(&wrong) / wrong.out;
    for (int64_t o = 0; o < wrong.out; o++) {
        double sum = bias ? fabs(bias[o]) : 0;
        for (int64_t n = 0; n < row; n++)
            sum += b->range * fabs(wrong.weight[o * row + n]);
        largest[o] = sum > largest[o] ? sum : largest[o];
    }
    free(bias);
    ran_layer_clear(&wrong);
    ran_layer_clear(&masked);
}

static void add_border_error(const bound *b, const ran_link *link, const ran_layer *so_far,
                             const ran_layer *next, double *error)
{
    tap_sets sets[RAN_LAYER_AXES] = {{0}};
    int64_t choices = 1, taps = ran_layer_taps(next);
    double *largest = new_doubles(next->out);
    bool *linear = calloc((size_t)taps, sizeof(*linear)), *biased = calloc((size_t)taps, sizeof(*biased));
    if (!linear || !biased)
        RAN_BUG(NULL, "out of memory");
    for (int i = 0; i < next->spatial; i++) {
        sets[i] = outside_taps(b->chain, link, i);
        choices *= sets[i].count;
    }
    for (int64_t choice = 0; choice < choices; choice++) {
        choose_taps(next, so_far, sets, choice, linear, biased);
        take_choice(b, so_far, next, linear, biased, largest);
    }
    for (int64_t o = 0; o < next->out; o++)
        error[o] += largest[o];
    for (int i = 0; i < next->spatial; i++)
        free(sets[i].signature);
    free(linear);
    free(biased);
    free(largest);
}

static double *amplify(const ran_layer *next, const double *error)
{
    double *out = new_doubles(next->out);
    int64_t in = next->in / next->groups, taps = ran_layer_taps(next);
    for (int64_t o = 0; o < next->out; o++) {
        const double *from = error + o / (next->out / next->groups) * in;
        for (int64_t n = 0; n < in * taps; n++)
            out[o] += fabs(next->weight[o * in * taps + n]) * from[n / taps];
    }
    return out;
}

static void advance(const bound *b, const ran_link *links, size_t count, state *s);

static void advance_sum(const bound *b, const ran_link *link, state *s)
{
    double *total = NULL;
    for (int i = 0; i < 2; i++) {
        state branch = {ran_layer_copy(&s->layer), new_doubles(s->layer.out)};
        memcpy(branch.error, s->error, (size_t)s->layer.out * sizeof(double));
        advance(b, link->branches[i].links, link->branches[i].count, &branch);
        for (int64_t o = 0; total && o < branch.layer.out; o++)
            branch.error[o] += total[o];
        free(total);
        total = branch.error;
        ran_layer_clear(&branch.layer);
    }
    free(s->error);
    s->error = total;
}

static void advance(const bound *b, const ran_link *links, size_t count, state *s)
{
    for (size_t i = 0; i < count; i++) {
        ran_layer next, composed;
        ran_link_load(b->pass, b->chain, &links[i], false, &next);
        if (links[i].branches) {
            advance_sum(b, &links[i], s);
        } else {
            double *error = amplify(&next, s->error);
            if (ran_layer_has_pads(&next))
                add_border_error(b, &links[i], &s->layer, &next, error);
            free(s->error);
            s->error = error;
        }
        ran_layer_compose(&s->layer, &next, &composed);
        ran_layer_clear(&s->layer);
        ran_layer_clear(&next);
        s->layer = composed;
    }
}

double ran_links_border_bound(ran_pass_context *pass, const ran_chain *chain, const ran_link *links,
                              size_t count, const ran_value *x, double range)
{
    bound b = {pass, chain, range};
    int rank = ran_type_rank(ran_value_type(x));
    int64_t channels = ran_type_extent(ran_value_type(x), chain->last ? rank - 1 : 1);
    state s = {ran_layer_channelwise(chain->last ? 0 : rank - 2, channels), new_doubles(channels)};
    ran_layer_fill_identity(&s.layer);
    advance(&b, links, count, &s);
    double largest = 0;
    for (int64_t o = 0; o < s.layer.out; o++)
        largest = s.error[o] > largest ? s.error[o] : largest;
    free(s.error);
    ran_layer_clear(&s.layer);
    return largest;
}

double ran_value_range(const ran_value *value)
{
    const ran_op *op = ran_value_op(value);
    double low, high;
    switch (op ? op->opcode : RAN_OP_COUNT) {
    case RAN_OP_SIGMOID:
    case RAN_OP_HARD_SIGMOID:
    case RAN_OP_TANH:
    case RAN_OP_SOFTMAX:
        return 1;
    case RAN_OP_CLIP:
        if (ran_op_operand(op, 1) && ran_op_operand(op, 2) &&
            ran_match_splat(ran_op_operand(op, 1), &low) &&
            ran_match_splat(ran_op_operand(op, 2), &high))
            return fmax(fabs(low), fabs(high));
        return -1;
    default:
        return -1;
    }
}

/* ---- Rounding ------------------------------------------------------------------------------------------ */

double ran_links_rounding_bound(ran_pass_context *pass, const ran_chain *chain,
                                const ran_link *links, size_t count)
{
    ran_layer all;
    ran_link_load(pass, chain, &links[0], false, &all);
    ran_layer_make_absolute(&all);
    for (size_t i = 1; i < count; i++) {
        ran_layer next, composed;
        ran_link_load(pass, chain, &links[i], false, &next);
        ran_layer_make_absolute(&next);
        ran_layer_compose(&all, &next, &composed);
        ran_layer_clear(&all);
        ran_layer_clear(&next);
        all = composed;
    }
    int64_t row = all.transposed ? 0 : ran_layer_weight_count(&all) / all.out;
    double largest = all.transposed ? ran_layer_norm(&all) : 0;
    for (int64_t o = 0; o < all.out; o++) {
        double sum = all.bias ? all.bias[o] : 0;
        for (int64_t n = 0; n < row; n++)
            sum += all.weight[o * row + n];
        largest = sum > largest ? sum : largest;
    }
    ran_layer_clear(&all);
    return ((double)ran_links_ops(links, count) + 2) * 0x1p-24 * largest;
}

/* ---- Measuring ------------------------------------------------------------------------------------------- */

enum { MEASURE_MACS = 200000000 };

/* As small as still has an interior, of the same remainder by the stride. */
static int64_t cut_extent(const ran_layer *layer, int axis, int64_t extent)
{
    int64_t enough = 2 * ran_layer_reach(layer, axis) + layer->pad_begin[axis] +
                     layer->pad_end[axis] + 2 * layer->stride[axis];
    if (extent < 0)
        return enough;
    if (extent > enough)
        extent -= layer->stride[axis] * ((extent - enough) / layer->stride[axis]);
    return extent;
}

static const ran_type *cut_type(ran_pass_context *pass, const ran_chain *chain, const ran_link *links,
                                size_t count, const ran_layer *layer, ran_border_form form)
{
    const ran_type *type = ran_value_type(links[0].input);
    bool whole = layer->transposed || form == RAN_BORDER_TILES || ran_links_have_map(links, count);
    int64_t dims[RAN_MAX_RANK], extent[RAN_LAYER_AXES];
    int rank = ran_type_rank(type);
    ran_chain_extents(chain, links[0].input, extent);
    for (int i = 0; i < rank; i++) {
        const ran_dim *dim = ran_type_dim(type, i);
        bool channel = i == (chain->last ? rank - 1 : 1);
        dims[i] = channel ? ran_dim_value(dim) : chain->last ? 2 : 1;
        if (channel || chain->last || i < 2)
            continue;
        if (whole && !ran_dim_is_constant(dim))
            return NULL;
        dims[i] = whole ? ran_dim_value(dim) : cut_extent(layer, i - 2, extent[i - 2]);
    }
    return ran_type_tensor_i64(ran_pass_ir(pass), ran_type_elem(type), rank, dims);
}

/* Global pools are as large as their map. */
static bool has_global_pool(const ran_link *links, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (links[i].op->opcode == RAN_OP_GLOBAL_AVERAGE_POOL)
            return true;
        for (int b = 0; links[i].branches && b < 2; b++)
            if (has_global_pool(links[i].branches[b].links, links[i].branches[b].count))
                return true;
    }
    return false;
}

static int64_t function_macs(const ran_region *region)
{
    ran_counts counts = {0};
    RAN_FOR_OPS (region, op)
        ran_count_op(op, &counts);
    return counts.macs;
}

static ran_tensor *noise(const ran_type *type)
{
    int64_t dims[RAN_MAX_RANK];
    for (int i = 0; i < ran_type_rank(type); i++)
        dims[i] = ran_type_extent(type, i);
    ran_tensor *tensor = ran_tensor_create(ran_type_elem(type), ran_type_rank(type), dims);
    uint64_t state = 1;
    for (int64_t i = 0; i < ran_tensor_numel(tensor); i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        ran_tensor_set_f64(tensor, i, (double)(int32_t)(state >> 32) * 0x1p-31);
    }
    return tensor;
}

static double distance(const ran_tensor *a, const ran_tensor *b)
{
    double largest = 0, scale = 0;
    for (int64_t i = 0; i < ran_tensor_numel(a); i++) {
        double x = ran_tensor_get_f64(a, i), y = ran_tensor_get_f64(b, i);
        largest = fabs(x - y) > largest ? fabs(x - y) : largest;
        scale = fabs(x) > scale ? fabs(x) : scale;
    }
    return scale > 0 ? largest / scale : largest;
}

static double compare(ran_pass_context *pass, const ran_function *function, const ran_type *type)
{
    ran_tensor *input = noise(type), *results[2] = {NULL, NULL};
    const ran_tensor *inputs[] = {input};
    size_t diagnostics = ran_diagnostic_count(ran_pass_ir(pass));
    double error = -1;
    if (ran_evaluate(function, inputs, 1, results, 2) == RAN_OK)
        error = distance(results[0], results[1]);
    ran_diagnostics_truncate(ran_pass_ir(pass), diagnostics);
    for (int i = 0; i < 2; i++)
        ran_tensor_release(results[i]);
    ran_tensor_release(input);
    return error;
}

double ran_links_measure(ran_pass_context *pass, const ran_chain *chain, ran_link *links,
                         size_t count, const ran_layer *layer, ran_border_form form)
{
    const ran_type *type = cut_type(pass, chain, links, count, layer, form);
    if (!type || has_global_pool(links, count))
        return -1;
    ran_module *module = ran_module_create(ran_pass_ir(pass));
    ran_function *function = ran_function_create(module, "measure");
    ran_region *body = ran_function_body(function);
    ran_value *x = ran_region_add_argument(body, "x", type), *y[2];
    ran_emitter e = ran_emitter_at_end(pass, body, ran_type_elem(type), chain, false);
    double error = -1;
    y[0] = ran_emit_links(&e, chain, links, count, x);
    y[1] = ran_emit_collapsed(&e, chain, links, count, layer, form, x);
    if (y[1] && function_macs(body) <= MEASURE_MACS) {
        ran_builder end = ran_builder_at_end(body);
        ran_op_create(&end, RAN_OP_RETURN, 2, y, 0);
        error = compare(pass, function, type);
    }
    ran_module_destroy(module);
    return error;
}
