# SPDX-License-Identifier: GPL-3.0-or-later
# Node cases of ONNX's newest opsets: none may be wrong, and most must pass.
. "$RAN_SRCDIR/tests/harness/lib.sh"

need_data conformance/node-open.tar.xz
tar -xJf "$DATA"
"$RAN_BUILDDIR/tests/conformance/run_node_cases" --engine=interpret --minimum=1088 .
