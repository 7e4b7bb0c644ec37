"""Quantiles of families without a closed form."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxmle.special.elementary import floating
from jaxmle.special.inverses import inverse, smaller


def legal(q: Any) -> Any:
    """Probabilities, with NaN for what is none."""
    q = floating(q)
    return jnp.where((q >= 0) & (q <= 1), q, jnp.nan)


class _Tails(NamedTuple):
    """Both tails of a law at x_of(v)."""

    logcdf: Callable[[Any, Any], Any]
    logsf: Callable[[Any, Any], Any]
    x_of: Callable[[Any], Any]

    def __call__(self, params: Any, v: Any) -> tuple[Any, Any]:
        x = self.x_of(v)
        return self.logcdf(params, x), self.logsf(params, x)


def continuous(logcdf: Any, logsf: Any, params: Any, q: Any, x_of: Callable[[Any], Any], low: Any, high: Any) -> Any:
    """Quantile of a continuous law; `x_of` maps [low, high] onto its support, increasing. Derivatives are the implicit ones."""
    q = floating(q)
    shape = jnp.broadcast_shapes(q.shape, *(jnp.shape(x) for x in jax.tree.leaves(params)))
    inside = jnp.broadcast_to((q > 0) & (q < 1), shape)
    safe = jnp.where(inside, q, 0.5)
    low, high = (jnp.asarray(v, q.dtype) for v in (low, high))
    x = x_of(inverse(_Tails(logcdf, logsf, x_of), params, *smaller(safe), low, high))
    ends = jnp.where(q == 0, x_of(low), jnp.where(q == 1, x_of(high), jnp.nan))
    return jnp.where(inside, x, ends)


def whole(logcdf: Any, params: Any, q: Any, *, lowest: float = 0.0) -> Any:
    """Least whole number k >= lowest with P(X <= k) >= q; up to 2^50."""
    q = floating(q)
    level = jnp.log(q) - 8 * jnp.finfo(q.dtype).eps
    start = jnp.full(q.shape, lowest - 1, q.dtype)

    def is_below(k: Any) -> Any:
        return logcdf(params, jnp.floor(k)) < level

    def halve(_: Any, ends: Any) -> Any:
        low, high = ends
        middle = jnp.floor(0.5 * (low + high))
        below = is_below(middle)
        return jnp.where(below, middle, low), jnp.where(below, high, middle)

    high = jax.lax.fori_loop(0, 50, lambda _, k: jnp.where(is_below(k), 2 * k + 1, k), jnp.full_like(start, lowest))
    _, high = jax.lax.fori_loop(0, 52, halve, (start, high))
    return jnp.where(q == 1, jnp.inf, jnp.where((q >= 0) & (q <= 1), high, jnp.nan))
