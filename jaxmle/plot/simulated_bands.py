"""Bands of QQ and PP plots: data sets simulated from a fit, a refit of each, and quantiles of their order statistics."""

from collections.abc import Hashable

import jax
import jax.numpy as jnp
import numpy as np

from jaxmle._engine import ingest
from jaxmle._engine.multistart import as_key
from jaxmle._engine.plan import Plan
from jaxmle._engine.solution import Solution
from jaxmle._engine.solve import solve
from jaxmle._util.arrays import Array, ArrayLike, Data, Float, Int, Key, Params
from jaxmle._util.compile import compiled, compiled_with, in_float64
from jaxmle._util.records import join, split
from jaxmle.inference import simulate
from jaxmle.inference.predict import cdf
from jaxmle.plot.drawable import is_certified

MOST_SIMULATED = 5_000_000
"Values that are simulated at most."
_AT_ONCE = 2_000_000
"Values that are simulated in one batch at most."


def refitted(
    solution: Solution, plain: bool, ranks: Int[np.ndarray, " m"], replicates: int, key: Key
) -> Float[np.ndarray, "R m"]:
    """Simulate data sets from a fit, refit each, and return U_(i) under its own refit; NaN where it found no maximum."""
    model = solution.model
    if model.simulate is None:
        raise TypeError(f"model {model.name} does not say how to simulate, which the band needs; draw band=None")
    data, n = simulate.to_draw(solution)
    replicates = int(min(replicates, max(50, MOST_SIMULATED // n)))
    width = min(replicates, max(1, _AT_ONCE // n))
    skeleton, numbers = split(model)
    plan = Plan(start=solution.params if is_certified(solution) else None, retries=3)
    keys = jax.random.split(as_key(key), -(-replicates // width) * width).reshape(-1, width)
    parts = []
    for some in keys:
        simulated = _simulate(skeleton, numbers, some, solution.params, data)
        if plain:
            simulated = np.sort(simulated, axis=1)
        refits = solve(model, ingest.rectangular(simulated, None, None, plan.dtype, "status"), plan)
        if plain:
            parts.append(cdf(refits, simulated[:, ranks]).value)
        else:
            parts.append(normal_probability(np.sort(simulate.residuals(refits, key), axis=1)[:, ranks]))
    return np.concatenate(parts)[:replicates]


@in_float64
def _simulate(skeleton: Hashable, numbers: list[ArrayLike], keys: Array, params: Params, data: Data) -> Data:
    """Simulate one data set for each key, leaves [R, ...]; `skeleton` and `numbers` are the parts of the model."""
    return jax.tree.map(np.asarray, _simulated(skeleton, numbers, keys, params, data))


@compiled_with(static_argnums=0)
def _simulated(skeleton: Hashable, numbers: list[ArrayLike], keys: Array, params: Params, data: Data) -> Data:
    model = join(skeleton, numbers)
    return jax.vmap(lambda k: model.simulate(k, params, data))(keys)


def simulated_band(
    found: Float[np.ndarray, "R m"], band: str, level: float
) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"]]:
    """Compute the lower and the upper end of a band from replicates."""
    tail = 0.5 * (1 - level)
    ordered = np.sort(found, axis=0)
    if band == "simultaneous":
        # The local level at which the share `level` of the replicates is inside everywhere.
        rank = np.argsort(np.argsort(found, axis=0), axis=0)
        depth = np.minimum(rank, len(found) - 1 - rank).min(1)
        k = int(np.sort(depth)[int(np.floor((1 - level) * len(found)))])
        return ordered[k], ordered[len(found) - 1 - k]
    low, high = np.quantile(ordered, [tail, 1 - tail], axis=0)
    return low, high


@in_float64
def normal_quantile(p: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    return np.asarray(_ndtri(np.asarray(p, float)))


@in_float64
def normal_probability(x: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    return np.asarray(_ndtr(np.asarray(x, float)))


_ndtri = compiled(lambda p: jax.scipy.special.ndtri(p))
_ndtr = compiled(lambda x: jax.scipy.special.ndtr(jnp.asarray(x)))
