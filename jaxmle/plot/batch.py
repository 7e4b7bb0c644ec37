"""Many fits in one picture: estimates with intervals, their spread, where they lie, and how they ended."""

from typing import Any

import numpy as np

from jaxmle._solver.status import Status
from jaxmle.plot import style
from jaxmle.plot.sample import weighted_quantile
from jaxmle.plot.style import BLACK, BLUE, GREEN, ORANGE, RED, many, percent, short

_LABELED = 60
_MOST = 9


def forest(
    fits: Any, parameter: Any = None, ax: Any = None, *, level: float = 0.95, sort: Any = True, labels: Any = None,
    reference: Any = None,
) -> Any:  # fmt: skip
    """Estimates of every data set with their Wald intervals, one under the other.

    Hollow diamonds are maxima on a boundary, at infinity or at a data edge, which have no interval; fits without a
    usable estimate are named and left empty. Over 60 fits stand without names, in one line each.

    Args:
        fits: of many data sets.
        parameter: a name, such as `"shape"` or `"beta[1]"`; by default a panel for each.
        ax: axes to draw on, as many as there are panels; a new figure by default.
        level: of confidence.
        sort: True by the estimate of the first panel, highest on top; False in the order of the batch; or positions,
            from the bottom up.
        labels: names of the data sets, in place of their keys.
        reference: a single fit of all rows, drawn as a line with its interval.

    Returns:
        the axes; an array of them where no parameter is chosen and there are several.

    Raises:
        ValueError: for a single fit, an unknown parameter, or labels of another number.

    Example:
        >>> import jaxmle as jm
        >>> fits = jm.fit_many("exponential", [1.0, 3.0, 2.0, 4.0, 6.0], groups=["a", "a", "b", "b", "b"])
        >>> ax = jm.plot.forest(fits)
        >>> [text.get_text() for text in ax.get_yticklabels()]
        ['b', 'a']

    Source: Lewis & Clarke 2001, *British Medical Journal* 322, 1479-1480.
    """
    many(fits, "forest")
    chosen = _chosen(fits, parameter, "forest")
    names, size = _labels(fits, labels), len(fits)
    ends = fits.interval(level)
    low, high, x = (
        fits.solution.flat(ends.lower),
        fits.solution.flat(ends.upper),
        np.where(usable_or_edge(fits)[:, None], fits.solution.natural, np.nan),
    )
    order = np.asarray(sort) if np.ndim(sort) else order_of(fits, chosen[0]) if sort else np.arange(size)[::-1]
    height = float(np.clip(0.19 * min(size, _LABELED) + 1.2, 2.4, 12))
    grid = style.panels(ax, 1, len(chosen), (4.4, height)).ravel()
    for n, (axes, j) in enumerate(zip(grid, chosen, strict=True)):
        _forest(axes, fits, x[order, j], low[order, j], high[order, j])
        if reference is not None:
            _reference(axes, reference, j, level)
        axes.set_ylim(-0.7, size - 0.3)
        axes.set_xlabel(fits.names[j])
        if size > _LABELED:
            axes.set_ylabel("data sets, sorted" if sort is not False else "data sets")
            axes.set_yticks([])
        else:
            axes.set_yticks(np.arange(size), [names[i] for i in order] if n == 0 else [""] * size)
            axes.tick_params(axis="y", length=0, labelsize=9 if size <= 30 else 7)
        axes.set_title(
            f"{style.name_of(fits).replace('_', ' ')}: {fits.names[j]} with {percent(level)} intervals", loc="left"
        )
    return grid if parameter is None and len(chosen) > 1 else grid[0]


def histograms(fits: Any, parameter: Any = None, ax: Any = None, *, bins: Any = None) -> Any:
    """How the estimates of many data sets are spread, beside the spread that their standard errors explain.

    The normal curve has the median of the estimates and the median of their standard errors: where it is as wide as
    the bars, all data sets may share one value. Only certified maxima count; far outliers are cut from the view.

    Args:
        fits: of many data sets.
        parameter: a name; by default a panel for each.
        ax: axes to draw on, as many as there are panels; a new figure by default.
        bins: their number or edges; Freedman & Diaconis' rule by default.

    Returns:
        the axes; an array of them where no parameter is chosen and there are several.

    Raises:
        ValueError: for a single fit, an unknown parameter, or a batch without a certified maximum.

    Example:
        >>> import jaxmle as jm
        >>> fits = jm.fit_many("exponential", [1.0, 3.0, 2.0, 4.0, 6.0], groups=["a", "a", "b", "b", "b"])
        >>> jm.plot.histograms(fits, "rate").get_xlabel()
        'rate'

    Source: Freedman & Diaconis 1981, *Zeitschrift fur Wahrscheinlichkeitstheorie* 57, 453-476.
    """
    many(fits, "histograms")
    chosen = _chosen(fits, parameter, "histograms")
    if not fits.solution.certified.any():
        raise ValueError("histograms: no fit of this batch is a certified maximum; draw verdicts(fits)")
    errors = fits.solution.flat(fits.standard_errors())
    grid = style.panels(ax, 1, len(chosen), (4.2, 3.2)).ravel()
    for axes, j in zip(grid, chosen, strict=True):
        x, se = fits.solution.natural[fits.solution.certified, j], errors[fits.solution.certified, j]
        _histogram(axes, x, se, bins)
        axes.set_xlabel(fits.names[j])
        axes.set_ylabel("data sets")
        axes.set_title(f"{style.name_of(fits).replace('_', ' ')}: {fits.names[j]}", loc="left")
    return grid if parameter is None and len(chosen) > 1 else grid[0]


def estimates_map(
    fits: Any, shape: tuple[int, int], parameter: Any = None, ax: Any = None, *, errors: bool = False, cmap: Any = "cividis"
) -> Any:  # fmt: skip
    """Estimates laid out as an image: one fit for each pixel, row by row.

    Fits without a certified maximum are grey. Colors span the middle 98 % of the estimates; the bar's arrows say that
    some lie beyond.

    Args:
        fits: of rows times columns data sets, in the order of the pixels.
        shape: (rows, columns).
        parameter: a name; by default a panel for each.
        ax: axes to draw on, as many as there are panels; a new figure by default.
        errors: whether to show standard errors instead.
        cmap: a color map of matplotlib's; the default reads the same in print and to the color-blind.

    Returns:
        the axes; an array of them where no parameter is chosen and there are several.

    Raises:
        ValueError: for a single fit, an unknown parameter, or a shape of another size.

    Example:
        >>> import jaxmle as jm
        >>> fits = jm.fit_many("poisson", [[1, 3], [2, 2], [0, 1], [5, 4], [3, 3], [1, 1]])
        >>> jm.plot.estimates_map(fits, (2, 3)).images[0].get_array().shape
        (2, 3)

    Source: Nunez, Anderton & Renslow 2018, *PLOS ONE* 13, e0199239 (cividis).
    """
    many(fits, "estimates_map")
    chosen = _chosen(fits, parameter, "estimates_map")
    if len(shape) != 2 or int(np.prod(shape)) != len(fits):
        raise ValueError(
            f"estimates_map: shape={tuple(shape)} has {int(np.prod(shape))} pixels; the batch has {len(fits)} fits"
        )
    values = fits.solution.flat(fits.standard_errors()) if errors else fits.solution.natural
    height = float(np.clip(4.2 * shape[0] / shape[1], 1.8, 5.0))
    grid = style.panels(ax, 1, len(chosen), (4.6, height)).ravel()
    for axes, j in zip(grid, chosen, strict=True):
        _map(axes, np.where(fits.solution.certified, values[:, j], np.nan).reshape(shape), cmap)
        name = f"{fits.names[j]}, standard error" if errors else fits.names[j]
        lost = int((~fits.solution.certified).sum())
        axes.set_title(name + (f" (grey: {lost:,} without a maximum)" if lost else ""), loc="left")
    return grid if parameter is None and len(chosen) > 1 else grid[0]


def verdicts(fits: Any, ax: Any = None) -> Any:
    """How many fits ended in which way: certified maxima, maxima at a limit (hatched), failures (cross-hatched).

    Args:
        fits: of many data sets.
        ax: axes to draw on; a new figure by default.

    Returns:
        the axes.

    Raises:
        ValueError: for a single fit.

    Example:
        >>> import jaxmle as jm
        >>> fits = jm.fit_many("bernoulli", [[1, 0, 1], [0, 1, 1], [0, 0, 0]])
        >>> [text.get_text() for text in jm.plot.verdicts(fits).get_yticklabels()]
        ['maximum on the boundary', 'converged']

    Source: Cleveland 1985, *The Elements of Graphing Data* (counts as lengths).
    """
    many(fits, "verdicts")
    codes, counts = np.unique(fits.solution.outcome.status, return_counts=True)
    order = np.argsort(counts, kind="stable")
    found = [Status(int(codes[i])) for i in order]
    ax = style.axes(ax)
    for row, (status, count) in enumerate(zip(found, counts[order], strict=True)):
        limit = status.at_limit or status is Status.AT_DATA_EDGE
        color, hatch = (BLUE, "") if status.ok else (ORANGE, "//") if limit else (RED, "xx")
        ax.barh(row, count, height=0.62, color=color, hatch=hatch, edgecolor="white", lw=0)
        ax.text(
            count + 0.01 * counts.max(), row, f"{count:,} ({100 * count / len(fits):.3g} %)", va="center", fontsize=9
        )
    ax.set_yticks(range(len(found)), [style.in_short(s) for s in found])
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(-0.6, max(len(found), 2) - 0.4)
    ax.set_xlim(0, 1.28 * counts.max())
    ax.xaxis.set_major_locator(style.matplotlib("ticker").MaxNLocator(integer=True, nbins=5))
    ax.set_xlabel("data sets")
    ax.set_title(f"{style.name_of(fits).replace('_', ' ')}: {len(fits):,} fits", loc="left")
    return ax


# --- how -------------------------------------------------------------------------------------------------


def usable_or_edge(fits: Any) -> np.ndarray:
    return fits.solution.usable | (fits.solution.outcome.status == Status.AT_DATA_EDGE)


def order_of(fits: Any, j: int) -> np.ndarray:
    """Positions by ascending estimate of number j; those without a usable estimate first."""
    return np.argsort(np.where(usable_or_edge(fits), fits.solution.natural[:, j], -np.inf), kind="stable")


def _chosen(fits: Any, parameter: Any, what: str) -> list[int]:
    names = fits.names
    if parameter is None:
        if len(names) > _MOST:
            raise ValueError(f"{what}: {len(names)} parameters are too many panels; choose one, such as {names[0]!r}")
        return list(range(len(names)))
    if parameter not in names:
        raise ValueError(f"{what}: there is no parameter {parameter!r}; expected one of {', '.join(map(repr, names))}")
    return [names.index(parameter)]


def _labels(fits: Any, labels: Any) -> list[str]:
    if labels is None:
        return [fits.solution.label(i) for i in range(len(fits))] if len(fits) <= _LABELED else [""] * len(fits)
    found = [str(x) for x in labels]
    if len(found) != len(fits):
        raise ValueError(f"forest: {len(found)} labels for {len(fits)} data sets")
    return found


def _forest(ax: Any, fits: Any, x: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
    at = np.arange(len(x))
    sure = np.isfinite(low) & np.isfinite(high)
    few = len(x) <= _LABELED
    ax.hlines(at[sure], low[sure], high[sure], color=BLUE, lw=1.6 if few else float(np.clip(200 / len(x), 0.3, 1.2)), alpha=1 if few else 0.6)  # fmt: skip
    size = 5 if few else float(np.clip(300 / len(x), 1, 3))
    ax.plot(x[sure], at[sure], "o", color=BLUE if few else BLACK, ms=size, mec="none")
    bare = ~sure & np.isfinite(x)
    ax.plot(x[bare], at[bare], "D", mfc="white", mec=ORANGE, ms=size + 0.5, label="at a limit: no interval" if bare.any() else "_none")  # fmt: skip
    lost = ~np.isfinite(x)
    if lost.any():
        ax.plot(np.full(lost.sum(), 0.02), at[lost], "x", color=RED, ms=size, transform=ax.get_yaxis_transform(), label="no maximum")  # fmt: skip
    ends = np.concatenate([x[np.isfinite(x)], low[sure], high[sure]])
    if len(ends):
        a, b = _robust(ends, x[np.isfinite(x)])
        ax.set_xlim(a, b)
    ax.grid(axis="x", color="#e6e6e6", lw=0.6)
    ax.set_axisbelow(True)
    style.legend(ax, loc="best", frameon=True, framealpha=0.85, edgecolor="none")


def _robust(ends: np.ndarray, centers: np.ndarray) -> tuple[float, float]:
    """Limits that a few endless intervals do not stretch."""
    a, b = np.quantile(centers, [0.25, 0.75])
    inner = np.quantile(ends, [0.05, 0.95])
    reach = max(8 * (b - a), 2 * (inner[1] - inner[0]))
    low, high = (ends.min(), ends.max()) if reach <= 0 else (max(ends.min(), a - reach), min(ends.max(), b + reach))
    margin = 0.04 * (high - low) or abs(low) * 0.1 or 1.0
    return float(low - margin), float(high + margin)


def _reference(ax: Any, fit: Any, j: int, level: float) -> None:
    if not fit.solution.single or fit.names[j] is None:
        raise ValueError("forest: reference= is a single fit of all rows, such as jaxmle.fit(model, all_rows)")
    ends = fit.interval(level)
    low, high = (fit.solution.flat(e)[0, j] for e in (ends.lower, ends.upper))
    ax.axvspan(low, high, color=GREEN, alpha=0.15, lw=0)
    ax.axvline(fit.solution.natural[0, j], color=GREEN, lw=1.3, ls="--", label="all rows together")
    style.legend(ax, loc="best", frameon=True, framealpha=0.85, edgecolor="none")


def _histogram(ax: Any, x: np.ndarray, se: np.ndarray, bins: Any) -> None:
    ones = np.ones(len(x))
    a, m, b = weighted_quantile(x, ones, [0.25, 0.5, 0.75])
    reach = 8 * (b - a)
    low, high = (x.min(), x.max()) if reach <= 0 else (max(x.min(), a - reach), min(x.max(), b + reach))
    near = x[(x >= low) & (x <= high)]
    low, high = near.min(), near.max()
    if bins is None:
        width = 2 * (b - a) * len(x) ** (-1 / 3)
        bins = int(np.clip((high - low) / width if width > 0 else 1, 5 if len(near) > 4 else 1, 80))
    if not high > low:
        low, high = low - 0.5 * (abs(low) or 1), high + 0.5 * (abs(high) or 1)
    counts, edges = np.histogram(near, bins, None if np.ndim(bins) else (low, high))
    style.bars(ax, counts, edges, "estimates")
    typical = float(np.median(se[np.isfinite(se)])) if np.isfinite(se).any() else 0.0
    if typical > 0:
        grid = np.linspace(edges[0], edges[-1], 400)
        curve = np.exp(-0.5 * ((grid - m) / typical) ** 2) / (typical * np.sqrt(2 * np.pi))
        ax.plot(grid, curve * len(x) * np.diff(edges).mean(), color=BLUE, lw=1.8, label="spread by standard errors")
    ax.vlines(m, 0, counts.max(), color=BLACK, lw=1, ls="--", label=f"median {short(m)}")
    out = len(x) - len(near)
    ax.plot([], [], ls="none", label=f"{len(x):,} certified" + (f", {out:,} out of view" if out else ""))
    ax.margins(x=0.01)
    ax.yaxis.set_major_locator(style.matplotlib("ticker").MaxNLocator(integer=True, nbins=5))
    ax.set_ylim(0, 1.36 * ax.dataLim.y1)
    style.legend(ax, loc="upper center", ncols=2, fontsize=8, columnspacing=1.0)


def _map(ax: Any, image: np.ndarray, cmap: Any) -> None:
    seen = image[np.isfinite(image)]
    low, high = np.quantile(seen, [0.01, 0.99]) if len(seen) else (0.0, 1.0)
    if not low < high:
        low, high = (seen.min(), seen.max()) if len(seen) and seen.min() < seen.max() else (low - 0.5, low + 0.5)
    extend = ("neither", "min", "max", "both")[(bool((seen < low).any())) + 2 * bool((seen > high).any())]
    colors = style.matplotlib().get_cmap(cmap).with_extremes(bad="#c8c8c8")
    drawn = ax.imshow(np.ma.masked_invalid(image), cmap=colors, vmin=low, vmax=high, interpolation="nearest")
    ax.figure.colorbar(drawn, ax=ax, extend=extend, shrink=0.9, pad=0.02)
    ax.set_xlabel("column")
    ax.set_ylabel("row")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(style.matplotlib("ticker").MaxNLocator(integer=True, nbins=6))
    ax.spines[["top", "right"]].set_visible(True)
