"""How throughput changes with the number of data sets, rows, parameters and workers."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax

from benchmarks.machine import cores, default_device
from benchmarks.measure import interleaved, spread
from benchmarks.rivals import Rival, jaxmle_with
from benchmarks.workloads import WORKLOADS, Task, task

BY_NAME = {w.name: w for w in WORKLOADS}


@dataclasses.dataclass(frozen=True)
class Axis:
    """What is varied, the rest held.

    Attributes:
        name, title: in the record, and under the picture.
        workload: of which task.
        values, full: what it takes in the short and in the full set.
        size: value -> (datasets, rows, parameters); None is the workload's own.
    """

    name: str
    title: str
    workload: str
    values: tuple[int, ...]
    full: tuple[int, ...]
    size: Callable[[int], tuple[int | None, int | None, int | None]]


MANY = 100_000
"Data sets that a vmapped loop is given at most: it would take minutes for more."

AXES = (
    Axis(
        "datasets", "data sets of 200 rows", "weibull", (10, 1_000, 20_000), (10, 100, 1_000, 10_000, 100_000, 1_000_000),
        lambda b: (b, None, None),
    ),
    Axis(
        "rows", "rows of a data set, a million in all", "weibull", (50, 1_000), (10, 50, 200, 1_000, 5_000, 20_000),
        lambda n: (max(1_000_000 // n, 1), n, None),
    ),
    Axis(
        "parameters", "parameters, 200 rows", "logistic", (2, 8), (1, 2, 5, 10, 20),
        lambda p: (2_000, None, p),
    ),
)  # fmt: skip


def scaling(
    rivals: Sequence[Rival],
    full: bool,
    repeats: int,
    dtype: str,
    say: Callable[[str], None],
    axes: Sequence[Axis] = AXES,
) -> list[Any]:
    """One record for each axis: {axis, title, workload, lines: {rival: {value: spread of fits/s}}}."""
    chosen = [r for r in rivals if r.name in ("jaxmle", "numba", "vmap") and not r.missing]
    found = []
    for axis in axes:
        lines: dict[str, dict[int, Any]] = {r.name: {} for r in chosen}
        for value in axis.full if full else axis.values:
            say(f"scaling: {axis.title}, {value}")
            drawn = task(BY_NAME[axis.workload], *axis.size(value), dtype)
            here = [r for r in chosen if r.name != "vmap" or drawn.datasets <= MANY]
            rates = _rates(drawn, [r.prepare(drawn) for r in here], repeats, say)
            for rival, rate in zip(here, rates, strict=True):
                lines[rival.name][value] = rate
        found.append({"axis": axis.name, "title": axis.title, "workload": axis.workload, "lines": lines})
    return [*found, workers(repeats, dtype, say)]


def workers(repeats: int, dtype: str, say: Callable[[str], None]) -> dict[str, Any]:
    """jaxmle's workers, 1, 2, 4, ... up to every core or device."""
    platform = default_device().platform
    most = cores() if platform == "cpu" else len(jax.devices(platform))
    counts = sorted({*(2**k for k in range(most.bit_length())), most})
    drawn = task(BY_NAME["weibull"], None, None, None, dtype)
    rates = _rates(drawn, [jaxmle_with(drawn, devices=k) for k in counts], repeats, say)
    line = dict(zip(counts, rates, strict=True))
    return {"axis": "workers", "title": "workers", "workload": "weibull", "lines": {"jaxmle": line}}


def _rates(drawn: Task, runs: list[Callable[[], Any]], repeats: int, say: Callable[[str], None]) -> list[Any]:
    for run in runs:  # compiles
        run()
    return [spread([drawn.datasets / s for s in seconds]) for seconds in interleaved(runs, repeats, say)]
