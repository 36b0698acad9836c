/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The trainer from inside.
 *
 * Walk: ran_trainer_create reads the recipe into a config and opens the data. prepare (trainer.c)
 * builds the step's function for the batch, and another for the last, smaller batch of an epoch;
 * engine.c compiles them; state.c gives each argument that is state a buffer, which is input and
 * output at once. loop.c takes batches from the loader's thread, lets the teacher look at them,
 * runs the step, and writes checkpoints; between the epochs it runs the inference form on the same
 * buffers. share.c joins several processes; overflow.c finds what gave NaN.
 */
#ifndef TRAIN_TRAIN_H
#define TRAIN_TRAIN_H

#include <ran/compile.h>
#include <ran/train.h>

#include "passes/grad/training_step.h"
#include "runtime/train/data/data.h"

enum { TRAIN_CHANNELS = 16, TRAIN_TERMS = 16, TRAIN_RAMPS = 8 };

/* ---- Recipe and config -------------------------------------------------------------------------------- */

typedef enum ran_recipe_kind { RAN_RECIPE_TEXT, RAN_RECIPE_NUMBER, RAN_RECIPE_COUNT, RAN_RECIPE_FLAG } ran_recipe_kind;
typedef enum ran_recipe_group {
    RAN_RECIPE_DATA,
    RAN_RECIPE_LOSS,
    RAN_RECIPE_OPTIMIZER,
    RAN_RECIPE_RUN,
} ran_recipe_group;

typedef struct ran_recipe_row {
    const char *name;
    ran_recipe_kind kind;
    const char *value; /* the default */
    ran_recipe_group group;
    const char *argument, *help;
} ran_recipe_row;

const ran_recipe_row *ran_recipe_rows(size_t *out_count);
const char *ran_recipe_get(const ran_recipe *recipe, const char *name);
bool ran_recipe_is_set(const ran_recipe *recipe, const char *name);
double ran_recipe_number(const ran_recipe *recipe, const char *name, double otherwise);
/* An object of what differs from the defaults; freed by the caller. */
RAN_GIVE char *ran_recipe_text(const ran_recipe *recipe);
RAN_GIVE ran_recipe *ran_recipe_clone(const ran_recipe *recipe);

typedef struct ran_normalization {
    double scale, mean[TRAIN_CHANNELS], std[TRAIN_CHANNELS];
    int mean_count, std_count; /* 1, or one a channel */
    bool given;                /* by options or the model; else the identity */
} ran_normalization;

typedef struct ran_schedule {
    enum { SCHEDULE_CONSTANT, SCHEDULE_STEP, SCHEDULE_COSINE, SCHEDULE_LINEAR, SCHEDULE_EXPONENTIAL } kind;
    double base, warmup, factor; /* warmup: epochs */
    double steps[TRAIN_TERMS];
    int step_count;
    double epochs;
} ran_schedule;

typedef struct ran_ramp {
    const char *name;
    double from, to, first, last;
} ran_ramp;

typedef struct ran_train_config {
    ran_normalization normalization;
    ran_augment augment;
    ran_loss losses[TRAIN_TERMS];
    const char *teacher_values[TRAIN_TERMS]; /* of mse; NULL: the term's own name */
    size_t loss_count;
    bool default_loss; /* by the kind of the targets */
    ran_optimizer optimizer;
    ran_schedule schedule;
    ran_ramp ramps[TRAIN_RAMPS];
    size_t ramp_count;
    int64_t epochs, batch, eval_batch, eval_every, memory;
    uint64_t seed;
    unsigned threads;
    char **freeze;
    size_t freeze_count;
    enum { INIT_NONE, INIT_HE, INIT_XAVIER } init;
    double drop_path, dropout, checkpoint_every;
    const char *checkpoint, *teacher;
    bool resume, interpret;
} ran_train_config;

/* Strings belong to the context; freeze to the config. All that is wrong is reported. */
ran_status ran_train_configure(ran_context *context, const ran_recipe *recipe,
                               const ran_module *model, ran_train_config *out_config);
void ran_train_config_clear(ran_train_config *config);

/* Of a point of time in epochs, such as 2.5. */
double ran_schedule_rate(const ran_schedule *schedule, double epoch);
double ran_ramp_value(const ran_ramp *ramp, double epoch);

/* ---- State ---------------------------------------------------------------------------------------------- */

typedef struct ran_buffer {
    const char *name;
    const ran_type *type;
    float *data;
    int64_t numel;
} ran_buffer;

typedef struct ran_state {
    ran_buffer *items;
    size_t count;
} ran_state;

/* A buffer for each argument of the step that is state (has a result of its name), or, with
 * `accumulate`, of the update: parameters and statistics with the model's values, slots 0, averages
 * equal to their parameter. Both calls add to the state. */
ran_status ran_state_add(ran_state *state, ran_context *context, const ran_module *step,
                         const ran_module *model);
ran_status ran_state_initialize(ran_state *state, const ran_train_config *config,
                                const ran_module *model);
/* Again: zero slots, averages that equal their parameter. */
void ran_state_start(ran_state *state);
ran_buffer *ran_state_find(const ran_state *state, const char *name); /* or NULL */
void ran_state_clear(ran_state *state);

/* ---- Engines: a compiled function ------------------------------------------------------------------------- */

typedef struct ran_engine {
    ran_context *context;
    ran_module *source;   /* as it was built: for interpretation and for finding what overflowed */
    ran_module *lowered;  /* what was compiled; NULL when interpreted */
    ran_compiled *compiled;
    const struct ran_model_desc *desc;
    const void *weights;
    void *workspace;
    size_t input_count, output_count;
    const void **inputs; /* by position; set before a run */
    void **outputs;      /* scratch, until they are redirected */
    void **scratch;
    int64_t batch, total; /* samples of a run; of all processes */
} ran_engine;

typedef struct ran_engine_options {
    bool interpret;     /* the reference evaluator instead of compiled code */
    unsigned slots;     /* threads that may run it; 0: one */
    const char *target; /* NULL: native */
} ran_engine_options;

/* Takes `module`. */
ran_status ran_engine_create(ran_context *context, RAN_TAKE ran_module *module,
                             const ran_engine_options *options, ran_engine **out_engine);
void ran_engine_destroy(ran_engine *engine);
ran_status ran_engine_run(ran_engine *engine, const struct ran_parallel *parallel);
const ran_type *ran_engine_input_type(const ran_engine *engine, size_t index);
const char *ran_engine_input_name(const ran_engine *engine, size_t index);
int ran_engine_find_input(const ran_engine *engine, const char *name);   /* or -1 */
int ran_engine_find_output(const ran_engine *engine, const char *name);  /* or -1 */
/* Arguments of the state's names read from, and results write to, its buffers. With `averaged` the
 * averages stand for their parameters. */
void ran_engine_bind_state(ran_engine *engine, const ran_state *state, bool averaged);
/* Runs again and reports the first op that gives NaN or infinity: RAN_MISMATCH (overflow.c). */
ran_status ran_engine_explain(ran_engine *engine, const struct ran_parallel *parallel,
                              const char *when);

/* ---- Loader -------------------------------------------------------------------------------------------------- */

/* What one process computes of a batch. Where there are fewer samples than processes, each computes
 * all of them. */
typedef struct ran_part {
    int64_t first, count, total;
    double share; /* in sums over the processes */
} ran_part;

typedef struct ran_batch {
    float *x;
    int64_t *labels; /* or NULL */
    float *target;   /* or NULL: class probabilities, or the data's own */
    int64_t count;   /* samples in it */
    ran_part part;   /* of this process in the whole batch */
    int64_t epoch, step;
    int failed;      /* then `error` says why */
    struct ran_rt_error error;
} ran_batch;

typedef struct ran_loader_options {
    const ran_dataset *dataset;
    const ran_normalization *normalization;
    const ran_augment *augment; /* NULL: none */
    int64_t batch;
    bool shuffle;
    uint64_t seed;
    bool channels_last;     /* images become [height][width][channels] */
    int64_t classes;        /* of probabilities; 0: labels */
    int64_t epochs;         /* ends behind the last one */
    int64_t epoch, step;    /* where to begin */
    int rank, ranks;        /* takes part `rank` of each batch */
} ran_loader_options;

typedef struct ran_loader ran_loader;

/* Starts the thread. */
ran_status ran_loader_create(ran_context *context, const ran_loader_options *options,
                             ran_loader **out_loader);
/* The next batch, valid until the next call; NULL at the end. */
const ran_batch *ran_loader_next(ran_loader *loader);
void ran_loader_destroy(ran_loader *loader);
/* Whether samples fit the model's input, as they are or with channels last. */
ran_status ran_loader_fit(ran_context *context, ran_dataset *dataset, const ran_type *input,
                          bool *out_channels_last);

/* ---- Several processes (cluster.c) ------------------------------------------------------------------------------ */

/* Rank and number of processes; 0 and 1 without MPI or outside of mpirun. */
void ran_cluster_start(int *out_rank, int *out_ranks);
ran_part ran_cluster_part(int rank, int ranks, int64_t total);
/* From now on this process trains by itself: ran_cluster_start says 0 and 1. */
void ran_cluster_leave(void);
/* Waits for all processes, also behind ran_cluster_leave. When one of them failed, all do. */
ran_status ran_cluster_agree(ran_context *context, ran_status own);
/* Sum over the ranks, in the order of the ranks: the same bits everywhere. */
ran_status ran_cluster_sum(ran_context *context, float *values, int64_t count);

/* ---- Trainer ------------------------------------------------------------------------------------------------------ */

enum { TRAIN_ENGINES = 4 };

typedef struct ran_teacher ran_teacher;

struct ran_trainer {
    ran_context *context;
    ran_module *model;
    ran_recipe *recipe;
    ran_train_config config;
    ran_dataset *train, *test;
    bool owns_train, owns_test, prepared;
    bool started;   /* the state has its initial values */
    bool evaluates_state; /* `evaluation` reads it; else it holds the model's own constants */
    bool channels_last;
    bool probabilities; /* the step takes class probabilities */
    ran_state state;
    struct ran_rt_pool *pool;
    ran_engine *steps[TRAIN_ENGINES]; /* by batch size */
    size_t step_count;
    ran_engine *update; /* several processes */
    ran_engine *evaluation;
    ran_teacher *teachers[TRAIN_ENGINES];
    size_t teacher_count;
    ran_module *teacher_model;
    int rank, ranks;
    ran_status cluster_status; /* of sums within a step */
    int64_t counter; /* of steps */
    float rate;
    float ramps[TRAIN_RAMPS];

    /* Where training is. */
    int64_t epoch, step;
    double loss_sum, correct_sum, seen; /* of this epoch */
    double test_loss, test_accuracy;
    double saved_at; /* seconds */
};

ran_status ran_trainer_prepare(ran_trainer *trainer);
/* fit.c: the data sets against the model and the losses; decides what the targets are. */
ran_status ran_trainer_fit(ran_trainer *trainer);
/* engines.c: those of all batches of an epoch, and the state's start. */
ran_status ran_trainer_compile(ran_trainer *trainer);
void ran_trainer_drop_engines(ran_trainer *trainer); /* the state stays */
/* The step for a part of a batch, compiled when it is asked for first. */
ran_status ran_trainer_engine(ran_trainer *trainer, const ran_part *part, ran_engine **out_engine);
/* One step on a batch that is bound. */
ran_status ran_trainer_run_step(ran_trainer *trainer, const ran_batch *batch, double *out_loss,
                                double *out_correct);
/* Several processes (share.c): what all_reduce ops call; sums a step's loss, correct samples and
 * number of overflows, and its gradients, and updates the state unless one overflowed. */
void ran_trainer_join(ran_trainer *trainer);
ran_status ran_trainer_share(ran_trainer *trainer, ran_engine *step, const ran_part *part,
                             float scalars[3]);
const struct ran_parallel *ran_trainer_parallel(const ran_trainer *trainer);
ran_engine_options ran_trainer_engine_options(const ran_trainer *trainer);
double ran_trainer_seconds(void);

/* The step's scalars and targets from the teacher, for this batch; compiled when first asked for. */
ran_status ran_teacher_look(ran_trainer *trainer, const ran_batch *batch, ran_engine *step);
void ran_teachers_destroy(ran_trainer *trainer);
bool ran_train_needs_teacher(const ran_train_config *config);

/* checkpoint.c: written beside the path, synchronised, renamed. */
ran_status ran_checkpoint_write(const ran_trainer *trainer, const char *path);
/* RAN_OK and *out_found false when there is none. */
ran_status ran_checkpoint_read(ran_trainer *trainer, const char *path, bool *out_found);

/* Metadata of the model: normalization.scale, .mean, .std. */
void ran_normalization_store(const ran_normalization *normalization, ran_module *model);

#endif
