#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Times the selection on tables of the largest size in the literature: 46 layers of 197 candidates,
# losses that fall with latency (as measured ones do), and losses that know nothing of it.
set -eu
dir=$1
mkdir -p "$dir"

table() { # SEED CORRELATED
    awk -v seed="$1" -v correlated="$2" 'BEGIN {
        srand(seed)
        print "layer candidate loss latency"
        for (i = 0; i < 46; i++) {
            base = 2e5 + rand() * 2.8e6
            hardness = 0.2 + 3.8 * rand()
            printf "l%d teacher 0 %d\n", i, base
            for (j = 1; j < 197; j++) {
                part = correlated ? 0.02 + 1.28 * rand() : rand()
                loss = correlated ? hardness * (part < 1.2 ? (1.2 - part) ^ 1.5 : 0) * exp(rand() - 0.5) : rand()
                printf "l%d op%d %.6f %d\n", i, j, 0.3 * loss + 0.002 * rand(), base * part
            }
        }
    }'
}

for kind in 1 0; do
    for seed in 1 2; do
        table $seed $kind >"$dir/ilp.txt"
        for k in 1 100; do
            printf 'correlated %s, seed %s, K = %s: ' $kind $seed $k
            ran-search ilp --table="$dir/ilp.txt" --budget=0.5x -k $k --time 2>&1 >"$dir/ilp.out"
        done
        grep -c 'node limit' "$dir/ilp.out" | sed 's/^/  stopped at the node limit: /'
    done
done
