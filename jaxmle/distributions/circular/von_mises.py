"""Von Mises distribution of angles in radians, the circle's normal.

Parameters: `loc`, the mean direction; `concentration` > 0, about 1 / variance where large.

>>> from jaxmle import distributions
>>> round(float(distributions.von_mises.logpdf({"concentration": 2.3, "loc": 0.0}, 0.5)), 3)
-0.86
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxmle import spaces, special
from jaxmle.distributions.base import means
from jaxmle.distributions.base.constants import LOG_2PI
from jaxmle.distributions.base.information import information_matrix
from jaxmle.distributions.base.standard_form import ANGLE, NumericalQuantile, from_standard_form, identity
from jaxmle.distributions.base.types import Params
from jaxmle.distributions.circular.mean_direction import mean_direction
from jaxmle.model.geometry import Geometry
from jaxmle.special.bessel import log_bessel_rest
from jaxmle.special.quadrature import integral

_CUT = 38.0


def _smaller_tail(k: Array, z: Array) -> Array:
    """Integrate the density from z < 0 backwards to log P(Z <= z), until it is below e^-38 of its start."""
    square = jnp.sin(0.5 * z) ** 2
    here, at = jax.lax.stop_gradient((square + 0.5 * _CUT / jnp.maximum(k, 1e-3), z))
    end = 2 * jnp.arcsin(jnp.sqrt(jnp.minimum(here, 1))) + at
    width = jnp.where(here < 1, jnp.minimum(end, np.pi + z), np.pi + z)
    # sin^2((z - s)/2) - sin^2(z/2) = sin(s/2) sin(s/2 - z)
    total = integral(lambda s: jnp.exp(-2 * k * jnp.sin(0.5 * s) * jnp.sin(0.5 * s - z)), 0, width, 48)
    return -2 * k * square + jnp.log(total) - LOG_2PI - log_bessel_rest(0.0, k)


def _logcdf(params: Params, z: Array) -> Array:
    small = _smaller_tail(params["concentration"], jnp.where(z < 0, z, -z))
    return jnp.where(z < 0, small, special.log1mexp(small))


def _logsf(params: Params, z: Array) -> Array:
    return _logcdf(params, -z)


def _start(x: Array, weights: Array) -> dict[str, Array]:
    # Best & Fisher 1981, Commun. Stat. B10, 493-502.
    loc, rest = mean_direction(x, weights)
    r = 1 - rest
    k = jnp.where(r < 0.53, 2 * r + r**3 + 5 / 6 * r**5, -0.4 + 1.39 * r + 0.43 / rest)
    k = jnp.where(r < 0.85, k, 1 / (jnp.maximum(r, 0.1) * rest * (3 - r)))
    return {"concentration": jnp.maximum(k, 0.01), "loc": loc}


def _information(params: Params, x: Array) -> Array:
    k = params["concentration"]
    slope = jax.grad(lambda k: jnp.sum(log_bessel_rest(0.0, k)))  # A(k) - 1
    ratio, curve = 1 + slope(k), jax.grad(lambda k: jnp.sum(slope(k)))(k)
    return information_matrix(x, [[curve, 0.0], [0.0, k * ratio]])


von_mises = from_standard_form(
    ANGLE,
    "von_mises",
    logpdf=lambda p, z: (
        -2 * p["concentration"] * jnp.sin(0.5 * z) ** 2 - LOG_2PI - log_bessel_rest(0.0, p["concentration"])
    ),
    logcdf=_logcdf,
    logsf=_logsf,
    start=_start,
    shapes={"concentration": spaces.positive},
    quantile=NumericalQuantile(_logcdf, _logsf, identity, -np.pi, np.pi),
    mean=means.loc,
    geometry=Geometry(information=_information),
    doc="""Von Mises: density exp(concentration cos(x - loc)) / (2 pi I0(concentration)), x an angle in radians.

    Directions, times of day: the circle's normal, of variance 1 / concentration where that is large. Mean direction loc,
    mean resultant length I1 / I0. Mardia & Jupp 2000, *Directional Statistics*, section 3.5.4.""",
)
