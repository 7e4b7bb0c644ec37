"""Results as HTML, for notebooks: plain tables without colors of their own."""

import html

import jax
import numpy as np

from jaxmle._engine.solution import Solution
from jaxmle._solver.status import Status
from jaxmle._util.html_tables import paragraph, table
from jaxmle._util.text_tables import number
from jaxmle.inference.covariance import standard_errors
from jaxmle.inference.information_criteria import aic, bic
from jaxmle.result.columns import columns, status_counts
from jaxmle.result.summary import dropped, message, several, small

_SHOWN = 10


def fit(solution: Solution) -> str:
    """Format a fit, or the first fits of a batch, as HTML."""
    title = solution.model.label
    lines = _one(solution) if solution.single else _many(solution)
    return f"<div><b>{html.escape(title)}</b>{''.join(lines)}</div>"


def _one(solution: Solution) -> list[str]:
    numbers = [("n", f"{solution.n_observations[0]:g}"), ("log-likelihood", number(-solution.outcome.value[0]))]
    numbers += [("AIC", number(aic(solution)[0])), ("BIC", number(bic(solution)[0]))]
    table_ = columns(solution, long=True)
    cells = [
        [number(table_[name][j]) for name in ("estimate", "se", "lower", "upper")]
        for j in range(len(solution.model.value_names))
    ]
    pinned = [
        s.kind.name == "pinned" for s in jax.tree.leaves(solution.model.space) for _ in range(_size(s.value_shape))
    ]
    for row, held in zip(cells, pinned, strict=True):
        row[1:] = ["(pinned)", "", ""] if held else row[1:]
    rows = [[name, *row] for name, row in zip(solution.model.value_names, cells, strict=True)]
    return [
        paragraph(", ".join(f"{name} = {x}" for name, x in numbers if x)),
        table(["", "estimate", "std err", "2.5%", "97.5%"], rows),
        *(
            paragraph(text)
            for text in (message(solution), dropped(solution), several(solution), small(solution))
            if text
        ),
    ]


def _many(solution: Solution) -> list[str]:
    counts = ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in status_counts(solution).items())
    part = solution.take(np.arange(min(solution.size, _SHOWN)))
    errors = part.flat(standard_errors(part))
    rows = []
    for i in range(part.size):
        pairs = zip(part.natural[i], errors[i], strict=True)
        cells = [f"{number(x)} ({number(se)})" if np.isfinite(se) else number(x) for x, se in pairs]
        status = Status(int(part.outcome.status[i])).name.lower()
        rows.append([part.label(i), *cells, number(-part.outcome.value[i]), f"{part.n_observations[i]:g}", status])
    more = f"... and {solution.size - _SHOWN:,} more" if solution.size > _SHOWN else ""
    return [
        paragraph(f"{solution.size:,} fits: {counts}"),
        table(["", *(f"{name} (se)" for name in solution.model.value_names), "log-likelihood", "n", "status"], rows),
        *(paragraph(text) for text in (more, dropped(solution), several(solution), small(solution)) if text),
    ]


def _size(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape))
