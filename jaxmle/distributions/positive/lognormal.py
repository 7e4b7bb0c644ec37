"""Lognormal distribution of products of many small factors.

Parameters: `loc`, the mean of log x; `scale` > 0, its standard deviation.

>>> from jaxmle import distributions
>>> round(float(distributions.lognormal.logpdf({"loc": 0.3, "scale": 0.8}, 1.5)), 3)
-1.11
"""

import jax
import jax.numpy as jnp
from jax import Array

from jaxmle import spaces, special
from jaxmle.distributions.base import weighted_moments
from jaxmle.distributions.base.constants import HALF_LOG_2PI
from jaxmle.distributions.base.distribution import Distribution
from jaxmle.distributions.base.information import information_matrix
from jaxmle.distributions.base.log_ratio import log_rows
from jaxmle.distributions.base.support import extended, is_positive, within
from jaxmle.distributions.base.types import Params, Shape
from jaxmle.model.geometry import Geometry
from jaxmle.special.elementary import floating


def _standard_log(params: Params, x: Array) -> Array:
    return (jnp.log(x) - params["loc"]) / params["scale"]


def _logpdf(params: Params, x: Array) -> Array:
    x = floating(x)
    inside = is_positive(x)
    rows, c = log_rows(within(inside, x, 1), params["loc"])
    log_c = jnp.log(c)
    z = (rows + (log_c - params["loc"])) / params["scale"]
    return jnp.where(inside, -0.5 * z * z - HALF_LOG_2PI - jnp.log(params["scale"]) - rows - log_c, -jnp.inf)


def _logcdf(params: Params, x: Array) -> Array:
    x = floating(x)
    inside = is_positive(x)
    return extended(inside, x, special.log_ndtr(_standard_log(params, within(inside, x, 1))), -jnp.inf, 0.0)


def _logsf(params: Params, x: Array) -> Array:
    x = floating(x)
    inside = is_positive(x)
    return extended(inside, x, special.log_ndtr(-_standard_log(params, within(inside, x, 1))), 0.0, -jnp.inf)


def _quantile(params: Params, q: Array) -> Array:
    return jnp.exp(params["loc"] + params["scale"] * jax.scipy.special.ndtri(floating(q)))


def _sample(key: Array, params: Params, shape: Shape = ()) -> Array:
    scale = floating(params["scale"])
    return jnp.exp(params["loc"] + scale * jax.random.normal(key, shape, scale.dtype))


def _start(x: Array, weights: Array) -> dict[str, Array]:
    x, weights = weighted_moments.usable_rows(x, weights, is_positive(x))
    # From logarithms of x over the greatest row, whose differences have digits that those of log x lack.
    greatest = jnp.max(x)
    rows, c = log_rows(jnp.where(weights > 0, x, jnp.where(greatest > 0, greatest, 1)), 0.0)
    center = weighted_moments.mean(rows, weights)
    center = center + weighted_moments.mean(rows - center, weights)
    log_c = jnp.log(c)
    loc = center + log_c
    spread = jnp.sqrt(weighted_moments.mean((rows - (loc - log_c)) ** 2, weights))
    # Constant data get a few units in the last place of log x, or 1 where that is 0 (see `location_scale`).
    floor = 8 * jnp.finfo(x.dtype).eps * jnp.max(jnp.where(weights > 0, jnp.abs(rows + log_c), 0))
    scale = jnp.where(spread > floor, spread, jnp.where(floor > 0, floor, 1))
    return {"loc": loc, "scale": scale}


def _information(params: Params, x: Array) -> Array:
    scale = params["scale"]
    return information_matrix(x, [[scale**-2.0, 0.0], [0.0, 2 * scale**-2.0]])


def _mean(params: Params) -> Array:
    return jnp.exp(floating(params["loc"]) + 0.5 * params["scale"] ** 2)


lognormal = Distribution(
    name="lognormal",
    logpdf=_logpdf,
    logcdf=_logcdf,
    logsf=_logsf,
    quantile=_quantile,
    sample=_sample,
    support=is_positive,
    space={"loc": spaces.real, "scale": spaces.positive},
    start=_start,
    mean=_mean,
    geometry=Geometry(maximum=_start, information=_information),
    doc="""Lognormal: density exp(-(log x - loc)^2 / (2 scale^2)) / (x scale sqrt(2 pi)), x > 0.

    Products of many small factors; log x is normal(loc, scale). Median exp(loc), mean exp(loc + scale^2 / 2).
    Johnson, Kotz & Balakrishnan, *Continuous Univariate Distributions* 1, chapter 14.""",
)
