# SPDX-License-Identifier: GPL-3.0-or-later
# MobileNetV2 at 224x224 without its activations, collapsed: equal to 1e-5 of the largest output in
# native code, and as ONNX in ONNX Runtime.
. "$RAN_SRCDIR/tests/harness/lib.sh"

expect 0 ran-design build mobilenet_v2 --seed 1 -o m.onnx
expect 0 rancc m.onnx --linearize=all -fcollapse-linear=never -o m.ran
expect 0 rancc m.ran -fcollapse-linear=cost --emit=onnx,ir -o c -v
pieces=$(grep -c 'collapse-linear: .* -> ' err)
expect_equal "$((pieces >= 8))" 1 "layers collapsed: $pieces"
expect 0 ran-run m.ran -O0 --interpret --input=random:7 --output-dir=plain
expect 0 ran-run c.ran --input=random:7 --expected=plain/output_0.pb
error=$(sed -n 's/.*max rel \([0-9.e+-]*\).*/\1/p' out)
expect_equal "$(awk "BEGIN { print ($error <= 1e-5) }")" 1 "native: off by $error"

# What random:7 is, as a file: the result of a function that returns it.
cat >copy.ran <<'EOF'
func @main(%input: tensor<1x3x224x224xf32>) -> (tensor<1x3x224x224xf32>) {
  return %input
}
EOF
expect 0 ran-run copy.ran --interpret --input=random:7 --output-dir=data
mv data/output_0.pb data/input_0.pb
need_data peers/ort.sh
need_command node nodejs
need_command npm npm
expect 0 peer run c.onnx data ort
tail -c 4000 plain/output_0.pb | od -An -v -w4 -tf4 >a
od -An -v -w4 -tf4 ort/output_0.bin >b
error=$(paste a b | awk 'function abs(x) { return x < 0 ? -x : x }
    abs($1) > m { m = abs($1) } abs($1 - $2) > d { d = abs($1 - $2) } END { print (m > 0 ? d / m : 1) }')
expect_equal "$(awk "BEGIN { print ($error <= 1e-5) }")" 1 "ONNX Runtime: off by $error"
echo "ONNX Runtime: off by $error of the largest output"
