/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "passes/match.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* ---- Constants -------------------------------------------------------------------------------- */

static bool is_numeric(ran_elem elem)
{
    return ran_elem_is_float(elem) || ran_elem_is_int(elem) || elem == RAN_ELEM_BOOL;
}

bool ran_match_splat(const ran_value *value, double *out)
{
    const ran_tensor *tensor = value ? ran_value_constant(value) : NULL;
    if (!tensor || !is_numeric(ran_tensor_elem(tensor)) || ran_tensor_numel(tensor) < 1)
        return false;
    double first = ran_tensor_get_f64(tensor, 0);
    for (int64_t i = 1; i < ran_tensor_numel(tensor); i++) {
        if (ran_tensor_get_f64(tensor, i) != first)
            return false;
    }
    *out = first;
    return true;
}

/* Some exporters write constants with five digits; half-precision ones have three. */
bool ran_match_near(double a, double b, ran_elem elem)
{
    double tolerance = elem == RAN_ELEM_F16 ? 0x1p-9 : elem == RAN_ELEM_BF16 ? 0x1p-6 : 1e-5;
    return fabs(a - b) <= tolerance * fmax(fabs(a), fabs(b)) || a == b;
}

bool ran_match_splat_is(const ran_value *value, double expected)
{
    double splat;
    return ran_match_splat(value, &splat) &&
           ran_match_near(splat, expected, ran_type_elem(ran_value_type(value)));
}

int64_t ran_match_ints(const ran_value *value, int64_t *out, size_t capacity)
{
    if (!value)
        return -1;
    const ran_tensor *tensor = ran_value_constant(value);
    if (tensor) {
        if (!ran_elem_is_int(ran_tensor_elem(tensor)) ||
            (size_t)ran_tensor_numel(tensor) > capacity)
            return -1;
        for (int64_t i = 0; i < ran_tensor_numel(tensor); i++)
            out[i] = ran_tensor_get_i64(tensor, i);
        return ran_tensor_numel(tensor);
    }
    const ran_dim *const *elements = NULL;
    size_t count = ran_value_known(value, &elements);
    if (!count || count > capacity)
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (!ran_dim_is_constant(elements[i]))
            return -1;
        out[i] = ran_dim_value(elements[i]);
    }
    return (int64_t)count;
}

/* ---- Ops ----------------------------------------------------------------------------------------- */

ran_op *ran_match_op(const ran_value *value, ran_opcode opcode)
{
    ran_op *op = value ? ran_value_op(value) : NULL;
    return op && op->opcode == opcode ? op : NULL;
}

bool ran_match_binary(const ran_value *value, ran_opcode opcode, ran_value **out_a,
                      ran_value **out_b)
{
    ran_op *op = ran_match_op(value, opcode);
    if (!op)
        return false;
    *out_a = ran_op_operand(op, 0);
    *out_b = ran_op_operand(op, 1);
    return *out_a && *out_b;
}

bool ran_match_with_splat(const ran_value *value, ran_opcode opcode, ran_value **out_x,
                          double *out_splat)
{
    ran_value *a, *b;
    if (!ran_match_binary(value, opcode, &a, &b))
        return false;
    if (ran_match_splat(b, out_splat)) {
        *out_x = a;
        return true;
    }
    if (ran_match_splat(a, out_splat)) {
        *out_x = b;
        return true;
    }
    return false;
}

bool ran_match_scaled(const ran_value *value, ran_value **out_x, double *out_factor)
{
    if (ran_match_with_splat(value, RAN_OP_MUL, out_x, out_factor))
        return true;
    ran_value *a, *b;
    double divisor;
    if (ran_match_binary(value, RAN_OP_DIV, &a, &b) && ran_match_splat(b, &divisor) &&
        divisor != 0 && !ran_elem_is_int(ran_type_elem(ran_value_type(value)))) {
        *out_x = a;
        *out_factor = 1 / divisor;
        return true;
    }
    ran_op *neg = ran_match_op(value, RAN_OP_NEG);
    if (!neg)
        return false;
    *out_x = ran_op_operand(neg, 0);
    *out_factor = -1;
    return true;
}

bool ran_match_shifted(const ran_value *value, ran_value **out_x, double *out_shift)
{
    if (ran_match_with_splat(value, RAN_OP_ADD, out_x, out_shift))
        return true;
    ran_value *a, *b;
    if (!ran_match_binary(value, RAN_OP_SUB, &a, &b) || !ran_match_splat(b, out_shift))
        return false;
    *out_x = a;
    *out_shift = -*out_shift;
    return true;
}

bool ran_match_power(const ran_value *value, ran_value **out_x, double *out_power)
{
    ran_value *a, *b, *c, *d;
    if (ran_match_binary(value, RAN_OP_POW, &a, &b) && ran_match_splat(b, out_power)) {
        *out_x = a;
        return true;
    }
    if (!ran_match_binary(value, RAN_OP_MUL, &a, &b))
        return false;
    if (a == b) {
        *out_x = a;
        *out_power = 2;
        return true;
    }
    *out_power = 3;
    if (ran_match_binary(a, RAN_OP_MUL, &c, &d) && c == d && c == b) {
        *out_x = b;
        return true;
    }
    if (ran_match_binary(b, RAN_OP_MUL, &c, &d) && c == d && c == a) {
        *out_x = a;
        return true;
    }
    double power;
    if (ran_match_binary(a, RAN_OP_POW, &c, &d) && c == b && ran_match_splat(d, &power) &&
        power == 2) {
        *out_x = b;
        return true;
    }
    if (ran_match_binary(b, RAN_OP_POW, &c, &d) && c == a && ran_match_splat(d, &power) &&
        power == 2) {
        *out_x = a;
        return true;
    }
    return false;
}

bool ran_match_same_type(const ran_value *a, const ran_value *b)
{
    return ran_value_type(a) && ran_value_type(a) == ran_value_type(b);
}

bool ran_value_is_float(const ran_value *value)
{
    const ran_type *type = ran_value_type(value);
    return type && ran_type_is_tensor(type) && ran_elem_is_float(ran_type_elem(type));
}

/* ---- What a match covers ------------------------------------------------------------------------- */

static bool covers(const ran_match *match, const ran_op *op)
{
    for (size_t i = 0; i < match->count; i++) {
        if (match->ops[i] == op)
            return true;
    }
    return false;
}

void ran_match_add(ran_match *match, const ran_value *value)
{
    const ran_op *op = ran_value_op(value);
    if (op && !covers(match, op) && match->count < RAN_MATCH_OPS)
        match->ops[match->count++] = op;
}

void ran_match_cover(ran_match *match, const ran_value *root, const ran_value *const *leaves,
                     size_t leaf_count)
{
    for (size_t i = 0; i < leaf_count; i++) {
        if (leaves[i] == root)
            return;
    }
    const ran_op *op = ran_value_op(root);
    if (!op || covers(match, op))
        return;
    ran_match_add(match, root);
    RAN_FOR_OPERANDS (op, i, operand)
        ran_match_cover(match, operand, leaves, leaf_count);
}

bool ran_match_is_closed(const ran_match *match, const ran_value *root)
{
    if (match->count == RAN_MATCH_OPS)
        return false;
    for (size_t i = 0; i < match->count; i++) {
        const ran_op *op = match->ops[i];
        if (op == ran_value_op(root))
            continue;
        for (size_t r = 0; r < op->result_count; r++) {
            for (const ran_use *use = op->results[r].first_use; use; use = use->next) {
                if (!covers(match, use->op))
                    return false;
            }
        }
    }
    return true;
}

/* ---- Products -------------------------------------------------------------------------------------- */

static bool add_factor(ran_value *value, bool is_root, ran_product *out)
{
    ran_value *a, *b;
    double splat;
    if (ran_match_splat(value, &splat)) {
        out->factor *= splat;
        return true;
    }
    bool enter = is_root || ran_value_has_one_use(value);
    if (enter && ran_match_scaled(value, &a, &splat)) {
        out->factor *= splat;
        return add_factor(a, false, out);
    }
    if (enter && ran_match_binary(value, RAN_OP_MUL, &a, &b) && a != b)
        return add_factor(a, false, out) && add_factor(b, false, out);
    if (out->count == RAN_PRODUCT_FACTORS)
        return false;
    out->values[out->count++] = value;
    return true;
}

bool ran_match_product(ran_value *value, ran_product *out)
{
    *out = (ran_product){.factor = 1};
    return add_factor(value, true, out);
}

/* ---- Building ---------------------------------------------------------------------------------------- */

ran_op *ran_new_op(ran_op *before, ran_opcode opcode, size_t operand_count,
                   ran_value *const *operands)
{
    ran_builder builder = ran_builder_before(before);
    return ran_op_create(&builder, opcode, operand_count, operands, 1);
}

ran_op *ran_copy_op(ran_op *before, const ran_op *op)
{
    ran_mapping *mapping = ran_mapping_create();
    ran_builder builder = ran_builder_before(before);
    ran_op *copy = ran_op_clone(&builder, op, mapping);
    ran_mapping_destroy(mapping);
    for (size_t i = 0; i < copy->result_count; i++)
        copy->results[i].name = NULL;
    return copy;
}

ran_value *ran_finish_op(ran_pass_context *pass, ran_op *op)
{
    if (ran_op_infer_types(op))
        RAN_BUG(ran_pass_ir(pass), "pass '%s' builds an op without a type: %s",
                pass->state->pass->name, ran_op_text(ran_pass_ir(pass), op));
    return ran_op_result(op, 0);
}

ran_value *ran_new_unary(ran_pass_context *pass, ran_op *before, ran_opcode opcode, ran_value *x)
{
    return ran_finish_op(pass, ran_new_op(before, opcode, 1, &x));
}

ran_value *ran_new_binary(ran_pass_context *pass, ran_op *before, ran_opcode opcode, ran_value *x,
                          ran_value *y)
{
    ran_value *operands[] = {x, y};
    return ran_finish_op(pass, ran_new_op(before, opcode, 2, operands));
}

ran_value *ran_fold_op(ran_pass_context *pass, ran_op *op)
{
    const ran_tensor *operands[RAN_MATCH_OPS] = {0};
    ran_tensor *result = NULL;
    size_t diagnostics = ran_diagnostic_count(ran_pass_ir(pass));
    RAN_ASSERT(ran_pass_ir(pass), op->operand_count <= RAN_MATCH_OPS);
    RAN_FOR_OPERANDS (op, i, operand)
        operands[i] = ran_value_constant(operand);
    ran_finish_op(pass, op);
    ran_value *value = NULL;
    if (ran_op_evaluate(op, operands, &result))
        ran_diagnostics_truncate(ran_pass_ir(pass), diagnostics);
    else
        value = ran_new_constant(op, NULL, result);
    ran_op_erase(op);
    return value;
}

ran_value *ran_fold_unary(ran_pass_context *pass, ran_op *before, ran_opcode opcode, ran_value *x)
{
    return ran_fold_op(pass, ran_new_op(before, opcode, 1, &x));
}

ran_value *ran_fold_binary(ran_pass_context *pass, ran_op *before, ran_opcode opcode, ran_value *x,
                           ran_value *y)
{
    ran_value *operands[] = {x, y};
    return ran_fold_op(pass, ran_new_op(before, opcode, 2, operands));
}

static ran_module *module_of(const ran_op *op)
{
    return ran_function_module(ran_region_function(ran_op_parent(op)));
}

ran_value *ran_new_constant(ran_op *near, const char *name, RAN_TAKE ran_tensor *tensor)
{
    ran_value *value = ran_constant_create(module_of(near), name, tensor);
    ran_tensor_release(tensor);
    return value;
}

ran_value *ran_new_ints(ran_op *near, const int64_t *values, size_t count)
{
    ran_tensor *tensor = ran_tensor_create(RAN_ELEM_I64, 1, &(int64_t){(int64_t)count});
    for (size_t i = 0; i < count; i++)
        ran_tensor_set_i64(tensor, (int64_t)i, values[i]);
    return ran_new_constant(near, NULL, tensor);
}

ran_value *ran_new_scalar(ran_op *near, ran_elem elem, double value)
{
    ran_tensor *tensor = ran_tensor_create(elem, 0, NULL);
    ran_tensor_set_f64(tensor, 0, value);
    return ran_new_constant(near, NULL, tensor);
}

ran_value *ran_new_transpose(ran_pass_context *pass, ran_op *before, ran_value *x,
                             const int64_t *perm, size_t rank)
{
    ran_op *op = ran_new_op(before, RAN_OP_TRANSPOSE, 1, &x);
    ran_op_set_ints(op, "perm", perm, rank);
    return ran_finish_op(pass, op);
}

/* The constant shape that says `type` when reshaping from `from`; false when there is none. A zero
 * copies the dimension at the same place, so that a dimension of size zero can't be written. */
static bool reshape_dims(const ran_type *from, const ran_type *type, int64_t *out)
{
    int rank = ran_type_rank(type), unknown = 0;
    for (int i = 0; i < rank; i++) {
        const ran_dim *dim = ran_type_dim(type, i);
        if (ran_dim_is_constant(dim))
            out[i] = ran_dim_value(dim);
        else if (ran_type_rank(from) > i && ran_type_dim(from, i) == dim)
            out[i] = 0;
        else if (unknown++)
            return false;
        else
            out[i] = -1;
        if (ran_dim_is(dim, 0))
            return false;
    }
    return true;
}

ran_value *ran_new_reshape(ran_pass_context *pass, ran_op *before, ran_value *x,
                           const ran_type *type)
{
    int64_t dims[RAN_MAX_RANK];
    if (ran_type_rank(type) < 0 || ran_type_rank(ran_value_type(x)) < 0 ||
        !reshape_dims(ran_value_type(x), type, dims))
        return NULL;
    ran_value *shape = ran_new_ints(before, dims, (size_t)ran_type_rank(type));
    ran_value *value = ran_new_binary(pass, before, RAN_OP_RESHAPE, x, shape);
    if (ran_value_type(value) == type)
        return value;
    /* Inference does not see what -1 stands for. */
    ran_erase_dead(ran_value_op(value));
    return NULL;
}
