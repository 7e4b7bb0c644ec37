"""Laws on an interval: beta, Kumaraswamy, logit-normal, triangular and uniform."""

import math
from typing import Any

import jax
import jax.numpy as jnp

from jaxmle import spaces, special
from jaxmle.distributions import _means, _moments, _quantiles
from jaxmle.distributions._distribution import Distribution, is_finite, is_share, symmetric
from jaxmle.distributions._standard import SHARE, law
from jaxmle.special.elementary import floating

_HALF_LOG_2PI = 0.9189385332046727


def _logit(z: Any) -> Any:
    return jnp.log(z) - jnp.log1p(-z)


# --- beta ------------------------------------------------------------------------------------------------


def _beta_lower(params: Any, z: Any) -> Any:
    return special.log_betainc_odds(params["a"], params["b"], z / (1 - z))


def _beta_upper(params: Any, z: Any) -> Any:
    return special.log_betainc_odds(params["b"], params["a"], (1 - z) / z)


def _beta_start(x: Any, weights: Any) -> Any:
    x, weights = _moments.usable(x, weights, is_share(x))
    centre = jnp.clip(_moments.mean(x, weights), 1e-6, 1 - 1e-6)
    centre = jnp.where(jnp.sum(weights) > 0, centre, 0.5)
    square = jnp.maximum(_moments.mean(jnp.where(weights > 0, x - centre, 0) ** 2, weights), 1e-14)
    total = jnp.clip(centre * (1 - centre) / square - 1, 0.05, 1e10)
    return {"a": centre * total, "b": (1 - centre) * total}


def _beta_draw(key: Any, params: Any, shape: Any, dtype: Any) -> Any:
    first, second = jax.random.split(key)
    a, b = (jnp.broadcast_to(jnp.asarray(params[k], dtype), shape) for k in "ab")
    odds = jax.random.loggamma(first, a, shape, dtype) - jax.random.loggamma(second, b, shape, dtype)
    eps = float(jnp.finfo(dtype).eps)
    return jnp.clip(jax.nn.sigmoid(odds), float(jnp.finfo(dtype).tiny), 1 - eps)


def _beta_information(params: Any, x: Any) -> Any:
    a, b = params["a"], params["b"]
    both = special.trigamma(a + b)
    return symmetric(x, [[special.trigamma(a) - both, -both], [-both, special.trigamma(b) - both]])


beta = law(
    SHARE,
    "beta",
    lambda p, z: (p["a"] - 1) * jnp.log(z) + (p["b"] - 1) * jnp.log1p(-z) - special.betaln(p["a"], p["b"]),
    _beta_lower,
    _beta_upper,
    _beta_start,
    shapes={"a": spaces.positive, "b": spaces.positive},
    quantile=lambda p, q: special.betaincinv(p["a"], p["b"], q),
    draw=_beta_draw,
    information=_beta_information,
    mean=_means.beta,
    doc="""Beta: density x^(a - 1) (1 - x)^(b - 1) / B(a, b), 0 < x < 1.

    Shares and probabilities. Mean a / (a + b), variance a b / ((a + b)^2 (a + b + 1)).
    Johnson, Kotz & Balakrishnan, *Continuous Univariate Distributions* 2, chapter 25.""",
)


# --- Kumaraswamy -----------------------------------------------------------------------------------------


def _kumaraswamy_rest(params: Any, z: Any) -> tuple[Any, Any]:
    """log(1 - z^a), and the logarithm of its negative."""
    power = params["a"] * jnp.log(z)
    far = power < -40
    rest = special.log1mexp(jnp.where(far, -1, power))
    return jnp.where(far, -jnp.exp(jnp.minimum(power, -40)), rest), jnp.where(far, power, jnp.log(-rest))


def _kumaraswamy_logpdf(params: Any, z: Any) -> Any:
    a, b = params["a"], params["b"]
    return jnp.log(a) + jnp.log(b) + (a - 1) * jnp.log(z) + (b - 1) * _kumaraswamy_rest(params, z)[0]


def _kumaraswamy_start(x: Any, weights: Any) -> Any:
    # b has a closed form given a; a from the beta law of the same mean and variance.
    a = jnp.clip(_beta_start(x, weights)["a"], 0.1, 20.0)
    x, weights = _moments.usable(x, weights, is_share(x))
    rest = _moments.mean(-_kumaraswamy_rest({"a": a}, jnp.where(weights > 0, x, 0.5))[0], weights)
    return {"a": a, "b": jnp.clip(1 / jnp.where(rest > 0, rest, 1), 1e-6, 1e12)}


kumaraswamy = law(
    SHARE,
    "kumaraswamy",
    _kumaraswamy_logpdf,
    lambda p, z: special.log1mexpexp(jnp.log(p["b"]) + _kumaraswamy_rest(p, z)[1]),
    lambda p, z: p["b"] * _kumaraswamy_rest(p, z)[0],
    _kumaraswamy_start,
    shapes={"a": spaces.positive, "b": spaces.positive},
    quantile=lambda p, q: jnp.exp(special.log1mexp(jnp.log1p(-q) / p["b"]) / p["a"]),
    mean=_means.kumaraswamy,
    doc="""Kumaraswamy: density a b x^(a - 1) (1 - x^a)^(b - 1), 0 < x < 1.

    Shares, with a distribution function in closed form: 1 - (1 - x^a)^b. Mean b B(1 + 1/a, b).
    Jones 2009, *Statistical Methodology* 6, 70-81.""",
)


# --- logit-normal ----------------------------------------------------------------------------------------


def _logit_scale(params: Any, z: Any) -> Any:
    return (_logit(z) - params["loc"]) / params["scale"]


def _logit_normal_start(x: Any, weights: Any) -> Any:
    x, weights = _moments.usable(x, weights, is_share(x))
    loc, scale = _moments.location_scale(_logit(jnp.where(weights > 0, x, 0.5)), weights)
    return {"loc": loc, "scale": scale}


def _logit_normal_logpdf(params: Any, z: Any) -> Any:
    y = _logit_scale(params, z)
    return -0.5 * y * y - _HALF_LOG_2PI - jnp.log(params["scale"]) - jnp.log(z) - jnp.log1p(-z)


logit_normal = law(
    SHARE,
    "logit_normal",
    _logit_normal_logpdf,
    lambda p, z: special.log_ndtr(_logit_scale(p, z)),
    lambda p, z: special.log_ndtr(-_logit_scale(p, z)),
    _logit_normal_start,
    shapes={"loc": spaces.real, "scale": spaces.positive},
    quantile=lambda p, q: jax.nn.sigmoid(p["loc"] + p["scale"] * jax.scipy.special.ndtri(q)),
    maximum=_logit_normal_start,
    information=lambda p, x: symmetric(x, [[p["scale"] ** -2.0, 0.0], [0.0, 2 * p["scale"] ** -2.0]]),
    mean=_means.logit_normal,
    doc="""Logit-normal: log(x / (1 - x)) is normal(loc, scale), 0 < x < 1.

    Shares and probabilities that vary between units. Median 1 / (1 + exp(-loc)); the maximum is the logits' mean and
    standard deviation. Johnson 1949, *Biometrika* 36, 149-176 (SB).""",
)


# --- triangular ------------------------------------------------------------------------------------------


def _triangular_logpdf(params: Any, z: Any) -> Any:
    mode = params["mode"]
    left = z <= mode
    return math.log(2) + jnp.where(left, jnp.log(z) - jnp.log(mode), jnp.log1p(-z) - jnp.log1p(-mode))


def _triangular_lower(params: Any, z: Any) -> Any:
    mode = params["mode"]
    left = z <= mode
    rest = 2 * jnp.log1p(-jnp.where(left, 0.5 * (1 + mode), z)) - jnp.log1p(-mode)
    return jnp.where(left, 2 * jnp.log(z) - jnp.log(mode), special.log1mexp(rest))


def _triangular_upper(params: Any, z: Any) -> Any:
    return _triangular_lower({"mode": 1 - params["mode"]}, 1 - z)


def _triangular_quantile(params: Any, q: Any) -> Any:
    mode = params["mode"]
    return jnp.where(q < mode, jnp.sqrt(q * mode), 1 - jnp.sqrt((1 - q) * (1 - mode)))


def _triangular_maximum(x: Any, weights: Any) -> Any:
    # The maximum is at a row (Oliver 1972, Am. Statist. 26, 43-44).
    x, weights = _moments.usable(x, weights, is_share(x))
    x, weights = _moments.in_order(x, weights)
    x = jnp.where(weights > 0, x, 0.5)
    left, right = jnp.log(x), jnp.log1p(-x)
    below = jnp.cumsum(weights)
    value = jnp.cumsum(weights * left) - below * left
    above = jnp.sum(weights * right) - jnp.cumsum(weights * right)
    value = jnp.where(weights > 0, value + above - (jnp.sum(weights) - below) * right, -jnp.inf)
    return {"mode": _moments.least(x, value == jnp.max(value))}


triangular = law(
    SHARE,
    "triangular",
    _triangular_logpdf,
    _triangular_lower,
    _triangular_upper,
    _triangular_maximum,
    shapes={"mode": spaces.interval(0.0, 1.0)},
    quantile=_triangular_quantile,
    maximum=_triangular_maximum,
    information=lambda p, x: symmetric(x, [[1 / (p["mode"] * (1 - p["mode"]))]]),
    regularity="kinked",
    mean=_means.triangular,
    doc="""Triangular on (0, 1): density 2 x / mode up to the mode, 2 (1 - x) / (1 - mode) beyond it.

    Judged quantities of known range (move another range onto (0, 1) first). Mean (1 + mode) / 3. The maximum is one of
    the rows; standard errors come from the expected information.
    Johnson, Kotz & Balakrishnan, *Continuous Univariate Distributions* 2, section 26.9.""",
)


# --- uniform ---------------------------------------------------------------------------------------------


def _uniform_share(params: Any, x: Any) -> Any:
    low, high = params["lower"], params["upper"]
    return (jnp.clip(x, low, high) - low) / (high - low)


def _uniform_logpdf(params: Any, x: Any) -> Any:
    x = floating(x)
    inside = (x >= params["lower"]) & (x <= params["upper"])
    return jnp.where(inside, -jnp.log(params["upper"] - params["lower"]), -jnp.inf)


def _uniform_logcdf(params: Any, x: Any) -> Any:
    share = _uniform_share(params, floating(x))
    return jnp.where(share <= 0, -jnp.inf, jnp.log(jnp.where(share <= 0, 1, share)))


def _uniform_logsf(params: Any, x: Any) -> Any:
    return _uniform_logcdf({"lower": -params["upper"], "upper": -params["lower"]}, -floating(x))


def _uniform_quantile(params: Any, q: Any) -> Any:
    return params["lower"] + (params["upper"] - params["lower"]) * _quantiles.legal(q)


def _uniform_sample(key: Any, params: Any, shape: Any = ()) -> Any:
    low, high = floating(params["lower"]), floating(params["upper"])
    return low + (high - low) * jax.random.uniform(key, shape or low.shape, low.dtype)


def _uniform_maximum(x: Any, weights: Any) -> Any:
    x, weights = _moments.usable(x, weights, True)
    low, high = _moments.ends(x, weights > 0)
    some = jnp.isfinite(low)
    return {"lower": jnp.where(some, low, 0), "upper": jnp.where(some, high, 1)}


uniform = Distribution(
    name="uniform",
    logpdf=_uniform_logpdf,
    logcdf=_uniform_logcdf,
    logsf=_uniform_logsf,
    quantile=_uniform_quantile,
    sample=_uniform_sample,
    support=is_finite,
    space={"lower": spaces.real, "upper": spaces.real},
    start=_uniform_maximum,
    maximum=_uniform_maximum,
    regularity="edge",
    mean=_means.uniform,
    doc="""Uniform: density 1 / (upper - lower), lower <= x <= upper.

    Rounding errors, random phases. Mean (lower + upper) / 2, variance (upper - lower)^2 / 12. The maximum is the least and
    the greatest x, at the edges of the data: no standard errors.
    Johnson, Kotz & Balakrishnan, *Continuous Univariate Distributions* 2, chapter 26.""",
)
