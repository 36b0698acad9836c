# SPDX-License-Identifier: GPL-3.0-or-later
# ran-search hant on small synthetic images: a plan, a tuned and compiled model, a report; the same
# plan from a run that was killed several times; guards.
. "$RAN_SRCDIR/tests/harness/lib.sh"
need_command python3 python3

# Four classes: a bright bar at one of four places, in noise.
python3 - <<'END'
import random, struct
random.seed(1)
def write(name, count):
    images, labels = bytearray(), bytearray()
    for i in range(count):
        c = i % 4
        for y in range(8):
            for x in range(8):
                on = (y if c < 2 else x) // 4 == c % 2
                images.append(min(255, max(0, int(random.gauss(150 if on else 80, 45)))))
        labels.append(c)
    open(name + ".images", "wb").write(struct.pack(">IIII", 2051, count, 8, 8) + images)
    open(name + ".labels", "wb").write(struct.pack(">II", 2049, count) + labels)
write("train", 480)
write("test", 200)
END
DATA="--data=idx:train.images,train.labels --test=idx:test.images,test.labels --scale=0.0039"
expect 0 ran-design build resnet8 --input=1x8x8 --classes=4 --width=0.5 -o net.onnx
expect 0 ran-train net.onnx $DATA --epochs=3 --batch=16 --quiet -o teacher.onnx

printf '%s\n' identity cb_res_1x1 cb_res_3x3 cb_stack_3x3_ex0.125 cb_stack_1x1_ex0.5 \
    cb_bottle_3x3_ex0.25 efn_3x3_e1_se0.04 ran_3x3_e3 'reuse*4' >pool.txt
SEARCH="ran-search hant teacher.onnx $DATA --pool=pool.txt --budget=latency=0.8x --estimate
    --epochs=2 --batch=16 --pretrain-epochs=2 --solutions=2 --quiet
    --layers=stage[23].*"
expect 0 $SEARCH --max-drop=30 -o whole
expect_file whole/plan.json whole/model.onnx whole/model.a whole/model.h whole/selection.lp \
    whole/report.html whole/losses.txt whole/latency-native.txt
python3 - <<'END' || fail "plan.json"
import json, os
plan = json.load(open("whole/plan.json"))
teacher, result = plan["teacher"], plan["result"]
assert result["latency_ns"] <= 0.8 * teacher["latency_ns"], (result, teacher)
assert result["predicted_latency_ns"] <= 0.8 * teacher["latency_ns"]
assert 0 <= result["accuracy_before_tuning"] <= 1 and result["accuracy"] >= teacher["accuracy"] - 0.3
changed = [l for l in plan["layers"] if l["candidate"] != "teacher"]
assert changed and len(plan["layers"]) == 2
for layer in changed:
    assert os.path.exists("whole/" + layer["function"])
    assert len(layer["inputs"]) == len(layer["outputs"]) == 1
assert any(b["method"] == "greedy" for b in plan["baselines"])
END
grep -q '^assembled ' whole/latency-native.txt || fail "the selection's own latency is not in the table"
grep -q '<svg' whole/report.html || fail "no picture in the report"
! grep -qE '(src|href)="?http' whole/report.html || fail "the report refers to other pages"
grep -q '<polyline' whole/report.html || fail "no curve in the report"
expect 0 rancc --substitute=whole/plan.json --emit=ir -o whole.ran teacher.onnx
expect_text whole.ran 'needs-fine-tuning" = "substitute"'
expect 0 ran-train whole/model.onnx $DATA --eval --json
expect_text out "test_accuracy"

# Killed again and again: the same losses, the same plan.
mkdir parts
cp whole/latency-native.txt parts
tries=0
while ! timeout -s KILL 3 $SEARCH --max-drop=30 -o parts >parts.out 2>parts.err; do
    tries=$((tries + 1))
    [ $tries -lt 3 ] || { expect 0 $SEARCH --max-drop=30 -o parts && break; }
done
cmp whole/losses.txt parts/losses.txt || fail "the losses differ"
cmp whole/plan.json parts/plan.json || fail "the plans differ"

# A network that is slower than its parts say: another selection, by a prediction that knows.
awk '/^assembled/ { $3 = int($3 * 1.2) } 1' whole/latency-native.txt >slow.txt
rm parts/selection.txt
expect 0 $SEARCH --latency-table=slow.txt --max-drop=30 -o parts
[ "$(grep -c '^assembled ' slow.txt)" -gt 1 ] || fail "the first selection was not given up"
if grep '"candidate"' whole/plan.json >first.txt && grep '"candidate"' parts/plan.json | cmp -s - first.txt
then fail "the selection that is too slow was taken"; fi

# A table that is given decides; several budgets hold together; another budget selects again.
expect 0 $SEARCH --latency-table=whole/latency-native.txt --budget=macs=0.9x -o whole
expect_text whole/plan.json '"budget": "latency=0.8x, macs=0.9x"'

# What can't be met: exit status 4, and the smallest budget that can.
expect 4 ran-search hant teacher.onnx $DATA --pool=pool.txt --budget=0.01x --estimate --quiet \
    --layers='stage[23].*' -o whole
expect_text err "is the smallest that can be met"

# Candidates that have learned nothing, and a rate that doesn't tune: the accuracy falls, which
# --max-drop forbids. The plan is there and says why.
printf 'cb_res_1x1\n' >poor.txt
expect 4 ran-search hant teacher.onnx $DATA --pool=poor.txt --budget=0.8x --estimate --quiet \
    --layers='stage[23].*' --pretrain-epochs=1 --images=32 --epochs=1 --lr=1e-9 --max-drop=1 -o poor
expect_text err "allowed are 1.00"
expect_text poor/plan.json '"failed": "accuracy fell by'

# A name that no budget has: wrong usage, before anything is trained.
expect 2 ran-search hant teacher.onnx $DATA --budget=speed=0.5x -o unused
expect_text err "speed"
[ ! -e unused ] || fail "a directory although the command was wrong"
