# SPDX-License-Identifier: GPL-3.0-or-later
# ran-design: lists networks, builds them reproducibly, refuses what makes no sense.
. "$RAN_SRCDIR/tests/harness/lib.sh"

expect 0 ran-design list
for name in lenet mlp squeezenet mobilenet_v2 mobilenet_v2_cifar resnet8 resnet18 resnet18_cifar \
    resnet50 efficientnet_b0 efficientnet_b0_cifar efficientnet_lite0 convnext_tiny vgg19 ran_supernet ran_subnet_a \
    ran_subnet_b ran_subnet_c ran_ground_truth ran_i_tiny hrn_5x7x2x rexnet_1.0 dwnas_supernet; do
    expect_text out "$name "
done
expect 0 ran-design list --json
expect_text out '"name": "lenet"'

expect 0 ran-design build resnet8 -o a.ran
expect 0 ran-design build resnet8 -o b.ran
expect 0 ran-design build resnet8 --seed=1 -o c.ran
cmp a.ran b.ran || fail "the same seed gives another network"
if cmp -s a.ran c.ran; then fail "the seed changes nothing"; fi
expect 0 ran-opt --verify-only a.ran
expect 0 ran-design build lenet --input=3x32x32 --classes=5 --batch=2 -o d.ran
expect 0 ran-opt d.ran
expect_text out "tensor<2x3x32x32xf32>"
expect_text out "tensor<2x5xf32>"

expect 2 ran-design
expect 2 ran-design build
expect 2 ran-design build no_such_network
expect_text err "ran-design list"
expect 2 ran-design build lenet --width=0
expect 2 ran-design build lenet --input=3x32
expect 1 ran-design build vgg19 --input=3x8x8 -o e.ran
[ ! -e e.ran ] || fail "a network that can't be built left a file"

# As ONNX: what is read back counts and computes as what was built.
for name in lenet mobilenet_v2_cifar resnet8; do
    expect 0 ran-design build $name -o $name.onnx
    expect 0 ran-design build $name -o $name.ran
    expect 0 ran-run --interpret $name.ran --output-dir=from_ran
    expect 0 ran-run --interpret $name.onnx --expected=from_ran/output_0.pb
done
expect 0 ran-design build lenet
[ -s lenet.onnx ] || fail "the default name is NAME.onnx"
