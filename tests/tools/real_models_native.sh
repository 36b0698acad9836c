# SPDX-License-Identifier: GPL-3.0-or-later
# Real models by native code without any pass, against the outputs that came with them.
. "$RAN_SRCDIR/tests/harness/lib.sh"

for name in acasxu_1_1 carvana_unet dtln_1 gtcrn_simple magika_fast_v2 mlperf_resnet8 mnist_cntk \
    super_resolution ultraface_slim320 vit_pgd_cifar yunet_n_320; do
    need_model $name
    expect 0 ran-run -O0 "$MODEL"
    expect_equal "$(grep -c '^test_data_set_[0-9]*: ok' out)" \
        "$(find "$MODEL" -name 'test_data_set_*' -type d | wc -l)" "$name: data sets that are right"
done
