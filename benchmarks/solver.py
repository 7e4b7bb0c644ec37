"""What an expert gets from numba in an afternoon: a damped Newton over `kernels`, all cores. Needs numba."""

import functools
import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from benchmarks import by_hand
from benchmarks.kernels import KERNELS, fast

MAX_STEPS = 100


@fast
def descend(h, g, damping, low, move):
    """Solves (-h + damping |diag h|) move = g by Cholesky; whether the matrix was positive definite."""
    p = len(g)
    for j in range(p):
        for i in range(j, p):
            x = -h[i, j]
            if i == j:
                x += damping * abs(h[j, j])
            for k in range(j):
                x -= low[i, k] * low[j, k]
            if i == j:
                if not x > 0:
                    return False
                low[j, j] = math.sqrt(x)
            else:
                low[i, j] = x / low[j, j]
    for i in range(p):
        x = g[i]
        for k in range(i):
            x -= low[i, k] * move[k]
        move[i] = x / low[i, i]
    for i in range(p - 1, -1, -1):
        x = move[i]
        for k in range(i + 1, p):
            x -= low[k, i] * move[k]
        move[i] = x / low[i, i]
    return True


@functools.cache
def solver(model: by_hand.ByHand, parallel: bool) -> Callable[..., Any]:
    """(theta[B, p], first, second, tolerance, points[B, p], converged[B], steps[B]) -> None, all data sets."""
    prepare, evaluate, depth, begin = KERNELS[model]

    @fast
    def ascend(x, first, second, work, tolerance):
        p = len(x)
        g, h, new_g, new_h = np.empty(p), np.empty((p, p)), np.empty(p), np.empty((p, p))
        low, move, candidate = np.empty((p, p)), np.empty(p), np.empty(p)
        damping, count = 0.0, 1
        best = evaluate(x, first, second, work, g, h)
        while count < MAX_STEPS and damping <= 1e20:
            if not descend(h, g, damping, low, move):
                damping = max(10 * damping, 0.1)
                continue
            gain = 0.0
            for j in range(p):
                gain += g[j] * move[j]
                candidate[j] = x[j] + move[j]
            if damping == 0 and 0.5 * gain <= tolerance:
                x[:] = candidate
                return True, count
            value = evaluate(candidate, first, second, work, new_g, new_h)
            count += 1
            if math.isfinite(value) and value >= best - 1e-13 * abs(best):
                x[:] = candidate
                best = value
                g, new_g = new_g, g
                h, new_h = new_h, h
                damping = 0.0 if damping < 1e-2 else 0.1 * damping
            else:
                damping = max(10 * damping, 0.1)
        return False, count

    @numba.njit(parallel=parallel)
    def kernel(theta, first, second, tolerance, width, points, converged, steps):
        for i in numba.prange(theta.shape[0]):
            work = np.zeros((depth, width))
            prepare(first[i], second[i], work)
            points[i] = theta[i]
            begin(points[i], work)
            converged[i], steps[i] = ascend(points[i], first[i], second[i], work, tolerance)

    return kernel


@functools.cache
def everywhere(model: by_hand.ByHand) -> Callable[..., Any]:
    """(theta[B, p], first, second, width, g[B, p], h[B, p, p]) -> None: gradients and lower halves of Hessians."""
    prepare, evaluate, depth, _ = KERNELS[model]

    @numba.njit(parallel=True)
    def kernel(theta, first, second, width, g, h):
        for i in numba.prange(theta.shape[0]):
            work = np.zeros((depth, width))
            prepare(first[i], second[i], work)
            evaluate(theta[i], first[i], second[i], work, g[i], h[i])

    return kernel


def width(model: by_hand.ByHand, first: Any) -> int:
    """How long a row of `work` must be."""
    return max(first.shape[1], 3, int(first.max()) + 1 if model is by_hand.COUNTS else 0)
