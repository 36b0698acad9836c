# SPDX-License-Identifier: GPL-3.0-or-later
# --substitute: candidates from files in the places of layers, and every way in which a plan can be wrong.
. "$RAN_SRCDIR/tests/harness/lib.sh"

cat >model.ran <<'END'
const @w = tensor<4x3x3x3xf32> noise(1)
const @v = tensor<4x4x3x3xf32> noise(2, 0.2)

func @main(%image: tensor<Nx3x8x8xf32>) -> (%result: tensor<Nx4x8x8xf32>) {
  %stem = conv %image, @w {pads = [1, 1, 1, 1]} : tensor<Nx4x8x8xf32>
  %a = relu %stem : tensor<Nx4x8x8xf32> loc("act": "Relu")
  %b = conv %a, @v {pads = [1, 1, 1, 1]} : tensor<Nx4x8x8xf32>
  %c = relu %b : tensor<Nx4x8x8xf32>
  %d = conv %c, @v {pads = [1, 1, 1, 1]} : tensor<Nx4x8x8xf32>
  %e = add %d, %a : tensor<Nx4x8x8xf32>
  %out = relu %e : tensor<Nx4x8x8xf32>
  return %out
}
END
mkdir cands
cat >cands/original.ran <<'END'
const @v = tensor<4x4x3x3xf32> noise(2, 0.2)

func @main(%x: tensor<Bx4xHxWxf32>) -> (tensor<Bx4xHxWxf32>) {
  %0 = conv %x, @v {pads = [1, 1, 1, 1]} : tensor<Bx4xHxWxf32>
  %1 = relu %0 : tensor<Bx4xHxWxf32>
  %2 = conv %1, @v {pads = [1, 1, 1, 1]} : tensor<Bx4xHxWxf32>
  %3 = add %2, %x : tensor<Bx4xHxWxf32>
  return %3
}

func @small(%x: tensor<Bx4xHxWxf32>) -> (tensor<Bx4xHxWxf32>) {
  %0 = silu %x : tensor<Bx4xHxWxf32> loc("gate": "Silu")
  return %0
}

func @narrow(%x: tensor<Bx2xHxWxf32>) -> (tensor<Bx2xHxWxf32>) {
  %0 = relu %x : tensor<Bx2xHxWxf32>
  return %0
}

func @halving(%x: tensor<Bx4xHxWxf32>) -> (tensor<Bx4x(H floordiv 2)x(W floordiv 2)xf32>) {
  %0 = max_pool %x {kernel_shape = [2, 2], strides = [2, 2]} : tensor<Bx4x(H floordiv 2)x(W floordiv 2)xf32>
  return %0
}
END
# plan FUNCTION [INPUTS [OUTPUTS]]
plan() {
    cat >plan.json <<END
{"layers": [{"name": "block", "candidate": "it", "function": "cands/original.ran$1",
             "inputs": ${2-[\"a\"]}, "outputs": ${3-[\"e\"]}}]}
END
}
wrong() { # STATUS MESSAGE
    expect "$1" ran-opt --substitute=plan.json model.ran
    expect_text err "$2"
}

# ---- What fits -------------------------------------------------------------------------------------
# The layer itself as a candidate: the same results.
plan ''
expect 0 rancc --substitute=plan.json --emit=ir -o same.ran model.ran
expect_text err "substitute: parameters"
expect 0 ran-run --interpret --dim N=2 --input=random:3 --output-dir=want model.ran
expect 0 ran-run --dim N=2 --input=random:3 --expected=want/output_0.pb same.ran
expect_text same.ran 'needs-fine-tuning" = "substitute"'
expect_text same.ran 'loc("block/conv"'

plan '#small'
expect 0 ran-opt --substitute=plan.json --stats model.ran
expect_text out 'silu %a : tensor<Nx4x8x8xf32> loc("block/gate": "Silu")'
expect_text out 'relu %e' # the output keeps its name
expect_text err "block: it"
expect 0 rancc --substitute=plan.json --emit=onnx -o small.onnx model.ran

# By the name of the node, and of the graph's output; two layers; one that stays.
cat >plan.json <<'END'
{"layers": [{"name": "first", "function": "cands/original.ran#small", "inputs": ["stem"], "outputs": ["act"]},
            {"name": "kept", "candidate": "teacher"},
            {"name": "last", "function": "cands/original.ran", "inputs": ["e"], "outputs": ["result"]}]}
END
expect 0 ran-opt --substitute=plan.json --stats model.ran
expect_text err "2  substitute.layers"
expect_text err "1  substitute.kept"
mkdir elsewhere
cp -r plan.json cands elsewhere
expect 0 ran-opt --substitute=elsewhere/plan.json model.ran

# ---- What does not ---------------------------------------------------------------------------------
expect 2 rancc --substitute= model.ran
expect 2 rancc --passes=substitute model.ran
plan '#narrow'
wrong 1 'layer block, candidate it: input a is tensor<Nx4x8x8xf32> in the model, tensor<Bx2xHxWxf32> in the candidate'
expect_text err 'output e is tensor<Nx4x8x8xf32>'
plan '#halving'
wrong 1 'output e is tensor<Nx4x8x8xf32> in the model, '
plan '#nothing'
wrong 1 'original.ran has no such function'
plan '' '["zz"]'
wrong 1 'the model has no value zz'
plan '' '["a", "a"]'
wrong 1 'the function has 1 inputs and 1 outputs, the layer 2 and 1'
plan '' '["e"]' '["a"]'
wrong 1 'an output is used in front of an input'
plan '' '[]'
wrong 1 '"inputs" is to be a list of names of values'
sed -i 's/original.ran/missing.ran/' plan.json
sed -i 's/\[\]/["a"]/' plan.json
wrong 1 'cannot read cands/missing.ran'
echo '{"layers": [' >plan.json
wrong 1 "plan.json:2: ']' expected"
echo '{"steps": []}' >plan.json
wrong 1 'a plan is an object with a list "layers"'
echo '{"layers": [{"name": "a", "function": 5}, 7]}' >plan.json
wrong 1 'layer 1: "function" is no string'
expect_text err 'layer 2: is no object'
rm plan.json
wrong 1 'plan.json'
expect_no_file model.a
