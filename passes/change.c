/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What approximate passes report and leave behind: whoever asked for less must see what it cost. */
#include "ir/statistics.h"
#include "passes/passes.h"

#include <stdio.h>
#include <string.h>

static const char key[] = "needs-fine-tuning";

static ran_change count(const ran_module *module)
{
    const ran_function *entry = ran_module_find_function(module, "main");
    entry = entry ? entry : ran_module_first_function(module);
    if (!entry)
        return (ran_change){0};
    ran_statistics *s = ran_statistics_create(entry, RAN_RULE_ALL);
    ran_change change = {s->parameters, s->macs, s->nonlinear_elements};
    ran_statistics_destroy(s);
    return change;
}

ran_change ran_change_begin(const ran_pass_manager *manager, const ran_pass *pass)
{
    return pass->flags & RAN_PASS_APPROXIMATE ? count(manager->module) : (ran_change){0};
}

static bool is_listed(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (const char *p = list; *p; p += strcspn(p, ","), p += *p == ',')
        if (strcspn(p, ",") == length && !strncmp(p, name, length))
            return true;
    return false;
}

static void mark(const ran_pass_manager *manager, const ran_pass *pass)
{
    const char *before = ran_module_metadata(manager->module, key);
    if (before && is_listed(before, pass->name))
        return;
    ran_module_set_metadata(manager->module, key,
                            before && *before ? ran_intern_printf(manager->context, "%s,%s",
                                                                  before, pass->name)
                                              : pass->name);
}

void ran_change_end(const ran_pass_manager *manager, const ran_pass *pass,
                    const ran_change *before, bool changed)
{
    if (!(pass->flags & RAN_PASS_APPROXIMATE) || !changed)
        return;
    ran_module_drop_unused_constants(manager->module); /* what was cut off is no part of it */
    ran_change after = count(manager->module);
    mark(manager, pass);
    if (manager->changed)
        manager->changed(manager->changed_data, manager->module);
    if (manager->stream)
        fprintf(manager->stream,
                "%s: parameters %lld -> %lld, MACs %lld -> %lld, non-linear elements %lld -> %lld; "
                "needs fine-tuning\n",
                pass->name, (long long)before->parameters, (long long)after.parameters,
                (long long)before->macs, (long long)after.macs, (long long)before->nonlinear,
                (long long)after.nonlinear);
}

void ran_pass_manager_on_change(ran_pass_manager *manager,
                                void (*changed)(void *data, const ran_module *module), void *data)
{
    manager->changed = changed;
    manager->changed_data = data;
}
