#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# embed_bitcode.sh data|table FILE.FLAVOUR.bc...
# Prints the assembler file that brings the bitcode files in, or the C table that names them.
set -eu
what=$1
shift
export LC_ALL=C

# codegen/conv/direct.x86-64-vl16.bc -> name conv/direct, flavour x86-64-vl16, symbol ran_bc_N
split() {
    stem=${1%.bc}
    flavour=${stem##*.}
    name=${stem%.*}
    name=${name#codegen/}
}

print_data() {
    echo '    .section .rodata, "a"'
    n=0
    for file; do
        cat <<END
    .balign 16
    .global ran_bitcode_begin_$n
    .hidden ran_bitcode_begin_$n
    .global ran_bitcode_end_$n
    .hidden ran_bitcode_end_$n
ran_bitcode_begin_$n:
    .incbin "$file"
ran_bitcode_end_$n:
END
        n=$((n + 1))
    done
    echo '    .section .note.GNU-stack, "", %progbits'
}

print_table() {
    echo '#include "codegen/bitcode.h"'
    n=0
    for file; do
        printf 'extern const unsigned char ran_bitcode_begin_%d[], ran_bitcode_end_%d[];\n' $n $n
        n=$((n + 1))
    done
    echo 'const struct ran_bitcode_file ran_bitcode_files[] = {'
    n=0
    for file; do
        split "$file"
        printf '    {"%s", "%s", ran_bitcode_begin_%d, ran_bitcode_end_%d},\n' \
            "$name" "$flavour" $n $n
        n=$((n + 1))
    done
    printf '    {0},\n};\n'
}

case $what in
data) print_data "$@" ;;
table) print_table "$@" ;;
*) exit 2 ;;
esac
