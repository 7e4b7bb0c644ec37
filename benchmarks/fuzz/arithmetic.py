"""Arithmetic in which log-densities are evaluated: JAX's float64, NumPy's long double, and mpmath's 80 digits.

A density `f(m, p, x)` is written once, from the textbook, in the functions of an arithmetic m: NumPy's names, and
`excess(s)`, s log s - s - log Gamma(s); `log_ratio(x, s)`, log(x / s); `log_i(order, x)`, the logarithm of the modified
Bessel function I; `log_ndtr` and `log_zeta`. Float64 searches among thousands of points at once, long double (64 bits of
mantissa on x86) says what is suspect, mpmath decides.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import scipy.special as sc
from mpmath.libmp import NoConvergence

DIGITS = 80

_BERNOULLI = (
    1 / np.longdouble(12), -1 / np.longdouble(360), 1 / np.longdouble(1260), -1 / np.longdouble(1680), 1 / np.longdouble(1188),
    -691 / np.longdouble(360360), 1 / np.longdouble(156), -3617 / np.longdouble(122400), 43867 / np.longdouble(244188),
)  # fmt: skip
"Of Stirling's series, in 1/s^2."
_FAR = 16


def _lifted(f: Callable[..., Any], arguments: int = 1) -> Callable[..., np.ndarray]:
    """Apply a function of mpf to each element; what it cannot compute is NaN."""

    def guarded(*x: Any) -> Any:
        try:
            value = f(*x)
            return mp.nan if isinstance(value, mp.mpc) else value
        except (ValueError, ZeroDivisionError, OverflowError, NoConvergence):
            return mp.nan

    return np.frompyfunc(guarded, arguments, 1)


def _log(x: mp.mpf) -> mp.mpf:
    return -mp.inf if x == 0 else mp.log(x)


class Exact:
    """mpmath, element by element; call inside `mp.workdps(DIGITS)`."""

    pi, inf = mp.pi, mp.inf
    log, log1p, exp, expm1 = (_lifted(f) for f in (_log, lambda x: _log(1 + x), mp.exp, mp.expm1))
    sqrt, sin, cos, tanh, arcsinh = (_lifted(f) for f in (mp.sqrt, mp.sin, mp.cos, mp.tanh, mp.asinh))
    log_ratio = _lifted(lambda x, s: _log(x / s), 2)
    excess = _lifted(lambda s: s * mp.log(s) - s - mp.loggamma(s))
    log_ndtr = _lifted(lambda x: mp.log(mp.erfc(-x / mp.sqrt(2)) / 2))
    log_zeta = _lifted(lambda s: mp.log(mp.zeta(s)))
    log_i = _lifted(lambda n, x: mp.log(mp.besseli(n, x)), 2)
    where = staticmethod(np.where)


class Machine:
    """NumPy in float64 or long double; the normal tail, zeta and Bessel's functions in float64."""

    log, log1p, exp, expm1 = np.log, np.log1p, np.exp, np.expm1
    sqrt, sin, cos, tanh, arcsinh = np.sqrt, np.sin, np.cos, np.tanh, np.arcsinh
    where = staticmethod(np.where)

    def __init__(self, dtype: type[np.floating[Any]]) -> None:
        self.dtype = dtype
        self.pi = dtype("3.14159265358979323846264338327950288")
        self.inf = dtype("inf")
        self._stirling = tuple(dtype(c) for c in _BERNOULLI)

    def log_ratio(self, x: np.ndarray, s: np.ndarray) -> np.ndarray:
        r = (x - s) / s
        near = np.abs(r) < 0.5
        return np.where(near, np.log1p(np.where(near, r, 0)), np.log(x) - np.log(s))

    def excess(self, s: np.ndarray) -> np.ndarray:
        """Stirling's series from 16 on, which smaller s reach by recurrence."""
        s = np.asarray(s, self.dtype)
        t, steps = s, np.ones_like(s)
        for _ in range(_FAR):
            low = t < _FAR
            if not low.any():
                break
            steps, t = steps * np.where(low, t, 1), t + low
        w = 1 / (t * t)
        series = np.zeros_like(s)
        for c in self._stirling[::-1]:
            series = series * w + c
        far = np.log(t) / 2 - np.log(2 * self.pi) / 2 - series / t
        near = s * np.log(s) - s - (t * np.log(t) - t - far) + np.log(steps)
        return np.where(s < _FAR, near, far)

    def log_ndtr(self, x: np.ndarray) -> np.ndarray:
        return sc.log_ndtr(np.asarray(x, float)).astype(self.dtype)

    def log_zeta(self, x: np.ndarray) -> np.ndarray:
        return np.log1p(np.asarray(sc.zetac(np.asarray(x, float)), self.dtype))

    def log_i(self, order: np.ndarray, x: np.ndarray) -> np.ndarray:
        return np.log(sc.ive(np.asarray(order, float), np.asarray(x, float))).astype(self.dtype) + x


DOUBLE, LONG = Machine(np.float64), Machine(np.longdouble)


class Jax:
    """JAX, for random models; only the elementary functions."""

    pi, inf = float(np.pi), float(np.inf)
    log, log1p, exp, expm1 = jnp.log, jnp.log1p, jnp.exp, jnp.expm1
    sqrt, sin, cos, tanh, arcsinh = jnp.sqrt, jnp.sin, jnp.cos, jnp.tanh, jnp.arcsinh
    where = staticmethod(jnp.where)

    @staticmethod
    def log_ratio(x: jax.Array, s: jax.Array) -> jax.Array:
        return jnp.log(x / s)

    @staticmethod
    def excess(s: jax.Array) -> jax.Array:
        return s * jnp.log(s) - s - jax.scipy.special.gammaln(s)
