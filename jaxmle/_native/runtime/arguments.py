"""Arguments of kernels: the data sets of a batch; columns that need no copy stay where they are."""

import ctypes
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np

from jaxmle._native.ir.layout import Leaf
from jaxmle._native.runtime import cuda
from jaxmle._native.runtime.cpu import CACHE, Kernel
from jaxmle._util.arrays import Bool, Int

Holes = tuple[Int[np.ndarray, " B"], Bool[np.ndarray, "B n"]]
"Of each data set the first row that counts, and the rows in between that do not."


class Arguments:
    """A batch that a kernel fits part after part; any number of workers may share it.

    Rows after the last of positive weight are left out; others of weight 0 are replaced by a row that counts, as 0
    times NaN is NaN; not in a series, where what comes after a row depends on it. On a CPU columns of float64 are not copied, on a GPU what lies there already.

    Args:
        kernel, leaves: of a `Compiled`.
        uses_length: whether rows of weight 0 at the end count in the number of rows.
        in_time: whether rows are those of a series.
        arrays: for each leaf [B, n, ...] or, where it is shared, [n, ...]; without n where it has no rows.
        weights: f[B, n].
        max_batch: data sets that are fitted at once, at most.
    """

    def __init__(
        self, kernel: Kernel | cuda.Kernel, leaves: Sequence[Leaf], uses_length: bool, in_time: bool,
        arrays: Sequence[np.ndarray | jax.Array], weights: np.ndarray, max_batch: int,
    ) -> None:  # fmt: skip
        self.kernel, self.uses_length, self.weights, self.n = kernel, uses_length, weights, weights.shape[1]
        self.in_time = in_time
        self.ones = any(leaf.ones for leaf in leaves)
        pairs = [(leaf, x) for leaf, x in zip(leaves, arrays, strict=True) if not leaf.ones]
        pairs.sort(key=lambda pair: not pair[0].has_rows)
        self.irreplaceable = any(leaf.has_rows and not leaf.own for leaf, _ in pairs)
        most = min(max_batch, len(weights))
        self.offset = np.arange(most, dtype=np.int64) * self.n
        self.count = None  # of any `most` data sets, where it is known beforehand
        if weights.strides[0] == 0 and len(weights):
            count, holes = self._counted(weights[:1])
            self.count = None if holes is not None else np.full(most, count[0])
        self.pairs = pairs
        if not isinstance(kernel, cuda.Kernel):
            self.pairs = [(leaf, np.asarray(x)) for leaf, x in pairs]
            self.in_place = [_InPlace.of(leaf, x) for leaf, x in self.pairs]
            self.offsets = _address(self.offset)

    def fit(
        self, begin: int, size: int, out: np.ndarray, left: np.ndarray, device: cuda.Device | None, scratch: np.ndarray
    ) -> None:
        """Fit the data sets from `begin` on into their columns of `out`, f[k, B], with 0 in `left`, uint8[B], where there are results.

        Args:
            device: that the kernel runs on; None for the host, or for the first GPU.
            scratch: memory for the kernel's buffers (`Compiled.scratch`).
        """
        count, holes = (self.count[:size], None) if self.count is not None else self._counted(
            self.weights[begin : begin + size]
        )  # fmt: skip
        kernel = self.kernel
        if isinstance(kernel, cuda.Kernel):
            tables = [(*self._on_device(leaf, x, begin, size, holes), leaf.columns) for leaf, x in self.pairs]
            chunk = cuda.chunk(kernel, device, tables, self.offset[:size], count)
            made, missing = chunk.fit()
            out[:, begin : begin + size], left[begin : begin + size] = made, missing
            return
        held: list[np.ndarray] = []  # copies, for as long as the kernel reads them
        pointers: list[int] = []
        for (leaf, x), table in zip(self.pairs, self.in_place, strict=True):
            if table is not None and (holes is None or not _replaces(leaf, holes)):
                pointers.extend([at + begin * table.stride for at in table.addresses])
            else:
                held.append(np.ascontiguousarray(self._table(leaf, x, begin, size, holes).T, np.float64))
                pointers.extend(_columns(held[-1]))
        leaves = (ctypes.c_void_p * max(len(pointers), 1))(*pointers)
        many, buffers = _address(count), _address(scratch)
        results, done = _address(out) + 8 * begin, _address(left) + begin
        longest, distance = int(count.max()), out.shape[1]
        each = 8 * (len(pointers) + kernel.buffers) * longest
        step = size if kernel.interleaved or kernel.lanes * each <= CACHE else max(CACHE // max(each, 1), 1)
        for i in range(0, size, step):
            end, to = min(i + step, size), results + 8 * i
            kernel.call(i, end, ctypes.addressof(leaves), self.offsets, many, to, done, buffers, longest, distance)

    def _counted(self, weights: np.ndarray) -> tuple[np.ndarray, Holes | None]:
        """Count the rows of each data set, int64[B], 0 where it is left to XLA; and find the rows to be replaced."""
        count, holes = _count(weights, self.uses_length)
        if holes is not None and self.in_time:
            padding = holes[1] & (np.cumsum(weights[:, ::-1] != 0, axis=1)[:, ::-1] == 0)
            holes = (holes[0], padding) if padding.any() else None
        if holes is not None and (self.ones or self.irreplaceable):
            count, holes = np.where(holes[1].any(1), 0, count), None
        if self.ones:
            count = np.where(unit_weights(weights), count, 0)
        return count, holes

    def _table(self, leaf: Leaf, x: np.ndarray | jax.Array, begin: int, size: int, holes: Holes | None) -> np.ndarray:
        """Copy the numbers of a leaf, row after row."""
        x = np.asarray(x)
        x = x[begin : begin + size] if leaf.own else x
        x = _replaced(x, *holes) if holes is not None and _replaces(leaf, holes) else x
        return x.reshape((size if leaf.own else 1) * (self.n if leaf.has_rows else 1), -1)

    def _on_device(
        self, leaf: Leaf, x: np.ndarray | jax.Array, begin: int, size: int, holes: Holes | None
    ) -> tuple[np.ndarray | jax.Array, int]:
        """Return the same, or the whole leaf where it lies on a device, and how many numbers to skip there."""
        if isinstance(x, jax.Array) and not _replaces(leaf, holes):
            return x, begin * self.n**leaf.has_rows * leaf.columns if leaf.own else 0
        return self._table(leaf, x, begin, size, holes), 0


class _InPlace(NamedTuple):
    """A leaf's columns that are read where they lie.

    Attributes:
        array: what holds them.
        addresses: of each column's first number.
        stride: bytes from one data set to the next.
    """

    array: np.ndarray
    addresses: list[int]
    stride: int

    @staticmethod
    def of(leaf: Leaf, x: np.ndarray) -> "_InPlace | None":
        """Find the columns of a leaf; None where they are copied part after part."""
        if not leaf.own:  # what all data sets share
            shared = np.ascontiguousarray(x.reshape(-1, leaf.columns).T, np.float64)
            return _InPlace(shared, _columns(shared), 0)
        if leaf.columns == 1 and x.dtype == np.float64 and x.flags.c_contiguous:
            return _InPlace(x, [_address(x)], x.strides[0])
        if leaf.has_rows or x.size > SMALL:
            return None
        copied = np.ascontiguousarray(x.reshape(len(x), -1).T, np.float64)
        return _InPlace(copied, _columns(copied), 8)


SMALL = 1 << 20
"Numbers without rows, one or a few for each data set, that are copied all at once."


def _address(x: np.ndarray) -> int:
    return x.__array_interface__["data"][0]


def _columns(table: np.ndarray) -> list[int]:
    """List the addresses of the rows of a dense table."""
    first, apart = _address(table), table.strides[0]
    return [first + i * apart for i in range(len(table))]


def unit_weights(weights: np.ndarray) -> np.ndarray:
    """Find the data sets whose weights are all 1, apart from zeros at the end, bool[B]."""
    if weights.strides[0] == 0 and len(weights) > 1:  # the same for all
        return np.full(len(weights), unit_weights(weights[:1])[0])
    whole = np.all((weights == 1) | (weights == 0), axis=1)
    count, _ = _count(weights)
    return whole & (weights.sum(axis=1) == count)


def _count(weights: np.ndarray, to_the_end: bool = False) -> tuple[np.ndarray, Holes | None]:
    """Count the rows up to the last that counts, int64[B]; and find those in between that do not, or None.

    That is the first row that counts, int[B], and which rows do not, bool[B, n]. If `to_the_end`, all rows are counted
    where any counts.
    """
    size, n = weights.shape
    used = (weights if weights.strides[0] else weights[:1]) != 0
    if used.all():
        return np.full(size, n, np.int64), None
    used = np.broadcast_to(used, weights.shape)
    last = n if to_the_end else n - np.argmax(used[:, ::-1], axis=1)
    count = np.where(used.any(1), last, 0).astype(np.int64)
    holes = ~used & (np.arange(n) < count[:, None])
    return count, (np.argmax(used, axis=1), holes) if holes.any() else None


def _replaces(leaf: Leaf, holes: Holes | None) -> bool:
    return holes is not None and leaf.has_rows and not leaf.weights


def _replaced(x: np.ndarray, spare: np.ndarray, holes: np.ndarray) -> np.ndarray:
    x, at = x.copy(), np.nonzero(holes)
    x[at] = x[at[0], spare[at[0]]]
    return x
