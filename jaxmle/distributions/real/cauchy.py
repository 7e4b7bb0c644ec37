"""Cauchy distribution of errors with very heavy tails and no moments.

Parameters: `loc`, the median; `scale` > 0, half the distance of the quartiles.

>>> from jaxmle import distributions
>>> round(float(distributions.cauchy.logpdf({"loc": 0.5, "scale": 2.0}, 1.5)), 3)
-2.061
"""

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxmle.distributions.base import weighted_moments
from jaxmle.distributions.base.constants import LOG_PI
from jaxmle.distributions.base.standard_form import LINE, from_standard_form
from jaxmle.distributions.base.types import Params
from jaxmle.distributions.real.location_scale import diagonal_information
from jaxmle.model.geometry import Geometry
from jaxmle.special.elementary import floating


def _logcdf(params: Params, z: Array) -> Array:
    tail = jnp.log(jnp.arctan2(jnp.ones_like(z), jnp.abs(z))) - LOG_PI
    return jnp.where(z < 0, tail, jnp.log1p(-jnp.exp(tail)))


def _quantile(params: Params, q: Array) -> Array:
    # Near 1/2 the cotangent of the tail is as good as the tangent about the middle.
    return jnp.where(q < 0.5, -1 / jnp.tan(np.pi * q), 1 / jnp.tan(np.pi * (1 - q)))


def _start(x: Array, weights: Array) -> dict[str, Array]:
    loc, scale = weighted_moments.middle_half(*weighted_moments.usable_rows(x, weights, True))
    return {"loc": loc, "scale": scale}


def _mean(params: Params) -> Array:
    """Return NaN: there is no mean."""
    return jnp.full_like(floating(params["loc"]), jnp.nan)


cauchy = from_standard_form(
    LINE,
    "cauchy",
    logpdf=lambda p, z: -LOG_PI - jnp.log1p(z * z),
    logcdf=_logcdf,
    logsf=lambda p, z: _logcdf(p, -z),
    start=_start,
    quantile=_quantile,
    mean=_mean,
    geometry=Geometry(information=diagonal_information(0.5, 0.5)),
    doc="""Cauchy: density 1 / (pi scale (1 + ((x - loc) / scale)^2)).

    Errors with very heavy tails, ratios of normals, resonances; no moments: loc is the median, scale half the distance of
    the quartiles. Small samples may have several maxima. Johnson, Kotz & Balakrishnan, *Continuous Univariate
    Distributions* 1, chapter 16.""",
)
