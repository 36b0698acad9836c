#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Test accuracy after training by ran-train, once a seed: LeNet on MNIST (5 epochs), ResNet-8 of MLPerf
# Tiny on 10 000 images of CIFAR-10 from scratch (60 epochs), and the same network as MLPerf trained it
# before and after 10 epochs of fine-tuning on these images. Options that the table doesn't name are
# ran-train's defaults. What was trained is kept in DIRECTORY and not trained again. Needs xz and
# RANCC_TEST_DATA (data/mnist, data/cifar10, models/real.tar.xz).
# Environment: RUNS ("lenet resnet8 mlperf_resnet8"), SEEDS ("0 1 2"), THREADS (1).
# Usage: training_accuracy.sh DIRECTORY, with ran-design and ran-train on PATH.
set -eu
dir=${1:?usage: training_accuracy.sh DIRECTORY}
data=${RANCC_TEST_DATA:?RANCC_TEST_DATA names the directory that holds data and models}
seeds=${SEEDS:-0 1 2}
mkdir -p "$dir"
cd "$dir"

bytes=0.00392156862745098 # 1/255

mnist() {
    echo "--data=idx:$data/data/mnist/train-images-idx3-ubyte.gz,$data/data/mnist/train-labels-idx1-ubyte.gz"
    echo "--test=idx:$data/data/mnist/t10k-images-idx3-ubyte.gz,$data/data/mnist/t10k-labels-idx1-ubyte.gz"
}

cifar10() {
    [ -e train.bin ] || xz -dc "$data/data/cifar10/train_10k.bin.xz" >train.bin
    [ -e test.bin ] || xz -dc "$data/data/cifar10/test_2k.bin.xz" >test.bin
    echo "--data=cifar10:train.bin --test=cifar10:test.bin"
}

# RUN -> its model, and in arguments what is its own
describe() {
    case $1 in
    lenet)
        bar=0.988
        arguments="$(mnist) --scale=$bytes --mean=0.1307 --std=0.3081 --epochs=5"
        ;;
    resnet8)
        bar=0.72
        arguments="$(cifar10) --scale=$bytes --mean=0.4914,0.4822,0.4465 --std=0.247,0.2435,0.2616
            --augment=crop4,flip --weight-decay=5e-4 --epochs=60"
        ;;
    mlperf_resnet8)
        bar=before
        arguments="$(cifar10) --augment=crop4,flip --weight-decay=1e-4 --lr=0.01 --ema=0.99 --epochs=10"
        ;;
    *)
        echo "training_accuracy.sh: RUNS are of lenet, resnet8, mlperf_resnet8; not $1" >&2
        exit 2
        ;;
    esac
}

# RUN SEED: the model that training starts from, in $model
start() {
    model=$1-$2.onnx
    case $1 in
    mlperf_resnet8)
        model=models/$1/model.onnx
        [ -e "$model" ] || tar -xf "$data/models/real.tar.xz" "$model"
        ;;
    *) [ -e "$model" ] || ran-design build "$1" --seed="$2" -o "$model" >/dev/null ;;
    esac
}

# FILE of JSON lines -> the last test accuracy
accuracy() {
    sed -n 's/.*"test_accuracy": \([0-9.]*\).*/\1/p' "$1" | tail -n 1
}

# RUN SEED
train() {
    [ ! -e "$1-$2.json" ] || return 0
    start "$1" "$2"
    # shellcheck disable=SC2086  # options
    ran-train "$model" $arguments --seed="$2" --threads="${THREADS:-1}" --quiet --json \
        -o "$1-$2-trained.onnx" >"$1-$2.part"
    mv "$1-$2.part" "$1-$2.json"
}

# Of what MLPerf trained, without us.
before() {
    start mlperf_resnet8 0
    # shellcheck disable=SC2046  # options
    ran-train "$model" --eval $(cifar10) --threads="${THREADS:-1}" --json >before.json
    accuracy before.json
}

printf '%-16s %6s %10s %8s %8s  %s\n' network seeds 'accuracy %' 'se' 'bar %' 'each seed'
for run in ${RUNS:-lenet resnet8 mlperf_resnet8}; do
    describe "$run"
    [ "$bar" != before ] || bar=$(before)
    for seed in $seeds; do
        train "$run" "$seed"
    done
    for seed in $seeds; do
        accuracy "$run-$seed.json"
    done | awk -v run="$run" -v bar="$bar" '
        { x[NR] = 100 * $1; sum += x[NR]; list = list sprintf(" %.2f", x[NR]) }
        END {
            mean = sum / NR
            for (i = 1; i <= NR; i++) squares += (x[i] - mean) ^ 2
            error = NR > 1 ? sprintf("%.2f", sqrt(squares / (NR - 1) / NR)) : "-"
            printf "%-16s %6d %10.2f %8s %8.2f %s\n", run, NR, mean, error, 100 * bar, list
        }'
done
