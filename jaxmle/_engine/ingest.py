"""Batches from what a person gives: anything array-like in, rectangular buckets of arrays out, each check made once."""

import datetime
from collections.abc import Iterator, Mapping
from typing import TypeGuard

import jax
import numpy as np
from jax.core import Tracer
from jax.typing import DTypeLike

from jaxmle._engine.batch import Batch, Bucket, checksums
from jaxmle._solver.state import RUNNING
from jaxmle._solver.status import Status
from jaxmle._util import group_keys
from jaxmle._util.array_passes import Scanner
from jaxmle._util.arrays import Bool, Data, Weights
from jaxmle.model.model import constant
from jaxmle.model.observations import is_constant

Kept = tuple[Data, np.ndarray | None, Bool[np.ndarray, "..."] | None, Bool[np.ndarray, "..."] | None]
"Data, weights, the rows that still miss values and those that were dropped; the last two are None where there are none."

_COPY_BELOW = 1 << 20
"Arrays of fewer bytes are copied on the way in; larger ones are held as they are, under a checksum."


def single(data: Data, weights: Weights, dtype: np.dtype, missing: str) -> Batch:
    """Make a batch of one data set, leaves [n, ...]."""
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
    kept = checksums([bucket], scanner) if sums else ()
    return Batch([bucket], 1, (True,) * len(leaves), single=True, dropped=dropped, sums=kept)


def _dummy(data: Data) -> Data:
    """Return one row of ones for data without rows; nothing computed from it is reported."""

    def fill(x: Data) -> Data:
        return x if is_constant(x) else np.ones((1, *x.shape[1:]), x.dtype)

    return jax.tree.map(fill, data, is_leaf=is_constant)


def _hold(data: Data) -> tuple[Data, bool]:
    """Copy small arrays; return the data and whether a large array is still the caller's."""

    def stays(x: np.ndarray | jax.Array) -> bool:
        return isinstance(x, jax.Array) or x.nbytes >= _COPY_BELOW

    large = any(stays(x) for x in jax.tree.leaves(data))
    return jax.tree.map(lambda x: x if stays(x) else x.copy(), data), large


def merge(data: Data, shared: Data, dtype: np.dtype) -> tuple[Data, tuple[bool, ...]]:
    """Join data and shared leaves in one pytree; return it and which leaves have a data-set axis."""
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


def rectangular(data: Data, weights: Weights, shared: Data, dtype: np.dtype, missing: str) -> Batch:
    """Make a batch of data sets of one length, leaves [B, n, ...]."""
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
    return Batch([bucket], size, own, dropped=dropped, sums=checksums([bucket], scanner) if large else ())


def _fits(weights: np.ndarray, n: int) -> np.ndarray:
    if weights.shape != (n,):
        raise ValueError(f"weights must have shape [datasets, n] or [n] = [{n}], got {list(weights.shape)}")
    return weights


def _check_shared(shared: Data, n: int) -> None:
    if shared is None:
        return
    for name, x in row_items(arrays(shared, np.float64, "shared")):
        if x.ndim == 0 or x.shape[0] != n:
            raise ValueError(
                f"shared {name} has shape {list(x.shape)}; expected its first axis to be the {n} observations of every "
                "data set. Wrap a leaf without that axis as jaxmle.constant(x)"
            )


def grouped(
    data: Data, groups: group_keys.Keys, weights: Weights, shared: Data, dtype: np.dtype, missing: str
) -> Batch:
    """Make a batch from long-format rows with a group key each; data sets of like length share a bucket."""
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
    """Group data sets by size so that padded rows plus `compile_cost` rows for each program are fewest."""
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


# --- leaves ----------------------------------------------------------------------------------------------


def arrays(data: Data, dtype: DTypeLike, what: str = "data") -> Data:
    """Convert any array-like pytree to NumPy leaves: floats in `dtype`, integers and booleans as they are.

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
    name = getattr(data, "name", None)
    if what == "data" and isinstance(name, str):  # a column of a data frame
        what = f"column {name!r}"
    if on_accelerator(data) and data.dtype.kind in "iubf":
        return data.astype(dtype) if data.dtype.kind == "f" else data
    try:
        array = _plain(data)
    except ValueError as error:
        raise TypeError(
            f"{what} cannot be read as one array ({error}); for ragged data use fit_many with groups="
        ) from None
    if array.dtype == np.uint64 and array.size and array.max() > np.iinfo(np.int64).max:
        return array.astype(dtype)  # no signed whole number holds it
    if array.dtype.kind in "iub":
        return array
    if array.dtype.kind == "f":
        return array.astype(dtype, copy=False)
    raise TypeError(_no_numbers(array, what))


def on_accelerator(x: object) -> TypeGuard[jax.Array]:
    """Tell whether x is an array of JAX on one device that is no CPU; such data stay on their device where they may."""
    if not isinstance(x, jax.Array) or isinstance(x, Tracer):
        return False
    devices = x.devices()
    return len(devices) == 1 and next(iter(devices)).platform != "cpu"


def on_host(data: Data) -> Data:
    """Convert all leaves to NumPy arrays."""
    return jax.tree.map(np.asarray, data)


def _plain(data: Data) -> np.ndarray:
    """Convert to one NumPy array; what is masked, or missing in a nullable column, becomes NaN."""
    if isinstance(data, Tracer):
        raise TypeError(
            f"data are traced ({data.aval}): fit and fit_many read numbers and cannot run inside jit, vmap or grad; use "
            "jaxmle.maximize there"
        )
    if isinstance(data, Iterator):
        raise TypeError(f"data are a {type(data).__name__}, which can be read only once; make it a list: list(data)")
    if isinstance(data, np.ma.MaskedArray):
        return np.ma.filled(data.astype(float), np.nan) if np.ma.is_masked(data) else np.asarray(data)
    if hasattr(data, "to_numpy") and hasattr(getattr(data, "dtype", None), "na_value") and data.dtype.kind in "iufb":
        return data.to_numpy(dtype=float, na_value=np.nan) if getattr(data, "hasnans", False) else np.asarray(data)
    return np.asarray(data)


def _no_numbers(array: np.ndarray, what: str) -> str:
    """Describe an array of text, dates or objects: what it holds, its first bad row, and what to do."""
    flat = array.reshape(-1)
    if array.dtype.kind == "m":
        return (
            f"{what} holds durations ({array.dtype.name}), whose unit is not known; expected numbers. Say which unit, with "
            "pandas for seconds by column.dt.total_seconds(), with NumPy by x / np.timedelta64(1, 's')"
        )
    if array.dtype.kind == "M":
        return (
            f"{what} holds dates ({array.dtype.name}); expected numbers. Subtract a first date and say which unit: "
            "(x - x[0]) / np.timedelta64(1, 'D') gives days"
        )
    kind = "text" if array.dtype.kind in "UT" else array.dtype.name
    column = what.removeprefix("column ") if what.startswith("column ") else "'x'"
    if array.dtype == object:
        bad = [i for i, x in enumerate(flat) if isinstance(x, bool) or not isinstance(x, (int, float, np.number))]
        if not bad:
            return f"{what} holds numbers as objects; expected an array of numbers: convert it with .astype(float)"
        row, value = bad[0], flat[bad[0]]
        kind = "text" if all(isinstance(x, str) for x in flat) else "objects"
        if value is None or type(value).__name__ in ("NAType", "NaTType"):
            return (
                f"{what} holds objects: row {row} is {value!r}, a missing value; expected numbers. Make it NaN, with "
                "pandas by pandas.to_numeric(column), and say what to do about it with missing="
            )
        if isinstance(value, datetime.timedelta):
            return (
                f"{what} holds durations ({type(value).__name__}), whose unit is not known; expected numbers. Say which unit, "
                "for hours by [x / datetime.timedelta(hours=1) for x in column]"
            )
    else:
        row, value = 0, flat[0] if array.size else None
    shown = f"row {row} is {str(value)!r}" if array.size else "and is empty"
    advice = (
        "Where that is a number written another way, convert it: pandas.to_numeric(column) names the rows that are none. Where "
        f"it names groups, give frame[{column}] as groups=, or a column of 0 and 1 for each"
        if kind == "text"
        else f"Convert it, with pandas by pandas.to_numeric(frame[{column}])"
    )
    return f"{what} holds {kind}: {shown}; expected numbers. {advice}; or leave the column out if the model does not use it"


def _inside(what: str, key: str | int) -> str:
    return f"data[{key!r}]" if what == "data" else f"{what}[{key!r}]"


def leaf_names(data: Data) -> list[str]:
    """Name each leaf of data, for messages."""
    paths = jax.tree_util.tree_flatten_with_path(data, is_leaf=is_constant)[0]
    return [jax.tree_util.keystr(path, simple=True, separator=".") or "data" for path, _ in paths]


def row_items(data: Data) -> list[tuple[str, np.ndarray]]:
    """List (name, array) of every leaf that has an observation axis."""
    leaves = jax.tree.leaves(data, is_leaf=is_constant)
    return [(name, x) for name, x in zip(leaf_names(data), leaves, strict=True) if not is_constant(x)]


def lengths(data: Data, axes: int, weights: np.ndarray | None = None) -> tuple[int, ...]:
    """Return the leading axes that all leaves share: (n,) or (B, n).

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


def missing_rows(data: Data, weights: np.ndarray | None, axes: int, scanner: Scanner) -> np.ndarray | None:
    """Find the rows with a NaN in a leaf and a weight that is not 0, bool over the leading axes; None where there is none."""
    found = [
        np.isnan(x).reshape(*x.shape[:axes], -1).any(-1)
        for _, x in row_items(data)
        if x.dtype.kind == "f" and scanner.nan(x)
    ]
    if not found:
        return None
    bad = np.logical_or.reduce(found)
    if weights is not None:
        bad = np.logical_and(bad, weights != 0)
    return bad if bad.any() else None


def apply_missing(policy: str, data: Data, weights: np.ndarray | None, axes: int, scanner: Scanner) -> Kept:
    """Missing values by policy: data, weights, the rows that still miss values, and the rows that were dropped.

    The last two are bool over the leading axes, or None. Infinite is not missing.
    """
    if policy not in ("error", "drop", "status", "keep"):
        raise ValueError(f"missing={policy!r}; expected 'error', 'drop', 'status' or 'keep'")
    bad = None if policy == "keep" else missing_rows(data, weights, axes, scanner)
    if bad is None:
        return data, weights, None, None
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
        return data, np.where(bad, 0.0, weights), None, bad
    return data, weights, bad, None
