/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sizes that are known only when a model runs: each function of tests/sizes, compiled once, runs at
 * all combinations of a few values of its symbols, sensible ones and others. Where the evaluator
 * finds the sizes wrong, the code returns an error; where it runs, the results are the same. Every
 * buffer ends at a page that can't be touched, so that nothing is read or written behind it.
 */
#include <math.h>
#include <ran/compile.h>
#include <ran/ir.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/harness/compiled.h"
#include "tests/harness/random_network.h"

enum { MOST_VALUES = 16, MOST_SYMBOLS = 4 };

typedef struct sizes {
    const char *path;
    ran_context *context;
    ran_module *module;
    ran_function *function; /* before lowering */
    const struct ran_model_desc *desc;
    const void *weights;
    int64_t symbols[MOST_SYMBOLS];
    ran_tensor *inputs[MOST_VALUES], *expected[MOST_VALUES];
    size_t ran;
} sizes;

static void give_up(const sizes *s, const char *what)
{
    ran_diagnostics_print(s->context, stderr);
    for (uint32_t i = 0; s->desc && i < s->desc->symbol_count; i++)
        fprintf(stderr, "%s = %lld\n", s->desc->symbols[i], (long long)s->symbols[i]);
    ck_abort_msg("%s: %s", s->path, what);
}

/* ---- Buffers ------------------------------------------------------------------------- */

typedef struct guarded {
    char *pages;
    size_t length;
    void *data;
} guarded;

/* The last byte is the last of a page; what follows it can't be touched. */
static guarded allocate(size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), used = (bytes + page - 1) / page * page;
    guarded g = {.length = used + page};
    g.pages = mmap(NULL, g.length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert(g.pages != MAP_FAILED && !mprotect(g.pages + used, page, PROT_NONE));
    g.data = g.pages + used - bytes;
    memset(g.data, 0xff, bytes);
    return g;
}

static void release(guarded *g)
{
    munmap(g->pages, g->length);
}

/* ---- The evaluator ------------------------------------------------------------------- */

/* Small numbers with zeros among them; those of integers reach beyond both ends of small axes. */
static ran_tensor *input_of(const sizes *s, const struct ran_value_desc *value, uint64_t seed)
{
    random_network r = {.state = seed * 7919 + 1};
    int64_t dims[RAN_MAX_RANK];
    ran_elem elem;
    for (int i = 0; i < value->rank; i++)
        dims[i] = value->dims[i] >= 0 ? value->dims[i] : s->symbols[-1 - value->dims[i]];
    ck_assert(ran_elem_from_onnx(value->elem, &elem));
    ran_tensor *tensor = ran_tensor_create(elem, value->rank, dims);
    for (int64_t i = 0; i < ran_tensor_numel(tensor); i++) {
        double x = floor(net_uniform(&r, -2, 4));
        ran_tensor_set_f64(tensor, i, elem == RAN_ELEM_BOOL ? x > 0 : x);
    }
    return tensor;
}

static ran_status interpret(sizes *s)
{
    for (uint32_t i = 0; i < s->desc->input_count; i++)
        s->inputs[i] = input_of(s, &s->desc->inputs[i], i);
    return ran_evaluate(s->function, (const ran_tensor *const *)s->inputs, s->desc->input_count,
                        s->expected, s->desc->output_count);
}

/* ---- The code ------------------------------------------------------------------------ */

typedef struct run {
    guarded inputs[MOST_VALUES], outputs[MOST_VALUES];
    size_t capacities[MOST_VALUES];
    int64_t dims[MOST_VALUES * RAN_MAX_RANK]; /* as large as the outputs can be */
    int64_t shapes[MOST_VALUES][RAN_MAX_RANK];
} run;

static size_t bytes_of_elements(const struct ran_value_desc *value, size_t elements)
{
    ran_elem elem;
    ck_assert(ran_elem_from_onnx(value->elem, &elem));
    return ran_elem_bits(elem) / 8 * elements;
}

static bool depends_on_data(const struct ran_value_desc *value)
{
    for (int axis = 0; axis < value->rank; axis++)
        if (value->dims[axis] == RAN_DIM_DATA)
            return true;
    return false;
}

static void begin(const sizes *s, run *r)
{
    int64_t *next = r->dims;
    s->desc->output_shapes(s->symbols, r->dims);
    for (uint32_t i = 0; i < s->desc->output_count; i++) {
        r->capacities[i] = 1;
        for (int axis = 0; axis < s->desc->outputs[i].rank; axis++)
            r->capacities[i] *= (size_t)*next++;
        r->outputs[i] = allocate(bytes_of_elements(&s->desc->outputs[i], r->capacities[i]));
    }
    for (uint32_t i = 0; i < s->desc->input_count; i++) {
        size_t bytes = ran_tensor_bytes(s->inputs[i]);
        r->inputs[i] = allocate(bytes);
        memcpy(r->inputs[i].data, ran_tensor_data(s->inputs[i]), bytes);
    }
}

static void end(const sizes *s, run *r)
{
    for (uint32_t i = 0; i < s->desc->output_count; i++)
        release(&r->outputs[i]);
    for (uint32_t i = 0; i < s->desc->input_count; i++)
        release(&r->inputs[i]);
}

static int run_with(const sizes *s, run *r, unsigned slots)
{
    const struct ran_parallel parallel = {slots, run_slots};
    const void *in[MOST_VALUES];
    void *out[MOST_VALUES];
    int64_t *shapes[MOST_VALUES];
    struct ran_output_sizes sizes = {r->capacities, shapes};
    for (uint32_t i = 0; i < s->desc->input_count; i++)
        in[i] = r->inputs[i].data;
    for (uint32_t i = 0; i < s->desc->output_count; i++) {
        out[i] = r->outputs[i].data;
        shapes[i] = r->shapes[i];
    }
    guarded workspace = allocate(s->desc->workspace_size(s->symbols, slots));
    int code = s->desc->run(s->symbols, in, out, &sizes, workspace.data,
                            slots > 1 ? &parallel : NULL, s->weights);
    release(&workspace);
    return code;
}

static void compare(const sizes *s, const run *r, size_t index)
{
    const ran_tensor *expected = s->expected[index];
    const int64_t *shape = ran_tensor_dims(expected), *given = r->dims;
    for (size_t i = 0; i < index; i++)
        given += s->desc->outputs[i].rank;
    if (depends_on_data(&s->desc->outputs[index]))
        given = r->shapes[index];
    if (memcmp(shape, given, (size_t)ran_tensor_rank(expected) * sizeof(*shape)) != 0)
        give_up(s, "the shapes of the output differ");
    ran_tensor *got = ran_tensor_wrap(ran_tensor_elem(expected), ran_tensor_rank(expected), shape,
                                      r->outputs[index].data, NULL, NULL);
    if (tensor_distance(expected, got) > 1e-4)
        give_up(s, "the code computes something else");
    ran_tensor_release(got);
}

/* With room for one element less than there are, the output is not touched, and its shape is told.
 */
static void expect_no_room(const sizes *s, run *r, size_t index)
{
    size_t numel = (size_t)ran_tensor_numel(s->expected[index]);
    if (!depends_on_data(&s->desc->outputs[index]) || numel == 0)
        return;
    release(&r->outputs[index]);
    r->outputs[index] = allocate(0);
    r->capacities[index] = numel - 1;
    memset(r->shapes[index], 0xff, sizeof(r->shapes[index]));
    if (run_with(s, r, 1) != RAN_RUN_CAPACITY)
        give_up(s, "there is no room, but the code returns something else");
    if (memcmp(r->shapes[index], ran_tensor_dims(s->expected[index]),
               (size_t)s->desc->outputs[index].rank * sizeof(int64_t)) != 0)
        give_up(s, "there is no room, and the shape is wrong");
    release(&r->outputs[index]);
    r->outputs[index] = allocate(bytes_of_elements(&s->desc->outputs[index], numel));
    r->capacities[index] = numel;
}

static void run_and_compare(const sizes *s)
{
    run r;
    begin(s, &r);
    for (unsigned slots = 1; slots <= 3; slots += 2) {
        for (uint32_t i = 0; i < s->desc->output_count; i++)
            expect_no_room(s, &r, i);
        if (run_with(s, &r, slots) != RAN_RUN_OK)
            give_up(s, "the code returns an error");
        for (uint32_t i = 0; i < s->desc->output_count; i++)
            compare(s, &r, i);
    }
    end(s, &r);
}

/* What is wrong with the data (an index) is found by the kernels; sizes of data that don't fit
 * together, between them. */
static void expect_error(const sizes *s)
{
    run r;
    begin(s, &r);
    int code = run_with(s, &r, 1);
    if (code != RAN_RUN_INDEX && code != RAN_RUN_SHAPE)
        give_up(s, "the evaluator fails, the code does not");
    end(s, &r);
}

/* Before anything is touched: there are no buffers. */
static void expect_refused(const sizes *s)
{
    if (s->desc->run(s->symbols, NULL, NULL, NULL, NULL, NULL, s->weights) != RAN_RUN_SHAPE)
        give_up(s, "the sizes don't fit, but the code runs");
}

static bool has_size(const sizes *s, int64_t size)
{
    for (uint32_t i = 0; i < s->desc->symbol_count; i++)
        if (s->symbols[i] == size)
            return true;
    return false;
}

/* Code is compiled for sizes that broadcast being equal, and for shapes without a 0 that copies. */
static bool may_refuse(const sizes *s, const char *unmet)
{
    return (has_size(s, 1) && strstr(unmet, "broadcast")) ||
           (has_size(s, 0) && strstr(unmet, "copies a size"));
}

static void run_sizes(sizes *s)
{
    ran_status status = interpret(s);
    const char *unmet = s->desc->unmet(s->symbols);
    if (unmet && !status && !may_refuse(s, unmet))
        give_up(s, unmet);
    if (unmet)
        expect_refused(s);
    else if (status)
        expect_error(s);
    else
        run_and_compare(s);
    s->ran += !unmet && !status;
    for (uint32_t i = 0; i < s->desc->input_count; i++)
        ran_tensor_release(s->inputs[i]);
    for (uint32_t i = 0; !status && i < s->desc->output_count; i++)
        ran_tensor_release(s->expected[i]);
    ran_diagnostics_truncate(s->context, 0);
}

static void run_all_sizes(sizes *s, uint32_t symbol)
{
    static const int64_t values[] = {0, 1, 2, 3, 4, 7, 18};
    if (symbol == s->desc->symbol_count) {
        run_sizes(s);
        return;
    }
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        s->symbols[symbol] = values[i];
        run_all_sizes(s, symbol + 1);
    }
}

static void expect_negative_refused(sizes *s)
{
    for (uint32_t i = 0; i < s->desc->symbol_count; i++) {
        for (uint32_t k = 0; k < s->desc->symbol_count; k++)
            s->symbols[k] = k == i ? -1 : 4;
        const char *unmet = s->desc->unmet(s->symbols);
        if (!unmet || !strstr(unmet, "negative"))
            give_up(s, "a negative size is fine");
    }
}

static void check_file(const char *path, void *data)
{
    sizes s = {.path = path, .context = ran_context_create()};
    const ran_compile_options *options = data;
    ran_compiled *compiled = NULL;
    char *text = read_text(path);
    if (ran_module_parse(s.context, text, strlen(text), path, &s.module) != RAN_OK)
        give_up(&s, "does not parse");
    s.function = ran_module_first_function(s.module);
    ran_module *lowered = ran_module_clone(s.module);
    if (ran_compile(lowered, options, &compiled) != RAN_OK ||
        ran_compiled_load(compiled, &s.desc, &s.weights) != RAN_OK)
        give_up(&s, "does not compile");
    ck_assert(s.desc->symbol_count <= MOST_SYMBOLS && s.desc->input_count <= MOST_VALUES &&
              s.desc->output_count <= MOST_VALUES);
    run_all_sizes(&s, 0);
    expect_negative_refused(&s);
    if (!s.ran)
        give_up(&s, "no sizes fit");
    ran_compiled_destroy(compiled);
    ran_module_destroy(lowered);
    ran_module_destroy(s.module);
    ran_context_destroy(s.context);
    free(text);
}

START_TEST(sizes_are_checked)
{
    ran_compile_options options = {.weights = RAN_WEIGHTS_FILE};
    each_ran_file("sizes", getenv("RAN_SIZES"), check_file, &options);
}
END_TEST

/* Other vectors. */
START_TEST(sizes_are_checked_on_a_lesser_target)
{
#ifdef __x86_64__
    ran_compile_options options = {.weights = RAN_WEIGHTS_FILE, .target = "x86-64"};
#else
    ran_compile_options options = {.weights = RAN_WEIGHTS_FILE};
#endif
    each_ran_file("sizes", getenv("RAN_SIZES"), check_file, &options);
}
END_TEST

RAN_UNIT_TESTS(sizes_are_checked, sizes_are_checked_on_a_lesser_target)
