# SPDX-License-Identifier: GPL-3.0-or-later
# What is left of well-known architectures at -O3: no batch normalisation, composite ops found, as few
# transposes and reshapes as there must be.
. "$RAN_SRCDIR/tests/harness/lib.sh"
need_data models/gen_models.py
/usr/bin/python3 -c 'import onnx' 2>/dev/null || skip "needs python3-onnx"

# left MODEL: all ops of the optimised model with their number, on one line.
left() {
    [ -e "$1.onnx" ] || /usr/bin/python3 "$DATA" . "$1" >log 2>&1 || fail "gen_models.py $1"
    expect 0 ran-opt -O3 --weights=model.weights -o model.ran "$1.onnx"
    rm "$1.onnx"
    grep -oE '^ .* = [a-z_0-9]+ ' model.ran | awk '{ n[$NF]++ } END { for (op in n) print op ":" n[op] }' |
        sort | tr '\n' ' '
}
expect_equal "$(left mobilenetv2)" "add:10 clip:35 conv:52 gemm:1 global_average_pool:1 reshape:1 " mobilenetv2
expect_equal "$(left resnet18_cifar)" "add:8 conv:20 gemm:1 global_average_pool:1 relu:17 reshape:1 " resnet18_cifar
expect_equal "$(left resnet50)" \
    "add:16 conv:53 gemm:1 global_average_pool:1 max_pool:1 relu:49 reshape:1 " resnet50
expect_equal "$(left effnet_b0)" \
    "add:9 conv:81 gemm:1 global_average_pool:17 mul:16 reshape:1 sigmoid:16 silu:49 " effnet_b0
expect_equal "$(left vit_tiny)" \
    "add:96 gelu_erf:12 layer_normalization:25 matmul:96 mul:12 reshape:48 softmax:12 transpose:48 " vit_tiny
