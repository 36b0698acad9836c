# SPDX-License-Identifier: GPL-3.0-or-later
# ONNX's node cases through import, export and import again: still right, and onnx.checker agrees
# (where python3-onnx is installed).
. "$RAN_SRCDIR/tests/harness/lib.sh"

cases=/usr/share/libonnx-testdata/data/node
[ -d $cases ] || skip "needs ONNX's node cases (Debian: libonnx-testdata)"

count=0
while read -r name; do
    # One in three is enough of the reductions, losses and comparisons, which differ little.
    count=$((count + 1))
    [ $((count % 3)) = 0 ] || continue
    mkdir "$name"
    ran-opt "$cases/$name/model.onnx" -o "$name/model.onnx" --opset=17 2>err || {
        grep -q "opsets after 11 have no" err || fail "$name: $(cat err)"
        rm -r "$name"
        continue
    }
    ln -s "$cases/$name"/test_data_set_* "$name"
    ran-run --interpret "$name" >out 2>&1 || fail "$name: $(cat out)"
done <"$RAN_SRCDIR/tests/conformance/pass-interpret.txt"
[ "$(ls | wc -l)" -gt 200 ] || fail "too few cases"

/usr/bin/python3 -c 'import onnx' 2>/dev/null || {
    echo "onnx.checker was not asked (Debian: python3-onnx)"
    exit 0
}
cat >check.py <<'PY'
import glob, onnx
for path in glob.glob('*/model.onnx'):
    # A result whose rank depends on data has no shape, which ONNX allows and its checker does not.
    if not path.startswith('test_unsqueeze'):
        onnx.checker.check_model(onnx.load(path), full_check=True)
PY
/usr/bin/python3 check.py
