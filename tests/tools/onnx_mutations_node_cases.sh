# SPDX-License-Identifier: GPL-3.0-or-later
# Mutations of ONNX's node cases, a model or more for every op, through code generation.
. "$RAN_SRCDIR/tests/harness/lib.sh"

cases=/usr/share/libonnx-testdata/data/node
[ -d $cases ] || skip "needs ONNX's node cases (Debian: libonnx-testdata)"
while read -r name; do
    set -- "$@" "$cases/$name/model.onnx"
done <"$RAN_SRCDIR/tests/conformance/pass-interpret.txt"
"$RAN_BUILDDIR/tests/fuzz/onnx_mutations" --count=8 --seconds=40 --compile=40 "$@"
