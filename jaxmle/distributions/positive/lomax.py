"""Lomax (Pareto II) distribution of claims and of lifetimes with gamma-distributed rates.

Parameters: `scale` > 0; `shape` > 0, the tail exponent.

>>> from jaxmle import distributions
>>> round(float(distributions.lomax.logpdf({"scale": 3.0, "shape": 2.4}, 3.0)), 3)
-2.58
"""

import jax.numpy as jnp
from jax import Array

from jaxmle import spaces, special
from jaxmle.distributions.base import means, weighted_moments
from jaxmle.distributions.base.information import information_matrix
from jaxmle.distributions.base.standard_form import RATIO, from_standard_form
from jaxmle.distributions.base.types import Params
from jaxmle.distributions.extremes.gpd import gpd
from jaxmle.model.geometry import Geometry


def _logsf(params: Params, z: Array) -> Array:
    return -params["shape"] * jnp.log1p(z)


def _logcdf(params: Params, z: Array) -> Array:
    inside = z > 0
    hazard = params["shape"] * jnp.log1p(jnp.where(inside, z, 1))
    return jnp.where(inside, special.log1mexpexp(jnp.log(hazard)), -jnp.inf)


def _start(x: Array, weights: Array) -> dict[str, Array]:
    at = gpd.start(x, weights)
    heavy = jnp.maximum(at["shape"], 0.05)
    return {"scale": weighted_moments.legal_positive(at["scale"] / heavy), "shape": 1 / heavy}


def _information(params: Params, x: Array) -> Array:
    shape, scale = params["shape"], params["scale"]
    cross = -1 / (scale * (shape + 1))
    return information_matrix(x, [[shape / (scale**2 * (shape + 2)), cross], [cross, shape**-2.0]])


lomax = from_standard_form(
    RATIO,
    "lomax",
    logpdf=lambda p, z: jnp.log(p["shape"]) - (p["shape"] + 1) * jnp.log1p(z),
    logcdf=_logcdf,
    logsf=_logsf,
    start=_start,
    shapes={"shape": spaces.positive},
    quantile=lambda p, q: jnp.expm1(-jnp.log1p(-q) / p["shape"]),
    mean=means.scale_over_shape_minus_one,
    geometry=Geometry(information=_information),
    doc="""Lomax (Pareto II): density (shape / scale) (1 + x / scale)^(-shape - 1), x >= 0.

    Claims, business failures: exponential lifetimes whose rates are gamma. Mean scale / (shape - 1) for shape > 1. Data
    less spread than an exponential sample have their maximum at infinite shape.
    Johnson, Kotz & Balakrishnan, *Continuous Univariate Distributions* 1, chapter 20.""",
)
