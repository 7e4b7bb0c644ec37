"""A batch in hand: parts of it, batches joined, and its numbers as tables. Methods of `Fit`."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from jaxmle._engine.batch import Batch, Bucket
from jaxmle._engine.multistart import Starts
from jaxmle._engine.multistart import joined as joined_starts
from jaxmle._solver.problem import numbers_of
from jaxmle._solver.state import Outcome
from jaxmle._solver.status import Status
from jaxmle._util import group_keys
from jaxmle._util.optional import optional
from jaxmle._util.records import join, split
from jaxmle.model.model import Model


def select(fits: Any, index: Any) -> Any:
    """One fit of the batch by position or key, or a smaller batch by slice, mask, positions or list of keys.

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
    if fits._single:
        raise TypeError("a single fit cannot be indexed; fit_many gives a batch of them")
    size = len(fits)
    at: Any = index
    if isinstance(index, list) and index and all(isinstance(x, (str, tuple)) for x in index):
        at = [group_keys.find(fits.keys, x) for x in index]
    elif isinstance(index, (str, tuple)):
        at = group_keys.find(fits.keys, index)
    single = isinstance(at, (int, np.integer)) and not isinstance(at, bool)
    if single and not -size <= at < size:
        known = fits.keys is not None and str(at) in map(group_keys.label, fits.keys)
        hint = f"; the fit with that key is fits['{at}']" if known else ""
        raise IndexError(f"position {at} of {size} data sets{hint}")
    chosen = np.atleast_1d(np.arange(size)[at])
    outcome = Outcome(*(x[chosen] for x in fits._outcome))
    model = model_of(fits.model, size, chosen, single)
    starts = fits._starts and Starts(*(x[chosen] for x in fits._starts))
    return type(fits)(model, outcome, fits._batch.subset(chosen), single, fits._info, starts)


def model_of(model: Model, size: int, chosen: np.ndarray, single: bool) -> Model:
    """The model with the chosen ones of numbers that come one for each data set."""
    numbers, each = numbers_of(model, size, float)
    if not any(each):
        return model
    at = chosen[0] if single else chosen
    return join(split(model)[0], [x[at] if own else x for x, own in zip(numbers, each, strict=True)])


def concatenate(fits: Sequence[Any]) -> Any:
    """One batch of several fits or batches of the same model, in their order.

    Raises:
        ValueError: for different models, keys in some only, a key that stands twice, or different shared data.

    Example:
        >>> import jaxmle as jm
        >>> a, b = jm.fit("poisson", [1, 2, 3]), jm.fit_many("poisson", [[4, 5, 6], [7, 8, 9]])
        >>> jm.Fit.concatenate([a, b]).params["mean"].round(9).tolist()
        [2.0, 5.0, 8.0]
    """
    parts = list(fits)
    if not parts:
        raise ValueError("concatenate got no fits; expected at least one")
    first = parts[0]
    model = _one_model(parts)
    keys = [part.keys for part in parts]
    if any((k is None) != (keys[0] is None) for k in keys):
        raise ValueError("some of these fits have keys and some have none; fit all of them with groups=, or none")
    joined = None if keys[0] is None else np.concatenate(keys)
    if joined is not None and len(np.unique(joined)) < len(joined):
        values, counts = np.unique(joined, return_counts=True)
        raise ValueError(f"the key {group_keys.label(values[counts > 1][0])!r} stands in more than one of these fits")
    outcome = Outcome(*(np.concatenate(x) for x in zip(*(part._outcome for part in parts), strict=True)))
    infos = [part._info for part in parts]
    info = {k: v if all(i.get(k) == v for i in infos) else [i.get(k) for i in infos] for k, v in infos[0].items()}
    batch = _join_batches([part._batch for part in parts], joined)
    return type(first)(model, outcome, batch, False, info, joined_starts([part._starts for part in parts]))


def _one_model(parts: list[Any]) -> Model:
    skeleton = split(parts[0].model)[0]
    for part in parts:
        if split(part.model)[0] != skeleton:
            names = [p.model.name or "a model without a name" for p in (parts[0], part)]
            raise ValueError(f"these are fits of different models: {names[0]} and {names[1]}")
    sizes = [part._batch.size for part in parts]
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
    """One batch; buckets of one length become one bucket."""
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
            alike.setdefault(key, []).append(bucket._replace(index=bucket.index + start))
    if len({key[0] for key in alike}) > 1:
        raise ValueError("the data of these fits have different structures")
    buckets = [_join_buckets(group, batches[0].own) for group in alike.values()]
    positions = np.concatenate([b.position for b in batches])
    of = positions if len(np.unique(positions)) == len(positions) else None
    dropped = [np.zeros(b.size, int) if b.dropped is None else b.dropped for b in batches]
    size = int(starts[-1])
    return Batch(buckets, size, batches[0].own, keys, batches[0].key_name, np.concatenate(dropped), of=of)


def _join_buckets(buckets: list[Bucket], own: tuple[bool, ...]) -> Bucket:
    if len(buckets) == 1:
        return buckets[0]
    tree = jax.tree.structure(buckets[0].data)
    leaves = zip(*(jax.tree.leaves(b.data) for b in buckets), strict=True)
    data = [np.concatenate(x) if mine else x[0] for x, mine in zip(leaves, own, strict=True)]
    index, weights, status = (np.concatenate([b[k] for b in buckets]) for k in (0, 2, 3))
    return Bucket(index, jax.tree.unflatten(tree, data), weights, status)


def status_counts(fits: Any) -> dict[str, int]:
    """How many fits ended in which way."""
    codes, counts = np.unique(fits._outcome.status, return_counts=True)
    return {Status(int(code)).name.lower(): int(count) for code, count in zip(codes, counts, strict=True)}


# --- tables ----------------------------------------------------------------------------------------------


def columns(fits: Any, level: float = 0.95, long: bool = False) -> dict[str, np.ndarray]:
    """One column for each number: what data frames are made of.

    Args:
        level: of the intervals.
        long: one row for each parameter of each data set (the keys, `parameter, estimate, se, lower, upper, status`),
            instead of one row for each data set (the keys, each parameter with `_se, _lower, _upper`,
            `log_likelihood, n, dropped, status, steps, decrement`, and `rung` where a second chance succeeded). Key columns called like another column get
            `group_` before their name. Without keys a long table of a batch counts its data sets in `dataset`.

    Example:
        >>> import jaxmle as jm
        >>> fits = jm.fit_many("poisson", [1, 3, 4, 6], groups=["a", "a", "b", "b"])
        >>> {name: x.tolist() for name, x in fits.columns(long=True).items() if name in ("key", "parameter", "status")}
        {'key': ['a', 'b'], 'parameter': ['mean', 'mean'], 'status': ['converged', 'converged']}
    """
    names, size = fits.names, fits._batch.size
    ends = fits.interval(level)
    values = [fits._natural, *(fits._flat(x) for x in (fits.standard_errors(), ends.lower, ends.upper))]
    status = np.array([Status(int(s)).name.lower() for s in fits._outcome.status])
    keys = group_keys.columns(fits.keys, fits._batch.key_name)
    if long:
        keys = keys or ({} if fits._single else {"dataset": np.arange(size)})
        table = {"parameter": np.tile(np.array(names, str), size)}
        table |= {k: x.reshape(-1) for k, x in zip(("estimate", "se", "lower", "upper"), values, strict=True)}
        table["status"] = np.repeat(status, len(names))
        keys = {name: np.repeat(x, len(names)) for name, x in keys.items()}
    else:
        suffixes = ("", "_se", "_lower", "_upper")
        table = {n + s: x[:, j] for j, n in enumerate(names) for s, x in zip(suffixes, values, strict=True)}
        table |= {"log_likelihood": -fits._outcome.value, "n": np.atleast_1d(fits.n_observations)}
        table |= {"dropped": np.atleast_1d(fits.dropped), "status": status}
        table |= {"steps": fits._outcome.steps, "decrement": fits._outcome.decrement}
        table |= {"rung": fits._outcome.rung} if fits._outcome.rung.any() else {}
    return group_keys.beside(keys, table) | table


def to_pandas(fits: Any, level: float = 0.95, long: bool = False) -> Any:
    """A pandas data frame of `columns(level, long)`; needs pandas."""
    return optional("pandas", "frames").DataFrame(fits.columns(level, long))


def to_polars(fits: Any, level: float = 0.95, long: bool = False) -> Any:
    """A polars data frame of `columns(level, long)`; needs polars."""
    return optional("polars", "frames").DataFrame(fits.columns(level, long))


def to_xarray(fits: Any, level: float = 0.95) -> Any:
    """An xarray Dataset: each parameter in its own shape, with `_se, _lower, _upper`; needs xarray.

    The data-set axis is called as the keys are, with the keys as its labels (`dataset` and 0, 1, ... without keys;
    several key columns lie along `dataset`); axes of a parameter `beta` are `beta_dim_0`, ...; `attrs` is `info`.
    """
    xarray = optional("xarray", "frames")
    table = columns(fits, level)
    keys = group_keys.columns(fits.keys, fits._batch.key_name) or {"dataset": np.arange(fits._batch.size)}
    keys = group_keys.beside(keys, {*fits.names, *fits.model.names, *_OTHERS})
    axis = next(iter(keys)) if len(keys) == 1 else "dataset"
    lead = () if fits._single else (axis,)
    ends = fits.interval(level)
    trees = {"": fits.params, "_se": fits.standard_errors(), "_lower": ends.lower, "_upper": ends.upper}
    found = {}
    for suffix, tree in trees.items():
        for name, x in zip(fits.model.names, jax.tree.leaves(tree), strict=True):
            x = np.asarray(x)
            found[name + suffix] = ((*lead, *(f"{name}_dim_{k}" for k in range(x.ndim - len(lead)))), x)
    for name in _OTHERS:
        if name not in table:
            continue
        found[name] = (lead, table[name][0] if fits._single else table[name])
    coordinates = {} if fits._single else {name: (axis, x) for name, x in keys.items()}
    return xarray.Dataset(found, coordinates, {k: str(v) for k, v in fits.info.items()})


_OTHERS = ("log_likelihood", "n", "dropped", "status", "steps", "decrement", "rung")
