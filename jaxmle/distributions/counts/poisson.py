"""Poisson distribution of counts of independent events.

Parameters: `mean` > 0, which is the variance, too.

>>> from jaxmle import distributions
>>> round(float(distributions.poisson.logpdf({"mean": 3.5}, 3.0)), 3)
-1.533
"""

import jax
import jax.numpy as jnp
from jax import Array

from jaxmle import spaces, special
from jaxmle.distributions.base import quantiles, weighted_moments
from jaxmle.distributions.base.discrete_cdf import floored, step_function
from jaxmle.distributions.base.distribution import Distribution
from jaxmle.distributions.base.information import information_matrix
from jaxmle.distributions.base.support import is_count, within
from jaxmle.distributions.base.types import Params, Shape
from jaxmle.distributions.base.weighted_moments import count_mean
from jaxmle.model.geometry import Geometry
from jaxmle.special.elementary import floating


def _logpdf(params: Params, x: Array) -> Array:
    x, mean = floating(x), params["mean"]
    inside = is_count(x)
    x = within(inside, x, 0)
    return jnp.where(inside, special.xlogy(x, mean) - mean - special.gammaln(x + 1), -jnp.inf)


def _logcdf(params: Params, x: Array) -> Array:
    x, mean = floating(x), floating(params["mean"])
    zero = mean == 0
    value = special.log_gammaincc(floored(x) + 1, jnp.where(zero, 1, mean))
    return step_function(x, jnp.where(zero, 0, value), -jnp.inf, 0.0)


def _logsf(params: Params, x: Array) -> Array:
    x, mean = floating(x), floating(params["mean"])
    zero = mean == 0
    value = special.log_gammainc(floored(x) + 1, jnp.where(zero, 1, mean))
    return step_function(x, jnp.where(zero, -jnp.inf, value), 0.0, -jnp.inf)


def _quantile(params: Params, q: Array) -> Array:
    return quantiles.whole(_logcdf, params, q)


def _sample(key: Array, params: Params, shape: Shape = ()) -> Array:
    mean = floating(params["mean"])
    return jax.random.poisson(key, mean, shape or jnp.shape(mean)).astype(mean.dtype)


def _start(x: Array, weights: Array) -> dict[str, Array]:
    x, weights = weighted_moments.usable_rows(x, weights, is_count(x))
    return {"mean": count_mean(x, weights)[0]}


def _maximum(x: Array, weights: Array) -> dict[str, Array]:
    return {"mean": weighted_moments.mean(*weighted_moments.usable_rows(x, weights, is_count(x)))}


def _information(params: Params, x: Array) -> Array:
    return information_matrix(x, [[1 / params["mean"]]])


def _mean(params: Params) -> Array:
    return floating(params["mean"])


poisson = Distribution(
    name="poisson",
    logpdf=_logpdf,
    logcdf=_logcdf,
    logsf=_logsf,
    quantile=_quantile,
    sample=_sample,
    support=is_count,
    space={"mean": spaces.positive},
    start=_start,
    discrete=True,
    mean=_mean,
    geometry=Geometry(maximum=_maximum, information=_information),
    doc="""Poisson: mass mean^x exp(-mean) / x!, x = 0, 1, 2, ...

    Counts of independent events. Mean and variance `mean`; the maximum is the average.
    Johnson, Kemp & Kotz, *Univariate Discrete Distributions*, chapter 4.""",
)
