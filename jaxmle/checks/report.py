"""The report of `check`: tables of derivatives, a list of verdicts, and how a person reads them."""

import html
import textwrap
from typing import TypedDict

from jaxmle._util.records import record

WIDTH = 110
VERDICTS = ("pass", "fail", "warn", "skipped")
_SHOWN = 30

Row = dict[str, str]
"A check: its `name`, `verdict` and `message`."


class Entry(TypedDict):
    """One entry of a derivative, as `Report` describes it."""

    parameter: str
    analytic: float | None
    exact: float
    finite_difference: float
    finite_difference_error: float
    relative_error: float
    verdict: str


def row(name: str, verdict: str, message: str) -> Row:
    """Make a row of the report: a named verdict with its sentence."""
    return {"name": name, "verdict": verdict, "message": message}


@record
class Report:
    """What `check` found. Print it; or feed `rows`, `score` and `hessian` to a data frame.

    Everything inside is plain Python or NumPy.

    Args:
        title: what was checked, on how much data.
        rows: one dict for each check: `name`, `verdict` ("pass", "fail", "warn" or "skipped") and `message`.
        score: one dict for each parameter: `parameter`, `analytic` (None where none was given), `exact`,
            `finite_difference`, `finite_difference_error` (its own estimate), `relative_error`, `verdict`.
        hessian: the same for each pair of parameters, in row order, p * p of them.

    Example:
        >>> from jaxmle import Report
        >>> report = Report("a model", [{"name": "start", "verdict": "fail", "message": "not finite"}], [], [])
        >>> report.ok
        False
    """

    title: str
    rows: list[Row]
    score: list[Entry]
    hessian: list[Entry]

    @property
    def ok(self) -> bool:
        """Whether nothing failed; warnings and skipped checks do not count."""
        return all(r["verdict"] != "fail" for r in self.rows)

    def __bool__(self) -> bool:
        return self.ok

    def __getitem__(self, name: str) -> Row:
        """Return the row of that name."""
        for r in self.rows:
            if r["name"] == name:
                return r
        raise KeyError(f"no check named {name!r}; there are {', '.join(repr(r['name']) for r in self.rows)}")

    def raise_if_failed(self) -> None:
        """Raise `AssertionError` with every failed row; useful as the last line of a test."""
        failed = [r for r in self.rows if r["verdict"] == "fail"]
        if failed:
            lines = "\n".join(f"  {r['name']}: {r['message']}" for r in failed)
            raise AssertionError(f"{self.title}: {len(failed)} of {len(self.rows)} checks failed\n{lines}")

    def __repr__(self) -> str:
        return self.__str__()

    def __str__(self) -> str:
        parts = [f"{self.title}\n{self._verdict()}"]
        parts += [_table(name, entries) for name, entries in self._tables()]
        order = {"fail": 0, "warn": 1, "pass": 2, "skipped": 3}
        lines = [line for r in sorted(self.rows, key=lambda r: order[r["verdict"]]) for line in _sentence(r)]
        return "\n\n".join([*parts, "\n".join(["Checks", *lines])])

    def _repr_html_(self) -> str:
        colors = {"fail": "#b00020", "warn": "#9a6700", "pass": "#1a7f37", "skipped": "#777777"}
        body = "".join(
            f"<tr><td style='color:{colors[r['verdict']]}'>{r['verdict']}</td>"
            f"<td style='text-align:left'>{html.escape(r['name'])}</td>"
            f"<td style='text-align:left'>{html.escape(r['message'])}</td></tr>"
            for r in self.rows
        )
        tables = "".join(f"<pre>{html.escape(_table(name, entries))}</pre>" for name, entries in self._tables())
        head = f"<b>{html.escape(self.title)}</b><br>{html.escape(self._verdict())}"
        return f"<div>{head}{tables}<table>{body}</table></div>"

    def _tables(self) -> list[tuple[str, list[Entry]]]:
        pairs = [("Score", self.score), ("Hessian of the log-likelihood", self.hessian)]
        return [(name, entries) for name, entries in pairs if entries]

    def _verdict(self) -> str:
        counts = {v: sum(r["verdict"] == v for r in self.rows) for v in VERDICTS}
        words = [f"{counts[v]} {w}" for v, w in zip(VERDICTS, ("passed", "failed", "warned", "skipped"), strict=True)]
        return ("OK: " if self.ok else "NOT OK: ") + ", ".join(words)


def _sentence(r: Row) -> list[str]:
    mark = {"fail": "FAIL", "warn": "warn", "pass": "ok", "skipped": "-"}[r["verdict"]]
    head = f"  {mark:<5} {r['name']}: "
    return textwrap.wrap(head + r["message"], WIDTH, subsequent_indent=" " * 8, break_long_words=False)


def _table(name: str, entries: list[Entry]) -> str:
    """Write a table as aligned plain text; of a long table the wrong entries come first and the rest is counted."""
    analytic = any(e["analytic"] is not None for e in entries)
    shown, wrong = entries, [e for e in entries if e["verdict"] in ("wrong", "imprecise")]
    if len(entries) > _SHOWN:
        shown = (wrong + [e for e in entries if e not in wrong])[:_SHOWN]
    columns = ["parameter", *(["analytic"] if analytic else []), "exact", "finite difference", "error", ""]
    cells = [columns]
    for e in shown:
        mark = {"ok": "ok", "wrong": "WRONG <--", "imprecise": "imprecise", "": ""}[e["verdict"]]
        values = [_number(e["analytic"])] if analytic else []
        error = f"{e['relative_error']:.2g}"
        cells.append([e["parameter"], *values, _number(e["exact"]), _number(e["finite_difference"]), error, mark])
    widths = [max(len(c[i]) for c in cells) for i in range(len(columns))]
    left = (0, len(columns) - 1)
    lines = []
    for line in cells:
        padded = [c.ljust(w) if i in left else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True))]
        lines.append("  " + "  ".join(padded))
    if len(shown) < len(entries):
        lines.append(f"  ... and {len(entries) - len(shown)} more")
    return "\n".join(line.rstrip() for line in [name, *lines])


def _number(x: float | None) -> str:
    return "" if x is None else f"{x + 0.0:.8g}"  # + 0.0 turns -0 into 0
