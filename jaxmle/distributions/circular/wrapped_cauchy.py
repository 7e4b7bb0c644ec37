"""Wrapped Cauchy distribution of angles in radians with heavy tails.

Parameters: `loc`, the mean direction; `concentration` in (0, 1), the mean resultant length.

>>> from jaxmle import distributions
>>> round(float(distributions.wrapped_cauchy.logpdf({"concentration": 0.4, "loc": 0.0}, 0.5)), 3)
-1.231
"""

import math

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxmle import spaces
from jaxmle.distributions.base import means, weighted_moments
from jaxmle.distributions.base.constants import LOG_2PI
from jaxmle.distributions.base.information import information_matrix
from jaxmle.distributions.base.standard_form import ANGLE, from_standard_form, wrapped
from jaxmle.distributions.base.types import Params
from jaxmle.distributions.circular.mean_direction import mean_direction
from jaxmle.model.geometry import Geometry


def _logpdf(params: Params, z: Array) -> Array:
    r = params["concentration"]
    return jnp.log1p(r) + jnp.log1p(-r) - LOG_2PI - jnp.log((1 - r) ** 2 + 4 * r * jnp.sin(0.5 * z) ** 2)


def _logcdf(params: Params, z: Array) -> Array:
    r = params["concentration"]
    half = 0.5 * jnp.abs(z)
    tail = jnp.log(jnp.arctan2((1 - r) * jnp.cos(half), (1 + r) * jnp.sin(half))) - math.log(np.pi)
    return jnp.where(z < 0, tail, jnp.log1p(-jnp.exp(tail)))


def _quantile(params: Params, q: Array) -> Array:
    r = params["concentration"]
    small = jnp.pi * jnp.minimum(q, 1 - q)
    z = -2 * jnp.arctan2((1 - r) * jnp.cos(small), (1 + r) * jnp.sin(small))
    return jnp.where(q < 0.5, z, -z)


def _start(x: Array, weights: Array) -> dict[str, Array]:
    # Half way from the mean direction to the next row behind it: between two rows the likelihood is flat along a ridge,
    # and the middle of that lies close to concentration 0 where they are opposite.
    loc, rest = mean_direction(x, weights)
    x, weights = weighted_moments.usable_rows(x, weights, True)
    gap = wrapped(x - loc)
    behind = jnp.max(jnp.where((weights > 0) & (gap < 0), gap, -jnp.inf))
    loc = loc + jnp.where(jnp.isfinite(behind), 0.5 * behind, 0)
    return {"concentration": jnp.clip(1 - rest, 0.01, 1 - 1e-12), "loc": loc}


def _information(params: Params, x: Array) -> Array:
    r = params["concentration"]
    unit = 2 / (1 - r * r) ** 2
    return information_matrix(x, [[unit, 0.0], [0.0, r * r * unit]])


wrapped_cauchy = from_standard_form(
    ANGLE,
    "wrapped_cauchy",
    logpdf=_logpdf,
    logcdf=_logcdf,
    logsf=lambda p, z: _logcdf(p, -z),
    start=_start,
    shapes={"concentration": spaces.interval(0.0, 1.0)},
    quantile=_quantile,
    mean=means.loc,
    geometry=Geometry(information=_information),
    doc="""Wrapped Cauchy: density (1 - r^2) / (2 pi (1 + r^2 - 2 r cos(x - loc))), r = concentration, x an angle in radians.

    Directions with heavy tails, turning angles of animals. Mean direction loc, mean resultant length r.
    Mardia & Jupp 2000, *Directional Statistics*, section 3.5.7.""",
)
