# SPDX-License-Identifier: GPL-3.0-or-later
# Real models as programs for aarch64, under the emulator, against the outputs that came with them.
. "$RAN_SRCDIR/tests/harness/lib.sh"
need_aarch64

# check NAME SETS OPTIONS...: the first SETS data sets are right
check() {
    name=$1 sets=$2
    shift 2
    rm -rf data
    mkdir data
    set_number=0
    while [ $set_number -lt "$sets" ]; do
        ln -s "$MODEL/test_data_set_$set_number" data/test_data_set_$set_number
        set_number=$((set_number + 1))
    done
    expect 0 ran-run --runner="$CROSS_RUN" --target=neoverse --dim '*=1' "$@" --data=data \
        "$MODEL/model.onnx"
    expect_equal "$(grep -c '^test_data_set_[0-9]*: ok' out)" "$sets" \
        "$name $*: data sets that are right"
}

for name in acasxu_1_1 carvana_unet dtln_1 gtcrn_simple magika_fast_v2 mlperf_resnet8 mnist_cntk \
    ultraface_slim320 vit_pgd_cifar yunet_n_320; do
    need_model $name
    check $name "$(find "$MODEL" -name 'test_data_set_*' | wc -l)" -O3
    check $name 1 -O0
done

# One image takes the emulator several seconds.
need_model super_resolution
check super_resolution 1 -O3
