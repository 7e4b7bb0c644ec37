"""Tables in and out: CSV, Parquet and JSON, by polars (`pip install '.[cli]'`)."""

from jaxmle.io.tables import (
    MISSING,
    READABLE,
    DataFrame,
    binary,
    check_ending,
    column,
    example,
    group_codes,
    numeric,
    numeric_columns,
    read_table,
    write_table,
)

__all__ = [
    "MISSING",
    "READABLE",
    "DataFrame",
    "binary",
    "check_ending",
    "column",
    "example",
    "group_codes",
    "numeric",
    "numeric_columns",
    "read_table",
    "write_table",
]
