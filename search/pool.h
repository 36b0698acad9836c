/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Candidates: what may stand in a layer's place.
 *
 * pool.def has a row for each family with the values of its parameters; every combination is a
 * candidate, named after them (`efn_3x3_e6_se0.04`, `cb_stack_5x5_ex0.25`). For a slot (a layer's
 * types) a candidate is built as a function of the IR, from the slot's input to its output, with
 * seeded weights. The map is halved inside where the slot does; where the slot's types agree, a
 * skip connection is added; where the layer ends in an activation, the candidate does.
 */
#ifndef SEARCH_POOL_H
#define SEARCH_POOL_H

#include <ran/ir.h>

#include "ir/arena.h"
#include "search/layers.h"

/* The place that a candidate is built for. */
typedef struct ran_slot {
    const ran_type *input, *output; /* N x C x H x W; N may be symbolic */
    int64_t stride;
    ran_opcode inner;  /* activation inside of inverted residuals */
    const ran_op *end; /* activation behind the layer, to be copied; NULL: none */
} ran_slot;

typedef struct ran_cell ran_cell;
typedef struct ran_candidate ran_candidate;

enum { RAN_AXIS_VALUES = 10 };

/* A row of pool.def. An axis without values is none of the family's. */
typedef struct ran_family {
    const char *name, *what;
    ran_value *(*build)(ran_cell *cell, const ran_candidate *candidate, ran_value *x);
    double kernel[RAN_AXIS_VALUES];  /* kxk */
    double depth[RAN_AXIS_VALUES];   /* d */
    double dim[RAN_AXIS_VALUES];     /* dim */
    double heads[RAN_AXIS_VALUES];   /* h */
    double expand[RAN_AXIS_VALUES];  /* e */
    double squeeze[RAN_AXIS_VALUES]; /* se; 1: none */
    double width[RAN_AXIS_VALUES];   /* ex: of the output's channels */
    double reuse[RAN_AXIS_VALUES];   /* n */
    bool no_skip;                    /* the family adds what it adds itself */
    bool same_shape;                 /* only where input and output agree */
    bool other_paper;                /* not among HANT's own 197 */
    bool is_off;                     /* in the full pool only when named */
} ran_family;

struct ran_candidate {
    const char *name;
    const ran_family *family; /* NULL: the user's function */
    double kernel, depth, dim, heads, expand, squeeze, width, reuse;
    bool is_trained;              /* has parameters */
    const ran_function *function; /* the user's */
};

typedef struct ran_pool {
    const ran_candidate **candidates;
    size_t count;
    ran_module **modules; /* of the users' functions */
    size_t module_count;
} ran_pool;

size_t ran_family_count(void);
const ran_family *ran_family_at(size_t index);

/* "reduced", "full" (all families that are not off), "all", or a file: a line each with the name of
 * a candidate or a glob over them, or the path of an IR file whose functions are candidates,
 * relative to the file. The teacher's own op is no part of a pool. */
RAN_MUST_USE ran_status ran_pool_open(ran_context *context, ran_arena *arena, const char *name,
                                      ran_pool *out_pool);
void ran_pool_close(ran_pool *pool);

ran_slot ran_slot_of(const ran_layer *layer);
/* Whether there is such a candidate for the slot: shapes, divisibility. */
bool ran_candidate_fits(const ran_candidate *candidate, const ran_slot *slot);
/* A module with one function of the candidate's name. */
RAN_MUST_USE ran_status ran_candidate_build(ran_context *context, const ran_candidate *candidate,
                                            const ran_slot *slot, uint64_t seed,
                                            RAN_GIVE ran_module **out_module);

#endif
