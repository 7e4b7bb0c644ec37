"""Negative binomial distribution (NB2) of counts that vary more than Poisson.

Parameters: `mean` > 0; `dispersion` > 0, the squared coefficient of variation beyond Poisson.

>>> from jaxmle import distributions
>>> round(float(distributions.negative_binomial.logpdf({"dispersion": 0.4, "mean": 3.5}, 3.0)), 3)
-1.924
"""

import jax
import jax.numpy as jnp
from jax import Array

from jaxmle import spaces, special
from jaxmle.distributions.base import quantiles, weighted_moments
from jaxmle.distributions.base.discrete_cdf import floored, step_function
from jaxmle.distributions.base.distribution import Distribution
from jaxmle.distributions.base.support import is_count, within
from jaxmle.distributions.base.types import Params, Shape
from jaxmle.distributions.base.weighted_moments import count_mean
from jaxmle.special.elementary import floating


def _logpdf(params: Params, x: Array) -> Array:
    # In terms of the dispersion a everything is smooth at the Poisson limit a = 0:
    # log_rising(x, a) - log x! + x log mean - (x + 1/a) log(1 + t), t = a mean, and log(1 + t)/t = (1 + excess)/(1 + t).
    x, mean, dispersion = floating(x), params["mean"], params["dispersion"]
    inside = is_count(x)
    x = within(inside, x, 0)
    t = dispersion * mean
    counted = special.log_rising(x, dispersion, whole=True) - special.gammaln(x + 1)
    value = counted + special.xlogy(x, mean) - x * jnp.log1p(t) - mean * ((1 + special.xlogx_excess(t)) / (1 + t))
    return jnp.where(inside, value, -jnp.inf)


def _tail(params: Params, x: Array, upper: bool) -> Array:
    """Compute log P(X > x), if `upper`, or log P(X <= x): X <= k has probability I_{1/(1 + a mean)}(1/a, k + 1)."""
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


def _logcdf(params: Params, x: Array) -> Array:
    x = floating(x)
    return step_function(x, _tail(params, x, False), -jnp.inf, 0.0)


def _logsf(params: Params, x: Array) -> Array:
    x = floating(x)
    return step_function(x, _tail(params, x, True), 0.0, -jnp.inf)


def _quantile(params: Params, q: Array) -> Array:
    return quantiles.whole(_logcdf, params, q)


def _sample(key: Array, params: Params, shape: Shape = ()) -> Array:
    mean, dispersion = jnp.broadcast_arrays(floating(params["mean"]), floating(params["dispersion"]))
    shape = shape or mean.shape
    first, second = jax.random.split(key)
    r = 1 / jnp.maximum(dispersion, 1e-12)
    rate = jnp.exp(jax.random.loggamma(first, r, shape) - jnp.log(r)) * mean
    rate = jnp.where(dispersion > 1e-12, rate, mean)
    return jax.random.poisson(second, rate, shape).astype(mean.dtype)


def _start(x: Array, weights: Array) -> dict[str, Array]:
    x, weights = weighted_moments.usable_rows(x, weights, is_count(x))
    mean, _ = count_mean(x, weights)
    relative = weighted_moments.mean(jnp.where(weights > 0, x / mean - 1, 0) ** 2, weights)
    return {"dispersion": jnp.clip(relative - 1 / mean, 0.01, 100.0), "mean": mean}


def _mean(params: Params) -> Array:
    return floating(params["mean"])


negative_binomial = Distribution(
    name="negative_binomial",
    logpdf=_logpdf,
    logcdf=_logcdf,
    logsf=_logsf,
    quantile=_quantile,
    sample=_sample,
    support=is_count,
    space={"dispersion": spaces.positive, "mean": spaces.positive},
    start=_start,
    discrete=True,
    mean=_mean,
    doc="""Negative binomial: mass Gamma(x + r) / (x! Gamma(r)) (r / (r + mean))^r (mean / (r + mean))^x, r = 1/dispersion.

    Counts that vary more than the Poisson (dispersion -> 0): variance mean + dispersion mean^2 (NB2).
    Hilbe 2011, *Negative Binomial Regression*, 2nd ed., section 8.2.""",
)
