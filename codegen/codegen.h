/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From IR to machine code. The steps, each visible as IR text:
 *
 *   layout.c       which values are blocked (NCHWc); convert_layout ops at the borders only
 *   fuse.c         every op that computes becomes a `kernel` op: an anchor with the elementwise ops
 *                  around it in its region. Reshapes and the like stay outside as views.
 *   select.c       a row of a family's kernels.def for each kernel op: schedule and tile attributes;
 *                  the row's `prepare` makes weight packing explicit (pack ops, then folded)
 *   memory_plan.c  an offset in the workspace for each value that is neither input, output,
 *                  constant nor view
 *   specialize.c   kernel op -> LLVM module with one function: the family describes (ran_emission),
 *                  specialize.c and epilogue.c generate
 *   driver.c       the model's entry points: calls the kernels in order
 *   emit_*.c, jit.c
 *
 * Walk, one convolution with Relu: fuse gives
 *   %y = kernel(%x, @w, @b) { ^(%x, %w, %b): %t = conv %x, %w, %b; %u = relu %t; yield %u }
 * select finds conv's rows, asks `accepts`, takes the least `cost`: schedule = "conv_direct",
 * tile = [2, 14]; `prepare` replaces @w by pack(@w). `describe` fills the emission: body
 * "conv/direct", the words of struct conv_direct_spec, the index space (n, channel block, row,
 * column, lane) in which the region's other values are addressed, and the number of tasks. The
 * epilogue generator writes ran_hook_store: it loads bias at its strides in that space, adds,
 * applies relu, stores. Nothing in a family's folder touches LLVM.
 */
#ifndef CODEGEN_CODEGEN_H
#define CODEGEN_CODEGEN_H

#include <ran/compile.h>

#include "ir/ir.h"

/* ---- Targets ------------------------------------------------------------------------- */

typedef enum ran_arch { RAN_ARCH_X86_64, RAN_ARCH_AARCH64 } ran_arch;

/* A row of target.def: the numbers by which kernels differ. */
typedef struct ran_target {
    const char *name;       /* as given to --target */
    ran_arch arch;
    const char *triple;
    const char *cpu;        /* LLVM's -mcpu */
    const char *features;   /* LLVM's -mattr */
    const char *flavour;    /* of the kernel bodies: "x86-64-vl16", "aarch64-vl4" */
    int lanes;              /* RAN_VL: 32-bit lanes of a vector */
    int block;              /* RAN_BLOCK: channels a block */
    int registers;          /* vector registers */
    int fma_ports;          /* vector FMAs a cycle */
    double ghz;             /* nominal, for predictions in seconds */
    int64_t l1, l2, l3;     /* bytes a core (l3: shared) */
    double l1_bandwidth, l2_bandwidth, l3_bandwidth, dram_bandwidth; /* GB/s, one core */
    /* Another target of the same object, whose layout of the weights this one takes; NULL: its own */
    const struct ran_target *weights;
    /* GB/s at which weights come from the third cache where they are waited for; 0: they arrive ahead
     * of their use. */
    double weights_bandwidth;
    /* Fitted to what kernels were measured to take, in parts of the peak or of what their tiles
     * promise; cold_weights: of dram_bandwidth, at which weights arrive that were not used since the
     * last run; move: of l2_bandwidth, of kernels that move single elements. */
    double pointwise, dense, first_layer, depthwise, depthwise_strided, cold_weights, move, pool,
        pool_whole;
    bool broadcast_memory;  /* FMA takes a broadcast memory operand or by-lane register cheaply */
    bool winograd;          /* of the options, not of the machine: whether conv_winograd may be taken */
} ran_target;

/* `name`: a row of target.def, "native", or an LLVM triple. Not found: RAN_USAGE with the list. */
RAN_MUST_USE ran_status ran_target_find(ran_context *context, const char *name, const char *cpu,
                                        const char *features, ran_target *out_target);

/* GB/s at which one core moves a working set of that many bytes. */
double ran_target_bandwidth(const ran_target *target, double bytes);

enum { RAN_TARGETS_MAX = 16 };

/* A list with commas between. The targets must be of one architecture, and differ. */
RAN_MUST_USE ran_status ran_targets_find(ran_context *context, const char *names, const char *cpu,
                                         const char *features, ran_target *out_targets,
                                         size_t *out_count);
/* The target of the options for which costs are predicted. */
RAN_MUST_USE ran_status ran_target_main(ran_context *context, const ran_compile_options *options,
                                        ran_target *out_target);

/* ---- Symbolic dimensions ------------------------------------------------------------------------
 */

/* Of a function that is compiled: its arguments', then those that data decide, in the order in
 * which they become known (symbols.c). */
typedef struct ran_symbols {
    const ran_dim **items, **most; /* most: that each can be, in terms of the arguments' */
    size_t count, argument_count;
} ran_symbols;

void ran_symbols_collect(const ran_function *function, RAN_GIVE ran_symbols *out_symbols);
void ran_symbols_clear(RAN_TAKE ran_symbols *symbols);
/* Whether a dimension follows from the first `count` symbols. */
bool ran_symbols_know(const ran_symbols *symbols, const ran_dim *dim, size_t count);
bool ran_symbols_depend_on_data(const ran_symbols *symbols, const ran_type *type);
/* The most that a dimension can be, in terms of the arguments. */
const ran_dim *ran_symbols_most(ran_context *context, const ran_symbols *symbols,
                                const ran_dim *dim);

/* ---- Index spaces -------------------------------------------------------------------- */

enum { RAN_SPACE_MAX = 10 };

/*
 * The coordinates in which a body walks the anchor's result (or main operand), the last one being
 * the lanes' axis. Each coordinate covers a run of axes of the logical shape:
 * a plain tensor seen as [rows, columns] has {first axis, last axis} per coordinate; a blocked one
 * ends with the axis of the lanes within a block.
 * The type of every other value in the region is broadcast-compatible with `type`; its strides in
 * the space follow from its own shape and layout (ran_space_strides).
 */
typedef struct ran_space {
    const ran_type *type;      /* of the value walked; coordinates cover exactly its axes */
    int rank;                  /* number of coordinates, the lanes' included */
    struct {
        int first, last;       /* axes covered, merged row-major; last < first: none (extent 1) */
    } axes[RAN_SPACE_MAX];
    bool blocked;              /* the last coordinate is the lane within a block of layout.axis,
                                  and the coordinate covering layout.axis counts blocks */
} ran_space;

/* One coordinate an axis; for a blocked type, one more for the lanes. */
void ran_space_of_type(const ran_type *type, ran_space *out_space);
/* As few coordinates as possible, so that every one of `types` has a stride for each. */
void ran_space_collapse(ran_context *context, const ran_type *type, const ran_type *const *types,
                        size_t count, ran_space *out_space);
/* Extent of a coordinate. */
const ran_dim *ran_space_extent(ran_context *context, const ran_space *space, int coordinate);
/* Element strides of a value of `type` (broadcast: 0) for each coordinate, NULL where a coordinate
 * has no single stride for it (then ran_space_axis_stride gives those of its axes). Returns whether
 * all are there. A blocked value must fit the space's block (ran_space_fits). */
bool ran_space_fits(const ran_space *space, const ran_type *type);
const ran_dim *ran_space_axis_stride(ran_context *context, const ran_space *space,
                                     const ran_type *type, int axis);
/* Extent of an axis of the space's type, in blocks where it is the blocked one. */
const ran_dim *ran_space_axis_extent(ran_context *context, const ran_space *space, int axis);
bool ran_space_strides(ran_context *context, const ran_space *space, const ran_type *type,
                       const ran_dim **out_strides);

/* ---- Kernels ------------------------------------------------------------------------- */

enum { RAN_SPEC_MAX = 256 };

/* A family's description of one kernel: what specialize.c needs, without LLVM. */
typedef struct ran_emission {
    ran_context *context;
    const ran_target *target;
    const ran_op *kernel;        /* the kernel op */
    const ran_op *anchor;        /* in its region; NULL for purely elementwise kernels */
    const char *body;            /* bitcode file: "conv/direct" */
    const char *function;        /* "conv_direct" for ran_body_conv_direct */
    const ran_dim *spec[RAN_SPEC_MAX]; /* words in the order of the body's struct; NULL: 0 */
    size_t spec_count;
    ran_space store;             /* of ran_hook_store */
    bool has_load;               /* the body uses ran_hook_load for operand 0 of the anchor */
    ran_space load;
    bool stored;                 /* vectors reach ran_hook_store as they lie in memory (f16 as its
                                    16 bits), not as computed (f16 as f32) */
    const ran_symbols *symbols;  /* of the function; set before `describe` */
    const ran_dim *tasks;        /* NULL: 1 */
    const ran_dim *scratch;      /* bytes a slot; NULL: 0 */
} ran_emission;

#define RAN_SPEC_WORD(struct_, field) (offsetof(struct_, field) / sizeof(int64_t))
/* Sets a word of the spec to a constant or a dimension. */
#define RAN_SPEC(emission, struct_, field, value)                                                  \
    ran_emission_set((emission), RAN_SPEC_WORD(struct_, field), (value))
#define RAN_SPEC_DIM(emission, struct_, field, dim)                                                \
    ran_emission_set_dim((emission), RAN_SPEC_WORD(struct_, field), (dim))
void ran_emission_set(ran_emission *emission, size_t word, int64_t value);
void ran_emission_set_dim(ran_emission *emission, size_t word, const ran_dim *dim);
/* Position in `io` of a value of the region that is an argument (operand of the kernel op; -1 for
 * one that is absent, NULL), or of result `index`. */
int64_t ran_emission_io(const ran_emission *emission, const ran_value *argument);
/* Position of the status word (int64_t): a body sets it to a RAN_RUN_ code when data is hostile. */
int64_t ran_emission_io_status(const ran_emission *emission);
/* Behind the status word: the index of the word that takes a size which the body decides. */
int64_t ran_emission_size_word(const ran_emission *emission, const ran_dim *symbol);
int64_t ran_emission_io_result(const ran_emission *emission, size_t index);

/* Which layouts a kernel works on. */
typedef enum ran_layout_wish {
    RAN_LAYOUT_PLAIN,    /* operands and results plain */
    RAN_LAYOUT_BLOCKED,  /* operand 0 and the results blocked on axis 1 */
    RAN_LAYOUT_PRODUCER, /* operand 0 plain, the result blocked (first layer) */
    RAN_LAYOUT_EITHER,   /* follows operand 0; `accepts` looks at its layout */
    RAN_LAYOUT_MIXED,    /* those of blocked_operands and blocked_results, the others plain */
} ran_layout_wish;

/*
 * A row of a kernels.def. Rows are asked twice. Layout assignment asks `accepts` for shapes and
 * attributes when the types may still be plain, and gives the op the layout of its cheapest row;
 * selection asks again with the final types, only rows whose `layout` agrees with them.
 */
typedef struct ran_kernel_row {
    const char *name;            /* the schedule: "conv_direct" */
    ran_opcode anchor;
    const char *what;            /* one line for --list-kernels */
    ran_layout_wish layout;
    unsigned blocked_operands;   /* RAN_LAYOUT_MIXED: a bit each */
    unsigned blocked_results;
    bool epilogue;               /* stores result 0 through ran_hook_store: elementwise consumers
                                    can be fused behind it */
    bool prologue;               /* loads operand 0 through ran_hook_load */
    /* Whether this variant takes the anchor (element types, shapes, attributes) on this target. */
    bool (*accepts)(const ran_op *anchor, const ran_target *target);
    /* Predicted seconds for one run of the anchor on one core; NULL: rows are taken in order. */
    double (*cost)(const ran_op *anchor, const ran_target *target);
    /* Optional: sets `tile`, replaces weight operands by their packed form (ran_kernel_pack). */
    ran_status (*prepare)(ran_op *kernel, const ran_target *target);
    ran_status (*describe)(ran_emission *emission);
} ran_kernel_row;

size_t ran_kernel_row_count(void);
const ran_kernel_row *ran_kernel_row_at(size_t index);
const ran_kernel_row *ran_kernel_row_find(const char *schedule);
/* By which rows are chosen. Targets of one object share layouts, so the one that owns them decides. */
double ran_kernel_row_cost(const ran_kernel_row *row, const ran_op *anchor,
                           const ran_target *target);

/* The least that a row predicts for an anchor whose layouts are still open; -1: none predicts. */
double ran_anchor_seconds(const ran_op *anchor, const ran_target *target);

/* What the cost model predicts for a kernel op that has its schedule; -1: a size is symbolic. */
double ran_kernel_seconds(const ran_op *kernel, const ran_target *target);

/* The anchor of a kernel op: the one op of its region that is neither elementwise nor a border
 * table; NULL if all are. */
ran_op *ran_kernel_anchor(const ran_op *kernel);

/* The constant behind an operand, also from inside a kernel's region; NULL when it is none. */
const ran_tensor *ran_op_constant_operand(const ran_op *op, size_t operand);
/* One more operand at the end (tables, packed weights); returns the region's argument for it. */
ran_value *ran_kernel_add_operand(ran_op *kernel, ran_value *value);
/* Makes the result of `op`, which stands before the kernel op and has what was its operand `operand`
 * as its own, that operand, also of the argument's type in the region. Folded when it is constant. */
RAN_MUST_USE ran_status ran_kernel_replace_operand(ran_op *kernel, size_t operand, ran_op *op);
/* Replaces operand `operand` of the kernel op by `pack` of it (op.def), and the type of its
 * argument in the region. Folded when the operand is constant. */
RAN_MUST_USE ran_status ran_kernel_pack(ran_op *kernel, size_t operand, const int64_t *positions,
                                        const int64_t *tiles, size_t count,
                                        const int64_t *outer_perm, size_t outer_count);

/* Constants of a convolution's epilogue that are the same over most of the map become border tables
 * (border_table.c). */
void ran_kernel_compact_tables(ran_op *kernel);

/* ---- Lowering: IR to IR ---------------------------------------------------------------------- */

/* All that native code can't hold (types, sizes that nothing bounds), in one run. */
RAN_MUST_USE ran_status ran_check_types(const ran_function *function, const ran_symbols *symbols);
RAN_MUST_USE ran_status ran_assign_layouts(ran_function *function, const ran_target *target);
RAN_MUST_USE ran_status ran_fuse_kernels(ran_function *function, const ran_target *target);
RAN_MUST_USE ran_status ran_select_kernels(ran_function *function, const ran_target *target);
/* All of them: afterwards the function has kernels, views and the return only. */
RAN_MUST_USE ran_status ran_lower(ran_function *function, const ran_target *target,
                                  const ran_compile_options *options);
/* Whether an op is a view: its result is its operand's memory under another type. */
bool ran_op_is_view(const ran_op *op);

/* ---- Memory -------------------------------------------------------------------------- */

typedef enum ran_place_kind {
    RAN_PLACE_INPUT,     /* the caller's; index: which input */
    RAN_PLACE_OUTPUT,    /* the caller's; index: which output */
    RAN_PLACE_CONSTANT,  /* offset in the weights */
    RAN_PLACE_WORKSPACE, /* offset in the workspace */
} ran_place_kind;

typedef struct ran_place {
    ran_place_kind kind;
    size_t index;
    const ran_dim *offset; /* bytes */
} ran_place;

typedef struct ran_memory_plan ran_memory_plan;

/* Sizes that data decide count as the most that they can be. Outputs of such sizes lie in the
 * workspace, unless the caller has room for the most (`roomy`). Best fit over live ranges; results of kernels take over an operand's memory where it
 * dies and the kernel reads it element by element. */
RAN_MUST_USE ran_status ran_memory_plan_create(const ran_function *function,
                                               const ran_symbols *symbols, bool roomy,
                                               RAN_GIVE ran_memory_plan **out_plan);
void ran_memory_plan_destroy(RAN_TAKE ran_memory_plan *plan);
ran_place ran_memory_plan_place(const ran_memory_plan *plan, const ran_value *value);
/* Whether a kernel has nothing to do: a concatenation whose parts are computed in place. */
bool ran_memory_plan_is_done(const ran_memory_plan *plan, const ran_op *kernel);
const ran_dim *ran_memory_plan_workspace(const ran_memory_plan *plan);
/* Largest sum of the tensors that live at one time: the lower bound of any plan. */
const ran_dim *ran_memory_plan_live_peak(const ran_memory_plan *plan);
/* Constants in the order of their offsets. */
size_t ran_memory_plan_constant_count(const ran_memory_plan *plan);
const ran_value *ran_memory_plan_constant(const ran_memory_plan *plan, size_t index);
/* The constants of `plan` move among those of `weights`, which keeps one of those that are equal;
 * `plan` outlives it. */
void ran_memory_plan_share_weights(ran_memory_plan *plan, ran_memory_plan *weights);
uint64_t ran_memory_plan_weights_size(const ran_memory_plan *plan);
/* Buffers of the workspace, in the order in which they are written. */
size_t ran_memory_plan_buffer_count(const ran_memory_plan *plan);
ran_planned_buffer ran_memory_plan_buffer(const ran_memory_plan *plan, size_t index);
void ran_memory_plan_report(const ran_memory_plan *plan, FILE *stream);

#endif
