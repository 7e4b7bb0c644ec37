"""Estimates of a distribution without a model: Kaplan and Meier's, and Turnbull's. NumPy only."""

from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from jaxmle._util.arrays import Bool, Float


class KaplanMeier(NamedTuple):
    """The product-limit estimate of survival; arrays [m], one entry for each time of a failure or censoring.

    Attributes:
        time: ascending.
        at_risk: weight of the rows still observed just before.
        events, censored: weight of the rows that failed, and were censored, then.
        survival: P(X > time).
        lower, upper: pointwise log-log interval; NaN where the estimate is 0 or 1.
    """

    time: Float[np.ndarray, " m"]
    at_risk: Float[np.ndarray, " m"]
    events: Float[np.ndarray, " m"]
    censored: Float[np.ndarray, " m"]
    survival: Float[np.ndarray, " m"]
    lower: Float[np.ndarray, " m"]
    upper: Float[np.ndarray, " m"]


def kaplan_meier(
    time: Float[np.ndarray, " n"], failed: Bool[np.ndarray, " n"], weights: Float[np.ndarray, " n"], level: float = 0.95
) -> KaplanMeier:
    """Estimate survival from right-censored rows, with a pointwise interval.

    S(t) = prod over times up to t of (1 - d / n), with Greenwood's variance on the scale log(-log S). A row censored at a time at which others fail was still at risk then.

    Args:
        time: of failure or censoring, f[n].
        failed: bool[n]; False where the row was censored.
        weights: frequencies, f[n].
        level: of the pointwise interval.

    Example:
        >>> import numpy as np
        >>> km = kaplan_meier(np.array([6.0, 6, 7, 9]), np.array([True, False, True, True]), np.ones(4))
        >>> km.survival.tolist()
        [0.75, 0.375, 0.0]

    Reference: Kaplan & Meier 1958, *Journal of the American Statistical Association* 53, 457-481; Kalbfleisch &
    Prentice 2002, *The Statistical Analysis of Failure Time Data*, 2nd ed., section 1.4.
    """
    t, where = np.unique(time, return_inverse=True)
    events = np.bincount(where, weights * failed, len(t))
    censored = np.bincount(where, weights * ~failed, len(t))
    at_risk = np.cumsum((events + censored)[::-1])[::-1]
    survival = np.cumprod(np.where(events == at_risk, 0.0, 1 - events / at_risk))
    with np.errstate(all="ignore"):
        greenwood = np.cumsum(events / (at_risk * (at_risk - events)))
        z = NormalDist().inv_cdf(0.5 + level / 2)
        factor = np.exp(z * np.sqrt(greenwood) / np.abs(np.log(survival)))
        inner = (survival > 0) & (survival < 1)
        lower, upper = np.where(inner, survival**factor, np.nan), np.where(inner, survival ** (1 / factor), np.nan)
    return KaplanMeier(t, at_risk, events, censored, survival, lower, upper)


def turnbull(
    lower: Float[np.ndarray, " n"],
    upper: Float[np.ndarray, " n"],
    weights: Float[np.ndarray, " n"],
    rounds: int = 4000,
    most: int = 4_000_000,
) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"], Float[np.ndarray, " m"]]:
    """Estimate a distribution from rows that are exact or lie in intervals (lower, upper].

    The mass lies in the innermost intervals, each from a left end to the next right end; an EM algorithm finds how much
    in each (self-consistency). Where in an interval it lies is not identified.

    Args:
        lower, upper: f[n]; equal where a row is exact, infinite where it has no end.
        weights: f[n].
        rounds: of the iteration at most.
        most: distinct rows times innermost intervals at most.

    Returns:
        left and right ends and masses of the innermost intervals that have mass.

    Raises:
        ValueError: for more distinct intervals than the iteration is meant for.

    Example:
        >>> import numpy as np
        >>> left, right, mass = turnbull(np.array([0.0, 1, 2]), np.array([2.0, 3, np.inf]), np.ones(3))
        >>> left.tolist(), right.tolist(), mass.round(4).tolist()
        ([1.0, 2.0], [2.0, 3.0], [0.5, 0.5])

    Reference: Turnbull 1976, *Journal of the Royal Statistical Society B* 38, 290-295.
    """
    rows, where = np.unique(np.stack([lower, upper], 1), axis=0, return_inverse=True)
    weight = np.bincount(where.reshape(-1), weights) / weights.sum()
    low, high = rows[:, 0], rows[:, 1]
    exact = low == high
    # At one value: an exact row's left end, then right ends, then the open left ends of intervals above.
    kinds = np.concatenate([np.where(exact, 0, 2), np.ones(len(rows), int)])
    values = np.concatenate([low, high])
    order = np.lexsort((kinds, values))
    kinds, values = kinds[order], values[order]
    inner = np.flatnonzero((kinds[:-1] != 1) & (kinds[1:] == 1))
    left, right = values[inner], values[inner + 1]
    if len(rows) * len(left) > most:
        raise ValueError(
            f"{len(rows)} distinct intervals are too many for Turnbull's estimate; round their ends, or draw residuals(fit)"
        )
    point = left == right
    contains = np.where(
        exact[:, None],
        point & (left == low[:, None]),
        (left >= low[:, None]) & (right <= high[:, None]) & ~(point & (left == low[:, None])),
    ).astype(float)
    mass = np.full(len(left), 1 / len(left))
    for _ in range(rounds):
        share = weight / (contains @ mass)
        new = mass * (share @ contains)
        done = np.abs(new - mass).max() < 1e-9
        mass = new
        if done:
            break
    some = mass > 1e-8
    return left[some], right[some], mass[some] / mass[some].sum()
