"""Results as tables, for the command line."""

import dataclasses

import jax
import numpy as np
import polars
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from jaxmle import Fit, Status, distributions, spaces
from jaxmle._util import group_keys
from jaxmle._util.arrays import Bool, Float, Int, Params
from jaxmle.result.summary import several

SHOWN = 100
"Groups printed at most; all of them go to --out."

Counts = dict[str, Float[np.ndarray, " B"]]
"Columns of numbers of rows, such as events and censored."


def number(x: float) -> str:
    """Format five significant digits, without an exponent where none is needed; "" for NaN.

    Example:
        >>> number(19839.0), number(0.7), number(0.0), number(float("nan"))
        ('19839', '0.70000', '0', '')
    """
    if np.isnan(x) or x == 0:
        return "" if np.isnan(x) else "0"
    text = f"{x:#.5g}"
    return f"{x:.0f}" if "e" in text and 1 <= abs(x) < 1e9 else text.removesuffix(".")


def flat(params: Params, sets: int) -> Float[np.ndarray, "B q"]:
    """Flatten a pytree of arrays [B, ...], or of one data set, in the order of `Fit.names`."""
    leaves = [np.asarray(leaf, float).reshape(sets, -1) for leaf in jax.tree.leaves(params)]
    return np.concatenate(leaves, axis=1) if leaves else np.zeros((sets, 0))


def statuses(result: Fit) -> Int[np.ndarray, " B"]:
    """Return the status codes."""
    return np.atleast_1d(np.asarray(result.status, int))


def show_distributions(console: Console) -> None:
    """Print the distributions, their parameters and what they describe."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("distribution", "parameters", "density"):
        table.add_column(name, overflow="fold")
    for name in distributions.names():
        distribution = distributions.by_name(name)
        positive = [f"{p} > 0" if s == spaces.positive else p for p, s in distribution.space.items()]
        table.add_row(
            name, ", ".join(positive), escape(distribution.doc.strip().splitlines()[0]) if distribution.doc else ""
        )
    console.print(table)
    console.print("\nbinomial: --value SUCCESSES --trials TRIALS. Censored data: --event or --censored.", markup=False)


def failures(result: Fit) -> int:
    """Count the fits that are neither certified maxima nor maxima on a boundary or at a data edge."""
    found = [Status(int(code)) for code in statuses(result)]
    return sum(not (s.ok or s.at_limit or s is Status.AT_DATA_EDGE) for s in found)


def event_counts(
    failed: Bool[np.ndarray, " n"],
    weight: Float[np.ndarray, " n"] | None,
    codes: Int[np.ndarray, " n"] | None,
    sets: int,
    word: str = "events",
) -> Counts:
    """Count events and censored rows of each group, weights as frequencies.

    Args:
        failed: the rows that are known exactly.
        weight: of each row, or None for 1 each.
        codes: the group of each row, or None for one group.
        sets: B.
        word: what an exact row is called.

    Example:
        >>> event_counts(np.array([True, True, False]), None, None, 1)
        {'events': array([2.]), 'censored': array([1.])}
    """
    each = np.ones(len(failed)) if weight is None else weight
    code = np.zeros(len(failed), int) if codes is None else codes
    return {name: np.bincount(code, each * rows, sets) for name, rows in ((word, failed), ("censored", ~failed))}


def counted(counts: dict[str, np.ndarray]) -> str:
    """Write the sentence "9 events, 12 censored"."""
    totals = {name: c.sum() for name, c in counts.items()}
    return ", ".join(f"{n:g} {'event' if name == 'events' and n == 1 else name}" for name, n in totals.items())


def show(
    console: Console, result: Fit, keys: polars.DataFrame | None, level: float, counts: Counts | None, notes: list[str]
) -> None:
    """Print one table: a block of rows for each group, one row for each parameter."""
    if keys is None:
        console.print(result.summary(level=level), markup=False)
        sentences = []
    else:
        sentences = _show_groups(console, result, keys, level, counts)
    for sentence in [*([counted(counts)] if counts else []), *notes, *sentences]:
        console.print(sentence, markup=False)


def _show_groups(
    console: Console, result: Fit, keys: polars.DataFrame, level: float, counts: Counts | None
) -> list[str]:
    """Print a table of the groups, and return the sentences that belong under it."""
    sets = len(result)
    codes = statuses(result)
    troubled = np.array([not Status(int(code)).ok for code in codes])
    order = np.arange(sets)
    if sets > SHOWN:  # fits with a problem are never among the rows left out
        order = np.sort(np.argsort(~troubled, kind="stable")[:SHOWN])
    interval = result.interval(level=level)
    values, errors = flat(result.params, sets), flat(result.standard_errors(), sets)
    lower, upper = flat(interval.lower, sets), flat(interval.upper, sets)

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in keys.columns:
        table.add_column(name)
    table.add_column("parameter")
    for name in ("estimate", "std. error", f"{100 * level:g} % interval", "log-likelihood", "n"):
        table.add_column(name, justify="right")
    for name in counts or ():
        table.add_column(name, justify="right")
    table.add_column("verdict")
    for i in order:
        head = [str(x) for x in keys.row(int(i))]
        tail = [f"{result.log_likelihood[i]:.4f}", f"{result.n_observations[i]:g}"]
        tail += [f"{c[i]:g}" for c in (counts or {}).values()]
        tail += [verdict(codes[i])]
        for j, name in enumerate(result.names):
            bounds = "" if np.isnan(lower[i, j]) else f"[{number(lower[i, j])}, {number(upper[i, j])}]"
            cells = [name, number(values[i, j]), number(errors[i, j]), bounds]
            line = [*head, *cells, *tail] if j == 0 else [*[""] * len(head), *cells, *[""] * len(tail)]
            table.add_row(*map(escape, line))
    console.print(table)
    if sets > SHOWN:
        console.print(f"{sets - SHOWN} more groups are not shown; --out FILE keeps all {sets}")
    named = [i for i in order if troubled[i]]
    label = ", ".join(keys.columns)
    messages = [f"{label} {', '.join(str(x) for x in keys.row(int(i)))}: {result.message(int(i))}" for i in named]
    return [text for text in (several(result.solution), *messages) if text]


def verdict(code: int) -> str:
    """Write a status in words.

    Example:
        >>> verdict(5)
        'maximum at infinity'
    """
    return Status(int(code)).sentence.partition(":")[0].partition(";")[0]


def with_keys(result: Fit, keys: polars.DataFrame | None) -> Fit:
    """Give the fits of groups 0, 1, ... the keys of these groups, one row each; without keys the fit stays itself."""
    if keys is None:
        return result
    named = group_keys.read({name: keys[name].to_numpy() for name in keys.columns}, len(result))
    batch = dataclasses.replace(result.solution.batch, keys=named.keys, key_name=named.name)
    return Fit(dataclasses.replace(result.solution, batch=batch))


def frame(result: Fit, keys: polars.DataFrame | None, level: float, counts: Counts | None) -> polars.DataFrame:
    """Make a table of all results, a row for each group: the keys, then the columns of `Fit.to_polars`."""
    table = result.to_polars(level=level)
    if keys is not None:
        table = table.drop(table.columns[0])  # the codes that `keys` spells out
        keys = keys.rename({name: f"group_{name}" for name in keys.columns if name in table.columns})
        table = keys.hstack(table.get_columns())
    return table.with_columns([polars.Series(name, c) for name, c in (counts or {}).items()])
