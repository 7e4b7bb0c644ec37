"""Fits of one bucket: native kernels first where the model compiles to them, then lanes; smaller chunks where memory runs out."""

import time
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxmle import _native
from jaxmle._engine.backends import doubtful, kernels_of, lane_workers, prepared
from jaxmle._engine.devices import host_if_small, platforms_of, worker_devices
from jaxmle._engine.memory import lanes_that_fit, out_of_memory, share
from jaxmle._engine.phase_leaves import PhaseLeaves
from jaxmle._engine.plan import Auto, Device, Drafted, Plan
from jaxmle._engine.settle import settle
from jaxmle._engine.solution import Report
from jaxmle._engine.workers import LanePhase, PhaseRun, run_phase
from jaxmle._solver.problem import Problem, Program, ascent_phases, items_of, taken
from jaxmle._solver.solve import solve_one
from jaxmle._solver.state import Outcome
from jaxmle._solver.status import Status
from jaxmle._util.arrays import Bool
from jaxmle._util.compile import compiled_with
from jaxmle._util.progress import Progress

WORTH = 10.0
"Other numbers of lanes are tried where the batch takes so many times as long as a compilation."


class Run(NamedTuple):
    """The outcome of every data set of a bucket, leaves [b, ...], and a report of how they were fitted."""

    outcome: Outcome
    report: Report


def run_bucket(
    program: Program,
    problem: Problem,
    plan: Plan,
    devices: list[Device],
    shown: Progress,
    interrupted: bool = False,
) -> Run:
    """Fit the data sets of one bucket: ascend, certify and, where the plan says so, settle.

    Args:
        program, problem: of the bucket.
        plan: for backend, memory and stages.
        devices: the device of each worker.
        shown: shows how many fits are done.
        interrupted: if an interrupt came before, so that all fits are to be returned as not run.
    """
    program, problem, kernels = prepared(program, problem, devices, plan.backend)
    own, shared = items_of(program, problem)
    leaves = PhaseLeaves((own,), shared, problem.weights)
    bucket_run = _BucketRun(program, plan, devices, leaves, interrupted)
    last = ascent_phases(program) - 1
    outcome: Any = None
    finished = np.zeros(len(problem.status), bool)
    for phase in range(last + 1):
        if phase:  # the certificate of what another method nominated
            leaves = leaves._replace(items=(own, outcome))
            kernels = kernels_of(bucket_run.program, phase, leaves, platforms_of(devices), plan.backend)
        outcome, finished = bucket_run.run(phase, leaves, kernels, shown if phase == last else None)
    shown.advance(len(finished))
    interrupted = bucket_run.interrupted
    if plan.settle:
        interrupted |= settle(bucket_run.program, problem, outcome, finished, plan.backend)
    if not finished.all():
        _mark_not_run(outcome, ~finished)
    return Run(outcome, bucket_run.report._replace(interrupted=interrupted))


class _BucketRun:
    """The phases of one bucket, each on one backend after another, in smaller chunks and fewer lanes where memory runs out.

    Attributes:
        program: with the number of lanes that measurement or memory has chosen.
        bound: bytes of data that each worker may hold at once.
        interrupted: whether an interrupt came.
        report: of the phases that have run.
    """

    def __init__(
        self, program: Program, plan: Plan, devices: list[Device], leaves: PhaseLeaves, interrupted: bool
    ) -> None:
        self.plan, self.devices, self.interrupted = plan, devices, interrupted
        self.bound = share(devices, plan.memory)
        self.program = program._replace(lanes=lanes_that_fit(program.lanes, leaves.items, self.bound))
        self.report = Report(lanes=self.program.lanes)

    def run(
        self, phase: int, leaves: PhaseLeaves, kernels: list[_native.Compiled], shown: Progress | None
    ) -> tuple[Outcome, Bool[np.ndarray, " b"]]:
        """Run one phase by native kernels, then in lanes; return the outcomes and which data sets have one."""
        count = len(leaves.weights)
        results: Any = None
        finished, left = np.zeros(count, bool), np.arange(count)
        backends: list[_native.Compiled | None] = [*kernels]
        if not isinstance(self.plan.backend, Drafted):
            backends.append(None)  # the lanes
        while backends and len(left) and not (self.interrupted and results is not None):
            kernel = backends.pop(0)
            mine = leaves if len(left) == count else leaves.take(left)
            workers = self._workers(phase, kernel, mine, tune=not (phase or kernels))
            phase_run = self._phase_run(phase, kernel, mine)
            if self._ran_out_of_memory(phase_run, workers, shown, count - len(left)):
                self.bound = 2 * phase_run.size * phase_run.each
                self.program = self.program._replace(lanes=lanes_that_fit(self.program.lanes, leaves.items, self.bound))
                backends.insert(0, kernel)
            if results is None:
                results = phase_run.results
            else:
                phase_run.copy_to(results, left)
            finished[left[phase_run.finished]] = True
            again = ~phase_run.finished
            if kernel is not None:
                again |= doubtful(kernel, phase_run.results.status)
            left = left[again]
            if kernels:
                self.report = self.report._replace(lanes="native", utilization=None)
            else:
                self.report = self.report._replace(lanes=self.program.lanes, utilization=phase_run.utilization)
        return results, finished

    def _phase_run(self, phase: int, kernel: _native.Compiled | None, leaves: PhaseLeaves) -> PhaseRun:
        """Divide a phase among the workers."""
        backend = LanePhase(self.program, phase, self.plan.quick) if kernel is None else kernel
        return PhaseRun(backend, leaves, len(self.devices), self.bound)

    def _workers(self, phase: int, kernel: _native.Compiled | None, leaves: PhaseLeaves, tune: bool) -> list[Device]:
        """List the device of each worker; in lanes, where `tune` and there are many data sets, measure how many lanes."""
        count = len(leaves.weights)
        if kernel is not None:
            workers = [device for device in self.devices for _ in range(kernel.workers_per_device)]
            return workers[:1] if count <= kernel.min_batch(leaves.rows) else workers
        if self.interrupted:
            return self.devices
        workers = lane_workers(self.program, phase, leaves, self.devices)
        if isinstance(self.plan.backend, Auto) and tune and count >= 32 * self.program.lanes * len(workers):
            self._tune(leaves, workers)
        return workers

    def _tune(self, leaves: PhaseLeaves, workers: list[Device]) -> None:
        """Measure other numbers of lanes, and take the fastest.

        Each other number costs a compilation. Data sets that the trials fitted are fitted again, so that the number alone
        replays the run.
        """
        tried: dict[int, float] = {}
        for factor in (1.0, 4.0, 0.25):
            program = self.program._replace(lanes=int(self.program.lanes * factor))
            if program.lanes < 1:
                continue
            backend = LanePhase(program, 0, self.plan.quick)
            trial = PhaseRun(backend, leaves, len(self.devices), self.bound)
            most = trial.size * max(16 * program.lanes * len(workers) // trial.size, len(workers))
            trial.begins = iter(range(0, min(most, trial.count), trial.size))
            began = time.perf_counter()
            try:
                trial.compile(workers[0])
                compiled = time.perf_counter()
                if run_phase(trial, workers, None, 0):
                    self.interrupted = True
                    self.report = self.report._replace(tried=tried)
                    return
            except Exception as error:
                if not out_of_memory(error):
                    raise
                continue
            tried[program.lanes] = float(trial.finished.sum()) / max(time.perf_counter() - compiled, 1e-9)
            if trial.count / tried[program.lanes] < WORTH * (compiled - began):
                break
        best = max(tried, key=lambda w: tried[w], default=self.program.lanes)
        self.program = self.program._replace(lanes=best)
        self.report = self.report._replace(tried={w: round(x, 1) for w, x in tried.items()})

    def _ran_out_of_memory(
        self, phase_run: PhaseRun, workers: list[Device], shown: Progress | None, before: int
    ) -> bool:
        """Run a phase on its workers unless an interrupt came; return whether memory ran out.

        Where not even chunks of one data set fit, the error is raised.
        """
        if self.interrupted:
            return False
        try:
            self.interrupted = run_phase(phase_run, workers, shown, before)
        except Exception as error:
            if not out_of_memory(error) or phase_run.size == 1:
                raise
            return True
        return False


def run_one(program: Program, problem: Problem, plan: Plan, numbers: int) -> Run:
    """Fit a batch of one data set in this thread: by native kernels, else by XLA's loop.

    Args:
        program, problem: of the data set.
        plan: for backend, devices and stages.
        numbers: how many the data hold.
    """
    outcome, lanes = _by_kernels(program, problem, plan, numbers), "native"
    if outcome is None:
        with host_if_small(numbers):
            found = _solve_one(program._replace(lanes=1), taken(problem, program.axes, 0))
            outcome, lanes = jax.tree.map(lambda x: np.array(x)[None], found), 1
    if plan.settle and settle(program, problem, outcome, np.ones(1, bool), plan.backend):
        raise KeyboardInterrupt
    return Run(outcome, Report(lanes=lanes))


def _by_kernels(program: Program, problem: Problem, plan: Plan, numbers: int) -> Outcome | None:
    """Fit one data set by native kernels in this thread; None where a phase does not compile or an outcome is doubtful."""
    devices = worker_devices(plan.devices, numbers)[:1]
    program, problem, kernels = prepared(program, problem, devices, plan.backend)
    own, shared = items_of(program, problem)
    leaves = PhaseLeaves((own,), shared, problem.weights)
    outcome: Outcome | None = None
    for phase in range(ascent_phases(program)):
        if phase:
            leaves = leaves._replace(items=(own, outcome))
            kernels = kernels_of(program, phase, leaves, platforms_of(devices), plan.backend)
        outcome = None
        for kernel in kernels:
            phase_run = PhaseRun(kernel, leaves)
            phase_run.run_kernel(kernel, devices[0])
            if phase_run.finished.all() and not doubtful(kernel, phase_run.results.status).any():
                outcome = phase_run.results
        if outcome is None:
            return None
    return outcome


@compiled_with(static_argnums=0)
def _solve_one(program: Program, problem: Problem) -> Outcome:
    return solve_one(program, problem)


def _mark_not_run(outcome: Outcome, mask: Bool[np.ndarray, " b"]) -> None:
    """Mark the data sets of a mask as not run, in place."""
    for x in outcome:
        x[mask] = np.nan if x.dtype.kind == "f" else 0
    outcome.status[mask] = Status.NOT_RUN
