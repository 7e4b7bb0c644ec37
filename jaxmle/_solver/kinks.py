"""A maximum on a kink, where slopes say nothing of one parameter: it is held where it is best, and the others climb.

Runs after the climb, only for models that name a `Kink` and only where nothing else was found.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.flatten_util import ravel_pytree

from jaxmle import spaces
from jaxmle._solver.limits import held_back
from jaxmle._solver.status import Status, lost
from jaxmle._solver.step import FAR, Outcome
from jaxmle.model.objective import Objective

LOOKS, REACH, NEAR = 60, 1.0, 3.0
"How many looks at most, the longest step of a logarithm or a logit, and where a climb that overflowed begins again."


class _Look(NamedTuple):
    """One point of the climb; all in coordinates f[p] unless said otherwise.

    Attributes:
        u: where it is, the kinked parameter at its best.
        value, information: there.
        decrement, before: what the others have left to gain, here and a look before, f[] each.
        definite: whether their curvature is positive definite, bool[].
        on: whether a kink is there, so that its parameter is held, bool[].
        certified, endless: how it ended, if it did: at a maximum, or on a rise by e^-100 of a scale, bool[] each.
        reach: what share of a step is tried, or what multiple of one along a curvature that is not definite, f[].
        k: looks so far, int[].
    """

    u: Any
    value: Any
    information: Any
    decrement: Any
    before: Any
    definite: Any
    on: Any
    certified: Any
    endless: Any
    reach: Any
    k: Any


def kinked(objective: Objective, outcome: Outcome, tolerance: Any, max_steps: Any) -> Outcome:
    """What an outcome without a verdict becomes where the kinked parameter is held; else it passes through unchanged.

    On a kink the certificate is that of the other parameters, and the information the expected one, as of a maximum in
    closed form; without a kink it is the usual one. A point where the expected information is not finite is a maximum at
    a data edge.

    Args:
        outcome: settled, in the parameters' own coordinates.
        tolerance: log-likelihood that may be left to be gained, f[].
        max_steps: looks that are allowed, int[].
    """
    model = objective.model
    kinds = dict(zip(model.names, (s.kind for s in jax.tree.leaves(model.space)), strict=True))
    kink = model.geometry.kink
    if kink is None or any(k is spaces.TIED for k in kinds.values()) or kinds[kink.name] is spaces.PINNED:
        return outcome
    # Between two rows a Laplace law is flat in its loc, and each of the two is a maximum.
    waits = lost(outcome.status) | (outcome.status == Status.NOT_IDENTIFIED)
    return lax.cond(waits, lambda: _climbed(objective, outcome, tolerance, max_steps), lambda: outcome)


def _climbed(objective: Objective, outcome: Outcome, tolerance: Any, max_steps: Any) -> Outcome:
    model, weights, dtype = objective.model, objective.weights, outcome.u.dtype
    kink = model.geometry.kink
    assert kink is not None
    unravel = ravel_pytree(model.origin(dtype))[1]
    kinked = jnp.asarray(np.array([name == kink.name for name in model.coordinate_names]))
    unitless, total, zero = jnp.asarray(objective.unitless), jnp.sum(weights), jnp.zeros((), dtype)

    # What has gone far, perhaps to where no number can hold it, begins nearer.
    u = outcome.u
    far = ~jnp.isfinite(objective(unravel(u))) | jnp.any(unitless & (jnp.abs(u) > FAR))

    def best(u: Any) -> Any:
        found = kink.best(model.forward(unravel(u)), objective.data, weights)
        found = ravel_pytree(model.inverse(found))[0].astype(dtype)
        return jnp.where(jnp.isfinite(objective(unravel(found))), found, u)

    begin = best(jnp.where(unitless & far, jnp.clip(u, -NEAR, NEAR), u))

    def look(s: _Look) -> _Look:
        value, gradient = jax.value_and_grad(objective)(unravel(s.u))
        gradient, information = ravel_pytree(gradient)[0], objective.information(unravel(s.u))
        on = kink.on(model.forward(unravel(s.u)), objective.data)
        d = held_back(gradient, information, kinked & on)
        certified = d.definite & (s.before <= tolerance) & (d.decrement <= tolerance)
        far = jnp.any(unitless & (jnp.abs(s.u - begin) > FAR))
        endless = far & ~certified & (s.value - value > 1e-3 * total)
        move = s.reach * d.move
        move = jnp.where(unitless, jnp.clip(move, -REACH, REACH), move)
        there = best(s.u + move)
        better = objective(unravel(there)) <= value + 1e-9 * total
        return _Look(
            u=jnp.where(better & ~certified & ~endless, there, s.u),
            value=value,
            information=information,
            decrement=d.decrement,
            before=jnp.where(better, d.decrement, jnp.inf),
            definite=d.definite,
            on=on,
            certified=certified,
            endless=endless,
            reach=jnp.where(better, jnp.minimum(jnp.where(d.definite, 1.0, 64.0), 4 * s.reach), 0.25 * s.reach),
            k=s.k + 1,
        )

    no = jnp.array(False)
    first = jnp.zeros((), jnp.int32)
    blank = _Look(begin, zero, outcome.information, zero, zero + jnp.inf, no, no, no, no, zero + 1, first)
    most = jnp.minimum(LOOKS, max_steps)
    seen = lax.while_loop(lambda s: (s.k < most) & ~s.certified & ~s.endless, look, blank)

    known = model.geometry.information is not None
    expected = objective.expected(unravel(seen.u)) if known else jnp.full_like(seen.information, jnp.nan)
    edge = seen.on & ~jnp.all(jnp.isfinite(expected))
    found = jnp.where(edge, int(Status.AT_DATA_EDGE), int(Status.CONVERGED))
    status = jnp.where(seen.endless, int(Status.UNBOUNDED), found).astype(jnp.int32)
    new = outcome._replace(
        u=seen.u,
        value=seen.value,
        information=jnp.where(seen.on, expected, seen.information),
        decrement=seen.decrement,
        status=status,
        steps=outcome.steps + seen.k,
        direction=jnp.where(seen.endless, seen.u, 0.0),
        attained=seen.certified,
    )
    over = seen.certified | seen.endless
    return jax.tree.map(lambda fresh, old: jnp.where(over, fresh, old), new, outcome)
