"""The heart: init, step, finish. The loop knows no method; the certificate is Newton's, whatever the method.

A fit climbs with the optimizer it was given until that nominates its point, then takes Newton's own steps until the
point is certified. For `newton` the first part is empty. Nothing is raised here: outcome is data.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree

from jaxmle._solver.status import Status, at_maximum
from jaxmle._util.linalg import definite_above, descend
from jaxmle.model.objective import Objective
from jaxmle.optimizers import newton
from jaxmle.optimizers.curvature import CurvatureState

RUNNING, NOMINATED = -1, -2
"Codes of a fit that has not ended; never seen outside."

NEVER_RAN = (
    Status.NO_DATA, Status.OUTSIDE_SUPPORT, Status.NO_FINITE_START, Status.BAD_WEIGHTS, Status.MISSING_VALUES
)  # fmt: skip
"Verdicts that leave nothing to report: every number is NaN."

FAR = 100.0
"Where a coordinate that stands for a logarithm or a logit is as good as infinite: exp(-100) = 4e-44."


class State(NamedTuple):
    """One fit on its way.

    Attributes:
        u, opt: evolving: the candidate (pytree of coordinates) and the optimizer's state.
        begin: where it began, f[p].
        best, value: reported: the best point so far, f[p], and its negative log-likelihood, f[].
        status, steps: verdict: RUNNING or a code, int[]; evaluations so far, int[].
    """

    u: Any
    opt: Any
    begin: Any
    best: Any
    value: Any
    status: Any
    steps: Any


class Outcome(NamedTuple):
    """What a fit ends with; every number belongs to the point `u`.

    Attributes:
        u: unconstrained coordinates, f[p].
        value: negative weighted log-likelihood, f[].
        information: observed information, f[p, p].
        decrement: log-likelihood still to be gained, f[].
        status: `Status` code, int[].
        steps: evaluations in all, int[].
        polish: how many of them were Newton's, after another method's nomination, int[].
        direction, travel: where the last steps led, and the whole way from the start, f[p].
        attained: whether the log-likelihood is reached at the reported params, bool[].
        rung: how many more attempts it took, int[]; `_rungs` counts them.
    """

    u: Any
    value: Any
    information: Any
    decrement: Any
    status: Any
    steps: Any
    polish: Any
    direction: Any
    travel: Any
    attained: Any
    rung: Any


def certifies(optimizer: Any) -> bool:
    """Whether the method's own steps are the certificate's."""
    return optimizer is newton()


def init(optimizer: Any, objective: Objective, u: Any, status: Any = RUNNING) -> State:
    """The start. `u` that is not finite begins at 0 there; data that cannot be fitted end at once."""
    u = jax.tree.map(lambda x: jnp.where(jnp.isfinite(x), x, 0.0), u)
    flat, _ = ravel_pytree(u)
    used, possible = objective.weights != 0, objective.model.possible(objective.data)
    status = jnp.asarray(status, jnp.int32)
    if possible is not None:
        outside = jnp.any(used & ~possible)
        status = jnp.where(outside & (status == RUNNING), int(Status.OUTSIDE_SUPPORT), status)
    illegal = jnp.any(~(objective.weights >= 0))
    status = jnp.where(illegal & (status == RUNNING), int(Status.BAD_WEIGHTS), status)
    status = jnp.where(~jnp.any(used), int(Status.NO_DATA), status)
    return State(u, optimizer.init(u), flat, flat, jnp.full((), jnp.inf, flat.dtype), status, jnp.zeros((), jnp.int32))


def closed(objective: Objective, u: Any, status: Any = RUNNING) -> State:
    """A fit whose maximum is known in closed form: no ascent, and the expected information where there is one."""
    model = objective.model
    state = init(newton(), objective, u, status)
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
    away = jnp.asarray(objective.unitless) & (jnp.abs(given) > FAR)
    found = jnp.where(jnp.any(away), int(Status.AT_INFINITY), int(known))
    status = jnp.where(inside, found, jnp.where(objective.varies, int(Status.STALLED), int(Status.UNBOUNDED)))
    status = jnp.where(state.status == RUNNING, status, state.status).astype(jnp.int32)
    value, decrement = jnp.where(inside, value, jnp.nan), jnp.where(inside, jnp.zeros_like(value), jnp.nan)
    moved = jnp.where(away | jnp.isinf(given), given, 0.0)
    opt = state.opt._replace(anchor=flat, value=value, matrix=matrix, decrement=decrement, moved=moved)
    best = jnp.where(inside | (status != Status.STALLED) & (status != Status.UNBOUNDED), flat, jnp.nan)
    return state._replace(opt=opt, best=best, value=value, status=status, steps=state.steps + 1)


def done(state: State) -> Any:
    return state.status != RUNNING


def step(optimizer: Any, objective: Objective, state: State, tolerance: Any, max_steps: Any) -> State:
    """One evaluation of the objective, one update of the optimizer, one look at the verdict."""
    value, gradient = jax.value_and_grad(objective)(state.u)
    updates, opt = optimizer.update(gradient, state.opt, state.u, value=value, grad=gradient, value_fn=objective)
    steps = state.steps + 1
    flat, unravel = ravel_pytree(state.u)
    if certifies(optimizer):
        best, best_value = opt.anchor, opt.value
        status = verdict(opt, objective, tolerance)
    else:
        better = jnp.isfinite(value) & (value <= state.value)
        best, best_value = jnp.where(better, flat, state.best), jnp.where(better, value, state.value)
        decrement, owner = _nomination(opt, objective, state.u, gradient)
        status = jnp.where((decrement <= tolerance) & (better | owner), NOMINATED, RUNNING)
        status = jnp.where((state.steps == 0) & ~jnp.isfinite(value), int(Status.NO_FINITE_START), status)
    status = jnp.where((status == RUNNING) & (steps >= max_steps), int(Status.MAX_STEPS), status).astype(jnp.int32)
    u = unravel((flat + ravel_pytree(updates)[0]).astype(flat.dtype))
    new = State(u, opt, state.begin, best, best_value, status, steps)
    return jax.tree.map(lambda old, fresh: jnp.where(done(state), old, fresh), state, new)


def _nomination(opt: Any, objective: Objective, u: Any, gradient: Any) -> tuple[Any, bool]:
    """The decrement a method offers, 1/2 S' K^-1 S by default, and whether it belongs to its own best point."""
    try:
        own = optax.tree.get(opt, "decrement", default=None)
    except KeyError:  # more than one curvature method inside
        own = None
    if own is not None:
        return own, True
    g, opg = ravel_pytree(gradient)[0], objective.opg(u)
    scale = jnp.diagonal(opg)
    zero = jnp.zeros((), g.dtype)
    d = descend(opg, g, jnp.where(scale > 0, scale, 1.0), zero, -zero)
    return jnp.where(d.definite, d.decrement, jnp.inf), False


def verdict(c: CurvatureState, objective: Objective, tolerance: Any) -> Any:
    """The certificate: RUNNING, or how the fit ended. See `Status`; each rule is one line of the definitions in docs."""
    dtype = c.anchor.dtype
    eps = float(jnp.finfo(dtype).eps)
    total = jnp.sum(objective.weights)
    floor = 2 * eps * (jnp.abs(c.value) + total)
    diagonal = jnp.abs(jnp.diagonal(c.matrix))
    spacing = eps * jnp.abs(c.anchor)
    vague = vanished(c.matrix, c.gradient, objective)
    settled = jnp.abs(c.ratio - 1) <= 0.1
    certain = ~jnp.any(vague) & c.accepted & c.definite & (c.count > 1) & settled & c.firm
    small = (c.before <= tolerance) & (c.decrement <= tolerance)
    # Steps below one unit in the last place, or a decrement that Newton's step no longer lowers, are rounding.
    minute = jnp.all((jnp.abs(c.move) <= spacing) | (0.5 * diagonal * c.move**2 <= 0.1 * tolerance))
    rounding = (c.decrement > tolerance) & (((c.before <= floor) & (c.decrement <= floor)) | minute)
    constant = pointlike(c.anchor, c.matrix)
    least = jnp.maximum(tolerance, floor)
    flat = ~c.definite & (jnp.abs(c.lowest) <= 1e3 * definite_above(dtype)) & (c.before <= least)
    # Settled along the last step, yet elsewhere it goes with that step's length: on a ridge that bends, or in its middle.
    flat |= settled & ~c.steady & ~c.fades
    flat &= c.accepted & (c.damping == 0) & (c.decrement <= least)
    # The curvature falls with the slope: what is left is a tail. Closer to the limit rounding hides it again.
    left = jnp.minimum(0.5 * jnp.abs(c.gradient @ c.plain), c.before)
    near = jnp.where(c.fades, jnp.where(c.fall > 1e-4, 1e-5, 1e-4), jnp.where(c.accepted & c.definite, 0.0, 1e-4))
    tail = (c.fall < 1e-2) & (left <= near)
    tail |= jnp.any(vague) & (c.count > 1) & (left <= 1e-4)
    far = jnp.any(jnp.asarray(objective.unitless) & (jnp.abs(c.anchor) > FAR))
    rising = c.accepted & ~c.definite & (0.5 * jnp.abs(c.gradient @ c.plain) > 1e-3 * total)
    # Where all rows are one row a density can be as narrow as numbers allow; there rounding ends the climb.
    narrow = jnp.any(jnp.asarray(objective.unitless) & (jnp.abs(c.anchor) > 20)) & ~objective.varies
    endless = c.value < -1e5 * total
    stuck = c.damping > 1e20

    # The first rule that holds decides.
    rules = [
        ((c.count == 1) & ~c.accepted, Status.NO_FINITE_START),
        (c.accepted & (c.count > 1) & constant, Status.UNBOUNDED),
        (certain & small, Status.CONVERGED),
        (certain & rounding, Status.CONVERGED_TO_ROUNDING),
        (endless | (far & rising), Status.UNBOUNDED),
        (tail | (far & c.accepted & (c.decrement <= 1e-4)), Status.AT_INFINITY),
        (narrow & ((c.count >= 25) | flat | stuck), Status.UNBOUNDED),
        (flat, Status.NOT_IDENTIFIED),
        (stuck & (far | constant), Status.UNBOUNDED),
        (stuck, Status.STALLED),
    ]
    code = jnp.asarray(RUNNING, jnp.int32)
    for holds, status in reversed(rules):
        code = jnp.where(holds, int(status), code)
    return code


def pointlike(u: Any, information: Any) -> Any:
    """Whether one unit in the last place of a coordinate is more than its standard error, bool[].

    The data are constant as far as numbers can tell, or a density stands on one row alone.
    """
    spacing = float(jnp.finfo(u.dtype).eps) * jnp.abs(u)
    return jnp.any(spacing * jnp.sqrt(jnp.abs(jnp.diagonal(information))) > 1.0)


def vanished(information: Any, gradient: Any, objective: Objective) -> Any:
    """Logarithms and logits whose curvature and slope are gone, bool[p]: known to within a factor e^300 at best."""
    least = 1e-5 * jnp.minimum(1.0, jnp.sum(objective.weights))
    gone = (jnp.abs(jnp.diagonal(information)) <= least) & (jnp.abs(gradient) <= 5 * least)
    return jnp.asarray(objective.unitless) & gone


def finish(state: State, climbed: State | None = None) -> Outcome:
    """Reads the outcome off a certified state; no evaluation. `climbed` is where another method left off."""
    c: CurvatureState = state.opt
    status, best, value = state.status, state.best, state.value
    steps, polish, stale = state.steps, jnp.zeros((), jnp.int32), jnp.zeros((), bool)
    begin = state.begin if climbed is None else climbed.begin
    if climbed is not None:
        # Where the method ran out of steps Newton only looks for a verdict; it may not turn that into success.
        nominated = climbed.status == NOMINATED
        found = (status == Status.AT_INFINITY) | (status == Status.UNBOUNDED) | (status == Status.NOT_IDENTIFIED)
        # It has no curvature to go by where that is beyond the range of numbers.
        blind = nominated & (status == Status.NO_FINITE_START) & jnp.isfinite(climbed.value)
        stale = ~nominated & ~found | blind
        status = jnp.where(stale, jnp.where(blind, int(Status.STALLED), climbed.status), status)
        best, value = jnp.where(stale, climbed.best, best), jnp.where(stale, climbed.value, value)
        polish = jnp.where(stale, 0, state.steps)
        steps = climbed.steps + polish
    never = jnp.any(jnp.stack([status == code for code in NEVER_RAN]), axis=0)

    def blank(x: Any, when: Any = never) -> Any:
        return jnp.where(when, jnp.nan, x)

    return Outcome(
        u=blank(best),
        value=blank(value),
        information=blank(c.matrix, never | stale),
        decrement=blank(c.decrement, never | stale),
        status=status.astype(jnp.int32),
        steps=jnp.where(never, 0, steps),
        polish=jnp.where(never, 0, polish),
        direction=jnp.where(c.fall < 1, c.heading, c.moved),
        travel=best - begin,
        attained=at_maximum(status) | (status == Status.AT_DATA_EDGE),
        rung=jnp.zeros((), jnp.int32),
    )
