/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The IR from inside: the structures behind include/ran/ir.h, and what an op's hooks see.
 *
 * Walk: importing `Conv(x, w)` creates ran_op{CONV} at a builder; the builder links it, enters a
 * ran_use into x's and w's use lists and gives it an order number; ran_op_infer_types fills a
 * ran_infer with the operands' types and known values, calls ran_hooks_conv.infer, and stores the
 * result. The evaluator fills the same ran_infer from concrete tensors, so that shapes are inferred
 * in one place, then calls ran_hooks_conv.evaluate.
 */
#ifndef IR_IR_H
#define IR_IR_H

#include <ran/ir.h>
#include "ir/arena.h"

/* ---- Bugs ---------------------------------------------------------------------------------- */

_Noreturn void ran_bug(ran_context *context, const char *format, ...) RAN_PRINTF(2, 3);
/* A broken invariant. `context` may be NULL. */
#define RAN_BUG(context, ...) ran_bug(context, __VA_ARGS__)
#define RAN_ASSERT(context, condition)                                                             \
    ((condition) ? (void)0 : ran_bug(context, "%s:%d: %s", __FILE__, __LINE__, #condition))

/* ---- Context ---------------------------------------------------------------------------------- */

/* The interned copy; equal strings have equal pointers. */
const char *ran_intern(ran_context *context, const char *string);
const char *ran_intern_n(ran_context *context, const char *string, size_t length);
RAN_PRINTF(2, 3) const char *ran_intern_printf(ran_context *context, const char *format, ...);

/* ---- Elements ---------------------------------------------------------------------------------- */

/* One element in its storage bits, low end first. Encoding rounds once to nearest even; `saturate`
 * is ONNX's, for the 8- and 4-bit floats. Of a complex number, the real part. */
double ran_elem_decode(ran_elem elem, uint64_t bits);
uint64_t ran_elem_encode(ran_elem elem, double value, bool saturate);
/* Element `index` of a packed array; not for strings. */
double ran_elem_load_f64(ran_elem elem, const void *data, int64_t index);
int64_t ran_elem_load_i64(ran_elem elem, const void *data, int64_t index);
void ran_elem_store_f64(ran_elem elem, void *data, int64_t index, double value);
void ran_elem_store_i64(ran_elem elem, void *data, int64_t index, int64_t value);

/* ---- Structures --------------------------------------------------------------------------------- */

struct ran_dim {
    ran_dim_kind kind;
    uint32_t id;   /* order of creation */
    int64_t value; /* of a constant; of others, see ir/dim.h */
    const char *name;
    const ran_dim *lhs, *rhs;
    uint32_t weight;         /* operations in the tree */
    const ran_dim *stand_in; /* a symbol, for a tree that is too large */
};

struct ran_type {
    ran_type_kind kind;
    ran_elem elem;
    int rank; /* -1 unknown */
    ran_layout layout;
    const ran_type *inner;
    const ran_dim *dims[];
};

struct ran_location {
    const char *name, *type;
    const ran_location *next;
};

struct ran_use {
    ran_value *value; /* NULL: absent operand */
    ran_op *op;
    uint32_t index;
    ran_use *prev, *next; /* in value's list */
};

typedef enum ran_value_kind { RAN_VALUE_RESULT, RAN_VALUE_ARGUMENT, RAN_VALUE_CONSTANT } ran_value_kind;

struct ran_value {
    ran_value_kind kind;
    uint32_t index;
    const ran_type *type;
    const char *name;
    ran_use *first_use;
    const ran_dim **known; /* elements of a small integer tensor, or NULL */
    uint32_t known_count;
    union {
        ran_op *op;         /* result */
        ran_region *region; /* argument */
        ran_module *module; /* constant */
    } owner;
    ran_tensor *tensor;            /* constant */
    ran_value *prev, *next;        /* constants of the module */
};

typedef struct ran_attr {
    const char *name; /* interned */
    ran_attr_kind kind;
    size_t count;
    union {
        int64_t i;
        double f;
        const char *s;
        const int64_t *ints;
        const double *floats;
        const char *const *strings;
        const ran_type *type;
        ran_tensor *tensor; /* a reference that the module releases */
    } as;
} ran_attr;

struct ran_op {
    ran_opcode opcode;
    ran_region *parent;
    ran_op *prev, *next;
    uint64_t order; /* increasing within the region, with gaps */
    size_t operand_count, result_count, attr_count, region_count;
    ran_use *operands;
    ran_value *results; /* array */
    ran_attr *attrs;
    ran_region **regions;
    const ran_location *location;
};

struct ran_region {
    ran_function *function;
    ran_op *parent; /* NULL: a function's body */
    ran_value **arguments;
    size_t argument_count, argument_capacity;
    ran_op *first, *last;
};

struct ran_function {
    ran_module *module;
    const char *name;
    ran_region *body;
    const char **output_names;
    size_t output_name_count;
    struct ran_condition *conditions; /* by ran_function_state_conditions */
    size_t condition_count;
    ran_function *next;
};

/* ---- Op definitions -------------------------------------------------------------------------------- */

enum {
    RAN_FLAG_NONLINEAR = 1 << 0,
    RAN_FLAG_COMMUTATIVE = 1 << 1,
    RAN_FLAG_ZERO = 1 << 2, /* f(0) is not 0 */
    RAN_FLAG_TERMINATOR = 1 << 3,
    RAN_FLAG_ISOLATED = 1 << 4,
    RAN_FLAG_IMPURE = 1 << 5, /* not removed when unused, not merged */
};

enum { RAN_MAX_KNOWN = 1024 };

/* A statement about sizes that inference could not decide (condition.c). */
typedef enum ran_relation { RAN_EQUAL, RAN_AT_LEAST } ran_relation;

typedef struct ran_condition {
    ran_relation relation;
    const ran_dim *a, *b;
    const char *what; /* "inner dimensions of a and b" */
    const char *text; /* what is wrong where it does not hold, with the op and its node */
} ran_condition;

typedef struct ran_conditions {
    ran_condition *items;
    size_t count, capacity;
} ran_conditions;

/* Keeps with the function all that must hold of its sizes when it runs, each once. Not what its
 * regions need, which may not run. */
RAN_MUST_USE ran_status ran_function_state_conditions(ran_function *function);

/* What inference sees and fills. Types are those of this call: symbolic in the compiler, concrete in
 * the evaluator. Ops with regions are inferred in the compiler only. */
typedef struct ran_infer {
    ran_context *context;
    const ran_op *op;
    const ran_type *const *operands;      /* NULL: absent */
    const ran_dim *const *const *known;   /* per operand; NULL when unknown */
    const size_t *known_count;
    const ran_tensor *const *tensors;     /* per operand: its content where it is constant, or NULL */
    ran_arena *arena;                     /* lives as long as the results */
    bool check_only;                      /* by the verifier: leave nested regions as they are */
    const ran_type **results;             /* out: all of them must be set */
    const ran_dim ***known_results;       /* out, optional: allocate with ran_infer_known */
    size_t *known_result_count;
    ran_conditions *conditions; /* out, optional: what ran_infer_require states */
} ran_infer;

/* Counts of one op (methods, section 0), for one run. */
typedef struct ran_counts {
    int64_t parameters;   /* elements of constant operands */
    int64_t macs;
    int64_t nonlinear_elements;
    int64_t relu_elements;
    int64_t activation_bytes; /* of the results */
} ran_counts;

/* What an evaluation hook sees. Results are created by the evaluator from the inferred types when
 * these are static (zero-filled); otherwise they are NULL and the hook creates them. */
typedef struct ran_evaluation {
    ran_context *context;
    const ran_op *op;
    const ran_tensor *const *operands; /* NULL: absent */
    ran_tensor **results;
    const struct ran_environment *environment; /* values around the op, for its regions */
} ran_evaluation;

/* Runs a region of the op: arguments in, the terminator's operands out (new references). */
ran_status ran_evaluate_region(const ran_evaluation *evaluation, const ran_region *region,
                               const ran_tensor *const *arguments, size_t argument_count,
                               ran_tensor **out_results, size_t result_count);

struct ran_gradient;

typedef struct ran_op_hooks {
    /* Beyond arity, attribute kinds and types, which the verifier checks from op.def. Optional. */
    ran_status (*verify)(const ran_op *op);
    ran_status (*infer)(ran_infer *infer);
    ran_status (*evaluate)(ran_evaluation *evaluation);
    /* MACs and what the general count (parameters, non-linear elements by flag) does not know. */
    void (*count)(const ran_op *op, ran_counts *counts);
    /* Builds the gradients of the operands from those of the results (ir/gradient.h). */
    ran_status (*gradient)(struct ran_gradient *gradient, const ran_op *op);
} ran_op_hooks;

typedef struct ran_attr_spec {
    const char *name;
    ran_attr_kind kind;
    bool required, has_default;
    int64_t int_default;
    double float_default;
    const char *string_default;
} ran_attr_spec;

typedef struct ran_operand_spec {
    const char *name;
    bool optional, variadic;
} ran_operand_spec;

/* A row of op.def, its strings parsed once. */
typedef struct ran_op_def {
    const char *name;
    const ran_op_hooks *hooks;
    unsigned flags;
    unsigned elementwise;      /* 0, or the number of operands that broadcast */
    const char *types;         /* elementwise.def: element classes of the kernel */
    const char *result;        /* elementwise.def: "B" */
    const char *gradient;      /* elementwise.def: of each operand, or NULL */
    unsigned region_count;
    const ran_operand_spec *operands;
    size_t operand_count, min_operands; /* min: up to the last that is not optional */
    const ran_operand_spec *results;
    size_t result_count, min_results;
    const ran_attr_spec *attrs;
    size_t attr_count;
} ran_op_def;

const ran_op_def *ran_op_definition(ran_opcode opcode);
const char *ran_attr_kind_name(ran_attr_kind kind);
const ran_attr_spec *ran_attr_spec_find(ran_opcode opcode, const char *name);
bool ran_opcode_has_flag(ran_opcode opcode, unsigned flag);
/* Elementwise on all of its operands (broadcasting), with one result. */
bool ran_opcode_is_elementwise(ran_opcode opcode);
/* Attributes of an elementwise op as scalars in the order of its row. Returns how many. */
size_t ran_op_scalar_attrs(const ran_op *op, double out_values[4]);

/* What all_reduce calls: it sums the values over the processes, in place, in the same order
 * everywhere. NULL (the default): there is one process. Compiled code holds the address: it runs in
 * this process only. */
typedef void ran_all_reduce(void *data, float *values, int64_t count);
void ran_context_set_all_reduce(ran_context *context, ran_all_reduce *all_reduce, void *data);
ran_all_reduce *ran_context_all_reduce(const ran_context *context, void **out_data);

/* Loop over the operands of op: skips absent ones. */
#define RAN_FOR_OPERANDS(op, i, v)                                                                 \
    for (size_t i = 0; i < (op)->operand_count; i++)                                               \
        for (ran_value *v = (op)->operands[i].value; v; v = NULL)

/* Next op, safe against erasing the current one. */
#define RAN_FOR_OPS(region_, op_)                                                                  \
    for (ran_op *op_ = (region_)->first, *op_##_next = op_ ? op_->next : NULL; op_;                 \
         op_ = op_##_next, op_##_next = op_ ? op_->next : NULL)

/* Whether sizes computed from the type's constant dims cannot overflow: their product (0 counting as
 * 1, so that strides hold too) is at most 2^48 elements, more than any machine has memory for. */
bool ran_type_fits(const ran_type *type);

ran_arena *ran_module_arena(ran_module *module);
/* Elements of a tensor type, sizes that are not bound counted as 1; 0 for other types. */
int64_t ran_type_numel_or_one(const ran_type *type);
void ran_count_op(const ran_op *op, ran_counts *counts); /* adds to *counts */

/* ---- Helpers for hooks (ir/infer.c) --------------------------------------------------------------------- */

/* "conv: operand w: expected rank 4, got tensor<...>" with the op's location; returns `status`. */
ran_status ran_op_error(const ran_op *op, ran_status status, const char *format, ...)
    RAN_PRINTF(3, 4);
ran_status ran_infer_error(const ran_infer *infer, const char *format, ...) RAN_PRINTF(2, 3);
/* States what must hold when a model runs, unless it always does. */
void ran_infer_require(const ran_infer *infer, ran_relation relation, const char *what,
                       const ran_dim *a, const ran_dim *b);
/* The elements of operand `index` when they are all known constants; count, or -1 if not known. */
int64_t ran_infer_constants(const ran_infer *infer, size_t index, int64_t *out, size_t capacity);
/* Room for known elements of result `index`. */
const ran_dim **ran_infer_known(ran_infer *infer, size_t index, size_t count);
/* Multidirectional broadcast; RAN_INVALID with a message when it is impossible. */
ran_status ran_infer_broadcast(ran_infer *infer, size_t count, const ran_type *const *types,
                               ran_elem elem, const ran_type **out_type);
/* Known integer constants of an op's operand, as passes and codegen ask; -1 when not known. */
int64_t ran_op_known_ints(const ran_op *op, size_t operand, int64_t *out, size_t capacity);
/* axis + rank when negative; -1 when out of range. */
int ran_axis(int64_t axis, int rank);

#endif
