# SPDX-License-Identifier: GPL-3.0-or-later
"""Times one training step of PyTorch: training_peer.py NETWORK BATCH THREADS SECONDS FORMAT.

NETWORK: lenet, resnet8, mobilenet_v2_cifar, resnet18_cifar; FORMAT: nchw or nhwc (channels last).
Prints images a second and the peak of resident memory in MB."""
import resource
import sys
import time

import torch
from torch import nn


def conv(i, o, k, s=1, g=1, relu=True, act=nn.ReLU):
    layers = [nn.Conv2d(i, o, k, s, k // 2, groups=g, bias=False), nn.BatchNorm2d(o)]
    return nn.Sequential(*layers, *([act(inplace=True)] if relu else []))


class Basic(nn.Module):
    def __init__(self, i, o, s):
        super().__init__()
        self.body = nn.Sequential(conv(i, o, 3, s), conv(o, o, 3, relu=False))
        self.side = conv(i, o, 1, s, relu=False) if s != 1 or i != o else nn.Identity()

    def forward(self, x):
        return torch.relu_(self.body(x) + self.side(x))


class Inverted(nn.Module):
    def __init__(self, i, o, s, t):
        super().__init__()
        m, a = i * t, nn.ReLU6
        head = [conv(i, m, 1, act=a)] if t != 1 else []
        self.body = nn.Sequential(*head, conv(m, m, 3, s, m, act=a), conv(m, o, 1, relu=False))
        self.same = s == 1 and i == o

    def forward(self, x):
        return x + self.body(x) if self.same else self.body(x)


class Whole(nn.Module):
    def forward(self, x):
        return x.mean((2, 3))


def residual(widths, blocks):
    layers, i = [conv(3, widths[0], 3)], widths[0]
    for stage, o in enumerate(widths):
        for block in range(blocks):
            layers.append(Basic(i, o, 2 if stage and not block else 1))
            i = o
    return nn.Sequential(*layers, Whole(), nn.Linear(i, 10))


def mobilenet():
    layers, i = [conv(3, 32, 3, act=nn.ReLU6)], 32
    plan = [(1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
            (6, 160, 3, 2), (6, 320, 1, 1)]
    for t, o, n, s in plan:
        for block in range(n):
            layers.append(Inverted(i, o, 1 if block else s, t))
            i = o
    return nn.Sequential(*layers, conv(i, 1280, 1, act=nn.ReLU6), Whole(), nn.Linear(1280, 10))


def lenet():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(True), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5),
        nn.ReLU(True), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.ReLU(True),
        nn.Linear(120, 84), nn.ReLU(True), nn.Linear(84, 10))


NETWORKS = {"lenet": lenet, "resnet8": lambda: residual([16, 32, 64], 1),
            "mobilenet_v2_cifar": mobilenet, "resnet18_cifar": lambda: residual([64, 128, 256, 512], 2)}


def main(name, batch, threads, seconds, layout):
    torch.manual_seed(0)
    torch.set_num_threads(threads)
    model = NETWORKS[name]().train()
    shape = (batch, 1, 28, 28) if name == "lenet" else (batch, 3, 32, 32)
    x, y = torch.randn(shape), torch.randint(0, 10, (batch,))
    if layout == "nhwc":
        model = model.to(memory_format=torch.channels_last)
        x = x.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    loss = nn.CrossEntropyLoss()

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss(model(x), y).backward()
        optimizer.step()

    for _ in range(3):
        step()
    start, runs = time.perf_counter(), 0
    while runs < 3 or time.perf_counter() - start < seconds:
        step()
        runs += 1
    rate = runs * batch / (time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{rate:10.1f} images/s, peak {peak:.0f} MB")


main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), sys.argv[5])
