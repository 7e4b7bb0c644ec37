"""The command line: `python -m benchmarks` races jaxmle against its rivals and prints a table."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import measure
from benchmarks.rivals import RIVALS
from benchmarks.workloads import WORKLOADS, task

ONCE = "once"


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    if options.table:
        print(markdown(json.loads(options.table.read_text())))
        return 0
    rivals = [r for r in RIVALS if r.name == "jaxmle" or r.name in options.against]
    record: dict[str, Any] = {"machine": measure.machine(), "repeats": options.repeats, "workloads": []}
    for workload in WORKLOADS:
        if workload.name in options.only:
            drawn = task(workload, *options.sizes)
            record["workloads"].append(measure.race(drawn, rivals, options.repeats, _say))
    if ONCE in options.only:
        record["once"] = measure.once(options.repeats, _say)
    _say("")
    print(markdown(record))
    if options.json:
        options.json.write_text(json.dumps(record, indent=1) + "\n")
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    names = [w.name for w in WORKLOADS] + [ONCE]
    others = [r.name for r in RIVALS if r.name != "jaxmle"]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", type=_among(names), default=names, metavar="NAME,...", help=f"of {', '.join(names)}")
    parser.add_argument(
        "--against", type=_among(others), default=others, metavar="RIVAL,...", help=f"of {', '.join(others)}"
    )
    parser.add_argument(
        "--sizes",
        type=_sizes,
        default=(None, None),
        metavar="DATASETSxROWS",
        help="such as 2000x200; by default each its own",
    )
    parser.add_argument("--repeats", type=_count, default=3, help="timed calls of each after the first; 3")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every number here")
    parser.add_argument("--table", type=Path, metavar="FILE", help="only print the table of a file that --json wrote")
    return parser.parse_args(arguments)


def _among(names: list[str]) -> Any:
    def read(text: str) -> list[str]:
        found = [part.strip() for part in text.split(",") if part.strip()]
        for part in found:
            if part not in names:
                raise argparse.ArgumentTypeError(f"{part!r} is not one of {', '.join(names)}")
        return found

    return read


def _sizes(text: str) -> tuple[int, int]:
    try:
        datasets, rows = (_count(part) for part in text.lower().split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}; expected DATASETSxROWS, such as 2000x200") from None
    return datasets, rows


def _count(text: str) -> int:
    if int(text) < 1:
        raise ValueError(f"{text} is not 1 or more")
    return int(text)


def _say(text: str) -> None:
    """One line on the terminal, written over; nothing where nobody looks."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


# --- the table -------------------------------------------------------------------------------------------------


def markdown(record: dict[str, Any]) -> str:
    """A record as Markdown: a table for each workload."""
    where = record["machine"]
    versions = ", ".join(f"{name} {v}" for name, v in where["versions"].items() if v)
    load = "" if where["load"] is None else f", load {where['load']:.1f} at the start"
    lines = [f"{where['date']}, {where['cpu']}, {where['cores']} cores{load}, Python {where['python']}, {versions}."]
    for race in record["workloads"]:
        size = f"{race['datasets']:,} x {race['rows']} rows".replace(",", " ")
        lines += ["", f"**{race['title']}** ({size}, tolerance {race['tolerance']:g}, float64)", ""]
        lines += [
            "| rival | fits | fits/s (least to most) | jaxmle is faster by | first call, beyond a later one "
            "| within 1e-6 of the best | largest gap | not converged | steps |",
            "|---|---|---|---|---|---|---|---|---|",
        ]
        lines += [_row(entry) for entry in race["rivals"]]
    if "once" in record:
        lines += ["", "| once, in a fresh process | seconds (least to most) |", "|---|---|"]
        for entry in record["once"].values():
            found = f"failed: {entry['failed']}" if "failed" in entry else _spread(entry["spread"], "{:.2f}")
            lines.append(f"| {entry['title']} | {found} |")
    return "\n".join(lines)


def _row(entry: dict[str, Any]) -> str:
    if "skipped" in entry or "failed" in entry:
        reason = entry.get("skipped") or "failed: " + entry["failed"].strip().splitlines()[-1]
        return f"| {entry['title']} | {reason} | | | | | | | |"
    gap = "infinite" if entry["largest_gap"] is None else f"{entry['largest_gap']:.1e}"
    cells = [
        entry["title"],
        f"{entry['fits_per_call']:,}".replace(",", " "),
        _spread(entry["fits_per_second"], "{:,.0f}").replace(",", " "),
        _spread(entry["ratio"], "{:.2g}") if entry["ratio_of"] != entry["rival"] else "",
        f"{entry['compile_seconds']:.1f} s",
        f"{100 * entry['close']:.2f} %",
        gap,
        str(entry["not_converged"]),
        f"{entry['mean_steps']:.1f}, at most {entry['most_steps']}",
    ]
    return "| " + " | ".join(cells) + " |"


def _spread(values: dict[str, float], form: str) -> str:
    middle, least, most = (form.format(values[k]) for k in ("median", "least", "most"))
    return f"{middle} ({least} to {most})"


if __name__ == "__main__":
    sys.exit(main())
