"""Small dense linear algebra, unrolled so that many lanes share one vectorized program."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.typing import DTypeLike

from jaxmle._util.arrays import Array, ArrayLike, Bool, Float, Int, Params

_UNROLLED = 8
"Largest p for which the factorization is written out. LAPACK is not called: two threads in its batched routines never end."


def hessian(f: Callable[[Params], Float[Array, ""]], u: Params) -> Float[Array, "p p"]:
    """Hessian f[p, p] of a scalar function of a pytree, in `ravel_pytree` order (forward over reverse)."""
    flat, unravel = ravel_pytree(u)
    return jax.jacfwd(jax.grad(lambda x: f(unravel(x))))(flat)


_SHEARED = 100.0
"Damping of a small pivot, relative to the pivot. Measured: 1 shortens steps in valleys that damping by the scale turns."


_APART = 0.05
"A pivot so far below 0, relative to its diagonal, is that of a coordinate to be moved apart from those before it."

_FOLLOWED = 1.0
"The step of a logarithm or a logit up to which the other coordinates follow it."


def definite_above(dtype: DTypeLike) -> float:
    """Pivots of a matrix with unit diagonal above this are trusted to be positive."""
    return float(jnp.finfo(dtype).eps) ** 0.8


def certain_above(dtype: DTypeLike) -> float:
    """Pivots of a matrix with unit diagonal above this are far from rounding."""
    return 1e-2 * float(jnp.finfo(dtype).eps) ** 0.5


def definite(matrix: Float[Array, "p p"]) -> Bool[Array, ""]:
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

    move: Float[Array, " p"]
    decrement: Float[Array, ""]
    definite: Bool[Array, ""]
    lowest: Float[Array, ""]


def descend(
    matrix: Float[Array, "p p"],
    gradient: Float[Array, " p"],
    scale: Float[Array, " p"],
    damping: ArrayLike,
    still: ArrayLike,
    unitless: Bool[np.ndarray, " p"] | None = None,
) -> Descent:
    """Solve L (D + damping E) L' v = -g, where L D L' = H, always downhill.

    Coordinates that are their parameters are eliminated first, then logarithms and logits, so that a pivot that is not
    positive belongs to one of these, and its repair leaves the directions of the others as they are. A pivot of D that is
    not positive is replaced by its absolute value (Gill, Murray & Wright 1981, *Practical Optimization*, section
    4.4.2.2). Where it is well below 0 although H's own diagonal there is positive, the coordinate is moved by itself: so a scale
    takes the value that suits the rest, and the rest its Newton step, where the scale is too large or too small for
    the two to be one quadratic function. Damping is by `scale`, of a small pivot by itself: the step knows no units, and a
    covariate plus a constant, which shears H, changes little as long as its pivots are positive. At a saddle the
    gradient says nothing about the way out: where the decrement is below `still`, a step of one unit of log-likelihood
    along the negative curvature is added.

    Args:
        matrix: H, f[p, p].
        gradient: g, f[p].
        scale: positive diagonal in the units of H, f[p].
        damping: relative to `scale`, and to a pivot where that is small, f[].
        still: decrement below which the gradient is taken to be zero, f[].
        unitless: which coordinates are logarithms or logits, bool[p]; none by default.
    """
    p, dtype = gradient.shape[0], gradient.dtype
    root = jnp.sqrt(scale)
    scaled = matrix / root[:, None] / root[None, :]
    rhs = -gradient / root
    floor = definite_above(dtype)
    if p == 0:
        zero = jnp.zeros((), dtype)
        return Descent(gradient, zero, jnp.array(True), zero + 1)
    unitless = np.zeros(p, bool) if unitless is None else unitless
    factor = _ldl if p <= _UNROLLED else _ldl_loop
    move, decrement, lowest = factor(scaled, rhs, damping, floor, still, unitless, _FOLLOWED * root)
    return Descent(move / root, decrement, lowest > floor, lowest)


def _positive(pivot: Float[Array, ""], floor: float) -> Float[Array, ""]:
    return jnp.where(jnp.abs(pivot) > floor, jnp.abs(pivot), 0.1)


def _apart(pivot: Float[Array, ""], own: Float[Array, ""], floor: float) -> Bool[Array, ""]:
    return (pivot <= -_APART * own) & (own > floor)


def _damped(raw: Array, pivot: Array, damping: ArrayLike, floor: float) -> Array:
    return pivot + damping * jnp.where(raw > floor, jnp.minimum(_SHEARED * pivot, 1.0), 1.0)


def _kick(pivot: Array, still_enough: Bool[Array, ""], floor: float) -> Array:
    negative = still_enough & (pivot < -1e3 * floor)
    return jnp.where(negative, jax.lax.rsqrt(jnp.where(negative, -pivot, 1.0)), 0.0)


def _ldl(
    a: Float[Array, "p p"],
    b: Float[Array, " p"],
    damping: ArrayLike,
    floor: float,
    still: ArrayLike,
    unitless: Bool[np.ndarray, " p"],
    followed: Float[Array, " p"],
) -> tuple[Float[Array, " p"], Float[Array, ""], Float[Array, ""]]:
    """Solve for the scaled step; return it with the decrement and the lowest pivot."""
    p, order = b.shape[0], [int(i) for i in np.argsort(unitless, kind="stable")]
    low: list[list[Any]] = [[None] * p for _ in range(p)]
    raw: list[Array] = []
    pivots: list[Array] = []
    for j in range(p):
        own = a[order[j], order[j]]
        raw.append(own - sum(low[j][k] ** 2 * pivots[k] for k in range(j)))
        apart = _apart(raw[j], own, floor)
        low[j] = [jnp.where(apart, 0.0, x) for x in low[j][:j]] + low[j][j:]
        pivots.append(jnp.where(apart, own, _positive(raw[j], floor)))
        for i in range(j + 1, p):
            low[i][j] = (a[order[i], order[j]] - sum(low[i][k] * low[j][k] * pivots[k] for k in range(j))) / pivots[j]
    y: list[Array] = []
    for i in range(p):
        y.append(b[order[i]] - sum(low[i][k] * y[k] for k in range(i)))
    pivots = [_damped(raw[i], pivots[i], damping, floor) for i in range(p)]
    decrement: Any = 0.5 * sum(y[i] ** 2 / pivots[i] for i in range(p))
    x: list[Array] = [y[i] / pivots[i] + _kick(raw[i] + damping, decrement < still, floor) for i in range(p)]

    def seen_by(i: int, k: int) -> Array:
        most = followed[order[k]]
        return jnp.clip(x[k], -most, most) if unitless[order[k]] and not unitless[order[i]] else x[k]

    for i in reversed(range(p)):
        x[i] = x[i] - sum(low[k][i] * seen_by(i, k) for k in range(i + 1, p))
    lowest = raw[0]
    for pivot in raw[1:]:
        lowest = jnp.minimum(lowest, pivot)
    return jnp.stack([x[order.index(i)] for i in range(p)]), decrement, lowest


def _ldl_loop(
    a: Float[Array, "p p"],
    b: Float[Array, " p"],
    damping: ArrayLike,
    floor: float,
    still: ArrayLike,
    unitless: Bool[np.ndarray, " p"],
    followed: Float[Array, " p"],
) -> tuple[Float[Array, " p"], Float[Array, ""], Float[Array, ""]]:
    """Do what `_ldl` does column by column, for any p."""
    p = b.shape[0]
    rows, at = jnp.arange(p), np.argsort(unitless, kind="stable")
    a, b, followed, bare = a[at][:, at], b[at], followed[at], jnp.asarray(unitless[at])

    def column(j: Int[Array, ""], carry: tuple[Array, ...]) -> tuple[Array, ...]:
        rest, low, y, raw, pivots = carry
        apart = _apart(rest[j, j], a[j, j], floor)
        pivot = jnp.where(apart, a[j, j], _positive(rest[j, j], floor))
        entries = jnp.where(rows > j, jnp.where(apart, a[:, j], rest[:, j]) / pivot, 0.0)
        low = jnp.where(apart & (rows == j)[:, None], 0.0, low)
        y = y.at[j].set(jnp.where(apart, b[j], y[j]))
        raw = raw.at[j].set(rest[j, j])
        rest = rest - pivot * entries[:, None] * entries[None, :]
        y = y - entries * y[j]
        return rest, low.at[:, j].set(jnp.where(rows > j, entries, low[:, j])), y, raw, pivots.at[j].set(pivot)

    _, low, y, raw, pivots = jax.lax.fori_loop(0, p, column, (a, jnp.zeros_like(a), b, b, b))
    pivots = _damped(raw, pivots, damping, floor)
    decrement = 0.5 * jnp.sum(y**2 / pivots)
    x = y / pivots + _kick(raw + damping, decrement < still, floor)

    def back(k: Int[Array, ""], x: Array) -> Array:
        i = p - 1 - k
        seen = jnp.where(bare & ~bare[i], jnp.clip(x, -followed, followed), x)
        return x.at[i].add(-(low[:, i] @ seen))

    return jax.lax.fori_loop(0, p, back, x)[np.argsort(at)], decrement, jnp.min(raw)
