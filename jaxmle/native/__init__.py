"""Fits as functions of the machine: the traced step of any model and method, compiled row by row.

XLA runs each operation of a step over all lanes and rows before the next, through memory. Here the same trace is written
out as scalar expressions: one pass over a data set's rows, in vectors, for value, scores and curvature together; what
depends on the data alone is computed once for each data set; sums whose terms factor into parameters and data, such as
those of an exponential family, cost nothing a step; of a loop over the rows only what depends on the row before is
computed row after row. It needs llvmlite and float64 on a CPU. What it does not understand (sorts, large matrices) goes
through the lanes as before.
"""

import ctypes
from importlib.util import find_spec
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxmle.native._kernel import Kernel, Leaf, assemble, same_for_all_lengths, trace
from jaxmle.native._trace import ROWS, NotUnderstood

__all__ = ["ROWS", "Compiled", "Leaf", "NotUnderstood", "available", "build", "plain", "same_for_all_lengths"]


def available() -> bool:
    """Whether llvmlite is installed."""
    return find_spec("llvmlite") is not None


def build(leaves: tuple[Leaf, ...], tree: Any, policy: Any) -> "Compiled":
    """Compiles what a policy of the lanes does with items of these leaves.

    Raises:
        NotUnderstood: saying what keeps it from being written out.
    """
    with jax.enable_x64(True):
        parts, rows, numbers, *described = trace(leaves, tree, policy)
    return Compiled(assemble(parts, rows, numbers), leaves, *described)


class Compiled(NamedTuple):
    """A kernel, and how to speak to it.

    Attributes:
        kernel: the machine function.
        leaves: what it reads.
        shapes: of its results, a pytree.
        partial: whether something is NaN in it where JAX has a value, so that what fails deserves a second look.
        counts: whether the number of rows is a number in it, such as in a mean: rows of weight 0 at the end count there.
    """

    kernel: Kernel
    leaves: tuple[Leaf, ...]
    shapes: Any
    partial: bool
    counts: bool

    def read(self, arrays: list[np.ndarray], size: int, weights: np.ndarray) -> "Chunk":
        """The leaves of `size` data sets laid out for the machine; columns of float64 are not copied.

        Args:
            arrays: for each leaf [size, n, ...] or, where it is shared, [n, ...]; without n where it has no rows.
            weights: f[size, n]. Rows after the last positive one are not there; others of weight 0 take the place of
                a row that counts, as 0 times NaN is NaN.
        """
        n = weights.shape[1]
        count, holes = _count(weights)
        if holes is not None and any(leaf.has_rows and not leaf.own for leaf in self.leaves):
            count, holes = np.where(holes[1].any(1), 0, count), None  # left to others
        if any(leaf.ones for leaf in self.leaves):
            count = np.where(plain(weights), count, 0)
        if self.counts:
            count = np.where(count == n, count, 0)
        columns: dict[bool, list[np.ndarray]] = {True: [], False: []}
        for leaf, x in zip(self.leaves, arrays, strict=True):
            if leaf.ones:
                continue
            x = _mended(x, *holes) if leaf.has_rows and not leaf.weights and holes is not None else x
            many = (size if leaf.own else 1) * (n if leaf.has_rows else 1)
            columns[leaf.has_rows].extend(np.ascontiguousarray(np.reshape(x, (many, -1)).T, np.float64))
        return Chunk([*columns[True], *columns[False]], np.arange(size, dtype=np.int64) * n, count)

    def results(self, out: np.ndarray) -> Any:
        """The columns of `out` as a pytree with leaves [C, ...]."""
        leaves, tree = jax.tree.flatten(self.shapes)
        made, start = [], 0
        for x in leaves:
            count = int(np.prod(x.shape))
            made.append(out[:, start : start + count].reshape(len(out), *x.shape).astype(x.dtype))
            start += count
        return jax.tree.unflatten(tree, made)


class Chunk(NamedTuple):
    """Data sets as the machine sees them: columns, where each data set begins in those with rows, how many rows it has."""

    columns: list[np.ndarray]
    offset: np.ndarray
    count: np.ndarray

    def fit(self, kernel: Kernel, begin: int, end: int, out: np.ndarray, left: np.ndarray) -> None:
        """Fits data sets begin..end; `left` becomes 0 where that was done."""
        room = int(self.count[begin:end].max())
        state = np.empty(max(kernel.states, 1))
        scratch = np.empty(max(kernel.buffers * room, 1))
        pointers = (ctypes.c_void_p * max(len(self.columns), 1))(*(x.ctypes.data for x in self.columns))
        where = (x.ctypes.data for x in (self.offset, self.count, state, out, left, scratch))
        kernel.call(begin, end, ctypes.addressof(pointers), *where, room)


def plain(weights: np.ndarray) -> np.ndarray:
    """Whose weights are all 1, up to rows at the end that are not there, bool[B]."""
    if weights.strides == (0, 0):
        return np.full(len(weights), weights[0, 0] == 1)
    whole = np.all((weights == 1) | (weights == 0), axis=1)
    count, _ = _count(weights)
    return whole & (weights.sum(axis=1) == count)


def _count(weights: np.ndarray) -> tuple[np.ndarray, Any]:
    """How many rows there are up to the last that counts, int64[B]; and where in between rows do not, or None.

    That is the first row that counts, int[B], and which rows do not, bool[B, n].
    """
    size, n = weights.shape
    used = (weights if weights.strides[0] else weights[:1]) != 0
    if used.all():
        return np.full(size, n, np.int64), None
    used = np.broadcast_to(used, weights.shape)
    count = np.where(used.any(1), n - np.argmax(used[:, ::-1], axis=1), 0).astype(np.int64)
    holes = ~used & (np.arange(n) < count[:, None])
    return count, (np.argmax(used, axis=1), holes) if holes.any() else None


def _mended(x: np.ndarray, spare: np.ndarray, holes: np.ndarray) -> np.ndarray:
    x, at = x.copy(), np.nonzero(holes)
    x[at] = x[at[0], spare[at[0]]]
    return x
