"""Keys of groups: read at the door, looked up afterwards."""

import datetime
import difflib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

Keys = Any
"One key for each row, array-like, or several columns of them: a dict or a data frame of any library."


class Groups(NamedTuple):
    """Rows in groups, which are numbered as they first appear.

    Attributes:
        name: what the keys are called; with several key columns their names stand in the dtype of `keys`.
        keys: one for each group, [B]; with several columns a structured array.
        inverse: the group of each row, int[n].
        counts: rows of each group, int[B].
    """

    name: str
    keys: np.ndarray
    inverse: np.ndarray
    counts: np.ndarray


def read(groups: Keys, n: int) -> Groups:
    """Groups from one key for each row, or from several columns of keys (a dict or a data frame).

    Args:
        groups: array-like [n], or columns of them.
        n: rows of the data.

    Raises:
        TypeError, ValueError: for missing keys, keys of mixed types, keys that differ only in blanks, a wrong length.

    Example:
        >>> read(["b", "a", "b"], 3).keys.tolist()
        ['b', 'a']
        >>> read({"site": ["u", "u", "v"], "year": [1, 1, 1]}, 3).keys.tolist()
        [('u', 1), ('v', 1)]
    """
    if isinstance(groups, Mapping) or (hasattr(groups, "columns") and hasattr(groups, "__getitem__")):
        names = [str(name) for name in (groups if isinstance(groups, Mapping) else groups.columns)]
        columns = [_column(groups[name], n, f"groups[{name!r}]") for name in names]
        if len(names) > 1:
            return _several(names, columns)
        if not names:
            raise ValueError("groups= holds no column; expected one key for each row, or a few columns of keys")
        return Groups(names[0], *_distinct(columns[0]))
    name = getattr(groups, "name", None)
    return Groups("key" if name is None else str(name), *_distinct(_column(groups, n, "groups")))


def _column(keys: Keys, n: int, what: str) -> np.ndarray:
    """Read one column of keys as an array of whole numbers, numbers, text or dates, every one of them present."""
    array = np.asarray(keys)
    if array.shape != (n,):
        raise ValueError(f"{what} must hold one key per row, shape [{n}], got {list(array.shape)}")
    missing = np.array([_is_missing(x) for x in array], bool) if array.dtype == object else array != array
    if missing.any():
        row = int(np.argmax(missing))
        raise ValueError(
            f"{what}: the key of row {row} is missing; leave such rows out, or give them a group of their own"
        )
    if array.dtype == object:
        kinds = sorted({type(x).__name__ for x in array})
        if kinds in (["date"], ["datetime"], ["Timestamp"]):
            return _dates(array, kinds[0], what)
        if len(kinds) > 1 or kinds[0] not in ("str", "int", "float", "bool"):
            raise TypeError(
                f"{what} holds {' and '.join(kinds)}; expected keys of one kind, text or whole numbers: "
                "make them text first, such as [str(key) for key in keys]"
            )
        try:
            array = array.astype(str if kinds[0] == "str" else kinds[0])
        except OverflowError:
            raise TypeError(
                f"{what} holds whole numbers beyond 64 bits; make them text first, such as [str(key) for key in keys]"
            ) from None
    if array.dtype.kind == "U":
        array = array.astype(str)
        check_blanks(np.unique(array).tolist(), what)
    return array


def _is_missing(x: object) -> bool:
    """Tell None, NaN, NaT and NA of pandas, without asking NA for a truth value."""
    return x is None or type(x).__name__ in ("NAType", "NaTType") or bool(x != x)


def _dates(array: np.ndarray, kind: str, what: str) -> np.ndarray:
    """Turn objects of dates into dates of NumPy; those with a time zone into UTC."""
    if kind == "date":
        return array.astype("datetime64[D]")
    if any(x.tzinfo is not None for x in array):
        if any(x.tzinfo is None for x in array):
            raise TypeError(f"{what} holds dates with and without a time zone; give all of them one")
        array = np.array([x.astimezone(datetime.UTC).replace(tzinfo=None) for x in array], object)
    return array.astype("datetime64[us]")


def check_blanks(keys: list[str], what: str) -> None:
    """Raises where a key is blank, or where two differ only in the blanks around them."""
    seen: dict[str, str] = {}
    for key in keys:
        bare = key.strip()
        if not bare:
            raise ValueError(f"{what}: a key is blank ({key!r}); give such rows a name, or leave them out")
        if bare in seen:
            raise ValueError(
                f"{what}: {seen[bare]!r} and {key!r} differ only in blanks and would be two groups; strip them first, "
                "such as column.str.strip()"
            )
        seen[bare] = key


def _distinct(column: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct keys in order of first appearance: keys, inverse, counts."""
    keys, first, inverse, counts = np.unique(column, return_index=True, return_inverse=True, return_counts=True)
    rank = np.argsort(first, kind="stable")
    place = np.empty(len(keys), np.int64)
    place[rank] = np.arange(len(keys))
    return keys[rank], place[inverse.reshape(-1)], counts[rank]


def _several(names: list[str], columns: list[np.ndarray]) -> Groups:
    code = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        values, inverse = np.unique(column, return_inverse=True)
        code = np.unique(code * len(values) + inverse.reshape(-1), return_inverse=True)[1].reshape(-1)
    _, inverse, counts = _distinct(code)
    first = np.full(len(counts), len(code))
    np.minimum.at(first, inverse, np.arange(len(code)))
    keys = np.empty(len(counts), [(name, c.dtype) for name, c in zip(names, columns, strict=True)])
    for name, column in zip(names, columns, strict=True):
        keys[name] = column[first]
    return Groups(", ".join(names), keys, inverse, counts)


def columns(keys: np.ndarray | None, name: str) -> dict[str, np.ndarray]:
    """Return the key columns by name; none where there are no keys."""
    if keys is None:
        return {}
    return {part: keys[part] for part in keys.dtype.names} if keys.dtype.names else {name: keys}


def beside(keys: dict[str, np.ndarray], table: Iterable[str]) -> dict[str, np.ndarray]:
    """Key columns under names that the table does not use."""
    return {f"group_{name}" if name in table else name: x for name, x in keys.items()}


def label(key: object) -> str:
    """Format a key as text: `7912`, or `u, 1` for several columns."""
    parts: Any = key
    return ", ".join(map(str, parts)) if isinstance(key, (tuple, np.void)) else str(key)


def _same(keys: np.ndarray, wanted: Any) -> np.ndarray:
    """Find the keys equal to one given as text, or as a date where keys are dates (`"2020-01"` is all of January)."""
    if keys.dtype.names:
        return np.array([label(key) for key in keys]) == wanted
    if keys.dtype.kind == "M":
        if getattr(wanted, "tzinfo", None) is not None:
            wanted = wanted.astimezone(datetime.UTC).replace(tzinfo=None)
        try:
            date = np.datetime64(wanted.isoformat() if hasattr(wanted, "isoformat") else wanted)
        except ValueError:
            return np.zeros(len(keys), bool)
        return keys.astype(date.dtype) == date
    return keys.astype(str) == wanted


def find(keys: np.ndarray | None, wanted: object) -> int:
    """Find the position of a key, given as text, or as a tuple for several columns.

    Raises:
        KeyError: with the closest key there is.
    """
    if keys is None:
        raise KeyError(f"no data set has the key {wanted!r}: this batch has no keys; index it by position")
    if isinstance(wanted, tuple):
        parts = keys.dtype.names or ()
        if len(wanted) != len(parts):
            raise KeyError(f"the key {wanted!r} has {len(wanted)} parts; the keys are {', '.join(parts) or 'single'}")
        same = np.ones(len(keys), bool)
        for part, value in zip(parts, wanted, strict=True):
            same &= keys[part].astype(str) == str(value)
    else:
        same = _same(keys, wanted)
    found = np.flatnonzero(same)
    if len(found) > 1:
        raise KeyError(f"{label(wanted)!r} is the key of several data sets: {', '.join(map(label, keys[found[:3]]))}")
    if len(found):
        return int(found[0])
    text = label(wanted)
    near = difflib.get_close_matches(text.strip(), [label(key) for key in keys[:10_000]], n=1)
    hint = f"; did you mean {near[0]!r}?" if near else f"; the first is {label(keys[0])!r}" if len(keys) else ""
    raise KeyError(f"no data set has the key {wanted!r}{hint}")
