"""Expected information of one observation, as a matrix of its entries."""

from collections.abc import Sequence

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike


def information_matrix(x: ArrayLike, rows: Sequence[Sequence[ArrayLike]]) -> Array:
    """Stack the entries of a matrix (p rows of p scalars or f[n]) to one matrix for each observation in x, f[n, p, p]."""
    x = jnp.asarray(x)
    dtype = jnp.result_type(*[entry for row in rows for entry in row], 1.0)
    full = [[jnp.broadcast_to(jnp.asarray(entry, dtype), x.shape) for entry in row] for row in rows]
    return jnp.stack([jnp.stack(row, axis=-1) for row in full], axis=-2)
