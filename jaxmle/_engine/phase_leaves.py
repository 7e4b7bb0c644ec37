"""The arrays that one phase of a fit reads: leaves with a data-set axis, shared leaves and weights."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxmle._util.arrays import ArrayLike, Float, Int

Items = tuple[Any, ...]
"""The leaves with a data-set axis, as `lanes.Work.items` takes them: (leaves of the problem,) for the first phase, and
(leaves of the problem, outcome of the phase before) for the next; leaves [B, ...]."""

Structure = Any
"The structure of a pytree, as `jax.tree.structure` gives it."

Shared = Sequence[ArrayLike]
"The leaves of the problem without a data-set axis: arrays, or their shapes and dtypes."


class PhaseLeaves(NamedTuple):
    """The leaves that one phase reads for B data sets.

    Attributes:
        items: with a data-set axis.
        shared: without one.
        weights: of the rows; one of the leaves too.
    """

    items: Items
    shared: Shared
    weights: Float[np.ndarray, "B n"]

    def take(self, positions: Int[np.ndarray, " b"]) -> "PhaseLeaves":
        """Return the leaves of the data sets at these positions."""
        items, weights = jax.tree.map(lambda x: x[positions], (self.items, self.weights))
        return PhaseLeaves(items, self.shared, weights)

    @property
    def rows(self) -> int:
        """The number of rows of the longest data set, padding included."""
        return self.weights.shape[-1]
