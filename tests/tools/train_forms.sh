# SPDX-License-Identifier: GPL-3.0-or-later
# What training changes in a model: batch norms, dropout, drop path, ramps, maps of a teacher, init.
# Compiled and interpreted steps give the same.
. "$RAN_SRCDIR/tests/harness/lib.sh"

cat >net.ran <<'EOF'
module {producer = "test"}
const @w = tensor<4x1x3x3xf32> noise(1, 0.3)
const @gamma = tensor<4xf32> splat(1)
const @beta = tensor<4xf32> splat(0)
const @mean = tensor<4xf32> splat(0)
const @variance = tensor<4xf32> splat(1)
const @slope = tensor<4x1x1xf32> splat(0.25)
const @wb = tensor<4x4x1x1xf32> noise(3, 0.3)
const @wc = tensor<4x4x1x1xf32> noise(4, 0.3)
const @w2 = tensor<3x4xf32> noise(2, 0.5)
const @ratio = tensor<f32> [0.25]
func @main(%x: tensor<1x1x4x4xf32>, %linearity: tensor<f32>) -> (%y: tensor<1x3xf32>) {
  %0 = conv %x, @w, _ {kernel_shape = [3, 3], pads = [1, 1, 1, 1]} : tensor<1x4x4x4xf32> loc("stem": "Conv")
  %1 = batch_normalization %0, @gamma, @beta, @mean, @variance : tensor<1x4x4x4xf32>
  %2 = prelu %1, @slope : tensor<1x4x4x4xf32>
  %map = mul %2, %linearity : tensor<1x4x4x4xf32>
  %b = conv %map, @wb, _ {kernel_shape = [1, 1]} : tensor<1x4x4x4xf32>
  %s = add %map, %b : tensor<1x4x4x4xf32>
  %c = conv %s, @wc, _ {kernel_shape = [1, 1]} : tensor<1x4x4x4xf32>
  %t = add %c, %s : tensor<1x4x4x4xf32>
  %5 = global_average_pool %t : tensor<1x4x1x1xf32>
  %6 = flatten %5 : tensor<1x4xf32>
  %7 = dropout %6, @ratio, _ : tensor<1x4xf32>
  %8 = gemm %7, @w2, _ {transB = 1} : tensor<1x3xf32>
  return %8
}
EOF
awk 'BEGIN {
    srand(3)
    printf "\\000\\000\\010\\003\\000\\000\\000\\074\\000\\000\\000\\004\\000\\000\\000\\004" >"x.esc"
    printf "\\000\\000\\010\\001\\000\\000\\000\\074" >"y.esc"
    for (i = 0; i < 60; i++) {
        printf "\\%03o", i % 3 >"y.esc"
        for (k = 0; k < 16; k++)
            printf "\\%03o", 100 * rand() + 50 * (i % 3) >"x.esc"
    }
}'
# shellcheck disable=SC2059  # the files are formats of octal escapes
printf "$(cat x.esc)" >x.idx
# shellcheck disable=SC2059
printf "$(cat y.esc)" >y.idx
DATA="--data idx:x.idx,y.idx --scale 0.01 --batch 20 --epochs 3 --seed 4 --ramp linearity=0.5:1@0-2"

# same OPTIONS...: both engines, the same numbers
same() {
    for how in '' --interpret; do
        # shellcheck disable=SC2086
        expect 0 ran-train net.ran $DATA --json "$@" $how -o "out$how.ran"
        sed 's/, "images_per.*//' out | tail -n 1 >"result$how"
    done
    awk 'FNR == 1 { gsub(/[^0-9.]+/, " "); for (i = 1; i <= NF; i++) v[FILENAME, i] = $i; n = NF }
        END { for (i = 1; i <= n; i++) { d = v["result", i] - v["result--interpret", i]
            if (d > 1e-3 || d < -1e-3) exit 1 } if (n < 5) exit 1 }' result result--interpret ||
        fail "$*: $(cat result result--interpret)"
}

same --drop-path 0.5 --ema 0.9
grep -q '@mean = tensor<4xf32> \[' out--interpret.ran || fail "the running mean did not move"
cp out--interpret.ran teacher.ran
same --dropout 0 --teacher teacher.ran --loss 'ce,mse=map*0.01,mse=s@map*0.01,slopes*0.1'
same --init he --freeze 'gamma,w' --optimizer adam
expect_text out--interpret.ran '@mean = tensor<4xf32> splat(0)'

# Dropout changes the steps, and the same seed repeats them.
# shellcheck disable=SC2086
expect 0 ran-train net.ran $DATA --dropout 0 --quiet -o without.ran
# shellcheck disable=SC2086
expect 0 ran-train net.ran $DATA --quiet -o with.ran
# shellcheck disable=SC2086
expect 0 ran-train net.ran $DATA --quiet --threads 1 -o again.ran
cmp with.ran again.ran || fail "the same seed gives other weights"
cmp -s with.ran without.ran && fail "dropout changes nothing"

# A scalar input without a ramp, a ramp without its input, a map that is not there.
expect 3 ran-train net.ran --data idx:x.idx,y.idx
expect_text err "nothing feeds the model's input 'linearity'"
# shellcheck disable=SC2086
expect 2 ran-train net.ran $DATA --ramp linearity=0:1@0-2,other=0:1@0-2
expect_text err "no scalar input 'other'"
# shellcheck disable=SC2086
expect 2 ran-train net.ran $DATA --teacher teacher.ran --loss mse=nowhere
expect_text err "no value named 'nowhere'"
