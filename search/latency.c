/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/latency.h"

#include <errno.h>
#include <ran/tensor_file.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ir/beside.h"
#include "ir/ir.h"
#include "search/model.h"

enum { ROUNDS = 15, ROUNDS_MAX = 301, RUNNER_ROUNDS = 3 };
enum { SHORT_RUN = 30000000 }; /* nanoseconds of each function, all rounds together */

/* ---- Tables -------------------------------------------------------------------------------------
 */

void ran_latency_add(ran_latency_table *table, const char *layer, const char *candidate,
                     int64_t nanoseconds)
{
    if (table->count % 256 == 0) {
        ran_latency_row *rows = RAN_ARENA_ARRAY(table->arena, ran_latency_row, table->count + 256);
        if (table->count)
            memcpy(rows, table->rows, table->count * sizeof *rows);
        table->rows = rows;
    }
    table->rows[table->count++] =
        (ran_latency_row){ran_arena_string(table->arena, layer),
                          ran_arena_string(table->arena, candidate), nanoseconds};
}

int64_t ran_latency_find(const ran_latency_table *table, const char *layer, const char *candidate)
{
    for (size_t i = 0; i < table->count; i++)
        if (!strcmp(table->rows[i].layer, layer) && !strcmp(table->rows[i].candidate, candidate))
            return table->rows[i].nanoseconds;
    return -1;
}

ran_status ran_latency_write(ran_context *context, const ran_latency_table *table, const char *path)
{
    ran_beside_file out;
    ran_status status = ran_beside_open(context, path, &out);
    if (status != RAN_OK)
        return status;
    fprintf(out.stream,
            "# latencies in place, batch 1, nanoseconds\ntarget %s\nsource %s\nnetwork %lld\n",
            table->target, table->source, (long long)table->network);
    for (size_t i = 0; i < table->count; i++)
        fprintf(out.stream, "%s %s %lld\n", table->rows[i].layer, table->rows[i].candidate,
                (long long)table->rows[i].nanoseconds);
    return ran_beside_close(context, &out, RAN_OK);
}

static ran_status read_line(ran_context *context, ran_latency_table *table, const char *path,
                            int number, char *line)
{
    char *rest, *words[4] = {0};
    size_t count = 0;
    char *hash = strchr(line, '#');
    if (hash)
        *hash = '\0';
    line[strcspn(line, "\r\n")] = '\0';
    if (!strncmp(line, "source ", 7)) {
        table->source = ran_arena_string(table->arena, line + 7);
        return RAN_OK;
    }
    for (char *word = strtok_r(line, " \t", &rest); word && count < 4;
         word = strtok_r(NULL, " \t", &rest))
        words[count++] = word;
    if (count == 2 && !strcmp(words[0], "target")) {
        table->target = ran_arena_string(table->arena, words[1]);
        return RAN_OK;
    }
    char *end = NULL;
    long long value = count >= 2 ? strtoll(words[count - 1], &end, 10) : 0;
    bool good = end && !*end && value >= 0;
    if (good && count == 2 && !strcmp(words[0], "network"))
        table->network = value;
    else if (good && count == 3)
        ran_latency_add(table, words[0], words[1], value);
    else if (count)
        return ran_error_at(context, RAN_INVALID, path, number, 1,
                            "expected `layer candidate nanoseconds'");
    return RAN_OK;
}

ran_status ran_latency_read(ran_context *context, ran_arena *arena, const char *path,
                            const char *target, ran_latency_table *out_table)
{
    *out_table = (ran_latency_table){.target = "", .source = "given", .arena = arena};
    FILE *file = fopen(path, "r");
    if (!file)
        return ran_error(context, RAN_INVALID, "cannot read %s: %s", path, strerror(errno));
    ran_status status = RAN_OK;
    char *line = NULL;
    size_t size = 0;
    for (int number = 1; status == RAN_OK && getline(&line, &size, file) >= 0; number++)
        status = read_line(context, out_table, path, number, line);
    free(line);
    fclose(file);
    if (status == RAN_OK && strcmp(out_table->target, target))
        status = ran_error(context, RAN_INVALID, "%s holds latencies of target %s, not of %s", path,
                           *out_table->target ? out_table->target : "(none)", target);
    return status;
}

/* ---- Measuring
 * ------------------------------------------------------------------------------------ */

static int ascending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int64_t median(int64_t *values, size_t count)
{
    qsort(values, count, sizeof *values, ascending);
    return values[count / 2];
}

/* A turn of each function, so that all see the same disturbances. The first run brings the
 * function's code and weights back into the caches, where those of a network that runs again and
 * again are; it does not count. */
static ran_status take_turn(ran_native *const *natives, size_t count, int64_t *out)
{
    ran_status status = RAN_OK;
    for (size_t i = 0; i < count && status == RAN_OK; i++) {
        status = ran_native_time(natives[i], &out[i]);
        if (status == RAN_OK)
            status = ran_native_time(natives[i], &out[i]);
    }
    return status;
}

/* Short functions want more rounds: the median of so many microseconds is a matter of chance. */
static size_t rounds_for(const ran_latency_options *options, const int64_t *turn, size_t count)
{
    int64_t spent = 1;
    if (options->rounds)
        return (size_t)options->rounds;
    for (size_t i = 0; i < count; i++)
        spent += turn[i];
    int64_t rounds = (int64_t)count * SHORT_RUN / spent;
    return (size_t)(rounds < ROUNDS ? ROUNDS : rounds > ROUNDS_MAX ? ROUNDS_MAX : rounds);
}

static ran_status measure_natives(ran_context *context, ran_native *const *natives, size_t count,
                                  const ran_latency_options *options, int64_t *out)
{
    ran_status status = take_turn(natives, count, out);
    size_t rounds = rounds_for(options, out, count);
    int64_t *times = calloc(count * rounds, sizeof *times);
    int64_t *one = calloc(rounds, sizeof *one);
    if (status == RAN_OK && (!times || !one))
        status = ran_error(context, RAN_INVALID, "not enough memory");
    for (size_t round = 0; round < rounds && status == RAN_OK; round++)
        status = take_turn(natives, count, times + round * count);
    for (size_t i = 0; i < count && status == RAN_OK; i++) {
        for (size_t round = 0; round < rounds; round++)
            one[round] = times[round * count + i];
        out[i] = median(one, rounds);
    }
    free(times);
    free(one);
    return status;
}

static ran_status measure_here(const ran_module *const *modules, size_t count,
                               const ran_latency_options *options, int64_t *out)
{
    ran_context *context = ran_module_context(modules[0]);
    ran_native **natives = calloc(count, sizeof *natives);
    ran_status status = natives ? RAN_OK : ran_error(context, RAN_INVALID, "not enough memory");
    for (size_t i = 0; i < count && status == RAN_OK; i++)
        status = ran_native_create(modules[i], options->target, &natives[i]);
    if (status == RAN_OK)
        status = measure_natives(context, natives, count, options, out);
    for (size_t i = 0; natives && i < count; i++)
        ran_native_destroy(natives[i]);
    free(natives);
    return status;
}

static ran_status estimate(const ran_module *module, const ran_latency_options *options,
                           int64_t *out)
{
    ran_module *copy = ran_module_clone(module);
    ran_prediction prediction = {0};
    ran_compile_options compile = {.target = options->target, .winograd = true};
    ran_status status = ran_search_optimize(copy, options->target, "3");
    if (status == RAN_OK)
        status = ran_predict(copy, &compile, &prediction);
    if (status == RAN_OK && prediction.seconds < 0)
        status = ran_error(ran_module_context(module), RAN_UNSUPPORTED,
                           "the cost model does not know this model");
    *out = (int64_t)(prediction.seconds * 1e9);
    ran_module_destroy(copy);
    return status;
}

static ran_status write_input(const ran_module *module, const char *path)
{
    ran_context *context = ran_module_context(module);
    const ran_region *body = ran_function_body(ran_module_first_function(module));
    const ran_type *type = ran_value_type(ran_region_argument(body, 0));
    int64_t dims[RAN_MAX_RANK];
    struct ran_rt_tensor tensor = {0};
    struct ran_rt_error error;
    for (int i = 0; i < ran_type_rank(type); i++)
        dims[i] = ran_type_extent(type, i);
    bool failed = ran_rt_tensor_create(&tensor, ran_elem_onnx(ran_type_elem(type)),
                                       ran_type_rank(type), dims, &error) ||
                  ran_rt_tensor_write(path, &tensor, &error);
    ran_rt_tensor_clear(&tensor);
    return failed ? ran_error(context, RAN_INVALID, "%s: %s", path, error.text) : RAN_OK;
}

/* Runs the program once; its last line is "N runs, median X ms, ...". */
static ran_status run_program(ran_context *context, const char *command, int64_t *out)
{
    char line[512];
    double milliseconds = -1;
    unsigned long runs;
    FILE *pipe = popen(command, "r");
    if (!pipe)
        return ran_error(context, RAN_INVALID, "cannot run %s: %s", command, strerror(errno));
    while (fgets(line, sizeof line, pipe))
        sscanf(line, "%lu runs, median %lf ms", &runs, &milliseconds);
    int code = pclose(pipe);
    *out = (int64_t)(milliseconds * 1e6);
    if (!code && milliseconds >= 0)
        return RAN_OK;
    return ran_error(context, RAN_INVALID, "no time came from: %s", command);
}

static ran_status build_program(const ran_module *module, const ran_latency_options *options,
                                const char *path)
{
    ran_module *copy = ran_module_clone(module);
    ran_compiled *compiled = NULL;
    ran_compile_options compile = {
        .target = options->target, .weights = RAN_WEIGHTS_EMBED, .winograd = true};
    ran_status status = ran_search_optimize(copy, options->target, "3");
    if (status == RAN_OK)
        status = ran_compile(copy, &compile, &compiled);
    if (status == RAN_OK)
        status = ran_compiled_emit(compiled, RAN_EMIT_EXECUTABLE, path);
    ran_compiled_destroy(compiled);
    ran_module_destroy(copy);
    return status;
}

static ran_status measure_there(const ran_module *const *modules, size_t count,
                                const ran_latency_options *options, int64_t *out)
{
    ran_context *context = ran_module_context(modules[0]);
    ran_status status = RAN_OK;
    for (size_t i = 0; i < count && status == RAN_OK; i++) {
        const char *program = ran_intern_printf(context, "%s/run_%zu", options->scratch, i);
        const char *input = ran_intern_printf(context, "%s/input_%zu.pb", options->scratch, i);
        status = build_program(modules[i], options, program);
        if (status == RAN_OK)
            status = write_input(modules[i], input);
    }
    int64_t *times = calloc(count * RUNNER_ROUNDS, sizeof *times);
    for (size_t round = 0; times && round < RUNNER_ROUNDS && status == RAN_OK; round++)
        for (size_t i = 0; i < count && status == RAN_OK; i++)
            status = run_program(
                context,
                ran_intern_printf(context, "%s %s/run_%zu --bench=0.05 %s/input_%zu.pb",
                                  options->runner, options->scratch, i, options->scratch, i),
                &times[i * RUNNER_ROUNDS + round]);
    for (size_t i = 0; times && i < count; i++) {
        out[i] = median(times + i * RUNNER_ROUNDS, RUNNER_ROUNDS);
        unlink(ran_intern_printf(context, "%s/run_%zu", options->scratch, i));
        unlink(ran_intern_printf(context, "%s/input_%zu.pb", options->scratch, i));
    }
    free(times);
    return status;
}

ran_status ran_latency_compare(const ran_module *const *modules, size_t count,
                               const ran_latency_options *options, int64_t *out_nanoseconds)
{
    ran_status status = RAN_OK;
    if (options->runner)
        return measure_there(modules, count, options, out_nanoseconds);
    if (!options->estimate)
        return measure_here(modules, count, options, out_nanoseconds);
    for (size_t i = 0; i < count && status == RAN_OK; i++)
        status = estimate(modules[i], options, &out_nanoseconds[i]);
    return status;
}

ran_status ran_latency_of(const ran_module *module, const ran_latency_options *options,
                          int64_t *out_nanoseconds)
{
    return ran_latency_compare(&module, 1, options, out_nanoseconds);
}

/* ---- Layers in place
 * ---------------------------------------------------------------------------------- */

/* The function around a layer: with the layer before and the one behind, where they touch it. */
static ran_status cut_window(const ran_function *function, const ran_layers *layers, size_t index,
                             ran_module **out_module)
{
    const ran_layer *layer = &layers->layers[index];
    const ran_value *from = layer->input, *to = layer->output;
    if (index > 0 && layers->layers[index - 1].output == layer->input)
        from = layers->layers[index - 1].input;
    if (index + 1 < layers->count && layers->layers[index + 1].input == layer->output)
        to = layers->layers[index + 1].output;
    return ran_search_cut(function, from, to, out_module);
}

/* What a layer's measurement consists of, in this order; behind them the candidates' windows. */
enum { ALONE, TEACHER, NETWORK, FIRST_CANDIDATE };

typedef struct windows {
    ran_module **modules;
    const ran_candidate **candidates;
    size_t count; /* of the candidates */
} windows;

static ran_status add_window(windows *w, const ran_layer *layer, const ran_candidate *candidate)
{
    ran_slot slot = ran_slot_of(layer);
    ran_module *part, *window = ran_module_clone(w->modules[TEACHER]);
    ran_status status = ran_candidate_build(ran_module_context(window), candidate, &slot, 0, &part);
    if (status != RAN_OK) {
        ran_module_destroy(window);
        return status;
    }
    status = ran_search_substitute(ran_module_first_function(window), ran_value_name(layer->input),
                                   ran_value_name(layer->output), ran_module_first_function(part),
                                   layer->name);
    ran_module_destroy(part);
    w->candidates[w->count] = candidate;
    w->modules[FIRST_CANDIDATE + w->count++] = window;
    return status;
}

static ran_status build_windows(const ran_function *function, const ran_layers *layers,
                                size_t index, const ran_pool *pool, const ran_latency_table *table,
                                windows *w)
{
    const ran_layer *layer = &layers->layers[index];
    ran_slot slot = ran_slot_of(layer);
    ran_status status = ran_search_cut(function, layer->input, layer->output, &w->modules[ALONE]);
    if (status == RAN_OK)
        status = cut_window(function, layers, index, &w->modules[TEACHER]);
    w->modules[NETWORK] = ran_module_clone(ran_function_module(function));
    for (size_t i = 0; i < pool->count && status == RAN_OK; i++)
        if (ran_candidate_fits(pool->candidates[i], &slot) &&
            ran_latency_find(table, layer->name, pool->candidates[i]->name) < 0)
            status = add_window(w, layer, pool->candidates[i]);
    return status;
}

/* Alone or in its window, whichever is less; but no less than what the fastest candidate saves of
 * the window, because latencies are not negative and totals are sums of differences. */
static int64_t teacher_latency(const int64_t *times, size_t candidates)
{
    int64_t teacher = times[ALONE] < times[TEACHER] ? times[ALONE] : times[TEACHER];
    for (size_t i = 0; i < candidates; i++)
        if (times[TEACHER] - times[FIRST_CANDIDATE + i] > teacher)
            teacher = times[TEACHER] - times[FIRST_CANDIDATE + i];
    return teacher;
}

/* The machine may be slower or faster than when the network was measured by itself: the network
 * takes its turns too, and all of the layer's times are brought to the table's. */
static void scale_times(int64_t *times, size_t count, int64_t network)
{
    double scale = times[NETWORK] > 0 && network > 0 ? (double)network / (double)times[NETWORK] : 1;
    for (size_t i = 0; i < count; i++)
        times[i] = (int64_t)((double)times[i] * scale + 0.5);
}

static void add_rows(const windows *w, const ran_layer *layer, const int64_t *times,
                     ran_latency_table *table)
{
    int64_t teacher = ran_latency_find(table, layer->name, "teacher");
    if (teacher < 0) {
        teacher = teacher_latency(times, w->count);
        ran_latency_add(table, layer->name, "teacher", teacher);
    }
    for (size_t i = 0; i < w->count; i++) {
        int64_t latency = teacher + times[FIRST_CANDIDATE + i] - times[TEACHER];
        ran_latency_add(table, layer->name, w->candidates[i]->name, latency > 0 ? latency : 0);
    }
}

static ran_status measure_windows(const windows *w, const ran_layer *layer,
                                  const ran_latency_options *options, ran_latency_table *table)
{
    size_t count = FIRST_CANDIDATE + w->count;
    int64_t *times = calloc(count, sizeof *times);
    if (!times)
        return ran_error(ran_module_context(w->modules[ALONE]), RAN_INVALID, "not enough memory");
    ran_status status =
        ran_latency_compare((const ran_module *const *)w->modules, count, options, times);
    if (status == RAN_OK) {
        scale_times(times, count, table->network);
        add_rows(w, layer, times, table);
    }
    free(times);
    return status;
}

static ran_status complete_layer(const ran_function *function, const ran_layers *layers,
                                 size_t index, const ran_pool *pool,
                                 const ran_latency_options *options, ran_latency_table *table,
                                 bool *out_changed)
{
    windows w = {.modules = calloc(FIRST_CANDIDATE + pool->count, sizeof *w.modules),
                 .candidates = calloc(pool->count + 1, sizeof *w.candidates)};
    const ran_layer *layer = &layers->layers[index];
    ran_status status = build_windows(function, layers, index, pool, table, &w);
    *out_changed = w.count > 0 || ran_latency_find(table, layer->name, "teacher") < 0;
    if (status == RAN_OK && *out_changed)
        status = measure_windows(&w, layer, options, table);
    for (size_t i = 0; i < FIRST_CANDIDATE + w.count; i++)
        if (w.modules[i])
            ran_module_destroy(w.modules[i]);
    free(w.modules);
    free(w.candidates);
    return status;
}

ran_status ran_latency_complete(const ran_module *module, const ran_layers *layers,
                                const ran_pool *pool, const ran_latency_options *options,
                                ran_latency_table *table, ran_status (*save)(void *data),
                                void *save_data)
{
    const ran_function *function = ran_module_first_function(module);
    size_t chosen = ran_layers_chosen(layers), done = 0;
    ran_status status = RAN_OK;
    if (!table->network) {
        status = ran_latency_of(module, options, &table->network);
        if (status == RAN_OK && save)
            status = save(save_data);
    }
    for (size_t i = 0; i < layers->count && status == RAN_OK; i++) {
        bool changed;
        if (!layers->layers[i].is_chosen)
            continue;
        if (options->progress)
            options->progress(options->data, layers->layers[i].name, done++, chosen);
        status = complete_layer(function, layers, i, pool, options, table, &changed);
        if (status == RAN_OK && changed && save)
            status = save(save_data);
    }
    return status;
}
