"""Modified Bessel functions of the first kind, of any order and argument >= 0, with derivatives of every order in both.

Within `_NEAR` of the origin (order 0, argument 0) the power series (DLMF 10.25.2), whose terms are all positive; farther out
Debye's expansion, uniform in the order (DLMF 10.41.3 with 10.41.9), written for the logarithm. Both are smooth in order and
argument, so that their derivatives are those of the function.
"""

from functools import cache

import jax.numpy as jnp
from numpy.polynomial import Polynomial

from jaxmle._util.arrays import Array, ArrayLike
from jaxmle.special.elementary import floating, horner, smooth, xlogy
from jaxmle.special.gamma import gammaln, stirling

_HALF_LOG_2PI = 0.9189385332046727
_NEAR = 30.0
_SERIES_TERMS = 44
"At order 0 and argument 30 the terms left out are 1e-17 of the sum."
_DEBYE_TERMS = 12
"Where the expansion begins, the terms left out are 1e-15, of a logarithm of 27."


def log_iv(order: ArrayLike, x: ArrayLike) -> Array:
    """Evaluate log I_order(x) for order, x >= 0; NaN otherwise.

    For orders to 200 and x from 1e-10 to 1e5 the error is below 1e-14 max(1, |value|), and so is that of the first
    derivatives, in the order and in x, in their own size; that of the second ones is below 1e-13 max(1, |value|).

    >>> from jaxmle import special
    >>> round(float(special.log_iv(0.0, 1000.0)), 2)
    995.63
    >>> round(float(special.log_iv(1 / 3, 2.0)), 4)
    0.7695
    """
    v, x, legal, low, near, far = _split(order, x)
    series = _log_series(v, near) + xlogy(v, 0.5 * jnp.where(low, x, 1)) - gammaln(v + 1)
    r = jnp.sqrt(v * v + far * far)
    beyond = r - v * jnp.log((v + r) / far) - 0.5 * jnp.log(r) - _HALF_LOG_2PI + _debye(v, r)
    return jnp.where(legal, jnp.where(low, series, beyond), jnp.nan)


def log_bessel_rest(order: ArrayLike, x: ArrayLike) -> Array:
    """Evaluate log(Gamma(order + 1) (2/x)^order e^-x I_order(x)): log I without its power of x and its exponential.

    It is 0 at x = 0 and about -(order + 1/2) log x where x is large; no digits cancel against the terms taken out.
    """
    v, x, legal, low, near, far = _split(order, x)
    series = _log_series(v, near) - near
    r = jnp.sqrt(v * v + far * far)
    d = far * far / (r + v)  # r - v
    few = v < 8
    small, large = jnp.where(few, v, 0), jnp.where(few, 8, v)
    lower = v * v / (r + far) - small * jnp.log(0.5 * (v + r)) + gammaln(small + 1) - 0.5 * jnp.log(r) - _HALF_LOG_2PI
    ratio = d / large
    upper = -v * (d + far) / (r + far) - large * jnp.log1p(0.5 * ratio) - 0.5 * jnp.log1p(ratio) + stirling(1 / large)
    beyond = jnp.where(few, lower, upper) + _debye(v, r)
    return jnp.where(legal, jnp.where(low, series, beyond), jnp.nan)


def _split(order: ArrayLike, x: ArrayLike) -> tuple[Array, ...]:
    """Replace illegal orders and arguments by legal ones, and choose the expansion.

    The order keeps its shape, so that what depends on it alone is computed once, and while tracing if it is a constant.

    Returns:
        order, argument, whether both were legal, whether the series applies, and the argument for the series and for
        Debye's expansion.
    """
    order, x = floating(order), floating(x)
    legal = (order >= 0) & (x >= 0)
    v, x = jnp.where(order >= 0, order, 0), jnp.where(x >= 0, x, 1)
    low = v * v + x * x < _NEAR**2
    return v, x, legal, low, jnp.where(low, x, 0), jnp.where(low, _NEAR, x)


@smooth
def _log_series(v: Array, x: Array) -> Array:
    """Evaluate the logarithm of the sum over k of (x^2/4)^k / (k! (v + 1) ... (v + k)), x < 30."""
    square, total = 0.25 * x * x, jnp.zeros_like(x)
    for k in range(_SERIES_TERMS, 0, -1):
        total = square * (1 / (k * (v + k))) * (1 + total)
    return jnp.log1p(total)


@smooth
def _debye(v: Array, r: Array) -> Array:
    """Evaluate the logarithm of the sum over k of u_k(v/r) / v^k, r = (v^2 + x^2)^(1/2)."""
    t = 1 / r
    q, value = (v * t) ** 2, jnp.zeros_like(r)
    for c in reversed(_coefficients()):
        value = (value + horner(c, q)) * t
    return value


@cache
def _coefficients() -> list[tuple[float, ...]]:
    """List the coefficients of Debye's expansion as a logarithm: at v^-k, k = 1, 2, ..., it is p^k times a polynomial in p^2.

    The recurrence of the u_k (DLMF 10.41.9) gives for the derivative Y of the logarithm
    v Y = ((p^2 (1 - p^2) Y)' + p^2 (1 - p^2) Y^2) / 2 + (1 - 5 p^2) / 8.
    """
    half = Polynomial([0, 0, 0.5, 0, -0.5])
    slopes = [Polynomial([0.125, 0, -0.625])]
    for k in range(1, _DEBYE_TERMS):
        square = sum((slopes[j] * slopes[k - 2 - j] for j in range(k - 1)), Polynomial([0.0]))
        slopes.append((half * slopes[-1]).deriv() + half * square)
    return [tuple(map(float, y.integ().coef[k : 3 * k + 1 : 2])) for k, y in enumerate(slopes, 1)]
