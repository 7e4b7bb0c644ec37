"""Half-normal distribution of sizes of normal errors.

Parameters: `scale` > 0, the root mean square.

>>> from jaxmle import distributions
>>> round(float(distributions.half_normal.logpdf({"scale": 2.0}, 3.0)), 3)
-2.044
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxmle import special
from jaxmle.distributions.base import weighted_moments
from jaxmle.distributions.base.constants import HALF_LOG_2PI, LOG_2
from jaxmle.distributions.base.information import information_matrix
from jaxmle.distributions.base.standard_form import RATIO, from_standard_form
from jaxmle.distributions.base.support import is_nonnegative
from jaxmle.distributions.base.types import Params
from jaxmle.model.geometry import Geometry
from jaxmle.special.elementary import floating


def _start(x: Array, weights: Array) -> dict[str, Array]:
    x, weights = weighted_moments.usable_rows(x, weights, is_nonnegative(x))
    return {"scale": weighted_moments.root_mean_square(x, weights)}


def _logcdf(params: Params, z: Array) -> Array:
    inside = z > 0
    return jnp.where(inside, special.log_gammainc(0.5, 0.5 * jnp.where(inside, z, 1) ** 2), -jnp.inf)


def _mean(p: Params) -> Array:
    return math.sqrt(2 / np.pi) * floating(p["scale"])


half_normal = from_standard_form(
    RATIO,
    "half_normal",
    logpdf=lambda p, z: LOG_2 - HALF_LOG_2PI - 0.5 * z * z,
    logcdf=_logcdf,
    logsf=lambda p, z: LOG_2 + special.log_ndtr(-z),
    start=_start,
    quantile=lambda p, q: jnp.where(
        q < 0.5, jax.scipy.special.erfinv(q) * math.sqrt(2), -jax.scipy.special.ndtri(0.5 * (1 - q))
    ),
    draw=lambda key, p, shape, dtype: jnp.abs(jax.random.normal(key, shape, dtype)),
    mean=_mean,
    geometry=Geometry(maximum=_start, information=lambda p, x: information_matrix(x, [[2 * p["scale"] ** -2.0]])),
    doc="""Half-normal: density sqrt(2/pi) exp(-(x / scale)^2 / 2) / scale, x >= 0.

    Sizes of normal errors, distances from a line. Mean scale sqrt(2/pi); the maximum is the root mean square.
    Johnson, Kotz & Balakrishnan, *Continuous Univariate Distributions* 1, section 13.10.1.""",
)
