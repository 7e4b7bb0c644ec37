"""How pictures look: axes, colors, titles, legends. Nothing global is changed."""

import textwrap
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxmle._util.arrays import Float
from jaxmle._util.optional import optional

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
else:  # matplotlib is optional
    Axes = Figure = SubFigure = Any

AxesGrid = np.ndarray
"An array of axes, [rows, columns] or [panels]."

Panels = Axes | Sequence[Axes] | AxesGrid
"Axes that a person gives for a picture of one or more panels."

BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, RED, PURPLE = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7",
)  # fmt: skip
"Okabe & Ito's palette (2008): distinguishable by everyone; line styles and markers differ, too."
GREY, PALE = "#707070", "#d4d4d4"

SETTINGS = {
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
    """Import a module of matplotlib, or raise with how to install it."""
    return optional(f"matplotlib.{part}", "plot")


def axes_or_new(ax: Axes | None) -> Axes:
    """Return the axes given, or make those of a new figure."""
    if ax is not None:
        return ax
    pyplot = matplotlib()
    with pyplot.rc_context(SETTINGS):
        return pyplot.subplots(figsize=PANEL, layout="constrained")[1]


def panel_grid(ax: Panels | None, rows: int, columns: int, size: tuple[float, float] = (4.2, 3.3)) -> AxesGrid:
    """Arrange the axes given, or make those of a new figure, as an array [rows, columns]; `size` is a panel's in inches."""
    if ax is not None:
        given = np.asarray(ax, object)
        if given.size != rows * columns:
            raise ValueError(f"ax= holds {given.size} axes; this picture has {rows * columns} panels")
        return given.reshape(rows, columns)
    pyplot = matplotlib()
    with pyplot.rc_context(SETTINGS):
        figsize = (max(columns * size[0], PANEL[0]), max(rows * size[1], PANEL[1] if rows * columns == 1 else 0))
        return pyplot.subplots(rows, columns, figsize=figsize, layout="constrained", squeeze=False)[1]


def named_panels(
    figure: Figure | SubFigure | None, mosaic: list[list[str]], size: tuple[float, float], **options: Any
) -> dict[str, Axes]:
    """Make axes by the names of a mosaic, in the figure given or in a new one of `size` inches."""
    pyplot = matplotlib()
    with pyplot.rc_context(SETTINGS):
        drawn: Any = pyplot.figure(figsize=size, layout="constrained") if figure is None else figure
        return drawn.subplot_mosaic(mosaic, **options)


# --- text ------------------------------------------------------------------------------------------------


def format_number(x: float, digits: int = 4, trailing: bool = False) -> str:
    """Format a number for a title, with trailing zeros where asked."""
    x = float(x)
    if not np.isfinite(x):
        return "unknown" if np.isnan(x) else "infinity" if x > 0 else "-infinity"
    text = f"{x:#.{digits}g}".removesuffix(".") if trailing else f"{x:.{digits}g}"
    return f"{x:,.0f}" if "e" in text and 1 <= abs(x) < 1e12 else text


def format_weight(x: float) -> str:
    """Format a sum of weights, without decimals where it is whole."""
    return f"{x:,.0f}" if x == round(x) else f"{x:,.5g}"


def format_percent(level: float) -> str:
    """Format a level of confidence."""
    return f"{100 * level:g} %"


# --- parts of a picture ----------------------------------------------------------------------------------


def set_title(ax: Axes, text: str) -> None:
    """Set the title, in two lines where it would not fit."""
    width = ax.get_position().width * ax.figure.bbox.width / ax.figure.dpi  # inches, in a SubFigure too
    most = int(max(width, 2.5) * 13.5)
    if len(text) > most and ": " in text:
        first, _, rest = text.partition(": ")
        text = f"{first}:\n{rest}"
    elif len(text) > most and " [" in text:
        text = text.replace(" [", "\n[", 1)
    ax.set_title(text, loc="left")


def draw_bars(ax: Axes, height: Float[np.ndarray, " m"], edges: Float[np.ndarray, " m+1"], label: str) -> None:
    """Draw a histogram, with white lines between bars while they are wide enough."""
    ax.stairs(height, edges, fill=True, facecolor=PALE, edgecolor="#9a9a9a", lw=0.6, label=label)
    if len(height) <= 80:
        ax.vlines(edges[1:-1], 0, np.minimum(height[1:], height[:-1]), color="#ffffff", lw=0.8)


def add_legend(ax: Axes, **options: Any) -> None:
    """Add a legend without a frame; none where nothing has a name. `options` are those of matplotlib's `legend`."""
    if options.get("handles") or ax.get_legend_handles_labels()[0]:
        drawn = ax.legend(**{"frameon": False, "handlelength": 1.8, "borderaxespad": 0.3} | options)
        drawn.set_in_layout(False)  # a long name must not squeeze the axes


def whole_ticks(most: int) -> Any:
    """Return a locator of at most `most` intervals between ticks at whole numbers."""
    return matplotlib("ticker").MaxNLocator(integer=True, nbins=most)


def draw_or_explain(ax: Axes, draw: Callable[..., object], *args: Any, **options: Any) -> None:
    """Draw a panel of an overview; where `draw` raises, write its message in the panel."""
    try:
        draw(*args, ax=ax, **options)
    except (ValueError, TypeError, RuntimeError) as error:
        ax.set_axis_off()
        ax.text(0.5, 0.5, textwrap.fill(str(error), 44), ha="center", va="center", color=GREY, fontsize=9)
