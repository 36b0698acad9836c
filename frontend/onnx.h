/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ONNX from inside.
 *
 * Walk: ran_onnx_import maps the file, checks its wire format without allocating (wire.c: nesting,
 * sizes), decodes it with protobuf-c, moves the weights' bytes into constants (tensor.c), orders
 * the nodes and maps one after the other. For `Clip(x) {min: 0}` of opset 7, ops.def says that the
 * row Clip has versions 1 6 11 12 13 and the mapper `clip`; since = 6, so that the mapper turns the
 * attributes into constant operands and hands over to the generic rule, which creates the op,
 * converts the attributes left by op.def's kinds, infers the types and binds the results' names.
 *
 * Problems are collected: an op that failed binds its results to "failed", and what depends on them
 * is only checked against the table.
 */
#ifndef FRONTEND_ONNX_H
#define FRONTEND_ONNX_H

#include <ran/onnx.h>

#include "ir/ir.h"
#include "frontend/onnx.pb-c.h"

enum {
    RAN_ONNX_OPSET_MIN = 7,
    RAN_ONNX_OPSET_MAX = 28,
    RAN_ONNX_MAX_NESTING = 32,    /* subgraphs and function calls */
    RAN_ONNX_MAX_NODES = 1 << 20, /* with functions inlined */
};

/* ---- Reading (wire.c) ------------------------------------------------------------------------ */

/* The file's message, after its wire format was found to be sound and affordable. */
ran_status ran_onnx_read_model(ran_context *context, const char *path, size_t *out_bytes,
                               RAN_GIVE RanOnnx__Model **out_model);
ran_status ran_onnx_decode_model(ran_context *context, const char *name, const void *data,
                                 size_t size, RAN_GIVE RanOnnx__Model **out_model);

/* ---- External data (external.c) -------------------------------------------------------------- */

typedef struct ran_external ran_external;
typedef struct ran_external_file ran_external_file;

/* `model_path` says which directory the data must lie in. */
RAN_GIVE ran_external *ran_external_create(const char *model_path);
void ran_external_destroy(RAN_TAKE ran_external *external);

typedef struct ran_onnx_scope ran_onnx_scope;
typedef struct ran_onnx_row ran_onnx_row;

/* ---- Scopes (scope.c) ------------------------------------------------------------------------ */

/* An attribute of a node, with references to a function's attributes resolved. */
typedef struct ran_onnx_attr {
    const char *name;
    const RanOnnx__Attribute *proto;
    bool used;
} ran_onnx_attr;

/* A sequence of known length, which the IR never sees (ops/sequence.c). */
typedef struct ran_onnx_sequence {
    size_t count;
    ran_value **items;
} ran_onnx_sequence;

typedef struct ran_onnx_binding {
    const char *name;
    ran_value *value;                  /* NULL: the op that should define it failed, or: */
    const ran_onnx_sequence *sequence; /* it is one */
    size_t node;      /* index of the node that defines it, where nodes are put in order */
    bool defined;
    bool absent; /* an optional input of a function that the call leaves out */
} ran_onnx_binding;

/* The names of one graph or function body. */
struct ran_onnx_scope {
    ran_onnx_scope *parent; /* of a subgraph; NULL for the main graph and function bodies */
    RanOnnx__OperatorSet *const *opsets;
    size_t opset_count;
    /* The call that a function's body is inlined for; NULL outside of functions. */
    const ran_onnx_attr *call_attrs;
    size_t call_attr_count;
    const RanOnnx__Function *function;
    ran_onnx_binding *slots;
    size_t capacity, count;
};

ran_onnx_scope ran_scope_open(ran_onnx_scope *parent);
void ran_scope_close(ran_onnx_scope *scope);
/* False when the name is taken in this scope. The string is kept by reference. */
bool ran_scope_bind(ran_onnx_scope *scope, const char *name, ran_value *value);
bool ran_scope_bind_node(ran_onnx_scope *scope, const char *name, size_t node);
bool ran_scope_bind_absent(ran_onnx_scope *scope, const char *name);
bool ran_scope_bind_sequence(ran_onnx_scope *scope, const char *name,
                             const ran_onnx_sequence *sequence);
/* The name's binding here or in a parent; NULL when there is none. */
const ran_onnx_binding *ran_scope_find(const ran_onnx_scope *scope, const char *name);
const ran_onnx_binding *ran_scope_find_here(const ran_onnx_scope *scope, const char *name);
/* The opset of a domain ("" is ONNX's own); 0 when the model does not import it. */
int64_t ran_scope_opset(const ran_onnx_scope *scope, const char *domain);

/* ---- Importing ------------------------------------------------------------------------------- */

typedef struct ran_import {
    ran_context *context;
    ran_module *module;
    const ran_import_options *options;
    const char *path;
    ran_arena *arena; /* what lives as long as the import */
    ran_external *external;
    RanOnnx__Model *model;
    size_t file_bytes;
    ran_onnx_scope functions; /* "domain/name/overload" -> index in model->functions */
    ran_status status;        /* the worst so far; RAN_INVALID outweighs RAN_UNSUPPORTED */
    size_t nesting;
    size_t node_count;
} ran_import;

/* Records a problem of the file; returns `status`. */
ran_status ran_import_error(ran_import *import, ran_status status, const char *format, ...)
    RAN_PRINTF(3, 4);

/* The bytes of a tensor with external data, mapped (or copied where unaligned). */
ran_status ran_external_tensor(ran_import *import, const RanOnnx__Tensor *proto, const char *what,
                               ran_elem elem, int rank, const int64_t *dims, size_t bytes,
                               RAN_GIVE ran_tensor **out_tensor);

/* `what` names the tensor in messages. With `move`, the message loses its data. */
ran_status ran_onnx_tensor(ran_import *import, RanOnnx__Tensor *proto, const char *what, bool move,
                           RAN_GIVE ran_tensor **out_tensor);
ran_status ran_onnx_sparse_tensor(ran_import *import, RanOnnx__SparseTensor *proto,
                                  const char *what, RAN_GIVE ran_tensor **out_tensor);
/* NULL, with an error, for what the IR has not. `absent_name` names the dims that have no name. */
const ran_type *ran_onnx_type(ran_import *import, const RanOnnx__ValueType *proto,
                              const char *what);

/* ---- Nodes and mappers (node.c, ops/) -------------------------------------------------------- */

typedef struct ran_onnx_node {
    ran_import *import;
    ran_onnx_scope *scope;
    ran_builder *builder;
    const RanOnnx__Node *proto;
    const ran_onnx_row *row;
    const char *name;                 /* never empty */
    int64_t opset;                    /* of the op's domain */
    int64_t since;                    /* the version of the op that this opset has */
    size_t input_count, output_count; /* without absent ones at the end */
    ran_value **inputs;               /* NULL: absent */
    ran_value **outputs;              /* the mapper's results */
    const ran_onnx_sequence **input_sequences, **output_sequences; /* NULL: no sequence */
    ran_onnx_attr *attrs;
    size_t attr_count;
    bool failed; /* an error of this node was reported */
} ran_onnx_node;

/* Creates the IR of a node and sets node->outputs (NULL for an absent one); errors are reported by
 * the helpers below, which then return NULL or a status. */
typedef ran_status ran_onnx_mapper(ran_onnx_node *node);

struct ran_onnx_row {
    const char *name;
    ran_opcode opcode;
    ran_onnx_mapper *map;
    const char *since; /* the op's versions, "1 6 13" */
    int first;         /* the oldest version that the mapper takes; 0: all */
    bool sequences;    /* whether the mapper takes them */
    const char *remedy;
};

/* Rows are in the order of strcmp. */
const ran_onnx_row *ran_onnx_rows(size_t *out_count);
const ran_onnx_row *ran_onnx_row_find(const char *op_type);

/* "node 'Conv_7' (Conv, opset 11): <message>; operands: ...". Returns `status`. */
ran_status ran_onnx_node_error(ran_onnx_node *node, ran_status status, const char *format, ...)
    RAN_PRINTF(3, 4);

bool ran_onnx_has_attr(ran_onnx_node *node, const char *name);
/* These mark the attribute as used and return the default when it is absent. */
int64_t ran_onnx_int(ran_onnx_node *node, const char *name, int64_t absent);
double ran_onnx_float(ran_onnx_node *node, const char *name, double absent);
/* Interned. */
const char *ran_onnx_string(ran_onnx_node *node, const char *name, const char *absent);
/* NULL when absent. */
const int64_t *ran_onnx_ints(ran_onnx_node *node, const char *name, size_t *out_count);
const RanOnnx__Attribute *ran_onnx_attribute(ran_onnx_node *node, const char *name);
/* Marks as used what has no meaning here. */
void ran_onnx_ignore(ran_onnx_node *node, const char *name);

ran_value *ran_onnx_input(const ran_onnx_node *node, size_t index); /* NULL: absent */
const ran_onnx_sequence *ran_onnx_input_sequence(const ran_onnx_node *node, size_t index);
ran_elem ran_onnx_input_elem(const ran_onnx_node *node, size_t index);
int ran_onnx_input_rank(const ran_onnx_node *node, size_t index); /* -1: unknown */

ran_value *ran_onnx_const_ints(ran_onnx_node *node, const int64_t *values, size_t count);
ran_value *ran_onnx_const_int(ran_onnx_node *node, int64_t value); /* rank 0 */
ran_value *ran_onnx_const_scalar(ran_onnx_node *node, ran_elem elem, double value);

/* The generic rule: one op with these operands, the attributes not used yet, the node's outputs. */
ran_status ran_onnx_map(ran_onnx_node *node, ran_opcode opcode, size_t count,
                        ran_value *const *operands);
/* The same without ending the node: creates with attributes; the caller changes, then finishes. */
ran_op *ran_onnx_create(ran_onnx_node *node, ran_opcode opcode, size_t count,
                        ran_value *const *operands, size_t result_count);
ran_status ran_onnx_finish(ran_onnx_node *node, ran_op *op);
/* Infers; on failure reports it as the node's. */
ran_status ran_onnx_infer(ran_onnx_node *node, ran_op *op);

/* Ops of decompositions: one result, inferred, default attributes (or the one given). NULL after an
 * error; NULL operands up to `count` are passed on as absent only by build_n. */
ran_value *ran_onnx_build_n(ran_onnx_node *node, ran_opcode opcode, size_t count,
                            ran_value *const *operands);
ran_value *ran_onnx_unary(ran_onnx_node *node, ran_opcode opcode, ran_value *x);
ran_value *ran_onnx_binary(ran_onnx_node *node, ran_opcode opcode, ran_value *x, ran_value *y);
ran_value *ran_onnx_cast(ran_onnx_node *node, ran_value *x, ran_elem to);
/* Reduces over `axes` (all when count is 0). */
ran_value *ran_onnx_reduce(ran_onnx_node *node, ran_opcode opcode, ran_value *x,
                           const int64_t *axes, size_t count, bool keepdims);
ran_value *ran_onnx_reshape(ran_onnx_node *node, ran_value *x, const int64_t *dims, size_t count);

/* Parts of a graph (import.c). `move`: the message loses its data. */
void ran_onnx_import_initializers(ran_import *import, ran_onnx_scope *scope, RanOnnx__Graph *graph,
                                  bool move);
/* Ends the region in `terminator`; false when an output is not there. */
bool ran_onnx_import_outputs(ran_import *import, ran_onnx_scope *scope, const RanOnnx__Graph *graph,
                             ran_builder *builder, ran_opcode terminator);

/* Subgraphs (graph.c): imports the body into the region, ending in `yield`; argument types come
 * from `types` (NULL: as declared). */
ran_status ran_onnx_import_subgraph(ran_onnx_node *node, RanOnnx__Graph *graph, ran_region *region,
                                    size_t type_count, const ran_type *const *types);
/* Nodes of a graph or function body, in an order that respects dependencies. */
ran_status ran_onnx_import_nodes(ran_import *import, ran_onnx_scope *scope, ran_builder *builder,
                                 RanOnnx__Node *const *nodes, size_t count, const char *prefix);
/* Sequences (ops/sequence.c): a new one, without its elements; an input that is one; all of it
 * along an axis of the elements or a new one. NULL after an error. */
ran_onnx_sequence *ran_onnx_sequence_create(ran_onnx_node *node, size_t count);
const ran_onnx_sequence *ran_onnx_sequence_input(ran_onnx_node *node, size_t index);
ran_value *ran_onnx_sequence_concat(ran_onnx_node *node, const ran_onnx_sequence *sequence,
                                    int64_t axis, bool is_new);
/* Whether the value is one integer that is known while importing. */
bool ran_onnx_known_int(const ran_value *value, int64_t *out);
/* A Loop that carries sequences (ops/unroll.c). */
ran_status ran_onnx_unroll_loop(ran_onnx_node *node, RanOnnx__Graph *body);
/* inline.c */
void ran_onnx_index_functions(ran_import *import);
const RanOnnx__Function *ran_onnx_function_find(const ran_import *import, const char *domain,
                                                const char *name, const char *overload);
ran_status ran_onnx_inline(ran_onnx_node *node, const RanOnnx__Function *function);

#define RAN_ONNX_OP(name, opcode, mapper, ...) ran_onnx_mapper ran_onnx_map_##mapper;
#include "frontend/ops.def"

#endif
