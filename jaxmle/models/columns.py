"""Columns of tables for distributions: the one that is meant, lifetimes with events, and a sentence where none is."""

import functools
from collections import Counter
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from jaxmle._util.arrays import ArrayLike, Data
from jaxmle._util.reads import arguments_read
from jaxmle._util.records import join, split
from jaxmle.distributions import Distribution, by_name
from jaxmle.model.model import Model
from jaxmle.model.response import Response
from jaxmle.models.independent import response_of

_EVENT = ("time", "event")
_INTERVAL = ("lower", "upper")


def columns_for(model: Model | Distribution | str, data: Data, axes: int = 1) -> Data:
    """Select from a table the columns that a distribution reads; other data, and a model of one's own, are left alone.

    | columns | read as |
    |---|---|
    | those that the distribution names (binomial: `successes`, `trials`) | these |
    | `lower` and `upper` | intervals |
    | `time` and `event` (1 = failed, 0 = still running) | intervals, open above without an event |
    | one column of any name | the outcome |
    | the columns of a data frame, for vectors (multivariate normal) | an element each |

    A model of one's own that reads an array gets the one column of a table; columns that it does not read are left out where
    they hold text or missing values.

    Args:
        model: as in `fit`.
        data: anything.
        axes: before those of an observation: 1 for rows, 2 for data sets of rows.

    Raises:
        ValueError: for a table of which no columns are meant, saying which there are.

    Example:
        >>> columns_for("weibull", {"time": [1.0, 2.0], "event": [1, 0]})["upper"].tolist()
        [1.0, inf]
        >>> columns_for("weibull", {"hours": [1.0, 2.0]})
        [1.0, 2.0]
    """
    table, data = data, as_columns(data)
    if isinstance(model, Model):
        return (
            _for_model(model.response, table, data)
            if model.response is not None
            else _for_own(model, table, data, axes)
        )
    distribution = by_name(model) if isinstance(model, str) else model
    if not isinstance(distribution, Distribution):
        return table
    response = response_of(distribution)
    if not isinstance(data, Mapping):
        if response.outcome and response.univariate and not isinstance(data, tuple):
            names, shown = " and ".join(response.columns), ", ".join(f"{x!r}: ..." for x in response.columns)
            raise ValueError(
                f"{response.name} is a distribution of {names}, got one {type(data).__name__}; give a dict or a data frame "
                f"with these columns, {{{shown}}}"
            )
        return data
    for names in (response.columns, () if response.outcome or response.event else _INTERVAL):
        if names and all(name in data for name in names):
            return {name: data[name] for name in names}
    if response.event == 1 and not response.outcome and data is not table:
        return np.column_stack([np.asarray(x) for x in data.values()])
    if response.univariate and not response.outcome and all(name in data for name in _EVENT):
        return dict(zip(_INTERVAL, _lifetimes(data["time"], data["event"]), strict=True))
    if len(data) == 1 and not response.outcome:
        return next(iter(data.values()))
    there, first = ", ".join(map(str, data)) or "none", next(iter(data), "x")
    wanted = " and ".join(response.columns) if response.outcome else "one column"
    hint = (
        f"give a table with the columns {wanted}"
        if response.outcome
        else f"give that column, such as data[{first!r}], or for lifetimes the columns lower and upper, or time and event"
    )
    raise ValueError(f"{response.name} is a distribution of {wanted}; the columns are: {there}; {hint}")


def _for_model(response: Response | None, table: Data, data: Data) -> Data:
    """Select columns for a model: its own functions read the others by name."""
    if response is not None and isinstance(data, Mapping) and not response.outcome and response.univariate:
        if response.intervals and "lower" not in data and all(name in data for name in _EVENT):
            return dict(zip(_INTERVAL, _lifetimes(data["time"], data["event"]), strict=True))
        if len(data) == 1 and not response.intervals:
            return next(iter(data.values()))
    return data if hasattr(table, "column_names") else table


def _for_own(model: Model, table: Data, data: Data, axes: int) -> Data:
    """Select columns for a model of one's own: of an array the only one, else all but unread ones that are no numbers."""
    other = data if hasattr(table, "column_names") else table
    if not isinstance(data, Mapping) or not data or any(not isinstance(name, str) for name in data):
        return other
    columns = tuple((name, described) for name, x in data.items() if (described := _described(x, axes)) is not None)
    if len(columns) < len(data):
        return other
    numbers = tuple((np.shape(x), str(np.asarray(x).dtype)) for x in split(model)[1])
    read = _columns_read(split(model)[0], numbers, columns)
    if read is _AN_ARRAY:
        if len(data) == 1:
            return next(iter(data.values()))
        first = next(iter(data))
        raise ValueError(
            f"{model.label} reads an array, and the data have the columns {', '.join(data)}; give that column, such as "
            f"data[{first!r}], or read columns by name in the function"
        )
    gone = [] if read is None else [name for name, x in data.items() if name not in read and not _is_numbers(x)]
    return {name: x for name, x in data.items() if name not in gone} if gone else other


_AN_ARRAY = frozenset({0})
"Stands for what a model reads that takes no columns but an array."

_ROWS = 3
"Of the data for which a log-likelihood is traced."


def _described(x: object, axes: int) -> tuple[tuple[int, ...], str] | None:
    """Describe a column by the shape of one observation and its dtype; None for what is none, such as a `constant`."""
    if isinstance(x, list):
        x = np.asarray(x[:1] if x and np.ndim(x[0]) == 0 else x)
    shape, kind = getattr(x, "shape", None), getattr(getattr(x, "dtype", None), "kind", "f")
    if not isinstance(shape, tuple) or len(shape) < axes:
        return None
    return shape[axes:], {"i": "int64", "u": "int64", "b": "bool"}.get(kind, "float64")


@functools.lru_cache(maxsize=256)
def _columns_read(skeleton: Any, numbers: Any, described: Any) -> frozenset[Any] | None:
    """Trace log-likelihood and start to see which columns they read; `_AN_ARRAY`, or None where neither can be traced."""
    own = [jax.ShapeDtypeStruct(shape, dtype) for shape, dtype in numbers]
    columns = {name: jax.ShapeDtypeStruct((_ROWS, *shape), dtype) for name, (shape, dtype) in described}

    def evaluate(data: Data, own: Data) -> Data:
        model = join(skeleton, own)
        params = model.forward(model.origin("float64"))
        start = () if model.start is None else model.start(data, jax.numpy.ones(_ROWS))
        return model.log_likelihood(params, data), start

    try:
        read = arguments_read(evaluate, columns, own)
        return frozenset(name for name, is_read in zip(sorted(columns), read, strict=False) if is_read)
    except Exception:  # of the user's function, which is told when it is fitted
        pass
    try:
        jax.eval_shape(evaluate, columns[described[0][0]], own)
        return _AN_ARRAY
    except Exception:
        return None


def _is_numbers(x: object) -> bool:
    """Tell whether a column holds numbers, none of them missing."""
    array = np.asarray(x)
    return array.dtype.kind in "iub" or (array.dtype.kind == "f" and not np.isnan(array).any())


def as_columns(data: Data) -> Data:
    """Turn a data frame (pandas, polars, pyarrow) into a dict of its columns; other data are left alone.

    Raises:
        TypeError: for a frame that is not read yet.
        ValueError: for two columns of one name.
    """
    if hasattr(data, "collect") and hasattr(data, "collect_schema"):
        raise TypeError(f"data are a {type(data).__name__}, which holds no rows yet; give data.collect()")
    if hasattr(data, "column_names") and hasattr(data, "column"):  # pyarrow
        names, column = list(data.column_names), data.column
        values = [_unmasked(column(i)) for i in range(len(names))]
    elif not isinstance(data, Mapping) and hasattr(data, "columns") and hasattr(data, "__getitem__"):
        names = [str(name) for name in data.columns]
        values = [data.iloc[:, i] for i in range(len(names))] if hasattr(data, "iloc") else [data[x] for x in names]
    else:
        return data
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"the data have {len(names)} columns, and several are called {twice[0]!r}; rename them")
    return dict(zip(names, values, strict=True))


def _unmasked(column: Any) -> np.ndarray:
    """Read a column of pyarrow's; what is null becomes NaN."""
    return np.asarray(column.to_numpy())


def _lifetimes(time: ArrayLike, event: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Make intervals of lifetimes: closed where there was an event, open above where there was none."""
    time, event = np.asarray(time), np.asarray(event)
    if event.shape != time.shape:
        raise ValueError(f"time and event differ in shape: {list(time.shape)} and {list(event.shape)}")
    bad = ~np.isin(event, [0, 1])
    if event.dtype.kind not in "iufb" or bad.any():
        raise ValueError(
            f"event is 1 where the time is a failure and 0 where it is censored, got {event[bad].reshape(-1)[:1]}"
        )
    time = time.astype(float) if time.dtype.kind in "iub" else time
    return time, np.where(event == 1, time, np.inf)
