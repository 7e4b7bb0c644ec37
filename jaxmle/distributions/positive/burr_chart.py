"""Chart of Burr's distributions in y = log x: what Burr XII and the generalized logistic (of -y) share.

The coordinates u are log scale, log shape1 and log shape2 of a Burr XII distribution of e^y.
"""

import jax
import jax.numpy as jnp
from jax import Array

from jaxmle.distributions.base import weighted_moments
from jaxmle.distributions.base.overflow import LARGEST_LOG
from jaxmle.distributions.positive.power_limits import gumbel_maximum
from jaxmle.model.geometry import Coordinates

Anchor = tuple[Array, Array]


def anchor(y: Array, weights: Array, inside: Array) -> Anchor:
    """Find the least of the rows y that are `inside`, and the weighted mean distance of y from there."""
    least = weighted_moments.ends(y, inside)[0]
    least = jnp.where(jnp.isfinite(least), least, 0)
    y, weights = weighted_moments.usable_rows(y, weights, inside)
    return least, weighted_moments.mean(jnp.where(weights > 0, jnp.abs(y - least), 0), weights)


def _terms(v: Coordinates) -> tuple[Array, Array, Array]:
    """Compute terms of the log-likelihood from chart coordinates v.

    log shape2, log shape1, and how far from the least row to the mean of y the place lies that v of scale refers to.
    """
    size = jnp.clip(v["shape2"], -LARGEST_LOG, LARGEST_LOG)
    return size, v["shape1"] + jax.nn.softplus(-2 - size), jax.nn.log_sigmoid(2 * size + 4)


def contributions(v: Coordinates, y: Array, at: Anchor) -> Array:
    """Compute the log-density of y in log shape2, log(shape1 shape2 / (shape2 + e^-2)) and log(shape2 z^shape1) at a place.

    All keep finite but the first. For shape2 -> infinity the distribution of e^y is Weibull, of shape shape1; the place is
    the mean of y. For shape2 -> 0 it is Pareto from the least row on, the place, of shape shape1 shape2. With
    w = shape1 log z there, e^-w + n shape2 w is lost of that limit: least where w is -log(n shape2).
    """
    (size, steep, share), (least, mean) = _terms(v), at
    w = v["scale"] - size - mean * jnp.exp(steep + share) + jnp.exp(steep) * (y - least)
    return size + steep - jax.nn.softplus(-w) - jnp.exp(size) * jax.nn.softplus(w)


def outward(v: Coordinates, at: Anchor) -> dict[str, Array]:
    """Map chart coordinates v to u."""
    size, steep, share = _terms(v)
    scale = at[0] + at[1] * jnp.exp(share) - (v["scale"] - size) * jnp.exp(-steep)
    shape1 = v["shape1"] + jax.nn.softplus(-2 - v["shape2"])
    return {"scale": jnp.where(v["shape2"] > LARGEST_LOG, jnp.inf, scale), "shape1": shape1, "shape2": v["shape2"]}


def inward(u: Coordinates, at: Anchor) -> dict[str, Array]:
    """Map u to chart coordinates."""
    size, _, share = _terms(u)
    w = jnp.exp(u["shape1"]) * (at[0] + at[1] * jnp.exp(share) - u["scale"])
    return {"scale": w + size, "shape1": u["shape1"] - jax.nn.softplus(-2 - size), "shape2": u["shape2"]}


def limits(y: Array, weights: Array, at: Anchor) -> list[dict[str, Array]]:
    """List the suprema at infinity in v: Pareto and Weibull of e^y."""
    least, mean = at
    a, b = gumbel_maximum(y, weights)
    pareto = {"scale": 0 * mean, "shape1": 2 - jnp.log(mean), "shape2": -jnp.inf + 0 * mean}
    return [pareto, {"scale": a * (least + mean) - b, "shape1": jnp.log(a), "shape2": jnp.inf + 0 * mean}]
