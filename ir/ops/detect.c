/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What detection networks need: boxes that don't overlap. */
#include "ir/ops/ops.h"

#include <math.h>
#include <string.h>

/* ---- non_max_suppression --------------------------------------------------------------------------- */

static ran_status infer_non_max_suppression(ran_infer *infer)
{
    ran_context *context = infer->context;
    ran_status status = ran_infer_check_rank(infer, 0, "boxes", 3);
    if (status == RAN_OK)
        status = ran_infer_check_rank(infer, 1, "scores", 3);
    const ran_dim *boxes[RAN_MAX_RANK], *scores[RAN_MAX_RANK];
    if (status == RAN_OK && ran_infer_dims(infer, 0, boxes) == 3 &&
        ran_infer_dims(infer, 1, scores) == 3) {
        const ran_dim *four = ran_dim_constant(context, 4);
        status = ran_infer_check_equal_dims(infer, "coordinates of a box", boxes[2], four);
        if (status == RAN_OK)
            status = ran_infer_check_equal_dims(infer, "batches", boxes[0], scores[0]);
        if (status == RAN_OK)
            status = ran_infer_check_equal_dims(infer, "boxes and scores", boxes[1], scores[2]);
    }
    if (status != RAN_OK)
        return status;
    return ran_infer_result(
        infer, 0, RAN_ELEM_I64, 2,
        (const ran_dim *[]){ran_dim_fresh(context), ran_dim_constant(context, 3)});
}

typedef struct box {
    double low_y, low_x, high_y, high_x, area;
} box;

static box load_box(const ran_tensor *boxes, int64_t n, bool is_center)
{
    double v[4];
    for (int i = 0; i < 4; i++)
        v[i] = ran_tensor_get_f64(boxes, 4 * n + i);
    box b;
    if (is_center) /* x, y, width, height */
        b = (box){v[1] - v[3] / 2, v[0] - v[2] / 2, v[1] + v[3] / 2, v[0] + v[2] / 2, 0};
    else /* two corners in any order: y, x, y, x */
        b = (box){fmin(v[0], v[2]), fmin(v[1], v[3]), fmax(v[0], v[2]), fmax(v[1], v[3]), 0};
    b.area = (b.high_y - b.low_y) * (b.high_x - b.low_x);
    return b;
}

/* Intersection over union. */
static double overlap(const box *a, const box *b)
{
    double height = fmin(a->high_y, b->high_y) - fmax(a->low_y, b->low_y);
    double width = fmin(a->high_x, b->high_x) - fmax(a->low_x, b->low_x);
    if (height <= 0 || width <= 0 || a->area <= 0 || b->area <= 0)
        return 0;
    return height * width / (a->area + b->area - height * width);
}

typedef struct suppression {
    const ran_tensor *boxes, *scores;
    int64_t box_count, limit;
    double iou_threshold, score_threshold;
    bool is_center;
    bool *used;      /* taken or suppressed, of the class at hand */
    int64_t *chosen; /* triples */
    int64_t count, capacity;
    ran_arena *arena;
} suppression;

static void append_choice(suppression *s, int64_t batch, int64_t class, int64_t n)
{
    if (s->count == s->capacity) {
        int64_t *larger = RAN_ARENA_ARRAY(s->arena, int64_t, (size_t)(s->capacity * 2 + 16) * 3);
        if (s->count)
            memcpy(larger, s->chosen, (size_t)s->count * 3 * sizeof *larger);
        s->chosen = larger;
        s->capacity = s->capacity * 2 + 16;
    }
    memcpy(s->chosen + 3 * s->count++, (int64_t[]){batch, class, n}, 3 * sizeof *s->chosen);
}

/* The best of the boxes that are left; the first one among equals. -1 when none is. */
static int64_t best_box(const suppression *s, int64_t first_score)
{
    int64_t best = -1;
    double best_score = 0;
    for (int64_t n = 0; n < s->box_count; n++) {
        double score = ran_tensor_get_f64(s->scores, first_score + n);
        if (s->used[n] || !(score > s->score_threshold) || (best >= 0 && score <= best_score))
            continue;
        best = n;
        best_score = score;
    }
    return best;
}

static void choose_of_class(suppression *s, int64_t batch, int64_t class, int64_t classes)
{
    int64_t taken = 0, best;
    memset(s->used, 0, (size_t)s->box_count * sizeof *s->used);
    while (taken < s->limit &&
           (best = best_box(s, (batch * classes + class) * s->box_count)) >= 0) {
        append_choice(s, batch, class, best);
        taken++;
        box winner = load_box(s->boxes, batch * s->box_count + best, s->is_center);
        s->used[best] = true;
        for (int64_t n = 0; n < s->box_count; n++) {
            box other = load_box(s->boxes, batch * s->box_count + n, s->is_center);
            s->used[n] |= overlap(&winner, &other) > s->iou_threshold;
        }
    }
}

static double scalar_or(const ran_tensor *tensor, double fallback)
{
    return tensor && ran_tensor_numel(tensor) > 0 ? ran_tensor_get_f64(tensor, 0) : fallback;
}

static ran_status evaluate_non_max_suppression(ran_evaluation *evaluation)
{
    ran_arena *arena = ran_arena_create();
    const int64_t *dims = ran_tensor_dims(evaluation->operands[1]);
    suppression s = {
        .boxes = evaluation->operands[0],
        .scores = evaluation->operands[1],
        .box_count = dims[2],
        .limit = (int64_t)scalar_or(ran_eval_operand(evaluation, 2), 0),
        .iou_threshold = scalar_or(ran_eval_operand(evaluation, 3), 0),
        .score_threshold = scalar_or(ran_eval_operand(evaluation, 4), -INFINITY),
        .is_center = ran_op_int(evaluation->op, "center_point_box") != 0,
        .used = RAN_ARENA_ARRAY(arena, bool, (size_t)dims[2]),
        .arena = arena,
    };
    for (int64_t batch = 0; batch < dims[0]; batch++)
        for (int64_t class = 0; class < dims[1]; class++)
            choose_of_class(&s, batch, class, dims[1]);
    ran_status status =
        ran_eval_create(evaluation, 0, RAN_ELEM_I64, 2, (const int64_t[]){s.count, 3});
    for (int64_t i = 0; status == RAN_OK && i < 3 * s.count; i++)
        ran_tensor_set_i64(evaluation->results[0], i, s.chosen[i]);
    ran_arena_destroy(arena);
    return status;
}

const ran_op_hooks ran_hooks_non_max_suppression = {.infer = infer_non_max_suppression,
                                                    .evaluate = evaluate_non_max_suppression};
