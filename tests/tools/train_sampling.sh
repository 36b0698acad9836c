# SPDX-License-Identifier: GPL-3.0-or-later
# Training through ops that read between the elements and through transforms: a spatial transformer,
# spectra and products compiled, deformable convolution and boxes by the evaluator.
. "$RAN_SRCDIR/tests/harness/lib.sh"

# 24 images of 6x6, two classes.
awk 'BEGIN {
    srand(3)
    printf "\\000\\000\\010\\003\\000\\000\\000\\030\\000\\000\\000\\006\\000\\000\\000\\006" >"x.esc"
    printf "\\000\\000\\010\\001\\000\\000\\000\\030" >"y.esc"
    for (i = 0; i < 24; i++) {
        printf "\\%03o", i % 2 >"y.esc"
        for (k = 0; k < 36; k++)
            printf "\\%03o", 100 * rand() + 60 * (i % 2) >"x.esc"
    }
}'
# shellcheck disable=SC2059  # the files are formats of octal escapes
printf "$(cat x.esc)" >x.idx
# shellcheck disable=SC2059
printf "$(cat y.esc)" >y.idx

# model NAME CONSTANTS BODY: from %x, 4 images of 6x6, to %f, 4 rows of COLUMNS features.
model() {
    cat >"$1.ran" <<END
module {producer = "test"}
$2
const @w = tensor<2x$4xf32> noise(2, 0.3)
func @main(%x: tensor<4x1x6x6xf32>) -> (%y: tensor<4x2xf32>) {
$3
  %y = gemm %f, @w, _ {transB = 1} : tensor<4x2xf32>
  return %y
}
END
}

model transformer 'const @theta = tensor<1x2x3xf32> [0.9, 0.1, 0.05, -0.1, 0.8, 0.1]
const @four = tensor<3xi64> [4, 2, 3]
const @size = tensor<4xi64> [4, 1, 5, 5]' '  %t = expand @theta, @four : tensor<4x2x3xf32>
  %g = affine_grid %t, @size : tensor<4x5x5x2xf32>
  %s = grid_sample %x, %g : tensor<4x1x5x5xf32>
  %f = flatten %s : tensor<4x25xf32>' 25
model spectra 'const @k = tensor<1x1x3x3xf32> noise(3, 0.5)
const @window = tensor<6xf32> [0.1, 0.4, 0.9, 0.9, 0.4, 0.1]
const @step = tensor<i64> [6]
const @rows = tensor<2xi64> [4, 36]
const @axis = tensor<1xi64> [-1]' '  %c = conv %x, @k, _ {kernel_shape = [3, 3], pads = [1, 1, 1, 1]} : tensor<4x1x6x6xf32>
  %l = reshape %c, @rows : tensor<4x36xf32>
  %s = stft %l, @step, @window : tensor<4x6x4x2xf32>
  %q = mul %s, %s : tensor<4x6x4x2xf32>
  %p = reduce_sum %q, @axis {keepdims = 0} : tensor<4x6x4xf32>
  %f = flatten %p : tensor<4x24xf32>' 24
model products 'const @k = tensor<5x36xf32> noise(3, 0.5)' '  %l = flatten %x : tensor<4x36xf32>
  %f = einsum %l, @k {equation = "ij,kj->ik"} : tensor<4x5xf32>' 5
model deformable 'const @k = tensor<2x1x2x2xf32> noise(3, 0.5)
const @o = tensor<8x1x2x2xf32> noise(4, 0.4)' '  %o = conv %x, @o, _ {kernel_shape = [2, 2]} : tensor<4x8x5x5xf32>
  %d = deform_conv %x, @k, %o : tensor<4x2x5x5xf32>
  %f = flatten %d : tensor<4x50xf32>' 50
model boxes 'const @k = tensor<2x1x3x3xf32> noise(3, 0.5)
const @rois = tensor<4x4xf32> [0, 0, 5, 5, 1, 1, 4, 4, 0, 2, 5, 4, 1, 0, 3, 5]
const @of = tensor<4xi64> [0, 1, 2, 3]' '  %c = conv %x, @k, _ {kernel_shape = [3, 3], pads = [1, 1, 1, 1]} : tensor<4x2x6x6xf32>
  %r = roi_align %c, @rois, @of {output_height = 2, output_width = 2} : tensor<4x2x2x2xf32>
  %f = flatten %r : tensor<4x8xf32>' 8

# train NAME OPTION...: the loss before and after.
train() {
    name=$1
    shift
    expect 0 ran-train "$name.ran" --data idx:x.idx,y.idx --scale 0.01 --batch 4 --epochs 6 --lr 0.02 \
        --seed 4 --eval-batch 4 --json "$@" -o "$name.tuned.ran"
    sed -n 's/.*"loss": \([0-9.e-]*\), "acc.*/\1/p' out
}
for name in transformer spectra products; do
    train "$name" >native
    train "$name" --interpret >interpreted
    paste native interpreted | awk '{ d = $1 - $2; if (d > 1e-4 || d < -1e-4) exit 1; last = $1 }
        NR == 1 { first = $1 } END { exit !(NR == 6 && last < first) }' ||
        fail "$name: $(paste native interpreted)"
done
for name in deformable boxes; do
    train "$name" --interpret >interpreted
    awk 'NR == 1 { first = $1 } { last = $1 } END { exit !(NR == 6 && last < first) }' interpreted ||
        fail "$name: $(cat interpreted)"
done
expect_no_text transformer.tuned.ran '[0.9, 0.1, 0.05'
for name in spectra products deformable boxes; do
    expect_no_text "$name.tuned.ran" 'noise(3, 0.5)'
done
