#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# rancc beside ONNX Runtime, on networks of the zoo: rounds of both, one after the other, and the
# ratio of their medians (above 1: ours is faster). Only a ratio of one run means something: the
# machine may be shared. Environment: NETWORKS, THREADS ("1 2"), ROUNDS (5), SECONDS_A_ROUND (1).
# Usage: compare.sh DIRECTORY, with ran-run and ran-design on PATH. Installs onnxruntime-node there.
set -eu
dir=${1:?usage: compare.sh DIRECTORY}
here=$(cd "$(dirname "$0")" && pwd)
networks=${NETWORKS:-resnet50 mobilenet_v2 resnet18_cifar squeezenet efficientnet_b0}
threads=${THREADS:-1 2}
rounds=${ROUNDS:-5}
seconds=${SECONDS_A_ROUND:-1}

mkdir -p "$dir"
[ -d "$dir/node_modules/onnxruntime-node" ] ||
    npm install --silent --no-fund --no-audit --ignore-scripts --prefix "$dir" \
        onnxruntime-node@1.30.0 >&2

# FILE of numbers -> their median
median() {
    sort -g "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

number() {
    sed -n 's/.*"median_ms": *\([0-9.e+-]*\).*/\1/p'
}

one() {
    model=$1 count=$2
    : >"$dir/ours" && : >"$dir/theirs"
    round=0
    while [ "$round" -lt "$rounds" ]; do
        ran-run -O3 --threads="$count" --bench="$seconds" --json "$model" | number >>"$dir/ours"
        NODE_PATH=$dir/node_modules node "$here/peer.js" "$model" "$count" "$seconds" |
            number >>"$dir/theirs"
        round=$((round + 1))
    done
    ours=$(median "$dir/ours") theirs=$(median "$dir/theirs")
    awk -v n="$3" -v t="$count" -v a="$ours" -v b="$theirs" \
        'BEGIN { printf "%-18s %7d %12.4f %12.4f %8.2f\n", n, t, a, b, b / a }'
}

printf '%-18s %7s %12s %12s %8s\n' network threads 'rancc ms' 'ORT ms' ratio
for network in $networks; do
    model=$network
    [ -e "$network" ] || model=$dir/$network.onnx
    [ -e "$model" ] || ran-design build "$network" -o "$model" >/dev/null
    for count in $threads; do
        one "$model" "$count" "$(basename "$network" .onnx)"
    done
done
