"""Triangular distribution of judged quantities of known range.

Parameters: `mode` in (0, 1).

>>> from jaxmle import distributions
>>> round(float(distributions.triangular.logpdf({"mode": 0.3}, 0.4)), 3)
0.539
"""

import math

import jax.numpy as jnp
from jax import Array

from jaxmle import spaces, special
from jaxmle.distributions.base import weighted_moments
from jaxmle.distributions.base.information import information_matrix
from jaxmle.distributions.base.standard_form import SHARE, from_standard_form
from jaxmle.distributions.base.support import is_share
from jaxmle.distributions.base.types import Params
from jaxmle.model.geometry import Geometry
from jaxmle.special.elementary import floating


def _logpdf(params: Params, z: Array) -> Array:
    mode = params["mode"]
    left = z <= mode
    return math.log(2) + jnp.where(left, jnp.log(z) - jnp.log(mode), jnp.log1p(-z) - jnp.log1p(-mode))


def _logcdf(params: Params, z: Array) -> Array:
    mode = params["mode"]
    left = z <= mode
    rest = 2 * jnp.log1p(-jnp.where(left, 0.5 * (1 + mode), z)) - jnp.log1p(-mode)
    return jnp.where(left, 2 * jnp.log(z) - jnp.log(mode), special.log1mexp(rest))


def _logsf(params: Params, z: Array) -> Array:
    return _logcdf({"mode": 1 - params["mode"]}, 1 - z)


def _quantile(params: Params, q: Array) -> Array:
    mode = params["mode"]
    return jnp.where(q < mode, jnp.sqrt(q * mode), 1 - jnp.sqrt((1 - q) * (1 - mode)))


def _maximum(x: Array, weights: Array) -> dict[str, Array]:
    # The maximum is at a row (Oliver 1972, Am. Statist. 26, 43-44).
    x, weights = weighted_moments.usable_rows(x, weights, is_share(x))
    x, weights = weighted_moments.in_order(x, weights)
    x = jnp.where(weights > 0, x, 0.5)
    left, right = jnp.log(x), jnp.log1p(-x)
    below = jnp.cumsum(weights)
    value = jnp.cumsum(weights * left) - below * left
    above = jnp.sum(weights * right) - jnp.cumsum(weights * right)
    value = jnp.where(weights > 0, value + above - (jnp.sum(weights) - below) * right, -jnp.inf)
    return {"mode": weighted_moments.least_of(x, value == jnp.max(value))}


def _mean(p: Params) -> Array:
    return (1 + floating(p["mode"])) / 3


triangular = from_standard_form(
    SHARE,
    "triangular",
    logpdf=_logpdf,
    logcdf=_logcdf,
    logsf=_logsf,
    start=_maximum,
    shapes={"mode": spaces.interval(0.0, 1.0)},
    quantile=_quantile,
    mean=_mean,
    geometry=Geometry(
        maximum=_maximum,
        information=lambda p, x: information_matrix(x, [[1 / (p["mode"] * (1 - p["mode"]))]]),
        regularity="kinked",
    ),
    doc="""Triangular on (0, 1): density 2 x / mode up to the mode, 2 (1 - x) / (1 - mode) beyond it.

    Judged quantities of known range (move another range onto (0, 1) first). Mean (1 + mode) / 3. The maximum is one of
    the rows; standard errors come from the expected information.
    Johnson, Kotz & Balakrishnan, *Continuous Univariate Distributions* 2, section 26.9.""",
)
