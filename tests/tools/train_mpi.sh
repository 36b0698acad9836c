# SPDX-License-Identifier: GPL-3.0-or-later
# Two processes train as one does with the whole batch, to rounding; repeated, bit for bit.
. "$RAN_SRCDIR/tests/harness/lib.sh"

grep -q '^#define HAVE_MPI 1' "$RAN_BUILDDIR/config.h" || skip "configured without --with-mpi"
need_command mpirun openmpi-bin

cat >net.ran <<'EOF'
module {producer = "test"}
const @w = tensor<4x1x3x3xf32> noise(1, 0.3)
const @b = tensor<4xf32> splat(0)
const @slope = tensor<4x1x1xf32> splat(0.25)
const @w2 = tensor<3x4xf32> noise(2, 0.5)
func @main(%x: tensor<1x1x4x4xf32>) -> (%y: tensor<1x3xf32>) {
  %0 = conv %x, @w, @b {kernel_shape = [3, 3], pads = [1, 1, 1, 1]} : tensor<1x4x4x4xf32>
  %1 = prelu %0, @slope : tensor<1x4x4x4xf32>
  %2 = global_average_pool %1 : tensor<1x4x1x1xf32>
  %3 = flatten %2 : tensor<1x4xf32>
  %4 = gemm %3, @w2, _ {transB = 1} : tensor<1x3xf32>
  return %4
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

train() {
    "$@" ran-train net.ran --data idx:x.idx,y.idx --scale 0.01 --epochs 4 --batch 16 --seed 2 --clip 2 \
        --ema 0.9 --threads 1 --json -o "$out.ran" >"$out.json" 2>"$out.err" || {
        cat "$out.err"
        fail "exit status $? of $*"
    }
}
mpi="mpirun --allow-run-as-root --oversubscribe -n 2"
out=one train env
# shellcheck disable=SC2086  # a command and its options
out=two train $mpi
# shellcheck disable=SC2086
out=again train $mpi
cmp two.ran again.ran || fail "two runs of two processes differ"
expect_equal "$(wc -l <two.json)" 4 "lines of epochs: only rank 0 speaks"

weights() {
    sed -n 's/^const .*\[\(.*\)\]$/\1/p' "$1" | tr ',' '\n'
    sed -n 's/^const .*hex("\(.*\)")$/\1/p' "$1"
}
weights one.ran >one.weights
weights two.ran >two.weights
paste one.weights two.weights | awk 'NF != 2 { exit 1 }
    { d = $1 - $2; if (d < 0) d = -d; if (d > worst) worst = d; n++ }
    END { exit !(n > 20 && worst < 1e-4) }' || fail "weights of one and two processes differ"
