"""Functions in 50 digits, and relative errors."""

import mpmath as mp
import numpy as np


def truth(f, *grids, order=None):
    """The function (or its partial derivative) in 50 digits, as floats."""
    out = []
    with mp.workdps(50):
        for point in zip(*grids, strict=True):
            at = tuple(mp.mpf(float(x)) for x in point)
            out.append(float(f(*at) if order is None else mp.diff(f, at, order, h=mp.mpf(10) ** -14)))
    return np.array(out)


def relative(value, want, floor=0.0):
    value = np.asarray(value)
    error = np.abs(value - want) / np.maximum(np.abs(want), max(floor, 1e-290))
    return np.where(value == want, 0.0, error).max()
