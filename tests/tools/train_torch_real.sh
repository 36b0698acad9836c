# SPDX-License-Identifier: GPL-3.0-or-later
# Weights after ten steps of SGD on ten batches of real images equal PyTorch's, on whole networks.
. "$RAN_SRCDIR/tests/harness/lib.sh"
/usr/bin/python3 -c 'import numpy, onnx, torch' 2>/dev/null ||
    skip "needs PyTorch and onnx for Python (Debian: python3-torch python3-onnx)"
train=$RAN_SRCDIR/tests/train
need_data data

# compare NETWORK BATCH [OPTION...]: a step on each batch of x.npy and y.npy.
compare() {
    name=$1 batch=$2
    shift 2
    expect 0 ran-design build "$name" -o "$name.onnx"
    expect 0 "$RAN_BUILDDIR/tests/train/sgd_steps" "$name.onnx" x.npy y.npy "$batch" 0.01 tuned.onnx
    /usr/bin/python3 "$train/torch_steps.py" "$name.onnx" x.npy y.npy "$batch" 0.01 tuned.onnx "$@" ||
        fail "$name: other weights than PyTorch's"
}

/usr/bin/python3 "$train/batches.py" mnist "$DATA/mnist" 640 x.npy y.npy
compare lenet 64

/usr/bin/python3 "$train/batches.py" cifar10 "$DATA/cifar10" 640 x.npy y.npy
compare resnet8 64
/usr/bin/python3 "$train/batches.py" cifar10 "$DATA/cifar10" 160 x.npy y.npy
compare resnet8 16

# One step multiplies rounding by a thousand here: about as far from f64 as PyTorch is.
/usr/bin/python3 "$train/batches.py" cifar10 "$DATA/cifar10" 16 x.npy y.npy
compare mobilenet_v2_cifar 16 --exact --factor 2
