# SPDX-License-Identifier: GPL-3.0-or-later
# The cases of kernels.sh compiled for aarch64 and run under qemu.
. "$RAN_SRCDIR/tests/harness/lib.sh"
. "$RAN_SRCDIR/tests/harness/kernels.sh"
need_aarch64

for model in "$RAN_SRCDIR"/tests/kernels/*.ran; do
    interpret "$model"
    expect 0 rancc -O3 --target=neoverse "$model" -o "$NAME-neoverse"
    # shellcheck disable=SC2086  # lists of words
    expect 0 $CROSS_RUN "./$NAME-neoverse" --output-dir="$NAME.arm" $INPUTS
    same_as_reference "$model" "$NAME.arm"
done
