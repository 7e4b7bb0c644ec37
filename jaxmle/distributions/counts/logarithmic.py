"""Logarithmic series distribution of individuals per species.

Parameters: `probability` in (0, 1), the ratio of successive masses far out.

>>> from jaxmle import distributions
>>> round(float(distributions.logarithmic.logpdf({"probability": 0.7}, 3.0)), 3)
-2.354
"""

import jax
import jax.numpy as jnp
from jax import Array

from jaxmle import spaces, special
from jaxmle.distributions.base import quantiles, weighted_moments
from jaxmle.distributions.base.discrete_cdf import step_function_from_one
from jaxmle.distributions.base.distribution import Distribution
from jaxmle.distributions.base.support import is_whole_from_one, within
from jaxmle.distributions.base.types import Params, Shape
from jaxmle.special.elementary import floating
from jaxmle.special.incomplete import beta_ratio


def _logpdf(params: Params, x: Array) -> Array:
    x, p = floating(x), params["probability"]
    inside = is_whole_from_one(x)
    x = within(inside, x, 1)
    return jnp.where(inside, x * jnp.log(p) - jnp.log(x) - jnp.log(-jnp.log1p(-p)), -jnp.inf)


def _log_above(params: Params, k: Array) -> Array:
    # The sum of p^j / j over j > k is the incomplete beta function with b = 0.
    k, p = jnp.broadcast_arrays(k, floating(params["probability"]))
    rest = jnp.log(beta_ratio(k + 1, jnp.zeros_like(k), p / (1 - p)))
    return jnp.minimum((k + 1) * jnp.log(p) + rest - jnp.log(-jnp.log1p(-p)), -float(jnp.finfo(k.dtype).tiny))


def _logsf(params: Params, x: Array) -> Array:
    return step_function_from_one(floating(x), lambda k: _log_above(params, k), 0.0, -jnp.inf)


def _logcdf(params: Params, x: Array) -> Array:
    return step_function_from_one(floating(x), lambda k: special.log1mexp(_log_above(params, k)), -jnp.inf, 0.0)


def _quantile(params: Params, q: Array) -> Array:
    return quantiles.whole(_logcdf, params, q, lowest=1.0)


def _sample(key: Array, params: Params, shape: Shape = ()) -> Array:
    # Kemp 1981, Applied Statistics 30, 249-253: a geometric distribution with a random parameter.
    p = floating(params["probability"])
    shape = shape or p.shape
    first, second = jax.random.split(key)
    tiny = float(jnp.finfo(p.dtype).tiny)
    u, v = (jax.random.uniform(k, shape, p.dtype, tiny, 1.0) for k in (first, second))
    return 1 + jnp.floor(jnp.log(v) / special.log1mexp(u * jnp.log1p(-p)))


def _start(x: Array, weights: Array) -> dict[str, Array]:
    # Birch 1963, Biometrika 50, 551-552.
    x, weights = weighted_moments.usable_rows(x, weights, is_whole_from_one(x))
    mean = jnp.maximum(weighted_moments.mean(x, weights), 1.001)
    odds = (5 / 3 - jnp.log(jnp.minimum(mean, 1e6)) / 16) * (mean - 1) + jnp.log(mean)
    return {"probability": jnp.clip(odds / (1 + odds), 1e-6, 1 - 1e-12)}


def _mean(p: Params) -> Array:
    share = floating(p["probability"])
    return -share / ((1 - share) * jnp.log1p(-share))


logarithmic = Distribution(
    name="logarithmic",
    logpdf=_logpdf,
    logcdf=_logcdf,
    logsf=_logsf,
    quantile=_quantile,
    sample=_sample,
    support=is_whole_from_one,
    space={"probability": spaces.interval(0.0, 1.0)},
    start=_start,
    discrete=True,
    mean=_mean,
    doc="""Logarithmic series: mass -probability^x / (x log(1 - probability)), x = 1, 2, 3, ...

    Individuals per species in a catch. Mean -p / ((1 - p) log(1 - p)), p = probability. All ones have their maximum at 0.
    Johnson, Kemp & Kotz, *Univariate Discrete Distributions*, chapter 7.""",
)
