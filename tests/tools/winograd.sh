# SPDX-License-Identifier: GPL-3.0-or-later
# Winograd's minimal filtering: at -O3 where it is predicted to be faster, nowhere else; symbolic
# batches, weights that are no constants, objects for several targets.
. "$RAN_SRCDIR/tests/harness/lib.sh"

cat >model.ran <<'END'
const @w = tensor<48x40x3x3xf32> noise(1, 0.1)
const @b = tensor<48xf32> noise(2, 0.5)

func @main(%x: tensor<Nx40x21x30xf32>) -> (tensor<Nx48x21x30xf32>) {
  %0 = conv %x, @w, @b {pads = [1, 1, 1, 1]} : tensor<Nx48x21x30xf32>
  %1 = relu %0 : tensor<Nx48x21x30xf32>
  return %1
}
END

# schedules OPTION... -> how many kernels are conv_winograd's
schedules() {
    rancc "$@" --print-after=select -o count.o 2>count.txt || fail "rancc $*: $(cat count.txt)"
    grep -c 'schedule = "conv_winograd"' count.txt || true
}

expect_count() {
    wanted=$1
    shift
    got=$(schedules "$@")
    [ "$got" -eq "$wanted" ] || fail "rancc $*: $got kernels of Winograd's, expected $wanted"
}

expect_count 1 -O3 model.ran
expect_count 0 -O2 model.ran
expect_count 0 -Os model.ran
expect_count 0 -O3 -fno-winograd model.ran
expect_count 1 -O2 -fwinograd model.ran
# Which shapes gain depends on the machine; most of these do on all of them.
for target in x86-64 x86-64-v3 x86-64-v4 neoverse; do
    got=$(schedules -O3 --target=$target "$RAN_SRCDIR/tests/kernels/winograd.ran")
    [ "$got" -ge 8 ] || fail "$target: $got kernels of Winograd's, expected 8 of 11 or more"
done

# What it is not for: strides, dilation, other windows.
cat >other.ran <<'END'
const @w = tensor<64x64x3x3xf32> noise(1, 0.1)
const @v = tensor<64x64x3x1xf32> noise(2, 0.1)
func @main(%x: tensor<1x64x28x28xf32>)
    -> (tensor<1x64x14x14xf32>, tensor<1x64x28x28xf32>, tensor<1x64x28x28xf32>) {
  %0 = conv %x, @w {pads = [1, 1, 1, 1], strides = [2, 2]} : tensor<1x64x14x14xf32>
  %1 = conv %x, @w {pads = [2, 2, 2, 2], dilations = [2, 2]} : tensor<1x64x28x28xf32>
  %2 = conv %x, @v {pads = [1, 0, 1, 0]} : tensor<1x64x28x28xf32>
  return %0, %1, %2
}
END
expect_count 0 -O3 other.ran

# Any batch.
for n in 1 7; do
    expect 0 ran-run --interpret --dim N=$n --output-dir=reference-$n --input=random:$n model.ran
    expect 0 ran-run -O3 --input=random:$n --dim N=$n --expected=reference-$n/output_0.pb model.ran
    expect 0 ran-run -O3 --threads=3 --input=random:$n --dim N=$n \
        --expected=reference-$n/output_0.pb model.ran
done

# Weights that are an argument are transformed by a kernel.
cat >dynamic.ran <<'END'
func @main(%x: tensor<2x32x20x20xf32>, %w: tensor<35x32x3x3xf32>) -> (tensor<2x35x20x20xf32>) {
  %0 = conv %x, %w {pads = [1, 1, 1, 1]} : tensor<2x35x20x20xf32>
  return %0
}
END
expect_count 1 -O3 dynamic.ran
expect 0 rancc -O3 --verify=2 dynamic.ran -o dynamic.o

# The loss of precision is that of the transforms: below 1e-5 of the largest result (5).
expect 0 ran-run --interpret --dim N=2 --output-dir=exact --input=random:3 model.ran
expect 0 ran-run -O3 --dim N=2 --input=random:3 --rtol=0 --atol=5e-5 --expected=exact/output_0.pb \
    model.ran

# One object for several targets has one copy of the transformed weights.
if [ "$(uname -m)" = x86_64 ]; then
    expect 0 rancc -O3 --target=x86-64-v2,x86-64-v3 model.ran -o several.o
    expect 0 rancc -O3 --target=x86-64-v2 model.ran -o one.o
    one=$(wc -c <one.o) several=$(wc -c <several.o) weights=$((48 * 48 * 36 * 4))
    [ $((several - one)) -lt "$weights" ] || fail "$several bytes for two targets, $one for one"
fi
