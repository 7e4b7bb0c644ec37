"""Linear interpolation in a table."""

import jax.numpy as jnp
import numpy as np
from jax import Array


def interpolate(x: Array, at: np.ndarray, values: np.ndarray) -> Array:
    """Interpolate a table linearly at one x, as `numpy.interp(x, at, values)` does, without an index; flat beyond its ends."""
    gaps = np.diff(at)
    past = jnp.clip(x - at[:-1].astype(x.dtype), 0, gaps.astype(x.dtype))
    return values[:1].astype(x.dtype)[0] + jnp.sum((np.diff(values) / gaps).astype(x.dtype) * past)
