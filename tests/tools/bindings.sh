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

# A size that native code can't know ahead: the advice names what can be bound, and works.
cat >larger.ran <<'TEXT'
const @s = tensor<3xf32> [1, 1, 1.5]
func @main(%x: tensor<1xNxMxf32>) -> (tensor<1xNx?0xf32>) {
  %0 = resize %x, _, @s {mode = "linear"} : tensor<1xNx?0xf32>
  return %0
}
TEXT
expect 3 rancc larger.ran -o larger.a
expect_text err "the size of tensor<1xNx?0xf32> is not known before it is computed"
expect_text err "it may follow from N, M, bound by --dim; ran-run --interpret runs it"
expect 0 rancc larger.ran -o larger.a --dim N=4 --dim M=3
cat >given.ran <<'TEXT'
func @main(%x: tensor<6xf32>, %s: tensor<2xi64>) -> (tensor<?0x?1xf32>) {
  %0 = reshape %x, %s : tensor<?0x?1xf32>
  return %0
}
TEXT
expect 3 rancc given.ran -o given.a
expect_text err "tensor<?0x?1xf32> is not known before it is computed; ran-run --interpret runs it"
