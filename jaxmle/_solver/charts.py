"""Other coordinates for the ascent, where those of the parameters bend around the ridges and the ends of a likelihood.

Only the ascent uses a model's `Chart`: outcomes are in the parameters' own coordinates, as of any model. A model with a parameter
that is held has one dimension less, and its ascent uses no chart.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from jaxmle._solver.coordinates import Unravel, finite_ends
from jaxmle._solver.evidence import resolution
from jaxmle._solver.kinks import hold_kink
from jaxmle._solver.limits import GAIN, settle, unsettled
from jaxmle._solver.state import Outcome
from jaxmle._solver.status import Status, at_limit, at_maximum, undecided
from jaxmle._solver.verdict import number_of
from jaxmle._util.arrays import Array, Float, Int, Params
from jaxmle._util.linalg import hessian
from jaxmle.model.objective import Charted, Objective


def ascent_objective(objective: Objective) -> Objective:
    """Return the objective in the coordinates of the ascent: those of the chart, where there is one."""
    model = objective.model
    held = model.geometry.chart is None or model.free != len(model.names)
    return objective if held else Charted(model, objective.data, objective.weights)


def map_start(objective: Objective, u: Params) -> Params:
    """Map a point (pytree of the parameters' coordinates) to the coordinates of the ascent."""
    return objective.inward(u) if isinstance(objective, Charted) else u


def map_outcome(objective: Objective, outcome: Outcome[Array]) -> Outcome[Array]:
    """Map a finished outcome back to the parameters' coordinates; unsettled outcomes keep those of the chart.

    A maximum whose parameters overflow or underflow (a scale of e^-1000) is reported as at infinity.
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
        rule=jnp.where(beyond, number_of("beyond numbers"), outcome.rule).astype(jnp.int32),
    )
    waits = unsettled(outcome)
    return jax.tree.map(lambda here, there: jnp.where(waits, here, there), outcome, moved)


def settle_in_params(
    objective: Objective,
    outcome: Outcome[Array],
    unravel: Unravel,
    tolerance: Float[Array, ""],
    max_steps: Int[Array, ""],
) -> Outcome[Array]:
    """Settle an outcome on the chart, where there is one, and then on a kink, where there is one; return it in the parameters.

    An endless increase on a kink that began no higher than a limit that the chart lists is reported as that limit.
    """
    chart = ascent_objective(objective)
    settled = settle(outcome, chart, unravel)
    mapped = map_limits(objective, outcome, settled)
    if objective.model.geometry.kink is None:
        return mapped
    held = hold_kink(objective, mapped, tolerance, max_steps)
    if not isinstance(chart, Charted):
        return held
    none = settled._replace(
        status=jnp.full_like(settled.status, int(Status.AT_INFINITY)), value=jnp.full_like(outcome.value, jnp.inf)
    )
    limit = _outward(chart, _highest(chart, outcome.value, none))
    instead = (held.status == Status.UNBOUNDED) & jnp.isfinite(limit.value)
    return jax.tree.map(lambda mine, other: jnp.where(instead, other, mine), held, limit._replace(steps=held.steps))


def map_limits(objective: Objective, outcome: Outcome[Array], settled: Outcome[Array]) -> Outcome[Array]:
    """Map a settled outcome from the chart to the parameters' coordinates, with the highest limit that the chart lists."""
    chart = ascent_objective(objective)
    if not isinstance(chart, Charted):
        return settled
    mapped = _outward(chart, _highest(chart, outcome.value, settled))
    # Which a chart's own coordinates need not show.
    narrow = resolution(mapped.u, mapped.information, jnp.sum(objective.weights)) > 1
    endless = undecided(mapped.status) & narrow
    return mapped._replace(
        status=jnp.where(endless, int(Status.UNBOUNDED), mapped.status).astype(jnp.int32),
        rule=jnp.where(endless, number_of("point mass"), mapped.rule).astype(jnp.int32),
    )


def _highest(objective: Charted, reached: Float[Array, ""], outcome: Outcome[Array]) -> Outcome[Array]:
    """Replace the limit at which the ascent ended by the highest that the chart lists, unless the ascent reached a higher value.

    An ascent that came to within `GAIN` of one and found no further step ended there, too.
    """
    known = objective.chart.limits
    ended = at_limit(outcome.status)
    unknown = undecided(outcome.status)
    best = reached + 1e-9
    for v in known(objective.data, objective.weights, objective.anchor) if known else []:
        value, u = objective(v), ravel_pytree(v)[0]
        beside = unknown & (jnp.abs(value - reached) <= GAIN)  # no further step was found there
        outcome = outcome._replace(status=jnp.where(beside, int(Status.AT_INFINITY), outcome.status).astype(jnp.int32))
        ended |= beside
        higher = ended & (value <= best)
        best = jnp.where(higher, value, best)
        outcome = outcome._replace(
            u=jnp.where(higher, u, outcome.u),
            value=jnp.where(higher, value, outcome.value),
            rule=jnp.where(higher, number_of("known limit"), outcome.rule).astype(jnp.int32),
            decrement=jnp.where(higher, 0.0, outcome.decrement),
            direction=jnp.where(higher, jnp.where(jnp.isinf(u), jnp.sign(u), 0.0), outcome.direction),
        )
    return outcome


def _outward(objective: Charted, outcome: Outcome[Array]) -> Outcome[Array]:
    """Map an outcome from the chart to the parameters' coordinates, with the curvature that follows from that on the chart."""
    v, unravel = outcome.u, ravel_pytree(objective.model.origin(outcome.u.dtype))[1]

    def outward(v: Float[Array, " p"]) -> Float[Array, " p"]:
        return ravel_pytree(objective.outward(unravel(v)))[0]

    def gained(u: Float[Array, " p"]) -> Float[Array, ""]:
        step = ravel_pytree(objective.inward(unravel(u)))[0] - v
        return 0.5 * step @ (outcome.information @ step)

    u = outward(v)
    ends, finite = jnp.isinf(u), jnp.all(jnp.isfinite(u))
    _, low, high = (jnp.asarray(x) for x in finite_ends(objective.model))
    ended = at_limit(outcome.status)
    bounded = jnp.any(ends) & jnp.all(~ends | jnp.where(u < 0, low, high))
    limit = jnp.where(bounded, int(Status.AT_BOUNDARY), int(Status.AT_INFINITY))

    def along(x: Float[Array, " p"]) -> Float[Array, " p"]:
        return jnp.where(ends, jnp.sign(u), jax.jvp(outward, (v,), (x,))[1])

    return outcome._replace(
        u=u,
        information=jnp.where(finite, hessian(gained, jnp.where(finite, u, 0.0)), jnp.nan),
        status=jnp.where(ended, limit, outcome.status).astype(jnp.int32),
        direction=jnp.where(jnp.any(ends) & ~ends, 0.0, along(outcome.direction)),
        travel=along(outcome.travel),
        attained=outcome.attained & ~ended,
    )
