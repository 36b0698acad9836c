# SPDX-License-Identifier: GPL-3.0-or-later
# ran-search layers and pool: what is found in networks, and what can take its place.
. "$RAN_SRCDIR/tests/harness/lib.sh"

# layers_of KIND NETWORK [OPTION...]: how many layers of a kind a search would replace.
layers_of() {
    kind=$1
    shift
    expect 0 ran-design build "$@" -o "$1.ran"
    expect 0 ran-search layers "$1.ran" --json
    python3 -c 'import json, sys
print(sum(l["search"] and l["kind"] == sys.argv[1] for l in json.load(open("out"))))' "$kind"
}
expect_equal "$(layers_of 'inverted bottleneck' efficientnet_b0)" 16 "EfficientNet-B0"
expect_equal "$(layers_of 'inverted bottleneck' mobilenet_v2_cifar)" 17 "MobileNetV2"
expect_equal "$(layers_of 'residual block' resnet8)" 3 "ResNet-8"
expect_equal "$(layers_of 'residual block' resnet50)" 16 "ResNet-50"
expect_equal "$(layers_of 'ConvNeXt block' convnext_tiny)" 18 "ConvNeXt"
expect_equal "$(layers_of 'conv unit' vgg16 --width=0.25)" 12 "VGG"

# Stem and head are shown, not chosen; the user chooses by name, glob or kind.
expect 0 ran-search layers mobilenet_v2_cifar.ran
grep -q '^stem .* no ' out || fail "stem"
grep -q '^head .* no ' out || fail "head"
grep -q '^stage3.block1 .*24x32x32 *32x16x16 *yes' out || fail "stage3.block1"
expect 0 ran-search layers mobilenet_v2_cifar.ran --layers='stage4.*,stem'
expect_equal "$(grep -c ' yes ' out)" 5 "chosen layers"
expect 0 ran-search layers resnet8.ran --layers='kind:residual*'
expect_equal "$(grep -c ' yes ' out)" 3 "chosen by kind"
expect 0 ran-search layers resnet8.ran --layers=all
expect_equal "$(grep -c ' yes ' out)" 4 "all"
expect 2 ran-search layers resnet8.ran --layers=stage9.block1
expect_text err "no layer is called stage9.block1"
expect 2 ran-search layers

# A candidate is IR: it parses, runs, and compiles.
expect 0 ran-search pool
expect_text out "efn_5x5_e6_se0.025"
for name in efn_3x3_e6_se0.04 conv_cs_ex2 vit_d1_dim32_h4 bot_e1 lambda_e1 ran_3x3_e6 reuse_3x3_n4; do
    expect 0 ran-search pool $name --input=16x8x8 --output=24x4x4
    cp out $name.ran
    expect 0 rancc $name.ran -o $name.a --verify=1
done
expect 2 ran-search pool no_such_thing --input=1x1x1
expect 2 ran-search pool efn_3x3_e6_se1

# A pool of the user's: globs, and functions in an IR file.
mkdir pools
cat >pools/mine.ran <<'END'
func @my_conv(%x: tensor<Nx4x6x6xf32>) -> (tensor<Nx4x6x6xf32>) {
  %y = relu %x : tensor<Nx4x6x6xf32>
  return %y
}
END
printf '# two kinds\ncb_res_*\nmine.ran\n' >pools/pool.txt
expect 0 ran-search pool --pool=pools/pool.txt
expect_equal "$(wc -l <out)" 5 "candidates"
expect 0 ran-search pool --pool=pools/pool.txt my_conv --input=4x6x6
expect_text out "relu"
expect 1 ran-search pool --pool=pools/pool.txt my_conv --input=5x6x6
echo 'no_such_*' >pools/pool.txt
expect 2 ran-search pool --pool=pools/pool.txt
expect 1 ran-search pool --pool=missing.txt
