"""Distribution functions of counts by summing masses, with derivatives of every order in any mode."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jaxmle._util.records import record
from jaxmle.special.elementary import log1mexp

_CHUNK = 16
_MOST = 100_000


@record
class Slope:
    """The derivative of an elementwise `f(x, *params)` in params[i]."""

    f: Callable[..., Any]
    i: int

    def __call__(self, x: Any, *params: Any) -> Any:
        def one(p: Any) -> Any:
            return self.f(x, *params[: self.i], p, *params[self.i + 1 :])

        return jax.jvp(one, (params[self.i],), (jnp.ones_like(params[self.i]),))[1]


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def elementwise(f: Callable[..., Any], x: Any, *params: Any) -> Any:
    """`f(x, *params)`, elementwise over arrays of one shape; what has a loop inside becomes fit for reverse mode.

    A loop of unknown length can be differentiated forwards only; here its derivative is a slope times a tangent, and the
    slope another such function. No derivative in x.
    """
    return f(x, *params)


@elementwise.defjvp
def _elementwise_jvp(f: Any, primals: Any, tangents: Any) -> Any:
    slopes = [elementwise(Slope(f, i), *primals) * tangents[i + 1] for i in range(len(primals) - 1)]
    return elementwise(f, *primals), sum(slopes)


@record
class Tail:
    """log of mass(x) + mass(x + step) + mass(x + 2 step) + ..., step = 1 or -1, until terms no longer count.

    NaN where that takes more than a hundred thousand terms. `mass(k, *params)` is a log-mass, -inf outside the support.
    """

    mass: Callable[..., Any]

    def __call__(self, x: Any, step: Any, *params: Any) -> Any:
        first = self.mass(x, *params)
        reference = jax.lax.stop_gradient(jnp.where(jnp.isfinite(first), first, 0))
        offsets = jnp.arange(_CHUNK, dtype=x.dtype).reshape((-1,) + (1,) * x.ndim)
        least = 1e-3 * float(jnp.finfo(x.dtype).eps)

        def goes_on(state: Any) -> Any:
            j, total, last = state
            return jnp.any(last > least * total) & (j < _MOST)

        def add(state: Any) -> Any:
            j, total, _ = state
            terms = jnp.exp(self.mass(x + step * (j + offsets), *params) - reference)
            return j + _CHUNK, total + jnp.sum(terms, 0), terms[-1]

        zero = jnp.zeros_like(first)
        _, total, last = jax.lax.while_loop(goes_on, add, (jnp.zeros((), x.dtype), zero, zero + 1))
        done = last <= least * total
        some = total > 0
        value = reference + jnp.log(jnp.where(some, total, 1))
        return jnp.where(done, jnp.where(some, value, -jnp.inf), jnp.nan)


@record
class _Stepped:
    """`Tail` with the direction folded into x: an elementwise function of x and params alone."""

    mass: Callable[..., Any]

    def __call__(self, x: Any, *params: Any) -> Any:
        start, step = x[0], x[1]
        return Tail(self.mass)(start, step, *params)


def log_tail(mass: Callable[..., Any], x: Any, params: tuple[Any, ...], centre: Any, upper: bool) -> Any:
    """log P(X > x) or log P(X <= x), x whole; the tail away from `centre` is summed, the other its complement."""
    x, centre, *values = jnp.broadcast_arrays(x, centre, *params)
    centre = jax.lax.stop_gradient(centre)
    left = x <= centre
    begin = jnp.stack([jnp.where(left, x, x + 1), jnp.where(left, -1.0, 1.0).astype(x.dtype)])
    tail = elementwise(_Stepped(mass), jax.lax.stop_gradient(begin), *values)
    tail = jnp.minimum(tail, -float(jnp.finfo(x.dtype).tiny))
    other = log1mexp(tail)
    return jnp.where(left ^ upper, tail, other)
