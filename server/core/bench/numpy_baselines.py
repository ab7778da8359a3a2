#!/usr/bin/env python3
"""core_set and max_herding beside NumPy, in one run and on the same cores:
numpy_baselines.py BASELINES_BENCH. 100,000 images of 128 dimensions, 1,000 picks. NumPy keeps the
distances to the nearest center, and the kernel of all images with the 4,096 that are to be covered
(1.6 GB)."""

import json
import subprocess
import sys
import time

import numpy as np

IMAGES, DIM, TAKEN, TARGETS = 100_000, 128, 1_000, 4_096
ROWS = 128  # of the kernel at once
EAGER = 10


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


def kernel_of(x, generator):
    targets = x[np.sort(generator.choice(len(x), TARGETS, replace=False))]
    width = np.median(squared_distances(targets[:64], targets[64:128]))
    kernel = np.empty((TARGETS, len(x)), np.float32)
    for row in range(0, TARGETS, ROWS):
        kernel[row:row + ROWS] = np.exp(squared_distances(targets[row:row + ROWS], x) / -width)
    return kernel


def max_herding(kernel):
    """Only what a pick changes is computed again."""
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


def max_herding_by_definition(kernel):
    """Every gain anew for every pick, of which there are EAGER."""
    covered = np.zeros(TARGETS, np.float32)
    for _ in range(EAGER):
        gains = np.zeros(kernel.shape[1], np.float32)
        for row in range(0, TARGETS, ROWS):
            gains += np.maximum(kernel[row:row + ROWS] - covered[row:row + ROWS, None], 0).sum(0)
        covered = np.maximum(covered, kernel[:, int(gains.argmax())])


def seconds(work):
    """Its result, and seconds on the clock and of CPU."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return result, np.array([time.perf_counter() - wall, time.process_time() - cpu])


def report(name, ours, numpy):
    print(f"{name}: {ours[0]:.2f} s ({ours[1]:.2f} s CPU), NumPy {numpy[0]:.2f} s "
          f"({numpy[1]:.2f} s CPU): {numpy[0] / ours[0]:.1f} x, in CPU time "
          f"{numpy[1] / ours[1]:.1f} x", flush=True)


def main():
    runs = json.loads(subprocess.run(
        [sys.argv[1], "--benchmark_filter=(core_set|max_herding)_uniform",
         "--benchmark_format=json"], check=True, stdout=subprocess.PIPE).stdout)["benchmarks"]
    ours = [np.array([run["real_time"], run["cpu_time"]]) / 1000 for run in runs]
    generator = np.random.default_rng(1)
    x = generator.standard_normal((IMAGES, DIM), np.float32)
    report("core_set", ours[0], seconds(lambda: core_set(x, generator))[1])
    kernel, made = seconds(lambda: kernel_of(x, generator))
    report("max_herding", ours[1], made + seconds(lambda: max_herding(kernel))[1])
    eager = seconds(lambda: max_herding_by_definition(kernel))[1]
    report(f"max_herding by definition, from {EAGER} picks", ours[1], made + eager * TAKEN / EAGER)


if __name__ == "__main__":
    main()
