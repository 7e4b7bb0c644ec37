"""Exponents beyond which numbers and their derivatives overflow."""

import jax.numpy as jnp
import numpy as np
from jax import Array

LARGEST_LOG = 320.0
"The logarithm, or asinh, of a shape that is as good as infinite; the square of such a shape is still finite."


def below_overflow(v: Array) -> Array:
    """Clip exponents v from above, so that exp(v), its square and its first two derivatives stay finite."""
    return jnp.minimum(v, 0.49 * float(np.log(jnp.finfo(v.dtype).max)))


def exp_without_overflow(v: Array) -> Array:
    """Evaluate exp(v), continued by its tangent from where its second derivative would overflow: finite, and steep there too."""
    inside = below_overflow(v)
    return jnp.exp(inside) * (1 + (v - inside))
