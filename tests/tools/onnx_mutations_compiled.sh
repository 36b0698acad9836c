# SPDX-License-Identifier: GPL-3.0-or-later
# Mutated models that are still models, through code generation: refused with a message, or compiled.
. "$RAN_SRCDIR/tests/harness/lib.sh"

"$RAN_BUILDDIR/tests/fuzz/onnx_mutations" --count=2000 --seconds=40 --compile=25
[ -n "${RANCC_TEST_DATA:-}" ] || exit 0
need_model mnist_cntk
for name in mnist_cntk mlperf_resnet8 acasxu_1_1 ultraface_slim320; do
    need_model $name
    set -- "$@" "$MODEL/model.onnx"
done
"$RAN_BUILDDIR/tests/fuzz/onnx_mutations" --count=300 --seconds=40 --compile=40 "$@"
