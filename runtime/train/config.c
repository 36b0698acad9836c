/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From a recipe's text to numbers: losses, optimiser, schedule, ramps, normalisation. */
#include "runtime/train/train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_BATCH = 1 << 20, MAX_THREADS = 4096 };

typedef struct reader {
    ran_context *context;
    const ran_recipe *recipe;
    ran_train_config *config;
} reader;

static const char *text(const reader *r, const char *name)
{
    return ran_recipe_get(r->recipe, name);
}

static double number(const reader *r, const char *name)
{
    return ran_recipe_number(r->recipe, name, 0);
}

static ran_status usage(const reader *r, const char *option, const char *value, const char *expected)
{
    return ran_error(r->context, RAN_USAGE, "%s: expected %s, not '%s'", option, expected, value);
}

static bool parse_number(const char *text, double *out)
{
    char *end;
    *out = strtod(text, &end);
    return end != text && !*end && isfinite(*out);
}

/* ---- Normalisation ---------------------------------------------------------------------------------------- */

static bool parse_list(const char *list, double *out, int *out_count)
{
    size_t count;
    char **parts = ran_data_split(list, ',', &count);
    bool good = count <= TRAIN_CHANNELS;
    for (size_t i = 0; i < count && good; i++)
        good = parse_number(parts[i], &out[i]);
    ran_data_free_list(parts);
    *out_count = (int)count;
    return good;
}

/* The option, else the model's metadata, else what changes nothing. */
static const char *normalization_text(const reader *r, const ran_module *model, const char *option,
                                      const char *key, const char *otherwise)
{
    const char *stored = ran_module_metadata(model, key);
    if (ran_recipe_is_set(r->recipe, option)) {
        r->config->normalization.given = true;
        return text(r, option);
    }
    if (stored)
        r->config->normalization.given = true;
    return stored ? stored : otherwise;
}

static ran_status read_normalization(const reader *r, const ran_module *model)
{
    ran_normalization *n = &r->config->normalization;
    const char *scale = normalization_text(r, model, "scale", "normalization.scale", "1");
    const char *mean = normalization_text(r, model, "mean", "normalization.mean", "0");
    const char *std = normalization_text(r, model, "std", "normalization.std", "1");
    if (!parse_number(scale, &n->scale) || n->scale == 0)
        return usage(r, "scale", scale, "a number that is not 0");
    if (!parse_list(mean, n->mean, &n->mean_count))
        return usage(r, "mean", mean, "a number or one a channel");
    bool good = parse_list(std, n->std, &n->std_count);
    for (int i = 0; i < n->std_count && good; i++)
        good = n->std[i] > 0;
    return good ? RAN_OK : usage(r, "std", std, "a number above 0 or one a channel");
}

static void print_list(char *out, size_t size, const double *values, int count)
{
    size_t used = 0;
    for (int i = 0; i < count && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, i ? ",%.9g" : "%.9g", values[i]);
}

void ran_normalization_store(const ran_normalization *normalization, ran_module *model)
{
    char list[TRAIN_CHANNELS * 24];
    if (!normalization->given)
        return;
    print_list(list, sizeof(list), &normalization->scale, 1);
    ran_module_set_metadata(model, "normalization.scale", list);
    print_list(list, sizeof(list), normalization->mean, normalization->mean_count);
    ran_module_set_metadata(model, "normalization.mean", list);
    print_list(list, sizeof(list), normalization->std, normalization->std_count);
    ran_module_set_metadata(model, "normalization.std", list);
}

/* ---- Losses -------------------------------------------------------------------------------------------------- */

/* Cuts "*0.5" off the end; a star that no number follows belongs to the term. */
static double take_weight(char *term)
{
    char *star = strrchr(term, '*');
    double weight;
    if (!star || !parse_number(star + 1, &weight))
        return 1;
    *star = 0;
    return weight;
}

static ran_status read_term(const reader *r, char *term)
{
    static const struct {
        const char *name;
        ran_loss_kind kind;
    } kinds[] = {{"ce", RAN_LOSS_CROSS_ENTROPY},
                 {"kl", RAN_LOSS_KL},
                 {"mse", RAN_LOSS_MSE},
                 {"slopes", RAN_LOSS_SLOPES}};
    ran_train_config *c = r->config;
    ran_loss loss = {.weight = take_weight(term),
                     .smoothing = number(r, "label-smoothing"),
                     .temperature = number(r, "temperature")};
    char *value = strchr(term, '=');
    if (value) {
        *value++ = 0;
        char *teacher = strchr(value, '@');
        if (teacher) {
            *teacher++ = 0;
            c->teacher_values[c->loss_count] = ran_intern(r->context, teacher);
        }
        loss.value = ran_intern(r->context, value);
    }
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        if (strcmp(kinds[i].name, term))
            continue;
        loss.kind = kinds[i].kind;
        c->losses[c->loss_count++] = loss;
        return RAN_OK;
    }
    return usage(r, "loss", term, "terms among ce, kl, mse=VALUE@TEACHER_VALUE, slopes=GLOB");
}

static ran_status read_losses(const reader *r)
{
    ran_status status = RAN_OK;
    size_t count;
    r->config->default_loss = !ran_recipe_is_set(r->recipe, "loss");
    if (number(r, "label-smoothing") >= 1)
        status = usage(r, "label-smoothing", text(r, "label-smoothing"), "a number below 1");
    if (number(r, "temperature") <= 0)
        status = usage(r, "temperature", text(r, "temperature"), "a number above 0");
    if (r->config->default_loss) {
        char term[] = "ce";
        return status ? status : read_term(r, term);
    }
    char **terms = ran_data_split(text(r, "loss"), ',', &count);
    if (count > TRAIN_TERMS)
        status = usage(r, "loss", text(r, "loss"), "at most 16 terms");
    for (size_t i = 0; i < count && !status; i++)
        status = read_term(r, terms[i]);
    ran_data_free_list(terms);
    return status;
}

bool ran_train_needs_teacher(const ran_train_config *config)
{
    for (size_t i = 0; i < config->loss_count; i++) {
        const ran_loss *loss = &config->losses[i];
        if (loss->kind == RAN_LOSS_KL || (loss->kind == RAN_LOSS_MSE && loss->value))
            return true;
    }
    return false;
}

/* ---- Optimiser -------------------------------------------------------------------------------------------------- */

static ran_status read_optimizer(const reader *r)
{
    static const char *const names[] = {[RAN_OPTIMIZER_SGD] = "sgd",
                                        [RAN_OPTIMIZER_ADAM] = "adam",
                                        [RAN_OPTIMIZER_ADAMW] = "adamw",
                                        [RAN_OPTIMIZER_RMSPROP] = "rmsprop"};
    ran_optimizer *o = &r->config->optimizer;
    const char *name = text(r, "optimizer");
    size_t kind = 0;
    while (kind < 4 && strcmp(names[kind], name))
        kind++;
    if (kind == 4)
        return usage(r, "optimizer", name, "sgd, adam, adamw or rmsprop");
    *o = (ran_optimizer){.kind = (ran_optimizer_kind)kind,
                         .momentum = number(r, "momentum"),
                         .nesterov = !strcmp(text(r, "nesterov"), "true"),
                         .beta1 = number(r, "beta1"),
                         .epsilon = number(r, "epsilon"),
                         .epsilon_inside = !strcmp(text(r, "epsilon-inside"), "true"),
                         .weight_decay = number(r, "weight-decay"),
                         .clip_norm = number(r, "clip"),
                         .ema = number(r, "ema")};
    bool rmsprop = o->kind == RAN_OPTIMIZER_RMSPROP;
    o->beta2 = ran_recipe_number(r->recipe, "beta2", rmsprop ? 0.9 : 0.999);
    if (o->momentum >= 1 || o->beta1 >= 1 || o->beta2 >= 1 || o->ema >= 1)
        return ran_error(r->context, RAN_USAGE, "momentum, beta1, beta2 and ema are below 1");
    r->config->schedule.base =
        ran_recipe_number(r->recipe, "lr", o->kind == RAN_OPTIMIZER_SGD ? 0.05 : 0.001);
    return RAN_OK;
}

/* ---- Schedules -------------------------------------------------------------------------------------------------- */

static bool read_steps(ran_schedule *s, const char *list)
{
    const char *colon = strchr(list, ':');
    char epochs[256];
    s->kind = SCHEDULE_STEP;
    if (!colon || (size_t)(colon - list) >= sizeof(epochs) || !parse_number(colon + 1, &s->factor))
        return false;
    memcpy(epochs, list, (size_t)(colon - list));
    epochs[colon - list] = 0;
    return parse_list(epochs, s->steps, &s->step_count);
}

static ran_status read_schedule(const reader *r)
{
    ran_schedule *s = &r->config->schedule;
    const char *name = text(r, "schedule");
    bool good = true;
    s->warmup = number(r, "warmup");
    s->epochs = (double)r->config->epochs;
    if (!strcmp(name, "constant"))
        s->kind = SCHEDULE_CONSTANT;
    else if (!strcmp(name, "cosine"))
        s->kind = SCHEDULE_COSINE;
    else if (!strcmp(name, "linear"))
        s->kind = SCHEDULE_LINEAR;
    else if (!strncmp(name, "step:", 5))
        good = read_steps(s, name + 5);
    else if (!strncmp(name, "exponential:", 12)) {
        s->kind = SCHEDULE_EXPONENTIAL;
        good = parse_number(name + 12, &s->factor) && s->factor > 0;
    } else
        good = false;
    return good ? RAN_OK
                : usage(r, "schedule", name,
                        "constant, step:EPOCH,...:FACTOR, cosine, linear or exponential:FACTOR");
}

static ran_status read_ramps(const reader *r)
{
    size_t count;
    ran_status status = RAN_OK;
    if (!ran_recipe_is_set(r->recipe, "ramp"))
        return RAN_OK;
    char **parts = ran_data_split(text(r, "ramp"), ',', &count);
    for (size_t i = 0; i < count && !status; i++) {
        ran_ramp ramp = {0};
        char *value = strchr(parts[i], '='), rest;
        if (value)
            *value++ = 0;
        if (!value || i == TRAIN_RAMPS ||
            sscanf(value, "%lf:%lf@%lf-%lf%c", &ramp.from, &ramp.to, &ramp.first, &ramp.last,
                   &rest) != 4)
            status = usage(r, "ramp", text(r, "ramp"), "NAME=FROM:TO@FIRST-LAST, at most 8");
        else
            ramp.name = ran_intern(r->context, parts[i]);
        if (!status)
            r->config->ramps[r->config->ramp_count++] = ramp;
    }
    ran_data_free_list(parts);
    return status;
}

double ran_schedule_rate(const ran_schedule *s, double epoch)
{
    double left = s->epochs > s->warmup ? (epoch - s->warmup) / (s->epochs - s->warmup) : 1;
    double rate = s->base;
    if (epoch < s->warmup)
        return s->base * epoch / s->warmup;
    left = fmin(fmax(left, 0), 1);
    switch (s->kind) {
    case SCHEDULE_CONSTANT:
        return rate;
    case SCHEDULE_STEP:
        for (int i = 0; i < s->step_count; i++)
            rate *= epoch >= s->steps[i] ? s->factor : 1;
        return rate;
    case SCHEDULE_COSINE:
        return rate * (1 + cos(3.14159265358979323846 * left)) / 2;
    case SCHEDULE_LINEAR:
        return rate * (1 - left);
    case SCHEDULE_EXPONENTIAL:
        return rate * pow(s->factor, floor(epoch - s->warmup));
    }
    return rate;
}

double ran_ramp_value(const ran_ramp *ramp, double epoch)
{
    double span = ramp->last - ramp->first;
    double at = span > 0 ? (floor(epoch) - ramp->first) / span : epoch >= ramp->first;
    return ramp->from + (ramp->to - ramp->from) * fmin(fmax(at, 0), 1);
}

/* ---- The rest ------------------------------------------------------------------------------------------------------ */

static ran_status read_memory(const reader *r)
{
    const char *size = text(r, "memory-budget");
    char *end;
    if (!*size)
        return RAN_OK;
    double bytes = strtod(size, &end);
    static const char units[] = "KMGT";
    const char *unit = *end ? strchr(units, *end) : NULL;
    if (end == size || !(bytes > 0) || (*end && (!unit || end[1])))
        return usage(r, "memory-budget", size, "bytes, or a number with K, M or G");
    for (long i = 0; unit && i <= unit - units; i++)
        bytes *= 1024;
    r->config->memory = (int64_t)fmin(bytes, 9e18);
    return RAN_OK;
}

static ran_status read_init(const reader *r)
{
    const char *name = text(r, "init");
    if (!strcmp(name, "none"))
        r->config->init = INIT_NONE;
    else if (!strcmp(name, "he"))
        r->config->init = INIT_HE;
    else if (!strcmp(name, "xavier"))
        r->config->init = INIT_XAVIER;
    else
        return usage(r, "init", name, "none, he or xavier");
    return RAN_OK;
}

static int64_t count_of(const reader *r, const char *name)
{
    return strtoll(text(r, name), NULL, 10);
}

static const char *path_of(const reader *r, const char *name)
{
    return ran_recipe_is_set(r->recipe, name) ? ran_intern(r->context, text(r, name)) : NULL;
}

static ran_status read_run(const reader *r)
{
    ran_train_config *c = r->config;
    c->epochs = count_of(r, "epochs");
    c->batch = count_of(r, "batch");
    c->eval_batch = count_of(r, "eval-batch");
    c->eval_every = count_of(r, "eval-every");
    c->seed = (uint64_t)count_of(r, "seed");
    c->threads = (unsigned)count_of(r, "threads");
    c->drop_path = number(r, "drop-path");
    c->dropout = ran_recipe_number(r->recipe, "dropout", -1);
    c->checkpoint_every = number(r, "checkpoint-every");
    c->checkpoint = path_of(r, "checkpoint");
    c->teacher = path_of(r, "teacher");
    c->resume = !strcmp(text(r, "resume"), "true");
    c->interpret = !strcmp(text(r, "interpret"), "true");
    if (ran_recipe_is_set(r->recipe, "freeze"))
        c->freeze = ran_data_split(text(r, "freeze"), ',', &c->freeze_count);
    if (c->batch < 1 || c->eval_batch < 1 || c->batch > MAX_BATCH || c->eval_batch > MAX_BATCH)
        return ran_error(r->context, RAN_USAGE, "batch and eval-batch are from 1 to %d", MAX_BATCH);
    if (c->threads > MAX_THREADS)
        return ran_error(r->context, RAN_USAGE, "threads are at most %d", MAX_THREADS);
    if (c->drop_path >= 1 || c->dropout >= 1)
        return ran_error(r->context, RAN_USAGE, "drop-path and dropout are below 1");
    if (c->resume && !c->checkpoint)
        return ran_error(r->context, RAN_USAGE, "resume from which checkpoint? name it");
    return RAN_OK;
}

static ran_status check_teacher(const reader *r)
{
    bool needed = ran_train_needs_teacher(r->config);
    if (needed && !r->config->teacher)
        return ran_error(r->context, RAN_USAGE, "the losses kl and mse=VALUE need a teacher");
    if (!needed && r->config->teacher)
        return ran_error(r->context, RAN_USAGE,
                         "a teacher is given, but no loss (kl, mse=VALUE) looks at it");
    return RAN_OK;
}

ran_status ran_train_configure(ran_context *context, const ran_recipe *recipe,
                               const ran_module *model, ran_train_config *out_config)
{
    reader r = {context, recipe, out_config};
    ran_status worst = RAN_OK;
    *out_config = (ran_train_config){0};
#define CHECK(call)                                                                                \
    do {                                                                                           \
        ran_status one = (call);                                                                   \
        worst = worst ? worst : one;                                                               \
    } while (0)
    CHECK(read_run(&r));
    CHECK(read_normalization(&r, model));
    CHECK(ran_augment_parse(context, text(&r, "augment"), &out_config->augment));
    CHECK(read_losses(&r));
    CHECK(read_optimizer(&r));
    CHECK(read_schedule(&r));
    CHECK(read_ramps(&r));
    CHECK(read_memory(&r));
    CHECK(read_init(&r));
    if (!worst)
        CHECK(check_teacher(&r));
#undef CHECK
    return worst;
}

void ran_train_config_clear(ran_train_config *config)
{
    ran_data_free_list(config->freeze);
    config->freeze = NULL;
}
