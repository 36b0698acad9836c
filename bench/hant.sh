#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Operator substitution on CIFAR-10 or MNIST: teachers trained by ran-train, then ran-search hant, once
# a seed; a table of means and standard errors, and beside the selection by integer programming what a
# greedy and a random one reach at the same budget. What was computed is kept in DIRECTORY and not
# computed again. Needs python3, xz, gzip and RANCC_TEST_DATA (with data/cifar10, data/mnist).
# Environment: DATA (cifar10 or mnist), NETWORKS (zoo names, ":WIDTH" behind), SEEDS ("0 1 2"),
# BUDGETS (0.5x,0.35x), EPOCHS (30: of teachers), TEACHER (more options of ran-train for them),
# TUNE_EPOCHS (EPOCHS), PRETRAIN_EPOCHS (4), IMAGES (4096: for candidates), TRAIN and TEST (images of
# the data set; all), POOL (reduced), SOLUTIONS (10), THREADS (of training; all), COMPARE (empty: greedy
# and random selections are not tuned), TABLE_ONLY (set: nothing is computed).
# Usage: hant.sh DIRECTORY, with ran-design, ran-train and ran-search on PATH.
set -eu
dir=${1:?usage: hant.sh DIRECTORY}
here=$(cd "$(dirname "$0")" && pwd)
data=${DATA:-cifar10}
seeds=${SEEDS:-0 1 2}
budgets=${BUDGETS:-0.5x,0.35x}
epochs=${EPOCHS:-30}
threads=${THREADS:-0}
compare=${COMPARE-yes}
source=${RANCC_TEST_DATA:?RANCC_TEST_DATA names the directory that holds data/cifar10 and data/mnist}/data
mkdir -p "$dir/$data"
cd "$dir/$data"

# COMMAND FILE BYTES OUTPUT: decompresses, at most so many bytes (0: all). A search that another process
# runs here keeps the file it has open.
unpack() {
    if [ "$3" -gt 0 ]; then
        "$1" -dc "$2" | head -c "$3" >"$4.$$"
    else
        "$1" -dc "$2" >"$4.$$"
    fi
    mv "$4.$$" "$4"
}

# NAME PREFIX COUNT: the first images and labels of an IDX pair; the headers say how many there are.
unpack_idx() {
    unpack gzip "$source/mnist/$2-images-idx3-ubyte.gz" $(($3 ? 16 + $3 * 784 : 0)) "$1.images"
    unpack gzip "$source/mnist/$2-labels-idx1-ubyte.gz" $(($3 ? 8 + $3 : 0)) "$1.labels"
    [ "$3" -eq 0 ] || python3 - "$1" "$3" <<'END'
import struct, sys
for kind in ("images", "labels"):
    with open(sys.argv[1] + "." + kind, "r+b") as file:
        file.seek(4)
        file.write(struct.pack(">I", int(sys.argv[2])))
END
}

case $data in
cifar10)
    networks=${NETWORKS:-efficientnet_b0_cifar:0.25 resnet18_cifar:0.25}
    shape=3x32x32
    unpack xz "$source/cifar10/train_10k.bin.xz" $((${TRAIN:-0} * 3073)) train.bin
    unpack xz "$source/cifar10/test_2k.bin.xz" $((${TEST:-0} * 3073)) test.bin
    images="--data=cifar10:train.bin --test=cifar10:test.bin --scale=0.00392156863
        --mean=0.4914,0.4822,0.4465 --std=0.247,0.2435,0.2616"
    augment="--augment=crop4,flip"
    ;;
mnist)
    networks=${NETWORKS:-resnet18_cifar:0.125}
    shape=1x28x28
    unpack_idx train train "${TRAIN:-0}"
    unpack_idx test t10k "${TEST:-0}"
    images="--data=idx:train.images,train.labels --test=idx:test.images,test.labels
        --scale=0.00392156863 --mean=0.1307 --std=0.3081"
    augment=
    ;;
*)
    echo "hant.sh: DATA is cifar10 or mnist, not $data" >&2
    exit 2
    ;;
esac

# NETWORK SEED OUT
search() {
    teacher=teacher-$1-$2.onnx
    width=${1#*:}
    [ "$width" != "$1" ] || width=1
    if [ ! -e "$teacher" ]; then
        ran-design build "${1%:*}" --input=$shape --classes=10 --width="$width" --seed="$2" \
            -o "untrained-$1-$2.onnx" >/dev/null
        ran-train "untrained-$1-$2.onnx" $images ${augment:+"$augment"} --epochs="$epochs" --seed="$2" \
            --weight-decay=0.0005 --momentum=0.9 ${TEACHER:-} --threads="$threads" --quiet \
            -o "$teacher"
    fi
    status=0
    ran-search hant "$teacher" $images ${augment:+--recipe="${augment#--}"} --budget="$budgets" \
        --recipe=weight-decay=0.0005 --seed="$2" --threads="$threads" \
        --epochs="${TUNE_EPOCHS:-$epochs}" --pretrain-epochs="${PRETRAIN_EPOCHS:-4}" \
        --images="${IMAGES:-4096}" --pool="${POOL:-reduced}" --solutions="${SOLUTIONS:-10}" \
        ${compare:+--tune-baselines} -o "$3" 2>"$3.log" || status=$?
    # 4: a budget does not hold; the table tells.
    [ $status -eq 0 ] || [ $status -eq 4 ] || {
        tail -n 5 "$3.log" >&2
        exit $status
    }
}

for network in $networks; do
    for seed in $seeds; do
        [ -n "${TABLE_ONLY:-}" ] || search "$network" "$seed" "$network-$seed"
    done
done
python3 "$here/hant_table.py" "$data" "$budgets" "$networks" "$seeds"
