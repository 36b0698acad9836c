# SPDX-License-Identifier: GPL-3.0-or-later
# The papers' counts, come by as a user would: networks from ran-design, passes by rancc's flags, counts
# by ran-stat's rules. Within 1 % of what is printed in "DeepReShape" (tables 3 to 6 and 9) and
# "Restructurable Activation Networks" (tables 2 and 6). As IR, where seeded weights take a line, and
# without the exact passes, which change none of these counts.
. "$RAN_SRCDIR/tests/harness/lib.sh"

count() { # MODEL RULE FIELD
    ran-stat --json --rule="$2" "$1" | sed -n "0,/\"$3\"/s/.*\"$3\": \([0-9]*\).*/\1/p"
}
# near MODEL RULE FIELD EXPECTED: at most 1 % away.
near() {
    got=$(count "$1" "$2" "$3")
    awk -v got="$got" -v want="$4" \
        'BEGIN { d = got - want; exit !(got != "" && (d < 0 ? -d : d) <= 0.01 * want) }' ||
        fail "$1: $3 by rule $2: $got, expected $4"
}
build() {
    expect 0 ran-design build "$1" -o "$1.ran"
}
# rewrite FROM TO OPTIONS...
rewrite() {
    from=$1
    to=$2
    shift 2
    expect 0 rancc -O0 "$@" --emit=ir -o "$to" "$from"
    expect_text err "needs fine-tuning"
}

# ---- DeepReShape: ReLUs ------------------------------------------------------------------------
build resnet18_cifar
near resnet18_cifar.ran deepreshape relu_elements 557060
for pair in 2:434180 4:372740 8:342020 16:326660; do
    rewrite resnet18_cifar.ran reuse.ran --relu-reuse="${pair%:*}"
    near reuse.ran deepreshape relu_elements "${pair#*:}"
done
build hrn_5x7x2x
rewrite hrn_5x7x2x.ran thin.ran --thin=all
near thin.ran deepreshape relu_elements 181250

build hrn_2x9x2x
near hrn_2x9x2x.ran deepreshape relu_elements 225300
rewrite hrn_2x9x2x.ran culled.ran --cull=stage:1
near culled.ran deepreshape relu_elements 143400
rewrite culled.ran thin.ran --thin=all
near thin.ran deepreshape relu_elements 71700
rewrite hrn_2x9x2x.ran both.ran --cull=stage:1 --thin=all
near both.ran deepreshape relu_elements 71700
rewrite thin.ran half.ran --passes='scale-channels{factor=0.5}'
near half.ran deepreshape relu_elements 35800
for pair in 4:17900 8:8960 16:4480; do
    rewrite thin.ran reuse.ran --relu-reuse="${pair%:*}"
    near reuse.ran deepreshape relu_elements "${pair#*:}"
done

# ---- RAN-explicit: parameters and MACs ------------------------------------------------------------
for row in ran_supernet:4670000:589900000 ran_subnet_a:4600000:561100000 \
    ran_subnet_b:4600000:482200000 ran_subnet_c:4670000:487800000 \
    ran_ground_truth:4530000:433100000; do
    name=${row%%:*}
    build "$name"
    numbers=${row#*:}
    near "$name.ran" ran parameters "${numbers%:*}"
    near "$name.ran" ran macs "${numbers#*:}"
done

# The supernet's blocks, restructured by their slopes, are the published sub-network.
blocks=$(printf 'name:*stage%s.*,' 5 7 9 12 15)
expect 0 rancc -O0 --emit=ir -o hardened.ran ran_supernet.ran --passes="\
insert-afrb{spec=${blocks%,};alpha=1},insert-afrb{spec=all;alpha=0.1},harden-afrb{to=hard_swish}"
for field in parameters macs nonlinear_elements; do
    expect_equal "$(count hardened.ran ran $field)" "$(count ran_subnet_a.ran ran $field)" \
        "$field of the hardened supernet and of sub-network A"
done

# Refined by rule: sub-network A becomes B, and with MACs to spare no more than those of C.
rewrite ran_subnet_a.ran refined.ran --passes='refine-bottlenecks{macs=484M}'
for field in parameters macs nonlinear_elements; do
    expect_equal "$(count refined.ran ran $field)" "$(count ran_subnet_b.ran ran $field)" \
        "$field of the refined sub-network A and of sub-network B"
done
rewrite ran_subnet_a.ran refined.ran --passes='refine-bottlenecks{macs=489.2M}'
near refined.ran ran macs 487800000
near refined.ran ran parameters 4670000
# Kernels that grew by zeros give what they gave.
expect 0 ran-design build mobilenet_v2_cifar --width 0.35 --seed 3 -o small.ran
rewrite small.ran grown.ran --passes='refine-bottlenecks{macs=1G;collapse=0}'
grep -q 'conv.*\[7, 7\]\|x7x7x' grown.ran || fail "no kernel grew to 7"
expect 0 ran-run small.ran --interpret --output-dir=small
expect 0 ran-run grown.ran --interpret --expected=small/output_0.pb --rtol=0 --atol=0

# ---- RAN-implicit: 40 % of the hidden channels linear ---------------------------------------------
build convnext_tiny
for variant in none gelu exp; do
    rewrite convnext_tiny.ran split.ran --passes="\
remove-nonlinearity{spec=all;fraction=0.4},bottleneck-branch{variant=$variant}"
    near split.ran convnext parameters 21500000
    near split.ran convnext macs 3320000000
done

# Per ReLU of a stage (table 2).
expect 0 ran-stat --by=stage --json --rule=deepreshape resnet18_cifar.ran
expect_text out '"flops_per_relu"'
expect_text out '"parameters_per_relu"'
expect 0 ran-stat --by=stage resnet18_cifar.ran
expect_text out "FLOPs/relu params/relu"
