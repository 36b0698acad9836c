# SPDX-License-Identifier: GPL-3.0-or-later
# LeNet from ran-design learns MNIST; ResNet-8 of MLPerf Tiny gets better at CIFAR-10 by fine-tuning.
. "$RAN_SRCDIR/tests/harness/lib.sh"
need_data data/mnist/train-images-idx3-ubyte.gz
mnist=$(dirname "$DATA")

accuracy() {
    tail -n 1 out | sed -n 's/.*"test_accuracy": \([0-9.]*\).*/\1/p'
}

# With seed 2, large weights of the classifier would kill all of it at the default rate.
for seed in 2 0; do
    expect 0 ran-design build lenet --seed "$seed" -o lenet.onnx
    expect 0 ran-train lenet.onnx --scale 0.00392156862745098 --mean 0.1307 --std 0.3081 --epochs 1 --json \
        --data "idx:$mnist/train-images-idx3-ubyte.gz,$mnist/train-labels-idx1-ubyte.gz" \
        --test "idx:$mnist/t10k-images-idx3-ubyte.gz,$mnist/t10k-labels-idx1-ubyte.gz" \
        --seed "$seed" -o trained.onnx
    awk "BEGIN { exit !($(accuracy) >= 0.975) }" || fail "LeNet $seed after an epoch: $(accuracy)"
done
trained=$(accuracy)
expect 0 ran-train trained.onnx --eval --json --eval-batch 100 \
    --test "idx:$mnist/t10k-images-idx3-ubyte.gz,$mnist/t10k-labels-idx1-ubyte.gz"
expect_equal "$(accuracy)" "$trained" "accuracy of what was written"

need_command xz xz-utils
need_data data/cifar10/train_10k.bin.xz
xz -dc "$DATA" >train.bin
need_data data/cifar10/test_2k.bin.xz
xz -dc "$DATA" >test.bin
need_model mlperf_resnet8
expect 0 ran-train "$MODEL/model.onnx" --eval --test cifar10:test.bin --json
before=$(accuracy)
awk "BEGIN { exit !($before > 0.74 && $before < 0.76) }" || fail "before: $before"
expect 0 ran-train "$MODEL/model.onnx" --data cifar10:train.bin --test cifar10:test.bin \
    --augment crop4,flip --epochs 1 --lr 0.01 --ema 0.99 --weight-decay 1e-4 --json
awk "BEGIN { exit !($(accuracy) > $before) }" || fail "fine-tuned: $(accuracy), before: $before"
