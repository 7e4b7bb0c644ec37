"""Owen's T function and its complement, as sums of positive terms: no digits are lost in any tail."""

import jax
import jax.numpy as jnp

from jaxmle._util.arrays import Array, ArrayLike
from jaxmle.special.elementary import floating
from jaxmle.special.quadrature import integral

_CUT = 38.0
_NODES = 48
_TWO_PI = 6.283185307179586
_LOG_2PI = 1.8378770664093453


def owens_t(h: ArrayLike, a: ArrayLike) -> Array:
    """Evaluate T(h, a) = 1/(2 pi) int_0^a exp(-h^2 (1 + x^2) / 2) / (1 + x^2) dx (Owen 1956, *Ann. Math. Stat.* 27, eq. 2.1).

    >>> from jaxmle import special
    >>> round(float(special.owens_t(0.0, 1.0)), 6)
    0.125
    """
    h, a = _absolute(floating(h)), floating(a)
    value = jnp.exp(-0.5 * h * h) / _TWO_PI * _integral_to(h, _absolute(a))
    return jnp.where(a < 0, -value, value)


def log_owens_t(h: ArrayLike, a: ArrayLike) -> Array:
    """Evaluate log T(|h|, a), a > 0."""
    h, a = _absolute(floating(h)), floating(a)
    return -0.5 * h * h - _LOG_2PI + jnp.log(_integral_to(h, a))


def log_owens_rest(h: ArrayLike, a: ArrayLike) -> Array:
    """Evaluate log(T(|h|, infinity) - T(|h|, a)), a >= 0, where T(|h|, infinity) = Phi(-|h|)/2."""
    h, a = _absolute(floating(h)), floating(a)
    return -0.5 * h * h * (1 + a * a) - _LOG_2PI + jnp.log(_integral_from(h, a))


def _absolute(x: Array) -> Array:
    """Evaluate |x|, with derivative 1 at 0."""
    return jnp.where(x < 0, -x, x)


def _upper_limit(h: Array, low: Array) -> Array:
    """Find the x where h^2 (x^2 - low^2) / 2 is `_CUT`; it hardly changes the integral, so it has no derivative."""
    h, low = jax.lax.stop_gradient((h, low))
    return jnp.sqrt(low * low + 2 * _CUT / jnp.maximum(h * h, 1e-30))


def _log_upper_limit(h: Array, low: Array) -> Array:
    """Find the same limit for t, x = low e^t; where h is small, 1/cosh t ends the range."""
    h, low = jax.lax.stop_gradient((h, low))
    return jnp.minimum(0.5 * jnp.log1p(2 * _CUT / jnp.maximum((h * low) ** 2, 1e-30)), 40.0)


def _integral_to(h: Array, a: Array) -> Array:
    """Integrate exp(-h^2 x^2 / 2) / (1 + x^2) over x from 0 to a; beyond 1 in log x."""
    h, a = jnp.broadcast_arrays(h, a)
    one = jnp.ones_like(a)
    end = jnp.minimum(jnp.minimum(a, 1), _upper_limit(h, 0 * a))
    first = integral(lambda x: jnp.exp(-0.5 * (h * x) ** 2) / (1 + x * x), 0, end, _NODES)
    end = jnp.minimum(jnp.log(jnp.maximum(a, 1)), _log_upper_limit(h, one))
    second = integral(lambda t: jnp.exp(-0.5 * (h * jnp.exp(t)) ** 2) / (2 * jnp.cosh(t)), 0, end, _NODES)
    return first + second


def _integral_from(h: Array, a: Array) -> Array:
    """Integrate exp(-h^2 (x^2 - a^2) / 2) / (1 + x^2) over x from a to infinity."""
    h, a = jnp.broadcast_arrays(h, a)
    end = jnp.where(a < 1, jnp.minimum(1, _upper_limit(h, a)), a)
    first = integral(lambda x: jnp.exp(-0.5 * h * h * (x - a) * (x + a)) / (1 + x * x), a, end, _NODES)
    low = jnp.maximum(a, 1)
    below = 0.5 * h * h * jnp.where(a < 1, 1 - a * a, 0)

    def tail(t: Array) -> Array:
        x = low * jnp.exp(t)
        return jnp.exp(-below - 0.5 * (h * low) ** 2 * jnp.expm1(2 * t)) * x / (1 + x * x)

    return first + integral(tail, 0, _log_upper_limit(h, low), _NODES)
