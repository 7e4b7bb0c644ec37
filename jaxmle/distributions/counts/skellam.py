"""Skellam distribution of differences of two Poisson counts.

Parameters: `mean1` > 0 and `mean2` > 0 of the two counts.

>>> from jaxmle import distributions
>>> round(float(distributions.skellam.logpdf({"mean1": 3.0, "mean2": 1.6}, 3.0)), 3)
-2.011
"""

import jax
import jax.numpy as jnp
from jax import Array

from jaxmle import spaces, special
from jaxmle.distributions.base import quantiles, weighted_moments
from jaxmle.distributions.base.discrete_cdf import log_tail
from jaxmle.distributions.base.distribution import Distribution
from jaxmle.distributions.base.support import within
from jaxmle.distributions.base.types import Params, Shape
from jaxmle.special.bessel import log_bessel_rest
from jaxmle.special.elementary import floating


def _is_whole(x: Array) -> Array:
    x = floating(x)
    return jnp.isfinite(x) & (x == jnp.floor(x))


def _mass(k: Array, one: Array, two: Array) -> Array:
    size = jnp.abs(k)
    lead = jnp.where(k < 0, two, one)
    value = special.xlogy(size, lead) - special.gammaln(size + 1)
    return value - (jnp.sqrt(one) - jnp.sqrt(two)) ** 2 + log_bessel_rest(size, 2 * jnp.sqrt(one * two))


def _terms(params: Params) -> tuple[Array, Array]:
    return floating(params["mean1"]), floating(params["mean2"])


def _logpdf(params: Params, x: Array) -> Array:
    x = floating(x)
    inside = _is_whole(x)
    return jnp.where(inside, _mass(within(inside, x, 0), *_terms(params)), -jnp.inf)


def _tail(params: Params, x: Array, upper: bool) -> Array:
    one, two = _terms(params)
    x = floating(x)
    inside = jnp.isfinite(x)
    value = log_tail(_mass, jnp.floor(jnp.where(inside, x, 0)), (one, two), one - two, upper)
    below, above = (0.0, -jnp.inf) if upper else (-jnp.inf, 0.0)
    return jnp.where(inside, value, jnp.where(x < 0, below, jnp.where(x > 0, above, jnp.nan)))


def _logcdf(params: Params, x: Array) -> Array:
    return _tail(params, x, False)


def _logsf(params: Params, x: Array) -> Array:
    return _tail(params, x, True)


def _quantile(params: Params, q: Array) -> Array:
    one, two = _terms(params)
    low = jnp.floor(one - two - 40 * jnp.sqrt(one + two) - 800)
    moved = {"mean1": one, "mean2": two, "low": low}
    return low + quantiles.whole(lambda p, k: _logcdf(p, p["low"] + k), moved, q)


def _sample(key: Array, params: Params, shape: Shape = ()) -> Array:
    one, two = jnp.broadcast_arrays(*_terms(params))
    first, second = jax.random.split(key)
    shape = shape or one.shape
    return (jax.random.poisson(first, one, shape) - jax.random.poisson(second, two, shape)).astype(one.dtype)


def _start(x: Array, weights: Array) -> dict[str, Array]:
    x, weights = weighted_moments.usable_rows(x, weights, _is_whole(x))
    mean, spread = weighted_moments.location_scale(x, weights)
    total = jnp.clip(spread**2, 1e-2, 1e200) * (1 + 0 * mean)
    total = jnp.maximum(total, 1.01 * jnp.abs(mean))
    return {"mean1": 0.5 * (total + mean), "mean2": 0.5 * (total - mean)}


def _mean(p: Params) -> Array:
    return floating(p["mean1"]) - p["mean2"]


skellam = Distribution(
    name="skellam",
    logpdf=_logpdf,
    logcdf=_logcdf,
    logsf=_logsf,
    quantile=_quantile,
    sample=_sample,
    support=_is_whole,
    space={"mean1": spaces.positive, "mean2": spaces.positive},
    start=_start,
    discrete=True,
    mean=_mean,
    doc="""Skellam: mass exp(-mean1 - mean2) (mean1 / mean2)^(x/2) I_|x|(2 sqrt(mean1 mean2)), x a whole number.

    Difference of two Poisson counts: goals, photon pairs, price ticks. Mean mean1 - mean2, variance mean1 + mean2.
    Johnson, Kemp & Kotz, *Univariate Discrete Distributions*, section 4.12.3.""",
)
