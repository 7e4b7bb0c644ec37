"""Pareto distribution of sizes above a least value.

Parameters: `scale` > 0, the least possible x; `shape` > 0, the tail exponent.

>>> from jaxmle import distributions
>>> round(float(distributions.pareto.logpdf({"scale": 2.0, "shape": 2.4}, 3.0)), 3)
-1.196
"""

import jax.numpy as jnp
from jax import Array

from jaxmle import spaces, special
from jaxmle.distributions.base import weighted_moments
from jaxmle.distributions.base.log_ratio import log_quotient
from jaxmle.distributions.base.means import where_finite
from jaxmle.distributions.base.standard_form import Form, from_standard_form
from jaxmle.distributions.base.support import is_positive
from jaxmle.distributions.base.types import Params
from jaxmle.model.geometry import Geometry
from jaxmle.special.elementary import floating

_LOG_OVER_LEAST = Form(
    is_positive,
    lambda p, x: log_quotient(x, p["scale"]),
    lambda p, x: -jnp.log(x),
    lambda p, v: p["scale"] * jnp.exp(v),
    {"scale": spaces.positive},
)


def _at_least_scale(v: Array) -> Array:
    """Test v = log(x / scale) for x >= scale, to rounding: the least x is the maximum's scale."""
    return v >= -8 * float(jnp.finfo(v.dtype).eps)


def _maximum(x: Array, weights: Array) -> dict[str, Array]:
    x, weights = weighted_moments.usable_rows(x, weights, is_positive(x))
    least = jnp.min(jnp.where(weights > 0, x, jnp.inf))
    least = jnp.where(jnp.isfinite(least), least, 1)
    return {
        "scale": least,
        "shape": 1 / weighted_moments.mean(jnp.log(jnp.where(weights > 0, x, least) / least), weights),
    }


def _start(x: Array, weights: Array) -> dict[str, Array]:
    at = _maximum(x, weights)
    return {"scale": weighted_moments.legal_positive(at["scale"]), "shape": jnp.clip(at["shape"], 1e-6, 1e12)}


def _mean(p: Params) -> Array:
    return p["scale"] * where_finite(p["shape"] > 1, lambda a: a / (a - 1), floating(p["shape"]))


pareto = from_standard_form(
    _LOG_OVER_LEAST,
    "pareto",
    logpdf=lambda p, v: jnp.where(_at_least_scale(v), jnp.log(p["shape"]) - p["shape"] * v, -jnp.inf),
    logcdf=lambda p, v: jnp.where(
        v > 0, special.log1mexpexp(jnp.log(p["shape"]) + jnp.log(jnp.where(v > 0, v, 1))), -jnp.inf
    ),
    logsf=lambda p, v: -p["shape"] * jnp.maximum(v, 0),
    start=_start,
    shapes={"shape": spaces.positive},
    quantile=lambda p, q: -jnp.log1p(-q) / p["shape"],
    mean=_mean,
    geometry=Geometry(maximum=_maximum, regularity="edge"),
    doc="""Pareto: density (shape / scale) (x / scale)^(-shape - 1), x >= scale.

    Wealth, city sizes, claims above a priority. Mean scale shape / (shape - 1) for shape > 1. The maximum is the least x and
    1 / mean(log(x / least)), at an edge of the data: no standard errors, unless the scale is pinned.
    Johnson, Kotz & Balakrishnan, *Continuous Univariate Distributions* 1, chapter 20.""",
)
