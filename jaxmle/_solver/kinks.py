"""A maximum on a kink, where slopes say nothing of one parameter: it is held where it is best, and the others climb.

Runs after the climb, only for models that name a `Kink` and only where nothing else was found.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.flatten_util import ravel_pytree

from jaxmle import spaces
from jaxmle._solver.state import Outcome
from jaxmle._solver.status import Status, undecided
from jaxmle._solver.verdict import RISES, number_of
from jaxmle._util.arrays import Array, Bool, Float, Int
from jaxmle.model.objective import Objective
from jaxmle.optimizers.curvature import CurvatureState, advance, hold, initial_state

ENDLESS = 100.0
"By how much a logarithm falls on a rise that is called endless."

MOST_STEPS = 100
"Evaluations with the parameter held, at most."

NEAR = 3.0
"How far from where the climb began a logarithm or a logit starts again that had gone to where nothing is finite."


class _Held(NamedTuple):
    """The ascent with one parameter held; all in coordinates f[p] unless said otherwise.

    Attributes:
        u: the candidate, the kinked parameter at its best.
        newton: state of Newton's steps in the others.
        before: the decrement where the last accepted step began, f[].
        gained: what that gained, f[].
        on: whether the last accepted point lies on a kink, so that its parameter is held, bool[].
        certified, endless: how it ended, if it did: at a maximum, or on a rise by e^-100 of a scale, bool[] each.
        k: evaluations so far, int[].
    """

    u: Float[Array, " p"]
    newton: CurvatureState
    before: Float[Array, ""]
    gained: Float[Array, ""]
    on: Bool[Array, ""]
    certified: Bool[Array, ""]
    endless: Bool[Array, ""]
    k: Int[Array, ""]


def hold_kink(
    objective: Objective, outcome: Outcome[Array], tolerance: Float[Array, ""], max_steps: Int[Array, ""]
) -> Outcome[Array]:
    """Climb on with the kinked parameter held from an outcome without a verdict; any other passes through unchanged.

    On a kink the certificate is that of the other parameters, and the information the expected one, as of a maximum in
    closed form; without a kink it is the usual one. A point where the expected information is not finite is a maximum at
    a data edge.

    Args:
        outcome: settled, in the parameters' own coordinates.
        tolerance: log-likelihood that may be left to be gained, f[].
        max_steps: evaluations that are allowed, int[].
    """
    model = objective.model
    kinds = dict(zip(model.names, (s.kind for s in jax.tree.leaves(model.space)), strict=True))
    kink = model.geometry.kink
    if kink is None or any(k is spaces.TIED for k in kinds.values()) or kinds[kink.name] is spaces.PINNED:
        return outcome
    # Between two rows a Laplace density is flat in its loc, and each of the two is a maximum.
    waits = undecided(outcome.status) | (outcome.status == Status.NOT_IDENTIFIED)
    return lax.cond(waits, lambda: _ascend_held(objective, outcome, tolerance, max_steps), lambda: outcome)


def _ascend_held(
    objective: Objective, outcome: Outcome[Array], tolerance: Float[Array, ""], max_steps: Int[Array, ""]
) -> Outcome[Array]:
    model, weights, dtype = objective.model, objective.weights, outcome.u.dtype
    kink = model.geometry.kink
    assert kink is not None
    unravel = ravel_pytree(model.origin(dtype))[1]
    kinked = jnp.asarray(np.array([name == kink.name for name in model.coordinate_names]))
    unitless, total, zero = jnp.asarray(objective.unitless), jnp.sum(weights), jnp.zeros((), dtype)

    # What has gone far, perhaps to where no number can hold it, begins nearer.
    u = outcome.u
    start = jnp.where(jnp.isfinite(u - outcome.travel), u - outcome.travel, 0.0)
    far = ~jnp.isfinite(objective(unravel(u))) | jnp.any(unitless & (jnp.abs(u - start) > ENDLESS))

    def best(u: Float[Array, " p"]) -> Float[Array, " p"]:
        found = kink.best(model.forward(unravel(u)), objective.data, weights)
        found = ravel_pytree(model.inverse(found))[0].astype(dtype)
        return jnp.where(jnp.isfinite(objective(unravel(found))), found, u)

    begin = best(jnp.where(unitless & far, start + jnp.clip(u - start, -NEAR, NEAR), u))

    def step(s: _Held) -> _Held:
        value, gradient = jax.value_and_grad(objective)(unravel(s.u))
        gradient, information = ravel_pytree(gradient)[0], objective.information(unravel(s.u))
        on = kink.on(model.forward(unravel(s.u)), objective.data)
        c = advance(s.newton, s.u, value, *hold(gradient, information, kinked & on), total, unitless)
        before = jnp.where(c.accepted, s.newton.decrement, s.before)
        gained = jnp.where(c.accepted, s.newton.value - c.value, s.gained)
        certified = c.accepted & c.definite & (before <= tolerance) & (c.decrement <= tolerance)
        far = jnp.any(unitless & (jnp.abs(c.anchor - begin) > ENDLESS))
        endless = far & ~certified & (gained > RISES * total)
        over = certified | endless
        return _Held(
            u=jnp.where(over, c.anchor, best(c.anchor + c.move)),
            newton=c,
            before=before,
            gained=gained,
            on=jnp.where(c.accepted, on, s.on),
            certified=certified,
            endless=endless,
            k=s.k + 1,
        )

    no, none = jnp.array(False), jnp.zeros((), jnp.int32)
    begun = _Held(begin, initial_state(begin), zero + jnp.inf, zero, no, no, no, none)
    most = jnp.minimum(MOST_STEPS, max_steps)
    end = lax.while_loop(lambda s: (s.k < most) & ~s.certified & ~s.endless, step, begun)
    there = end.newton

    known = model.geometry.information is not None
    expected = objective.expected(unravel(there.anchor)) if known else jnp.full_like(there.matrix, jnp.nan)
    edge = end.on & ~jnp.all(jnp.isfinite(expected))
    found = jnp.where(edge, int(Status.AT_DATA_EDGE), int(Status.CONVERGED))
    kind = jnp.where(edge, number_of("edge on a kink"), number_of("certificate on a kink"))
    status = jnp.where(end.endless, int(Status.UNBOUNDED), found).astype(jnp.int32)
    new = outcome._replace(
        u=there.anchor,
        value=there.value,
        information=jnp.where(end.on, expected, there.matrix),
        decrement=there.decrement,
        status=status,
        steps=outcome.steps + end.k,
        direction=jnp.where(end.endless, there.anchor, 0.0),
        attained=end.certified,
        rule=jnp.where(end.endless, number_of("endless rise on a kink"), kind).astype(jnp.int32),
    )
    over = end.certified | end.endless
    return jax.tree.map(lambda fresh, old: jnp.where(over, fresh, old), new, outcome)
