"""Weibull distribution of lifetimes whose hazard rises or falls.

Parameters: `shape` > 0, below 1 for a falling hazard; `scale` > 0, the 63.2 % point.

>>> from jaxmle import distributions
>>> round(float(distributions.weibull.logpdf({"scale": 3.0, "shape": 1.7}, 3.0)), 3)
-1.568
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxmle import spaces, special
from jaxmle.distributions.base import quantiles, weighted_moments
from jaxmle.distributions.base.constants import EULER, GUMBEL_DEVIATION
from jaxmle.distributions.base.distribution import Distribution
from jaxmle.distributions.base.information import information_matrix
from jaxmle.distributions.base.log_ratio import log_of, log_ratio
from jaxmle.distributions.base.overflow import below_overflow
from jaxmle.distributions.base.support import extended, is_positive, within
from jaxmle.distributions.base.types import Params, Shape
from jaxmle.model.geometry import Geometry
from jaxmle.special.elementary import floating


def _log_cumulative_hazard(params: Params, x: Array) -> Array:
    """Compute the logarithm of the cumulative hazard (x / scale)^shape, x > 0."""
    return params["shape"] * log_ratio(x, params["scale"])


def _logpdf(params: Params, x: Array) -> Array:
    x, shape = floating(x), params["shape"]
    inside = is_positive(x)
    kept = within(inside, x, 1)
    v = _log_cumulative_hazard(params, kept)
    value = jnp.log(shape) - log_of(kept, params["scale"]) + v - jnp.exp(v)
    return jnp.where(inside, value, -jnp.inf)


def _logcdf(params: Params, x: Array) -> Array:
    x = floating(x)
    inside = is_positive(x)
    value = special.log1mexpexp(below_overflow(_log_cumulative_hazard(params, within(inside, x, 1))))
    return extended(inside, x, value, -jnp.inf, 0.0)


def _logsf(params: Params, x: Array) -> Array:
    x = floating(x)
    inside = is_positive(x)
    return extended(inside, x, -jnp.exp(_log_cumulative_hazard(params, within(inside, x, 1))), 0.0, -jnp.inf)


def _quantile(params: Params, q: Array) -> Array:
    return params["scale"] * (-jnp.log1p(-quantiles.legal_probability(q))) ** (1 / params["shape"])


def _sample(key: Array, params: Params, shape: Shape = ()) -> Array:
    k = floating(params["shape"])
    return params["scale"] * jax.random.exponential(key, shape, k.dtype) ** (1 / k)


def _start(x: Array, weights: Array) -> dict[str, Array]:
    # The log of a Weibull is a Gumbel of minima: sd(log x) = pi / (sqrt(6) shape) = 1.28 / shape, mean = log scale - euler / shape.
    x, weights = weighted_moments.usable_rows(x, weights, is_positive(x))
    center, spread = weighted_moments.log_moments(x, weights)
    shape = GUMBEL_DEVIATION / jnp.clip(spread, 1e-6, 1e6)
    return {"scale": weighted_moments.legal_positive(jnp.exp(center + EULER / shape)), "shape": shape}


def _information(params: Params, x: Array) -> Array:
    shape, scale = params["shape"], params["scale"]
    cross = -(1 - EULER) / scale
    last = (np.pi**2 / 6 + (1 - EULER) ** 2) / shape**2
    return information_matrix(x, [[(shape / scale) ** 2, cross], [cross, last]])


def _mean(params: Params) -> Array:
    return params["scale"] * jnp.exp(special.gammaln(1 + 1 / floating(params["shape"])))


weibull = Distribution(
    name="weibull",
    logpdf=_logpdf,
    logcdf=_logcdf,
    logsf=_logsf,
    quantile=_quantile,
    sample=_sample,
    support=is_positive,
    space={"scale": spaces.positive, "shape": spaces.positive},
    start=_start,
    mean=_mean,
    geometry=Geometry(information=_information),
    doc="""Weibull: density (shape / scale) (x / scale)^(shape - 1) exp(-(x / scale)^shape), x > 0.

    Lifetimes whose hazard rises (shape > 1) or falls (shape < 1); scale is the 63.2 % point. Mean
    scale Gamma(1 + 1/shape). Meeker & Escobar 1998, *Statistical Methods for Reliability Data*, section 4.8.""",
)
