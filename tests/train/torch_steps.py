# SPDX-License-Identifier: GPL-3.0-or-later
"""Trains an ONNX model by PyTorch and compares the weights with those that we wrote.

    torch_steps.py MODEL X.npy Y.npy BATCH RATE TUNED [--tolerance=X] [--epochs=N]
                   [--exact [--factor=X]]

A step on each batch of X, in their order, N times (1): SGD without momentum, mean cross-entropy of class
numbers. Batch norms are in training mode. Every float initialiser of MODEL must be equal in TUNED within the
tolerance (1e-4), relative in the L2 norm. With --exact, the distances of both from training in f64 are
printed, too; with --factor these decide, for networks that multiply rounding: the worst of ours is at most X
times the worst of PyTorch's.
Exit status: 0 equal, 1 not, 77 when PyTorch or onnx is missing.
"""
import argparse
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


def statistics(model):
    """Names of running means and variances."""
    return {n for node in model.graph.node if node.op_type == "BatchNormalization"
            for n in node.input[3:5]}


def train(model, weights, x, y, steps, rate, dtype):
    """A step of SGD on each slice of x that `steps` holds -> the weights, in f64."""
    state = {n: torch.tensor(w.copy()) for n, w in weights.items()}
    state = {n: t.to(dtype) if t.is_floating_point() else t for n, t in state.items()}
    kept = statistics(model)
    trained = [t for n, t in state.items()
               if t.is_floating_point() and t.dim() > 0 and n not in kept]
    for t in trained:
        t.requires_grad_(True)
    entry = [i.name for i in model.graph.input if i.name not in weights][0]
    optimizer = torch.optim.SGD(trained, lr=rate)
    for step in steps:
        optimizer.zero_grad()
        scores = run(model.graph, {**state, entry: x[step].to(dtype)})
        F.cross_entropy(scores, y[step]).backward()
        optimizer.step()
    return {n: t.detach().double() for n, t in state.items()
            if t.is_floating_point() and t.dim() > 0}


def distances(ours, theirs):
    """Of each tensor, in units of its norm."""
    def distance(a, b):
        # A bias before another batch norm has no gradient but rounding: its norm is no measure.
        floor = 1e-4 * b.numel() ** 0.5
        return float((a - b).norm() / b.norm().clamp(min=floor))
    return {n: distance(ours[n].double(), t) for n, t in theirs.items()}


def print_worst(label, found):
    name = max(found, key=found.get)
    print(f"{label}: the worst of {len(found)} tensors is off by {found[name]:.2e} ({name})")


def arguments():
    parser = argparse.ArgumentParser()
    for name in ("model", "x", "y"):
        parser.add_argument(name)
    parser.add_argument("batch", type=int)
    parser.add_argument("rate", type=float)
    parser.add_argument("tuned")
    parser.add_argument("--tolerance", type=float, default=1e-4)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--exact", action="store_true")
    parser.add_argument("--factor", type=float)
    return parser.parse_args()


def compare_exact(ours, theirs, exact):
    """How often the worst of PyTorch's distances from f64 the worst of ours is."""
    mine, other = distances(ours, exact), distances(theirs, exact)
    print_worst("ours and f64", mine)
    print_worst("PyTorch's and f64", other)
    ratio = np.exp(np.mean([np.log((mine[n] + 1e-9) / (other[n] + 1e-9)) for n in exact]))
    print(f"our distance from f64 in units of PyTorch's, geometric mean: {ratio:.2f}")
    return max(mine.values()) / max(other.values())


def main():
    a = arguments()
    torch.set_num_threads(1)
    model, weights = load(a.model)
    x, y = (torch.tensor(np.load(p)) for p in (a.x, a.y))
    steps = [slice(i, i + a.batch) for i in range(0, len(x) - a.batch + 1, a.batch)] * a.epochs
    theirs = train(model, weights, x, y, steps, a.rate, torch.float32)
    ours = {n: torch.tensor(w) for n, w in load(a.tuned)[1].items()}
    found = distances(ours, theirs)
    print_worst("ours and PyTorch's", found)
    if a.exact:
        exact = train(model, weights, x, y, steps, a.rate, torch.float64)
        times = compare_exact(ours, theirs, exact)
        if a.factor:
            sys.exit(0 if times <= a.factor else 1)
    moved = sum(not torch.equal(t, torch.tensor(weights[n]).double()) for n, t in theirs.items())
    wrong = [n for n, error in found.items() if not error <= a.tolerance]
    for name in wrong:
        print(f"{name}: off by {found[name]:.2e} of its norm {float(theirs[name].norm()):.3g}")
    sys.exit(1 if wrong or not moved else 0)


if __name__ == "__main__":
    main()
