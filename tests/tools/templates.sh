# SPDX-License-Identifier: GPL-3.0-or-later
# The templates that the recipes in docs/ name compile against the interfaces of today.
. "$RAN_SRCDIR/tests/harness/lib.sh"
template=$RAN_SRCDIR/examples/template
warnings='-std=gnu17 -fsyntax-only -Wall -Wextra -Werror'

for file in op pass kernel_host; do
    # shellcheck disable=SC2086  # a command and its options
    expect 0 $RAN_CC $warnings -I"$RAN_SRCDIR/include" -I"$RAN_SRCDIR" "$template/$file.c"
done
for lanes in 4 8 16; do
    # shellcheck disable=SC2086
    expect 0 "$RAN_CLANG" $warnings -Wno-psabi -ffreestanding -DRAN_VL=$lanes -DRAN_BLOCK=16 -I"$RAN_SRCDIR" \
        "$template/kernel.c"
done

# The row takes the macros of the table that it is meant for.
sed '/^RAN_TARGET/,$d' "$RAN_SRCDIR/codegen/target.def" >target.def
cat "$template/target.def" >>target.def
cat >target.c <<'END'
#include "codegen/codegen.h"
extern const ran_target rows[];
const ran_target rows[] = {
#define RAN_TARGET(name_, description_, ...) {.name = name_, __VA_ARGS__},
#include "target.def"
};
END
# shellcheck disable=SC2086
expect 0 $RAN_CC $warnings -I. -I"$RAN_SRCDIR/include" -I"$RAN_SRCDIR" target.c

# What the recipes name is there.
for file in "$template"/*; do
    grep -q "$(basename "$file" | sed 's/\./\\./')" "$RAN_SRCDIR"/docs/*.md ||
        fail "no recipe names $(basename "$file")"
done
for list in ops passes kernels targets; do
    expect 0 ran-opt --list-$list
    expect_text out '|---|'
done
expect_text out '| `neoverse` |'
expect 0 ran-opt --list-kernels
expect_text out '| `conv_direct` | `conv` |'
