"""One fit step by step: init, step, finish. Newton's method certifies the maximum, whatever the optimizer.

A fit takes steps of its optimizer until that nominates a point, then Newton's own steps until the point is certified. For
`newton` the first part is empty. No error is raised here: the verdict is data.
"""

from typing import Any, cast

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree

from jaxmle._solver.evidence import gather, half_range, no_evidence, stored_numbers
from jaxmle._solver.state import NEVER_RAN, NOMINATED, RUNNING, Outcome, State
from jaxmle._solver.status import Status, at_maximum
from jaxmle._solver.verdict import decide, ended_by, number_of
from jaxmle._util.arrays import Array, ArrayLike, Bool, Float, Params
from jaxmle._util.linalg import definite, descend
from jaxmle.model.objective import Mean, Objective
from jaxmle.optimizers import newton
from jaxmle.optimizers.curvature import CurvatureState

AS_INFINITE = 100.0
"The distance of a logarithm from 0 that stands for infinity where a formula gives it and the information there is singular."

CUT_OFF = 1.98
"Share of half the range of exponents from which on a logarithm that a formula gives stands for infinity."


def certifies(optimizer: optax.GradientTransformationExtraArgs) -> bool:
    """Return whether the method is Newton's, whose steps certify the maximum."""
    return optimizer is newton()


def init(
    optimizer: optax.GradientTransformationExtraArgs, objective: Objective, u: Params, status: ArrayLike = RUNNING
) -> State:
    """Return the state at the start `u`, 0 where that is not finite; data that cannot be fitted have their verdict at once."""
    u = jax.tree.map(lambda x: jnp.where(jnp.isfinite(x), x, 0.0), u)
    flat, _ = ravel_pytree(u)
    used, possible = objective.weights != 0, objective.model.possible(objective.data)
    status = jnp.asarray(status, jnp.int32)
    if possible is not None:
        outside = jnp.any(used & ~possible)
        status = jnp.where(outside & (status == RUNNING), int(Status.OUTSIDE_SUPPORT), status)
    legal = objective.weights >= 0
    if objective.model.observations == "ordered":  # a row of a series is there once, or missing
        legal = (objective.weights == 0) | (objective.weights == 1)
    illegal = jnp.any(~legal)
    status = jnp.where(illegal & (status == RUNNING), int(Status.BAD_WEIGHTS), status)
    status = jnp.where(~jnp.any(used), int(Status.NO_DATA), status)
    evidence = no_evidence(flat) if certifies(optimizer) else None
    none, count = jnp.full((), -1, jnp.int32), jnp.zeros((), jnp.int32)
    return State(u, optimizer.init(u), flat, flat, jnp.full((), jnp.inf, flat.dtype), evidence, none, status, count)


def closed(objective: Objective, u: Params, status: ArrayLike = RUNNING) -> State:
    """Return the state of a fit whose maximum is a formula: no ascent, and the expected information where there is one."""
    model = objective.model
    state = init(newton(), objective, u, status)
    assert state.evidence is not None
    value, flat = objective(state.u), state.best
    known = Status.CONVERGED if model.geometry.information is not None else Status.AT_DATA_EDGE
    matrix = (
        objective.expected(state.u)
        if model.geometry.information is not None
        else jnp.full_like(state.opt.matrix, jnp.nan)
    )
    # Infinite coordinates: rows that are all the same, or a limit that has no density.
    given = ravel_pytree(u)[0]
    inside = jnp.all(jnp.isfinite(given)) & jnp.isfinite(value)
    # A formula may be cut off where numbers end, or far out where parameters can no longer be distinguished.
    confounded = ~definite(matrix) if model.geometry.information is not None else jnp.zeros((), bool)
    most = jnp.where(confounded, AS_INFINITE, CUT_OFF * half_range(flat.dtype))
    ends = jnp.asarray(objective.unitless) & (jnp.abs(given) > most)
    found = jnp.where(jnp.any(ends), int(Status.AT_INFINITY), int(known))
    status = jnp.where(inside, found, jnp.where(objective.varies, int(Status.STALLED), int(Status.UNBOUNDED)))
    status = jnp.where(state.status == RUNNING, status, state.status).astype(jnp.int32)
    value, decrement = jnp.where(inside, value, jnp.nan), jnp.where(inside, jnp.zeros_like(value), jnp.nan)
    moved = jnp.where(ends | jnp.isinf(given), given, 0.0)
    opt = state.opt._replace(anchor=flat, value=value, matrix=matrix, decrement=decrement)
    best = jnp.where(inside | (status != Status.STALLED) & (status != Status.UNBOUNDED), flat, jnp.nan)
    evidence = state.evidence._replace(last_step=moved)
    exact = number_of("closed form" if model.geometry.information is not None else "data edge")
    found = jnp.where(jnp.any(ends), number_of("beyond numbers"), exact)
    rule = jnp.where(
        inside, found, jnp.where(objective.varies, number_of("no formula"), number_of("rows that are one"))
    )
    rule = jnp.where(state.status == RUNNING, rule, -1).astype(jnp.int32)
    return state._replace(
        opt=opt, best=best, value=value, evidence=evidence, rule=rule, status=status, steps=state.steps + 1
    )


def done(state: State) -> Bool[Array, ""]:
    """Return whether the fit has ended, bool[]."""
    return state.status != RUNNING


def step(
    optimizer: optax.GradientTransformationExtraArgs,
    objective: Objective,
    state: State,
    tolerance: Float[Array, ""],
    max_steps: ArrayLike,
) -> State:
    """Take one evaluation of the objective, one update of the optimizer and, where that is Newton's, one decision."""
    value, gradient = jax.value_and_grad(objective)(state.u)
    # Gradient, value and function for the optimizer.
    given = (gradient, value, objective) if offers_decrement(state.opt) else mean_of(objective, value, gradient)
    updates, opt = optimizer.update(given[0], state.opt, state.u, value=given[1], grad=given[0], value_fn=given[2])
    steps = state.steps + 1
    flat, unravel = ravel_pytree(state.u)
    if certifies(optimizer):
        opt = cast(CurvatureState, opt)
        assert state.evidence is not None
        best, best_value = opt.anchor, opt.value
        evidence = gather(state.opt, opt, state.evidence, objective, state.begin, tolerance)
        status, rule = decide(evidence)
    else:
        evidence, rule = None, state.rule
        better = jnp.isfinite(value) & (value <= state.value)
        best, best_value = jnp.where(better, flat, state.best), jnp.where(better, value, state.value)
        decrement, owner = _nomination(opt, objective, state.u, gradient)
        status = jnp.where((decrement <= tolerance) & (better | owner), NOMINATED, RUNNING)
        status = jnp.where((state.steps == 0) & ~jnp.isfinite(value), int(Status.NO_FINITE_START), status)
    status = jnp.where((status == RUNNING) & (steps >= max_steps), int(Status.MAX_STEPS), status).astype(jnp.int32)
    u = unravel((flat + ravel_pytree(updates)[0]).astype(flat.dtype))
    new = State(u, opt, state.begin, best, best_value, evidence, rule, status, steps)
    return jax.tree.map(lambda old, fresh: jnp.where(done(state), old, fresh), state, new)


def offers_decrement(opt: Any, alone: bool = False) -> bool:
    """Return whether the state of an optimizer is that of a curvature method of ours, or wraps one; with `alone`, one only."""
    try:
        return optax.tree.get(opt, "decrement", default=None) is not None
    except KeyError:  # more than one inside
        return not alone


def mean_of(objective: Objective, value: Float[Array, ""], gradient: Params) -> tuple[Params, Float[Array, ""], Mean]:
    """Return gradient, value and function of the mean contribution, sum / sum of weights, for first-order methods.

    So a learning rate, or a bound on the gradient, means the same for 10 rows and for a million.
    """
    mean = Mean(objective)
    return jax.tree.map(lambda x: x / mean.total, gradient), value / mean.total, mean


def _nomination(opt: Any, objective: Objective, u: Params, gradient: Params) -> tuple[Float[Array, ""], bool]:
    """Return the decrement that a method computes, 1/2 S' K^-1 S by default, and whether it belongs to its own best point."""
    if offers_decrement(opt, alone=True):
        return optax.tree.get(opt, "decrement"), True
    g, opg = ravel_pytree(gradient)[0], objective.opg(u)
    scale = jnp.diagonal(opg)
    zero = jnp.zeros((), g.dtype)
    d = descend(opg, g, jnp.where(scale > 0, scale, 1.0), zero, -zero)
    return jnp.where(d.definite, d.decrement, jnp.inf), False


def finish(state: State, nominating: State | None = None) -> Outcome[Array]:
    """Make the outcome of a finished state, without an evaluation; `nominating` is the last state of another method."""
    c: CurvatureState = state.opt
    assert state.evidence is not None
    status, best, value = state.status, state.best, state.value
    steps, newton_steps, stale, rule = state.steps, jnp.zeros((), jnp.int32), jnp.zeros((), bool), state.rule
    begin = state.begin if nominating is None else nominating.begin
    if nominating is not None:
        # Where the method ran out of steps Newton's may find another verdict, but may not turn that one into success.
        nominated = nominating.status == NOMINATED
        found = (status == Status.AT_INFINITY) | (status == Status.UNBOUNDED) | (status == Status.NOT_IDENTIFIED)
        # Newton's method has no step where the curvature is beyond the range of numbers.
        blind = nominated & (status == Status.NO_FINITE_START) & jnp.isfinite(nominating.value)
        stale = ~nominated & ~found | blind
        status = jnp.where(stale, jnp.where(blind, int(Status.STALLED), nominating.status), status)
        best, value = jnp.where(stale, nominating.best, best), jnp.where(stale, nominating.value, value)
        newton_steps = jnp.where(stale, 0, state.steps)
        rule = jnp.where(stale, jnp.where(blind, number_of("no curvature"), -1), rule)
        steps = nominating.steps + newton_steps
    never = jnp.any(jnp.stack([status == code for code in NEVER_RAN]), axis=0)

    def blank(x: Array, when: Bool[Array, ""] = never) -> Array:
        return jnp.where(when, jnp.nan, x)

    return Outcome(
        u=blank(best),
        value=blank(value),
        information=blank(c.matrix, never | stale),
        decrement=blank(c.decrement, never | stale),
        status=status.astype(jnp.int32),
        steps=jnp.where(never, 0, steps),
        newton_steps=jnp.where(never, 0, newton_steps),
        direction=jnp.where(c.tail_rate < 1, c.tail_step, state.evidence.last_step),
        travel=best - begin,
        attained=at_maximum(status) | (status == Status.AT_DATA_EDGE),
        attempt=jnp.zeros((), jnp.int32),
        rule=ended_by(status, rule),
        evidence=blank(stored_numbers(state.evidence), never | stale),
    )
