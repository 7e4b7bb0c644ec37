"""Incomplete gamma and beta functions, as logarithms, with exact derivatives of every order in every argument.

With s the logarithm of x over the variable of integration (or of the variable over x), both tails are integrals over s >= 0
of exp(phi(s)), phi concave with phi(0) = 0:

    P(a, x)    = x^a e^-x / Gamma(a)      times  int exp(-a s - x (e^-s - 1)) ds
    Q(a, x)    = x^a e^-x / Gamma(a)      times  int exp( a s - x (e^s - 1)) ds
    I_x(a, b)  = x^a (1-x)^b / B(a, b)    times  int exp(-a s - (a + b) log(1 + x (e^-s - 1))) ds

The smaller tail is computed (the other is its complement) by Gauss-Legendre sums with fixed nodes, so that every
derivative is the same sum of differentiated terms. For small a the integral is evaluated at a + 8, and the recurrence in a
(DLMF 8.8.5, 8.17.20) leads back to a.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxmle._util.arrays import Array, ArrayLike
from jaxmle.special.elementary import expm1_ratio, floating, log1mexp, log1pmx
from jaxmle.special.gamma import gammaln, log_rising, stirling
from jaxmle.special.quadrature import integral

_CUT = 38.0
_SHIFT = 8
_NODES = 40
_HALF_LOG_2PI = 0.9189385332046727


def log_gammainc(a: ArrayLike, x: ArrayLike) -> Array:
    """Evaluate log P(a, x), the regularized lower incomplete gamma function; a > 0, x >= 0.

    >>> from jaxmle import special
    >>> round(float(special.log_gammainc(1.0, 1e-5)), 4)
    -11.5129
    """
    left, tail, infinite = _gamma_tail(a, x)
    return jnp.where(infinite, 0, jnp.where(left, tail, log1mexp(jnp.where(left, -1, tail))))


def log_gammaincc(a: ArrayLike, x: ArrayLike) -> Array:
    """Evaluate log Q(a, x) = log(1 - P(a, x)), the regularized upper incomplete gamma function.

    >>> from jaxmle import special
    >>> round(float(special.log_gammaincc(1.0, 2000.0)), 9)
    -2000.0
    """
    left, tail, infinite = _gamma_tail(a, x)
    value = jnp.where(left, log1mexp(jnp.where(left, tail, -1)), tail)
    return jnp.where(infinite, -jnp.inf, value)


def gammainc(a: ArrayLike, x: ArrayLike) -> Array:
    """Evaluate P(a, x), the regularized lower incomplete gamma function."""
    return jnp.exp(log_gammainc(a, x))


def gammaincc(a: ArrayLike, x: ArrayLike) -> Array:
    """Evaluate Q(a, x) = 1 - P(a, x)."""
    return jnp.exp(log_gammaincc(a, x))


def log_betainc_odds(a: ArrayLike, b: ArrayLike, odds: ArrayLike) -> Array:
    """Evaluate log I_x(a, b) at x = odds / (1 + odds): the form that keeps the digits of both x and 1 - x.

    The complement is `log_betainc_odds(b, a, 1 / odds)`.
    """
    a, b, odds = together(a, b, odds)
    inside = (odds > 0) & (odds < jnp.inf)
    left, tail = _beta_tail(a, b, jnp.where(inside, odds, 1))
    value = jnp.where(left, tail, log1mexp(jnp.where(left, -1, tail)))
    return jnp.where(inside, value, jnp.where(odds > 0, 0, jnp.where(odds <= 0, -jnp.inf, jnp.nan)))


def log_betainc(a: ArrayLike, b: ArrayLike, x: ArrayLike) -> Array:
    """Evaluate log I_x(a, b), the regularized incomplete beta function; a, b > 0, 0 <= x <= 1.

    >>> from jaxmle import special
    >>> round(float(special.log_betainc(2.0, 1.0, 0.1)), 6)
    -4.60517
    """
    x = floating(x)
    whole = x >= 1
    return log_betainc_odds(a, b, jnp.where(whole, jnp.inf, x / jnp.where(whole, 1, 1 - x)))


def betainc(a: ArrayLike, b: ArrayLike, x: ArrayLike) -> Array:
    """Evaluate I_x(a, b), the regularized incomplete beta function."""
    return jnp.exp(log_betainc(a, b, x))


def together(*arguments: ArrayLike) -> list[Array]:
    """Convert the arguments to floating arrays of one dtype and one shape."""
    floats = [floating(x) for x in arguments]
    dtype = jnp.result_type(*floats)
    return jnp.broadcast_arrays(*[x.astype(dtype) for x in floats])


def _series_integral(rate: Array, end: Array, v: Array, ratio: Callable[[int], Array | float]) -> Array:
    """Integrate exp(rate t) sum_k c_k (v e^t)^k over t from 0 to `end`, term by term; v e^end is small.

    c_0 = 1, c_k = ratio(k) c_(k - 1).
    """
    v = jnp.where(end > 0, v, 0)
    w, growth = v * jnp.exp(end), jnp.exp(rate * end)
    total, low, high = end * expm1_ratio(rate * end), jnp.ones_like(v), jnp.ones_like(v)
    for k in range(1, 8):
        low, high = low * ratio(k) * v, high * ratio(k) * w
        total = total + (high * growth - low) / (rate + k)
    return total


def _cut_point(phi: Callable[[Array], Array], slope: Callable[[Array], Array], start: Array, steps: int) -> Array:
    """Find where phi = -_CUT by Newton's method from the right: monotone, since phi is concave.

    All arguments have stopped gradients: the quadrature hardly depends on where the range is cut.
    """

    def step(_: Array, t: Array) -> Array:
        return jnp.maximum(t - (phi(t) + _CUT) / jnp.minimum(slope(t), -1e-30), 0.02 * t)

    return jax.lax.fori_loop(0, steps, step, start)


def _recurrence(a: Array, ratio: Callable[[int], Array], core: Array) -> Array:
    """Map F(a + 8), `core`, to F(a) by F(a) = (1 + ratio(0) F(a + 1)) / a; all terms are positive."""
    value = core
    for k in range(_SHIFT - 1, -1, -1):
        value = (1 + ratio(k) * value) / (a + k)
    return value


# --- gamma -----------------------------------------------------------------------------------------------


def _gamma_tail(a: ArrayLike, x: ArrayLike) -> tuple[Array, Array, Array]:
    """Evaluate the smaller tail: whether it is the lower one, its logarithm, and whether x^2 overflows."""
    a, x = together(a, x)
    most = float(jnp.finfo(x.dtype).max) ** 0.48
    inside = (x > 0) & (x < most)
    zero, infinite = x <= 0, x >= most
    x = jnp.where(inside, x, 0.5 * a)
    left = (x < jnp.where(a < 1, jnp.exp(-0.7 / jnp.minimum(a, 1)), a)) | zero
    prefix = gamma_prefix(a, x)
    lower = prefix + jnp.log(_gamma_left(a, jnp.where(left, x, 0.5 * a)))
    upper = prefix + jnp.log(_gamma_right(a, jnp.where(left, 1.5 * a + 0.1, x)))
    tail = jnp.where(zero, -jnp.inf, jnp.where(left, lower, upper))
    tail = jnp.where(jnp.isnan(x), jnp.nan, tail)
    return left, jnp.minimum(tail, -jnp.finfo(x.dtype).tiny), infinite


def gamma_prefix(a: Array, x: Array) -> Array:
    """Evaluate log(x^a e^-x / Gamma(a)), around the saddle point where a is large, so that large terms do not cancel."""
    large = a >= 8
    s, z = jnp.where(large, 1, a), jnp.where(large, a, 8)
    small_form = s * jnp.log(x) - x - gammaln(s)
    y = jnp.where(large, x, 8)
    # For x much smaller than a, (x - a)/a is close to -1 and loses the digits of x.
    far = y < 0.5 * z
    middle = log1pmx((jnp.where(far, z, y) - z) / z)
    middle = jnp.where(far, jnp.log(jnp.where(far, y / z, 1)) - (jnp.where(far, y, z) - z) / z, middle)
    large_form = z * middle + 0.5 * jnp.log(z) - _HALF_LOG_2PI - stirling(1 / z)
    return jnp.where(large, large_form, small_form)


def _gamma_left(a: Array, x: Array) -> Array:
    """Evaluate P(a, x) Gamma(a) e^x / x^a."""
    small = a < _SHIFT
    high = a + jnp.where(small, _SHIFT, 0)
    h, y = jax.lax.stop_gradient((high, x))
    # A first end from slope and curvature at 0 and the slope at infinity, then Newton's method.
    end = _model_end(h - y, y, jnp.ones_like(y))
    end = _cut_point(lambda t: -h * t - y * jnp.expm1(-t), lambda t: -h + y * jnp.exp(-t), end, 3)
    core = integral(lambda t: jnp.exp(-high * t - x * jnp.expm1(-t)), 0, end, _NODES)
    a = jnp.where(small, a, 1)
    return jnp.where(small, _recurrence(a, lambda k: x, core), core)


def _gamma_right(a: Array, x: Array) -> Array:
    """Evaluate Q(a, x) Gamma(a) e^x / x^a."""
    b, y = jax.lax.stop_gradient((a, x))
    slope = jnp.maximum(y - b, 0)
    quadratic = (-slope + jnp.sqrt(slope * slope + 2 * _CUT * y)) / y
    end = jnp.where(y < 50, jnp.log1p(120 / y), quadratic)
    end = _cut_point(lambda t: b * t - y * jnp.expm1(t), lambda t: b - y * jnp.exp(t), end, 4)
    split = jnp.clip(jnp.log(0.01 / y), 0, end)
    # Before the split x e^t is small.
    series = jnp.exp(jnp.where(split > 0, x, 0)) * _series_integral(a, split, x, lambda k: -1 / k)
    return series + integral(lambda t: jnp.exp(a * t - x * jnp.expm1(t)), split, end, _NODES)


def _model_end(slope: Array, curvature: Array, bend: Array) -> Array:
    """Solve slope t + curvature t^2 / (2 + bend t) = _CUT for t."""
    qa = slope * bend + curvature
    qb = 2 * slope - _CUT * bend
    return (-qb + jnp.sqrt(qb * qb + 8 * _CUT * qa)) / (2 * qa)


# --- beta ------------------------------------------------------------------------------------------------


def _beta_tail(a: Array, b: Array, odds: Array) -> tuple[Array, Array]:
    """Evaluate the smaller tail: whether it is the lower one, and its logarithm; the upper is the lower with a, b swapped."""
    left = odds * b <= a
    x, y = odds / (1 + odds), 1 / (1 + odds)
    # Below 1 the mean is no longer near the median: take the side with less than about half.
    lower_is_most = left & (a < 1) & (b >= a) & (x * (b + 1) > jnp.exp(-0.7 / jnp.minimum(a, 1)))
    upper_is_most = ~left & (b < 1) & (a >= b) & (y * (a + 1) > jnp.exp(-0.7 / jnp.minimum(b, 1)))
    left = left ^ (lower_is_most | upper_is_most)
    a, b = jnp.where(left, a, b), jnp.where(left, b, a)
    odds = jnp.where(left, odds, 1 / odds)
    tail = beta_prefix(a, b, odds) + jnp.log(beta_ratio(a, b, odds))
    return left, jnp.minimum(tail, -jnp.finfo(tail.dtype).tiny)


def beta_prefix(a: Array, b: Array, odds: Array) -> Array:
    """Evaluate log(x^a (1 - x)^b / B(a, b)) by B(small, large) = Gamma(small) / (large^small rising(small, 1/large))."""
    swap = a < b
    large, small = jnp.where(swap, b, a), jnp.where(swap, a, b)
    # The base of the large power, 1 - x or x, is 1/(1 + ratio).
    ratio = jnp.where(swap, odds, 1 / odds)
    log_small = jnp.log(large * ratio / (1 + ratio))
    return small * log_small - large * jnp.log1p(ratio) + log_rising(small, 1 / large) - gammaln(small)


def beta_ratio(a: Array, b: Array, odds: Array) -> Array:
    """Evaluate B(a, b) I_x(a, b) / (x^a (1 - x)^b) for x = odds / (1 + odds) up to about the mean; smooth at 0."""
    x, y = odds / (1 + odds), 1 / (1 + odds)
    small = a < _SHIFT
    high = a + jnp.where(small, _SHIFT, 0)
    end, split = _beta_range(*jax.lax.stop_gradient((high, b, odds)))
    # Before the split the integrand is exp(b t) (1 + e^t / odds)^-(a + b) / x^(a + b), e^t / odds small.
    inverse, both = jnp.where(split > 0, 1 / jnp.where(split > 0, odds, 1), 0), high + b
    series = jnp.exp(both * jnp.log1p(inverse)) * _series_integral(b, split, inverse, lambda k: -(both + k - 1) / k)
    core = series + integral(lambda t: jnp.exp(_beta_phi(high, b, x, y, t)), split, end, _NODES)
    a = jnp.where(small, a, 1)
    return jnp.where(small, _recurrence(a, lambda k: (a + k + b) * x, core), core)


def _beta_phi(a: Array, b: Array, x: Array, y: Array, t: Array) -> Array:
    """Evaluate -a t - (a + b) log(1 + x (e^-t - 1)), written so that nothing cancels where a is large and b small."""
    rise, drop = jnp.log1p(y * jnp.expm1(t)), -x * jnp.expm1(-t)
    near = drop < 0.5
    return -a * rise + b * jnp.where(near, -jnp.log1p(-jnp.where(near, drop, 0)), t - rise)


def _beta_range(a: Array, b: Array, odds: Array) -> tuple[Array, Array]:
    """Find where to cut the integral and where to split it: before the slope turns from b to -a at t = log odds."""
    x, y = odds / (1 + odds), 1 / (1 + odds)

    def slope(t: Array) -> Array:
        return -a * y / (y + x * jnp.exp(-t)) + b * x / (x + y * jnp.exp(t))

    initial = jnp.maximum(a * y - b * x, 0)
    end = jnp.minimum(_model_end(initial, (a + b) * x * y, y), 50 + jnp.log1p(odds))
    end = _cut_point(lambda t: _beta_phi(a, b, x, y, t), slope, end, 5)
    return end, jnp.clip(jnp.log(jnp.maximum(odds, 1)) - jnp.log(100 * (a + b)), 0, end)
