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
    onnx.checker.check_model(onnx.load(path), full_check=True)
PY
/usr/bin/python3 check.py || fail "onnx.checker refuses an exported model"

# A rank that depends on data can't be told to ONNX: the user hears of it.
cat >unranked.ran <<'IR'
func @main(%x: tensor<2x3xf32>, %dims: tensor<Nxi64>) -> (%y: tensor<*xf32>) {
  %y = reshape %x, %dims : tensor<*xf32>
  return %y
}
IR
ran-opt unranked.ran -o unranked.onnx 2>err || fail "unknown rank: $(cat err)"
grep -q "output y: its rank is not known" err || fail "no warning of an unknown rank: $(cat err)"
