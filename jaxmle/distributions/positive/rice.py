"""Rice distribution of lengths of normal vectors in the plane that are centred off the origin.

Parameters: `scale` > 0, the standard deviation of a component; `shape` > 0, the distance of the centre over it.

>>> from jaxmle import distributions
>>> round(float(distributions.rice.logpdf({"scale": 2.0, "shape": 1.4}, 3.0)), 3)
-1.498
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import DTypeLike

from jaxmle import spaces, special
from jaxmle.distributions.base import weighted_moments
from jaxmle.distributions.base.standard_form import LOG, NumericalQuantile, from_standard_form, identity
from jaxmle.distributions.base.support import is_positive
from jaxmle.distributions.base.types import Params, Shape
from jaxmle.special.bessel import log_bessel_rest
from jaxmle.special.elementary import floating
from jaxmle.special.quadrature import integral

_CUT, _NODES = 38.0, 48
"Where a tail is cut, below e^-38 of where it begins; and points of its integral."


def _log_density(a: Array, z: Array) -> Array:
    """Evaluate the log-density of z = x / scale: z exp(-(z - a)^2 / 2) e^-az I_0(az)."""
    return jnp.log(z) - 0.5 * (z - a) ** 2 + log_bessel_rest(0.0, a * z)


def _tail(params: Params, v: Array, upper: bool) -> Array:
    """Integrate the density from z = e^v outwards where that tail is the smaller one, about; else 1 less the other."""
    a = params["shape"]
    a, v = jnp.broadcast_arrays(floating(a), floating(v))
    far = v > 0.2 * float(np.log(jnp.finfo(v.dtype).max))  # z^2 / 2 and its slopes are finite up to here, with room
    z = jnp.exp(jnp.where(far, 0.0, v))
    below = z < jnp.sqrt(a * a + 1.4)  # the root of about the median square
    # The exponent is (gap + s)^2 / 2 - gap^2 / 2 at a distance s, with a power of s above it at most.
    gap = jnp.where(below, jnp.maximum(a - z, 0), jnp.maximum(z - a - 1 / z, 0))
    width = 2 * _CUT / (gap + jnp.sqrt(gap * gap + 2 * _CUT))
    width = jax.lax.stop_gradient(width)
    low = jnp.where(below, jnp.maximum(z - width, 0.0), z)
    high = jnp.where(below, z, z + width)
    here = _log_density(a, z)
    small = here + jnp.log(integral(lambda s: jnp.exp(_log_density(a, s) - here), low, high, _NODES))
    small = jnp.minimum(small, -float(jnp.finfo(small.dtype).tiny))
    wanted = ~below if upper else below
    value = jnp.where(wanted, small, special.log1mexp(small))
    return jnp.where(far, -jnp.inf if upper else 0.0, value)


def _logcdf(params: Params, v: Array) -> Array:
    return _tail(params, v, False)


def _logsf(params: Params, v: Array) -> Array:
    return _tail(params, v, True)


def _logpdf(params: Params, v: Array) -> Array:
    a, z = params["shape"], jnp.exp(v)
    return 2 * v - 0.5 * (z - a) ** 2 + log_bessel_rest(0.0, a * z)


def _draw(key: Array, params: Params, shape: Shape, dtype: DTypeLike) -> Array:
    one, two = jax.random.normal(key, (2, *shape), dtype)
    return jnp.log(jnp.hypot(one + params["shape"], two))


def _start(x: Array, weights: Array) -> dict[str, Array]:
    # From the second and the fourth moment; where the centre is far off, from the variance, which is scale^2 then.
    x, weights = weighted_moments.usable_rows(x, weights, is_positive(x))
    size = weighted_moments.root_mean_square(x, weights)
    fourth = weighted_moments.mean(jnp.where(weights > 0, x / size, 1) ** 4, weights)
    share = jnp.sqrt(jnp.clip(2 - fourth, 0.05, 1.0))  # of the centre in the mean square
    _, spread = weighted_moments.location_scale(x, weights)
    relative = jnp.where(share > 0.8, jnp.clip(spread / size, 1e-8, 0.4), jnp.sqrt(0.5 * (1 - share)))
    shape = jnp.sqrt(jnp.maximum(1 - 2 * relative**2, 0.05)) / relative
    return {"scale": weighted_moments.legal_positive(size * relative), "shape": shape}


def _mean(p: Params) -> Array:
    half = 0.25 * floating(p["shape"]) ** 2
    first = special.log_iv(1.0, half) - half
    laguerre = (1 + 2 * half) * jnp.exp(log_bessel_rest(0.0, half)) + 2 * half * jnp.exp(first)
    return p["scale"] * math.sqrt(0.5 * np.pi) * laguerre


rice = from_standard_form(
    LOG,
    "rice",
    logpdf=_logpdf,
    logcdf=_logcdf,
    logsf=_logsf,
    start=_start,
    shapes={"shape": spaces.positive},
    quantile=NumericalQuantile(_logcdf, _logsf, identity, -350.0, 100.0),
    draw=_draw,
    mean=_mean,
    doc="""Rice: density z exp(-(z^2 + shape^2) / 2) I_0(shape z) / scale, z = x / scale > 0.

    Amplitudes of a signal in noise, magnitudes in magnetic resonance images, distances from a point beside the target. Mean
    square scale^2 (2 + shape^2). Where the data are no less spread than a Rayleigh sample, the maximum is that, at shape 0.
    Rice 1945, *Bell System Technical Journal* 24, 46-156, equation 3.10-11.""",
)
