# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the first images of a data set as arrays: batches.py mnist|cifar10 DIRECTORY COUNT X.npy Y.npy

DIRECTORY holds the files as they come; images are normalised as it is usual for the data set.
"""
import gzip
import lzma
import sys

import numpy as np


def read(opener, path, size):
    with opener(path) as file:
        return np.frombuffer(file.read(size), np.uint8)


def mnist(path, count):
    pixels = read(gzip.open, path + "/train-images-idx3-ubyte.gz", 16 + 784 * count)[16:]
    classes = read(gzip.open, path + "/train-labels-idx1-ubyte.gz", 8 + count)[8:]
    return pixels.reshape(count, 1, 28, 28), classes, [0.1307], [0.3081]


def cifar10(path, count):
    records = read(lzma.open, path + "/train_10k.bin.xz", 3073 * count).reshape(count, 3073)
    pixels = records[:, 1:].reshape(count, 3, 32, 32)
    return pixels, records[:, 0], [0.4914, 0.4822, 0.4465], [0.247, 0.2435, 0.2616]


DATA_SETS = {"mnist": mnist, "cifar10": cifar10}


def main():
    pixels, classes, mean, std = DATA_SETS[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
    mean, std = (np.array(v).reshape(-1, 1, 1) for v in (mean, std))
    np.save(sys.argv[4], ((pixels / 255 - mean) / std).astype("f"))
    np.save(sys.argv[5], classes.astype(np.int64))


main()
