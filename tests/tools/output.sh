# SPDX-License-Identifier: GPL-3.0-or-later
# Where outputs go: standard output, pipes and links are written, never replaced; what can't be
# written is named, and nothing stays behind.
. "$RAN_SRCDIR/tests/harness/lib.sh"

cat >model.ran <<'EOF'
func @main(%x: tensor<1x8xf32>) -> (%y: tensor<1x8xf32>) {
  %y = relu %x : tensor<1x8xf32>
  return %y
}
EOF
expect 0 ran-opt model.ran -o model.onnx

expect 0 rancc model.onnx -S -o plain.s
expect 0 rancc model.onnx -S --prefix=plain -o -
cmp -s out plain.s || fail "-o - writes something else than -o plain.s"
expect 0 rancc model.onnx --emit=header -o -
expect_text out 'int model_run('
[ ! -e ./- ] || fail "-o - made a file"
expect 2 rancc model.onnx --emit=exe -o -
expect_text err "standard output"

mkfifo pipe
for kind in asm ir header; do
    cat pipe >got.$kind &
    expect 0 rancc model.onnx --emit=$kind --prefix=plain -o pipe
    wait $!
    [ -p pipe ] || fail "--emit=$kind has replaced a pipe"
    [ -s got.$kind ] || fail "--emit=$kind has written nothing into a pipe"
done
cmp -s got.asm plain.s || fail "a pipe got something else"
cat pipe >got.onnx &
expect 0 rancc model.onnx --emit=onnx -o pipe
wait $!
[ -p pipe ] || fail "--emit=onnx has replaced a pipe"
rm pipe

mkdir store
: >store/model.a
ln -s store/model.a linked.a
expect 0 rancc model.onnx -o linked.a
[ -L linked.a ] || fail "a link was replaced"
[ -s store/model.a ] || fail "what a link points to is not written"
[ -s linked.h ] || fail "no header beside a link"

expect 1 rancc model.onnx -o missing/model.a
expect_text err "missing/model.a is not written"
expect 1 rancc model.onnx -o /dev/full -S
expect_text err "/dev/full is not written"
[ -c /dev/full ] || fail "/dev/full was replaced"

# A message names a file once.
for command in 'ran-run model.onnx --input=none.npy' 'ran-train model.onnx --data npy:none.npy,none.npy'; do
    # shellcheck disable=SC2086
    expect 1 $command
    expect_equal "$(grep -o none.npy err | wc -l)" 1 "names of the file in: $(cat err)"
done
expect 2 rancc model.onnx --emit= -o model
expect_text err "unknown kind"
