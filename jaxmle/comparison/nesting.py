"""What may be compared: the same data, and for a test a null that lies inside the full model."""

import jax
import numpy as np

from jaxmle._engine.batch import Batch, Bucket
from jaxmle._engine.ingest import leaf_names
from jaxmle.model.model import Model
from jaxmle.model.observations import is_constant
from jaxmle.result.fit import Fit
from jaxmle.spaces import PINNED

Leaves = list[tuple[np.ndarray, bool, bool]]
"Of each leaf the array, whether it has a data-set axis, and whether it has rows."

INSIDE = {("exponential", "weibull"), ("exponential", "gamma")}
"Families known to lie inside another."
ON_EDGE = {("poisson", "negative_binomial"), ("normal", "student_t")}
"Families that are the limit of another in one of its parameters (dispersion 0, 1/df 0)."


def check_fit(what: str, fit: object) -> None:
    """Raises where something else than a fit was given."""
    if not isinstance(fit, Fit):
        raise TypeError(f"{what} must be a fit, from jaxmle.fit or fit_many, got {type(fit).__name__}")


def check_same_data(first: Fit, other: Fit, names: tuple[str, str]) -> None:
    """Raises where two fits are not of the same data and weights: log-likelihoods of others cannot be compared.

    Raises:
        ValueError: saying what differs.
    """
    one, two = first.model.response, other.model.response
    if one and two and one.discrete != two.discrete:
        counts = names[0] if one.discrete else names[1]
        raise ValueError(
            f"cannot compare {names[0]} with {names[1]}: {counts} is a distribution of counts, the other is continuous"
        )
    if one and two and one.period != two.period:
        angles = names[0] if one.period else names[1]
        raise ValueError(
            f"cannot compare {names[0]} with {names[1]}: {angles} is a distribution of angles, where numbers a whole turn "
            "apart are the same outcome, the other one of numbers on the line"
        )
    a, b = first.solution.batch, other.solution.batch
    if first.solution.single != other.solution.single or a.size != b.size:
        raise ValueError(
            f"cannot compare {names[0]} ({_shape(first)}) with {names[1]} ({_shape(other)}): fit both to the same data sets"
        )
    forms = [leaf_names(x.buckets[0].data) for x in (a, b)]
    if forms[0] != forms[1]:
        raise ValueError(
            f"cannot compare {names[0]} with {names[1]}: their data have different forms, {forms[0]} and {forms[1]}; give "
            "both models the same data"
        )
    same = _same(a, b)
    if not same.all():
        i = int(np.argmin(same))
        where = "" if first.solution.single else f", first in data set {first.solution.label(i)}"
        n = f" ({np.atleast_1d(first.n_observations)[i]:g} and {np.atleast_1d(other.n_observations)[i]:g} observations)"
        raise ValueError(
            f"cannot compare {names[0]} with {names[1]}: their data or weights differ{where}{n}. Fit both to the same rows "
            "in the same units; logged and unlogged data cannot be compared"
        )


def check_pooled(null: Fit, full: Fit) -> None:
    """Raises where the rows of the null are not those of all data sets of the full fit together."""
    if leaf_names(null.solution.batch.buckets[0].data) != leaf_names(full.solution.batch.buckets[0].data):
        raise ValueError("the pooled null and the groups have data of different forms; fit both to the same columns")
    one, all_ = _sorted_rows(null.solution.batch), _sorted_rows(full.solution.batch)
    if one.shape != all_.shape or not np.array_equal(one, all_, equal_nan=True):
        raise ValueError(
            f"the null was fitted to {null.n_observations:g} observations and the groups hold {np.sum(full.n_observations):g}: "
            "a null for one data set against many is the test that all share their parameters, so it must be fitted to all "
            "their rows together, with the same weights"
        )


def check_nested(null: Model, full: Model) -> bool | None:
    """Raise where the null is not a special case of the full model; tell whether it lies on the edge of it.

    A log-likelihood of the user's own, and a distribution without a name, are taken at their word: None, as nobody
    knows how the one lies in the other.
    """
    one, two = (m.response.name if m.response else "" for m in (null, full))
    if one and two and one != two:
        if (one, two) in ON_EDGE:
            return True
        if (one, two) not in INSIDE:
            raise ValueError(
                f"{one} is not known to be a special case of {two}, and a test needs that; use jaxmle.compare, or "
                "as null the full model with parameters held by jaxmle.models.pinned"
            )
    elif null.log_likelihood == full.log_likelihood and null.names == full.names:
        for name, a, b in zip(null.names, *(jax.tree.leaves(m.space) for m in (null, full)), strict=True):
            freed = (b.kind is PINNED and not (a.kind is PINNED and np.array_equal(a.bounds[0], b.bounds[0]))) or (
                b.source and not (a.source == b.source or a.kind is PINNED)
            )
            if freed:
                raise ValueError(
                    f"{name} is held in the full model but not likewise in the null; a null is the smaller one"
                )
    else:
        return None
    return False


def check_smaller(null: Model, full: Model, sets: int) -> int:
    """Degrees of freedom: how many free parameters the null has fewer than the full model for `sets` data sets.

    Raises:
        ValueError: where it has not fewer.
    """
    df = sets * full.free - null.free
    if df < 1:
        raise ValueError(
            f"the null has {null.free} free parameters and the full model {sets * full.free}; a test needs a null with fewer. "
            "Give the null first; for models of which none is a special case of the other, use jaxmle.compare"
        )
    return df


def _shape(fit: Fit) -> str:
    return "one data set" if fit.solution.single else f"{len(fit)} data sets"


def _leaves(batch: Batch, bucket: Bucket) -> Leaves:
    """List the leaves of a bucket with what their axes are."""
    leaves = jax.tree.leaves(bucket.data, is_leaf=is_constant)
    own = iter(batch.own)
    return [(x.value if is_constant(x) else x, next(own), not is_constant(x)) for x in leaves]


def _same(a: Batch, b: Batch) -> np.ndarray:
    """Tell whether the rows of positive weight and their weights are equal, in order, bool[B]."""
    same = np.zeros(a.size, bool)
    for one in a.buckets:
        for two in b.buckets:
            both, i, j = np.intersect1d(one.positions, two.positions, return_indices=True)
            if len(both):
                same[both] = _same_bucket(_leaves(a, one), _leaves(b, two), one.weights[i], two.weights[j], i, j)
    return same


def _same_bucket(one: Leaves, two: Leaves, w: np.ndarray, v: np.ndarray, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    m = min(w.shape[1], v.shape[1])
    same = (w[:, :m] == v[:, :m]).all(1) & (w[:, m:] == 0).all(1) & (v[:, m:] == 0).all(1)
    used = w[:, :m] > 0
    for (x, x_own, rows), (y, y_own, y_rows) in zip(one, two, strict=True):
        x = x[i] if x_own else np.broadcast_to(x, (len(i), *x.shape))
        y = y[j] if y_own else np.broadcast_to(y, (len(j), *y.shape))
        if rows != y_rows or x.shape[2 if rows else 1 :] != y.shape[2 if rows else 1 :]:
            return np.zeros(len(i), bool)
        if rows:
            x, y = x[:, :m], y[:, :m]
        equal = (x == y) | ((x != x) & (y != y))
        if rows:
            equal = equal.reshape(len(i), m, -1).all(2) | ~used
        same &= equal.reshape(len(i), -1).all(1)
    return same


def _sorted_rows(batch: Batch) -> np.ndarray:
    """Sort all rows of positive weight of all data sets with their weights and constants, sorted, f[rows, columns]."""
    parts = []
    for bucket in batch.buckets:
        sets, rows = np.nonzero(bucket.weights > 0)
        columns = [bucket.weights[sets, rows][:, None]]
        for x, own, has_rows in _leaves(batch, bucket):
            taken = (x[sets, rows] if own else x[rows]) if has_rows else (x[sets] if own else np.stack([x] * len(sets)))
            columns.append(np.asarray(taken, float).reshape(len(sets), -1))
        parts.append(np.concatenate(columns, axis=1))
    table = np.concatenate(parts)
    return table[np.lexsort(table.T)]
