"""The gamma function's logarithm and its derivatives, made for scores and Hessians.

Recurrence to an argument above 8, then Stirling's series (Abramowitz & Stegun 6.1.40, 6.3.18, 6.4.11). The
derivative of each is the next, so nothing is ever differentiated through the series.
"""

from functools import partial
from math import factorial

import jax
import jax.numpy as jnp

from jaxmle._util.arrays import Array, ArrayLike
from jaxmle.special.elementary import floating, horner, smooth, xlogx_excess

_BERNOULLI = (
    1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330,
    854513 / 138, -236364091 / 2730, 8553103 / 6,
)  # fmt: skip
_SHIFT = 8
_STIRLING = (
    0.0833333333333333333, -0.00277777777777767476, 0.000793650793511728205, -0.000595238023429125341,
    0.000841732526802240465, -0.001914965912162907, 0.00620813676622979336, -0.0208558208374631151,
)  # fmt: skip
"Of `stirling(w)` / w over [0, 1/8] in w^2: Chebyshev's interpolant, error 5e-18; 1e-16 in the second derivative."
_NEAR_TWO = (
    0.422784335098467136, 0.32246703342411322, -0.0673523010531956387, 0.0205808084277833798, -0.0073855510289355447,
    0.00289051033086590093, -0.00119275390099830869, 0.000509669519652667278, -0.000223154977462927232,
    0.0000994576169215713313, -0.0000449237275642476526, 0.0000205060197017476186, -9.45628851510171917e-6,
    4.38285453838466677e-6, -1.97431068884210674e-6, 9.24285222516227674e-7, -5.8112777689212462e-7,
    2.74753900519096639e-7,
)  # fmt: skip
"Of log Gamma(2 + e) / e over [-1/2, 1/2]: Chebyshev's interpolant, relative error 2e-17."


def gammaln(x: ArrayLike) -> Array:
    """Evaluate log Gamma(x) for x > 0 (NaN below 0); its derivatives are `digamma`, `polygamma(1, x)`, ...

    The relative error is below 2e-15, also near the roots 1 and 2.

    >>> from jaxmle import special
    >>> round(float(special.gammaln(5.0)), 4)
    3.1781
    """
    return _gammaln(floating(x))


def digamma(x: ArrayLike) -> Array:
    """Evaluate the derivative of log Gamma(x), x > 0.

    >>> from jaxmle import special
    >>> round(float(special.digamma(1.0)), 6)
    -0.577216
    """
    return _polygamma(0, floating(x))


def trigamma(x: ArrayLike) -> Array:
    """Evaluate the second derivative of log Gamma(x), x > 0."""
    return _polygamma(1, floating(x))


def polygamma(n: int, x: ArrayLike) -> Array:
    """Evaluate the derivative of order n + 1 of log Gamma(x), x > 0; `n` is a Python integer.

    >>> from jaxmle import special
    >>> round(float(special.polygamma(1, 1.0)), 6)
    1.644934
    """
    return _polygamma(int(n), floating(x))


def betaln(a: ArrayLike, b: ArrayLike) -> Array:
    """Evaluate log B(a, b) = log Gamma(a) + log Gamma(b) - log Gamma(a + b), a, b > 0, without loss where one is large."""
    a, b = floating(a), floating(b)
    small, large = jnp.minimum(a, b), jnp.maximum(a, b)
    return gammaln(small) - gammaln_difference(small, large)


def stirling(w: Array) -> Array:
    """Evaluate Stirling's remainder at z = 1/w: log Gamma(z) = (z - 1/2) log z - z + log(2 pi)/2 + stirling(1/z), z >= 8."""
    return w * horner(_STIRLING, w * w)


@smooth
def _excess_curvature(s: Array) -> Array:
    """Evaluate 1/s - trigamma(s), which is about -1 / (2 s^2)."""
    low, near, w = _shifted(s)
    lift = sum((1 / (near + k)) ** 2 for k in range(_SHIFT))
    far = -w * w * (0.5 + w * horner(_BERNOULLI, w * w))
    return far + jnp.where(low, 1 / near - w - lift, 0)


@partial(smooth, slopes=(_excess_curvature,))
def _excess_slope(s: Array) -> Array:
    """Evaluate log s - digamma(s), which is about 1 / (2 s)."""
    low, near, w = _shifted(s)
    lift = sum(1 / (near + k) for k in range(_SHIFT))
    far = w * (0.5 + w * horner(tuple(b / (2 * k) for k, b in enumerate(_BERNOULLI[:11], 1)), w * w))
    return far + jnp.where(low, jnp.log(near * w) + lift, 0)


def _shifted(s: Array) -> tuple[Array, Array, Array]:
    """Return which s are below 8, those s with 1 for the others, and 1 / s or, below 8, 1 / (s + 8)."""
    low = s < _SHIFT
    return low, jnp.where(low, s, 1), 1 / jnp.where(low, s + _SHIFT, s)


@partial(smooth, slopes=(_excess_slope,))
def gamma_excess(s: ArrayLike) -> Array:
    """Evaluate s log s - s - log Gamma(s), s > 0, without cancellation where s is large and it is about log(s / (2 pi)) / 2.

    >>> from jaxmle import special
    >>> round(float(special.gamma_excess(1e12)), 4)
    12.8966
    """
    s = floating(s)
    low = s < _SHIFT
    small, large = jnp.where(low, s, 1), jnp.where(low, _SHIFT, s)
    near = small * jnp.log(small) - small - gammaln(small)
    return jnp.where(low, near, 0.5 * jnp.log(large) - 0.9189385332046727 - stirling(1 / large))


@partial(smooth, slopes=(lambda x: _polygamma(0, x),))
def _gammaln(x: Array) -> Array:
    # Below 8 by the recurrence from 2 + e, k steps up or, for x below 3/2, down, so that the roots 1 and 2 keep their digits.
    low = x < _SHIFT
    s = jnp.where(low, x, 2)
    k = jnp.maximum(jnp.floor(s - 1.5), -2)
    e = s - (2 + k)
    steps = jnp.where(k < -1, jnp.where(s < 0, jnp.nan, s * (s + 1)), jnp.where(k < 0, s, 1))
    for j in range(1, _SHIFT - 1):
        steps = steps * jnp.where(k >= j, s - j, 1)
    log = jnp.log(jnp.where(low, steps, x))
    near = e * horner(_NEAR_TWO, e) + jnp.where(k < 0, -log, log)
    far = (x - 0.5) * (log - 1) + 0.41893853320467274 + stirling(1 / jnp.where(low, _SHIFT, x))
    return jnp.where(low, near, far)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _polygamma(n: int, x: Array) -> Array:
    shift = _SHIFT + 2 * max(n - 1, 0)
    low = x < shift
    s = jnp.where(low, x, 1)
    if n == 0:
        lift = sum(1 / (s + k) for k in range(shift))
        w = 1 / jnp.where(low, x + shift, x)
        c = tuple(b / (2 * k) for k, b in enumerate(_BERNOULLI[:11], 1))
        value = -jnp.log(w) - 0.5 * w - w * w * horner(c, w * w) - jnp.where(low, lift, 0)
        return jnp.where(x < 0, jnp.nan, value)
    lift = sum((1 / (s + k)) ** (n + 1) for k in range(shift)) * factorial(n)
    w = 1 / jnp.where(low, x + shift, x)
    c = tuple(b * factorial(2 * k + n - 1) / factorial(2 * k) for k, b in enumerate(_BERNOULLI, 1))
    value = factorial(n - 1) + 0.5 * factorial(n) * w + w * w * horner(c, w * w)
    value = w**n * value + jnp.where(low, lift, 0)
    return jnp.where(x < 0, jnp.nan, value if n % 2 else -value)


@_polygamma.defjvp
def _polygamma_jvp(n: int, primals: tuple[Array, ...], tangents: tuple[Array, ...]) -> tuple[Array, Array]:
    return _polygamma(n, *primals), _polygamma(n + 1, *primals) * tangents[0]


def log_rising(y: ArrayLike, a: ArrayLike, whole: bool = False) -> Array:
    """Evaluate log(Gamma(y + r) / (Gamma(r) r^y)) with r = 1/a: the sum of log(1 + k a) over k = 0, ..., y - 1.

    Smooth in a at 0, where it vanishes; every derivative keeps its digits for any y >= 0 (whole or not) and
    a >= 0. The negative binomial needs it near the Poisson (a is its dispersion) and Student's t near the normal.

    Args:
        y, a: as above.
        whole: promises that y are whole numbers, such as counts: then the first terms of that sum are logarithms that all
            observations share, and each observation costs half as much.

    >>> from jaxmle import special
    >>> round(float(special.log_rising(3.0, 1e-12)) * 1e12, 3)
    3.0
    """
    y, a = floating(y), floating(a)
    if whole:
        # The first eight terms one by one, each where y is greater than k; the product of the others begins at r + 8.
        counted = sum(jnp.where(y > k, 1.0, 0.0).astype(y.dtype) * jnp.log1p(k * a) for k in range(1, _SHIFT))
        left = jnp.maximum(y - _SHIFT, 0)
        return counted + left * jnp.log1p(_SHIFT * a) + _log_rising_far(left, a / (1 + _SHIFT * a))
    # A shift by 8 makes r >= 8 everywhere; where a is set to 0 in the factors, they are 1.
    shifted = jnp.where(a < 1 / _SHIFT, 0, a)
    rates = [shifted / (1 + k * shifted) for k in range(_SHIFT)]
    first, second = _product_less_one(y, rates[:4]), _product_less_one(y, rates[4:])
    far = _log_rising_far(y, a / (1 + _SHIFT * shifted))
    return far + y * jnp.log1p(_SHIFT * shifted) - jnp.log1p(first) - jnp.log1p(second)


def _log_rising_far(y: Array, a: Array) -> Array:
    """Evaluate `log_rising` for 0 <= a <= 1/8, by Stirling's series at both ends."""
    q = y * a
    return y * xlogx_excess(q) - 0.5 * jnp.log1p(q) + stirling(a / (1 + q)) - stirling(a)


def _product_less_one(y: Array, rates: list[Array]) -> Array:
    """Evaluate the product of 1 + y r over the rates r, less 1: a polynomial in y whose coefficients all rows share."""
    coefficients: list[Array] = []
    for r in rates:
        coefficients = [b + r * a for a, b in zip([1, *coefficients], [*coefficients, 0], strict=True)]
    value = coefficients[-1]
    for c in coefficients[-2::-1]:
        value = value * y + c
    return value * y


def gammaln_difference(y: ArrayLike, r: ArrayLike) -> Array:
    """Evaluate log Gamma(y + r) - log Gamma(r), y >= 0, r > 0, without cancellation where r is large."""
    y, r = floating(y), floating(r)
    return log_rising(y, 1 / r) + y * jnp.log(r)
