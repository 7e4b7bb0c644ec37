"""More laws of durations, sizes and incomes, from Birnbaum-Saunders to Pareto."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxmle import spaces, special
from jaxmle.distributions import _means, _moments
from jaxmle.distributions._distribution import is_nonnegative, is_positive, symmetric
from jaxmle.distributions._extremes import held
from jaxmle.distributions._standard import LOG, RATIO, Form, Solved, law
from jaxmle.special.elementary import hazard

_HALF_LOG_2PI = 0.9189385332046727
_LOG_2 = 0.6931471805599453


def _same(v: Any) -> Any:
    return v


# --- Birnbaum-Saunders -----------------------------------------------------------------------------------


def _fatigue(params: Any, v: Any) -> Any:
    return 2 * jnp.sinh(jnp.clip(0.5 * v, -170, 170)) / params["shape"]


def _fatigue_start(x: Any, weights: Any) -> Any:
    # Modified moments (Ng, Kundu & Balakrishnan 2003, CSDA 43, 283-298).
    x, weights = _moments.usable(x, weights, is_positive(x))
    mean = _moments.positive_mean(x, weights)
    ratio = jnp.maximum(_moments.mean(mean / jnp.where(weights > 0, x, mean), weights), 1 + 1e-12)
    root = jnp.sqrt(ratio)
    return {"scale": _moments.legal_positive(mean / root), "shape": jnp.clip(jnp.sqrt(2 * (root - 1)), 1e-6, 1e6)}


birnbaum_saunders = law(
    LOG,
    "birnbaum_saunders",
    lambda p, v: (
        -0.5 * _fatigue(p, v) ** 2 - _HALF_LOG_2PI + jnp.logaddexp(0.5 * v, -0.5 * v) - _LOG_2 - jnp.log(p["shape"])
    ),
    lambda p, v: special.log_ndtr(_fatigue(p, v)),
    lambda p, v: special.log_ndtr(-_fatigue(p, v)),
    _fatigue_start,
    shapes={"shape": spaces.positive},
    quantile=lambda p, q: 2 * jnp.arcsinh(0.5 * p["shape"] * jax.scipy.special.ndtri(q)),
    draw=lambda key, p, shape, dtype: 2 * jnp.arcsinh(0.5 * p["shape"] * jax.random.normal(key, shape, dtype)),
    mean=_means.birnbaum_saunders,
    doc="""Birnbaum-Saunders (fatigue life): (sqrt(z) - sqrt(1/z)) / shape is standard normal, z = x / scale > 0.

    Cycles until a crack has grown too long. Median scale, mean scale (1 + shape^2 / 2).
    Birnbaum & Saunders 1969, *J. Appl. Prob.* 6, 319-327.""",
)


# --- log-logistic ----------------------------------------------------------------------------------------


def _log_logistic_start(x: Any, weights: Any) -> Any:
    x, weights = _moments.usable(x, weights, is_positive(x))
    centre, spread = _moments.log_moments(x, weights)
    shape = np.pi / math.sqrt(3) / jnp.clip(spread, 1e-6, 1e6)
    return {"scale": _moments.legal_positive(jnp.exp(centre)), "shape": shape}


def _log_logistic_information(params: Any, x: Any) -> Any:
    shape, scale = params["shape"], params["scale"]
    return symmetric(x, [[(shape / scale) ** 2 / 3, 0.0], [0.0, (3 + np.pi**2) / (9 * shape**2)]])


log_logistic = law(
    LOG,
    "log_logistic",
    lambda p, v: jnp.log(p["shape"]) + jax.nn.log_sigmoid(p["shape"] * v) + jax.nn.log_sigmoid(-p["shape"] * v),
    lambda p, v: jax.nn.log_sigmoid(p["shape"] * v),
    lambda p, v: jax.nn.log_sigmoid(-p["shape"] * v),
    _log_logistic_start,
    shapes={"shape": spaces.positive},
    quantile=lambda p, q: (jnp.log(q) - jnp.log1p(-q)) / p["shape"],
    information=_log_logistic_information,
    mean=_means.log_logistic,
    doc="""Log-logistic (Fisk): density (shape / scale) z^(shape - 1) / (1 + z^shape)^2, z = x / scale > 0.

    Survival whose hazard rises and falls again; incomes; log x is logistic. Median scale, mean scale (pi/shape) /
    sin(pi/shape) for shape > 1. Johnson, Kotz & Balakrishnan, *Continuous Univariate Distributions* 2, section 23.11.""",
)


# --- Gompertz --------------------------------------------------------------------------------------------

_T = np.exp(np.linspace(np.log(1e-3), np.log(30.0), 80))
_SPREAD = np.log1p(np.log(10) / np.log(2) * np.expm1(_T)) / _T  # 90 % point over median, where that is _T


def _gompertz_lower(params: Any, z: Any) -> Any:
    inside = z > 0
    rise = jnp.log(jnp.expm1(held(jnp.where(inside, z, 1))))
    return jnp.where(inside, special.log1mexpexp(jnp.log(params["shape"]) + rise), -jnp.inf)


def _gompertz_start(x: Any, weights: Any) -> Any:
    x, weights = _moments.usable(x, weights, is_nonnegative(x))
    middle, high = _moments.quantiles(x, weights, 0.5, 0.9)
    middle = _moments.legal_positive(jnp.where(middle > 0, middle, _moments.positive_mean(x, weights)))
    t = _moments.by_table(high / middle, _SPREAD[::-1], _T[::-1])
    return {"scale": _moments.legal_positive(middle / t), "shape": _LOG_2 / jnp.expm1(t)}


gompertz = law(
    RATIO,
    "gompertz",
    lambda p, z: jnp.log(p["shape"]) + z - p["shape"] * jnp.expm1(z),
    _gompertz_lower,
    lambda p, z: -p["shape"] * jnp.expm1(held(z)),
    _gompertz_start,
    shapes={"shape": spaces.positive},
    quantile=lambda p, q: jnp.log1p(-jnp.log1p(-q) / p["shape"]),
    mean=_means.gompertz,
    doc="""Gompertz: hazard (shape / scale) exp(x / scale), x >= 0.

    Mortality of adults: the hazard doubles every scale log 2. Data whose hazard does not rise have their maximum at the
    exponential, scale -> infinity. Johnson, Kotz & Balakrishnan, *Continuous Univariate Distributions* 2, section 22.8.""",
)


# --- inverse Gaussian ------------------------------------------------------------------------------------

_OF_MEAN = Form(
    is_positive,
    lambda p, x: jnp.log(x) - jnp.log(p["mean"]),
    lambda p, x: -jnp.log(x),
    lambda p, v: p["mean"] * jnp.exp(v),
    {"mean": spaces.positive},
)


def _passage(params: Any, v: Any) -> tuple[Any, Any]:
    """log Phi terms of first passage: u, and log(exp(2 shape / mean) Phi(-w)) without cancellation."""
    root = jnp.sqrt(params["shape"] / params["mean"])
    half = jnp.clip(0.5 * v, -170, 170)
    u, w = 2 * root * jnp.sinh(half), 2 * root * jnp.cosh(half)
    return u, -0.5 * u * u - _HALF_LOG_2PI - jnp.log(hazard(-w))


def _inverse_gaussian_logpdf(params: Any, v: Any) -> Any:
    ratio = params["shape"] / params["mean"]
    return 0.5 * (jnp.log(ratio) - v) - _HALF_LOG_2PI - 2 * ratio * jnp.sinh(jnp.clip(0.5 * v, -170, 170)) ** 2


def _inverse_gaussian_lower(params: Any, v: Any) -> Any:
    u, more = _passage(params, v)
    return jnp.minimum(jnp.logaddexp(special.log_ndtr(u), more), 0)


def _inverse_gaussian_upper(params: Any, v: Any) -> Any:
    u, more = _passage(params, v)
    return special.log_diff(special.log_ndtr(-u), more)


def _inverse_gaussian_draw(key: Any, params: Any, shape: Any, dtype: Any) -> Any:
    # Michael, Schucany & Haas 1976, Am. Statist. 30, 88-90; the smaller root without cancellation.
    first, second = jax.random.split(key)
    ratio = params["shape"] / params["mean"]
    y = jax.random.normal(first, shape, dtype) ** 2
    v = jnp.log(4 * ratio * y) - 2 * jnp.log(y + jnp.sqrt(y * (y + 4 * ratio)))
    return jnp.where(jax.random.uniform(second, shape, dtype) < jax.nn.sigmoid(-v), v, -v)


def _inverse_gaussian_start(x: Any, weights: Any) -> Any:
    x, weights = _moments.usable(x, weights, is_positive(x))
    mean = _moments.positive_mean(x, weights)
    # mean(1/x) - 1/mean, as a sum of squares.
    y = jnp.where(weights > 0, x, mean) / mean
    excess = jnp.maximum(_moments.mean((y - 1) ** 2 / y, weights), 1e-12)
    return {"mean": mean, "shape": _moments.legal_positive(mean / excess)}


inverse_gaussian = law(
    _OF_MEAN,
    "inverse_gaussian",
    _inverse_gaussian_logpdf,
    _inverse_gaussian_lower,
    _inverse_gaussian_upper,
    _inverse_gaussian_start,
    shapes={"shape": spaces.positive},
    quantile=Solved(_inverse_gaussian_lower, _inverse_gaussian_upper, _same, -300.0, 300.0),
    draw=_inverse_gaussian_draw,
    maximum=_inverse_gaussian_start,
    information=lambda p, x: symmetric(x, [[p["shape"] / p["mean"] ** 3, 0.0], [0.0, 0.5 * p["shape"] ** -2.0]]),
    mean=_means.mean,
    doc="""Inverse Gaussian: density sqrt(shape / (2 pi x^3)) exp(-shape (x - mean)^2 / (2 mean^2 x)), x > 0.

    First passage of Brownian motion with drift. Mean mean, variance mean^3 / shape; the maximum is the average and
    1 / shape = mean(1/x) - 1/mean. Johnson, Kotz & Balakrishnan, *Continuous Univariate Distributions* 1, chapter 15.""",
)


# --- Pareto ----------------------------------------------------------------------------------------------

_OF_LEAST = Form(
    is_positive,
    lambda p, x: jnp.log(x / p["scale"]),
    lambda p, x: -jnp.log(x),
    lambda p, v: p["scale"] * jnp.exp(v),
    {"scale": spaces.positive},
)


def _above(v: Any) -> Any:
    """Whether x >= scale, to rounding: the least x is the maximum's scale."""
    return v >= -8 * float(jnp.finfo(v.dtype).eps)


def _pareto_maximum(x: Any, weights: Any) -> Any:
    x, weights = _moments.usable(x, weights, is_positive(x))
    least = jnp.min(jnp.where(weights > 0, x, jnp.inf))
    least = jnp.where(jnp.isfinite(least), least, 1)
    return {"scale": least, "shape": 1 / _moments.mean(jnp.log(jnp.where(weights > 0, x, least) / least), weights)}


def _pareto_start(x: Any, weights: Any) -> Any:
    at = _pareto_maximum(x, weights)
    return {"scale": _moments.legal_positive(at["scale"]), "shape": jnp.clip(at["shape"], 1e-6, 1e12)}


pareto = law(
    _OF_LEAST,
    "pareto",
    lambda p, v: jnp.where(_above(v), jnp.log(p["shape"]) - p["shape"] * v, -jnp.inf),
    lambda p, v: jnp.where(v > 0, special.log1mexpexp(jnp.log(p["shape"]) + jnp.log(jnp.where(v > 0, v, 1))), -jnp.inf),
    lambda p, v: -p["shape"] * jnp.maximum(v, 0),
    _pareto_start,
    shapes={"shape": spaces.positive},
    quantile=lambda p, q: -jnp.log1p(-q) / p["shape"],
    maximum=_pareto_maximum,
    regularity="edge",
    mean=_means.pareto,
    doc="""Pareto: density (shape / scale) (x / scale)^(-shape - 1), x >= scale.

    Wealth, city sizes, claims above a priority. Mean scale shape / (shape - 1) for shape > 1. The maximum is the least x and
    1 / mean(log(x / least)), at an edge of the data: no standard errors, unless the scale is pinned.
    Johnson, Kotz & Balakrishnan, *Continuous Univariate Distributions* 1, chapter 20.""",
)
