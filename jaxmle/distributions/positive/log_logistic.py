"""Log-logistic (Fisk) distribution of survival times and incomes.

Parameters: `scale` > 0, the median; `shape` > 0, above 1 for a hazard that rises and falls again.

>>> from jaxmle import distributions
>>> round(float(distributions.log_logistic.logpdf({"scale": 3.0, "shape": 2.2}, 3.0)), 3)
-1.696
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxmle import spaces
from jaxmle.distributions.base import weighted_moments
from jaxmle.distributions.base.information import information_matrix
from jaxmle.distributions.base.means import where_finite
from jaxmle.distributions.base.standard_form import LOG, from_standard_form
from jaxmle.distributions.base.support import is_positive
from jaxmle.distributions.base.types import Params
from jaxmle.model.geometry import Geometry
from jaxmle.special.elementary import floating


def _start(x: Array, weights: Array) -> dict[str, Array]:
    x, weights = weighted_moments.usable_rows(x, weights, is_positive(x))
    center, spread = weighted_moments.log_moments(x, weights)
    shape = np.pi / math.sqrt(3) / jnp.clip(spread, 1e-6, 1e6)
    return {"scale": weighted_moments.legal_positive(jnp.exp(center)), "shape": shape}


def _information(params: Params, x: Array) -> Array:
    shape, scale = params["shape"], params["scale"]
    return information_matrix(x, [[(shape / scale) ** 2 / 3, 0.0], [0.0, (3 + np.pi**2) / (9 * shape**2)]])


def _mean(p: Params) -> Array:
    return p["scale"] * where_finite(p["shape"] > 1, lambda a: 1 / jnp.sinc(1 / a), floating(p["shape"]))


log_logistic = from_standard_form(
    LOG,
    "log_logistic",
    logpdf=lambda p, v: jnp.log(p["shape"]) + jax.nn.log_sigmoid(p["shape"] * v) + jax.nn.log_sigmoid(-p["shape"] * v),
    logcdf=lambda p, v: jax.nn.log_sigmoid(p["shape"] * v),
    logsf=lambda p, v: jax.nn.log_sigmoid(-p["shape"] * v),
    start=_start,
    shapes={"shape": spaces.positive},
    quantile=lambda p, q: (jnp.log(q) - jnp.log1p(-q)) / p["shape"],
    mean=_mean,
    geometry=Geometry(information=_information),
    doc="""Log-logistic (Fisk): density (shape / scale) z^(shape - 1) / (1 + z^shape)^2, z = x / scale > 0.

    Survival whose hazard rises and falls again; incomes; log x is logistic. Median scale, mean scale (pi/shape) /
    sin(pi/shape) for shape > 1. Johnson, Kotz & Balakrishnan, *Continuous Univariate Distributions* 2, section 23.11.""",
)
