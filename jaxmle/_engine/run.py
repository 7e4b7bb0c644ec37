"""Fits of one bucket: native kernels first where they can be had, then lanes; in smaller chunks where memory runs out."""

import functools
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxmle import _native
from jaxmle._engine.backends import doubtful, kernels_of, lane_workers, prepared
from jaxmle._engine.devices import host_if_small, platforms_of, worker_devices
from jaxmle._engine.memory import lanes_that_fit, out_of_memory, share
from jaxmle._engine.plan import Auto, Device, Drafted, Plan
from jaxmle._engine.settle import settle
from jaxmle._engine.solution import Report
from jaxmle._engine.workers import PhaseRun, run_phase
from jaxmle._solver.problem import Problem, Program, climbs, items_of, taken
from jaxmle._solver.solve import solve_one
from jaxmle._solver.state import Outcome
from jaxmle._solver.status import Status
from jaxmle._util.compile import compiled_with
from jaxmle._util.progress import Progress

WORTH = 10.0
"Other numbers of lanes are tried where the batch takes so many times as long as a compilation."


class Run(NamedTuple):
    """What a run over one bucket gives: the outcome of every data set, [b, ...], and how it was done."""

    outcome: Outcome
    report: Report


def _tuned(
    phase_run: Callable[[Program], PhaseRun], program: Program, devices: list[Device]
) -> tuple[Program, dict[int, float], bool]:
    """Measure other numbers of lanes; return the program with the fastest, what was tried, and whether interrupted.

    Each other number costs a compilation. What the trials fitted is fitted again, so that the number alone replays the
    run.
    """
    tried: dict[int, float] = {}
    for factor in (1.0, 4.0, 0.25):
        here = program._replace(lanes=int(program.lanes * factor))
        if here.lanes < 1:
            continue
        trial = phase_run(here)
        most = trial.size * max(16 * here.lanes * len(devices) // trial.size, len(devices))
        trial.begins = iter(range(0, min(most, trial.count), trial.size))
        began = time.perf_counter()
        try:
            trial.compile(devices[0])
            compiled = time.perf_counter()
            if run_phase(trial, devices, None, 0):
                return program, tried, True
        except Exception as error:
            if not out_of_memory(error):
                raise
            continue
        tried[here.lanes] = float(trial.finished.sum()) / max(time.perf_counter() - compiled, 1e-9)
        if trial.count / tried[here.lanes] < WORTH * (compiled - began):
            break
    best = max(tried, key=lambda w: tried[w], default=program.lanes)
    return program._replace(lanes=best), {w: round(x, 1) for w, x in tried.items()}, False


def run_bucket(
    program: Program,
    problem: Problem,
    plan: Plan,
    devices: list[Device],
    shown: Progress,
    interrupted: bool = False,
) -> Run:
    """Fit the data sets of one bucket: climb, certify and, where the plan says so, settle.

    Args:
        program, problem: of the bucket.
        plan: for backend, memory and stages.
        devices: the device of each worker.
        shown: is told how many fits are done.
        interrupted: if nothing is to be run any more, since an interrupt came before.

    Where memory runs out all the same, what is left goes on in chunks, then in lanes, half as large.
    """
    count = len(problem.status)
    program, problem, kernels = prepared(program, problem, devices, plan.backend)
    own, shared = items_of(program, problem)
    last = climbs(program) - 1
    items: Any = (own,)
    bound = share(devices, plan.memory)
    program = program._replace(lanes=lanes_that_fit(program.lanes, items, bound))
    report = Report(lanes=program.lanes)
    results: Any = None
    finished = np.zeros(count, bool)
    for phase in range(last + 1):
        watched = shown if phase == last else None
        if phase:
            kernels = kernels_of(program, phase, items, shared, problem.weights, platforms_of(devices), plan.backend)
        results, finished, left = None, np.zeros(count, bool), np.arange(count)
        turns: list[_native.Compiled | None] = [*kernels] if isinstance(plan.backend, Drafted) else [*kernels, None]
        while turns and len(left) and not (interrupted and results is not None):
            kernel = turns.pop(0)
            mine, weights = items, problem.weights
            if len(left) < count:
                mine, weights = jax.tree.map(lambda x, left=left: x[left], (items, weights))
            phase_run = functools.partial(
                PhaseRun, phase=phase, items=mine, shared=shared, count=len(left), workers=len(devices), kernel=kernel,
                weights=weights, bound=bound, few=plan.quick,
            )  # fmt: skip
            workers = devices
            if kernel is not None:
                workers = [device for device in devices for _ in range(kernel.workers_per_device)]
                if len(left) <= kernel.min_batch(weights.shape[1]):
                    workers = workers[:1]
            elif not interrupted:
                workers = lane_workers(program, phase, items, shared, problem.weights, devices)
                many = len(left) >= 32 * program.lanes * len(workers)
                if isinstance(plan.backend, Auto) and not (phase or kernels) and many:
                    program, tried, interrupted = _tuned(phase_run, program, workers)
                    report = report._replace(tried=tried)
            current = phase_run(program)
            if not interrupted:
                try:
                    interrupted = run_phase(current, workers, watched, count - len(left))
                except Exception as error:
                    if not out_of_memory(error) or current.size == 1:
                        raise
                    bound = 2 * current.size * current.each
                    program = program._replace(lanes=lanes_that_fit(program.lanes, items, bound))
                    turns.insert(0, kernel)
            if results is None:
                results = current.results
            else:
                current.copy_to(results, left)
            finished[left[current.finished]] = True
            again = ~current.finished | (doubtful(kernel, current.results.status) if kernel is not None else False)
            left = left[again]
            if kernels:
                report = report._replace(lanes="native", utilization=None)
            else:
                report = report._replace(lanes=program.lanes, utilization=current.utilization)
        items = (own, results)  # what another method nominated waits for its certificate
    shown.advance(count)
    outcome: Outcome = results
    if plan.settle:
        interrupted |= settle(program, problem, outcome, finished, plan.backend)
    if not finished.all():
        outcome = _not_run(outcome, ~finished)
    return Run(outcome, report._replace(interrupted=interrupted))


def run_one(program: Program, problem: Problem, plan: Plan, numbers: int) -> Run:
    """Fit a batch of one data set, which holds so many numbers, in this thread: by native kernels, else by XLA's loop."""
    outcome, lanes = _by_kernels(program, problem, plan, numbers), "native"
    if outcome is None:
        with host_if_small(numbers):
            found = _solve_one(program._replace(lanes=1), taken(problem, program.axes, 0))
            outcome, lanes = jax.tree.map(lambda x: np.array(x)[None], found), 1
    if plan.settle and settle(program, problem, outcome, np.ones(1, bool), plan.backend):
        raise KeyboardInterrupt
    return Run(outcome, Report(lanes=lanes))


def _by_kernels(program: Program, problem: Problem, plan: Plan, numbers: int) -> Outcome | None:
    """Fit one data set by native kernels in this thread; None where that cannot be."""
    here = worker_devices(plan.devices, numbers)[:1]
    program, problem, kernels = prepared(program, problem, here, plan.backend)
    own, shared = items_of(program, problem)
    items: Any = (own,)
    results: Any = None
    for phase in range(climbs(program)):
        results = None
        if phase:
            kernels = kernels_of(program, phase, items, shared, problem.weights, platforms_of(here), plan.backend)
        for kernel in kernels:
            current = PhaseRun(program, phase, items, shared, 1, 1, kernel, problem.weights)
            current.run_kernel(kernel, here[0])
            if current.finished.all() and not doubtful(kernel, current.results.status).any():
                results = current.results
        if results is None:
            return None
        items = (own, results)
    return results


@compiled_with(static_argnums=0)
def _solve_one(program: Program, problem: Problem) -> Outcome:
    return solve_one(program, problem)


def _not_run(outcome: Outcome, mask: np.ndarray) -> Outcome:
    """Mark the data sets of a mask as not run, in place."""
    for x in outcome:
        x[mask] = np.nan if x.dtype.kind == "f" else 0
    outcome.status[mask] = Status.NOT_RUN
    return outcome
