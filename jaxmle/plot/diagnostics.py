"""Whether the distribution fits: QQ and PP plots with simulated bands, and quantile residuals."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from jaxmle._engine import ingest
from jaxmle._engine.solution import Solution
from jaxmle._util.arrays import Float, Int
from jaxmle.inference import simulate
from jaxmle.inference.predict import cdf, quantile
from jaxmle.plot.drawable import Drawable, check_usable, solution_of, title_of
from jaxmle.plot.sample import Sample, sample_of
from jaxmle.plot.simulated_bands import (
    MOST_SIMULATED,
    Key,
    normal_probability,
    normal_quantile,
    refitted,
    simulated_band,
)
from jaxmle.plot.style import (
    BLUE,
    GREY,
    ORANGE,
    RED,
    SKY,
    Axes,
    add_legend,
    axes_or_new,
    format_percent,
    format_weight,
    set_title,
    whole_ticks,
)

_MOST_POINTS = 300
"Order statistics that are drawn; of more these, the outermost among them."


def qq(
    fit: Drawable, ax: Axes | None = None, *, band: str | None = "pointwise", level: float = 0.95, replicates: int = 500,
    key: Key = None,
) -> Axes:  # fmt: skip
    """Draw quantiles of the data against those of the fitted distribution, with a simulated band.

    Points (Q(p_i), x_(i)) at p_i = (i - 1/2) / n. For the band, data sets are drawn from the fit, each is fitted anew, and
    the quantiles of U_(i) = F(x*_(i); its own fit) are mapped by Q to the band at p_i. So it allows for the estimation: it
    is narrower than one with known parameters. `"pointwise"`: each point alone is inside with probability `level`;
    `"simultaneous"`: all of them are (equal local levels). Counts, several columns and censored rows are drawn as
    quantile residuals against the standard normal.

    Args:
        fit: of one data set, to a distribution.
        ax: axes to draw on; a new figure by default.
        band: `"pointwise"`, `"simultaneous"` or None.
        level: of the band.
        replicates: data sets drawn and refitted; fewer, 50 at least, where more than 5e6 values would be drawn.
        key: a `jax.random` key or a whole number, 0 by default.

    Returns:
        the axes.

    Raises:
        TypeError, ValueError, RuntimeError: as in `density`; fractional weights have no band.

    Example:
        >>> import jaxmle as jm
        >>> ax = jm.plot.qq(jm.fit("exponential", [1.0, 2.0, 3.0, 5.0, 8.0]), replicates=50)
        >>> ax.get_xlabel(), ax.get_ylabel()
        ('fitted quantiles', 'quantiles of the data')

    Source: Wilk & Gnanadesikan 1968, *Biometrika* 55, 1-17; Aldor-Noiman, Brown, Buja, Rolke & Stine 2013, *The American
    Statistician* 67, 249-260 (simultaneous bands).
    """
    solution, sample = solution_of(fit), sample_of(fit, "qq")
    ranks = _ranks(solution, sample, "qq", band, level, replicates, key)
    ax = axes_or_new(ax)

    def at(p: Float[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
        return _padded(lambda q: quantile(solution, q).value, p) if sample.plain else normal_quantile(p)

    x, y = at(ranks.p), ranks.values if sample.plain else normal_quantile(ranks.u)
    ends = None if ranks.band is None else (at(ranks.band[0]), at(ranks.band[1]))
    _draw_points(ax, x, y, ends, f"{format_percent(level)} {band}")
    outside = _cut_far_points(ax, x, y) if sample.plain else 0
    ax.set_xlabel("fitted quantiles" if sample.plain else "standard normal quantiles")
    ax.set_ylabel("quantiles of the data" if sample.plain else "quantile residuals")
    _add_title_and_legend(ax, solution, sample, ranks, f"{outside} points out of view" if outside else "")
    return ax


def pp(
    fit: Drawable, ax: Axes | None = None, *, band: str | None = "pointwise", level: float = 0.95, replicates: int = 500,
    key: Key = None,
) -> Axes:  # fmt: skip
    """Draw fitted probabilities of the ordered data, F(x_(i)), against (i - 1/2) / n, with a simulated band.

    `qq` shows the tails, `pp` the middle. The band is that of `qq`. Of counts and censored rows the
    fitted probability is drawn uniformly from its step or its interval.

    Args:
        fit, ax, band, level, replicates, key: as in `qq`.

    Returns:
        the axes.

    Raises:
        TypeError, ValueError, RuntimeError: as in `qq`.

    Example:
        >>> import jaxmle as jm
        >>> ax = jm.plot.pp(jm.fit("exponential", [1.0, 2.0, 3.0, 5.0, 8.0]), band=None)
        >>> ax.get_ylabel()
        'fitted probability'

    Source: Wilk & Gnanadesikan 1968, *Biometrika* 55, 1-17.
    """
    solution, sample = solution_of(fit), sample_of(fit, "pp")
    ranks = _ranks(solution, sample, "pp", band, level, replicates, key)
    ax = axes_or_new(ax)
    _draw_points(ax, ranks.p, ranks.u, ranks.band, f"{format_percent(level)} {band}")
    ax.set_xlim(-0.01, 1.01)
    ax.set_ylim(-0.01, 1.01)
    ax.set_xlabel("empirical probability")
    ax.set_ylabel("fitted probability")
    _add_title_and_legend(ax, solution, sample, ranks)
    return ax


def residuals(fit: Drawable, ax: Axes | None = None, *, key: Key = None) -> Axes:
    """Draw quantile residuals in the order of the data: standard normal, without a pattern, where the model is right.

    r = Phi^-1(F(x)), drawn at random inside the step of a count and the interval of a censored row (hollow). Lines mark
    0 and 1.96 on both sides, between which 95 % should lie.

    Args:
        fit: of one data set, to a distribution.
        ax: axes to draw on; a new figure by default.
        key: of the random part, as in `Fit.residuals`.

    Returns:
        the axes.

    Raises:
        TypeError, ValueError, RuntimeError: as in `density`; a fit without a usable estimate has no residuals.

    Example:
        >>> import jaxmle as jm
        >>> ax = jm.plot.residuals(jm.fit("poisson", [0, 2, 1, 0, 3]))
        >>> ax.get_ylabel()
        'quantile residual'

    Source: Dunn & Smyth 1996, *Journal of Computational and Graphical Statistics* 5, 236-244.
    """
    solution, sample = solution_of(fit), sample_of(fit, "residuals")
    check_usable(solution, "residuals")
    ax = axes_or_new(ax)
    r = simulate.residuals(solution, key)
    r = r[~np.isnan(r)]
    number, hollow = np.arange(1, len(r) + 1), ~sample.exact
    size, alpha = float(np.clip(60 / np.sqrt(len(r)), 1, 5)), float(np.clip(3000 / len(r), 0.15, 0.9))
    look: dict[str, Any] = {"ls": "none", "marker": "o", "ms": size, "alpha": alpha, "rasterized": len(r) > 5000}
    ax.axhspan(-1.96, 1.96, color=SKY, alpha=0.18, lw=0, label="95 % of a normal")
    ax.axhline(0, color=GREY, lw=0.8)
    ax.plot(number[~hollow], r[~hollow], color=BLUE, mec="none", label="exact" if hollow.any() else "_exact", **look)
    if hollow.any():
        ax.plot(number[hollow], r[hollow], mfc="white", mec=ORANGE, label="censored, at random", **look)
    reach = 1.12 * max(3.0, float(np.abs(r[np.isfinite(r)]).max(initial=0)))
    ax.set_ylim(-reach, reach * (1.25 if hollow.any() else 1.12))
    ax.set_xlim(0.5 - 0.02 * len(r), len(r) + 0.5 + 0.02 * len(r))
    ax.xaxis.set_major_locator(whole_ticks(7))
    ax.set_xlabel("row")
    ax.set_ylabel("quantile residual")
    set_title(ax, title_of(solution))
    add_legend(ax, loc="upper right", ncols=3, fontsize=8.5, columnspacing=1.2)
    return ax


# --- how -------------------------------------------------------------------------------------------------


class _Ranks(NamedTuple):
    """Order statistics of a data set.

    Attributes:
        p: the probabilities that they should have.
        values: of the data, or their quantile residuals.
        u: the fitted probabilities.
        band: its lower and upper end, or None.
        refits: how many simulated data sets the band comes from.
        failed: refits that found no maximum.
    """

    p: Float[np.ndarray, " m"]
    values: Float[np.ndarray, " m"]
    u: Float[np.ndarray, " m"]
    band: tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"]] | None
    refits: int
    failed: int


def _ranks(
    solution: Solution, sample: Sample, picture: str, band: str | None, level: float, replicates: int, key: Key
) -> _Ranks:
    """Compute the order statistics of a data set under its fit, with a band from refits where one is asked for."""
    if band not in ("pointwise", "simultaneous", None):
        raise ValueError(f"{picture}: band={band!r}; expected 'pointwise', 'simultaneous' or None")
    if not 0 < level < 1:
        raise ValueError(f"{picture}: level={level}; expected a probability between 0 and 1, such as 0.95")
    check_usable(solution, picture)
    if sample.total > 4 * MOST_SIMULATED:
        raise ValueError(f"{picture}: {sample.total:g} rows are too many to draw anew; draw cdf(fit) or density(fit)")
    if sample.plain:
        order = np.argsort(sample.lower, kind="stable")
        values, weights = sample.lower[order], sample.weights[order]
    else:
        r = simulate.residuals(_row_by_row(solution) if sample.whole else solution, key)
        r = r[~np.isnan(r)]
        order = np.argsort(r, kind="stable")
        values, weights = r[order], np.ones(len(r)) if sample.whole else sample.weights[order]
    share = np.cumsum(weights)
    n = max(round(share[-1]), 1)
    ranks = _ranks_to_draw(n)
    p = (ranks + 0.5) / n
    values = values[np.minimum(np.searchsorted(share, p * share[-1]), len(values) - 1)]
    u = _padded(lambda x: cdf(solution, x).value, values) if sample.plain else normal_probability(values)
    if band is None:
        return _Ranks(p, values, u, None, 0, 0)
    found = refitted(solution, sample.plain, ranks, replicates, key)
    good = np.isfinite(found).all(1)
    refits, failed = len(found), int((~good).sum())
    if good.sum() < 20:
        raise ValueError(
            f"{picture}: {failed} of {refits} refits found no maximum, which leaves no band; draw band=None"
        )
    return _Ranks(p, values, u, simulated_band(found[good], band, level), refits, failed)


def _row_by_row(solution: Solution) -> Solution:
    """Repeat the rows of one data set as often as their weights say, so that each has a residual of its own."""
    weights = solution.batch.data_set(0)[1]
    if np.isin(weights, [0, 1]).all():
        return solution
    return dataclasses.replace(
        solution, batch=ingest.single(simulate.to_draw(solution)[0], None, weights.dtype, "keep")
    )


def _ranks_to_draw(n: int) -> Int[np.ndarray, " m"]:
    """Choose ranks among 0 ... n - 1: all, or of many the outermost and some between."""
    if n <= _MOST_POINTS:
        return np.arange(n)
    tail = _MOST_POINTS // 6
    ends = np.unique(np.round(np.geomspace(1, n // 2, tail)).astype(int)) - 1
    return np.unique(np.concatenate([ends, n - 1 - ends, np.linspace(0, n - 1, _MOST_POINTS - 2 * tail).astype(int)]))


def _draw_points(
    ax: Axes,
    x: Float[np.ndarray, " m"],
    y: Float[np.ndarray, " m"],
    band: tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"]] | None,
    label: str,
) -> None:
    """Draw y against x with the diagonal and the band, its name in `label`; points outside the band are red."""
    ends = np.array([np.nanmin(x), np.nanmax(x)])
    if len(x) == 1:
        ends = ends + np.array([-0.5, 0.5]) * (abs(ends[0]) or 1)
    outside = np.zeros(len(x), bool)
    if band is not None:
        low, high = band
        outside = (y < low) | (y > high)
        ax.fill_between(x, low, high, color=SKY, alpha=0.3, lw=0, label=label)
        for end in band:
            ax.plot(x, end, color=SKY, lw=0.8, label="_band")
    ax.plot(ends, ends, color=GREY, lw=1, ls="--", label="_line")
    size = float(np.clip(45 / np.sqrt(len(x)), 2.2, 5))
    ax.plot(x[~outside], y[~outside], "o", color=BLUE, mec="none", ms=size, label="_points")
    if outside.any():
        ax.plot(x[outside], y[outside], "D", color=RED, mec="none", ms=size, label="outside")


def _cut_far_points(ax: Axes, x: Float[np.ndarray, " m"], y: Float[np.ndarray, " m"]) -> int:
    """Limit the axes to twenty quartile ranges beyond the quartiles, and return how many points lie outside."""
    outside = np.zeros(len(x), bool)
    for values, set_limits, other in ((x, ax.set_xlim, y), (y, ax.set_ylim, x)):
        a, b = np.quantile(values, [0.25, 0.75])
        reach = 20 * (b - a)
        low, high = max(min(values.min(), other.min()), a - reach), min(max(values.max(), other.max()), b + reach)
        if reach > 0:
            margin = 0.04 * (high - low)
            set_limits(low - margin, high + margin)
            outside |= (values < low) | (values > high)
    return int(outside.sum())


def _add_title_and_legend(ax: Axes, solution: Solution, sample: Sample, ranks: _Ranks, remark: str = "") -> None:
    """Add the title and a legend that ends with the number of rows, the refits and a remark."""
    set_title(ax, title_of(solution))
    text = f"n = {format_weight(sample.total)}" + (f"; {ranks.refits} refits" if ranks.refits else "")
    if ranks.failed:
        text += f",\n{ranks.failed} of them without a maximum"
    ax.plot([], [], ls="none", label=text + (f"\n{remark}" if remark else ""))
    add_legend(ax, loc="upper left")


def _padded(function: Callable[[np.ndarray], np.ndarray], x: Float[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
    """Evaluate `function` at x, padded to a fixed number of points so that it compiles once."""
    return np.asarray(function(np.concatenate([x, np.full(_MOST_POINTS + 20 - len(x), x[-1])])))[: len(x)]
