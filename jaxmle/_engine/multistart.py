"""Several starting points for each data set, all of them lanes: where they lie, and what they found."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.flatten_util import ravel_pytree

from jaxmle._engine.batch import Batch
from jaxmle._solver.start import first
from jaxmle._solver.state import Outcome
from jaxmle._solver.status import at_limit, at_maximum
from jaxmle.inference import covariance
from jaxmle.model.model import Model
from jaxmle.model.objective import Objective

_WIDTHS = (0.5, 1.0, 2.0, 4.0)
"Spreads that scattered starts take in turn, in standard deviations of one observation's estimate."

_FURTHEST = 3.0
"The largest spread of a logarithm or a logit: a factor of 20."

_AT_ONCE = 1 << 26
"Bytes of data that are repeated so that several starts climb in one call."

_SAME = 100.0
"Two certified points are one maximum within this many times the log-likelihood still to be gained there."


class Starts(NamedTuple):
    """What each of k starts led to; the first is the model's own.

    Attributes:
        log_likelihood: f[B, k].
        status: `Status` codes, int[B, k].
        natural: where it ended, in `ravel_pytree` order, f[B, k, q].
        maximum: which certified maximum that is, int[B, k]; 0 is the highest, -1 no certified one.
    """

    log_likelihood: np.ndarray
    status: np.ndarray
    natural: np.ndarray
    maximum: np.ndarray


@functools.lru_cache(maxsize=256)
def _scattering(k: int, given: bool) -> Callable[..., Any]:
    """The function that scatters k - 1 starts; one object for each kind, since programs are remembered by it."""

    def scatter(objective: Objective, at: Any, unravel: Any, key: Any) -> Any:
        begin, mine = at[:-1], jax.random.fold_in(key, at[-1].astype(jnp.uint32))
        return lax.map(
            lambda j: _one(objective, begin, unravel, jax.random.fold_in(mine, j), j, given), jnp.arange(1, k)
        )

    return scatter


def _one(objective: Objective, begin: Any, unravel: Any, key: Any, j: Any, given: bool) -> Any:
    """A start: that of a few rows drawn from the data, moved by what one observation leaves open; f[p]."""
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


def search(
    model: Model, batch: Batch, own: Outcome, k: int, given: bool, key: Any, tolerance: float,
    climb: Callable[[Batch, Any], Outcome],
) -> tuple[Outcome, Starts]:  # fmt: skip
    """The best of k starts for every data set.

    Args:
        own: where the model's own start (or the one `given`) led.
        key: of `jax.random`; data set i draws from `fold_in(key, i)`, start j from `fold_in` of that.
        climb: fits of a batch from natural params with a data-set axis.
    """
    dtype = own.u.dtype
    at = np.concatenate([own.u - own.travel, batch.position[:, None].astype(dtype)], axis=1)
    u = covariance.everywhere(model, batch, _scattering(k, given), np.where(np.isfinite(at), at, 0.0), key)
    held = sum(x.nbytes for b in batch.buckets for x in jax.tree.leaves(b.data)) + 1
    together = int(np.clip(_AT_ONCE // held, 1, k - 1))
    found = [own]
    for begin in range(0, k - 1, together):
        some = range(begin, min(begin + together, k - 1))
        repeated = batch if len(some) == 1 else batch.subset(np.tile(np.arange(batch.size), len(some)))
        points = np.concatenate([u[:, j] for j in some])
        outcome = climb(repeated, params_at(model, points))
        found += [Outcome(*x) for x in zip(*(np.split(x, len(some)) for x in outcome), strict=True)]
    ends = Outcome(*(np.stack(x, axis=1) for x in zip(*found, strict=True)))
    chosen, maximum = _choose(ends, tolerance)
    natural = [covariance.everywhere(model, batch, covariance.natural, ends.u[:, j], at=()) for j in range(k)]
    best = Outcome(*(x[np.arange(batch.size), chosen] for x in ends))
    return best, Starts(-ends.value, ends.status, np.stack(natural, axis=1), maximum)


def params_at(model: Model, u: np.ndarray) -> Any:
    """Coordinates f[b, p] as natural params with a leading axis; numbers that come one for each data set stay theirs."""
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
    """Which start is reported, int[B], and which maximum each led to, int[B, k].

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


def joined(parts: list[Starts | None]) -> Starts | None:
    """Those of several batches as one; None where they did not all have as many."""
    known = [p for p in parts if p is not None]
    if len(known) < len(parts) or len({p.status.shape[1] for p in known}) != 1:
        return None
    return Starts(*(np.concatenate(x) for x in zip(*known, strict=True)))


def described(starts: Starts, single: bool, params: Callable[[np.ndarray], Any]) -> dict[str, Any]:
    """How many starts, how many of them converged, and to which maxima; for a batch the counts, int[B].

    Args:
        params: natural values f[1, q] in the structure of params.
    """
    each = [sorted(set(row[row >= 0])) for row in starts.maximum]
    converged = (starts.maximum >= 0).sum(1)
    count = starts.maximum.shape[1]
    if not single:
        return {"starts": count, "converged": converged, "maxima": np.array([len(x) for x in each], int)}
    found = []
    for m in each[0]:
        at = np.flatnonzero(starts.maximum[0] == m)
        value = float(starts.log_likelihood[0, at[0]])
        found.append({"log_likelihood": value, "starts": len(at), "params": params(starts.natural[:, at[0]])})
    return {"starts": count, "converged": int(converged[0]), "maxima": found}
