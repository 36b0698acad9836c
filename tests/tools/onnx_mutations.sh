# SPDX-License-Identifier: GPL-3.0-or-later
# Mutated small models: the importer never crashes, hangs, or takes too much memory.
. "$RAN_SRCDIR/tests/harness/lib.sh"

"$RAN_BUILDDIR/tests/fuzz/onnx_mutations" --count=20000 --seconds=60
