"""Counts of k categories: what multinomial and Dirichlet-multinomial share."""

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxmle import special
from jaxmle.distributions.base.support import is_count
from jaxmle.distributions.base.types import Rows, Shape
from jaxmle.distributions.base.weighted_moments import usable_vectors
from jaxmle.special.elementary import floating


def counts_support(x: Rows) -> Array:
    """Test rows {"counts", "trials"} for counts that sum to the trials, bool[n]."""
    counts = floating(x["counts"])
    return jnp.all(is_count(counts), -1) & (jnp.sum(counts, -1) == floating(x["trials"]))


def legal_counts(x: Rows) -> tuple[Array, Array, Array]:
    """Split rows {"counts", "trials"}: which are possible, counts [n, k] with 0 for others, log of the number of orders."""
    inside = counts_support(x)
    counts = jnp.where(inside[..., None], floating(x["counts"]), 0)
    ways = special.gammaln(jnp.sum(counts, -1) + 1) - jnp.sum(special.gammaln(counts + 1), -1)
    return inside, counts, ways


def multinomial_draw(key: Array, p: Array, shape: Shape, trials: ArrayLike) -> Array:
    """Draw multinomial counts at probabilities p [..., k], category after category, each a binomial share of what is left."""
    left = jnp.broadcast_to(floating(trials), shape).astype(p.dtype)
    rest = jnp.flip(jnp.cumsum(jnp.flip(p, -1), -1), -1)
    drawn = []
    for j in range(p.shape[-1] - 1):
        key, now = jax.random.split(key)
        chance = jnp.broadcast_to(jnp.clip(p[..., j] / rest[..., j], 0, 1), shape)
        drawn.append(jax.random.binomial(now, left, chance, shape, dtype=p.dtype))
        left = left - drawn[-1]
    return jnp.stack([*drawn, left], -1)


def category_totals(x: Rows, weights: Array) -> Array:
    """Sum the counts of rows {"counts", "trials"} by weights, f[k]."""
    counts, weights = usable_vectors(x["counts"], weights, counts_support(x))
    return jnp.sum(counts * weights[:, None], 0)
