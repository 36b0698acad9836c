/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Dead code: ops whose results nothing uses go, last ones first, so that one sweep finds chains.
 *
 *   %1 = exp %x        (no use)      =>   (nothing)
 *
 * Terminators stay, and so do the function's arguments, which are its interface. Constants that lost
 * their last use are dropped from the module, and their data with them.
 */
#include "passes/passes.h"

ran_status ran_run_dead_code(ran_pass_context *pass, ran_function *function)
{
    ran_pass_count(pass, "ops", (int64_t)ran_region_erase_dead(ran_function_body(function)));
    size_t dropped = ran_module_drop_unused_constants(ran_function_module(function));
    ran_pass_count(pass, "constants", (int64_t)dropped);
    return RAN_OK;
}
