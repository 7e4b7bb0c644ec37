"""`fit`, `fit_many` and `compile_ahead`: anything array-like in, a `Fit` of NumPy arrays out, in float64 whatever the global flag says."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
import optax
from jax.typing import DTypeLike

from jaxmle._engine import ingest
from jaxmle._engine.batch import Batch
from jaxmle._engine.build import check_series, check_support
from jaxmle._engine.plan import Device, Plan, backend_of
from jaxmle._engine.solve import solve
from jaxmle._util.arrays import Array, ArrayLike, Data, Params, Weights
from jaxmle._util.compile import float64
from jaxmle.distributions import Distribution
from jaxmle.model.model import Model
from jaxmle.model.observations import is_constant
from jaxmle.models import as_model
from jaxmle.models.columns import columns_for
from jaxmle.optimizers import by_name
from jaxmle.result.fit import Fit


def fit(
    model: Model | Distribution | str,
    data: Data,
    *,
    weights: Weights = None,
    start: Params | Fit | None = None,
    optimizer: str | optax.GradientTransformation = "newton",
    tolerance: float | None = None,
    max_steps: int | None = None,
    starts: int = 1,
    key: Array | int | None = None,
    retries: int = 3,
    dtype: DTypeLike = "float64",
    missing: str = "error",
) -> Fit:
    """Maximum likelihood for one data set.

    Args:
        model: a `Model`, a distribution, or a distribution's name such as `"weibull"`. A distribution with data
            `{"lower", "upper"}` is fitted to censored lifetimes.
        data: anything array-like: an array, list or data frame, or a dict of them, leaves [n, ...]. Of a table a
            distribution reads the one column, `lower` and `upper`, or `time` and `event` (1 = failed).
        weights: frequencies, [n]: 2 means that the row stands twice, 0 that it is absent. In a series 1, or 0 where the
            observation is missing: the state goes on, its contribution is left out.
        start: natural params, or another `Fit`; by default the model's own start.
        optimizer: a name (`"newton"`, `"fisher_scoring"`, `"gauss_newton"`, `"bhhh"`, `"lbfgs"`) or any optax optimizer.
        tolerance: the remaining gain in log-likelihood below which the fit counts as converged; 1e-9 in float64.
        max_steps: evaluations of the method; 100 with second derivatives, 1000 for bhhh and lbfgs, 10 000 for others.
        starts: number of starting points, for likelihoods with several maxima: the one above, and others scattered over
            the data's own spread. The highest certified maximum is reported, and all of them in `info["starts"]`.
        key: seed of the scattered starts: a `jax.random` key or a whole number, 0 by default.
        retries: how often a fit that fails to converge is tried again: from another start, with more damping, by another
            method. `Fit.attempt` says which attempt succeeded; 0 for none. A fit that runs out of steps is not tried again
            where `max_steps` is given.
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
    plan = _plan(
        optimizer,
        tolerance=tolerance,
        max_steps=max_steps,
        dtype=np.dtype(dtype),
        retries=retries,
        starts=starts,
        key=key,
    )
    with float64():
        batch = ingest.single(columns_for(model, data), weights, plan.dtype, missing)
        model = as_model(model, batch.buckets[0].data)
        check_support(model, batch)
        return _fitted(model, batch, plan.warm(_params(model, start, True)), missing)


def fit_many(
    model: Model | Distribution | str,
    data: Data,
    *,
    weights: Weights = None,
    groups: Data | None = None,
    shared: Data | None = None,
    lanes: int | str = "auto",
    devices: int | Sequence[Device] | None = None,
    memory: int | None = None,
    progress: bool | Callable[[int, int, int], object] = False,
    start: Params | Fit | None = None,
    optimizer: str | optax.GradientTransformation = "newton",
    tolerance: float | None = None,
    max_steps: int | None = None,
    starts: int = 1,
    key: Array | int | None = None,
    retries: int = 3,
    dtype: DTypeLike = "float64",
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
        lanes: `"native"` compiles the model to native kernels (float64 on a CPU or an NVIDIA GPU, with llvmlite installed);
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
        precision: `"mixed"` ascends in float32 and takes the last steps in float64: from where that draft led, until the
            remaining gain in log-likelihood is below `tolerance`. A fit that is not certified this way ascends in float64 as
            with `"full"`, so verdicts and digits are float64's. `steps` counts all evaluations, `info["drafted"]` the fits
            certified from a draft. Where a likelihood has several maxima a draft may lead to another. Native kernels take
            only sums over the rows in float32, lanes everything. It is worth it when per-row computation dominates.
        missing: as in `fit`; by default a data set with a NaN gets a status.

    Returns:
        a `Fit` whose arrays have the data-set axis first. A bad data set does not affect the others.

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
    plan = _plan(
        optimizer, tolerance=tolerance, max_steps=max_steps, dtype=np.dtype(dtype), retries=retries, starts=starts, key=key,
        precision=precision, backend=backend_of(lanes), devices=devices, memory=memory, progress=progress,
    )  # fmt: skip
    with float64():
        data = columns_for(model, data, 1 if groups is not None else 2)
        if groups is None:
            batch = ingest.rectangular(data, weights, shared, plan.dtype, missing)
        else:
            batch = ingest.grouped(data, groups, weights, shared, plan.dtype, missing)
        if not batch.buckets:
            raise ValueError("fit_many got no rows; expected at least one data set")
        model = as_model(model, batch.buckets[0].data)
        return _fitted(model, batch, plan.warm(_params(model, start)), missing)


def _plan(optimizer: str | optax.GradientTransformation, **options: Any) -> Plan:
    """Make a plan from the arguments of `fit` and `fit_many`."""
    name = optimizer if isinstance(optimizer, str) else type(optimizer).__name__
    return Plan(by_name(optimizer), name, **options)


def _params(model: Model, start: Params | Fit | None, single: bool = False) -> Params | None:
    """Return a start as params; a fit of the same model gives its estimates."""
    if not isinstance(start, Fit):
        return start
    if jax.tree.structure(start.model.space) != jax.tree.structure(model.space):
        raise ValueError(
            f"start has another structure than the model's params: a fit of {start.model.name or 'another model'}, with "
            f"{sorted(start.model.names)}, expected {model.names}; give a value for each of them, a fit of this model, or "
            "no start"
        )
    # As one of a batch: an estimate at a limit is no start, and then the model's own takes its place.
    return (
        jax.tree.map(lambda x: np.asarray(x)[None], start.params) if single and start.solution.single else start.params
    )


def _fitted(model: Model, batch: Batch, plan: Plan, missing: str) -> Fit:
    """Fit a batch and show the solution."""
    check_series(model, batch, missing)
    solution = solve(model, batch, plan)
    return Fit(dataclasses.replace(solution, options=solution.options | {"missing": missing}))


_MOST = 1 << 16
"From so many data sets on a batch's size is part of no program."


def compile_ahead(model: Model | Distribution | str, data: Data, datasets: int | None = None, **options: Any) -> None:
    """Compiles what `fit` or `fit_many` will need, so that the first real call does not wait for it.

    Together with `cache` (or `JAXMLE_CACHE`) other processes, too, find the programs ready.

    Args:
        model: as in `fit`.
        data: one data set like those to come, leaves [n, ...]; of its values only shapes and types count. Programs of
            the lanes hold for its number of rows, native kernels for any.
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

    def spread(x: ArrayLike) -> ArrayLike:
        return x if is_constant(x) else np.broadcast_to(np.asarray(x), (size, *np.shape(x)))

    many = jax.tree.map(spread, data, is_leaf=lambda x: is_constant(x) or not isinstance(x, dict))
    fit_many(model, many, weights=np.zeros(n), **options).standard_errors()
