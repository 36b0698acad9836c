/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A sequence of linear ops is one linear op:
 *
 *   %1 = conv %x, @expand, @b1                       %1 = conv %x, @w
 *   %2 = conv %1, @depthwise, @b2 {pads = 1}     =>  %2 = add %1, @table
 *   %3 = conv %2, @project, @b3
 *   %4 = add %3, %x
 *
 * Any maximal sequence (passes/linear/chain.h), and every contiguous part of one, is a candidate. The
 * partition of the sequence with the least predicted time is taken, by dynamic programming: best[j] =
 * min over i of best[i] + time of links [i, j) as one layer. Sums of branches are links, whose
 * branches are partitioned in turn when the sum as a whole is not one layer. Fewer MACs are not the
 * measure: one dense 3x3 may have more of them than the three layers and still take less time.
 *
 * Why not greedily from the left: joining two layers may pay only with a third (an expansion alone
 * with its depthwise layer is a large dense convolution; with the projection it is a small one).
 *
 * Weights are composed in f64 and stored once in the type of the data. Padding stays exact (methods:
 * 5.6): where only the bias differs near the border, a table of it is added, or an input channel of
 * ones is; where the linear part differs too, only the interior is collapsed.
 * Needs clean use counts. Terminates: each chain is looked at once, what comes out is not again.
 * Known misses: layers that commute with a pool between them; reshapes between linear ops.
 * Source: Double-Win NAS, equations 3, 4, 13, 14; RAN, section 3.
 */
#include "ir/cost.h"
#include "ir/map.h"
#include "passes/linear/error.h"

#include <stdlib.h>
#include <string.h>

static const double infinite = 1e300;
/* In mode `always` fewer pieces win over time. */
static const double piece = 1e6;

typedef struct settings {
    bool always, duplicate;
    const char *border;
    double range;
    int64_t limit;
} settings;

typedef struct collapse {
    ran_pass_context *pass;
    settings settings;
    const ran_cost_model *model;
    ran_module *scratch;
    ran_region *region;
    ran_map done;
    size_t chains;
} collapse;

/* How links [begin, end) of a chain are computed. */
typedef struct segment {
    size_t begin, end;
    bool collapsed;
    ran_border_form form;
    ran_layer shape;
    double seconds, before; /* predicted; of the links as they were */
} segment;

/* The best partition of a chain. */
typedef struct plan {
    double seconds, before; /* predicted; -1: not known */
    segment *segments;
    size_t count;
    segment whole;          /* all links as one layer, where that can be said */
    struct plan *branches;  /* [links][2], of sums that stay */
} plan;

/* ---- Prices ------------------------------------------------------------------------------------------ */

static double or_infinite(double seconds)
{
    return seconds < 0 ? infinite : seconds;
}

static double price_function(const collapse *c)
{
    double total = 0;
    RAN_FOR_OPS (c->region, op)
        total += or_infinite(ran_cost_seconds(c->model, op));
    return total;
}

static void clear_scratch(const collapse *c)
{
    while (ran_region_last(c->region))
        ran_op_erase(ran_region_last(c->region));
    while (ran_region_argument_count(c->region))
        ran_region_remove_argument(c->region, ran_region_argument_count(c->region) - 1);
    ran_module_drop_unused_constants(c->scratch);
}

static double price_collapsed(const collapse *c, const ran_chain *chain, const segment *s)
{
    ran_link *links = chain->links + s->begin;
    const ran_type *type = ran_value_type(links[0].input);
    ran_emitter e = ran_emitter_at_end(c->pass, c->region, ran_type_elem(type), chain, true);
    ran_value *x = ran_region_add_argument(c->region, "x", type);
    ran_value *y =
        ran_emit_collapsed(&e, chain, links, s->end - s->begin, &s->shape, s->form, x);
    double seconds = y ? price_function(c) : infinite;
    clear_scratch(c);
    return seconds;
}

/* ---- Forms ---------------------------------------------------------------------------------------------- */

/* Whether the sizes along the axes that differ near the border are known. */
static bool has_sizes(const ran_chain *chain, const ran_value *x, const ran_layer *shape)
{
    int64_t extent[RAN_LAYER_AXES];
    ran_chain_extents(chain, x, extent);
    for (int i = 0; i < shape->spatial; i++)
        if ((shape->varies[i] || shape->inexact[i]) && extent[i] < 0)
            return false;
    return true;
}

static ran_border_form bias_form(const settings *s, bool sizes, bool ones)
{
    if (ones && (!sizes || !strcmp(s->border, "ones")))
        return RAN_BORDER_ONES;
    return sizes ? RAN_BORDER_TABLE : RAN_BORDER_REFUSED;
}

static ran_border_form choose_form(const settings *s, const ran_chain *chain, const segment *part)
{
    const ran_link *links = chain->links + part->begin;
    size_t count = part->end - part->begin;
    const ran_layer *shape = &part->shape;
    bool exact = ran_layer_is_exact(shape), sizes = has_sizes(chain, links[0].input, shape);
    bool map = ran_links_have_map(links, count);
    if (exact && !ran_layer_varies(shape))
        return RAN_BORDER_NONE;
    if (!strcmp(s->border, "ignore") && !map && !shape->transposed)
        return exact || s->range > 0 || ran_value_range(links[0].input) > 0 ? RAN_BORDER_IGNORE
                                                                             : RAN_BORDER_REFUSED;
    bool tiles = sizes && !map && !shape->transposed;
    if (!exact)
        return tiles ? RAN_BORDER_TILES : RAN_BORDER_REFUSED;
    if (tiles && !strcmp(s->border, "tile"))
        return RAN_BORDER_TILES;
    return bias_form(s, sizes, ran_links_take_ones(links, count));
}

/* ---- Partitions --------------------------------------------------------------------------------------------- */

static void make_plan(collapse *c, const ran_chain *chain, plan *out);

/* A link as it is; of a sum, with its branches at their best. */
static double price_kept(collapse *c, const ran_chain *chain, size_t index, plan *out)
{
    const ran_link *link = &chain->links[index];
    double seconds = or_infinite(ran_cost_seconds(c->model, link->op));
    for (int i = 0; link->branches && i < 2; i++) {
        plan *branch = &out->branches[2 * index + (size_t)i];
        make_plan(c, &link->branches[i], branch);
        seconds += branch->seconds + (c->settings.always ? piece * (double)branch->count : 0);
    }
    return seconds;
}

static double price_before(const collapse *c, const plan *p, const ran_chain *chain, size_t index)
{
    double seconds = or_infinite(ran_cost_seconds(c->model, chain->links[index].op));
    for (int i = 0; chain->links[index].branches && i < 2; i++)
        seconds += p->branches[2 * index + (size_t)i].before;
    return seconds;
}

/* What has to be computed all the same because others read it. */
static double duplicated(const ran_chain *chain, const double *before, size_t begin, size_t end)
{
    double seconds = 0, total = 0;
    for (size_t i = begin; i + 1 < end; i++) {
        seconds += before[i];
        if (chain->links[i].shared)
            total = seconds;
    }
    return total;
}

/* A product and the addition of its bias are what would be emitted. */
static bool is_biased_product(const ran_chain *chain, const segment *s)
{
    const ran_link *link = &chain->links[s->begin];
    return s->end - s->begin == 2 && link[0].op->opcode == RAN_OP_MATMUL &&
           (link[1].op->opcode == RAN_OP_ADD || link[1].op->opcode == RAN_OP_SUB) &&
           !link[1].branches;
}

/* What multiplies and adds by channel fuses into its neighbours as it is: nothing to gain. */
static bool is_candidate(const collapse *c, const ran_chain *chain, const segment *s)
{
    bool sum = chain->links[s->begin].branches != NULL;
    bool worthwhile = (c->settings.always || !ran_layer_is_depthwise_pointwise(&s->shape)) &&
                      !is_biased_product(chain, s);
    return (s->end - s->begin > 1 || sum) && worthwhile && s->form != RAN_BORDER_REFUSED &&
           ran_layer_weight_count(&s->shape) <= c->settings.limit;
}

/* Links [begin, end + 1) from links [begin, end). */
static bool extend(const ran_chain *chain, segment *s)
{
    const ran_link *link = &chain->links[s->end];
    ran_layer composed;
    if (!link->collapsible)
        return false;
    if (s->end == s->begin)
        composed = link->shape;
    else if (!ran_layer_compose(&s->shape, &link->shape, &composed))
        return false;
    s->shape = composed;
    s->end++;
    return true;
}

/* Equal is not better: rounding may tip the scales. */
static const double margin = 1.001;

static void relax(segment *best, const segment *s, double seconds)
{
    if (seconds < best->seconds) {
        *best = *s;
        best->seconds = seconds;
    }
}

/* best[j]: the last segment of the best partition of links [0, j), and the time of all of it. */
static void try_from(collapse *c, const ran_chain *chain, size_t begin, const double *kept,
                     const double *before, segment *best, plan *out)
{
    double weight = c->settings.always ? piece : 0, start = best[begin].seconds;
    segment s = {.begin = begin, .end = begin + 1};
    relax(&best[begin + 1], &s, start + weight + kept[begin]);
    s.end = begin;
    while (s.end < chain->count && extend(chain, &s)) {
        s.form = choose_form(&c->settings, chain, &s);
        s.collapsed = is_candidate(c, chain, &s);
        double seconds = s.collapsed ? margin * price_collapsed(c, chain, &s) : infinite;
        seconds += duplicated(chain, before, s.begin, s.end);
        s.collapsed = seconds < infinite;
        if (s.collapsed)
            relax(&best[s.end], &s, start + weight + seconds);
        if (s.begin == 0 && s.end == chain->count) {
            out->whole = s;
            out->whole.seconds = seconds;
        }
    }
}

static double pieces_inside(const ran_chain *chain, const plan *p, size_t index)
{
    double pieces = 0;
    for (int i = 0; chain->links[index].branches && i < 2; i++)
        pieces += piece * (double)p->branches[2 * index + (size_t)i].count;
    return pieces;
}

static void trace(collapse *c, const ran_chain *chain, const segment *best, const double *before,
                  plan *out)
{
    double weight = c->settings.always ? piece : 0;
    for (size_t j = chain->count; j > 0; j = best[j].begin)
        out->count++;
    out->segments = ran_pass_alloc(c->pass, out->count * sizeof(*out->segments));
    size_t at = out->count;
    for (size_t j = chain->count; j > 0; j = best[j].begin) {
        segment *s = &out->segments[--at];
        *s = best[j];
        s->seconds = (best[j].seconds - best[s->begin].seconds - weight) /
                     (s->collapsed ? margin : 1);
        if (!s->collapsed && c->settings.always)
            s->seconds -= pieces_inside(chain, out, s->begin);
        for (size_t i = s->begin; i < s->end; i++)
            s->before += before[i];
    }
}

static void make_plan(collapse *c, const ran_chain *chain, plan *out)
{
    size_t n = chain->count;
    double *kept = ran_pass_alloc(c->pass, (n + 1) * sizeof(*kept));
    double *before = ran_pass_alloc(c->pass, (n + 1) * sizeof(*before));
    segment *best = ran_pass_alloc(c->pass, (n + 1) * sizeof(*best));
    *out = (plan){.whole = {.form = RAN_BORDER_REFUSED, .seconds = infinite}};
    out->branches = ran_pass_alloc(c->pass, 2 * (n + 1) * sizeof(*out->branches));
    for (size_t i = 0; i < n; i++) {
        kept[i] = price_kept(c, chain, i, out);
        before[i] = price_before(c, out, chain, i);
        best[i + 1].seconds = 2 * infinite;
        out->before += before[i];
    }
    for (size_t i = 0; i < n; i++)
        try_from(c, chain, i, kept, before, best, out);
    trace(c, chain, best, before, out);
    for (size_t i = 0; i < out->count; i++)
        out->seconds += out->segments[i].seconds;
}

/* ---- Verdicts ------------------------------------------------------------------------------------------------- */

static const char *node_name(const ran_link *link, bool first)
{
    /* A sum begins with what its longer branch begins with. */
    for (; first && link->branches; link = link->branches[0].count ? link->branches[0].links
                                                                   : link->branches[1].links)
        if (!link->branches[0].count && !link->branches[1].count)
            break;
    const char *name = link->op->location ? ran_location_name(link->op->location) : NULL;
    if (!name || !*name)
        name = ran_value_name(ran_link_value(link));
    return name && *name ? name : ran_opcode_name(link->op->opcode);
}

static const char *range_text(const collapse *c, const ran_chain *chain, const segment *s)
{
    return ran_intern_printf(ran_pass_ir(c->pass), "%s .. %s (%zu ops)",
                             node_name(&chain->links[s->begin], true),
                             node_name(&chain->links[s->end - 1], false),
                             ran_links_ops(chain->links + s->begin, s->end - s->begin));
}

static const char *layer_text(const collapse *c, const ran_chain *chain, const ran_layer *l)
{
    char kernel[80] = "product", stride[80] = "";
    size_t at = 0, to = 0;
    for (int i = 0; i < l->spatial; i++) {
        at += (size_t)snprintf(kernel + at, sizeof(kernel) - at, "%s%lld", i ? "x" : "",
                               (long long)l->kernel[i]);
        to += (size_t)snprintf(stride + to, sizeof(stride) - to, "%s%lld", i ? "x" : " stride ",
                               (long long)l->stride[i]);
    }
    return ran_intern_printf(ran_pass_ir(c->pass), "%s %lld -> %lld%s%s", kernel,
                             (long long)l->in, (long long)l->out,
                             l->groups > 1 ? " grouped" : "", chain->last ? "" : stride);
}

static const char *why_refused(const collapse *c, const ran_chain *chain, const plan *p)
{
    const ran_link *links = chain->links;
    if (!strcmp(c->settings.border, "ignore") && !ran_links_have_map(links, chain->count) &&
        !p->whole.shape.transposed)
        return "what the border would be off by has no bound without the range of inputs (range=)";
    return has_sizes(chain, links[0].input, &p->whole.shape)
               ? "no exact form at the border"
               : "no exact form at the border (symbolic sizes)";
}

static void report_kept(collapse *c, const ran_chain *chain, const plan *p)
{
    segment all = {.begin = 0, .end = chain->count};
    const char *model = ran_cost_model_name(c->model);
    if (p->whole.end != chain->count)
        ran_pass_remark(c->pass, "%s stay: they do not make one layer; predicted %.2f us (%s)",
                        range_text(c, chain, &all), 1e6 * p->before, model);
    else if (p->whole.form == RAN_BORDER_REFUSED)
        ran_pass_remark(c->pass, "%s stay: %s; predicted %.2f us (%s)",
                        range_text(c, chain, &all), why_refused(c, chain, p), 1e6 * p->before,
                        model);
    else if (ran_layer_weight_count(&p->whole.shape) > c->settings.limit)
        ran_pass_remark(c->pass, "%s stay: one layer would have %lld weights",
                        range_text(c, chain, &all),
                        (long long)ran_layer_weight_count(&p->whole.shape));
    else if (ran_layer_is_depthwise_pointwise(&p->whole.shape))
        ran_pass_remark(c->pass, "%s stay: by channel, they fuse as they are",
                        range_text(c, chain, &all));
    else if (p->whole.seconds >= infinite)
        ran_pass_remark(c->pass, "%s stay: the map is smaller than the windows' border",
                        range_text(c, chain, &all));
    else
        ran_pass_remark(c->pass, "%s stay: predicted %.2f us, as one layer (%s, %s) %.2f us (%s)",
                        range_text(c, chain, &all), 1e6 * p->before,
                        layer_text(c, chain, &p->whole.shape),
                        ran_border_form_name(p->whole.form), 1e6 * p->whole.seconds, model);
    ran_pass_observe(c->pass, "kept", 1);
}

static void report_collapsed(collapse *c, const ran_chain *chain, const segment *s,
                             const ran_layer *layer)
{
    ran_link *links = chain->links + s->begin;
    size_t count = s->end - s->begin;
    if (!ran_pass_wants_remarks(c->pass))
        return;
    double error = ran_links_measure(c->pass, chain, links, count, layer, s->form);
    const char *measured =
        error < 0 ? "not measured"
                  : ran_intern_printf(ran_pass_ir(c->pass), "measured %.2g of the largest", error);
    ran_pass_remark(c->pass,
                    "%s -> %s, %s: predicted %.2f us instead of %.2f us (%s); rounding at most %.2g "
                    "for inputs up to 1, %s",
                    range_text(c, chain, s), layer_text(c, chain, layer),
                    ran_border_form_name(s->form), 1e6 * s->seconds, 1e6 * s->before,
                    ran_cost_model_name(c->model),
                    ran_links_rounding_bound(c->pass, chain, links, count), measured);
}

/* Said always: the result is another function. */
static void report_ignored(collapse *c, const ran_chain *chain, const segment *s)
{
    const ran_link *links = chain->links + s->begin;
    double range = c->settings.range > 0 ? c->settings.range : ran_value_range(links[0].input);
    double bound = ran_links_border_bound(c->pass, chain, links, s->end - s->begin, links[0].input,
                                          range > 0 ? range : 0);
    if (range > 0)
        ran_note(ran_pass_ir(c->pass),
                 "%s: collapsed without its border: results there are off by up to %g for inputs of "
                 "at most %g",
                 range_text(c, chain, s), bound, range);
    else
        ran_note(ran_pass_ir(c->pass),
                 "%s: collapsed without its border: results there are off by up to %g",
                 range_text(c, chain, s), bound);
    ran_pass_count(c->pass, "ignored", 1);
}

/* ---- Rewriting -------------------------------------------------------------------------------------------------- */

static void count_form(collapse *c, const ran_chain *chain, const segment *s)
{
    static const char *const counters[] = {[RAN_BORDER_TABLE] = "tables", [RAN_BORDER_ONES] = "ones",
                                           [RAN_BORDER_TILES] = "tiles", [RAN_BORDER_REFUSED] = NULL};
    ran_pass_count(c->pass, "layers", 1);
    ran_pass_count(c->pass, "ops",
                   (int64_t)ran_links_ops(chain->links + s->begin, s->end - s->begin));
    if (counters[s->form])
        ran_pass_count(c->pass, counters[s->form], 1);
}

static void fuse_location(void *data, ran_op *op)
{
    ran_emitter *e = data;
    e->location = ran_location_fuse(ran_pass_ir(e->pass), e->location, op->location);
}

/* Where every bias is the same after all, one op is enough; the map decides, not the shape. */
static void settle_form(collapse *c, const ran_chain *chain, segment *s, ran_layer *layer,
                        const ran_value *x)
{
    int64_t extent[RAN_LAYER_AXES];
    ran_bias_map map;
    if (s->form != RAN_BORDER_TABLE)
        return;
    ran_chain_extents(chain, x, extent);
    if (!ran_links_bias(c->pass, chain, chain->links + s->begin, s->end - s->begin, extent, &map))
        return;
    if (ran_bias_map_is_uniform(&map)) {
        s->form = RAN_BORDER_NONE;
        free(layer->bias);
        layer->bias = map.values;
        layer->biased = true;
        map.values = NULL;
    }
    ran_bias_map_clear(&map);
}

static void mark_new(collapse *c, const ran_op *before, const ran_op *until)
{
    for (const ran_op *op = before; op != until; op = op->next)
        ran_map_insert(&c->done, op, 0, &(bool){false});
}

static ran_value *collapse_segment(collapse *c, const ran_chain *chain, segment *s, ran_value *x)
{
    ran_link *links = chain->links + s->begin, *last = &chain->links[s->end - 1];
    size_t count = s->end - s->begin;
    ran_layer layer;
    ran_emitter e = ran_emitter_before(c->pass, last->op, chain);
    e.location = NULL;
    ran_links_visit(links, count, fuse_location, &e);
    ran_links_load(c->pass, chain, links, count, s->form == RAN_BORDER_ONES, &layer);
    settle_form(c, chain, s, &layer, x);
    const ran_op *previous = last->op->prev;
    ran_value *y = ran_emit_collapsed(&e, chain, links, count, &layer, s->form, x);
    RAN_ASSERT(ran_pass_ir(c->pass), y && ran_match_same_type(y, ran_link_value(last)));
    mark_new(c, previous ? previous->next : last->op->parent->first, last->op);
    report_collapsed(c, chain, s, &layer);
    if (s->form == RAN_BORDER_IGNORE)
        report_ignored(c, chain, s);
    count_form(c, chain, s);
    ran_layer_clear(&layer);
    if (!y->name && y->kind == RAN_VALUE_RESULT)
        ran_value_set_name(y, last->op->results[0].name);
    ran_value_replace_uses(ran_link_value(last), y);
    return y;
}

static ran_value *apply_plan(collapse *c, const ran_chain *chain, plan *p, ran_value *x);

static void apply_branches(collapse *c, const ran_link *link, plan *branches, ran_value *x)
{
    for (int i = 0; link->branches && i < 2; i++)
        apply_plan(c, &link->branches[i], &branches[i], x);
}

/* From the input on: what a segment reads may have been replaced just before. */
static ran_value *apply_plan(collapse *c, const ran_chain *chain, plan *p, ran_value *x)
{
    for (size_t n = 0; n < p->count; n++) {
        segment *s = &p->segments[n];
        ran_op *last = chain->links[s->end - 1].op;
        if (s->collapsed) {
            x = collapse_segment(c, chain, s, x);
            ran_erase_dead(last);
        } else {
            apply_branches(c, &chain->links[s->begin], &p->branches[2 * s->begin], x);
            x = &last->results[0];
        }
    }
    return x;
}

static bool changes(const ran_chain *chain, const plan *p)
{
    for (size_t n = 0; n < p->count; n++) {
        const segment *s = &p->segments[n];
        const ran_link *link = &chain->links[s->begin];
        if (s->collapsed)
            return true;
        for (int i = 0; link->branches && i < 2; i++)
            if (changes(&link->branches[i], &p->branches[2 * s->begin + (size_t)i]))
                return true;
    }
    return false;
}

static void mark_done(void *data, ran_op *op)
{
    ran_map_insert(data, op, 0, &(bool){false});
}

/* Ops in front of a value that others read may end a chain of their own. */
static void mark_chain(collapse *c, const ran_chain *chain)
{
    size_t first = chain->count;
    while (first > 0 && !(first < chain->count && chain->links[first - 1].shared))
        first--;
    ran_links_visit(chain->links + first, chain->count - first, mark_done, &c->done);
}

static void treat_chain(collapse *c, const ran_chain *chain)
{
    plan p;
    mark_chain(c, chain);
    if (chain->count < 2 && !chain->links[0].branches)
        return;
    if (chain->count == 2 && is_biased_product(chain, &(segment){.begin = 0, .end = 2}))
        return;
    ran_pass_observe(c->pass, "chains", 1);
    c->chains++;
    make_plan(c, chain, &p);
    if (!changes(chain, &p)) {
        report_kept(c, chain, &p);
        return;
    }
    ran_pass_remark(c->pass, "%s: %zu pieces, predicted %.2f us instead of %.2f us (%s)",
                    range_text(c, chain, &(segment){.begin = 0, .end = chain->count}), p.count,
                    1e6 * p.seconds, 1e6 * p.before, ran_cost_model_name(c->model));
    apply_plan(c, chain, &p, chain->input);
}

/* ---- The pass ------------------------------------------------------------------------------------------------------ */

static size_t count_ops(const ran_region *region)
{
    size_t count = 0;
    RAN_FOR_OPS (region, op) {
        count++;
        for (size_t i = 0; i < op->region_count; i++)
            count += count_ops(op->regions[i]);
    }
    return count;
}

static void list_ops(ran_region *region, ran_op **ops, size_t *count)
{
    RAN_FOR_OPS (region, op) {
        for (size_t i = 0; i < op->region_count; i++)
            list_ops(op->regions[i], ops, count);
        ops[(*count)++] = op;
    }
}

/* From the end: a chain is found at its last op. */
static void treat_function(collapse *c, ran_function *function)
{
    ran_region *body = ran_function_body(function);
    size_t count = 0;
    c->chains = 0;
    ran_op **ops = ran_pass_alloc(c->pass, (count_ops(body) + 1) * sizeof(*ops));
    list_ops(body, ops, &count);
    while (count-- > 0) {
        ran_chain chain;
        ran_op *op = ops[count];
        if (!op->parent || op->result_count != 1 || ran_map_find(&c->done, op, 0) ||
            !ran_chain_find(c->pass, &op->results[0], c->settings.duplicate, &chain))
            continue;
        treat_chain(c, &chain);
    }
    if (!c->chains)
        ran_pass_remark(c->pass, "%s has no two linear ops in sequence", ran_function_name(function));
}

ran_status ran_run_collapse_linear(ran_pass_context *pass, ran_function *function)
{
    const char *mode = ran_pass_string(pass, "mode");
    if (!strcmp(mode, "never"))
        return RAN_OK;
    collapse c = {.pass = pass, .model = ran_pass_cost_model(pass)};
    c.settings = (settings){.always = !strcmp(mode, "always"),
                            .duplicate = ran_pass_bool(pass, "duplicate"),
                            .border = ran_pass_string(pass, "border"),
                            .range = ran_pass_float(pass, "range"),
                            .limit = ran_pass_int(pass, "limit")};
    c.scratch = ran_module_create(ran_pass_ir(pass));
    c.region = ran_function_body(ran_function_create(c.scratch, "prices"));
    treat_function(&c, function);
    ran_map_clear(&c.done);
    ran_module_destroy(c.scratch);
    ran_module_drop_unused_constants(ran_function_module(function));
    return RAN_OK;
}
