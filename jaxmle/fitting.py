"""`fit`, `fit_many` and `compile_ahead`: anything array-like in, a `Fit` of NumPy arrays out, in float64 whatever the global flag says."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxmle._engine import batch as _batch
from jaxmle._engine import mixed_precision, multistart
from jaxmle._engine import run as _run
from jaxmle._engine.batch import Batch
from jaxmle._engine.build import check_model, problem_of
from jaxmle._engine.devices import near, places
from jaxmle._engine.retry import second_chance
from jaxmle._engine.settle import look_closer
from jaxmle._solver.problem import Problem, Program, default_tolerance, taken
from jaxmle._solver.solve import solve_one
from jaxmle._solver.state import Outcome
from jaxmle._util.compile import compiled_with
from jaxmle._util.progress import Progress
from jaxmle._util.records import join, split
from jaxmle.inference.simulate import as_key
from jaxmle.model.contract import percent
from jaxmle.model.model import Model
from jaxmle.model.observations import is_constant
from jaxmle.models import as_model
from jaxmle.optimizers import by_name
from jaxmle.result import select
from jaxmle.result.fit import Fit


def fit(
    model: Any,
    data: Any,
    *,
    weights: Any = None,
    start: Any = None,
    optimizer: Any = "newton",
    tolerance: float | None = None,
    max_steps: int | None = None,
    starts: int = 1,
    key: Any = None,
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
        starts: how many starting points to climb from: the one above, and others scattered over the data's own spread,
            for likelihoods with several maxima. The highest certified one is reported, and all of them in
            `info["starts"]`.
        key: a `jax.random` key or a whole number, 0 by default, that scatters them.
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
        problem, axes = problem_of(model, batch, batch.buckets[0], start, optimizer, tolerance, max_steps, dtype)
        alone = taken(problem, axes, 0)
        check_model(model, alone)
        _check_support(model, batch)
        program = Program(split(model)[0], optimizer, jax.tree.structure(problem), axes, 1)
        outcome, used = _run.on_the_machine(program, problem, batch.numbers), "native"
        if outcome is None:
            with near(batch.numbers):
                outcome, used = jax.tree.map(lambda x: np.array(x)[None], _solve_one(program, alone)), 1
        if look_closer(program, problem, outcome, np.ones(1, bool), "auto"):
            raise KeyboardInterrupt
        method = _Method(optimizer, tolerance, max_steps, dtype, None, "auto", retries)
        _again(program, problem, outcome, np.zeros(1, np.int64), method)
        outcome, found = _search(model, batch, outcome, method, starts, start, key)
    info = _info(program, tolerance, dtype) | options | {"lanes": used}
    return Fit(model=model, outcome=outcome, batch=batch, single=True, info=info, starts=found)


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
    starts: int = 1,
    key: Any = None,
    retries: int = 3,
    dtype: Any = "float64",
    precision: str = "full",
    missing: str = "status",
) -> Fit:
    """Maximum likelihood for many data sets at once.

    Args:
        model: as in `fit`. Pinned values may carry a leading data-set axis: one for each.
        data: leaves [datasets, n, ...]; with `groups`, rows in long format, leaves [rows, ...]. Arrays of JAX that lie on
            a GPU are read there.
        weights: frequencies, [datasets, n], [n] for all, or [rows]; 0 where a row is padding.
        groups: the key of each row, text, numbers or dates in any order, or several columns of keys (a dict or a data
            frame); data sets keep the order of first appearance.
        shared: leaves without a data-set axis, such as one design for all; never copied.
        lanes: `"native"` compiles the model for the machine (float64 on a CPU or an NVIDIA GPU, with llvmlite installed);
            a number says how many fits step together in each worker, in XLA. `"auto"` takes the first where it can be had.
        devices: all by default, each with lanes of its own, but the host alone for fewer than 4 million numbers; or how
            many, or a sequence of `jax.Device`. A CPU that stands alone has a worker for each core, and a number counts
            workers.
        memory: bytes of data that all workers together may hold at once; by default half of what is free. A batch that
            is larger passes in chunks; where memory runs out all the same, what is left goes on in smaller ones.
        progress: True for a line on the terminal or a bar in Jupyter, or a function called with (done, failed, total).
        start: natural params for all, with a leading axis for each, or another `Fit`.
        optimizer, tolerance, max_steps, starts, key, retries, dtype: as in `fit`; data set i draws its starts from
            `fold_in(key, i)`, and only the data sets that failed are tried again.
        precision: `"mixed"` climbs in float32 and takes the last steps in float64: from where that draft led, until the
            log-likelihood still to be gained is within `tolerance`. What is not certified so climbs in float64 as with
            `"full"`, so verdicts and digits are float64's. `steps` counts all evaluations, `info["drafted"]` the fits
            certified from a draft. Where a likelihood has several maxima a draft may lead to another. The machine takes
            only sums over the rows in float32, so it pays where rows are the work; in lanes all is.
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
        >>> waits = [[1.0, 3.0, 2.0, 4.0, 6.0], [0.5, 0.9, 0.2, 0.4, 1.1]]
        >>> fits = jm.fit_many("weibull", waits, precision="mixed")
        >>> fits.info["drafted"], bool((fits.decrement < 1e-9).all())
        (2, True)
    """
    dtype = np.dtype(dtype)
    options = {"optimizer": _name(optimizer), "max_steps": max_steps, "retries": retries, "missing": missing}
    options["precision"] = precision
    optimizer = by_name(optimizer)
    mixed_precision.check_precision(precision, dtype)
    with jax.enable_x64(True):
        if groups is None:
            batch = _batch.rectangular(data, weights, shared, dtype, missing)
        else:
            batch = _batch.grouped(data, groups, weights, shared, dtype, missing)
        if not batch.buckets:
            raise ValueError("fit_many got no rows; expected at least one data set")
        model = as_model(model, batch.buckets[0].data)
        method = _Method(optimizer, tolerance, max_steps, dtype, devices, lanes, retries, memory, precision == "mixed")
        shown = Progress(progress, batch.size)
        outcome, program, used, interrupted = _climb(model, batch, start, method, shown)
        shown.close()
        found = None
        if not interrupted:
            outcome, found = _search(model, batch, outcome, method, starts, start, key, progress)
    info = _info(program, tolerance, dtype) | options | used | {"interrupted": interrupted}
    return Fit(model=model, outcome=outcome, batch=batch, single=False, info=info, starts=found)


class _Method(NamedTuple):
    """How to climb, and by whom."""

    optimizer: Any
    tolerance: float | None
    max_steps: int | None
    dtype: Any
    devices: Any
    lanes: Any
    retries: int
    memory: int | None = None
    mixed: bool = False


def _climb(
    model: Model, batch: Batch, start: Any, method: _Method, shown: Progress
) -> tuple[Outcome, Program | None, dict[str, Any], bool]:
    """Every bucket through the lanes; the outcome, the last program, how it was fitted, whether interrupted."""
    parts, program, used, interrupted, drafted = [], None, {}, False, 0
    optimizer, tolerance, max_steps, dtype, devices, lanes, _, memory, mixed = method
    run = mixed_precision.run if mixed else _run.run
    crew = places(devices, batch.numbers)
    for bucket in batch.buckets:
        problem, axes = problem_of(model, batch, bucket, start, optimizer, tolerance, max_steps, dtype)
        check_model(model, taken(problem, axes, 0))
        count = len(bucket.index)
        width = _run.width(lanes, count, bucket.weights.shape[1], len(crew))
        program = Program(split(model)[0], optimizer, jax.tree.structure(problem), axes, width)
        part, used, interrupted = run(program, problem, count, crew, shown, lanes, interrupted, memory)
        drafted += used.get("drafted", 0)
        if not interrupted:
            _again(program, problem, part, bucket.index, method)
        parts.append(part)
    return batch.gathered(parts), program, used | ({"drafted": drafted} if mixed else {}), interrupted


def _again(program: Program, problem: Problem, outcome: Outcome, position: np.ndarray, method: _Method) -> None:
    """A second chance, in place, for what failed."""
    given = method.max_steps is not None
    second_chance(program, problem, outcome, position, method.retries, given, method.devices, method.lanes)


def _search(
    model: Model, batch: Batch, outcome: Outcome, method: _Method, starts: int, start: Any, key: Any,
    progress: Any = False,
) -> tuple[Outcome, multistart.Starts | None]:  # fmt: skip
    """The best of several starts; one alone is what it is, and a maximum in closed form needs no other."""
    if isinstance(starts, bool) or not isinstance(starts, (int, np.integer)) or starts < 1:
        raise ValueError(f"starts={starts!r}; expected how many starting points to climb from, 1 or more")
    if starts == 1 or model.maximum is not None:
        return outcome, None

    def climb(repeated: Batch, points: Any) -> Outcome:
        shown = Progress(progress, repeated.size)
        at = np.tile(np.arange(batch.size), repeated.size // batch.size)
        found, _, _, interrupted = _climb(
            select.model_of(model, batch.size, at, False), repeated, points, method._replace(retries=0), shown
        )
        shown.close()
        if interrupted:
            raise KeyboardInterrupt
        return found

    tolerance = default_tolerance(method.dtype) if method.tolerance is None else method.tolerance
    return multistart.search(model, batch, outcome, int(starts), start is not None, as_key(key), tolerance, climb)


# --- running it ------------------------------------------------------------------------------------------


def _check_support(model: Model, batch: Batch) -> None:
    """Data outside the support are an error in a single fit, naming row and value."""
    support = getattr(model.log_likelihood, "support", None)
    bucket = batch.buckets[0]
    if support is None or bucket.status[0] >= 0:
        return
    data = jax.tree.map(lambda x: x[0], bucket.data)
    n = bucket.weights.shape[1]
    many = 1 << (n - 1).bit_length()  # few shapes, few programs
    whole = jax.tree.map(
        lambda x: x.value if is_constant(x) else np.resize(x, (many, *x.shape[1:])), data, is_leaf=is_constant
    )
    outside = ~np.asarray(_supported(*split(model), whole))[:n] & (bucket.weights[0] > 0)
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


@compiled_with(static_argnums=0)
def _supported(skeleton: Any, numbers: Any, data: Any) -> Any:
    return join(skeleton, numbers).log_likelihood.support(data)


@compiled_with(static_argnums=0)
def _solve_one(program: Program, problem: Problem) -> Outcome:
    return solve_one(program, problem)


def _name(optimizer: Any) -> str:
    return optimizer if isinstance(optimizer, str) else type(optimizer).__name__


def _info(program: Program | None, tolerance: Any, dtype: Any) -> dict[str, Any]:
    from jaxmle._util.version import __version__

    device = jax.devices()[0]
    return {
        "jaxmle": __version__,
        "jax": jax.__version__,
        "device": f"{device.platform}: {device.device_kind}",
        "dtype": str(dtype),
        "tolerance": default_tolerance(dtype) if tolerance is None else float(tolerance),
        "lanes": program.lanes if program else 0,
    }


_MOST = 1 << 16
"From so many data sets on a batch's size is part of no program."


def compile_ahead(model: Any, data: Any, datasets: int | None = None, **options: Any) -> None:
    """Compiles what `fit` or `fit_many` will need, so that the first real call does not wait for it.

    Together with `cache` (or `JAXMLE_CACHE`) other processes, too, find the programs ready.

    Args:
        model: as in `fit`.
        data: one data set like those to come, leaves [n, ...]; of its values only shapes and types count. Programs of
            the lanes hold for its number of rows, functions of the machine for any.
        datasets: how many there will be in a call of `fit_many`, about; None for `fit`.
        **options: as they will be given to `fit` or `fit_many`, without weights, start and groups.

    Example:
        >>> import jaxmle as jm, numpy as np
        >>> jm.compile_ahead("exponential", np.ones(50), datasets=1000)
        >>> jm.fit_many("exponential", np.random.default_rng(1).exponential(size=(1000, 50))).converged.all()
        np.True_
    """
    if not options.keys().isdisjoint({"weights", "start", "groups"}):
        raise TypeError("compile_ahead takes the options of fit and fit_many without weights, start and groups")
    leaves = [x for x in jax.tree.leaves(data, is_leaf=is_constant) if not is_constant(x)]
    n = len(leaves[0])
    if datasets is None:
        return fit(model, data, weights=np.zeros(n), **options).standard_errors() and None
    size = min(int(datasets), _MOST)

    def spread(x: Any) -> Any:
        return x if is_constant(x) else np.broadcast_to(np.asarray(x), (size, *np.shape(x)))

    many = jax.tree.map(spread, data, is_leaf=lambda x: is_constant(x) or not isinstance(x, dict))
    fit_many(model, many, weights=np.zeros(n), **options).standard_errors()
