"""Laplace distribution of errors judged by their absolute size.

Parameters: `loc`, the mean and median; `scale` > 0, the mean absolute deviation.

>>> from jaxmle import distributions
>>> round(float(distributions.laplace.logpdf({"loc": 0.5, "scale": 2.0}, 1.5)), 3)
-1.886
"""

import jax.numpy as jnp
from jax import Array

from jaxmle.distributions.base import means, weighted_moments
from jaxmle.distributions.base.constants import LOG_2
from jaxmle.distributions.base.standard_form import LINE, from_standard_form
from jaxmle.distributions.base.types import Params
from jaxmle.distributions.real.location_scale import diagonal_information
from jaxmle.model.geometry import Geometry


def _logcdf(params: Params, z: Array) -> Array:
    tail = -jnp.abs(z) - LOG_2
    return jnp.where(z < 0, tail, jnp.log1p(-jnp.exp(tail)))


def _quantile(params: Params, q: Array) -> Array:
    small = jnp.log(2 * jnp.minimum(q, 1 - q))
    return jnp.where(q < 0.5, small, -small)


def _maximum(x: Array, weights: Array) -> dict[str, Array]:
    x, weights = weighted_moments.usable_rows(x, weights, True)
    (loc,) = weighted_moments.quantiles(x, weights, 0.5)
    size = jnp.max(jnp.abs(x - loc) * (weights > 0))
    return {"loc": loc, "scale": size * weighted_moments.mean(jnp.abs(x - loc) / jnp.where(size > 0, size, 1), weights)}


def _start(x: Array, weights: Array) -> dict[str, Array]:
    at = _maximum(x, weights)
    _, spread = weighted_moments.location_scale(*weighted_moments.usable_rows(x, weights, True))
    return {"loc": at["loc"], "scale": weighted_moments.legal_positive(jnp.where(at["scale"] > 0, at["scale"], spread))}


laplace = from_standard_form(
    LINE,
    "laplace",
    logpdf=lambda p, z: -jnp.abs(z) - LOG_2,
    logcdf=_logcdf,
    logsf=lambda p, z: _logcdf(p, -z),
    start=_start,
    quantile=_quantile,
    mean=means.loc,
    geometry=Geometry(maximum=_maximum, information=diagonal_information(1.0, 1.0), regularity="kinked"),
    doc="""Laplace: density exp(-|x - loc| / scale) / (2 scale).

    Errors judged by their size; least absolute deviations. Mean loc, variance 2 scale^2. The maximum is the (lower)
    median and the mean absolute deviation from it; standard errors come from the expected information.
    Johnson, Kotz & Balakrishnan, *Continuous Univariate Distributions* 2, chapter 24.""",
)
