"""A record as tables, for the terminal (Markdown) and the page (HTML)."""

import dataclasses
import html
from typing import Any


@dataclasses.dataclass(frozen=True)
class Table:
    """A title, a head and rows of cells; the first column is text, the others numbers."""

    title: str
    head: list[str]
    rows: list[list[str]]


def markdown(record: dict[str, Any]) -> str:
    """The whole record."""
    lines = [heading(record)]
    for table in tables(record):
        lines += ["", f"**{table.title}**", "", _line(table.head), "|" + "---|" * len(table.head)]
        lines += [_line(row) for row in table.rows]
    return "\n".join(lines)


def as_html(table: Table) -> str:
    """One table."""

    def row(cells: list[str], kind: str) -> str:
        return "<tr>" + "".join(f"<{kind}>{html.escape(cell)}</{kind}>" for cell in cells) + "</tr>"

    body = "".join(row(cells, "td") for cells in table.rows)
    return f"<table><thead>{row(table.head, 'th')}</thead><tbody>{body}</tbody></table>"


def heading(record: dict[str, Any]) -> str:
    """Date, machine and versions in a line."""
    where = record["machine"]
    versions = ", ".join(f"{name} {v}" for name, v in where["versions"].items() if v)
    load = "" if where["load"] is None else f", load {where['load']:.1f} at the start"
    device = "" if where["device"].startswith("cpu") else f"{where['device'].split(': ', 1)[1]}, "
    return (
        f"{where['date']}, {device}{where['cpu']}, {where['cores']} cores{load}, Python {where['python']}, {versions}."
    )


def tables(record: dict[str, Any]) -> list[Table]:
    """Everything a record holds."""
    found = [_race(race) for race in record["workloads"]]
    if "scaling" in record:
        found += [_axis(axis) for axis in record["scaling"]]
    if "ceilings" in record:
        found += [_ceilings(record), *_fractions(record)]
    if "derivatives" in record:
        found.append(_derivatives(record["derivatives"]))
    if "functions" in record:
        found.append(_functions(record["functions"]))
    if "once" in record:
        found.append(_once(record["once"]))
    if "memory" in record:
        found.append(_memory(record["memory"]))
    return found


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _race(race: dict[str, Any]) -> Table:
    size = f"{integer(race['datasets'])} x {integer(race['rows'])} rows"
    size += f", {race['parameters']} parameters" if "parameters" in race else ""
    title = f"{race['title']} ({size}, tolerance {race['tolerance']:g}, {race.get('dtype', 'float64')})"
    close = f"within {race.get('close', 1e-6):g} of the best"
    head = ["rival", "fits", "fits/s (least to most)", "jaxmle is faster by", "first call, beyond a later one", close]
    head += ["largest gap", "not converged", "steps"]
    fresh = any("cold" in entry for entry in race["rivals"])
    head += ["first result of a new process", "peak memory beyond the data"] if fresh else []
    return Table(title, head, [_rival(entry, len(head), fresh) for entry in race["rivals"]])


def _rival(entry: dict[str, Any], width: int, fresh: bool) -> list[str]:
    if "skipped" in entry or "failed" in entry:
        reason = entry.get("skipped") or "failed: " + entry["failed"].strip().splitlines()[-1][:120]
        return [entry["title"], reason.replace("|", "/"), *[""] * (width - 2)]
    lanes = f", {entry['lanes']} lanes" if entry.get("lanes") else ""
    lanes += f" {100 * entry['utilization']:.0f} % busy" if "utilization" in entry else ""
    counted = entry["most_steps"] > 0
    cells = [
        entry["title"] + lanes,
        integer(entry["fits_per_call"]),
        spread_text(entry["fits_per_second"], "{:,.0f}").replace(",", " "),
        spread_text(entry["ratio"], "{:.2g}") if entry["ratio_of"] != entry["rival"] else "",
        f"{entry['compile_seconds']:.1f} s",
        f"{100 * entry['close']:.2f} %",
        "infinite" if entry["largest_gap"] is None else f"{entry['largest_gap']:.1e}",
        str(entry["not_converged"]),
        f"{entry['mean_steps']:.1f}, at most {entry['most_steps']}" if counted else "",
    ]
    if fresh:
        cold = entry.get("cold", {"failed": ""})
        cells += (
            [cold["failed"], ""]
            if "failed" in cold
            else [f"{cold['seconds']:.1f} s", f"{cold['megabytes']:.0f} MB" if "megabytes" in cold else ""]
        )
    return cells


def _axis(axis: dict[str, Any]) -> Table:
    values = sorted({int(v) for line in axis["lines"].values() for v in line})
    rows = [
        [name, *(spread_text(at, "{:,.0f}").replace(",", " ") if (at := value_at(line, v)) else "" for v in values)]
        for name, line in axis["lines"].items()
    ]
    return Table(f"fits/s of {axis['workload']} against {axis['title']}", ["rival", *map(integer, values)], rows)


def value_at(line: dict[Any, Any], value: int) -> Any:
    """A line's entry; JSON has made texts of its numbers."""
    return line.get(value, line.get(str(value)))


def _ceilings(record: dict[str, Any]) -> Table:
    rows = [[name, spread_text(value, "{:.2e}")] for name, value in record["ceilings"].items()]
    return Table("measured ceilings of this machine", ["operation", "a second (least to most)"], rows)


def _fractions(record: dict[str, Any]) -> list[Table]:
    rows = [
        [
            entry["workload"],
            entry["rival"],
            integer(round(entry["bound"])),
            f"{100 * entry['fraction']:.0f} %",
            ", ".join(f"{name} {100 * share:.0f} %" for name, share in entry["by"].items()),
        ]
        for entry in record.get("fractions", [])
    ]
    head = ["workload", "rival", "bound, fits/s", "reached", "the bound consists of"]
    return [Table("what the ceilings allow, and what is reached", head, rows)] if rows else []


def _derivatives(found: list[dict[str, Any]]) -> Table:
    from benchmarks.derivatives import TITLES

    head = ["model", "way", "value and score", "error", "value, score and Hessian", "error"]
    rows = []
    for entry in found:
        for way, parts in entry["ways"].items():
            score, hessian = parts.get("score"), parts["hessian"]
            rows.append(
                [
                    f"{entry['title']}, {entry['rows']} rows, {entry['parameters']} parameters",
                    TITLES[way],
                    spread_text(score["seconds"], "{:.1f}", 1e6, " us") if score else "",
                    _digits(hessian.get("score_error")),
                    spread_text(hessian["seconds"], "{:.1f}", 1e6, " us"),
                    _digits(hessian.get("hessian_error")),
                ]
            )
    return Table("derivatives of one data set, and their largest error relative to the exact ones", head, rows)


def _functions(found: list[dict[str, Any]]) -> Table:
    head = ["function", "library", "values, M/s", "largest relative error", "slopes, M/s", "largest relative error"]
    rows = []
    for entry in found:
        for library, parts in entry["libraries"].items():
            cells = [entry["function"], library]
            for what in ("value", "slope"):
                part = parts[what]
                failed = "failed" in part
                cells += ["none" if failed else spread_text(part["rate"], "{:.3g}", 1e-6)]
                cells += [part["failed"][:60].replace("|", "/") if failed else _digits(part["error"])]
            rows.append(cells)
    return Table("special functions, float64", head, rows)


def _digits(error: float | None) -> str:
    return "" if error is None else f"{error:.0e}"


def _once(once: dict[str, Any]) -> Table:
    rows = [
        [entry["title"], f"failed: {entry['failed']}" if "failed" in entry else spread_text(entry["spread"], "{:.2f}")]
        for entry in once.values()
    ]
    return Table("once, in a fresh process", ["what", "seconds (least to most)"], rows)


def _memory(memory: dict[str, Any]) -> Table:
    values = [int(v) for v in next(iter(memory["lines"].values()))]
    rows = []
    for way, line in memory["lines"].items():
        found = [value_at(line, v) for v in values]
        rows.append([way, *(x if isinstance(x, str) else f"{x:.0f} MB" for x in found)])
    title = f"peak memory beyond the data, {memory['data_megabytes']} MB of them, against the memory given"
    return Table(title, ["way", *(f"{v} MB" for v in values)], rows)


def spread_text(values: dict[str, float], form: str, times: float = 1.0, unit: str = "") -> str:
    """`median (least to most)`."""
    middle, least, most = (form.format(times * values[k]) for k in ("median", "least", "most"))
    return f"{middle}{unit} ({least} to {most})"


def integer(x: int) -> str:
    """1234567 as `1 234 567`."""
    return f"{int(x):,}".replace(",", " ")
