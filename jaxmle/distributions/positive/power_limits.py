"""Limits of a distribution raised to a power: what Burr XII and exponentiated Weibull share.

The survival function of Burr XII is a log-logistic's, the distribution function of the other a Weibull's, to a power. With w = shape log(x / scale) and the power fixed, each log-likelihood is concave in w's slope and offset. It has two limits
in all samples, one as the power grows and one as it vanishes, and at most a few maxima between them. The second is a power
law whose end is an observation, and always a local supremum; the ascent is charted through both.
"""

import jax
import jax.numpy as jnp
from jax import Array

from jaxmle.distributions.base import weighted_moments
from jaxmle.distributions.base.support import is_positive


def log_rows(x: Array, inside: Array) -> Array:
    """Take the logarithm of the rows x that are `inside`; 0 for others."""
    return jnp.log(jnp.where(inside, x, 1))


def log_end(x: Array, weights: Array) -> tuple[Array, Array]:
    """Find the greatest of log x, and the weighted mean distance of log x from there."""
    inside = is_positive(x)
    end = weighted_moments.ends(log_rows(x, inside), inside)[1]
    end = jnp.where(jnp.isfinite(end), end, 0)
    x, weights = weighted_moments.usable_rows(x, weights, inside)
    return end, weighted_moments.mean(jnp.where(weights > 0, jnp.abs(log_rows(x, weights > 0) - end), 0), weights)


def gumbel_maximum(z: Array, weights: Array) -> tuple[Array, Array]:
    """Maximize the likelihood of a Gumbel distribution of minima: slope a and offset b, exp(a z - b) standard exponential."""
    top = jnp.max(jnp.where(weights > 0, z, -jnp.inf))
    y = jnp.where(weights > 0, z - top, 0)
    center, spread = weighted_moments.location_scale(y, weights)

    def improved(_: Array, a: Array) -> Array:
        e = weights * jnp.exp(a * y)
        mean = jnp.sum(e * y) / jnp.sum(e)
        slope = a * (center - mean)
        curve = a**2 * jnp.sum(e * (y - mean) ** 2) / jnp.sum(e) - slope
        return a * jnp.exp(jnp.clip((1 + slope) / curve, -1, 1))

    a = jax.lax.fori_loop(0, 12, improved, 1 / spread)  # in log a; 8 were the most that any of 1600 samples needed
    return a, jnp.log(weighted_moments.mean(jnp.exp(a * y), weights)) + a * top
