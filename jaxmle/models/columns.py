"""Columns of tables for distributions: the one that is meant, lifetimes with events, and a sentence where none is."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxmle.distributions import Distribution, by_name
from jaxmle.model.model import Model
from jaxmle.model.response import Response
from jaxmle.models.independent import response_of

_EVENT = ("time", "event")
_INTERVAL = ("lower", "upper")


def columns_for(model: Model | Distribution | str, data: Any) -> Any:
    """Select from a table the columns that a distribution reads; other data, and a model of one's own, are left alone.

    | columns | read as |
    |---|---|
    | those that the distribution names (binomial: `successes`, `trials`) | these |
    | `lower` and `upper` | intervals |
    | `time` and `event` (1 = failed, 0 = still running) | intervals, open above without an event |
    | one column of any name | the outcome |
    | the columns of a data frame, for vectors (multivariate normal) | an element each |

    Args:
        model: as in `fit`.
        data: anything.

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
        return _for_model(model.response, table, data)
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


def _for_model(response: Response | None, table: Any, data: Any) -> Any:
    """Select columns for a model: its own functions read the others by name."""
    if response is not None and isinstance(data, Mapping) and not response.outcome and response.univariate:
        if response.intervals and "lower" not in data and all(name in data for name in _EVENT):
            return dict(zip(_INTERVAL, _lifetimes(data["time"], data["event"]), strict=True))
        if len(data) == 1 and not response.intervals:
            return next(iter(data.values()))
    return data if hasattr(table, "column_names") else table


def as_columns(data: Any) -> Any:
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


def _lifetimes(time: Any, event: Any) -> tuple[np.ndarray, np.ndarray]:
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
