"""Selection of a family: `fit_all` fits every suitable distribution of the catalogue and orders them by a criterion."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

import jax
import numpy as np

from jaxmle._engine import ingest
from jaxmle._engine.batch import Batch
from jaxmle._solver.state import RUNNING
from jaxmle._solver.status import Status
from jaxmle._util.array_passes import cores
from jaxmle._util.arrays import Data, Weights
from jaxmle._util.group_keys import Keys
from jaxmle._util.progress import Progress
from jaxmle._util.text_tables import table, to_pandas, to_polars
from jaxmle.comparison.criteria import CRITERIA, Comparison, compare
from jaxmle.distributions import Distribution, by_name, names
from jaxmle.fitting import fit, fit_many
from jaxmle.models import as_model
from jaxmle.models.columns import as_columns, columns_for
from jaxmle.result.fit import Fit

Family = str | Distribution
KINDS = ("counts", "continuous")


@dataclasses.dataclass(frozen=True, eq=False)
class Selection(Mapping[str, Fit]):
    """Fits of many families to the same data, by name, the best first; made by `fit_all`.

    Attributes:
        comparison: the criteria of all fits, a `Comparison`.
        fits: by the name of the family; of a batch each is a batch.
        failures: why a family has no fit, by its name.
    """

    comparison: Comparison
    fits: dict[str, Fit]
    failures: dict[str, str]

    @property
    def best(self) -> str | np.ndarray:
        """The name of the family with the least criterion; for a batch str[B], empty where none was fitted."""
        return self.comparison.best

    def __getitem__(self, name: str) -> Fit:
        if name in self.failures:
            raise KeyError(f"{name} has no fit: {self.failures[name]}")
        return self.fits[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.fits)

    def __len__(self) -> int:
        return len(self.fits)

    def columns(self) -> dict[str, np.ndarray]:
        """Return one column for each number, one row for each family (of each data set), the best first for a single one."""
        return self.comparison.columns()

    def _of_families(self) -> dict[str, np.ndarray]:
        """Return one row for each family of a batch: for how many data sets it is the best, and its verdicts."""
        found = self.comparison
        codes = found.status.T
        won = np.array([np.sum(self.best == name) for name in found.names])
        with np.errstate(all="ignore"):
            middle = np.array(
                [np.median(x[~np.isnan(x)]) if (~np.isnan(x)).any() else np.nan for x in found.difference.T]
            )
        converged = np.isin(codes, [s for s in Status if s.ok]).sum(1)
        limit = np.isin(codes, [s for s in Status if s.at_limit]).sum(1)
        return {
            "model": np.array(found.names),
            "k": found.free,
            "best for": won,
            "median difference": middle,
            "converged": converged,
            "at a limit": limit,
            "no maximum": codes.shape[1] - converged - limit,
        }

    def __repr__(self) -> str:
        failed = [f"{name}: {reason}" for name, reason in self.failures.items()]
        if self.comparison.difference.ndim == 1:
            unfinished = [name for name, x in self.fits.items() if not x.converged]
            notes = [f"{name}: {self.fits[name].message()}" for name in unfinished]
            shown = {
                k: v for k, v in self.columns().items() if k not in ("aicc", "bic") or k == self.comparison.criterion
            }
            return table(f"Families by {self.comparison.criterion}", shown, [*notes, *failed])
        sets = len(self.comparison.difference)
        title = f"Families by {self.comparison.criterion} of {sets:,} data sets"
        return table(title, self._of_families(), failed)

    to_pandas, to_polars = to_pandas, to_polars


def fit_all(
    data: Data,
    families: str | Iterable[Family] | None = None,
    *,
    criterion: str = "aic",
    weights: Weights = None,
    groups: Keys | None = None,
    progress: bool | Callable[[int, int, int], Any] = False,
    **options: Any,
) -> Selection:
    """Fit every suitable family of the catalogue, and order them by an information criterion.

    Whole numbers get the distributions of counts, other numbers the continuous ones, of which all rows lie in the support;
    columns `successes` and `trials` those of counts out of trials; intervals (`lower`, `upper`, or `time`, `event`) all that
    have a distribution function. Distributions of angles are tried where they are named.

    The first call compiles a program for each family: 55 s of processor time for the 42 families of positive numbers,
    shared by the cores (compiling in threads), against 0.2 s for another data set of a like number of rows, in the same
    process. `jaxmle.cache(folder)` keeps the programs for the next process.

    The criterion says which family is the least bad, not that it is a good one: see `jaxmle.plot`. That the best of many
    was chosen is no part of its standard errors and intervals, which are too short for that reason (Burnham & Anderson
    2002, section 4.3).

    Args:
        data: as in `fit` for one data set, [n] or a table; as in `fit_many` for a batch, [datasets, n], or with `groups`.
        families: names or distributions, `"counts"` or `"continuous"`; by default what the data suit.
        criterion: `"aic"`, `"aicc"` (small n) or `"bic"`.
        weights, groups: as in `fit_many`.
        progress: True for a line on the terminal or a bar in Jupyter, or a function called with (done, failed, total),
            counting families.
        **options: of `fit`, or of `fit_many` for a batch, such as `missing="drop"`; no start.

    Returns:
        a `Selection`: a mapping from names to fits, with `best`, `columns()`, `to_pandas()`. A family that cannot be
        fitted does not affect the others: its verdict, or its error in `failures`, stands in the table.

    Raises:
        ValueError: where no family suits the data, or all of them fail.

    Example:
        >>> import jaxmle as jm
        >>> kicks = [0] * 109 + [1] * 65 + [2] * 22 + [3] * 3 + [4]
        >>> found = jm.fit_all(kicks, ["poisson", "geometric", "negative_binomial"])
        >>> found.best, round(float(found["poisson"].params["mean"]), 3), list(found.failures)
        ('poisson', 0.61, ['geometric'])
    """
    if criterion not in CRITERIA:
        raise ValueError(f"criterion={criterion!r}; expected one of {', '.join(map(repr, CRITERIA))}")
    if "start" in options:
        raise TypeError("fit_all takes no start: families have different parameters")
    columns = _columns(data)
    leaf = next(iter(columns.values())) if isinstance(columns, Mapping) else columns
    single = groups is None and np.ndim(leaf) < 2
    missing = options.get("missing", "error" if single else "status")
    chosen = _chosen(families) or _suitable(_batch(columns, weights, groups, single, missing), families)
    kinds = {d.discrete for d in chosen.values()}
    if len(kinds) > 1:
        counts = ", ".join(name for name, d in chosen.items() if d.discrete)
        raise ValueError(f"cannot compare distributions of counts ({counts}) with those that are continuous")

    def fitted(distribution: Distribution) -> Fit:
        if single:
            return fit(distribution, columns, weights=weights, **options)
        return fit_many(distribution, columns, weights=weights, groups=groups, **options)

    # A batch has threads of its own, one for each core.
    fits, failures = _all_of(chosen, fitted, cores() if single else 1, Progress(progress, len(chosen), "families"))
    if not fits:
        name, reason = next(iter(failures.items()))
        raise ValueError(f"none of {len(failures)} families could be fitted; {name}: {reason}")
    found = compare(fits, criterion)
    return Selection(found, {name: fits[name] for name in _order(found)}, failures)


def _columns(data: Data) -> Data:
    """Select what distributions read: counts out of trials, intervals, or numbers."""
    there = as_columns(data)
    trials = isinstance(there, Mapping) and "successes" in there and "trials" in there
    return columns_for("binomial" if trials else "normal", data)


def _batch(columns: Data, weights: Weights, groups: Keys | None, single: bool, missing: str) -> Batch:
    """Make the batch that `fit` or `fit_many` would make."""
    with jax.enable_x64(True):
        if single:
            return ingest.single(columns, weights, np.dtype(float), missing)
        if groups is None:
            return ingest.rectangular(columns, weights, None, np.dtype(float), missing)
        return ingest.grouped(columns, groups, weights, None, np.dtype(float), missing)


def _chosen(families: str | Iterable[Family] | None) -> dict[str, Distribution]:
    """Return the distributions that were named; none where the data or a kind decide."""
    if families is None or families in KINDS:
        return {}
    listed = [families] if isinstance(families, (str, Distribution)) else list(families)
    if not listed:
        raise ValueError("families holds no name; leave it out for all that suit the data")
    found = [by_name(x) if isinstance(x, str) else x for x in listed]
    return {d.name: d for d in found}


def _suitable(batch: Batch, families: Iterable[str | Distribution] | None) -> dict[str, Distribution]:
    """Choose the families of the catalogue whose kind is that of the data, and whose support holds all rows of a data set."""
    form = set(batch.buckets[0].data) if isinstance(batch.buckets[0].data, Mapping) else set()
    counts = "trials" in form or (families == "counts" if families in KINDS else _are_whole(batch))
    known = {name: by_name(name) for name in names()}
    kind = {
        name: d
        for name, d in known.items()
        if d.discrete == counts and not d.period and bool(d.columns) == ("trials" in form)
    }
    found = {name: d for name, d in kind.items() if _holds(d, batch)}
    if not found:
        what = "counts" if counts else "numbers"
        raise ValueError(
            f"no family of {what} has all rows of a data set in its support; tried {', '.join(kind)}. Look at the least and "
            "the greatest row, or give families='continuous' for whole numbers that are measurements"
        )
    return found


def _are_whole(batch: Batch) -> bool:
    """Tell whether all rows are whole numbers, ends of intervals included."""
    for bucket in batch.buckets:
        for leaf in jax.tree.leaves(bucket.data):
            x = np.asarray(leaf)
            counted = np.isfinite(x) & (bucket.weights > 0)
            if (x[counted] != np.floor(x[counted])).any():
                return False
    return True


def _holds(distribution: Distribution, batch: Batch) -> bool:
    """Tell whether all rows of at least one data set are possible."""
    for bucket in batch.buckets:
        shape = bucket.weights.shape
        data = jax.tree.map(lambda x, size=shape[0] * shape[1]: np.reshape(x, size), bucket.data)
        with jax.enable_x64(True):
            possible = np.asarray(as_model(distribution, data).possible(data)).reshape(shape)
        fine = (possible | (bucket.weights == 0)).all(1)
        if (fine & (bucket.status == RUNNING)).any():
            return True
    return False


def _all_of(
    chosen: dict[str, Distribution], fitted: Callable[[Distribution], Fit], threads: int, progress: Progress
) -> tuple[dict[str, Fit], dict[str, str]]:
    """Fit all distributions in threads, as most of the time is compilation; an error is kept as a sentence."""
    fits: dict[str, Fit] = {}
    failures: dict[str, str] = {}
    pool = ThreadPoolExecutor(threads)
    try:
        waiting = {pool.submit(fitted, d): name for name, d in chosen.items()}
        for done in as_completed(waiting):
            error = done.exception()
            if isinstance(error, Exception):
                failures[waiting[done]] = " ".join(f"{error}".split()) or type(error).__name__
            elif error is not None:
                raise error
            else:
                fits[waiting[done]] = done.result()
            progress.update(len(fits) + len(failures), len(failures))
    finally:
        pool.shutdown(cancel_futures=True)
        progress.close()
    return {name: fits[name] for name in chosen if name in fits}, {n: failures[n] for n in chosen if n in failures}


def _order(found: Comparison) -> list[str]:
    """Order families by the criterion; of a batch by the number of data sets for which they are the best."""
    if found.difference.ndim == 1:
        rank = found.difference
    else:
        rank = np.array([-np.sum(found.best == name) for name in found.names])
    return [found.names[i] for i in np.argsort(rank, kind="stable")]
