"""Location and scale: what families of (x - loc) / scale share."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax import Array

from jaxmle.distributions.base import weighted_moments
from jaxmle.distributions.base.information import information_matrix
from jaxmle.distributions.base.support import within
from jaxmle.distributions.base.types import Params


def standardized(params: Params, x: Array) -> Array:
    """Standardize x to (x - loc) / scale, with 0 for an x that is not finite."""
    inside = jnp.isfinite(x)
    return jnp.where(inside, (within(inside, x, params["loc"]) - params["loc"]) / params["scale"], 0)


def moment_start(ratio: float) -> Callable[[Any, Any], dict[str, Array]]:
    """Make the start from mean and standard deviation; `ratio` is scale over standard deviation."""

    def start(x: Array, weights: Array) -> dict[str, Array]:
        loc, scale = weighted_moments.location_scale(*weighted_moments.usable_rows(x, weights, True))
        return {"loc": loc, "scale": weighted_moments.legal_positive(ratio * scale)}

    return start


def diagonal_information(loc: float, scale: float) -> Callable[[Any, Any], Array]:
    """Make the expected information that is `loc`/scale^2 about the location and `scale`/scale^2 about the scale."""

    def information(params: Params, x: Array) -> Array:
        unit = params["scale"] ** -2.0
        return information_matrix(x, [[loc * unit, 0.0], [0.0, scale * unit]])

    return information
