"""Properties of the unconstrained coordinates of a model."""

from collections.abc import Callable

import jax
import numpy as np

from jaxmle._util.arrays import Array, Bool, Float, Params
from jaxmle.model.model import Model

Unravel = Callable[[Float[Array, " p"]], Params]
"The map from flat coordinates f[p] to their pytree, as `jax.flatten_util.ravel_pytree` returns it."


def finite_ends(model: Model) -> tuple[Bool[np.ndarray, " p"], Bool[np.ndarray, " p"], Bool[np.ndarray, " p"]]:
    """Return for each coordinate whether it is elementwise, and whether its space has a finite end below, and above, bool[p] each."""
    rows: list[tuple[bool, bool, bool]] = []
    for s in jax.tree.leaves(model.space):
        ends = s.kind.ends
        row = (ends is not None, bool(ends) and "infinity" not in ends[0], bool(ends) and "infinity" not in ends[1])
        rows += [row] * int(np.prod(s.coordinate_shape))
    table = np.array(rows, bool).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2]


def logarithmic(model: Model) -> Bool[np.ndarray, " p"]:
    """Find the coordinates that are the logarithm of a distance from one finite end, bool[p]: that distance has the unit of the data."""
    elementwise, low, high = finite_ends(model)
    return elementwise & (low ^ high)
