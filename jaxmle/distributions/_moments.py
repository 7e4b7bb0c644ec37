"""Weighted moments for starts: rows of weight 0 have no influence, units do not matter, nothing overflows."""

from typing import Any

import jax.numpy as jnp

from jaxmle.special._elementary import floating


def usable(x: Any, weights: Any, inside: Any) -> tuple[Any, Any]:
    """x and weights with rows of weight 0, illegal rows and non-finite rows neutralized (0 and weight 0)."""
    x, weights = floating(x), floating(weights)
    keep = (weights > 0) & inside & jnp.isfinite(x)
    return jnp.where(keep, x, 0), jnp.where(keep, weights, 0)


def mean(x: Any, weights: Any) -> Any:
    """Weighted mean; 0 for no rows."""
    total = jnp.sum(weights)
    return jnp.sum(x * weights) / jnp.where(total > 0, total, 1)


def location_scale(x: Any, weights: Any) -> tuple[Any, Any]:
    """Mean and root mean square deviation, two passes in units of the largest |x|.

    The scale is never 0: constant data get a few units in the last place of their size, or 1 when all are 0.
    """
    size = jnp.max(jnp.abs(x) * (weights > 0))
    size = jnp.where(size > 0, size, 1)
    y = x / size
    centre = mean(y, weights)
    centre = centre + mean(y - centre, weights)
    spread = jnp.sqrt(mean((y - centre) ** 2, weights))
    floor = 8 * jnp.finfo(y.dtype).eps * jnp.max(jnp.abs(y) * (weights > 0))
    spread = jnp.where(spread > floor, spread, jnp.where(floor > 0, floor, 1))
    return centre * size, legal_positive(spread * size)


def positive_mean(x: Any, weights: Any) -> Any:
    """Mean of positive data; 1 when there is none."""
    size = jnp.max(x * (weights > 0))
    size = jnp.where(size > 0, size, 1)
    centre = mean(x / size, weights)
    return legal_positive(jnp.where(centre > 0, centre, 1) * size)


def legal_positive(x: Any) -> Any:
    """Keeps a positive number finite and above the smallest normal one."""
    info = jnp.finfo(x.dtype)
    return jnp.clip(x, float(info.tiny), float(info.max))


def log_moments(x: Any, weights: Any) -> tuple[Any, Any]:
    """Mean and standard deviation of log x, x > 0; rows of weight 0 hold a dummy."""
    logs = jnp.log(jnp.where(weights > 0, x, 1))
    centre = mean(logs, weights)
    return centre, jnp.sqrt(mean((logs - centre) ** 2, weights))
