"""Maxima on a kink, where the slope in one parameter is undefined: it is held at its best value while Newton's steps move the others.

Runs after the ascent, only for models that name a `Kink` and only for fits without a verdict.
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
"The distance by which a logarithm falls along an endless increase."

MOST_STEPS = 100
"Evaluations with the parameter held, at most."

NEAR = 3.0
"The greatest distance from the start of the ascent at which a logarithm or a logit starts again whose value gave no finite log-likelihood."


class _Held(NamedTuple):
    """The ascent with one parameter held; all in coordinates f[p] unless said otherwise.

    Attributes:
        u: the candidate, the kinked parameter at its best.
        newton: state of Newton's steps in the others.
        before: the decrement before the last accepted step, f[].
        gained: the increase of the log-likelihood by that step, f[].
        on: whether the last accepted point lies on a kink, so that its parameter is held, bool[].
        certified, endless: whether it has ended at a maximum, or on an increase while a scale fell by e^-100, bool[] each.
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
    """Continue an ascent without a verdict with the kinked parameter held; return any other outcome unchanged.

    On a kink the certificate is that of the other parameters, and the information the expected one, as of a maximum in
    closed form; without a kink it is the usual one. A point where the expected information is not finite is a maximum at
    a data edge.

    Args:
        outcome: settled, in the parameters' own coordinates.
        tolerance: the greatest predicted gain at which the fit counts as converged, f[].
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
    """Take Newton's steps with the kinked parameter held; return their outcome where they end in a verdict, else the one given."""
    model, weights, dtype = objective.model, objective.weights, outcome.u.dtype
    kink = model.geometry.kink
    assert kink is not None
    unravel = ravel_pytree(model.origin(dtype))[1]
    kinked = jnp.asarray(np.array([name == kink.name for name in model.coordinate_names]))
    unitless, total, zero = jnp.asarray(objective.unitless), jnp.sum(weights), jnp.zeros((), dtype)

    # A coordinate that is far from its start, perhaps beyond the range of numbers, starts again nearer.
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
        c = advance(s.newton, s.u, value, *hold(gradient, information, kinked & on), total, objective.unitless)
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
