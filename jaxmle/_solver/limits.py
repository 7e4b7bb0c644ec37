"""What is said of a fit that did not converge: the limit it tends to, the direction, and honest numbers there.

Runs after the ascent and only for the fits that need it.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.flatten_util import ravel_pytree

from jaxmle._solver.evidence import vanished
from jaxmle._solver.state import Outcome
from jaxmle._solver.status import Status, undecided
from jaxmle._solver.verdict import FAR
from jaxmle._util.linalg import Descent, descend
from jaxmle.model.objective import Objective

MOST_STEPS, GAIN, SHORTEST = 40, 1e-6, 1e-5
"How many looks at most, the log-likelihood that a look beside a limit may still gain, and the least share of a step."

SHORT = 3e-3
"How far along a ridge it must be flat, in units of the rows' scores or of the curvature: a tenth of what is regular."


def unsettled(outcome: Outcome) -> Any:
    """Which outcomes `settle` must look at."""
    s = outcome.status
    return undecided(s) | (s == Status.AT_INFINITY) | (s == Status.NOT_IDENTIFIED) | (s == Status.UNBOUNDED)


def finite_ends(model: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each coordinate: is it elementwise, has its space a finite end below, above (bool[p] each)."""
    rows: list[tuple[bool, bool, bool]] = []
    for s in jax.tree.leaves(model.space):
        ends = s.kind.ends
        row = (ends is not None, bool(ends) and "infinity" not in ends[0], bool(ends) and "infinity" not in ends[1])
        rows += [row] * int(np.prod(s.coordinate_shape))
    table = np.array(rows, bool).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2]


def diverging_along(direction: Any, u: Any, units: Any) -> Any:
    """The coordinates that run away along the last step, bool[p].

    A logarithm or a logit that still moves by 0.01, or a coordinate with units that still moves by a hundredth of
    itself, where the log-likelihood has nothing left to gain; the latter only where none of the former does.
    """
    moving = jnp.abs(direction) > 0.01 * jnp.where(units, jnp.abs(u), 1.0)
    away = (jnp.abs(u) > FAR) & ~units
    bare = moving & ~units
    return jnp.where(jnp.any(away), away, jnp.where(jnp.any(bare), bare, moving))


class Settling(NamedTuple):
    """What is known on the way; all in coordinates f[p] unless said otherwise.

    Attributes:
        at, last: where to look next, and the step that led there.
        value, information, decrement, definite: where the ascent ended.
        noise: of a value, f[].
        status, direction: as they are s now.
        diverging: which coordinates run away, bool[p].
        left, reach: what the last step beside them gained, or was to gain, and what share of a step is tried, f[] each.
        rises: whether that still is a gain, bool[].
        k: looks so far, int[].
    """

    at: Any
    last: Any
    value: Any
    information: Any
    decrement: Any
    definite: Any
    noise: Any
    status: Any
    direction: Any
    diverging: Any
    left: Any
    reach: Any
    rises: Any
    k: Any


def begin_settling(outcome: Outcome) -> Settling:
    """Before the first look."""
    u, dtype = outcome.u, outcome.u.dtype
    zero, no, none = jnp.zeros((), dtype), jnp.array(False), jnp.zeros_like(u)
    return Settling(
        at=u, last=none, value=zero, information=jnp.eye(u.shape[0], dtype=dtype), decrement=zero, definite=no, noise=zero,
        status=outcome.status.astype(jnp.int32), direction=none, diverging=jnp.zeros(u.shape, bool), left=zero, reach=zero + 1,
        rises=no, k=jnp.zeros((), jnp.int32),
    )  # fmt: skip


def is_settled(s: Settling) -> Any:
    """Whether there were a first look where the ascent ended, and four at what lies beside the coordinates that run away,
    or more where that still rose."""
    return ~((s.k < 5) | ((s.k < MOST_STEPS) & s.rises))


def settle_step(s: Settling, outcome: Outcome, objective: Objective, unravel: Any, ridges: bool = True) -> Settling:
    """One look; one function for all, since what is written once is compiled once. What is `is_settled` stays as it is.

    Args:
        outcome: as `finish` left it.
        unravel: f[p] to the pytree of coordinates.
        ridges: whether the outcome may be one that is not identified.
    """
    value, gradient = jax.value_and_grad(objective)(unravel(s.at))
    here = value, ravel_pytree(gradient)[0], objective.information(unravel(s.at))
    new = lax.cond(
        s.k == 0,
        lambda: _first_step(outcome, objective, unravel, ridges, *here),
        lambda: _beside(objective, unravel, s, *here),
    )
    new = new._replace(rises=(new.left > GAIN) & ~jnp.any(_joining(new, objective)), k=s.k + 1)
    enough = is_settled(s)
    return jax.tree.map(lambda old, fresh: jnp.where(enough, old, fresh), s, new)


def _joining(s: Settling, objective: Objective) -> Any:
    """What still goes at a tail's pace beside a limit runs away too."""
    return finite_ends(objective.model)[0] & objective.unitless & (jnp.abs(s.last) > 0.5)


def settle(outcome: Outcome, objective: Objective, unravel: Any) -> Outcome:
    """The limit, the supremum and the direction of one unsettled fit."""
    s = lax.while_loop(
        lambda s: ~is_settled(s), lambda s: settle_step(s, outcome, objective, unravel), begin_settling(outcome)
    )
    return conclude(s, outcome, objective, unravel)


def conclude(s: Settling, outcome: Outcome, objective: Objective, unravel: Any) -> Outcome:
    """What the looks have shown. Where it rises all the way, there is no limit."""
    u = outcome.u
    elementwise, low, high = (jnp.asarray(x) for x in finite_ends(objective.model))
    # A maximum in closed form lies on a kink or an edge, where slopes say nothing.
    climbs = (s.status == Status.AT_INFINITY) & s.rises & (objective.model.maximum is None)
    status = jnp.where(climbs, int(Status.MAX_STEPS), s.status).astype(jnp.int32)
    direction, diverging, near, last = s.direction, s.diverging, s.at, s.last

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
        polish=outcome.polish,
        travel=outcome.travel,
        direction=jnp.where(
            diverging | ~at_limit, jnp.where(endless, jnp.where(jnp.isnan(u), direction, u), direction), 0.0
        ),
        attained=attained,
        rung=outcome.rung,
    )


def _first_step(
    outcome: Outcome, objective: Objective, unravel: Any, ridges: bool, value: Any, gradient: Any, information: Any
) -> Settling:
    """What the point where the ascent ended says: what is flat, what runs away, and where to look from there."""
    u, status, zero = outcome.u, outcome.status, jnp.zeros((), outcome.u.dtype)
    diagonal = jnp.abs(jnp.diagonal(information))
    scale = jnp.where(diagonal > 0, diagonal, 1.0)
    d = descend(information, gradient, scale, zero, -zero)

    noise = 1e3 * jnp.finfo(u.dtype).eps * (jnp.abs(value) + jnp.sum(objective.weights))
    units, direction = ~jnp.asarray(objective.unitless), outcome.direction
    if ridges:
        status, direction = _along_ridge(outcome, objective, unravel, value, information, scale, noise)
    vague = vanished(information, gradient, objective)
    direction = jnp.where(vague, jnp.where(outcome.travel != 0, outcome.travel, -gradient), direction)
    diverging = jnp.where(jnp.any(vague), vague, diverging_along(direction, u, units))
    # Where rounding hid which one runs away, it is the one that the data say least about.
    least = ~units & (diagonal <= jnp.min(jnp.where(units, jnp.inf, diagonal)))
    named = jnp.any(diverging) | (status == Status.NOT_IDENTIFIED)
    direction = jnp.where(named, direction, jnp.where(least, outcome.travel, 0.0))
    diverging = jnp.where(jnp.any(diverging), diverging, least)
    elementwise = jnp.asarray(finite_ends(objective.model)[0])
    # Derivatives at infinity are 0 times infinity; e^300 is as good as infinite and has none of that.
    far = (status == Status.AT_INFINITY) & diverging & elementwise & (direction != 0)
    near = jnp.where(far, 300.0 * jnp.sign(direction), u)
    return begin_settling(outcome)._replace(
        at=near, value=value, information=information, decrement=d.decrement, definite=d.definite, noise=noise,
        status=status.astype(jnp.int32), direction=direction, diverging=diverging,
    )  # fmt: skip


def _along_ridge(
    outcome: Outcome, objective: Objective, unravel: Any, value: Any, information: Any, scale: Any, noise: Any
) -> tuple[Any, Any]:
    """Status and direction of what seemed not identified.

    It is what is flat both ways along what is flattest. A ridge may be curved, so the step is short; where the rows pull
    against one another the curvature along a coordinate may be none, and their scores give its unit.
    """
    u, status, units = outcome.u, outcome.status, ~jnp.asarray(objective.unitless)
    root = jnp.sqrt(jnp.fmax(scale, jnp.diagonal(objective.opg(unravel(u)))))
    scaled = information / root[:, None] / root[None, :]
    finite = jnp.all(jnp.isfinite(scaled))
    values, vectors = jnp.linalg.eigh(jnp.where(finite, scaled, jnp.eye(u.shape[0], dtype=u.dtype)))
    null = SHORT * vectors[:, 0] / root if u.shape[0] else u
    sides = lax.map(lambda x: objective(unravel(x)), jnp.stack([u + null, u - null]))
    flat = jnp.all(jnp.abs(sides - value) <= noise + 0.05 * SHORT**2) & jnp.all(jnp.abs(values[:1]) <= 1e-3)
    status = jnp.where((status == Status.NOT_IDENTIFIED) & ~flat, int(Status.STALLED), status)
    direction = jnp.where(status == Status.NOT_IDENTIFIED, null, outcome.direction)
    # A ridge of logarithms and logits that led e^15 away is flat because it leads to infinity, and so is one along
    # coordinates whose curvature is gone that had some where the climb began, 15 of its units away.
    ridge = jnp.abs(null) * root > 0.1 * SHORT
    led = jnp.any(ridge & (jnp.abs(outcome.travel) > 15)) & ~jnp.any(ridge & units)
    was = jnp.abs(jnp.diagonal(objective.information(unravel(u - outcome.travel))))
    gone = (jnp.abs(jnp.diagonal(information)) <= 1e-8 * was) & (jnp.abs(outcome.travel) * jnp.sqrt(was) > 15)
    plateau = jnp.any(gone) & jnp.all(~ridge | gone)
    away = (status == Status.NOT_IDENTIFIED) & (led | plateau)
    direction = jnp.where(away, jnp.where(jnp.where(plateau, gone, ridge), outcome.travel, 0.0), direction)
    return jnp.where(away, int(Status.AT_INFINITY), status), direction


def held_step(gradient: Any, information: Any, held: Any) -> Descent:
    """Newton's step in the coordinates that are not `held`, bool[p]."""
    dtype, eye = gradient.dtype, jnp.eye(gradient.shape[0], dtype=gradient.dtype)
    gradient = jnp.where(held, 0.0, gradient)
    information = jnp.where(held[:, None] | held[None, :], eye, information)
    diagonal, zero = jnp.abs(jnp.diagonal(information)), jnp.zeros((), dtype)
    return descend(information, gradient, jnp.where(diagonal > 0, diagonal, 1.0), zero, -zero)


def _beside(objective: Objective, unravel: Any, s: Settling, here: Any, gradient: Any, information: Any) -> Settling:
    """A Newton step in the coordinates that do not run away, taken where the log-likelihood allows it."""
    u, held = s.at, s.diverging
    d = held_step(gradient, information, held)
    move = s.reach * d.move
    there = objective(unravel(jnp.where(held, u, u + move)))
    better = jnp.isfinite(there) & (there <= here + 1e-9 * jnp.sum(objective.weights))
    move = jnp.where(better & ~held, move, 0.0)
    reach = jnp.where(better, jnp.minimum(1.0, 4 * s.reach), 0.25 * s.reach)
    sought = jnp.where(reach > SHORTEST, d.decrement, 0.0)  # where no step gains, slopes at the limit say nothing
    return s._replace(at=u + move, last=move, left=jnp.where(better, here - there, sought), reach=reach)
