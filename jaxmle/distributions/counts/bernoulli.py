"""Bernoulli distribution of one success or failure a row.

Parameters: `probability` of a one, in (0, 1).

>>> from jaxmle import distributions
>>> round(float(distributions.bernoulli.logpdf({"probability": 0.3}, 1.0)), 3)
-1.204
"""

import jax
import jax.numpy as jnp
from jax import Array

from jaxmle import special
from jaxmle.distributions.base import weighted_moments
from jaxmle.distributions.base.distribution import Distribution
from jaxmle.distributions.base.information import information_matrix
from jaxmle.distributions.base.support import within
from jaxmle.distributions.base.types import Params, Shape
from jaxmle.distributions.counts.trials import PROBABILITY_SPACE, interior_share
from jaxmle.model.geometry import Geometry
from jaxmle.special.elementary import floating


def _is_binary(x: Array) -> Array:
    x = floating(x)
    return (x == 0) | (x == 1)


def _logpdf(params: Params, x: Array) -> Array:
    x, p = floating(x), params["probability"]
    inside = _is_binary(x)
    x = within(inside, x, 0)
    return jnp.where(inside, special.xlogy(x, p) + special.xlog1py(1 - x, -p), -jnp.inf)


def _logcdf(params: Params, x: Array) -> Array:
    x, p = floating(x), floating(params["probability"])
    middle = (x >= 0) & (x < 1)
    value = jnp.where(middle, jnp.log1p(-p), jnp.where(x < 0, -jnp.inf, 0.0))
    return jnp.where(jnp.isnan(x), jnp.nan, value)


def _logsf(params: Params, x: Array) -> Array:
    x, p = floating(x), floating(params["probability"])
    middle = (x >= 0) & (x < 1)
    value = jnp.where(middle, jnp.log(p), jnp.where(x < 0, 0.0, -jnp.inf))
    return jnp.where(jnp.isnan(x), jnp.nan, value)


def _quantile(params: Params, q: Array) -> Array:
    q = floating(q)
    one = 1 - q < params["probability"]
    return jnp.where((q >= 0) & (q <= 1), jnp.where(one, 1.0, 0.0), jnp.nan)


def _sample(key: Array, params: Params, shape: Shape = ()) -> Array:
    p = floating(params["probability"])
    return jax.random.bernoulli(key, p, shape or jnp.shape(p)).astype(p.dtype)


def _start(x: Array, weights: Array) -> dict[str, Array]:
    x, weights = weighted_moments.usable_rows(x, weights, _is_binary(x))
    return interior_share(jnp.sum(weights * x), jnp.sum(weights))


def _maximum(x: Array, weights: Array) -> dict[str, Array]:
    return {"probability": weighted_moments.mean(*weighted_moments.usable_rows(x, weights, _is_binary(x)))}


def _information(params: Params, x: Array) -> Array:
    p = params["probability"]
    return information_matrix(x, [[1 / (p * (1 - p))]])


def _mean(params: Params) -> Array:
    return floating(params["probability"])


bernoulli = Distribution(
    name="bernoulli",
    logpdf=_logpdf,
    logcdf=_logcdf,
    logsf=_logsf,
    quantile=_quantile,
    sample=_sample,
    support=_is_binary,
    space=PROBABILITY_SPACE,
    start=_start,
    discrete=True,
    mean=_mean,
    geometry=Geometry(maximum=_maximum, information=_information),
    doc="""Bernoulli: mass probability^x (1 - probability)^(1 - x), x = 0 or 1.

    One trial a row. Mean `probability`; the maximum is the share of ones.
    Johnson, Kemp & Kotz, *Univariate Discrete Distributions*, chapter 3.""",
)
