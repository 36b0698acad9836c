# SPDX-License-Identifier: GPL-3.0-or-later
# Sizes that may or may not fit together are compared when a model runs: by the code itself, with a
# return code, and by all that runs it, with names and values.
. "$RAN_SRCDIR/tests/harness/lib.sh"

cat >sum.ran <<'END'
func @main(%x: tensor<Nx4xf32>, %y: tensor<Mx4xf32>) -> (%z: tensor<(max(M, N))x4xf32>) {
  %z = add %x, %y : tensor<(max(M, N))x4xf32> loc("Add_0": "Add")
  return %z
}
END
cat >inputs.ran <<'END'
func @main(%x: tensor<3x4xf32>, %y: tensor<5x4xf32>) -> (tensor<3x4xf32>, tensor<5x4xf32>) {
  return %x, %y
}
END
expect 0 ran-run --interpret inputs.ran --output-dir=in
expect 0 rancc sum.ran -o sum.so
expect 0 rancc sum.ran -o sum
expect 0 rancc sum.ran -o sum.a

# differ COMMAND...: it names the node, the sizes and their values
differ() {
    expect 1 "$@"
    expect_text err "add (node Add_0): sizes that broadcast: N and M differ (N = 3, M = 5)"
}
differ ran-run sum.so --dim N=3 --dim M=5
differ ran-run sum.ran --input in/output_0.pb --input in/output_1.pb
differ ./sum in/output_0.pb in/output_1.pb
expect 1 ran-run --interpret sum.ran --input in/output_0.pb --input in/output_1.pb
expect_text err "tensor<5x4xf32>, does not broadcast: axis 0 is 3 before (node Add_0, Add)"
expect 0 ran-run sum.so --dim N=3 --dim M=3
expect 0 ./sum in/output_0.pb in/output_0.pb

# The code refuses before it touches anything.
expect_text sum.h " * 4: sizes don't fit together"
cat >main.c <<'END'
#include "sum.h"
#include <stdio.h>

int main(void)
{
    float x[12] = {0}, z[12], workspace[1024];
    printf("%d ", sum_run(3, 5, NULL, NULL, NULL, NULL, NULL));
    printf("%d ", sum_run(-1, -1, NULL, NULL, NULL, NULL, NULL));
    printf("%d\n", sum_run(3, 3, x, x, z, workspace, NULL));
    return 0;
}
END
expect 0 $RAN_CC -I. main.c sum.a -o main
expect 0 ./main
expect_equal "$(cat out)" "4 4 0" "what model_run returns"

need_aarch64
expect 0 rancc sum.ran --target=neoverse -o sum-arm
# shellcheck disable=SC2086  # a command and its options
differ $CROSS_RUN ./sum-arm in/output_0.pb in/output_1.pb
