# SPDX-License-Identifier: GPL-3.0-or-later
# Mutated real models: the importer never crashes, hangs, or takes too much memory.
. "$RAN_SRCDIR/tests/harness/lib.sh"

need_model mnist_cntk
"$RAN_BUILDDIR/tests/fuzz/onnx_mutations" --count=400 --seconds=60 "${MODEL%/*}"/*/model.onnx
