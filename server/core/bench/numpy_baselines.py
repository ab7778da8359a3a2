#!/usr/bin/env python3
"""core_set and max_herding beside NumPy, in one run and on the same cores:
numpy_baselines.py BASELINES_BENCH. 100,000 images of 128 dimensions, 1,000 picks. NumPy keeps what
it needs not compute again: distances to the nearest center, and the kernel of all images with the
4,096 that are to be covered (1.6 GB), of which each pick changes some rows."""

import json
import subprocess
import sys
import time

import numpy as np

IMAGES, DIM, TAKEN, TARGETS = 100_000, 128, 1_000, 4_096
ROWS = 128  # of the kernel at once


def squared_distances(a, b):
    squares = (a * a).sum(1)[:, None] + (b * b).sum(1)
    return np.maximum(squares - 2 * (a @ b.T), 0)


def core_set(x, generator):
    nearest = np.full(len(x), np.inf, np.float32)
    squares = (x * x).sum(1)
    taken = int(generator.integers(len(x)))
    for _ in range(TAKEN):
        np.minimum(nearest, squares - 2 * (x @ x[taken]) + squares[taken], out=nearest)
        taken = int(nearest.argmax())


def max_herding(x, generator):
    targets = x[np.sort(generator.choice(len(x), TARGETS, replace=False))]
    width = np.median(squared_distances(targets[:64], targets[64:128]))
    kernel = np.empty((TARGETS, len(x)), np.float32)
    for row in range(0, TARGETS, ROWS):
        kernel[row:row + ROWS] = np.exp(squared_distances(targets[row:row + ROWS], x) / -width)
    covered = np.zeros(TARGETS, np.float32)
    gains = kernel.sum(0)
    for _ in range(TAKEN):
        best = int(gains.argmax())
        gains[best] = -np.inf
        raised = np.maximum(covered, kernel[:, best])
        changed = np.flatnonzero(raised > covered)
        for row in range(0, len(changed), ROWS):
            part = changed[row:row + ROWS]
            values = kernel[part]
            gains -= (np.maximum(values, covered[part, None])
                      - np.maximum(values, raised[part, None])).sum(0)
            gains -= (raised[part] - covered[part]).sum()
        covered = raised


def main():
    ours = json.loads(subprocess.run(
        [sys.argv[1], "--benchmark_filter=(core_set|max_herding)_uniform",
         "--benchmark_format=json"], check=True, stdout=subprocess.PIPE).stdout)
    generator = np.random.default_rng(1)
    x = generator.standard_normal((IMAGES, DIM), np.float32)
    for name, reference in (("core_set", core_set), ("max_herding", max_herding)):
        wall, cpu = time.perf_counter(), time.process_time()
        reference(x, generator)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        run = next(b for b in ours["benchmarks"] if f"/{name}_" in b["name"])
        print(f"{name}: {run['real_time'] / 1000:.2f} s ({run['cpu_time'] / 1000:.2f} s CPU), "
              f"NumPy {wall:.2f} s ({cpu:.2f} s CPU): {1000 * wall / run['real_time']:.1f} x, "
              f"{1000 * cpu / run['cpu_time']:.1f} x in CPU time")


if __name__ == "__main__":
    main()
