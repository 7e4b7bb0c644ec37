"""Contours of the log-likelihood over two parameters, with the ascent to the maximum."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import optax

from jaxmle._engine.solution import Solution
from jaxmle._util.arrays import Float
from jaxmle.inference import matrices
from jaxmle.inference.ascent import ascent
from jaxmle.inference.higher import warn
from jaxmle.inference.messages import message
from jaxmle.inference.surface import ascended_from, axis, coordinate, profiled, surface
from jaxmle.plot.drawable import Drawable, is_certified, log_likelihood, one_data_set, title_of
from jaxmle.plot.sample import data_of
from jaxmle.plot.style import (
    BLACK,
    BLUE,
    ORANGE,
    SKY,
    Axes,
    AxesGrid,
    Panels,
    add_legend,
    axes_or_new,
    format_percent,
    matplotlib,
    panel_grid,
    set_title,
)

_POINTS = 41


def contours(
    fit: Drawable, pair: Sequence[str] | None = None, ax: Panels | None = None, *,
    levels: Sequence[float] = (0.5, 0.9, 0.95), path: bool | str | optax.GradientTransformation = True,
    sliced: bool = False, points: int = _POINTS,
) -> Axes | AxesGrid:  # fmt: skip
    """Draw contours of the log-likelihood over two parameters, with the ascent to the maximum.

    Contours lie where the log-likelihood has dropped by half a chi-square quantile with 2 degrees of freedom, 0.693,
    2.303 and 2.996 for 50, 90 and 95 %: joint likelihood regions. The other parameters are at their best at every point
    (a fit of its own), or with `sliced` held at the estimate, and the title says "slice". Dots mark the best point after
    each evaluation of the ascent.

    Args:
        fit: of one data set.
        pair: two names; by default the only pair, or a panel for each pair.
        ax: axes to draw on, as many as there are panels; a new figure by default.
        levels: of confidence.
        path: False draws no ascent; an optimizer (a name or one of optax's) its own.
        sliced: whether the other parameters are held at the estimate.
        points: of the grid, along each axis.

    Returns:
        the axes; for several pairs an array of them, lower triangle, with None above it.

    Raises:
        ValueError, RuntimeError: for a batch, a fit of one parameter, without its data, or with no finite estimate.

    Example:
        >>> import jaxmle as jm
        >>> ax = jm.plot.contours(jm.fit("normal", [1.0, 2.0, 4.0, 5.0, 9.0]), points=15)
        >>> ax.get_xlabel(), ax.get_ylabel()
        ('loc', 'scale')

    Source: Meeker & Escobar 1998, *Statistical Methods for Reliability Data*, section 8.3; Pawitan 2001, *In All
    Likelihood*, section 3.4.
    """
    solution = one_data_set(fit, "contours")
    data_of(solution, "contours")
    names = solution.model.coordinate_names
    if len(names) < 2:
        raise ValueError("contours need two free parameters, and this model has one; draw profile(fit)")
    options = {"levels": levels, "path": path, "sliced": sliced}
    if pair is None and len(names) > 2:
        return _draw_pairs(solution, ax, options | {"points": min(points, 31)})
    j, k = (coordinate(solution, name) for name in (names if pair is None else pair))
    if j == k:
        raise ValueError(f"contours: {names[j]!r} stands twice in pair=")
    (panel,) = (None,) if ax is None else panel_grid(ax, 1, 1).ravel()
    return _draw_contours(solution, j, k, panel, points=points, **options)


def _draw_contours(
    solution: Solution, j: int, k: int, ax: Axes | None, *, levels: Sequence[float],
    path: bool | str | optax.GradientTransformation, sliced: bool, points: int,
) -> Axes:  # fmt: skip
    """Draw contours over coordinates j and k on the axes given, or on those of a new figure."""
    u, certified = solution.outcome.u[0], is_certified(solution)
    if not np.isfinite(u).all():
        raise ValueError(
            f"contours: there is no finite estimate to draw around: {message(solution)}; draw density(fit)"
        )
    sliced = sliced or not certified
    drops = np.array([-np.log1p(-p) for p in levels])  # half the quantiles of chi-square with 2 degrees
    own = solution
    solution, a, b, z = _grid(solution, j, k, drops.max(), sliced, points)
    u = solution.outcome.u[0]
    ax = axes_or_new(ax)
    (x, x_name), (y, y_name) = axis(solution, j, a), axis(solution, k, b)
    order = np.argsort(drops)[::-1]
    if certified:
        texts = [format_percent(levels[i]) for i in order]
        cuts = -drops[order]
    else:
        cuts = -np.array([4.0, 2.0, 1.0, 0.5])
        texts = [f"{-c:g} below" for c in cuts]
    styles = [("solid", "dashed", "dashdot", "dotted")[i % 4] for i in range(len(cuts))]
    shades = [_shade(i, len(cuts)) for i in range(len(cuts))]
    ax.contourf(x, y, z.T, levels=[*cuts, max(1e-9, np.nanmax(z))], colors=shades)
    drawn = ax.contour(x, y, z.T, levels=cuts, colors=BLUE, linewidths=1.3, linestyles=styles)
    drawn.set_label("_contours")
    line = matplotlib("lines").Line2D
    handles = [line([], [], color=BLUE, ls=s, lw=1.3, label=t) for s, t in zip(styles, texts, strict=True)]
    limits = ax.get_xlim(), ax.get_ylim()
    if path is not False:
        handles += _draw_ascent(own, ax, j, k, None if path is True else path, limits)
    (x_hat,), (y_hat,) = axis(solution, j, u[[j]])[0], axis(solution, k, u[[k]])[0]
    handles += ax.plot([x_hat], [y_hat], "P", color=BLACK, ms=8, mec="white", mew=0.8, zorder=6, label="maximum" if certified else "best point")  # fmt: skip
    if solution is not own:
        x_own, y_own = axis(own, j, own.outcome.u[:, j])[0], axis(own, k, own.outcome.u[:, k])[0]
        handles += ax.plot(
            x_own, y_own, "o", mfc="white", mec=BLACK, ms=6, zorder=6, label="the fit, not the highest point"
        )
    bottom, top = limits[1]
    ax.set_xlim(limits[0])
    ax.set_ylim(bottom, top + 0.2 * (top - bottom))  # space for the legend
    ax.set_xlabel(x_name)
    ax.set_ylabel(y_name)
    others = solution.model.free - 2
    text = title_of(solution) if others == 0 else solution.model.label
    if others:
        text += ": slice, others at the estimate" if sliced else ": others at their best (profile)"
    set_title(ax, text)
    add_legend(ax, handles=handles, loc="upper center", ncols=3, fontsize=8, columnspacing=1.2)
    return ax


# --- how -------------------------------------------------------------------------------------------------


def _grid(
    solution: Solution, j: int, k: int, most: float, sliced: bool, points: int, restarts: int = 5
) -> tuple[Solution, Float[np.ndarray, " m"], Float[np.ndarray, " m"], Float[np.ndarray, "m m"]]:
    """Compute coordinates of two parameters, and the log-likelihood less its maximum on their grid.

    Where a point lies above the fit's maximum, around the higher maximum, whose solution comes first; else the fit's own.
    """
    u, best, certified = solution.outcome.u[0], log_likelihood(solution), is_certified(solution)
    with np.errstate(invalid="ignore"):
        se = np.sqrt(np.diagonal(matrices.inverse(solution.outcome.information)[0]))
    reach = np.where(np.isfinite(se), (1.25 if certified else 1.5) * np.sqrt(2 * most) * se, 1.5)
    low, high, a, b, z = -reach[[j, k]], reach[[j, k]], u, u, u
    for _ in range(5):
        a, b = (u[i] + np.linspace(low[n], high[n], points) for n, i in enumerate((j, k)))
        held = np.stack(np.meshgrid(a, b, indexing="ij"), -1).reshape(-1, 2)
        if sliced or solution.model.free == 2:
            full = np.broadcast_to(u, (len(held), len(u))).copy()
            full[:, [j, k]] = held
            value = surface(solution, full)
        else:
            value, full = profiled(solution, [j, k], held)
        if restarts and certified and (higher := ascended_from(solution, value, full)) is not None:
            warn(solution, higher, np.ones(1, bool))
            return _grid(higher, j, k, most, sliced, points, restarts - 1)
        z = (value - best).reshape(points, points)
        if not certified:
            return solution, a, b, z - np.nanmax(z)
        edges = [z[0], z[-1], z[:, 0], z[:, -1]]
        open_ = [bool(np.nanmax(np.append(e, -np.inf)) > -1.05 * most) for e in edges]
        if not any(open_):
            break
        low = low * np.where([open_[0], open_[2]], 1.6, 1)
        high = high * np.where([open_[1], open_[3]], 1.6, 1)
    return solution, a, b, z


def _shade(i: int, count: int) -> tuple[float, float, float]:
    """Return the color between contours, red, green and blue from 0 to 1: number i of `count`, the last the darkest."""
    strength = 0.12 + 0.45 * i / max(count - 1, 1)
    sky = np.array([int(SKY[n : n + 2], 16) / 255 for n in (1, 3, 5)])
    mixed = 1 - strength * (1 - sky)
    return float(mixed[0]), float(mixed[1]), float(mixed[2])


def _draw_ascent(
    solution: Solution,
    ax: Axes,
    j: int,
    k: int,
    optimizer: str | optax.GradientTransformation | None,
    limits: tuple[tuple[float, float], tuple[float, float]],
) -> Sequence[object]:
    """Draw the ascent to the maximum, and return its lines; none where the fit's own optimizer is not known by name."""
    try:
        path = ascent(solution, optimizer)
    except ValueError:
        if optimizer is not None:
            raise
        return []
    x, y = axis(solution, j, path.u[:, j])[0], axis(solution, k, path.u[:, k])[0]
    drawn = ax.plot(x, y, "-o", color=ORANGE, mec="white", mew=0.5, lw=1.5, ms=4.5, zorder=5, label="ascent")
    inside = (x >= limits[0][0]) & (x <= limits[0][1]) & (y >= limits[1][0]) & (y <= limits[1][1])
    if inside[0]:
        ax.plot(x[:1], y[:1], "s", color=ORANGE, mec=BLACK, mew=0.7, ms=6.5, zorder=5.5)
    return drawn


def _draw_pairs(solution: Solution, ax: Panels | None, options: dict[str, Any]) -> AxesGrid:
    """Draw contours of every pair of parameters in the lower triangle of a grid of panels."""
    names = solution.model.coordinate_names
    m = len(names) - 1
    if m > 4:
        raise ValueError(
            f"contours: {len(names)} parameters are too many pairs; choose one, such as pair={tuple(names[:2])}"
        )
    cells = [(row, column) for row in range(m) for column in range(row + 1)]
    panels: Any = np.full((m, m), None, object)
    if ax is not None:
        for cell, each in zip(cells, panel_grid(ax, 1, len(cells)).ravel(), strict=True):
            panels[cell] = each
    else:
        grid: Any = panel_grid(None, m, m, (3.6, 3.1))
        for row, column in np.ndindex(m, m):
            if column > row:
                grid[row, column].remove()
            else:
                panels[row, column] = grid[row, column]
    for row, column in cells:
        _draw_contours(solution, column, row + 1, panels[row, column], **options)
    if ax is None:  # one title and one legend for all
        panels[0, 0].figure.suptitle(panels[0, 0].get_title(loc="left").replace("\n", " "), x=0.01, ha="left")
        for cell in cells:
            panels[cell].set_title("", loc="left")
            if cell != (0, 0):
                panels[cell].get_legend().remove()
    return panels
