"""What comes through the door: anything array-like to NumPy leaves, and what is done about missing values."""

from collections.abc import Mapping
from typing import Any, TypeGuard

import jax
import numpy as np
from jax.core import Tracer

from jaxmle._util.checksum import Scanner
from jaxmle.model.model import constant
from jaxmle.model.observations import is_constant


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
    if on_accelerator(data) and data.dtype.kind in "iubf":
        return data.astype(dtype) if data.dtype.kind == "f" else data
    try:
        array = _plain(data)
    except ValueError as error:
        raise TypeError(
            f"{what} cannot be read as one array ({error}); for ragged data use fit_many with groups="
        ) from None
    if array.dtype.kind in "iub":
        return array
    if array.dtype.kind == "f":
        return array.astype(dtype, copy=False)
    raise TypeError(_no_numbers(array, what))


def on_accelerator(x: Any) -> TypeGuard[jax.Array]:
    """Whether this is an array of JAX on one device that is no CPU: it stays there where it may."""
    if not isinstance(x, jax.Array) or isinstance(x, Tracer):
        return False
    devices = x.devices()
    return len(devices) == 1 and next(iter(devices)).platform != "cpu"


def on_host(data: Any) -> Any:
    """All leaves as NumPy arrays."""
    return jax.tree.map(np.asarray, data)


def _plain(data: Any) -> np.ndarray:
    """One NumPy array; what is masked, or missing in a nullable column, is NaN."""
    if isinstance(data, np.ma.MaskedArray):
        return np.ma.filled(data.astype(float), np.nan) if np.ma.is_masked(data) else np.asarray(data)
    if hasattr(data, "to_numpy") and hasattr(getattr(data, "dtype", None), "na_value") and data.dtype.kind in "iufb":
        return data.to_numpy(dtype=float, na_value=np.nan) if data.hasnans else data.to_numpy()
    return np.asarray(data)


def _no_numbers(array: np.ndarray, what: str) -> str:
    """What an array of text, dates or objects holds, where the trouble begins, and what to do."""
    flat = array.reshape(-1)
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
    else:
        row, value = 0, flat[0] if array.size else None
    shown = f"row {row} is {str(value)!r}" if array.size else "and is empty"
    return (
        f"{what} holds {kind}: {shown}; expected numbers. Convert it, with pandas for example by "
        f"frame[{column}] = pandas.to_numeric(frame[{column}], errors='coerce'), or leave the column out if the model "
        "does not use it"
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


def missing_rows(data: Any, weights: np.ndarray | None, axes: int, scanner: Scanner) -> np.ndarray | None:
    """Which rows hold a NaN in a leaf and are not of weight 0, bool over the leading axes; None where there is none."""
    bad: Any = None
    for _, x in row_items(data):
        if x.dtype.kind == "f" and scanner.nan(x):
            nan = np.isnan(x).reshape(*x.shape[:axes], -1).any(-1)
            bad = nan if bad is None else bad | nan
    if bad is not None and weights is not None:
        bad = bad & (weights != 0)
    return bad if bad is not None and bad.any() else None


def apply_missing(policy: str, data: Any, weights: Any, axes: int, scanner: Scanner) -> tuple[Any, Any, Any, Any]:
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
