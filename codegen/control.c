/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Control flow, in terms of functions: each region of an `if` or `loop` becomes a function of the
 * module, which is lowered, planned and driven as the model's own is, and the op a kernel that
 * calls them.
 *
 *   %y = if %c { %t = relu %x  yield %t } else { yield %x }
 *   -> %y = kernel(%c, %x) {schedule = "if"} { if { call @f.if0(%x) } else { call @f.if1(%x) } }
 *
 * What a region captures becomes operands of the kernel and arguments of its functions, the same
 * ones for both branches, behind the region's own. Constants are the module's and stay where they
 * are used. The kernel of a loop has each carried value once more as a result: the memory in which
 * every other iteration leaves it (driver_control.c).
 * Terminates: a function that is made here has a smaller depth of nesting than the op.
 */
#include "codegen/lower.h"

#include <stdlib.h>

typedef struct captures {
    ran_value **values;
    size_t count, capacity;
} captures;

static ran_module *module_of(const ran_op *op)
{
    return ran_function_module(ran_region_function(ran_op_parent(op)));
}

bool ran_kernel_is_control(const ran_op *kernel)
{
    const ran_op *anchor = ran_kernel_anchor(kernel);
    return ran_op_is(anchor, RAN_OP_IF) || ran_op_is(anchor, RAN_OP_LOOP);
}

size_t ran_loop_carried(const ran_op *op)
{
    return op->opcode == RAN_OP_LOOP && op->operand_count > 2 ? op->operand_count - 2 : 0;
}

const ran_op *ran_control_call(const ran_op *kernel, size_t region)
{
    return ran_region_first(ran_op_region(ran_kernel_anchor(kernel), region));
}

ran_function *ran_control_callee(const ran_op *kernel, size_t region)
{
    const ran_op *call = ran_control_call(kernel, region);
    return ran_module_find_function(module_of(kernel), ran_op_string(call, "callee"));
}

/* ---- What a region captures -------------------------------------------------------------------
 */

static const ran_region *region_of(const ran_value *value)
{
    return ran_value_op(value) ? ran_op_parent(ran_value_op(value))
                               : ran_value_argument_region(value);
}

static bool is_inside(const ran_region *region, const ran_region *outer)
{
    while (region && region != outer) {
        const ran_op *parent = ran_region_parent_op(region);
        region = parent ? ran_op_parent(parent) : NULL;
    }
    return region == outer;
}

static void add_capture(captures *c, ran_value *value)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->values[i] == value)
            return;
    if (c->count == c->capacity) {
        c->capacity = c->capacity ? 2 * c->capacity : 16;
        c->values = realloc(c->values, c->capacity * sizeof(*c->values));
        if (!c->values)
            RAN_BUG(NULL, "out of memory");
    }
    c->values[c->count++] = value;
}

static void find_captures(const ran_region *region, const ran_region *outer, captures *out)
{
    for (const ran_op *op = ran_region_first(region); op; op = ran_op_next(op)) {
        RAN_FOR_OPERANDS(op, i, value)
        if (!ran_value_constant(value) && !is_inside(region_of(value), outer))
            add_capture(out, value);
        for (size_t i = 0; i < ran_op_region_count(op); i++)
            find_captures(ran_op_region(op, i), outer, out);
    }
}

/* ---- Functions of regions ---------------------------------------------------------------------
 */

static ran_function *create_function(const ran_op *op, size_t index)
{
    ran_module *module = module_of(op);
    const char *name;
    size_t number = index;
    do
        name = ran_intern_printf(ran_module_context(module), "%s.%s%zu",
                                 ran_function_name(ran_region_function(ran_op_parent(op))),
                                 ran_opcode_name(ran_op_opcode(op)), number++);
    while (ran_module_find_function(module, name));
    return ran_function_create(module, name);
}

/* The arguments know the elements that the values know: the starts of a slice. */
static void add_argument(ran_function *function, ran_value *value, ran_mapping *mapping)
{
    const ran_dim *const *known = NULL;
    size_t count = ran_value_known(value, &known);
    ran_value *argument =
        ran_region_add_argument(ran_function_body(function), NULL, ran_value_type(value));
    argument->known = (const ran_dim **)known;
    argument->known_count = (uint32_t)count;
    ran_mapping_set(mapping, value, argument);
}

static void move_body(const ran_region *region, ran_function *function, ran_mapping *mapping)
{
    ran_builder builder = ran_builder_at_end(ran_function_body(function));
    const ran_op *yield = ran_region_terminator(region);
    for (const ran_op *op = ran_region_first(region); op != yield; op = ran_op_next(op)) {
        builder.location = ran_op_location(op);
        ran_op_clone(&builder, op, mapping);
    }
    ran_op *ret = ran_op_create(&builder, RAN_OP_RETURN, 0, NULL, 0);
    ran_value **results = malloc((yield->operand_count + 1) * sizeof(*results));
    for (size_t i = 0; i < yield->operand_count; i++) {
        ran_value *value = ran_op_operand(yield, i), *moved = ran_mapping_get(mapping, value);
        results[i] = moved ? moved : value;
    }
    ran_op_set_operands(ret, yield->operand_count, results);
    free(results);
}

static ran_function *function_of(const ran_op *op, size_t index, const captures *c)
{
    const ran_region *region = ran_op_region(op, index);
    ran_function *function = create_function(op, index);
    ran_mapping *mapping = ran_mapping_create();
    for (size_t i = 0; i < ran_region_argument_count(region); i++)
        add_argument(function, ran_region_argument(region, i), mapping);
    for (size_t i = 0; i < c->count; i++)
        add_argument(function, c->values[i], mapping);
    move_body(region, function, mapping);
    ran_mapping_destroy(mapping);
    return function;
}

/* ---- The kernel -------------------------------------------------------------------------------
 */

typedef struct outline {
    const ran_op *op;
    ran_op *kernel, *anchor;
    captures captures;
    ran_value **arguments; /* of the kernel's region: for the op's operands, then the captures */
    size_t own;            /* operands of the op, absent ones too */
} outline;

static ran_value *add_operand(outline *o, ran_value *value)
{
    return value ? ran_kernel_add_operand(o->kernel, value) : NULL;
}

static void import_operands(outline *o)
{
    o->own = ran_op_operand_count(o->op);
    o->arguments = calloc(o->own + o->captures.count + 1, sizeof(*o->arguments));
    if (!o->arguments)
        RAN_BUG(NULL, "out of memory");
    for (size_t i = 0; i < o->own; i++)
        o->arguments[i] = add_operand(o, ran_op_operand(o->op, i));
    for (size_t i = 0; i < o->captures.count; i++)
        o->arguments[o->own + i] = add_operand(o, o->captures.values[i]);
}

/* In the anchor's region: a call with the region's own arguments and the captures. */
static void call_function(outline *o, size_t index)
{
    const ran_region *from = ran_op_region(o->op, index);
    ran_region *region = ran_op_add_region(o->anchor);
    ran_builder builder = ran_builder_at_end(region);
    const ran_op *yield = ran_region_terminator(from);
    size_t count = ran_op_operand_count(yield), own = ran_region_argument_count(from);
    ran_value **values = calloc(count + own + o->captures.count + 1, sizeof(*values));
    for (size_t i = 0; i < own; i++)
        values[i] =
            ran_region_add_argument(region, NULL, ran_value_type(ran_region_argument(from, i)));
    for (size_t i = 0; i < o->captures.count; i++)
        values[own + i] = o->arguments[o->own + i];
    ran_op *call = ran_op_create(&builder, RAN_OP_CALL, own + o->captures.count, values, count);
    ran_op_set_string(call, "callee", ran_function_name(function_of(o->op, index, &o->captures)));
    for (size_t i = 0; i < count; i++) {
        values[i] = ran_op_result(call, i);
        ran_value_set_type(values[i], ran_value_type(ran_op_operand(yield, i)));
    }
    ran_op_create(&builder, RAN_OP_YIELD, count, values, 0);
    free(values);
}

/* Results of the kernel: the op's, and the carried values of a loop once more. */
static void yield_results(outline *o)
{
    ran_builder builder = ran_builder_at_end(ran_op_region(o->kernel, 0));
    size_t own = ran_op_result_count(o->op), count = ran_op_result_count(o->kernel);
    ran_value **values = malloc((count + 1) * sizeof(*values));
    for (size_t i = 0; i < count; i++) {
        values[i] = ran_op_result(o->anchor, i < own ? i : i - own);
        ran_value_set_type(ran_op_result(o->kernel, i), ran_value_type(values[i]));
    }
    ran_op_create(&builder, RAN_OP_YIELD, count, values, 0);
    free(values);
}

static void build_kernel(outline *o)
{
    const ran_op *op = o->op;
    size_t results = ran_op_result_count(op), carried = ran_loop_carried(op);
    ran_builder builder = ran_builder_before((ran_op *)op);
    o->kernel = ran_op_create(&builder, RAN_OP_KERNEL, 0, NULL, results + carried);
    ran_op_set_string(o->kernel, "schedule", ran_opcode_name(op->opcode));
    ran_builder inside = ran_builder_at_end(ran_op_add_region(o->kernel));
    inside.location = ran_op_location(op);
    import_operands(o);
    o->anchor = ran_op_create(&inside, op->opcode, o->own, o->arguments, results);
    for (size_t i = 0; i < results; i++)
        ran_value_set_type(ran_op_result(o->anchor, i), ran_value_type(ran_op_result(op, i)));
    for (size_t i = 0; i < ran_op_region_count(op); i++)
        call_function(o, i);
    yield_results(o);
}

static void outline_op(ran_op *op)
{
    outline o = {.op = op};
    for (size_t i = 0; i < ran_op_region_count(op); i++)
        find_captures(ran_op_region(op, i), ran_op_region(op, i), &o.captures);
    build_kernel(&o);
    for (size_t i = 0; i < ran_op_result_count(op); i++)
        ran_value_replace_uses(ran_op_result(op, i), ran_op_result(o.kernel, i));
    ran_op_erase(op);
    free(o.captures.values);
    free(o.arguments);
}

void ran_outline_control(ran_function *function)
{
    RAN_FOR_OPS(ran_function_body(function), op)
    if (op->opcode == RAN_OP_IF || op->opcode == RAN_OP_LOOP)
        outline_op(op);
}
