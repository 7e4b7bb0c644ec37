"""The logarithm of the Hurwitz zeta function, with derivatives of every order in both arguments."""

from math import factorial

import jax.numpy as jnp

from jaxmle._util.arrays import Array, ArrayLike
from jaxmle.special.elementary import floating
from jaxmle.special.gamma import _BERNOULLI

_SHIFT = 12
_TERMS = 9


def log_zeta(s: ArrayLike, a: ArrayLike = 1.0) -> Array:
    """Evaluate log zeta(s, a), zeta(s, a) = sum over k >= 0 of (a + k)^-s; s > 1, a > 0.

    By the first twelve terms and the Euler-Maclaurin series (DLMF 25.11.5), all relative to a^-s, so that nothing
    overflows.

    >>> import math
    >>> from jaxmle import special
    >>> round(math.exp(special.log_zeta(2.0)), 5)
    1.64493
    """
    s, a = floating(s), floating(a)
    total = jnp.ones_like(s * a)
    for k in range(1, _SHIFT):
        total = total + jnp.exp(-s * jnp.log1p(k / a))
    b = a + _SHIFT
    last = jnp.exp(-s * jnp.log1p(_SHIFT / a))
    total = total + last * (b / (s - 1) + 0.5)
    term = last * s / b
    for j in range(1, _TERMS + 1):
        total = total + term * (_BERNOULLI[j - 1] / factorial(2 * j))
        term = term * ((s + 2 * j - 1) / b) * ((s + 2 * j) / b)
    return jnp.log(total) - s * jnp.log(a)
