# SPDX-License-Identifier: GPL-3.0-or-later
# Weights after ten steps of SGD equal PyTorch's on whole networks, natively and by the evaluator.
. "$RAN_SRCDIR/tests/harness/lib.sh"
/usr/bin/python3 -c 'import numpy, onnx, torch' 2>/dev/null ||
    skip "needs PyTorch and onnx for Python (Debian: python3-torch python3-onnx)"
train=$RAN_SRCDIR/tests/train

# compare MODEL STEPS [OPTION...]: x.npy and y.npy hold one batch.
compare() {
    model=$1 steps=$2
    shift 2
    expect 0 ran-train "$model.onnx" --data npy:x.npy,y.npy --batch 64 --epochs "$steps" --lr 0.01 \
        --momentum 0 --schedule constant --quiet -o "$model.tuned.onnx" "$@"
    /usr/bin/python3 "$train/torch_steps.py" "$model.onnx" x.npy y.npy 64 0.01 \
        "$model.tuned.onnx" --epochs "$steps" || fail "$model $*: other weights than PyTorch's"
}

for name in inverted_residual convnext transformer; do
    /usr/bin/python3 "$train/small_models.py" "$name" "$name.onnx" x.npy y.npy
    compare "$name" 10
    compare "$name" 10 --memory-budget 100K
done
compare transformer 1 --interpret

for name in lenet:1,28,28 resnet8:3,32,32; do
    expect 0 ran-design build "${name%%:*}" -o "${name%%:*}.onnx"
    /usr/bin/python3 -c "import numpy as np; r = np.random.RandomState(0)
np.save('x.npy', r.randn(64, ${name##*:}).astype('f')); np.save('y.npy', r.randint(0, 10, 64))"
    compare "${name%%:*}" 10
done
