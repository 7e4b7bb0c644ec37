"""Generalized extreme value distribution of block maxima.

Parameters: `loc`; `scale` > 0; `shape`, positive for heavy tails, negative for an upper end.

>>> from jaxmle import distributions
>>> round(float(distributions.gev.logpdf({"loc": 0.5, "scale": 2.0, "shape": 0.2}, 1.5)), 3)
-1.886
"""

import math

import jax.numpy as jnp
from jax import Array

from jaxmle import spaces, special
from jaxmle.distributions.base import weighted_moments
from jaxmle.distributions.base.constants import EULER
from jaxmle.distributions.base.overflow import below_overflow
from jaxmle.distributions.base.standard_form import LINE, from_standard_form
from jaxmle.distributions.base.types import Params
from jaxmle.distributions.extremes import range_chart
from jaxmle.distributions.extremes.reduced_variate import is_regular, reduced_variate, standard_value
from jaxmle.distributions.extremes.standard_gumbel import gumbel_quantile
from jaxmle.model.geometry import Chart, Coordinates, Geometry
from jaxmle.special.elementary import floating

_LOG_GAMMA = (EULER, 0.8224670334241132, 0.40068563438653143, 0.27058080842778454, 0.207385551028674)
"Coefficients of log Gamma(1 - s) / s in s: Euler's constant, and zeta(k) / k from k = 2 on."


def _logpdf(params: Params, z: Array) -> Array:
    inside, y = reduced_variate(params, z)
    return jnp.where(inside, -(1 + params["shape"]) * y - jnp.exp(-y), -jnp.inf)


def _logcdf(params: Params, z: Array) -> Array:
    inside, y = reduced_variate(params, z)
    return jnp.where(inside, -jnp.exp(below_overflow(-y)), jnp.where(z < 0, -jnp.inf, 0.0))


def _logsf(params: Params, z: Array) -> Array:
    inside, y = reduced_variate(params, z)
    return jnp.where(inside, special.log1mexpexp(below_overflow(-y)), jnp.where(z < 0, 0.0, -jnp.inf))


def _quantile(params: Params, q: Array) -> Array:
    return standard_value(params, gumbel_quantile(params, q))


def _start(x: Array, weights: Array) -> dict[str, Array]:
    # Hosking, Wallis & Wood 1985, Technometrics 27, 251-261; their k is -shape.
    x, weights = weighted_moments.usable_rows(x, weights, True)
    first, second, third = weighted_moments.l_moments(x, weights)
    c = 2 / (3 + third) - math.log(2) / math.log(3)
    shape = jnp.clip(-(7.8590 + 2.9554 * c) * c, -0.4, 0.45)
    shape = jnp.where(jnp.abs(shape) < 1e-3, 1e-3, shape)
    gamma = jnp.exp(special.gammaln(1 - shape))
    scale = weighted_moments.legal_positive(second * -shape / ((1 - 2**shape) * gamma))
    loc = first - scale * (gamma - 1) / shape
    # Every row must be possible.
    z = jnp.where(weights > 0, (x - loc) / scale, 0)
    shape = jnp.clip(shape, -0.9 / jnp.maximum(jnp.max(z), 1e-3), 0.9 / jnp.maximum(-jnp.min(z), 1e-3))
    return {"loc": loc, "scale": scale, "shape": shape}


def _contributions(v: Coordinates, x: Array, ends: range_chart.Ends) -> Array:
    inside, shape, y = range_chart.reduced_rows(v, x, ends)
    return jnp.where(inside, shape * v["loc"] - v["scale"] - (1 + shape) * y - jnp.exp(-y), -jnp.inf)


_CHART = Chart(range_chart.ends, _contributions, range_chart.outward, range_chart.inward, (False, True, True))


def _mean(p: Params) -> Array:
    """Compute loc + scale (Gamma(1 - shape) - 1) / shape, by the series of log Gamma near 0; NaN for shape >= 1."""
    shape = floating(p["shape"])
    small = jnp.abs(shape) < 1e-3
    k = jnp.where(shape < 1, jnp.where(small, 0.5, shape), 0.5)
    s = jnp.where(small, shape, 0)
    ratio = jnp.where(small, sum(c * s**j for j, c in enumerate(_LOG_GAMMA)), special.gammaln(1 - k) / k)
    log = ratio * jnp.where(small, s, k)
    return p["loc"] + p["scale"] * jnp.where(shape < 1, ratio * special.expm1_ratio(log), jnp.nan)


gev = from_standard_form(
    LINE,
    "gev",
    logpdf=_logpdf,
    logcdf=_logcdf,
    logsf=_logsf,
    start=_start,
    shapes={"shape": spaces.real},
    quantile=_quantile,
    mean=_mean,
    geometry=Geometry(regular=is_regular, chart=_CHART),
    doc="""Generalized extreme value: distribution function exp(-(1 + shape z)^(-1/shape)), z = (x - loc) / scale, 1 + shape z > 0.

    Maxima of blocks: shape > 0 heavy-tailed (Frechet), 0 Gumbel, < 0 with an upper end at loc - scale / shape. Mean loc +
    scale (Gamma(1 - shape) - 1) / shape for shape < 1. No regular standard errors for shape <= -1/2, and an unbounded
    likelihood below -1 (Smith 1985, *Biometrika* 72, 67-90). Coles 2001, *An Introduction to Statistical Modeling of
    Extreme Values*, chapter 3.""",
)
