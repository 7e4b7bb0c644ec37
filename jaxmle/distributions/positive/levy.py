"""Levy distribution of first passage times of a Brownian motion without drift.

Parameters: `scale` > 0, the squared distance over the variance of a unit of time.

>>> from jaxmle import distributions
>>> round(float(distributions.levy.logpdf({"scale": 2.0}, 3.0)), 3)
-2.554
"""

import math

import jax
import jax.numpy as jnp
from jax import Array

from jaxmle import special
from jaxmle.distributions.base import weighted_moments
from jaxmle.distributions.base.constants import HALF_LOG_2PI, LOG_2
from jaxmle.distributions.base.information import information_matrix
from jaxmle.distributions.base.overflow import below_overflow
from jaxmle.distributions.base.standard_form import LOG, from_standard_form
from jaxmle.distributions.base.support import is_positive
from jaxmle.distributions.base.types import Params
from jaxmle.model.geometry import Geometry
from jaxmle.special.elementary import floating


def _logsf(params: Params, v: Array) -> Array:
    return special.log_gammainc(0.5, 0.5 * jnp.exp(below_overflow(-v)))


def _quantile(params: Params, q: Array) -> Array:
    normal = jnp.where(q < 0.5, -jax.scipy.special.ndtri(0.5 * q), jax.scipy.special.erfinv(1 - q) * math.sqrt(2))
    return -2 * jnp.log(normal)


def _start(x: Array, weights: Array) -> dict[str, Array]:
    # The maximum: the harmonic mean.
    x, weights = weighted_moments.usable_rows(x, weights, is_positive(x))
    least = jnp.min(jnp.where(weights > 0, x, jnp.inf))
    least = jnp.where(jnp.isfinite(least), least, 1)
    share = weighted_moments.mean(jnp.where(weights > 0, least / jnp.where(weights > 0, x, 1), 0), weights)
    return {"scale": weighted_moments.legal_positive(least / jnp.where(share > 0, share, 1))}


def _mean(p: Params) -> Array:
    return jnp.full_like(floating(p["scale"]), jnp.nan)


levy = from_standard_form(
    LOG,
    "levy",
    logpdf=lambda p, v: -0.5 * v - HALF_LOG_2PI - 0.5 * jnp.exp(-v),
    logcdf=lambda p, v: LOG_2 + special.log_ndtr(-jnp.exp(below_overflow(-0.5 * v))),
    logsf=_logsf,
    start=_start,
    quantile=_quantile,
    draw=lambda key, p, shape, dtype: -2 * jnp.log(jnp.abs(jax.random.normal(key, shape, dtype))),
    mean=_mean,
    geometry=Geometry(maximum=_start, information=lambda p, x: information_matrix(x, [[0.5 * p["scale"] ** -2.0]])),
    doc="""Levy: density sqrt(scale / (2 pi)) x^(-3/2) exp(-scale / (2 x)), x > 0.

    First passages without drift, spectral lines, heavy tails: scale / x is chi-squared of 1 degree of freedom, so that the
    mean is infinite. The maximum is the harmonic mean. Feller 1971, *An Introduction to Probability Theory and Its
    Applications* 2, 2nd ed., section II.4.""",
)
