# SPDX-License-Identifier: GPL-3.0-or-later
# What approximate passes make, as ONNX: standard ops only, the same results when it is read again, and
# by onnx.checker and ONNX Runtime where they are there. Elementwise slopes are the model's last op.
. "$RAN_SRCDIR/tests/harness/lib.sh"

cat >model.ran <<'END'
const @w = tensor<8x4x3x3xf32> noise(1)
const @v = tensor<8x8x3x3xf32> noise(2, 0.2)
const @up = tensor<16x8x1x1xf32> noise(3)
const @deep = tensor<16x1x3x3xf32> noise(4)
const @down = tensor<8x16x1x1xf32> noise(5)
const @slopes = tensor<8x8x8xf32> noise(6)

func @main(%image: tensor<1x4x8x8xf32>) -> (%result: tensor<1x8x8x8xf32>) {
  %a = conv %image, @w {pads = [1, 1, 1, 1]} : tensor<1x8x8x8xf32>
  %b = relu %a : tensor<1x8x8x8xf32> loc("first": "Relu")
  %c = conv %b, @v {pads = [1, 1, 1, 1]} : tensor<1x8x8x8xf32>
  %d = relu %c : tensor<1x8x8x8xf32> loc("second": "Relu")
  %e = conv %d, @up : tensor<1x16x8x8xf32>
  %f = relu %e : tensor<1x16x8x8xf32> loc("third": "Relu")
  %g = conv %f, @deep {pads = [1, 1, 1, 1], group = 16} : tensor<1x16x8x8xf32>
  %h = relu %g : tensor<1x16x8x8xf32> loc("fourth": "Relu")
  %i = conv %h, @down : tensor<1x8x8x8xf32>
  %j = relu %i : tensor<1x8x8x8xf32> loc("fifth": "Relu")
  %k = conv %j, @up : tensor<1x16x8x8xf32>
  %l = relu %k : tensor<1x16x8x8xf32> loc("sixth": "Relu")
  %m = conv %l, @down : tensor<1x8x8x8xf32>
  %n = prelu %m, @slopes : tensor<1x8x8x8xf32>
  return %n
}
END
cat >copy.ran <<'END'
func @main(%image: tensor<1x4x8x8xf32>) -> (tensor<1x4x8x8xf32>) {
  return %image
}
END
expect 0 ran-run copy.ran --interpret --input=random:7 --output-dir=data
mv data/output_0.pb data/input_0.pb

checker=/usr/bin/python3
$checker -c 'import onnx' 2>/dev/null || checker=
peer=
if has_peer; then
    peer=yes
else
    echo "ONNX Runtime was not asked: without the test data, Node.js or npm"
fi

# export_checked NAME PASSES
export_checked() {
    expect 0 rancc -O2 --emit=onnx,ir --passes="$2" -o "$1" model.ran
    expect_text err "needs fine-tuning"
    expect 0 ran-run "$1.ran" --interpret --input=data/input_0.pb --output-dir="$1"
    expect 0 ran-run "$1.onnx" --input=data/input_0.pb --expected="$1/output_0.pb"
    if [ -n "$checker" ]; then
        # Of an opset that every version of the checker knows.
        expect 0 ran-opt "$1.ran" --opset=17 -o old.onnx
        expect 0 $checker -c 'import onnx
model = onnx.load("old.onnx")
model.ir_version = min(model.ir_version, onnx.IR_VERSION)
onnx.checker.check_model(model, full_check=True)
assert all(not node.domain for node in model.graph.node)'
    fi
    [ -n "$peer" ] || return 0
    expect 0 peer run "$1.onnx" data "$1"
    tail -c 2048 "$1/output_0.pb" | od -An -v -w4 -tf4 >a
    od -An -v -w4 -tf4 "$1/output_0.bin" >b
    error=$(paste a b | awk 'function abs(x) { return x < 0 ? -x : x }
        abs($1) > m { m = abs($1) } abs($1 - $2) > d { d = abs($1 - $2) } END { print (m > 0 ? d / m : 1) }')
    expect_equal "$(awk "BEGIN { print ($error <= 1e-5) }")" 1 "$1: ONNX Runtime: off by $error"
}

export_checked layers 'remove-nonlinearity{spec=cheapest:2}'
export_checked channels 'remove-nonlinearity{spec=all;fraction=0.5}'
export_checked by_channel 'remove-nonlinearity{spec=keep:400/channel}'
export_checked by_element 'remove-nonlinearity{spec=keep:400/element}'
export_checked slopes_element 'remove-nonlinearity{spec=slope/element}'
# Kinds without a slope become a choice by a constant mask.
export_checked masked 'replace-activation{with=silu},remove-nonlinearity{spec=keep:900/element}'
grep -q 'where' masked.ran || fail "masked.ran: no choice by element"
export_checked culled 'cull{spec=name:first}'
export_checked thinned 'thin{spec=all}'
export_checked reuse2 'relu-reuse{n=2}'
export_checked reuse4 'relu-reuse{n=4}'
export_checked narrow 'scale-channels{factor=0.5}'
export_checked afrb 'insert-afrb{spec=all;alpha=0.5}'
export_checked hardened 'insert-afrb{spec=all;alpha=0.1},harden-afrb{to=relu}'
export_checked refined 'refine-bottlenecks{macs=1M;collapse=1}'
export_checked branch 'remove-nonlinearity{spec=all;fraction=0.4},bottleneck-branch{variant=exp}'
