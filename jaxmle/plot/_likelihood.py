"""The log-likelihood itself: profiles, contours, and the way to the maximum."""

from typing import Any

import numpy as np

from jaxmle.intervals import normal_quantile
from jaxmle.plot import _style
from jaxmle.plot._held import ascent, natural, profiled, surface
from jaxmle.plot._sample import rows_of
from jaxmle.plot._style import BLACK, BLUE, GREY, ORANGE, RED, SKY, head, legend, one, percent, short, title_of

_POINTS = 41
_MOST = 9


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
            found = _style.panels(ax, 1, len(names)).ravel()
        else:
            grid = _style.panels(None, rows, columns).ravel()
            for empty in grid[len(names) :]:
                empty.remove()
            found = grid[: len(names)]
        for each, name in zip(found, names, strict=True):
            profile(fit, name, each, level=level)
        return found
    j = _index(fit, names[0] if parameter is None else parameter)
    at, drop, ends, half = _profile(fit, j, level)
    ax = _style.axes(ax)
    x, name = _axis(fit, j, at)
    xs, _ = _axis(fit, j, ends)
    estimate = fit._outcome.u[0, j]
    (x_hat,), _ = _axis(fit, j, np.array([estimate]))
    ax.axhline(0, color=GREY, lw=0.6)
    ax.plot(x, drop, color=BLUE, lw=2, label="profile" if fit.model.free > 1 else "log-likelihood")
    with np.errstate(all="ignore"):
        slope = np.gradient(x, at)[np.argmin(np.abs(at - estimate))]
        se = np.sqrt(fit._unconstrained("observed")[0, j, j]) * abs(slope)
        if np.isfinite(se):
            ax.plot(x, -0.5 * ((x - x_hat) / se) ** 2, color=ORANGE, lw=1.4, ls=":", label="Wald's parabola")
    ax.axhline(-half, color=RED, lw=1, ls="--", label=f"{percent(level)}: drop of {half:.2f}")
    shown = np.isfinite(xs)
    ax.vlines(xs[shown], -1.6 * half, -half, color=RED, lw=1, ls="--")
    inner = drop >= -half
    ax.fill_between(x, -1.6 * half, drop, where=inner.tolist(), color=SKY, alpha=0.2, lw=0)
    ax.plot([x_hat], [0], "o", color=BLACK, ms=5, clip_on=False, zorder=5)
    ax.set_ylim(-1.6 * half, 0.12 * half)
    ax.set_xlim(np.nanmin(x), np.nanmax(x))
    ax.set_xlabel(name)
    ax.set_ylabel("log-likelihood below its maximum")
    text = f"{name} {short(x_hat)}, {percent(level)} interval [{short(xs.min())}, {short(xs.max())}]"
    head(ax, text if fit.converged else f"{_style.verdict(fit)}: {text}")
    legend(ax, loc="lower center", fontsize=8)
    return ax


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
    j, k = (_index(fit, name) for name in (names if pair is None else pair))
    if j == k:
        raise ValueError(f"contours: {names[j]!r} stands twice in pair=")
    u = fit._outcome.u[0]
    if not np.isfinite(u).all():
        raise ValueError(f"contours: there is no finite estimate to draw around ({fit.message()}); draw density(fit)")
    sliced = sliced or not fit.converged
    drops = np.array([-np.log1p(-p) for p in levels])  # half the quantiles of chi-square with 2 degrees
    a, b, z = _grid(fit, j, k, drops.max(), sliced, points)
    ax = _style.axes(ax)
    (x, x_name), (y, y_name) = _axis(fit, j, a), _axis(fit, k, b)
    order = np.argsort(drops)[::-1]
    if fit.converged:
        texts = [percent(levels[i]) for i in order]
        cuts = -drops[order]
    else:
        cuts = -np.array([50.0, 20.0, 10.0, 5.0, 2.0, 1.0, 0.5])
        texts = [f"{-c:g} below" for c in cuts]
    styles = [("solid", "dashed", "dashdot", "dotted")[i % 4] for i in range(len(cuts))]
    shades = [_shade(i, len(cuts)) for i in range(len(cuts))]
    ax.contourf(x, y, z.T, levels=[*cuts, max(1e-9, np.nanmax(z))], colors=shades)
    drawn = ax.contour(x, y, z.T, levels=cuts, colors=BLUE, linewidths=1.3, linestyles=styles)
    drawn.set_label("_contours")
    line = _style.matplotlib("lines").Line2D
    handles = [line([], [], color=BLUE, ls=s, lw=1.3, label=t) for s, t in zip(styles, texts, strict=True)]
    limits = ax.get_xlim(), ax.get_ylim()
    if path is not False:
        handles += _path(fit, ax, j, k, None if path is True else path, limits)
    (x_hat,), (y_hat,) = _axis(fit, j, u[[j]])[0], _axis(fit, k, u[[k]])[0]
    handles += ax.plot([x_hat], [y_hat], "P", color=BLACK, ms=8, mec="white", mew=0.8, zorder=6, label="maximum" if fit.converged else "best point")  # fmt: skip
    ax.set_xlim(limits[0])
    ax.set_ylim(limits[1])
    ax.set_xlabel(x_name)
    ax.set_ylabel(y_name)
    others = fit.model.free - 2
    text = title_of(fit) if others == 0 else _style.name_of(fit)
    if others:
        text += ": slice, others at the estimate" if sliced else ": others at their best (profile)"
    head(ax, text)
    legend(ax, handles=handles, loc="best", fontsize=8)
    return ax


def history(fit: Any, ax: Any = None, *, optimizer: Any = None) -> Any:
    """Convergence: the log-likelihood still to be gained after each evaluation.

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
        'log-likelihood still to be gained'

    Source: Nocedal & Wright 2006, *Numerical Optimization*, 2nd ed., section 3.3.
    """
    one(fit, "history")
    rows_of(fit, "history")
    way = ascent(fit, optimizer)
    ax = _style.axes(ax)
    tolerance = float(fit.info["tolerance"])
    steps, left = way.steps, way.decrement
    if fit.polish and np.isfinite(fit.decrement):
        steps, left = np.append(steps, fit.steps), np.append(left, fit.decrement)
    floor = min(1e-3 * tolerance, 1e-13)
    shown = np.where(np.isfinite(left), np.maximum(left, floor), np.nan)
    top = 10 * max(np.nanmax(np.append(shown, tolerance)), 1.0)
    ax.semilogy(steps, shown, "-o", color=BLUE, lw=1.6, ms=4.5, label=str(optimizer or fit.info.get("optimizer")), clip_on=False, zorder=4)  # fmt: skip
    if (exact := np.isfinite(left) & (left < floor)).any():
        ax.semilogy(
            steps[exact], shown[exact], "v", color=BLUE, ms=7, label=f"below {floor:.0e}", clip_on=False, zorder=5
        )
    if (bent := ~np.isfinite(left)).any():
        ax.semilogy(steps[bent], np.full(bent.sum(), top), "o", mfc="white", mec=ORANGE, ms=6, label="curvature of no maximum", clip_on=False, zorder=5)  # fmt: skip
    ax.axhline(tolerance, color=RED, lw=1, ls="--", label=f"tolerance {tolerance:.0e}")
    ax.set_ylim(0.3 * floor, 3 * top)
    ax.set_xlabel("evaluations")
    ax.set_ylabel("log-likelihood still to be gained")
    ax.xaxis.set_major_locator(_style.matplotlib("ticker").MaxNLocator(integer=True, nbins=8))
    ax.yaxis.set_major_locator(_style.matplotlib("ticker").LogLocator(numticks=7))
    ax.yaxis.set_minor_locator(_style.matplotlib("ticker").NullLocator())
    head(ax, f"{_style.name_of(fit)}: {_style.verdict(fit)}, {fit.steps} evaluations")
    legend(ax, loc="best")
    return ax


# --- how -------------------------------------------------------------------------------------------------


def _index(fit: Any, name: Any) -> int:
    names = fit.model.coordinate_names
    if name not in names:
        raise ValueError(f"there is no free parameter {name!r}; expected one of {', '.join(map(repr, names))}")
    return names.index(name)


def _axis(fit: Any, j: int, at: np.ndarray) -> tuple[np.ndarray, str]:
    """Values of coordinate j on the natural scale where it has one of its own, and what to call them."""
    import jax

    leaves, first = jax.tree.leaves(fit.model.space), 0
    name = fit.model.coordinate_names[j]
    row = 0
    for space in leaves:
        size = int(np.prod(space.coordinate_shape))
        if first <= j < first + size:
            if space.kind.ends is None:
                return at, f"{name} (coordinate)"
            u = np.where(np.isfinite(fit._outcome.u[0]), fit._outcome.u[0], 0.0)
            points = np.broadcast_to(u, (len(at), len(u))).copy()
            points[:, j] = at
            return natural(fit, points)[:, row + j - first], name
        first, row = first + size, row + int(np.prod(space.value_shape))
    raise AssertionError(j)


def _profile(fit: Any, j: int, level: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Coordinates, the drop there, both ends of the interval, and the drop at them."""
    half = 0.5 * normal_quantile(level) ** 2
    u, best = fit._outcome.u[0], fit.log_likelihood
    if not fit.converged:
        if not (fit.model.free == 1 and fit.status.at_limit and np.isinf(u[0])):
            raise ValueError(f"profile needs a certified maximum, and this fit is none: {fit.message()}")
        side = -np.sign(u[0])  # towards the inside
        near = _cross(fit, side, best, half)
        at = side * np.linspace(-40.0, near + 1.0, 400) if near > -40 else side * np.linspace(near - 20, near + 1, 400)
        drop = surface(fit, at[:, None]) - best
        return at, drop, np.array([u[0], side * near]), half
    se = float(np.sqrt(fit._unconstrained("observed")[0, j, j]))
    z = np.sqrt(2 * half)
    low = high = 1.35 * z * se
    for _ in range(6):
        at = u[j] + np.concatenate([np.linspace(-low, 0, _POINTS // 2 + 1), np.linspace(0, high, _POINTS // 2 + 1)[1:]])
        drop = profiled(fit, [j], at[:, None]) - best
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
    at = np.linspace(-80.0, 80.0, 1601)
    drop = surface(fit, side * at[:, None]) - best
    below = np.flatnonzero(drop < -half)
    if not len(below):
        raise ValueError("profile: the log-likelihood never falls far enough to end an interval")
    i = below[0]
    return float(np.interp(-half, [drop[i], drop[i - 1]], [at[i], at[i - 1]])) if i else float(at[0])


def _grid(
    fit: Any, j: int, k: int, most: float, sliced: bool, points: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coordinates of two parameters, and how far the log-likelihood is below its best on their grid."""
    u, best = fit._outcome.u[0], fit.log_likelihood
    with np.errstate(invalid="ignore"):
        se = np.sqrt(np.diagonal(fit._unconstrained("observed")[0]))
    reach = np.where(np.isfinite(se), 1.25 * np.sqrt(2 * most) * se, 1.5)
    low, high = -reach[[j, k]], reach[[j, k]]
    for _ in range(5):
        a, b = (u[i] + np.linspace(low[n], high[n], points) for n, i in enumerate((j, k)))
        held = np.stack(np.meshgrid(a, b, indexing="ij"), -1).reshape(-1, 2)
        if sliced or fit.model.free == 2:
            full = np.broadcast_to(u, (len(held), len(u))).copy()
            full[:, [j, k]] = held
            value = surface(fit, full)
        else:
            value = profiled(fit, [j, k], held)
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
        way = ascent(fit, optimizer)
    except ValueError:
        if optimizer is not None:
            raise
        return []
    x, y = _axis(fit, j, way.u[:, j])[0], _axis(fit, k, way.u[:, k])[0]
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
    found = np.full((m, m), None, object)
    if ax is not None:
        given = _style.panels(ax, 1, len(places)).ravel()
        for place, each in zip(places, given, strict=True):
            found[place] = each
    else:
        grid = _style.panels(None, m, m, (3.6, 3.1))
        for r, c in np.ndindex(m, m):
            if c > r:
                grid[r, c].remove()
            else:
                found[r, c] = grid[r, c]
    for r, c in places:
        contours(fit, (names[c], names[r + 1]), found[r, c], **options)
    return found
