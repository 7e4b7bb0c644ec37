"""Inverses of distribution functions: Newton's method between bounds, with derivatives by the implicit function theorem.

A probability is given as the logarithm of the smaller tail, so that no digits are lost in either. In log x for the gamma and
in log odds for the beta distribution both tails are logarithmically concave, so that Newton's method converges from one side.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxmle._util.arrays import Array, ArrayLike, Params
from jaxmle.special.elementary import log1mexp
from jaxmle.special.gamma import betaln, gammaln
from jaxmle.special.incomplete import beta_prefix, gamma_prefix, log_betainc_odds, log_gammainc, log_gammaincc, together

_MARGIN = 0.01
"Added to bounds: where the logarithm of a tail is linear they are the root itself."
Tails = Callable[[Params, Array], tuple[Array, ...]]


def gammaincinv(a: ArrayLike, p: ArrayLike) -> Array:
    """Solve P(a, x) = p for x, the inverse of `gammainc`: a > 0, 0 <= p <= 1, NaN otherwise; derivatives of every order in both.

    >>> from jaxmle import special
    >>> round(float(special.gammaincinv(2.5, special.gammainc(2.5, 1.7))), 6)
    1.7
    """
    return _gamma(a, p, False)


def gammainccinv(a: ArrayLike, q: ArrayLike) -> Array:
    """Solve Q(a, x) = q for x, the inverse of `gammaincc`, exact for any small q.

    >>> from jaxmle import special
    >>> round(float(special.gammainccinv(1.0, 1e-30)), 2)
    69.08
    """
    return _gamma(a, q, True)


def betaincinv(a: ArrayLike, b: ArrayLike, p: ArrayLike) -> Array:
    """Solve I_x(a, b) = p for x, the inverse of `betainc`: a, b > 0, 0 <= p <= 1, NaN otherwise; derivatives of every order.

    Where x is near 1 and 1 - x counts, it is betaincinv(b, a, 1 - p).

    >>> from jaxmle import special
    >>> round(float(special.betaincinv(2.0, 3.0, special.betainc(2.0, 3.0, 0.4))), 6)
    0.4
    """
    a, b, p = together(a, b, p)
    inside = (p > 0) & (p < 1) & (a > 0) & (b > 0)
    a, b, safe = jnp.where(inside, a, 1), jnp.where(inside, b, 1), jnp.where(inside, p, 0.5)
    left, right = (jnp.log(size) + betaln(a, b) for size in (a, b))  # the logarithm of a tail ends as a line
    low, high = (jnp.log(safe) + left) / a, -(jnp.log1p(-safe) + right) / b
    t = inverse(_beta_tails, (a, b), *smaller(safe), low - _MARGIN, jnp.maximum(high, low) + _MARGIN)
    return _at_ends(inside, jax.nn.sigmoid(t), p, 1.0, (a > 0) & (b > 0))


def _gamma(a: ArrayLike, p: ArrayLike, complement: bool) -> Array:
    """Solve P(a, x) = p for x, or 1 - P(a, x) = p."""
    a, p = together(a, p)
    inside = (p > 0) & (p < 1) & (a > 0)
    a, safe = jnp.where(inside, a, 1), jnp.where(inside, p, 0.5)
    log_p, log_q = jnp.log(safe), jnp.log1p(-safe)
    if complement:
        log_p, log_q = log_q, log_p
    low = (log_p + gammaln(a + 1)) / a  # P(a, x) <= x^a / Gamma(a + 1)
    high = jnp.log(a + jnp.sqrt(-2 * a * log_q) - log_q)  # Laurent & Massart 2000, Ann. Stat. 28, lemma 1
    other, level = smaller(safe)
    t = inverse(_gamma_tails, (a,), other ^ complement, level, low - _MARGIN, jnp.maximum(high, low) + _MARGIN)
    return _at_ends(inside, jnp.exp(t), 1 - p if complement else p, jnp.inf, a > 0)


def smaller(p: Array) -> tuple[Array, Array]:
    """Tell whether 1 - p is less than p, and evaluate the logarithm of the smaller of the two."""
    other = p > 0.5
    return other, jnp.where(other, jnp.log1p(-p), jnp.log(p))


def _at_ends(inside: Array, x: Array, p: Array, end: float, legal: Array) -> Array:
    return jnp.where(inside, x, jnp.where(legal & (p == 0), 0.0, jnp.where(legal & (p == 1), end, jnp.nan)))


def _gamma_tails(args: tuple[Array, ...], t: Array) -> tuple[Array, Array, Array]:
    (a,) = args
    far = t < _least(t)
    x = jnp.exp(jnp.where(far, 0, t))
    line = jnp.where(far, a * t - gammaln(a + 1), -1)
    density = jnp.where(far, line + jnp.log(a), gamma_prefix(a, x))
    return jnp.where(far, line, log_gammainc(a, x)), jnp.where(far, log1mexp(line), log_gammaincc(a, x)), density


def _beta_tails(args: tuple[Array, ...], t: Array) -> tuple[Array, Array, Array]:
    a, b = args
    far, beyond = t < _least(t), t > -_least(t)
    odds = jnp.exp(jnp.where(far | beyond, 0, t))
    left, right = a * t - betaln(a, b), -b * t - betaln(a, b)
    density = jnp.where(far, left, jnp.where(beyond, right, beta_prefix(a, b, odds)))
    left, right = jnp.where(far, left - jnp.log(a), -1), jnp.where(beyond, right - jnp.log(b), -1)
    lower = jnp.where(far, left, jnp.where(beyond, log1mexp(right), log_betainc_odds(a, b, odds)))
    upper = jnp.where(beyond, right, jnp.where(far, log1mexp(left), log_betainc_odds(b, a, 1 / odds)))
    return lower, upper, density


def _least(t: Array) -> float:
    """Choose the t below which the logarithm of a tail is a line; derivatives in e^t do not overflow yet there."""
    return 0.45 * float(np.log(jnp.finfo(t.dtype).tiny))


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def inverse(tails: Tails, args: Params, upper: Array, level: Array, low: Array, high: Array) -> Array:
    """Find the v between `low` and `high` where the logarithm of a tail is `level`.

    Where Newton's step leaves the bounds, or is more than half of the one before, the bounds are halved instead.

    Args:
        tails: (args, v) -> the logarithms of P(v) and of 1 - P(v), each with all its digits, elementwise in v; then, where
            there is a formula, that of the density in v.
        args: their parameters, a pytree.
        upper: whether `level` is of 1 - P, bool of v's shape.
        level: the logarithm of that tail.
        low, high: bounds of v, which have no derivative.
    """
    level, low, high = jnp.broadcast_arrays(level, low, high)
    rounding = float(jnp.finfo(level.dtype).eps)

    def step(state: tuple[Any, ...]) -> tuple[Any, ...]:
        k, v, low, high, last, moves = state
        value, slope = _slope(tails, args, upper, v)
        gap = value - level
        right = jnp.where(upper, gap > 0, gap < 0)
        low, high = jnp.where(right, v, low), jnp.where(right, high, v)
        new = v - gap / slope
        newton = (new >= low) & (new <= high) & (jnp.abs(new - v) <= 0.5 * last)
        new = jnp.where(newton, new, 0.5 * (low + high))
        size, enough = jnp.abs(new - v), jnp.where(newton, rounding**0.7, 2 * rounding)
        new, last = jnp.where(moves, new, v), jnp.where(moves, size, last)
        return k + 1, new, low, high, last, moves & (size > enough * jnp.maximum(jnp.abs(v), 1))

    start = (0, 0.5 * (low + high), low, high, high - low, jnp.ones(level.shape, bool))
    return jax.lax.while_loop(lambda s: jnp.any(s[-1]) & (s[0] < 200), step, start)[1]


@inverse.defjvp
def _inverse_jvp(tails: Tails, primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Array, Array]:
    args, upper = primals[:2]
    v = inverse(tails, *primals)
    moved = jax.jvp(lambda args: _tail(tails, args, upper, v), (args,), (tangents[0],))[1]
    return v, (tangents[2] - moved) / _slope(tails, args, upper, v)[1]


def _tail(tails: Tails, args: Params, upper: Array, v: Array) -> Array:
    return jnp.where(upper, *tails(args, v)[1::-1])


def _slope(tails: Tails, args: Params, upper: Array, v: Array) -> tuple[Array, Array]:
    """Evaluate the logarithm of a tail and its derivative in v."""
    lower, higher, *density = tails(args, v)
    if not density:
        return jax.jvp(lambda v: _tail(tails, args, upper, v), (v,), (jnp.ones_like(v),))
    value = jnp.where(upper, higher, lower)
    return value, jnp.where(upper, -1, 1) * jnp.exp(density[0] - value)
