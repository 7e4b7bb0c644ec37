"""Problems from a model, data and a plan: everything about a fit as arrays, each checked before it is compiled."""

import functools
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.typing import DTypeLike

from jaxmle._engine.batch import Batch, Bucket
from jaxmle._engine.ingest import row_items
from jaxmle._engine.memory import rounded_up
from jaxmle._engine.phase_leaves import Structure
from jaxmle._engine.plan import Plan
from jaxmle._solver.problem import (
    Problem,
    Program,
    default_max_steps,
    default_tolerance,
    objective_of,
    taken,
)
from jaxmle._solver.status import Status
from jaxmle._util.arrays import Array, ArrayLike, Bool, Data, Float, Int, Params
from jaxmle._util.compile import compiled_with
from jaxmle._util.records import join, split
from jaxmle.model.contract import check_contributions, check_start, coordinates_read, percent
from jaxmle.model.model import Model
from jaxmle.model.observations import is_constant
from jaxmle.spaces import HELD, PINNED


def tolerance_of(plan: Plan) -> float:
    """Return the plan's tolerance, or the default of its dtype.

    Raises:
        ValueError: unless it is positive and finite.
    """
    tolerance = default_tolerance(plan.dtype) if plan.tolerance is None else np.asarray(plan.tolerance).item()
    if not 0 < tolerance < np.inf:
        raise ValueError(
            f"tolerance={tolerance}; expected a small positive number of log-likelihood units, such as 1e-9"
        )
    return tolerance


def max_steps_of(plan: Plan) -> int:
    """Return the plan's limit of evaluations, or the default of its optimizer.

    Raises:
        ValueError: unless it is at least 1.
    """
    steps = int(default_max_steps(plan.optimizer) if plan.max_steps is None else np.asarray(plan.max_steps).item())
    if steps < 1:
        raise ValueError(f"max_steps={plan.max_steps}; expected at least 1")
    return steps


def numbers_of(model: Model, size: int, dtype: DTypeLike) -> tuple[list[np.ndarray], list[bool]]:
    """Return the model's numbers, and which of them come one for each data set."""
    per_set = []
    for name, s in zip(model.names, jax.tree.leaves(model.space), strict=True):
        one = 0 if s.kind.name == HELD else len(s.value_shape)
        if (s.kind is PINNED or s.kind.name == HELD) and np.ndim(s.bounds[0]) == one + 1:
            if np.shape(s.bounds[0])[0] != size:
                raise ValueError(
                    f"pinned {name} has shape {list(np.shape(s.bounds[0]))}; expected {list(s.value_shape)}, or one value "
                    f"for each of the {size} data sets"
                )
            per_set.append(id(s.bounds[0]))
    numbers = split(model)[1]
    return [np.asarray(x, dtype) for x in numbers], [id(x) in per_set for x in numbers]


class Given(NamedTuple):
    """What is given for a fit, or for many where leaves have a data-set axis.

    Attributes:
        data: leaves [n, ...] or `constant`; or [B, n, ...].
        weights: f[n] or f[B, n].
        start: natural params, or None for the model's own.
        status: RUNNING, or a verdict already known, int[] or int[B].
    """

    data: Data
    weights: Float[ArrayLike, "... n"]
    start: Params | None
    status: Int[ArrayLike, "..."]


def problem_of(
    numbers: Sequence[ArrayLike], given: Given, plan: Plan, asarray: Callable[..., Any] = np.asarray
) -> Problem[Any]:
    """Build the problem of a fit, or of many: the one place where problems are made.

    Args:
        numbers: the model's numbers, as `split` lists them.
        given: data, weights, start and status.
        plan: for dtype, tolerance and limits.
        asarray: of NumPy, or of JAX inside a traced program, where limits may be traced.
    """
    traced = asarray is not np.asarray
    tolerance = plan.tolerance if traced and plan.tolerance is not None else tolerance_of(plan)
    steps = plan.max_steps if traced and plan.max_steps is not None else max_steps_of(plan)
    return Problem(
        numbers=[asarray(x, plan.dtype) for x in numbers],
        data=given.data,
        weights=given.weights,
        start=given.start,
        status=asarray(given.status, np.int32),
        tolerance=asarray(tolerance, plan.dtype),
        max_steps=asarray(steps, np.int32),
    )


def of_bucket(model: Model, batch: Batch, bucket: Bucket, plan: Plan, lanes: int = 0) -> tuple[Program, Problem]:
    """Build the problem of one bucket, leaves [b, ...] or shared, and the program that it needs.

    Raises:
        ValueError: for a start, a tolerance or limits that are illegal.
    """
    numbers, each = numbers_of(model, batch.size, plan.dtype)
    numbers = [x[bucket.positions] if own else x for x, own in zip(numbers, each, strict=True)]
    params, legal, own_start = _start(model, plan.start, batch, plan.dtype)
    if params is not None:
        params = jax.tree.map(lambda x, own: x[bucket.positions] if own else x, params, own_start)
    status = (
        bucket.status if legal is None else np.where(legal[bucket.positions], bucket.status, Status.NO_FINITE_START)
    )
    problem = problem_of(numbers, Given(bucket.data, bucket.weights, params, status), plan)
    axes = Problem(each, list(batch.own), True, jax.tree.leaves(own_start), True, False, False)
    tree = jax.tree.structure(problem)
    return Program(split(model)[0], plan.optimizer, tree, tuple(jax.tree.leaves(axes)), lanes), problem


def _start(
    model: Model, start: Params | None, batch: Batch, dtype: np.dtype
) -> tuple[Params | None, np.ndarray | None, Params | None]:
    """Return the start as params, where it is legal bool[B], and which leaves have a data-set axis."""
    if start is None:
        return None, None, None
    legal = np.ones(batch.size, bool)
    leaves, tree = jax.tree.flatten(model.space)
    try:
        values = [np.asarray(x, dtype) for x in tree.flatten_up_to(start)]
    except (ValueError, TypeError) as error:
        shown = sorted(start) if isinstance(start, Mapping) else type(start).__name__
        raise ValueError(
            f"start has another structure than the model's params: got {shown}, expected {model.names}; give a value "
            "for each of them, a fit of this model, or no start"
        ) from error
    own = []
    for name, s, x in zip(model.names, leaves, values, strict=True):
        each = x.shape == (batch.size, *s.value_shape)
        if not each and x.shape != s.value_shape:
            raise ValueError(
                f"start of {name} has shape {list(x.shape)}; expected {list(s.value_shape)}, or one for each of the "
                f"{batch.size} data sets" + ("; of a batch of fits give one, such as start=fits[0]" if x.ndim else "")
            )
        own.append(each and x.shape != s.value_shape)
        inside = np.asarray(jax.vmap(s.contains)(x) if own[-1] else s.contains(x))
        if s.kind is PINNED or s.source:
            continue
        if not own[-1] and not inside:
            part = "" if not bool(s.contains(x / 100)) else f" ({x} percent is {x / 100})"
            raise ValueError(
                f"start of {name} is {x}, which is outside its space {s!r}; give a value strictly inside{part}"
            )
        legal &= inside
    return jax.tree.unflatten(tree, values), legal, jax.tree.unflatten(tree, own)


def check_model(program: Program, problem: Problem) -> None:
    """Check the contract of the log-likelihood and the start before anything is compiled; each kind is traced once.

    Raises:
        TypeError, ValueError: saying what came, what was expected and what to try.
    """
    leaves, tree = jax.tree.flatten(taken(problem, program.axes, 0))
    _checked(program.skeleton, tree, tuple((np.shape(x), np.asarray(x).dtype.name) for x in leaves))


Described = tuple[tuple[tuple[int, ...], str], ...]
"The shape and the dtype of each leaf."


@functools.lru_cache(maxsize=1024)
def _checked(skeleton: Hashable, tree: Structure, leaves: Described) -> None:
    problem = jax.tree.unflatten(tree, [jax.ShapeDtypeStruct(shape, dtype) for shape, dtype in leaves])
    n = problem.weights.shape[0]

    def check(p: Problem) -> None:
        objective = objective_of(skeleton, p)
        check_contributions(objective, n)
        if p.start is None:
            check_start(objective)

    jax.eval_shape(check, problem)


def unread(model: Model, batch: Batch, plan: Plan) -> Bool[np.ndarray, " p"]:
    """Find the coordinates of parameters that never enter the log-likelihood, bool[p]; each kind is traced once."""
    program, problem = of_bucket(model, batch, batch.buckets[0], plan)
    leaves, tree = jax.tree.flatten(taken(problem, program.axes, 0))
    described = tuple((np.shape(x), np.asarray(x).dtype.name) for x in leaves)
    return ~np.array(_read(program.skeleton, tree, described), bool)


@functools.lru_cache(maxsize=1024)
def _read(skeleton: Hashable, tree: Structure, leaves: Described) -> list[bool]:
    problem = jax.tree.unflatten(tree, [jax.ShapeDtypeStruct(shape, dtype) for shape, dtype in leaves])
    found: list[bool] = []
    jax.eval_shape(lambda p: found.extend(coordinates_read(objective_of(skeleton, p))), problem)
    return found


def check_series(model: Model, batch: Batch, missing: str) -> None:
    """Raise where rows of a series are weighted or would be dropped; data sets of a batch get a status for weights.

    Raises:
        ValueError: for a weight that is neither 0 nor 1 (one data set), and where missing rows before the end would go.
    """
    if model.observations != "ordered":
        return
    w = batch.buckets[0].weights[0]
    if batch.single and not np.all((w == 0) | (w == 1)):
        row = int(np.argmax((w != 0) & (w != 1)))
        raise ValueError(
            f"weights of a series are 0 (the row is missing) or 1, got {w[row]:g} in row {row}: rows that depend on one "
            "another cannot be repeated; for replicates use fit_many with a series each"
        )
    if missing != "drop" or batch.dropped is None:
        return
    for bucket in batch.buckets:
        before_end = np.cumsum(bucket.weights[:, ::-1] > 0, axis=1)[:, ::-1] > 0
        gaps = before_end & (bucket.weights == 0) & (batch.dropped[bucket.positions] > 0)[:, None]
        if gaps.any():
            row = int(np.argwhere(gaps)[0, 1])
            raise ValueError(
                f"missing='drop' would take row {row} out of a series and close the gap; give missing='keep' to a model that "
                "reads NaN as a missing observation, or the row a number and weight 0: the state goes on from it, and its "
                "contribution is left out"
            )


def check_support(model: Model, batch: Batch) -> None:
    """Raise where a row of a batch of one data set lies outside the support, naming row and value."""
    bucket = batch.buckets[0]
    if model.response is None or bucket.status[0] >= 0:
        return
    data = jax.tree.map(lambda x: x[0], bucket.data)
    n = bucket.weights.shape[1]
    many = rounded_up(n)
    whole = jax.tree.map(
        lambda x: x.value if is_constant(x) else np.resize(x, (many, *x.shape[1:])), data, is_leaf=is_constant
    )
    possible = np.asarray(_supported(*split(model), whole))
    if possible.shape != (many,):  # rows of the wrong shape break the contract, which is checked with the problem
        return
    outside = ~possible[:n] & (bucket.weights[0] > 0)
    if outside.any():
        row = int(np.argmax(outside))
        values = {name: x[row].item() if np.ndim(x[row]) == 0 else x[row].tolist() for name, x in row_items(data)}
        shown = next(iter(values.values())) if len(values) == 1 else values
        raise ValueError(
            f"row {row} is {shown}, outside the support of {model.name or 'the model'} "
            f"({int(outside.sum())} such rows in all){percent(model, data, bucket.weights[0])}"
        )


@compiled_with(static_argnums=0)
def _supported(skeleton: Hashable, numbers: Sequence[ArrayLike], data: Data) -> Bool[Array, " n"]:
    return join(skeleton, numbers).possible(data)
