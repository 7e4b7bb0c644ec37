"""Laws on the whole line: normal and Student's t."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxmle import spaces, special
from jaxmle.distributions import _moments, _quantiles
from jaxmle.distributions._distribution import Distribution, is_finite, standardized, symmetric, tails
from jaxmle.special.elementary import floating, horner
from jaxmle.special.incomplete import beta_ratio

_HALF_LOG_2PI = 0.9189385332046727
_LOG_2 = 0.6931471805599453
_HALF_LOG_PI = 0.5723649429247001


# --- normal ----------------------------------------------------------------------------------------------


def _normal_logpdf(params: Any, x: Any) -> Any:
    x = floating(x)
    z = standardized(params, x)
    return jnp.where(jnp.isfinite(x), -0.5 * z * z - jnp.log(params["scale"]) - _HALF_LOG_2PI, -jnp.inf)


def _normal_logcdf(params: Any, x: Any) -> Any:
    x = floating(x)
    return tails(jnp.isfinite(x), x, special.log_ndtr(standardized(params, x)), -jnp.inf, 0.0)


def _normal_logsf(params: Any, x: Any) -> Any:
    x = floating(x)
    return tails(jnp.isfinite(x), x, special.log_ndtr(-standardized(params, x)), 0.0, -jnp.inf)


def _normal_quantile(params: Any, q: Any) -> Any:
    return params["loc"] + params["scale"] * jax.scipy.special.ndtri(floating(q))


def _normal_sample(key: Any, params: Any, shape: Any = ()) -> Any:
    scale = floating(params["scale"])
    return params["loc"] + scale * jax.random.normal(key, shape, scale.dtype)


def _normal_start(x: Any, weights: Any) -> Any:
    loc, scale = _moments.location_scale(*_moments.usable(x, weights, True))
    return {"loc": loc, "scale": scale}


def _normal_information(params: Any, x: Any) -> Any:
    scale = params["scale"]
    return symmetric(x, [[scale**-2.0, 0.0], [0.0, 2 * scale**-2.0]])


def _normal_mean(params: Any) -> Any:
    return floating(params["loc"])


normal = Distribution(
    name="normal",
    logpdf=_normal_logpdf,
    logcdf=_normal_logcdf,
    logsf=_normal_logsf,
    quantile=_normal_quantile,
    sample=_normal_sample,
    support=is_finite,
    space={"loc": spaces.real, "scale": spaces.positive},
    start=_normal_start,
    maximum=_normal_start,
    information=_normal_information,
    mean=_normal_mean,
    doc="""Normal: density exp(-(x - loc)^2 / (2 scale^2)) / (scale sqrt(2 pi)).

    Sums of many small effects; errors. Mean loc, standard deviation scale; the maximum-likelihood scale divides
    by n. Johnson, Kotz & Balakrishnan, *Continuous Univariate Distributions* 1, chapter 13.""",
)


# --- Student's t -----------------------------------------------------------------------------------------


def _student_t_logpdf(params: Any, x: Any) -> Any:
    # In terms of 1/df everything is smooth at the normal limit: with t = z^2 / df,
    # (df + 1)/2 log(1 + t) = log(1 + t)/2 + z^2/2 log(1 + t)/t.
    x, df = floating(x), params["df"]
    z = standardized(params, x)
    square = z * z
    t = square / df
    constant = special.log_rising(0.5, 2 / df) - _HALF_LOG_2PI - jnp.log(params["scale"])
    value = constant - 0.5 * jnp.log1p(t) - 0.5 * square * special.log1p_ratio(t)
    return jnp.where(jnp.isfinite(x), value, -jnp.inf)


def _student_t_lower(df: Any, z: Any) -> Any:
    """log P(T <= z), from one incomplete beta ratio.

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
    constant = special.log_rising(0.5, 1 / half) + 0.5 * jnp.log(half) - _HALF_LOG_PI
    s = jnp.where(near, z, 0)
    rise = jnp.exp(constant + ratio - (half + 0.5) * jnp.log1p(jnp.where(near, t, 0)))
    middle = jnp.log1p(s / jnp.sqrt(2 * half) * jnp.where(near, rise, 0))
    tail = constant + ratio - half * jnp.log1p(jnp.where(near, 1, t)) - 0.5 * jnp.log1p(inverse) - _LOG_2
    tail = jnp.where(near, -1, tail)
    return jnp.where(near, middle - _LOG_2, jnp.where(z < 0, tail, special.log1mexp(tail)))


@jax.custom_jvp
def student_t_of_log(df: Any, y: Any) -> Any:
    """The quantile of a standard t at the probability exp(y), y <= log(1/2); its slopes are those of P(T <= t) = exp(y).

    From Wallace's approximation (1959, *Annals of Mathematical Statistics* 30, 1124-1130), Newton's steps in
    asinh(t / sqrt(df)), where log P is nearly straight in the tail.
    """
    df, y = jnp.broadcast_arrays(floating(df), floating(y))
    z = special.ndtri_exp(y) * (8 * df + 3) / (8 * df + 1)
    root = jnp.sqrt(df)
    begin = jnp.minimum(z * z / df, 600.0 if df.dtype == jnp.float64 else 70.0)

    def improve(_: Any, w: Any) -> Any:
        t = root * jnp.sinh(w)
        value = _student_t_lower(df, t)
        slope = jnp.exp(_student_t_logpdf({"df": df, "loc": 0.0, "scale": 1.0}, t) - value) * root * jnp.cosh(w)
        return jnp.minimum(w - jnp.clip((value - y) / slope, -2.0 - jnp.abs(w), 2.0 + jnp.abs(w)), 0)

    w = jax.lax.fori_loop(0, 8, improve, -jnp.arcsinh(jnp.sqrt(jnp.expm1(begin))))
    return root * jnp.sinh(w)


@student_t_of_log.defjvp
def _student_t_of_log_jvp(primals: Any, tangents: Any) -> Any:
    df, y = primals
    t = student_t_of_log(df, y)
    slope = jnp.exp(_student_t_logpdf({"df": df, "loc": 0.0, "scale": 1.0}, t) - y)
    rise = jax.jvp(lambda v: _student_t_lower(v, t), (floating(df),), (tangents[0],))[1]
    return t, (tangents[1] - rise) / slope


def _student_t_logcdf(params: Any, x: Any) -> Any:
    x = floating(x)
    return tails(jnp.isfinite(x), x, _student_t_lower(params["df"], standardized(params, x)), -jnp.inf, 0.0)


def _student_t_logsf(params: Any, x: Any) -> Any:
    x = floating(x)
    return tails(jnp.isfinite(x), x, _student_t_lower(params["df"], -standardized(params, x)), 0.0, -jnp.inf)


def _student_t_quantile(params: Any, q: Any) -> Any:
    unit = {"df": params["df"], "loc": 0.0, "scale": 1.0}
    end = 700.0 if floating(q).dtype == jnp.float64 else 80.0
    z = _quantiles.continuous(_student_t_logcdf, _student_t_logsf, unit, q, jnp.sinh, -end, end)
    return params["loc"] + params["scale"] * z


def _student_t_sample(key: Any, params: Any, shape: Any = ()) -> Any:
    scale = floating(params["scale"])
    return params["loc"] + scale * jax.random.t(key, floating(params["df"]), shape, scale.dtype)


def _student_t_start(x: Any, weights: Any) -> Any:
    # A few EM steps at df = 3 (Lange, Little & Taylor 1989) from the mean and standard deviation; bounded influence.
    x, weights = _moments.usable(x, weights, True)
    df = 3.0

    def step(_: Any, at: Any) -> Any:
        loc, scale = at
        z = (x - loc) / scale
        robust = weights * (df + 1) / (df + z * z)
        shift = _moments.mean(z, robust)
        ratio = jnp.sqrt(_moments.mean((df + 1) * (z - shift) ** 2 / (df + z * z), weights))
        new = scale * ratio
        return loc + scale * shift, jnp.where(ratio > 1e-3, new, scale)

    loc, scale = jax.lax.fori_loop(0, 6, step, _moments.location_scale(x, weights))
    return {"df": jnp.full_like(loc, 5.0), "loc": loc, "scale": _moments.legal_positive(scale)}


def _student_t_information(params: Any, x: Any) -> Any:
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
    return symmetric(x, [[exact, 0.0, cross], [0.0, loc, 0.0], [cross, 0.0, 2 * df / ((df + 3) * scale**2)]])


def _student_t_mean(params: Any) -> Any:
    return jnp.where(params["df"] > 1, floating(params["loc"]), jnp.nan)


student_t = Distribution(
    name="student_t",
    logpdf=_student_t_logpdf,
    logcdf=_student_t_logcdf,
    logsf=_student_t_logsf,
    quantile=_student_t_quantile,
    sample=_student_t_sample,
    support=is_finite,
    space={"df": spaces.positive, "loc": spaces.real, "scale": spaces.positive},
    start=_student_t_start,
    information=_student_t_information,
    mean=_student_t_mean,
    doc="""Student t: density proportional to (1 + ((x - loc) / scale)^2 / df)^(-(df + 1) / 2) / scale.

    Errors with heavy tails; df -> infinity is the normal. Mean loc (df > 1), variance scale^2 df / (df - 2) (df > 2).
    Lange, Little & Taylor 1989, *JASA* 84, 881-896.""",
)
