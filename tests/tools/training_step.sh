# SPDX-License-Identifier: GPL-3.0-or-later
# rancc --training-step: examples/train learns with nothing linked but the step and the C library.
. "$RAN_SRCDIR/tests/harness/lib.sh"

expect 0 ran-design build mlp -o mlp.onnx
expect 0 rancc mlp.onnx --training-step=batch=16,momentum=0.9 --target=native -o step.a
expect_file step.a step.h step.state
expect 0 rancc mlp.onnx --evaluation-step=batch=16,eval-batch=16 --target=native -o score.a
expect_file score.a score.h
expect_no_file score.state
expect 0 "${RAN_CC##* }" -std=gnu17 -O2 -Wall -Wextra -Werror -I. -I"$RAN_SRCDIR/include" \
    "$RAN_SRCDIR/examples/train/main.c" step.a score.a -lm -o tune
expect 0 ./tune step.state
expect_text out 'before:'
accuracy=$(sed -n 's/^after: \([0-9.]*\) %.*/\1/p' out)
awk "BEGIN { exit !($accuracy >= 80) }" || fail "after tuning: $accuracy %"
cp out first
expect 0 ./tune step.state
cmp out first

# A recipe of ran-train's, a truncated state, options that make no sense.
expect 0 ran-train --save-config recipe.json --batch 4 --optimizer adam
expect 0 rancc mlp.onnx --training-step=recipe.json --target=native -o step.ran
expect_text step.ran '$square'
expect_text step.ran 'tensor<4xi64>'
head -c 1000 step.state >short.state
expect 1 ./tune short.state
expect 2 rancc mlp.onnx --training-step=bach=16
expect_text err "no option 'bach'"
expect 2 rancc mlp.onnx --training-step --evaluation-step
