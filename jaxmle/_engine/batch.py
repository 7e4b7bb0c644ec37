"""Data at the door: anything array-like in, rectangular buckets of NumPy arrays out, each check made once."""

import dataclasses
import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxmle._engine.ingest import apply_missing, arrays, lengths, on_host, row_items
from jaxmle._solver.state import RUNNING
from jaxmle._solver.status import Status
from jaxmle._util import group_keys
from jaxmle._util.checksum import Scanner
from jaxmle.model.observations import is_constant

_COPY_BELOW = 1 << 20
"Arrays of fewer bytes are copied on the way in; larger ones are held as they are, under a checksum."


class Bucket(NamedTuple):
    """Data sets of one padded length.

    Attributes:
        index: their positions in the batch, int[b].
        data: leaves [b, n, ...], `constant` leaves [b, ...]; leaves shared by all as in `Batch.own` without [b].
        weights: f[b, n]; 0 on padding.
        status: RUNNING or a verdict that the data alone decide, int[b].
    """

    index: np.ndarray
    data: Any
    weights: np.ndarray
    status: np.ndarray


class Absent:
    """Stands where the data of a loaded fit would be; whoever needs them is told so."""

    WHY = (
        "this needs the data, and the file that the fit was loaded from holds none; save them with "
        "fit.save(path, data=True), or fit again"
    )

    def _refuse(self, *_: Any, **__: Any) -> Any:
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
    keys: np.ndarray | None = None
    key_name: str = "key"
    dropped: np.ndarray | None = None
    sums: tuple[int, ...] = ()
    of: np.ndarray | None = None
    digest: str = ""

    @property
    def position(self) -> np.ndarray:
        """Where each data set stood in the batch that was fitted, int[B]: what its random numbers hang on."""
        return np.arange(self.size) if self.of is None else self.of

    @property
    def numbers(self) -> int:
        """How many there are in the data, shared ones once."""
        return sum(x.size for b in self.buckets for x in jax.tree.leaves(b.data))

    @property
    def kept(self) -> bool:
        """Whether the data are here; a fit that was loaded may have left them behind."""
        return not any(isinstance(x, Absent) for b in self.buckets for x in jax.tree.leaves(b.data))

    @property
    def hash(self) -> str:
        """Of data and weights, as they lie here."""
        if not self.kept:
            return self.digest
        found = hashlib.blake2b(digest_size=16)
        for bucket in self.buckets:
            for x in (*jax.tree.leaves(bucket.data), bucket.weights):
                found.update(f"{x.dtype}{x.shape}".encode())
                found.update(np.ascontiguousarray(x).reshape(-1).view(np.uint8).data)
        return found.hexdigest()

    def gathered(self, parts: list[Any]) -> Any:
        """What was computed of each bucket, leaves [b, ...], in the order of the data sets."""
        if len(parts) == 1:  # one bucket keeps the order
            return parts[0]
        where = np.argsort(np.concatenate([b.index for b in self.buckets]), kind="stable")
        return jax.tree.map(lambda *x: np.concatenate(x)[where], *parts)

    def check_unchanged(self) -> None:
        """Raises where the data are not here, or where the caller has changed them since the fit."""
        if not self.kept:
            raise RuntimeError(Absent.WHY)
        if self.sums and self.sums != _checksums(self.buckets, Scanner()):
            raise RuntimeError(
                "the data were changed in place after the fit, so what is computed from them now would not belong to "
                "it; fit again, or pass a copy"
            )

    def one(self, index: int) -> tuple[Any, np.ndarray]:
        """Data and weights of one data set, padding included: leaves [n, ...] and f[n]."""
        for b in self.buckets:
            for row in np.flatnonzero(b.index == index):
                leaves, tree = jax.tree.flatten(b.data)
                mine = [x[row] if own else x for x, own in zip(leaves, self.own, strict=True)]
                return jax.tree.unflatten(tree, mine), b.weights[row]
        raise IndexError(f"data set {index} of {self.size}")

    def subset(self, chosen: np.ndarray) -> "Batch":
        """The data sets at the positions `chosen`, in that order; one may stand there more than once."""
        buckets = []
        for b in self.buckets:
            row = np.full(self.size, -1)
            row[b.index] = np.arange(len(b.index))
            index = np.flatnonzero(row[chosen] >= 0)
            if not len(index) and (len(chosen) or buckets):  # an empty batch still knows what its data look like
                continue
            rows = row[chosen[index]]
            leaves, tree = jax.tree.flatten(b.data)
            data = jax.tree.unflatten(tree, [x[rows] if own else x for x, own in zip(leaves, self.own, strict=True)])
            buckets.append(Bucket(index, data, b.weights[rows], b.status[rows]))
        keys = None if self.keys is None else self.keys[chosen]
        dropped = None if self.dropped is None else self.dropped[chosen]
        of = self.position[chosen]
        return Batch(buckets, len(chosen), self.own, keys, self.key_name, dropped, of=of)


def one(data: Any, weights: Any, dtype: Any, missing: str) -> Batch:
    """A batch of one data set."""
    data = on_host(arrays(data, dtype))
    weights = None if weights is None else np.asarray(weights).astype(dtype)
    if weights is not None and weights.ndim != 1:
        raise ValueError(f"weights must have shape [n], got {list(weights.shape)}")
    (n,) = lengths(data, 1, weights)
    if weights is not None and not (weights >= 0).all():
        row = int(np.argmin(weights >= 0))
        raise ValueError(f"weights are frequencies, 0 or more; got {weights[row]} in row {row}")
    scanner = Scanner()
    data, weights, bad, gone = apply_missing(missing, data, weights, 1, scanner)
    dropped = None if gone is None else gone.sum(keepdims=True)
    weights = np.ones(n, dtype) if weights is None else weights.astype(dtype)
    if n == 0:
        data, weights = _dummy(data), np.zeros(1, dtype)
    status = np.array([RUNNING if bad is None else Status.MISSING_VALUES], np.int32)
    data, sums = _hold(data)
    data = jax.tree.map(lambda x: x[None], data)
    leaves = jax.tree.leaves(data)
    bucket = Bucket(np.zeros(1, np.int64), data, weights[None], status)
    return Batch(
        [bucket], 1, (True,) * len(leaves), dropped=dropped, sums=_checksums([bucket], scanner) if sums else ()
    )


def _dummy(data: Any) -> Any:
    """One row of ones for data without any; what is computed from it is never reported."""

    def fill(x: Any) -> Any:
        return x if is_constant(x) else np.ones((1, *x.shape[1:]), x.dtype)

    return jax.tree.map(fill, data, is_leaf=is_constant)


def _hold(data: Any) -> tuple[Any, bool]:
    """Copies small arrays; says whether any large one is still the caller's."""

    def stays(x: Any) -> bool:
        return isinstance(x, jax.Array) or x.nbytes >= _COPY_BELOW

    large = any(stays(x) for x in jax.tree.leaves(data))
    return jax.tree.map(lambda x: x if stays(x) else x.copy(), data), large


def _checksums(buckets: list[Bucket], scanner: Scanner) -> tuple[int, ...]:
    arrays_ = (x for bucket in buckets for x in jax.tree.leaves(bucket.data))
    return tuple(scanner.checksum(x) for x in arrays_ if isinstance(x, np.ndarray))  # JAX's cannot be changed


def merge(data: Any, shared: Any, dtype: Any) -> tuple[Any, tuple[bool, ...]]:
    """Data and shared leaves as one pytree, and which leaves are the data sets' own."""
    if shared is None:
        return data, (True,) * len(jax.tree.leaves(data))
    shared = arrays(shared, dtype, "shared")
    if not (isinstance(data, Mapping) and isinstance(shared, Mapping)):
        raise TypeError(
            "shared= needs data and shared as dicts of leaves, so that the log-likelihood gets one dict: "
            "fit_many(model, {'y': y}, shared={'x': x})"
        )
    both = sorted(set(data) & set(shared))
    if both:
        raise ValueError(f"{both} stand in data and in shared; give each leaf once")
    own = jax.tree.map(lambda _: True, data) | jax.tree.map(lambda _: False, shared)
    return dict(data) | dict(shared), tuple(jax.tree.leaves(own))


def rectangular(data: Any, weights: Any, shared: Any, dtype: Any, missing: str) -> Batch:
    """Data sets of one length: leaves [B, n, ...]."""
    data = arrays(data, dtype)
    weights = None if weights is None else np.asarray(weights).astype(dtype)
    size, n = lengths(data, 2, None if weights is None or weights.ndim == 1 else weights)
    if weights is not None and weights.ndim == 1:
        weights = np.broadcast_to(_fits(weights, n), (size, n))
    scanner = Scanner()
    data, weights, bad, gone = apply_missing(missing, data, weights, 2, scanner)
    dropped = None if gone is None else gone.sum(1)
    weights = np.broadcast_to(np.ones((), dtype), (size, n)) if weights is None else weights.astype(dtype, copy=False)
    if n == 0:
        data = jax.tree.map(lambda x: np.ones((size, 1, *x.shape[2:]), x.dtype), data)
        weights = np.zeros((size, 1), dtype)
    status = np.full(size, RUNNING, np.int32)
    if bad is not None:
        status[bad.any(1)] = Status.MISSING_VALUES
    _check_shared(shared, n)
    data, large = _hold(data)
    merged, own = merge(data, shared, dtype)
    bucket = Bucket(np.arange(size), merged, weights, status)
    return Batch([bucket], size, own, dropped=dropped, sums=_checksums([bucket], scanner) if large else ())


def _fits(weights: np.ndarray, n: int) -> np.ndarray:
    if weights.shape != (n,):
        raise ValueError(f"weights must have shape [datasets, n] or [n] = [{n}], got {list(weights.shape)}")
    return weights


def _check_shared(shared: Any, n: int) -> None:
    if shared is None:
        return
    for name, x in row_items(arrays(shared, np.float64, "shared")):
        if x.ndim == 0 or x.shape[0] != n:
            raise ValueError(
                f"shared {name} has shape {list(x.shape)}; expected its first axis to be the {n} observations of every "
                "data set. Wrap a leaf without that axis as jaxmle.constant(x)"
            )


def grouped(data: Any, groups: Any, weights: Any, shared: Any, dtype: Any, missing: str) -> Batch:
    """Long-format rows with a group key each, ragged and in any order, sorted into few buckets of like length."""
    data = on_host(arrays(data, dtype))
    weights = None if weights is None else np.asarray(weights).astype(dtype)
    (n,) = lengths(data, 1, weights)
    key_name, keys, inverse, counts = group_keys.read(groups, n)
    if shared is not None and row_items(arrays(shared, dtype, "shared")):
        raise ValueError("with groups=, shared leaves cannot have an observation axis: wrap them as jaxmle.constant(x)")
    data, weights, bad, gone = apply_missing(missing, data, weights, 1, Scanner())
    dropped = None if gone is None else np.bincount(inverse[gone], minlength=len(keys))
    weights = np.ones(n, dtype) if weights is None else weights.astype(dtype)
    order = np.argsort(inverse, kind="stable")
    offsets = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)
    status = np.full(len(keys), RUNNING, np.int32)
    if bad is not None:
        status[np.unique(inverse[bad])] = Status.MISSING_VALUES
    fixed = {k: v for k, v in data.items() if is_constant(v)} if isinstance(data, Mapping) else {}
    rows = {k: v for k, v in data.items() if k not in fixed} if fixed else data
    common = dict(arrays(shared, dtype, "shared") if shared is not None else {}) | fixed
    buckets: list[Bucket] = []
    own: tuple[bool, ...] = ()
    for length, members in _bucket_lengths(counts):
        column = np.arange(length)
        inside = column[None] < counts[members, None]
        at = order[np.minimum(offsets[members, None] + column[None], n - 1)]
        taken = jax.tree.map(lambda x, at=at: x[at], rows)
        merged, own = merge(taken, common or None, dtype)
        buckets.append(Bucket(members, merged, np.where(inside, weights[at], 0.0).astype(dtype), status[members]))
    return Batch(buckets, len(keys), own, keys=keys, key_name=key_name, dropped=dropped)


def _bucket_lengths(counts: np.ndarray, compile_cost: float = 4e6) -> list[tuple[int, np.ndarray]]:
    """Splits data sets by size so that padded rows plus `compile_cost` rows for each program are least."""
    sizes = np.unique(np.maximum(counts, 1))
    if len(sizes) > 64:
        sizes = np.unique(np.append(np.quantile(sizes, np.linspace(0, 1, 64), method="higher"), sizes[-1])).astype(int)
    below = np.searchsorted(np.sort(counts), sizes, side="right")
    m = len(sizes)
    best, cut = np.zeros(m + 1), np.zeros(m + 1, int)
    for end in range(1, m + 1):
        before = np.array([0, *below])[:end]
        cost = best[:end] + (below[end - 1] - before) * sizes[end - 1] + compile_cost
        cut[end] = int(np.argmin(cost))
        best[end] = cost[cut[end]]
    edges, end = [], m
    while end > 0:
        edges.append((int(sizes[cut[end] - 1]) if cut[end] else -1, int(sizes[end - 1])))
        end = cut[end]
    found = [(high, np.flatnonzero((counts > low) & (counts <= high))) for low, high in reversed(edges)]
    return [(high, members) for high, members in found if len(members)]
