"""Reports of the command line beyond estimates: criteria, the pooled test, quantiles and survival."""

import numpy as np
import polars
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from jaxmle import Fit, likelihood_ratio
from jaxmle.cli import tables
from jaxmle.comparison.criteria import compare as criteria
from jaxmle.comparison.criteria import two_groups
from jaxmle.inference.predict import Prediction


def numbers(option: str, text: str) -> list[float]:
    """Read numbers separated by commas.

    Example:
        >>> numbers("--quantile", "0.1, 0.5")
        [0.1, 0.5]
    """
    try:
        found = [float(part) for part in text.split(",")] if text else []
    except ValueError:
        raise ValueError(f"{option} {text}: expected numbers separated by commas, such as 0.1 or 0.1,0.5") from None
    if option == "--quantile" and (bad := [q for q in found if not 0 < q < 1]):
        hint = f"; did you mean {bad[0] / 100:g}?" if 1 < bad[0] < 100 else ""
        raise ValueError(f"--quantile {bad[0]:g}: expected a share between 0 and 1{hint}")
    return found


def show_criteria(console: Console, results: dict[str, Fit], keys: polars.DataFrame | None, criterion: str) -> None:
    """Print the criteria of every model for each group, and the messages of fits that are no certified maximum."""
    found = criteria(results, criterion)
    _print(console, found.columns(), keys, 1 if keys is None else len(found.difference))
    for name, result in results.items():
        codes = tables.statuses(result)
        for i in [i for i in range(len(codes)) if not result.solution.certified[i]][: tables.SHOWN]:
            group = "" if keys is None else f" {_label(keys, i)}"
            console.print(f"{name}{group}: {result.message(i)}", markup=False)


def show_pooled(
    console: Console, null: Fit, result: Fit, keys: polars.DataFrame | None, level: float, name: str,
    reference: str = "",
) -> None:  # fmt: skip
    """Print the test that all groups share their parameters; for two groups their difference and ratio too."""
    test = likelihood_ratio(null, result)
    p = "" if np.isnan(test.p_value) else f", p = {test.p_value:.4g}"
    value = "" if np.isnan(test.statistic) else f" {test.statistic:.3f} on {test.df} degrees of freedom{p}"
    reason = "" if p and test.status == 0 else f"; {test.status.sentence}"
    console.print(
        f"{name}: all {len(result)} groups share their parameters? Likelihood ratio{value}{reason}", markup=False
    )
    response = result.model.response
    if len(result) == 2 and keys is not None and response is not None and response.has_mean:
        labels = group_labels(keys)
        at = labels.index(reference) if reference else 0
        first, second = labels[at], labels[1 - at]
        found = two_groups(result, level, reference=at)
        console.print(f"Mean of {second} against {first}, {100 * level:g} % intervals:", markup=False)
        _print(console, found.columns(), None, 1)


def group_labels(keys: polars.DataFrame) -> list[str]:
    """Write the key of each group as text, several columns with commas."""
    return [", ".join(str(x) for x in row) for row in keys.rows()]


def predictions(
    result: Fit, quantiles: list[float], times: list[float], level: float, known: dict[str, float]
) -> dict[str, Prediction]:
    """Predict quantiles and survival of every fit, by the name of the option; `known` are the known columns (trials)."""
    found = {"quantile": result.quantile(quantiles, level, **known)} if quantiles else {}
    if times:
        found["survival"] = result.sf({"successes": times, **known} if known else times, level)
    return found


def show_predictions(
    console: Console, found: dict[str, Prediction], keys: polars.DataFrame | None, level: float, name: str
) -> None:
    """Print quantiles and survival with their intervals."""
    for what, prediction in found.items():
        sentence = "P(X > at)" if what == "survival" else "the value that a share q stays below"
        console.print(f"{name}: {what}, {sentence}, {100 * level:g} % intervals", markup=False)
        columns = {("survival" if c == "sf" else c): x for c, x in prediction.columns().items() if c != "status"}
        _print(console, columns, keys, 1 if keys is None else len(prediction.value))
        for reason in prediction.reasons:
            console.print(reason, markup=False)


def prediction_columns(found: dict[str, Prediction]) -> dict[str, np.ndarray]:
    """Make a column for each number and point, for the table of results: `quantile_0.1`, `quantile_0.1_lower`, ..."""
    columns = {}
    for what, prediction in found.items():
        at = prediction.at
        points = at[next(name for name in ("q", "successes", *at) if name in at)] if isinstance(at, dict) else at
        points = np.reshape(points, (-1, np.shape(prediction.value)[-1]))[0]
        for j, point in enumerate(points):
            for ending in ("value", "standard_errors", "lower", "upper"):
                suffix = {"value": "", "standard_errors": "_se"}.get(ending, f"_{ending}")
                columns[f"{what}_{point:g}{suffix}"] = np.atleast_1d(getattr(prediction, ending)[..., j])
    return columns


def criteria_frame(results: dict[str, Fit], keys: polars.DataFrame | None, criterion: str) -> polars.DataFrame:
    """Make a table of the criteria of every model for every group, the keys first."""
    columns = criteria(results, criterion).columns()
    columns.pop("key", None)
    table = polars.DataFrame(columns)
    if keys is None:
        return table
    names = {name: f"group_{name}" for name in keys.columns if name in table.columns}
    rows = np.repeat(np.arange(keys.height), len(results))
    return keys.rename(names)[rows].hstack(table.get_columns())


def _label(keys: polars.DataFrame, i: int) -> str:
    """Write the key of group i."""
    return ", ".join(str(x) for x in keys.row(int(i)))


def _cell(x: object) -> str:
    """Format a cell of a table."""
    return tables.number(x) if isinstance(x, float) else str(x)


def _print(console: Console, columns: dict[str, np.ndarray], keys: polars.DataFrame | None, sets: int) -> None:
    """Print columns as a table, their column of codes replaced by `keys`; count the groups beyond `SHOWN`."""
    columns = dict(columns) if keys is None else dict(list(columns.items())[1:])
    length = len(next(iter(columns.values())))
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in keys.columns if keys is not None else ():
        table.add_column(name)
    for name, x in columns.items():
        table.add_column(name.replace("_", " "), justify="left" if x.dtype.kind in "UO" else "right")
    each = length // sets
    for i in range(min(sets, tables.SHOWN) * each):
        head = [] if keys is None else [str(x) if i % each == 0 else "" for x in keys.row(i // each)]
        cells = [
            f"{x[i]:g}" if name in ("q", "at", "successes", "trials") else _cell(x[i]) for name, x in columns.items()
        ]
        table.add_row(*map(escape, [*head, *cells]))
    console.print(table)
    if sets > tables.SHOWN:
        console.print(f"{sets - tables.SHOWN} more groups are not shown; --out FILE keeps all {sets}")
