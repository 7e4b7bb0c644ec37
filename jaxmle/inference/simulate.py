"""Random parts of a fit: quantile residuals, and data drawn from the fitted model. Methods of `Fit`."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxmle import special
from jaxmle._engine.evaluate import by_bucket
from jaxmle._engine.multistart import as_key
from jaxmle._engine.solution import Solution
from jaxmle._util.arrays import Data, Key
from jaxmle._util.compile import compiled, compiled_with, in_float64
from jaxmle.inference.predict import response_of
from jaxmle.model.objective import Objective
from jaxmle.model.observations import bare, is_constant


@in_float64
def residuals(solution: Solution, key: Key = None) -> np.ndarray:
    """Quantile residuals: standard normal where the model is right, whatever the distribution.

    r = Phi^-1(F(x)). Where x is a count, or known only to lie in an interval (a, b], F(x) is drawn uniformly between
    F(a) and F(b), so that residuals of a right model are standard normal there too.

    Args:
        key: a `jax.random` key or a whole number, 0 by default; data set i draws from `fold_in(key, i)`.

    Returns:
        f[n] in the order of the data; for a batch f[B, n]. NaN where a row has weight 0, where a shorter data set has
        no row, and for fits that found no maximum.

    Example:
        >>> import jaxmle as jm
        >>> fit = jm.fit("normal", [1.0, 2.0, 3.0])
        >>> [round(float(r), 4) + 0.0 for r in fit.residuals()]
        [-1.2247, 0.0, 1.2247]

    Reference: Dunn & Smyth 1996, *Journal of Computational and Graphical Statistics* 5, 236-244.
    """
    response_of(solution)
    parts = []
    for bucket, logs in by_bucket(solution.model, solution.batch, _surroundings, solution.outcome.u):
        v = np.asarray(_uniform(as_key(key), solution.batch.position[bucket.positions], logs.shape[1]))
        used = (bucket.weights > 0) & solution.usable[bucket.positions, None]
        parts.append((bucket, np.where(used, np.asarray(_normal_score(logs, v)), np.nan)))
    out = np.full((solution.batch.size, max(_rows(solution, b.weights) for b, _ in parts)), np.nan)
    for bucket, r in parts:
        m = min(out.shape[1], r.shape[1])
        out[bucket.positions, :m] = r[:, :m]
    return out[0] if solution.single else out


@in_float64
def simulate(solution: Solution, key: Key = None) -> Data:
    """Draw data from the fitted model, of the same shape as its data; for a batch a list, one for each data set.

    A row of weight w stands for w rows, and one of weight 0 for none: what is drawn has weights 1.

    Args:
        key: a `jax.random` key or a whole number, 0 by default; data set i draws from `fold_in(key, i)`.

    Raises:
        TypeError: for a model that does not say how to simulate.
        ValueError: for weights that are not whole.

    Example:
        >>> import jaxmle as jm
        >>> fit = jm.fit("poisson", [0, 2, 1, 0])
        >>> fit.simulate(1).shape
        (4,)
    """
    if solution.model.simulate is None:
        raise TypeError(f"model {solution.model.name or ''} does not say how to simulate: give Model(simulate=...)")
    if not solution.single:
        return [simulate(solution.take(np.array([i]), single=True), key) for i in range(solution.size)]
    own = jax.random.fold_in(as_key(key), int(solution.batch.position[0]))
    return jax.tree.map(np.asarray, solution.model.simulate(own, solution.params, to_draw(solution)[0]))


# --- how ---------------------------------------------------------------------------------------------------


def to_draw(solution: Solution) -> tuple[Any, int]:
    """Return the data that new ones are drawn like, weights turned into rows and constants bare, and how many rows."""
    bucket = solution.batch.buckets[0]
    weights = bucket.weights[0]
    if (
        solution.model.observations == "ordered"
    ):  # a weight of 0 inside a series is a missing value, after its end padding
        rows = np.arange(_rows(solution, bucket.weights))
    elif np.any(weights != np.round(weights)):
        raise ValueError("simulate: the weights are not whole numbers, so how many rows to draw is not known")
    else:
        rows = np.repeat(np.arange(len(weights)), weights.astype(int))
    data = jax.tree.map(lambda x: x[0], bucket.data)
    return bare(jax.tree.map(lambda x: x if is_constant(x) else x[rows], data, is_leaf=is_constant)), len(rows)


def _surroundings(objective: Objective, u: Any, unravel: Any) -> Data:
    """log F and log S at the two ends of what is known of each row, f[n, 4]; equal ends where it is known exactly."""
    response, at = objective.model.response, objective.model.forward(unravel(u))
    assert response is not None  # `response_of` refuses before anything is compiled
    known = response.known_of(objective.data)
    low, high = response.bounds(objective.data)
    low = jnp.where(low == high, response.before(low), low) if response.discrete else low
    parts = []
    for x in (low, high):
        for tail, below, above in ((response.logcdf, -jnp.inf, 0.0), (response.logsf, 0.0, -jnp.inf)):
            parts.append(jnp.where(x == -jnp.inf, below, jnp.where(x == jnp.inf, above, tail(at, x, known))))
    return jnp.stack(parts, axis=1)


def _rows(solution: Solution, weights: np.ndarray) -> int:
    """Return the length of the longest data set, without padding."""
    if solution.batch.keys is None:
        return weights.shape[1]
    used = np.flatnonzero((weights != 0).any(0))
    return int(used[-1]) + 1 if len(used) else 0


@compiled_with(static_argnums=2)
def _uniform(key: Any, positions: Any, n: int) -> Data:
    """Row j of data set i draws from fold_in(fold_in(key, i), j): padding does not matter. f[b, n]."""

    def one(i: Any) -> Data:
        mine = jax.random.fold_in(key, i)
        return jax.vmap(lambda j: jax.random.uniform(jax.random.fold_in(mine, j)))(jnp.arange(n))

    return jax.vmap(one)(positions)


@compiled
def _normal_score(logs: Any, v: Any) -> Data:
    """Phi^-1 of a probability between F(a) and F(b), from whichever tail is smaller; logs [..., 4], v [...]."""
    below_a, above_a, below_b, above_b = (logs[..., i] for i in range(4))

    def between(a: Any, b: Any) -> Data:
        return jnp.where(a == b, a, jnp.logaddexp(jnp.log1p(-v) + a, jnp.log(v) + b))

    below, above = between(below_a, below_b), between(above_a, above_b)
    lower = below < above
    score = special.ndtri_exp(jnp.where(lower, below, above))
    return jnp.where(lower, score, -score)
