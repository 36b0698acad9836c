/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What candidates lose: tables as text. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ir/beside.h"
#include "search/pretrain.h"

void ran_losses_add(ran_loss_table *table, const ran_loss_row *row)
{
    if (table->count % 256 == 0) {
        ran_loss_row *rows = RAN_ARENA_ARRAY(table->arena, ran_loss_row, table->count + 256);
        if (table->count)
            memcpy(rows, table->rows, table->count * sizeof *rows);
        table->rows = rows;
    }
    table->rows[table->count++] = (ran_loss_row){ran_arena_string(table->arena, row->layer),
                                                 ran_arena_string(table->arena, row->candidate),
                                                 row->loss, row->drop, row->error};
}

const ran_loss_row *ran_losses_find(const ran_loss_table *table, const char *layer,
                                    const char *candidate)
{
    for (size_t i = 0; i < table->count; i++)
        if (!strcmp(table->rows[i].layer, layer) && !strcmp(table->rows[i].candidate, candidate))
            return &table->rows[i];
    return NULL;
}

/* A last line without its end was being written when the run was killed. */
ran_status ran_losses_read(ran_context *context, ran_arena *arena, const char *path,
                           ran_loss_table *out_table)
{
    *out_table = (ran_loss_table){.arena = arena};
    FILE *file = fopen(path, "r");
    if (!file)
        return errno == ENOENT
                   ? RAN_OK
                   : ran_error(context, RAN_INVALID, "cannot read %s: %s", path, strerror(errno));
    char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, file) >= 0) {
        char layer[256], candidate[256];
        ran_loss_row row = {.layer = layer, .candidate = candidate};
        if (strchr(line, '\n') && sscanf(line, "%255s %255s %lf %lf %lf", layer, candidate,
                                         &row.loss, &row.drop, &row.error) == 5)
            ran_losses_add(out_table, &row);
    }
    free(line);
    fclose(file);
    return RAN_OK;
}

/* Numbers as they are read back: a resumed run must plan with the same ones. The file is written
 * anew each time, so that no half line stays in its middle. */
ran_status ran_losses_write(ran_context *context, const ran_loss_table *table, const char *path)
{
    ran_beside_file out;
    ran_status status = ran_beside_open(context, path, &out);
    if (status != RAN_OK)
        return status;
    for (size_t i = 0; i < table->count; i++)
        fprintf(out.stream, "%s %s %.17g %.17g %.17g\n", table->rows[i].layer,
                table->rows[i].candidate, table->rows[i].loss, table->rows[i].drop,
                table->rows[i].error);
    return ran_beside_close(context, &out, RAN_OK);
}

const char *ran_pretrain_path(ran_context *context, const char *directory, const char *layer,
                              const char *candidate)
{
    char *name = (char *)ran_intern_printf(context, "%s", layer);
    char flat[256];
    snprintf(flat, sizeof flat, "%s", name);
    for (char *c = flat; *c; c++)
        if (*c == '/')
            *c = '_';
    return ran_intern_printf(context, "%s/candidates/%s.%s.ran", directory, flat, candidate);
}

/* ---- Several processes ----------------------------------------------------------------------- */

const char *ran_losses_path(ran_context *context, const char *directory, int rank)
{
    return rank ? ran_intern_printf(context, "%s/losses.%d.txt", directory, rank)
                : ran_intern_printf(context, "%s/losses.txt", directory);
}

ran_status ran_losses_gather(ran_context *context, const char *directory, int ranks,
                             ran_loss_table *table)
{
    ran_status status = RAN_OK;
    for (int rank = 1; rank < ranks && status == RAN_OK; rank++) {
        ran_loss_table part;
        const char *path = ran_losses_path(context, directory, rank);
        status = ran_losses_read(context, table->arena, path, &part);
        for (size_t i = 0; i < part.count; i++)
            if (!ran_losses_find(table, part.rows[i].layer, part.rows[i].candidate))
                ran_losses_add(table, &part.rows[i]);
        unlink(path);
    }
    return status;
}

void ran_losses_sort(ran_loss_table *table, const ran_layers *layers, const ran_pool *pool)
{
    ran_loss_table known = {.arena = table->arena}, sorted = {.arena = table->arena};
    for (size_t l = 0; l < layers->count; l++)
        for (size_t i = 0; i < pool->count; i++) {
            const ran_loss_row *row =
                ran_losses_find(table, layers->layers[l].name, pool->candidates[i]->name);
            if (row)
                ran_losses_add(&known, row);
        }
    for (size_t i = 0; i < table->count; i++)
        if (!ran_losses_find(&known, table->rows[i].layer, table->rows[i].candidate))
            ran_losses_add(&sorted, &table->rows[i]);
    for (size_t i = 0; i < known.count; i++)
        ran_losses_add(&sorted, &known.rows[i]);
    *table = sorted;
}
