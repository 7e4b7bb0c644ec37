"""Several starting points for each data set: where they lie, and which maximum each led to."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.flatten_util import ravel_pytree

from jaxmle._engine.batch import Batch
from jaxmle._engine.build import tolerance_of
from jaxmle._engine.evaluate import everywhere, natural
from jaxmle._engine.plan import Plan
from jaxmle._engine.solution import Solution, Starts, model_at
from jaxmle._solver.coordinates import Unravel
from jaxmle._solver.start import first
from jaxmle._solver.state import Outcome
from jaxmle._solver.status import at_limit, at_maximum
from jaxmle._util.arrays import Array, Float, Int, Key, Params
from jaxmle.model.model import Model
from jaxmle.model.objective import Objective

Solve = Callable[[Model, Batch, Plan], Solution]

_WIDTHS = (0.5, 1.0, 2.0, 4.0)
"Spreads that scattered starts take in turn, in standard deviations of one observation's estimate."

_FURTHEST = 3.0
"The largest spread of a logarithm or a logit: a factor of 20."

_AT_ONCE = 1 << 26
"Bytes of data that are repeated so that several starts ascend in one call."

_SAME = 100.0
"Two certified points are one maximum within this many times the remaining possible gain of log-likelihood there."


@functools.lru_cache(maxsize=256)
def _scattering(k: int, given: bool) -> Callable[..., Any]:
    """Make the function that scatters k - 1 starts; one object for each kind, since programs are remembered by it."""

    def scatter(objective: Objective, at: Float[Array, " k"], unravel: Unravel, key: Array) -> Float[Array, "k p"]:
        begin, mine = at[:-1], jax.random.fold_in(key, at[-1].astype(jnp.uint32))
        return lax.map(
            lambda j: _one(objective, begin, unravel, jax.random.fold_in(mine, j), j, given), jnp.arange(1, k)
        )

    return scatter


def _one(
    objective: Objective, begin: Float[Array, " p"], unravel: Unravel, key: Array, j: Int[Array, ""], given: bool
) -> Float[Array, " p"]:
    """Draw a start, f[p]: the model's start for a few rows of the data, plus noise of one observation's standard error."""
    rows_key, normal_key = jax.random.split(key)
    model, weights, p = objective.model, objective.weights, begin.shape[0]
    total = jnp.sum(weights)
    if model.start is not None and not given:
        # Few rows differ as the data do, in any units (elemental subsets: Rousseeuw & Leroy 1987, section 5.1). Inverting
        # the cumulated weights makes padding, and rows that stand twice, change nothing.
        v = jax.random.uniform(rows_key, (2 * p + 1,), weights.dtype) * total
        few = jnp.zeros_like(weights).at[jnp.searchsorted(jnp.cumsum(weights), v)].add(1.0)
        found, _ = ravel_pytree(first(Objective(model, objective.data, few), None))
        begin = jnp.where(jnp.isfinite(found), found, begin)
    curvature = weights @ objective.scores(unravel(begin)) ** 2
    spread = jnp.sqrt(total / curvature)
    spread = jnp.where(jnp.isfinite(spread), spread, 1.0) * jnp.asarray(_WIDTHS, begin.dtype)[j % len(_WIDTHS)]
    spread = jnp.where(jnp.asarray(objective.unitless), jnp.minimum(spread, _FURTHEST), spread)
    return begin + spread * jax.random.normal(normal_key, (p,), begin.dtype)


def check_starts(k: int) -> None:
    """Raise unless the number of starts is a positive whole number."""
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
        raise ValueError(f"starts={k!r}; expected how many starting points to ascend from, 1 or more")


def multistart(solution: Solution, plan: Plan, solve: Solve) -> Solution:
    """Ascend from several starts for every data set, and keep the highest certified maximum of each.

    Args:
        solution: where the plan's own start, or the model's, led.
        plan: for how many starts, and for the key: data set i draws from `fold_in(key, i)`, start j from `fold_in` of
            that.
        solve: fits a batch by a plan with one start.

    """
    k = plan.starts
    if k == 1 or solution.model.geometry.closed_form is not None:  # a maximum in closed form needs no other start
        return solution
    model, batch, own = solution.model, solution.batch, solution.outcome
    dtype = own.u.dtype
    at = np.concatenate([own.u - own.travel, batch.position[:, None].astype(dtype)], axis=1)
    scatter = _scattering(int(k), plan.start is not None)
    u = everywhere(model, batch, scatter, np.where(np.isfinite(at), at, 0.0), as_key(plan.key))
    held = sum(x.nbytes for b in batch.buckets for x in jax.tree.leaves(b.data)) + 1
    together = int(np.clip(_AT_ONCE // held, 1, k - 1))
    found = [own]
    for begin in range(0, k - 1, together):
        some = range(begin, min(begin + together, k - 1))
        chosen = np.tile(np.arange(batch.size), len(some))
        points = np.concatenate([u[:, j] for j in some])
        again = solve(
            model_at(model, batch.size, chosen), batch.repeated(len(some)), plan.once().warm(params_at(model, points))
        )
        if again.report.interrupted:
            raise KeyboardInterrupt
        ends = again.outcome
        found += [Outcome(*x) for x in zip(*(np.split(x, len(some)) for x in ends), strict=True)]
    ends = Outcome(*(np.stack(x, axis=1) for x in zip(*found, strict=True)))
    chosen, maximum = _choose(ends, tolerance_of(plan))
    each = [everywhere(model, batch, natural, ends.u[:, j], at=()) for j in range(k)]
    best = Outcome(*(x[np.arange(batch.size), chosen] for x in ends))
    starts = Starts(-ends.value, ends.status, np.stack(each, axis=1), maximum)
    return dataclasses.replace(solution, outcome=best, starts=starts)


def as_key(key: Key) -> jax.Array:
    """Return a `jax.random` key; None is 0, the documented default, and a whole number is its seed."""
    return jax.random.key(0 if key is None else key) if key is None or isinstance(key, (int, np.integer)) else key


def params_at(model: Model, u: Float[np.ndarray, "B p"]) -> Params:
    """Map coordinates f[b, p] to natural params with a data-set axis."""
    leaves, tree = jax.tree.flatten(model.space)
    parts = np.split(u, np.cumsum([int(np.prod(s.coordinate_shape)) for s in leaves])[:-1], axis=1)
    values = [
        np.asarray(jax.vmap(s.forward)(x.reshape(len(u), *s.coordinate_shape)))
        if int(np.prod(s.coordinate_shape))
        else np.zeros((len(u), *s.value_shape), u.dtype)
        for s, x in zip(leaves, parts, strict=True)
    ]
    return jax.tree.unflatten(tree, values)


def _choose(ends: Outcome, tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    """Choose the start to report, int[B], and number the maximum that each led to, int[B, k].

    Only certified maxima compete, and the first start to reach the highest is reported. Where the model's own start ended
    at a limit with a supremum above them all, that stays the verdict; where none is certified, its verdict stays too.
    """
    b, k = ends.status.shape
    ok = at_maximum(ends.status)
    value = np.where(ok, ends.value, np.inf)
    slack = _SAME * np.maximum(tolerance, np.where(ok, ends.decrement, 0.0))
    same = np.broadcast_to(np.eye(k, dtype=bool), (b, k, k)).copy()
    for i in range(k):
        for j in range(i + 1, k):
            with np.errstate(invalid="ignore"):
                d = ends.u[:, j] - ends.u[:, i]
                apart = 0.5 * np.einsum("bi,bij,bj->b", d, ends.information[:, i], d)
            near = apart <= np.maximum(slack[:, i], slack[:, j])
            same[:, i, j] = same[:, j, i] = ok[:, i] & ok[:, j] & near
    first_of = np.argmax(same, axis=2)  # the first start that led to the same point
    order = np.where(ok & (first_of == np.arange(k)), value, np.inf)
    rank = np.argsort(np.argsort(order, axis=1, kind="stable"), axis=1, kind="stable")
    maximum = np.where(ok, np.take_along_axis(rank, first_of, axis=1), -1)
    best = value.min(1)
    near = ok & (value <= best[:, None] + slack)
    limit = at_limit(ends.status[:, 0]) & (ends.value[:, 0] <= best)
    return np.where(ok.any(1) & ~limit, np.argmax(near, axis=1), 0), maximum
