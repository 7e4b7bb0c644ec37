"""Laws of positive durations and amounts: exponential, gamma, Weibull, lognormal."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxmle import spaces, special
from jaxmle.distributions import _moments, _quantiles
from jaxmle.distributions._distribution import Distribution, is_nonnegative, is_positive, symmetric, tails, within
from jaxmle.distributions._extremes import held
from jaxmle.special.elementary import floating

_EULER = 0.5772156649015329
_HALF_LOG_2PI = 0.9189385332046727


# --- exponential -----------------------------------------------------------------------------------------


def _exponential_logpdf(params: Any, x: Any) -> Any:
    x, rate = floating(x), params["rate"]
    inside = is_nonnegative(x)
    return jnp.where(inside, jnp.log(rate) - rate * within(inside, x, 1), -jnp.inf)


def _exponential_logcdf(params: Any, x: Any) -> Any:
    x, rate = floating(x), params["rate"]
    inside = is_positive(x)
    value = special.log1mexpexp(jnp.log(rate) + jnp.log(within(inside, x, 1)))
    return tails(inside, x, value, -jnp.inf, 0.0)


def _exponential_logsf(params: Any, x: Any) -> Any:
    x, rate = floating(x), params["rate"]
    inside = is_positive(x)
    return tails(inside, x, -rate * within(inside, x, 1), 0.0, -jnp.inf)


def _exponential_quantile(params: Any, q: Any) -> Any:
    return -jnp.log1p(-_quantiles.legal(q)) / params["rate"]


def _exponential_sample(key: Any, params: Any, shape: Any = ()) -> Any:
    rate = floating(params["rate"])
    return jax.random.exponential(key, shape, rate.dtype) / rate


def _exponential_start(x: Any, weights: Any) -> Any:
    x, weights = _moments.usable(x, weights, is_nonnegative(x))
    return {"rate": _moments.legal_positive(1 / _moments.positive_mean(x, weights))}


def _exponential_information(params: Any, x: Any) -> Any:
    return symmetric(x, [[params["rate"] ** -2.0]])


def _exponential_mean(params: Any) -> Any:
    return 1 / floating(params["rate"])


exponential = Distribution(
    name="exponential",
    logpdf=_exponential_logpdf,
    logcdf=_exponential_logcdf,
    logsf=_exponential_logsf,
    quantile=_exponential_quantile,
    sample=_exponential_sample,
    support=is_nonnegative,
    space={"rate": spaces.positive},
    start=_exponential_start,
    maximum=_exponential_start,
    information=_exponential_information,
    mean=_exponential_mean,
    doc="""Exponential: density rate exp(-rate x), x >= 0.

    Waiting times without memory: constant hazard `rate`. Mean 1/rate, variance 1/rate^2; the maximum is
    rate = n / sum x. Johnson, Kotz & Balakrishnan, *Continuous Univariate Distributions* 1, chapter 19.""",
)


# --- gamma -----------------------------------------------------------------------------------------------


def _gamma_logpdf(params: Any, x: Any) -> Any:
    x, shape, scale = floating(x), params["shape"], params["scale"]
    inside = is_positive(x)
    x = within(inside, x, 1)
    log_x = jnp.log(x)
    value = shape * (log_x - jnp.log(scale)) - log_x - x / scale - special.gammaln(shape)
    return jnp.where(inside, value, -jnp.inf)


def _gamma_logcdf(params: Any, x: Any) -> Any:
    x = floating(x)
    inside = is_positive(x)
    value = special.log_gammainc(params["shape"], within(inside, x, params["scale"]) / params["scale"])
    return tails(inside, x, value, -jnp.inf, 0.0)


def _gamma_logsf(params: Any, x: Any) -> Any:
    x = floating(x)
    inside = is_positive(x)
    value = special.log_gammaincc(params["shape"], within(inside, x, params["scale"]) / params["scale"])
    return tails(inside, x, value, 0.0, -jnp.inf)


def _gamma_quantile(params: Any, q: Any) -> Any:
    return params["scale"] * special.gammaincinv(params["shape"], q)


def _gamma_sample(key: Any, params: Any, shape: Any = ()) -> Any:
    return jnp.exp(jax.random.loggamma(key, floating(params["shape"]), shape)) * params["scale"]


def _gamma_start(x: Any, weights: Any) -> Any:
    x, weights = _moments.usable(x, weights, is_positive(x))
    centre = _moments.positive_mean(x, weights)
    shape = _moments.gamma_shape(x, weights)
    return {"shape": shape, "scale": _moments.legal_positive(centre / shape)}


def _gamma_information(params: Any, x: Any) -> Any:
    shape, scale = params["shape"], params["scale"]
    return symmetric(x, [[shape / scale**2, 1 / scale], [1 / scale, special.polygamma(1, shape)]])


def _gamma_mean(params: Any) -> Any:
    return floating(params["shape"]) * params["scale"]


gamma = Distribution(
    name="gamma",
    logpdf=_gamma_logpdf,
    logcdf=_gamma_logcdf,
    logsf=_gamma_logsf,
    quantile=_gamma_quantile,
    sample=_gamma_sample,
    support=is_positive,
    space={"shape": spaces.positive, "scale": spaces.positive},
    start=_gamma_start,
    information=_gamma_information,
    mean=_gamma_mean,
    doc="""Gamma: density x^(shape - 1) exp(-x / scale) / (Gamma(shape) scale^shape), x > 0.

    Amounts, waiting times to several events, rates. Mean shape scale, variance shape scale^2.
    Johnson, Kotz & Balakrishnan, *Continuous Univariate Distributions* 1, chapter 17.""",
)


# --- Weibull ---------------------------------------------------------------------------------------------


def _log_hazard(params: Any, x: Any) -> Any:
    """log of the cumulative hazard (x / scale)^shape, x > 0."""
    return params["shape"] * (jnp.log(x) - jnp.log(params["scale"]))


def _weibull_logpdf(params: Any, x: Any) -> Any:
    x, shape = floating(x), params["shape"]
    inside = is_positive(x)
    kept = within(inside, x, 1)
    v = _log_hazard(params, kept)
    return jnp.where(inside, jnp.log(shape) - jnp.log(kept) + v - jnp.exp(v), -jnp.inf)


def _weibull_logcdf(params: Any, x: Any) -> Any:
    x = floating(x)
    inside = is_positive(x)
    value = special.log1mexpexp(held(_log_hazard(params, within(inside, x, 1))))
    return tails(inside, x, value, -jnp.inf, 0.0)


def _weibull_logsf(params: Any, x: Any) -> Any:
    x = floating(x)
    inside = is_positive(x)
    return tails(inside, x, -jnp.exp(_log_hazard(params, within(inside, x, 1))), 0.0, -jnp.inf)


def _weibull_quantile(params: Any, q: Any) -> Any:
    return params["scale"] * (-jnp.log1p(-_quantiles.legal(q))) ** (1 / params["shape"])


def _weibull_sample(key: Any, params: Any, shape: Any = ()) -> Any:
    k = floating(params["shape"])
    return params["scale"] * jax.random.exponential(key, shape, k.dtype) ** (1 / k)


def _weibull_start(x: Any, weights: Any) -> Any:
    # The log of a Weibull is a Gumbel of minima: sd(log x) = pi / (sqrt(6) shape) = 1.28 / shape, mean = log scale - euler / shape.
    x, weights = _moments.usable(x, weights, is_positive(x))
    centre, spread = _moments.log_moments(x, weights)
    shape = 1.2825498301618643 / jnp.clip(spread, 1e-6, 1e6)
    return {"scale": _moments.legal_positive(jnp.exp(centre + _EULER / shape)), "shape": shape}


def _weibull_information(params: Any, x: Any) -> Any:
    shape, scale = params["shape"], params["scale"]
    cross = -(1 - _EULER) / scale
    last = (np.pi**2 / 6 + (1 - _EULER) ** 2) / shape**2
    return symmetric(x, [[(shape / scale) ** 2, cross], [cross, last]])


def _weibull_mean(params: Any) -> Any:
    return params["scale"] * jnp.exp(special.gammaln(1 + 1 / floating(params["shape"])))


weibull = Distribution(
    name="weibull",
    logpdf=_weibull_logpdf,
    logcdf=_weibull_logcdf,
    logsf=_weibull_logsf,
    quantile=_weibull_quantile,
    sample=_weibull_sample,
    support=is_positive,
    space={"scale": spaces.positive, "shape": spaces.positive},
    start=_weibull_start,
    information=_weibull_information,
    mean=_weibull_mean,
    doc="""Weibull: density (shape / scale) (x / scale)^(shape - 1) exp(-(x / scale)^shape), x > 0.

    Lifetimes whose hazard rises (shape > 1) or falls (shape < 1); scale is the 63.2 % point. Mean
    scale Gamma(1 + 1/shape). Meeker & Escobar 1998, *Statistical Methods for Reliability Data*, section 4.8.""",
)


# --- lognormal -------------------------------------------------------------------------------------------


def _standardized(params: Any, x: Any) -> Any:
    return (jnp.log(x) - params["loc"]) / params["scale"]


def _lognormal_logpdf(params: Any, x: Any) -> Any:
    x = floating(x)
    inside = is_positive(x)
    log_x = jnp.log(within(inside, x, 1))
    z = (log_x - params["loc"]) / params["scale"]
    return jnp.where(inside, -0.5 * z * z - _HALF_LOG_2PI - jnp.log(params["scale"]) - log_x, -jnp.inf)


def _lognormal_logcdf(params: Any, x: Any) -> Any:
    x = floating(x)
    inside = is_positive(x)
    return tails(inside, x, special.log_ndtr(_standardized(params, within(inside, x, 1))), -jnp.inf, 0.0)


def _lognormal_logsf(params: Any, x: Any) -> Any:
    x = floating(x)
    inside = is_positive(x)
    return tails(inside, x, special.log_ndtr(-_standardized(params, within(inside, x, 1))), 0.0, -jnp.inf)


def _lognormal_quantile(params: Any, q: Any) -> Any:
    return jnp.exp(params["loc"] + params["scale"] * jax.scipy.special.ndtri(floating(q)))


def _lognormal_sample(key: Any, params: Any, shape: Any = ()) -> Any:
    scale = floating(params["scale"])
    return jnp.exp(params["loc"] + scale * jax.random.normal(key, shape, scale.dtype))


def _lognormal_start(x: Any, weights: Any) -> Any:
    x, weights = _moments.usable(x, weights, is_positive(x))
    logs = jnp.log(jnp.where(weights > 0, x, 1))
    loc, scale = _moments.location_scale(logs, weights)
    return {"loc": loc, "scale": scale}


def _lognormal_information(params: Any, x: Any) -> Any:
    scale = params["scale"]
    return symmetric(x, [[scale**-2.0, 0.0], [0.0, 2 * scale**-2.0]])


def _lognormal_mean(params: Any) -> Any:
    return jnp.exp(floating(params["loc"]) + 0.5 * params["scale"] ** 2)


lognormal = Distribution(
    name="lognormal",
    logpdf=_lognormal_logpdf,
    logcdf=_lognormal_logcdf,
    logsf=_lognormal_logsf,
    quantile=_lognormal_quantile,
    sample=_lognormal_sample,
    support=is_positive,
    space={"loc": spaces.real, "scale": spaces.positive},
    start=_lognormal_start,
    maximum=_lognormal_start,
    information=_lognormal_information,
    mean=_lognormal_mean,
    doc="""Lognormal: density exp(-(log x - loc)^2 / (2 scale^2)) / (x scale sqrt(2 pi)), x > 0.

    Products of many small factors; log x is normal(loc, scale). Median exp(loc), mean exp(loc + scale^2 / 2).
    Johnson, Kotz & Balakrishnan, *Continuous Univariate Distributions* 1, chapter 14.""",
)
