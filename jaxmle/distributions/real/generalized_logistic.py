"""Generalized logistic distribution (type I) of growth and of extremes, skewed to either side.

Parameters: `loc`; `scale` > 0; `shape` > 0, 1 where logistic, above 1 for the longer tail on the right.

>>> from jaxmle import distributions
>>> round(float(distributions.generalized_logistic.logpdf({"loc": 0.5, "scale": 2.0, "shape": 2.5}, 1.5)), 3)
-1.936
"""

import jax
import jax.numpy as jnp
from jax import Array

from jaxmle import spaces, special
from jaxmle.distributions.base import weighted_moments
from jaxmle.distributions.base.constants import EULER
from jaxmle.distributions.base.standard_form import LINE, from_standard_form
from jaxmle.distributions.base.support import is_finite
from jaxmle.distributions.base.types import Params
from jaxmle.distributions.positive import burr_chart
from jaxmle.model.geometry import Chart, Coordinates, Geometry
from jaxmle.special.elementary import floating


def _log_softplus(z: Array) -> Array:
    """Compute log(log(1 + e^-z)), which is about -z where z is large."""
    far = z > 36
    return jnp.where(far, -z, jnp.log(jax.nn.softplus(-jnp.where(far, 0, z))))


def _quantile(params: Params, q: Array) -> Array:
    return -jnp.log(jnp.expm1(-jnp.log(q) / params["shape"]))


def _start(x: Array, weights: Array) -> dict[str, Array]:
    # The shape from the skewness, between -2 and 1.14, by a fit of its inverse; then mean and variance.
    x, weights = weighted_moments.usable_rows(x, weights, True)
    center, spread = weighted_moments.location_scale(x, weights)
    skew = weighted_moments.skewness(x, weights)
    right = 1 / (1 - jnp.clip(skew, 0, 1.0) / 1.14)
    left = (1 + jnp.clip(skew, -1.8, 0) / 2) ** 1.1
    shape = jnp.where(skew > 0, right, left)
    scale = weighted_moments.legal_positive(spread / jnp.sqrt(special.trigamma(shape) + special.trigamma(1.0)))
    return {"loc": center - scale * (special.digamma(shape) + EULER), "scale": scale, "shape": shape}


# Of -x Burr's chart is: log scale there is -loc, log shape1 -log scale, log shape2 log shape.
def _to_burr(u: Coordinates) -> dict[str, Array]:
    return {"scale": -u["loc"], "shape1": -u["scale"], "shape2": u["shape"]}


def _from_burr(u: Coordinates) -> dict[str, Array]:
    return {"loc": -u["scale"], "scale": -u["shape1"], "shape": u["shape2"]}


def _anchor(x: Array, weights: Array) -> tuple[Array, Array]:
    inside = is_finite(x)
    return burr_chart.anchor(-jnp.where(inside, x, 0), weights, inside)


def _contributions(v: Coordinates, x: Array, anchor: tuple[Array, Array]) -> Array:
    inside = is_finite(x)
    value = burr_chart.contributions(_to_burr(v), jnp.where(inside, -x, anchor[0]), anchor)
    return jnp.where(inside, value, -jnp.inf)


def _limits(x: Array, weights: Array, anchor: tuple[Array, Array]) -> list[dict[str, Array]]:
    inside = is_finite(x)
    return [_from_burr(v) for v in burr_chart.limits(-jnp.where(inside, x, 0), weights, anchor)]


_CHART = Chart(
    _anchor,
    _contributions,
    lambda v, anchor: _from_burr(burr_chart.outward(_to_burr(v), anchor)),
    lambda u, anchor: _from_burr(burr_chart.inward(_to_burr(u), anchor)),
    (True, True, True),
    _limits,
)


def _mean(p: Params) -> Array:
    return p["loc"] + p["scale"] * (special.digamma(floating(p["shape"])) + EULER)


generalized_logistic = from_standard_form(
    LINE,
    "generalized_logistic",
    logpdf=lambda p, z: jnp.log(p["shape"]) - z - (p["shape"] + 1) * jax.nn.softplus(-z),
    logcdf=lambda p, z: -p["shape"] * jax.nn.softplus(-z),
    logsf=lambda p, z: special.log1mexpexp(jnp.log(p["shape"]) + _log_softplus(z)),
    start=_start,
    shapes={"shape": spaces.positive},
    quantile=_quantile,
    mean=_mean,
    geometry=Geometry(chart=_CHART),
    doc="""Generalized logistic (type I): distribution function (1 + e^-z)^(-shape), z = (x - loc) / scale.

    Growth, extremes: the greatest of shape logistic variables. Shape -> infinity is Gumbel, where the maximum may lie;
    shape -> 0 exponential below the greatest x, in small samples often above any maximum. Mean loc + scale (digamma(shape)
    + 0.5772...). SciPy's genlogistic; exp(-x) is `burr12`.
    Johnson, Kotz & Balakrishnan, *Continuous Univariate Distributions* 2, section 23.10.""",
)
