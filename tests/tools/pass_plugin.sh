# SPDX-License-Identifier: GPL-3.0-or-later
# The example of a pass plug-in: it compiles against the public headers, runs by name and by level,
# and what is no plug-in is refused.
. "$RAN_SRCDIR/tests/harness/lib.sh"
[ -z "$RAN_SANITIZED" ] || skip "a sanitized program can't load a plug-in that is not"

compile() {
    # shellcheck disable=SC2086  # a command with its options
    $RAN_CC -shared -fPIC -Wall -Wextra -Werror -I "$RAN_SRCDIR/include" -o "$@"
}
compile sink_relu.so "$RAN_SRCDIR/examples/pass-plugin/sink_relu.c"

cat >model.ran <<'END'
func @main(%x: tensor<1x2x4x4xf32>) -> (tensor<1x2x2x2xf32>) {
  %0 = relu %x : tensor<1x2x4x4xf32>
  %1 = max_pool %0 {kernel_shape = [2, 2], strides = [2, 2]} : tensor<1x2x2x2xf32>
  return %1
}
END
cat >expected <<'END'
func @main(%x: tensor<1x2x4x4xf32>) -> (tensor<1x2x2x2xf32>) {
  %0 = max_pool %x {kernel_shape = [2, 2], strides = [2, 2]} : tensor<1x2x2x2xf32>
  %1 = relu %0 : tensor<1x2x2x2xf32>
  return %1
}
END
expect 0 ran-opt -fpass-plugin=sink_relu.so --passes=sink-relu --verify-each --stats model.ran
cmp out expected || fail "by name"
expect_text err 'sink-relu.sunk'
expect 0 ran-opt -fpass-plugin=./sink_relu.so -O2 --verify-each model.ran
cmp out expected || fail "by level"
expect 0 ran-opt -fpass-plugin=sink_relu.so -O1 model.ran
cmp out model.ran || fail "-O1 does not run a pass of level 2"
expect 0 ran-opt -fpass-plugin=sink_relu.so -O2 -fno-sink-relu model.ran
cmp out model.ran || fail "switched off"

# Twice the same name, no such file, no plug-in, another version of the interface.
expect 2 ran-opt -fpass-plugin=sink_relu.so -fpass-plugin=sink_relu.so model.ran
expect_text err "pass 'sink-relu': the name is taken"
expect 1 ran-opt -fpass-plugin=nothing.so model.ran
expect_text err 'cannot load pass plug-in'
echo 'int nothing;' >nothing.c
compile nothing.so nothing.c
expect 1 ran-opt -fpass-plugin=nothing.so model.ran
expect_text err "exports no 'ran_pass_plugin_info'"
echo 'const unsigned ran_pass_plugin_info[8] = {99};' >old.c
compile old.so old.c
expect 1 ran-opt -fpass-plugin=old.so model.ran
expect_text err 'interface version 99'
