"""Limits of fits without a certificate: the direction, the certificate of the limit, and the supremum.

Runs after the ascent and only for the fits that need it. The first evaluation, where the ascent ended, shows which
coordinates diverge. They are held far out, and Newton's steps in the others find the maximum beside the limit. From there
a step inward must not increase the log-likelihood: that is the condition of Karush, Kuhn and Tucker, measured where the
change exceeds rounding.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.flatten_util import ravel_pytree

from jaxmle._solver.coordinates import Unravel, finite_ends
from jaxmle._solver.evidence import departing, half_range, vanished, with_inward_loss
from jaxmle._solver.state import Outcome
from jaxmle._solver.status import Status, undecided
from jaxmle._solver.verdict import LITTLE, number_of
from jaxmle._util.arrays import Array, Bool, Float, Int
from jaxmle._util.linalg import descend
from jaxmle.model.objective import Objective
from jaxmle.optimizers.curvature import CurvatureState, advance, hold, initial_state

AT_THE_END, BESIDE, INWARD, SETTLED = range(4)
"Stages: the first evaluation, where the ascent ended; Newton's steps beside the limit; steps inward from it; the end."

FEWEST, MOST_STEPS = 4, 39
"The least and the greatest number of steps beside a limit."

GAIN = 1e-6
"Log-likelihood below which a step beside a limit gains nothing, and a step inward from it loses nothing."

AS_INFINITE = 100.0
"The distance from the start of the ascent at which a logarithm or a logit stands for infinity: a factor of 1e-43."

RAY_STEPS = 30.0
"Of a coordinate with units: how many of the last steps further out stand for infinity; a tail falls by 0.75 a step at least."

OFFSETS = (0.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
"How far inward from the end of the ascent a logarithm or a logit is tried, until a change exceeds rounding."

TAIL_PACE = 0.5
"A logarithm or a logit that still moves so far in a step beside a limit diverges, too."

MOVING = 0.01
"A logarithm or a logit diverges where it still moves by this, a coordinate with units by this share of its way."

FLATTEST, HARDLY = 1e-3, 0.05
"Along a ridge: the greatest curvature in the rows' units, and the share of a unit change that a short step may lose."

GONE_AWAY = 15.0
"The distance from the start along a ridge that extends to infinity: of logarithms, or of others in units of their curvature at the start."

PLATEAU = 1e-8
"The share of its first curvature that a coordinate keeps on a plateau, at most."

SHORT = 3e-3
"How far along a ridge it must be flat, in units of the rows' scores or of the curvature: a tenth of what is regular."


def unsettled(outcome: Outcome[Array]) -> Bool[Array, "..."]:
    """Return which outcomes need `settle`, bool of the shape of `status`."""
    s = outcome.status
    return undecided(s) | (s == Status.AT_INFINITY) | (s == Status.NOT_IDENTIFIED) | (s == Status.UNBOUNDED)


def diverging_along(
    direction: Float[Array, " p"], travel: Float[Array, " p"], units: Bool[Array, " p"]
) -> Bool[Array, " p"]:
    """Find the coordinates that diverge along the last step, bool[p].

    A logarithm or a logit that still moves, or a coordinate with units that still moves by a hundredth of its way so far,
    where no further gain is predicted; the latter only where none of the former does.
    """
    moving = jnp.abs(direction) > MOVING * jnp.where(units, jnp.abs(travel), 1.0)
    away = (jnp.abs(travel) > half_range(travel.dtype)) & ~units
    bare = moving & ~units
    return jnp.where(jnp.any(away), away, jnp.where(jnp.any(bare), bare, moving))


class Settling(NamedTuple):
    """The state of the settling stage; all in coordinates f[p] unless said otherwise.

    Attributes:
        stage: int[].
        at: where to evaluate next.
        beside: Newton's state in the coordinates that do not diverge, the others held.
        gained: the increase of the log-likelihood by its last step, f[].
        value, information, decrement, definite, noise: where the ascent ended; the last is the rounding error of the value, f[].
        status, rule: as they stand, int[] each.
        direction: of divergence.
        diverging: which do, bool[p].
        inward: the loss of log-likelihood by the last step inward; infinite while no change exceeded rounding, f[].
        k: evaluations in this stage, int[].
    """

    stage: Int[Array, ""]
    at: Float[Array, " p"]
    beside: CurvatureState
    gained: Float[Array, ""]
    value: Float[Array, ""]
    information: Float[Array, "p p"]
    decrement: Float[Array, ""]
    definite: Bool[Array, ""]
    noise: Float[Array, ""]
    status: Int[Array, ""]
    rule: Int[Array, ""]
    direction: Float[Array, " p"]
    diverging: Bool[Array, " p"]
    inward: Float[Array, ""]
    k: Int[Array, ""]


def begin_settling(outcome: Outcome[Array]) -> Settling:
    """Return the state before the first evaluation."""
    u, dtype = outcome.u, outcome.u.dtype
    zero, no, none, whole = jnp.zeros((), dtype), jnp.array(False), jnp.zeros_like(u), jnp.zeros((), jnp.int32)
    return Settling(
        stage=whole, at=u, beside=initial_state(u), gained=zero, value=zero,
        information=jnp.eye(u.shape[0], dtype=dtype), decrement=zero, definite=no, noise=zero,
        status=outcome.status.astype(jnp.int32), rule=outcome.rule.astype(jnp.int32), direction=none,
        diverging=jnp.zeros(u.shape, bool), inward=zero + jnp.inf, k=whole,
    )  # fmt: skip


def is_settled(s: Settling) -> Bool[Array, ""]:
    """Return whether there is nothing more to evaluate, bool[]."""
    return s.stage == SETTLED


def settle_step(
    s: Settling, outcome: Outcome[Array], objective: Objective, unravel: Unravel, ridges: bool = True
) -> Settling:
    """Take one evaluation; one function for all stages, so that the objective is compiled once.

    Args:
        outcome: as `finish` left it.
        unravel: f[p] to the pytree of coordinates.
        ridges: whether the outcome may be one that is not identified.
    """
    value, gradient = jax.value_and_grad(objective)(unravel(s.at))
    here = value, ravel_pytree(gradient)[0], objective.information(unravel(s.at))
    new = lax.cond(
        s.stage == AT_THE_END,
        lambda: _at_the_end(outcome, objective, unravel, ridges, *here),
        lambda: _at_the_limit(s, outcome, objective, *here),
    )
    over = is_settled(s)
    return jax.tree.map(lambda old, fresh: jnp.where(over, old, fresh), s, new)


def _joining(s: Settling, objective: Objective) -> Bool[Array, " p"]:
    """Find the coordinates that still move at a tail's rate beside a limit, and so diverge too, bool[p]."""
    return jnp.asarray(finite_ends(objective.model)[0] & objective.unitless) & (jnp.abs(s.beside.plain) > TAIL_PACE)


def _rises(s: Settling, objective: Objective) -> Bool[Array, ""]:
    """Return whether the log-likelihood beside the limit still increases, bool[]."""
    return (s.gained > GAIN) & ~jnp.any(_joining(s, objective))


def settle(outcome: Outcome[Array], objective: Objective, unravel: Unravel) -> Outcome[Array]:
    """Find the limit, the supremum and the direction of one unsettled fit."""
    s = lax.while_loop(
        lambda s: ~is_settled(s), lambda s: settle_step(s, outcome, objective, unravel), begin_settling(outcome)
    )
    return conclude(s, outcome, objective, unravel)


def conclude(s: Settling, outcome: Outcome[Array], objective: Objective, unravel: Unravel) -> Outcome[Array]:
    """Make the outcome of a settled fit. Where the log-likelihood still increases beside the limit, or inward, there is no limit."""
    u = outcome.u
    elementwise, low, high = (jnp.asarray(x) for x in finite_ends(objective.model))
    # A maximum in closed form lies on a kink or an edge, where slopes are not informative.
    iterated = objective.model.geometry.closed_form is None
    increases = (s.status == Status.AT_INFINITY) & _rises(s, objective) & iterated
    inward = (s.status == Status.AT_INFINITY) & (s.inward < 0) & iterated
    status = jnp.where(increases, int(Status.MAX_STEPS), jnp.where(inward, int(Status.STALLED), s.status)).astype(
        jnp.int32
    )
    rule = jnp.where(increases, number_of("rise beside a limit"), jnp.where(inward, number_of("rise inward"), s.rule))
    direction, diverging, near, last = s.direction, s.diverging, s.beside.anchor, s.beside.plain

    at_limit = status == Status.AT_INFINITY
    limit = jnp.where(at_limit & diverging & elementwise, jnp.sign(direction) * jnp.inf, u)
    more = at_limit & _joining(s, objective)
    diverging, direction = diverging | more, jnp.where(more, last, direction)
    to_end = jnp.where(direction < 0, low, high)
    status = jnp.where(at_limit & jnp.all(~diverging | to_end), int(Status.AT_BOUNDARY), status)
    limit = jnp.where(more, jnp.sign(last) * jnp.inf, jnp.where(jnp.isinf(limit), limit, near))
    at_end = objective(unravel(limit))
    attained = at_limit & jnp.isfinite(at_end) & (at_end <= s.value + s.noise)
    limit = jnp.where(attained | (diverging & elementwise), limit, u)
    left = jnp.fmin(s.decrement, outcome.decrement)
    supremum = jnp.where(attained, at_end, s.value - jnp.where(at_limit, 2 * left, 0.0))

    endless = status == Status.UNBOUNDED
    return Outcome(
        u=jnp.where(at_limit, limit, u),
        value=supremum,
        information=s.information,
        decrement=jnp.where(at_limit, left, jnp.where(s.definite, s.decrement, outcome.decrement)),
        status=status.astype(jnp.int32),
        steps=outcome.steps,
        newton_steps=outcome.newton_steps,
        travel=outcome.travel,
        direction=jnp.where(
            diverging | ~at_limit, jnp.where(endless, jnp.where(jnp.isnan(u), direction, u), direction), 0.0
        ),
        attained=attained,
        attempt=outcome.attempt,
        rule=rule.astype(jnp.int32),
        evidence=with_inward_loss(outcome.evidence, inward=s.inward),
    )


def _at_the_end(
    outcome: Outcome[Array],
    objective: Objective,
    unravel: Unravel,
    ridges: bool,
    value: Float[Array, ""],
    gradient: Float[Array, " p"],
    information: Float[Array, "p p"],
) -> Settling:
    """Evaluate the point where the ascent ended: find what is flat and what diverges, and choose the next point."""
    u, status, zero = outcome.u, outcome.status, jnp.zeros((), outcome.u.dtype)
    diagonal = jnp.abs(jnp.diagonal(information))
    scale = jnp.where(diagonal > 0, diagonal, 1.0)
    d = descend(information, gradient, scale, zero, -zero)

    noise = 1e3 * jnp.finfo(u.dtype).eps * (jnp.abs(value) + jnp.sum(objective.weights))
    units, direction, rule = ~jnp.asarray(objective.unitless), outcome.direction, outcome.rule
    if ridges:
        status, direction, rule = _along_ridge(outcome, objective, unravel, value, information, scale, noise)
    gone = vanished(information, gradient, objective)
    # A tail's slope points at its limit; what has no slope left diverges in the direction of the ascent.
    curved = jnp.diagonal(information)
    known = (curved > 0) & departing(-curved, jnp.abs(gradient))
    direction = jnp.where(gone, jnp.where((outcome.travel != 0) & ~known, outcome.travel, -gradient), direction)
    diverging = jnp.where(jnp.any(gone), gone, diverging_along(direction, outcome.travel, units))
    # Where rounding hides which one diverges, it is the one with the least information.
    least = ~units & (diagonal <= jnp.min(jnp.where(units, jnp.inf, diagonal)))
    named = jnp.any(diverging) | (status == Status.NOT_IDENTIFIED)
    direction = jnp.where(named, direction, jnp.where(least, outcome.travel, 0.0))
    diverging = jnp.where(jnp.any(diverging), diverging, least)
    # Derivatives at infinity are 0 times infinity; e^100 times the start of the ascent is finite and as good.
    at_infinity = status == Status.AT_INFINITY
    far = at_infinity & _far(objective, diverging, direction)
    begin = jnp.where(jnp.isfinite(u - outcome.travel), u - outcome.travel, 0.0)
    out = begin + jnp.maximum(AS_INFINITE, jnp.abs(u - begin)) * jnp.sign(direction)
    near = jnp.where(far, jnp.where(units, u + RAY_STEPS * direction, out), u)
    start = begin_settling(outcome)
    return start._replace(
        stage=jnp.where(at_infinity, BESIDE, SETTLED), at=near, beside=start.beside._replace(anchor=near), value=value,
        information=information, decrement=d.decrement, definite=d.definite, noise=noise, status=status.astype(jnp.int32),
        rule=rule.astype(jnp.int32), direction=direction, diverging=diverging,
    )  # fmt: skip


def _far(objective: Objective, diverging: Bool[Array, " p"], direction: Float[Array, " p"]) -> Bool[Array, " p"]:
    """Find the coordinates that diverge each by itself, bool[p]."""
    return diverging & jnp.asarray(finite_ends(objective.model)[0]) & (direction != 0)


def _along_ridge(
    outcome: Outcome[Array],
    objective: Objective,
    unravel: Unravel,
    value: Float[Array, ""],
    information: Float[Array, "p p"],
    scale: Float[Array, " p"],
    noise: Float[Array, ""],
) -> tuple[Int[Array, ""], Float[Array, " p"], Int[Array, ""]]:
    """Return status, direction and rule of what seemed not identified.

    Not identified is what is flat on both sides along the flattest direction. A ridge may be curved, so the step is short;
    where the rows pull against one another the curvature along a coordinate may be none, and their scores give its unit.
    """
    u, status, units = outcome.u, outcome.status, ~jnp.asarray(objective.unitless)
    root = jnp.sqrt(jnp.fmax(scale, jnp.diagonal(objective.opg(unravel(u)))))
    scaled = information / root[:, None] / root[None, :]
    finite = jnp.all(jnp.isfinite(scaled))
    values, vectors = jnp.linalg.eigh(jnp.where(finite, scaled, jnp.eye(u.shape[0], dtype=u.dtype)))
    null = SHORT * vectors[:, 0] / root if u.shape[0] else u
    sides = lax.map(lambda x: objective(unravel(x)), jnp.stack([u + null, u - null]))
    flat = jnp.all(jnp.abs(sides - value) <= noise + HARDLY * SHORT**2) & jnp.all(jnp.abs(values[:1]) <= FLATTEST)
    none = (status == Status.NOT_IDENTIFIED) & ~flat
    status = jnp.where(none, int(Status.STALLED), status)
    rule = jnp.where(none, number_of("no ridge"), outcome.rule)
    direction = jnp.where(status == Status.NOT_IDENTIFIED, null, outcome.direction)
    # A ridge along which logarithms and logits moved by 15 is flat because it extends to infinity, and so is one along
    # coordinates whose curvature has vanished that had some at the start of the ascent, 15 of its units away.
    ridge = jnp.abs(null) * root > 0.1 * SHORT
    gone_far = jnp.any(ridge & (jnp.abs(outcome.travel) > GONE_AWAY)) & ~jnp.any(ridge & units)
    was = jnp.abs(jnp.diagonal(objective.information(unravel(u - outcome.travel))))
    gone = (jnp.abs(jnp.diagonal(information)) <= PLATEAU * was) & (jnp.abs(outcome.travel) * jnp.sqrt(was) > GONE_AWAY)
    plateau = jnp.any(gone) & jnp.all(~ridge | gone)
    away = (status == Status.NOT_IDENTIFIED) & (gone_far | plateau)
    direction = jnp.where(away, jnp.where(jnp.where(plateau, gone, ridge), outcome.travel, 0.0), direction)
    return (
        jnp.where(away, int(Status.AT_INFINITY), status), direction, jnp.where(away, number_of("ridge to infinity"), rule)
    )  # fmt: skip


def _at_the_limit(
    s: Settling,
    outcome: Outcome[Array],
    objective: Objective,
    value: Float[Array, ""],
    gradient: Float[Array, " p"],
    information: Float[Array, "p p"],
) -> Settling:
    """Take a Newton step in the coordinates that do not diverge, or measure the loss of a step inward."""
    weight, beside = jnp.sum(objective.weights), s.stage == BESIDE
    b = advance(s.beside, s.at, value, *hold(gradient, information, s.diverging), weight, objective.unitless)
    predicted = 0.5 * jnp.abs(b.gradient @ b.plain)
    gained = jnp.where(jnp.isfinite(s.beside.value), s.beside.value - b.value, predicted)
    gained = jnp.where(b.accepted, gained, jnp.where(b.rejected > FEWEST, 0.0, predicted))
    stepped = s._replace(
        at=b.anchor + b.move,
        beside=b,
        gained=gained,
        k=s.k + 1,
    )
    over = (stepped.k >= FEWEST) & ~(_rises(stepped, objective) & (stepped.k < MOST_STEPS))

    # The limit must be as high as the end of the ascent, but for the gain that a tail leaves. Where it is not, several
    # coordinates diverged by different powers, or rounding dominates so far out: the limit has no certificate then.
    near = b.value - s.value <= LITTLE
    further = over & near & jnp.any(_far(objective, s.diverging, s.direction))
    stepped = stepped._replace(
        stage=jnp.where(further, INWARD, jnp.where(over, SETTLED, BESIDE)), k=jnp.where(over, 0, stepped.k),
        at=jnp.where(further, _inward(stepped, outcome, objective, 0), stepped.at),
    )  # fmt: skip

    # A loss above rounding confirms the limit; only a gain of more than a tail leaves refutes it.
    loss = jnp.where(jnp.isfinite(value), value - s.beside.value, jnp.inf)
    known = (loss > jnp.maximum(s.noise, GAIN)) | (loss < -jnp.maximum(s.noise, LITTLE))
    k = s.k + 1
    tried = s._replace(
        stage=jnp.where(known | (k >= len(OFFSETS)), SETTLED, INWARD), inward=jnp.where(known, loss, s.inward), k=k,
        at=_inward(s, outcome, objective, k),
    )  # fmt: skip
    return jax.tree.map(lambda x, y: jnp.where(beside, x, y), stepped, tried)


def _inward(s: Settling, outcome: Outcome[Array], objective: Objective, k: Int[Array, ""] | int) -> Float[Array, " p"]:
    """Return the point beside the limit with the diverging coordinates k steps inward from where the ascent ended."""
    offset = sum(jnp.where(k == i, x, 0.0) for i, x in enumerate(OFFSETS))  # native kernels take no index that varies
    log = outcome.u - offset * jnp.sign(s.direction)
    units = outcome.u - offset / OFFSETS[-1] * outcome.travel
    at = jnp.where(jnp.asarray(objective.unitless), log, units)
    return jnp.where(_far(objective, s.diverging, s.direction), at, s.beside.anchor)
