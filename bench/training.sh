#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Training steps beside PyTorch's (python3-torch), in both of its memory formats: rounds of each, one
# after the other, and the ratio of our median to the better of its two (above 1: ours is faster).
# Environment: NETWORKS, THREADS ("1 2"), ROUNDS (3), SECONDS_A_ROUND (2), BATCH (64), PYTHON.
# Usage: training.sh DIRECTORY TRAINING_STEP, with ran-design on PATH.
set -eu
dir=${1:?usage: training.sh DIRECTORY TRAINING_STEP}
step=${2:?usage: training.sh DIRECTORY TRAINING_STEP}
here=$(cd "$(dirname "$0")" && pwd)
networks=${NETWORKS:-lenet resnet8 mobilenet_v2_cifar resnet18_cifar}
threads=${THREADS:-1 2}
rounds=${ROUNDS:-3}
seconds=${SECONDS_A_ROUND:-2}
batch=${BATCH:-64}
python=${PYTHON:-python3}
mkdir -p "$dir"

# FILE of lines that begin with a number -> their median
median() {
    sort -g "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

printf '%-20s %7s %10s %10s %10s %8s\n' network threads rancc nchw nhwc ratio
for network in $networks; do
    model=$dir/$network.onnx
    [ -e "$model" ] || ran-design build "$network" -o "$model" >/dev/null
    for count in $threads; do
        rm -f "$dir/ours" "$dir/nchw" "$dir/nhwc"
        round=0
        while [ "$round" -lt "$rounds" ]; do
            "$step" "$model" "$batch" "$count" "$seconds" >>"$dir/ours"
            for format in nchw nhwc; do
                "$python" "$here/training_peer.py" "$network" "$batch" "$count" "$seconds" \
                    "$format" >>"$dir/$format"
            done
            round=$((round + 1))
        done
        awk -v n="$network" -v t="$count" -v a="$(median "$dir/ours")" \
            -v b="$(median "$dir/nchw")" -v c="$(median "$dir/nhwc")" \
            'BEGIN { printf "%-20s %7d %10.1f %10.1f %10.1f %8.2f\n", n, t, a, b, c,
                     a / (b > c ? b : c) }'
        tail -n 1 "$dir/ours"
        tail -n 1 "$dir/nhwc"
    done
done
