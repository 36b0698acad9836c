# SPDX-License-Identifier: GPL-3.0-or-later
# Real models through the exact passes: the module verifies after each of them, and the reference
# evaluator finds the same results as before.
. "$RAN_SRCDIR/tests/harness/lib.sh"

# check MODEL: the first data set, by the optimised module.
check() {
    need_model "$1"
    expect 0 ran-opt -O3 --verify-each --weights=model.weights -o model.ran "$MODEL/model.onnx"
    set --
    for file in $(find "$MODEL/test_data_set_0" -name 'input_*.pb' | sort -V); do
        set -- "$@" "--input=$file"
    done
    for file in $(find "$MODEL/test_data_set_0" -name 'output_*.pb' | sort -V); do
        set -- "$@" "--expected=$file"
    done
    expect 0 ran-run --interpret "$@" model.ran
}
# ops NAME: how many of them the module of the last check has.
ops() {
    grep -cE "^ .* = $1 " model.ran || :
}

check mnist_cntk
expect_equal "$(ops matmul) $(ops reshape)" "0 1" "mnist_cntk: gemm, behind one reshape"
check mlperf_resnet8
expect_equal "$(ops batch_normalization) $(ops transpose)" "0 0" "mlperf_resnet8"
check acasxu_1_1
expect_equal "$(ops matmul) $(ops add) $(ops sub)" "0 0 0" "acasxu_1_1: products hold their sums"
check yunet_n_320
expect_equal "$(ops batch_normalization)" 0 "yunet_n_320"
check ultraface_slim320
expect_equal "$(ops batch_normalization)" 0 "ultraface_slim320"
check vit_pgd_cifar
check super_resolution
check carvana_unet
check magika_fast_v2
expect_equal "$(ops gelu_erf) $(ops erf)" "2 0" "magika_fast_v2"
check dtln_1
check gtcrn_simple
