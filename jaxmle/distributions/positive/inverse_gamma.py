"""Inverse gamma distribution of variances and first passages with heavy tails.

Parameters: `scale` > 0; `shape` > 0, the tail exponent.

>>> from jaxmle import distributions
>>> round(float(distributions.inverse_gamma.logpdf({"scale": 2.0, "shape": 3.5}, 3.0)), 3)
-4.385
"""

import jax.numpy as jnp
from jax import Array

from jaxmle import spaces, special
from jaxmle.distributions.base import means, weighted_moments
from jaxmle.distributions.base.information import information_matrix
from jaxmle.distributions.base.support import is_positive
from jaxmle.distributions.base.types import Params
from jaxmle.distributions.positive.gamma_power import from_gamma_power
from jaxmle.model.geometry import Geometry


def _least_row(x: Array, weights: Array) -> Array:
    least = jnp.min(jnp.where(weights > 0, x, jnp.inf))
    return jnp.where(jnp.isfinite(least), least, 1)


def _start(x: Array, weights: Array) -> dict[str, Array]:
    x, weights = weighted_moments.usable_rows(x, weights, is_positive(x))
    shape = weighted_moments.gamma_shape(
        jnp.where(weights > 0, _least_row(x, weights) / jnp.where(weights > 0, x, 1), 0), weights
    )
    harmonic = _least_row(x, weights) / weighted_moments.positive_mean(
        jnp.where(weights > 0, _least_row(x, weights) / jnp.where(weights > 0, x, 1), 0), weights
    )
    return {"scale": weighted_moments.legal_positive(shape * harmonic), "shape": shape}


def _information(params: Params, x: Array) -> Array:
    shape, scale = params["shape"], params["scale"]
    return information_matrix(x, [[shape / scale**2, -1 / scale], [-1 / scale, special.trigamma(shape)]])


inverse_gamma = from_gamma_power(
    "inverse_gamma",
    lambda p: (p["shape"], -1.0, -jnp.log(p["shape"])),
    start=_start,
    decreasing=True,
    shapes={"shape": spaces.positive},
    mean=means.scale_over_shape_minus_one,
    geometry=Geometry(information=_information),
    doc="""Inverse gamma: density (scale / x)^(shape + 1) exp(-scale / x) / (scale Gamma(shape)), x > 0.

    1/x is gamma: variances, first passages with heavy tails. Mean scale / (shape - 1) for shape > 1.
    Gelman et al. 2013, *Bayesian Data Analysis*, 3rd ed., appendix A.""",
)
