"""Draft and certify: a climb in float32, then Newton's steps in float64 from where it led.

The machine does both in one function, a data set's rows still at hand: only sums over the rows are float32's, Newton's
steps between them are not. What it does not understand, and other methods, draft and certify in lanes.

A draft is a start and nothing more. What it led to is certified in float64 on the data as they are, and whatever is not
certified so climbs in float64 from its own start, as if there had been no draft: so every verdict is float64's. All of it
runs through the same workers, a portion of the data sets at a time, so that an interrupt keeps what is finished and no
second copy of all the data lies in memory.
"""

import itertools
from typing import Any

import jax
import numpy as np

from jaxmle._engine import run as _run
from jaxmle._engine.backends import DRAFTED, ready
from jaxmle._engine.build import check_model
from jaxmle._engine.devices import bytes_each, fitting, near, share
from jaxmle._engine.multistart import params_at
from jaxmle._solver.phases import POLISH
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
from jaxmle._util.progress import Progress
from jaxmle._util.records import join
from jaxmle.model.model import Model
from jaxmle.optimizers import newton

PORTION_BYTES = 1 << 26
"Data of a portion, where so many are enough to keep the lanes busy."

EACH_LANE = 32
"Data sets of a portion for each lane, at least: where a portion ends lanes run empty."


def check_precision(precision: Any, dtype: Any) -> None:
    """Raises where `precision` is none, or where float64 is not what the fit is to be certified in."""
    if precision not in ("full", "mixed"):
        raise ValueError(f"precision={precision!r}; expected 'full' or 'mixed'")
    if precision == "mixed" and dtype != np.float64:
        raise ValueError(
            f"precision='mixed' drafts in float32 and certifies in float64, got dtype={str(dtype)!r}; leave out dtype, "
            "or precision"
        )


def run(
    program: Program, problem: Problem, count: int, crew: list[Any], shown: Progress, chosen: Any, interrupted: bool,
    memory: int | None = None,
) -> tuple[Outcome, dict[str, Any], bool]:  # fmt: skip
    """One bucket, as `_run.run`, with the same arguments; `drafted` counts the fits that were certified from a draft.

    Where the machine's functions do not certify, drafts measure the number of lanes, and all that follows keeps it.
    """
    model: Model = join(program.skeleton, problem.numbers)
    if has_closed_form(program) or model.free == 0:  # nothing to climb
        outcome, used, interrupted = _run.run(program, problem, count, crew, shown, chosen, interrupted, memory)
        return outcome, used | {"drafted": 0}, interrupted
    started, begun, drafters = ready(program, problem, crew, DRAFTED if chosen in ("auto", "native") else chosen)
    if drafters:  # the starts that XLA computed, if any, are not computed again
        outcome, used, interrupted = _run.run(
            started, begun, count, crew, _Certified(shown), DRAFTED, interrupted, memory, look=False
        )
        certified = at_maximum(outcome.status)
        spent = np.where(certified, 0, outcome.steps).astype(np.int32)
        shown.advance(int(certified.sum()))
        return _rest(program, problem, count, crew, shown, chosen, interrupted, memory, outcome, certified, spent, used)
    _check_float32(model, program, problem)
    blank = jax.tree.map(lambda s: np.zeros((count, *s.value_shape)), model.space)
    certifier, _ = with_starts(program._replace(optimizer=newton()), problem, blank)
    kernels = ready(certifier, problem._replace(start=blank), crew, chosen)[2]
    outcome: Any = None
    certified, spent, used = np.zeros(count, bool), np.zeros(count, np.int32), {}
    for here in [] if interrupted else _portions(program, problem, count, crew, memory):
        part = taken(problem, program.axes, here)
        size = len(part.status)
        lanes = program.lanes if kernels else chosen  # `lanes="native"` must replay the same drafts
        draft, how, interrupted = _run.run(
            program, _in_float32(part), size, crew, Progress(False, size), lanes, interrupted, memory, look=False
        )
        program = program._replace(lanes=how["lanes"])
        chosen = chosen if kernels else program.lanes
        if interrupted:
            break
        spent[here] = draft.steps
        sound = at_maximum(draft.status)
        with near(draft.u.size):
            starts = params_at(model, np.where(sound[:, None], draft.u, 0.0).astype(np.float64))
        # In lanes the others pass by, so that one program serves any number of drafts; one is there, to compile it.
        which = np.flatnonzero(sound) if kernels and sound.any() else np.arange(1 if kernels else size)
        status = np.where(sound, part.status, np.int32(Status.NOT_RUN))
        drafts = part._replace(start=starts, status=status, max_steps=np.full_like(part.max_steps, POLISH))
        if len(which) < size:
            drafts = taken(drafts, certifier.axes, which)
        found, last, interrupted = _run.run(
            certifier._replace(lanes=program.lanes), drafts, len(which), crew, _Certified(shown), chosen, interrupted,
            memory, look=False,
        )  # fmt: skip
        used = how | last if used == {} else used | last
        draft = Outcome(*(x[which] for x in draft))
        at = np.arange(count)[here][which]
        spent[at] += found.steps
        fine = at_maximum(found.status) & _within(program, draft, found, part.max_steps)
        found = found._replace(
            steps=spent[at],
            polish=found.polish if one_phase(program) else draft.polish + found.steps,
            travel=draft.travel + found.travel,
        )
        if outcome is None:
            outcome = Outcome(*(np.zeros((count, *x.shape[1:]), x.dtype) for x in found))
        _put(outcome, at[fine], Outcome(*(x[fine] for x in found)))
        certified[at[fine]] = True
        shown.advance(int(fine.sum()))
        if interrupted:
            break
    return _rest(program, problem, count, crew, shown, chosen, interrupted, memory, outcome, certified, spent, used)


def _rest(
    program: Program, problem: Problem, count: int, crew: list[Any], shown: Progress, chosen: Any, interrupted: bool,
    memory: int | None, outcome: Any, certified: np.ndarray, spent: np.ndarray, used: dict[str, Any],
) -> tuple[Outcome, dict[str, Any], bool]:  # fmt: skip
    """With those that no draft certified, from their own starts in float64; `spent` is what their drafts took."""
    left = np.flatnonzero(~certified)
    if len(left):
        padded = np.resize(left, 1 << (len(left) - 1).bit_length()) if len(left) < program.lanes else left
        rest = problem if len(left) == count else taken(problem, program.axes, padded)
        again, last, interrupted = _run.run(
            program, rest, len(rest.status), crew, _AtMost(shown, len(left)), chosen, interrupted, memory
        )
        again = Outcome(*(x[: len(left)] for x in again))
        again.steps[:] += np.where(again.status == Status.NOT_RUN, 0, spent[left]).astype(again.steps.dtype)
        outcome, used = again if outcome is None else outcome, used or last
        _put(outcome, left, again)
        shown.advance(len(left))
    return outcome, used | {"drafted": int(certified.sum())}, interrupted


class _Certified(Progress):
    """Tells of the drafts that were certified; the others come again."""

    def __init__(self, shown: Progress) -> None:
        super().__init__(False, shown.total)
        self.shown = shown

    def update(self, done: int, failed: int) -> None:
        self.shown.update(done - failed, 0)


class _AtMost(Progress):
    """Tells of no more data sets than there are; some are there twice."""

    def __init__(self, shown: Progress, most: int) -> None:
        super().__init__(False, shown.total)
        self.shown, self.most = shown, most

    def update(self, done: int, failed: int) -> None:
        self.shown.update(min(done, self.most), min(failed, self.most))


def _portions(program: Program, problem: Problem, count: int, crew: list[Any], memory: int | None) -> list[slice]:
    """Slices of one size, or one apart."""
    items, bound = items_of(program, problem)[0], share(crew, memory)
    lanes = fitting(program.lanes, items, bound) * len(crew)
    most = max(min(PORTION_BYTES, bound * len(crew)) // bytes_each(items), EACH_LANE * lanes)
    ends = np.linspace(0, count, -(-count // most) + 1).astype(int).tolist()
    return [slice(begin, end) for begin, end in itertools.pairwise(ends)]


def _in_float32(problem: Problem) -> Problem:
    """The same, less exactly: what is too large becomes infinite, and whole numbers stay."""

    def low(x: Any) -> Any:
        return x.astype(np.float32) if x.dtype == np.float64 else x

    with np.errstate(over="ignore", under="ignore"):
        drafted = jax.tree.map(low, problem)
    return drafted._replace(tolerance=np.maximum(drafted.tolerance, np.float32(default_tolerance(np.float32))))


def _check_float32(model: Model, program: Program, problem: Problem) -> None:
    """The contract in float32; numbers that a function makes in float64 may not go through its loops there."""
    try:
        check_model(model, _in_float32(taken(problem, program.axes, 0)))
    except (TypeError, ValueError) as error:
        raise type(error)(
            f"precision='mixed' computes the log-likelihood in float32 too, where it fails ({error}); make its arrays in "
            "the dtype of the data, such as jnp.zeros((), x.dtype), or leave precision out"
        ) from error


def _within(program: Program, draft: Outcome, found: Outcome, most: Any) -> np.ndarray:
    """Which drafts and their certificates took no more steps than a fit may, bool[b]."""
    return draft.steps + found.steps <= most if one_phase(program) else draft.steps - draft.polish <= most


def _put(outcome: Outcome, at: np.ndarray, part: Outcome) -> None:
    for whole, new in zip(outcome, part, strict=True):
        whole[at] = new
