"""A batch on every core and device: the machine first, where it may, then lanes; in smaller chunks where memory runs out."""

import functools
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jaxmle import _native
from jaxmle._engine.backends import DRAFTED, apart, doubtful, machine, ready
from jaxmle._engine.devices import fitting, out_of_memory, places, platforms_of, share, width
from jaxmle._engine.settle import look_closer
from jaxmle._engine.workers import Crew, run_phase
from jaxmle._solver.problem import Problem, Program, climbs, items_of
from jaxmle._solver.state import Outcome
from jaxmle._solver.status import Status
from jaxmle._util.progress import Progress

__all__ = ["places", "run", "share", "width"]

WORTH = 10.0
"Other numbers of lanes are tried where the batch will take so many times as long as a compilation."


def tuned(crew: Callable[[Program], Crew], program: Program, places: list[Any]) -> tuple[Program, Any, bool]:
    """The program with the number of lanes that measured best, what was tried, and whether an interrupt came.

    Only where it pays: each other number is a compilation more. What the trials fitted is fitted again, so that the
    number alone replays the run.
    """
    tried: dict[int, float] = {}
    for factor in (1.0, 4.0, 0.25):
        here = program._replace(lanes=int(program.lanes * factor))
        if here.lanes < 1:
            continue
        trial = crew(here)
        most = trial.size * max(16 * here.lanes * len(places) // trial.size, len(places))
        trial.begins = iter(range(0, min(most, trial.count), trial.size))
        began = time.perf_counter()
        try:
            trial.compile(places[0])
            compiled = time.perf_counter()
            if run_phase(trial, places, None, 0):
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


def run(
    program: Program, problem: Problem, count: int, crew_places: list[Any], shown: Progress, chosen: Any,
    interrupted: bool, memory: int | None = None, few: bool = False, look: bool = True,
) -> tuple[Outcome, dict[str, Any], bool]:  # fmt: skip
    """One bucket; its outcome, how it was fitted (lanes, their utilization, data sets/s of others tried), and whether an interrupt left some of it out.

    Args:
        chosen: as `lanes` of `fit_many`, or `DRAFTED` for the machine with drafts and nothing else.
        memory: bytes that the workers may use for data together; None for half of what is free.
        few: whether lanes compile longer than they run.
        look: whether what did not converge is looked at more closely.

    Where memory runs out all the same, what is left goes on in chunks, then in lanes, half as large.
    """
    program, problem, kernels = ready(program, problem, crew_places, chosen)
    own, shared = items_of(program, problem)
    last = climbs(program) - 1
    items: Any = (own,)
    bound = share(crew_places, memory)
    program = program._replace(lanes=fitting(program.lanes, items, bound))
    used: dict[str, Any] = {"lanes": program.lanes}
    results: Any = None
    finished = np.zeros(count, bool)
    for phase in range(last + 1):
        watched = shown if phase == last else None
        if phase:
            kernels = machine(program, phase, items, shared, problem.weights, platforms_of(crew_places), chosen)
        results, finished, left = None, np.zeros(count, bool), np.arange(count)
        turns: list[_native.Compiled | None] = [*kernels] if chosen == DRAFTED else [*kernels, None]
        while turns and len(left) and not (interrupted and results is not None):
            kernel = turns.pop(0)
            mine, weights = items, problem.weights
            if len(left) < count:
                mine, weights = jax.tree.map(lambda x, left=left: x[left], (items, weights))
            crew_of = functools.partial(
                Crew, phase=phase, items=mine, shared=shared, count=len(left), workers=len(crew_places), kernel=kernel,
                weights=weights, bound=bound, few=few,
            )  # fmt: skip
            where = crew_places
            if kernel is not None:
                where = [place for place in crew_places for _ in range(kernel.abreast)]
                if len(left) <= kernel.least(weights.shape[1]):
                    where = where[:1]
            elif not interrupted:
                where = apart(program, phase, items, shared, problem.weights, crew_places)
                if chosen == "auto" and not (phase or kernels) and len(left) >= 32 * program.lanes * len(where):
                    program, used["tried"], interrupted = tuned(crew_of, program, where)
            crew = crew_of(program)
            if not interrupted:
                try:
                    interrupted = run_phase(crew, where, watched, count - len(left))
                except Exception as error:
                    if not out_of_memory(error) or crew.size == 1:
                        raise
                    bound = 2 * crew.size * crew.each
                    program = program._replace(lanes=fitting(program.lanes, items, bound))
                    turns.insert(0, kernel)
            if results is None:
                results = crew.results
            else:
                crew.give(results, left)
            finished[left[crew.finished]] = True
            again = ~crew.finished | (doubtful(kernel, crew.results.status) if kernel is not None else False)
            left = left[again]
        items = (own, results)  # what another method nominated waits for its certificate
        used |= {"lanes": "native"} if kernels else {"lanes": program.lanes, "utilization": crew.utilization}
    shown.advance(count)
    outcome: Outcome = results
    if look:
        interrupted |= look_closer(program, problem, outcome, finished, chosen)
    if not finished.all():
        outcome = _not_run(outcome, ~finished)
    return outcome, used, interrupted


def on_the_machine(program: Program, problem: Problem, numbers: int) -> Outcome | None:
    """A batch of one data set, of so many numbers, as functions of the machine, in this thread; None where that cannot be."""
    here = places(None, numbers)[:1]
    program, problem, kernels = ready(program, problem, here, "auto")
    own, shared = items_of(program, problem)
    items: Any = (own,)
    results: Any = None
    for phase in range(climbs(program)):
        results = None
        if phase:
            kernels = machine(program, phase, items, shared, problem.weights, platforms_of(here), "auto")
        for kernel in kernels:
            crew = Crew(program, phase, items, shared, 1, 1, kernel, problem.weights)
            crew.fit(kernel, here[0])
            if crew.finished.all() and not doubtful(kernel, crew.results.status).any():
                results = crew.results
        if results is None:
            return None
        items = (own, results)
    return results


def _not_run(outcome: Outcome, mask: np.ndarray) -> Outcome:
    for x in outcome:
        x[mask] = np.nan if x.dtype.kind == "f" else 0
    outcome.status[mask] = Status.NOT_RUN
    return outcome
