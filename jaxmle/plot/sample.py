"""The data of one fit as pictures need them: values or intervals with weights, and the range to show."""

import dataclasses

import numpy as np
from numpy.typing import ArrayLike

from jaxmle._engine.solution import Solution
from jaxmle._util.arrays import Bool, Data, Float
from jaxmle._util.compile import in_float64
from jaxmle.inference.predict import quantile, response_of
from jaxmle.model.response import Response
from jaxmle.plot.drawable import Drawable, is_usable, one_data_set
from jaxmle.plot.empirical import kaplan_meier, turnbull

GRID = 512
"Points of a curve: one number, so that a distribution compiles once."


@dataclasses.dataclass(frozen=True)
class Sample:
    """One data set under a distribution of one number.

    Attributes:
        response: of the fitted model.
        lower, upper: ends of the interval in which each outcome lies; equal where it is exact.
        weights: positive.
        known: the columns that the distribution is conditional on (trials).
    """

    response: Response
    lower: Float[np.ndarray, " n"]
    upper: Float[np.ndarray, " n"]
    weights: Float[np.ndarray, " n"]
    known: dict[str, Float[np.ndarray, " n"]]

    @property
    def total(self) -> float:
        """The sum of weights."""
        return float(self.weights.sum())

    @property
    def exact(self) -> Bool[np.ndarray, " n"]:
        """Which rows show their outcome itself."""
        return self.lower == self.upper

    @property
    def censored(self) -> bool:
        """Whether any row shows an interval."""
        return not self.exact.all()

    @property
    def right_only(self) -> bool:
        """Whether every row is exact or right-censored, so that Kaplan and Meier's estimate applies."""
        return bool((self.exact | (np.isposinf(self.upper) & np.isfinite(self.lower))).all())

    @property
    def plain(self) -> bool:
        """Whether all rows are exact outcomes of one continuous distribution."""
        return not (self.response.discrete or self.known or self.censored)

    @property
    def whole(self) -> bool:
        """Whether all weights are whole numbers."""
        return bool((self.weights == np.round(self.weights)).all())

    @property
    def sloping(self) -> bool:
        """Whether the empirical distribution function slopes inside intervals (Turnbull's), not only steps."""
        return self.censored and not self.right_only

    @property
    def estimator(self) -> str:
        """The name of the empirical estimate that suits the rows; "" where none is censored."""
        return ("Kaplan-Meier" if self.right_only else "Turnbull") if self.censored else ""

    @property
    def label(self) -> str:
        """The name of the outcome, for an axis."""
        return self.response.outcome[0] if self.response.outcome else "x"

    def steps(self) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"], Float[np.ndarray, " m"]]:
        """Estimate the distribution without a model: left ends, right ends and masses of the intervals that have mass.

        The masses add up to less than 1 where the last rows are censored.
        """
        if not self.censored:
            x, where = np.unique(self.lower, return_inverse=True)
            return x, x, np.bincount(where, self.weights) / self.total
        if self.right_only:
            km = kaplan_meier(self.lower, self.exact, self.weights)
            mass = -np.diff(np.concatenate([[1.0], km.survival]))
            return km.time[mass > 0], km.time[mass > 0], mass[mass > 0]
        return turnbull(self.lower, self.upper, self.weights)


def sample_of(fit: Drawable, picture: str, columns: bool = True) -> Sample:
    """Return the data of one fit under its distribution, or raise with what to draw instead.

    Args:
        fit: a `Fit` or a `Solution` of one data set.
        picture: its name, for messages.
        columns: whether the picture can show data of several columns (successes and trials).
    """
    solution = one_data_set(fit, picture)
    if not has_distribution(solution):
        raise TypeError(
            f"{picture} needs a distribution, and {solution.model.name or 'this model'} is a log-likelihood of your own; "
            "draw contours(fit), profile(fit) or history(fit)"
        )
    response = response_of(solution)
    if not response.univariate:
        raise TypeError(
            f"{picture} draws distributions of one number, and {response.name} is one of vectors; draw contours(fit), "
            "profile(fit) or history(fit)"
        )
    if response.known and not columns:
        names = " and ".join(response.columns)
        raise TypeError(f"{picture} cannot show data with {names}; draw residuals(fit) or cdf(fit)")
    data, weights = data_of(solution, picture)
    lower, upper = (np.asarray(x, float) for x in response.bounds(data))
    known = {name: np.asarray(x, float) for name, x in response.known_of(data).items()}
    used = (weights > 0) & ~np.isnan(lower) & ~np.isnan(upper) & ~(np.isinf(lower) & np.isinf(upper))
    if not used.any():
        raise ValueError(f"{picture} got a fit without data: no row has a positive weight")
    return Sample(response, lower[used], upper[used], weights[used], {name: x[used] for name, x in known.items()})


def has_distribution(solution: Solution) -> bool:
    """Return whether a distribution of one column was fitted, not a log-likelihood of the user's own."""
    response = solution.model.response
    return response is not None and len(response.outcome) <= 1


def data_of(solution: Solution, picture: str) -> tuple[Data, Float[np.ndarray, " n"]]:
    """Return data and weights of one fit, or raise where they are gone or have changed."""
    try:
        solution.batch.check_unchanged()
    except RuntimeError as error:
        raise RuntimeError(f"{picture}: {error}; the estimates alone can be drawn with forest or histograms") from None
    return solution.batch.data_set(0)


@in_float64
def in_support(response: Response, x: Float[np.ndarray, " m"]) -> Bool[np.ndarray, " m"]:
    """Return which x are possible outcomes."""
    return np.asarray(response.support(np.asarray(x, float), {}))


def fitted_quantiles(solution: Solution, sample: Sample) -> Float[np.ndarray, " m"]:
    """Compute quantiles at 64 probabilities from 0.001 to 0.999, the finite ones; none where no distribution is fitted."""
    if not is_usable(solution):
        return np.zeros(0)
    q = np.concatenate([[0.001, 0.005], np.linspace(0.01, 0.99, 60), [0.995, 0.999]])
    if sample.known:  # from the smallest to the largest number of trials
        first = next(iter(sample.known.values()))
        rows = [{k: float(v[i]) for k, v in sample.known.items()} for i in (first.argmin(), first.argmax())]
        x = np.sort(np.concatenate([quantile(solution, q, **row).value for row in rows])[::2])
    else:
        x = np.atleast_1d(quantile(solution, q).value)
    return x[np.isfinite(x)]


def weighted_quantile(
    x: Float[np.ndarray, " n"], weights: Float[np.ndarray, " n"], q: ArrayLike
) -> Float[np.ndarray, " *q"]:
    """Find the least x up to which the share of the weight reaches q."""
    order = np.argsort(x, kind="stable")
    share = np.cumsum(weights[order])
    at = np.searchsorted(share, np.asarray(q) * share[-1] * (1 - 1e-12), side="left")
    return x[order][np.minimum(at, len(x) - 1)]


def view(sample: Sample, curve: Float[np.ndarray, " m"]) -> tuple[float, float]:
    """Choose the ends of the axis: all data and the bulk of the fitted quantiles, at most eight quartile ranges away."""
    ends = np.concatenate([sample.lower, sample.upper])
    weights = np.concatenate([sample.weights, sample.weights])[np.isfinite(ends)]
    ends = ends[np.isfinite(ends)]
    low, high = ends.min(), ends.max()
    near = (
        curve[2:-2] if len(ends) > 40 else curve[1:-1]
    )  # beyond its 1 % tails the distribution is shown where data are
    bulk = near if len(near) else ends
    a, b = (
        np.minimum(weighted_quantile(ends, weights, 0.25), np.quantile(bulk, 0.25)),
        np.maximum(weighted_quantile(ends, weights, 0.75), np.quantile(bulk, 0.75)),
    )
    reach = 8 * (b - a)
    if reach > 0:
        low = (
            max(min(low, bulk.min()), a - reach)
            if low < a - 1.3 * reach or bulk.min() < a - reach
            else min(low, bulk.min())
        )
        high = (
            min(max(high, bulk.max()), b + reach)
            if high > b + 1.3 * reach or bulk.max() > b + reach
            else max(high, bulk.max())
        )
    if sample.censored:  # little is known beyond the data
        high = min(high, ends.max() + 0.75 * (ends.max() - ends.min()))
    if not low < high:
        width = abs(low) * 0.1 or 1.0
        low, high = low - width, high + width
    margin = 0.03 * (high - low)
    if 0 < low < 0.1 * high and not sample.known and not in_support(sample.response, np.array([-margin]))[0]:
        low = 0.0  # the end of the support is near enough to be shown
    outer = np.array([low - margin, high + margin])
    if not sample.known:
        outer = np.where(in_support(sample.response, outer), outer, [low, high])
    return float(outer[0]), float(outer[1])


def out_of_view(sample: Sample, low: float, high: float) -> str:
    """Say how many rows lie outside the axis from `low` to `high`; "" where none does."""
    ends = np.where(np.isfinite(sample.lower), sample.lower, sample.upper)
    out = sample.weights[(ends < low) | (ends > high)].sum()
    return f"{out:,g} out of view" if out else ""
