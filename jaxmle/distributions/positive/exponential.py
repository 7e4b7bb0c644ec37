"""Exponential distribution of waiting times without memory.

Parameters: `rate` > 0, the hazard.

>>> from jaxmle import distributions
>>> round(float(distributions.exponential.logpdf({"rate": 0.7}, 3.0)), 3)
-2.457
"""

import jax
import jax.numpy as jnp
from jax import Array

from jaxmle import spaces, special
from jaxmle.distributions.base import quantiles, weighted_moments
from jaxmle.distributions.base.distribution import Distribution
from jaxmle.distributions.base.information import information_matrix
from jaxmle.distributions.base.support import extended, is_nonnegative, is_positive, within
from jaxmle.distributions.base.types import Params, Shape
from jaxmle.model.geometry import Geometry
from jaxmle.special.elementary import floating


def _logpdf(params: Params, x: Array) -> Array:
    x, rate = floating(x), params["rate"]
    inside = is_nonnegative(x)
    return jnp.where(inside, jnp.log(rate) - rate * within(inside, x, 1), -jnp.inf)


def _logcdf(params: Params, x: Array) -> Array:
    x, rate = floating(x), params["rate"]
    inside = is_positive(x)
    value = special.log1mexpexp(jnp.log(rate) + jnp.log(within(inside, x, 1)))
    return extended(inside, x, value, -jnp.inf, 0.0)


def _logsf(params: Params, x: Array) -> Array:
    x, rate = floating(x), params["rate"]
    inside = is_positive(x)
    return extended(inside, x, -rate * within(inside, x, 1), 0.0, -jnp.inf)


def _quantile(params: Params, q: Array) -> Array:
    return -jnp.log1p(-quantiles.legal_probability(q)) / params["rate"]


def _sample(key: Array, params: Params, shape: Shape = ()) -> Array:
    rate = floating(params["rate"])
    return jax.random.exponential(key, shape, rate.dtype) / rate


def _start(x: Array, weights: Array) -> dict[str, Array]:
    x, weights = weighted_moments.usable_rows(x, weights, is_nonnegative(x))
    return {"rate": weighted_moments.legal_positive(1 / weighted_moments.positive_mean(x, weights))}


def _information(params: Params, x: Array) -> Array:
    return information_matrix(x, [[params["rate"] ** -2.0]])


def _mean(params: Params) -> Array:
    return 1 / floating(params["rate"])


exponential = Distribution(
    name="exponential",
    logpdf=_logpdf,
    logcdf=_logcdf,
    logsf=_logsf,
    quantile=_quantile,
    sample=_sample,
    support=is_nonnegative,
    space={"rate": spaces.positive},
    start=_start,
    mean=_mean,
    geometry=Geometry(maximum=_start, information=_information),
    doc="""Exponential: density rate exp(-rate x), x >= 0.

    Waiting times without memory: constant hazard `rate`. Mean 1/rate, variance 1/rate^2; the maximum is
    rate = n / sum x. Johnson, Kotz & Balakrishnan, *Continuous Univariate Distributions* 1, chapter 19.""",
)
