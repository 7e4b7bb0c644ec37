"""Gauss-Legendre quadrature with fixed nodes: every derivative is the same sum of differentiated terms."""

from collections.abc import Callable
from functools import cache

import jax.numpy as jnp
import numpy as np

from jaxmle._util.arrays import Array, Float


def integral(f: Callable[[Array], Array], low: Array | float, high: Array, nodes: int) -> Array:
    """Integrate f from `low` to `high`, elementwise; f takes points with an axis in front for the nodes."""
    low, high = jnp.broadcast_arrays(jnp.asarray(low, high.dtype), high)
    points, weights = (a.astype(low.dtype) for a in _rule(nodes))
    points = points.reshape((-1,) + (1,) * low.ndim)
    return (high - low) * jnp.tensordot(weights, f(low + (high - low) * points), 1)


@cache
def _rule(nodes: int) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"]]:
    """Compute the nodes in (0, 1) and the weights, each to 1e-15 of its own size.

    Near the ends, where the integrands have most of their mass, the weights of `numpy.polynomial.legendre.leggauss` are
    wrong by up to 1e-12.

    Newton's method for the distance s from the end (DLMF 18.9.1 in 1 - s, added up in steps, so that nothing cancels). With
    P' by DLMF 18.9.17, 2 / (s (2 - s) P'^2) is stationary at a node.
    """
    s = 1 + np.polynomial.legendre.leggauss(nodes)[0][: (nodes + 1) // 2]
    for last in (False, False, True):
        value, step, before = np.ones_like(s), np.zeros_like(s), s
        for k in range(nodes):
            before, step = value, k / (k + 1) * step - (2 * k + 1) / (k + 1) * s * value
            value = value + step
        slope = nodes * (before - (1 - s) * value) / (s * (2 - s))
        s = s if last else s + value / slope
    weights = 1 / (s * (2 - s) * slope**2)
    other = slice(nodes // 2)  # mirrored
    return np.append(0.5 * s, 1 - 0.5 * s[other][::-1]), np.append(weights, weights[other][::-1])
