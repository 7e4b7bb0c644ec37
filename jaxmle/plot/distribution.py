"""The data beside the fitted law: its density, and its distribution function."""

from typing import Any

import numpy as np

from jaxmle.plot import style as _style
from jaxmle.plot.sample import GRID, Sample, beyond, fitted, inside, quantiles, sample_of, view, weighted_quantile
from jaxmle.plot.style import BLACK, BLUE, PALE, SKY, head, legend, percent, title_of

_STEMS = 80
"Counts that are still drawn one by one."
_RUG = 60
"Observations that are still marked one by one."


def density(fit: Any, ax: Any = None, *, bins: Any = None, level: float = 0.95) -> Any:
    """Data with the fitted density: a histogram, or for counts the share of each with stems of the fitted probability.

    The bars have area 1 in all, or where rows are censored the mass that Kaplan and Meier (Turnbull, where only
    intervals are known) put there: sum of w_i 1{x_i in bin} / (W h). The band is the pointwise interval of the density.
    Heavy tails are cut from the view and counted in a remark, never from the data.

    Args:
        fit: of one data set, to a law of one number.
        ax: axes to draw on; a new figure by default.
        bins: their number or edges; Freedman & Diaconis' rule by default.
        level: of the band; None draws none.

    Returns:
        the axes.

    Raises:
        TypeError, ValueError, RuntimeError: for a batch, a law of vectors, a model without a distribution, or a fit
            without its data; each says what to draw in its place.

    Example:
        >>> import jaxmle as jm
        >>> ax = jm.plot.density(jm.fit("exponential", [1.0, 2.0, 3.0, 5.0, 8.0]))
        >>> ax.get_ylabel()
        'density'

    Source: Freedman & Diaconis 1981, *Zeitschrift fur Wahrscheinlichkeitstheorie* 57, 453-476; Cleveland 1985, *The
    Elements of Graphing Data*.
    """
    sample = sample_of(fit, "density")
    ax = _style.axes(ax)
    curve = quantiles(fit, sample)
    if sample.response.discrete:
        low, high = _counts(fit, ax, sample, curve, level)
    else:
        low, high = view(sample, curve)
        tallest = _bars(ax, sample, bins, low, high)
        _curve(fit, ax, curve, low, high, tallest, level)
        _rug(ax, sample)
        ax.set_xlim(low, high)
        ax.set_ylabel("density")
        if tallest == 0 and not fitted(fit):  # nothing but marks
            ax.set_ylim(0, 1)
            ax.set_yticks([])
    ax.set_xlabel(_response(sample))
    _dress(ax, fit, sample, low, high)
    return ax


def cdf(fit: Any, ax: Any = None, *, level: float = 0.95) -> Any:
    """Empirical and fitted distribution function, P(X <= x).

    The empirical one rises by w_i / W at each observation; of censored rows it is 1 - S by Kaplan and Meier, or
    Turnbull's estimate, straight inside intervals whose mass could lie anywhere.

    Args:
        fit: of one data set, to a law of one number.
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
    sample = sample_of(fit, "cdf")
    ax = _style.axes(ax)
    low, high = view(sample, quantiles(fit, sample))
    if sample.response.discrete:
        low, high = _integers(sample, low, high)[[0, -1]] + np.array([-0.6, 0.6])
        ax.xaxis.set_major_locator(_style.matplotlib("ticker").MaxNLocator(integer=True, nbins=9))
    x, f, label = empirical(sample)
    x, f = np.concatenate([[low], x, [high]]), np.concatenate([[0.0], f, [f[-1]]])
    if sample.censored and f[-1] < 1 - 1e-9:
        x, f = x[:-1], f[:-1]
    ax.plot(x, f, color=BLACK, lw=1.2, label=label, drawstyle="default" if _sloping(sample) else "steps-post")
    if fitted(fit):
        at = _integers(sample, low, high) if sample.response.discrete else np.linspace(low, high, GRID)
        value, lower, upper = predicted(fit, "cdf", at, sample)
        if sample.response.discrete:  # from the left edge, and to the right one
            at = np.concatenate([[low], at, [high]])
            value, lower, upper = (np.concatenate([[0.0], v, v[-1:]]) for v in (value, lower, upper))
        style = "steps-post" if sample.response.discrete else "default"
        ax.plot(at, value, color=BLUE, lw=2, ls="--", drawstyle=style, label=_style.law_name(fit))
        if level is not None and np.isfinite(lower).any():
            step = "post" if sample.response.discrete else None
            ax.fill_between(
                at, lower, upper, step=step, color=SKY, alpha=0.3, lw=0, label=f"{percent(level)} pointwise"
            )
    ax.set_xlim(low, high)
    ax.set_ylim(-0.02, 1.03)
    ax.set_xlabel(_response(sample))
    ax.set_ylabel("probability of at most x")
    _dress(ax, fit, sample, low, high, loc="lower right")
    return ax


def empirical(sample: Sample) -> tuple[np.ndarray, np.ndarray, str]:
    """The empirical distribution function as points of a step function (of a sloping line for Turnbull's), with its name."""
    left, right, mass = sample.steps()
    f = np.cumsum(mass)
    if not _sloping(sample):
        if len(left) > 4000:  # more steps than a picture can show
            keep = np.unique(np.linspace(0, len(left) - 1, 4000).astype(int))
            left, f = left[keep], f[keep]
        return left, f, "Kaplan-Meier" if sample.censored else "empirical"
    x = np.stack([left, right], 1).reshape(-1)
    y = np.stack([f - mass, f], 1).reshape(-1)
    seen = np.isfinite(x)
    return x[seen], y[seen], "Turnbull"


def predicted(fit: Any, what: str, at: np.ndarray, sample: Sample) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A function of the fitted law with its band, f[m] each; over rows of different trials its average, without one."""
    if not sample.known:
        found = getattr(fit, what)(at)
        return found.value, found.lower, found.upper
    rows, share = np.unique(np.stack(list(sample.known.values()), 1), axis=0, return_inverse=True)
    share = np.bincount(share.reshape(-1), sample.weights) / sample.total
    each = []
    for row in rows:
        known = dict(zip(sample.known, row, strict=True))
        values = getattr(fit, what)(sample.response.join(np.minimum(at, row[0]), known))
        beyond_all = at > row[0]  # more successes than trials
        each.append(
            [np.where(beyond_all, 0.0 if what == "pdf" else 1.0, x) for x in (values.value, values.lower, values.upper)]
        )
    mean = np.tensordot(share, np.array(each), 1)
    if len(rows) > 1:
        mean[1:] = np.nan
    return mean[0], mean[1], mean[2]


# --- parts of a picture ----------------------------------------------------------------------------------


def _bars(ax: Any, sample: Sample, bins: Any, low: float, high: float) -> float:
    """Bars of the empirical mass; the height of the highest."""
    left, right, mass = sample.steps()
    distinct = np.unique(np.concatenate([left, right]))
    if bins is None and (len(distinct) < 3 or sample.total < 5):
        return 0.0
    edges = _edges(sample, bins, low, high)
    seen = np.isfinite(left) & np.isfinite(right)
    height = np.zeros(len(edges) - 1)
    point = seen & (left == right)
    height += np.histogram(left[point], edges, weights=mass[point])[0]
    for a, b, m in zip(left[seen & ~point], right[seen & ~point], mass[seen & ~point], strict=True):
        height += m * np.clip((np.minimum(b, edges[1:]) - np.maximum(a, edges[:-1])) / (b - a), 0, 1)
    height /= np.diff(edges)
    name = ("Kaplan-Meier" if sample.right_only else "Turnbull") if sample.censored else "data"
    _style.bars(ax, height, edges, name)
    return float(height.max())


def _edges(sample: Sample, bins: Any, low: float, high: float) -> np.ndarray:
    if bins is not None and np.ndim(bins):
        return np.asarray(bins, float)
    x = np.where(np.isfinite(sample.upper), 0.5 * (sample.lower + sample.upper), sample.lower)
    x = np.where(np.isfinite(x), x, sample.upper)
    near = (x >= low) & (x <= high)
    x, weights = x[near], sample.weights[near]
    a, b = (low, high) if not len(x) else (x.min(), x.max())
    if bins is not None:
        return np.linspace(a, b, int(bins) + 1)
    spread = np.subtract(*weighted_quantile(x, weights, [0.75, 0.25]))
    rule = 2 * spread * weights.sum() ** (-1 / 3)
    width = np.clip(rule if rule > 0 else b - a, (b - a) / 100, (b - a) / 4) or 1.0
    first = np.floor(a / width + 1e-9)
    return width * np.arange(first, max(np.ceil(b / width - 1e-9), first + 1) + 1)


def _curve(fit: Any, ax: Any, curve: np.ndarray, low: float, high: float, tallest: float, level: Any) -> None:
    if not fitted(fit):
        return
    fine = curve[(curve > low) & (curve < high)]
    at = np.concatenate([np.linspace(low, high, GRID - 64), fine, np.full(64 - len(fine), high)])
    at.sort()
    found = fit.pdf(at)
    value = np.where(np.isfinite(found.value), found.value, np.nan)
    ax.plot(at, value, color=BLUE, lw=2, label=_style.law_name(fit))
    inner = value[(at > low) & (at < high)]
    peak = np.nanmax(inner) if np.isfinite(inner).any() else 0
    if level is not None and np.isfinite(found.lower).any():
        band = ax.fill_between(
            at, found.lower, found.upper, color=SKY, alpha=0.3, lw=0, label=f"{percent(level)} pointwise"
        )
        band.set_zorder(1.5)
        if tallest == 0:
            peak = max(peak, min(1.5 * peak, np.nanmax(found.upper[(at > low) & (at < high)])))
    top = max(1.5 * tallest, np.nanquantile(inner, 0.97)) if tallest and peak > 2 * tallest else max(peak, tallest)
    if top > 0:
        ax.set_ylim(0, 1.12 * top)


def _rug(ax: Any, sample: Sample) -> None:
    """Marks of single observations, and of all censoring times while they are few."""
    base = ax.get_xaxis_transform()
    exact, right = sample.lower[sample.exact], sample.lower[np.isposinf(sample.upper)]
    if len(exact) <= _RUG:
        ax.plot(exact, np.full(len(exact), 0.012), "|", color=BLACK, ms=7, mew=1, transform=base, label="_rug")
    if len(right) and len(right) <= 5 * _RUG:
        ax.plot(right, np.full(len(right), 0.04), "+", color=_style.RED, ms=6, mew=1, transform=base, label="censored")


def _integers(sample: Sample, low: float, high: float) -> np.ndarray:
    """Whole numbers of the view that the law can give, evenly chosen where they are very many."""
    first, last = np.ceil(low), np.floor(high)
    at = np.arange(first, last + 1) if last - first < 4 * GRID else np.unique(np.round(np.linspace(first, last, GRID)))
    legal = (at >= 0) if sample.known else inside(sample.response, at)
    return at[legal] if legal.any() else at


def _counts(fit: Any, ax: Any, sample: Sample, curve: np.ndarray, level: Any) -> tuple[float, float]:
    low, high = view(sample, curve)
    left, right, mass = sample.steps()
    at = _integers(sample, low - 0.5, high + 0.5)
    low, high = at[0], at[-1]
    few = len(at) <= _STEMS
    name = ("Kaplan-Meier" if sample.right_only else "Turnbull") if sample.censored else "data"
    if few:
        exact = left == right
        ax.bar(left[exact], mass[exact], width=0.8, color=PALE, edgecolor="#9a9a9a", lw=0.6, label=name)
        for a, b, m in zip(left[~exact], right[~exact], mass[~exact], strict=True):
            if np.isfinite(b - a):
                ax.bar(0.5 * (a + 1 + b), m / (b - a), width=b - a - 0.2, color=PALE, edgecolor="#9a9a9a", lw=0.6)
    else:
        point = left == right
        width = max(1.0, np.ceil(_width(sample, low, high)))
        edges = np.arange(np.floor(low) - 0.5, high + width + 0.5, width)
        ax.stairs(np.histogram(left[point], edges, weights=mass[point])[0] / width, edges, fill=True, facecolor=PALE, edgecolor="#9a9a9a", lw=0.6, label=name)  # fmt: skip
    if fitted(fit) and len(at):
        value, lower, upper = predicted(fit, "pdf", at, sample)
        text = _style.law_name(fit)
        if few:
            ax.vlines(at, 0, value, color=BLUE, lw=1.4)
            ax.plot(at, value, "o", color=BLUE, ms=5 if len(at) < 40 else 3.5, label=text)
            if level is not None and np.isfinite(lower).any() and len(at) <= 40:
                ax.vlines(
                    at, lower, upper, color=SKY, lw=5, alpha=0.45, label=f"{percent(level)} pointwise", zorder=1.8
                )
        else:
            ax.plot(at, value, color=BLUE, lw=1.8, label=text)
    ax.set_ylim(bottom=0)
    ax.set_xlim(low - 0.7, high + 0.7)
    ax.xaxis.set_major_locator(_style.matplotlib("ticker").MaxNLocator(integer=True, nbins=9))
    ax.set_ylabel("share" if few else "share for each count")
    return low, high


def _width(sample: Sample, low: float, high: float) -> float:
    spread = np.subtract(*weighted_quantile(sample.lower, sample.weights, [0.75, 0.25]))
    return float(np.clip(2 * spread * sample.total ** (-1 / 3), (high - low) / 80, (high - low) / 5))


def _sloping(sample: Sample) -> bool:
    return sample.censored and not sample.right_only


def _response(sample: Sample) -> str:
    return sample.response.outcome[0] if sample.response.outcome else "x"


def _dress(ax: Any, fit: Any, sample: Sample, low: float, high: float, **place: Any) -> None:
    """Title, legend, remarks."""
    head(ax, title_of(fit))
    size = f"n = {_style.amount(sample.total)}"
    if sample.censored:
        size += f", {_style.amount(sample.weights[~sample.exact].sum())} censored"
    remark = beyond(sample, low, high)
    handle = _style.matplotlib("lines").Line2D([], [], ls="none", label=size)
    handles = [*ax.get_legend_handles_labels()[0], handle]
    labels = [*ax.get_legend_handles_labels()[1], size]
    if remark:
        handles.append(_style.matplotlib("lines").Line2D([], [], ls="none"))
        labels.append(remark)
    legend(ax, handles=handles, labels=labels, **{"fontsize": 8.5} | place)
