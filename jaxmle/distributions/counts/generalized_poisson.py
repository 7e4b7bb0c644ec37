"""Generalized Poisson distribution of sizes of outbreaks.

Parameters: `mean` > 0; `dispersion` in (0, 1), the mean number that one infects.

>>> from jaxmle import distributions
>>> round(float(distributions.generalized_poisson.logpdf({"dispersion": 0.3, "mean": 3.5}, 3.0)), 3)
-1.828
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxmle import spaces, special
from jaxmle.distributions.base import means, quantiles, weighted_moments
from jaxmle.distributions.base.discrete_cdf import floored, log_tail, step_function
from jaxmle.distributions.base.distribution import Distribution
from jaxmle.distributions.base.support import is_count, within
from jaxmle.distributions.base.types import Params, Shape
from jaxmle.distributions.base.weighted_moments import count_mean
from jaxmle.special.elementary import floating


def _mass(k: Array, mean: Array, spread: Array) -> Array:
    inside = k >= 0
    k = jnp.where(inside, k, 0)
    theta = mean * (1 - spread)
    rate = theta + spread * k
    return jnp.where(inside, jnp.log(theta) + (k - 1) * jnp.log(rate) - rate - special.gammaln(k + 1), -jnp.inf)


def _terms(params: Params) -> tuple[Array, Array]:
    return floating(params["mean"]), floating(params["dispersion"])


def _logpdf(params: Params, x: Array) -> Array:
    x = floating(x)
    inside = is_count(x)
    return jnp.where(inside, _mass(within(inside, x, 0), *_terms(params)), -jnp.inf)


def _logcdf(params: Params, x: Array) -> Array:
    x, terms = floating(x), _terms(params)
    return step_function(x, log_tail(_mass, floored(x), terms, terms[0], False), -jnp.inf, 0.0)


def _logsf(params: Params, x: Array) -> Array:
    x, terms = floating(x), _terms(params)
    return step_function(x, log_tail(_mass, floored(x), terms, terms[0], True), 0.0, -jnp.inf)


def _sample(key: Array, params: Params, shape: Shape = ()) -> Array:
    # All descendants of Poisson many, each with Poisson(dispersion) children.
    mean, spread = jnp.broadcast_arrays(*_terms(params))
    shape = shape or mean.shape

    def next_generation(state: Any) -> Any:
        key, total, born = state
        key, now = jax.random.split(key)
        born = jax.random.poisson(now, spread * born, shape).astype(mean.dtype)
        return key, total + born, born

    key, now = jax.random.split(key)
    born = jax.random.poisson(now, mean * (1 - spread), shape).astype(mean.dtype)
    return jax.lax.while_loop(lambda s: jnp.any(s[2] > 0), next_generation, (key, born, born))[1]


def _start(x: Array, weights: Array) -> dict[str, Array]:
    x, weights = weighted_moments.usable_rows(x, weights, is_count(x))
    mean, _ = count_mean(x, weights)
    ratio = weighted_moments.mean(jnp.where(weights > 0, x / mean - 1, 0) ** 2, weights) * mean
    return {"dispersion": jnp.clip(1 - 1 / jnp.sqrt(jnp.maximum(ratio, 1e-6)), 0.02, 0.95), "mean": mean}


generalized_poisson = Distribution(
    name="generalized_poisson",
    logpdf=_logpdf,
    logcdf=_logcdf,
    logsf=_logsf,
    quantile=lambda params, q: quantiles.whole(_logcdf, params, q),
    sample=_sample,
    support=is_count,
    space={"dispersion": spaces.interval(0.0, 1.0), "mean": spaces.positive},
    start=_start,
    discrete=True,
    mean=means.mean,
    doc="""Generalized Poisson: mass t (t + d x)^(x - 1) exp(-t - d x) / x!, t = mean (1 - d), d = dispersion in (0, 1).

    Sizes of outbreaks: everyone infects Poisson(dispersion) others. Mean mean, variance mean / (1 - dispersion)^2;
    dispersion -> 0 is the Poisson. Consul 1989, *Generalized Poisson Distributions*, chapter 1.""",
)
