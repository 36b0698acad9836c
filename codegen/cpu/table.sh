#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# table.sh CLANG FEATURES.DEF
# Prints the C rows {"CPU", "macro macro ..."} of every CPU that clang knows for 64-bit x86 and Arm:
# which instruction sets each has, by the macros that FEATURES.DEF names.
set -eu
export LC_ALL=C
clang=$1
macros=$(sed -n 's/.*\.macro = "\([A-Z0-9_a-z]*\)".*/\1/p' "$2")
pattern=$(printf '%s' "$macros" | tr '\n' '|')

# rows TRIPLE OPTION: clang lists some CPUs that it refuses for 64 bits; those have no row.
rows() {
    "$clang" --target="$1" --print-supported-cpus 2>&1 |
        sed -n 's/^\t\([a-z0-9_.+-]*\).*/\1/p' | sort -u |
        while read -r cpu; do
            all=$("$clang" --target="$1" "$2=$cpu" -dM -E -x c /dev/null 2>/dev/null) || continue
            has=$(echo "$all" | sed -n 's/^#define \([A-Za-z0-9_]*\) .*/\1/p' |
                grep -xE "$pattern" | sort | tr '\n' ' ')
            printf '    {"%s", " %s"},\n' "$cpu" "$has"
        done
}

rows x86_64-linux-gnu -march
rows aarch64-linux-gnu -mcpu
