"""Elementary functions of log-likelihoods whose derivatives keep their digits."""

from collections.abc import Callable
from functools import cache, partial, wraps
from math import factorial

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from jaxmle._util.arrays import Array, ArrayLike

_HALF_LOG_2PI = 0.9189385332046727

_ATANH = (
    0.33333333333333335, 0.199999999999960053, 0.142857142872573335, 0.111111108820515697, 0.0909092608424647392,
    0.0769160194396375367, 0.0668378611762954097, 0.056430078405023373, 0.070181666711533235,
)  # fmt: skip
"Of (atanh(u) / u - 1) / u^2 over [0, 0.0689] in u^2: Chebyshev's interpolant, error 2e-17."


def floating(x: ArrayLike) -> Array:
    """Convert `x` to a floating array of its own precision; integers become the default float."""
    x = jnp.asarray(x)
    return x if jnp.issubdtype(x.dtype, jnp.floating) else x.astype(jnp.result_type(float))


def smooth(f: Callable[..., Array], slopes: tuple[Callable[..., Array], ...] = ()) -> Callable[..., Array]:
    """Give an elementwise function the derivatives `slopes`, one for each argument; by default those of f itself.

    However many directions a Hessian has, f is differentiated once for each order and argument.
    """

    @cache
    def slope(i: int) -> Callable[..., Array]:
        def along(*x: Array) -> Array:
            return jax.jvp(lambda y: f(*x[:i], y, *x[i + 1 :]), (x[i],), (jnp.ones_like(x[i]),))[1]

        return slopes[i] if slopes else smooth(along)

    @jax.custom_jvp
    def value(*x: Array) -> Array:
        return f(*x)

    def rule(primals: tuple[Array, ...], tangents: tuple[Array, ...]) -> tuple[Array, Array]:
        moved = [slope(i)(*primals) * t for i, t in enumerate(tangents) if not isinstance(t, SymbolicZero)]
        return value(*primals), sum(moved[1:], moved[0])

    value.defjvp(rule, symbolic_zeros=True)

    @wraps(f)
    def with_slopes(*x: ArrayLike) -> Array:
        return value(*map(floating, x))

    return with_slopes


def xlogy(x: ArrayLike, y: ArrayLike) -> Array:
    """Evaluate x log y, with 0 log 0 = 0 and no NaN in the derivatives there.

    >>> from jaxmle import special
    >>> float(special.xlogy(0.0, 0.0))
    0.0
    """
    x, y = floating(x), floating(y)
    return x * jnp.log(jnp.where((x == 0) & (y == 0), 1, y))


def xlog1py(x: ArrayLike, y: ArrayLike) -> Array:
    """Evaluate x log(1 + y), with 0 log 0 = 0 and no NaN in the derivatives there."""
    x, y = floating(x), floating(y)
    return x * jnp.log1p(jnp.where((x == 0) & (y == -1), 0, y))


@smooth
def log1mexp(x: ArrayLike) -> Array:
    """Evaluate log(1 - e^x) for x <= 0: the log-probability of the complement of an event of log-probability x.

    Mächler 2012, *Accurately computing log(1 - exp(-|a|))*, eq. 7.

    >>> from jaxmle import special
    >>> round(float(special.log1mexp(-1e-10)), 3)
    -23.026
    """
    x = floating(x)
    near = x > -0.6931471805599453
    return jnp.where(near, jnp.log(-jnp.expm1(jnp.where(near, x, -1))), jnp.log1p(-jnp.exp(jnp.where(near, -1, x))))


@smooth
def log1mexpexp(v: ArrayLike) -> Array:
    """Evaluate log(1 - exp(-e^v)), the log-probability of failure at a cumulative hazard e^v, also where e^v underflows."""
    v = floating(v)
    t = jnp.exp(v)
    small = t < 0.02
    s = jnp.where(small, t, 0)
    series = v + s * (-1 / 2 + s * (1 / 24 - s * s * (1 / 2880 - s * s / 181440)))
    return jnp.where(small, series, log1mexp(-jnp.where(small, 1, t)))


def _atanh_of(t: Array) -> tuple[Array, Array, Array]:
    """Evaluate 1 - u, u = t / (2 + t), and (atanh(u) / u - 1) / u^2, where 2 atanh(u) = log(1 + t).

    `log1p_ratio`, `xlogx_excess` and their first two derivatives are written in these without a difference of nearly equal
    numbers, so that one polynomial serves them all.
    """
    v, u = 2 / (2 + t), t / (2 + t)
    small = jnp.abs(u) < 0.262  # where XLA's log1p errs by 3e-14 at its worst, t = -0.414, it is not needed
    far = jnp.where(small, 1, u)
    return v, u, jnp.where(small, horner(_ATANH, u * u), (0.5 * jnp.log1p(t) / far - 1) / (far * far))


def _mean_inverse(t: Array) -> Array:
    """Evaluate 1 / (1 + u), the mean of 1 and 1 / (1 + t)."""
    return 0.5 * (1 + 1 / (1 + t))


@smooth
def _ratio_curvature(t: Array) -> Array:
    v, _, rest = _atanh_of(t)
    return 0.5 * v * v * v * (_mean_inverse(t) ** 2 + rest)


@partial(smooth, slopes=(_ratio_curvature,))
def _ratio_slope(t: Array) -> Array:
    v, u, rest = _atanh_of(t)
    return -0.5 * v * v * (_mean_inverse(t) + u * rest)


@partial(smooth, slopes=(_ratio_slope,))
def log1p_ratio(t: ArrayLike) -> Array:
    """Evaluate log(1 + t) / t for t > -1, smooth at 0: derivatives of every order keep their digits there."""
    v, u, rest = _atanh_of(floating(t))
    return v * (1 + u * u * rest)


@smooth
def expm1_ratio(t: ArrayLike) -> Array:
    """Evaluate (e^t - 1) / t, smooth at 0."""
    return _exp_without(1, t, lambda t: jnp.expm1(t) / t)


@smooth
def expm1_rest(t: Array) -> Array:
    """Evaluate (e^t - 1 - t) / t^2, smooth at 0."""
    return _exp_without(2, t, lambda t: (jnp.expm1(t) - t) / t**2)


def _exp_without(terms: int, t: ArrayLike, far: Callable[[Array], Array]) -> Array:
    """Evaluate the series of e^t without its first `terms` terms, over t^terms; away from 0 by the formula `far`."""
    t = floating(t)
    small = jnp.abs(t) < 0.5
    series = horner(tuple(1 / factorial(k + terms) for k in range(16)), jnp.where(small, t, 0))
    return jnp.where(small, series, far(jnp.where(small, 1, t)))


def log_diff(upper: ArrayLike, lower: ArrayLike) -> Array:
    """Evaluate log(e^upper - e^lower), upper >= lower: the log-probability of an interval from those below its ends, or above.

    >>> from jaxmle import special
    >>> round(float(special.log_diff(-1000.0, -1001.0)), 4)
    -1000.4587
    """
    upper, lower = floating(upper), floating(lower)
    empty = lower == -jnp.inf
    gap = jnp.where(empty, -1, lower - jnp.where(empty, 0, upper))
    return upper + jnp.where(empty, 0, log1mexp(gap))


@smooth
def _excess_curvature(q: Array) -> Array:
    """Evaluate (1 / (1 + q) - 2 slope) / q, where slope is `_excess_slope`."""
    v, _, rest = _atanh_of(q)
    return 0.5 * v * v * (v * rest - _mean_inverse(q))


@partial(smooth, slopes=(_excess_curvature,))
def _excess_slope(q: Array) -> Array:
    """Evaluate (q - log(1 + q)) / q^2."""
    v, u, rest = _atanh_of(q)
    return 0.5 * v * (1 - v * u * rest)


@partial(smooth, slopes=(_excess_slope,))
def xlogx_excess(q: ArrayLike) -> Array:
    """Evaluate (1 + q) log(1 + q) / q - 1 for q >= 0; q/2 - q^2/6 + ... near 0."""
    _, u, rest = _atanh_of(floating(q))
    return u + u * u * rest * (1 + u)


@smooth
def log1pmx(d: ArrayLike) -> Array:
    """Evaluate log(1 + d) - d for d > -1; -d^2/2 + d^3/3 - ... near 0."""
    d = floating(d)
    small = jnp.abs(d) < 0.4
    s = jnp.where(small, d, 0)
    u = s / (2 + s)
    series = -s * u + 2 * u * u * u * atanh_rest(u * u)
    big = jnp.where(small, 1, d)
    return jnp.where(small, series, jnp.log(1 + big) - big)  # XLA's log1p has an error of 3e-14 near -0.41


def atanh_rest(w: Array) -> Array:
    """Evaluate (atanh(u) / u - 1) / u^2 with w = u^2 <= 1/16: 1/3 + w/5 + w^2/7 + ..."""
    return horner(tuple(1 / (2 * k + 3) for k in range(13)), w)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def horner(coefficients: tuple[float, ...], w: Array) -> Array:
    """Evaluate the polynomial c[0] + c[1] w + ... at w; its derivative is evaluated once, whatever the number of directions."""
    value = jnp.full_like(w, coefficients[-1])
    for c in coefficients[-2::-1]:
        value = value * w + c
    return value


@horner.defjvp
def _horner_jvp(
    coefficients: tuple[float, ...], primals: tuple[Array, ...], tangents: tuple[Array, ...]
) -> tuple[Array, Array]:
    (w,), (dw,) = primals, tangents
    return horner(coefficients, w), horner(differentiated(coefficients), w) * dw


def differentiated(coefficients: tuple[float, ...]) -> tuple[float, ...]:
    """Map the coefficients of a polynomial to those of its derivative."""
    return tuple(k * c for k, c in enumerate(coefficients))[1:] or (0.0,)


def log_ndtr(x: ArrayLike) -> Array:
    """Evaluate the logarithm of the standard normal distribution function at x.

    Its derivatives are the hazard h(x) = phi/Phi and -h (h + x). Below -5 all three come from the continued fraction
    of Mills' ratio (Abramowitz & Stegun 26.2.14), so that they keep their digits however far the tail.

    >>> from jaxmle import special
    >>> round(float(special.log_ndtr(-40.0)), 2)
    -804.61
    """
    return _log_ndtr(floating(x))


def ndtri_exp(y: ArrayLike) -> Array:
    """Evaluate the standard normal quantile of a probability exp(y), y <= 0: the inverse of `log_ndtr`, however far the tail.

    Its derivative is Phi / phi, the reciprocal of the hazard that `log_ndtr` has.

    >>> from jaxmle import special
    >>> round(float(special.ndtri_exp(special.log_ndtr(-40.0))), 3)
    -40.0
    """
    y = floating(y)
    lower = y <= -0.6931471805599453
    z = _ndtri_exp(jnp.where(lower, y, log1mexp(jnp.where(lower, -1, y))))
    return jnp.where(lower, z, -z)


def _ndtri_exp_slope(y: Array) -> Array:
    return 1 / hazard(_ndtri_exp(y))


@partial(smooth, slopes=(_ndtri_exp_slope,))
def _ndtri_exp(y: Array) -> Array:
    """Evaluate `ndtri_exp` for y <= log(1/2), by Newton's method on log_ndtr, which is concave."""
    deep = y < -80
    square = -2 * jnp.where(deep, y, -81)
    far = -jnp.sqrt(square - jnp.log(square) - 2 * _HALF_LOG_2PI)
    z = jnp.where(deep, far, jax.scipy.special.ndtri(jnp.exp(jnp.where(deep, -1, y))))

    def improve(_: Array, z: Array) -> Array:
        value, h, _ = _normal_parts(z)
        return z - jnp.where(jnp.isfinite(y), (value - y) / h, 0)

    z = jax.lax.fori_loop(0, 3, improve, z)
    return jnp.where(y == -jnp.inf, -jnp.inf, z)


def _normal_parts(x: Array) -> tuple[Array, Array, Array]:
    """Evaluate log Phi(x), the hazard h(x) = phi/Phi and h(x) + x."""
    tail = x < -5
    t = jnp.where(tail, -x, 5)
    rest = t
    for k in range(24, 1, -1):
        rest = t + k / rest
    rest = 1 / rest
    far = -0.5 * t * t - _HALF_LOG_2PI - jnp.log(t + rest)
    body = jnp.where(tail, 0, x)
    upper = body > 0
    complement = 0.5 * jax.lax.erfc(jnp.abs(body) * 0.7071067811865476)
    near = jnp.where(upper, jnp.log1p(-complement), jnp.log(complement))
    h = jnp.exp(-0.5 * body * body - near - _HALF_LOG_2PI)
    return jnp.where(tail, far, near), jnp.where(tail, t + rest, h), jnp.where(tail, rest, h + body)


@partial(smooth, slopes=(lambda x: hazard(x),))
def _log_ndtr(x: Array) -> Array:
    return _normal_parts(x)[0]


@partial(smooth, slopes=(lambda x: -hazard(x) * _hazard_excess(x),))
def hazard(x: Array) -> Array:
    """Evaluate phi(x) / Phi(x) of the standard normal distribution."""
    return _normal_parts(x)[1]


@partial(smooth, slopes=(lambda x: 1 - hazard(x) * _hazard_excess(x),))
def _hazard_excess(x: Array) -> Array:
    return _normal_parts(x)[2]
