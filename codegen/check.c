/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What native code can't hold: found before lowering, which relies on its absence. */
#include "codegen/codegen.h"

#include "ir/module.h"

static bool is_native_elem(ran_elem elem)
{
    return ran_elem_is_int(elem) ? ran_elem_bits(elem) >= 8
                                 : elem == RAN_ELEM_F32 || elem == RAN_ELEM_F64 ||
                                       elem == RAN_ELEM_F16 || elem == RAN_ELEM_BF16 ||
                                       elem == RAN_ELEM_BOOL;
}

/* A size of its own may follow once the model's symbols have values: Resize by 1.5 of N rows. */
static const char *size_advice(const ran_symbols *symbols, const ran_op *op)
{
    ran_context *context = ran_module_context(ran_op_module(op));
    const char *names = "";
    for (size_t i = 0; i < symbols->argument_count; i++)
        names = ran_intern_printf(context, "%s%s%s", names, i ? ", " : "",
                                  ran_dim_name(symbols->items[i]));
    if (!*names)
        return "ran-run --interpret runs it";
    return ran_intern_printf(context,
                             "it may follow from %s, bound by --dim; ran-run --interpret "
                             "runs it",
                             names);
}

static ran_status check_value(const ran_symbols *symbols, const ran_op *op, const ran_value *value)
{
    const ran_type *type = ran_value_type(value);
    const char *text = ran_type_text(ran_module_context(ran_op_module(op)), type);
    if (!ran_type_is_tensor(type) || ran_type_rank(type) < 0)
        return ran_op_error(op, RAN_UNSUPPORTED,
                            "%s has no native code; ran-run --interpret runs it", text);
    if (!is_native_elem(ran_type_elem(type)))
        return ran_op_error(op, RAN_UNSUPPORTED,
                            "element type of %s has no native code; ran-run --interpret runs it",
                            text);
    for (int axis = 0; axis < ran_type_rank(type); axis++)
        if (!ran_symbols_know(symbols, ran_type_dim(type, axis), symbols->count))
            return ran_op_error(op, RAN_UNSUPPORTED,
                                "the size of %s is not known before it is computed; %s", text,
                                size_advice(symbols, op));
    return RAN_OK;
}

static ran_status check_region(const ran_symbols *symbols, const ran_region *region);

static ran_status check_op(const ran_symbols *symbols, const ran_op *op)
{
    ran_status status = RAN_OK;
    RAN_FOR_OPERANDS(op, i, value)
    {
        /* Results are checked where they are made. */
        ran_status one = ran_value_op(value) ? RAN_OK : check_value(symbols, op, value);
        status = status ? status : one;
    }
    for (size_t i = 0; i < op->result_count; i++) {
        ran_status one = check_value(symbols, op, ran_op_result(op, i));
        status = status ? status : one;
    }
    for (size_t i = 0; i < op->region_count && op->opcode != RAN_OP_KERNEL; i++) {
        ran_status one = check_region(symbols, ran_op_region(op, i));
        status = status ? status : one;
    }
    return status;
}

static ran_status check_region(const ran_symbols *symbols, const ran_region *region)
{
    ran_status status = RAN_OK;
    for (const ran_op *op = ran_region_first(region); op; op = ran_op_next(op)) {
        ran_status one = check_op(symbols, op);
        status = status ? status : one;
    }
    return status;
}

/* All that native code can't hold, in one run. */
ran_status ran_check_types(const ran_function *function, const ran_symbols *symbols)
{
    return check_region(symbols, ran_function_body(function));
}
