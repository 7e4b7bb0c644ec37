"""Categorical distribution of one choice a row among k categories.

Parameters: `probability`, k shares that sum to 1.

>>> import jax.numpy as jnp
>>> from jaxmle import distributions
>>> round(float(distributions.categorical(3).logpdf({"probability": jnp.array([0.2, 0.5, 0.3])}, 1.0)), 3)
-0.693
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxmle import spaces
from jaxmle.distributions.base import weighted_moments
from jaxmle.distributions.base.distribution import Distribution, sized
from jaxmle.distributions.base.support import is_count
from jaxmle.distributions.base.types import Params, Shape
from jaxmle.distributions.base.weighted_moments import interior_shares
from jaxmle.model.geometry import Geometry
from jaxmle.special.elementary import floating


def _is_category(k: int) -> Callable[[Any], Array]:
    """Make the support of k categories, `(x) -> bool[n]`."""
    return lambda x: is_count(x) & (floating(x) < k)


def _logpdf(params: Params, x: Array) -> Array:
    p, x = params["probability"], floating(x)
    inside = _is_category(p.shape[-1])(x)
    return jnp.where(inside, jnp.log(p)[jnp.where(inside, x, 0).astype(int)], -jnp.inf)


def _cumulative(params: Params, x: Array, upper: bool) -> Array:
    """Sum the probabilities of the categories beyond x, if `upper`, or up to it, to a logarithm."""
    p, x = params["probability"], floating(x)[..., None]
    categories = jnp.arange(p.shape[-1])
    chosen = (categories > x) if upper else (categories <= x)
    total = jnp.sum(jnp.where(chosen, p, 0), -1)
    value = jnp.where(total > 0, jnp.log(jnp.where(total > 0, total, 1)), -jnp.inf)
    return jnp.where(jnp.isnan(x[..., 0]), jnp.nan, value)


def _quantile(params: Params, q: Array) -> Array:
    q = floating(q)
    below = jnp.cumsum(params["probability"])[:-1] < q[..., None] * (1 - 8 * jnp.finfo(q.dtype).eps)
    return jnp.where((q >= 0) & (q <= 1), jnp.sum(below, -1).astype(q.dtype), jnp.nan)


def _sample(key: Array, params: Params, shape: Shape = ()) -> Array:
    p = floating(params["probability"])
    return jax.random.categorical(key, jnp.log(p), shape=shape).astype(p.dtype)


def _tally(k: int) -> Callable[[Any, Any], Array]:
    """Make the function from categories and weights to the weight in each, f[k]."""

    def counts(x: Array, weights: Array) -> Array:
        x, weights = weighted_moments.usable_rows(x, weights, _is_category(k)(x))
        return jnp.sum(jnp.where(x[:, None] == jnp.arange(k), weights[:, None], 0), 0)

    return counts


@sized
def categorical(k: int) -> Distribution:
    """Make the distribution of one of k categories, numbered 0, ..., k - 1.

    >>> from jaxmle import distributions, fit
    >>> fit(distributions.categorical(3), [0, 1, 1, 2]).params["probability"].round(9)
    array([0.25, 0.5 , 0.25])
    """
    tally = _tally(k)
    return Distribution(
        name=f"categorical({k})",
        logpdf=_logpdf,
        logcdf=lambda params, x: _cumulative(params, x, False),
        logsf=lambda params, x: _cumulative(params, x, True),
        quantile=_quantile,
        sample=_sample,
        support=_is_category(k),
        space={"probability": spaces.simplex(k)},
        start=lambda x, weights: {"probability": interior_shares(tally(x, weights))},
        discrete=True,
        geometry=Geometry(maximum=lambda x, weights: {"probability": (c := tally(x, weights)) / jnp.sum(c)}),
        doc="""Categorical: mass probability[x], x = 0, ..., k - 1.

        One choice a row. The maximum are the shares; an empty category has its maximum on the boundary.
        Johnson, Kotz & Balakrishnan, *Discrete Multivariate Distributions*, chapter 35.""",
    )
