# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes small networks for training tests: small_models.py NAME MODEL.onnx X.npy Y.npy

NAME: inverted_residual (MobileNetV2), convnext, transformer. Weights, data and classes are seeded.
"""
import sys

try:
    import numpy as np
    from onnx import TensorProto, checker, helper, numpy_helper, save
except ImportError as error:
    print("SKIP:", error)
    sys.exit(77)


class Network:
    def __init__(self, shape):
        self.random = np.random.RandomState(5)
        self.nodes, self.weights, self.shape, self.last = [], [], shape, "x"

    def constant(self, array):
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def noise(self, *dims, scale=None):
        scale = np.sqrt(2 / np.prod(dims[1:])) if scale is None else scale
        return self.constant((self.random.randn(*dims) * scale).astype("f"))

    def op(self, kind, *inputs, **attributes):
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], f"n{len(self.nodes)}", **attributes))
        self.last = name
        return name

    def conv(self, x, out, c, k, stride=1, group=1, bias=False):
        inputs = [x, self.noise(out, c // group, k, k)] + ([self.noise(out, scale=0.1)] if bias else [])
        return self.op("Conv", *inputs, kernel_shape=[k, k], strides=[stride] * 2, group=group,
                       pads=[k // 2] * 4)

    def norm(self, x, c):
        ones, zeros = np.ones(c, "f"), np.zeros(c, "f")
        return self.op("BatchNormalization", x, self.constant(ones), self.constant(zeros),
                       self.constant(zeros), self.constant(ones))

    def relu6(self, x):
        return self.op("Clip", x, self.constant(np.float32(0)), self.constant(np.float32(6)))

    def layer_norm(self, x, c):
        return self.op("LayerNormalization", x, self.constant(np.ones(c, "f")),
                       self.constant(np.zeros(c, "f")))

    def linear(self, x, out, c):
        return self.op("Add", self.op("MatMul", x, self.noise(c, out)), self.noise(out, scale=0.1))

    def write(self, path):
        batch = ["N"] + list(self.shape)
        graph = helper.make_graph(
            self.nodes, "small", [helper.make_tensor_value_info("x", TensorProto.FLOAT, batch)],
            [helper.make_tensor_value_info(self.last, TensorProto.FLOAT, ["N", 10])], self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        checker.check_model(model)
        save(model, path)


def inverted_residual():
    n = Network((3, 16, 16))
    x = n.relu6(n.norm(n.conv("x", 8, 3, 3), 8))
    for c, out, stride in ((8, 8, 1), (8, 16, 2), (16, 16, 1)):
        y = n.relu6(n.norm(n.conv(x, 4 * c, c, 1), 4 * c))
        y = n.relu6(n.norm(n.conv(y, 4 * c, 4 * c, 3, stride, 4 * c), 4 * c))
        y = n.norm(n.conv(y, out, 4 * c, 1), out)
        x = n.op("Add", x, y) if c == out else y
    n.op("Gemm", n.op("Flatten", n.op("GlobalAveragePool", x)), n.noise(10, 16), n.noise(10), transB=1)
    return n


def gelu(n, x):
    half, one, root = (n.constant(np.float32(v)) for v in (0.5, 1, np.sqrt(2)))
    return n.op("Mul", n.op("Mul", x, half), n.op("Add", n.op("Erf", n.op("Div", x, root)), one))


def convnext():
    n = Network((3, 16, 16))
    x = n.conv("x", 16, 3, 3, 2, bias=True)
    for _ in range(2):
        y = n.op("Transpose", n.conv(x, 16, 16, 7, group=16, bias=True), perm=[0, 2, 3, 1])
        y = n.linear(gelu(n, n.linear(n.layer_norm(y, 16), 64, 16)), 16, 64)
        y = n.op("Mul", y, n.noise(16, scale=0.3))
        x = n.op("Add", x, n.op("Transpose", y, perm=[0, 3, 1, 2]))
    n.op("Gemm", n.op("Flatten", n.op("GlobalAveragePool", x)), n.noise(10, 16), n.noise(10), transB=1)
    return n


def heads(n, x, width):
    y = n.op("Reshape", n.linear(x, width, width), n.constant(np.array([0, 0, 4, width // 4])))
    return n.op("Transpose", y, perm=[0, 2, 1, 3])


def transformer(width=32):
    n = Network((9, width))
    x = "x"
    for _ in range(2):
        y = n.layer_norm(x, width)
        q, k, v = heads(n, y, width), heads(n, y, width), heads(n, y, width)
        scores = n.op("MatMul", q, n.op("Transpose", k, perm=[0, 1, 3, 2]))
        scores = n.op("Mul", scores, n.constant(np.float32((width // 4) ** -0.5)))
        y = n.op("MatMul", n.op("Softmax", scores, axis=-1), v)
        y = n.op("Reshape", n.op("Transpose", y, perm=[0, 2, 1, 3]), n.constant(np.array([0, 0, width])))
        x = n.op("Add", x, n.linear(y, width, width))
        y = n.linear(gelu(n, n.linear(n.layer_norm(x, width), 2 * width, width)), width, 2 * width)
        x = n.op("Add", x, y)
    n.linear(n.op("ReduceMean", n.layer_norm(x, width), axes=[1], keepdims=0), 10, width)
    return n


def main():
    network = {"inverted_residual": inverted_residual, "convnext": convnext,
               "transformer": transformer}[sys.argv[1]]()
    network.write(sys.argv[2])
    random = np.random.RandomState(3)
    np.save(sys.argv[3], random.randn(64, *network.shape).astype("f"))
    np.save(sys.argv[4], random.randint(0, 10, 64))


if __name__ == "__main__":
    main()
