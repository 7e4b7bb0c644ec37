"""Weighted moments for starts: rows of weight 0 have no influence, units do not matter, nothing overflows."""

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxmle.distributions.base.log_ratio import log_quotient, log_rows
from jaxmle.special.elementary import floating


def usable_rows(x: Array, weights: Array, inside: ArrayLike) -> tuple[Array, Array]:
    """Neutralize rows of weight 0, illegal and non-finite rows: x and weights with 0 in their places."""
    x, weights = floating(x), floating(weights)
    keep = (weights > 0) & inside & jnp.isfinite(x)
    return jnp.where(keep, x, 0), jnp.where(keep, weights, 0)


def ends(x: Array, inside: Array) -> tuple[Array, Array]:
    """Find the least and the greatest of the rows that are `inside`; infinity and minus infinity where there is none."""
    return jnp.min(jnp.where(inside, x, jnp.inf)), jnp.max(jnp.where(inside, x, -jnp.inf))


def mean(x: Array, weights: Array) -> Array:
    """Average the rows x by weights; 0 for no rows."""
    total = jnp.sum(weights)
    return jnp.sum(x * weights) / jnp.where(total > 0, total, 1)


def location_scale(x: Array, weights: Array) -> tuple[Array, Array]:
    """Compute the weighted mean and root mean square deviation of x, in two passes and in units of the largest |x|.

    Deviations are from the mean as it is rounded: that is the mean which the likelihood has. The scale is never 0: constant
    data get a few units in the last place of their size, or 1 when all are 0.
    """
    size = jnp.max(jnp.abs(x) * (weights > 0))
    size = jnp.where(size > 0, size, 1)
    loc = mean(x / size, weights) * size
    # Halves, whose differences do not overflow.
    loc = loc + 2 * size * mean((0.5 * x - 0.5 * loc) / size, weights)
    spread = 2 * jnp.sqrt(mean(((0.5 * x - 0.5 * loc) / size) ** 2, weights))
    floor = 8 * jnp.finfo(x.dtype).eps * jnp.max(jnp.abs(x / size) * (weights > 0))
    spread = jnp.where(spread > floor, spread, jnp.where(floor > 0, floor, 1))
    return loc, legal_positive(spread * size)


def positive_mean(x: Array, weights: Array) -> Array:
    """Average positive rows x by weights, without overflow; 1 for no rows."""
    size = jnp.max(x * (weights > 0))
    size = jnp.where(size > 0, size, 1)
    center = mean(x / size, weights)
    return legal_positive(jnp.where(center > 0, center, 1) * size)


def legal_positive(x: Array) -> Array:
    """Clip positive numbers x to the finite normal ones."""
    info = jnp.finfo(x.dtype)
    return jnp.clip(x, float(info.tiny), float(info.max))


def log_moments(x: Array, weights: Array) -> tuple[Array, Array]:
    """Compute the weighted mean and standard deviation of log x, x > 0; rows of weight 0 hold a dummy."""
    rows, c = log_rows(jnp.where(weights > 0, x, 1))
    center = mean(rows, weights)
    return center + jnp.log(c), jnp.sqrt(mean((rows - center) ** 2, weights))


def in_order(x: Array, weights: Array) -> tuple[Array, ...]:
    """Sort x and weights by x; rows of weight 0 become infinite and come last."""
    return jax.lax.sort([jnp.where(weights > 0, x, jnp.inf), weights], num_keys=1)


def least_of(x: Array, inside: Array) -> Array:
    """Find the least of the rows that are `inside`; 0 for none."""
    found = jnp.min(jnp.where(inside, x, jnp.inf))
    return jnp.where(jnp.isfinite(found), found, 0)


def quantiles(x: Array, weights: Array, *levels: float) -> list[Array]:
    """Compute the weighted quantiles of x at levels: the least row with at least that share of the weight at or below it."""
    x, weights = in_order(x, weights)
    share, whole = jnp.cumsum(weights), (1 - 1e-13) * jnp.sum(weights)  # a share that is met stays so when rounded
    return [least_of(x, share >= q * whole) for q in levels]


def middle_half(x: Array, weights: Array) -> tuple[Array, Array]:
    """Compute the weighted median of x and half the distance of its quartiles, which is never 0 (see `location_scale`)."""
    low, center, high = quantiles(x, weights, 0.25, 0.5, 0.75)
    _, spread = location_scale(x, weights)
    half = 0.5 * high - 0.5 * low
    return center, legal_positive(jnp.where(half > 0, half, spread))


def skewness(x: Array, weights: Array) -> Array:
    """Compute the weighted skewness of x, its third standardized moment."""
    loc, scale = location_scale(x, weights)
    return mean(jnp.where(weights > 0, (x - loc) / scale, 0) ** 3, weights)


def l_moments(x: Array, weights: Array) -> tuple[Array, Array, Array]:
    """Compute the mean, the second L-moment and the L-skewness of a weighted sample (Hosking 1990, *JRSS B* 52, 105-124)."""
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


def root_mean_square(x: Array, weights: Array) -> Array:
    """Compute the square root of the weighted mean of x^2; 1 when all are 0."""
    size = jnp.max(jnp.abs(x) * (weights > 0))
    size = jnp.where(size > 0, size, 1)
    square = mean((x / size) ** 2, weights)
    return legal_positive(jnp.sqrt(jnp.where(square > 0, square, 1)) * size)


def gamma_shape(x: Array, weights: Array) -> Array:
    """Estimate the shape of a gamma distribution from weighted rows x > 0.

    From s = log(mean x) - mean(log x) (Minka 2002, "Estimating a gamma distribution").
    """
    center = positive_mean(x, weights)
    rows, c = log_rows(jnp.where(weights > 0, x, 1))  # logarithms that the likelihood has too
    s = log_quotient(center, c) - mean(rows, weights)
    s = jnp.clip(s, 1e-12, 1e6)
    return (3 - s + jnp.sqrt((s - 3) ** 2 + 24 * s)) / (12 * s)


def count_mean(x: Array, weights: Array) -> tuple[Array, Array]:
    """Average counts x by weights, half an event in all standing for none, so that the mean is positive; also the total weight."""
    total = jnp.sum(weights)
    total = jnp.where(total > 0, total, 1)
    center = mean(x, weights)
    return legal_positive(jnp.where(center > 0, center, 0.5 / total)), total


def usable_vectors(x: Array, weights: Array, inside: Array) -> tuple[Array, Array]:
    """Neutralize illegal rows and rows of weight 0 of x [n, k]: x and weights with 0 in their places."""
    x, weights = floating(x), floating(weights)
    keep = (weights > 0) & inside
    return jnp.where(keep[:, None], x, 0), jnp.where(keep, weights, 0)


def interior_shares(counts: Array) -> Array:
    """Divide counts [k] by their sum, half a count added to each where one is empty, to stay inside the space."""
    counts = jnp.where(jnp.all(counts > 0), counts, counts + 0.5)
    return counts / jnp.sum(counts)
