"""Birnbaum-Saunders distribution of fatigue lives.

Parameters: `scale` > 0, the median; `shape` > 0, about the coefficient of variation where small.

>>> from jaxmle import distributions
>>> round(float(distributions.birnbaum_saunders.logpdf({"scale": 3.0, "shape": 0.7}, 3.0)), 3)
-1.661
"""

import jax
import jax.numpy as jnp
from jax import Array

from jaxmle import spaces, special
from jaxmle.distributions.base import weighted_moments
from jaxmle.distributions.base.constants import HALF_LOG_2PI, LOG_2
from jaxmle.distributions.base.standard_form import LOG, from_standard_form
from jaxmle.distributions.base.support import is_positive
from jaxmle.distributions.base.types import Params


def _normal_score(params: Params, v: Array) -> Array:
    return 2 * jnp.sinh(jnp.clip(0.5 * v, -170, 170)) / params["shape"]


def _start(x: Array, weights: Array) -> dict[str, Array]:
    # Modified moments (Ng, Kundu & Balakrishnan 2003, CSDA 43, 283-298).
    x, weights = weighted_moments.usable_rows(x, weights, is_positive(x))
    mean = weighted_moments.positive_mean(x, weights)
    ratio = jnp.maximum(weighted_moments.mean(mean / jnp.where(weights > 0, x, mean), weights), 1 + 1e-12)
    root = jnp.sqrt(ratio)
    return {
        "scale": weighted_moments.legal_positive(mean / root),
        "shape": jnp.clip(jnp.sqrt(2 * (root - 1)), 1e-6, 1e6),
    }


def _mean(p: Params) -> Array:
    return p["scale"] * (1 + 0.5 * p["shape"] ** 2)


birnbaum_saunders = from_standard_form(
    LOG,
    "birnbaum_saunders",
    logpdf=lambda p, v: (
        -0.5 * _normal_score(p, v) ** 2 - HALF_LOG_2PI + jnp.logaddexp(0.5 * v, -0.5 * v) - LOG_2 - jnp.log(p["shape"])
    ),
    logcdf=lambda p, v: special.log_ndtr(_normal_score(p, v)),
    logsf=lambda p, v: special.log_ndtr(-_normal_score(p, v)),
    start=_start,
    shapes={"shape": spaces.positive},
    quantile=lambda p, q: 2 * jnp.arcsinh(0.5 * p["shape"] * jax.scipy.special.ndtri(q)),
    draw=lambda key, p, shape, dtype: 2 * jnp.arcsinh(0.5 * p["shape"] * jax.random.normal(key, shape, dtype)),
    mean=_mean,
    doc="""Birnbaum-Saunders (fatigue life): (sqrt(z) - sqrt(1/z)) / shape is standard normal, z = x / scale > 0.

    Cycles until a crack has grown too long. Median scale, mean scale (1 + shape^2 / 2).
    Birnbaum & Saunders 1969, *J. Appl. Prob.* 6, 319-327.""",
)
