# SPDX-License-Identifier: GPL-3.0-or-later
# The benchmark of collapse-linear finds the kernels of every piece, as it was and as it is.
. "$RAN_SRCDIR/tests/harness/lib.sh"

expect 0 ran-design build mobilenet_v2_cifar --width 0.5 --seed 3 -o small.onnx
export NETWORKS=small.onnx SPEC=all ROUNDS=2 SECONDS_A_ROUND=0.01
expect 0 sh "$RAN_SRCDIR/bench/collapse.sh" bench
pieces=$(grep -c '^collapse-linear: .* -> ' bench/verdicts)
[ "$pieces" -ge 4 ] || fail "only $pieces pieces were collapsed"
expect_text out "of $pieces pieces are off"
expect_equal "$(grep -c '3x3 .*, border-class bias table' out)" "$(grep -c ' -> 3x3 ' bench/verdicts)"
# Whether a prediction holds depends on the machine; that something was measured does not.
awk '/3x3/ && !($2 > 0 && $3 > 0 && $5 > 0 && $6 > 0) { print; bad = 1 } END { exit bad }' out ||
    fail "a piece has no kernels"
# Where nothing is collapsed, there is nothing to compare.
SPEC=name:none expect 1 sh "$RAN_SRCDIR/bench/collapse.sh" bench
