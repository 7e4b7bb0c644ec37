"""Standard Gumbel variable of maxima: what Gumbel, GEV and Frechet families share."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxmle import special
from jaxmle.distributions.base import weighted_moments
from jaxmle.distributions.base.constants import EULER, GUMBEL_DEVIATION
from jaxmle.distributions.base.information import information_matrix
from jaxmle.distributions.base.overflow import below_overflow, exp_without_overflow
from jaxmle.distributions.base.types import Params


def gumbel_logpdf(params: Params, z: Array) -> Array:
    """Compute the log-density of standard maxima z; params are not used."""
    return -z - exp_without_overflow(-z)


def gumbel_logcdf(params: Params, z: Array) -> Array:
    """Compute log P(Z <= z) of standard maxima; params are not used."""
    return -jnp.exp(below_overflow(-z))


def gumbel_logsf(params: Params, z: Array) -> Array:
    """Compute log P(Z > z) of standard maxima; params are not used."""
    return special.log1mexpexp(below_overflow(-z))


def gumbel_quantile(params: Params, q: Array) -> Array:
    """Compute the quantile of standard maxima at q; params are not used."""
    return -jnp.log(-jnp.log(q))


def gumbel_start(sign: float) -> Callable[[Any, Any], dict[str, Array]]:
    """Make the start from mean and standard deviation, of maxima for sign 1 and of minima for sign -1."""

    def start(x: Array, weights: Array) -> dict[str, Array]:
        loc, spread = weighted_moments.location_scale(*weighted_moments.usable_rows(x, weights, True))
        scale = weighted_moments.legal_positive(spread / GUMBEL_DEVIATION)
        return {"loc": loc - sign * EULER * scale, "scale": scale}

    return start


def gumbel_information(sign: float) -> Callable[[Any, Any], Array]:
    """Make the expected information about loc and scale, of maxima for sign 1 and of minima for sign -1."""

    def information(params: Params, x: Array) -> Array:
        unit = params["scale"] ** -2.0
        cross = -sign * (1 - EULER) * unit
        return information_matrix(x, [[unit, cross], [cross, (np.pi**2 / 6 + (1 - EULER) ** 2) * unit]])

    return information
