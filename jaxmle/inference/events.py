"""Events of data sets: what bears on the parameters where it is less than the rows, such as 2 successes in 100 trials."""

import jax
import numpy as np

from jaxmle._engine.batch import Bucket
from jaxmle._engine.solution import Solution
from jaxmle._util.arrays import Data, Float
from jaxmle.model.response import Response


def events(solution: Solution) -> Float[np.ndarray, "B 2"] | None:
    """Count the events of each data set and what they are out of, rows or trials; None where rows alone bear on the fit.

    Of censored rows events are exact ones, intervals, and as many left- as right-censored ones: either kind alone shows
    no more than a bound. Of counts they are the sum above the least one, of trials the fewer of successes and failures.
    """
    response = solution.model.response
    if response is None or not solution.batch.kept or not response.univariate:
        return None
    if not (response.intervals or response.discrete):
        return None
    if any(not hasattr(x, "shape") for b in solution.batch.buckets for x in jax.tree.leaves(b.data)):
        return None
    count = _censored if response.intervals else _counts
    with np.errstate(all="ignore"):
        parts = [count(response, b, jax.tree.map(np.asarray, b.data)) for b in solution.batch.buckets]
    return None if any(x is None for x in parts) else solution.batch.gathered(parts)


def _sums(bucket: Bucket, *columns: np.ndarray) -> Float[np.ndarray, "b k"]:
    """Sum columns [b, n] or [n] by the weights of a bucket."""
    w = np.where(bucket.weights > 0, bucket.weights, 0.0)
    return np.stack([np.where(w > 0, w * x, 0.0).sum(1) for x in columns], axis=1)


def _censored(response: Response, bucket: Bucket, data: Data) -> Float[np.ndarray, "b 2"]:
    lower, upper = response.bounds(data)
    least = np.asarray(response.range(response.known_of(data))[0])
    exact = lower == upper
    right, left = ~exact & (upper == np.inf), ~exact & (lower <= least) & (upper < np.inf)
    unknown = right & (lower <= least)
    rows = _sums(bucket, ~right & ~left, right & ~unknown, left, np.ones_like(lower))
    return np.stack([rows[:, 0] + np.minimum(rows[:, 1], rows[:, 2]), rows[:, 3]], axis=1)


def _counts(response: Response, bucket: Bucket, data: Data) -> Float[np.ndarray, "b 2"] | None:
    y, known = response.split(data)
    least, most = (np.asarray(x, float) for x in response.range(known))
    if not np.isfinite(least).all():
        return None
    above, below, trials = _sums(bucket, y - least, np.where(np.isfinite(most), most - y, np.inf), most - least).T
    rows = _sums(bucket, np.ones(bucket.weights.shape))[:, 0]
    return np.stack([np.minimum(above, below), np.where(np.isfinite(trials), trials, rows)], axis=1)
