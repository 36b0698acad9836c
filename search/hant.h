/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Hardware-aware network transformation: operators substituted under a budget, from a trained
 * network to a tuned one.
 *
 * Walk: layers are found, candidates measured (latency.c) and trained (pretrain.c); the integer
 * program (ilp.c) gives K selections; each is assembled and evaluated on held-out images; the one
 * of least loss is measured as a whole, and when it is slower than was predicted the limit is
 * lowered by that much and the selection repeated; it is tuned with the teacher's outputs, measured
 * beside the teacher, and compiled. All that took time is on disk before it is used.
 */
#ifndef SEARCH_HANT_H
#define SEARCH_HANT_H

#include "search/ilp.h"
#include "search/pretrain.h"

typedef struct ran_hant_budget {
    const char *name, *value; /* "latency", "0.5x" */
} ran_hant_budget;

typedef struct ran_hant_options {
    const char *directory;     /* of state and results */
    const char *teacher;       /* the model's path, for distillation and the report */
    const char *layers, *pool; /* NULL: all but the ends; "reduced" */
    const char *latency_path;  /* a table to use and complete; NULL: in the directory */
    ran_latency_options latency;
    ran_pretrain_options pretrain;
    ran_ilp_options ilp;
    int64_t images;           /* for candidates, at most */
    double max_drop;          /* percentage points; negative: no guard */
    const ran_recipe *recipe; /* of fine-tuning; its data and normalisation hold for all */
    bool tune_baselines;
    void (*say)(void *data, const char *text); /* one line of progress; may be NULL */
    void *data;
} ran_hant_options;

/* A selection and what became of it. */
typedef struct ran_hant_choice {
    const char *method; /* "ilp", "greedy", "random" */
    size_t *choice;
    int64_t predicted;                      /* latency */
    double loss;                            /* sum of the table's losses */
    double held_out_loss;                   /* as assembled */
    double accuracy_before, accuracy_after; /* on the test data; after: negative when not tuned */
} ran_hant_choice;

typedef struct ran_hant_result {
    const char *directory; /* of this budget */
    const char *budget;    /* as given */
    ran_ilp_problem problem;
    ran_hant_choice chosen;
    ran_hant_choice *baselines;
    size_t baseline_count;
    int64_t limit;                    /* latency, when it is a budget; INT64_MAX */
    int64_t teacher_latency, latency; /* measured in turns */
    double teacher_accuracy;
    double prefilter;   /* percentage points; wider than asked for when the budget wanted it */
    const char *failed; /* NULL, or which guard does not hold */
} ran_hant_result;

/* What all budgets share. */
typedef struct ran_hant ran_hant;

/* Whether budgets of this name exist. */
bool ran_hant_has_cost(const char *name);
/* `model`: as loaded; copied. Measures and trains what the directory lacks. */
RAN_MUST_USE ran_status ran_hant_create(ran_context *context, const ran_module *model,
                                        const ran_hant_options *options,
                                        RAN_GIVE ran_hant **out_hant);
void ran_hant_destroy(RAN_TAKE ran_hant *hant);
/* One point: selects, tunes, compiles, writes plan.json, model.onnx, model.a, selection.lp into
 * `directory`. RAN_MISMATCH when the budget can't be met at all; when a guard fails afterwards the
 * result says so and the files are there. */
RAN_MUST_USE ran_status ran_hant_run(ran_hant *hant, const ran_hant_budget *budgets, size_t count,
                                     const char *directory, ran_hant_result *out_result);
/* A page of all points. */
RAN_MUST_USE ran_status ran_hant_report(const ran_hant *hant, const ran_hant_result *results,
                                        size_t count, const char *path);

/* ---- For the report and the plan
 * -------------------------------------------------------------------- */

struct ran_hant {
    ran_context *context;
    ran_arena *arena;
    ran_hant_options options;
    const char *target;
    ran_module *module; /* the teacher, batch 1, cleaned up */
    ran_layers layers;
    ran_pool pool;
    ran_latency_table latencies;
    ran_loss_table losses;
    ran_images images, test;
    ran_ilp_problem problem;    /* all costs, without limits */
    const ran_layer **searched; /* the layers of the problem */
    double teacher_accuracy;
};

RAN_MUST_USE ran_status ran_hant_write_plan(const ran_hant *hant, const ran_hant_result *result);

#endif
