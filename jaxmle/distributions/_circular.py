"""Laws of angles in radians, measured from loc: von Mises and wrapped Cauchy.

Any finite x is an angle, and the density has period 2 pi. The distribution function starts opposite to loc: it is
P(loc - pi <= X <= x) with x taken within half a turn of loc.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxmle import spaces, special
from jaxmle.distributions import _moments
from jaxmle.distributions._distribution import symmetric
from jaxmle.distributions._standard import ANGLE, Bisected, law
from jaxmle.special._bessel import log_bessel_integral

_CUT = 38.0
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(48)
_LOG_2 = 0.6931471805599453
_LOG_2PI = 1.8378770664093453


def direction(x: Any, weights: Any) -> tuple[Any, Any]:
    """Mean direction, and 1 - R, one minus the mean resultant length, without cancellation."""
    x, weights = _moments.usable(x, weights, True)
    loc = jnp.arctan2(_moments.mean(jnp.sin(x), weights), _moments.mean(jnp.cos(x), weights))
    return loc, jnp.clip(_moments.mean(2 * jnp.sin(0.5 * (x - loc)) ** 2, weights), 1e-14, 1)


# --- von Mises -------------------------------------------------------------------------------------------


def _von_mises_small(k: Any, z: Any) -> Any:
    """log P(Z <= z) for z < 0, as the integral from z backwards; it ends where it is below e^-38 of its start."""
    square = jnp.sin(0.5 * z) ** 2
    here, at = jax.lax.stop_gradient((square + 0.5 * _CUT / jnp.maximum(k, 1e-3), z))
    end = 2 * jnp.arcsin(jnp.sqrt(jnp.minimum(here, 1))) + at
    width = jnp.where(here < 1, jnp.minimum(end, np.pi + z), np.pi + z)
    u = (0.5 * (_NODES + 1)).astype(z.dtype).reshape((-1,) + (1,) * z.ndim)
    s = width * u
    # sin^2((z - s)/2) - sin^2(z/2) = sin(s/2) sin(s/2 - z)
    f = jnp.exp(-2 * k * jnp.sin(0.5 * s) * jnp.sin(0.5 * s - z))
    total = width * jnp.tensordot((0.5 * _WEIGHTS).astype(z.dtype), f, 1)
    return -2 * k * square + jnp.log(total) - _LOG_2 - log_bessel_integral(0.0, k)


def _von_mises_lower(params: Any, z: Any) -> Any:
    small = _von_mises_small(params["concentration"], jnp.where(z < 0, z, -z))
    return jnp.where(z < 0, small, special.log1mexp(small))


def _von_mises_upper(params: Any, z: Any) -> Any:
    return _von_mises_lower(params, -z)


def _von_mises_start(x: Any, weights: Any) -> Any:
    # Best & Fisher 1981, Commun. Stat. B10, 493-502.
    loc, rest = direction(x, weights)
    r = 1 - rest
    k = jnp.where(r < 0.53, 2 * r + r**3 + 5 / 6 * r**5, -0.4 + 1.39 * r + 0.43 / rest)
    k = jnp.where(r < 0.85, k, 1 / (jnp.maximum(r, 0.1) * rest * (3 - r)))
    return {"concentration": jnp.maximum(k, 0.01), "loc": loc}


def _von_mises_information(params: Any, x: Any) -> Any:
    k = params["concentration"]
    slope = jax.grad(lambda k: jnp.sum(log_bessel_integral(0.0, k)))  # A(k) - 1
    ratio, curve = 1 + slope(k), jax.grad(lambda k: jnp.sum(slope(k)))(k)
    return symmetric(x, [[curve, 0.0], [0.0, k * ratio]])


von_mises = law(
    ANGLE,
    "von_mises",
    lambda p, z: (
        -2 * p["concentration"] * jnp.sin(0.5 * z) ** 2 - _LOG_2 - log_bessel_integral(0.0, p["concentration"])
    ),
    _von_mises_lower,
    _von_mises_upper,
    _von_mises_start,
    shapes={"concentration": spaces.positive},
    quantile=Bisected(_von_mises_lower, _von_mises_upper, lambda v: v, -np.pi, np.pi),
    information=_von_mises_information,
    doc="""Von Mises: density exp(concentration cos(x - loc)) / (2 pi I0(concentration)), x an angle in radians.

    Directions, times of day: the circle's normal, of variance 1 / concentration where that is large. Mean direction loc,
    mean resultant length I1 / I0. Mardia & Jupp 2000, *Directional Statistics*, section 3.5.4.""",
)


# --- wrapped Cauchy --------------------------------------------------------------------------------------


def _wrapped_logpdf(params: Any, z: Any) -> Any:
    r = params["concentration"]
    return jnp.log1p(r) + jnp.log1p(-r) - _LOG_2PI - jnp.log((1 - r) ** 2 + 4 * r * jnp.sin(0.5 * z) ** 2)


def _wrapped_lower(params: Any, z: Any) -> Any:
    r = params["concentration"]
    half = 0.5 * jnp.abs(z)
    tail = jnp.log(jnp.arctan2((1 - r) * jnp.cos(half), (1 + r) * jnp.sin(half))) - np.log(np.pi)
    return jnp.where(z < 0, tail, jnp.log1p(-jnp.exp(tail)))


def _wrapped_quantile(params: Any, q: Any) -> Any:
    r = params["concentration"]
    small = jnp.pi * jnp.minimum(q, 1 - q)
    z = -2 * jnp.arctan2((1 - r) * jnp.cos(small), (1 + r) * jnp.sin(small))
    return jnp.where(q < 0.5, z, -z)


def _wrapped_start(x: Any, weights: Any) -> Any:
    loc, rest = direction(x, weights)
    return {"concentration": jnp.clip(1 - rest, 0.01, 1 - 1e-12), "loc": loc}


def _wrapped_information(params: Any, x: Any) -> Any:
    r = params["concentration"]
    unit = 2 / (1 - r * r) ** 2
    return symmetric(x, [[unit, 0.0], [0.0, r * r * unit]])


wrapped_cauchy = law(
    ANGLE,
    "wrapped_cauchy",
    _wrapped_logpdf,
    _wrapped_lower,
    lambda p, z: _wrapped_lower(p, -z),
    _wrapped_start,
    shapes={"concentration": spaces.interval(0.0, 1.0)},
    quantile=_wrapped_quantile,
    information=_wrapped_information,
    doc="""Wrapped Cauchy: density (1 - r^2) / (2 pi (1 + r^2 - 2 r cos(x - loc))), r = concentration, x an angle in radians.

    Directions with heavy tails, turning angles of animals. Mean direction loc, mean resultant length r.
    Mardia & Jupp 2000, *Directional Statistics*, section 3.5.7.""",
)
