"""Contours of the log-likelihood over two parameters, and the way to the maximum."""

from typing import Any

import numpy as np

from jaxmle.inference import matrices
from jaxmle.inference.ascent import ascent
from jaxmle.inference.surface import axis, coordinate, profiled, surface
from jaxmle.plot import style
from jaxmle.plot.sample import rows_of
from jaxmle.plot.style import BLACK, BLUE, ORANGE, SKY, head, legend, one, percent, title_of

_POINTS = 41


def contours(
    fit: Any, pair: Any = None, ax: Any = None, *, levels: Any = (0.5, 0.9, 0.95), path: Any = True, sliced: bool = False,
    points: int = _POINTS,
) -> Any:  # fmt: skip
    """Contours of the log-likelihood over two parameters, with the way to the maximum.

    Contours lie where the log-likelihood has dropped by half a chi-square quantile with 2 degrees of freedom, 0.693,
    2.303 and 2.996 for 50, 90 and 95 %: joint likelihood regions. The other parameters are at their best at every point
    (a fit of its own in the lanes), or with `sliced` held at the estimate, and the title says "slice". Dots mark the best
    point after each evaluation of the ascent.

    Args:
        fit: of one data set.
        pair: two names; by default the only pair, or a panel for each pair.
        ax: axes to draw on, as many as there are panels; a new figure by default.
        levels: of confidence.
        path: False draws no way; an optimizer (a name or optax's) draws its own.
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
    one(fit, "contours")
    rows_of(fit, "contours")
    names = fit.model.coordinate_names
    if len(names) < 2:
        raise ValueError("contours need two free parameters, and this model has one; draw profile(fit)")
    if pair is None and len(names) > 2:
        return _pairs(fit, ax, {"levels": levels, "path": path, "sliced": sliced, "points": min(points, 31)})
    j, k = (coordinate(fit.solution, name) for name in (names if pair is None else pair))
    if j == k:
        raise ValueError(f"contours: {names[j]!r} stands twice in pair=")
    u = fit.solution.outcome.u[0]
    if not np.isfinite(u).all():
        raise ValueError(f"contours: there is no finite estimate to draw around ({fit.message()}); draw density(fit)")
    sliced = sliced or not fit.converged
    drops = np.array([-np.log1p(-p) for p in levels])  # half the quantiles of chi-square with 2 degrees
    a, b, z = _grid(fit, j, k, drops.max(), sliced, points)
    ax = style.axes(ax)
    (x, x_name), (y, y_name) = axis(fit.solution, j, a), axis(fit.solution, k, b)
    order = np.argsort(drops)[::-1]
    if fit.converged:
        texts = [percent(levels[i]) for i in order]
        cuts = -drops[order]
    else:
        cuts = -np.array([4.0, 2.0, 1.0, 0.5])
        texts = [f"{-c:g} below" for c in cuts]
    styles = [("solid", "dashed", "dashdot", "dotted")[i % 4] for i in range(len(cuts))]
    shades = [_shade(i, len(cuts)) for i in range(len(cuts))]
    ax.contourf(x, y, z.T, levels=[*cuts, max(1e-9, np.nanmax(z))], colors=shades)
    drawn = ax.contour(x, y, z.T, levels=cuts, colors=BLUE, linewidths=1.3, linestyles=styles)
    drawn.set_label("_contours")
    line = style.matplotlib("lines").Line2D
    handles = [line([], [], color=BLUE, ls=s, lw=1.3, label=t) for s, t in zip(styles, texts, strict=True)]
    limits = ax.get_xlim(), ax.get_ylim()
    if path is not False:
        handles += _path(fit, ax, j, k, None if path is True else path, limits)
    (x_hat,), (y_hat,) = axis(fit.solution, j, u[[j]])[0], axis(fit.solution, k, u[[k]])[0]
    handles += ax.plot([x_hat], [y_hat], "P", color=BLACK, ms=8, mec="white", mew=0.8, zorder=6, label="maximum" if fit.converged else "best point")  # fmt: skip
    bottom, top = limits[1]
    ax.set_xlim(limits[0])
    ax.set_ylim(bottom, top + 0.2 * (top - bottom))  # room for the legend
    ax.set_xlabel(x_name)
    ax.set_ylabel(y_name)
    others = fit.model.free - 2
    text = title_of(fit) if others == 0 else style.name_of(fit)
    if others:
        text += ": slice, others at the estimate" if sliced else ": others at their best (profile)"
    head(ax, text)
    legend(ax, handles=handles, loc="upper center", ncols=3, fontsize=8, columnspacing=1.2)
    return ax


# --- how -------------------------------------------------------------------------------------------------


def _grid(
    fit: Any, j: int, k: int, most: float, sliced: bool, points: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coordinates of two parameters, and how far the log-likelihood is below its best on their grid."""
    u, best = fit.solution.outcome.u[0], fit.log_likelihood
    with np.errstate(invalid="ignore"):
        se = np.sqrt(np.diagonal(matrices.inverse(fit.solution.outcome.information)[0]))
    reach = np.where(np.isfinite(se), (1.25 if fit.converged else 1.5) * np.sqrt(2 * most) * se, 1.5)
    low, high, a, b, z = -reach[[j, k]], reach[[j, k]], u, u, u
    for _ in range(5):
        a, b = (u[i] + np.linspace(low[n], high[n], points) for n, i in enumerate((j, k)))
        held = np.stack(np.meshgrid(a, b, indexing="ij"), -1).reshape(-1, 2)
        if sliced or fit.model.free == 2:
            full = np.broadcast_to(u, (len(held), len(u))).copy()
            full[:, [j, k]] = held
            value = surface(fit.solution, full)
        else:
            value = profiled(fit.solution, [j, k], held)
        z = (value - best).reshape(points, points)
        if not fit.converged:
            return a, b, z - np.nanmax(z)
        edges = [z[0], z[-1], z[:, 0], z[:, -1]]
        open_ = [bool(np.nanmax(np.append(e, -np.inf)) > -1.05 * most) for e in edges]
        if not any(open_):
            break
        low = low * np.where([open_[0], open_[2]], 1.6, 1)
        high = high * np.where([open_[1], open_[3]], 1.6, 1)
    return a, b, z


def _shade(i: int, count: int) -> tuple[float, float, float]:
    strength = 0.12 + 0.45 * i / max(count - 1, 1)
    sky = np.array([int(SKY[n : n + 2], 16) / 255 for n in (1, 3, 5)])
    mixed = 1 - strength * (1 - sky)
    return float(mixed[0]), float(mixed[1]), float(mixed[2])


def _path(fit: Any, ax: Any, j: int, k: int, optimizer: Any, limits: Any) -> list[Any]:
    """The way to the maximum; nothing where it is not known."""
    try:
        way = ascent(fit.solution, optimizer)
    except ValueError:
        if optimizer is not None:
            raise
        return []
    x, y = axis(fit.solution, j, way.u[:, j])[0], axis(fit.solution, k, way.u[:, k])[0]
    drawn = ax.plot(x, y, "-o", color=ORANGE, mec="white", mew=0.5, lw=1.5, ms=4.5, zorder=5, label="ascent")
    inside = (x >= limits[0][0]) & (x <= limits[0][1]) & (y >= limits[1][0]) & (y <= limits[1][1])
    if inside[0]:
        ax.plot(x[:1], y[:1], "s", color=ORANGE, mec=BLACK, mew=0.7, ms=6.5, zorder=5.5)
    return drawn


def _pairs(fit: Any, ax: Any, options: dict[str, Any]) -> np.ndarray:
    names = fit.model.coordinate_names
    m = len(names) - 1
    if m > 4:
        raise ValueError(
            f"contours: {len(names)} parameters are too many pairs; choose one, such as pair={tuple(names[:2])}"
        )
    places = [(r, c) for r in range(m) for c in range(r + 1)]
    found: Any = np.full((m, m), None, object)
    if ax is not None:
        given: Any = style.panels(ax, 1, len(places)).ravel()
        for place, each in zip(places, given, strict=True):
            found[place] = each
    else:
        grid: Any = style.panels(None, m, m, (3.6, 3.1))
        for r, c in np.ndindex(m, m):
            if c > r:
                grid[r, c].remove()
            else:
                found[r, c] = grid[r, c]
    for r, c in places:
        contours(fit, (names[c], names[r + 1]), found[r, c], **options)
    if ax is None:  # one title and one legend for all
        found[0, 0].figure.suptitle(found[0, 0].get_title(loc="left").replace("\n", " "), x=0.01, ha="left")
        for place in places:
            found[place].set_title("", loc="left")
            if place != (0, 0):
                found[place].get_legend().remove()
    return found
