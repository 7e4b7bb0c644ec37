"""Two policies over the one step: a loop for one fit, lanes for many. No driver anywhere else."""

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.flatten_util import ravel_pytree

from jaxmle import spaces
from jaxmle._solver import lanes
from jaxmle._solver.charts import climbed, landed, lifted, settled_on, told_of
from jaxmle._solver.limits import blank, look, seen_enough, told, unsettled
from jaxmle._solver.status import Status
from jaxmle._solver.step import NOMINATED, RUNNING, Outcome, State, certifies, closed, done, finish, init, step
from jaxmle._util.records import join, split
from jaxmle.model.model import Model
from jaxmle.model.objective import Objective
from jaxmle.model.observations import clean, float_dtype, for_model, row_leaves
from jaxmle.optimizers import bhhh, fisher_scoring, lbfgs, newton

POLISH = 50
"Newton steps that a nominated point may take to its certificate."
SCOUT = 15
"Newton steps that look for a maximum at infinity where another method ran out of steps."
LOOK = -1
"The last phase: a closer look at what did not converge."


class Problem(NamedTuple):
    """Everything about one fit that may vary without a new compilation; a pytree.

    Attributes:
        numbers: the model's numbers, as `split` lists them.
        data: leaves [n, ...] or `constant`.
        weights: f[n].
        start: natural params, or None for the model's own start.
        status: RUNNING, or a verdict already known, int[].
        tolerance: log-likelihood still to be gained, f[].
        max_steps: evaluations, int[].
    """

    numbers: Any
    data: Any
    weights: Any
    start: Any
    status: Any
    tolerance: Any
    max_steps: Any


class Program(NamedTuple):
    """Everything that decides the compiled program; hashable.

    Attributes:
        skeleton: the model without its numbers.
        optimizer: the method.
        tree, axes: structure of `Problem`, and for each of its leaves whether it has a data-set axis.
        lanes: fits that step together.
    """

    skeleton: Any
    optimizer: Any
    tree: Any
    axes: tuple[bool, ...]
    lanes: int


def default_tolerance(dtype: Any) -> float:
    """Log-likelihood still to be gained at which a fit counts as converged: 1e-9, or 1e-3 in float32."""
    return 1e-9 if jnp.finfo(dtype).bits >= 64 else 1e-3


def default_max_steps(optimizer: Any) -> int:
    """100 with second derivatives, 1000 for bhhh and lbfgs, 10 000 for methods whose steps are many and cheap."""
    return 100 if optimizer in (newton(), fisher_scoring()) else 1000 if optimizer in (bhhh(), lbfgs()) else 10_000


def objective_of(skeleton: Any, problem: Problem, cleaned: bool = False) -> Objective:
    """The objective of one problem, rows of weight 0 replaced unless they were `cleaned` before."""
    data, weights = (problem.data, problem.weights) if cleaned else clean(problem.data, problem.weights)
    model = join(skeleton, problem.numbers)
    return Objective(model, for_model(model, data), weights)


def first(objective: Objective, start: Any) -> Any:
    """The coordinates (pytree) where the ascent begins."""
    model, dtype = objective.model, objective.weights.dtype
    if start is None and model.start is None:
        return model.origin(dtype)
    params = start if model.start is None or start is not None else model.start(objective.data, objective.weights)
    params = jax.tree.map(lambda x: jnp.asarray(x, dtype), params)
    return jax.tree.map(lambda x: jnp.asarray(x, dtype), model.inverse(params))


def has_closed_form(program: Program) -> bool:
    """Whether the maximum is computed and not climbed to, whatever the method."""
    return join(program.skeleton, itertools.repeat(None)).geometry.closed_form is not None


def one_phase(program: Program) -> bool:
    """Whether the climb is its own certificate."""
    return certifies(program.optimizer) or has_closed_form(program)


def _policies(
    program: Program, build: Callable[[Any], Problem], cleaned: bool = False
) -> tuple[lanes.Policy, lanes.Policy]:
    """How to climb with the method, and how to certify where it led. An item is a problem, or (problem, climbed)."""
    certifier = newton()

    def objective_in(problem: Problem) -> Objective:
        return objective_of(program.skeleton, problem, cleaned)

    def stepper(optimizer: Any, budget: Callable[[Any], Any]) -> Callable[[State, Any], State]:
        def one(state: State, item: Any) -> State:
            problem = build(item)
            return step(optimizer, climbed(objective_in(problem)), state, problem.tolerance, budget(item))

        return one

    def begin(item: Any) -> State:
        problem = build(item)
        objective = objective_in(problem)
        chart, u = climbed(objective), first(objective, problem.start)
        return init(program.optimizer, chart, lifted(chart, u), problem.status)

    def end(outcome: Outcome, item: Any) -> Outcome:
        return landed(climbed(objective_in(build(item))), outcome)

    def limit(item: Any) -> Any:
        return build(item).max_steps

    def known(item: Any) -> State:
        problem = build(item)
        objective = objective_in(problem)
        maximum = objective.model.geometry.closed_form
        assert maximum is not None
        return closed(objective, first(objective, maximum(objective.data, objective.weights)), problem.status)

    if has_closed_form(program):
        policy = lanes.Policy(known, stepper(certifier, limit), done, lambda state, _: finish(state))
        return policy, policy
    if certifies(program.optimizer):
        climb = lanes.Policy(begin, stepper(certifier, limit), done, lambda state, item: end(finish(state), item))
        return climb, climb

    def again(item: Any) -> State:
        problem, led = build(item), item[-1]
        objective = objective_in(problem)
        _, unravel = ravel_pytree(objective.model.origin(objective.weights.dtype))
        goes_on = (led.status == NOMINATED) | (led.status == Status.MAX_STEPS)
        return init(certifier, climbed(objective), unravel(led.best), jnp.where(goes_on, RUNNING, led.status))

    def left(item: Any) -> Any:
        return jnp.where(item[-1].status == NOMINATED, POLISH, SCOUT)

    climb = lanes.Policy(begin, stepper(program.optimizer, limit), done, lambda s, _: s._replace(u=None, opt=None))
    certify = lanes.Policy(again, stepper(certifier, left), done, lambda s, item: end(finish(s, item[-1]), item))
    return climb, certify


def _closer(program: Program, build: Callable[[Any], Problem], cleaned: bool) -> lanes.Policy:
    """`settled` for items (problem, outcome) that did not converge and are not unidentified; nothing is said of kinks."""

    def on(item: Any) -> tuple[Objective, Any]:
        objective = objective_of(program.skeleton, build(item), cleaned)
        return objective, ravel_pytree(objective.model.origin(objective.weights.dtype))[1]

    def step(seen: Any, item: Any) -> Any:
        objective, unravel = on(item)
        return look(seen, item[1], climbed(objective), unravel, ridges=False)

    def end(seen: Any, item: Any) -> Outcome:
        objective, unravel = on(item)
        return told_of(objective, item[1], told(seen, item[1], climbed(objective), unravel))

    return lanes.Policy(lambda item: blank(item[1]), step, seen_enough, end)


def solve_one(program: Program, problem: Problem) -> Outcome:
    """One fit: a loop over `step`. What did not converge still waits for `settled`."""

    def loop(policy: lanes.Policy, item: Any) -> Any:
        state = lax.while_loop(lambda s: ~policy.done(s), lambda s: policy.step(s, item), policy.begin(item))
        return policy.end(state, item)

    climb, certify = _policies(program, lambda item: item[0])
    outcome = loop(climb, (problem,))
    if not one_phase(program):
        outcome = loop(certify, (problem, outcome))
    return outcome


def settled(program: Program, problem: Problem, outcome: Outcome) -> Outcome:
    """Looks closer at a fit that did not converge."""

    def look() -> Outcome:
        objective = objective_of(program.skeleton, problem)
        _, unravel = ravel_pytree(objective.model.origin(objective.weights.dtype))
        return settled_on(objective, outcome, unravel, problem.tolerance, problem.max_steps)

    return lax.cond(unsettled(outcome), look, lambda: outcome)


def items_of(program: Program, problem: Problem) -> tuple[list[Any], list[Any]]:
    """The leaves of a batched problem: those with a data-set axis, and the shared ones."""
    leaves = jax.tree.leaves(problem)
    return (
        [x for x, own in zip(leaves, program.axes, strict=True) if own],
        [x for x, own in zip(leaves, program.axes, strict=True) if not own],
    )


def taken(problem: Problem, axes: tuple[bool, ...], which: Any) -> Problem:
    """The problem of one of the data sets, or of some: a slice, or their positions."""
    leaves, tree = jax.tree.flatten(problem)
    return jax.tree.unflatten(tree, [x[which] if own else x for x, own in zip(leaves, axes, strict=True)])


def without_start(program: Program, problem: Problem) -> tuple[Program, Problem]:
    """The same with the model's own start."""
    axes: Any = jax.tree.unflatten(program.tree, program.axes)
    bare = problem._replace(start=None)
    flat = tuple(jax.tree.leaves(axes._replace(start=None)))
    return program._replace(tree=jax.tree.structure(bare), axes=flat), bare


def with_starts(program: Program, problem: Problem, starts: Any) -> tuple[Program, Problem]:
    """The same with a start for each data set, leaves [B, ...]."""
    axes: Any = jax.tree.unflatten(program.tree, program.axes)
    full = problem._replace(start=starts)
    flat = tuple(jax.tree.leaves(axes._replace(start=jax.tree.map(lambda _: True, starts))))
    return program._replace(tree=jax.tree.structure(full), axes=flat), full


def own_starts(program: Program, own: list[Any], shared: list[Any]) -> Any:
    """Natural params where the model's own start begins, leaves [B, ...]."""
    build = builder(program, shared)

    def one(mine: Any) -> Any:
        objective = objective_of(program.skeleton, build((mine,)))
        assert objective.model.start is not None
        params = objective.model.start(objective.data, objective.weights)
        return jax.tree.map(lambda x: jnp.asarray(x, objective.weights.dtype), params)

    return lax.map(one, own, batch_size=min(256, len(own[0])))


def builder(program: Program, shared: list[Any]) -> Callable[[Any], Problem]:
    def build(item: Any) -> Problem:
        mine, common = iter(item[0]), iter(shared)
        return jax.tree.unflatten(program.tree, [next(mine) if own else next(common) for own in program.axes])

    return build


def climbs(program: Program) -> int:
    """How many phases come before the closer `LOOK`."""
    return 1 if one_phase(program) else 2


def phases(program: Program, shared: list[Any], cleaned: bool = False) -> tuple[lanes.Policy, ...]:
    """The lanes' policies, one after the other: climb and certify, or the one that is both; then the closer `LOOK`."""
    build = builder(program, shared)
    climb, certify = _policies(program, build, cleaned)
    return *((climb,) if one_phase(program) else (climb, certify)), _closer(program, build, cleaned)


def among(program: Program, chosen: Callable[[Problem], Any]) -> tuple[bool, ...]:
    """Which leaves of a problem are among those that `chosen` takes of it."""
    problem = jax.tree.unflatten(program.tree, range(len(program.axes)))
    mine = set(jax.tree.leaves(chosen(problem)))
    return tuple(i in mine for i in range(len(program.axes)))


def with_rows(problem: Problem) -> Any:
    """The leaves that have an observation axis."""
    return row_leaves(problem.data), problem.weights


def row_flags(program: Program) -> tuple[list[bool], list[bool]]:
    """Which of `items_of`'s leaves have an observation axis."""
    return items_of(program, jax.tree.unflatten(program.tree, among(program, with_rows)))


def weights_at(program: Program) -> int:
    """Where the weights are among the leaves that each data set has for its own."""
    return sum(program.axes[: among(program, lambda p: p.weights).index(True)])


def starts_itself(program: Program, problem: Problem) -> bool:
    """Whether the climb begins where the model's own start says."""
    model = join(program.skeleton, problem.numbers)
    return problem.start is None and model.start is not None and model.geometry.closed_form is None


def solve_many(program: Program, own: list[Any], shared: list[Any]) -> Outcome:
    """Many fits in one traced program: lanes over `step`, leaves [B, ...] in and out; `settle_many` comes after."""
    items: Any = (own,)
    outcome: Any = None
    for policy in phases(program, shared)[:LOOK]:
        outcome = lanes.run(policy, items, program.lanes)
        items = (own, outcome)
    return outcome


def settle_many(program: Program, own: list[Any], shared: list[Any], outcome: Outcome, left: Any = None) -> Outcome:
    """`settled` over a batch, one after the other, after the fits that are `left`; costs nothing where every fit converged.

    Args:
        left: whose outcome is still missing, bool[B]; None where there is none.
    """
    build = builder(program, shared)
    look = unsettled(outcome) if left is None else left | unsettled(outcome)
    order = jnp.argsort(~look, stable=True)

    def one(k: Any, outcome: Outcome) -> Outcome:
        at = order[k]
        problem, found = build(([x[at] for x in own],)), jax.tree.map(lambda x: x[at], outcome)
        if left is not None:
            found = lax.cond(left[at], lambda: solve_one(program, problem), lambda: found)
        found = settled(program, problem, found)
        return jax.tree.map(lambda all_, x: all_.at[at].set(x), outcome, found)

    return lax.fori_loop(0, jnp.sum(look), one, outcome)


def problem_dtype(data: Any, weights: Any) -> Any:
    """The dtype of the computation, from data and weights."""
    return float_dtype(data if weights is None else (data, weights))


def numbers_of(model: Model, size: int, dtype: Any) -> tuple[list[np.ndarray], list[bool]]:
    """The model's numbers, and which of them come one for each data set."""
    per_set = []
    for name, s in zip(model.names, jax.tree.leaves(model.space), strict=True):
        one = 0 if s.kind.name == spaces.HELD else len(s.value_shape)
        if (s.kind is spaces.PINNED or s.kind.name == spaces.HELD) and np.ndim(s.bounds[0]) == one + 1:
            if np.shape(s.bounds[0])[0] != size:
                raise ValueError(
                    f"pinned {name} has shape {list(np.shape(s.bounds[0]))}; expected {list(s.value_shape)}, or one value "
                    f"for each of the {size} data sets"
                )
            per_set.append(id(s.bounds[0]))
    numbers = split(model)[1]
    return [np.asarray(x, dtype) for x in numbers], [id(x) in per_set for x in numbers]
