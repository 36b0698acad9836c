# SPDX-License-Identifier: GPL-3.0-or-later
# Two and three processes train as one does with the whole batch, to rounding: batch norms, masks and
# mixup too, also where a batch has fewer samples than processes. Repeated, bit for bit.
. "$RAN_SRCDIR/tests/harness/lib.sh"

grep -q '^#define HAVE_MPI 1' "$RAN_BUILDDIR/config.h" || skip "configured without --with-mpi"
need_command mpirun openmpi-bin

cat >net.ran <<'EOF'
module {producer = "test"}
const @w = tensor<4x1x3x3xf32> noise(1, 0.3)
const @gamma = tensor<4xf32> [1, 0.8, 1.2, 0.9]
const @beta = tensor<4xf32> [0, 0.1, 0.2, -0.1]
const @mean = tensor<4xf32> splat(0)
const @variance = tensor<4xf32> splat(1)
const @slope = tensor<4x1x1xf32> splat(0.25)
const @wb = tensor<4x4x1x1xf32> noise(3, 0.3)
const @wc = tensor<4x4x1x1xf32> noise(4, 0.3)
const @gamma2 = tensor<4xf32> splat(1)
const @beta2 = tensor<4xf32> splat(0)
const @mean2 = tensor<4xf32> splat(0)
const @variance2 = tensor<4xf32> splat(1)
const @ratio = tensor<f32> [0.25]
const @w2 = tensor<3x4xf32> noise(2, 0.5)
func @main(%x: tensor<1x1x4x4xf32>) -> (%y: tensor<1x3xf32>) {
  %0 = conv %x, @w, _ {kernel_shape = [3, 3], pads = [1, 1, 1, 1]} : tensor<1x4x4x4xf32>
  %1 = batch_normalization %0, @gamma, @beta, @mean, @variance : tensor<1x4x4x4xf32>
  %2 = prelu %1, @slope : tensor<1x4x4x4xf32>
  %b = conv %2, @wb, _ {kernel_shape = [1, 1]} : tensor<1x4x4x4xf32>
  %n = batch_normalization %b, @gamma2, @beta2, @mean2, @variance2 : tensor<1x4x4x4xf32>
  %s = add %2, %n : tensor<1x4x4x4xf32>
  %c = conv %s, @wc, _ {kernel_shape = [1, 1]} : tensor<1x4x4x4xf32>
  %t = add %s, %c : tensor<1x4x4x4xf32>
  %3 = global_average_pool %t : tensor<1x4x1x1xf32>
  %4 = flatten %3 : tensor<1x4xf32>
  %5 = dropout %4, @ratio, _ : tensor<1x4xf32>
  %6 = gemm %5, @w2, _ {transB = 1} : tensor<1x3xf32>
  return %6
}
EOF
# 61 images of noise: the last batch of 13 does not divide by two.
awk 'BEGIN {
    srand(3)
    printf "\\000\\000\\010\\003\\000\\000\\000\\075\\000\\000\\000\\004\\000\\000\\000\\004" >"x.esc"
    printf "\\000\\000\\010\\001\\000\\000\\000\\075" >"y.esc"
    for (i = 0; i < 61; i++) {
        printf "\\%03o", i % 3 >"y.esc"
        for (k = 0; k < 16; k++)
            printf "\\%03o", 100 * rand() + 50 * (i % 3) >"x.esc"
    }
}'
# shellcheck disable=SC2059  # the files are formats of octal escapes
printf "$(cat x.esc)" >x.idx
# shellcheck disable=SC2059
printf "$(cat y.esc)" >y.idx

# train NAME OPTIONS COMMAND...: four epochs; -> NAME.ran, NAME.json
train() {
    name=$1 options=$2
    shift 2
    # shellcheck disable=SC2086
    "$@" ran-train net.ran --data idx:x.idx,y.idx --scale 0.01 --epochs 4 --seed 2 --clip 2 --ema 0.9 \
        --threads 1 --json $options -o "$name.ran" >"$name.json" 2>"$name.err" || {
        cat "$name.err"
        fail "exit status $? of $*"
    }
}
weights() {
    sed -n 's/^const .*\[\(.*\)\]$/\1/p' "$1" | tr ',' '\n'
    sed -n 's/^const .*hex("\(.*\)")$/\1/p' "$1"
}
# near A B: weights, and the loss, accuracy and test loss of the last epoch
near() {
    for near_name; do
        weights "$near_name.ran" >"$near_name.values"
        tail -n 1 "$near_name.json" | sed 's/, "images_per.*//' | grep -o '[0-9.e-]*$\|[0-9.e-]*,' |
            tr -d , >>"$near_name.values"
    done
    paste "$1.values" "$2.values" | awk 'NF != 2 { exit 1 }
        { d = $1 - $2; if (d < 0) d = -d; if (d > worst) worst = d; n++ }
        END { if (!(n > 60 && worst < 1e-4)) { print n, worst; exit 1 } }' ||
        fail "$1 and $2 differ"
}
mpi="mpirun --allow-run-as-root --oversubscribe -n"

# The last batch has one sample, which both compute.
# shellcheck disable=SC2086  # a command and its options
{
    train one '--batch 20' env
    train two '--batch 20' $mpi 2
    train again '--batch 20' $mpi 2
    train interpreted '--batch 20 --interpret' $mpi 2
    train mixed '--batch 16 --augment mixup0.4 --drop-path 0.3' env
    train mixed_three '--batch 16 --augment mixup0.4 --drop-path 0.3' $mpi 3
}
cmp two.ran again.ran || fail "two runs of two processes differ"
expect_equal "$(wc -l <two.json)" 4 "lines of epochs: only rank 0 speaks"
near one two
near one interpreted
near mixed mixed_three
! cmp -s one.ran mixed.ran || fail "mixup and drop path change nothing"

# A process that fails alone, here the one that writes, does not leave the other waiting.
# shellcheck disable=SC2086
run timeout 300 $mpi 2 ran-train net.ran --data idx:x.idx,y.idx --scale 0.01 --batch 20 --epochs 2 \
    --interpret --quiet --checkpoint "$(printf 'x%.0s' $(seq 300))"
[ "$STATUS" != 0 ] && [ "$STATUS" != 124 ] || fail "exit status $STATUS where one process fails"
expect_text err 'File name too long'
