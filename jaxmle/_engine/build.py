"""The problem of one bucket: a model's numbers, data, start and tolerance as arrays, each checked before it is compiled."""

import functools
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from jaxmle._engine.batch import Batch, Bucket
from jaxmle._solver.problem import Problem, default_max_steps, default_tolerance, numbers_of, objective_of
from jaxmle._solver.status import Status
from jaxmle._util.records import split
from jaxmle.model.contract import check_contributions, check_start
from jaxmle.model.model import Model
from jaxmle.result.fit import Fit
from jaxmle.spaces import PINNED


def problem_of(
    model: Model, batch: Batch, bucket: Bucket, start: Any, optimizer: Any, tolerance: Any, max_steps: Any, dtype: Any
) -> tuple[Problem, tuple[bool, ...]]:  # fmt: skip
    """The problem of one bucket, and for each of its leaves whether it has a data-set axis."""
    numbers, each = numbers_of(model, batch.size, dtype)
    numbers = [x[bucket.index] if own else x for x, own in zip(numbers, each, strict=True)]
    params, legal, own_start = _start(model, start, batch, dtype)
    if params is not None:
        params = jax.tree.map(lambda x, own: x[bucket.index] if own else x, params, own_start)
    status = np.where(legal[bucket.index], bucket.status, np.int32(Status.NO_FINITE_START)).astype(np.int32)
    if not (0 < (tolerance := default_tolerance(dtype) if tolerance is None else tolerance) < np.inf):
        raise ValueError(
            f"tolerance={tolerance}; expected a small positive number of log-likelihood units, such as 1e-9"
        )
    if int(steps := default_max_steps(optimizer) if max_steps is None else max_steps) < 1:
        raise ValueError(f"max_steps={max_steps}; expected at least 1")
    problem = Problem(
        numbers, bucket.data, bucket.weights, params, status, np.asarray(tolerance, dtype), np.int32(steps)
    )
    axes_of = Problem(each, list(batch.own), True, jax.tree.leaves(own_start), True, False, False)
    return problem, tuple(jax.tree.leaves(axes_of))


def _start(model: Model, start: Any, batch: Batch, dtype: Any) -> tuple[Any, np.ndarray, Any]:
    """The start as params, where it is legal bool[B], and which leaves come one for each data set."""
    legal = np.ones(batch.size, bool)
    if start is None:
        return None, legal, None
    given = f"a fit of {start.model.name or 'another model'}, with" if isinstance(start, Fit) else "got"
    start = getattr(start, "params", start)
    leaves, tree = jax.tree.flatten(model.space)
    try:
        values = [np.asarray(x, dtype) for x in tree.flatten_up_to(start)]
    except (ValueError, TypeError) as error:
        shown = sorted(start) if isinstance(start, Mapping) else type(start).__name__
        raise ValueError(
            f"start has another structure than the model's params: {given} {shown}, expected {model.names}; give a value "
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


def check_model(model: Model, problem: Problem) -> None:
    """The contract, before anything is compiled; each kind of problem is traced once."""
    leaves, tree = jax.tree.flatten(problem)
    _checked(split(model)[0], tree, tuple((np.shape(x), np.asarray(x).dtype.name) for x in leaves))


@functools.lru_cache(maxsize=1024)
def _checked(skeleton: Any, tree: Any, leaves: tuple[Any, ...]) -> None:
    problem = jax.tree.unflatten(tree, [jax.ShapeDtypeStruct(shape, dtype) for shape, dtype in leaves])
    n = problem.weights.shape[0]

    def check(p: Problem) -> None:
        objective = objective_of(skeleton, p)
        check_contributions(objective, n)
        if p.start is None:
            check_start(objective)

    jax.eval_shape(check, problem)
