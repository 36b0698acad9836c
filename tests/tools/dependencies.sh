# SPDX-License-Identifier: GPL-3.0-or-later
# -MD, -MF, -MT: the rule for make names all that was read, and make takes it.
. "$RAN_SRCDIR/tests/harness/lib.sh"

mkdir 'a dir'
head -c 64 /dev/zero >'a dir/m$1.weights'
cat >'a dir/model.ran' <<'END'
const @w = tensor<4x4xf32> file("m$1.weights", 0, 64)

func @main(%x: tensor<1x4xf32>) -> (tensor<1x4xf32>) {
  %0 = matmul %x, @w : tensor<1x4xf32>
  return %0
}
END
expect 0 rancc 'a dir/model.ran' -MD -o model.o
expect_file model.d
cat >expected <<'END'
model.o: \
  a\ dir/model.ran \
  a\ dir/m$$1.weights
END
cmp model.d expected || fail "model.d: $(cat model.d)"

# make reads it: the object is up to date until the weights change.
cat >Makefile <<'END'
model.o:
	rancc 'a dir/model.ran' -MD -o model.o
-include model.d
END
expect 0 make
expect_text out "up to date"
touch -d '1 hour' 'a dir/m$1.weights'
expect 0 make
expect_text out "rancc "

expect 0 rancc 'a dir/model.ran' -MD -MF other.d -MT 'one two' -o model.o
expect_equal "$(head -n 1 other.d)" 'one two: \' "first line of other.d"

[ -z "$RAN_SANITIZED" ] || exit 0
# shellcheck disable=SC2086  # a command with its options
$RAN_CC -shared -fPIC -I "$RAN_SRCDIR/include" -o sink_relu.so \
    "$RAN_SRCDIR/examples/pass-plugin/sink_relu.c"
expect 0 rancc 'a dir/model.ran' -fpass-plugin=sink_relu.so -MD -MF plugin.d -o model.o
expect_text plugin.d "sink_relu.so"
