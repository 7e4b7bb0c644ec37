"""Rayleigh distribution of lengths of normal vectors in the plane.

Parameters: `scale` > 0, the standard deviation of a component.

>>> from jaxmle import distributions
>>> round(float(distributions.rayleigh.logpdf({"scale": 2.0}, 3.0)), 3)
-1.413
"""

import math

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxmle import special
from jaxmle.distributions.base import weighted_moments
from jaxmle.distributions.base.constants import LOG_2
from jaxmle.distributions.base.information import information_matrix
from jaxmle.distributions.base.overflow import below_overflow
from jaxmle.distributions.base.standard_form import LOG, from_standard_form
from jaxmle.distributions.base.support import is_positive
from jaxmle.distributions.base.types import Params
from jaxmle.model.geometry import Geometry
from jaxmle.special.elementary import floating


def _start(x: Array, weights: Array) -> dict[str, Array]:
    x, weights = weighted_moments.usable_rows(x, weights, is_positive(x))
    return {"scale": weighted_moments.legal_positive(weighted_moments.root_mean_square(x, weights) * math.sqrt(0.5))}


def _mean(p: Params) -> Array:
    return math.sqrt(0.5 * np.pi) * floating(p["scale"])


rayleigh = from_standard_form(
    LOG,
    "rayleigh",
    logpdf=lambda p, v: 2 * v - 0.5 * jnp.exp(2 * v),
    logcdf=lambda p, v: special.log1mexpexp(below_overflow(2 * v - LOG_2)),
    logsf=lambda p, v: -jnp.exp(below_overflow(2 * v - LOG_2)),
    start=_start,
    quantile=lambda p, q: 0.5 * jnp.log(-2 * jnp.log1p(-q)),
    mean=_mean,
    geometry=Geometry(maximum=_start, information=lambda p, x: information_matrix(x, [[4 * p["scale"] ** -2.0]])),
    doc="""Rayleigh: density x exp(-(x / scale)^2 / 2) / scale^2, x > 0.

    Length of a normal vector in the plane: wind speeds, wave heights, misses. Mean scale sqrt(pi/2); the maximum is
    scale^2 = mean(x^2) / 2. Johnson, Kotz & Balakrishnan, *Continuous Univariate Distributions* 1, section 18.3.""",
)
