# SPDX-License-Identifier: GPL-3.0-or-later
# Sizes that may or may not fit together are compared when a model runs: by the code itself, with a
# return code, and by all that runs it, with names and values. Sizes that data decide come out of it.
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
    expect_text err "add (node Add_0): sizes that broadcast (a 1 only where it is bound): N and M differ (N = 3, M = 5)"
}
differ ran-run sum.so --dim N=3 --dim M=5
differ ran-run sum.ran --input in/output_0.pb --input in/output_1.pb
differ ./sum in/output_0.pb in/output_1.pb
expect 1 ran-run --interpret sum.ran --input in/output_0.pb --input in/output_1.pb
expect_text err "tensor<5x4xf32>, does not broadcast: axis 0 is 3 before (node Add_0, Add)"
expect 0 ran-run sum.so --dim N=3 --dim M=3
expect 1 ran-run sum.so --dim N=3 --dim M=1
expect_text err "(a 1 only where it is bound): N and M differ (N = 3, M = 1)"
expect 0 ran-run sum.ran --dim N=3 --dim M=1
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

# ---- Sizes that depend on data ----------------------------------------------------------

cat >positions.ran <<'END'
func @main(%x: tensor<Nx3xf32>) -> (%where: tensor<2x?0xi64>, %sum: tensor<f32>) {
  %where = non_zero %x : tensor<2x?0xi64> loc("NonZero_0": "NonZero")
  %sum = reduce_sum %x {keepdims = 0} : tensor<f32>
  return %where, %sum
}
END
cat >inputs.ran <<'END'
const @x = tensor<4x3xf32> [0, 1, 2, 0, 0, 3, 0, 0, 0, -0.0, 5, 0]
func @main() -> (tensor<4x3xf32>) {
  return @x
}
END
expect 0 ran-run --interpret inputs.ran --output-dir=data
expect 0 ran-run --interpret positions.ran --input data/output_0.pb --output-dir=want
expect 0 rancc positions.ran -o positions.a
expect 0 rancc positions.ran -o positions.so
expect 0 rancc positions.ran -o positions
for model in positions.ran positions.so; do
    expect 0 ran-run $model --input data/output_0.pb --expected want/output_0.pb \
        --expected want/output_1.pb
    expect_text out "ok"
done
# as_expected COMMAND...: a program's outputs
as_expected() {
    rm -rf got
    expect 0 "$@" data/output_0.pb -o got
    expect 0 ran-run --interpret outputs.ran --input got/output_0.pb --input got/output_1.pb \
        --expected want/output_0.pb --expected want/output_1.pb
}
cat >outputs.ran <<'END'
func @main(%where: tensor<2x4xi64>, %sum: tensor<f32>) -> (tensor<2x4xi64>, tensor<f32>) {
  return %where, %sum
}
END
as_expected ./positions
expect 0 ./positions data/output_0.pb
expect_text out "where: 2x4"
expect 0 ./positions data/output_0.pb --bench=0.01
expect 0 ran-stat positions.so
expect_text out "output     where: 2x?xi64"

expect_text positions.h "int64_t *where, size_t where_capacity, int64_t *where_shape, float *sum,"
expect_text positions.h "at most 2 x (N * 3)"
expect_text positions.h " * 3: an output has more elements than its capacity"
cat >main.cc <<'END'
#include "positions.h"
#include <stdio.h>

int main()
{
    float x[] = {0, 1, 2, 0, 0, 3, 0, 0, 0, 0, 5, 0}, sum = 0;
    int64_t where[9] = {0}, shape[2] = {0, 0};
    static char workspace[4096];
    where[8] = where[7] = 77;
    if (positions_workspace_size(4, 1) > sizeof workspace)
        return 1;
    int code = positions_run(4, x, where, 7, shape, &sum, workspace, NULL);
    printf("%d %dx%d %d ", code, (int)shape[0], (int)shape[1], (int)where[0]);
    code = positions_run(4, x, where, 8, shape, &sum, workspace, NULL);
    printf("%d %dx%d %g:", code, (int)shape[0], (int)shape[1], sum);
    for (int i = 0; i < 9; i++)
        printf(" %d", (int)where[i]);
    printf("\n");
    return 0;
}
END
expect 0 "$RAN_CLANG" -I. -x c++ main.cc -x none positions.a -o main
expect 0 ./main
expect_equal "$(cat out)" "3 2x4 0 0 2x4 11: 0 0 1 3 1 2 2 1 77" "what a run with little room returns"
nm -u positions.a | sed -n 's/^ *U //p' | sort -u >symbols
! grep -vxE 'memcpy|memset' symbols || fail "positions.a needs other symbols"

need_aarch64
expect 0 rancc sum.ran --target=neoverse -o sum-arm
# shellcheck disable=SC2086  # a command and its options
differ $CROSS_RUN ./sum-arm in/output_0.pb in/output_1.pb
expect 0 rancc positions.ran --target=neoverse -o positions-arm
# shellcheck disable=SC2086  # a command and its options
as_expected $CROSS_RUN ./positions-arm
