/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tools/list.h"

#include "codegen/codegen.h"

static const char *const layouts[] = {
    [RAN_LAYOUT_PLAIN] = "plain",         [RAN_LAYOUT_BLOCKED] = "blocked",
    [RAN_LAYOUT_PRODUCER] = "to blocked", [RAN_LAYOUT_EITHER] = "either",
    [RAN_LAYOUT_MIXED] = "mixed",
};

static const char *fused(const ran_kernel_row *row)
{
    static const char *const words[2][2] = {{"", "behind"}, {"in front", "both"}};
    return words[row->prologue][row->epilogue];
}

void ran_tool_list_kernels(FILE *stream)
{
    fputs(
        "| kernel | op | what it computes | layout | fuses elementwise |\n|---|---|---|---|---|\n",
        stream);
    for (size_t i = 0; i < ran_kernel_row_count(); i++) {
        const ran_kernel_row *row = ran_kernel_row_at(i);
        fprintf(stream, "| `%s` | `%s` | %s | %s | %s |\n", row->name,
                ran_op_definition(row->anchor)->name, row->what ? row->what : "",
                layouts[row->layout], fused(row));
    }
}
