"""Does the law fit? Quantiles and probabilities against each other with simulated bands, and residuals."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxmle._engine import ingest
from jaxmle._engine.multistart import as_key
from jaxmle._engine.plan import Plan
from jaxmle._engine.solution import Solution
from jaxmle._engine.solve import solve
from jaxmle._util.compile import compiled, compiled_with, in_float64
from jaxmle._util.records import join, split
from jaxmle.inference.predict import cdf
from jaxmle.inference.simulate import residuals as residuals_of
from jaxmle.inference.simulate import to_draw
from jaxmle.plot import style as _style
from jaxmle.plot.sample import Sample, fitted, sample_of
from jaxmle.plot.style import BLUE, GREY, ORANGE, SKY, head, legend, percent, title_of

_SHOWN = 300
"Order statistics that are drawn; of more these, the outermost among them."
_DRAWN = 5_000_000
"Values that are simulated at most."
_AT_ONCE = 2_000_000


def qq(
    fit: Any, ax: Any = None, *, band: str | None = "pointwise", level: float = 0.95, replicates: int = 500, key: Any = None
) -> Any:  # fmt: skip
    """Quantiles of the data against those of the fitted law, with a band that simulation gives.

    Points (Q(p_i), x_(i)) at p_i = (i - 1/2) / n. For the band, data sets are drawn from the fit, each is fitted anew, and
    U_(i) = F(x*_(i); its own fit) is collected; the band at p_i is Q of its quantiles. So it allows for the estimation: it
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
    sample, ranks = _ranks(fit, "qq", band, level, replicates, key)
    ax = _style.axes(ax)
    plain = not (sample.response.discrete or sample.known or sample.censored)

    def quantile(p: np.ndarray) -> np.ndarray:
        return np.asarray(_padded(lambda q: fit.quantile(q).value, p) if plain else _normal(p))

    x, y = quantile(ranks.p), ranks.values if plain else _normal(ranks.u)
    low, high = (None, None) if ranks.low is None else (quantile(ranks.low), quantile(ranks.high))
    _against(ax, x, y, low, high, band, level)
    out = 0
    if plain:
        out = _robust_limits(ax, x, y)
    ax.set_xlabel("fitted quantiles" if plain else "standard normal quantiles")
    ax.set_ylabel("quantiles of the data" if plain else "quantile residuals")
    _finish(fit, ax, sample, ranks, f"{out} points out of view" if out else "")
    return ax


def pp(
    fit: Any, ax: Any = None, *, band: str | None = "pointwise", level: float = 0.95, replicates: int = 500, key: Any = None
) -> Any:  # fmt: skip
    """Fitted probabilities of the ordered data, F(x_(i)), against (i - 1/2) / n, with a band that simulation gives.

    Where `qq` looks at the tails, this looks at the middle. The band is that of `qq`. Of counts and censored rows the
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
    sample, ranks = _ranks(fit, "pp", band, level, replicates, key)
    ax = _style.axes(ax)
    _against(ax, ranks.p, ranks.u, ranks.low, ranks.high, band, level)
    ax.set_xlim(-0.01, 1.01)
    ax.set_ylim(-0.01, 1.01)
    ax.set_xlabel("empirical probability")
    ax.set_ylabel("fitted probability")
    _finish(fit, ax, sample, ranks)
    return ax


def residuals(fit: Any, ax: Any = None, *, key: Any = None) -> Any:
    """Quantile residuals in the order of the data: standard normal and without a pattern where the law is right.

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
    sample = sample_of(fit, "residuals")
    _need_fit(fit, "residuals")
    ax = _style.axes(ax)
    r = fit.residuals(key)
    r = r[~np.isnan(r)]
    number, hollow = np.arange(1, len(r) + 1), ~sample.exact
    size, alpha = float(np.clip(60 / np.sqrt(len(r)), 1, 5)), float(np.clip(3000 / len(r), 0.15, 0.9))
    style = {"ls": "none", "marker": "o", "ms": size, "alpha": alpha, "rasterized": len(r) > 5000}
    ax.axhspan(-1.96, 1.96, color=SKY, alpha=0.18, lw=0, label="95 % of a normal")
    ax.axhline(0, color=GREY, lw=0.8)
    ax.plot(number[~hollow], r[~hollow], color=BLUE, mec="none", label="exact" if hollow.any() else "_exact", **style)
    if hollow.any():
        ax.plot(number[hollow], r[hollow], mfc="white", mec=ORANGE, label="censored, at random", **style)
    reach = 1.12 * max(3.0, float(np.abs(r[np.isfinite(r)]).max(initial=0)))
    ax.set_ylim(-reach, reach * (1.25 if hollow.any() else 1.12))
    ax.set_xlim(0.5 - 0.02 * len(r), len(r) + 0.5 + 0.02 * len(r))
    ax.xaxis.set_major_locator(_style.matplotlib("ticker").MaxNLocator(integer=True, nbins=7))
    ax.set_xlabel("row")
    ax.set_ylabel("quantile residual")
    head(ax, title_of(fit))
    legend(ax, loc="upper right", ncols=3, fontsize=8.5, columnspacing=1.2)
    return ax


# --- how -------------------------------------------------------------------------------------------------


class _Ranks(NamedTuple):
    """Order statistics of a data set: probabilities they should have, data, fitted probabilities, band, and refits lost."""

    p: np.ndarray
    values: np.ndarray
    u: np.ndarray
    low: Any
    high: Any
    refits: int
    lost: int


def _need_fit(fit: Any, what: str) -> None:
    if not fitted(fit):
        raise ValueError(
            f"{what} needs a fitted law, and this fit has none: {fit.message()}; draw density(fit) or cdf(fit)"
        )


def _ranks(fit: Any, what: str, band: Any, level: float, replicates: int, key: Any) -> tuple[Sample, _Ranks]:
    if band not in ("pointwise", "simultaneous", None):
        raise ValueError(f"{what}: band={band!r}; expected 'pointwise', 'simultaneous' or None")
    if not 0 < level < 1:
        raise ValueError(f"{what}: level={level}; expected a probability between 0 and 1, such as 0.95")
    sample = sample_of(fit, what)
    _need_fit(fit, what)
    if sample.total > 4 * _DRAWN:
        raise ValueError(f"{what}: {sample.total:g} rows are too many to draw anew; draw cdf(fit) or density(fit)")
    plain = not (sample.response.discrete or sample.known or sample.censored)
    if plain:
        order = np.argsort(sample.lower, kind="stable")
        values, weights = sample.lower[order], sample.weights[order]
    else:
        whole = bool((sample.weights == np.round(sample.weights)).all())
        r = residuals_of(_row_by_row(fit.solution) if whole else fit.solution, key)
        r = r[~np.isnan(r)]
        order = np.argsort(r, kind="stable")
        values, weights = r[order], np.ones(len(r)) if whole else sample.weights[order]
    share = np.cumsum(weights)
    n = max(round(share[-1]), 1)
    ranks = _chosen(n)
    p = (ranks + 0.5) / n
    values = values[np.minimum(np.searchsorted(share, p * share[-1]), len(values) - 1)]
    u = np.asarray(_padded(lambda x: fit.cdf(x).value, values)) if plain else _probability(values)
    low = high = None
    used = lost = 0
    if band is not None:
        found = _refitted(fit, plain, ranks, replicates, key)
        good = np.isfinite(found).all(1)
        used, lost = len(found), int((~good).sum())
        if good.sum() < 20:
            raise ValueError(f"{what}: {lost} of {used} refits found no maximum, which leaves no band; draw band=None")
        low, high = _band(found[good], band, level)
    return sample, _Ranks(p, values, u, low, high, used, lost)


def _row_by_row(solution: Solution) -> Solution:
    """Give the data of one fit a row for each unit of weight, so that residuals are drawn for each."""
    weights = solution.batch.data_set(0)[1]
    if np.isin(weights, [0, 1]).all():
        return solution
    return dataclasses.replace(solution, batch=ingest.single(to_draw(solution)[0], None, weights.dtype, "keep"))


def _chosen(n: int) -> np.ndarray:
    """Ranks 0 ... n - 1, or of many the outermost and some between."""
    if n <= _SHOWN:
        return np.arange(n)
    tail = _SHOWN // 6
    ends = np.unique(np.round(np.geomspace(1, n // 2, tail)).astype(int)) - 1
    return np.unique(np.concatenate([ends, n - 1 - ends, np.linspace(0, n - 1, _SHOWN - 2 * tail).astype(int)]))


def _refitted(fit: Any, plain: bool, ranks: np.ndarray, replicates: int, key: Any) -> np.ndarray:
    """U_(i) of data sets drawn from the fit under their own refits, f[R, m]; NaN where a refit found no maximum."""
    if fit.model.simulate is None:
        raise TypeError(f"model {fit.model.name} does not say how to simulate, which the band needs; draw band=None")
    data, n = to_draw(fit.solution)
    replicates = int(min(replicates, max(50, _DRAWN // n)))
    width = min(replicates, max(1, _AT_ONCE // n))
    skeleton, numbers = split(fit.model)
    plan = Plan(start=fit.params if fit.converged else None, retries=3)
    keys = jax.random.split(as_key(key), -(-replicates // width) * width).reshape(-1, width)
    parts = []
    for some in keys:
        drawn = _draw(skeleton, numbers, some, fit.params, data)
        if plain:
            drawn = np.sort(drawn, axis=1)
        refits = solve(fit.model, ingest.rectangular(drawn, None, None, plan.dtype, "status"), plan)
        if plain:
            parts.append(cdf(refits, drawn[:, ranks]).value)
        else:
            parts.append(_probability(np.sort(residuals_of(refits, key), axis=1)[:, ranks]))
    return np.concatenate(parts)[:replicates]


@in_float64
def _draw(skeleton: Any, numbers: Any, keys: Any, params: Any, data: Any) -> Any:
    return jax.tree.map(np.asarray, _drawn(skeleton, numbers, keys, params, data))


@compiled_with(static_argnums=0)
def _drawn(skeleton: Any, numbers: Any, keys: Any, params: Any, data: Any) -> Any:
    model = join(skeleton, numbers)
    return jax.vmap(lambda k: model.simulate(k, params, data))(keys)


def _band(found: np.ndarray, band: str, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper ends, f[m] each, from replicates f[R, m]."""
    tail = 0.5 * (1 - level)
    ordered = np.sort(found, axis=0)
    if band == "simultaneous":
        # The local level at which the share `level` of the replicates is inside everywhere.
        rank = np.argsort(np.argsort(found, axis=0), axis=0)
        depth = np.minimum(rank, len(found) - 1 - rank).min(1)
        k = int(np.sort(depth)[int(np.floor((1 - level) * len(found)))])
        return ordered[k], ordered[len(found) - 1 - k]
    low, high = np.quantile(ordered, [tail, 1 - tail], axis=0)
    return low, high


def _against(ax: Any, x: np.ndarray, y: np.ndarray, low: Any, high: Any, band: Any, level: float) -> None:
    ends = np.array([np.nanmin(x), np.nanmax(x)])
    if len(x) == 1:
        ends = ends + np.array([-0.5, 0.5]) * (abs(ends[0]) or 1)
    if low is not None:
        ax.fill_between(x, low, high, color=SKY, alpha=0.3, lw=0, label=f"{percent(level)} {band}")
        for end in (low, high):
            ax.plot(x, end, color=SKY, lw=0.8, label="_band")
    ax.plot(ends, ends, color=GREY, lw=1, ls="--", label="_line")
    outside = np.zeros(len(x), bool) if low is None else (y < low) | (y > high)
    size = float(np.clip(45 / np.sqrt(len(x)), 2.2, 5))
    ax.plot(x[~outside], y[~outside], "o", color=BLUE, mec="none", ms=size, label="_points")
    if outside.any():
        ax.plot(x[outside], y[outside], "D", color=_style.RED, mec="none", ms=size, label="outside")


def _robust_limits(ax: Any, x: np.ndarray, y: np.ndarray) -> int:
    """Cuts the view, where a few quantiles are far from all others, to twenty quartile ranges; how many are outside."""
    out = np.zeros(len(x), bool)
    for values, put, other in ((x, ax.set_xlim, y), (y, ax.set_ylim, x)):
        a, b = np.quantile(values, [0.25, 0.75])
        reach = 20 * (b - a)
        low, high = max(min(values.min(), other.min()), a - reach), min(max(values.max(), other.max()), b + reach)
        if reach > 0:
            margin = 0.04 * (high - low)
            put(low - margin, high + margin)
            out |= (values < low) | (values > high)
    return int(out.sum())


def _finish(fit: Any, ax: Any, sample: Sample, ranks: _Ranks, remark: str = "") -> None:
    head(ax, title_of(fit))
    text = f"n = {_style.amount(sample.total)}" + (f"; {ranks.refits} refits" if ranks.refits else "")
    if ranks.lost:
        text += f",\n{ranks.lost} of them without a maximum"
    ax.plot([], [], ls="none", label=text + (f"\n{remark}" if remark else ""))
    legend(ax, loc="upper left")


def _padded(function: Any, x: np.ndarray) -> np.ndarray:
    """`function` of a fixed number of points, so that it compiles once."""
    return np.asarray(function(np.concatenate([x, np.full(_SHOWN + 20 - len(x), x[-1])])))[: len(x)]


@in_float64
def _normal(p: np.ndarray) -> np.ndarray:
    return np.asarray(_ndtri(np.asarray(p, float)))


@in_float64
def _probability(x: np.ndarray) -> np.ndarray:
    return np.asarray(_ndtr(np.asarray(x, float)))


_ndtri = compiled(lambda p: jax.scipy.special.ndtri(p))
_ndtr = compiled(lambda x: jax.scipy.special.ndtr(jnp.asarray(x)))
