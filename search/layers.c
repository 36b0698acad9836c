/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/layers.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "ir/ir.h"
#include "ir/map.h"

/* ---- Segments: what lies between two moments at which one value alone is alive
 * -------------------- */

typedef enum item_kind {
    ITEM_POINTWISE, /* convolutions */
    ITEM_DEPTHWISE,
    ITEM_CONV,
    ITEM_NORM,
    ITEM_ACTIVATION,
    ITEM_GATE,     /* x times a function of x: squeeze and excitation, SiLU in parts */
    ITEM_RESIDUAL, /* branches that an addition joins */
    ITEM_OTHER,
} item_kind;

typedef struct item {
    item_kind kind;
    ran_value *input, *output;
    ran_op **ops;
    size_t op_count;
} item;

typedef struct items {
    item *items;
    size_t count;
} items;

static bool is_computed(const ran_value *value)
{
    return value && !ran_value_constant(value);
}

/* Position of the last op that reads a value; the terminator counts. */
static size_t last_use(const ran_value *value, ran_op *const *ops, size_t count)
{
    const ran_op *last = NULL;
    for (ran_use *use = ran_value_first_use(value); use; use = ran_use_next(use)) {
        ran_op *user = ran_use_op(use);
        while (ran_region_parent_op(ran_op_parent(user)))
            user = ran_region_parent_op(ran_op_parent(user));
        if (!last || ran_op_is_before(last, user))
            last = user;
    }
    for (size_t i = count; last && i-- > 0;)
        if (ops[i] == last)
            return i;
    return 0;
}

static bool is_opaque(const ran_op *op)
{
    return ran_op_region_count(op) > 0;
}

static bool is_conv(const ran_op *op)
{
    return ran_op_is(op, RAN_OP_CONV) && ran_value_constant(ran_op_operand(op, 1));
}

static item_kind conv_kind(const ran_op *op)
{
    const ran_type *weights = ran_value_type(ran_op_operand(op, 1));
    if (ran_type_rank(weights) != 4)
        return ITEM_OTHER;
    if (ran_op_int(op, "group") > 1 && ran_type_extent(weights, 1) == 1)
        return ITEM_DEPTHWISE;
    bool point = ran_type_extent(weights, 2) == 1 && ran_type_extent(weights, 3) == 1;
    return point && ran_op_int(op, "group") == 1 ? ITEM_POINTWISE : ITEM_CONV;
}

static size_t computed_operands(const ran_op *op)
{
    size_t count = 0;
    for (size_t i = 0; i < ran_op_operand_count(op); i++)
        count += is_computed(ran_op_operand(op, i));
    return count;
}

static item_kind single_kind(const ran_op *op)
{
    if (is_conv(op))
        return conv_kind(op);
    if (ran_op_is(op, RAN_OP_BATCH_NORMALIZATION) || ran_op_is(op, RAN_OP_IDENTITY) ||
        ran_op_is(op, RAN_OP_DROPOUT))
        return ITEM_NORM;
    if (computed_operands(op) == 1 && ran_opcode_is_elementwise(op->opcode))
        return ran_opcode_has_flag(op->opcode, RAN_FLAG_NONLINEAR) ? ITEM_ACTIVATION : ITEM_NORM;
    return ITEM_OTHER;
}

static bool has_conv(ran_op *const *ops, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (is_conv(ops[i]) || ran_op_is(ops[i], RAN_OP_MATMUL) || ran_op_is(ops[i], RAN_OP_GEMM))
            return true;
    return false;
}

static item_kind segment_kind(ran_op *const *ops, size_t count)
{
    const ran_op *last = ops[count - 1];
    for (size_t i = 0; i < count; i++)
        if (is_opaque(ops[i]))
            return ITEM_OTHER;
    if (count == 1)
        return single_kind(last);
    if (ran_op_is(last, RAN_OP_ADD) && has_conv(ops, count))
        return ITEM_RESIDUAL;
    if (ran_op_is(last, RAN_OP_MUL))
        return ITEM_GATE;
    return has_conv(ops, count) && ran_op_is(last, RAN_OP_CONCAT) ? ITEM_RESIDUAL : ITEM_OTHER;
}

typedef struct sweep {
    ran_arena *arena;
    ran_op **ops;
    size_t count;
    size_t *until; /* how many values die behind each op */
    size_t alive;
    items result;
} sweep;

static void see_value(sweep *s, const ran_value *value)
{
    if (!ran_value_has_uses(value))
        return;
    s->alive++;
    s->until[last_use(value, s->ops, s->count)]++;
}

static void add_item(sweep *s, ran_value *input, size_t begin, size_t end)
{
    ran_value *output = ran_op_result(s->ops[end - 1], 0);
    s->result.items[s->result.count++] = (item){segment_kind(s->ops + begin, end - begin), input,
                                                output, s->ops + begin, end - begin};
}

static items find_items(ran_arena *arena, const ran_function *function)
{
    ran_region *body = ran_function_body(function);
    sweep s = {.arena = arena};
    for (ran_op *op = ran_region_first(body); op; op = ran_op_next(op))
        s.count++;
    s.ops = RAN_ARENA_ARRAY(arena, ran_op *, s.count + 1);
    s.until = RAN_ARENA_ARRAY(arena, size_t, s.count + 1);
    s.result.items = RAN_ARENA_ARRAY(arena, item, s.count + 1);
    size_t at = 0, begin = 0;
    for (ran_op *op = ran_region_first(body); op; op = ran_op_next(op))
        s.ops[at++] = op;
    ran_value *entry = NULL;
    for (size_t i = 0; i < ran_region_argument_count(body); i++) {
        see_value(&s, ran_region_argument(body, i));
        entry = ran_region_argument(body, i);
    }
    if (s.alive != 1)
        entry = NULL;
    for (size_t i = 0; i + 1 < s.count; i++) {
        for (size_t r = 0; r < ran_op_result_count(s.ops[i]); r++)
            see_value(&s, ran_op_result(s.ops[i], r));
        s.alive -= s.until[i];
        if (s.alive != 1 || !ran_value_has_uses(ran_op_result(s.ops[i], 0)))
            continue;
        if (entry)
            add_item(&s, entry, begin, i + 1);
        entry = ran_op_result(s.ops[i], 0);
        begin = i + 1;
    }
    return s.result;
}

/* ---- Groups of items
 * ---------------------------------------------------------------------------------- */

typedef struct group {
    const char *kind;
    size_t begin, end; /* items */
} group;

static bool is_kind(const items *list, size_t at, item_kind kind)
{
    return at < list->count && list->items[at].kind == kind;
}

static size_t skip_norms(const items *list, size_t at)
{
    while (is_kind(list, at, ITEM_NORM))
        at++;
    return at;
}

static bool is_convolution(const items *list, size_t at)
{
    return is_kind(list, at, ITEM_POINTWISE) || is_kind(list, at, ITEM_DEPTHWISE) ||
           is_kind(list, at, ITEM_CONV);
}

/* A convolution with its norm and activation ends there; *out_active: it has an activation. Gates
 * behind it belong to it: SiLU in parts is one, and so is squeeze and excitation. */
static size_t end_of_unit(const items *list, size_t at, bool *out_active)
{
    size_t end = skip_norms(list, at + 1);
    *out_active = false;
    while (is_kind(list, end, ITEM_ACTIVATION) || is_kind(list, end, ITEM_GATE)) {
        *out_active = true;
        end = skip_norms(list, end + 1);
    }
    return end;
}

/* [1x1 expand], depthwise, 1x1 project. */
static bool match_bottleneck(const items *list, size_t at, group *out)
{
    bool active, expands = is_kind(list, at, ITEM_POINTWISE);
    size_t end = expands ? end_of_unit(list, at, &active) : at;
    if (!is_kind(list, end, ITEM_DEPTHWISE))
        return false;
    end = end_of_unit(list, end, &active);
    if (!is_kind(list, end, ITEM_POINTWISE))
        return false;
    end = end_of_unit(list, end, &active);
    const char *kind = active && !expands ? "depthwise separable" : "inverted bottleneck";
    *out = (group){kind, at, end};
    return true;
}

static const char *residual_kind(const item *residual)
{
    bool depthwise = false, point = false, norm = false;
    for (size_t i = 0; i < residual->op_count; i++) {
        const ran_op *op = residual->ops[i];
        depthwise |= is_conv(op) && conv_kind(op) == ITEM_DEPTHWISE;
        point |= is_conv(op) && conv_kind(op) == ITEM_POINTWISE;
        norm |= ran_op_is(op, RAN_OP_LAYER_NORMALIZATION);
    }
    if (depthwise && norm)
        return "ConvNeXt block";
    if (depthwise && point)
        return "inverted bottleneck";
    return ran_op_is(residual->ops[residual->op_count - 1], RAN_OP_CONCAT) ? "region"
                                                                           : "residual block";
}

static bool match_group(const items *list, size_t at, group *out)
{
    bool active;
    if (is_kind(list, at, ITEM_RESIDUAL)) {
        size_t end = skip_norms(list, at + 1);
        *out = (group){residual_kind(&list->items[at]), at,
                       is_kind(list, end, ITEM_ACTIVATION) ? end + 1 : at + 1};
        return true;
    }
    if (match_bottleneck(list, at, out))
        return true;
    if (!is_convolution(list, at))
        return false;
    *out = (group){"conv unit", at, end_of_unit(list, at, &active)};
    return true;
}

/* ---- Layers
 * --------------------------------------------------------------------------------------------- */

static bool is_feature_map(const ran_value *value)
{
    const ran_type *type = ran_value_type(value);
    if (!ran_type_is_tensor(type) || ran_type_rank(type) != 4 ||
        !ran_elem_is_float(ran_type_elem(type)))
        return false;
    for (int axis = 1; axis < 4; axis++)
        if (!ran_dim_is_constant(ran_type_dim(type, axis)))
            return false;
    return true;
}

int64_t ran_layer_extent(const ran_value *value, int axis)
{
    return ran_type_extent(ran_value_type(value), axis);
}

/* 1 or 2, or 0 when the output's map is neither as large as the input's nor half of it. */
static int64_t stride_between(const ran_value *input, const ran_value *output)
{
    if (!is_feature_map(input) || !is_feature_map(output))
        return 0;
    for (int64_t stride = 1; stride <= 2; stride++) {
        bool fits = true;
        for (int axis = 2; axis < 4; axis++)
            fits &= ran_layer_extent(output, axis) ==
                    (ran_layer_extent(input, axis) + stride - 1) / stride;
        if (fits)
            return stride;
    }
    return 0;
}

static void count_layer(ran_layer *layer)
{
    ran_counts counts = {0};
    for (size_t i = 0; i < layer->op_count; i++)
        ran_count_op(layer->ops[i], &counts);
    layer->parameters = counts.parameters;
    layer->macs = counts.macs;
    layer->nonlinear = counts.nonlinear_elements;
}

static const char *op_name(const ran_op *op)
{
    const ran_location *location = ran_op_location(op);
    const char *name = location ? ran_location_name(location) : NULL;
    return name && *name ? name : NULL;
}

/* What the names of all ops begin with, up to a separator; 0 when that is nothing. */
static size_t common_prefix(const ran_layer *layer, const char **out_name)
{
    const char *first = NULL;
    size_t length = 0;
    for (size_t i = 0; i < layer->op_count; i++) {
        const char *name = op_name(layer->ops[i]);
        if (!name)
            continue;
        if (!first) {
            first = name;
            length = strlen(name);
        }
        size_t same = 0;
        while (same < length && name[same] == first[same])
            same++;
        length = same;
    }
    *out_name = first;
    while (length > 0 && !strchr("/.", first[length - 1]))
        length--;
    while (length > 0 && strchr("/.", first[length - 1]))
        length--;
    return length;
}

static const char *conv_name(const ran_layer *layer)
{
    for (size_t i = 0; i < layer->op_count; i++)
        if (is_conv(layer->ops[i]) && op_name(layer->ops[i]))
            return op_name(layer->ops[i]);
    const char *name = ran_value_name(layer->output);
    return name ? name : "layer";
}

static bool is_taken(const ran_layers *layers, const char *name)
{
    for (size_t i = 0; i < layers->count; i++)
        if (!strcmp(layers->layers[i].name, name))
            return true;
    return false;
}

static void name_layer(ran_arena *arena, const ran_layers *layers, ran_layer *layer)
{
    const char *first;
    size_t length = common_prefix(layer, &first);
    const char *source = length ? first : conv_name(layer);
    if (!length)
        length = strlen(source);
    char *name = ran_arena_alloc(arena, length + 16);
    memcpy(name, source, length);
    for (char *c = name; *c; c++)
        if (strchr(" \t#,:", *c))
            *c = '_';
    if (length > 1 && *name == '/') {
        memmove(name, name + 1, length);
        length--;
    }
    for (int suffix = 2; is_taken(layers, name); suffix++)
        snprintf(name + length, 15, ".%d", suffix);
    layer->name = name;
}

/* Plans speak of values by name; IR text may have none. */
static void name_value(ran_value *value, const char *layer, const char *what)
{
    char name[256];
    snprintf(name, sizeof name, "%s.%s", layer, what);
    if (!ran_value_name(value))
        ran_value_set_name(value, name);
}

static void add_layer(ran_arena *arena, const items *list, group g, ran_layers *out)
{
    const item *first = &list->items[g.begin], *last = &list->items[g.end - 1];
    ran_layer layer = {.kind = g.kind, .input = first->input, .output = last->output};
    layer.stride = stride_between(layer.input, layer.output);
    if (!layer.stride)
        return;
    layer.ops = first->ops;
    layer.op_count = (size_t)(last->ops + last->op_count - first->ops);
    bool unit = !strcmp(g.kind, "conv unit");
    layer.is_end = unit && !ran_value_op(layer.input);
    layer.is_chosen = !layer.is_end;
    count_layer(&layer);
    name_layer(arena, out, &layer);
    name_value(layer.input, layer.name, "input");
    name_value(layer.output, layer.name, "output");
    out->layers[out->count++] = layer;
}

void ran_layers_find(ran_arena *arena, const ran_function *function, ran_layers *out_layers)
{
    items list = find_items(arena, function);
    *out_layers = (ran_layers){RAN_ARENA_ARRAY(arena, ran_layer, list.count + 1), 0};
    group g = {0};
    for (size_t at = 0; at < list.count;) {
        if (!match_group(&list, at, &g)) {
            at++;
            continue;
        }
        add_layer(arena, &list, g, out_layers);
        at = g.end;
    }
    /* The head: a pointwise unit at the end of the feature maps. */
    ran_layer *last = out_layers->count ? &out_layers->layers[out_layers->count - 1] : NULL;
    if (last && !strcmp(last->kind, "conv unit") && list.items[g.begin].kind == ITEM_POINTWISE) {
        last->is_end = true;
        last->is_chosen = false;
    }
}

/* ---- The user's choice
 * ------------------------------------------------------------------------------------ */

static size_t choose_term(ran_layers *layers, const char *term)
{
    size_t matched = 0;
    bool kind = !strncmp(term, "kind:", 5);
    for (size_t i = 0; i < layers->count; i++) {
        ran_layer *layer = &layers->layers[i];
        const char *text = kind ? layer->kind : layer->name;
        if (strcmp(term, "all") && fnmatch(kind ? term + 5 : term, text, 0))
            continue;
        layer->is_chosen = true;
        matched++;
    }
    return matched;
}

ran_status ran_layers_choose(ran_context *context, ran_layers *layers, const char *text)
{
    ran_status status = RAN_OK;
    if (!text)
        return RAN_OK;
    for (size_t i = 0; i < layers->count; i++)
        layers->layers[i].is_chosen = false;
    char *copy = strdup(text), *rest;
    if (!copy)
        return ran_error(context, RAN_INVALID, "not enough memory");
    for (char *term = strtok_r(copy, ",", &rest); term; term = strtok_r(NULL, ",", &rest))
        if (!choose_term(layers, term))
            status = ran_error(context, RAN_USAGE,
                               "no layer is called %s; `ran-search layers' shows them", term);
    free(copy);
    if (status == RAN_OK && !ran_layers_chosen(layers))
        status = ran_error(context, RAN_USAGE, "no layer is chosen");
    return status;
}

size_t ran_layers_chosen(const ran_layers *layers)
{
    size_t count = 0;
    for (size_t i = 0; i < layers->count; i++)
        count += layers->layers[i].is_chosen;
    return count;
}
