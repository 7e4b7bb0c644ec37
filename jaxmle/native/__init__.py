"""Fits as functions of the machine: the traced step of any model and method, compiled row by row.

XLA runs each operation of a step over all lanes and rows before the next, through memory. Here the same trace is written
out as scalar expressions: one pass over a data set's rows, in vectors, for value, scores and curvature together; what
depends on the data alone is computed once for each data set; sums whose terms factor into parameters and data, such as
those of an exponential family, cost nothing a step; of a loop over the rows only what depends on the row before is
computed row after row. On an NVIDIA GPU the same expressions run with a thread for each data set. It needs llvmlite and
float64. What it does not understand (sorts, large matrices) goes through the lanes as before.
"""

import ctypes
import math
from importlib.util import find_spec
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxmle.native import _cuda
from jaxmle.native._ffi import call
from jaxmle.native._kernel import Kernel, Leaf, assemble, same_for_all_lengths, trace
from jaxmle.native._trace import ROWS, NotUnderstood

__all__ = ["ROWS", "Compiled", "Leaf", "NotUnderstood", "build", "call", "missing", "plain", "same_for_all_lengths"]


def missing(platform: str) -> str | None:
    """What keeps devices of this platform from it, or None."""
    if find_spec("llvmlite") is None:
        return "llvmlite is not installed; try: pip install 'jaxmle[native]'"
    return None if platform == "cpu" else _cuda.missing() if platform == "gpu" else f"the device is a {platform}"


def build(leaves: tuple[Leaf, ...], tree: Any, policy: Any, platform: str = "cpu") -> "Compiled":
    """Compiles what a policy of the lanes does with items of these leaves.

    Raises:
        NotUnderstood: saying what keeps it from being written out.
    """
    with jax.enable_x64(True):
        parts, rows, numbers, *described = trace(leaves, tree, policy)
    made = assemble if platform == "cpu" else _cuda.assemble
    return Compiled(made(parts, rows, numbers), leaves, *described)


class Compiled(NamedTuple):
    """A kernel, and how to speak to it.

    Attributes:
        kernel: the machine function.
        leaves: what it reads.
        shapes: of its results, a pytree.
        partial: whether something is NaN in it where JAX has a value, so that what fails deserves a second look.
        counts: whether the number of rows is a number in it, such as in a mean: rows of weight 0 at the end count there.
    """

    kernel: Kernel | _cuda.Kernel
    leaves: tuple[Leaf, ...]
    shapes: Any
    partial: bool
    counts: bool

    def read(self, arrays: list[Any], begin: int, size: int, weights: np.ndarray, device: Any) -> "Chunk | _cuda.Chunk":
        """The leaves of `size` data sets from `begin` on, laid out for the machine.

        On a CPU columns of float64 are not copied, on a GPU what lies there already.

        Args:
            arrays: for each leaf [B, n, ...] or, where it is shared, [n, ...]; without n where it has no rows.
            weights: f[size, n]. Rows after the last positive one are not there; others of weight 0 take the place of
                a row that counts, as 0 times NaN is NaN.
            device: that the kernel runs on.
        """
        n = weights.shape[1]
        count, holes = _count(weights, self.counts)
        ones = any(leaf.ones for leaf in self.leaves)
        if holes is not None and (ones or any(leaf.has_rows and not leaf.own for leaf in self.leaves)):
            count, holes = np.where(holes[1].any(1), 0, count), None  # left to others
        if ones:
            count = np.where(plain(weights), count, 0)
        offset = np.arange(size, dtype=np.int64) * n
        tables: dict[bool, list[Any]] = {True: [], False: []}
        for leaf, x in zip(self.leaves, arrays, strict=True):
            if leaf.ones:
                continue
            many = (size if leaf.own else 1) * (n if leaf.has_rows else 1)
            mend = leaf.has_rows and not leaf.weights and holes is not None
            if self.on_gpu and isinstance(x, jax.Array) and not mend:
                skip = begin * n**leaf.has_rows * leaf.columns if leaf.own else 0
            else:
                x, skip = np.asarray(x), 0
                x = x[begin : begin + size] if leaf.own else x
                x = (_mended(x, *holes) if mend and holes is not None else x).reshape(many, -1)
            tables[leaf.has_rows].append((x, leaf.columns, skip))
        found = [*tables[True], *tables[False]]
        kernel = self.kernel
        if isinstance(kernel, _cuda.Kernel):
            return _cuda.chunk(kernel, device, found, offset, count)
        return Chunk(kernel, [c for x, *_ in found for c in np.ascontiguousarray(x.T, np.float64)], offset, count)

    @property
    def abreast(self) -> int:
        """Workers for each core or device: on a GPU one moves data while the other computes."""
        return 2 if self.on_gpu else 1

    @property
    def on_gpu(self) -> bool:
        return isinstance(self.kernel, _cuda.Kernel)

    @property
    def least(self) -> int:
        """How many data sets are worth a call."""
        return _cuda.LEAST if self.on_gpu else 64

    @property
    def most(self) -> int:
        return _cuda.MOST if self.on_gpu else 1 << 14

    def first(self, size: int) -> int:
        """With how many of `size` a worker begins, before it knows how long they take."""
        return size if self.on_gpu else self.least

    def results(self, out: np.ndarray) -> Any:
        """The columns of `out` as a pytree with leaves [C, ...]."""
        leaves, tree = jax.tree.flatten(self.shapes)
        made, start = [], 0
        for x in leaves:
            count = math.prod(x.shape)
            made.append(out[:, start : start + count].reshape(len(out), *x.shape).astype(x.dtype, copy=False))
            start += count
        return jax.tree.unflatten(tree, made)


class Chunk(NamedTuple):
    """Data sets as the machine sees them: columns, where each data set begins in those with rows, how many rows it has."""

    kernel: Kernel
    columns: list[np.ndarray]
    offset: np.ndarray
    count: np.ndarray

    def fit(self) -> tuple[np.ndarray, np.ndarray]:
        """Fits them: their results f[size, k], and uint8[size], 0 where there are any."""
        kernel, size = self.kernel, len(self.count)
        out, left = np.empty((kernel.results, size)), np.ones(size, np.uint8)
        room = int(self.count.max())
        scratch = np.empty(max(kernel.abreast * kernel.buffers * room, 1))
        pointers = (ctypes.c_void_p * max(len(self.columns), 1))(*(x.ctypes.data for x in self.columns))
        where = [x.ctypes.data for x in (self.offset, self.count, out, left, scratch)]
        kernel.call(0, size, ctypes.addressof(pointers), *where, room)
        return out.T, left


def plain(weights: np.ndarray) -> np.ndarray:
    """Whose weights are all 1, up to rows at the end that are not there, bool[B]."""
    if weights.strides[0] == 0 and len(weights) > 1:  # the same for all
        return np.full(len(weights), plain(weights[:1])[0])
    whole = np.all((weights == 1) | (weights == 0), axis=1)
    count, _ = _count(weights)
    return whole & (weights.sum(axis=1) == count)


def _count(weights: np.ndarray, all_there: bool = False) -> tuple[np.ndarray, Any]:
    """How many rows there are up to the last that counts, int64[B]; and where in between rows do not, or None.

    That is the first row that counts, int[B], and which rows do not, bool[B, n]. If `all_there`, rows are there to the
    end where any counts.
    """
    size, n = weights.shape
    used = (weights if weights.strides[0] else weights[:1]) != 0
    if used.all():
        return np.full(size, n, np.int64), None
    used = np.broadcast_to(used, weights.shape)
    last = n if all_there else n - np.argmax(used[:, ::-1], axis=1)
    count = np.where(used.any(1), last, 0).astype(np.int64)
    holes = ~used & (np.arange(n) < count[:, None])
    return count, (np.argmax(used, axis=1), holes) if holes.any() else None


def _mended(x: np.ndarray, spare: np.ndarray, holes: np.ndarray) -> np.ndarray:
    x, at = x.copy(), np.nonzero(holes)
    x[at] = x[at[0], spare[at[0]]]
    return x
