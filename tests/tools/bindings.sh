# SPDX-License-Identifier: GPL-3.0-or-later
# --dim and --shape bind what is dynamic; '*' binds what nothing else does, and says so.
. "$RAN_SRCDIR/tests/harness/lib.sh"

cat >model.ran <<'END'
func @main(%x: tensor<NxMxf32>, %y: tensor<MxNxf32>) -> (tensor<NxNxf32>) {
  %0 = matmul %x, %y : tensor<NxNxf32>
  return %0
}
END
signature() {
    expect 0 rancc model.ran -O0 --emit=ir -o bound.ran "$@"
    grep '^func' bound.ran
}

expect_equal "$(signature --dim N=3 --dim M=4)" \
    'func @main(%x: tensor<3x4xf32>, %y: tensor<4x3xf32>) -> (tensor<3x3xf32>) {' "two names"
expect_equal "$(signature --dim N=3 --dim '*=7')" \
    'func @main(%x: tensor<3x7xf32>, %y: tensor<7x3xf32>) -> (tensor<3x3xf32>) {' "a name and the rest"
expect_equal "$(signature --shape x=5x?)" \
    'func @main(%x: tensor<5xMxf32>, %y: tensor<Mx5xf32>) -> (tensor<5x5xf32>) {' "a shape"

expect 0 rancc model.ran -O0 --emit=ir -o bound.ran --dim '*=1'
expect_text err "note: input 'x': the dynamic dimension N (axis 0) is bound to 1"
expect_text err "note: input 'x': the dynamic dimension M (axis 1) is bound to 1"
expect_equal "$(wc -l <err)" 2 "notes, one a dimension"

expect 2 rancc model.ran -o model.a --dim K=3
expect_text err "dimension K"
expect 2 rancc model.ran -o model.a --dim '*'
expect 2 rancc model.ran -o model.a --dim '*=-1'
expect_no_file model.a model.h
