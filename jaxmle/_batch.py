"""Data at the door: anything array-like in, rectangular buckets of NumPy arrays out, each check made once."""

import dataclasses
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxmle._data import is_constant
from jaxmle._status import Status
from jaxmle._step import RUNNING
from jaxmle.model import constant

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


@dataclasses.dataclass(frozen=True, eq=False)
class Batch:
    """All data of a fit.

    Attributes:
        buckets: of ascending length.
        size: B, the number of data sets.
        own: for each data leaf, whether it has a data-set axis.
        keys: the group of each data set, [B] or None.
        key_name: what the groups are called.
        dropped: rows left out because a value was missing.
        sums: checksums of the arrays that the caller still holds.
        of: the positions in the batch that this is a part of, or None; see `position`.
    """

    buckets: list[Bucket]
    size: int
    own: tuple[bool, ...]
    keys: np.ndarray | None = None
    key_name: str = "key"
    dropped: int = 0
    sums: tuple[int, ...] = ()
    of: np.ndarray | None = None

    @property
    def position(self) -> np.ndarray:
        """Where each data set stood in the batch that was fitted, int[B]: what its random numbers hang on."""
        return np.arange(self.size) if self.of is None else self.of

    def check_unchanged(self) -> None:
        """Raises where the caller has changed the data since the fit."""
        if self.sums and self.sums != _checksums(self.buckets):
            raise RuntimeError(
                "the data were changed in place after the fit, so what is computed from them now would not belong to "
                "it; fit again, or pass a copy"
            )

    def subset(self, chosen: np.ndarray) -> "Batch":
        """The chosen data sets, in the order of their positions in `chosen`."""
        place = {int(old): new for new, old in enumerate(chosen)}
        buckets = []
        for b in self.buckets:
            rows = np.flatnonzero(np.isin(b.index, chosen))
            if not len(rows):
                continue
            leaves, tree = jax.tree.flatten(b.data)
            data = jax.tree.unflatten(tree, [x[rows] if own else x for x, own in zip(leaves, self.own, strict=True)])
            index = np.array([place[int(i)] for i in b.index[rows]])
            buckets.append(Bucket(index, data, b.weights[rows], b.status[rows]))
        keys = None if self.keys is None else self.keys[chosen]
        return Batch(buckets, len(chosen), self.own, keys, self.key_name, self.dropped, of=self.position[chosen])


def arrays(data: Any, dtype: Any, what: str = "data") -> Any:
    """Any array-like pytree to NumPy leaves: floats in `dtype`, integers and booleans as they are.

    Data frames become dicts of columns, lists of numbers become arrays.

    Raises:
        TypeError: for text, dates and objects, naming the leaf.
    """
    if is_constant(data):
        return constant(arrays(data.value, dtype, what))
    if hasattr(data, "columns") and hasattr(data, "__getitem__"):  # a pandas or polars data frame
        return {str(name): arrays(data[name], dtype, f"column {name!r}") for name in data.columns}
    if isinstance(data, Mapping):
        return {k: arrays(v, dtype, _inside(what, k)) for k, v in data.items()}
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(arrays(v, dtype, _inside(what, k)) for k, v in data._asdict().items()))  # pyright: ignore
    if isinstance(data, tuple) and any(np.ndim(x) > 0 if not isinstance(x, Mapping) else True for x in data):
        return tuple(arrays(v, dtype, _inside(what, i)) for i, v in enumerate(data))
    if isinstance(data, list) and any(isinstance(x, (Mapping, constant)) for x in data):
        return [arrays(v, dtype, _inside(what, i)) for i, v in enumerate(data)]
    try:
        array = np.asarray(data)
    except ValueError as error:
        raise TypeError(
            f"{what} cannot be read as one array ({error}); for ragged data use fit_many with groups="
        ) from None
    if array.dtype.kind in "iub":
        return array
    if array.dtype.kind == "f":
        return array.astype(dtype, copy=False)
    shown = array.reshape(-1)[:1].tolist() if array.size else "nothing"
    raise TypeError(
        f"{what} holds {array.dtype.name if array.dtype.kind != 'U' else 'text'} (such as {shown}); expected numbers. "
        "Encode text and dates as numbers first, and leave columns out that the model does not use"
    )


def _inside(what: str, key: Any) -> str:
    return f"data[{key!r}]" if what == "data" else f"{what}[{key!r}]"


def leaf_names(data: Any) -> list[str]:
    """A name for each leaf, for messages."""
    paths = jax.tree_util.tree_flatten_with_path(data, is_leaf=is_constant)[0]
    return [jax.tree_util.keystr(path, simple=True, separator=".") or "data" for path, _ in paths]


def row_items(data: Any) -> list[tuple[str, np.ndarray]]:
    """(name, array) of every leaf that has an observation axis."""
    leaves = jax.tree.leaves(data, is_leaf=is_constant)
    return [(name, x) for name, x in zip(leaf_names(data), leaves, strict=True) if not is_constant(x)]


def lengths(data: Any, axes: int, weights: Any = None) -> tuple[int, ...]:
    """The leading axes that all rows share: (n,) or (B, n).

    Raises:
        ValueError: saying which leaf disagrees.
    """
    found: dict[tuple[int, ...], str] = {}
    for name, x in [*row_items(data), *([("weights", weights)] if weights is not None else [])]:
        if x.ndim < axes:
            wanted = "an observation axis [n, ...]" if axes == 1 else "axes [datasets, n, ...]"
            raise ValueError(
                f"{name} has shape {list(x.shape)}; every leaf needs {wanted}. Wrap a leaf without observations as "
                "jaxmle.constant(x)"
                + ("" if axes == 1 else ", pass what all data sets share as shared=, or use fit for one data set")
            )
        found.setdefault(x.shape[:axes], name)
    if not found:
        raise ValueError("data hold no leaf with an observation axis; pass an array, or a dict of arrays, [n, ...]")
    if len(found) > 1:
        listed = ", ".join(f"{name} {list(shape)}" for shape, name in found.items())
        raise ValueError(
            f"the leaves must share their leading axes, one entry per observation; got {listed}. Wrap a leaf without "
            "observations as jaxmle.constant(x)"
        )
    return next(iter(found))


def missing_rows(data: Any, weights: np.ndarray | None, axes: int) -> np.ndarray | None:
    """Which rows hold a NaN in a leaf and are not of weight 0, bool over the leading axes; None where there is none."""
    bad: Any = None
    for _, x in row_items(data):
        if x.dtype.kind == "f":
            nan = np.isnan(x)
            if nan.any():
                nan = nan.reshape(*x.shape[:axes], -1).any(-1)
                bad = nan if bad is None else bad | nan
    if bad is not None and weights is not None:
        bad = bad & (weights != 0)
    return bad if bad is not None and bad.any() else None


def apply_missing(policy: str, data: Any, weights: Any, axes: int) -> tuple[Any, Any, np.ndarray | None, int]:
    """Missing values by policy: data, weights, the rows that still miss values, and how many rows were dropped."""
    if policy not in ("error", "drop", "status", "keep"):
        raise ValueError(f"missing={policy!r}; expected 'error', 'drop', 'status' or 'keep'")
    bad = None if policy == "keep" else missing_rows(data, weights, axes)
    if bad is None:
        return data, weights, None, 0
    if policy == "error":
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        name = next(n for n, x in row_items(data) if x.dtype.kind == "f" and np.isnan(x[where]).any())
        row = f"row {where[0]}" if axes == 1 else f"data set {where[0]}, row {where[1]}"
        raise ValueError(
            f"{name} is missing (NaN) in {row}, and in {int(bad.sum())} rows in all; drop such rows with missing='drop', "
            "or pass missing='keep' to a model that knows what NaN means"
        )
    if policy == "drop":
        shape = lengths(data, axes, weights)
        weights = np.ones(shape) if weights is None else weights
        return data, np.where(bad, 0.0, weights), None, int(bad.sum())
    return data, weights, bad, 0


def one(data: Any, weights: Any, dtype: Any, missing: str) -> Batch:
    """A batch of one data set."""
    data = arrays(data, dtype)
    weights = None if weights is None else np.asarray(weights).astype(dtype)
    if weights is not None and weights.ndim != 1:
        raise ValueError(f"weights must have shape [n], got {list(weights.shape)}")
    (n,) = lengths(data, 1, weights)
    if weights is not None and not (weights >= 0).all():
        row = int(np.argmin(weights >= 0))
        raise ValueError(f"weights are frequencies, 0 or more; got {weights[row]} in row {row}")
    data, weights, bad, dropped = apply_missing(missing, data, weights, 1)
    weights = np.ones(n, dtype) if weights is None else weights.astype(dtype)
    if n == 0:
        data, weights = _dummy(data), np.zeros(1, dtype)
    status = np.array([RUNNING if bad is None else Status.MISSING_VALUES], np.int32)
    data, sums = _hold(data)
    data = jax.tree.map(lambda x: x[None], data)
    leaves = jax.tree.leaves(data)
    bucket = Bucket(np.zeros(1, np.int64), data, weights[None], status)
    return Batch([bucket], 1, (True,) * len(leaves), dropped=dropped, sums=_checksums([bucket]) if sums else ())


def _dummy(data: Any) -> Any:
    """One row of ones for data without any; what is computed from it is never reported."""

    def fill(x: Any) -> Any:
        return x if is_constant(x) else np.ones((1, *x.shape[1:]), x.dtype)

    return jax.tree.map(fill, data, is_leaf=is_constant)


def _hold(data: Any) -> tuple[Any, bool]:
    """Copies small arrays; says whether any large one is still the caller's."""
    large = any(x.nbytes >= _COPY_BELOW for x in jax.tree.leaves(data))
    return jax.tree.map(lambda x: x if x.nbytes >= _COPY_BELOW else x.copy(), data), large


def _checksums(buckets: list[Bucket]) -> tuple[int, ...]:
    return tuple(_checksum(x) for bucket in buckets for x in jax.tree.leaves(bucket.data))


def _checksum(x: np.ndarray) -> int:
    """Of every byte, at the speed of memory: 8-byte words are folded into 1021 before they are summed up."""
    flat = np.ascontiguousarray(x).reshape(-1).view(np.uint8)
    words = flat[: len(flat) // 8168 * 8168].view(np.uint64).reshape(-1, 1021)
    return zlib.crc32(flat[words.nbytes :].tobytes(), zlib.crc32(np.bitwise_xor.reduce(words, axis=0).tobytes()))


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
    data, weights, bad, dropped = apply_missing(missing, data, weights, 2)
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
    return Batch([bucket], size, own, dropped=dropped, sums=_checksums([bucket]) if large else ())


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
    key_name = str(getattr(groups, "name", None) or "key")
    groups = np.asarray(groups)
    data = arrays(data, dtype)
    weights = None if weights is None else np.asarray(weights).astype(dtype)
    (n,) = lengths(data, 1, weights)
    if groups.shape != (n,):
        raise ValueError(f"groups must hold one key per row, shape [{n}], got {list(groups.shape)}")
    if shared is not None and row_items(arrays(shared, dtype, "shared")):
        raise ValueError("with groups=, shared leaves cannot have an observation axis: wrap them as jaxmle.constant(x)")
    data, weights, bad, dropped = apply_missing(missing, data, weights, 1)
    weights = np.ones(n, dtype) if weights is None else weights.astype(dtype)
    keys, inverse, counts = _unique(groups)
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


def _unique(groups: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct keys in order of first appearance: keys, inverse, counts."""
    keys, first, inverse, counts = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    rank = np.argsort(first, kind="stable")
    place = np.empty(len(keys), np.int64)
    place[rank] = np.arange(len(keys))
    return keys[rank], place[inverse.reshape(-1)], counts[rank]


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
