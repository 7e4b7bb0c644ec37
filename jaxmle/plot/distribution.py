"""Data beside the fitted distribution: density and distribution function."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from jaxmle._engine.solution import Solution
from jaxmle._util.arrays import Float
from jaxmle.inference import predict
from jaxmle.plot.drawable import Drawable, distribution_name, is_usable, solution_of, title_of
from jaxmle.plot.sample import (
    GRID,
    Sample,
    fitted_quantiles,
    in_support,
    out_of_view,
    sample_of,
    view,
    weighted_quantile,
)
from jaxmle.plot.style import (
    BLACK,
    BLUE,
    PALE,
    RED,
    SKY,
    Axes,
    add_legend,
    axes_or_new,
    draw_bars,
    format_percent,
    format_weight,
    matplotlib,
    set_title,
    whole_ticks,
)

_STEMS = 80
"Counts that are drawn one by one at most."
_RUG = 60
"Observations that are marked one by one at most."


def density(
    fit: Drawable, ax: Axes | None = None, *, bins: ArrayLike | None = None, level: float | None = 0.95
) -> Axes:
    """Draw data with the fitted density: a histogram, or for counts the share of each with stems of the fitted probability.

    The bars have area 1 in all, or where rows are censored the mass that Kaplan and Meier (Turnbull, where only
    intervals are known) put there: sum of w_i 1{x_i in bin} / (W h). The band is the pointwise interval of the density.
    Heavy tails are cut from the view and counted in a remark, never from the data.

    Args:
        fit: of one data set, to a distribution of one number.
        ax: axes to draw on; a new figure by default.
        bins: their number or edges; Freedman & Diaconis' rule by default.
        level: of the band; None draws none.

    Returns:
        the axes.

    Raises:
        TypeError, ValueError, RuntimeError: for a batch, a distribution of vectors, a model without a distribution, or
            a fit without its data; each says what to draw in its place.

    Example:
        >>> import jaxmle as jm
        >>> ax = jm.plot.density(jm.fit("exponential", [1.0, 2.0, 3.0, 5.0, 8.0]))
        >>> ax.get_ylabel()
        'density'

    Source: Freedman & Diaconis 1981, *Zeitschrift fur Wahrscheinlichkeitstheorie* 57, 453-476; Cleveland 1985, *The
    Elements of Graphing Data*.
    """
    solution, sample = solution_of(fit), sample_of(fit, "density")
    ax = axes_or_new(ax)
    curve = fitted_quantiles(solution, sample)
    if sample.response.discrete:
        low, high = _draw_counts(solution, ax, sample, curve, level)
    else:
        low, high = view(sample, curve)
        highest = _draw_histogram(ax, sample, bins, low, high)
        _draw_density(solution, ax, curve, low, high, highest, level)
        _draw_rug(ax, sample)
        ax.set_xlim(low, high)
        ax.set_ylabel("density")
        if highest == 0 and not is_usable(solution):  # nothing but marks
            ax.set_ylim(0, 1)
            ax.set_yticks([])
    ax.set_xlabel(sample.label)
    _add_title_and_legend(ax, solution, sample, low, high)
    return ax


def cdf(fit: Drawable, ax: Axes | None = None, *, level: float | None = 0.95) -> Axes:
    """Draw the empirical and the fitted distribution function, P(X <= x).

    The empirical one rises by w_i / W at each observation; of censored rows it is 1 - S by Kaplan and Meier, or
    Turnbull's estimate, straight inside intervals whose mass could lie anywhere.

    Args:
        fit: of one data set, to a distribution of one number.
        ax: axes to draw on; a new figure by default.
        level: of the pointwise band; None draws none.

    Returns:
        the axes.

    Raises:
        TypeError, ValueError, RuntimeError: as in `density`.

    Example:
        >>> import jaxmle as jm
        >>> ax = jm.plot.cdf(jm.fit("exponential", [1.0, 2.0, 3.0, 5.0, 8.0]))
        >>> [line.get_label() for line in ax.get_lines()]
        ['empirical', 'exponential']

    Source: Lawless 2003, *Statistical Models and Methods for Lifetime Data*, 2nd ed., section 3.2.
    """
    solution, sample = solution_of(fit), sample_of(fit, "cdf")
    ax = axes_or_new(ax)
    low, high = view(sample, fitted_quantiles(solution, sample))
    if sample.response.discrete:
        low, high = _counts_in_view(sample, low, high)[[0, -1]] + np.array([-0.6, 0.6])
        ax.xaxis.set_major_locator(whole_ticks(9))
    x, f, label = empirical(sample)
    x, f = np.concatenate([[low], x, [high]]), np.concatenate([[0.0], f, [f[-1]]])
    if sample.censored and f[-1] < 1 - 1e-9:
        x, f = x[:-1], f[:-1]
    ax.plot(x, f, color=BLACK, lw=1.2, label=label, drawstyle="default" if sample.sloping else "steps-post")
    if is_usable(solution):
        at = _counts_in_view(sample, low, high) if sample.response.discrete else np.linspace(low, high, GRID)
        value, lower, upper = fitted_values(solution, predict.cdf, at, sample, beyond=1.0)
        if sample.response.discrete:  # from the left edge, and to the right one
            at = np.concatenate([[low], at, [high]])
            value, lower, upper = (np.concatenate([[0.0], v, v[-1:]]) for v in (value, lower, upper))
        style = "steps-post" if sample.response.discrete else "default"
        ax.plot(at, value, color=BLUE, lw=2, ls="--", drawstyle=style, label=distribution_name(solution))
        if level is not None and np.isfinite(lower).any():
            step = "post" if sample.response.discrete else None
            ax.fill_between(
                at, lower, upper, step=step, color=SKY, alpha=0.3, lw=0, label=f"{format_percent(level)} pointwise"
            )
    ax.set_xlim(low, high)
    ax.set_ylim(-0.02, 1.03)
    ax.set_xlabel(sample.label)
    ax.set_ylabel("probability of at most x")
    _add_title_and_legend(ax, solution, sample, low, high, loc="lower right")
    return ax


def empirical(sample: Sample) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"], str]:
    """Return the points of the empirical distribution function, a step function or Turnbull's sloping line, and its name."""
    left, right, mass = sample.steps()
    f = np.cumsum(mass)
    if not sample.sloping:
        if len(left) > 4000:  # more steps than a picture can show
            shown = np.unique(np.linspace(0, len(left) - 1, 4000).astype(int))
            left, f = left[shown], f[shown]
        return left, f, sample.estimator or "empirical"
    x = np.stack([left, right], 1).reshape(-1)
    y = np.stack([f - mass, f], 1).reshape(-1)
    finite = np.isfinite(x)
    return x[finite], y[finite], sample.estimator


def fitted_values(
    solution: Solution,
    predict_at: Callable[[Solution, predict.Points], predict.Prediction],
    at: Float[np.ndarray, " m"],
    sample: Sample,
    beyond: float,
) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"], Float[np.ndarray, " m"]]:
    """Compute a function of the fitted distribution at `at`, with the ends of its band.

    Over rows of different trials it is averaged, without a band; where `at` is more than the trials it is `beyond`.
    """
    if not sample.known:
        found = predict_at(solution, at)
        return found.value, found.lower, found.upper
    rows, share = np.unique(np.stack(list(sample.known.values()), 1), axis=0, return_inverse=True)
    share = np.bincount(share.reshape(-1), sample.weights) / sample.total
    each = []
    for row in rows:
        known = dict(zip(sample.known, row, strict=True))
        found = predict_at(solution, sample.response.join(np.minimum(at, row[0]), known))
        each.append([np.where(at > row[0], beyond, x) for x in (found.value, found.lower, found.upper)])
    mean = np.tensordot(share, np.array(each), 1)
    if len(rows) > 1:
        mean[1:] = np.nan
    return mean[0], mean[1], mean[2]


# --- parts of a picture ----------------------------------------------------------------------------------


def _draw_histogram(ax: Axes, sample: Sample, bins: ArrayLike | None, low: float, high: float) -> float:
    """Draw bars of the empirical mass, and return the height of the highest."""
    left, right, mass = sample.steps()
    distinct = np.unique(np.concatenate([left, right]))
    if bins is None and (len(distinct) < 3 or sample.total < 5):
        return 0.0
    edges = _edges(sample, bins, low, high)
    finite = np.isfinite(left) & np.isfinite(right)
    height = np.zeros(len(edges) - 1)
    point = finite & (left == right)
    height += np.histogram(left[point], edges, weights=mass[point])[0]
    for a, b, m in zip(*(x[finite & ~point] for x in (left, right, mass)), strict=True):
        height += m * np.clip((np.minimum(b, edges[1:]) - np.maximum(a, edges[:-1])) / (b - a), 0, 1)
    height /= np.diff(edges)
    draw_bars(ax, height, edges, sample.estimator or "data")
    return float(height.max())


def _edges(sample: Sample, bins: ArrayLike | None, low: float, high: float) -> Float[np.ndarray, " m"]:
    """Return the edges given, or those of so many bins, or by Freedman & Diaconis' rule."""
    if bins is not None and np.ndim(bins):
        return np.asarray(bins, float)
    x = np.where(np.isfinite(sample.upper), 0.5 * (sample.lower + sample.upper), sample.lower)
    x = np.where(np.isfinite(x), x, sample.upper)
    near = (x >= low) & (x <= high)
    x, weights = x[near], sample.weights[near]
    a, b = (low, high) if not len(x) else (x.min(), x.max())
    if bins is not None:
        return np.linspace(a, b, int(np.asarray(bins)) + 1)
    spread = np.subtract(*weighted_quantile(x, weights, [0.75, 0.25]))
    rule = 2 * spread * weights.sum() ** (-1 / 3)
    width = np.clip(rule if rule > 0 else b - a, (b - a) / 100, (b - a) / 4) or 1.0
    first = np.floor(a / width + 1e-9)
    return width * np.arange(first, max(np.ceil(b / width - 1e-9), first + 1) + 1)


def _draw_density(
    solution: Solution,
    ax: Axes,
    curve: Float[np.ndarray, " m"],
    low: float,
    high: float,
    highest: float,
    level: float | None,
) -> None:
    """Draw the fitted density with its band, fine at the quantiles `curve`, and set the height of the axes."""
    if not is_usable(solution):
        return
    fine = curve[(curve > low) & (curve < high)]
    at = np.concatenate([np.linspace(low, high, GRID - 64), fine, np.full(64 - len(fine), high)])
    at.sort()
    found = predict.pdf(solution, at)
    value = np.where(np.isfinite(found.value), found.value, np.nan)
    ax.plot(at, value, color=BLUE, lw=2, label=distribution_name(solution))
    inner = value[(at > low) & (at < high)]
    peak = np.nanmax(inner) if np.isfinite(inner).any() else 0
    if level is not None and np.isfinite(found.lower).any():
        band = ax.fill_between(
            at, found.lower, found.upper, color=SKY, alpha=0.3, lw=0, label=f"{format_percent(level)} pointwise"
        )
        band.set_zorder(1.5)
        if highest == 0:
            peak = max(peak, min(1.5 * peak, np.nanmax(found.upper[(at > low) & (at < high)])))
    top = max(1.5 * highest, np.nanquantile(inner, 0.97)) if highest and peak > 2 * highest else max(peak, highest)
    if top > 0:
        ax.set_ylim(0, 1.12 * top)


def _draw_rug(ax: Axes, sample: Sample) -> None:
    """Mark single observations and censoring times, while they are few."""
    base = ax.get_xaxis_transform()
    exact, right = sample.lower[sample.exact], sample.lower[np.isposinf(sample.upper)]
    if len(exact) <= _RUG:
        ax.plot(exact, np.full(len(exact), 0.012), "|", color=BLACK, ms=7, mew=1, transform=base, label="_rug")
    if len(right) and len(right) <= 5 * _RUG:
        ax.plot(right, np.full(len(right), 0.04), "+", color=RED, ms=6, mew=1, transform=base, label="censored")


def _counts_in_view(sample: Sample, low: float, high: float) -> Float[np.ndarray, " m"]:
    """Return the possible counts between `low` and `high`, evenly chosen where they are very many."""
    first, last = np.ceil(low), np.floor(high)
    at = np.arange(first, last + 1) if last - first < 4 * GRID else np.unique(np.round(np.linspace(first, last, GRID)))
    possible = (at >= 0) if sample.known else in_support(sample.response, at)
    return at[possible] if possible.any() else at


def _draw_counts(
    solution: Solution, ax: Axes, sample: Sample, curve: Float[np.ndarray, " m"], level: float | None
) -> tuple[float, float]:
    """Draw shares of counts with the fitted probabilities, and return the ends of the axis."""
    low, high = view(sample, curve)
    left, right, mass = sample.steps()
    at = _counts_in_view(sample, low - 0.5, high + 0.5)
    low, high = at[0], at[-1]
    few = len(at) <= _STEMS
    name = sample.estimator or "data"
    if few:
        exact = left == right
        ax.bar(left[exact], mass[exact], width=0.8, color=PALE, edgecolor="#9a9a9a", lw=0.6, label=name)
        for a, b, m in zip(left[~exact], right[~exact], mass[~exact], strict=True):
            if np.isfinite(b - a):
                ax.bar(0.5 * (a + 1 + b), m / (b - a), width=b - a - 0.2, color=PALE, edgecolor="#9a9a9a", lw=0.6)
    else:
        point = left == right
        width = max(1.0, np.ceil(_count_width(sample, low, high)))
        edges = np.arange(np.floor(low) - 0.5, high + width + 0.5, width)
        ax.stairs(np.histogram(left[point], edges, weights=mass[point])[0] / width, edges, fill=True, facecolor=PALE, edgecolor="#9a9a9a", lw=0.6, label=name)  # fmt: skip
    if is_usable(solution) and len(at):
        value, lower, upper = fitted_values(solution, predict.pdf, at, sample, beyond=0.0)
        text = distribution_name(solution)
        if few:
            ax.vlines(at, 0, value, color=BLUE, lw=1.4)
            ax.plot(at, value, "o", color=BLUE, ms=5 if len(at) < 40 else 3.5, label=text)
            if level is not None and np.isfinite(lower).any() and len(at) <= 40:
                ax.vlines(
                    at,
                    lower,
                    upper,
                    color=SKY,
                    lw=5,
                    alpha=0.45,
                    label=f"{format_percent(level)} pointwise",
                    zorder=1.8,
                )
        else:
            ax.plot(at, value, color=BLUE, lw=1.8, label=text)
    ax.set_ylim(bottom=0)
    ax.set_xlim(low - 0.7, high + 0.7)
    ax.xaxis.set_major_locator(whole_ticks(9))
    ax.set_ylabel("share" if few else "share for each count")
    return low, high


def _count_width(sample: Sample, low: float, high: float) -> float:
    """Compute the width of a bar of many counts by Freedman & Diaconis' rule."""
    spread = np.subtract(*weighted_quantile(sample.lower, sample.weights, [0.75, 0.25]))
    return float(np.clip(2 * spread * sample.total ** (-1 / 3), (high - low) / 80, (high - low) / 5))


def _add_title_and_legend(
    ax: Axes, solution: Solution, sample: Sample, low: float, high: float, **options: Any
) -> None:
    """Add the title and a legend that ends with the number of rows; `options` are those of matplotlib's `legend`."""
    set_title(ax, title_of(solution))
    size = f"n = {format_weight(sample.total)}"
    if sample.censored:
        size += f", {format_weight(sample.weights[~sample.exact].sum())} censored"
    line = matplotlib("lines").Line2D
    handles, labels = ax.get_legend_handles_labels()
    for text in (size, out_of_view(sample, low, high)):
        if text:
            handles, labels = [*handles, line([], [], ls="none")], [*labels, text]
    add_legend(ax, handles=handles, labels=labels, **{"fontsize": 8.5} | options)
