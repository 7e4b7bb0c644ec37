"""The records of one fit, its arrays (`Problem`) and what decides its compiled program (`Program`), and functions of their leaves."""

import itertools
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Generic, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jax.tree_util import PyTreeDef
from jax.typing import DTypeLike

from jaxmle._solver.start import first, sweeps
from jaxmle._solver.state import A
from jaxmle._solver.step import certifies
from jaxmle._util.arrays import Array, ArrayLike, Data, Float, Int, Params
from jaxmle._util.records import join
from jaxmle.model.objective import Objective
from jaxmle.model.observations import clean, float_dtype, for_model, row_leaves
from jaxmle.optimizers import bhhh, fisher_scoring, gauss_newton, lbfgs, newton

Item = tuple[Any, ...]
"What a phase works on: a problem, or the leaves that are its own, and the record that the phase before returned."


class Problem(NamedTuple, Generic[A]):
    """Everything about one fit that may vary without a new compilation; a pytree.

    Attributes:
        numbers: the model's numbers, as `split` lists them.
        data: leaves [n, ...] or `constant`.
        weights: f[n].
        start: natural params, or None for the model's own start.
        status: RUNNING, or a verdict on the data, int[].
        tolerance: the greatest predicted gain at which the fit counts as converged, f[].
        max_steps: evaluations, int[].
    """

    numbers: list[A]
    data: Data
    weights: Float[A, " n"]
    start: Params | None
    status: Int[A, ""]
    tolerance: Float[A, ""]
    max_steps: Int[A, ""]


class Program(NamedTuple):
    """Everything that decides the compiled program; hashable.

    Attributes:
        skeleton: the model without its numbers.
        optimizer: the method.
        tree, axes: structure of `Problem`, and for each of its leaves whether it has a data-set axis.
        lanes: fits that step together.
    """

    skeleton: Hashable
    optimizer: optax.GradientTransformationExtraArgs
    tree: PyTreeDef  # pyright: ignore[reportInvalidTypeForm]
    axes: tuple[bool, ...]
    lanes: int


def default_tolerance(dtype: DTypeLike) -> float:
    """Return the greatest predicted gain at which a fit counts as converged: 1e-9, or 1e-3 in float32."""
    return 1e-9 if jnp.finfo(dtype).bits >= 64 else 1e-3


def default_max_steps(optimizer: optax.GradientTransformationExtraArgs) -> int:
    """Return the evaluations allowed: 100 with second derivatives, 1000 for bhhh and lbfgs, 10 000 for methods whose steps are many and cheap."""
    return (
        100
        if optimizer in (newton(), fisher_scoring(), gauss_newton())
        else 1000
        if optimizer in (bhhh(), lbfgs())
        else 10_000
    )


def objective_of(skeleton: Hashable, problem: Problem[Array], cleaned: bool = False) -> Objective:
    """Build the objective of one problem, rows of weight 0 replaced unless they were `cleaned` before."""
    model, data, weights = join(skeleton, problem.numbers), problem.data, problem.weights
    if not cleaned:
        data, weights = clean(data, weights, model.observations == "ordered")
    return Objective(model, for_model(model, data), weights)


def has_closed_form(program: Program) -> bool:
    """Return whether the maximum is computed by a formula, whatever the method."""
    return join(program.skeleton, itertools.repeat(None)).geometry.closed_form is not None


def in_time(program: Program) -> bool:
    """Return whether rows are those of a series."""
    return join(program.skeleton, itertools.repeat(None)).observations == "ordered"


def one_phase(program: Program) -> bool:
    """Return whether the ascent certifies its own maximum, so that no other phase does."""
    return certifies(program.optimizer) or has_closed_form(program)


def items_of(program: Program, problem: Problem[A]) -> tuple[list[A], list[A]]:
    """Return the leaves of a batched problem: those with a data-set axis, and the shared ones."""
    leaves = jax.tree.leaves(problem)
    return (
        [x for x, own in zip(leaves, program.axes, strict=True) if own],
        [x for x, own in zip(leaves, program.axes, strict=True) if not own],
    )


def taken(
    problem: Problem[np.ndarray], axes: tuple[bool, ...], which: int | slice | Int[np.ndarray, " b"]
) -> Problem[np.ndarray]:
    """Select the problem of one data set, or of several, from that of a batch."""
    leaves, tree = jax.tree.flatten(problem)
    return jax.tree.unflatten(tree, [x[which] if own else x for x, own in zip(leaves, axes, strict=True)])


def without_start(program: Program, problem: Problem[A]) -> tuple[Program, Problem[A]]:
    """Return program and problem with the model's own start."""
    axes: Problem[bool] = jax.tree.unflatten(program.tree, program.axes)
    bare = problem._replace(start=None)
    flat = tuple(jax.tree.leaves(axes._replace(start=None)))
    return program._replace(tree=jax.tree.structure(bare), axes=flat), bare


def with_starts(program: Program, problem: Problem[A], starts: Params) -> tuple[Program, Problem[A]]:
    """Return program and problem with a start for each data set, leaves [B, ...]."""
    axes: Problem[bool] = jax.tree.unflatten(program.tree, program.axes)
    full = problem._replace(start=starts)
    flat = tuple(jax.tree.leaves(axes._replace(start=jax.tree.map(lambda _: True, starts))))
    return program._replace(tree=jax.tree.structure(full), axes=flat), full


def own_starts(program: Program, own: list[Array], shared: Sequence[ArrayLike]) -> Params:
    """Compute the natural params of each data set at the model's own start, leaves [B, ...]."""
    build = builder(program, shared)

    def one(mine: list[Array]) -> Params:
        objective = objective_of(program.skeleton, build((mine,)))
        model, dtype = objective.model, objective.weights.dtype
        if model.start is None:
            return model.forward(first(objective, None))
        return jax.tree.map(lambda x: jnp.asarray(x, dtype), model.start(objective.data, objective.weights))

    return lax.map(one, own, batch_size=min(256, len(own[0])))


def start_shapes(program: Program, problem: Problem[np.ndarray]) -> Params:
    """Return arrays of the shape and dtype of `own_starts`, without computing any."""
    model, dtype, size = (
        join(program.skeleton, problem.numbers),
        problem.weights.dtype,
        len(items_of(program, problem)[0][0]),
    )
    return jax.tree.map(lambda s: np.broadcast_to(np.ones((), dtype), (size, *s.value_shape)), model.space)


def builder(program: Program, shared: Sequence[ArrayLike]) -> Callable[[Item], Problem[Array]]:
    """Return the function that joins the leaves of one data set, the first part of an item, and the shared ones to a problem."""

    def build(item: Item) -> Problem[Array]:
        mine, common = iter(item[0]), iter(shared)
        return jax.tree.unflatten(program.tree, [next(mine) if own else next(common) for own in program.axes])

    return build


def ascent_phases(program: Program) -> int:
    """Return how many phases come before `SETTLE`."""
    return 1 if one_phase(program) else 2


def among(program: Program, chosen: Callable[[Problem], Any]) -> tuple[bool, ...]:
    """Return for each leaf of a problem whether `chosen` selects it."""
    problem = jax.tree.unflatten(program.tree, range(len(program.axes)))
    mine = set(jax.tree.leaves(chosen(problem)))
    return tuple(i in mine for i in range(len(program.axes)))


def with_rows(problem: Problem[Array]) -> tuple[list[Array], Float[Array, " n"]]:
    """Return the leaves that have an observation axis."""
    return row_leaves(problem.data), problem.weights


def row_flags(program: Program) -> tuple[list[bool], list[bool]]:
    """Return which of `items_of`'s leaves have an observation axis."""
    return items_of(program, jax.tree.unflatten(program.tree, among(program, with_rows)))


def weights_at(program: Program) -> int:
    """Return the position of the weights among the leaves that each data set has for its own."""
    return sum(program.axes[: among(program, lambda p: p.weights).index(True)])


def starts_itself(program: Program, problem: Problem) -> bool:
    """Return whether the ascent begins at the model's own start, or at a sweep."""
    model = join(program.skeleton, problem.numbers)
    return problem.start is None and (model.start is not None or sweeps(model)) and model.geometry.closed_form is None


def starts_with_sweep(program: Program, problem: Problem) -> bool:
    """Return whether that start is a sweep, whose loop native kernels do not take."""
    return starts_itself(program, problem) and join(program.skeleton, problem.numbers).start is None


def problem_dtype(data: Data, weights: Float[ArrayLike, " n"] | None) -> jnp.dtype:
    """Return the dtype of the computation, from data and weights."""
    return float_dtype(data if weights is None else (data, weights))
