"""One picture of whatever a fit is."""

from typing import Any

import numpy as np

from jaxmle.plot import style
from jaxmle.plot.batch import forest, histograms, order_of, verdicts
from jaxmle.plot.diagnostics import qq, residuals
from jaxmle.plot.distribution import cdf, density
from jaxmle.plot.lifetimes import survival
from jaxmle.plot.likelihood import history, profile
from jaxmle.plot.likelihood_contours import contours
from jaxmle.plot.sample import sample_of
from jaxmle.plot.style import attempt

_TITLES = {
    "density": "density",
    "cdf": "distribution function",
    "survival": "survival",
    "qq": "quantiles",
    "residuals": "residuals",
    "contours": "log-likelihood",
    "history": "ascent",
}
"Of panels, whose picture has the estimates on top."
_SHOWN = 3
"Parameters of a batch that are shown; the others one by one, by forest and histograms."


def overview(fit: Any, figure: Any = None, *, level: float = 0.95, labels: Any = None) -> Any:
    """The picture for what a fit is.

    A distribution: density, distribution function, QQ and profile (of counts with trials residuals in place of QQ);
    censored lifetimes: survival beside Kaplan and Meier's, density, QQ of residuals, profile; a model of one's own or a
    law of vectors: contours or profile, and the history; many fits: forest, histograms, verdicts. Panels that cannot be
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
    if not fit.solution.single:
        return _many(fit, figure, level, labels)
    if not _univariate(fit):
        return _own(fit, figure, level)
    sample = sample_of(fit, "overview")
    last = ("profile", profile, {"parameter": _shape_like(fit) if fit.model.free else None})
    whole = bool((sample.weights == np.round(sample.weights)).all())
    quantiles = ("qq", qq, {} if whole else {"band": None})
    if sample.response.intervals:
        shown = [("survival", survival, {}), ("density", density, {}), quantiles, last]
    elif sample.known:
        shown = [("density", density, {}), ("cdf", cdf, {}), ("residuals", residuals, {}), last]
    else:
        shown = [("density", density, {}), ("cdf", cdf, {}), quantiles, last]
    return _draw(fit, figure, shown, [["0", "1"], ["2", "3"]], level)


def _shape_like(fit: Any) -> str:
    """The parameter whose profile says most: one without the units of the data, or else the first."""
    names = fit.model.coordinate_names
    return next((n for n in names if n.partition("[")[0] in ("shape", "df", "dispersion", "concentration")), names[0])


def _own(fit: Any, figure: Any, level: float) -> dict[str, Any]:
    left = ("contours", contours, {"pair": tuple(fit.model.coordinate_names[:2])})
    if fit.model.free == 1:
        left = ("profile", profile, {})
    return _draw(fit, figure, [left, ("history", history, {})], [["0", "1"]], level)


def _draw(fit: Any, figure: Any, shown: Any, mosaic: Any, level: float) -> dict[str, Any]:
    grid = style.subpanels(figure, mosaic, size(fit))
    found = {}
    for n, (name, draw, options) in enumerate(shown):
        more = {} if name in ("residuals", "contours", "history") else {"level": level}
        ax = found[name] = grid[str(n)]
        attempt(ax, draw, fit, **options, **more)
        if name in _TITLES and ax.axison and not (name == "contours" and fit.model.free > 2):
            ax.set_title(_TITLES[name], loc="left")
    next(iter(found.values())).figure.suptitle(style.title_of(fit), x=0.01, ha="left", fontsize=12)
    return found


def _many(fits: Any, figure: Any, level: float, labels: Any) -> dict[str, Any]:
    style.many(fits, "overview")
    names = fits.names[:_SHOWN]
    tops, middles = [f"forest {n}" for n in names], [f"histogram {n}" for n in names]
    mosaic = [tops, middles, ["verdicts"] * len(names)]
    grid = style.subpanels(figure, mosaic, size(fits), height_ratios=_heights(fits))
    for name, panel in zip(names, tops, strict=True):
        order = order_of(fits, 0)
        attempt(grid[panel], forest, fits, name, level=level, labels=labels, sort=order)
        if panel != tops[0]:
            grid[panel].set_yticklabels([])
    for name, panel in zip(names, middles, strict=True):
        attempt(grid[panel], histograms, fits, name)
    attempt(grid["verdicts"], verdicts, fits)
    return grid


def _univariate(fit: Any) -> bool:
    return fit.model.response is not None and fit.model.response.univariate


def _heights(fits: Any) -> list[float]:
    """Of the rows of a batch's picture, in inches."""
    kinds = len(np.unique(fits.solution.outcome.status))
    return [
        float(np.clip(0.16 * len(fits) + 1.2, 2.6, 8.5)) if len(fits) <= 60 else 5.0,
        2.6,
        0.75 + 0.28 * max(kinds, 2),
    ]


def size(fit: Any) -> tuple[float, float]:
    """Of the picture, in inches."""
    if not fit.solution.single:
        return max(4.6 * min(len(fit.names), _SHOWN), 6.0), sum(_heights(fit)) + 0.4
    return 10.0, 7.6 if _univariate(fit) else 3.8
