#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What collapse-linear predicted beside what it takes: for every piece that it collapsed, the kernels
# of the model as it was and as it is, measured in place. Rounds of both alternate, on one thread, and
# the medians over rounds of each round's median are compared (LEAST=1: of its least times, where
# the machine is shared). A line is off when it does not get faster, as it was said to, or when a
# prediction is off by more than 30 %.
# Environment: NETWORKS (names of the zoo, or models), SPEC (what --linearize takes out), ROUNDS (9),
# SECONDS_A_ROUND (0.3), LEAST.
# Usage: collapse.sh DIRECTORY, with rancc, ran-run and ran-design on PATH.
set -eu
dir=${1:?usage: collapse.sh DIRECTORY}
here=$(cd "$(dirname "$0")" && pwd)
networks=${NETWORKS:-mobilenet_v2}
# Of MobileNetV2: the activations of the blocks of expansion 6.
spec=${SPEC:-name:stage[2-7].block*}
rounds=${ROUNDS:-9}
seconds=${SECONDS_A_ROUND:-0.3}
column=3
[ -z "${LEAST:-}" ] || column=4
mkdir -p "$dir"

# A line a kernel and round: before or after, round, node, microseconds.
measure() {
    round=0
    while [ "$round" -lt "$rounds" ]; do
        for side in before after; do
            ran-run -O3 -fcollapse-linear=never --profile --bench="$seconds" "$dir/$side.ran" |
                awk -v side=$side -v round="$round" -v column=$column \
                    'NF == 7 && $2 ~ /%$/ { print side, round, $7, $column }'
        done
        round=$((round + 1))
    done
}

one() {
    rancc "$1" --linearize="$spec" -O3 -fcollapse-linear=never -o "$dir/before.ran" 2>/dev/null
    rancc "$dir/before.ran" -O3 -fcollapse-linear=cost -v -o "$dir/after.ran" 2>"$dir/verdicts"
    # The names of nodes in the order of the model.
    sed -n 's/^ .* loc("\([^"]*\)".*/\1/p' "$dir/before.ran" >"$dir/order"
    measure >"$dir/times"
    awk -f "$here/collapse.awk" "$dir/order" "$dir/verdicts" "$dir/times"
}

for network in $networks; do
    model=$network
    [ -e "$network" ] || model=$dir/$network.onnx
    [ -e "$model" ] || ran-design build "$network" --seed 1 -o "$model" >/dev/null
    echo "$network"
    one "$model"
done
