"""Parts of a batch of fits, and batches joined: solutions in, solutions out."""

import datetime
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from jaxmle._engine.batch import Batch, Bucket
from jaxmle._engine.build import numbers_of
from jaxmle._engine.solution import Report, Solution, join_starts
from jaxmle._solver.state import Outcome
from jaxmle._util import group_keys
from jaxmle._util.records import join, split
from jaxmle.model.model import Model


def select(solution: Solution, index: Any) -> Solution:
    """Select one fit of the batch by position or key, or a smaller batch by slice, mask, positions or list of keys.

    Text (or a tuple, where several columns make the key) is a key, whatever the keys are made of; whole numbers are
    positions.

    Raises:
        KeyError, IndexError: where there is no such key or position.

    Example:
        >>> import jaxmle as jm
        >>> fits = jm.fit_many("exponential", [1.0, 3.0, 2.0, 4.0, 6.0], groups=[7912, 7912, 7913, 7913, 7913])
        >>> round(float(fits["7913"].params["rate"]), 12), len(fits[fits.converged]), fits[[1, 0]].keys.tolist()
        (0.25, 2, [7913, 7912])
    """
    if solution.single:
        raise TypeError("a single fit cannot be indexed; fit_many gives a batch of them")
    size, keys = solution.size, solution.batch.keys
    at: Any = index
    if isinstance(index, list) and index and all(isinstance(x, (str, tuple)) for x in index):
        at = [group_keys.find(keys, x) for x in index]
    elif isinstance(index, (str, tuple, datetime.date, np.datetime64)):
        at = group_keys.find(keys, index)
    single = isinstance(at, (int, np.integer)) and not isinstance(at, bool)
    if single and not -size <= at < size:
        known = keys is not None and str(at) in map(group_keys.label, keys)
        hint = f"; the fit with that key is fits['{at}']" if known else ""
        raise IndexError(f"position {at} of {size} data sets{hint}")
    chosen = np.atleast_1d(np.arange(size)[at])
    return solution.take(chosen, single)


def concatenate(solutions: Sequence[Solution]) -> Solution:
    """Join several fits or batches of the same model to one batch, in their order.

    Raises:
        ValueError: for different models, keys in some only, a key that stands twice, or different shared data.

    Example:
        >>> import jaxmle as jm
        >>> a, b = jm.fit("poisson", [1, 2, 3]), jm.fit_many("poisson", [[4, 5, 6], [7, 8, 9]])
        >>> jm.Fit.concatenate([a, b]).params["mean"].round(9).tolist()
        [2.0, 5.0, 8.0]
    """
    parts = list(solutions)
    if not parts:
        raise ValueError("concatenate got no fits; expected at least one")
    model = _one_model(parts)
    keys = [part.batch.keys for part in parts]
    if any((k is None) != (keys[0] is None) for k in keys):
        raise ValueError("some of these fits have keys and some have none; fit all of them with groups=, or none")
    joined = None if keys[0] is None else np.concatenate([k for k in keys if k is not None])
    if joined is not None and len(np.unique(joined)) < len(joined):
        values, counts = np.unique(joined, return_counts=True)
        raise ValueError(f"the key {group_keys.label(values[counts > 1][0])!r} stands in more than one of these fits")
    outcome = Outcome(*(np.concatenate(x) for x in zip(*(part.outcome for part in parts), strict=True)))
    infos = [part.options for part in parts]
    info = {k: v if all(i.get(k) == v for i in infos) else [i.get(k) for i in infos] for k, v in infos[0].items()}
    batch = _join_batches([part.batch for part in parts], joined)
    report = Report.joined([part.report for part in parts])
    return Solution(model, batch, outcome, info, report, join_starts([part.starts for part in parts]))


def _one_model(parts: list[Solution]) -> Model:
    skeleton = split(parts[0].model)[0]
    for part in parts:
        if split(part.model)[0] != skeleton:
            names = [p.model.name or "a model without a name" for p in (parts[0], part)]
            raise ValueError(f"these are fits of different models: {names[0]} and {names[1]}")
    sizes = [part.batch.size for part in parts]
    split_numbers = [numbers_of(part.model, size, float) for part, size in zip(parts, sizes, strict=True)]
    joined = []
    for values in zip(*(numbers for numbers, _ in split_numbers), strict=True):
        own = [each[len(joined)] for _, each in split_numbers]
        if not any(own) and all(np.array_equal(x, values[0]) for x in values):
            joined.append(values[0])
        else:  # pinned values differ: one for each data set
            rows = [
                x if mine else np.broadcast_to(x, (n, *x.shape)) for x, mine, n in zip(values, own, sizes, strict=True)
            ]
            joined.append(np.concatenate(rows))
    return join(skeleton, joined) if joined else parts[0].model


def _join_batches(batches: list[Batch], keys: np.ndarray | None) -> Batch:
    """Join batches; buckets of one length become one bucket."""
    if any(b.own != batches[0].own for b in batches):
        raise ValueError("these fits share different leaves of their data; fit them in one call of fit_many")
    starts = np.cumsum([0] + [b.size for b in batches])
    alike: dict[Any, list[Bucket]] = {}
    for batch, start in zip(batches, starts[:-1], strict=True):
        for bucket in batch.buckets:
            leaves, tree = jax.tree.flatten(bucket.data)
            pairs = zip(leaves, batch.own, strict=True)
            shapes = tuple((x.shape[1:], x.dtype.name) if mine else id(x) for x, mine in pairs)
            key = (tree, bucket.weights.shape[1], shapes)
            alike.setdefault(key, []).append(bucket._replace(positions=bucket.positions + start))
    if len({key[0] for key in alike}) > 1:
        raise ValueError("the data of these fits have different structures")
    buckets = [_join_buckets(group, batches[0].own) for group in alike.values()]
    positions = np.concatenate([b.position for b in batches])
    of = positions if len(np.unique(positions)) == len(positions) else None
    dropped = [np.zeros(b.size, int) if b.dropped is None else b.dropped for b in batches]
    size = int(starts[-1])
    return Batch(buckets, size, batches[0].own, False, keys, batches[0].key_name, np.concatenate(dropped), of=of)


def _join_buckets(buckets: list[Bucket], own: tuple[bool, ...]) -> Bucket:
    if len(buckets) == 1:
        return buckets[0]
    tree = jax.tree.structure(buckets[0].data)
    leaves = zip(*(jax.tree.leaves(b.data) for b in buckets), strict=True)
    data = [np.concatenate(x) if mine else x[0] for x, mine in zip(leaves, own, strict=True)]
    index, weights, status = (np.concatenate([b[k] for b in buckets]) for k in (0, 2, 3))
    return Bucket(index, jax.tree.unflatten(tree, data), weights, status)
