"""Other coordinates to climb in, where those of the parameters bend around the ridges and the ends of a likelihood.

A model's `Chart` is known to the climb alone: what it leaves behind is told in the parameters' own coordinates, as of any
model. A model with a parameter that is held has one dimension less and climbs without.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from jaxmle._solver.kinks import kinked
from jaxmle._solver.limits import RISING, finite_ends, settle, unsettled
from jaxmle._solver.status import Status, at_limit, at_maximum, lost
from jaxmle._solver.step import Outcome, pointlike
from jaxmle._util.linalg import hessian
from jaxmle.model.objective import Charted, Objective


def climbed(objective: Objective) -> Objective:
    """The objective in the coordinates to climb in."""
    model = objective.model
    held = model.geometry.chart is None or model.free != len(model.names)
    return objective if held else Charted(model, objective.data, objective.weights)


def lifted(objective: Objective, u: Any) -> Any:
    """Where a point (pytree of the parameters' coordinates) lies on the chart."""
    return objective.inward(u) if isinstance(objective, Charted) else u


def landed(objective: Objective, outcome: Outcome) -> Outcome:
    """What left the step, in the parameters' own coordinates; what waits for `settled_on` stays on the chart.

    A maximum whose parameters no number can hold (a scale of e^-1000) is as good as infinite.
    """
    if not isinstance(objective, Charted):
        return outcome
    moved = _outward(objective, outcome)
    fine = at_maximum(outcome.status)
    most = float(np.log(jnp.finfo(moved.u.dtype).max))
    beyond = fine & jnp.any(jnp.asarray(objective.model_unitless) & (jnp.abs(moved.u) > most))
    outcome = outcome._replace(
        status=jnp.where(beyond, int(Status.AT_INFINITY), outcome.status).astype(jnp.int32),
        direction=jnp.where(beyond, 0.0, outcome.direction),
        travel=jnp.where(beyond, outcome.u, outcome.travel),
        attained=outcome.attained & ~beyond,
    )
    waits = unsettled(outcome)
    return jax.tree.map(lambda here, there: jnp.where(waits, here, there), outcome, moved)


def settled_on(objective: Objective, outcome: Outcome, unravel: Any, tolerance: Any, max_steps: Any) -> Outcome:
    """`settle`, on the chart where there is one, and then on a kink where there is one.

    An endless rise that began no higher than a limit that the chart knows is told as that limit.
    """
    chart = climbed(objective)
    settled = settle(outcome, chart, unravel)
    told = told_of(objective, outcome, settled)
    if objective.model.geometry.kink is None:
        return told
    held = kinked(objective, told, tolerance, max_steps)
    if not isinstance(chart, Charted):
        return held
    none = settled._replace(
        status=jnp.full_like(settled.status, int(Status.AT_INFINITY)), value=jnp.full_like(outcome.value, jnp.inf)
    )
    limit = _outward(chart, _highest(chart, outcome.value, none))
    instead = (held.status == Status.UNBOUNDED) & jnp.isfinite(limit.value)
    return jax.tree.map(lambda mine, other: jnp.where(instead, other, mine), held, limit._replace(steps=held.steps))


def told_of(objective: Objective, outcome: Outcome, settled: Outcome) -> Outcome:
    """What the looks have shown, in the parameters' own coordinates; nothing is said of kinks."""
    chart = climbed(objective)
    if not isinstance(chart, Charted):
        return settled
    told = _outward(chart, _highest(chart, outcome.value, settled))
    endless = lost(told.status) & pointlike(told.u, told.information)  # which a chart's own coordinates need not show
    return told._replace(status=jnp.where(endless, int(Status.UNBOUNDED), told.status).astype(jnp.int32))


def _highest(objective: Charted, reached: Any, outcome: Outcome) -> Outcome:
    """The highest of the limits that the chart knows, where the climb ended at one and did not get above them all.

    A climb that came to within `RISING` of one and found no further step ended there, too.
    """
    known = objective.chart.limits
    ended = at_limit(outcome.status)
    unknown = lost(outcome.status)
    best = reached + 1e-9
    for v in known(objective.data, objective.weights, objective.anchor) if known else []:
        value, u = objective(v), ravel_pytree(v)[0]
        beside = unknown & (jnp.abs(value - reached) <= RISING)
        outcome = outcome._replace(status=jnp.where(beside, int(Status.AT_INFINITY), outcome.status).astype(jnp.int32))
        ended |= beside
        higher = ended & (value <= best)
        best = jnp.where(higher, value, best)
        outcome = outcome._replace(
            u=jnp.where(higher, u, outcome.u),
            value=jnp.where(higher, value, outcome.value),
            decrement=jnp.where(higher, 0.0, outcome.decrement),
            direction=jnp.where(higher, jnp.where(jnp.isinf(u), jnp.sign(u), 0.0), outcome.direction),
        )
    return outcome


def _outward(objective: Charted, outcome: Outcome) -> Outcome:
    """From the chart to the parameters' coordinates; the curvature there follows from what is known of it here."""
    v, unravel = outcome.u, ravel_pytree(objective.model.origin(outcome.u.dtype))[1]

    def outward(v: Any) -> Any:
        return ravel_pytree(objective.outward(unravel(v)))[0]

    def gained(u: Any) -> Any:
        step = ravel_pytree(objective.inward(unravel(u)))[0] - v
        return 0.5 * step @ (outcome.information @ step)

    u = outward(v)
    ends, finite = jnp.isinf(u), jnp.all(jnp.isfinite(u))
    _, low, high = (jnp.asarray(x) for x in finite_ends(objective.model))
    ended = at_limit(outcome.status)
    bounded = jnp.any(ends) & jnp.all(~ends | jnp.where(u < 0, low, high))
    limit = jnp.where(bounded, int(Status.AT_BOUNDARY), int(Status.AT_INFINITY))

    def along(x: Any) -> Any:
        return jnp.where(ends, jnp.sign(u), jax.jvp(outward, (v,), (x,))[1])

    return outcome._replace(
        u=u,
        information=jnp.where(finite, hessian(gained, jnp.where(finite, u, 0.0)), jnp.nan),
        status=jnp.where(ended, limit, outcome.status).astype(jnp.int32),
        direction=jnp.where(jnp.any(ends) & ~ends, 0.0, along(outcome.direction)),
        travel=along(outcome.travel),
        attained=outcome.attained & ~ended,
    )
