# SPDX-License-Identifier: GPL-3.0-or-later
# ONNX's own node cases, from Debian's libonnx-testdata, by the reference evaluator.
. "$RAN_SRCDIR/tests/harness/lib.sh"

cases=/usr/share/libonnx-testdata/data/node
[ -d $cases ] || skip "needs ONNX's node cases (Debian: libonnx-testdata)"
lists=$RAN_SRCDIR/tests/conformance

"$RAN_BUILDDIR/tests/conformance/run_node_cases" --engine=interpret \
    --pass="$lists/pass-interpret.txt" --xfail="$lists/xfail-interpret.txt" $cases
