"""Modified Bessel functions of the first kind, at any argument >= 0, with derivatives of every order in it.

DLMF 10.32.2 with t = cos s,

    I_v(x) = (x/2)^v e^x / (sqrt(pi) Gamma(v + 1/2)) times int_0^pi exp(-2 x sin^2(s/2)) sin^(2v) s ds,

whose integrand has one maximum; a Gauss-Legendre sum over the part of it that counts, with nodes that stay where they
are when it is differentiated.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxmle.special._elementary import floating, xlogy
from jaxmle.special._gamma import gammaln

_CUT = 38.0
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(48)
_HALF_LOG_PI = 0.5723649429247001


def log_iv(order: Any, x: Any) -> Any:
    """log I_order(x); order a multiple of 1/2, >= 0; x >= 0.

    >>> from jaxmle import special
    >>> round(float(special.log_iv(0.0, 1000.0)), 2)
    995.63
    """
    order, x = floating(order), floating(x)
    front = xlogy(order, 0.5 * x) - _HALF_LOG_PI - gammaln(order + 0.5)
    return front + x + log_bessel_integral(order, x)


def log_bessel_integral(order: Any, x: Any) -> Any:
    """log of int_0^pi exp(x (cos s - 1)) sin^(2 order) s ds: the part of I_order(x) that is no power of x."""
    order, x = jnp.broadcast_arrays(floating(order), floating(x))
    n, y = jax.lax.stop_gradient((order, x))
    reach = n + jnp.sqrt(n * n + y * y)
    peak = jnp.arctan2(jnp.sqrt(2 * n), jnp.where(reach > 0, y / jnp.sqrt(jnp.where(reach > 0, reach, 1)), 0))
    peak = jnp.where(reach > 0, peak, 0.5 * np.pi)
    top = _phi(n, y, peak)
    low = peak - _width(n, y, peak, top, -1.0, peak)
    high = peak + _width(n, y, peak, top, 1.0, np.pi - peak)
    u = (0.5 * (_NODES + 1)).astype(x.dtype).reshape((-1,) + (1,) * x.ndim)
    f = jnp.exp(_phi(order, x, low + (high - low) * u) - top)
    return top + jnp.log((high - low) * jnp.tensordot((0.5 * _WEIGHTS).astype(x.dtype), f, 1))


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
