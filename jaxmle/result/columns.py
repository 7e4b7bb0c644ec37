"""A fit's numbers as columns, and as data frames of pandas, polars and xarray. Methods of `Fit`."""

from typing import Any

import jax
import numpy as np

from jaxmle._engine.solution import Solution
from jaxmle._solver.status import Status
from jaxmle._util import group_keys
from jaxmle._util.optional import optional
from jaxmle.inference.covariance import standard_errors
from jaxmle.inference.intervals import interval


def status_counts(solution: Solution) -> dict[str, int]:
    """Count how many fits ended in which way."""
    codes, counts = np.unique(solution.outcome.status, return_counts=True)
    return {Status(int(code)).name.lower(): int(count) for code, count in zip(codes, counts, strict=True)}


def columns(solution: Solution, level: float = 0.95, long: bool = False) -> dict[str, np.ndarray]:
    """Return one column for each number: what data frames are made of.

    Args:
        level: of the intervals.
        long: one row for each parameter of each data set (the keys, `parameter, estimate, se, lower, upper, status`),
            instead of one row for each data set (the keys, each parameter with `_se, _lower, _upper`,
            `log_likelihood, n, dropped, status, steps, decrement`, and `attempt` where a retry succeeded). Key columns called like another column get
            `group_` before their name. Without keys a long table of a batch counts its data sets in `dataset`.

    Example:
        >>> import jaxmle as jm
        >>> fits = jm.fit_many("poisson", [1, 3, 4, 6], groups=["a", "a", "b", "b"])
        >>> {name: x.tolist() for name, x in fits.columns(long=True).items() if name in ("key", "parameter", "status")}
        {'key': ['a', 'b'], 'parameter': ['mean', 'mean'], 'status': ['converged', 'converged']}
    """
    names, size = solution.model.value_names, solution.size
    ends = interval(solution, level)
    values = [solution.natural, *(solution.flat(x) for x in (standard_errors(solution), ends.lower, ends.upper))]
    status = np.array([Status(int(s)).name.lower() for s in solution.outcome.status])
    keys = group_keys.columns(solution.batch.keys, solution.batch.key_name)
    if long:
        keys = keys or ({} if solution.single else {"dataset": np.arange(size)})
        table = {"parameter": np.tile(np.array(names, str), size)}
        table |= {k: x.reshape(-1) for k, x in zip(("estimate", "se", "lower", "upper"), values, strict=True)}
        table["status"] = np.repeat(status, len(names))
        keys = {name: np.repeat(x, len(names)) for name, x in keys.items()}
    else:
        suffixes = ("", "_se", "_lower", "_upper")
        table = {n + s: x[:, j] for j, n in enumerate(names) for s, x in zip(suffixes, values, strict=True)}
        table |= {"log_likelihood": -solution.outcome.value, "n": solution.n_observations}
        table |= {"dropped": solution.dropped, "status": status}
        table |= {"steps": solution.outcome.steps, "decrement": solution.outcome.decrement}
        table |= {"attempt": solution.outcome.attempt} if solution.outcome.attempt.any() else {}
    return group_keys.beside(keys, table) | table


def to_pandas(solution: Solution, level: float = 0.95, long: bool = False) -> Any:
    """Return a pandas data frame of `columns(level, long)`; needs pandas."""
    return optional("pandas", "frames").DataFrame(columns(solution, level, long))


def to_polars(solution: Solution, level: float = 0.95, long: bool = False) -> Any:
    """Return a polars data frame of `columns(level, long)`; needs polars."""
    return optional("polars", "frames").DataFrame(columns(solution, level, long))


def to_xarray(solution: Solution, level: float = 0.95) -> Any:
    """Return an xarray Dataset: each parameter in its own shape, with `_se, _lower, _upper`; needs xarray.

    The data-set axis is called as the keys are, with the keys as its labels (`dataset` and 0, 1, ... without keys;
    several key columns lie along `dataset`); axes of a parameter `beta` are `beta_dim_0`, ...; `attrs` is `info`.
    """
    xarray = optional("xarray", "frames")
    table = columns(solution, level)
    keys = group_keys.columns(solution.batch.keys, solution.batch.key_name) or {
        "dataset": np.arange(solution.batch.size)
    }
    keys = group_keys.beside(keys, {*solution.model.value_names, *solution.model.names, *_OTHERS})
    axis = next(iter(keys)) if len(keys) == 1 else "dataset"
    lead = () if solution.single else (axis,)
    ends = interval(solution, level)
    trees = {"": solution.params, "_se": standard_errors(solution), "_lower": ends.lower, "_upper": ends.upper}
    found = {}
    for suffix, tree in trees.items():
        for name, x in zip(solution.model.names, jax.tree.leaves(tree), strict=True):
            x = np.asarray(x)
            found[name + suffix] = ((*lead, *(f"{name}_dim_{k}" for k in range(x.ndim - len(lead)))), x)
    for name in _OTHERS:
        if name not in table:
            continue
        found[name] = (lead, table[name][0] if solution.single else table[name])
    coordinates = {} if solution.single else {name: (axis, x) for name, x in keys.items()}
    return xarray.Dataset(found, coordinates, {k: str(v) for k, v in solution.info.items()})


_OTHERS = ("log_likelihood", "n", "dropped", "status", "steps", "decrement", "attempt")
