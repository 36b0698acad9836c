/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/model.h"

#include <ran/pass.h>

ran_status ran_search_clean(ran_module *module)
{
    ran_pass_manager *manager = ran_pass_manager_create(ran_module_context(module));
    ran_status status = ran_pass_manager_run_text(
        manager,
        "fixpoint(fold-constants,canonicalize,common-subexpressions,dead-code),"
        "recognize-hard-swish,recognize-silu,recognize-gelu,recognize-layernorm,dead-code",
        module);
    ran_pass_manager_destroy(manager);
    return status;
}
