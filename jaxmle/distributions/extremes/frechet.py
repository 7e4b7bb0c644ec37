"""Frechet distribution of maxima with heavy tails.

Parameters: `scale` > 0; `shape` > 0, the tail exponent.

>>> from jaxmle import distributions
>>> round(float(distributions.frechet.logpdf({"scale": 3.0, "shape": 1.7}, 3.0)), 3)
-1.568
"""

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxmle import spaces, special
from jaxmle.distributions.base import weighted_moments
from jaxmle.distributions.base.constants import EULER, GUMBEL_DEVIATION
from jaxmle.distributions.base.information import information_matrix
from jaxmle.distributions.base.means import where_finite
from jaxmle.distributions.base.standard_form import LOG, from_standard_form
from jaxmle.distributions.base.support import is_positive
from jaxmle.distributions.base.types import Params
from jaxmle.distributions.extremes.standard_gumbel import gumbel_logcdf, gumbel_logpdf, gumbel_logsf, gumbel_quantile
from jaxmle.model.geometry import Geometry
from jaxmle.special.elementary import floating


def _start(x: Array, weights: Array) -> dict[str, Array]:
    x, weights = weighted_moments.usable_rows(x, weights, is_positive(x))
    center, spread = weighted_moments.log_moments(x, weights)
    shape = GUMBEL_DEVIATION / jnp.clip(spread, 1e-6, 1e6)
    return {"scale": weighted_moments.legal_positive(jnp.exp(center - EULER / shape)), "shape": shape}


def _information(params: Params, x: Array) -> Array:
    shape, scale = params["shape"], params["scale"]
    cross = (1 - EULER) / scale
    return information_matrix(x, [[(shape / scale) ** 2, cross], [cross, (np.pi**2 / 6 + (1 - EULER) ** 2) / shape**2]])


def _mean(p: Params) -> Array:
    return p["scale"] * where_finite(
        p["shape"] > 1, lambda a: jnp.exp(special.gammaln(1 - 1 / a)), floating(p["shape"])
    )


frechet = from_standard_form(
    LOG,
    "frechet",
    logpdf=lambda p, v: jnp.log(p["shape"]) + gumbel_logpdf(p, p["shape"] * v),
    logcdf=lambda p, v: gumbel_logcdf(p, p["shape"] * v),
    logsf=lambda p, v: gumbel_logsf(p, p["shape"] * v),
    start=_start,
    shapes={"shape": spaces.positive},
    quantile=lambda p, q: gumbel_quantile(p, q) / p["shape"],
    mean=_mean,
    geometry=Geometry(information=_information),
    doc="""Frechet: density (shape / scale) (x / scale)^(-shape - 1) exp(-(x / scale)^-shape), x > 0.

    Maxima with heavy tails; 1/x is Weibull. Mean scale Gamma(1 - 1/shape) for shape > 1.
    Johnson, Kotz & Balakrishnan, *Continuous Univariate Distributions* 2, chapter 22.""",
)
