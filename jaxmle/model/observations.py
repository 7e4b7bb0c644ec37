"""Rows, weights and constants of data inside compiled code: functions of arrays, without checks."""

import jax
import jax.numpy as jnp

from jaxmle._util.arrays import Array, Data, Float
from jaxmle.model.model import Model, constant


def is_constant(x: object) -> bool:
    """Tell whether a leaf of data is marked as `constant`."""
    return isinstance(x, constant)


def bare(data: Data) -> Data:
    """Unwrap the constants of data."""
    return jax.tree.map(lambda x: x.value if is_constant(x) else x, data, is_leaf=is_constant)


def for_model(model: Model, data: Data) -> Data:
    """Unwrap the constants of data, unless the model's log-likelihood takes them with their marks."""
    return data if model.keeps_constants else bare(data)


def marked_as(data: Data, new: Data) -> Data:
    """Mark those leaves of new bare data as constants that are constants in `data`."""
    return jax.tree.map(lambda x, y: constant(y) if is_constant(x) else y, data, new, is_leaf=is_constant)


def row_leaves(data: Data) -> list[Array]:
    """List the leaves that have an observation axis."""
    return [x for x in jax.tree.leaves(data, is_leaf=is_constant) if not is_constant(x)]


def clean(data: Data, weights: Float[Array, " n"], in_time: bool = False) -> tuple[Data, Float[Array, " n"]]:
    """Replace every row of weight 0 by a copy of a row with positive weight, since 0 times NaN is NaN.

    Rows of a series stand in time, and what comes after them depends on them: of those only the padding at the end is
    replaced.

    Without any such row the data stay as they are; the caller reports "no data". Weights that are NaN or negative
    stay too, and make the fit of their data set invalid.

    Args:
        data: leaves f[n, ...] or `constant`.
        weights: f[n].
        in_time: whether rows are those of a series.

    Returns:
        the data, and `weights` unchanged.
    """
    used = weights != 0
    first = jnp.argmax(used)
    if in_time:
        rows = jnp.arange(used.shape[0])
        used = rows <= jnp.max(jnp.where(used, rows, -1), initial=-1)

    def replaced(x: Array | constant) -> Array | constant:
        if isinstance(x, constant) or x.shape[0] == 0:
            return x
        mask = used.reshape((-1,) + (1,) * (x.ndim - 1))
        return jnp.where(mask, x, x[first])

    return jax.tree.map(replaced, data, is_leaf=is_constant), weights


def float_dtype(data: Data) -> jnp.dtype:
    """Choose the dtype to compute in: that of the floating leaves of data, else JAX's default."""
    floats = [x.dtype for x in jax.tree.leaves(data) if jnp.issubdtype(x.dtype, jnp.floating)]
    return jnp.result_type(*floats) if floats else jnp.result_type(float)
