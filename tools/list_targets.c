/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tools/list.h"

#include <ran/compile.h>

#include "codegen/codegen.h"

static void print_target(FILE *stream, const ran_target *target, const char *description)
{
    fprintf(stream, "| `%s` | %s | `%s` | %d x f32 | %d | %d | %lld K | %lld K | %lld M |\n",
            target->name, description, target->cpu, target->lanes, target->registers, target->block,
            (long long)target->l1 >> 10, (long long)target->l2 >> 10, (long long)target->l3 >> 20);
}

void ran_tool_list_targets(FILE *stream)
{
    fputs(
        "| target | what it is | LLVM's CPU | vector | registers | channels a block | L1 | L2 | L3 "
        "|\n|---|---|---|---|---|---|---|---|---|\n",
        stream);
    ran_context *context = ran_context_create();
    ran_target target;
    for (size_t i = 0; context && i < ran_target_count(); i++)
        if (!ran_target_find(context, ran_target_name(i), NULL, NULL, &target))
            print_target(stream, &target, ran_target_description(i));
    ran_context_destroy(context);
}
