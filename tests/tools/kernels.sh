# SPDX-License-Identifier: GPL-3.0-or-later
# Kernels over odd shapes against the reference evaluator: for the machine's own CPU, for lesser
# x86-64 ones, at -O0, and bit-identical on 1, 2, 3 and 7 threads. A case is a file in tests/kernels.
. "$RAN_SRCDIR/tests/harness/lib.sh"
. "$RAN_SRCDIR/tests/harness/kernels.sh"

targets=native
if [ "$(uname -m)" = x86_64 ]; then
    targets="native x86-64"
    ! grep -q avx2 /proc/cpuinfo || targets="$targets x86-64-v3"
fi

for model in "$RAN_SRCDIR"/tests/kernels/*.ran; do
    interpret "$model"
    for target in $targets; do
        program=$NAME-$target
        expect 0 rancc -O3 --target="$target" "$model" -o "$program"
        # shellcheck disable=SC2086  # a list of words
        expect 0 "./$program" --output-dir="$program.1" $INPUTS
        same_as_reference "$model" "$program.1"
    done
    for threads in 2 3 7; do
        # shellcheck disable=SC2086
        expect 0 "./$NAME-native" --threads=$threads --output-dir="$NAME.$threads" $INPUTS
        diff -r "$NAME-native.1" "$NAME.$threads" || fail "$NAME: 1 and $threads threads differ"
    done
    expect 0 rancc -O0 "$model" -o "$NAME-O0"
    # shellcheck disable=SC2086
    expect 0 "./$NAME-O0" --output-dir="$NAME.O0" $INPUTS
    same_as_reference "$model" "$NAME.O0"
done
