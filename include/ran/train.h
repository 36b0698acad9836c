/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Training and fine-tuning: a model, data and a recipe in; the tuned model out.
 *
 *     ran_recipe *recipe = ran_recipe_create(context);
 *     ran_recipe_set(recipe, "optimizer", "sgd");     every option of ran-train by its name
 *     ran_recipe_set(recipe, "lr", "0.05");
 *     ran_recipe_set(recipe, "data", "idx:train-images.gz,train-labels.gz");
 *     ran_trainer_create(context, model, recipe, &trainer);
 *     ran_trainer_run(trainer, progress, data);       all epochs, checkpoints, evaluation
 *     ran_trainer_export(trainer, model);             the trained weights into the model
 *
 * The step (forward, losses, backward, optimiser) is one compiled function; its state lives in plain
 * row-major buffers of the trainer. A trainer is used by one thread; it brings its own pool.
 * Results are bit-identical for the same recipe and seed at any number of threads, and for a run
 * that was interrupted and resumed from its checkpoint.
 */
#ifndef RAN_TRAIN_H
#define RAN_TRAIN_H

#include <ran/ir.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Recipe: the options of ran-train, by name, as text ---------------------------------------- */

typedef struct ran_recipe ran_recipe;

RAN_GIVE ran_recipe *ran_recipe_create(ran_context *context);
void ran_recipe_destroy(RAN_TAKE ran_recipe *recipe);
/* `name` is a long option of ran-train without its dashes ("lr", "schedule", "augment", ...).
 * RAN_USAGE for an unknown name or a value that does not parse; the diagnostic says what would. */
RAN_MUST_USE ran_status ran_recipe_set(ran_recipe *recipe, const char *name, const char *value);
/* JSON, an object of the same names: --config and --save-config. */
RAN_MUST_USE ran_status ran_recipe_read(ran_recipe *recipe, const char *path);
RAN_MUST_USE ran_status ran_recipe_write(const ran_recipe *recipe, const char *path);

/* ---- Data ------------------------------------------------------------------------------------------ */

/* Samples in memory or streamed: x, and for each sample a class, class probabilities or a tensor. */
typedef struct ran_dataset ran_dataset;

/* "idx:IMAGES,LABELS", "cifar10:FILE[,FILE...]", "cifar100:...", "npy:X.npy,Y.npy" or "npy:FILE.npz"
 * (with x.npy and y.npy), "pb:DIR" (input_K.pb and output_K.pb, or ONNX's test_data_set_K), and
 * "images:DIR" (DIR/CLASS/FILE, PNG or JPEG). Files are not trusted. */
RAN_MUST_USE ran_status ran_dataset_open(ran_context *context, const char *specification,
                                         RAN_GIVE ran_dataset **out_dataset);
/* Over tensors of the caller: axis 0 counts the samples. y: i64 [N] classes or float targets. */
RAN_MUST_USE ran_status ran_dataset_wrap(ran_context *context, const ran_tensor *x,
                                         const ran_tensor *y, RAN_GIVE ran_dataset **out_dataset);
void ran_dataset_close(RAN_TAKE ran_dataset *dataset);
int64_t ran_dataset_count(const ran_dataset *dataset);
/* Shape of one sample. Returns the rank. */
int ran_dataset_shape(const ran_dataset *dataset, int64_t *out_dims);
/* Sample `index`, raw, as f32 (out_x has room for a sample); *out_class is -1 without classes. */
RAN_MUST_USE ran_status ran_dataset_read(ran_dataset *dataset, int64_t index, float *out_x,
                                         int64_t *out_class);

/* ---- Training ----------------------------------------------------------------------------------------- */

typedef struct ran_trainer ran_trainer;

typedef struct ran_train_progress {
    int64_t epoch, epochs, step, steps; /* steps of this epoch */
    double loss, accuracy;              /* of the epoch so far, on the training data; accuracy 0..1 */
    double test_loss, test_accuracy;    /* of the last evaluation; -1 before one */
    double images_per_second, seconds_left;
    bool epoch_done;
} ran_train_progress;

/* Called after each step. A false return stops after writing the checkpoint. */
typedef bool ran_train_callback(void *data, const ran_train_progress *progress);

/* `model` is copied. The recipe's data sets are opened, the step is compiled, a checkpoint is loaded
 * where the recipe says so. */
RAN_MUST_USE ran_status ran_trainer_create(ran_context *context, const ran_module *model,
                                           const ran_recipe *recipe,
                                           RAN_GIVE ran_trainer **out_trainer);
void ran_trainer_destroy(RAN_TAKE ran_trainer *trainer);
/* Replace what the recipe's "data", "test" name; the caller keeps them alive. Without "data" in the
 * recipe, compiling waits for the first run, step or evaluation. */
void ran_trainer_set_data(ran_trainer *trainer, RAN_KEEP ran_dataset *train,
                          RAN_KEEP ran_dataset *test);
/* The remaining epochs. NaN or infinity: RAN_MISMATCH with the first op that produced it,
 * and the state of the last good step. */
RAN_MUST_USE ran_status ran_trainer_run(ran_trainer *trainer, ran_train_callback *callback,
                                        void *data);
/* Mean loss and accuracy over the test data, with the averaged weights where the recipe keeps them. */
RAN_MUST_USE ran_status ran_trainer_evaluate(ran_trainer *trainer, double *out_loss,
                                             double *out_accuracy);
/* Writes the trained weights into `model` (the one of create, or one with the same names); marks it
 * as tuned and stores the normalisation in its metadata. */
RAN_MUST_USE ran_status ran_trainer_export(ran_trainer *trainer, ran_module *model);
/* Written beside the path and renamed. */
RAN_MUST_USE ran_status ran_trainer_save(const ran_trainer *trainer, const char *path);

/* ---- One step at a time: for applications with a loop of their own -------------------------------- */

/* x and target of one batch, row-major, batch first; the class numbers are i64. */
RAN_MUST_USE ran_status ran_trainer_step(ran_trainer *trainer, const void *x, const void *target,
                                         int64_t samples, double learning_rate, double *out_loss);

/* ---- Ahead of time: a step for devices without a compiler ------------------------------------------ */

/* The module of the recipe's training step (function `step`), for ran_compile. Its arguments are the
 * model's inputs, then what the losses need ("labels", ...), "step:counter" (i64), then
 * "step:learning_rate" (f32), then the state; its results "step:loss", "step:correct",
 * "step:finite", then the next state: a result named like an argument may be given the argument's
 * buffer. With `evaluation`: the inference form (function `evaluate`, batch "eval-batch"), its
 * parameters arguments of the same names. state_path: where the initial state goes, unless NULL: the
 * f32 elements of all state arguments of the step, one behind the other. */
RAN_MUST_USE ran_status ran_training_ahead(ran_context *context, const ran_module *model,
                                           const ran_recipe *recipe, bool evaluation,
                                           const char *state_path,
                                           RAN_GIVE ran_module **out_module);

#ifdef __cplusplus
}
#endif
#endif
