# SPDX-License-Identifier: GPL-3.0-or-later
# In native code a bias that differs near the border is a table of its classes, not a map.
. "$RAN_SRCDIR/tests/harness/lib.sh"

# chain KERNEL PAD: an inverted bottleneck without activations on a 56x56 map.
chain() {
    cat >chain.ran <<END
const @w1 = tensor<96x24x1x1xf32> noise(1, 0.2)
const @b1 = tensor<96xf32> noise(2)
const @d = tensor<96x1x$1x$1xf32> noise(3, 0.3)
const @w3 = tensor<24x96x1x1xf32> noise(4, 0.1)

func @main(%x: tensor<1x24x56x56xf32>) -> (tensor<1x24x56x56xf32>) {
  %0 = conv %x, @w1, @b1 : tensor<1x96x56x56xf32>
  %1 = conv %0, @d {group = 96, pads = [$2, $2, $2, $2]} : tensor<1x96x56x56xf32>
  %2 = conv %1, @w3 : tensor<1x24x56x56xf32>
  %3 = relu %2 : tensor<1x24x56x56xf32>
  return %3
}
END
}

for kernel in 3 5 7; do
    chain $kernel $((kernel / 2))
    expect 0 rancc chain.ran -fcollapse-linear=always --verify --print-after=select -o chain.o
    expect_text err "border_table"
    expect_text err "sizes = [56, 56]"
    # One row a class; channels to whole blocks.
    expect_text err "tensor<${kernel}x${kernel}x32xf32>"
    ! grep -q '^const .*x56x56xf32' err || fail "kernel $kernel: a whole map is among the constants"
    bytes=$(wc -c <chain.o)
    map=$((4 * 24 * 56 * 56)) weights=$((4 * 32 * 32 * kernel * kernel))
    [ "$bytes" -lt $((weights + map)) ] || fail "kernel $kernel: $bytes bytes hold a map"
done

# Plain layouts read the map itself.
expect 0 rancc chain.ran -O0 -fcollapse-linear=always --verify -o chain.o
# A position of its own for every row: nothing is equal, nothing changes.
cat >dense.ran <<'EOD'
const @w = tensor<16x16x3x3xf32> noise(1, 0.1)
const @map = tensor<1x16x9x9xf32> noise(2)

func @main(%x: tensor<1x16x9x9xf32>) -> (tensor<1x16x9x9xf32>) {
  %0 = conv %x, @w {pads = [1, 1, 1, 1]} : tensor<1x16x9x9xf32>
  %1 = add %0, @map : tensor<1x16x9x9xf32>
  return %1
}
EOD
expect 0 rancc dense.ran --verify --print-after=select -o dense.o
! grep -q border_table err || fail "a map of different values became a table"

# What the op means, by the evaluator: rows and columns 1, between, last; the third channel is padding.
cat >op.ran <<'END'
const @t = tensor<3x2x3xf32> [1, 10, 0, 2, 20, 0, 3, 30, 0, 4, 40, 0, 5, 50, 0, 6, 60, 0]

func @main() -> (tensor<1x2x5x3xf32>) {
  %0 = border_table @t {begins = [1, 1], sizes = [5, 3], channels = 2} : tensor<1x2x5x3xf32>
  return %0
}
END
cat >map.ran <<'END'
const @map = tensor<1x2x5x3xf32> [1, 2, 2, 3, 4, 4, 3, 4, 4, 3, 4, 4, 5, 6, 6, 10, 20, 20, 30, 40, 40, 30, 40, 40, 30, 40, 40, 50, 60, 60]

func @main() -> (tensor<1x2x5x3xf32>) {
  return @map
}
END
expect 0 ran-run --interpret op.ran --output-dir=op
expect 0 ran-run --interpret map.ran --expected=op/output_0.pb --rtol=0 --atol=0
