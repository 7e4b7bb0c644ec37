"""Distribution functions of counts: step functions, and sums of masses with derivatives of every order in any mode."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp

from jaxmle._util.arrays import Array, ArrayLike, Bool
from jaxmle._util.records import record
from jaxmle.special.elementary import log1mexp


def step_function(x: Array, value: Array, below: float, above: float) -> Array:
    """Extend a distribution function of counts, its `value` at finite x >= 0, to all x by its ends; NaN for NaN."""
    inside = (x >= 0) & (x < jnp.inf)
    return jnp.where(inside, value, jnp.where(x < 0, below, jnp.where(x > 0, above, jnp.nan)))


def floored(x: Array) -> Array:
    """Round finite x >= 0 down to whole numbers; others become 0."""
    return jnp.floor(jnp.where((x >= 0) & (x < jnp.inf), x, 0))


def step_function_from_one(x: Array, f: Callable[[Array], Array], below: float, above: float) -> Array:
    """Evaluate a distribution function f of whole numbers from 1 at any x: its steps for x >= 1, its ends elsewhere."""
    inside = (x >= 1) & (x < jnp.inf)
    value = f(jnp.floor(jnp.where(inside, x, 1)))
    return jnp.where(inside, value, jnp.where(x < 1, below, jnp.where(x > 1, above, jnp.nan)))


_CHUNK = 16
_MOST = 100_000


@record
class Slope:
    """The derivative of an elementwise `f(x, *params)` in params[i]."""

    f: Callable[..., Array]
    i: int

    def __call__(self, x: Array, *params: Array) -> Array:
        def one(p: Array) -> Array:
            return self.f(x, *params[: self.i], p, *params[self.i + 1 :])

        return jax.jvp(one, (params[self.i],), (jnp.ones_like(params[self.i]),))[1]


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def elementwise(f: Callable[..., Array], x: Array, *params: Array) -> Array:
    """Evaluate `f(x, *params)`, elementwise over arrays of one shape, differentiable in any mode even with a loop inside.

    A loop of unknown length can be differentiated forwards only; here its derivative is a slope times a tangent, and the
    slope another such function. There is no derivative in x.
    """
    return f(x, *params)


@elementwise.defjvp
def _elementwise_jvp(
    f: Callable[..., Array], primals: tuple[Array, ...], tangents: tuple[Array, ...]
) -> tuple[Array, ArrayLike]:
    slopes = [elementwise(Slope(f, i), *primals) * tangents[i + 1] for i in range(len(primals) - 1)]
    return elementwise(f, *primals), sum(slopes)


@record
class TailSum:
    """The logarithm of mass(x) + mass(x + step) + mass(x + 2 step) + ..., step = 1 or -1, until terms no longer count.

    NaN where that takes more than a hundred thousand terms. `mass(k, *params)` is a log-mass, -inf outside the support.
    """

    mass: Callable[..., Array]

    def __call__(self, x: Array, step: Array, *params: Array) -> Array:
        first = self.mass(x, *params)
        reference = jax.lax.stop_gradient(jnp.where(jnp.isfinite(first), first, 0))
        offsets = jnp.arange(_CHUNK, dtype=x.dtype).reshape((-1,) + (1,) * x.ndim)
        least = 1e-3 * float(jnp.finfo(x.dtype).eps)

        def goes_on(state: tuple[Array, Array, Array]) -> Bool[Array, ""]:
            j, total, last = state
            return jnp.any(last > least * total) & (j < _MOST)

        def add(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
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
    """A `TailSum` whose x holds the direction, too: an elementwise function of x and params alone."""

    mass: Callable[..., Array]

    def __call__(self, x: Array, *params: Array) -> Array:
        start, step = x[0], x[1]
        return TailSum(self.mass)(start, step, *params)


def log_tail(mass: Callable[..., Array], x: Array, params: tuple[ArrayLike, ...], center: Array, upper: bool) -> Array:
    """Sum masses to log P(X > x), if `upper`, or to log P(X <= x), x whole.

    The tail that leads away from `center` is summed; the other is its complement.
    """
    x, center, *values = jnp.broadcast_arrays(x, center, *params)
    center = jax.lax.stop_gradient(center)
    left = x <= center
    begin = jnp.stack([jnp.where(left, x, x + 1), jnp.where(left, -1.0, 1.0).astype(x.dtype)])
    tail = elementwise(_Stepped(mass), jax.lax.stop_gradient(begin), *values)
    tail = jnp.minimum(tail, -float(jnp.finfo(x.dtype).tiny))
    other = log1mexp(tail)
    return jnp.where(left ^ upper, tail, other)
