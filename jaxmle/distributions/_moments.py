"""Weighted moments for starts: rows of weight 0 have no influence, units do not matter, nothing overflows."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxmle.special.elementary import floating


def usable(x: Any, weights: Any, inside: Any) -> tuple[Any, Any]:
    """x and weights with rows of weight 0, illegal rows and non-finite rows neutralized (0 and weight 0)."""
    x, weights = floating(x), floating(weights)
    keep = (weights > 0) & inside & jnp.isfinite(x)
    return jnp.where(keep, x, 0), jnp.where(keep, weights, 0)


def ends(x: Any, inside: Any) -> tuple[Any, Any]:
    """Least and greatest of the rows that are `inside`; infinity and minus infinity where there is none."""
    return jnp.min(jnp.where(inside, x, jnp.inf)), jnp.max(jnp.where(inside, x, -jnp.inf))


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


def in_order(x: Any, weights: Any) -> tuple[Any, ...]:
    """x and weights in the order of x; rows of weight 0 are infinite and come last."""
    return jax.lax.sort([jnp.where(weights > 0, x, jnp.inf), weights], num_keys=1)


def least(x: Any, inside: Any) -> Any:
    """The least of the rows that are `inside`; 0 for none."""
    found = jnp.min(jnp.where(inside, x, jnp.inf))
    return jnp.where(jnp.isfinite(found), found, 0)


def quantiles(x: Any, weights: Any, *levels: float) -> list[Any]:
    """Weighted quantiles: the least value with at least that share of the weight at or below it."""
    x, weights = in_order(x, weights)
    share, whole = jnp.cumsum(weights), (1 - 1e-13) * jnp.sum(weights)  # a share that is met stays so when rounded
    return [least(x, share >= q * whole) for q in levels]


def middle_half(x: Any, weights: Any) -> tuple[Any, Any]:
    """Median and half the distance of the quartiles, which is never 0 (see `location_scale`)."""
    low, centre, high = quantiles(x, weights, 0.25, 0.5, 0.75)
    _, spread = location_scale(x, weights)
    half = 0.5 * high - 0.5 * low
    return centre, legal_positive(jnp.where(half > 0, half, spread))


def skewness(x: Any, weights: Any) -> Any:
    """Third standardized moment."""
    loc, scale = location_scale(x, weights)
    return mean(jnp.where(weights > 0, (x - loc) / scale, 0) ** 3, weights)


def l_moments(x: Any, weights: Any) -> tuple[Any, Any, Any]:
    """Mean, second L-moment and L-skewness of the weighted sample (Hosking 1990, *JRSS B* 52, 105-124)."""
    loc, scale = location_scale(x, weights)
    z, weights = in_order((x - loc) / scale, weights)
    z, whole = jnp.where(weights > 0, z, 0), jnp.sum(weights)
    share = weights / jnp.where(whole > 0, whole, 1)
    above = jnp.cumsum(share)
    below = above - share
    b = [jnp.sum(z * (above ** (r + 1) - below ** (r + 1))) / (r + 1) for r in range(3)]
    second = 2 * b[1] - b[0]
    second = jnp.where(second > 1e-6, second, 0.56)
    third = (6 * b[2] - 6 * b[1] + b[0]) / second
    return loc, second * scale, jnp.clip(third, -0.9, 0.9)


def root_mean_square(x: Any, weights: Any) -> Any:
    """Square root of the mean of x^2; 1 when all are 0."""
    size = jnp.max(jnp.abs(x) * (weights > 0))
    size = jnp.where(size > 0, size, 1)
    square = mean((x / size) ** 2, weights)
    return legal_positive(jnp.sqrt(jnp.where(square > 0, square, 1)) * size)


def gamma_shape(x: Any, weights: Any) -> Any:
    """Shape of a gamma law from s = log(mean x) - mean(log x) (Minka 2002, "Estimating a gamma distribution")."""
    centre = positive_mean(x, weights)
    s = jnp.log(centre) - mean(jnp.log(jnp.where(weights > 0, x, 1)), weights)  # logs that the likelihood has too
    s = jnp.clip(s, 1e-12, 1e6)
    return (3 - s + jnp.sqrt((s - 3) ** 2 + 24 * s)) / (12 * s)


def by_table(x: Any, at: np.ndarray, values: np.ndarray) -> Any:
    """`numpy.interp(x, at, values)` for one x, without an index: straight lines between the values, and flat beyond."""
    gaps = np.diff(at)
    past = jnp.clip(x - at[:-1].astype(x.dtype), 0, gaps.astype(x.dtype))
    return values[:1].astype(x.dtype)[0] + jnp.sum((np.diff(values) / gaps).astype(x.dtype) * past)
