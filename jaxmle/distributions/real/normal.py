"""Normal distribution of errors and of sums of many small effects.

Parameters: `loc`, the mean; `scale` > 0, the standard deviation.

>>> from jaxmle import distributions
>>> round(float(distributions.normal.logpdf({"loc": 0.5, "scale": 2.0}, 1.5)), 3)
-1.737
"""

import jax
import jax.numpy as jnp
from jax import Array

from jaxmle import spaces, special
from jaxmle.distributions.base import weighted_moments
from jaxmle.distributions.base.constants import HALF_LOG_2PI
from jaxmle.distributions.base.distribution import Distribution
from jaxmle.distributions.base.information import information_matrix
from jaxmle.distributions.base.support import extended, is_finite
from jaxmle.distributions.base.types import Params, Shape
from jaxmle.distributions.real.location_scale import standardized
from jaxmle.model.geometry import Geometry
from jaxmle.special.elementary import floating


def _logpdf(params: Params, x: Array) -> Array:
    x = floating(x)
    z = standardized(params, x)
    return jnp.where(jnp.isfinite(x), -0.5 * z * z - jnp.log(params["scale"]) - HALF_LOG_2PI, -jnp.inf)


def _logcdf(params: Params, x: Array) -> Array:
    x = floating(x)
    return extended(jnp.isfinite(x), x, special.log_ndtr(standardized(params, x)), -jnp.inf, 0.0)


def _logsf(params: Params, x: Array) -> Array:
    x = floating(x)
    return extended(jnp.isfinite(x), x, special.log_ndtr(-standardized(params, x)), 0.0, -jnp.inf)


def _quantile(params: Params, q: Array) -> Array:
    return params["loc"] + params["scale"] * jax.scipy.special.ndtri(floating(q))


def _sample(key: Array, params: Params, shape: Shape = ()) -> Array:
    scale = floating(params["scale"])
    return params["loc"] + scale * jax.random.normal(key, shape, scale.dtype)


def _start(x: Array, weights: Array) -> dict[str, Array]:
    loc, scale = weighted_moments.location_scale(*weighted_moments.usable_rows(x, weights, True))
    return {"loc": loc, "scale": scale}


def _information(params: Params, x: Array) -> Array:
    scale = params["scale"]
    return information_matrix(x, [[scale**-2.0, 0.0], [0.0, 2 * scale**-2.0]])


def _mean(params: Params) -> Array:
    return floating(params["loc"])


normal = Distribution(
    name="normal",
    logpdf=_logpdf,
    logcdf=_logcdf,
    logsf=_logsf,
    quantile=_quantile,
    sample=_sample,
    support=is_finite,
    space={"loc": spaces.real, "scale": spaces.positive},
    start=_start,
    mean=_mean,
    geometry=Geometry(maximum=_start, information=_information),
    doc="""Normal: density exp(-(x - loc)^2 / (2 scale^2)) / (scale sqrt(2 pi)).

    Sums of many small effects; errors. Mean loc, standard deviation scale; the maximum-likelihood scale divides
    by n. Johnson, Kotz & Balakrishnan, *Continuous Univariate Distributions* 1, chapter 13.""",
)
