"""Logit-normal distribution of probabilities that vary between units.

Parameters: `loc`, the mean logit; `scale` > 0, its standard deviation.

>>> from jaxmle import distributions
>>> round(float(distributions.logit_normal.logpdf({"loc": -0.4, "scale": 0.9}, 0.4)), 3)
0.614
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxmle import spaces, special
from jaxmle.distributions.base import weighted_moments
from jaxmle.distributions.base.constants import HALF_LOG_2PI
from jaxmle.distributions.base.information import information_matrix
from jaxmle.distributions.base.standard_form import SHARE, from_standard_form
from jaxmle.distributions.base.support import is_share
from jaxmle.distributions.base.types import Params
from jaxmle.model.geometry import Geometry

_GRID = np.arange(-10.0, 10.0 + 1 / 64, 1 / 64)
"Normal scores at which the mean is summed."


def _logit(z: Array) -> Array:
    return jnp.log(z) - jnp.log1p(-z)


def _normal_score(params: Params, z: Array) -> Array:
    return (_logit(z) - params["loc"]) / params["scale"]


def _start(x: Array, weights: Array) -> dict[str, Array]:
    x, weights = weighted_moments.usable_rows(x, weights, is_share(x))
    loc, scale = weighted_moments.location_scale(_logit(jnp.where(weights > 0, x, 0.5)), weights)
    return {"loc": loc, "scale": scale}


def _logpdf(params: Params, z: Array) -> Array:
    y = _normal_score(params, z)
    return -0.5 * y * y - HALF_LOG_2PI - jnp.log(params["scale"]) - jnp.log(z) - jnp.log1p(-z)


def _mean(p: Params) -> Array:
    z = jnp.asarray(_GRID, jnp.result_type(float))
    return jnp.sum(jax.nn.sigmoid(p["loc"] + p["scale"] * z) * jnp.exp(-0.5 * z * z)) / (64 * math.sqrt(2 * np.pi))


logit_normal = from_standard_form(
    SHARE,
    "logit_normal",
    logpdf=_logpdf,
    logcdf=lambda p, z: special.log_ndtr(_normal_score(p, z)),
    logsf=lambda p, z: special.log_ndtr(-_normal_score(p, z)),
    start=_start,
    shapes={"loc": spaces.real, "scale": spaces.positive},
    quantile=lambda p, q: jax.nn.sigmoid(p["loc"] + p["scale"] * jax.scipy.special.ndtri(q)),
    mean=_mean,
    geometry=Geometry(
        maximum=_start,
        information=lambda p, x: information_matrix(x, [[p["scale"] ** -2.0, 0.0], [0.0, 2 * p["scale"] ** -2.0]]),
    ),
    doc="""Logit-normal: log(x / (1 - x)) is normal(loc, scale), 0 < x < 1.

    Shares and probabilities that vary between units. Median 1 / (1 + exp(-loc)); the maximum is the logits' mean and
    standard deviation. Johnson 1949, *Biometrika* 36, 149-176 (SB).""",
)
