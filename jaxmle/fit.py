"""`fit` and `fit_many`: anything array-like in, a `Fit` of NumPy arrays out, in float64 whatever the global flag says."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxmle import _batch, _run
from jaxmle._batch import Batch, Bucket
from jaxmle._compile import compiled_with
from jaxmle._contract import check_contributions, check_start, percent
from jaxmle._data import is_constant
from jaxmle._progress import Progress
from jaxmle._rungs import second_chance
from jaxmle._solve import (
    Problem,
    Program,
    default_max_steps,
    default_tolerance,
    numbers_of,
    objective_of,
    solve_one,
)
from jaxmle._status import Status
from jaxmle._step import Outcome
from jaxmle._types import split
from jaxmle.model import Model
from jaxmle.models import as_model
from jaxmle.optimizers import by_name
from jaxmle.result import Fit
from jaxmle.spaces import PINNED


def fit(
    model: Any,
    data: Any,
    *,
    weights: Any = None,
    start: Any = None,
    optimizer: Any = "newton",
    tolerance: float | None = None,
    max_steps: int | None = None,
    retries: int = 3,
    dtype: Any = "float64",
    missing: str = "error",
) -> Fit:
    """Maximum likelihood for one data set.

    Args:
        model: a `Model`, a distribution, or a distribution's name such as `"weibull"`. A distribution with data
            `{"lower", "upper"}` is fitted to censored lifetimes.
        data: anything array-like: an array, list or data frame, or a dict of them, leaves [n, ...].
        weights: frequencies, [n]: 2 means that the row stands twice, 0 that it is absent.
        start: natural params, or another `Fit`; by default the model's own start.
        optimizer: a name (`"newton"`, `"fisher_scoring"`, `"bhhh"`, `"lbfgs"`) or any optax optimizer.
        tolerance: log-likelihood still to be gained at which the fit counts as converged; 1e-9 in float64.
        max_steps: evaluations of the method; 100 with second derivatives, 1000 for bhhh and lbfgs, 10 000 for others.
        retries: how many second chances a fit has that found no maximum for want of a better climb: from another start,
            with more damping, by another method. `Fit.rung` says which succeeded; 0 for none. Running out of steps is
            no reason to try again where `max_steps` is given.
        dtype: in which to compute.
        missing: what to do with NaN: `"error"`, `"drop"` the row, give a `"status"`, or `"keep"` it.

    Returns:
        a `Fit`. It says in `status` how the fit ended, and never raises because a maximum was not found.

    Raises:
        TypeError, ValueError: for data, weights, start or a log-likelihood that break the contract, with what was
            given, what was expected and what to try.

    Example:
        >>> import jaxmle as jm
        >>> coin = jm.fit("bernoulli", [1, 1, 1, 0, 1, 0, 1, 1, 0, 1])
        >>> round(float(coin.params["probability"]), 12)
        0.7
        >>> coin.converged
        True
    """
    dtype = np.dtype(dtype)
    options = {"optimizer": _name(optimizer), "max_steps": max_steps, "retries": retries, "missing": missing}
    optimizer = by_name(optimizer)
    with jax.enable_x64(True):
        batch = _batch.one(data, weights, dtype, missing)
        model = as_model(model, batch.buckets[0].data)
        problem, axes = _problem(model, batch, batch.buckets[0], start, optimizer, tolerance, max_steps, dtype, True)
        _check_model(model, problem)
        _check_support(model, batch)
        program = Program(split(model)[0], optimizer, jax.tree.structure(problem), axes, 1)
        outcome = jax.tree.map(lambda x: np.array(x)[None], _solve_one(program, problem))
        each = [x[None] for x in jax.tree.leaves(problem)]
        many = program._replace(axes=(True,) * len(each))
        _run.look_closer(many, each, [], outcome, np.ones(1, bool))
        given, all_ = max_steps is not None, jax.tree.unflatten(program.tree, each)
        second_chance(many, all_, outcome, np.zeros(1, np.int64), retries, given, _run.places(1), "auto")
    info = _info(program, tolerance, dtype) | options
    return Fit(model=model, outcome=outcome, batch=batch, single=True, info=info)


def fit_many(
    model: Any,
    data: Any,
    *,
    weights: Any = None,
    groups: Any = None,
    shared: Any = None,
    lanes: Any = "auto",
    devices: Any = None,
    memory: int | None = None,
    progress: bool | Callable[..., Any] = False,
    start: Any = None,
    optimizer: Any = "newton",
    tolerance: float | None = None,
    max_steps: int | None = None,
    retries: int = 3,
    dtype: Any = "float64",
    missing: str = "status",
) -> Fit:
    """Maximum likelihood for many data sets at once.

    Args:
        model: as in `fit`. Pinned values may carry a leading data-set axis: one for each.
        data: leaves [datasets, n, ...]; with `groups`, rows in long format, leaves [rows, ...].
        weights: frequencies, [datasets, n], [n] for all, or [rows]; 0 where a row is padding.
        groups: the key of each row, text, numbers or dates in any order, or several columns of keys (a dict or a data
            frame); data sets keep the order of first appearance.
        shared: leaves without a data-set axis, such as one design for all; never copied.
        lanes: `"native"` compiles the model for the machine (float64 on a CPU, with llvmlite installed); a number says
            how many fits step together in each worker, in XLA. `"auto"` takes the first where it can be had.
        devices: all by default, each with lanes of its own; or how many, or a sequence of `jax.Device`. A CPU that
            stands alone has a worker for each core, and a number counts workers.
        memory: bytes of data that all workers together may hold at once; by default half of what is free. A batch that
            is larger passes in chunks; where memory runs out all the same, what is left goes on in smaller ones.
        progress: True for a line on the terminal or a bar in Jupyter, or a function called with (done, failed, total).
        start: natural params for all, with a leading axis for each, or another `Fit`.
        optimizer, tolerance, max_steps, retries, dtype: as in `fit`; only the data sets that failed are tried again.
        missing: as in `fit`; by default a data set with a NaN gets a status.

    Returns:
        a `Fit` whose arrays have the data-set axis first. One bad data set changes nothing for the others.

    Raises:
        TypeError, ValueError: as in `fit`.

    Example:
        >>> import jaxmle as jm
        >>> fits = jm.fit_many("exponential", [1.0, 3.0, 2.0, 4.0, 6.0], groups=["a", "a", "b", "b", "b"])
        >>> [round(float(r), 12) for r in fits.params["rate"]]
        [0.5, 0.25]
    """
    dtype = np.dtype(dtype)
    options = {"optimizer": _name(optimizer), "max_steps": max_steps, "retries": retries, "missing": missing}
    optimizer = by_name(optimizer)
    with jax.enable_x64(True):
        if groups is None:
            batch = _batch.rectangular(data, weights, shared, dtype, missing)
        else:
            batch = _batch.grouped(data, groups, weights, shared, dtype, missing)
        if not batch.buckets:
            raise ValueError("fit_many got no rows; expected at least one data set")
        model = as_model(model, batch.buckets[0].data)
        parts, program, used = [], None, {}
        crew = _run.places(devices)
        shown = Progress(progress, batch.size)
        interrupted = False
        for bucket in batch.buckets:
            problem, axes = _problem(model, batch, bucket, start, optimizer, tolerance, max_steps, dtype, False)
            _check_model(model, _first_of(problem, axes))
            count = len(bucket.index)
            width = _run.width(lanes, count, bucket.weights.shape[1], len(crew))
            program = Program(split(model)[0], optimizer, jax.tree.structure(problem), axes, width)
            part, used, interrupted = _run.run(program, problem, count, crew, shown, lanes, interrupted, memory)
            if not interrupted:
                given = max_steps is not None
                second_chance(program, problem, part, bucket.index, retries, given, crew, lanes)
            parts.append(part)
        shown.close()
    outcome = batch.gathered(parts)
    info = _info(program, tolerance, dtype) | options | used | {"interrupted": interrupted}
    return Fit(model=model, outcome=outcome, batch=batch, single=False, info=info)


# --- the problem -----------------------------------------------------------------------------------------


def _problem(
    model: Model, batch: Batch, bucket: Bucket, start: Any, optimizer: Any, tolerance: Any, max_steps: Any, dtype: Any,
    single: bool,
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
    axes = tuple(jax.tree.leaves(axes_of))
    if single:
        problem = jax.tree.unflatten(
            jax.tree.structure(problem),
            [x[0] if own else x for x, own in zip(jax.tree.leaves(problem), axes, strict=True)],
        )
    return problem, axes


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


def _check_model(model: Model, problem: Problem) -> None:
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


def _first_of(problem: Problem, axes: tuple[bool, ...]) -> Problem:
    leaves, tree = jax.tree.flatten(problem)
    return jax.tree.unflatten(tree, [x[0] if own else x for x, own in zip(leaves, axes, strict=True)])


def _check_support(model: Model, batch: Batch) -> None:
    """Data outside the support are an error in a single fit, naming row and value."""
    support = getattr(model.log_likelihood, "support", None)
    bucket = batch.buckets[0]
    if support is None or bucket.status[0] >= 0:
        return
    data = jax.tree.map(lambda x: x[0], bucket.data)
    bare = jax.tree.map(lambda x: x.value if is_constant(x) else x, data, is_leaf=is_constant)
    outside = ~np.asarray(support(jax.tree.map(jnp.asarray, bare))) & (bucket.weights[0] > 0)
    if outside.any():
        row = int(np.argmax(outside))
        values = {
            name: x[row].item() if np.ndim(x[row]) == 0 else x[row].tolist() for name, x in _batch.row_items(data)
        }
        shown = next(iter(values.values())) if len(values) == 1 else values
        raise ValueError(
            f"row {row} is {shown}, outside the support of {model.name or 'the model'} "
            f"({int(outside.sum())} such rows in all){percent(model, data, bucket.weights[0])}"
        )


# --- running it ------------------------------------------------------------------------------------------


@compiled_with(static_argnums=0)
def _solve_one(program: Program, problem: Problem) -> Outcome:
    return solve_one(program, problem)


def _name(optimizer: Any) -> str:
    return optimizer if isinstance(optimizer, str) else type(optimizer).__name__


def _info(program: Program | None, tolerance: Any, dtype: Any) -> dict[str, Any]:
    from jaxmle._version import __version__

    device = jax.devices()[0]
    return {
        "jaxmle": __version__,
        "jax": jax.__version__,
        "device": f"{device.platform}: {device.device_kind}",
        "dtype": str(dtype),
        "tolerance": default_tolerance(dtype) if tolerance is None else float(tolerance),
        "lanes": program.lanes if program else 0,
    }
