"""Censored lifetimes: the fitted survival beside Kaplan and Meier's."""

import numpy as np

from jaxmle.inference.predict import sf
from jaxmle.plot.distribution import empirical
from jaxmle.plot.drawable import Drawable, distribution_name, is_usable, solution_of, title_of
from jaxmle.plot.empirical import kaplan_meier
from jaxmle.plot.sample import GRID, fitted_quantiles, sample_of, view
from jaxmle.plot.style import (
    BLACK,
    BLUE,
    GREY,
    RED,
    SKY,
    Axes,
    add_legend,
    axes_or_new,
    format_percent,
    format_weight,
    set_title,
)


def survival(fit: Drawable, ax: Axes | None = None, *, level: float | None = 0.95) -> Axes:
    """Draw the fitted survival P(X > x) with Kaplan and Meier's estimate, and mark the censoring times.

    S(t) = product over t_i <= t of (1 - d_i / n_i), its pointwise band by Greenwood's variance on the scale
    log(-log S). Where rows are known to lie in intervals, Turnbull's estimate takes its place: straight inside intervals
    whose mass could lie anywhere, and without a band.

    Args:
        fit: of one data set, to a distribution of one number.
        ax: axes to draw on; a new figure by default.
        level: of both bands; None draws none.

    Returns:
        the axes.

    Raises:
        TypeError, ValueError, RuntimeError: as in `density`.

    Example:
        >>> import jaxmle as jm, numpy as np
        >>> fit = jm.fit("exponential", {"lower": [1.0, 2.0, 3.0, 4.0], "upper": [1.0, 2.0, np.inf, 4.0]})
        >>> jm.plot.survival(fit).get_ylabel()
        'probability to exceed x'

    Source: Kaplan & Meier 1958, *Journal of the American Statistical Association* 53, 457-481; Turnbull 1976, *Journal of
    the Royal Statistical Society B* 38, 290-295; Kalbfleisch & Prentice 2002, section 1.4 (the band).
    """
    solution, sample = solution_of(fit), sample_of(fit, "survival", columns=False)
    ax = axes_or_new(ax)
    low, high = view(sample, fitted_quantiles(solution, sample))
    low = min(low, 0.0) if low < 0.25 * high and not sample.response.support(-1.0, {}) else low
    right = np.isposinf(sample.upper) & np.isfinite(sample.lower)
    if sample.right_only:
        km = kaplan_meier(sample.lower, sample.exact, sample.weights, 0.95 if level is None else level)
        x, s = np.concatenate([[low], km.time]), np.concatenate([[1.0], km.survival])
        ax.plot(x, s, drawstyle="steps-post", color=BLACK, lw=1.3, label="Kaplan-Meier")
        if level is not None and sample.total > 1:
            lower, upper = (
                np.concatenate([[1.0], np.where(km.survival == 1, 1.0, end)]) for end in (km.lower, km.upper)
            )
            label = f"its {format_percent(level)} band"
            ax.fill_between(x, lower, upper, step="post", color="#b0b0b0", alpha=0.35, lw=0, label=label)
        marks = np.unique(sample.lower[right])
        at = km.survival[np.searchsorted(km.time, marks)]
    else:
        x, f, name = empirical(sample)
        ax.plot(np.concatenate([[low], x]), 1 - np.concatenate([[0.0], f]), color=BLACK, lw=1.3, label=name)
        marks = np.unique(sample.lower[right])
        at = 1 - np.interp(marks, x, f)
    if len(marks):
        ax.plot(marks, at, "|", color=RED, ms=9, mew=1.6, zorder=4, label="censored")
    if is_usable(solution):
        grid = np.linspace(low, high, GRID)
        found = sf(solution, grid)
        style = "steps-post" if sample.response.discrete else "default"
        text = distribution_name(solution)
        ax.plot(grid, found.value, color=BLUE, lw=2, ls="--", drawstyle=style, label=text)
        if level is not None and np.isfinite(found.lower).any():
            ax.fill_between(
                grid, found.lower, found.upper, color=SKY, alpha=0.3, lw=0, label=f"its {format_percent(level)} band"
            )
    ax.axhline(0, color=GREY, lw=0.6)
    ax.set_xlim(low, high)
    ax.set_ylim(-0.02, 1.03)
    ax.set_xlabel(sample.label)
    ax.set_ylabel("probability to exceed x")
    set_title(ax, title_of(solution))
    exact = sample.weights[sample.exact].sum()
    ax.plot([], [], ls="none", label=f"n = {format_weight(sample.total)}, {format_weight(exact)} exact")
    add_legend(ax, loc="upper right")
    return ax
