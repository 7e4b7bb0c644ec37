"""Quantiles by bisection, for families without a closed form: plain, sure, and for reports rather than for fitting."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxmle.special._elementary import floating


def legal(q: Any) -> Any:
    """Probabilities, with NaN for what is none."""
    q = floating(q)
    return jnp.where((q >= 0) & (q <= 1), q, jnp.nan)


def bisect(is_below: Callable[[Any], Any], low: Any, high: Any, steps: int) -> Any:
    """The last point of [low, high] where `is_below` (true, then false, elementwise) still holds, and the next."""

    def halve(_: Any, ends: Any) -> Any:
        low, high = ends
        middle = 0.5 * (low + high)
        below = is_below(middle)
        return jnp.where(below, middle, low), jnp.where(below, high, middle)

    return jax.lax.fori_loop(0, steps, halve, (low, high))


def continuous(logcdf: Any, logsf: Any, params: Any, q: Any, x_of: Callable[[Any], Any], low: Any, high: Any) -> Any:
    """Quantile of a continuous law; `x_of` maps [low, high] onto its support, increasing."""
    q = floating(q)
    upper = q > 0.5

    def is_below(v: Any) -> Any:
        x = x_of(v)
        return jnp.where(upper, logsf(params, x) > jnp.log1p(-q), logcdf(params, x) < jnp.log(q))

    low, high = jnp.full(q.shape, low, q.dtype), jnp.full(q.shape, high, q.dtype)
    low, high = bisect(is_below, low, high, 64 if q.dtype == jnp.float64 else 36)
    return jnp.where((q >= 0) & (q <= 1), x_of(0.5 * (low + high)), jnp.nan)


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
