"""log(x / scale) of many rows with the digits that large shapes need.

log x - log scale has an absolute error of some 1e-15, which a shape of 1e11 makes 1e-4. Measured from the greatest row c,
log(x / c) depends on the data alone, so that a fit computes it once, and log(c / scale) on the parameters alone.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxmle.special.elementary import floating, smooth


def log_rows(x: Array, scale: ArrayLike = 0.0, least: bool = False) -> tuple[Array, Array]:
    """Compute log(x / c) of rows x > 0 to full relative precision, and c: the greatest row, or the least.

    A single x, or a scale of each row, leaves nothing to compute once: then c is 1.
    """
    x = floating(x)
    if x.size == 0 or not shared_by_rows(x, scale):
        return jnp.log(x), jnp.ones((), x.dtype)
    tiny = float(jnp.finfo(x.dtype).tiny)
    # Within these ends 1 / c is a normal number.
    c = jnp.clip(jax.lax.stop_gradient(jnp.min(x) if least else jnp.max(x)), 4 * tiny, 0.25 / tiny)
    share = x / c
    # What the division has rounded away, log(1 + e) = e; far from 1 it is below the rounding error of the logarithm.
    lost = (x - c) * (1 / c) - (share - 1)
    near = share < 2 if least else share > 0.5
    return jnp.log(share) + jnp.where(near, lost, 0), c


def log_quotient(x: ArrayLike, y: ArrayLike) -> Array:
    """Compute log(x / y), x and y > 0, to full relative precision where they are near each other."""
    x, y = floating(x), floating(y)
    dtype = jnp.result_type(x, y)
    return _log_quotient(*jnp.broadcast_arrays(x.astype(dtype), y.astype(dtype)))


@partial(smooth, slopes=(lambda x, y: 1 / x, lambda x, y: -1 / y))
def _log_quotient(x: Array, y: Array) -> Array:
    excess = (x - y) / y
    near = jnp.abs(excess) < 0.25
    return jnp.where(near, jnp.log1p(jnp.where(near, excess, 0)), jnp.log(x) - jnp.log(y))


def log_ratio(x: Array, scale: ArrayLike) -> Array:
    """Compute log(x / scale) of rows x > 0."""
    rows, c = log_rows(x, scale)
    return rows + log_quotient(c, scale)


def shared_by_rows(x: Array, *params: ArrayLike) -> bool:
    """Return whether all of several rows x have the same parameters, so that sums of the rows serve every step."""
    return x.ndim > 0 and all(jnp.ndim(p) == 0 for p in params)


def excess_over(x: Array, c: Array) -> Array:
    """Compute x / c - 1 of rows x, as numbers whose sum a kernel does not take apart into sums of x and of c."""
    return jnp.where(x == c, 0, (x - c) * (1 / c))


def log_of(x: Array, scale: ArrayLike) -> Array:
    """Compute log x of rows x > 0 from the same logarithms as `log_ratio`."""
    rows, c = log_rows(x, scale)
    return rows + jnp.log(c)
