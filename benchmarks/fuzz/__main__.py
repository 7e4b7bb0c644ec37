"""`python -m benchmarks.fuzz [--fits N] [--seed S] [--families gamma,weibull,...] [--seconds T]`: a fuzz test by hand.

Batches of odd data sets of one family (`data.py`) or of a random expression as a user's model (`subjects.py`) are fitted by
native kernels, some of them by lanes too, and judged (`judge.py`) by a search without derivatives, in long double and mpmath.
Printed: statuses, steps, and each kind of failure with its count, its worst, and a line of Python that reproduces it.
"""

import argparse
import dataclasses
import itertools
import time
import traceback
from collections import Counter
from typing import Any

import jax
import numpy as np

import jaxmle as jm
from benchmarks.fuzz import judge, subjects
from benchmarks.fuzz.data import SIZES
from jaxmle import Status

SETS = 1000
"Data sets of a batch."
REPEATS = 4
"How many batches in a row have the same family and number of rows: some programs are compiled for each shape."
COMPARED = 8, 64
"Rows and data sets of the batches that lanes fit too: programs of the lanes are compiled for each shape."
PRINTED_ROWS = 8


@dataclasses.dataclass
class Tally:
    """Counts of a run: fits by status, steps, failures by kind and subject, and the smallest reproducing line of each."""

    fits: int = 0
    steps: int = 0
    statuses: Counter[str] = dataclasses.field(default_factory=Counter)
    failures: Counter[tuple[str, str]] = dataclasses.field(default_factory=Counter)
    worst: dict[tuple[str, str], float] = dataclasses.field(default_factory=dict)
    lines: dict[tuple[str, str], tuple[int, str]] = dataclasses.field(default_factory=dict)

    def add(self, kind: str, subject: str, amount: float, rows: int, line: str) -> None:
        """Count a failure; keep its line if it has fewer rows than those before."""
        key = kind, subject
        self.failures[key] += 1
        self.worst[key] = max(self.worst.get(key, 0.0), amount)
        if key not in self.lines or rows < self.lines[key][0]:
            self.lines[key] = rows, line


def batch(name: str, seed: int, number: int, sets: int = SETS, rows: int | None = None) -> tuple[Any, list[str]]:
    """Draw the data sets of a batch, and the oddity of each; the same for the same arguments."""
    r = np.random.default_rng([seed, number, *name.encode()])
    n = SIZES[number // REPEATS % len(SIZES)] if rows is None else rows
    return subjects.subject(name).draw(r, sets, n)


def reproduced(
    subject: subjects.Subject, name: str, seed: int, number: int, sets: int, rows: int | None, i: int, data: Any
) -> str:
    """Write the Python that fits data set i of a batch alone: with its rows where they are few."""
    one = {k: v[i] for k, v in data.items()} if isinstance(data, dict) else data[i]
    n = len(next(iter(one.values())) if isinstance(one, dict) else one)
    if n <= PRINTED_ROWS and not name.startswith("expression"):
        return f"jm.fit({subject.line}, { {k: v.tolist() for k, v in one.items()} if isinstance(one, dict) else one.tolist() })"
    drawn = f"batch({name!r}, {seed}, {number}, {sets}, {rows})[0]"
    row = f"jax.tree.map(lambda v: v[{i}], {drawn})" if isinstance(one, dict) else f"{drawn}[{i}]"
    return f"jm.fit({subject.line}, {row})"


def run_batch(
    tally: Tally,
    name: str,
    seed: int,
    number: int,
    lanes: bool,
    sets: int = SETS,
    rows: int | None = None,
    retries: int = 0,
) -> None:
    """Fit and judge one batch; with `lanes` a small one, by both backends."""
    if lanes:
        rows, sets = COMPARED
    subject = subjects.subject(name)
    data, kinds = batch(name, seed, number, sets, rows)
    n = judge.rows_of(data)

    def note(kind: str, i: int, amount: float, more: str = "") -> None:
        line = reproduced(subject, name, seed, number, sets, rows, i, data)
        tally.add(kind, name, amount, n, f"{line}  # {kinds[i]}{more}")

    try:
        fits = jm.fit_many(subject.model, data, retries=retries)
    except Exception as error:
        traceback.print_exc()
        note(f"crash: {type(error).__name__}", 0, 0.0)
        return
    status = np.asarray(fits.status)
    tally.fits += sets
    tally.steps += int(np.sum(fits.steps))
    tally.statuses.update(Status(int(s)).name.lower() for s in status)
    for i in np.flatnonzero(np.isin(status, judge.OPEN)):
        note(f"open: {Status(int(status[i])).name.lower()}", int(i), float(np.asarray(fits.steps)[i]))
    for f in judge.judge(subject, data, fits):
        note(
            f.kind,
            f.index,
            f.amount,
            f"; {f.amount:.3g} at {_numbers(f.point)}" + (f" for {_numbers(f.better)}" if f.better else ""),
        )
    if lanes:
        other = np.asarray(jm.fit_many(subject.model, data, lanes=sets, retries=retries).status)
        both = np.isin(status, judge.MAXIMA) & np.isin(other, judge.MAXIMA)
        for i in np.flatnonzero((status != other) & ~both):
            note(
                f"lanes say {Status(int(other[i])).name.lower()}, native {Status(int(status[i])).name.lower()}",
                int(i),
                0.0,
            )


def _numbers(values: tuple[float, ...]) -> str:
    return f"({', '.join(repr(float(v)) for v in values)})"


def report(tally: Tally, seconds: float, seed: int) -> str:
    """Write the counts, and one reproducing line of each kind of failure and subject."""
    lines = [f"{tally.fits} fits in {seconds:.0f} s, {tally.steps / max(tally.fits, 1):.1f} steps each, seed {seed}"]
    lines += [f"  {count:8d}  {status}" for status, count in tally.statuses.most_common()]
    kinds = Counter[str]()
    for (kind, _), count in tally.failures.items():
        kinds[kind] += count
    for kind, total in kinds.most_common():
        lines.append(f"{total} {kind}")
        for (other, name), count in tally.failures.most_common():
            if other == kind:
                lines.append(f"  {count:6d}  {name}, up to {tally.worst[kind, name]:.3g}: {tally.lines[kind, name][1]}")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> Tally:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--fits", type=int, default=100_000, help="how many data sets")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--families", default="", help="names, with commas; `expression` for random models, all by default"
    )
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no batch after so long")
    parser.add_argument("--sets", type=int, default=SETS, help="data sets of a batch")
    parser.add_argument("--lanes", type=int, default=0, metavar="K", help="every K-th batch also by lanes; 0 for none")
    parser.add_argument(
        "--retries", type=int, default=0, help="of each fit; lanes of other methods take long to compile"
    )
    parser.add_argument("--progress", action="store_true", help="a line for each batch")
    given = parser.parse_args(arguments)
    names = given.families.split(",") if given.families else [*subjects.families(), "expression"]
    tally, began = Tally(), time.perf_counter()
    for number, name in ((k, name) for k in itertools.count() for name in names):
        for repeat in range(REPEATS * number, REPEATS * number + REPEATS):
            started = time.perf_counter()
            if tally.fits >= given.fits or started - began > given.seconds:
                print(report(tally, started - began, given.seed))
                return tally
            full = f"expression:{1000 * given.seed + number}" if name == "expression" else name
            lanes = bool(given.lanes) and repeat % given.lanes == 0
            run_batch(tally, full, given.seed, repeat, lanes, given.sets, None, given.retries)
            if given.progress:
                print(f"{tally.fits} {full} {time.perf_counter() - started:.1f} s", flush=True)
        jax.clear_caches()
    raise AssertionError("unreachable")


if __name__ == "__main__":
    main()
