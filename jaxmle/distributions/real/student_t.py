"""Student's t distribution of errors with heavy tails.

Parameters: `df` > 0, degrees of freedom; `loc`, the median; `scale` > 0.

>>> from jaxmle import distributions
>>> round(float(distributions.student_t.logpdf({"df": 4.0, "loc": 1.0, "scale": 2.0}, 1.5)), 3)
-1.713
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxmle import spaces, special
from jaxmle.distributions.base import quantiles, weighted_moments
from jaxmle.distributions.base.constants import HALF_LOG_2PI, HALF_LOG_PI, LOG_2
from jaxmle.distributions.base.distribution import Distribution
from jaxmle.distributions.base.information import information_matrix
from jaxmle.distributions.base.support import extended, is_finite
from jaxmle.distributions.base.types import Params, Shape
from jaxmle.distributions.real.location_scale import standardized
from jaxmle.model.geometry import Geometry
from jaxmle.special.elementary import floating, horner
from jaxmle.special.incomplete import beta_ratio


def _logpdf(params: Params, x: Array) -> Array:
    # In terms of 1/df everything is smooth at the normal limit: with t = z^2 / df,
    # (df + 1)/2 log(1 + t) = log(1 + t)/2 + z^2/2 log(1 + t)/t.
    x, df = floating(x), params["df"]
    z = standardized(params, x)
    square = z * z
    t = square / df
    constant = special.log_rising(0.5, 2 / df) - HALF_LOG_2PI - jnp.log(params["scale"])
    value = constant - 0.5 * jnp.log1p(t) - 0.5 * square * special.log1p_ratio(t)
    return jnp.where(jnp.isfinite(x), value, -jnp.inf)


def _standard_logcdf(df: Array, z: Array) -> Array:
    """Compute log P(T <= z) of a standard t, from one incomplete beta ratio.

    Near the middle P = 1/2 + z g(z^2), with g from I_x(1/2, df/2) at x/(1-x) = z^2/df; further out the tail is half
    I_w(df/2, 1/2), w = df/(df + z^2). Both have the same B(1/2, df/2).
    """
    df, z = jnp.broadcast_arrays(floating(df), floating(z))
    half = 0.5 * jnp.minimum(df, 1e15)
    t = z * z / (2 * half)
    near = t * jnp.maximum(2 * half, 1) <= 1
    inverse = 1 / jnp.where(near, 1, t)
    a, b = jnp.where(near, 0.5, half), jnp.where(near, half, 0.5)
    ratio = jnp.log(beta_ratio(a, b, jnp.where(near, t, inverse)))
    constant = special.log_rising(0.5, 1 / half) + 0.5 * jnp.log(half) - HALF_LOG_PI
    s = jnp.where(near, z, 0)
    rise = jnp.exp(constant + ratio - (half + 0.5) * jnp.log1p(jnp.where(near, t, 0)))
    middle = jnp.log1p(s / jnp.sqrt(2 * half) * jnp.where(near, rise, 0))
    tail = constant + ratio - half * jnp.log1p(jnp.where(near, 1, t)) - 0.5 * jnp.log1p(inverse) - LOG_2
    tail = jnp.where(near, -1, tail)
    return jnp.where(near, middle - LOG_2, jnp.where(z < 0, tail, special.log1mexp(tail)))


@jax.custom_jvp
def quantile_of_log(df: Array, y: Array) -> Array:
    """Solve P(T <= t) = exp(y), y <= log(1/2), for the quantile t of a standard t; its slopes are the implicit ones.

    From Wallace's approximation (1959, *Annals of Mathematical Statistics* 30, 1124-1130), Newton's steps in
    asinh(t / sqrt(df)), where log P is nearly straight in the tail.
    """
    df, y = jnp.broadcast_arrays(floating(df), floating(y))
    z = special.ndtri_exp(y) * (8 * df + 3) / (8 * df + 1)
    root = jnp.sqrt(df)
    begin = jnp.minimum(z * z / df, 600.0 if df.dtype == jnp.float64 else 70.0)

    def improve(_: Array, w: Array) -> Array:
        t = root * jnp.sinh(w)
        value = _standard_logcdf(df, t)
        slope = jnp.exp(_logpdf({"df": df, "loc": 0.0, "scale": 1.0}, t) - value) * root * jnp.cosh(w)
        return jnp.minimum(w - jnp.clip((value - y) / slope, -2.0 - jnp.abs(w), 2.0 + jnp.abs(w)), 0)

    w = jax.lax.fori_loop(0, 8, improve, -jnp.arcsinh(jnp.sqrt(jnp.expm1(begin))))
    return root * jnp.sinh(w)


@quantile_of_log.defjvp
def _quantile_of_log_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    df, y = primals
    t = quantile_of_log(df, y)
    slope = jnp.exp(_logpdf({"df": df, "loc": 0.0, "scale": 1.0}, t) - y)
    rise = jax.jvp(lambda v: _standard_logcdf(v, t), (floating(df),), (tangents[0],))[1]
    return t, (tangents[1] - rise) / slope


def _logcdf(params: Params, x: Array) -> Array:
    x = floating(x)
    return extended(jnp.isfinite(x), x, _standard_logcdf(params["df"], standardized(params, x)), -jnp.inf, 0.0)


def _logsf(params: Params, x: Array) -> Array:
    x = floating(x)
    return extended(jnp.isfinite(x), x, _standard_logcdf(params["df"], -standardized(params, x)), 0.0, -jnp.inf)


def _quantile(params: Params, q: Array) -> Array:
    unit = {"df": params["df"], "loc": 0.0, "scale": 1.0}
    end = 700.0 if floating(q).dtype == jnp.float64 else 80.0
    z = quantiles.continuous(_logcdf, _logsf, unit, q, jnp.sinh, -end, end)
    return params["loc"] + params["scale"] * z


def _sample(key: Array, params: Params, shape: Shape = ()) -> Array:
    scale = floating(params["scale"])
    return params["loc"] + scale * jax.random.t(key, floating(params["df"]), shape, scale.dtype)


def _start(x: Array, weights: Array) -> dict[str, Array]:
    # A few EM steps at df = 3 (Lange, Little & Taylor 1989) from the mean and standard deviation; bounded influence.
    x, weights = weighted_moments.usable_rows(x, weights, True)
    df = 3.0

    def step(_: Array, at: tuple[Array, Array]) -> tuple[Array, Array]:
        loc, scale = at
        z = (x - loc) / scale
        robust = weights * (df + 1) / (df + z * z)
        shift = weighted_moments.mean(z, robust)
        ratio = jnp.sqrt(weighted_moments.mean((df + 1) * (z - shift) ** 2 / (df + z * z), weights))
        new = scale * ratio
        return loc + scale * shift, jnp.where(ratio > 1e-3, new, scale)

    loc, scale = jax.lax.fori_loop(0, 6, step, weighted_moments.location_scale(x, weights))
    return {"df": jnp.full_like(loc, 5.0), "loc": loc, "scale": weighted_moments.legal_positive(scale)}


def _information(params: Params, x: Array) -> Array:
    df, scale = floating(params["df"]), params["scale"]
    # Lange, Little & Taylor 1989, JASA 84, appendix B; for large df, where its terms cancel, its series in 1/df.
    large = df > 200
    half = 0.5 * jnp.where(large, 1, df)
    exact = 0.25 * (special.polygamma(1, half) - special.polygamma(1, half + 0.5))
    exact = exact - 0.5 * (df + 5) / (df * (df + 1) * (df + 3))
    series = horner((3.5, -13.0, 39.5, -119.0, 363.5, -1101.0, 3279.5), 1 / df) / df**4
    exact = jnp.where(large, series, exact)
    cross = -2 / ((df + 1) * (df + 3) * scale)
    loc = (df + 1) / ((df + 3) * scale**2)
    return information_matrix(x, [[exact, 0.0, cross], [0.0, loc, 0.0], [cross, 0.0, 2 * df / ((df + 3) * scale**2)]])


def _mean(params: Params) -> Array:
    return jnp.where(params["df"] > 1, floating(params["loc"]), jnp.nan)


student_t = Distribution(
    name="student_t",
    logpdf=_logpdf,
    logcdf=_logcdf,
    logsf=_logsf,
    quantile=_quantile,
    sample=_sample,
    support=is_finite,
    space={"df": spaces.positive, "loc": spaces.real, "scale": spaces.positive},
    start=_start,
    mean=_mean,
    geometry=Geometry(information=_information),
    doc="""Student t: density proportional to (1 + ((x - loc) / scale)^2 / df)^(-(df + 1) / 2) / scale.

    Errors with heavy tails; df -> infinity is the normal. Mean loc (df > 1), variance scale^2 df / (df - 2) (df > 2).
    Lange, Little & Taylor 1989, *JASA* 84, 881-896.""",
)
