"""How it is measured: interleaved repeats, one judge, fresh processes for what happens only once."""

import datetime
import importlib.metadata
import os
import platform
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.rivals import Answer, Rival
from benchmarks.workloads import Task

CLOSE = 1e-6
"A fit is good when its log-likelihood is this close to the best that anyone found."


def race(task: Task, rivals: Sequence[Rival], repeats: int, say: Callable[[str], None]) -> dict[str, Any]:
    """All rivals on one task: a first call each, then repeats in turn, so that a busy minute hits all alike.

    Returns:
        a record for JSON: the task, and for each rival its seconds, its rates, its ratio to the first rival pair by
        pair, and the judge's verdict; a rival that failed or is absent keeps its place, with the reason.
    """
    entries: list[dict[str, Any]] = []
    running: list[tuple[dict[str, Any], Callable[[], Answer]]] = []
    answers: dict[str, Answer] = {}
    for rival in rivals:
        entry: dict[str, Any] = {"rival": rival.name, "title": rival.title}
        entries.append(entry)
        if rival.missing:
            entry["skipped"] = f"needs {', '.join(rival.missing)}"
            continue
        mine = task if rival.most is None else task.first(rival.most)
        entry["datasets"], entry["fits_per_call"] = mine.datasets, mine.datasets * (task.workload.calls or 1)
        say(f"{task.workload.name}: first call of {rival.name}")
        try:
            begin = time.perf_counter()
            run = rival.prepare(mine)
            answers[rival.name] = run()
            entry["first_seconds"] = time.perf_counter() - begin
        except Exception:  # a rival that breaks is a result too
            entry["failed"] = traceback.format_exc(limit=3)
            continue
        entry["seconds"] = []
        running.append((entry, run))
    for repeat in range(repeats):
        # Every other round goes backwards: nobody always runs after the same neighbour.
        for entry, run in running if repeat % 2 == 0 else reversed(running):
            say(f"{task.workload.name}: repeat {repeat + 1} of {repeats}, {entry['rival']}")
            begin = time.perf_counter()
            run()
            entry["seconds"].append(time.perf_counter() - begin)
    _rates(entries)
    judge(task, answers, entries)
    workload = task.workload
    return {
        "workload": workload.name,
        "title": workload.title,
        "datasets": task.datasets,
        "rows": task.rows,
        "tolerance": workload.tolerance,
        "seed": workload.seed,
        "rivals": entries,
    }


def _rates(entries: list[dict[str, Any]]) -> None:
    """Fits per second, compile time, and the ratio of the first rival's rate to each, pair by pair."""
    timed = [entry for entry in entries if entry.get("seconds")]
    for entry in timed:
        rates = [entry["fits_per_call"] / s for s in entry["seconds"]]
        entry["fits_per_second"] = spread(rates)
        entry["compile_seconds"] = max(entry["first_seconds"] - float(np.median(entry["seconds"])), 0.0)
        own = timed[0]
        pairs = [
            (own["fits_per_call"] / a) / (entry["fits_per_call"] / b)
            for a, b in zip(own["seconds"], entry["seconds"], strict=True)
        ]
        entry["ratio"] = spread(pairs)
        entry["ratio_of"] = own["rival"]


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, least and most."""
    return {"median": float(np.median(values)), "least": float(min(values)), "most": float(max(values))}


def judge(task: Task, answers: dict[str, Answer], entries: list[dict[str, Any]]) -> None:
    """Judges all answers by one float64 log-likelihood, nobody's own, against the best known for each data set."""
    values: dict[str, np.ndarray] = {}
    best = np.full(task.datasets, -np.inf)
    for name, answer in answers.items():
        count = len(answer.converged)
        with np.errstate(all="ignore"):
            value = task.workload.by_hand.judge(answer.params, task.first(count).data)
        values[name] = np.where(np.isfinite(value), value, -np.inf)
        best[:count] = np.maximum(best[:count], values[name])
    for entry in entries:
        if entry["rival"] not in answers:
            continue
        answer, value = answers[entry["rival"]], values[entry["rival"]]
        gap = best[: len(value)] - value
        entry["close"] = float(np.mean(gap <= CLOSE))
        entry["largest_gap"] = float(gap.max()) if np.isfinite(gap).all() else None
        entry["not_converged"] = int(np.sum(~answer.converged))
        entry["mean_steps"] = float(answer.steps.mean())
        entry["most_steps"] = int(answer.steps.max())


# --- what happens once in a process ----------------------------------------------------------------------------

_IMPORT = """
import time, jax
begin = time.perf_counter()
import jaxmle
print(time.perf_counter() - begin)
"""

_FIRST_FIT = """
import time, jax, numpy
x = numpy.random.default_rng(7).gamma(1.6, 2.0, 200)
begin = time.perf_counter()
import jaxmle
assert jaxmle.fit("gamma", x).converged
print(time.perf_counter() - begin)
"""

_LOGISTIC = """
import time, jax, jax.numpy as jnp, numpy as np
import jaxmle as jm

def log_likelihood(params, data):
    eta = data["x"] @ params["beta"]
    return data["y"] * eta - jnp.logaddexp(0.0, eta)

rng = np.random.default_rng(7)
x = rng.normal(size=(200, 5))
y = 1.0 * (rng.uniform(size=200) < 1 / (1 + np.exp(-x @ (0.7 * rng.normal(size=5)))))
model = jm.Model(log_likelihood, {"beta": jm.spaces.real(shape=5)})

def seconds():
    begin = time.perf_counter()
    assert jm.fit(model, {"x": x, "y": y}).converged
    return time.perf_counter() - begin

jm.fit("exponential", [1.0, 2.0, 4.0])  # what only the very first fit pays
first = seconds()
print(first - min(seconds() for _ in range(5)))
"""

ONCE = {
    "import": ("import jaxmle, beyond importing jax", _IMPORT),
    "first fit": ("import jaxmle and a first fit (gamma, n = 200), beyond importing jax", _FIRST_FIT),
    "compile": ("compile a logistic regression, p = 5, n = 200", _LOGISTIC),
}


def once(repeats: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Seconds of what happens once, each time in a fresh process."""
    root = str(Path(__file__).parents[1])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    found: dict[str, Any] = {name: {"title": title, "seconds": []} for name, (title, _) in ONCE.items()}
    for repeat in range(repeats):
        for name, (_, code) in ONCE.items():
            say(f"once: {name}, {repeat + 1} of {repeats}")
            out = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
            if out.returncode:
                found[name]["failed"] = out.stderr.strip().splitlines()[-1]
            else:
                found[name]["seconds"].append(float(out.stdout))
    for entry in found.values():
        if entry["seconds"]:
            entry["spread"] = spread(entry["seconds"])
    return found


# --- where and with what -----------------------------------------------------------------------------------------


def machine() -> dict[str, Any]:
    """The machine, the versions and the date: what a number means nothing without."""
    versions = {}
    for name in ("jaxmle", "jax", "jaxlib", "optax", "numpy", "scipy", "numba"):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = ""
    if not versions["jaxmle"]:  # run from a checkout that is not installed
        import jaxmle

        versions["jaxmle"] = jaxmle.__version__
    import jax

    return {
        "date": datetime.date.today().isoformat(),
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "device": f"{jax.devices()[0].platform}: {jax.devices()[0].device_kind}",
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "versions": versions,
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
