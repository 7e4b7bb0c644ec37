"""Functions of a model at given coordinates, computed for every data set of a batch."""

import dataclasses
from collections.abc import Callable, Iterator

import jax
import numpy as np
from jax import lax
from jax.flatten_util import ravel_pytree

from jaxmle._engine.batch import Batch, Bucket
from jaxmle._engine.build import of_bucket
from jaxmle._engine.devices import host_if_small
from jaxmle._engine.memory import together
from jaxmle._engine.phase_leaves import Shared
from jaxmle._engine.plan import Plan
from jaxmle._solver.coordinates import Unravel
from jaxmle._solver.problem import Problem, Program, builder, items_of, objective_of
from jaxmle._util.arrays import Array, ArrayLike, Data, Float
from jaxmle._util.compile import compiled_with
from jaxmle.model.model import Model
from jaxmle.model.objective import Objective

PointFunction = Callable[..., Array]
"(objective, u f[p], unravel, *more) -> array: a function of a module, since programs are remembered by it."


def natural(objective: Objective, u: Float[Array, " p"], unravel: Unravel) -> Float[Array, " q"]:
    """Map coordinates to natural parameters in `ravel_pytree` order, f[q]."""
    return ravel_pytree(objective.model.forward(unravel(u)))[0]


def jacobian(objective: Objective, u: Float[Array, " p"], unravel: Unravel) -> Float[Array, "q p"]:
    """Differentiate natural parameters by coordinates, f[q, p]: the delta method's matrix."""
    return jax.jacfwd(lambda x: natural(objective, x, unravel))(u)


def _for_each(
    function: PointFunction, program: Program, wide: int, own: list[Array], shared: Shared,
    u: Float[Array, "B p"], *more: ArrayLike,
) -> Float[Array, "B ..."]:  # fmt: skip
    """Compute `function(objective, u, unravel, *more)` for every data set, `wide` of them at a time.

    Args:
        function: of a module.
        program: for the model and the structure of the problem.
        own, shared: the problem's leaves with and without a data-set axis.
        u: coordinates, f[B, p].
    """

    def one(x: tuple[list[Array], Float[Array, " p"]]) -> Array:
        at = x[1]
        objective = objective_of(program.skeleton, builder(program, shared)(x))
        _, unravel = ravel_pytree(objective.model.origin(at.dtype))
        return function(objective, at, unravel, *more)

    return lax.map(one, (own, u), batch_size=min(wide, u.shape[0]))


_compiled = compiled_with(static_argnums=(0, 1, 2))(_for_each)
_compiled_quickly = compiled_with(quick=True, static_argnums=(0, 1, 2))(_for_each)


def evaluated(
    function: PointFunction,
    program: Program,
    problem: Problem[np.ndarray],
    u: Float[np.ndarray, "B p"],
    *more: ArrayLike,
    quick: bool = False,
) -> Float[np.ndarray, "B ..."]:
    """Evaluate `function` for every data set as a NumPy array; without data sets an empty one, with nothing computed."""
    own, shared = items_of(program, problem)
    if len(u):
        compute = _compiled_quickly if quick else _compiled
        return np.asarray(compute(function, program, together(own), own, shared, u, *more))
    some = [jax.ShapeDtypeStruct((1, *x.shape[1:]), x.dtype) for x in (*own, u)]
    shape = jax.eval_shape(lambda x, at: _for_each(function, program, 1, x, shared, at, *more), some[:-1], some[-1])
    return np.empty((0, *shape.shape[1:]), shape.dtype)


def by_bucket(
    model: Model, batch: Batch, function: PointFunction, u: Float[np.ndarray, "B p"], *more: ArrayLike,
    at: Data | None = None, quick: bool = False,
) -> Iterator[tuple[Bucket, Float[np.ndarray, "b ..."]]]:  # fmt: skip
    """Evaluate `function` bucket by bucket: (bucket, f[b, ...]); see `everywhere`."""
    if at is None:
        batch.check_unchanged()
    plan = Plan(dtype=u.dtype)
    for b in batch.buckets:
        taken = slice(None) if len(batch.buckets) == 1 else b.positions  # one bucket keeps the order
        points, source = b, batch
        if at is not None:  # no data, no copy, one program whatever the length
            data = jax.tree.map(lambda x, taken=taken: x[taken], at)
            leaves = jax.tree.leaves(data)
            weights = np.ones(leaves[0].shape if leaves else (len(b.positions), 1), u.dtype)
            points = b._replace(data=data, weights=weights)
            source = dataclasses.replace(batch, own=(True,) * len(leaves))
        program, problem = of_bucket(model, source, points, plan)
        with host_if_small(batch.numbers if at is None else 0):
            part = evaluated(function, program, problem, u[taken], *more, quick=quick)
        yield b, part


def everywhere(
    model: Model, batch: Batch, function: PointFunction, u: Float[np.ndarray, "B p"], *more: ArrayLike,
    at: Data | None = None, quick: bool = False,
) -> Float[np.ndarray, "B ..."]:  # fmt: skip
    """Evaluate `function(objective, u, unravel, *more)` for every data set, f[B, ...], in the order of the batch.

    Args:
        model, batch: of a fit.
        function: of a module, since programs are remembered by it.
        u: coordinates, f[B, p].
        *more: arrays, the same for all data sets.
        at: points that take the place of the data, leaves f[B, m]; `()` where the parameters alone matter.
        quick: for what runs seldom: whether the program is compiled fast rather than optimized.
    """
    return batch.gathered([part for _, part in by_bucket(model, batch, function, u, *more, at=at, quick=quick)])
