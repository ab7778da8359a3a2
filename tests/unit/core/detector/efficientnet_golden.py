#!/usr/bin/python3
"""Features of EfficientNet-Lite0 by NumPy alone, from the definition of its layers.

Prints what efficientnet_lite_test.cc expects: for each level its shape, and every 97th value of
its features. Weights and image follow the formula of value() below, which the test has too, so
that no file of weights is needed. Batch norms are applied as they were trained, not folded.

    tests/unit/core/detector/efficientnet_golden.py > tests/unit/core/detector/efficientnet_golden.txt
    tests/unit/core/detector/efficientnet_golden.py STATE.npz   # of real weights, named as PyPI's
"""

import sys

import numpy as np

STAGES = [  # repeats, kernel, stride, expansion, channels out
    (1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320)]
LEVELS = {2: 24, 4: 40, 10: 112, 15: 320}  # the blocks whose outputs are C2 .. C5
EPSILON = 1e-3
SIDE = 64


def value(tensor, shape, scale=1.0, offset=0.0):
    index = np.arange(int(np.prod(shape)), dtype=np.float64)
    return (offset + scale * np.sin(0.7 * index * (1 + tensor % 5) + tensor)).reshape(shape)


class Weights:
    """Tensors in the order in which the network uses them."""

    def __init__(self, state=None):
        self.state = state
        self.count = 0

    def conv(self, name, shape):
        self.count += 1
        if self.state is not None:
            return self.state[name + ".weight"].astype(np.float64)
        return value(self.count, shape, np.sqrt(3.0 / np.prod(shape[1:])))

    def norm(self, name, channels):
        self.count += 1
        if self.state is not None:
            return [self.state[f"{name}.{part}"].astype(np.float64)
                    for part in ("weight", "bias", "running_mean", "running_var")]
        k = self.count
        return [value(k, channels, 0.2, 1), value(k + 1, channels, 0.3),
                value(k + 2, channels, 0.1), value(k + 3, channels, 0.4, 1)]


def convolve(x, weight, stride, groups):
    """x [C, H, W], weight [O, C / groups, k, k]; padded as TensorFlow's SAME."""
    kernel, side = weight.shape[2], x.shape[1]
    total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
    before = total // 2
    x = np.pad(x, ((0, 0), (before, total - before), (before, total - before)))
    out = (x.shape[1] - kernel) // stride + 1
    result = np.zeros((weight.shape[0], out, out))
    for i in range(kernel):
        for j in range(kernel):
            part = x[:, i:i + stride * (out - 1) + 1:stride, j:j + stride * (out - 1) + 1:stride]
            if groups == 1:
                result += np.tensordot(weight[:, :, i, j], part, 1)
            else:
                result += weight[:, 0, i, j][:, None, None] * part
    return result


def normalize(x, norm):
    weight, bias, mean, variance = (v[:, None, None] for v in norm)
    return (x - mean) / np.sqrt(variance + EPSILON) * weight + bias


def relu6(x):
    return np.clip(x, 0, 6)


def features(image, weights):
    x = convolve(image, weights.conv("_conv_stem", (32, 3, 3, 3)), 2, 1)
    x = relu6(normalize(x, weights.norm("_bn0", 32)))
    levels, block, channels = [], 0, 32
    for repeats, kernel, first_stride, expansion, out in STAGES:
        for repeat in range(repeats):
            name, stride, wide = f"_blocks.{block}.", first_stride if repeat == 0 else 1, channels * expansion
            y = x
            if expansion != 1:
                y = convolve(y, weights.conv(name + "_expand_conv", (wide, channels, 1, 1)), 1, 1)
                y = relu6(normalize(y, weights.norm(name + "_bn0", wide)))
            y = convolve(y, weights.conv(name + "_depthwise_conv", (wide, 1, kernel, kernel)), stride, wide)
            y = relu6(normalize(y, weights.norm(name + "_bn1", wide)))
            y = convolve(y, weights.conv(name + "_project_conv", (out, wide, 1, 1)), 1, 1)
            y = normalize(y, weights.norm(name + "_bn2", out))
            x = x + y if stride == 1 and channels == out else y
            channels = out
            if block in LEVELS:
                levels.append(x)
            block += 1
    return levels


def main():
    state = dict(np.load(sys.argv[1])) if len(sys.argv) > 1 else None
    for level in features(value(0, (3, SIDE, SIDE)), Weights(state)):
        print(*level.shape)
        print(*(f"{v:.7g}" for v in level.ravel()[::97]))


if __name__ == "__main__":
    main()
