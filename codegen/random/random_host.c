/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "codegen/random/random.h"

#include "codegen/random/random_spec.h"
#include "ir/twister.h"

enum { BLOCKS_A_TASK = 4096 }; /* a multiple of every vector's lanes */

bool ran_counter_random_accepts(const ran_op *anchor, const ran_target *target)
{
    (void)target;
    return ran_type_elem(ran_value_type(ran_op_result(anchor, 0))) == RAN_ELEM_F32;
}

ran_status ran_counter_random_describe(ran_emission *e)
{
    const ran_type *type = ran_value_type(ran_op_result(e->anchor, 0));
    int64_t count = 1;
    for (int i = 0; i < ran_type_rank(type); i++)
        count *= ran_type_extent(type, i);
    int64_t blocks = (count + 3) / 4;
    e->body = "random/random";
    e->function = "counter_random";
    RAN_SPEC(e, struct random_spec, seed, ran_emission_io(e, ran_op_operand(e->anchor, 0)));
    RAN_SPEC(e, struct random_spec, counter, ran_emission_io(e, ran_op_operand(e->anchor, 1)));
    RAN_SPEC(e, struct random_spec, y, ran_emission_io_result(e, 0));
    RAN_SPEC(e, struct random_spec, stream, ran_op_int(e->anchor, "stream"));
    RAN_SPEC(e, struct random_spec, count, count);
    RAN_SPEC(e, struct random_spec, blocks_per_task, BLOCKS_A_TASK);
    e->tasks = ran_dim_constant(e->context, (blocks + BLOCKS_A_TASK - 1) / BLOCKS_A_TASK);
    ran_space_of_type(type, &e->store);
    return RAN_OK;
}

/* ---- dropout ----------------------------------------------------------------------------------
 */

static bool is_float(const ran_value *value)
{
    ran_elem elem = ran_type_elem(ran_value_type(value));
    return elem == RAN_ELEM_F32 || elem == RAN_ELEM_F64;
}

static bool is_scalar(const ran_value *value)
{
    const ran_type *type = ran_value_type(value);
    return ran_type_is_static(type) && ran_type_numel(type) == 1;
}

static bool is_constant(const ran_op *op, size_t operand, double value)
{
    const ran_tensor *constant = ran_op_constant_operand(op, operand);
    return constant && ran_tensor_get_f64(constant, 0) == value;
}

/* Where nothing can be dropped it is expanded to the identity. */
bool ran_dropout_accepts(const ran_op *anchor, const ran_target *target)
{
    const ran_value *ratio = ran_op_operand(anchor, 1), *training = ran_op_operand(anchor, 2);
    (void)target;
    return training && is_scalar(training) && is_float(ran_op_operand(anchor, 0)) &&
           (!ratio || (is_float(ratio) && is_scalar(ratio))) && !is_constant(anchor, 1, 0) &&
           !is_constant(anchor, 2, 0);
}

ran_status ran_dropout_describe(ran_emission *e)
{
    const ran_op *op = e->anchor;
    const ran_value *ratio = ran_op_operand(op, 1);
    const ran_type *x = ran_value_type(ran_op_operand(op, 0));
    const ran_dim *count = ran_dim_constant(e->context, 1);
    for (int i = 0; i < ran_type_rank(x); i++)
        count = ran_dim_binary(e->context, RAN_DIM_MUL, count, ran_type_dim(x, i));
    e->body = "random/dropout";
    e->function = ran_intern_printf(e->context, "dropout_%s", ran_elem_name(ran_type_elem(x)));
    RAN_SPEC(e, struct dropout_spec, x, ran_emission_io(e, ran_op_operand(op, 0)));
    RAN_SPEC(e, struct dropout_spec, ratio, ran_emission_io(e, ran_op_operand(op, 1)));
    RAN_SPEC(e, struct dropout_spec, training, ran_emission_io(e, ran_op_operand(op, 2)));
    RAN_SPEC(e, struct dropout_spec, y, ran_emission_io_result(e, 0));
    RAN_SPEC(e, struct dropout_spec, mask,
             op->result_count > 1 ? ran_emission_io_result(e, 1) : -1);
    RAN_SPEC(e, struct dropout_spec, ratio_is_f64,
             ratio && ran_type_elem(ran_value_type(ratio)) == RAN_ELEM_F64);
    RAN_SPEC(e, struct dropout_spec, seed, ran_op_int(op, "seed"));
    RAN_SPEC_DIM(e, struct dropout_spec, count, count);
    e->scratch = ran_dim_constant(e->context, (RAN_TWISTER_SIZE * 4 + 63) / 64 * 64);
    return RAN_OK;
}
