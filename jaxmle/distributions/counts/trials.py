"""Successes in trials: what Bernoulli, binomial, geometric and beta-binomial share."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxmle import spaces
from jaxmle.distributions.base.support import is_count
from jaxmle.distributions.base.types import Params, Rows
from jaxmle.special.elementary import floating

PROBABILITY_SPACE = {"probability": spaces.interval(0.0, 1.0)}


def _interior(probability: Array) -> Array:
    """Clip probabilities to the open interval (0, 1)."""
    return jnp.clip(probability, 1e-12, 1 - jnp.finfo(probability.dtype).eps)


def interior_share(successes: Array, trials: Array) -> dict[str, Array]:
    """Estimate a probability as successes / trials, inside its space: half a success or failure stands where there is none."""
    half = jnp.where(trials > 0, 0.5, 0.0)
    interior = (successes > 0) & (successes < trials)
    shrunk = (successes + half) / jnp.where(trials > 0, trials + 2 * half, 1)
    share = jnp.where(interior, successes / jnp.where(trials > 0, trials, 1), shrunk)
    return {"probability": _interior(jnp.where(trials > 0, share, 0.5))}


def binomial_support(x: Rows) -> Array:
    """Test rows {"successes", "trials"} for whole numbers with 0 <= successes <= trials, bool[n]."""
    successes, trials = floating(x["successes"]), floating(x["trials"])
    return is_count(successes) & is_count(trials) & (successes <= trials)


def binomial_quantile(logcdf: Callable[[Params, Rows], Array], params: Params, q: Array, trials: ArrayLike) -> Array:
    """Search the least k in 0, ..., trials with P(X <= k) >= q."""
    q, trials = jnp.broadcast_arrays(floating(q), floating(trials))
    level = jnp.log(q) - 8 * jnp.finfo(q.dtype).eps

    def halve(_: Array, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = ends
        middle = jnp.floor(0.5 * (low + high))
        below = logcdf(params, {"successes": middle, "trials": trials}) < level
        return jnp.where(below, middle, low), jnp.where(below, high, middle)

    _, high = jax.lax.fori_loop(0, 52, halve, (jnp.full_like(q, -1), trials))
    return jnp.where((q >= 0) & (q <= 1), high, jnp.nan)


def binomial_sums(x: Rows, weights: Array) -> tuple[Array, Array]:
    """Sum the successes and the trials of rows {"successes", "trials"} by weights."""
    weights = floating(weights)
    keep = (weights > 0) & binomial_support(x)
    successes = jnp.sum(jnp.where(keep, weights * jnp.where(keep, floating(x["successes"]), 0), 0))
    return successes, jnp.sum(jnp.where(keep, weights * jnp.where(keep, floating(x["trials"]), 0), 0))


def binomial_start(x: Rows, weights: Array) -> dict[str, Array]:
    """Estimate the probability from rows {"successes", "trials"}, inside its space."""
    return interior_share(*binomial_sums(x, weights))
