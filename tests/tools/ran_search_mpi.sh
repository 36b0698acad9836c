# SPDX-License-Identifier: GPL-3.0-or-later
# Two processes of ran-search hant divide the candidates: the losses, the candidates and the plan are
# those of one process.
. "$RAN_SRCDIR/tests/harness/lib.sh"

grep -q '^#define HAVE_MPI 1' "$RAN_BUILDDIR/config.h" || skip "configured without --with-mpi"
need_command mpirun openmpi-bin
need_command python3 python3

python3 - <<'END'
import random, struct
random.seed(2)
images, labels = bytearray(), bytearray()
for i in range(320):
    c = i % 3
    images += bytes(min(255, max(0, int(random.gauss(150 if y % 3 == c else 80, 45))))
                    for y in range(8) for x in range(8))
    labels.append(c)
open("images", "wb").write(struct.pack(">IIII", 2051, 320, 8, 8) + images)
open("labels", "wb").write(struct.pack(">II", 2049, 320) + labels)
END
DATA="--data=idx:images,labels --test=idx:images,labels --scale=0.0039"
expect 0 ran-design build resnet8 --input=1x8x8 --classes=3 --width=0.25 -o net.onnx
expect 0 ran-train net.onnx $DATA --epochs=2 --batch=16 --quiet -o teacher.onnx
printf '%s\n' identity cb_res_1x1 cb_res_3x3 cb_stack_1x1_ex0.5 ran_3x3_e3 >pool.txt
SEARCH="ran-search hant teacher.onnx $DATA --pool=pool.txt --budget=macs=0.9x --estimate --threads=1
    --epochs=1 --batch=16 --pretrain-epochs=1 --solutions=2 --layers=stage[23].*"

expect 0 $SEARCH --quiet -o one
expect 0 mpirun --allow-run-as-root --oversubscribe -n 2 $SEARCH -o two
cmp one/losses.txt two/losses.txt || fail "the losses differ"
cmp one/plan.json two/plan.json || fail "the plans differ"
[ ! -e two/losses.1.txt ] || fail "a rank's own file is left"
for file in one/candidates/*.weights; do
    cmp "$file" "two/candidates/${file##*/}" || fail "$file differs"
done
# Each did its half; only the first one speaks.
expect_equal "$(grep -c '^candidates: ' err)" $((($(wc -l <one/losses.txt) + 1) / 2)) "candidates of rank 0"
expect_equal "$(grep -c '^teacher: ' err)" 1 "lines about the teacher"

# What fails in one process ends all of them.
! mpirun --allow-run-as-root --oversubscribe -n 2 $SEARCH --layers=none -o three >out 2>err ||
    fail "a wrong layer is not reported"
expect_text err "no layer is called none"
