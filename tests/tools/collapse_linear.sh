# SPDX-License-Identifier: GPL-3.0-or-later
# collapse-linear and split-linear-branch on whole models: MobileNetV2 at 224x224 without its
# activations, in each form of the border, natively and as ONNX in another runtime; real models.
. "$RAN_SRCDIR/tests/harness/lib.sh"

# ---- Switches ------------------------------------------------------------------------------------
expect 0 ran-design build mobilenet_v2_cifar --width 0.35 --seed 3 -o small.onnx
expect 2 rancc small.onnx --collapse-border=none -o small.o
expect_text err "none"
expect 2 rancc small.onnx -fcollapse-linear=sometimes -o small.o
expect_text err "sometimes"
expect 0 rancc small.onnx --linearize=all -fcollapse-linear=never -o linear.ran

# ---- Every form, natively, against the reference of what was read -----------------------------------
while read -r border mode; do
    expect 0 rancc linear.ran -fcollapse-linear=$mode --collapse-border=$border --verify -o small.o -v
    expect_text err "collapse-linear: "
    expect_text err "instead of"
    expect_text err "measured"
    error=$(sed -n 's/.*max rel \([0-9.e+-]*\).*/\1/p' out err)
    expect_equal "$(awk "BEGIN { print ($error <= 1e-5) }")" 1 "$border, $mode: off by $error"
done <<'EOF'
exact cost
exact always
ones cost
tile cost
EOF
# Between two 3x3 kernels it depends on the input: not ignored, and said why.
cat >wide.ran <<'EOF'
const @w = tensor<2x2x3x3xf32> noise(1)

func @main(%x: tensor<1x2x9x9xf32>) -> (tensor<1x2x9x9xf32>) {
  %0 = conv %x, @w {pads = [1, 1, 1, 1]} : tensor<1x2x9x9xf32>
  %1 = conv %0, @w {pads = [1, 1, 1, 1]} : tensor<1x2x9x9xf32>
  return %1
}
EOF
expect 0 rancc wide.ran -fcollapse-linear=always --collapse-border=ignore -v -o wide.o
expect_text err "has no bound without the range of inputs"
expect 0 rancc linear.ran --passes='collapse-linear{mode=always;border=ignore;range=4}' -O0 -o small.ran
expect_text err "results there are off by up to"

# ---- A linear half of the hidden channels --------------------------------------------------------------
expect 0 rancc small.onnx --passes='linearize{spec=all/channel;fraction=0.5}' -O0 -o half.ran
expect 0 rancc half.ran -fsplit-linear-branch=always --verify -o half.o

