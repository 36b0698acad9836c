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

# Latencies: a text keyed by target, completed but never overwritten.
printf 'identity cb_res_1x1 efn_3x3_e6_se1 ran_3x3_e3\n' >small.txt
expect 0 ran-search latency resnet8.ran --pool=small.txt --estimate --target=x86-64-v3 -o lat.txt
expect_text lat.txt "target x86-64-v3"
expect_text lat.txt "source estimated by the cost model"
expect_text lat.txt "stage1.block1 identity"
expect_no_text lat.txt "stage2.block1 identity"
awk '$2 == "teacher" && $1 ~ /^stage/ { t[$1] = $3 }
    $2 == "cb_res_1x1" { bad += $3 >= t[$1]; seen++ }
    END { exit !(seen == 3 && !bad) }' lat.txt || fail "a 1x1 convolution is not faster"
sed -i 's/^stage1.block1 identity .*/stage1.block1 identity 12345/' lat.txt
echo 'cb_res_3x3' >>small.txt
expect 0 ran-search latency resnet8.ran --pool=small.txt --estimate --target=x86-64-v3 -o lat.txt
expect_text lat.txt "stage1.block1 identity 12345"
expect_text lat.txt "stage2.block1 cb_res_3x3"
expect 1 ran-search latency resnet8.ran --estimate --target=neoverse -o lat.txt
expect_text err "holds latencies of target x86-64-v3, not of neoverse"
expect 1 ran-search latency resnet8.ran --target=x86-64-v3 -o lat.txt
expect_text err "lat.txt is estimated"

# A bar with the time left on a terminal, none elsewhere.
need_command script bsdutils
rm lat.txt
expect_no_text err "left"
script -qec "ran-search latency resnet8.ran --pool=small.txt --estimate -o lat.txt" typescript >/dev/null ||
    fail "on a terminal"
grep -q 'latencies: layer 1/3 \[\.*\] stage1.block1  0:00 left' typescript || fail "no bar"
rm lat.txt

# Measured here, and by a runner.
echo 'cb_res_1x1' >small.txt
expect 0 ran-search latency resnet8.ran --pool=small.txt --layers=stage3.block1 -o here.txt
expect_text here.txt "source measured"
awk '$1 == "network" && $2 > 0 { ok = 1 } END { exit !ok }' here.txt || fail "network's latency"
expect 0 ran-search latency resnet8.ran --pool=small.txt --layers=stage3.block1 --runner=env -o there.txt
expect_text there.txt "source measured by the runner"
