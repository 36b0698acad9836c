# SPDX-License-Identifier: GPL-3.0-or-later
# ran-stat: counts by every rule, stages, differences, and what it refuses.
. "$RAN_SRCDIR/tests/harness/lib.sh"

# A stem of its own, a block with squeeze-and-excitation, a classifier.
cat >before.ran <<'IR'
const @stem = tensor<8x3x3x3xf32> noise(1)
const @gamma = tensor<8xf32> splat(2)
const @conv = tensor<8x8x3x3xf32> noise(2)
const @bias = tensor<8xf32> noise(3)
const @down = tensor<2x8x1x1xf32> noise(4)
const @up = tensor<8x2x1x1xf32> noise(5)
const @fc = tensor<8x10xf32> noise(6)
const @shape = tensor<2xi64> [2, 8]

func @main(%x: tensor<2x3x32x32xf32>) -> (%y: tensor<2x10xf32>) {
  %0 = conv %x, @stem {pads = [1, 1, 1, 1], strides = [2, 2]} : tensor<2x8x16x16xf32> loc("stem": "Conv")
  %1 = batch_normalization %0, @gamma, @gamma, @gamma, @gamma : tensor<2x8x16x16xf32> loc("bn": "BatchNormalization")
  %2 = relu %1 : tensor<2x8x16x16xf32> loc("relu_1": "Relu")
  %3 = max_pool %2 {kernel_shape = [2, 2], strides = [2, 2]} : tensor<2x8x8x8xf32> loc("pool": "MaxPool")
  %4 = conv %3, @conv, @bias {pads = [1, 1, 1, 1]} : tensor<2x8x8x8xf32> loc("conv_2": "Conv")
  %5 = relu %4 : tensor<2x8x8x8xf32> loc("relu_2": "Relu")
  %6 = global_average_pool %5 : tensor<2x8x1x1xf32> loc("squeeze": "GlobalAveragePool")
  %7 = conv %6, @down : tensor<2x2x1x1xf32> loc("se_down": "Conv")
  %8 = relu %7 : tensor<2x2x1x1xf32> loc("se_relu": "Relu")
  %9 = conv %8, @up : tensor<2x8x1x1xf32> loc("se_up": "Conv")
  %10 = sigmoid %9 : tensor<2x8x1x1xf32> loc("gate": "Sigmoid")
  %11 = mul %5, %10 : tensor<2x8x8x8xf32> loc("scale": "Mul")
  %12 = conv %11, @conv {pads = [1, 1, 1, 1], strides = [2, 2]} : tensor<2x8x4x4xf32> loc("conv_3": "Conv")
  %13 = global_average_pool %12 : tensor<2x8x1x1xf32> loc("gap": "GlobalAveragePool")
  %14 = reshape %13, @shape : tensor<2x8xf32> loc("flatten": "Reshape")
  %15 = matmul %14, @fc : tensor<2x10xf32> loc("fc": "MatMul")
  return %15
}
IR

# total RULE KEY: a number of the JSON's totals.
total() {
    expect 0 ran-stat --json --rule="$1" before.ran
    sed -n '/"total": {/,/}/s/.*"'"$2"'": \([0-9a-z]*\).*/\1/p' out
}

# Weights 216 + 576 (once, though used twice) + 16 + 16 + 80, biases 8, the shared BN constants 8.
expect_equal "$(total all parameters)" 920 "all parameters"
expect_equal "$(total ran parameters)" 944 "4 a BN channel"
expect_equal "$(total rexnet parameters)" 928 "2 a BN channel"
# A batch of 2: convolutions 2*(55296 + 36864 + 9216), squeeze-and-excitation 2*32, classifier 2*80.
expect_equal "$(total all macs)" 202976 "MACs of the batch"
expect_equal "$(total ran macs)" 101408 "MACs of one image without the classifier"
expect_equal "$(total rexnet macs)" 101488 "MACs of one image"
expect_equal "$(total all relu_elements)" 5124 "relus of the batch"
expect_equal "$(total deepreshape relu_elements)" 2562 "relus of one image"
expect_equal "$(total all nonlinear_elements)" 6164 "relus, the pool, the gate"

expect 0 ran-stat --json before.ran
for key in '"nodes": [' '"name": "conv_2"' '"op": "batch_normalization"' '"se_macs": 64' \
    '"fc_macs": 160' '"bn_channels": 8' '"latency_ns": '; do
    expect_text out "$key"
done
expect_equal "$(grep -c '"name": ' out)" 16 "nodes"

# The stem's convolution and the pool belong to stage 1; the excitation to the stage around it.
expect 0 ran-stat --by=stage before.ran
expect_equal "$(awk '$1 == 1 { print $2, $3 }' out)" "64 12" "stage 1"
expect_equal "$(awk '$1 == 2 { print $2, $3 }' out)" "16 1" "stage 2"
expect_equal "$(awk '$1 == "head" { print $3 }' out)" 3 "head"
expect 0 ran-stat --by=stage --json before.ran
expect_text out '"positions": 64'

# Layer normalisations count 5 an element in blocks, nothing before a downsampling convolution.
cat >convnext.ran <<'IR'
const @g = tensor<4xf32> splat(1)
const @w = tensor<4x4x2x2xf32> noise(1)

func @main(%x: tensor<1x8x8x4xf32>) -> (%y: tensor<1x4x4x4xf32>) {
  %0 = layer_normalization %x, @g, @g : tensor<1x8x8x4xf32>
  %1 = add %0, %x : tensor<1x8x8x4xf32>
  %2 = layer_normalization %1, @g, @g : tensor<1x8x8x4xf32>
  %3 = transpose %2 {perm = [0, 3, 1, 2]} : tensor<1x4x8x8xf32>
  %4 = conv %3, @w {strides = [2, 2]} : tensor<1x4x4x4xf32>
  return %4
}
IR
expect 0 ran-stat --rule=convnext --json convnext.ran
expect_text out '"norm_elements": 256'
expect_text out '"macs": 2304'
expect_text out '"parameters": 80'

sed 's/%5 = relu %4/%5 = identity %4/' before.ran >after.ran
expect 0 ran-stat --diff before.ran after.ran
grep -q 'relu elements  *5124  *4100  *-1024  *-20.0%' out || { cat out; fail "difference"; }
expect 0 ran-stat --diff --by=stage before.ran after.ran
stages=$(sed -n '/^stage 1$/,/^$/s/.*relu elements  *//p; /^head$/,$s/.*relu elements  *//p' out)
sum=$(echo "$stages" | awk '{ before += $1; after += $2 } END { print before, after }')
expect_equal "$sum" "5124 4100" "ReLUs by stage"
expect 0 ran-stat --diff --json before.ran after.ran
expect_text out '"before": {'

# Memory and latency are those of the compiled model: of a branch that lives beside another.
cat >plan.ran <<'IR'
func @main(%x: tensor<64x1024xf32>) -> (%y: tensor<64x1024xf32>) {
  %0 = softmax %x : tensor<64x1024xf32> loc("soft": "Softmax")
  %1 = transpose %0 {perm = [1, 0]} : tensor<1024x64xf32>
  %2 = softmax %1 : tensor<1024x64xf32>
  %3 = transpose %2 {perm = [1, 0]} : tensor<64x1024xf32>
  %4 = add %0, %3 : tensor<64x1024xf32>
  return %4
}
IR
expect 0 ran-stat --json plan.ran
awk -F'[:,]' '/"total"/ { total = 1 }
    total && /activation_bytes/ { bytes = $2 }
    total && /latency_ns/ { exit !(bytes >= 2 * 262144 && bytes <= 3 * 262144 && $2 > 1000) }' out ||
    { grep -A 8 total out; fail "planned memory, predicted latency"; }

expect 2 ran-stat
expect 2 ran-stat --diff before.ran
expect 2 ran-stat before.ran after.ran
expect 2 ran-stat --rule=nonsense before.ran
expect 2 ran-stat --by=colour before.ran
expect 1 ran-stat missing.onnx
expect_text err missing.onnx

# Shapes of unknown rank have no predicted time, and counts all the same.
cat >unranked.ran <<'END'
func @main(%x: tensor<*xf32>) -> (tensor<*xf32>) {
  %0 = reduce_mean %x : tensor<*xf32>
  return %0
}
END
expect 0 ran-stat --json unranked.ran
expect_text out '"latency_ns": null'
