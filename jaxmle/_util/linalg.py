"""Small dense linear algebra, unrolled so that many lanes share one vectorized program."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

_UNROLLED = 8
"Largest p for which the factorization is written out. LAPACK is not called: two threads in its batched routines never end."


def hessian(f: Any, u: Any) -> Any:
    """Hessian f[p, p] of a scalar function of a pytree, in `ravel_pytree` order (forward over reverse)."""
    flat, unravel = ravel_pytree(u)
    return jax.jacfwd(jax.grad(lambda x: f(unravel(x))))(flat)


_SHEARED = 100.0
"Damping of a small pivot, relative to the pivot. Measured: 1 shortens steps in valleys that damping by the scale turns."


def definite_above(dtype: Any) -> float:
    """Pivots of a matrix with unit diagonal above this are trusted to be positive."""
    return float(jnp.finfo(dtype).eps) ** 0.8


def certain_above(dtype: Any) -> float:
    """Pivots of a matrix with unit diagonal above this are far from rounding."""
    return 1e-2 * float(jnp.finfo(dtype).eps) ** 0.5


def definite(matrix: Any) -> Any:
    """Return whether a symmetric matrix, scaled to unit diagonal, is positive definite, bool[]."""
    diagonal, zero = jnp.abs(jnp.diagonal(matrix)), jnp.zeros((), matrix.dtype)
    return descend(matrix, jnp.zeros_like(diagonal), jnp.where(diagonal > 0, diagonal, 1.0), zero, -zero).definite


class Descent(NamedTuple):
    """A descent direction from gradient g[p] and curvature H[p, p].

    Attributes:
        move: -M^-1 g, M = H where H is positive definite, else H with its pivots made positive, f[p].
        decrement: 1/2 g' M^-1 g, f[].
        definite: whether H itself is positive definite, bool[].
        lowest: the lowest pivot of H scaled to unit diagonal, f[].
    """

    move: Any
    decrement: Any
    definite: Any
    lowest: Any


def descend(
    matrix: Any, gradient: Any, scale: Any, damping: Any, still: Any, order: tuple[int, ...] | None = None
) -> Descent:
    """Solve L (D + damping E) L' v = -g, where L D L' = H, always downhill.

    A pivot of D that is not positive is replaced by its absolute value (Gill, Murray & Wright 1981, *Practical
    Optimization*, section 4.4.2.2) and damped by `scale`, a small one by itself: so the step knows no units, and a
    covariate plus a constant, which shears H, changes little as long as its pivots are positive. At a saddle the
    gradient says nothing about the way out: where the decrement is below `still`, a step of one unit of log-likelihood
    along the negative curvature is added.

    Args:
        matrix: H, f[p, p].
        gradient: g, f[p].
        scale: positive diagonal in the units of H, f[p].
        damping: relative to `scale`, and to a pivot where that is small, f[].
        still: decrement below which the gradient is taken to be zero, f[].
        order: in which coordinates are eliminated; those that are linear in what they are fitted to come first, so that
            a pivot that is not positive belongs to another, and its repair leaves their directions as they are.
    """
    p, dtype = gradient.shape[0], gradient.dtype
    root = jnp.sqrt(scale)
    scaled = matrix / root[:, None] / root[None, :]
    rhs = -gradient / root
    floor = definite_above(dtype)
    if p == 0:
        zero = jnp.zeros((), dtype)
        return Descent(gradient, zero, jnp.array(True), zero + 1)
    order = tuple(range(p)) if order is None else order
    factor = _ldl if p <= _UNROLLED else _ldl_loop
    move, decrement, lowest = factor(scaled, rhs, damping, floor, still, order)
    return Descent(move / root, decrement, lowest > floor, lowest)


def _positive(pivot: Any, floor: float) -> Any:
    return jnp.where(jnp.abs(pivot) > floor, jnp.abs(pivot), 0.1)


def _damped(raw: Any, pivot: Any, damping: Any, floor: float) -> Any:
    return pivot + damping * jnp.where(raw > floor, jnp.minimum(_SHEARED * pivot, 1.0), 1.0)


def _kick(pivot: Any, still_enough: Any, floor: float) -> Any:
    negative = still_enough & (pivot < -1e3 * floor)
    return jnp.where(negative, jax.lax.rsqrt(jnp.where(negative, -pivot, 1.0)), 0.0)


def _ldl(a: Any, b: Any, damping: Any, floor: float, still: Any, order: tuple[int, ...]) -> tuple[Any, Any, Any]:
    p = b.shape[0]
    low: list[list[Any]] = [[None] * p for _ in range(p)]
    raw: list[Any] = []
    pivots: list[Any] = []
    for j in range(p):
        raw.append(a[order[j], order[j]] - sum(low[j][k] ** 2 * pivots[k] for k in range(j)))
        pivots.append(_positive(raw[j], floor))
        for i in range(j + 1, p):
            low[i][j] = (a[order[i], order[j]] - sum(low[i][k] * low[j][k] * pivots[k] for k in range(j))) / pivots[j]
    y: list[Any] = []
    for i in range(p):
        y.append(b[order[i]] - sum(low[i][k] * y[k] for k in range(i)))
    pivots = [_damped(raw[i], pivots[i], damping, floor) for i in range(p)]
    decrement = 0.5 * sum(y[i] ** 2 / pivots[i] for i in range(p))
    x: list[Any] = [y[i] / pivots[i] + _kick(raw[i] + damping, decrement < still, floor) for i in range(p)]
    for i in reversed(range(p)):
        x[i] = x[i] - sum(low[k][i] * x[k] for k in range(i + 1, p))
    lowest = raw[0]
    for pivot in raw[1:]:
        lowest = jnp.minimum(lowest, pivot)
    return jnp.stack([x[order.index(i)] for i in range(p)]), decrement, lowest


def _ldl_loop(a: Any, b: Any, damping: Any, floor: float, still: Any, order: tuple[int, ...]) -> tuple[Any, Any, Any]:
    """`_ldl` column by column, for any p."""
    p = b.shape[0]
    rows, at = jnp.arange(p), np.array(order)
    a, b = a[at][:, at], b[at]

    def column(j: Any, carry: Any) -> Any:
        rest, low, y, raw, pivots = carry
        pivot = _positive(rest[j, j], floor)
        column = jnp.where(rows > j, rest[:, j] / pivot, 0.0)
        rest = rest - pivot * column[:, None] * column[None, :]
        y = y - column * y[j]
        return rest, low.at[:, j].set(column), y, raw.at[j].set(carry[0][j, j]), pivots.at[j].set(pivot)

    _, low, y, raw, pivots = jax.lax.fori_loop(0, p, column, (a, jnp.zeros_like(a), b, b, b))
    pivots = _damped(raw, pivots, damping, floor)
    decrement = 0.5 * jnp.sum(y**2 / pivots)
    x = y / pivots + _kick(raw + damping, decrement < still, floor)

    def back(k: Any, x: Any) -> Any:
        i = p - 1 - k
        return x.at[i].add(-(low[:, i] @ x))

    return jax.lax.fori_loop(0, p, back, x)[np.argsort(at)], decrement, jnp.min(raw)
