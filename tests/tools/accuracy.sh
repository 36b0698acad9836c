# SPDX-License-Identifier: GPL-3.0-or-later
# A real classifier on real images, through the public C interface: 1496 of 2000, give or take 3.
. "$RAN_SRCDIR/tests/harness/lib.sh"
need_command xz xz-utils
need_data data/cifar10/test_2k.bin.xz
xz -dc "$DATA" >images.bin || fail "cannot unpack $DATA"
need_model mlperf_resnet8

for level in 0 3; do
    expect 0 "$RAN_BUILDDIR/tests/accuracy/classify" "$MODEL/model.onnx" images.bin $level
    read -r right of count <out
    expect_equal "$of $count" "of 2000" "images of the test set"
    [ "$right" -ge 1493 ] && [ "$right" -le 1499 ] ||
        fail "-O$level: $right of $count are right, 1496 +-3 are expected"
done
