"""Gamma distribution of amounts and of waiting times to several events.

Parameters: `shape` > 0 and `scale` > 0, in units of x.

>>> from jaxmle import distributions
>>> round(float(distributions.gamma.logpdf({"scale": 1.5, "shape": 2.5}, 3.0)), 3)
-1.65
"""

import jax
import jax.numpy as jnp
from jax import Array

from jaxmle import spaces, special
from jaxmle.distributions.base import weighted_moments
from jaxmle.distributions.base.distribution import Distribution
from jaxmle.distributions.base.information import information_matrix
from jaxmle.distributions.base.support import extended, is_positive, within
from jaxmle.distributions.base.types import Params, Shape
from jaxmle.model.geometry import Geometry
from jaxmle.special.elementary import floating


def _logpdf(params: Params, x: Array) -> Array:
    x, shape, scale = floating(x), params["shape"], params["scale"]
    inside = is_positive(x)
    x = within(inside, x, 1)
    log_x = jnp.log(x)
    value = shape * (log_x - jnp.log(scale)) - log_x - x / scale - special.gammaln(shape)
    return jnp.where(inside, value, -jnp.inf)


def _logcdf(params: Params, x: Array) -> Array:
    x = floating(x)
    inside = is_positive(x)
    value = special.log_gammainc(params["shape"], within(inside, x, params["scale"]) / params["scale"])
    return extended(inside, x, value, -jnp.inf, 0.0)


def _logsf(params: Params, x: Array) -> Array:
    x = floating(x)
    inside = is_positive(x)
    value = special.log_gammaincc(params["shape"], within(inside, x, params["scale"]) / params["scale"])
    return extended(inside, x, value, 0.0, -jnp.inf)


def _quantile(params: Params, q: Array) -> Array:
    return params["scale"] * special.gammaincinv(params["shape"], q)


def _sample(key: Array, params: Params, shape: Shape = ()) -> Array:
    return jnp.exp(jax.random.loggamma(key, floating(params["shape"]), shape)) * params["scale"]


def _start(x: Array, weights: Array) -> dict[str, Array]:
    x, weights = weighted_moments.usable_rows(x, weights, is_positive(x))
    center = weighted_moments.positive_mean(x, weights)
    shape = weighted_moments.gamma_shape(x, weights)
    return {"shape": shape, "scale": weighted_moments.legal_positive(center / shape)}


def _information(params: Params, x: Array) -> Array:
    shape, scale = params["shape"], params["scale"]
    return information_matrix(x, [[shape / scale**2, 1 / scale], [1 / scale, special.polygamma(1, shape)]])


def _mean(params: Params) -> Array:
    return floating(params["shape"]) * params["scale"]


gamma = Distribution(
    name="gamma",
    logpdf=_logpdf,
    logcdf=_logcdf,
    logsf=_logsf,
    quantile=_quantile,
    sample=_sample,
    support=is_positive,
    space={"shape": spaces.positive, "scale": spaces.positive},
    start=_start,
    mean=_mean,
    geometry=Geometry(information=_information),
    doc="""Gamma: density x^(shape - 1) exp(-x / scale) / (Gamma(shape) scale^shape), x > 0.

    Amounts, waiting times to several events, rates. Mean shape scale, variance shape scale^2.
    Johnson, Kotz & Balakrishnan, *Continuous Univariate Distributions* 1, chapter 17.""",
)
