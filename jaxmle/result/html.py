"""Results as HTML, for notebooks: plain tables without colors of their own."""

import html
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jaxmle._solver.status import Status
from jaxmle.result.summary import dropped, number, several, small

_SHOWN = 10


def table(head: list[str], rows: list[list[str]]) -> str:
    """An HTML table: the first column to the left, the others to the right; every cell escaped.

    Example:
        >>> table(["", "n"], [["a<b", "3"]])
        "<table><thead><tr><th style='text-align:left'></th><th style='text-align:right'>n</th></tr></thead><tbody><tr><td style='text-align:left'>a&lt;b</td><td style='text-align:right'>3</td></tr></tbody></table>"
    """

    def line(cells: list[str], tag: str) -> str:
        sides = ("left", *["right"] * (len(cells) - 1))
        inside = (f"<{tag} style='text-align:{s}'>{html.escape(c)}</{tag}>" for s, c in zip(sides, cells, strict=True))
        return f"<tr>{''.join(inside)}</tr>"

    body = "".join(line(row, "td") for row in rows)
    return f"<table><thead>{line(head, 'th')}</thead><tbody>{body}</tbody></table>"


def fit(result: Any) -> str:
    """A fit, or the first fits of a batch, as HTML."""
    title = result.model.label
    lines = _one(result) if result._single else _many(result)
    return f"<div><b>{html.escape(title)}</b>{''.join(lines)}</div>"


def _one(result: Any) -> list[str]:
    numbers = [("n", f"{result.n_observations:g}"), ("log-likelihood", number(result.log_likelihood))]
    numbers += [("AIC", number(result.aic)), ("BIC", number(result.bic))]
    table_ = result.columns(long=True)
    cells = [
        [number(table_[name][j]) for name in ("estimate", "se", "lower", "upper")] for j in range(len(result.names))
    ]
    pinned = [s.kind.name == "pinned" for s in jax.tree.leaves(result.model.space) for _ in range(_size(s.value_shape))]
    for row, held in zip(cells, pinned, strict=True):
        row[1:] = ["(pinned)", "", ""] if held else row[1:]
    rows = [[name, *row] for name, row in zip(result.names, cells, strict=True)]
    return [
        _paragraph(", ".join(f"{name} = {x}" for name, x in numbers if x)),
        table(["", "estimate", "std err", "2.5%", "97.5%"], rows),
        *(_paragraph(text) for text in (result.message(), dropped(result), several(result), small(result)) if text),
    ]


def _many(result: Any) -> list[str]:
    counts = ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in result.status_counts().items())
    some = result[: min(len(result), _SHOWN)]
    errors = some._flat(some.standard_errors())
    rows = []
    for i in range(len(some)):
        pairs = zip(some._natural[i], errors[i], strict=True)
        cells = [f"{number(x)} ({number(se)})" if np.isfinite(se) else number(x) for x, se in pairs]
        status = Status(int(some._outcome.status[i])).name.lower()
        rows.append([some._label(i), *cells, number(-some._outcome.value[i]), f"{some.n_observations[i]:g}", status])
    more = f"... and {len(result) - _SHOWN:,} more" if len(result) > _SHOWN else ""
    return [
        _paragraph(f"{len(result):,} fits: {counts}"),
        table(["", *(f"{name} (se)" for name in result.names), "log-likelihood", "n", "status"], rows),
        *(_paragraph(text) for text in (more, dropped(result), several(result), small(result)) if text),
    ]


def _paragraph(text: str) -> str:
    return f"<p style='margin:0.3em 0'>{html.escape(text)}</p>"


def _size(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape))


def interval(ends: Any, word: Callable[[int], str]) -> str:
    """An interval for each parameter, or of the first data sets of a batch, as HTML; `word` names a status code."""
    paths, _ = jax.tree_util.tree_flatten_with_path(ends.lower)
    names = [jax.tree_util.keystr(path, simple=True, separator=".") or "value" for path, _ in paths]
    status = [np.asarray(x) for x in jax.tree.leaves(ends.status)]
    batched = status[0].ndim > 0
    rows = []
    for i in range(min(len(status[0]), _SHOWN) if batched else 1):
        for name, code, *pair in zip(
            names, status, jax.tree.leaves(ends.lower), jax.tree.leaves(ends.upper), strict=True
        ):
            low, high, said = (np.asarray(x)[i] if batched else np.asarray(x) for x in (*pair, code))
            for k in np.ndindex(low.shape):
                own = f"{name}[{','.join(map(str, k))}]" if k else name
                cells = [own, number(low[k]), number(high[k]), word(int(said))]
                rows.append([str(i), *cells] if batched else cells)
    head = (["data set"] if batched else []) + ["", "lower", "upper", "status"]
    more = f"... and {len(status[0]) - _SHOWN:,} more" if batched and len(status[0]) > _SHOWN else ""
    return f"<div>{table(head, rows)}{_paragraph(more) if more else ''}</div>"
