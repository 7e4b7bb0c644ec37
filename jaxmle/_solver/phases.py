"""The phases of a fit as policies of the loop and the lanes: ascent, certification, settling."""

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree

from jaxmle._solver import lanes
from jaxmle._solver.charts import ascent_objective, map_limits, map_outcome, map_start
from jaxmle._solver.coordinates import Unravel
from jaxmle._solver.limits import Settling, begin_settling, conclude, is_settled, settle_step
from jaxmle._solver.problem import Item, Problem, Program, builder, has_closed_form, objective_of, one_phase
from jaxmle._solver.start import first
from jaxmle._solver.state import NOMINATED, RUNNING, Outcome, State
from jaxmle._solver.status import Status
from jaxmle._solver.step import certifies, closed, done, finish, init, step
from jaxmle._util.arrays import Array, ArrayLike, Int
from jaxmle.model.objective import Objective
from jaxmle.optimizers import newton

CERTIFY_STEPS = 50
"Newton steps allowed from a nominated point to its certificate."
LIMIT_STEPS = 15
"Newton steps allowed to find a maximum at infinity where another method ran out of steps."
SETTLE = -1
"The last phase: it settles what did not converge."


def policies(
    program: Program, build: Callable[[Item], Problem[Array]], cleaned: bool = False
) -> tuple[lanes.Policy[State, Item, Any], lanes.Policy[State, Item, Outcome[Array]]]:
    """Return the policies of the ascent and of its certification; an item is a problem, or (problem, finished ascent)."""
    certifier = newton()

    def objective_in(problem: Problem[Array]) -> Objective:
        return objective_of(program.skeleton, problem, cleaned)

    def stepper(
        optimizer: optax.GradientTransformationExtraArgs, budget: Callable[[Item], Int[Array, ""]]
    ) -> Callable[[State, Item], State]:
        def one(state: State, item: Item) -> State:
            problem = build(item)
            return step(optimizer, ascent_objective(objective_in(problem)), state, problem.tolerance, budget(item))

        return one

    def begin(item: Item) -> State:
        problem = build(item)
        objective = objective_in(problem)
        chart, u = ascent_objective(objective), first(objective, problem.start)
        return init(program.optimizer, chart, map_start(chart, u), problem.status)

    def end(outcome: Outcome[Array], item: Item) -> Outcome[Array]:
        return map_outcome(ascent_objective(objective_in(build(item))), outcome)

    def limit(item: Item) -> Int[Array, ""]:
        return build(item).max_steps

    def known(item: Item) -> State:
        problem = build(item)
        objective = objective_in(problem)
        maximum = objective.model.geometry.closed_form
        assert maximum is not None
        return closed(objective, first(objective, maximum(objective.data, objective.weights)), problem.status)

    if has_closed_form(program):
        policy = lanes.Policy(known, stepper(certifier, limit), done, lambda state, _: finish(state))
        return policy, policy
    if certifies(program.optimizer):
        ascent = lanes.Policy(begin, stepper(certifier, limit), done, lambda state, item: end(finish(state), item))
        return ascent, ascent

    def again(item: Item) -> State:
        problem, nominee = build(item), item[-1]
        objective = objective_in(problem)
        _, unravel = ravel_pytree(objective.model.origin(objective.weights.dtype))
        goes_on = (nominee.status == NOMINATED) | (nominee.status == Status.MAX_STEPS)
        return init(
            certifier, ascent_objective(objective), unravel(nominee.best), jnp.where(goes_on, RUNNING, nominee.status)
        )

    def left(item: Item) -> Int[Array, ""]:
        return jnp.where(item[-1].status == NOMINATED, CERTIFY_STEPS, LIMIT_STEPS)

    ascent = lanes.Policy(begin, stepper(program.optimizer, limit), done, lambda s, _: s._replace(u=None, opt=None))
    certify = lanes.Policy(again, stepper(certifier, left), done, lambda s, item: end(finish(s, item[-1]), item))
    return ascent, certify


def _settling(
    program: Program, build: Callable[[Item], Problem[Array]], cleaned: bool
) -> lanes.Policy[Settling, Item, Outcome[Array]]:
    """Return the policy that settles items (problem, outcome) without a certificate; ridges and kinks are left to `settle_one`."""

    def on(item: Item) -> tuple[Objective, Unravel]:
        objective = objective_of(program.skeleton, build(item), cleaned)
        return objective, ravel_pytree(objective.model.origin(objective.weights.dtype))[1]

    def step(s: Settling, item: Item) -> Settling:
        objective, unravel = on(item)
        return settle_step(s, item[1], ascent_objective(objective), unravel, ridges=False)

    def end(s: Settling, item: Item) -> Outcome[Array]:
        objective, unravel = on(item)
        return map_limits(objective, item[1], conclude(s, item[1], ascent_objective(objective), unravel))

    return lanes.Policy(lambda item: begin_settling(item[1]), step, is_settled, end)


def phases(program: Program, shared: Sequence[ArrayLike], cleaned: bool = False) -> tuple[lanes.Policy, ...]:
    """Return the phases as policies, in order: ascent and certification, or the one that is both; then `SETTLE`."""
    build = builder(program, shared)
    ascent, certify = policies(program, build, cleaned)
    return *((ascent,) if one_phase(program) else (ascent, certify)), _settling(program, build, cleaned)
