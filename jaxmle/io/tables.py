"""Tables in and out: CSV, Parquet and JSON by polars (`pip install '.[cli]'`).

Every error names the column, the row and the text that caused it. Nothing is guessed: text is a number or it is an
error, an event is 0 or 1 or it is an error. Nothing is half-written: a table appears whole or not at all.
"""

import csv
import difflib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxmle._util.arrays import Bool, Float, Int
from jaxmle._util.atomic_write import whole
from jaxmle._util.group_keys import check_blanks
from jaxmle._util.optional import optional

if TYPE_CHECKING:
    from polars import DataFrame, Series
else:  # polars is optional
    DataFrame = Series = Any

READABLE = (".csv", ".parquet", ".json", ".ndjson")
MISSING = ("", "NA", "N/A", "na", "n/a", "null", "NULL", "nan", "NaN", "NAN")
TRUE, FALSE = ("1", "1.0", "true"), ("0", "0.0", "false")


def example(name: str = "") -> Path:
    """Return the path of a data set that ships with jaxmle; without a name, of the folder that holds them.

    Example:
        >>> from jaxmle.io import example
        >>> example("remission.csv").name
        'remission.csv'
    """
    here = Path(__file__).resolve().parents[1]
    folder = here / "data" if (here / "data").is_dir() else here.parent / "examples"
    path = folder / name
    if not path.exists():
        raise ValueError(
            f"no example {name!r}{_suggest(name, [p.name for p in sorted(folder.glob('*.*'))], what='files')}"
        )
    return path


def read_table(path: str | os.PathLike[str]) -> DataFrame:
    """Read a table with at least one row.

    CSV columns come as text, so that 007 stays 007 and `numeric` can show the offending text; an empty cell, NA and
    NaN are missing.

    Args:
        path: a file ending in .csv, .parquet, .json (a list of records) or .ndjson (a record a line).

    Returns:
        A polars DataFrame.

    Raises:
        ValueError: the ending is unknown, or the file is empty, has no rows or cannot be read as what it claims to be.
        OSError: there is no such file, or it may not be read.

    Example:
        >>> from jaxmle.io import example, read_table
        >>> read_table(example("remission.csv")).columns
        ['treatment', 'weeks', 'event']
    """
    path = Path(path)
    ending = check_ending(path)
    if not path.is_file():
        others = [p.name for p in path.parent.glob("*") if p.suffix.lower() in READABLE] if path.parent.is_dir() else []
        raise FileNotFoundError(f"no file {path}{_suggest(path.name, others, listing=False)}")
    if not path.read_bytes()[:1]:
        raise ValueError(f"{path} is empty")
    polars = optional("polars", "cli")
    try:
        if ending == ".csv":
            frame = polars.read_csv(path, infer_schema=False, null_values=list(MISSING))
        elif ending == ".parquet":
            frame = polars.read_parquet(path)
        elif ending == ".json":
            frame = polars.read_json(path, infer_schema_length=None)
        else:
            frame = polars.read_ndjson(path, infer_schema_length=None)
    except polars.exceptions.NoDataError:
        raise ValueError(f"{path} is empty") from None
    except polars.exceptions.PolarsError as error:
        raise ValueError(f"{path} cannot be read as {ending[1:]}: {_why(path, ending, error)}") from None
    if frame.height == 0:
        raise ValueError(f"{path} has no rows; its columns are: {', '.join(frame.columns) or 'none'}")
    twice = [c for c in frame.columns if c.endswith("_duplicated_0")]
    if twice:
        raise ValueError(f"{path} has two columns named {twice[0].removesuffix('_duplicated_0')}; rename one")
    return frame


def write_table(path: str | os.PathLike[str], frame: DataFrame) -> None:
    """Write a table whole or not at all, as the ending of `path` says.

    JSON has no NaN and no infinity: both become null there. CSV and Parquet keep them.

    Args:
        path: ends in .csv, .parquet, .json or .ndjson; a file of that name is replaced.
        frame: a polars DataFrame.
    """
    path = Path(path)
    ending = check_ending(path)
    with whole(path) as name:
        if ending == ".csv":
            frame.write_csv(name)
        elif ending == ".parquet":
            frame.write_parquet(name)
        elif ending == ".json":
            frame.write_json(name)
        else:
            frame.write_ndjson(name)


def check_ending(path: str | os.PathLike[str]) -> str:
    """Return the lower-case ending of a table's file name, or raise if no format has it."""
    ending = Path(path).suffix.lower()
    if ending not in READABLE:
        raise ValueError(f"{path}: unknown kind of file; the name must end in {', '.join(READABLE)}")
    return ending


def column(frame: DataFrame, name: str) -> Series:
    """Return one column, or raise with the names of all columns.

    Example:
        >>> from jaxmle.io import column, example, read_table
        >>> column(read_table(example("remission.csv")), "week")
        Traceback (most recent call last):
        ValueError: no column 'week'; did you mean 'weeks'? The columns are: treatment, weeks, event
    """
    if name not in frame.columns:
        raise ValueError(f"no column {name!r}{_suggest(name, frame.columns)}")
    return frame[name]


def numeric(frame: DataFrame, name: str) -> Float[np.ndarray, " n"]:
    """Read a column as numbers; missing cells are NaN.

    Raises:
        ValueError: the column is not there, or holds text; the row (from 1, the header not counted) is named.

    Example:
        >>> from jaxmle.io import example, numeric, read_table
        >>> float(numeric(read_table(example("remission.csv")), "weeks").sum())
        541.0
    """
    values = column(frame, name)
    polars = optional("polars", "cli")
    if values.dtype == polars.String:
        text = values.str.strip_chars().replace(dict.fromkeys(MISSING))
        found = text.cast(polars.Float64, strict=False)
        bad = (found.is_null() & text.is_not_null()).arg_true()
        if len(bad):
            row = int(bad[0])
            more = f" (and {len(bad) - 1} more such rows)" if len(bad) > 1 else ""
            raise ValueError(f"column {name!r}, row {row + 1}: {values[row]!r} is not a number{more}")
        values = found
    elif not (values.dtype.is_numeric() or values.dtype in (polars.Boolean, polars.Null)):
        raise ValueError(f"column {name!r} holds {values.dtype}, not numbers")
    return values.cast(polars.Float64).fill_null(float("nan")).to_numpy().copy()


def binary(frame: DataFrame, name: str) -> Bool[np.ndarray, " n"]:
    """Read a column of 0/1 or true/false; anything else is an error that names the row.

    Example:
        >>> from jaxmle.io import binary, example, read_table
        >>> int(binary(read_table(example("remission.csv")), "event").sum())
        30
    """
    values = column(frame, name).to_list()
    text = ["" if v is None else str(v).strip().lower() for v in values]
    for row, word in enumerate(text):
        if word not in TRUE + FALSE:
            shown = "nothing" if values[row] is None else repr(values[row])
            raise ValueError(f"column {name!r}, row {row + 1}: {shown} found; expected 0 or 1 (or true or false)")
    return np.array([word in TRUE for word in text])


def numeric_columns(frame: DataFrame) -> list[str]:
    """Return the names of the columns that hold numbers; a column with text among its numbers is an error."""
    names = []
    for name in frame.columns:
        try:
            numeric(frame, name)
        except ValueError as error:
            if _some_number(frame[name].to_list()):
                raise ValueError(f"{error}; correct it, or list the columns to use with --value") from None
        else:
            names.append(name)
    return names


def group_codes(frame: DataFrame, names: list[str]) -> tuple[Int[np.ndarray, " n"], DataFrame]:
    """Number the groups that the columns `names` form 0, 1, ... as they first appear.

    Returns:
        `(codes, keys)`: the number of each row's group, and a table with one row per group and the columns `names`. Text that is
        whole numbers throughout becomes integers, unless that would change it (007).
    """
    polars = optional("polars", "cli")
    keys = {}
    for name in names:
        values = column(frame, name)
        if values.null_count():
            raise ValueError(f"column {name!r}, row {int(values.is_null().arg_true()[0]) + 1}: the group is missing")
        if values.dtype == polars.String:
            check_blanks(values.unique(maintain_order=True).to_list(), f"column {name!r}")
            integers = values.cast(polars.Int64, strict=False)
            if integers.null_count() == 0 and (integers.cast(polars.String) == values).all():
                values = integers
        keys[name] = values
    table = polars.DataFrame(keys)
    unique = table.unique(maintain_order=True).with_row_index("__code")
    codes = table.join(unique, on=names, how="left", maintain_order="left")["__code"].to_numpy()
    return codes.astype(np.int64), unique.drop("__code")


def _some_number(values: Iterable[Any]) -> bool:
    """Return whether any value is a number or reads as one."""
    for value in values:
        try:
            float(value)
        except (TypeError, ValueError):
            continue
        return True
    return False


def _suggest(name: str, names: list[str], listing: bool = True, what: str = "columns") -> str:
    """Write a hint for a wrong name: the closest of the names that exist, and all of them where `listing`."""
    folded = {n.lower(): n for n in names}
    close = difflib.get_close_matches(name.lower(), list(folded), n=1)
    hint = f"; did you mean {folded[close[0]]!r}?" if close else (";" if listing else "")
    if not listing:
        return hint
    header = " (is the header missing?)" if names and all(_is_number(n) for n in names) else ""
    return f"{hint} {'The' if close else 'the'} {what} are: {', '.join(names) or 'none'}{header}"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _why(path: Path, ending: str, error: Exception) -> str:
    """Shorten the error of a reader to one line; for a ragged CSV file, say which line it is."""
    first = str(error).strip().splitlines()[0]
    if ending == ".csv" and "more fields" in first:
        with path.open(newline="", encoding="utf-8", errors="replace") as file:
            lines = csv.reader(file)
            width = len(next(lines))
            for fields in lines:
                if len(fields) > width:
                    return f"line {lines.line_num} has {len(fields)} fields, the header has {width}"
    return first
