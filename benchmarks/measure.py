"""How it is measured: interleaved repeats, and one judge for all."""

import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from benchmarks.rivals import Answer, Rival
from benchmarks.workloads import Task

CLOSE = {"float64": 1e-6, "float32": 1e-2}
"A fit is good when its log-likelihood is this close to the best that anyone found."

PATIENCE = 60.0
"Seconds after which a run is not repeated."

Run = Callable[[], Any]


def race(task: Task, rivals: Sequence[Rival], repeats: int, say: Callable[[str], None]) -> dict[str, Any]:
    """All rivals on one task: a first call each, then repeats in turn, so that a busy minute hits all alike.

    Returns:
        a record for JSON: the task, and for each rival its seconds, its rates, its ratio to the first rival pair by
        pair, and the judge's verdict; a rival that failed or is absent keeps its place, with the reason.
    """
    entries: list[dict[str, Any]] = []
    running: list[tuple[dict[str, Any], Run]] = []
    answers: dict[str, Answer] = {}
    for rival in rivals:
        entry: dict[str, Any] = {"rival": rival.name, "title": rival.title}
        entries.append(entry)
        if reason := f"needs {', '.join(rival.missing)}" if rival.missing else rival.works(task):
            entry["skipped"] = reason
            continue
        mine = rival.share(task)
        entry["datasets"], entry["fits_per_call"] = mine.datasets, mine.datasets * task.calls
        say(f"{task.workload.name}: first call of {rival.name}")
        try:
            begin = time.perf_counter()
            run = rival.prepare(mine)
            answer = run()
            entry["first_seconds"] = time.perf_counter() - begin
        except Exception:  # a rival that breaks is a result too
            entry["failed"] = traceback.format_exc(limit=3)
            continue
        answers[rival.name] = answer
        entry.update(answer.notes)
        running.append((entry, run))
    for (entry, _), seconds in zip(running, interleaved([r for _, r in running], repeats, say), strict=True):
        entry["seconds"] = seconds
    _rates(entries)
    judge(task, answers, entries)
    workload = task.workload
    return {
        "workload": workload.name,
        "title": workload.title,
        "datasets": task.datasets,
        "rows": task.rows,
        "parameters": task.theta.shape[1],
        "bytes": sum(x.nbytes for x in jax.tree.leaves(task.data)),
        "dtype": task.dtype,
        "tolerance": task.tolerance,
        "close": CLOSE[task.dtype],
        "seed": workload.seed,
        "rivals": entries,
    }


def interleaved(runs: Sequence[Run], repeats: int, say: Callable[[str], None]) -> list[list[float]]:
    """Seconds of each run, `repeats` times or until it has had its minute.

    Every other round goes backwards: nobody always runs after the same one.
    """
    seconds: list[list[float]] = [[] for _ in runs]
    for repeat in range(repeats):
        order = range(len(runs)) if repeat % 2 == 0 else reversed(range(len(runs)))
        for i in order:
            if sum(seconds[i]) > PATIENCE:
                continue
            say(f"round {repeat + 1} of {repeats}: {i + 1} of {len(runs)}")
            begin = time.perf_counter()
            runs[i]()
            seconds[i].append(time.perf_counter() - begin)
    return seconds


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, least and most."""
    return {"median": float(np.median(values)), "least": float(min(values)), "most": float(max(values))}


def _rates(entries: list[dict[str, Any]]) -> None:
    """Fits per second, compile time, and the ratio of the first rival's rate to each, pair by pair."""
    timed = [entry for entry in entries if entry.get("seconds")]
    for entry in timed:
        own = timed[0]
        rates = [entry["fits_per_call"] / s for s in entry["seconds"]]
        entry["fits_per_second"] = spread(rates)
        entry["compile_seconds"] = max(entry["first_seconds"] - float(np.median(entry["seconds"])), 0.0)
        pairs = [own["fits_per_call"] / a / rate for a, rate in zip(own["seconds"], rates, strict=False)]
        entry["ratio"], entry["ratio_of"] = spread(pairs), own["rival"]


def judge(task: Task, answers: dict[str, Answer], entries: list[dict[str, Any]]) -> None:
    """Judges all answers by one float64 log-likelihood, nobody's own, against the best known for each data set."""
    values: dict[str, np.ndarray] = {}
    best = np.full(task.datasets, -np.inf)
    for name, answer in answers.items():
        count = len(answer.converged)
        data = _in_float64(task.first(count).data)
        with np.errstate(all="ignore"):
            value = task.workload.by_hand.judge(_in_float64(answer.params), data)
        values[name] = np.where(np.isfinite(value), value, -np.inf)
        best[:count] = np.maximum(best[:count], values[name])
    for entry in entries:
        if entry["rival"] not in answers:
            continue
        answer, value = answers[entry["rival"]], values[entry["rival"]]
        with np.errstate(invalid="ignore"):
            gap = np.where(np.isfinite(value), best[: len(value)] - value, np.inf)
        entry["close"] = float(np.mean(gap <= CLOSE[task.dtype]))
        entry["largest_gap"] = float(gap.max()) if np.isfinite(gap).all() else None
        entry["median_gap"] = float(np.median(gap)) if np.isfinite(np.median(gap)) else None
        entry["not_converged"] = int(np.sum(~answer.converged))
        # By its own account it converged, and it is not at the best: what a user would not notice.
        entry["wrong"] = int(np.sum(answer.converged & (gap > CLOSE[task.dtype])))
        entry["mean_steps"] = float(answer.steps.mean())
        entry["most_steps"] = int(answer.steps.max())


def _in_float64(data: Any) -> Any:
    if isinstance(data, dict):
        return {name: _in_float64(x) for name, x in data.items()}
    return np.asarray(data, np.float64)
