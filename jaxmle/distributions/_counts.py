"""Counts without a fixed number of trials: Poisson and negative binomial."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxmle import spaces, special
from jaxmle.distributions import _moments, _quantiles
from jaxmle.distributions._distribution import Distribution, symmetric, within
from jaxmle.special.elementary import floating


def is_count(x: Any) -> Any:
    """Whether x is a whole number >= 0."""
    x = floating(x)
    return (x >= 0) & (x < jnp.inf) & (x == jnp.floor(x))


def is_whole_from_one(x: Any) -> Any:
    """Whether x is a whole number >= 1."""
    return is_count(x) & (floating(x) >= 1)


def steps(x: Any, value: Any, at_minus: Any, at_plus: Any) -> Any:
    """`value` for finite x >= 0; the ends of the distribution function elsewhere; NaN for NaN."""
    inside = (x >= 0) & (x < jnp.inf)
    return jnp.where(inside, value, jnp.where(x < 0, at_minus, jnp.where(x > 0, at_plus, jnp.nan)))


def floored(x: Any) -> Any:
    """The whole part of a finite x >= 0, 0 for others."""
    return jnp.floor(jnp.where((x >= 0) & (x < jnp.inf), x, 0))


# --- Poisson ---------------------------------------------------------------------------------------------


def _poisson_logpdf(params: Any, x: Any) -> Any:
    x, mean = floating(x), params["mean"]
    inside = is_count(x)
    x = within(inside, x, 0)
    return jnp.where(inside, special.xlogy(x, mean) - mean - special.gammaln(x + 1), -jnp.inf)


def _poisson_logcdf(params: Any, x: Any) -> Any:
    x, mean = floating(x), floating(params["mean"])
    zero = mean == 0
    value = special.log_gammaincc(floored(x) + 1, jnp.where(zero, 1, mean))
    return steps(x, jnp.where(zero, 0, value), -jnp.inf, 0.0)


def _poisson_logsf(params: Any, x: Any) -> Any:
    x, mean = floating(x), floating(params["mean"])
    zero = mean == 0
    value = special.log_gammainc(floored(x) + 1, jnp.where(zero, 1, mean))
    return steps(x, jnp.where(zero, -jnp.inf, value), 0.0, -jnp.inf)


def _poisson_quantile(params: Any, q: Any) -> Any:
    return _quantiles.whole(_poisson_logcdf, params, q)


def _poisson_sample(key: Any, params: Any, shape: Any = ()) -> Any:
    mean = floating(params["mean"])
    return jax.random.poisson(key, mean, shape or jnp.shape(mean)).astype(mean.dtype)


def count_mean(x: Any, weights: Any) -> tuple[Any, Any]:
    """Mean of counts; half an event in all where there is none, to stay inside the space. Also the total weight."""
    total = jnp.sum(weights)
    total = jnp.where(total > 0, total, 1)
    centre = _moments.mean(x, weights)
    return _moments.legal_positive(jnp.where(centre > 0, centre, 0.5 / total)), total


def _poisson_start(x: Any, weights: Any) -> Any:
    x, weights = _moments.usable(x, weights, is_count(x))
    return {"mean": count_mean(x, weights)[0]}


def _poisson_maximum(x: Any, weights: Any) -> Any:
    return {"mean": _moments.mean(*_moments.usable(x, weights, is_count(x)))}


def _poisson_information(params: Any, x: Any) -> Any:
    return symmetric(x, [[1 / params["mean"]]])


def _poisson_mean(params: Any) -> Any:
    return floating(params["mean"])


poisson = Distribution(
    name="poisson",
    logpdf=_poisson_logpdf,
    logcdf=_poisson_logcdf,
    logsf=_poisson_logsf,
    quantile=_poisson_quantile,
    sample=_poisson_sample,
    support=is_count,
    space={"mean": spaces.positive},
    start=_poisson_start,
    maximum=_poisson_maximum,
    information=_poisson_information,
    discrete=True,
    mean=_poisson_mean,
    doc="""Poisson: mass mean^x exp(-mean) / x!, x = 0, 1, 2, ...

    Counts of independent events. Mean and variance `mean`; the maximum is the average.
    Johnson, Kemp & Kotz, *Univariate Discrete Distributions*, chapter 4.""",
)


# --- negative binomial -----------------------------------------------------------------------------------


def _negative_binomial_logpdf(params: Any, x: Any) -> Any:
    # In terms of the dispersion a everything is smooth at the Poisson limit a = 0:
    # log_rising(x, a) - log x! + x log mean - (x + 1/a) log(1 + t), t = a mean, and log(1 + t)/t = (1 + excess)/(1 + t).
    x, mean, dispersion = floating(x), params["mean"], params["dispersion"]
    inside = is_count(x)
    x = within(inside, x, 0)
    t = dispersion * mean
    counted = special.log_rising(x, dispersion, whole=True) - special.gammaln(x + 1)
    value = counted + special.xlogy(x, mean) - x * jnp.log1p(t) - mean * ((1 + special.xlogx_excess(t)) / (1 + t))
    return jnp.where(inside, value, -jnp.inf)


def _negative_binomial_tail(params: Any, x: Any, upper: bool) -> Any:
    """log P(X > x) or log P(X <= x): X <= k has probability I_{1/(1 + a mean)}(1/a, k + 1)."""
    mean, dispersion = floating(params["mean"]), floating(params["dispersion"])
    zero = mean == 0
    mean = jnp.where(zero, 1, mean)
    a = jnp.maximum(dispersion, 1e-12)
    k = floored(x)
    if upper:
        value = special.log_betainc_odds(k + 1, 1 / a, a * mean)
        return jnp.where(zero, -jnp.inf, value)
    value = special.log_betainc_odds(1 / a, k + 1, 1 / (a * mean))
    return jnp.where(zero, 0, value)


def _negative_binomial_logcdf(params: Any, x: Any) -> Any:
    x = floating(x)
    return steps(x, _negative_binomial_tail(params, x, False), -jnp.inf, 0.0)


def _negative_binomial_logsf(params: Any, x: Any) -> Any:
    x = floating(x)
    return steps(x, _negative_binomial_tail(params, x, True), 0.0, -jnp.inf)


def _negative_binomial_quantile(params: Any, q: Any) -> Any:
    return _quantiles.whole(_negative_binomial_logcdf, params, q)


def _negative_binomial_sample(key: Any, params: Any, shape: Any = ()) -> Any:
    mean, dispersion = jnp.broadcast_arrays(floating(params["mean"]), floating(params["dispersion"]))
    shape = shape or mean.shape
    first, second = jax.random.split(key)
    r = 1 / jnp.maximum(dispersion, 1e-12)
    rate = jnp.exp(jax.random.loggamma(first, r, shape) - jnp.log(r)) * mean
    rate = jnp.where(dispersion > 1e-12, rate, mean)
    return jax.random.poisson(second, rate, shape).astype(mean.dtype)


def _negative_binomial_start(x: Any, weights: Any) -> Any:
    x, weights = _moments.usable(x, weights, is_count(x))
    mean, _ = count_mean(x, weights)
    relative = _moments.mean(jnp.where(weights > 0, x / mean - 1, 0) ** 2, weights)
    return {"dispersion": jnp.clip(relative - 1 / mean, 0.01, 100.0), "mean": mean}


def _negative_binomial_mean(params: Any) -> Any:
    return floating(params["mean"])


negative_binomial = Distribution(
    name="negative_binomial",
    logpdf=_negative_binomial_logpdf,
    logcdf=_negative_binomial_logcdf,
    logsf=_negative_binomial_logsf,
    quantile=_negative_binomial_quantile,
    sample=_negative_binomial_sample,
    support=is_count,
    space={"dispersion": spaces.positive, "mean": spaces.positive},
    start=_negative_binomial_start,
    discrete=True,
    mean=_negative_binomial_mean,
    doc="""Negative binomial: mass Gamma(x + r) / (x! Gamma(r)) (r / (r + mean))^r (mean / (r + mean))^x, r = 1/dispersion.

    Counts that vary more than the Poisson (dispersion -> 0): variance mean + dispersion mean^2 (NB2).
    Hilbe 2011, *Negative Binomial Regression*, 2nd ed., section 8.2.""",
)
