"""Results as columns: text that a person can read, and data frames."""

from collections.abc import Iterable
from typing import Any, SupportsFloat

import numpy as np

from jaxmle._util.optional import optional

SHOWN = 20
"Rows of a table that are printed."


def aligned(rows: list[tuple[str, ...]]) -> list[str]:
    """Align rows of cells as lines of one width: the first column to the left, the others to the right.

    Example:
        >>> aligned([("", "n"), ("ab", "10")])
        ['     n', 'ab  10']
    """
    width = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return [
        "  ".join(c.ljust(w) if k == 0 else c.rjust(w) for k, (c, w) in enumerate(zip(row, width, strict=True)))
        for row in rows
    ]


def cell(x: object) -> str:
    """Format a value in about ten characters; nothing for NaN.

    Example:
        >>> cell(0.5), cell(12), cell(float("nan")), cell("a"), cell(1e-9)
        ('0.5000', '12', '', 'a', '1.0000e-09')
    """
    if isinstance(x, (str, np.str_)) or not isinstance(x, (float, np.floating)):
        return str(x)
    if not np.isfinite(x):
        return "" if np.isnan(x) else f"{x:g}"
    return f"{x:.4f}" if 1e-3 <= abs(x) < 1e6 or x == 0 else f"{x:.4e}"


def number(x: SupportsFloat, digits: int = 4) -> str:
    """Format a number in about ten characters; nothing for NaN."""
    x = float(x)
    if np.isnan(x):
        return ""
    if np.isinf(x):
        return "inf" if x > 0 else "-inf"
    return f"{x:.{digits}f}" if 1e-3 <= abs(x) < 1e6 or x == 0 else f"{x:.{digits}e}"


def table(title: str, columns: dict[str, np.ndarray], notes: Iterable[str] = (), plain: Iterable[str] = ()) -> str:
    """Format a table: a title, the first rows of the columns, and sentences below.

    Args:
        title: the first line.
        columns: by name, all of one length.
        notes: sentences.
        plain: columns that the user gave, shown as they are.
    """
    names = list(columns)
    length = len(columns[names[0]])
    rows = [tuple(names)]
    for i in range(min(length, SHOWN)):
        rows.append(tuple(f"{x[i]:g}" if name in plain else cell(x[i]) for name, x in columns.items()))
    more = [f"... and {length - SHOWN:,} more rows; to_pandas() and to_polars() have all"] if length > SHOWN else []
    return "\n".join([title, *(f"{line}".rstrip() for line in aligned(rows)), *more, *notes])


def to_pandas(result: Any) -> Any:
    """Return a pandas data frame; needs pandas."""
    return optional("pandas", "frames").DataFrame(result.columns())


def to_polars(result: Any) -> Any:
    """Return a polars data frame; needs polars."""
    return optional("polars", "frames").DataFrame(result.columns())
