"""Quantiles of families without a closed form, from their distribution functions."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxmle.distributions.base.types import Params
from jaxmle.special.elementary import floating
from jaxmle.special.inverses import inverse, smaller


def legal_probability(q: Array) -> Array:
    """Replace what is no probability by NaN."""
    q = floating(q)
    return jnp.where((q >= 0) & (q <= 1), q, jnp.nan)


LogTail = Callable[[Params, Array], Array]
"`(params, x) -> f[n]`, the logarithm of a tail."


class _Tails(NamedTuple):
    """Both log-tails of a distribution at x_of(v)."""

    logcdf: LogTail
    logsf: LogTail
    x_of: Callable[[Array], Array]

    def __call__(self, params: Params, v: Array) -> tuple[Array, Array]:
        x = self.x_of(v)
        return self.logcdf(params, x), self.logsf(params, x)


def continuous(
    logcdf: LogTail,
    logsf: LogTail,
    params: Params,
    q: Array,
    x_of: Callable[[Array], Array],
    low: ArrayLike,
    high: ArrayLike,
) -> Array:
    """Solve for the quantile of a continuous distribution at probabilities q; derivatives are the implicit ones.

    Args:
        logcdf, logsf: `(params, x) -> f[n]`.
        x_of: increasing, maps [low, high] onto the support.
    """
    q = floating(q)
    shape = jnp.broadcast_shapes(q.shape, *(jnp.shape(x) for x in jax.tree.leaves(params)))
    inside = jnp.broadcast_to((q > 0) & (q < 1), shape)
    safe = jnp.where(inside, q, 0.5)
    low, high = (jnp.asarray(v, q.dtype) for v in (low, high))
    x = x_of(inverse(_Tails(logcdf, logsf, x_of), params, *smaller(safe), low, high))
    ends = jnp.where(q == 0, x_of(low), jnp.where(q == 1, x_of(high), jnp.nan))
    return jnp.where(inside, x, ends)


def whole(logcdf: LogTail, params: Params, q: Array, *, lowest: float = 0.0) -> Array:
    """Search the least whole number k >= lowest, up to 2^50, with P(X <= k) >= q."""
    q = floating(q)
    level = jnp.log(q) - 8 * jnp.finfo(q.dtype).eps
    start = jnp.full(q.shape, lowest - 1, q.dtype)

    def is_below(k: Array) -> Array:
        return logcdf(params, jnp.floor(k)) < level

    def halve(_: Array, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = ends
        middle = jnp.floor(0.5 * (low + high))
        below = is_below(middle)
        return jnp.where(below, middle, low), jnp.where(below, high, middle)

    high = jax.lax.fori_loop(0, 50, lambda _, k: jnp.where(is_below(k), 2 * k + 1, k), jnp.full_like(start, lowest))
    _, high = jax.lax.fori_loop(0, 52, halve, (start, high))
    return jnp.where(q == 1, jnp.inf, jnp.where((q >= 0) & (q <= 1), high, jnp.nan))
