"""Layout of data: the symbolic axis of rows, the leaves of a problem and the columns in which their numbers lie."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

ROWS = 1009
"How many rows a function is traced with; whatever has this size is taken to be the axis of rows."


class Unsupported(Exception):
    """Says what keeps a function from being compiled; the lanes fit it instead."""


def row_axis(shape: Sequence[int]) -> int | None:
    """Find the axis of rows in a shape, or None; a multiple of `ROWS` has that many numbers for each row."""
    axes = [i for i, k in enumerate(shape) if k and k % ROWS == 0]
    if len(axes) > 1:
        raise Unsupported(f"an array with two axes of rows, {tuple(shape)}")
    return axes[0] if axes else None


def one_row(shape: Sequence[int]) -> tuple[int, ...]:
    """Map a shape to the shape of a single row's nodes: ROWS become 1, k times ROWS become k."""
    return tuple(k // ROWS if k and k % ROWS == 0 else k for k in shape)


class Leaf(NamedTuple):
    """One leaf of a problem as the kernel reads it.

    Attributes:
        shape: without a data-set axis, its rows counted as `ROWS`.
        dtype: of its numbers.
        own: whether it has a data-set axis.
        weights: whether it holds the weights of the rows.
        ones: whether they are all 1.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    own: bool
    weights: bool = False
    ones: bool = False

    @property
    def has_rows(self) -> bool:
        return row_axis(self.shape) is not None

    @property
    def columns(self) -> int:
        """Numbers of a row, or of the leaf where it has none."""
        return math.prod(one_row(self.shape))


class Column(NamedTuple):
    """Where the numbers of a leaf's element lie.

    Attributes:
        own: whether there is one, or one a row, for each data set.
        stride: from one to the next on a GPU, which reads leaves as they are; on a CPU columns are dense.
    """

    own: bool
    stride: int


class Layout(NamedTuple):
    """Columns of all leaves.

    Attributes:
        rows: of leaves with rows; the node's attr is its index here.
        numbers: of leaves that are single numbers.
    """

    rows: list[Column]
    numbers: list[Column]
