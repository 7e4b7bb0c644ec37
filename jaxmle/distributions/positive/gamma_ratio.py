"""Ratios of two gamma variables: what beta prime and F share.

With gamma variables of shapes a and b, each over its shape, t is the logarithm of their ratio. Written in t, the density keeps
its digits where a or b is large, and has the gamma (b -> infinity) and the inverse gamma (a -> infinity) as its limits.
"""

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from jaxmle import special
from jaxmle.distributions.base.overflow import below_overflow
from jaxmle.distributions.base.types import Shape

_FAR = 20.0
_LIMIT = 1e18
"From here on a shape is infinite beside the other one."


def _excess_less_limit(large: Array, small: Array) -> Array:
    """Evaluate gamma_excess(large) - gamma_excess(large + small), which vanishes as large grows; large may be infinite."""
    infinite = large > _LIMIT * jnp.maximum(small, 1)
    large = jnp.where(infinite, 1, large)
    return jnp.where(infinite, 0, special.gamma_excess(large) - special.gamma_excess(large + small))


def log_density(a: Array, b: Array, t: Array) -> Array:
    """Evaluate the log-density of t, e^t = (gamma(a) / a) / (gamma(b) / b); one of a and b may be infinite.

    Near t = 0 it is s (t - expm1(t) log1p_ratio(p expm1(t))) but for a constant, with the smaller shape s and its share p
    in a + b; t is turned where the smaller one is b.
    """
    a, b, t = jnp.broadcast_arrays(a, b, t)
    turned = b < a
    small, large = jnp.where(turned, b, a), jnp.where(turned, a, b)
    t = jnp.where(turned, -t, t)
    infinite = large > _LIMIT * jnp.maximum(small, 1)
    p = jnp.where(infinite, 0, small / (small + jnp.where(infinite, 1, large)))
    far = (jnp.abs(t) > _FAR) & ~infinite
    rise = jnp.expm1(below_overflow(jnp.where(far, 0, t)))
    near = small * (t - rise * special.log1p_ratio(p * rise))
    odds = jnp.log(small) - jnp.log(jnp.where(infinite, 1, large))
    distant = small * t - (small + jnp.where(infinite, 1, large)) * (
        jnp.logaddexp(0.0, odds + t) - jnp.log1p(jnp.exp(odds))
    )
    constant = special.gamma_excess(small) + _excess_less_limit(large, small)
    return constant + jnp.where(far, distant, near)


def log_lower_tail(a: Array, b: Array, w: Array) -> Array:
    """Evaluate log P(log(gamma(a) / gamma(b)) <= w); the upper tail is that of b, a and -w. Far down it is a line."""
    inner = -below_overflow(-below_overflow(w))
    return special.log_betainc_odds(a, b, jnp.exp(inner)) + a * jnp.minimum(w - inner, 0)


def draw(key: Array, a: Array, b: Array, shape: Shape, dtype: DTypeLike) -> Array:
    """Draw log(gamma(a) / gamma(b))."""
    first, second = jax.random.split(key)
    a, b = (jnp.broadcast_to(jnp.asarray(v, dtype), shape) for v in (a, b))
    return jax.random.loggamma(first, a, shape, dtype) - jax.random.loggamma(second, b, shape, dtype)


def shapes_of(variance: Array, tilt: Array) -> tuple[Array, Array]:
    """Estimate a and b from the variance of t and `tilt`, (1/b - 1/a) / (1/b + 1/a), both about right.

    A log-gamma variable of shape s has the variance 1/s + 1/(2 s^2), to second order.
    """
    each = [0.5 * variance * (1 - sign * tilt) for sign in (1, -1)]
    a, b = (jnp.clip(1 / (jnp.sqrt(1 + 2 * v) - 1), 0.05, 1e8) for v in each)
    return a, b
