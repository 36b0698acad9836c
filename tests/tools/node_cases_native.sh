# SPDX-License-Identifier: GPL-3.0-or-later
# ONNX's own node cases by native code, at -O0 and -O3: what passed must go on to pass, nothing may
# be wrong or crash.
. "$RAN_SRCDIR/tests/harness/lib.sh"

cases=/usr/share/libonnx-testdata/data/node
[ -d $cases ] || skip "needs ONNX's node cases (Debian: libonnx-testdata)"
[ -z "$RAN_SANITIZED" ] || skip "too slow under sanitizers"
lists=$RAN_SRCDIR/tests/conformance

for level in O0 O3; do
    "$RAN_BUILDDIR/tests/conformance/run_node_cases" --engine="ran-run -$level" --minimum=500 \
        --pass="$lists/pass-$level.txt" --xfail="$lists/xfail-$level.txt" $cases
done
