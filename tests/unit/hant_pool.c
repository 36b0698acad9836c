/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The candidate pool: how many, their names, and that each computes what its slot wants. */
#include "search/pool.h"

#include "ir/ir.h"
#include "ir/noise.h"
#include "tests/harness/unit.h"

#include <math.h>
#include <string.h>

static const ran_type *map_type(ran_context *context, int64_t c, int64_t h, int64_t w)
{
    return ran_type_tensor_i64(context, RAN_ELEM_F32, 4, (int64_t[]){1, c, h, w});
}

static ran_slot make_slot(ran_context *context, int64_t inputs, int64_t outputs, int64_t height,
                          int64_t width, int64_t stride)
{
    return (ran_slot){.input = map_type(context, inputs, height, width),
                      .output = map_type(context, outputs, (height + stride - 1) / stride,
                                         (width + stride - 1) / stride),
                      .stride = stride,
                      .inner = RAN_OP_RELU};
}

static bool is_finite(const ran_tensor *tensor)
{
    for (int64_t i = 0; i < ran_tensor_numel(tensor); i++)
        if (!isfinite(ran_tensor_get_f64(tensor, i)))
            return false;
    return true;
}

/* Runs the candidate on noise with the reference evaluator. */
static void check_runs(const ran_candidate *candidate, const ran_slot *slot,
                       const ran_module *module)
{
    const ran_function *function = ran_module_first_function(module);
    int64_t dims[4];
    for (int axis = 0; axis < 4; axis++)
        dims[axis] = ran_type_extent(slot->input, axis);
    ran_tensor *x = ran_tensor_create(RAN_ELEM_F32, 4, dims), *y;
    ran_tensor_fill_noise(x, &(ran_noise){.seed = 1, .deviation = 1});
    ran_status status = ran_evaluate(function, (const ran_tensor *const *)&x, 1, &y, 1);
    ck_assert_msg(status == RAN_OK, "%s does not run", candidate->name);
    for (int axis = 0; axis < 4; axis++)
        ck_assert_int_eq(ran_tensor_dims(y)[axis], ran_type_extent(slot->output, axis));
    ck_assert_msg(is_finite(y), "%s: not finite", candidate->name);
    ran_tensor_release(x);
    ran_tensor_release(y);
}

/* Builds all that fits; runs every `step`-th. Returns how many were built. */
static size_t check_pool(int64_t inputs, int64_t outputs, int64_t height, int64_t width,
                         int64_t stride, size_t step)
{
    ran_context *context = ran_context_create();
    ran_arena *arena = ran_arena_create();
    ran_slot slot = make_slot(context, inputs, outputs, height, width, stride);
    ran_pool pool;
    size_t built = 0;
    ck_assert_int_eq(ran_pool_open(context, arena, "full", &pool), RAN_OK);
    for (size_t i = 0; i < pool.count; i++) {
        const ran_candidate *candidate = pool.candidates[i];
        ran_module *module;
        if (!ran_candidate_fits(candidate, &slot))
            continue;
        ran_status status = ran_candidate_build(context, candidate, &slot, 3, &module);
        if (status != RAN_OK)
            ran_diagnostics_print(context, stderr);
        ck_assert_msg(status == RAN_OK, "%s: status %d", candidate->name, status);
        if (built++ % step == 0 && candidate->dim <= 128)
            check_runs(candidate, &slot, module);
        ran_module_destroy(module);
    }
    ran_pool_close(&pool);
    ran_arena_destroy(arena);
    ran_context_destroy(context);
    return built;
}

START_TEST(counts_and_names)
{
    static const char *const names[] = {
        "identity",          "efn_3x3_e6_se0.04", "efnv2_5x5_e1_se1",  "cb_stack_7x7_ex0.0625",
        "cb_bottle_1x1_ex4", "cb_res_5x5",        "repvgg_3x3",        "conv_cs_ex0.5",
        "vit_d2_dim64_h8",   "bot_e0.25",         "lambda_e4",         "ran_3x3_e6",
        "dwnas_5x5_e3",      "reuse_3x3_n8",      "efn_1x1_e3_se0.025"};
    ran_context *context = ran_context_create();
    ran_arena *arena = ran_arena_create();
    ran_pool pool;
    size_t of_paper = 0;
    ck_assert_int_eq(ran_pool_open(context, arena, "all", &pool), RAN_OK);
    for (size_t i = 0; i < pool.count; i++)
        of_paper += pool.candidates[i]->is_trained && !pool.candidates[i]->family->other_paper;
    ck_assert_uint_eq(of_paper, 197);
    for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
        bool found = false;
        for (size_t i = 0; i < pool.count; i++)
            found |= !strcmp(pool.candidates[i]->name, names[n]);
        ck_assert_msg(found, "no candidate %s", names[n]);
    }
    ck_assert_int_eq(ran_pool_open(context, arena, "reduced", &pool), RAN_OK);
    ck_assert_uint_ge(pool.count, 18);
    ck_assert_uint_le(pool.count, 25);
    ran_arena_destroy(arena);
    ran_context_destroy(context);
}
END_TEST

START_TEST(same_shape)
{
    ck_assert_uint_eq(check_pool(8, 8, 8, 8, 1, 1), 197 + 1 + 4 + 4 + 4);
}
END_TEST

START_TEST(other_channels)
{
    ck_assert_uint_eq(check_pool(8, 12, 6, 4, 1, 3), 197 + 4 + 4 + 4);
}
END_TEST

START_TEST(halved_odd_map)
{
    ck_assert_uint_eq(check_pool(6, 10, 9, 7, 2, 3), 197 + 4 + 4 + 4);
}
END_TEST

START_TEST(halved_same_channels)
{
    ck_assert_uint_eq(check_pool(16, 16, 32, 32, 2, 40), 197 + 4 + 4 + 4);
}
END_TEST

START_TEST(seeds_differ)
{
    ran_context *context = ran_context_create();
    ran_arena *arena = ran_arena_create();
    ran_slot slot = make_slot(context, 4, 4, 4, 4, 1);
    ran_pool pool;
    ran_module *modules[3];
    const ran_tensor *weights[3];
    ck_assert_int_eq(ran_pool_open(context, arena, "all", &pool), RAN_OK);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(
            ran_candidate_build(context, pool.candidates[1], &slot, i ? 7 : 6, &modules[i]),
            RAN_OK);
        weights[i] = ran_value_constant(ran_module_first_constant(modules[i]));
    }
    ck_assert(!ran_tensor_equal(weights[0], weights[1]));
    ck_assert(ran_tensor_equal(weights[1], weights[2]));
    for (size_t i = 0; i < 3; i++)
        ran_module_destroy(modules[i]);
    ran_arena_destroy(arena);
    ran_context_destroy(context);
}
END_TEST

RAN_UNIT_TESTS(counts_and_names, same_shape, other_channels, halved_odd_map, halved_same_channels,
               seeds_differ)
