/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Loss tables: several processes' rows become the table of one. */
#include "ir/ir.h"
#include "search/pretrain.h"
#include "tests/harness/unit.h"

#include <string.h>
#include <unistd.h>

static const ran_loss_row rows[] = {
    {"old", "efn", 0.5, 1, 0.25},
    {"a", "identity", 0.125, 2, 0.5},
    {"a", "cb_res_3x3", 1. / 3, 3, 0.75},
    {"b", "identity", -0.0625, -1, 0.1},
};
enum { ROWS = sizeof rows / sizeof *rows };

static bool is_row(const ran_loss_row *a, const ran_loss_row *b)
{
    return !strcmp(a->layer, b->layer) && !strcmp(a->candidate, b->candidate) &&
           !memcmp(&a->loss, &b->loss, sizeof a->loss) && a->drop == b->drop &&
           a->error == b->error;
}

/* Rows 1 and 3 by the second process, the others by the first, which knew `old` before. */
START_TEST(gathered_and_sorted)
{
    ran_context *context = ran_context_create();
    ran_arena *arena = ran_arena_create();
    ran_loss_table first = {.arena = arena}, second = {.arena = arena};
    ran_layer layers[] = {{.name = "a"}, {.name = "b"}};
    ran_layers all = {layers, 2};
    ran_pool pool;
    char directory[] = "losses.XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(directory));
    ran_losses_add(&second, &rows[3]);
    ran_losses_add(&second, &rows[1]);
    ran_losses_add(&first, &rows[2]);
    ran_losses_add(&first, &rows[0]);
    const char *path = ran_losses_path(context, directory, 1);
    ck_assert_int_eq(ran_losses_write(context, &second, path), RAN_OK);
    ck_assert_int_eq(ran_losses_gather(context, directory, 2, &first), RAN_OK);
    ck_assert_int_ne(access(path, F_OK), 0);
    ck_assert_int_eq(ran_pool_open(context, arena, "reduced", &pool), RAN_OK);
    ran_losses_sort(&first, &all, &pool);
    ck_assert_uint_eq(first.count, ROWS);
    for (size_t i = 0; i < ROWS; i++)
        ck_assert_msg(is_row(&first.rows[i], &rows[i]), "row %zu", i);
    rmdir(directory);
    ran_pool_close(&pool);
    ran_arena_destroy(arena);
    ran_context_destroy(context);
}
END_TEST

RAN_UNIT_TESTS(gathered_and_sorted)
