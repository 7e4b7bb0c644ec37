"""Uniform distribution of rounding errors and random phases.

Parameters: `lower` and `upper`, the ends.

>>> from jaxmle import distributions
>>> round(float(distributions.uniform.logpdf({"lower": -1.0, "upper": 2.5}, 1.0)), 3)
-1.253
"""

import jax
import jax.numpy as jnp
from jax import Array

from jaxmle import spaces
from jaxmle.distributions.base import quantiles, weighted_moments
from jaxmle.distributions.base.distribution import Distribution
from jaxmle.distributions.base.support import is_finite
from jaxmle.distributions.base.types import Params, Shape
from jaxmle.model.geometry import Geometry
from jaxmle.special.elementary import floating


def _share(params: Params, x: Array) -> Array:
    low, high = params["lower"], params["upper"]
    return (jnp.clip(x, low, high) - low) / (high - low)


def _logpdf(params: Params, x: Array) -> Array:
    x = floating(x)
    inside = (x >= params["lower"]) & (x <= params["upper"])
    return jnp.where(inside, -jnp.log(params["upper"] - params["lower"]), -jnp.inf)


def _logcdf(params: Params, x: Array) -> Array:
    share = _share(params, floating(x))
    return jnp.where(share <= 0, -jnp.inf, jnp.log(jnp.where(share <= 0, 1, share)))


def _logsf(params: Params, x: Array) -> Array:
    return _logcdf({"lower": -params["upper"], "upper": -params["lower"]}, -floating(x))


def _quantile(params: Params, q: Array) -> Array:
    return params["lower"] + (params["upper"] - params["lower"]) * quantiles.legal_probability(q)


def _sample(key: Array, params: Params, shape: Shape = ()) -> Array:
    low, high = floating(params["lower"]), floating(params["upper"])
    return low + (high - low) * jax.random.uniform(key, shape or low.shape, low.dtype)


def _maximum(x: Array, weights: Array) -> dict[str, Array]:
    x, weights = weighted_moments.usable_rows(x, weights, True)
    low, high = weighted_moments.ends(x, weights > 0)
    some = jnp.isfinite(low)
    return {"lower": jnp.where(some, low, 0), "upper": jnp.where(some, high, 1)}


def _mean(p: Params) -> Array:
    return 0.5 * (floating(p["lower"]) + p["upper"])


uniform = Distribution(
    name="uniform",
    logpdf=_logpdf,
    logcdf=_logcdf,
    logsf=_logsf,
    quantile=_quantile,
    sample=_sample,
    support=is_finite,
    space={"lower": spaces.real, "upper": spaces.real},
    start=_maximum,
    mean=_mean,
    geometry=Geometry(maximum=_maximum, regularity="edge"),
    doc="""Uniform: density 1 / (upper - lower), lower <= x <= upper.

    Rounding errors, random phases. Mean (lower + upper) / 2, variance (upper - lower)^2 / 12. The maximum is the least and
    the greatest x, at the edges of the data: no standard errors.
    Johnson, Kotz & Balakrishnan, *Continuous Univariate Distributions* 2, chapter 26.""",
)
