"""One picture of whatever a fit is."""

from typing import Any

import numpy as np

from jaxmle.models import Censored
from jaxmle.plot import _style
from jaxmle.plot._checks import qq, residuals
from jaxmle.plot._distribution import cdf, density
from jaxmle.plot._likelihood import contours, history, profile
from jaxmle.plot._many import _chosen, forest, histograms, verdicts
from jaxmle.plot._sample import sample_of
from jaxmle.plot._style import attempt
from jaxmle.plot._survival import survival


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
    if not fit._single:
        return _many(fit, figure, level, labels)
    try:
        sample = sample_of(fit, "overview")
    except TypeError:
        return _own(fit, figure, level)
    first = fit.model.coordinate_names[:1]
    last = ("profile", profile, {"parameter": _shape_like(fit) if first else None})
    if isinstance(fit.model.log_likelihood, Censored):
        shown = [("survival", survival, {}), ("density", density, {}), ("qq", qq, {}), last]
    elif sample.known:
        shown = [("density", density, {}), ("cdf", cdf, {}), ("residuals", residuals, {}), last]
    else:
        shown = [("density", density, {}), ("cdf", cdf, {}), ("qq", qq, {}), last]
    return _draw(fit, figure, shown, [["0", "1"], ["2", "3"]], (10.0, 7.6), level)


def _shape_like(fit: Any) -> str:
    """The parameter whose profile says most: one without the units of the data, or else the first."""
    names = fit.model.coordinate_names
    return next((n for n in names if n.partition("[")[0] in ("shape", "df", "dispersion", "concentration")), names[0])


def _own(fit: Any, figure: Any, level: float) -> dict[str, Any]:
    left = ("contours", contours, {"pair": tuple(fit.model.coordinate_names[:2])})
    if fit.model.free == 1:
        left = ("profile", profile, {})
    return _draw(fit, figure, [left, ("history", history, {})], [["0", "1"]], (10.0, 4.0), level)


def _draw(fit: Any, figure: Any, shown: Any, mosaic: Any, size: Any, level: float) -> dict[str, Any]:
    grid = _style.subpanels(figure, mosaic, size)
    found = {}
    for n, (name, draw, options) in enumerate(shown):
        more = {} if name in ("residuals", "contours", "history") else {"level": level}
        attempt(grid[str(n)], draw, fit, **options, **more)
        found[name] = grid[str(n)]
    return found


def _many(fits: Any, figure: Any, level: float, labels: Any) -> dict[str, Any]:
    _style.many(fits, "overview")
    names = fits.names[:3]
    for name in names:
        _chosen(fits, name, "overview")
    tops, middles = [f"forest {n}" for n in names], [f"histogram {n}" for n in names]
    mosaic = [tops, middles, ["verdicts"] * len(names)]
    kinds = len(np.unique(fits._outcome.status))
    heights = [float(np.clip(0.16 * min(len(fits), 60) + 1.2, 2.6, 8.5)), 2.6, 0.75 + 0.28 * max(kinds, 2)]
    size = (max(4.6 * len(names), 6.0), sum(heights) + 0.4)
    grid = _style.subpanels(figure, mosaic, size, height_ratios=heights)
    attempt(grid[tops[0]], _forests, fits, [grid[n] for n in tops], level, labels)
    for name, panel in zip(names, middles, strict=True):
        attempt(grid[panel], histograms, fits, name)
    attempt(grid["verdicts"], verdicts, fits)
    return grid


def _forests(fits: Any, grid: list[Any], level: float, labels: Any, ax: Any) -> None:
    if len(grid) == len(fits.names):
        forest(fits, ax=grid, level=level, labels=labels)
    else:
        for each, name in zip(grid, fits.names, strict=False):
            forest(fits, name, each, level=level, labels=labels)
