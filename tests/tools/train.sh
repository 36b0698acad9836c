# SPDX-License-Identifier: GPL-3.0-or-later
# ran-train on a small classifier: it learns, resumes bit for bit, and says what is wrong.
. "$RAN_SRCDIR/tests/harness/lib.sh"

cat >tiny.ran <<'EOF'
module {producer = "test"}
const @w = tensor<8x3xf32> noise(1, 0.5)
const @b = tensor<8xf32> splat(0)
const @w2 = tensor<3x8xf32> noise(2, 0.5)
const @b2 = tensor<3xf32> splat(0)
func @main(%x: tensor<1x3xf32>) -> (%y: tensor<1x3xf32>) {
  %0 = gemm %x, @w, @b {transB = 1} : tensor<1x8xf32> loc("first": "Gemm")
  %1 = relu %0 : tensor<1x8xf32>
  %2 = gemm %1, @w2, @b2 {transB = 1} : tensor<1x3xf32> loc("second": "Gemm")
  %3 = softmax %2 : tensor<1x3xf32>
  return %3
}
EOF

# 200 samples around the three unit vectors, as pairs of TensorProtos would be: here IDX, bytes.
awk 'BEGIN {
    srand(7)
    printf "\\000\\000\\010\\002\\000\\000\\000\\310\\000\\000\\000\\003" >"x.esc"
    printf "\\000\\000\\010\\001\\000\\000\\000\\310" >"y.esc"
    for (i = 0; i < 200; i++) {
        c = i % 3
        printf "\\%03o", c >"y.esc"
        for (k = 0; k < 3; k++)
            printf "\\%03o", 40 + 60 * rand() + (k == c ? 90 : 0) >"x.esc"
    }
}'
# shellcheck disable=SC2059  # the file is a format of octal escapes
printf "$(cat x.esc)" >x.idx
# shellcheck disable=SC2059
printf "$(cat y.esc)" >y.idx
DATA="--data idx:x.idx,y.idx --test idx:x.idx,y.idx --scale 0.01 --mean 0.8"

# It learns, and writes what it says.
# shellcheck disable=SC2086
expect 0 ran-train tiny.ran $DATA --epochs 12 --batch 48 --seed 3 --json --log log.csv --html page.html \
    -o out.ran
expect_equal "$(wc -l <out)" 12 "lines of epochs"
accuracy=$(tail -n 1 out | sed -n 's/.*"test_accuracy": \([0-9.]*\),.*/\1/p')
awk "BEGIN { exit !($accuracy >= 0.95) }" || fail "test accuracy $accuracy"
tail -n 1 out | grep -q '"test_loss": [0-9.]*, .*"images_per_second": [0-9]' || fail "last line"
expect_equal "$(wc -l <log.csv)" 13 "lines of the log"
expect_text page.html '<svg'
expect_no_text err 'no normalisation'

# The normalisation is kept: evaluation of the result needs no options, and agrees.
expect_text out.ran 'normalization.mean = "0.8"'
expect 0 ran-train out.ran --eval --test idx:x.idx,y.idx --json --eval-batch 7
expect_text out "\"test_accuracy\": $accuracy"
expect 0 ran-train tiny.ran --eval --test idx:x.idx,y.idx
expect 0 ran-train tiny.ran --data idx:x.idx,y.idx --epochs 1 --interpret
expect_text err 'data goes in raw'

# Compiled and interpreted agree; every optimiser, with all that changes its ops.
for optimizer in sgd adamw rmsprop; do
    for how in '' --interpret; do
        # shellcheck disable=SC2086
        expect 0 ran-train tiny.ran $DATA --epochs 3 --batch 100 --optimizer $optimizer --lr 0.01 \
            --clip 1 --ema 0.9 --weight-decay 0.01 --nesterov --label-smoothing 0.1 \
            --augment mixup0.2 --warmup 1 --quiet --json $how
        sed 's/, "images_per.*//' out | tail -n 1 >"result$how"
    done
    awk 'FNR == 1 { gsub(/[^0-9.]+/, " "); for (i = 1; i <= NF; i++) v[FILENAME, i] = $i; n = NF }
        END { for (i = 1; i <= n; i++) { d = v["result", i] - v["result--interpret", i]
            if (d > 1e-3 || d < -1e-3) exit 1 } if (n < 5) exit 1 }' result result--interpret ||
        fail "$optimizer: $(cat result result--interpret)"
done

# Resuming, killed anywhere, at any number of threads: the same bits.
common="$DATA --epochs 30 --batch 16 --seed 5 --ema 0.99 --augment mixup0.3 --quiet"
# shellcheck disable=SC2086
expect 0 ran-train tiny.ran $common --threads 1 -o whole.ran
for try in 1 3 5; do
    # shellcheck disable=SC2086
    ran-train tiny.ran $common --threads $((try % 2 + 1)) --checkpoint state.ck --resume \
        --checkpoint-every 0 -o parts.ran >out 2>err &
    pid=$!
    sleep "0.$((4 + try))"
    kill -9 $pid 2>/dev/null || true
    wait $pid 2>/dev/null || true
    [ ! -e parts.ran ] || break
done
# shellcheck disable=SC2086
expect 0 ran-train tiny.ran $common --threads 2 --checkpoint state.ck --resume -o parts.ran
cmp whole.ran parts.ran || fail "a resumed run gives other weights"
# shellcheck disable=SC2086
expect 1 ran-train tiny.ran $common --batch 32 --checkpoint state.ck --resume
expect_text err 'another batch'
head -c 300 state.ck >broken.ck
# shellcheck disable=SC2086
expect 1 ran-train tiny.ran $common --checkpoint broken.ck --resume
expect_text err 'damaged'

# Recipes go to files and back.
# shellcheck disable=SC2086
expect 0 ran-train tiny.ran $DATA --epochs 2 --batch 50 --lr 0.02 --nesterov --save-config recipe.json -o a.ran
expect 0 ran-train tiny.ran --config recipe.json -o b.ran
cmp a.ran b.ran
expect_text recipe.json '"lr": 0.02'
echo '{"learning": 1}' >bad.json
expect 2 ran-train tiny.ran --config bad.json
expect_text err "no option 'learning'"
echo '{"lr": ' >bad.json
expect 1 ran-train tiny.ran --config bad.json

# What is frozen stays.
# shellcheck disable=SC2086
expect 0 ran-train tiny.ran $DATA --epochs 1 --batch 50 --freeze 'w,b' -o frozen.ran
expect_text frozen.ran 'tensor<8x3xf32> noise(1, 0.5)'
expect_no_text frozen.ran 'tensor<3x8xf32> noise'
# shellcheck disable=SC2086
expect 2 ran-train tiny.ran $DATA --epochs 1 --freeze '*'
expect_text err 'no parameter to train'

# shellcheck disable=SC2086
expect 0 ran-train tiny.ran $DATA --epochs 1 --freeze 'w,nothing*'
expect_text err "no parameter 'nothing*'"
expect_no_text err "no parameter 'w'"

# Without test data, the numbers are called what they are.
expect 0 ran-train tiny.ran --data idx:x.idx,y.idx --epochs 1
expect_text err 'are those of the training data'
expect 0 ran-train tiny.ran --data idx:x.idx,y.idx --epochs 1 --eval-every 0
expect_no_text err 'are those of the training data'

# A teacher: itself, better trained.
# shellcheck disable=SC2086
expect 0 ran-train tiny.ran $DATA --epochs 2 --batch 50 --teacher out.ran --loss 'ce*0.1,kl*0.9' \
    --temperature 4 --json
# shellcheck disable=SC2086
expect 2 ran-train tiny.ran $DATA --loss kl
expect_text err 'need a teacher'

# Infinity stops, and names the op.
# shellcheck disable=SC2086
expect 4 ran-train tiny.ran --data idx:x.idx,y.idx --scale 1.7e36 --epochs 1 --batch 50
expect_text err "'first'"
expect_text err 'epoch 1, step 1'

# What can't be written is known before the training, all of it.
# shellcheck disable=SC2086
expect 1 ran-train tiny.ran $DATA --epochs 1000000 --batch 50 -o nowhere/out.ran --html nowhere/page.html \
    --checkpoint .
expect_text err 'cannot write nowhere/out.ran'
expect_text err 'cannot write nowhere/page.html'
expect_text err 'cannot write .:'

# Wrong input: one clear message, exit status 1; wrong options: 2.
printf '\000\000\010\001\000\000\000\002\000\001' >y2.idx
expect 1 ran-train tiny.ran --data idx:x.idx,y2.idx
expect_text err '2 labels'
sed 's/\\002/\\005/g; s/^\\000\\000\\010\\001/\\000\\000\\010\\001/' y.esc >y5.esc
# shellcheck disable=SC2059
printf "$(cat y5.esc)" >y5.idx
expect 1 ran-train tiny.ran --data idx:x.idx,y5.idx
expect_text err '6 classes'
printf '\000\000\010\002\000\000\000\002\000\000\000\004abcdefgh' >x4.idx
expect 1 ran-train tiny.ran --data idx:x4.idx,y2.idx
expect_text err "samples of shape 4 do not fit the model's input 3"
expect 2 ran-train tiny.ran --data what:x
expect 2 ran-train tiny.ran
expect 2 ran-train tiny.ran --data idx:x.idx,y.idx --lr fast
expect 2 ran-train tiny.ran --data idx:x.idx,y.idx --schedule sometimes
expect 2 ran-train tiny.ran --data idx:x.idx,y.idx --threads 100000
expect_text err 'threads are at most'
expect 2 ran-train tiny.ran --data idx:x.idx,y.idx --eval-batch 10000000
expect_text err 'batch and eval-batch are from 1'
expect 2 ran-train tiny.ran --test idx:x.idx,y.idx --eval -o evaluated.ran
expect_text err '-o could write'
expect 2 ran-train tiny.ran --data idx:x.idx,y.idx --augment crop
