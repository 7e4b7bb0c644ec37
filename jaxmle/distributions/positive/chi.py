"""Chi distribution of lengths of normal vectors.

Parameters: `df` > 0, the dimension; `scale` > 0, the standard deviation of a component.

>>> from jaxmle import distributions
>>> round(float(distributions.chi.logpdf({"df": 3.3, "scale": 2.0}, 3.0)), 3)
-1.231
"""

import jax.numpy as jnp
from jax import Array

from jaxmle import spaces, special
from jaxmle.distributions.base import weighted_moments
from jaxmle.distributions.base.information import information_matrix
from jaxmle.distributions.base.types import Params
from jaxmle.distributions.positive.gamma_power import from_gamma_power, root_mean_square_and_shape
from jaxmle.model.geometry import Geometry
from jaxmle.special.elementary import floating


def _start(x: Array, weights: Array) -> dict[str, Array]:
    size, shape = root_mean_square_and_shape(x, weights)
    return {"df": 2 * shape, "scale": weighted_moments.legal_positive(size / jnp.sqrt(2 * shape))}


def _information(params: Params, x: Array) -> Array:
    df, scale = params["df"], params["scale"]
    return information_matrix(x, [[0.25 * special.trigamma(0.5 * df), 1 / scale], [1 / scale, 2 * df / scale**2]])


def _mean(p: Params) -> Array:
    return p["scale"] * jnp.sqrt(p["df"]) * jnp.exp(special.log_rising(0.5, 2 / floating(p["df"])))


chi = from_gamma_power(
    "chi",
    lambda p: (0.5 * p["df"], 2.0, -jnp.log(p["df"])),
    start=_start,
    shapes={"df": spaces.positive},
    mean=_mean,
    geometry=Geometry(information=_information),
    doc="""Chi: density 2^(1 - df/2) z^(df - 1) exp(-z^2 / 2) / (scale Gamma(df/2)), z = x / scale > 0.

    Lengths of normal vectors: df 1 half-normal, 2 Rayleigh, 3 Maxwell. Mean scale sqrt(2) Gamma((df + 1)/2) / Gamma(df/2),
    mean square scale^2 df. Johnson, Kotz & Balakrishnan, *Continuous Univariate Distributions* 1, chapter 18.""",
)
