"""The data of one fit as pictures need them: values or intervals with weights, and the part of the line to show."""

import dataclasses
from typing import Any

import numpy as np

from jaxmle._util.compile import in_float64
from jaxmle.inference.predict import response_of
from jaxmle.model.response import Response
from jaxmle.plot.empirical import kaplan_meier, turnbull
from jaxmle.plot.style import one

GRID = 512
"Points of a curve: one number, so that a law compiles once."


@dataclasses.dataclass(frozen=True)
class Sample:
    """One data set under a distribution of one number.

    Attributes:
        response: of the fitted model.
        lower, upper: what is known of each row, f[n]; equal where it is exact.
        weights: positive, f[n].
        known: further data columns (trials), f[n] each.
    """

    response: Response
    lower: np.ndarray
    upper: np.ndarray
    weights: np.ndarray
    known: dict[str, np.ndarray]

    @property
    def total(self) -> float:
        return float(self.weights.sum())

    @property
    def exact(self) -> np.ndarray:
        return self.lower == self.upper

    @property
    def censored(self) -> bool:
        return not self.exact.all()

    @property
    def right_only(self) -> bool:
        return bool((self.exact | (np.isposinf(self.upper) & np.isfinite(self.lower))).all())

    def steps(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Where the empirical mass lies: left ends, right ends and mass, f[m]; the rest lies beyond what was seen."""
        if not self.censored:
            x, where = np.unique(self.lower, return_inverse=True)
            return x, x, np.bincount(where, self.weights) / self.total
        if self.right_only:
            km = kaplan_meier(self.lower, self.exact, self.weights)
            mass = -np.diff(np.concatenate([[1.0], km.survival]))
            return km.time[mass > 0], km.time[mass > 0], mass[mass > 0]
        return turnbull(self.lower, self.upper, self.weights)


def sample_of(fit: Any, what: str, columns: bool = True) -> Sample:
    """The data of one fit, or a clear refusal.

    Args:
        fit: a `Fit`.
        what: the name of the picture, for its refusals.
        columns: whether the picture can show data of several columns (successes and trials).
    """
    one(fit, what)
    if not has_distribution(fit):
        raise TypeError(
            f"{what} needs a distribution, and {fit.model.name or 'this model'} is a log-likelihood of your own; draw "
            "contours(fit), profile(fit) or history(fit)"
        )
    response = response_of(fit.solution)
    if not response.univariate:
        raise TypeError(
            f"{what} draws distributions of one number, and {response.name} is one of vectors; draw contours(fit), "
            "profile(fit) or history(fit)"
        )
    if response.known and not columns:
        names = " and ".join(response.columns)
        raise TypeError(f"{what} cannot show data with {names}; draw residuals(fit) or cdf(fit)")
    data, weights = rows_of(fit, what)
    lower, upper = (np.asarray(x, float) for x in response.bounds(data))
    known = {name: np.asarray(x, float) for name, x in response.known_of(data).items()}
    used = (weights > 0) & ~np.isnan(lower) & ~np.isnan(upper) & ~(np.isinf(lower) & np.isinf(upper))
    if not used.any():
        raise ValueError(f"{what} got a fit without data: no row has a positive weight")
    return Sample(response, lower[used], upper[used], weights[used], {name: x[used] for name, x in known.items()})


def has_distribution(fit: Any) -> bool:
    """Whether a distribution of one column was fitted, not a log-likelihood of one's own."""
    response = fit.model.response
    return response is not None and len(response.outcome) <= 1


def rows_of(fit: Any, what: str) -> tuple[Any, np.ndarray]:
    """Data and weights of one fit, or a clear refusal."""
    try:
        fit.solution.batch.check_unchanged()
    except RuntimeError as error:
        raise RuntimeError(f"{what}: {error}; the estimates alone can be drawn with forest or histograms") from None
    return fit.solution.batch.data_set(0)


def fitted(fit: Any) -> bool:
    """Whether there is a fitted law to draw: a certified maximum or a limit."""
    return bool(fit.solution.usable[0])


@in_float64
def inside(response: Response, x: np.ndarray) -> np.ndarray:
    """Which x the distribution can give, bool[m]."""
    return np.asarray(response.support(np.asarray(x, float), {}))


def quantiles(fit: Any, sample: Sample) -> np.ndarray:
    """Fitted quantiles at 64 probabilities from 0.001 to 0.999, without those that are not finite; none without a fit."""
    if not fitted(fit):
        return np.zeros(0)
    q = np.concatenate([[0.001, 0.005], np.linspace(0.01, 0.99, 60), [0.995, 0.999]])
    if sample.known:  # from the smallest to the largest number of trials
        first = next(iter(sample.known.values()))
        rows = [{k: float(v[i]) for k, v in sample.known.items()} for i in (first.argmin(), first.argmax())]
        x = np.sort(np.concatenate([fit.quantile(q, **row).value for row in rows])[::2])
    else:
        x = np.atleast_1d(fit.quantile(q).value)
    return x[np.isfinite(x)]


def weighted_quantile(x: np.ndarray, weights: np.ndarray, q: Any) -> np.ndarray:
    """The least x whose share of the weight reaches q."""
    order = np.argsort(x, kind="stable")
    share = np.cumsum(weights[order])
    at = np.searchsorted(share, np.asarray(q) * share[-1] * (1 - 1e-12), side="left")
    return x[order][np.minimum(at, len(x) - 1)]


def view(sample: Sample, curve: np.ndarray) -> tuple[float, float]:
    """The part of the line to show: all data and the bulk of the law, without what lies eight quartile ranges off."""
    ends = np.concatenate([sample.lower, sample.upper])
    weights = np.concatenate([sample.weights, sample.weights])[np.isfinite(ends)]
    ends = ends[np.isfinite(ends)]
    low, high = ends.min(), ends.max()
    near = curve[2:-2] if len(ends) > 40 else curve[1:-1]  # the law beyond its 1 % tails is shown where data are
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
    if 0 < low < 0.1 * high and not sample.known and not inside(sample.response, np.array([-margin]))[0]:
        low = 0.0  # the end of the support is near enough to be shown
    outer = np.array([low - margin, high + margin])
    if not sample.known:
        legal = inside(sample.response, outer)
        outer = np.where(legal, outer, [low, high])
    return float(outer[0]), float(outer[1])


def beyond(sample: Sample, low: float, high: float) -> str:
    """A remark on the data that the view leaves out."""
    ends = np.where(np.isfinite(sample.lower), sample.lower, sample.upper)
    out = sample.weights[(ends < low) | (ends > high)].sum()
    return f"{out:,g} out of view" if out else ""
