/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "codegen/matmul/matmul.h"

#include <string.h>

#include "codegen/matmul/tiled.h"

enum { TASKS = 16, TASK_MACS = 300000 };

/* ---- Shapes ------------------------------------------------------------------------------------ */

typedef struct product {
    const ran_type *a, *b, *y;
    bool transposed_a, transposed_b;
    bool packed;               /* b has been packed: its type has one axis more */
    const ran_dim *m, *n, *k;
    int a_rank, b_rank, y_rank; /* b's before packing */
} product;

static int64_t constant_or(const ran_dim *dim, int64_t otherwise)
{
    return ran_dim_is_constant(dim) ? ran_dim_value(dim) : otherwise;
}

static ran_context *context_of(const ran_op *op)
{
    return ran_module_context(ran_function_module(ran_region_function(ran_op_parent(op))));
}

/* The rank that b had is that of its operand before packing: one less than a packed type's. */
static product product_of(const ran_op *anchor, bool packed)
{
    ran_context *context = context_of(anchor);
    bool gemm = anchor->opcode == RAN_OP_GEMM;
    product p = {.a = ran_value_type(ran_op_operand(anchor, 0)),
                 .b = ran_value_type(ran_op_operand(anchor, 1)),
                 .y = ran_value_type(ran_op_result(anchor, 0)),
                 .transposed_a = gemm && ran_op_int(anchor, "transA"),
                 .transposed_b = gemm && ran_op_int(anchor, "transB"),
                 .packed = packed};
    p.a_rank = ran_type_rank(p.a);
    p.b_rank = ran_type_rank(p.b) - (packed ? 1 : 0);
    p.y_rank = ran_type_rank(p.y);
    bool column = p.b_rank == 1; /* b is a vector: the result has no columns */
    p.n = column ? ran_dim_constant(context, 1) : ran_type_dim(p.y, p.y_rank - 1);
    p.m = p.a_rank == 1 ? ran_dim_constant(context, 1)
                        : ran_type_dim(p.a, p.a_rank - (p.transposed_a ? 1 : 2));
    p.k = ran_type_dim(p.a, p.a_rank - (p.transposed_a ? 2 : 1));
    return p;
}

static bool is_elem(const ran_op *anchor, const char *const *names)
{
    ran_elem elem = ran_type_elem(ran_value_type(ran_op_result(anchor, 0)));
    for (size_t i = 0; i < 2; i++) {
        const ran_type *type = ran_value_type(ran_op_operand(anchor, i));
        if (!ran_type_is_tensor(type) || ran_type_rank(type) < 1 || ran_type_elem(type) != elem)
            return false;
    }
    for (; *names; names++)
        if (!strcmp(*names, ran_elem_name(elem)))
            return true;
    return false;
}

static bool batch_fits(const ran_op *anchor)
{
    return ran_type_rank(ran_value_type(ran_op_result(anchor, 0))) <= MATMUL_BATCH + 2 &&
           !(ran_op_opcode(anchor) == RAN_OP_GEMM && ran_op_operand(anchor, 2));
}

bool ran_matmul_tiled_accepts(const ran_op *anchor, const ran_target *target)
{
    static const char *const names[] = {"f32", NULL};
    (void)target;
    return is_elem(anchor, names) && batch_fits(anchor);
}

bool ran_matmul_typed_accepts(const ran_op *anchor, const ran_target *target)
{
    static const char *const names[] = {"f64", "i32", "i64", "u32", "u64", NULL};
    (void)target;
    return is_elem(anchor, names) && batch_fits(anchor);
}

/* ---- Tiles ------------------------------------------------------------------------------------------ */

/* Cycles in which a panel's next row comes from the second cache, for one element of k; none where the
 * first one holds the panel. */
static double panel_cycles(const product *p, const ran_target *target, int64_t vectors)
{
    double line = (double)(vectors * target->lanes * 4);
    if (line * (double)constant_or(p->k, 512) <= (double)target->l1 / 2)
        return 0;
    return line * target->ghz / target->l2_bandwidth;
}

/* Cycles of one element of k in one tile: what takes longest, and a part of what should hide behind
 * it. */
static double step_cycles(const product *p, const ran_target *target, int64_t rows, int64_t vectors)
{
    double multiply = (double)(rows * vectors) / target->fma_ports;
    double load = (double)(rows + vectors) / 2;
    double most = multiply > load ? multiply : load, least = multiply < load ? multiply : load;
    return (most > 4 ? most : 4) + 0.1 * least + 0.5 * panel_cycles(p, target, vectors);
}

/* Cycles of one column tile for all rows and one element of k. */
static double tile_cost(const product *p, const ran_target *target, int64_t m, int64_t rows,
                        int64_t vectors)
{
    double start = 20 / (double)(constant_or(p->k, 512) + 1), total = 0;
    for (int64_t rest = m; rest > 0; rest -= rows)
        total += step_cycles(p, target, rest < rows ? rest : rows, vectors) + start;
    return total;
}

static bool fits(const ran_target *target, int64_t rows, int64_t vectors)
{
    int64_t inputs = target->arch == RAN_ARCH_AARCH64 ? rows : 1;
    return rows * vectors + vectors + inputs <= target->registers;
}

/* `panel` is a width that the tile's divides; 0: any width will do. */
static void choose_tile(const product *p, const ran_target *target, int64_t panel, int64_t *rows,
                        int64_t *vectors)
{
    int64_t m = constant_or(p->m, 64), n = constant_or(p->n, 1024);
    double best = 1e300;
    m = m > 256 ? 256 : m < 1 ? 1 : m;
    *rows = *vectors = 1;
    for (int64_t v = 1; v <= MATMUL_VECTORS; v++)
        for (int64_t r = 1; r <= MATMUL_ROWS && r <= m && fits(target, r, v); r++) {
            int64_t width = v * target->lanes, panels = n < 1 ? 1 : (n + width - 1) / width;
            if (panel % width)
                continue;
            double cost = (double)panels * tile_cost(p, target, m, r, v);
            if (cost < best * 0.999) {
                best = cost;
                *rows = r;
                *vectors = v;
            }
        }
}

/* In a kernel that was prepared, b is packed. */
static bool is_packed(const ran_op *anchor)
{
    const ran_op *kernel = ran_region_parent_op(ran_op_parent(anchor));
    return ran_op_is(kernel, RAN_OP_KERNEL) && ran_op_has_attr(kernel, "tile") &&
           ran_op_ints(kernel, "tile", NULL)[2];
}

double ran_matmul_tiled_cost(const ran_op *anchor, const ran_target *target)
{
    product p = product_of(anchor, is_packed(anchor));
    int64_t rows, vectors, m = constant_or(p.m, 64), n = constant_or(p.n, 1024);
    choose_tile(&p, target, 0, &rows, &vectors);
    int64_t width = vectors * target->lanes, panels = (n + width - 1) / width;
    ran_counts counts = {0};
    ran_count_op(anchor, &counts);
    double steps = m > 0 && n > 0 ? (double)counts.macs / ((double)m * (double)n) : 0;
    return steps * (double)panels * tile_cost(&p, target, m, rows, vectors) / (target->ghz * 1e9);
}

/* Columns of a panel of packed weights: those of the tile, or of the tile for the target whose
 * layout of the weights this one shares. */
static int64_t choose_panel(const product *p, const ran_target *target)
{
    int64_t rows, vectors;
    const ran_target *owner = target->weights ? target->weights : target;
    choose_tile(p, owner, 0, &rows, &vectors);
    return vectors * owner->lanes;
}

/* [batch..., K, N] -> [batch..., N / panel, K, panel]; transposed b is [N, K]. */
ran_status ran_matmul_tiled_prepare(ran_op *kernel, const ran_target *target)
{
    ran_op *anchor = ran_kernel_anchor(kernel);
    product p = product_of(anchor, false);
    int64_t rows, vectors, perm[RAN_MAX_RANK];
    size_t operand = ran_value_index(ran_op_operand(anchor, 1));
    bool constant = ran_value_constant(ran_op_operand(kernel, operand)) != NULL;
    int64_t panel = constant ? choose_panel(&p, target) : 0;
    choose_tile(&p, target, panel, &rows, &vectors);
    ran_op_set_ints(kernel, "tile", (int64_t[]){rows, vectors, panel}, 3);
    if (!constant)
        return RAN_OK;
    int64_t axis = p.b_rank == 1 || p.transposed_b ? p.b_rank - 2 : p.b_rank - 1;
    for (int i = 0; i < p.b_rank; i++)
        perm[i] = i;
    if (p.b_rank == 1) { /* one column: [K] stands as it is, and is a panel of width 1 */
        ran_op_set_ints(kernel, "tile", (int64_t[]){rows, vectors, 0}, 3);
        return RAN_OK;
    }
    if (!p.transposed_b) {
        perm[p.b_rank - 2] = p.b_rank - 1;
        perm[p.b_rank - 1] = p.b_rank - 2;
    }
    return ran_kernel_pack(kernel, operand, (int64_t[]){axis}, (int64_t[]){panel}, 1, perm,
                           (size_t)p.b_rank);
}

/* ---- Description --------------------------------------------------------------------------------------- */

static const ran_dim *multiply(ran_emission *e, const ran_dim *a, const ran_dim *b)
{
    return ran_dim_binary(e->context, RAN_DIM_MUL, a, b);
}

#define WORD(field) RAN_SPEC_WORD(struct matmul_spec, field)

/* Elements between matrices along each axis of the batch; 0 where an operand is broadcast.
 * `matrix` is the storage of one of its matrices. */
static void describe_batch(ran_emission *e, const product *p, const ran_type *type, int rank,
                           const ran_dim *matrix, size_t word, int batch_rank)
{
    const ran_dim *step = matrix, *zero = ran_dim_constant(e->context, 0);
    (void)p;
    for (int i = batch_rank - 1; i >= 0; i--) {
        int axis = rank - 2 - (batch_rank - i);
        const ran_dim *extent = axis >= 0 ? ran_type_dim(type, axis) : NULL;
        bool broadcast = !extent || ran_dim_is(extent, 1);
        ran_emission_set_dim(e, word + (size_t)i, broadcast ? zero : step);
        if (extent)
            step = multiply(e, step, extent);
    }
}

/* (batch, m, n): axes that an operand of rank 1 takes away are no coordinate's. */
static void describe_space(ran_emission *e, const product *p, int batch_rank)
{
    int axis = batch_rank;
    e->store = (ran_space){.type = p->y, .rank = 3};
    e->store.axes[0].first = 0;
    e->store.axes[0].last = batch_rank - 1;
    e->store.axes[1].first = axis;
    e->store.axes[1].last = p->a_rank == 1 ? axis - 1 : axis;
    axis += p->a_rank == 1 ? 0 : 1;
    e->store.axes[2].first = axis;
    e->store.axes[2].last = p->b_rank == 1 ? axis - 1 : axis;
}

static int batch_rank_of(const product *p)
{
    return p->y_rank - (p->a_rank == 1 ? 0 : 1) - (p->b_rank == 1 ? 0 : 1);
}

/* Everything but tiles and tasks. */
static void describe_operands(ran_emission *e, const product *p, const ran_dim *b_matrix)
{
    const ran_dim *one = ran_dim_constant(e->context, 1);
    int batch_rank = batch_rank_of(p);
    double alpha = e->anchor->opcode == RAN_OP_GEMM ? ran_op_float(e->anchor, "alpha") : 1;
    int64_t bits;
    memcpy(&bits, &alpha, sizeof(bits));
    RAN_SPEC(e, struct matmul_spec, a, ran_emission_io(e, ran_op_operand(e->anchor, 0)));
    RAN_SPEC(e, struct matmul_spec, b, ran_emission_io(e, ran_op_operand(e->anchor, 1)));
    RAN_SPEC(e, struct matmul_spec, alpha, bits);
    RAN_SPEC_DIM(e, struct matmul_spec, m, p->m);
    RAN_SPEC_DIM(e, struct matmul_spec, n, p->n);
    RAN_SPEC_DIM(e, struct matmul_spec, k, p->k);
    RAN_SPEC_DIM(e, struct matmul_spec, a_row, p->transposed_a ? one : p->k);
    RAN_SPEC_DIM(e, struct matmul_spec, a_column, p->transposed_a ? p->m : one);
    RAN_SPEC_DIM(e, struct matmul_spec, b_row, p->transposed_b ? one : p->n);
    RAN_SPEC_DIM(e, struct matmul_spec, b_column, p->transposed_b ? p->k : one);
    RAN_SPEC(e, struct matmul_spec, batch_rank, batch_rank);
    for (int i = 0; i < batch_rank; i++)
        ran_emission_set_dim(e, WORD(batch) + (size_t)i, ran_type_dim(p->y, i));
    describe_batch(e, p, p->a, p->a_rank, multiply(e, p->m, p->k), WORD(a_batch), batch_rank);
    describe_batch(e, p, p->b, p->b_rank, b_matrix, WORD(b_batch), batch_rank);
    describe_space(e, p, batch_rank);
}

static const ran_dim *batch_of(ran_emission *e, const product *p)
{
    const ran_dim *batch = ran_dim_constant(e->context, 1);
    for (int i = 0; i < batch_rank_of(p); i++)
        batch = multiply(e, batch, ran_type_dim(p->y, i));
    return batch;
}

static const ran_dim *ceil_div(ran_emission *e, const ran_dim *dim, int64_t by)
{
    return ran_dim_binary(e->context, RAN_DIM_CEILDIV, dim, ran_dim_constant(e->context, by));
}

/* Rows so that a's stay in the second cache; as many panels as leave enough tasks. */
static void describe_tasks(ran_emission *e, const product *p, int64_t rows, int64_t width)
{
    int64_t k = constant_or(p->k, 512), m = constant_or(p->m, 64), n = constant_or(p->n, 1024);
    int64_t batch = constant_or(batch_of(e, p), 1);
    k = k < 1 ? 1 : k;
    int64_t most = e->target->l2 / 2 / (k * 4) / rows;
    int64_t rows_per_task = (most < 1 ? 1 : most) * rows;
    int64_t row_tasks = (m + rows_per_task - 1) / rows_per_task;
    double macs = (double)m * (double)n * (double)k * (double)batch;
    int64_t tasks = macs / TASK_MACS < 1 ? 1 : macs / TASK_MACS > TASKS ? TASKS : (int64_t)(macs / TASK_MACS);
    int64_t panels = (n + width - 1) / width, others = batch * (row_tasks < 1 ? 1 : row_tasks);
    int64_t panel_tasks = (tasks + others - 1) / (others < 1 ? 1 : others);
    int64_t panels_per_task = panel_tasks < 1 ? panels : panels / panel_tasks;
    panels_per_task = panels_per_task < 1 ? 1 : panels_per_task;
    int64_t passes = (m < rows_per_task ? m : rows_per_task) / rows, shift = 0;
    while (shift < 4 && passes >> (shift + 1))
        shift++;
    RAN_SPEC(e, struct matmul_spec, ahead_shift, shift);
    RAN_SPEC(e, struct matmul_spec, rows_per_task, rows_per_task);
    RAN_SPEC(e, struct matmul_spec, panels_per_task, panels_per_task);
    e->tasks = multiply(e, batch_of(e, p),
                        multiply(e, ceil_div(e, p->m, rows_per_task),
                                 ceil_div(e, ceil_div(e, p->n, width), panels_per_task)));
}

ran_status ran_matmul_tiled_describe(ran_emission *e)
{
    const int64_t *tile = ran_op_ints(e->kernel, "tile", NULL);
    product p = product_of(e->anchor, tile[2]);
    int64_t width = tile[1] * e->target->lanes, panel = tile[2] ? tile[2] : width;
    const ran_dim *columns = ran_dim_constant(e->context, panel);
    const ran_dim *padded = multiply(e, ceil_div(e, p.n, panel), columns);
    e->body = "matmul/tiled";
    e->function = "matmul";
    describe_operands(e, &p, multiply(e, p.k, p.packed ? padded : p.n));
    RAN_SPEC(e, struct matmul_spec, b_packed, p.packed);
    RAN_SPEC(e, struct matmul_spec, b_panel, panel);
    RAN_SPEC(e, struct matmul_spec, b_direct,
             !p.transposed_b && constant_or(p.m, 1000) <= 2 * tile[0]);
    RAN_SPEC(e, struct matmul_spec, tile_rows, tile[0]);
    RAN_SPEC(e, struct matmul_spec, tile_vectors, tile[1]);
    RAN_SPEC(e, struct matmul_spec, tail_rows,
             ran_dim_is_constant(p.m) ? ran_dim_value(p.m) % tile[0] : -1);
    describe_tasks(e, &p, tile[0], width);
    if (!p.packed)
        e->scratch = multiply(e, p.k, ran_dim_constant(e->context, width * 4));
    return RAN_OK;
}

ran_status ran_matmul_typed_describe(ran_emission *e)
{
    product p = product_of(e->anchor, false);
    ran_elem elem = ran_type_elem(p.y);
    e->body = "matmul/typed";
    e->function = ran_intern_printf(e->context, "matmul_%s", ran_elem_name(elem));
    describe_operands(e, &p, multiply(e, p.k, p.n));
    e->tasks = multiply(e, batch_of(e, &p), p.m);
    return RAN_OK;
}
