"""The log-likelihood itself: profiles, and how it is climbed."""

from typing import Any

import numpy as np

from jaxmle.inference.ascent import ascent
from jaxmle.inference.covariance import in_coordinates
from jaxmle.inference.interval_record import normal_quantile
from jaxmle.inference.surface import axis, coordinate, profiled, surface
from jaxmle.plot import style
from jaxmle.plot.sample import rows_of
from jaxmle.plot.style import BLACK, BLUE, GREY, ORANGE, RED, SKY, head, legend, one, percent, short

_POINTS = 41
_MOST = 9
_LINE = 801
"Points of the curve of a maximum on the boundary."


def profile(fit: Any, parameter: Any = None, ax: Any = None, *, level: float = 0.95) -> Any:
    """Profile log-likelihood of a parameter with its likelihood interval.

    l_p(x) - l_max, with l_p(x) = max of l over the other parameters, each point a fit of its own in the lanes. The
    interval is where the drop is at most half a chi-square quantile, 1.92 for 95 %; dotted is the parabola -(x - x_hat)^2
    / (2 se^2) that Wald intervals take it for. A maximum on the boundary of a one-parameter model has a one-sided curve.

    Args:
        fit: of one data set.
        parameter: its name, such as `"shape"` or `"beta[1]"`; by default a panel for each.
        ax: axes to draw on, as many as there are panels; a new figure by default.
        level: of confidence.

    Returns:
        the axes; an array of them where no parameter is chosen and there are several.

    Raises:
        ValueError, RuntimeError: for a batch, an unknown parameter, a fit without its data or without a maximum.

    Example:
        >>> import jaxmle as jm
        >>> ax = jm.plot.profile(jm.fit("poisson", [0, 2, 1, 0]), "mean")
        >>> ax.get_xlabel()
        'mean'

    Source: Pawitan 2001, *In All Likelihood*, sections 2.6 and 3.4.
    """
    one(fit, "profile")
    rows_of(fit, "profile")
    names = fit.model.coordinate_names
    if parameter is None and len(names) != 1:
        if len(names) > _MOST:
            raise ValueError(f"profile: {len(names)} parameters are too many panels; choose one, such as {names[0]!r}")
        columns = min(3, len(names))
        rows = -(-len(names) // columns)
        if ax is not None:
            found = style.panels(ax, 1, len(names)).ravel()
        else:
            grid = style.panels(None, rows, columns).ravel()
            for empty in grid[len(names) :]:
                empty.remove()
            found = grid[: len(names)]
        for each, name in zip(found, names, strict=True):
            profile(fit, name, each, level=level)
        return found
    j = coordinate(fit.solution, names[0] if parameter is None else parameter)
    at, drop, ends, half = _profile(fit, j, level)
    ax = style.axes(ax)
    x, name = axis(fit.solution, j, at)
    xs, _ = axis(fit.solution, j, ends)
    estimate = fit.solution.outcome.u[0, j]
    (x_hat,), _ = axis(fit.solution, j, np.array([estimate]))
    ax.axhline(0, color=GREY, lw=0.6)
    ax.plot(x, drop, color=BLUE, lw=2, label="profile" if fit.model.free > 1 else "log-likelihood")
    with np.errstate(all="ignore"):
        slope = np.gradient(x, at)[np.argmin(np.abs(at - estimate))]
        se = np.sqrt(in_coordinates(fit.solution, "observed")[0, j, j]) * abs(slope)
        if np.isfinite(se):
            ax.plot(x, -0.5 * ((x - x_hat) / se) ** 2, color=ORANGE, lw=1.4, ls=":", label="Wald's parabola")
    ax.axhline(-half, color=RED, lw=1, ls="--", label=f"{percent(level)}: drop of {half:.2f}")
    shown = np.isfinite(xs)
    ax.vlines(xs[shown], -1.6 * half, -half, color=RED, lw=1, ls="--")
    within = np.sort(np.concatenate([x[(drop >= -half) & np.isfinite(x)], xs[shown]]))
    ax.fill_between(within, -1.6 * half, np.interp(within, x, drop), color=SKY, alpha=0.2, lw=0)
    ax.plot([x_hat], [0], "o", color=BLACK, ms=5, clip_on=False, zorder=5)
    ax.set_ylim(-1.6 * half, 0.12 * half)
    near = x[(drop >= -1.6 * half) & np.isfinite(x)]
    room = 0.04 * (near.max() - near.min())
    ax.set_xlim(max(near.min() - room, np.nanmin(x)), min(near.max() + room, np.nanmax(x)))
    ax.set_xlabel(name)
    ax.set_ylabel("log-likelihood below its maximum")
    text = f"{name} {short(x_hat)} [{ends_text(xs)}]"
    head(ax, text if fit.converged else f"{style.verdict(fit)}: {text}")
    legend(ax, loc="lower center" if fit.converged else "upper right", fontsize=8)
    return ax


def history(fit: Any, ax: Any = None, *, optimizer: Any = None) -> Any:
    """Convergence: the remaining gain in log-likelihood after each evaluation.

    The decrement 1/2 S' J^-1 S at the best point so far, climbed anew and recorded; hollow marks at the top are points
    where the curvature has no maximum, so that it is not defined. Of a fit by another method than Newton's the last
    mark is where Newton's steps certified it.

    Args:
        fit: of one data set.
        ax: axes to draw on; a new figure by default.
        optimizer: the method, where the fit's own is not known by name.

    Returns:
        the axes.

    Raises:
        ValueError, RuntimeError: for a batch, a fit without its data, an unknown method.

    Example:
        >>> import jaxmle as jm
        >>> ax = jm.plot.history(jm.fit("gamma", [1.0, 2.0, 4.0, 5.0, 9.0]))
        >>> ax.get_ylabel()
        'remaining gain in log-likelihood'

    Source: Nocedal & Wright 2006, *Numerical Optimization*, 2nd ed., section 3.3.
    """
    one(fit, "history")
    rows_of(fit, "history")
    way = ascent(fit.solution, optimizer)
    ax = style.axes(ax)
    tolerance = float(fit.info["tolerance"])
    steps, left = way.steps, way.decrement
    if fit.polish and np.isfinite(fit.decrement):
        steps, left = np.append(steps, fit.steps), np.append(left, fit.decrement)
    floor = min(1e-3 * tolerance, 1e-13)
    shown = np.where(np.isfinite(left), np.maximum(left, floor), np.nan)
    top = 10 * max(np.nanmax(np.append(shown, tolerance)), 1.0)
    ax.semilogy(steps, shown, "-o" if len(steps) <= 60 else "-", color=BLUE, lw=1.6, ms=4.5, label=_method(fit, optimizer), clip_on=False, zorder=4)  # fmt: skip
    if (exact := np.isfinite(left) & (left < floor)).any():
        ax.semilogy(
            steps[exact], shown[exact], "v", color=BLUE, ms=7, label=f"below {floor:.0e}", clip_on=False, zorder=5
        )
    if (bent := ~np.isfinite(left)).any():
        ax.semilogy(steps[bent], np.full(bent.sum(), top), "o", mfc="white", mec=ORANGE, ms=6, label="curvature of no maximum", clip_on=False, zorder=5)  # fmt: skip
    ax.axhline(tolerance, color=RED, lw=1, ls="--", label=f"tolerance {tolerance:.0e}")
    ax.set_ylim(0.3 * floor, 3 * top)
    ax.set_xlabel("evaluations")
    ax.set_ylabel("remaining gain in log-likelihood")
    ax.xaxis.set_major_locator(style.matplotlib("ticker").MaxNLocator(integer=True, nbins=8))
    ax.yaxis.set_major_locator(style.matplotlib("ticker").LogLocator(numticks=7))
    ax.yaxis.set_minor_locator(style.matplotlib("ticker").NullLocator())
    head(ax, f"{style.name_of(fit)}: {style.verdict(fit)}, {fit.steps} evaluations")
    legend(ax, loc="best")
    return ax


def _method(fit: Any, optimizer: Any) -> str:
    name = fit.info.get("optimizer") if optimizer is None else optimizer
    return f"{name}'s steps" if isinstance(name, str) else "steps of the optimizer given"


def ends_text(ends: np.ndarray) -> str:
    """Both ends, with enough digits to tell them apart."""
    low, high = np.sort(ends)
    far = np.isfinite(high - low) and high > low
    digits = int(np.clip(3 + np.ceil(np.log10(max(abs(low), abs(high)) / (high - low))), 4, 14)) if far else 4
    return ", ".join(short(x, digits, trailing=bool(np.isfinite(x)) and x != 0) for x in (low, high))


# --- how -------------------------------------------------------------------------------------------------


def _profile(fit: Any, j: int, level: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Coordinates, the drop there, both ends of the interval, and the drop at them."""
    half = 0.5 * normal_quantile(level) ** 2
    u, best = fit.solution.outcome.u[0], fit.log_likelihood
    if not fit.converged:
        if not (fit.model.free == 1 and fit.status.at_limit and np.isinf(u[0])):
            raise ValueError(f"profile needs a certified maximum, and this fit is none: {fit.message()}")
        side = -np.sign(u[0])  # towards the inside
        near = _cross(fit, side, best, half)
        at = side * np.linspace(min(-40.0, near - 20), near + 1.0, _LINE)
        drop = surface(fit.solution, at[:, None]) - best
        return at, drop, np.array([u[0], side * near]), half
    se = float(np.sqrt(in_coordinates(fit.solution, "observed")[0, j, j]))
    z = np.sqrt(2 * half)
    low = high = 1.35 * z * se
    at = drop = np.zeros(0)
    for _ in range(6):
        at = u[j] + np.concatenate([np.linspace(-low, 0, _POINTS // 2 + 1), np.linspace(0, high, _POINTS // 2 + 1)[1:]])
        drop = profiled(fit.solution, [j], at[:, None]) - best
        short_left, short_right = drop[0] > -1.15 * half, drop[-1] > -1.15 * half
        if not (short_left or short_right):
            break
        low, high = low * (1.7 if short_left else 1), high * (1.7 if short_right else 1)
    middle = _POINTS // 2
    root = np.sign(at - u[j]) * np.sqrt(2 * np.maximum(-drop, 0))
    ends = np.array([_inverse(root[: middle + 1], at[: middle + 1], -z), _inverse(root[middle:], at[middle:], z)])
    return at, drop, ends, half


def _inverse(root: np.ndarray, at: np.ndarray, target: float) -> float:
    """Where the signed root is `target`, through the four points around it; infinite where it never is."""
    good = np.isfinite(root)
    root, at = root[good], at[good]
    above = int(np.searchsorted(root, target))
    if above == 0 or above == len(root):
        return float(np.sign(target) * np.inf)
    near = slice(min(max(above - 2, 0), max(len(root) - 4, 0)), None)
    r, x = root[near][:4], at[near][:4]
    total = 0.0
    for i in range(len(r)):
        others = np.delete(r, i)
        total += x[i] * np.prod((target - others) / (r[i] - others))
    return float(total)


def _cross(fit: Any, side: float, best: float, half: float) -> float:
    """How far from its limit, along `side`, the log-likelihood of a one-parameter model has dropped by `half`."""
    low, high = -80.0, 80.0
    for _ in range(3):  # each time between the two points around it
        at = np.linspace(low, high, _LINE)
        below = np.flatnonzero(surface(fit.solution, side * at[:, None]) - best < -half)
        if not len(below) or not below[0]:
            raise ValueError("profile: the log-likelihood never falls far enough to end an interval")
        low, high = at[below[0] - 1], at[below[0]]
    return 0.5 * float(low + high)
