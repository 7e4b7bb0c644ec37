"""What is said of a fit that did not converge: the limit it tends to, the direction, and honest numbers there.

Runs after the ascent and only for the fits that need it.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.flatten_util import ravel_pytree

from jaxmle._solver.status import Status, lost
from jaxmle._solver.step import FAR, Outcome, vanished
from jaxmle._util.linalg import Descent, descend
from jaxmle.model.objective import Objective

LOOKS, RISING, SHORTEST = 40, 1e-6, 1e-5
"How many looks at most, the log-likelihood that a look beside a limit may still gain, and the least share of a step."

SHORT = 3e-3
"How far along a ridge it must be flat, in units of the rows' scores or of the curvature: a tenth of what is regular."


def unsettled(outcome: Outcome) -> Any:
    """Which outcomes `settle` must look at."""
    s = outcome.status
    return lost(s) | (s == Status.AT_INFINITY) | (s == Status.NOT_IDENTIFIED) | (s == Status.UNBOUNDED)


def finite_ends(model: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each coordinate: is it elementwise, has its space a finite end below, above (bool[p] each)."""
    rows: list[tuple[bool, bool, bool]] = []
    for s in jax.tree.leaves(model.space):
        ends = s.kind.ends
        row = (ends is not None, bool(ends) and "infinity" not in ends[0], bool(ends) and "infinity" not in ends[1])
        rows += [row] * int(np.prod(s.coordinate_shape))
    table = np.array(rows, bool).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2]


def leading(direction: Any, u: Any, units: Any) -> Any:
    """The coordinates that run away along the last step, bool[p].

    A logarithm or a logit that still moves by 0.01, or a coordinate with units that still moves by a hundredth of
    itself, where the log-likelihood has nothing left to gain; the latter only where none of the former does.
    """
    moving = jnp.abs(direction) > 0.01 * jnp.where(units, jnp.abs(u), 1.0)
    away = (jnp.abs(u) > FAR) & ~units
    bare = moving & ~units
    return jnp.where(jnp.any(away), away, jnp.where(jnp.any(bare), bare, moving))


class Look(NamedTuple):
    """What is known on the way; all in coordinates f[p] unless said otherwise.

    Attributes:
        at, last: where to look next, and the step that led there.
        value, information, decrement, definite: where the ascent ended.
        noise: of a value, f[].
        status, direction: as they are seen now.
        lead: which coordinates run away, bool[p].
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
    lead: Any
    left: Any
    reach: Any
    rises: Any
    k: Any


def blank(outcome: Outcome) -> Look:
    """Before the first look."""
    u, dtype = outcome.u, outcome.u.dtype
    zero, no, none = jnp.zeros((), dtype), jnp.array(False), jnp.zeros_like(u)
    return Look(
        at=u, last=none, value=zero, information=jnp.eye(u.shape[0], dtype=dtype), decrement=zero, definite=no, noise=zero,
        status=outcome.status.astype(jnp.int32), direction=none, lead=jnp.zeros(u.shape, bool), left=zero, reach=zero + 1,
        rises=no, k=jnp.zeros((), jnp.int32),
    )  # fmt: skip


def seen_enough(seen: Look) -> Any:
    """Whether there were a first look where the ascent ended, and four at what lies beside the coordinates that run away,
    or more where that still rose."""
    return ~((seen.k < 5) | ((seen.k < LOOKS) & seen.rises))


def look(seen: Look, outcome: Outcome, objective: Objective, unravel: Any, ridges: bool = True) -> Look:
    """One look; one function for all, since what is written once is compiled once. What is `seen_enough` stays as it is.

    Args:
        outcome: as `finish` left it.
        unravel: f[p] to the pytree of coordinates.
        ridges: whether the outcome may be one that is not identified.
    """
    value, gradient = jax.value_and_grad(objective)(unravel(seen.at))
    here = value, ravel_pytree(gradient)[0], objective.information(unravel(seen.at))
    new = lax.cond(
        seen.k == 0,
        lambda: _first_look(outcome, objective, unravel, ridges, *here),
        lambda: _beside(objective, unravel, seen, *here),
    )
    new = new._replace(rises=(new.left > RISING) & ~jnp.any(_also(new, objective)), k=seen.k + 1)
    enough = seen_enough(seen)
    return jax.tree.map(lambda old, fresh: jnp.where(enough, old, fresh), seen, new)


def _also(seen: Look, objective: Objective) -> Any:
    """What still goes at a tail's pace beside a limit runs away too."""
    return finite_ends(objective.model)[0] & objective.unitless & (jnp.abs(seen.last) > 0.5)


def settle(outcome: Outcome, objective: Objective, unravel: Any) -> Outcome:
    """The limit, the supremum and the direction of one unsettled fit."""
    seen = lax.while_loop(
        lambda seen: ~seen_enough(seen), lambda seen: look(seen, outcome, objective, unravel), blank(outcome)
    )
    return told(seen, outcome, objective, unravel)


def told(seen: Look, outcome: Outcome, objective: Objective, unravel: Any) -> Outcome:
    """What the looks have shown. Where it rises all the way, there is no limit."""
    u = outcome.u
    elementwise, low, high = (jnp.asarray(x) for x in finite_ends(objective.model))
    # A maximum in closed form lies on a kink or an edge, where slopes say nothing.
    climbs = (seen.status == Status.AT_INFINITY) & seen.rises & (objective.model.geometry.closed_form is None)
    status = jnp.where(climbs, int(Status.MAX_STEPS), seen.status).astype(jnp.int32)
    direction, lead, near, last = seen.direction, seen.lead, seen.at, seen.last

    at_limit = status == Status.AT_INFINITY
    limit = jnp.where(at_limit & lead & elementwise, jnp.sign(direction) * jnp.inf, u)
    more = at_limit & _also(seen, objective)
    lead, direction = lead | more, jnp.where(more, last, direction)
    to_end = jnp.where(direction < 0, low, high)
    status = jnp.where(at_limit & jnp.all(~lead | to_end), int(Status.AT_BOUNDARY), status)
    limit = jnp.where(more, jnp.sign(last) * jnp.inf, jnp.where(jnp.isinf(limit), limit, near))
    at_end = objective(unravel(limit))
    attained = at_limit & jnp.isfinite(at_end) & (at_end <= seen.value + seen.noise)
    limit = jnp.where(attained | (lead & elementwise), limit, u)
    left = jnp.fmin(seen.decrement, outcome.decrement)
    supremum = jnp.where(attained, at_end, seen.value - jnp.where(at_limit, 2 * left, 0.0))

    endless = status == Status.UNBOUNDED
    return Outcome(
        u=jnp.where(at_limit, limit, u),
        value=supremum,
        information=seen.information,
        decrement=jnp.where(at_limit, left, jnp.where(seen.definite, seen.decrement, outcome.decrement)),
        status=status.astype(jnp.int32),
        steps=outcome.steps,
        polish=outcome.polish,
        travel=outcome.travel,
        direction=jnp.where(
            lead | ~at_limit, jnp.where(endless, jnp.where(jnp.isnan(u), direction, u), direction), 0.0
        ),
        attained=attained,
        rung=outcome.rung,
    )


def _first_look(
    outcome: Outcome, objective: Objective, unravel: Any, ridges: bool, value: Any, gradient: Any, information: Any
) -> Look:
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
    lead = jnp.where(jnp.any(vague), vague, leading(direction, u, units))
    # Where rounding hid which one runs away, it is the one that the data say least about.
    least = ~units & (diagonal <= jnp.min(jnp.where(units, jnp.inf, diagonal)))
    named = jnp.any(lead) | (status == Status.NOT_IDENTIFIED)
    direction = jnp.where(named, direction, jnp.where(least, outcome.travel, 0.0))
    lead = jnp.where(jnp.any(lead), lead, least)
    elementwise = jnp.asarray(finite_ends(objective.model)[0])
    # Derivatives at infinity are 0 times infinity; e^300 is as good as infinite and has none of that.
    far = (status == Status.AT_INFINITY) & lead & elementwise & (direction != 0)
    near = jnp.where(far, 300.0 * jnp.sign(direction), u)
    return blank(outcome)._replace(
        at=near, value=value, information=information, decrement=d.decrement, definite=d.definite, noise=noise,
        status=status.astype(jnp.int32), direction=direction, lead=lead,
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


def held_back(gradient: Any, information: Any, held: Any) -> Descent:
    """Newton's step in the coordinates that are not `held`, bool[p]."""
    dtype, eye = gradient.dtype, jnp.eye(gradient.shape[0], dtype=gradient.dtype)
    gradient = jnp.where(held, 0.0, gradient)
    information = jnp.where(held[:, None] | held[None, :], eye, information)
    diagonal, zero = jnp.abs(jnp.diagonal(information)), jnp.zeros((), dtype)
    return descend(information, gradient, jnp.where(diagonal > 0, diagonal, 1.0), zero, -zero)


def _beside(objective: Objective, unravel: Any, seen: Look, here: Any, gradient: Any, information: Any) -> Look:
    """A Newton step in the coordinates that do not run away, taken where the log-likelihood allows it."""
    u, held = seen.at, seen.lead
    d = held_back(gradient, information, held)
    move = seen.reach * d.move
    there = objective(unravel(jnp.where(held, u, u + move)))
    better = jnp.isfinite(there) & (there <= here + 1e-9 * jnp.sum(objective.weights))
    move = jnp.where(better & ~held, move, 0.0)
    reach = jnp.where(better, jnp.minimum(1.0, 4 * seen.reach), 0.25 * seen.reach)
    sought = jnp.where(reach > SHORTEST, d.decrement, 0.0)  # where no step gains, slopes at the limit say nothing
    return seen._replace(at=u + move, last=move, left=jnp.where(better, here - there, sought), reach=reach)
