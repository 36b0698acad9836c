# SPDX-License-Identifier: GPL-3.0-or-later
# --linearize as a user gives it: what is reported, what is refused, files of slopes, and that the
# result is what the compiler and other runtimes take.
. "$RAN_SRCDIR/tests/harness/lib.sh"

cat >model.ran <<'END'
const @w = tensor<4x3x3x3xf32> noise(1)
const @v = tensor<4x4x3x3xf32> noise(2, 0.2)

func @main(%x: tensor<1x3x8x8xf32>) -> (%y: tensor<1x4x8x8xf32>) {
  %0 = conv %x, @w {pads = [1, 1, 1, 1]} : tensor<1x4x8x8xf32>
  %1 = relu %0 : tensor<1x4x8x8xf32> loc("first": "Relu")
  %2 = conv %1, @v {pads = [1, 1, 1, 1]} : tensor<1x4x8x8xf32>
  %y = silu %2 : tensor<1x4x8x8xf32> loc("second": "Mul")
  return %y
}
END
relus() { grep -c ' = relu ' out || :; }

# ---- Refused without an argument, in each program ------------------------------------------------
for command in "ran-opt --linearize=" "rancc --linearize=" "ran-opt --passes=remove-nonlinearity" \
    "rancc --passes=remove-nonlinearity" "ran-opt --linearize=nonsense" "rancc --linearize=keep:x"; do
    # shellcheck disable=SC2086
    expect 2 $command model.ran
    [ -s err ] || fail "$command says nothing"
done
expect_no_file model.a
expect 2 ran-opt -fremove-nonlinearity model.ran
expect_text err "changes the function"

# ---- The report and the mark ------------------------------------------------------------------------
expect 0 ran-opt --linearize=name:first model.ran
expect_text err "remove-nonlinearity: parameters 252 -> 252, MACs 16128 -> 16128, non-linear elements 512 -> 256; needs fine-tuning"
expect_text out '"needs-fine-tuning" = "remove-nonlinearity"'
expect 0 ran-opt --linearize=keep:1M model.ran
expect_no_text out "needs-fine-tuning"
expect_equal "$(cat err)" "" "nothing was changed"

# ---- Files of slopes -----------------------------------------------------------------------------------
printf '# learned\nfirst 0.9 0.2 1.1 0.79999\nsecond 1.0\n' >slopes.txt
expect 0 ran-opt --linearize=slope:slopes.txt model.ran
expect_equal "$(relus)" 1 "a layer with a slope out of range stays"
expect_no_text out "silu"
expect 0 ran-opt --linearize=slope:slopes.txt/channel model.ran
expect_text out "tensor<4x1x1xf32> [1, 0, 1, 0]"
expect 0 ran-opt --passes='remove-nonlinearity{spec=slope:slopes.txt/channel;low=0.1;high=0.5}' model.ran
expect_text out "tensor<4x1x1xf32> [0, 1, 0, 0]"
expect 0 ran-opt --linearize=slope:slopes.txt,keep:64/channel model.ran
expect_text out "tensor<4x1x1xf32> [1, 0, 1, 1]"
printf 'third 1\n' >bad.txt
expect 1 ran-opt --linearize=slope:bad.txt model.ran
expect_text err "bad.txt:1: no activation is named third"
printf 'first 1 2\n' >bad.txt
expect 1 ran-opt --linearize=slope:bad.txt model.ran
expect_text err "2 for first, which has 4 channels and 256 elements"
printf '\nfirst one\n' >bad.txt
expect 1 ran-opt --linearize=slope:bad.txt model.ran
expect_text err "bad.txt:2: not a slope: one"
expect 1 ran-opt --linearize=slope:missing.txt model.ran
expect 1 ran-opt --linearize=slope model.ran
expect_text err "no activation of the model has a slope"
if command -v python3 >/dev/null && python3 -c 'import numpy' 2>/dev/null; then
    mkdir sub
    python3 - <<'END'
import numpy
numpy.save("all.npy", numpy.array([0.9, 0.1], dtype=numpy.float32))
grid = numpy.zeros((4, 8, 8))
grid[1, 2, 3] = 1
numpy.save("sub/grid.npy", grid)
numpy.save("int.npy", numpy.array([1, 1]))
END
    expect 0 ran-opt --linearize=slope:all.npy model.ran
    expect_equal "$(relus)" 0 "the first of two slopes"
    expect_text out "silu"
    printf 'first grid.npy\n' >sub/slopes.txt
    expect 0 ran-opt --linearize=slope:sub/slopes.txt/element model.ran
    expect_text err "non-linear elements 512 -> 511"
    expect 1 ran-opt --linearize=slope:int.npy model.ran
    expect_text err "slopes are f32 or f64"
fi

# ---- What comes out is a model like any other ------------------------------------------------------------
expect 0 rancc --linearize=keep:100/channel --emit=onnx -o out.onnx model.ran
expect 0 rancc --linearize=keep:100/element --emit=ir -o out.ran model.ran
expect 0 ran-stat --json out.ran
expect_text out '"nonlinear_elements": 100'
expect 0 rancc -O2 -c -o out.o out.onnx
