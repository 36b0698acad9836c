/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Hardware-aware network transformation: operators substituted under a budget, from a trained
 * network to a tuned one.
 *
 * Walk: layers are found, candidates measured (latency.c) and trained (pretrain.c); the integer
 * program (ilp.c) gives K selections; each is assembled and evaluated on held-out images; the one
 * of least loss is measured as a whole, and where it takes more or less than its parts say that is
 * added to all predictions and the selection repeated; it is tuned with the teacher's outputs,
 * measured beside the teacher, and compiled. All that took time is on disk before it is used.
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
    /* After each step of tuning a selection of `method`; may be NULL. */
    void (*tuning)(void *data, const char *method, const ran_train_progress *progress);
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
    int64_t limit;      /* latency, when it is a budget; INT64_MAX */
    int64_t sum_limit;  /* what the parts may take: the limit without the correction */
    int64_t correction; /* what networks take more than their parts say */
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
/* Of several processes one goes on when all candidates are there; the others are done. */
bool ran_hant_is_leader(const ran_hant *hant);
void ran_hant_destroy(RAN_TAKE ran_hant *hant);
/* One point: selects, tunes, compiles, writes plan.json, model.onnx, model.a, selection.lp into
 * `directory`. RAN_MISMATCH when the budget can't be met at all; when a guard fails afterwards the
 * result says so and the files are there. */
RAN_MUST_USE ran_status ran_hant_run(ran_hant *hant, const ran_hant_budget *budgets, size_t count,
                                     const char *directory, ran_hant_result *out_result);
/* A page of all points. */
RAN_MUST_USE ran_status ran_hant_report(const ran_hant *hant, const ran_hant_result *results,
                                        size_t count, const char *path);

/* ---- Between the parts ----------------------------------------------------------------------- */

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

RAN_PRINTF(2, 3) void ran_hant_say(const ran_hant *hant, const char *format, ...);
const char *ran_hant_path(const ran_hant *hant, const char *directory, const char *name);

/* Layers, candidates, losses and all costs; no limits. */
RAN_MUST_USE ran_status ran_hant_fill_problem(ran_hant *hant);
RAN_MUST_USE ran_status ran_hant_set_limits(const ran_hant *hant, const ran_hant_budget *budgets,
                                            size_t count, ran_hant_result *result);

/* A candidate a layer, in the order of the problem's; in the search's memory. */
size_t *ran_hant_copy_choice(const ran_hant *hant, const size_t *choice);
/* The network of a choice, as its candidates were trained. */
RAN_MUST_USE ran_status ran_hant_assemble(const ran_hant *hant, const size_t *choice,
                                          RAN_GIVE ran_module **out_module);
/* The same with its norms' statistics. */
RAN_MUST_USE ran_status ran_hant_build(const ran_hant *hant, const ran_hant_choice *choice,
                                       RAN_GIVE ran_module **out_module);
/* Loss on held-out images, and on demand accuracy on test images. */
RAN_MUST_USE ran_status ran_hant_evaluate(const ran_hant *hant, bool with_test,
                                          ran_hant_choice *choice);
/* Teacher and network in turns. */
RAN_MUST_USE ran_status ran_hant_measure(const ran_hant *hant, const ran_module *module,
                                         int64_t *out_teacher, int64_t *out_latency);
/* Measures assembled networks, which the latency table keeps. */
RAN_MUST_USE ran_status ran_hant_choose(ran_hant *hant, ran_hant_result *result);
RAN_MUST_USE ran_status ran_hant_choose_baselines(const ran_hant *hant, ran_hant_result *result);

/* The selection itself or an earlier baseline, when it is the same network; else NULL. */
const ran_hant_choice *ran_hant_find_equal(const ran_hant *hant, const ran_hant_result *result,
                                           const ran_hant_choice *choice);

/* Assembles and trains; the state of training is in the checkpoint. */
RAN_MUST_USE ran_status ran_hant_tune(const ran_hant *hant, const char *checkpoint,
                                      ran_hant_choice *choice, RAN_GIVE ran_module **out_module);
RAN_MUST_USE ran_status ran_hant_tune_baselines(const ran_hant *hant, ran_hant_result *result);

RAN_MUST_USE ran_status ran_hant_save_latencies(const ran_hant *hant);
RAN_MUST_USE ran_status ran_hant_write_plan(const ran_hant *hant, const ran_hant_result *result);

#endif
