"""The overview: one picture that suits whatever was fitted."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jaxmle._engine.solution import Solution
from jaxmle.plot.batch import forest, histograms, order_of, verdicts
from jaxmle.plot.diagnostics import qq, residuals
from jaxmle.plot.distribution import cdf, density
from jaxmle.plot.drawable import Drawable, many_data_sets, solution_of, title_of
from jaxmle.plot.lifetimes import survival
from jaxmle.plot.likelihood import history, profile
from jaxmle.plot.likelihood_contours import contours
from jaxmle.plot.sample import sample_of
from jaxmle.plot.style import Axes, Figure, SubFigure, draw_or_explain, named_panels

Panel = tuple[str, Callable[..., object], dict[str, Any]]
"Name of a panel, the function that draws it, and its options."

_TITLES = {
    "density": "density",
    "cdf": "distribution function",
    "survival": "survival",
    "qq": "quantiles",
    "residuals": "residuals",
    "contours": "log-likelihood",
    "history": "ascent",
}
"Titles of panels; the estimates are in the title of the figure."
_MOST_PARAMETERS = 3
"Parameters of a batch that are drawn at most; forest and histograms draw the others."


def overview(
    fit: Drawable,
    figure: Figure | SubFigure | None = None,
    *,
    level: float = 0.95,
    labels: Sequence[object] | None = None,
) -> dict[str, Axes]:
    """Draw the panels that suit a fit.

    A distribution: density, distribution function, QQ and profile (of counts with trials residuals in place of QQ);
    censored lifetimes: survival beside Kaplan and Meier's, density, QQ of residuals, profile; a model of one's own or a
    distribution of vectors: contours or profile, and the history; many fits: forest, histograms, verdicts. Panels that cannot be
    drawn say why.

    Args:
        fit: of one data set or of many.
        figure: a matplotlib Figure or SubFigure to draw on; a new one by default.
        level: of bands and intervals.
        labels: names of the data sets of a batch, in place of their keys.

    Returns:
        the axes, a dict by name.

    Example:
        >>> import jaxmle as jm
        >>> fits = jm.fit_many("exponential", [1.0, 3.0, 2.0, 4.0, 6.0], groups=["a", "a", "b", "b", "b"])
        >>> sorted(jm.plot.overview(fits))
        ['forest rate', 'histogram rate', 'verdicts']
    """
    solution = solution_of(fit)
    if not solution.single:
        return _draw_batch(solution, figure, level, labels)
    if not _is_univariate(solution):
        return _draw_likelihood(solution, figure, level)
    sample = sample_of(solution, "overview")
    last: Panel = ("profile", profile, {"parameter": _unitless_parameter(solution) if solution.model.free else None})
    quantiles: Panel = ("qq", qq, {} if sample.whole else {"band": None})
    panels: list[Panel]
    if sample.response.intervals:
        panels = [("survival", survival, {}), ("density", density, {}), quantiles, last]
    elif sample.known:
        panels = [("density", density, {}), ("cdf", cdf, {}), ("residuals", residuals, {}), last]
    else:
        panels = [("density", density, {}), ("cdf", cdf, {}), quantiles, last]
    return _draw(solution, figure, panels, [["0", "1"], ["2", "3"]], level)


def _unitless_parameter(solution: Solution) -> str:
    """Return the parameter whose profile tells most: the first without the units of the data, or else the first."""
    names = solution.model.coordinate_names
    return next((n for n in names if n.partition("[")[0] in ("shape", "df", "dispersion", "concentration")), names[0])


def _draw_likelihood(solution: Solution, figure: Figure | SubFigure | None, level: float) -> dict[str, Axes]:
    """Draw the contours or the profile of a log-likelihood, and the history of its ascent."""
    first: Panel = ("contours", contours, {"pair": tuple(solution.model.coordinate_names[:2])})
    if solution.model.free == 1:
        first = ("profile", profile, {})
    return _draw(solution, figure, [first, ("history", history, {})], [["0", "1"]], level)


def _draw(
    solution: Solution, figure: Figure | SubFigure | None, panels: list[Panel], mosaic: list[list[str]], level: float
) -> dict[str, Axes]:
    """Draw panels of one data set in a mosaic of their numbers, with the estimates as the title of all."""
    grid = named_panels(figure, mosaic, size(solution))
    found = {}
    for n, (name, draw, options) in enumerate(panels):
        more = {} if name in ("residuals", "contours", "history") else {"level": level}
        ax = found[name] = grid[str(n)]
        draw_or_explain(ax, draw, solution, **options, **more)
        if name in _TITLES and ax.axison and not (name == "contours" and solution.model.free > 2):
            ax.set_title(_TITLES[name], loc="left")
    next(iter(found.values())).figure.suptitle(title_of(solution), x=0.01, ha="left", fontsize=12)
    return found


def _draw_batch(
    solution: Solution, figure: Figure | SubFigure | None, level: float, labels: Sequence[object] | None
) -> dict[str, Axes]:
    """Draw forest and histogram of each parameter over the verdicts."""
    many_data_sets(solution, "overview")
    names = solution.model.value_names[:_MOST_PARAMETERS]
    upper, middle = [f"forest {n}" for n in names], [f"histogram {n}" for n in names]
    mosaic = [upper, middle, ["verdicts"] * len(names)]
    grid = named_panels(figure, mosaic, size(solution), height_ratios=_heights(solution))
    for name, panel in zip(names, upper, strict=True):
        order = order_of(solution, 0)
        draw_or_explain(grid[panel], forest, solution, name, level=level, labels=labels, sort=order)
        if panel != upper[0]:
            grid[panel].set_yticklabels([])
    for name, panel in zip(names, middle, strict=True):
        draw_or_explain(grid[panel], histograms, solution, name)
    draw_or_explain(grid["verdicts"], verdicts, solution)
    return grid


def _is_univariate(solution: Solution) -> bool:
    """Return whether a distribution of one number was fitted."""
    return solution.model.response is not None and solution.model.response.univariate


def _heights(solution: Solution) -> list[float]:
    """Compute the heights of the rows of a batch's overview, in inches."""
    kinds = len(np.unique(solution.outcome.status))
    few = solution.size <= 60
    return [float(np.clip(0.16 * solution.size + 1.2, 2.6, 8.5)) if few else 5.0, 2.6, 0.75 + 0.28 * max(kinds, 2)]


def size(fit: Drawable) -> tuple[float, float]:
    """Compute the width and height of an overview, in inches."""
    solution = solution_of(fit)
    if not solution.single:
        width = max(4.6 * min(len(solution.model.value_names), _MOST_PARAMETERS), 6.0)
        return width, sum(_heights(solution)) + 0.4
    return 10.0, 7.6 if _is_univariate(solution) else 3.8
