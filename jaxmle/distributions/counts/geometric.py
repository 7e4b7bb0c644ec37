"""Geometric distribution of the number of trials up to the first success.

Parameters: `probability` of a success, in (0, 1).

>>> from jaxmle import distributions
>>> round(float(distributions.geometric.logpdf({"probability": 0.3}, 3.0)), 3)
-1.917
"""

import jax
import jax.numpy as jnp
from jax import Array

from jaxmle import special
from jaxmle.distributions.base import weighted_moments
from jaxmle.distributions.base.distribution import Distribution
from jaxmle.distributions.base.information import information_matrix
from jaxmle.distributions.base.support import is_whole_from_one, within
from jaxmle.distributions.base.types import Params, Shape
from jaxmle.distributions.counts.trials import PROBABILITY_SPACE, interior_share
from jaxmle.model.geometry import Geometry
from jaxmle.special.elementary import floating


def _logpdf(params: Params, x: Array) -> Array:
    x, p = floating(x), params["probability"]
    inside = is_whole_from_one(x)
    return jnp.where(inside, jnp.log(p) + special.xlog1py(within(inside, x, 1) - 1, -p), -jnp.inf)


def _logsf(params: Params, x: Array) -> Array:
    x, p = floating(x), floating(params["probability"])
    inside = (x >= 1) & (x < jnp.inf)
    value = special.xlog1py(jnp.floor(jnp.where(inside, x, 1)), -p)
    return jnp.where(inside, value, jnp.where(x < 1, 0.0, jnp.where(x > 1, -jnp.inf, jnp.nan)))


def _logcdf(params: Params, x: Array) -> Array:
    x, p = floating(x), floating(params["probability"])
    inside = (x >= 1) & (x < jnp.inf)
    value = special.log1mexp(special.xlog1py(jnp.floor(jnp.where(inside, x, 1)), -p))
    return jnp.where(inside, value, jnp.where(x < 1, -jnp.inf, jnp.where(x > 1, 0.0, jnp.nan)))


def _quantile(params: Params, q: Array) -> Array:
    q = floating(q)
    x = jnp.log1p(-q) / jnp.log1p(-params["probability"])
    x = jnp.maximum(jnp.ceil(x * (1 - 8 * jnp.finfo(q.dtype).eps)), 1)
    return jnp.where((q >= 0) & (q <= 1), x, jnp.nan)


def _sample(key: Array, params: Params, shape: Shape = ()) -> Array:
    p = floating(params["probability"])
    waits = jax.random.exponential(key, shape or jnp.shape(p), p.dtype)
    return jnp.maximum(jnp.ceil(waits / -jnp.log1p(-p)), 1)


def _start(x: Array, weights: Array) -> dict[str, Array]:
    x, weights = weighted_moments.usable_rows(x, weights, is_whole_from_one(x))
    return interior_share(jnp.sum(weights), jnp.sum(weights * x))


def _maximum(x: Array, weights: Array) -> dict[str, Array]:
    return {"probability": 1 / weighted_moments.mean(*weighted_moments.usable_rows(x, weights, is_whole_from_one(x)))}


def _information(params: Params, x: Array) -> Array:
    p = params["probability"]
    return information_matrix(x, [[1 / (p**2 * (1 - p))]])


def _mean(params: Params) -> Array:
    return 1 / floating(params["probability"])


geometric = Distribution(
    name="geometric",
    logpdf=_logpdf,
    logcdf=_logcdf,
    logsf=_logsf,
    quantile=_quantile,
    sample=_sample,
    support=is_whole_from_one,
    space=PROBABILITY_SPACE,
    start=_start,
    discrete=True,
    mean=_mean,
    geometry=Geometry(maximum=_maximum, information=_information),
    doc="""Geometric: mass probability (1 - probability)^(x - 1), x = 1, 2, 3, ...

    The number of trials up to and including the first success. Mean 1/probability; the maximum is n / sum x.
    Johnson, Kemp & Kotz, *Univariate Discrete Distributions*, section 5.2.""",
)
