/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the approximate passes share: activations by structure, the language that selects among them
 * (SPEC), slopes, and counts.
 *
 * Walk: --linearize=stage:1,keep:50k becomes remove-nonlinearity{spec=stage:1,keep:50k}. The pass
 * parses the text (spec.c), lists the function's activations (activation.c), lets the terms mark what
 * they select (select.c), and rewrites each marked activation.
 */
#ifndef PASSES_APPROX_APPROX_H
#define PASSES_APPROX_APPROX_H

#include "ir/statistics.h"
#include "passes/match.h"

/* ---- SPEC (spec.c) ------------------------------------------------------------------------------- */

/* The finest thing that is selected as a whole. */
typedef enum ran_unit { RAN_UNIT_LAYER, RAN_UNIT_CHANNEL, RAN_UNIT_ELEMENT } ran_unit;

typedef enum ran_term_kind {
    RAN_TERM_ALL,
    RAN_TERM_NAME,     /* text: a glob */
    RAN_TERM_STAGE,    /* first..last */
    RAN_TERM_SLOPE,    /* text: a file, or NULL */
    RAN_TERM_KEEP,     /* first: elements that may stay */
    RAN_TERM_CHEAPEST, /* first: layers to take */
} ran_term_kind;

typedef struct ran_term {
    ran_term_kind kind;
    const char *text;
    int64_t first, last;
} ran_term;

typedef struct ran_spec {
    ran_term *terms;
    size_t count;
    ran_unit unit;
} ran_spec;

/* "50000", "50k", "1.5M"; -1 when it is no count. */
int64_t ran_parse_count(const char *text);
/* Text and terms live in `arena`. What is wrong: RAN_USAGE with the column. */
RAN_MUST_USE ran_status ran_spec_parse(ran_context *context, ran_arena *arena, const char *text,
                                       ran_spec *out_spec);

/* ---- Activations (activation.c) ------------------------------------------------------------------- */

/* Slopes for x < 0, relative to x: one for the layer, one a channel, or one an element. */
typedef struct ran_slopes {
    double *values;
    int64_t count; /* 0: not known */
} ran_slopes;

/* An activation y = f(x). Of the hybrid form f(x) + eps (x - f(x)), y is the whole. */
typedef struct ran_site {
    ran_op *op; /* f itself */
    ran_value *x, *y;
    const char *name;
    bool is_gate;     /* sigmoid and its kin: taken by name only */
    int stage;        /* from 1; 0 behind the last feature map */
    int64_t elements; /* of one image */
    int64_t nonlinear; /* those that are not linear already */
    int64_t channels, inner; /* the channel of element i is i / inner % channels */
    int axis;                /* of the channels */
    bool is_static;          /* all sizes but the batch's are known */
    ran_slopes slopes;
    int64_t number;  /* in the order of the function, before anything was removed */
    uint8_t *linear; /* what the SPEC selected, an entry a unit */
    int64_t units;
    bool is_done; /* rewritten already */
} ran_site;

typedef struct ran_sites {
    ran_site *sites; /* in the order of the function */
    size_t count;
    int stage_count;
} ran_sites;

/* Whether a kind of op is an activation, gates included. */
bool ran_is_activation(const ran_op *op);
/* The model's entry: what approximate passes work on. */
bool ran_function_is_entry(const ran_function *function);
void ran_sites_find(ran_pass_context *pass, ran_function *function, ran_sites *out_sites);
/* The site of an activation's op, or NULL. */
ran_site *ran_sites_of(const ran_sites *sites, const ran_op *op);
/* 1 for what convolutions give, the last axis for matrix products. */
int ran_channel_axis(const ran_value *value);
/* Images that one run takes, 1 when that is symbolic. */
int64_t ran_function_batch(const ran_function *function);
/* The content of a constant, or of what constants alone give; NULL when it is neither. */
RAN_GIVE ran_tensor *ran_constant_behind(const ran_value *value);
/* By the name of one of its ONNX nodes, or of its result. */
bool ran_site_is_named(const ran_site *site, const char *glob);

/* Activations that can be put in: "relu", "relu6", "hard_swish", ... */
bool ran_activation_is_known(const char *kind);
extern const char ran_activation_kinds[]; /* for messages and options: "relu|relu6|..." */
/* f(x) before `before`; a "prelu" has one slope a unit, and its constant's name ends in ".slope". */
ran_value *ran_activation_build(ran_pass_context *pass, ran_op *before, const char *kind,
                                ran_value *x, const ran_site *shape, ran_unit unit, double slope);

/* ---- Slopes (slopes.c) ------------------------------------------------------------------------------ */

/* Of PReLU and LeakyReLU, from the model itself. */
void ran_slopes_of_model(ran_pass_context *pass, ran_sites *sites);
/* From a file (docs/passes.md). RAN_INVALID: unreadable, a name that no activation has, a wrong
 * number of values. */
RAN_MUST_USE ran_status ran_slopes_read(ran_pass_context *pass, const char *path, ran_sites *sites);
double ran_slope_at(const ran_site *site, int64_t element);

/* ---- Selection (select.c) ------------------------------------------------------------------------------ */

/* Slopes within [low, high] count as linear. */
typedef struct ran_slope_range {
    double low, high;
} ran_slope_range;

/* Parses `text` and fills `linear` of every site. A term that can't select anything in this model is
 * an error that says what there is. */
RAN_MUST_USE ran_status ran_sites_select(ran_pass_context *pass, ran_function *function,
                                         const char *text, ran_slope_range range,
                                         ran_sites *sites, ran_spec *out_spec);
int64_t ran_site_selected_units(const ran_site *site);
bool ran_site_is_selected(const ran_site *site); /* as a whole */

/* The same where only whole layers make sense. */
RAN_MUST_USE ran_status ran_sites_select_layers(ran_pass_context *pass, ran_function *function,
                                                const char *text, ran_sites *sites);

/* ---- Numbers (cull_relu.c) ---------------------------------------------------------------------- */

/* Fills `number`, gates left out. */
void ran_sites_number(const ran_module *module, ran_sites *sites);
/* Remembers in the metadata what is about to be removed as a whole. */
void ran_sites_record(ran_module *module, const ran_sites *sites);

/* ---- MACs gained (gain.c) --------------------------------------------------------------------------------- */

/* Marks the `count` activations whose removal gains the most MACs an activation, when what becomes
 * linear is collapsed to one convolution. */
void ran_sites_select_cheapest(ran_pass_context *pass, ran_sites *sites, int64_t count);

/* ---- Rewriting ------------------------------------------------------------------------------------------------ */

/* Takes out what `linear` marks: y becomes x; where part of it is marked, a PReLU with slopes of 1
 * there, or a choice by a constant mask. */
void ran_site_linearize(ran_pass_context *pass, ran_site *site);
/* Another kind of activation in its place. */
void ran_site_exchange(ran_pass_context *pass, ran_site *site, const char *kind, ran_unit unit,
                       double slope);

#endif
