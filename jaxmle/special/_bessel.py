"""Modified Bessel functions of the first kind, of any order and argument >= 0, with derivatives of every order in both.

DLMF 10.32.2 with t = cos s,

    I_v(x) = (x/2)^v e^x / (sqrt(pi) Gamma(v + 1/2)) times int_0^pi exp(-2 x sin^2(s/2)) sin^(2v) s ds,

whose integrand has one maximum; a Gauss-Legendre sum over the part of it that counts, with nodes that stay where they
are when it is differentiated. Unless 2v is whole sin^(2v) is not smooth at its ends, the less the smaller v. So orders
begin at v + 8, from where the recurrence I_(v - 1) = I_(v + 1) + (2v/x) I_v (DLMF 10.29.1), all of whose terms are
positive, comes down. Below x = 1 the power series (DLMF 10.25.2) keeps the digits of slopes.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxmle.special._elementary import floating, xlogy
from jaxmle.special._gamma import gammaln

_CUT = 38.0
_SHIFT = 8
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(48)
_HALF_LOG_PI = 0.5723649429247001


def log_iv(order: Any, x: Any) -> Any:
    """log I_order(x); order, x >= 0, NaN otherwise.

    For orders to 200 and x from 1e-10 to 1e5 the error is below 1e-14 max(1, |value|), and so is that of the first
    derivatives, in the order and in x, in their own size; that of the second ones is below 1e-13 max(1, |value|). So where
    I_order(x) is near 1 and its logarithm near 0 the error is absolute: a difference of larger terms.

    >>> from jaxmle import special
    >>> round(float(special.log_iv(0.0, 1000.0)), 2)
    995.63
    >>> round(float(special.log_iv(1 / 3, 2.0)), 4)
    0.7695
    """
    order, x = jnp.broadcast_arrays(floating(order), floating(x))
    legal = (order >= 0) & (x >= 0)
    order, x = jnp.where(legal, order, 0), jnp.where(legal, x, 1)
    small = x < 1
    series = _log_series(order, jnp.where(small, x, 0)) - gammaln(order + 1)
    large = jnp.where(small, 1, x)
    integral = large + _lowered(order, large) - _HALF_LOG_PI - gammaln(order + 0.5)
    return jnp.where(legal, xlogy(order, 0.5 * x) + jnp.where(small, series, integral), jnp.nan)


def _log_series(order: Any, x: Any) -> Any:
    """log of the sum over k of (x^2/4)^k / (k! (order + 1) ... (order + k)), x < 1."""
    square, rest = 0.25 * x * x, jnp.zeros_like(x)
    for k in range(11, 0, -1):
        rest = square / (k * (order + k)) * (1 + rest)
    return jnp.log1p(rest)


def _lowered(order: Any, x: Any) -> Any:
    """`log_bessel_integral` of any order, from the order that is `_SHIFT` higher."""
    high = order + _SHIFT
    top, width, f, s = _integrand(high, x)
    total = jnp.tensordot(_share(x), f, 1)
    # With I_(v + 1) / I_v = (x/2) ratio the recurrence says ratio_(v - 1) = 1 / (v + (x^2/4) ratio_v).
    ratio = jnp.tensordot(_share(x), f * jnp.sin(s) ** 2, 1) / total / (high + 0.5)
    value = top + jnp.log(width * total)
    product = jnp.ones_like(x)
    for k in range(_SHIFT):
        v = high - k
        ratio = 1 / (v + 0.25 * x * x * ratio)
        product = product * ratio * (v - 0.5)
        if k % 4 == 3:
            value, product = value - jnp.log(product), jnp.ones_like(x)
    return value


def log_bessel_integral(order: Any, x: Any) -> Any:
    """log of int_0^pi exp(x (cos s - 1)) sin^(2 order) s ds, 2 order whole: the part of I_order(x) that is no power of x."""
    order, x = jnp.broadcast_arrays(floating(order), floating(x))
    top, width, f, _ = _integrand(order, x)
    return top + jnp.log(width * jnp.tensordot(_share(x), f, 1))


def _share(x: Any) -> Any:
    return (0.5 * _WEIGHTS).astype(x.dtype)


def _integrand(order: Any, x: Any) -> tuple[Any, Any, Any, Any]:
    """The logarithm of the integrand's maximum, how wide the part is that counts, and there the values at the nodes, over
    the maximum, and their places."""
    n, y = jax.lax.stop_gradient((order, x))
    reach = n + jnp.sqrt(n * n + y * y)
    peak = jnp.arctan2(jnp.sqrt(2 * n), jnp.where(reach > 0, y / jnp.sqrt(jnp.where(reach > 0, reach, 1)), 0))
    peak = jnp.where(reach > 0, peak, 0.5 * np.pi)
    top = _phi(n, y, peak)
    low = peak - _width(n, y, peak, top, -1.0, peak)
    high = peak + _width(n, y, peak, top, 1.0, np.pi - peak)
    s = low + (high - low) * (0.5 * (_NODES + 1)).astype(x.dtype).reshape((-1,) + (1,) * x.ndim)
    return top, high - low, jnp.exp(_phi(order, x, s) - top), s


def _phi(order: Any, x: Any, s: Any) -> Any:
    return -2 * x * jnp.sin(0.5 * s) ** 2 + 2 * order * jnp.log(jnp.maximum(jnp.sin(s), 1e-30))


def _width(n: Any, y: Any, peak: Any, top: Any, side: float, most: Any) -> Any:
    """The distance at which phi is about `_CUT` below its maximum, by bisection in its logarithm; at most `most`."""

    def halve(_: Any, ends: Any) -> Any:
        low, high = ends
        middle = 0.5 * (low + high)
        inside = _phi(n, y, peak + side * jnp.exp(middle)) > top - _CUT
        return jnp.where(inside, middle, low), jnp.where(inside, high, middle)

    end = jnp.log(jnp.maximum(most, 1e-17))
    _, high = jax.lax.fori_loop(0, 12, halve, (jnp.full_like(y, -40.0), jnp.broadcast_to(end, y.shape)))
    return jnp.minimum(jnp.exp(high), most)
