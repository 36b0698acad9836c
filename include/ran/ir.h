/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The IR: walk it and build it. docs/ir.md specifies the text.
 *
 * A module holds constants and functions; a function holds a region; a region holds arguments and
 * ops in SSA form, ending in a terminator (`return`, or `yield` in nested regions). A value is the
 * result of an op, an argument of a region, or a constant of the module. Use lists, order within a
 * region and dominance are kept by these functions at every edit.
 *
 * Strings, dimensions and types are interned in the context: equal means the same pointer.
 * Nodes live in the module's arena and are never freed one by one.
 */
#ifndef RAN_IR_H
#define RAN_IR_H

#include <ran/ran.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ran_module ran_module;
typedef struct ran_function ran_function;
typedef struct ran_region ran_region;
typedef struct ran_op ran_op;
typedef struct ran_value ran_value;
typedef struct ran_use ran_use;
typedef struct ran_type ran_type;
typedef struct ran_dim ran_dim;
typedef struct ran_location ran_location;
typedef struct ran_tensor ran_tensor;

enum { RAN_MAX_RANK = 16 };

/* ---- Element types: ONNX's, with its numbers in `elem.def` ----------------------------------- */

typedef enum ran_elem {
#define RAN_ELEM(ENUM, name, ...) RAN_ELEM_##ENUM,
#include <ran/elem.def>
    RAN_ELEM_COUNT
} ran_elem;

const char *ran_elem_name(ran_elem elem);         /* "f32", "i64", "bool", ... */
bool ran_elem_parse(const char *name, ran_elem *out_elem);
unsigned ran_elem_bits(ran_elem elem);            /* storage; 0 for strings */
bool ran_elem_is_float(ran_elem elem);            /* f64, f32, f16, bf16, f8 kinds, f4 */
bool ran_elem_is_signed_int(ran_elem elem);
bool ran_elem_is_unsigned_int(ran_elem elem);     /* without bool */
bool ran_elem_is_int(ran_elem elem);              /* signed or unsigned, without bool */
size_t ran_elem_bytes(ran_elem elem, int64_t count); /* storage of a packed array */
int ran_elem_onnx(ran_elem elem);                    /* TensorProto.DataType */
bool ran_elem_from_onnx(int onnx, ran_elem *out_elem);

/* ---- Dimensions: interned expressions --------------------------------------------------------- */

typedef enum ran_dim_kind {
    RAN_DIM_CONSTANT,
    RAN_DIM_SYMBOL,
    RAN_DIM_ADD,
    RAN_DIM_MUL,
    RAN_DIM_FLOORDIV,
    RAN_DIM_CEILDIV,
    RAN_DIM_MIN,
    RAN_DIM_MAX,
} ran_dim_kind;

const ran_dim *ran_dim_constant(ran_context *context, int64_t value);
const ran_dim *ran_dim_symbol(ran_context *context, const char *name);
/* A symbol that no other dimension has, for sizes that depend on data: "?0", "?1", ... */
const ran_dim *ran_dim_fresh(ran_context *context);
/* Canonical: sums of products in one order, so that equal polynomials are the same dimension;
 * divisions by constants as floordiv with what divides taken out; minima and maxima of what can't
 * be compared. Symbols are sizes: never negative, and not zero where one divides exactly. */
const ran_dim *ran_dim_binary(ran_context *context, ran_dim_kind kind, const ran_dim *a,
                              const ran_dim *b);
ran_dim_kind ran_dim_get_kind(const ran_dim *dim);
bool ran_dim_is_constant(const ran_dim *dim);
bool ran_dim_is(const ran_dim *dim, int64_t value);
int64_t ran_dim_value(const ran_dim *dim);          /* a constant's */
const char *ran_dim_name(const ran_dim *dim);       /* a symbol's */
const ran_dim *ran_dim_lhs(const ran_dim *dim);
const ran_dim *ran_dim_rhs(const ran_dim *dim);
/* The quotient when b divides a for all values of the symbols, NULL otherwise. */
const ran_dim *ran_dim_divide_exact(ran_context *context, const ran_dim *a, const ran_dim *b);
/* Whether a >= b for all values of the symbols; false also when that is not known. */
bool ran_dim_is_at_least(const ran_dim *a, const ran_dim *b);
/* Replaces symbols; `lookup` returns NULL to keep one. */
const ran_dim *ran_dim_substitute(ran_context *context, const ran_dim *dim,
                                  const ran_dim *(*lookup)(const ran_dim *symbol, void *data),
                                  void *data);

/* ---- Types ------------------------------------------------------------------------------------ */

typedef enum ran_type_kind { RAN_TYPE_TENSOR, RAN_TYPE_SEQUENCE, RAN_TYPE_OPTIONAL } ran_type_kind;

/* Physical order of a tensor. block 0: row-major. Otherwise `axis` is split into
 * ceildiv(dim, block) outer positions that stay where the axis was and `block` innermost lanes
 * (NCHWc for axis 1); lanes behind the end hold zeros. The type's dims stay the logical ones. */
typedef struct ran_layout {
    uint8_t axis;
    uint8_t block;
} ran_layout;

#define RAN_PLAIN ((ran_layout){0, 0})

/* rank -1: unknown rank. dims is copied. */
const ran_type *ran_type_tensor(ran_context *context, ran_elem elem, int rank,
                                const ran_dim *const *dims, ran_layout layout);
const ran_type *ran_type_tensor_i64(ran_context *context, ran_elem elem, int rank,
                                    const int64_t *dims);
const ran_type *ran_type_sequence(ran_context *context, const ran_type *element);
const ran_type *ran_type_optional(ran_context *context, const ran_type *element);
const ran_type *ran_type_with_elem(ran_context *context, const ran_type *type, ran_elem elem);
const ran_type *ran_type_with_layout(ran_context *context, const ran_type *type, ran_layout layout);

ran_type_kind ran_type_get_kind(const ran_type *type);
bool ran_type_is_tensor(const ran_type *type);
ran_elem ran_type_elem(const ran_type *type);
int ran_type_rank(const ran_type *type); /* -1: unknown */
const ran_dim *ran_type_dim(const ran_type *type, int axis);
ran_layout ran_type_layout(const ran_type *type);
const ran_type *ran_type_inner(const ran_type *type);
bool ran_type_is_static(const ran_type *type); /* a tensor, all dims constant */
/* Of a static tensor type; ran_type_extent is the constant dim of an axis. */
int64_t ran_type_extent(const ran_type *type, int axis);
/* All three saturate at INT64_MAX. */
int64_t ran_type_numel(const ran_type *type);         /* logical elements */
int64_t ran_type_storage_numel(const ran_type *type); /* with the lanes of a blocked layout */
int64_t ran_type_storage_bytes(const ran_type *type);

/* ---- Locations --------------------------------------------------------------------------------- */

/* `name` of the ONNX node and its op type (NULL when unknown). */
const ran_location *ran_location_create(ran_context *context, const char *name, const char *type);
/* Of a fused op: both, in order, without duplicates. Either may be NULL. */
const ran_location *ran_location_fuse(ran_context *context, const ran_location *a,
                                      const ran_location *b);
const char *ran_location_name(const ran_location *location); /* the first one's */
const char *ran_location_type(const ran_location *location);
const ran_location *ran_location_next(const ran_location *location);

/* ---- Tensors: what constants hold and the evaluator computes ------------------------------------ */

/* Plain row-major bytes in storage format (little-endian; 4-bit elements two a byte, low first;
 * bool one byte 0 or 1; strings as char *). Reference-counted; data may be mapped or borrowed. */
typedef void ran_release(void *data, void *owner);

/* Zeros (strings: empty). NULL when the shape is none, does not fit, or memory is short. */
RAN_GIVE ran_tensor *ran_tensor_create(ran_elem elem, int rank, const int64_t *dims);
/* Borrows `data`; `release` (may be NULL) is called with the last reference. Data that is not
 * aligned to its element is copied and released at once. */
RAN_GIVE ran_tensor *ran_tensor_wrap(ran_elem elem, int rank, const int64_t *dims, void *data,
                                     ran_release *release, void *owner);
/* The same bytes under another shape or element of equal size; NULL when the sizes differ. */
RAN_GIVE ran_tensor *ran_tensor_view(const ran_tensor *tensor, ran_elem elem, int rank,
                                     const int64_t *dims);
RAN_GIVE ran_tensor *ran_tensor_copy(const ran_tensor *tensor);
/* Every element converted as the get and set functions do; NULL when out of memory. */
RAN_GIVE ran_tensor *ran_tensor_cast(const ran_tensor *tensor, ran_elem elem);
RAN_GIVE ran_tensor *ran_tensor_retain(const ran_tensor *tensor);
void ran_tensor_release(RAN_TAKE ran_tensor *tensor); /* NULL is fine */
ran_elem ran_tensor_elem(const ran_tensor *tensor);
int ran_tensor_rank(const ran_tensor *tensor);
const int64_t *ran_tensor_dims(const ran_tensor *tensor);
int64_t ran_tensor_numel(const ran_tensor *tensor);
size_t ran_tensor_bytes(const ran_tensor *tensor);
const void *ran_tensor_data(const ran_tensor *tensor);
void *ran_tensor_mutable_data(ran_tensor *tensor);
uint64_t ran_tensor_hash(const ran_tensor *tensor); /* of type, shape and content; cached */
bool ran_tensor_equal(const ran_tensor *a, const ran_tensor *b); /* type, shape and bytes */
/* Strings: each cell of a tensor that ran_tensor_create made holds an allocated copy, or NULL. */
const char *ran_tensor_string(const ran_tensor *tensor, int64_t index);
void ran_tensor_set_string(ran_tensor *tensor, int64_t index, const char *string);
/* One element as f64 / i64, converted like ONNX's Cast (the set functions round once). */
double ran_tensor_get_f64(const ran_tensor *tensor, int64_t index);
int64_t ran_tensor_get_i64(const ran_tensor *tensor, int64_t index);
void ran_tensor_set_f64(ran_tensor *tensor, int64_t index, double value);
void ran_tensor_set_i64(ran_tensor *tensor, int64_t index, int64_t value);

/* ---- Op kinds ------------------------------------------------------------------------------------ */

typedef enum ran_opcode {
#define RAN_OP(ENUM, ...) RAN_OP_##ENUM,
#include <ran/op.def>
    RAN_OP_COUNT
} ran_opcode;

const char *ran_opcode_name(ran_opcode opcode);
bool ran_opcode_parse(const char *name, ran_opcode *out_opcode);

typedef enum ran_attr_kind {
    RAN_ATTR_INT,
    RAN_ATTR_FLOAT,
    RAN_ATTR_STRING,
    RAN_ATTR_INTS,
    RAN_ATTR_FLOATS,
    RAN_ATTR_STRINGS,
    RAN_ATTR_TYPE,   /* an element or full type */
    RAN_ATTR_TENSOR, /* small ones; weights are constants */
} ran_attr_kind;

/* ---- Modules, functions, regions ------------------------------------------------------------------ */

RAN_GIVE ran_module *ran_module_create(ran_context *context);
void ran_module_destroy(RAN_TAKE ran_module *module);
ran_context *ran_module_context(const ran_module *module);
/* Free-form pairs: producer, normalisation, "needs-fine-tuning", ... NULL value removes. */
void ran_module_set_metadata(ran_module *module, const char *key, const char *value);
const char *ran_module_metadata(const ran_module *module, const char *key);
size_t ran_module_metadata_count(const ran_module *module);
const char *ran_module_metadata_key(const ran_module *module, size_t index);

ran_function *ran_module_first_function(const ran_module *module);
ran_function *ran_function_next(const ran_function *function);
ran_function *ran_module_find_function(const ran_module *module, const char *name);
ran_function *ran_function_create(ran_module *module, const char *name);
const char *ran_function_name(const ran_function *function);
ran_module *ran_function_module(const ran_function *function);
ran_region *ran_function_body(const ran_function *function);

/* A deep copy into the same context. */
RAN_GIVE ran_module *ran_module_clone(const ran_module *module);

/* Adds a constant; the name is made unique when taken or NULL. The module keeps a reference. */
ran_value *ran_constant_create(ran_module *module, const char *name, const ran_tensor *tensor);
ran_value *ran_module_first_constant(const ran_module *module);
ran_value *ran_constant_next(const ran_value *constant);
/* Drops constants that nothing uses. Returns how many. */
size_t ran_module_drop_unused_constants(ran_module *module);

/* Arguments of a region: a function's inputs, or what a nested region receives. */
ran_value *ran_region_add_argument(ran_region *region, const char *name, const ran_type *type);
/* `argument` must have no uses. */
void ran_region_remove_argument(ran_region *region, size_t index);
size_t ran_region_argument_count(const ran_region *region);
ran_value *ran_region_argument(const ran_region *region, size_t index);
ran_op *ran_region_first(const ran_region *region);
ran_op *ran_region_last(const ran_region *region);
ran_op *ran_region_terminator(const ran_region *region); /* NULL while under construction */
ran_op *ran_region_parent_op(const ran_region *region);  /* NULL for a function's body */
ran_function *ran_region_function(const ran_region *region);

/* Names of a function's results (the graph's outputs), one an operand of its `return`. */
void ran_function_set_output_name(ran_function *function, size_t index, const char *name);
const char *ran_function_output_name(const ran_function *function, size_t index);

/* ---- Values --------------------------------------------------------------------------------------- */

const ran_type *ran_value_type(const ran_value *value);
void ran_value_set_type(ran_value *value, const ran_type *type);
const char *ran_value_name(const ran_value *value); /* NULL: printed as a number */
void ran_value_set_name(ran_value *value, const char *name);
ran_op *ran_value_op(const ran_value *value);       /* NULL for arguments and constants */
size_t ran_value_index(const ran_value *value);     /* among the op's results or the arguments */
ran_region *ran_value_argument_region(const ran_value *value); /* NULL unless an argument */
const ran_tensor *ran_value_constant(const ran_value *value);  /* NULL unless a constant */
bool ran_value_has_uses(const ran_value *value);
bool ran_value_has_one_use(const ran_value *value);
size_t ran_value_use_count(const ran_value *value);
ran_use *ran_value_first_use(const ran_value *value);
ran_use *ran_use_next(const ran_use *use);
ran_op *ran_use_op(const ran_use *use);
size_t ran_use_index(const ran_use *use); /* operand number */
void ran_value_replace_uses(ran_value *from, ran_value *to);

/* ---- Ops ------------------------------------------------------------------------------------------- */

/* Where new ops go: before `before`, or at the end of `region` when it is NULL. */
typedef struct ran_builder {
    ran_module *module;
    ran_region *region;
    ran_op *before;
    const ran_location *location;
} ran_builder;

ran_builder ran_builder_at_end(ran_region *region);
ran_builder ran_builder_before(ran_op *op); /* takes over op's location */

/* Creates an op without results' types; operands may hold NULL (absent). `results` fixes how many.
 * Set the attributes, then call ran_op_infer_types, or set the result types by hand. */
ran_op *ran_op_create(ran_builder *builder, ran_opcode opcode, size_t operand_count,
                      ran_value *const *operands, size_t result_count);
/* Create with inferred types in one call for ops whose attributes are all default. */
ran_value *ran_build(ran_builder *builder, ran_opcode opcode, size_t operand_count,
                     ran_value *const *operands);
ran_opcode ran_op_opcode(const ran_op *op);
bool ran_op_is(const ran_op *op, ran_opcode opcode); /* false for NULL */
size_t ran_op_operand_count(const ran_op *op);
ran_value *ran_op_operand(const ran_op *op, size_t index); /* NULL: absent or beyond the end */
void ran_op_set_operand(ran_op *op, size_t index, ran_value *value);
void ran_op_set_operands(ran_op *op, size_t count, ran_value *const *operands);
size_t ran_op_result_count(const ran_op *op);
ran_value *ran_op_result(const ran_op *op, size_t index);
ran_region *ran_op_parent(const ran_op *op);
ran_op *ran_op_next(const ran_op *op);
ran_op *ran_op_prev(const ran_op *op);
const ran_location *ran_op_location(const ran_op *op);
void ran_op_set_location(ran_op *op, const ran_location *location);
size_t ran_op_region_count(const ran_op *op);
ran_region *ran_op_region(const ran_op *op, size_t index);
ran_region *ran_op_add_region(ran_op *op);

/* Unlinks an op without uses of its results and drops its operands; regions go with it. */
void ran_op_erase(ran_op *op);
void ran_op_move_before(ran_op *op, ran_op *before);
/* Replaces every result's uses by `values` and erases. */
void ran_op_replace(ran_op *op, ran_value *const *values);
/* Clones with operands mapped through `map` (pairs from, to; values outside map to themselves). */
typedef struct ran_mapping ran_mapping;
RAN_GIVE ran_mapping *ran_mapping_create(void);
void ran_mapping_destroy(RAN_TAKE ran_mapping *mapping);
void ran_mapping_set(ran_mapping *mapping, const ran_value *from, ran_value *to);
ran_value *ran_mapping_get(const ran_mapping *mapping, const ran_value *from); /* or NULL */
ran_op *ran_op_clone(ran_builder *builder, const ran_op *op, ran_mapping *mapping);

/* Whether `a` comes before `b` in their common region (ancestors are considered). */
bool ran_op_is_before(const ran_op *a, const ran_op *b);
bool ran_value_dominates(const ran_value *value, const ran_op *user);

/* ---- Attributes -------------------------------------------------------------------------------------
 * Getters return the default of op.def when the attribute is not set. `*out_count` may be NULL;
 * absent lists have count 0. Floats are ONNX's f32: the set functions round. Asking for a name that op.def does not list is a bug. */
bool ran_op_has_attr(const ran_op *op, const char *name);
int64_t ran_op_int(const ran_op *op, const char *name);
double ran_op_float(const ran_op *op, const char *name);
const char *ran_op_string(const ran_op *op, const char *name);
const int64_t *ran_op_ints(const ran_op *op, const char *name, size_t *out_count);
const double *ran_op_floats(const ran_op *op, const char *name, size_t *out_count);
const char *const *ran_op_strings(const ran_op *op, const char *name, size_t *out_count);
const ran_type *ran_op_type_attr(const ran_op *op, const char *name);
const ran_tensor *ran_op_tensor(const ran_op *op, const char *name);
void ran_op_set_int(ran_op *op, const char *name, int64_t value);
void ran_op_set_float(ran_op *op, const char *name, double value);
void ran_op_set_string(ran_op *op, const char *name, const char *value);
void ran_op_set_ints(ran_op *op, const char *name, const int64_t *values, size_t count);
void ran_op_set_floats(ran_op *op, const char *name, const double *values, size_t count);
void ran_op_set_strings(ran_op *op, const char *name, const char *const *values, size_t count);
void ran_op_set_type_attr(ran_op *op, const char *name, const ran_type *type);
void ran_op_set_tensor(ran_op *op, const char *name, const ran_tensor *tensor);
void ran_op_remove_attr(ran_op *op, const char *name);
size_t ran_op_attr_count(const ran_op *op);
const char *ran_op_attr_name(const ran_op *op, size_t index);
ran_attr_kind ran_op_attr_kind(const ran_op *op, size_t index);
/* Same opcode, operands, attributes and result types, no regions: what CSE asks. */
bool ran_op_equal(const ran_op *a, const ran_op *b);
uint64_t ran_op_hash(const ran_op *op);

/* ---- Shape inference, verification, evaluation -------------------------------------------------------- */

/* Sets the op's result types (and the known values of small integer results). */
RAN_MUST_USE ran_status ran_op_infer_types(ran_op *op);
/* All ops of a function in order, nested regions included. */
RAN_MUST_USE ran_status ran_function_infer_types(ran_function *function);
/* Replaces symbols in the inputs' types ("N" -> 8), then infers everything again. */
RAN_MUST_USE ran_status ran_function_bind_dim(ran_function *function, const char *symbol,
                                              int64_t value);

/* Small integer tensors whose elements are known expressions (shapes): count, or 0 if unknown. */
size_t ran_value_known(const ran_value *value, const ran_dim *const **out_elements);

RAN_MUST_USE ran_status ran_module_verify(const ran_module *module);

/* The reference: naive, f64 accumulation, one rounding an op. Results are new references. */
RAN_MUST_USE ran_status ran_evaluate(const ran_function *function, const ran_tensor *const *inputs,
                                     size_t input_count, RAN_GIVE ran_tensor **out_results,
                                     size_t result_count);
/* One op on given operands (constant folding). */
RAN_MUST_USE ran_status ran_op_evaluate(const ran_op *op, const ran_tensor *const *operands,
                                        RAN_GIVE ran_tensor **out_results);

/* ---- Text ------------------------------------------------------------------------------------------------ */

/* Large constants go to `weights_path` (a side file named beside the text) when it is not NULL,
 * inline as hexadecimal otherwise. */
RAN_MUST_USE ran_status ran_module_print(const ran_module *module, FILE *stream,
                                         const char *weights_path);
/* To be looked at: noise, its seed a hash of the values, stands for constants of more than 16
 * elements that are neither splats nor noise. */
RAN_MUST_USE ran_status ran_module_print_outline(const ran_module *module, FILE *stream);
RAN_MUST_USE ran_status ran_module_parse(ran_context *context, const char *text, size_t length,
                                         const char *file, RAN_GIVE ran_module **out_module);
/* Short forms for messages; the string belongs to the context. */
const char *ran_type_text(ran_context *context, const ran_type *type);
const char *ran_dim_text(ran_context *context, const ran_dim *dim);
const char *ran_op_text(ran_context *context, const ran_op *op);

#ifdef __cplusplus
}
#endif
#endif
