"""Conway-Maxwell-Poisson distribution of counts less or more dispersed than Poisson.

Parameters: `center` > 0, about the mode; `power` > 0, above 1 for less variation than Poisson.

>>> from jaxmle import distributions
>>> round(float(distributions.conway_maxwell_poisson.logpdf({"center": 4.0, "power": 1.7}, 3.0)), 3)
-1.395
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxmle import spaces, special
from jaxmle.distributions.base import quantiles, weighted_moments
from jaxmle.distributions.base.discrete_cdf import elementwise, floored, log_tail, step_function
from jaxmle.distributions.base.distribution import Distribution
from jaxmle.distributions.base.support import is_count, within
from jaxmle.distributions.base.types import Params, Shape
from jaxmle.distributions.base.weighted_moments import count_mean
from jaxmle.special.elementary import floating

_CHUNK, _MOST = 64, 1_000_000


def _log_ratio_to_mode(k: Array, center: Array, power: Array) -> Array:
    """Compute log of (center^k / k!)^power over its value at the mode: exactly 0 there, however large the power."""
    mode = jnp.floor(jax.lax.stop_gradient(center))
    rise = special.gammaln(k + 1) - special.gammaln(mode + 1)
    return power * (special.xlogy(k - mode, center) - rise)


def _log_total(x: Array, center: Array, power: Array) -> Array:
    """Sum the masses relative to the mode over k >= 0 to a logarithm, from 10 standard deviations below the mode on.

    `x` is not used: `elementwise` functions have it first.
    """
    at, strength = jax.lax.stop_gradient((center, power))
    mode = jnp.floor(at)
    low = jnp.maximum(jnp.floor(mode - 10 * jnp.sqrt(at / strength) - 10), 0)
    offsets = jnp.arange(_CHUNK, dtype=center.dtype).reshape((-1,) + (1,) * center.ndim)
    least = 1e-3 * float(jnp.finfo(center.dtype).eps)

    def add(state: Any) -> Any:
        j, total, _ = state
        terms = jnp.exp(_log_ratio_to_mode(low + j + offsets, center, power))
        return j + _CHUNK, total + jnp.sum(terms, 0), terms[-1]

    def goes_on(state: Any) -> Any:
        j, total, last = state
        return jnp.any((last > least * total) | (low + j <= mode)) & (j < _MOST)

    start = (jnp.zeros((), center.dtype), jnp.zeros_like(center), jnp.ones_like(center))
    _, total, last = jax.lax.while_loop(goes_on, add, start)
    return jnp.where(last <= least * total, jnp.log(total), jnp.nan)


def _terms(params: Params) -> tuple[Array, Array]:
    center, power = jnp.broadcast_arrays(floating(params["center"]), floating(params["power"]))
    return center, power


def _total(params: Params) -> Array:
    center, power = _terms(params)
    return elementwise(_log_total, jnp.zeros_like(center), center, power)


def _mass(k: Array, center: Array, power: Array, total: Array) -> Array:
    inside = k >= 0
    return jnp.where(inside, _log_ratio_to_mode(jnp.where(inside, k, 0), center, power) - total, -jnp.inf)


def _logpdf(params: Params, x: Array) -> Array:
    x = floating(x)
    inside = is_count(x)
    return jnp.where(inside, _log_ratio_to_mode(within(inside, x, 0), *_terms(params)) - _total(params), -jnp.inf)


def _tail(params: Params, x: Array, upper: bool) -> Array:
    center, power = _terms(params)
    return log_tail(_mass, floored(x), (center, power, _total(params)), center, upper)


def _logcdf(params: Params, x: Array) -> Array:
    x = floating(x)
    return step_function(x, _tail(params, x, False), -jnp.inf, 0.0)


def _logsf(params: Params, x: Array) -> Array:
    x = floating(x)
    return step_function(x, _tail(params, x, True), 0.0, -jnp.inf)


def _quantile(params: Params, q: Array) -> Array:
    return quantiles.whole(_logcdf, params, q)


def _sample(key: Array, params: Params, shape: Shape = ()) -> Array:
    center, _ = _terms(params)
    return _quantile(params, jax.random.uniform(key, shape or center.shape, center.dtype))


def _start(x: Array, weights: Array) -> dict[str, Array]:
    x, weights = weighted_moments.usable_rows(x, weights, is_count(x))
    mean, _ = count_mean(x, weights)
    ratio = weighted_moments.mean(jnp.where(weights > 0, x / mean - 1, 0) ** 2, weights) * mean
    power = jnp.clip(1 / jnp.maximum(ratio, 1e-6), 0.2, 20.0)
    center = jnp.maximum(mean + 0.5 * (1 - 1 / power), 0.1 * mean)
    return {"center": center, "power": power}


def _mean(params: Params) -> Array:
    """Compute the mean from the score in center, which is power (k - mean) / center at any k."""
    center, power = floating(params["center"]), params["power"]
    k = jnp.round(jax.lax.stop_gradient(center))
    slope = jax.grad(lambda c: jnp.sum(_logpdf({"center": c, "power": power}, k)))(center)
    return k - center * slope / power


conway_maxwell_poisson = Distribution(
    name="conway_maxwell_poisson",
    logpdf=_logpdf,
    logcdf=_logcdf,
    logsf=_logsf,
    quantile=_quantile,
    sample=_sample,
    support=is_count,
    space={"center": spaces.positive, "power": spaces.positive},
    start=_start,
    discrete=True,
    mean=_mean,
    doc="""Conway-Maxwell-Poisson: mass proportional to (center^x / x!)^power, x = 0, 1, 2, ...

    Counts less (power > 1) or more (power < 1) dispersed than the Poisson (power 1). Mean about center - (1 - 1/power) / 2,
    variance about center / power. center^power is the rate (lambda) of the literature, power its nu.
    NaN where its constant has more than a million terms.
    Shmueli et al. 2005, *JRSS C* 54, 127-142; Guikema & Coffelt 2008, *Risk Analysis* 28, 213-223.""",
)
