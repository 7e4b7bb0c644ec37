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
from jaxmle.distributions.base.log_ratio import excess_over, log_rows, shared_by_rows
from jaxmle.distributions.base.support import extended, is_positive, within
from jaxmle.distributions.base.types import Params, Shape
from jaxmle.model.geometry import Geometry
from jaxmle.special.elementary import floating, horner

_NEAR = 1e-3


def _logpdf(params: Params, x: Array) -> Array:
    x, shape, scale = floating(x), params["shape"], params["scale"]
    inside = is_positive(x)
    x = within(inside, x, 1)
    measure = _from_greatest_row if shared_by_rows(x, shape, scale) else _textbook
    return jnp.where(inside, measure(shape, scale, x), -jnp.inf)


def _textbook(shape: Array, scale: Array, x: Array) -> Array:
    log_x = jnp.log(x)
    return shape * (log_x - jnp.log(scale)) - log_x - x / scale - special.gammaln(shape)


def _from_greatest_row(shape: Array, scale: Array, x: Array) -> Array:
    """Compute the log-density so that a large shape multiplies squares of small relative deviations alone.

    With x / c = 1 + e, c / mean = 1 + t and mean = shape scale it is shape (log(1 + e) - e + log(1 + t) - t - e t), log x
    and the remainder of log Gamma apart; e depends on the data alone and t on the parameters alone.
    """
    rows, c = log_rows(x, scale)
    e, mean = excess_over(x, c), shape * scale
    near = jnp.abs(e) < _NEAR
    curved = jnp.where(near, _log1pmx_near_0(e), rows - e)
    t = (c - mean) / mean
    close = jnp.abs(t) < _NEAR
    shifted = jnp.where(close, _log1pmx_near_0(jnp.where(close, t, 0)), jnp.log(c) - jnp.log(mean) - t)
    return shape * (curved + shifted - e * t) + special.gamma_excess(shape) - rows - jnp.log(c)


def _log1pmx_near_0(e: Array) -> Array:
    """Compute log(1 + e) - e for |e| < 1e-3, by its series; further out the difference itself has 12 digits."""
    return -e * e * horner(tuple((-1) ** k / (k + 2) for k in range(5)), e)


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
