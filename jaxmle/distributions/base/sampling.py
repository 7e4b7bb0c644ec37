"""Shapes of samples."""

import jax.numpy as jnp
from jax import Array

from jaxmle.distributions.base.types import Shape


def sample_shape(shape: Shape, *values: Array) -> Shape:
    """Choose the shape of a sample: the one asked for or, for (), the one that the parameters' values broadcast to."""
    return shape or tuple(int(n) for n in jnp.broadcast_shapes(*[jnp.shape(v) for v in values]))
