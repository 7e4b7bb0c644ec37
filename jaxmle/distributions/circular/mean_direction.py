"""Mean direction and resultant length of a weighted sample of angles."""

import jax.numpy as jnp
from jax import Array

from jaxmle.distributions.base import weighted_moments


def mean_direction(x: Array, weights: Array) -> tuple[Array, Array]:
    """Compute the mean direction of weighted angles x, and 1 - R, one minus the mean resultant length, without cancellation."""
    x, weights = weighted_moments.usable_rows(x, weights, True)
    loc = jnp.arctan2(weighted_moments.mean(jnp.sin(x), weights), weighted_moments.mean(jnp.cos(x), weights))
    return loc, jnp.clip(weighted_moments.mean(2 * jnp.sin(0.5 * (x - loc)) ** 2, weights), 1e-14, 1)
