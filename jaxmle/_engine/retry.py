"""Further attempts: fits that failed, and only they, ascend again from elsewhere, more carefully, or by another method.

Each attempt is a plan for the few that are left. Verdicts on the data (no maximum, no data, a boundary) are answers and
stay as they are; nothing is compiled where nothing failed.
"""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree

from jaxmle._engine.batch import Batch
from jaxmle._engine.evaluate import everywhere
from jaxmle._engine.memory import rounded_up
from jaxmle._engine.multistart import params_at
from jaxmle._engine.plan import Auto, Native, Plan
from jaxmle._engine.solution import Solution, model_at
from jaxmle._solver.coordinates import Unravel
from jaxmle._solver.start import first
from jaxmle._solver.state import Outcome
from jaxmle._solver.status import Status, at_limit, at_maximum
from jaxmle._util.arrays import Array, Float, Params
from jaxmle._util.records import record
from jaxmle.model.model import Model
from jaxmle.model.objective import Objective
from jaxmle.optimizers import gauss_newton, lbfgs, newton

QUICK_BELOW = 1 << 16
"Numbers of data whose lanes take less time to run than to be compiled with optimization."

ATTEMPTS = ("the first attempt", "another start", "more damping", "another method", "the curvature of Gauss and Newton")
"What `Fit.attempt` counts."

Solve = Callable[[Model, Batch, Plan], Solution]


class Attempt(NamedTuple):
    """How to try again.

    Attributes:
        number: its index in `ATTEMPTS`.
        optimizer: the method.
        origin: whether to begin at the coordinates' origin instead of at the model's own start.
        spread: how far from there to begin: of a logarithm or logit, or relative to a coordinate with units.
        same: whether to begin where the first attempt did.
    """

    number: int
    optimizer: optax.GradientTransformationExtraArgs
    origin: bool = False
    spread: float = 0.0
    same: bool = False


def attempts(plan: Plan, model: Model) -> list[Attempt]:
    """List the attempts that follow a plan, in their order.

    Newton's method is led astray by the curvature of a curve where the fit is bad; Gauss and Newton's, from the same start, is
    not. A start that was given makes way for the model's own next.
    """
    method, given = plan.optimizer, plan.start is not None
    other = newton() if method is lbfgs() else lbfgs()
    curve = [Attempt(4, gauss_newton(), same=True)] if method is newton() and _may_be_curve(model) else []
    several = [
        *curve,
        Attempt(1, method, origin=not given, spread=0.0 if given else 1.0),
        Attempt(2, newton(10.0), spread=0.5),
        Attempt(3, other, spread=2.0),
    ]
    return several[: plan.retries]


def _may_be_curve(model: Model) -> bool:
    """Return whether several parameters may make up a location: independent rows, and coordinates with units."""
    units = [s for s in jax.tree.leaves(model.space) if not s.kind.unitless]
    return model.observations == "independent" and sum(int(np.prod(s.coordinate_shape)) for s in units) > 1


@record
class _Scatter:
    """Draw a point to begin from; random numbers depend on each data set's position alone. Coordinates f[p]."""

    origin: bool
    spread: float

    def __call__(self, objective: Objective, at: Float[Array, " 1"], unravel: Unravel) -> Float[Array, " p"]:
        dtype = objective.weights.dtype
        begin = objective.model.origin(dtype) if self.origin else first(objective, None)
        u = ravel_pytree(begin)[0]
        u = jnp.where(jnp.isfinite(u), u, 0.0)
        units = jnp.where(jnp.asarray(objective.unitless) | (u == 0), 1.0, jnp.abs(u))
        key = jax.random.fold_in(jax.random.key(0), at[0].astype(jnp.uint32))
        return u + self.spread * units * jax.random.normal(key, u.shape, dtype)


def retry(solution: Solution, plan: Plan, solve: Solve) -> Solution:
    """Try again what failed, bucket by bucket, and keep what succeeds.

    An attempt has succeeded where it ends at a certified maximum, or in a verdict on the boundary or at infinity, no
    lower than the attempts before it had come.

    Args:
        solution: of the first attempt.
        plan: of the first attempt; without `max_steps` running out of steps is a reason to try again.
        solve: fits a batch by a plan without further attempts.
    """
    failed = _worth_another(solution, plan)
    if (
        not plan.retries
        or not failed.any()
        or solution.model.geometry.closed_form is not None
        or solution.model.free == 0
    ):
        return solution
    outcome = Outcome(*(np.array(x) for x in solution.outcome))
    for bucket in solution.batch.buckets:
        left = bucket.positions[failed[bucket.positions]]
        for attempt in attempts(plan, solution.model):
            if len(left):
                left = _attempted(solution, outcome, left, attempt, plan, solve)
    report = solution.report._replace(retried=int(failed.sum()))
    return dataclasses.replace(solution, outcome=outcome, report=report)


def _starts_of(start: Params, model: Model, which: np.ndarray) -> Params:
    """Select the starts of the data sets `which`; a start of all of them stays as it is."""
    return jax.tree.map(lambda x, s: x[which] if np.ndim(x) > len(s.value_shape) else x, start, model.space)


def _worth_another(solution: Solution, plan: Plan) -> np.ndarray:
    """Find the fits that failed and may succeed from another start or by another method, bool[B]."""
    status = solution.outcome.status
    failed = (status == Status.STALLED) | ((status == Status.MAX_STEPS) & (plan.max_steps is None))
    no_start = status == Status.NO_FINITE_START
    if plan.start is None and no_start.any():  # an infinite number among the data is no fault of the start
        for bucket in solution.batch.buckets:
            for x, own in zip(jax.tree.leaves(bucket.data), solution.batch.own, strict=True):
                if own and x.dtype.kind == "f":
                    no_start[bucket.positions] &= np.isfinite(np.asarray(x).reshape(len(x), -1)).all(1)
    return failed | no_start


def _attempted(
    solution: Solution, outcome: Outcome, left: np.ndarray, attempt: Attempt, plan: Plan, solve: Solve
) -> np.ndarray:
    """Put the successes of one attempt at the data sets `left` into `outcome`; return the data sets still left."""
    padded = np.resize(left, rounded_up(len(left)))
    batch = solution.batch.take(padded)
    model = model_at(solution.model, solution.size, padded)
    again = dataclasses.replace(
        plan.once(), optimizer=attempt.optimizer, start=None, precision="full", progress=False,
        backend=Auto() if isinstance(plan.backend, Native) else plan.backend, quick=batch.numbers <= QUICK_BELOW,
    )  # fmt: skip
    try:
        if attempt.spread or attempt.origin:
            position = batch.position[:, None].astype(plan.dtype)
            u = everywhere(model, batch, _Scatter(attempt.origin, attempt.spread), position, quick=True)
            again = again.warm(params_at(model, u))
        elif attempt.same and plan.start is not None:
            again = again.warm(_starts_of(plan.start, solution.model, padded))
        found = solve(model, batch, again)
    except TypeError:  # a method that this model lacks something for
        return left
    if found.report.interrupted:
        raise KeyboardInterrupt
    ends = Outcome(*(x[: len(left)] for x in found.outcome))
    fine = at_maximum(ends.status) | at_limit(ends.status)
    better = fine & ~(ends.value > outcome.value[left] + 1e-6)  # NaN before: nothing to compare with
    outcome.steps[left] += ends.steps
    at = left[better]
    for name, mine, new in zip(Outcome._fields, outcome, ends, strict=True):
        if name != "steps":
            mine[at] = new[better]
    outcome.attempt[at] = attempt.number
    return left[~better]
