"""The log-likelihood itself: profiles, and the history of its ascent."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import optax

from jaxmle._engine.solution import Solution
from jaxmle._util.arrays import Float
from jaxmle.inference.ascent import ascent
from jaxmle.inference.covariance import in_coordinates
from jaxmle.inference.higher import warn
from jaxmle.inference.interval_record import normal_quantile
from jaxmle.inference.messages import message
from jaxmle.inference.surface import ascended_from, axis, coordinate, profiled, surface
from jaxmle.plot.drawable import (
    Drawable,
    is_certified,
    log_likelihood,
    one_data_set,
    short_sentence,
    status_of,
)
from jaxmle.plot.sample import data_of
from jaxmle.plot.style import (
    BLACK,
    BLUE,
    GREY,
    ORANGE,
    RED,
    SKY,
    Axes,
    AxesGrid,
    Panels,
    add_legend,
    axes_or_new,
    format_number,
    format_percent,
    matplotlib,
    panel_grid,
    set_title,
    whole_ticks,
)

Optimizer = str | optax.GradientTransformation | None
"A method by its name, or one of optax's; None for the fit's own."

_POINTS = 41
_MOST_PANELS = 9
_BOUNDARY_POINTS = 801
"Points of the curve of a maximum on the boundary."


def profile(
    fit: Drawable, parameter: str | None = None, ax: Panels | None = None, *, level: float = 0.95
) -> Axes | AxesGrid:
    """Draw the profile log-likelihood of a parameter with its likelihood interval.

    l_p(x) - l_max, with l_p(x) = max of l over the other parameters, each point a fit of its own. The
    interval is where the drop is at most half a chi-square quantile, 1.92 for 95 %; dotted is the parabola -(x - x_hat)^2
    / (2 se^2) of the Wald interval. A maximum on the boundary of a one-parameter model has a one-sided curve.

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
    solution = one_data_set(fit, "profile")
    data_of(solution, "profile")
    names = solution.model.coordinate_names
    if parameter is not None or len(names) == 1:
        (panel,) = (None,) if ax is None else panel_grid(ax, 1, 1).ravel()
        chosen = coordinate(solution, names[0] if parameter is None else parameter)
        return _draw_profile(solution, chosen, _profiles(solution, [chosen], level)[0], panel, level)
    if len(names) > _MOST_PANELS:
        raise ValueError(f"profile: {len(names)} parameters are too many panels; choose one, such as {names[0]!r}")
    if ax is not None:
        panels = panel_grid(ax, 1, len(names)).ravel()
    else:
        columns = min(3, len(names))
        grid = panel_grid(None, -(-len(names) // columns), columns).ravel()
        for empty in grid[len(names) :]:
            empty.remove()
        panels = grid[: len(names)]
    for j, (panel, found) in enumerate(zip(panels, _profiles(solution, range(len(names)), level), strict=True)):
        _draw_profile(solution, j, found, panel, level)
    return panels


def _draw_profile(own: Solution, j: int, found: "_Profile", ax: Axes | None, level: float) -> Axes:
    """Draw the profile of one parameter on the axes given, or on those of a new figure."""
    solution, at, drop, ends, half = found
    ax = axes_or_new(ax)
    x, name = axis(solution, j, at)
    x_ends, _ = axis(solution, j, ends)
    estimate = solution.outcome.u[0, j]
    (x_hat,), _ = axis(solution, j, np.array([estimate]))
    ax.axhline(0, color=GREY, lw=0.6)
    ax.plot(x, drop, color=BLUE, lw=2, label="profile" if solution.model.free > 1 else "log-likelihood")
    with np.errstate(all="ignore"):
        slope = np.gradient(x, at)[np.argmin(np.abs(at - estimate))]
        se = np.sqrt(in_coordinates(solution, "observed")[0, j, j]) * abs(slope)
        if np.isfinite(se):
            ax.plot(x, -0.5 * ((x - x_hat) / se) ** 2, color=ORANGE, lw=1.4, ls=":", label="Wald's parabola")
    ax.axhline(-half, color=RED, lw=1, ls="--", label=f"{format_percent(level)}: drop of {half:.2f}")
    finite_ends = x_ends[np.isfinite(x_ends)]
    ax.vlines(finite_ends, -1.6 * half, -half, color=RED, lw=1, ls="--")
    within = np.sort(np.concatenate([x[(drop >= -half) & np.isfinite(x)], finite_ends]))
    ax.fill_between(within, -1.6 * half, np.interp(within, x, drop), color=SKY, alpha=0.2, lw=0)
    ax.plot([x_hat], [0], "o", color=BLACK, ms=5, clip_on=False, zorder=5)
    ax.set_ylim(-1.6 * half, 0.12 * half)
    near = x[(drop >= -1.6 * half) & np.isfinite(x)]
    margin = 0.04 * (near.max() - near.min())
    ax.set_xlim(max(near.min() - margin, np.nanmin(x)), min(near.max() + margin, np.nanmax(x)))
    ax.set_xlabel(name)
    ax.set_ylabel("log-likelihood below its maximum")
    text, certified = f"{name} {format_number(x_hat)} [{format_ends(x_ends)}]", is_certified(solution)
    if solution is not own:
        x_own, below = axis(own, j, own.outcome.u[:, j])[0], log_likelihood(own) - log_likelihood(solution)
        ax.plot(x_own, [below], "o", mfc="white", mec=BLACK, ms=5, zorder=5, label="the fit, not the highest point")
        text = f"{text}, a higher maximum than the fit's"
    set_title(ax, text if certified else f"{short_sentence(status_of(solution))}: {text}")
    add_legend(ax, loc="lower center" if certified else "upper right", fontsize=8)
    return ax


def history(fit: Drawable, ax: Axes | None = None, *, optimizer: Optimizer = None) -> Axes:
    """Draw the remaining gain in log-likelihood after each evaluation of the ascent.

    It is the decrement 1/2 S' J^-1 S at the best point so far, of an ascent that is run again and recorded. Hollow marks
    at the top are points where J is not positive definite, so that it is not defined. Of a fit by another method than
    Newton's the last mark is where Newton's steps certified it.

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
    solution = one_data_set(fit, "history")
    data_of(solution, "history")
    outcome, path = solution.outcome, ascent(solution, optimizer)
    ax = axes_or_new(ax)
    tolerance = float(solution.info["tolerance"])
    steps, left = path.steps, path.decrement
    if outcome.newton_steps[0] and np.isfinite(outcome.decrement[0]):
        steps, left = np.append(steps, outcome.steps[0]), np.append(left, outcome.decrement[0])
    floor = min(1e-3 * tolerance, 1e-13)
    shown = np.where(np.isfinite(left), np.maximum(left, floor), np.nan)
    top = 10 * max(np.nanmax(np.append(shown, tolerance)), 1.0)
    ax.semilogy(steps, shown, "-o" if len(steps) <= 60 else "-", color=BLUE, lw=1.6, ms=4.5, label=_method_label(solution, optimizer), clip_on=False, zorder=4)  # fmt: skip
    if (below := np.isfinite(left) & (left < floor)).any():
        ax.semilogy(
            steps[below], shown[below], "v", color=BLUE, ms=7, label=f"below {floor:.0e}", clip_on=False, zorder=5
        )
    if (undefined := ~np.isfinite(left)).any():
        ax.semilogy(steps[undefined], np.full(undefined.sum(), top), "o", mfc="white", mec=ORANGE, ms=6, label="curvature of no maximum", clip_on=False, zorder=5)  # fmt: skip
    ax.axhline(tolerance, color=RED, lw=1, ls="--", label=f"tolerance {tolerance:.0e}")
    ax.set_ylim(0.3 * floor, 3 * top)
    ax.set_xlabel("evaluations")
    ax.set_ylabel("remaining gain in log-likelihood")
    ax.xaxis.set_major_locator(whole_ticks(8))
    ax.yaxis.set_major_locator(matplotlib("ticker").LogLocator(numticks=7))
    ax.yaxis.set_minor_locator(matplotlib("ticker").NullLocator())
    verdict = short_sentence(status_of(solution))
    set_title(ax, f"{solution.model.label}: {verdict}, {outcome.steps[0]} evaluations")
    add_legend(ax, loc="best")
    return ax


def _method_label(solution: Solution, optimizer: Optimizer) -> str:
    name = solution.info.get("optimizer") if optimizer is None else optimizer
    return f"{name}'s steps" if isinstance(name, str) else "steps of the optimizer given"


def format_ends(ends: Float[np.ndarray, " 2"]) -> str:
    """Format both ends of an interval, with enough digits to tell them apart."""
    low, high = np.sort(ends)
    apart = np.isfinite(high - low) and high > low
    digits = int(np.clip(3 + np.ceil(np.log10(max(abs(low), abs(high)) / (high - low))), 4, 14)) if apart else 4
    return ", ".join(format_number(x, digits, trailing=bool(np.isfinite(x)) and x != 0) for x in (low, high))


# --- how -------------------------------------------------------------------------------------------------


class _Profile(NamedTuple):
    """The profile of one parameter.

    Attributes:
        solution: whose maximum it is around: the fit's own, or a higher one that a profile led to.
        at: coordinates, f[m].
        drop: the profile there, below its maximum, f[m].
        ends: of the interval, f[2].
        half: the drop at them.
    """

    solution: Solution
    at: Float[np.ndarray, " m"]
    drop: Float[np.ndarray, " m"]
    ends: Float[np.ndarray, " 2"]
    half: float


def _profiles(solution: Solution, which: Sequence[int], level: float, restarts: int = 5) -> list[_Profile]:
    """Compute profiles of some coordinates, all of them around the highest maximum that one of them leads to."""
    found = []
    for j in which:
        one = _profile(solution, j, level, restarts > 0)
        if one.solution is not solution:
            warn(solution, one.solution, np.ones(1, bool))
            return _profiles(one.solution, which, level, restarts - 1)
        found.append(one)
    return found


def _profile(solution: Solution, j: int, level: float, adopts: bool) -> _Profile:
    """Compute the profile of one coordinate, or, where a point lies above the maximum, nothing but the higher solution."""
    half = 0.5 * normal_quantile(level) ** 2
    u, best, status = solution.outcome.u[0], log_likelihood(solution), status_of(solution)
    if not is_certified(solution):
        if not (solution.model.free == 1 and status.at_limit and np.isinf(u[0])):
            raise ValueError(f"profile needs a certified maximum, and this fit is none: {message(solution)}")
        side = -np.sign(u[0])  # towards the inside
        near = _distance_from_limit(solution, side, best, half)
        at = side * np.linspace(min(-40.0, near - 20), near + 1.0, _BOUNDARY_POINTS)
        drop = surface(solution, at[:, None]) - best
        return _Profile(solution, at, drop, np.array([u[0], side * near]), half)
    se = float(np.sqrt(in_coordinates(solution, "observed")[0, j, j]))
    z = np.sqrt(2 * half)
    low = high = 1.35 * z * se
    at = drop = np.zeros(0)
    for _ in range(6):
        at = u[j] + np.concatenate([np.linspace(-low, 0, _POINTS // 2 + 1), np.linspace(0, high, _POINTS // 2 + 1)[1:]])
        value, points = profiled(solution, [j], at[:, None])
        if adopts and (higher := ascended_from(solution, value, points)) is not None:
            return _Profile(higher, at, drop, at, half)
        drop = value - best
        short_left, short_right = drop[0] > -1.15 * half, drop[-1] > -1.15 * half
        if not (short_left or short_right):
            break
        low, high = low * (1.7 if short_left else 1), high * (1.7 if short_right else 1)
    middle = _POINTS // 2
    root = np.sign(at - u[j]) * np.sqrt(2 * np.maximum(-drop, 0))
    ends = np.array(
        [
            _interpolate_inverse(root[: middle + 1], at[: middle + 1], -z),
            _interpolate_inverse(root[middle:], at[middle:], z),
        ]
    )
    return _Profile(solution, at, drop, ends, half)


def _interpolate_inverse(root: Float[np.ndarray, " m"], at: Float[np.ndarray, " m"], target: float) -> float:
    """Find where the signed root is `target`, through the four points around it; infinite where it never is."""
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


def _distance_from_limit(solution: Solution, side: float, best: float, half: float) -> float:
    """Find how far from its limit, along `side`, the log-likelihood of a one-parameter model has dropped by `half`."""
    low, high = -80.0, 80.0
    for _ in range(3):  # each time between the two points around it
        at = np.linspace(low, high, _BOUNDARY_POINTS)
        below = np.flatnonzero(surface(solution, side * at[:, None]) - best < -half)
        if not len(below) or not below[0]:
            raise ValueError("profile: the log-likelihood never falls far enough to end an interval")
        low, high = at[below[0] - 1], at[below[0]]
    return 0.5 * float(low + high)
