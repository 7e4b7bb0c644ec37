"""Zeta distribution (Zipf's without end) of discrete power laws.

Parameters: `shape` > 1, the exponent of the mass.

>>> from jaxmle import distributions
>>> round(float(distributions.zeta.logpdf({"shape": 2.6}, 3.0)), 3)
-3.123
"""

import jax
import jax.numpy as jnp
from jax import Array

from jaxmle import spaces, special
from jaxmle.distributions.base import quantiles, weighted_moments
from jaxmle.distributions.base.discrete_cdf import step_function_from_one
from jaxmle.distributions.base.distribution import Distribution
from jaxmle.distributions.base.means import where_finite
from jaxmle.distributions.base.support import is_whole_from_one, within
from jaxmle.distributions.base.types import Params, Shape
from jaxmle.special.elementary import floating


def _logpdf(params: Params, x: Array) -> Array:
    x, s = floating(x), params["shape"]
    inside = is_whole_from_one(x)
    return jnp.where(inside, -s * jnp.log(within(inside, x, 1)) - special.log_zeta(s), -jnp.inf)


def _log_above(params: Params, k: Array) -> Array:
    s = floating(params["shape"])
    return jnp.minimum(special.log_zeta(s, k + 1) - special.log_zeta(s), -float(jnp.finfo(k.dtype).tiny))


def _logsf(params: Params, x: Array) -> Array:
    return step_function_from_one(floating(x), lambda k: _log_above(params, k), 0.0, -jnp.inf)


def _logcdf(params: Params, x: Array) -> Array:
    return step_function_from_one(floating(x), lambda k: special.log1mexp(_log_above(params, k)), -jnp.inf, 0.0)


def _quantile(params: Params, q: Array) -> Array:
    return quantiles.whole(_logcdf, params, q, lowest=1.0)


def _sample(key: Array, params: Params, shape: Shape = ()) -> Array:
    s = floating(params["shape"])
    return _quantile(params, jax.random.uniform(key, shape or s.shape, s.dtype))


def _start(x: Array, weights: Array) -> dict[str, Array]:
    # The continuous power law above 1/2 (Clauset, Shalizi & Newman 2009, SIAM Review 51, eq. 3.7).
    x, weights = weighted_moments.usable_rows(x, weights, is_whole_from_one(x))
    rise = weighted_moments.mean(jnp.log(2 * jnp.where(weights > 0, x, 2)), weights)
    return {"shape": 1 + 1 / jnp.maximum(rise, 1e-3)}


def _mean(p: Params) -> Array:
    return where_finite(
        p["shape"] > 2, lambda s: jnp.exp(special.log_zeta(s - 1) - special.log_zeta(s)), floating(p["shape"])
    )


zeta = Distribution(
    name="zeta",
    logpdf=_logpdf,
    logcdf=_logcdf,
    logsf=_logsf,
    quantile=_quantile,
    sample=_sample,
    support=is_whole_from_one,
    space={"shape": spaces.interval(1.0, jnp.inf)},
    start=_start,
    discrete=True,
    mean=_mean,
    doc="""Zeta (Zipf without end): mass x^-shape / zeta(shape), x = 1, 2, 3, ...; shape > 1.

    Word counts, degrees of networks, citations: discrete power laws. Mean zeta(shape - 1) / zeta(shape) for shape > 2.
    Johnson, Kemp & Kotz, *Univariate Discrete Distributions*, section 11.2.20.""",
)
