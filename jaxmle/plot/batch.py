"""Many fits in one picture: estimates with intervals, their spread, their map, and the verdicts."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from jaxmle._engine.solution import Solution
from jaxmle._solver.status import Status
from jaxmle._util.arrays import Bool, Float, Int
from jaxmle.inference.covariance import standard_errors
from jaxmle.inference.intervals import interval
from jaxmle.plot.drawable import Drawable, many_data_sets, model_name, short_sentence, solution_of
from jaxmle.plot.sample import weighted_quantile
from jaxmle.plot.style import (
    BLACK,
    BLUE,
    GREEN,
    ORANGE,
    RED,
    Axes,
    AxesGrid,
    Panels,
    add_legend,
    axes_or_new,
    draw_bars,
    format_number,
    format_percent,
    matplotlib,
    panel_grid,
    whole_ticks,
)

if TYPE_CHECKING:
    from matplotlib.colors import Colormap
else:  # matplotlib is optional
    Colormap = Any

_MOST_LABELS = 60
"Data sets with a label each at most."
_MOST_PANELS = 9


def forest(
    fits: Drawable, parameter: str | None = None, ax: Panels | None = None, *, level: float = 0.95,
    sort: bool | ArrayLike = True, labels: Sequence[object] | None = None, reference: Drawable | None = None,
) -> Axes | AxesGrid:  # fmt: skip
    """Draw the estimates of every data set with their Wald intervals, one under the other.

    Hollow diamonds are maxima on a boundary, at infinity or at a data edge, which have no interval; of fits
    without a usable estimate only the name is drawn. Over 60 fits are drawn without names.

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
    solution = many_data_sets(fits, "forest")
    columns = _columns(solution, parameter, "forest")
    parameters, size, ends = solution.model.value_names, solution.size, interval(solution, level)
    low, high = solution.flat(ends.lower), solution.flat(ends.upper)
    x = np.where(has_estimate(solution)[:, None], solution.natural, np.nan)
    names = _names(solution, labels)
    order = np.asarray(sort) if np.ndim(sort) else order_of(solution, columns[0]) if sort else np.arange(size)[::-1]
    height = float(np.clip(0.19 * min(size, _MOST_LABELS) + 1.2, 2.4, 12))
    grid = panel_grid(ax, 1, len(columns), (4.4, height)).ravel()
    for n, (panel, j) in enumerate(zip(grid, columns, strict=True)):
        _draw_forest(panel, x[order, j], low[order, j], high[order, j])
        if reference is not None:
            _draw_reference(panel, solution_of(reference), j, level)
        panel.set_ylim(-0.7, size - 0.3)
        panel.set_xlabel(parameters[j])
        if size > _MOST_LABELS:
            panel.set_ylabel("data sets, sorted" if sort is not False else "data sets")
            panel.set_yticks([])
        else:
            panel.set_yticks(np.arange(size), [names[i] for i in order] if n == 0 else [""] * size)
            panel.tick_params(axis="y", length=0, labelsize=9 if size <= 30 else 7)
        panel.set_title(f"{model_name(solution)}: {parameters[j]} with {format_percent(level)} intervals", loc="left")
    return grid if parameter is None and len(columns) > 1 else grid[0]


def histograms(
    fits: Drawable, parameter: str | None = None, ax: Panels | None = None, *, bins: ArrayLike | None = None
) -> Axes | AxesGrid:
    """Draw the spread of the estimates of many data sets, beside the spread that their standard errors explain.

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
    solution = many_data_sets(fits, "histograms")
    columns = _columns(solution, parameter, "histograms")
    certified, parameters = solution.certified, solution.model.value_names
    if not certified.any():
        raise ValueError("histograms: no fit of this batch is a certified maximum; draw verdicts(fits)")
    errors = solution.flat(standard_errors(solution))
    grid = panel_grid(ax, 1, len(columns), (4.2, 3.2)).ravel()
    for panel, j in zip(grid, columns, strict=True):
        _draw_histogram(panel, solution.natural[certified, j], errors[certified, j], bins)
        panel.set_xlabel(parameters[j])
        panel.set_ylabel("data sets")
        panel.set_title(f"{model_name(solution)}: {parameters[j]}", loc="left")
    return grid if parameter is None and len(columns) > 1 else grid[0]


def estimates_map(
    fits: Drawable, shape: tuple[int, int], parameter: str | None = None, ax: Panels | None = None, *,
    errors: bool = False, cmap: str | Colormap = "cividis",
) -> Axes | AxesGrid:  # fmt: skip
    """Draw estimates as an image: one fit for each pixel, row by row.

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
    solution = many_data_sets(fits, "estimates_map")
    columns = _columns(solution, parameter, "estimates_map")
    if len(shape) != 2 or int(np.prod(shape)) != solution.size:
        raise ValueError(
            f"estimates_map: shape={tuple(shape)} has {int(np.prod(shape))} pixels; the batch has {solution.size} fits"
        )
    values = solution.flat(standard_errors(solution)) if errors else solution.natural
    height = float(np.clip(4.2 * shape[0] / shape[1], 1.8, 5.0))
    grid = panel_grid(ax, 1, len(columns), (4.6, height)).ravel()
    for panel, j in zip(grid, columns, strict=True):
        _draw_map(panel, np.where(solution.certified, values[:, j], np.nan).reshape(shape), cmap)
        name = solution.model.value_names[j] + (", standard error" if errors else "")
        failed = int((~solution.certified).sum())
        panel.set_title(name + (f" (grey: {failed:,} without a maximum)" if failed else ""), loc="left")
    return grid if parameter is None and len(columns) > 1 else grid[0]


def verdicts(fits: Drawable, ax: Axes | None = None) -> Axes:
    """Draw the number of fits with each status: certified maxima, maxima at a limit (hatched), failures (cross-hatched).

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
    solution = many_data_sets(fits, "verdicts")
    codes, counts = np.unique(solution.outcome.status, return_counts=True)
    order = np.argsort(counts, kind="stable")
    found = [Status(int(codes[i])) for i in order]
    ax = axes_or_new(ax)
    for row, (status, count) in enumerate(zip(found, counts[order], strict=True)):
        limit = status.at_limit or status is Status.AT_DATA_EDGE
        color, hatch = (BLUE, "") if status.ok else (ORANGE, "//") if limit else (RED, "xx")
        ax.barh(row, count, height=0.62, color=color, hatch=hatch, edgecolor="white", lw=0)
        ax.text(
            count + 0.01 * counts.max(),
            row,
            f"{count:,} ({100 * count / solution.size:.3g} %)",
            va="center",
            fontsize=9,
        )
    ax.set_yticks(range(len(found)), [short_sentence(s) for s in found])
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(-0.6, max(len(found), 2) - 0.4)
    ax.set_xlim(0, 1.28 * counts.max())
    ax.xaxis.set_major_locator(whole_ticks(5))
    ax.set_xlabel("data sets")
    ax.set_title(f"{model_name(solution)}: {solution.size:,} fits", loc="left")
    return ax


# --- how -------------------------------------------------------------------------------------------------


def has_estimate(solution: Solution) -> Bool[np.ndarray, " B"]:
    """Return which fits have an estimate that can be drawn: a certified maximum, a limit or a data edge."""
    return solution.usable | (solution.outcome.status == Status.AT_DATA_EDGE)


def order_of(solution: Solution, j: int) -> Int[np.ndarray, " B"]:
    """Sort data sets by ascending estimate of natural value j; those without an estimate first."""
    return np.argsort(np.where(has_estimate(solution), solution.natural[:, j], -np.inf), kind="stable")


def _columns(solution: Solution, parameter: str | None, picture: str) -> list[int]:
    """Return the positions of the natural values to draw: that of `parameter`, or all."""
    names = solution.model.value_names
    if parameter is None:
        if len(names) > _MOST_PANELS:
            raise ValueError(
                f"{picture}: {len(names)} parameters are too many panels; choose one, such as {names[0]!r}"
            )
        return list(range(len(names)))
    if parameter not in names:
        raise ValueError(
            f"{picture}: there is no parameter {parameter!r}; expected one of {', '.join(map(repr, names))}"
        )
    return [names.index(parameter)]


def _names(solution: Solution, labels: Sequence[object] | None) -> list[str]:
    """Return the names of the data sets: the labels given, or the keys; "" where they are too many to be written."""
    size = solution.size
    if labels is None:
        return [solution.label(i) for i in range(size)] if size <= _MOST_LABELS else [""] * size
    if len(labels) != size:
        raise ValueError(f"forest: {len(labels)} labels for {size} data sets")
    return [str(x) for x in labels]


def _draw_forest(
    ax: Axes, x: Float[np.ndarray, " B"], low: Float[np.ndarray, " B"], high: Float[np.ndarray, " B"]
) -> None:
    """Draw estimates and intervals of one parameter from the bottom up; x is NaN where there is no estimate."""
    at = np.arange(len(x))
    bounded = np.isfinite(low) & np.isfinite(high)
    few = len(x) <= _MOST_LABELS
    ax.hlines(at[bounded], low[bounded], high[bounded], color=BLUE, lw=1.6 if few else float(np.clip(200 / len(x), 0.3, 1.2)), alpha=1 if few else 0.6)  # fmt: skip
    size = 5 if few else float(np.clip(300 / len(x), 1, 3))
    ax.plot(x[bounded], at[bounded], "o", color=BLUE if few else BLACK, ms=size, mec="none")
    unbounded = ~bounded & np.isfinite(x)
    ax.plot(x[unbounded], at[unbounded], "D", mfc="white", mec=ORANGE, ms=size + 0.5, label="at a limit: no interval" if unbounded.any() else "_none")  # fmt: skip
    failed = ~np.isfinite(x)
    if failed.any():
        ax.plot(np.full(failed.sum(), 0.02), at[failed], "x", color=RED, ms=size, transform=ax.get_yaxis_transform(), label="no maximum")  # fmt: skip
    ends = np.concatenate([x[np.isfinite(x)], low[bounded], high[bounded]])
    if len(ends):
        ax.set_xlim(_limits(ends, x[np.isfinite(x)]))
    ax.grid(axis="x", color="#e6e6e6", lw=0.6)
    ax.set_axisbelow(True)
    add_legend(ax, loc="best", frameon=True, framealpha=0.85, edgecolor="none")


def _limits(ends: Float[np.ndarray, " m"], centers: Float[np.ndarray, " B"]) -> tuple[float, float]:
    """Choose the ends of an axis for estimates `centers` and ends of intervals, without a few very long intervals."""
    a, b = np.quantile(centers, [0.25, 0.75])
    inner = np.quantile(ends, [0.05, 0.95])
    reach = max(8 * (b - a), 2 * (inner[1] - inner[0]))
    low, high = (ends.min(), ends.max()) if reach <= 0 else (max(ends.min(), a - reach), min(ends.max(), b + reach))
    margin = 0.04 * (high - low) or abs(low) * 0.1 or 1.0
    return float(low - margin), float(high + margin)


def _draw_reference(ax: Axes, solution: Solution, j: int, level: float) -> None:
    """Draw natural value j of a single fit as a line with its interval."""
    if not solution.single:
        raise ValueError("forest: reference= is a single fit of all rows, such as jaxmle.fit(model, all_rows)")
    ends = interval(solution, level)
    low, high = (solution.flat(e)[0, j] for e in (ends.lower, ends.upper))
    ax.axvspan(low, high, color=GREEN, alpha=0.15, lw=0)
    ax.axvline(solution.natural[0, j], color=GREEN, lw=1.3, ls="--", label="all rows together")
    add_legend(ax, loc="best", frameon=True, framealpha=0.85, edgecolor="none")


def _draw_histogram(ax: Axes, x: Float[np.ndarray, " m"], se: Float[np.ndarray, " m"], bins: ArrayLike | None) -> None:
    """Draw a histogram of estimates x with the normal curve of their median and median standard error."""
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
    draw_bars(ax, counts, edges, "estimates")
    typical = float(np.median(se[np.isfinite(se)])) if np.isfinite(se).any() else 0.0
    if typical > 0:
        grid = np.linspace(edges[0], edges[-1], 400)
        curve = np.exp(-0.5 * ((grid - m) / typical) ** 2) / (typical * np.sqrt(2 * np.pi))
        ax.plot(grid, curve * len(x) * np.diff(edges).mean(), color=BLUE, lw=1.8, label="spread by standard errors")
    ax.vlines(m, 0, counts.max(), color=BLACK, lw=1, ls="--", label=f"median {format_number(m)}")
    out = len(x) - len(near)
    ax.plot([], [], ls="none", label=f"{len(x):,} certified" + (f", {out:,} out of view" if out else ""))
    ax.margins(x=0.01)
    ax.yaxis.set_major_locator(whole_ticks(5))
    ax.set_ylim(0, 1.36 * ax.dataLim.y1)
    add_legend(ax, loc="upper center", ncols=2, fontsize=8, columnspacing=1.0)


def _draw_map(ax: Axes, image: Float[np.ndarray, "rows columns"], cmap: str | Colormap) -> None:
    """Draw an image with its color bar, NaN in grey."""
    finite = image[np.isfinite(image)]
    low, high = np.quantile(finite, [0.01, 0.99]) if len(finite) else (0.0, 1.0)
    if not low < high:
        low, high = (
            (finite.min(), finite.max()) if len(finite) and finite.min() < finite.max() else (low - 0.5, low + 0.5)
        )
    extend = ("neither", "min", "max", "both")[(bool((finite < low).any())) + 2 * bool((finite > high).any())]
    colors = matplotlib().get_cmap(cmap).with_extremes(bad="#c8c8c8")
    drawn = ax.imshow(np.ma.masked_invalid(image), cmap=colors, vmin=low, vmax=high, interpolation="nearest")
    ax.figure.colorbar(drawn, ax=ax, extend=extend, shrink=0.9, pad=0.02)
    ax.set_xlabel("column")
    ax.set_ylabel("row")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(whole_ticks(6))
    ax.spines[["top", "right"]].set_visible(True)
