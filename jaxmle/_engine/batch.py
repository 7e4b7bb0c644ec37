"""All data of a fit as one record: buckets of padded length, NumPy arrays or arrays of JAX, checked once."""

import dataclasses
import hashlib
from typing import NamedTuple, NoReturn, TypeVar

import jax
import numpy as np

from jaxmle._util.array_passes import Scanner
from jaxmle._util.arrays import Data, Float, Int, Shaped

T = TypeVar("T")


class Bucket(NamedTuple):
    """Data sets of one padded length.

    Attributes:
        positions: of the data sets in the batch, int[b].
        data: leaves [b, n, ...], `constant` leaves [b, ...]; leaves shared by all as in `Batch.own` without [b].
        weights: f[b, n]; 0 on padding.
        status: RUNNING or a verdict that the data alone decide, int[b].
    """

    positions: Int[np.ndarray, " b"]
    data: Data
    weights: Float[np.ndarray, "b n"]
    status: Int[np.ndarray, " b"]


class Absent:
    """Stands where the data of a loaded fit would be; whoever needs them is told so."""

    WHY = (
        "this needs the data, and the file that the fit was loaded from holds none; save them with "
        "fit.save(path, data=True), or fit again"
    )

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise RuntimeError(self.WHY)

    __getitem__ = __array__ = _refuse
    shape = dtype = ndim = property(_refuse)


@dataclasses.dataclass(frozen=True, eq=False)
class Batch:
    """All data of a fit.

    Attributes:
        buckets: of ascending length.
        size: B, the number of data sets.
        own: for each data leaf, whether it has a data-set axis.
        single: whether one data set was given by itself, so that results carry no data-set axis.
        keys: the group of each data set, [B] or None; a structured array where several columns make the key.
        key_name: what the groups are called.
        dropped: rows of each data set left out because a value was missing, int[B], or None for none.
        sums: checksums of the arrays that the caller still holds.
        of: the positions in the batch that this is a part of, or None; see `position`.
        digest: the hash of data that were not kept.
    """

    buckets: list[Bucket]
    size: int
    own: tuple[bool, ...]
    single: bool = False
    keys: Shaped[np.ndarray, " B"] | None = None
    key_name: str = "key"
    dropped: Int[np.ndarray, " B"] | None = None
    sums: tuple[int, ...] = ()
    of: Int[np.ndarray, " B"] | None = None
    digest: str = ""

    @property
    def position(self) -> Int[np.ndarray, " B"]:
        """Positions of the data sets in the batch that was fitted, int[B]; their random numbers depend on them."""
        return np.arange(self.size) if self.of is None else self.of

    @property
    def numbers(self) -> int:
        """Count of the numbers in the data, shared ones once."""
        return sum(x.size for b in self.buckets for x in jax.tree.leaves(b.data))

    @property
    def kept(self) -> bool:
        """Whether the batch holds its data; a fit that was loaded may not."""
        return not any(isinstance(x, Absent) for b in self.buckets for x in jax.tree.leaves(b.data))

    @property
    def hash(self) -> str:
        """The hash of data and weights."""
        if not self.kept:
            return self.digest
        found = hashlib.blake2b(digest_size=16)
        for bucket in self.buckets:
            for x in (*jax.tree.leaves(bucket.data), bucket.weights):
                found.update(f"{x.dtype}{x.shape}".encode())
                found.update(np.ascontiguousarray(x).reshape(-1).view(np.uint8).data)
        return found.hexdigest()

    def gathered(self, parts: list[T]) -> T:
        """Join what was computed for each bucket, leaves [b, ...], in the order of the data sets."""
        if len(parts) == 1:  # one bucket keeps the order
            return parts[0]
        where = np.argsort(np.concatenate([b.positions for b in self.buckets]), kind="stable")
        return jax.tree.map(lambda *x: np.concatenate(x)[where], *parts)

    def check_unchanged(self) -> None:
        """Raise where the batch holds no data, or where the caller changed them after the fit."""
        if not self.kept:
            raise RuntimeError(Absent.WHY)
        if self.sums and self.sums != checksums(self.buckets, Scanner()):
            raise RuntimeError(
                "the data were changed in place after the fit, so what is computed from them now would not belong to "
                "it; fit again, or pass a copy"
            )

    def data_set(self, index: int) -> tuple[Data, Float[np.ndarray, " n"]]:
        """Return data and weights of one data set, padding included: leaves [n, ...] and f[n]."""
        for b in self.buckets:
            for row in np.flatnonzero(b.positions == index):
                leaves, tree = jax.tree.flatten(b.data)
                mine = [x[row] if own else x for x, own in zip(leaves, self.own, strict=True)]
                return jax.tree.unflatten(tree, mine), b.weights[row]
        raise IndexError(f"data set {index} of {self.size}")

    def take(self, chosen: Int[np.ndarray, " b"], single: bool = False) -> "Batch":
        """Return the data sets at the positions `chosen`, int[b], in that order; a position may be repeated."""
        buckets = []
        for b in self.buckets:
            row = np.full(self.size, -1)
            row[b.positions] = np.arange(len(b.positions))
            index = np.flatnonzero(row[chosen] >= 0)
            if not len(index) and (len(chosen) or buckets):  # an empty batch still knows what its data look like
                continue
            rows = row[chosen[index]]
            leaves, tree = jax.tree.flatten(b.data)
            data = jax.tree.unflatten(tree, [x[rows] if own else x for x, own in zip(leaves, self.own, strict=True)])
            buckets.append(Bucket(index, data, b.weights[rows], b.status[rows]))
        return dataclasses.replace(
            self, buckets=buckets, size=len(chosen), single=single, sums=(), digest="", of=self.position[chosen],
            keys=None if self.keys is None else self.keys[chosen],
            dropped=None if self.dropped is None else self.dropped[chosen],
        )  # fmt: skip

    def repeated(self, times: int) -> "Batch":
        """Return the batch `times` times over, the data sets of each copy in their order."""
        return self if times == 1 else self.take(np.tile(np.arange(self.size), times))

    def reweighted(self, weights: np.ndarray) -> "Batch":
        """Return the batch with other weights, f[B, n] with n the longest length; data stay where they are.

        Rows beyond the length of a shorter bucket are ignored; a verdict that the data alone decided stays.
        """
        buckets = [b._replace(weights=weights[b.positions, : b.weights.shape[1]]) for b in self.buckets]
        return dataclasses.replace(self, buckets=buckets)


def checksums(buckets: list[Bucket], scanner: Scanner) -> tuple[int, ...]:
    """Compute the checksum of each NumPy array among the data of buckets."""
    arrays_ = (x for bucket in buckets for x in jax.tree.leaves(bucket.data))
    return tuple(scanner.checksum(x) for x in arrays_ if isinstance(x, np.ndarray))  # JAX's cannot be changed
