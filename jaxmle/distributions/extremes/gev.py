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
from jaxmle.distributions.base.support import is_finite
from jaxmle.distributions.base.types import Params
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


def _ends(x: Array, weights: Array) -> tuple[Array, Array, Array]:
    """Find the least and the greatest row of x, and whether they are the same."""
    low, high = weighted_moments.ends(x, is_finite(x))
    same = ~((high > low) & jnp.isfinite(high - low))
    low = jnp.where(jnp.isfinite(low), low, 0)
    return low, jnp.where(same, low, high), same


def _terms(v: Coordinates, ends: tuple[Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
    """Compute from chart coordinates v the middle of the range, half its width (or 1), scale (1 + shape z) there, and shape."""
    low, high, same = ends
    width, size = 0.5 * high - 0.5 * low, jnp.exp(v["scale"])
    half = jnp.where(same, 1, width)
    return low + width, half, size, jnp.tanh(v["shape"]) * size / half


def _contributions(v: Coordinates, x: Array, ends: tuple[Array, Array, Array]) -> Array:
    # From the middle m, 1 + shape z is (1 + shape (m - loc) / scale) (1 + tanh(v) d), |d| <= 1: positive for any v.
    (low, high, same), (_, half, size, shape) = ends, _terms(v, ends)
    inside = is_finite(x)
    left, right = (jnp.where(inside & ~same, side / half, 1) for side in (x - low, high - x))
    d = 0.5 * (left - right)
    near = (jnp.abs(v["shape"]) < 0.5) | same
    t = jnp.where(near, jnp.tanh(v["shape"]), 0) * d
    far = jnp.where(near, 1, v["shape"])
    small = jnp.exp(-2 * jnp.abs(far))
    log = jnp.log(jnp.where(far > 0, left + right * small, right + left * small)) - jnp.log1p(small)
    rise = jnp.where(near, d * half / size * special.log1p_ratio(t), log / jnp.where(near, 1, shape))
    y = v["loc"] + rise
    return jnp.where(inside, shape * v["loc"] - v["scale"] - (1 + shape) * y - jnp.exp(-y), -jnp.inf)


def _outward(v: Coordinates, ends: tuple[Array, Array, Array]) -> dict[str, Array]:
    middle, _, size, shape = _terms(v, ends)
    bend = shape * v["loc"]
    loc = middle - size * v["loc"] * special.expm1_ratio(-bend)
    return {"loc": loc, "scale": v["scale"] - bend, "shape": shape}


def _inward(u: Coordinates, ends: tuple[Array, Array, Array]) -> dict[str, Array]:
    middle, half, *_ = _terms({"scale": u["scale"], "shape": u["shape"]}, ends)
    z = (middle - u["loc"]) * jnp.exp(-u["scale"])
    stretch = u["scale"] + jnp.log1p(u["shape"] * z)
    turn = jnp.clip(u["shape"] * half * jnp.exp(-stretch), -0.9999, 0.9999)
    return {"loc": z * special.log1p_ratio(u["shape"] * z), "scale": stretch, "shape": jnp.arctanh(turn)}


_CHART = Chart(_ends, _contributions, _outward, _inward, (False, True, True))


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
