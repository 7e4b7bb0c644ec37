"""How pictures look: axes, colors, titles. Nothing global is changed."""

from collections.abc import Callable
from typing import Any

import numpy as np

from jaxmle._solver.status import Status
from jaxmle._util.optional import optional

BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, RED, PURPLE = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7",
)  # fmt: skip
"Okabe & Ito's palette (2008): told apart by everyone; line styles and markers differ, too."
GREY, PALE = "#707070", "#d4d4d4"

RULES = {
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.labelsize": 10,
    "legend.fontsize": 9,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.formatter.limits": (-4, 5),
    "axes.formatter.use_mathtext": True,
    "axes.formatter.useoffset": True,
}
"Of axes that are made here; axes that are given keep their own."

PANEL = (5.2, 3.9)
"Inches."


def matplotlib(part: str = "pyplot") -> Any:
    return optional(f"matplotlib.{part}", "plot")


def axes(ax: Any) -> Any:
    """The axes given, or those of a new figure."""
    if ax is not None:
        return ax
    pyplot = matplotlib()
    with pyplot.rc_context(RULES):
        return pyplot.subplots(figsize=PANEL, layout="constrained")[1]


def panels(ax: Any, rows: int, columns: int, size: tuple[float, float] = (4.2, 3.3)) -> np.ndarray:
    """An array [rows, columns] of axes: those given, or those of a new figure."""
    if ax is not None:
        given = np.asarray(ax, object)
        if given.size != rows * columns:
            raise ValueError(f"ax= holds {given.size} axes; this picture has {rows * columns} panels")
        return given.reshape(rows, columns)
    pyplot = matplotlib()
    with pyplot.rc_context(RULES):
        figsize = (max(columns * size[0], PANEL[0]), max(rows * size[1], PANEL[1] if rows * columns == 1 else 0))
        return pyplot.subplots(rows, columns, figsize=figsize, layout="constrained", squeeze=False)[1]


def subpanels(figure: Any, mosaic: Any, size: tuple[float, float], **options: Any) -> dict[str, Any]:
    """Axes by name in a new figure or in the one given."""
    pyplot = matplotlib()
    with pyplot.rc_context(RULES):
        figure = pyplot.figure(figsize=size, layout="constrained") if figure is None else figure
        return figure.subplot_mosaic(mosaic, **options)


def short(x: Any, digits: int = 4, trailing: bool = False) -> str:
    """A number for a title."""
    x = float(x)
    if not np.isfinite(x):
        return "unknown" if np.isnan(x) else "infinity" if x > 0 else "-infinity"
    text = f"{x:#.{digits}g}".removesuffix(".") if trailing else f"{x:.{digits}g}"
    return f"{x:,.0f}" if "e" in text and 1 <= abs(x) < 1e12 else text


def name_of(fit: Any) -> str:
    return fit.model.label


def law_name(fit: Any) -> str:
    """What the fitted curve is called."""
    return name_of(fit).removeprefix("censored ").replace("_", " ")


def verdict(fit: Any) -> str:
    """A verdict in few words."""
    return in_short(Status(int(fit.status)))


def in_short(status: Status) -> str:
    text = status.sentence.partition(":")[0].partition(";")[0]
    return text.removesuffix(" of the parameter space").removesuffix(" before the tolerance was met")


def title_of(fit: Any) -> str:
    """What was fitted: the name with the estimates, and the verdict where it is no certified maximum."""
    name = name_of(fit).replace("_", " ")
    values = fit.solution.natural[0]
    if not fit.converged:
        name = f"{name}: {verdict(fit)}"
    if len(values) > 3 or not np.isfinite(values).all() or not fit.solution.usable[0]:
        return name
    estimates = ", ".join(f"{n} {short(x)}" for n, x in zip(fit.names, values, strict=True))
    return f"{name}{', ' if not fit.converged else ': '}{estimates}"


def amount(x: float) -> str:
    """A sum of weights."""
    return f"{x:,.0f}" if x == round(x) else f"{x:,.5g}"


def head(ax: Any, text: str) -> None:
    """The title, in two lines where it would not fit."""
    width = ax.get_position().width * ax.figure.get_figwidth()
    room = int(max(width, 2.5) * 13.5)
    if len(text) > room and ": " in text:
        first, _, rest = text.partition(": ")
        text = f"{first}:\n{rest}"
    elif len(text) > room and " [" in text:
        text = text.replace(" [", "\n[", 1)
    ax.set_title(text, loc="left")


def bars(ax: Any, height: np.ndarray, edges: np.ndarray, label: str) -> None:
    """A histogram, its bars told apart by white lines while they are wide enough."""
    ax.stairs(height, edges, fill=True, facecolor=PALE, edgecolor="#9a9a9a", lw=0.6, label=label)
    if len(height) <= 80:
        ax.vlines(edges[1:-1], 0, np.minimum(height[1:], height[:-1]), color="#ffffff", lw=0.8)


def legend(ax: Any, **options: Any) -> None:
    """Without a frame; nothing where there is nothing to name."""
    if options.get("handles") or ax.get_legend_handles_labels()[0]:
        drawn = ax.legend(**{"frameon": False, "handlelength": 1.8, "borderaxespad": 0.3} | options)
        drawn.set_in_layout(False)  # a long name must not squeeze the axes


def percent(level: float) -> str:
    return f"{100 * level:g} %"


def note(ax: Any, text: str, x: float = 0.98, y: float = 0.97, **options: Any) -> None:
    """A remark inside the axes."""
    place = {"ha": "right" if x > 0.5 else "left", "va": "top" if y > 0.5 else "bottom"}
    ax.text(x, y, text, transform=ax.transAxes, color=GREY, fontsize=9, **place | options)


def one(fit: Any, what: str) -> None:
    """Refuses a batch."""
    if not fit.solution.single:
        raise ValueError(
            f"{what} draws one fit and got {len(fit)}; choose one, such as fits[0] or fits['key'], or draw all of them with "
            "forest, histograms, estimates_map or verdicts"
        )


def many(fits: Any, what: str) -> None:
    """Refuses a single fit."""
    if fits.solution.single:
        raise ValueError(
            f"{what} draws many fits and got one: fit_many gives them; for one fit draw density, cdf, qq, profile or "
            "contours"
        )
    if not len(fits):
        raise ValueError(f"{what} got a batch without any fit")


def attempt(ax: Any, draw: Callable[..., Any], *args: Any, **options: Any) -> None:
    """Draws a panel of an overview; where that is impossible, says why in its place."""
    try:
        draw(*args, ax=ax, **options)
    except (ValueError, TypeError, RuntimeError) as error:
        import textwrap

        ax.set_axis_off()
        ax.text(0.5, 0.5, textwrap.fill(str(error), 44), ha="center", va="center", color=GREY, fontsize=9)
