"""Mixed precision: an ascent in float32, then Newton's steps in float64 from where it led.

A native kernel does both in one function while a data set's rows are at hand: only sums over the rows are float32, the
Newton steps between them are float64. Models that cannot be compiled so, and other methods, do both in lanes.

A draft is a start and nothing more. Its end is certified in float64 on the data as they are, and what is not certified
ascends in float64 from its own start, as if there had been no draft: so every verdict is float64's. Portions of the data
sets pass through one after the other, so that an interrupt keeps what is finished and memory holds no second copy of all
the data.
"""

import dataclasses
import itertools
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.typing import DTypeLike

from jaxmle._engine import run
from jaxmle._engine.backends import prepared
from jaxmle._engine.build import check_model
from jaxmle._engine.devices import host_if_small
from jaxmle._engine.memory import bytes_each, lanes_that_fit, rounded_up, share
from jaxmle._engine.multistart import params_at
from jaxmle._engine.plan import Backend, Device, Drafted, Lanes, Plan
from jaxmle._engine.run import Run
from jaxmle._engine.solution import Report
from jaxmle._solver.phases import CERTIFY_STEPS
from jaxmle._solver.problem import (
    Problem,
    Program,
    default_tolerance,
    has_closed_form,
    items_of,
    one_phase,
    taken,
    with_starts,
)
from jaxmle._solver.state import Outcome
from jaxmle._solver.status import Status, at_maximum
from jaxmle._util.arrays import Float
from jaxmle._util.progress import Progress
from jaxmle._util.records import join
from jaxmle.model.model import Model
from jaxmle.optimizers import newton

PORTION_BYTES = 1 << 26
"Bytes of a portion, where that is enough to keep the lanes busy."

EACH_LANE = 32
"Data sets of a portion for each lane, at least: where a portion ends lanes run empty."


def check_precision(precision: object, dtype: DTypeLike) -> None:
    """Raise unless `precision` is known and the fit is to be certified in float64."""
    if precision not in ("full", "mixed"):
        raise ValueError(f"precision={precision!r}; expected 'full' or 'mixed'")
    if precision == "mixed" and dtype != np.float64:
        raise ValueError(
            f"precision='mixed' drafts in float32 and certifies in float64, got dtype={str(dtype)!r}; leave out dtype, "
            "or precision"
        )


def run_bucket(
    program: Program,
    problem: Problem,
    plan: Plan,
    devices: list[Device],
    shown: Progress,
    interrupted: bool = False,
) -> Run:
    """Fit the data sets of one bucket from drafts in float32, as `run.run_bucket` does without; same arguments.

    `Report.drafted` counts the fits that were certified from a draft. Where native kernels do not certify, drafts
    measure the number of lanes, and all that follows keeps it.
    """
    model: Model = join(program.skeleton, problem.numbers)
    if has_closed_form(program) or model.free == 0:  # nothing to ascend
        outcome, report = run.run_bucket(program, problem, plan, devices, shown, interrupted)
        return Run(outcome, report._replace(drafted=0))
    drafting = dataclasses.replace(plan, settle=False)
    backend = plan.backend if isinstance(plan.backend, Lanes) else Drafted()
    started, begun, drafters = prepared(program, problem, devices, backend)
    if drafters:  # the starts that XLA computed, if any, are not computed again
        drafting = dataclasses.replace(drafting, backend=backend)
        outcome, report = run.run_bucket(started, begun, drafting, devices, _Certified(shown), interrupted)
        certified = at_maximum(outcome.status)
        spent = np.where(certified, 0, outcome.steps).astype(np.int32)
        shown.advance(int(certified.sum()))
        drafts = _Drafts(outcome, certified, spent, report)
    else:
        _check_float32(model, program, problem)
        drafts, backend = _in_lanes(program, problem, drafting, devices, shown, interrupted)
        plan = dataclasses.replace(plan, backend=backend)
    return _rest(program, problem, plan, devices, shown, drafts)


class _Drafts(NamedTuple):
    """What drafts led to: outcomes, which of them are certified, bool[b], the steps of the others, int[b], and how."""

    outcome: Outcome
    certified: np.ndarray
    spent: np.ndarray
    report: Report


def _in_lanes(
    program: Program, problem: Problem, plan: Plan, devices: list[Device], shown: Progress, interrupted: bool
) -> tuple[_Drafts, Backend]:
    """Draft in float32 and certify in float64, a portion of the data sets after the other; with the backend that follows."""
    count = len(problem.status)
    blank = jax.tree.map(lambda s: np.zeros((count, *s.value_shape)), join(program.skeleton, problem.numbers).space)
    certifier, _ = with_starts(program._replace(optimizer=newton()), problem, blank)
    kernels = prepared(certifier, problem._replace(start=blank), devices, plan.backend)[2]
    outcome: Any = None
    certified, spent, report = np.zeros(count, bool), np.zeros(count, np.int32), Report(interrupted=interrupted)
    # `lanes="native"` must replay the same drafts
    drafting = dataclasses.replace(plan, backend=Lanes(program.lanes)) if kernels else plan
    for here in [] if interrupted else _portions(program, problem, count, devices, plan.memory):
        part = taken(problem, program.axes, here)
        size = len(part.status)
        draft, how = run.run_bucket(program, _in_float32(part), drafting, devices, Progress(False, size))
        program = program._replace(lanes=how.lanes)
        drafting = dataclasses.replace(plan, backend=Lanes(program.lanes))
        plan = plan if kernels else drafting
        if how.interrupted:
            report = report._replace(interrupted=True)
            break
        spent[here] = draft.steps
        sound = at_maximum(draft.status)
        with host_if_small(draft.u.size):
            starts = params_at(
                join(program.skeleton, problem.numbers), np.where(sound[:, None], draft.u, 0.0).astype(np.float64)
            )
        # In lanes the others pass by, so that one program serves any number of drafts; one is there, to compile it.
        which = np.flatnonzero(sound) if kernels and sound.any() else np.arange(1 if kernels else size)
        status = np.where(sound, part.status, np.int32(Status.NOT_RUN))
        drafts = part._replace(start=starts, status=status, max_steps=np.full_like(part.max_steps, CERTIFY_STEPS))
        if len(which) < size:
            drafts = taken(drafts, certifier.axes, which)
        found, last = run.run_bucket(certifier._replace(lanes=program.lanes), drafts, plan, devices, _Certified(shown))
        report = last._replace(tried=last.tried or how.tried or report.tried)
        draft = Outcome(*(x[which] for x in draft))
        at = np.arange(count)[here][which]
        spent[at] += found.steps
        fine = at_maximum(found.status) & _within(program, draft, found, part.max_steps)
        found = found._replace(
            steps=spent[at],
            newton_steps=found.newton_steps if one_phase(program) else draft.newton_steps + found.steps,
            travel=draft.travel + found.travel,
        )
        if outcome is None:
            outcome = Outcome(*(np.zeros((count, *x.shape[1:]), x.dtype) for x in found))
        _put(outcome, at[fine], Outcome(*(x[fine] for x in found)))
        certified[at[fine]] = True
        shown.advance(int(fine.sum()))
        if report.interrupted:
            break
    return _Drafts(outcome, certified, spent, report), plan.backend


def _rest(
    program: Program, problem: Problem, plan: Plan, devices: list[Device], shown: Progress, drafts: _Drafts
) -> Run:
    """Fit those that no draft certified in float64, from their own starts; join them with the others."""
    outcome, certified, spent, report = drafts
    left = np.flatnonzero(~certified)
    if len(left):
        padded = np.resize(left, rounded_up(len(left))) if len(left) < program.lanes else left
        rest = problem if len(left) == len(certified) else taken(problem, program.axes, padded)
        again, last = run.run_bucket(program, rest, plan, devices, _AtMost(shown, len(left)), report.interrupted)
        again = Outcome(*(x[: len(left)] for x in again))
        again.steps[:] += np.where(again.status == Status.NOT_RUN, 0, spent[left]).astype(again.steps.dtype)
        if outcome is None:
            outcome, report = again, last
        report = report._replace(interrupted=last.interrupted)
        _put(outcome, left, again)
        shown.advance(len(left))
    return Run(outcome, report._replace(drafted=int(certified.sum())))


class _Certified(Progress):
    """Counts the drafts that were certified; the others are fitted again."""

    def __init__(self, shown: Progress) -> None:
        super().__init__(False, shown.total)
        self.shown = shown

    def update(self, done: int, failed: int) -> None:
        self.shown.update(done - failed, 0)


class _AtMost(Progress):
    """Counts no more data sets than there are, where some are fitted twice."""

    def __init__(self, shown: Progress, most: int) -> None:
        super().__init__(False, shown.total)
        self.shown, self.most = shown, most

    def update(self, done: int, failed: int) -> None:
        self.shown.update(min(done, self.most), min(failed, self.most))


def _portions(program: Program, problem: Problem, count: int, devices: list[Device], memory: int | None) -> list[slice]:
    """Divide the data sets in slices of one size, or one apart."""
    items, bound = items_of(program, problem)[0], share(devices, memory)
    lanes = lanes_that_fit(program.lanes, items, bound) * len(devices)
    most = max(min(PORTION_BYTES, bound * len(devices)) // bytes_each(items), EACH_LANE * lanes)
    ends = np.linspace(0, count, -(-count // most) + 1).astype(int).tolist()
    return [slice(begin, end) for begin, end in itertools.pairwise(ends)]


def _in_float32(problem: Problem) -> Problem:
    """Round a problem to float32: numbers that are too large become infinite, and whole numbers stay."""

    def low(x: np.ndarray) -> np.ndarray:
        return x.astype(np.float32) if x.dtype == np.float64 else x

    with np.errstate(over="ignore", under="ignore"):
        drafted = jax.tree.map(low, problem)
    return drafted._replace(tolerance=np.maximum(drafted.tolerance, np.float32(default_tolerance(np.float32))))


def _check_float32(model: Model, program: Program, problem: Problem) -> None:
    """Check the contract of the model in float32."""
    try:
        check_model(program, _in_float32(problem))
    except (TypeError, ValueError) as error:
        raise type(error)(
            f"precision='mixed' computes the log-likelihood in float32 too, where it fails ({error}); make its arrays in "
            "the dtype of the data, such as jnp.zeros((), x.dtype), or leave precision out"
        ) from error


def _within(program: Program, draft: Outcome, found: Outcome, most: Float[np.ndarray, " B"]) -> np.ndarray:
    """Tell which drafts with their certificates took no more steps than a fit may, bool[b]."""
    return draft.steps + found.steps <= most if one_phase(program) else draft.steps - draft.newton_steps <= most


def _put(outcome: Outcome, at: np.ndarray, part: Outcome) -> None:
    for whole, new in zip(outcome, part, strict=True):
        whole[at] = new
