/* SPDX-License-Identifier: GPL-3.0-or-later */
/* State that a function updates: results that carry the name of an argument (grad.h). */
#include "passes/grad/grad.h"

int ran_function_updates(const ran_function *function, size_t output)
{
    const ran_region *body = ran_function_body(function);
    const ran_value *result = ran_op_operand(ran_region_terminator(body), output);
    const char *name = ran_function_output_name(function, output);
    for (size_t i = 0; result && name && *name && i < ran_region_argument_count(body); i++) {
        const ran_value *argument = ran_region_argument(body, i);
        if (ran_value_name(argument) == name && ran_value_type(argument) == ran_value_type(result))
            return (int)i;
    }
    return -1;
}
