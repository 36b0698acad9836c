# SPDX-License-Identifier: GPL-3.0-or-later
"""Trains an ONNX model by PyTorch and compares the weights with those that ran-train wrote.

    torch_steps.py MODEL X.npy Y.npy STEPS RATE TUNED [TOLERANCE]

Each step sees all of X: SGD without momentum, mean cross-entropy of class numbers. Batch norms are in
training mode. Every float initialiser of MODEL must be equal in TUNED within TOLERANCE (1e-4), relative in
the L2 norm. Exit status: 0 equal, 1 not, 77 when PyTorch or onnx is missing.
"""
import sys

try:
    import numpy as np
    import onnx
    import torch
    import torch.nn.functional as F
    from onnx import numpy_helper
except ImportError as error:
    print("SKIP:", error)
    sys.exit(77)


def attributes(node):
    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}


def padded(x, a, value=0.0):
    """Asymmetric pads become an op of their own."""
    pads = a.get("pads", [0, 0, 0, 0])
    if a.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        kernel, stride = a["kernel_shape"], a.get("strides", [1, 1])
        total = [max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in zip(x.shape[2:], kernel, stride)]
        small, large = [t // 2 for t in total], [t - t // 2 for t in total]
        pads = small + large if a["auto_pad"] == b"SAME_UPPER" else large + small
    if not any(pads):
        return x
    return F.pad(x, [pads[1], pads[3], pads[0], pads[2]], value=value)


def conv(a, x, w, b=None):
    return F.conv2d(padded(x, a), w, b, stride=a.get("strides", [1, 1]),
                    dilation=a.get("dilations", [1, 1]), groups=a.get("group", 1))


def max_pool(a, x):
    kernel = a["kernel_shape"]
    return F.max_pool2d(padded(x, a, float("-inf")), kernel, a.get("strides", [1, 1]))


def average_pool(a, x):
    assert not any(a.get("pads", [0])), "padded average pools are not written here"
    return F.avg_pool2d(x, a["kernel_shape"], a.get("strides", [1, 1]))


def batch_norm(a, x, scale, bias, mean, variance):
    return F.batch_norm(x, mean, variance, scale, bias, training=True,
                        momentum=1 - a.get("momentum", 0.9), eps=a.get("epsilon", 1e-5))


def gemm(a, x, w, c=None):
    x = x.t() if a.get("transA") else x
    w = w.t() if a.get("transB") else w
    y = a.get("alpha", 1.0) * (x @ w)
    return y if c is None else y + a.get("beta", 1.0) * c


def layer_norm(a, x, scale, bias=None):
    axis = a.get("axis", -1)
    return F.layer_norm(x, x.shape[axis:], scale, bias, a.get("epsilon", 1e-5))


def clip(a, x, low=None, high=None):
    return x.clamp(low if low is None else float(low), high if high is None else float(high))


def ints(t):
    return [int(v) for v in t.reshape(-1)]


def reshape(a, x, shape):
    return x.reshape([x.shape[i] if n == 0 else n for i, n in enumerate(ints(shape))])


def reduce_mean(a, x, axes=None):
    axes = a.get("axes") if axes is None else ints(axes)
    return x.mean(axes, keepdim=bool(a.get("keepdims", 1)))


def slices(a, x, starts, ends, axes=None, steps=None):
    index = [slice(None)] * x.dim()
    axes = range(len(ints(starts))) if axes is None else ints(axes)
    for s, e, axis in zip(ints(starts), ints(ends), axes):
        index[axis] = slice(s, min(e, x.shape[axis]))
    return x[tuple(index)]


OPS = {
    "Conv": conv,
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "GlobalAveragePool": lambda a, x: x.mean([2, 3], keepdim=True),
    "BatchNormalization": batch_norm,
    "LayerNormalization": layer_norm,
    "Gemm": gemm,
    "MatMul": lambda a, x, y: x @ y,
    "Relu": lambda a, x: F.relu(x),
    "Gelu": lambda a, x: F.gelu(x),
    "Erf": lambda a, x: torch.erf(x),
    "Sigmoid": lambda a, x: torch.sigmoid(x),
    "Clip": clip,
    "Add": lambda a, x, y: x + y,
    "Sub": lambda a, x, y: x - y,
    "Mul": lambda a, x, y: x * y,
    "Div": lambda a, x, y: x / y,
    "Sqrt": lambda a, x: x.sqrt(),
    "Pow": lambda a, x, y: x**y,
    "Softmax": lambda a, x: F.softmax(x, a.get("axis", -1)),
    "Flatten": lambda a, x: x.flatten(a.get("axis", 1)),
    "Reshape": reshape,
    "ReduceMean": reduce_mean,
    "Transpose": lambda a, x: x.permute(a["perm"]),
    "Identity": lambda a, x: x,
    "Dropout": lambda a, x, *rest: x,
    "Concat": lambda a, *xs: torch.cat(xs, a["axis"]),
    "Slice": slices,
    "Squeeze": lambda a, x, axes: x.squeeze(ints(axes)[0]),
    "Unsqueeze": lambda a, x, axes: x.unsqueeze(ints(axes)[0]),
}


def run(graph, values):
    for node in graph.node:
        arguments = [values[n] if n else None for n in node.input]
        if node.op_type == "Constant":
            values[node.output[0]] = torch.tensor(numpy_helper.to_array(node.attribute[0].t))
        else:
            values[node.output[0]] = OPS[node.op_type](attributes(node), *arguments)
    last = graph.node[-1]
    name = last.input[0] if last.op_type == "Softmax" else graph.output[0].name
    return values[name]


def load(path):
    model = onnx.load(path)
    return model, {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}


def main():
    model, weights = load(sys.argv[1])
    x, y = (torch.tensor(np.load(p)) for p in sys.argv[2:4])
    steps, rate = int(sys.argv[4]), float(sys.argv[5])
    tolerance = float(sys.argv[7]) if len(sys.argv) > 7 else 1e-4
    statistics = {n for node in model.graph.node if node.op_type == "BatchNormalization"
                  for n in node.input[3:5]}
    state = {n: torch.tensor(w.copy()) for n, w in weights.items()}
    trained = [t for n, t in state.items()
               if t.is_floating_point() and t.dim() > 0 and n not in statistics]
    for t in trained:
        t.requires_grad_(True)
    entry = [i.name for i in model.graph.input if i.name not in weights][0]
    optimizer = torch.optim.SGD(trained, lr=rate)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(run(model.graph, {**state, entry: x}), y)
        loss.backward()
        optimizer.step()
    _, tuned = load(sys.argv[6])
    worst, moved, failed = 0.0, 0, 0
    for name, tensor in state.items():
        if not tensor.is_floating_point() or tensor.dim() == 0:
            continue
        ours, theirs = torch.tensor(tuned[name]).double(), tensor.detach().double()
        # A bias before another batch norm has no gradient but rounding: its norm is no measure.
        floor = 1e-4 * theirs.numel() ** 0.5
        error = float((ours - theirs).norm() / theirs.norm().clamp(min=floor))
        moved += not torch.equal(theirs, torch.tensor(weights[name]).double())
        worst = max(worst, error)
        if not error <= tolerance:
            failed += 1
            print(f"{name}: off by {error:.2e} of its norm {float(theirs.norm()):.3g}")
    print(f"loss {float(loss):.5f}, {moved} tensors trained, the worst off by {worst:.2e}")
    sys.exit(1 if failed or not moved else 0)


if __name__ == "__main__":
    main()
