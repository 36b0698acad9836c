/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * relu-reuse: a convolution and its ReLU over C channels keep the ReLU on C/N of them ("DeepReShape",
 * section 4 and figure 5).
 *
 *   %1 = conv %x, @w           %i, %r, %l = split %x                    (input split)
 *   %2 = bn %1           =>    %3 = relu(bn(conv(%r + t(%i), @w[R, R])))
 *   %3 = relu %2               %4 = bn(conv(%l + t(%3), @w[L, L]))
 *                              %5 = concat %i, %3, %4
 *
 * Divisions in the order I, R, L: C/4 channels that pass, C/N with the ReLU, the rest without. t keeps the
 * first channels and pads with zeros, or is a learned 1x1 (transfer=learned). Where the convolution
 * changes channels or map, its output is split instead: i, relu(r + t(i)), l + t(relu). The plain form
 * (N = 2, or plain=true) has N equal groups, the ReLU in the last.
 *
 * Weights are slices of the old ones: not the same function, so the model needs fine-tuning. Requires
 * types and recognised activations; keeps types. Terminates: each activation is visited once, and
 * what is built is not visited.
 * Without a SPEC the ReLUs between two convolutions are taken: what table 9 of the paper counts.
 */
#include "passes/approx/channels.h"

#include <string.h>

enum { CHAIN = 8, GROUPS_MAX = 64 };

/* conv -> channelwise ops -> activation. */
typedef struct layer {
    ran_site *site;
    ran_op *conv;
    ran_op *chain[CHAIN]; /* behind the convolution, in order */
    size_t chain_count;
    int64_t channels;
    bool splits_input;
} layer;

typedef struct division {
    int64_t first, count;
    bool passes, has_relu;
} division;

typedef struct form {
    division divisions[GROUPS_MAX];
    size_t count;
    bool shortcut, learned, mix;
} form;

/* ---- Matching -------------------------------------------------------------------------------------- */

static const char *match_layer(const ran_site *site, layer *out)
{
    ran_value *value = ran_op_operand(site->op, 0);
    *out = (layer){.site = (ran_site *)site, .channels = site->channels};
    ran_op *chain[CHAIN];
    while (ran_value_op(value) && ran_is_channelwise(ran_value_op(value))) {
        if (!ran_value_has_one_use(value) || out->chain_count == CHAIN)
            return "what is in front of it is used elsewhere";
        chain[out->chain_count++] = ran_value_op(value);
        value = ran_op_operand(ran_value_op(value), 0);
    }
    for (size_t i = 0; i < out->chain_count; i++)
        out->chain[i] = chain[out->chain_count - 1 - i];
    out->conv = ran_match_op(value, RAN_OP_CONV);
    if (!out->conv || !ran_value_constant(ran_op_operand(out->conv, 1)))
        return "no convolution with constant weights stands in front of it";
    if (!ran_value_has_one_use(value))
        return "the convolution is used elsewhere";
    if (site->op->operand_count > 1 && site->op->opcode != RAN_OP_CLIP)
        return "its slopes can't be shared out";
    if (site->y != ran_op_result(site->op, 0))
        return "it is a hybrid activation";
    return NULL;
}

/* C_in = C, equal maps, and either all channels or one a group: slices stay convolutions. */
static bool can_split_input(const layer *l)
{
    const ran_value *x = ran_op_operand(l->conv, 0);
    const ran_tensor *w = ran_value_constant(ran_op_operand(l->conv, 1));
    int64_t group = ran_op_int(l->conv, "group");
    return ran_match_same_type(x, ran_op_result(l->conv, 0)) &&
           ran_tensor_dims(w)[0] == l->channels &&
           ran_dim_is(ran_type_dim(ran_value_type(x), 1), l->channels) &&
           (group == 1 || group == l->channels);
}

/* Both sides are convolutions: what stays of a thinned network, and not the stem of a residual one. */
static bool is_between_convs(const layer *l)
{
    const ran_value *y = l->site->y;
    const ran_op *op = ran_value_has_one_use(y) ? ran_use_op(ran_value_first_use(y)) : NULL;
    if (op && (op->opcode == RAN_OP_MAX_POOL || op->opcode == RAN_OP_AVERAGE_POOL) &&
        ran_value_has_one_use(ran_op_result(op, 0)))
        op = ran_use_op(ran_value_first_use(ran_op_result(op, 0)));
    return op && op->opcode == RAN_OP_CONV;
}

/* ---- Divisions ---------------------------------------------------------------------------------------- */

static bool divide_plain(form *f, int64_t channels, int64_t n)
{
    int64_t width = channels / n;
    if (width < 1 || n > GROUPS_MAX)
        return false;
    for (int64_t i = 0; i < n; i++)
        f->divisions[f->count++] =
            (division){.first = i * width,
                       .count = i == n - 1 ? channels - i * width : width,
                       .has_relu = i == n - 1};
    return true;
}

/* R is rounded up where N does not divide. */
static bool divide(form *f, int64_t channels, int64_t n)
{
    int64_t passing = channels / 4, reused = (channels + n - 1) / n;
    int64_t rest = channels - passing - reused;
    if (passing < 1 || rest < 1)
        return false;
    f->divisions[0] = (division){.first = 0, .count = passing, .passes = true};
    f->divisions[1] = (division){.first = passing, .count = reused, .has_relu = true};
    f->divisions[2] = (division){.first = passing + reused, .count = rest};
    f->count = 3;
    return true;
}

/* ---- Building -------------------------------------------------------------------------------------------- */

typedef struct build {
    ran_pass_context *pass;
    const layer *layer;
    const form *form;
    ran_op *before;
} build;

static ran_value *slice(const build *b, ran_value *x, int64_t first, int64_t count)
{
    int64_t end = first + count;
    ran_value *operands[] = {x, ran_new_ints(b->before, &first, 1),
                             ran_new_ints(b->before, &end, 1),
                             ran_new_ints(b->before, &(int64_t){1}, 1)};
    return ran_finish_op(b->pass, ran_new_op(b->before, RAN_OP_SLICE, 4, operands));
}

static int64_t channels_of(const ran_value *value)
{
    return ran_type_extent(ran_value_type(value), 1);
}

static ran_value *pad_channels(const build *b, ran_value *z, int64_t count)
{
    int64_t pads[2 * RAN_MAX_RANK] = {0};
    int rank = ran_type_rank(ran_value_type(z));
    pads[rank + 1] = count - channels_of(z);
    ran_value *operands[] = {z, ran_new_ints(b->before, pads, (size_t)(2 * rank))};
    return ran_finish_op(b->pass, ran_new_op(b->before, RAN_OP_PAD, 2, operands));
}

/* A 1x1 convolution that begins as the identity on the channels that both sides have. */
static ran_value *pointwise(const build *b, ran_value *z, int64_t count, const char *role)
{
    const ran_type *type = ran_value_type(z);
    int rank = ran_type_rank(type);
    int64_t dims[RAN_MAX_RANK] = {count, channels_of(z)};
    for (int axis = 2; axis < rank; axis++)
        dims[axis] = 1;
    ran_tensor *eye = ran_tensor_create(ran_type_elem(type), rank, dims);
    for (int64_t i = 0; i < count && i < dims[1]; i++)
        ran_tensor_set_f64(eye, i * dims[1] + i, 1);
    const char *name =
        ran_intern_printf(ran_pass_ir(b->pass), "%s.%s", b->layer->site->name, role);
    ran_value *operands[] = {z, ran_new_constant(b->before, name, eye)};
    return ran_finish_op(b->pass, ran_new_op(b->before, RAN_OP_CONV, 2, operands));
}

/* t(z) */
static ran_value *transfer(const build *b, ran_value *z, int64_t count)
{
    if (b->form->learned)
        return pointwise(b, z, count, "transfer");
    if (channels_of(z) > count)
        return slice(b, z, 0, count);
    return channels_of(z) < count ? pad_channels(b, z, count) : z;
}

static ran_value *take_constant(const build *b, const ran_op *op, size_t index,
                                const ran_channels *channels)
{
    ran_value *constant = ran_op_operand(op, index);
    int axis = ran_channels_axis_of(op, constant, 1);
    if (axis < 0)
        return constant;
    return ran_channels_take(b->before, constant, axis, channels, 0, 0);
}

/* The convolution within its own width, and the ops behind it. */
static ran_value *narrow_conv(const build *b, ran_value *x, const ran_channels *channels)
{
    ran_op *conv = ran_copy_op(b->before, b->layer->conv);
    ran_value *weight = ran_op_operand(conv, 1), *bias = ran_op_operand(conv, 2);
    weight = ran_channels_take(b->before, weight, 0, channels, 0, 0);
    if (ran_op_int(conv, "group") == 1)
        weight = ran_channels_take(b->before, weight, 1, channels, 0, 0);
    else
        ran_op_set_int(conv, "group", channels->count);
    ran_op_set_operand(conv, 0, x);
    ran_op_set_operand(conv, 1, weight);
    if (bias)
        ran_op_set_operand(conv, 2, ran_channels_take(b->before, bias, 0, channels, 0, 0));
    ran_value *y = ran_finish_op(b->pass, conv);
    for (size_t i = 0; i < b->layer->chain_count; i++) {
        ran_op *op = ran_copy_op(b->before, b->layer->chain[i]);
        ran_op_set_operand(op, 0, y);
        for (size_t k = 1; k < op->operand_count; k++)
            ran_op_set_operand(op, k, take_constant(b, op, k, channels));
        y = ran_finish_op(b->pass, op);
    }
    return y;
}

static ran_value *activate(const build *b, ran_value *x)
{
    ran_op *op = ran_copy_op(b->before, b->layer->site->op);
    ran_op_set_operand(op, 0, x);
    return ran_finish_op(b->pass, op);
}

/* What one division gives; `previous` is what the one in front of it gave. */
static ran_value *build_division(const build *b, const division *d, ran_value *source,
                                 ran_value *previous)
{
    ran_value *x = slice(b, source, d->first, d->count);
    if (d->passes)
        return x;
    if (previous && b->form->shortcut)
        x = ran_new_binary(b->pass, b->before, RAN_OP_ADD, x, transfer(b, previous, d->count));
    if (b->layer->splits_input) {
        ran_channels channels = ran_channels_range(b->pass, d->first, d->count);
        x = narrow_conv(b, x, &channels);
    }
    return d->has_relu ? activate(b, x) : x;
}

static void rewrite(ran_pass_context *pass, const layer *l, const form *f)
{
    build b = {pass, l, f, l->site->op};
    ran_value *parts[GROUPS_MAX], *previous = NULL;
    ran_value *source = ran_op_operand(l->splits_input ? l->conv : l->site->op, 0);
    for (size_t i = 0; i < f->count; i++)
        previous = parts[i] = build_division(&b, &f->divisions[i], source, previous);
    ran_op *concat = ran_new_op(b.before, RAN_OP_CONCAT, f->count, parts);
    ran_op_set_int(concat, "axis", 1);
    ran_value *y = ran_finish_op(pass, concat);
    if (f->mix)
        y = pointwise(&b, y, l->channels, "mix");
    ran_value_replace_uses(l->site->y, y);
    ran_erase_dead(l->site->op);
}

/* ---- The pass ------------------------------------------------------------------------------------------------ */

static ran_status reuse(ran_pass_context *pass, ran_site *site, int64_t n)
{
    layer l;
    const char *reason = match_layer(site, &l);
    const char *split = ran_pass_string(pass, "split"), *learned = ran_pass_string(pass, "transfer");
    bool is_plain = n == 2 || ran_pass_bool(pass, "plain");
    form f = {.shortcut = ran_pass_bool(pass, "shortcut"),
              .learned = !strcmp(learned, "learned"),
              .mix = ran_pass_bool(pass, "mix")};
    if (!reason && strcmp(split, "output"))
        l.splits_input = can_split_input(&l);
    if (!reason && !strcmp(split, "input") && !l.splits_input)
        reason = "its convolution changes the channels or the map";
    if (!reason && !(is_plain ? divide_plain(&f, l.channels, n) : divide(&f, l.channels, n)))
        reason = "it has too few channels";
    if (reason) {
        ran_pass_remark(pass, "%s: left, because %s", site->name, reason);
        ran_pass_observe(pass, "left", 1);
        return RAN_OK;
    }
    ran_pass_remark(pass, "%s: %s split of %lld channels", site->name,
                    l.splits_input ? "input" : "output", (long long)l.channels);
    ran_pass_count(pass, l.splits_input ? "input" : "output", 1);
    rewrite(pass, &l, &f);
    return RAN_OK;
}

static bool is_default_choice(const ran_site *site)
{
    layer l;
    return !site->is_gate && !match_layer(site, &l) && is_between_convs(&l);
}

static ran_status select_layers(ran_pass_context *pass, ran_function *function, ran_sites *sites)
{
    const char *spec = ran_pass_string(pass, "spec");
    ran_status status =
        ran_sites_select_layers(pass, function, strcmp(spec, "auto") ? spec : "all", sites);
    for (size_t i = 0; !status && !strcmp(spec, "auto") && i < sites->count; i++)
        sites->sites[i].linear[0] = is_default_choice(&sites->sites[i]);
    return status;
}

ran_status ran_run_relu_reuse(ran_pass_context *pass, ran_function *function)
{
    ran_sites sites;
    int64_t n = ran_pass_int(pass, "n");
    if (!ran_function_is_entry(function))
        return RAN_OK;
    if (n < 2)
        return ran_error(ran_pass_ir(pass), RAN_USAGE,
                         "pass 'relu-reuse': n=%lld: the ReLUs stay on one of n parts, n from 2 on",
                         (long long)n);
    ran_sites_find(pass, function, &sites);
    ran_status status = select_layers(pass, function, &sites);
    bool before = pass->changed;
    pass->changed = false;
    for (size_t i = 0; !status && i < sites.count; i++)
        if (ran_site_is_selected(&sites.sites[i]))
            status = reuse(pass, &sites.sites[i], n);
    if (!status && !pass->changed)
        return ran_error(ran_pass_ir(pass), RAN_UNSUPPORTED,
                         "pass 'relu-reuse': no selected activation stands behind a convolution of "
                         "enough channels; --stats says why each was left");
    pass->changed |= before;
    return status;
}
