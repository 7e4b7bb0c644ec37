"""A second chance: fits that failed, and only they, climb again from elsewhere, more carefully, or by another method.

Each rung is a policy over the same step, run by the same workers on the few that are left. Verdicts on the data (no
maximum, no data, a boundary) are answers and stay as they are; nothing is compiled where nothing failed.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from jaxmle._engine import run
from jaxmle._engine.devices import bytes_each, near, places
from jaxmle._solver.problem import (
    Problem,
    Program,
    default_max_steps,
    has_closed_form,
    items_of,
    objective_of,
    with_starts,
    without_start,
)
from jaxmle._solver.start import first
from jaxmle._solver.state import RUNNING, Outcome
from jaxmle._solver.status import Status, at_limit, at_maximum
from jaxmle._util.compile import compiled_with
from jaxmle._util.progress import Progress
from jaxmle._util.records import join
from jaxmle.optimizers import lbfgs, newton

QUICK_BELOW = 1 << 16
"Numbers of data whose lanes take less time to run than to be compiled with care."

RUNGS = ("the first attempt", "another start", "more damping", "another method")
"What `Fit.rung` counts."


class Rung(NamedTuple):
    """How to try again.

    Attributes:
        optimizer: the method.
        origin: whether to begin at the coordinates' origin instead of at the model's own start.
        spread: how far from there to begin: of a logarithm or logit, or relative to a coordinate with units.
    """

    optimizer: Any
    origin: bool
    spread: float


def rungs(program: Program, given: bool) -> tuple[Rung, Rung, Rung]:
    """What is tried, in this order; a start that was `given` makes way for the model's own first."""
    method = program.optimizer
    other = newton() if method is lbfgs() else lbfgs()
    return (Rung(method, not given, 0.0 if given else 1.0), Rung(newton(10.0), False, 0.5), Rung(other, False, 2.0))


@compiled_with(quick=True, static_argnums=(0, 1))
def _starts(program: Program, rung: Rung, own: Any, shared: Any, position: Any) -> Any:
    """Natural params to begin from, leaves [B, ...]; random numbers hang on each data set's position alone."""

    def start(mine: Any, i: Any) -> Any:
        several, common = iter(mine), iter(shared)
        problem = jax.tree.unflatten(program.tree, [next(several) if x else next(common) for x in program.axes])
        objective = objective_of(program.skeleton, problem)
        model, dtype = objective.model, objective.weights.dtype
        begin = model.origin(dtype) if rung.origin else first(objective, None)
        u, unravel = ravel_pytree(begin)
        u = jnp.where(jnp.isfinite(u), u, 0.0)
        units = jnp.where(jnp.asarray(objective.unitless) | (u == 0), 1.0, jnp.abs(u))
        z = jax.random.normal(jax.random.fold_in(jax.random.key(0), i), u.shape, dtype)
        return model.forward(unravel(u + rung.spread * units * z))

    return jax.vmap(start)(own, position)


def _worth(outcome: Outcome, problem: Problem, steps_given: bool) -> np.ndarray:
    """Which fits failed for want of a better climb, bool[B]."""
    status = outcome.status
    failed = (status == Status.STALLED) | ((status == Status.MAX_STEPS) & (not steps_given))
    lost = status == Status.NO_FINITE_START
    if problem.start is None:  # an infinite number among the data is no fault of the start
        for x in jax.tree.leaves(problem.data):
            if lost.any() and len(x) == len(lost) and x.dtype.kind == "f":
                lost = lost & np.isfinite(x.reshape(len(x), -1)).all(1)
    return failed | lost


def second_chance(
    program: Program, problem: Problem, outcome: Outcome, position: np.ndarray, retries: int, steps_given: bool,
    devices: Any, chosen: Any,
) -> None:  # fmt: skip
    """Tries again, in place, what failed in one bucket.

    A rung has succeeded where it ends at a certified maximum, or in a verdict on the boundary or at infinity, no lower
    than the attempts before it had come.

    Args:
        position: of each data set in the batch, int[B].
        retries: how many rungs may be tried.
        steps_given: whether the caller bounded the steps: running out of them is then what was asked for.
    """
    left = np.flatnonzero(_worth(outcome, problem, steps_given))
    if not len(left) or has_closed_form(program) or join(program.skeleton, problem.numbers).free == 0:
        return
    for number, rung in enumerate(rungs(program, problem.start is not None)[:retries], 1):
        if not len(left):
            return
        padded = np.resize(left, 1 << int(np.ceil(np.log2(len(left)))))  # few shapes, few programs
        numbers = len(padded) * bytes_each(items_of(program, problem)[0]) // 8
        try:
            with near(numbers):
                again, few = _problem_of(program, rung, problem, padded, position, steps_given)
                found, _, interrupted = run.run(
                    again, few, len(padded), places(devices, numbers), Progress(False, len(padded)),
                    "auto" if chosen == "native" else chosen, False, few=numbers <= QUICK_BELOW,
                )  # fmt: skip
        except TypeError:  # a method that this model lacks something for
            continue
        if interrupted:
            raise KeyboardInterrupt
        found = Outcome(*(x[: len(left)] for x in found))
        status, before = found.status, outcome.value[left]
        fine = at_maximum(status) | at_limit(status)
        better = fine & ~(found.value > before + 1e-6)  # NaN before: nothing to compare with
        outcome.steps[left] += found.steps
        at = left[better]
        for name, mine, new in zip(Outcome._fields, outcome, found, strict=True):
            if name != "steps":
                mine[at] = new[better]
        outcome.rung[at] = number
        left = left[~better]


def _problem_of(
    program: Program, rung: Rung, problem: Problem, chosen: np.ndarray, position: np.ndarray, steps_given: bool
) -> tuple[Program, Problem]:
    """The rung's program, and the problem of the data sets `chosen`."""
    again, bare = without_start(program, problem)
    leaves = zip(jax.tree.leaves(bare), again.axes, strict=True)
    few = jax.tree.unflatten(again.tree, [np.asarray(x[chosen]) if own else x for x, own in leaves])
    status = np.full(len(chosen), RUNNING, np.int32)
    steps = problem.max_steps if steps_given else np.full_like(problem.max_steps, default_max_steps(rung.optimizer))
    few = few._replace(status=status, max_steps=steps)
    again = again._replace(optimizer=rung.optimizer, lanes=min(program.lanes, len(chosen)))
    if rung.spread or rung.origin:
        own, shared = items_of(again, few)
        start = jax.tree.map(np.asarray, _starts(again._replace(lanes=0), rung, own, shared, position[chosen]))
        return with_starts(again, few, start)
    return again, few
