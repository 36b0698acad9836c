# SPDX-License-Identifier: GPL-3.0-or-later
# The real models as text: printed, read and printed again they are the same.
. "$RAN_SRCDIR/tests/harness/lib.sh"

for name in mnist_cntk mlperf_resnet8 ultraface_slim320 super_resolution carvana_unet \
    yunet_n_320 acasxu_1_1 vit_pgd_cifar; do
    need_model $name
    expect 0 ran-opt "$MODEL" -o first.ran --weights=model.weights
    mv model.weights first.weights
    sed 's/"model\.weights"/"first.weights"/' first.ran >moved.ran
    expect 0 ran-opt moved.ran -o second.ran --weights=model.weights
    cmp first.ran second.ran || fail "$name: print(parse(x)) is not x"
    cmp first.weights model.weights || fail "$name: the side file differs"
    expect 0 ran-opt moved.ran
    mv out inline.ran
    expect 0 ran-opt inline.ran
    cmp inline.ran out || fail "$name: constants in the text"
done
