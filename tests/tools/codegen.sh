# SPDX-License-Identifier: GPL-3.0-or-later
# What code generation promises, on networks of the zoo: no layout conversions inside, a tight
# memory plan, equal objects from equal input, equal bits at any number of threads.
. "$RAN_SRCDIR/tests/harness/lib.sh"

expect 0 ran-design build resnet50 --input 3x64x64 --width 0.25 -o resnet50.onnx
expect 0 rancc -O3 --target=x86-64-v3 resnet50.onnx -o one.o --print-after=select --mem-report
[ "$(grep -c 'convert_layout' err)" -le 2 ] || fail "resnet50 converts layouts more than twice"
awk '/^workspace/ { found = 1; if ($2 > 1.2 * $9) { print; exit 1 } } END { exit !found }' err ||
    fail "the workspace is more than 1.2 times the largest sum of live tensors"
# Dumps are without megabytes of weights.
sed -n '/^\/\/ after select/,/^}/p' err >select.ran
expect_text select.ran "= tensor<"
[ "$(wc -c <select.ran)" -le 100000 ] || fail "the dump has $(wc -c <select.ran) bytes"
expect 0 rancc -O3 --target=x86-64-v3 resnet50.onnx -o two.o --prefix=one
cmp one.o two.o || fail "two runs give different objects"

for network in resnet18_cifar squeezenet; do
    expect 0 ran-design build $network --input 3x64x64 --width 0.25 -o $network.onnx
    for threads in 1 2 3 7; do
        expect 0 ran-run -O3 --threads=$threads --output-dir=threads_$threads $network.onnx
        cmp threads_1/output_0.pb threads_$threads/output_0.pb ||
            fail "$network: $threads threads give other bits"
    done
done

# Concatenations in place leave nothing to copy.
expect 0 ran-run -O3 --profile squeezenet.onnx
! grep -w concat out || fail "squeezenet copies the parts of its concatenations"

# By-lane multiplication on Arm, and registers that stay registers: in the functions of dense
# convolutions vectors are not reloaded from the stack more often than rows and tiles begin.
expect 0 rancc -O3 --target=neoverse resnet18_cifar.onnx -S -o arm.s
by_lane=$(grep -cE 'fmla\s+v[0-9]+\.4s, v[0-9]+\.4s, v[0-9]+\.s\[[0-3]\]' arm.s)
[ "$by_lane" -ge 500 ] || fail "only $by_lane by-lane multiplications"

# A function may have neither arguments nor results.
printf 'func @main() {\n  return\n}\n' >none.ran
expect 0 rancc none.ran -o none.o

# One value as several operands is widened once; no kernel takes a weight of unknown extents.
cat >twice.ran <<'END'
func @main(%x: tensor<Nx3x8x8xbf16>) -> (tensor<NxNx1x1xbf16>) {
  %0 = conv %x, %x : tensor<NxNx1x1xbf16>
  return %0
}
END
expect 3 rancc twice.ran -o twice.o
expect_text err "conv: there is no native kernel for this op with these types"
