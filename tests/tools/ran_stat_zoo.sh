# SPDX-License-Identifier: GPL-3.0-or-later
# The networks of the zoo have the sizes that their papers print, each by its paper's rule.
. "$RAN_SRCDIR/tests/harness/lib.sh"

# counts NAME RULE KEY NUMBER: within 0.2 %.
counts() {
    [ -e "$1.ran" ] || expect 0 ran-design build "$1" -o "$1.ran"
    expect 0 ran-stat --json --rule="$2" "$1.ran"
    sed -n '/"total": {/,/}/s/.*"'"$3"'": \([0-9]*\).*/\1/p' out |
        awk -v n="$4" '{ found = 1; off = ($1 - n) / n } END { exit !(found && off * off < 4e-6) }' ||
        fail "$1: $3 by rule $2: $(grep -m 1 "\"$3\"" out), expected $4"
}

counts ran_supernet ran macs 589900000
counts ran_supernet ran parameters 4670000
counts ran_subnet_a ran macs 561100000
counts ran_subnet_b ran macs 482200000
counts ran_subnet_c ran macs 487800000
counts ran_ground_truth ran macs 433100000
counts mobilenet_v2 rexnet parameters 3504872
counts mobilenet_v2 rexnet macs 300774272
counts efficientnet_b0 rexnet parameters 5288548
counts convnext_tiny convnext parameters 28589128
counts resnet50 rexnet parameters 25557032
counts resnet50 rexnet macs 4089184256
counts resnet18_cifar deepreshape relu_elements 557056

# DeepReShape's stages: of 32x32, 16x16, 8x8, 4x4, the stem in the first.
expect 0 ran-stat --by=stage --rule=deepreshape resnet18_cifar.ran
expect_equal "$(awk '/^stage/ { for (i = 1; i <= NF; i++) if ($i == "relu") relu = i }
    /^[1-9] / { printf "%s:%s ", $2, $relu }' out)" \
    "1024:327680 256:131072 64:65536 16:32768 " "relus by stage"
