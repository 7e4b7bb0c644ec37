"""Supports: which x are possible, and what formulas see and give elsewhere."""

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxmle.special.elementary import floating


def is_finite(x: Array) -> Array:
    """Test each x for being finite, bool[n]."""
    return jnp.isfinite(floating(x))


def is_positive(x: Array) -> Array:
    """Test each x for 0 < x < infinity, bool[n]."""
    x = floating(x)
    return (x > 0) & (x < jnp.inf)


def is_nonnegative(x: Array) -> Array:
    """Test each x for 0 <= x < infinity, bool[n]."""
    x = floating(x)
    return (x >= 0) & (x < jnp.inf)


def is_share(x: Array) -> Array:
    """Test each x for 0 < x < 1, bool[n]."""
    x = floating(x)
    return (x > 0) & (x < 1)


def is_count(x: Array) -> Array:
    """Test each x for being a whole number >= 0, bool[n]."""
    x = floating(x)
    return (x >= 0) & (x < jnp.inf) & (x == jnp.floor(x))


def is_whole_from_one(x: Array) -> Array:
    """Test each x for being a whole number >= 1, bool[n]."""
    return is_count(x) & (floating(x) >= 1)


def within(inside: Array, x: Array, dummy: ArrayLike) -> Array:
    """Replace x by a legal dummy where it is not inside: formulas then see only legal arguments."""
    return jnp.where(inside, x, dummy)


def extended(inside: Array, x: Array, value: Array, below: ArrayLike, above: ArrayLike) -> Array:
    """Extend a function's `value` inside the support to all x: `below` for x <= 0 outside it, `above` for x > 0, NaN for NaN."""
    return jnp.where(inside, value, jnp.where(x <= 0, below, jnp.where(x > 0, above, jnp.nan)))
