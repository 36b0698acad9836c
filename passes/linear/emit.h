/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Layers back as ops. Without weights the same ops are built on arguments in place of constants, in
 * a scratch function: that is how candidates are priced without composing anything.
 */
#ifndef PASSES_LINEAR_EMIT_H
#define PASSES_LINEAR_EMIT_H

#include "passes/linear/chain.h"

/* How a collapsed layer meets the border (methods: 5.6). */
typedef enum ran_border_form {
    RAN_BORDER_NONE,   /* one op is exact everywhere */
    RAN_BORDER_TABLE,  /* without a bias, and a constant of the map's size added */
    RAN_BORDER_ONES,   /* one more input channel of ones */
    RAN_BORDER_TILES,  /* the interior collapsed, the border by the layers as they were */
    RAN_BORDER_IGNORE, /* one op, wrong near the border */
    RAN_BORDER_REFUSED,
} ran_border_form;

const char *ran_border_form_name(ran_border_form form);

typedef struct ran_emitter {
    ran_pass_context *pass;
    ran_builder builder;
    ran_region *scratch; /* where arguments stand for constants; NULL: they are made */
    ran_elem elem;
    bool last;
    const ran_location *location;
} ran_emitter;

ran_emitter ran_emitter_before(ran_pass_context *pass, ran_op *op, const ran_chain *chain);
/* At the end of a region, of another module perhaps; `scratch`: with arguments for constants. */
ran_emitter ran_emitter_at_end(ran_pass_context *pass, ran_region *region, ran_elem elem,
                               const ran_chain *chain, bool scratch);

/* One layer on x: a convolution, a product, a multiplication and an addition by channel. `like` is
 * the conv_transpose that a transposed layer comes from. */
ran_value *ran_emit_layer(ran_emitter *e, const ran_layer *layer, ran_value *x, const ran_op *like);
/* The links collapsed, on x, in the given form. `layer`: composed, with weights unless scratch.
 * NULL, with nothing left behind but dead ops, when the form does not apply. */
ran_value *ran_emit_collapsed(ran_emitter *e, const ran_chain *chain, ran_link *links, size_t count,
                              const ran_layer *layer, ran_border_form form, ran_value *x);
/* The links as they are, on another input of any size (for prices and measurements). */
ran_value *ran_emit_links(ran_emitter *e, const ran_chain *chain, ran_link *links, size_t count,
                          ran_value *x);

/* Border tiles (tile.c). */
ran_value *ran_emit_tiles(ran_emitter *e, const ran_chain *chain, ran_link *links, size_t count,
                          const ran_layer *layer, ran_value *x);

/* A constant of these values, or an argument of its type. NULL values: zeros. */
ran_value *ran_emit_constant(ran_emitter *e, const double *values, int rank, const int64_t *dims);
ran_value *ran_emit_slice(ran_emitter *e, ran_value *x, int axis, int64_t begin, int64_t end);
ran_value *ran_emit_concat(ran_emitter *e, ran_value *const *parts, size_t count, int axis);

#endif
