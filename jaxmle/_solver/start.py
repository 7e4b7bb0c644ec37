"""Starts of the ascent: the one given, the model's own, or the origin moved by a sweep over powers of ten.

A model without a start begins at 0 in the unconstrained coordinates of its spaces, so at 1 in every positive parameter. That
is far from data in units of 1e-46. So the positive parameters are first moved to the right power of ten, by values of the
log-likelihood alone.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.flatten_util import ravel_pytree

from jaxmle._solver.coordinates import logarithmic
from jaxmle._util.arrays import Array, ArrayLike, Bool, Float, Int, Params
from jaxmle.model.model import Model
from jaxmle.model.objective import Objective

WORTH = 0.05
"Log-likelihood per unit of weight that a power of ten must gain; towards a limit the gain soon is less, so that the sweep ends."

NEAR = 1.5
"Powers of ten within which the origin is as good: the likeliest scale is not the best start, as it merges a mixture's parts."

LONGEST = 128.0
"Powers of ten in a step of the sweep, at most; from 1 it reaches half the range of float64 in eight steps."

ALONE = 8
"Positive parameters up to which each is swept alone, too."


class _Line(NamedTuple):
    """A search along one direction: powers of ten gone along it, the value there, and the next step; below 1 it has ended."""

    gone: Float[Array, ""]
    value: Float[Array, ""]
    step: Float[Array, ""]


class _Round(NamedTuple):
    """A round of the sweep: the point f[p], its value, and rounds so far; none are left where the last gained nothing."""

    u: Float[Array, " p"]
    value: Float[Array, ""]
    rounds: Int[Array, ""]


def sweeps(model: Model) -> bool:
    """Return whether the model begins at a sweep: it has no start of its own, and a parameter that is swept."""
    return model.start is None and bool(logarithmic(model).any())


def sweep(objective: Objective) -> Params:
    """Move the origin of the coordinates to the powers of ten where the log-likelihood is highest; return a pytree of coordinates.

    Searches along all positive parameters together, and along each alone, go side by side, and the best is taken; this is
    repeated from there while it gains `WORTH`. On a line a step outward is taken where it gains as much, and doubled; else it
    is halved. A step of one power of ten, and one back, is taken where it gains at all, so that the end does not depend on
    where the line began. A step from one value that is not finite to another is doubled. An origin near enough is kept.
    """
    model, dtype = objective.model, objective.weights.dtype
    origin, unravel = ravel_pytree(model.origin(dtype))
    directions = jnp.asarray(_directions(logarithmic(model)), dtype)
    worth = WORTH * jnp.sum(objective.weights)

    def value_at(u: Float[Array, " p"]) -> Float[Array, ""]:
        value = objective(unravel(u))
        return jnp.where(jnp.isfinite(value), value, jnp.inf)

    def gains(now: Array, before: Array, least: ArrayLike) -> Bool[Array, "..."]:
        return jnp.isfinite(now) & ~(before - now <= least)

    def attempt(line: _Line, u: Float[Array, " p"], direction: Float[Array, " p"]) -> _Line:
        sides = line.gone + jnp.array([-1.0, 1.0], line.gone.dtype) * line.step
        values = jax.vmap(lambda t: value_at(u + t * direction))(sides)
        outward = jnp.abs(sides) > jnp.abs(line.gone)
        taken = gains(values, line.value, jnp.where(outward & (line.step > 1), worth, 0.0))
        best = jnp.argmin(jnp.where(taken, values, jnp.inf))
        longer = taken[best] & outward[best] & gains(values[best], line.value, worth)
        blind = ~taken[best] & jnp.isinf(line.value)
        longer |= blind & (line.step < LONGEST)
        shorter = jnp.where(blind, 0.0, 0.5 * line.step)  # nothing finite within reach: the line ends
        return _Line(
            gone=jnp.where(taken[best], sides[best], line.gone),
            value=jnp.where(taken[best], values[best], line.value),
            step=jnp.where(longer, jnp.minimum(2 * line.step, LONGEST), shorter).astype(dtype),
        )

    def search(u: Float[Array, " p"], value: Float[Array, ""], direction: Float[Array, " p"]) -> _Line:
        begin = _Line(jnp.zeros((), dtype), value, jnp.ones((), dtype))
        return lax.while_loop(lambda line: line.step >= 1, lambda line: attempt(line, u, direction), begin)

    def round_of(s: _Round) -> _Round:
        ends = jax.vmap(search, (None, None, 0))(s.u, s.value, directions)
        # All together where one alone is hardly better: moving one alone may leave the others without a slope.
        best = jnp.argmin(ends.value + worth * (jnp.arange(len(directions)) > 0))
        again = gains(ends.value[best], s.value, worth) & (s.rounds < len(directions))
        better = ends.value[best] < s.value
        return _Round(
            u=jnp.where(better, s.u + ends.gone[best] * directions[best], s.u),
            value=jnp.where(better, ends.value[best], s.value),
            rounds=jnp.where(again, s.rounds + 1, len(directions) + 1),
        )

    begin = _Round(origin, value_at(origin), jnp.zeros((), jnp.int32))
    end = lax.while_loop(lambda s: s.rounds <= len(directions), round_of, begin).u
    near = jnp.all(jnp.abs(end - origin) < NEAR * float(np.log(10.0)))
    return unravel(jnp.where(near, origin, end))


def _directions(swept: Bool[np.ndarray, " p"]) -> Float[np.ndarray, "k p"]:
    """Make the directions of the sweep, f[k, p]: one power of ten of all coordinates that are `swept`, then of each alone."""
    each = np.eye(len(swept))[swept]
    alone = [each] if 1 < len(each) <= ALONE else []
    return np.log(10.0) * np.concatenate([swept[None].astype(float), *alone])


def first(objective: Objective, start: Params | None) -> Params:
    """Return the start of the ascent, a pytree of coordinates."""
    model, dtype = objective.model, objective.weights.dtype
    if start is None and model.start is None:
        return sweep(objective) if sweeps(model) else model.origin(dtype)
    params = start if model.start is None or start is not None else model.start(objective.data, objective.weights)
    params = jax.tree.map(lambda x: jnp.asarray(x, dtype), params)
    return jax.tree.map(lambda x: jnp.asarray(x, dtype), model.inverse(params))
