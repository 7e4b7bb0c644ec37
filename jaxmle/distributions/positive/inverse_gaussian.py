"""Inverse Gaussian distribution of first-passage times of Brownian motion with drift.

Parameters: `mean` > 0; `shape` > 0, in units of x, large for little variation.

>>> from jaxmle import distributions
>>> round(float(distributions.inverse_gaussian.logpdf({"mean": 2.0, "shape": 3.0}, 3.0)), 3)
-2.143
"""

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from jaxmle import spaces, special
from jaxmle.distributions.base import means, weighted_moments
from jaxmle.distributions.base.constants import HALF_LOG_2PI
from jaxmle.distributions.base.information import information_matrix
from jaxmle.distributions.base.log_ratio import log_of, log_ratio
from jaxmle.distributions.base.standard_form import Form, NumericalQuantile, from_standard_form, identity
from jaxmle.distributions.base.support import is_positive
from jaxmle.distributions.base.types import Params, Shape
from jaxmle.model.geometry import Geometry
from jaxmle.special.elementary import hazard

_LOG_OVER_MEAN = Form(
    is_positive,
    lambda p, x: log_ratio(x, p["mean"]),
    lambda p, x: -log_of(x, p["mean"]),
    lambda p, v: p["mean"] * jnp.exp(v),
    {"mean": spaces.positive},
)


def _passage_terms(params: Params, v: Array) -> tuple[Array, Array]:
    """Compute u and log(exp(2 shape / mean) Phi(-w)) of the first-passage formula at v, without cancellation."""
    root = jnp.sqrt(params["shape"] / params["mean"])
    half = jnp.clip(0.5 * v, -170, 170)
    u, w = 2 * root * jnp.sinh(half), 2 * root * jnp.cosh(half)
    return u, -0.5 * u * u - HALF_LOG_2PI - jnp.log(hazard(-w))


def _logpdf(params: Params, v: Array) -> Array:
    ratio = params["shape"] / params["mean"]
    return 0.5 * (jnp.log(ratio) - v) - HALF_LOG_2PI - 2 * ratio * jnp.sinh(jnp.clip(0.5 * v, -170, 170)) ** 2


def _logcdf(params: Params, v: Array) -> Array:
    u, more = _passage_terms(params, v)
    return jnp.minimum(jnp.logaddexp(special.log_ndtr(u), more), 0)


def _logsf(params: Params, v: Array) -> Array:
    u, more = _passage_terms(params, v)
    return special.log_diff(special.log_ndtr(-u), more)


def _draw(key: Array, params: Params, shape: Shape, dtype: DTypeLike) -> Array:
    # Michael, Schucany & Haas 1976, Am. Statist. 30, 88-90; the smaller root without cancellation.
    first, second = jax.random.split(key)
    ratio = params["shape"] / params["mean"]
    y = jax.random.normal(first, shape, dtype) ** 2
    v = jnp.log(4 * ratio * y) - 2 * jnp.log(y + jnp.sqrt(y * (y + 4 * ratio)))
    return jnp.where(jax.random.uniform(second, shape, dtype) < jax.nn.sigmoid(-v), v, -v)


def _start(x: Array, weights: Array) -> dict[str, Array]:
    x, weights = weighted_moments.usable_rows(x, weights, is_positive(x))
    mean = weighted_moments.positive_mean(x, weights)
    # mean(1/x) - 1/mean, as a sum of squares.
    y = jnp.where(weights > 0, x, mean) / mean
    excess = jnp.maximum(weighted_moments.mean((y - 1) ** 2 / y, weights), 1e-12)
    return {"mean": mean, "shape": weighted_moments.legal_positive(mean / excess)}


inverse_gaussian = from_standard_form(
    _LOG_OVER_MEAN,
    "inverse_gaussian",
    logpdf=_logpdf,
    logcdf=_logcdf,
    logsf=_logsf,
    start=_start,
    shapes={"shape": spaces.positive},
    quantile=NumericalQuantile(_logcdf, _logsf, identity, -300.0, 300.0),
    draw=_draw,
    mean=means.mean,
    geometry=Geometry(
        maximum=_start,
        information=lambda p, x: information_matrix(
            x, [[p["shape"] / p["mean"] ** 3, 0.0], [0.0, 0.5 * p["shape"] ** -2.0]]
        ),
    ),
    doc="""Inverse Gaussian: density sqrt(shape / (2 pi x^3)) exp(-shape (x - mean)^2 / (2 mean^2 x)), x > 0.

    First passage of Brownian motion with drift. Mean mean, variance mean^3 / shape; the maximum is the average and
    1 / shape = mean(1/x) - 1/mean. Johnson, Kotz & Balakrishnan, *Continuous Univariate Distributions* 1, chapter 15.""",
)
