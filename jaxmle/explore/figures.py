"""The plots of the page, and the functions that show new numbers in them."""

from typing import Any

import numpy as np
from bokeh.models import (
    Arrow,
    BasicTicker,
    ColumnDataSource,
    FixedTicker,
    Label,
    Legend,
    LegendItem,
    NormalHead,
    Range1d,
    Span,
)
from bokeh.plotting import figure
from bokeh.plotting.contour import contour_data

from jaxmle.explore import families, text
from jaxmle.explore.ascent import Path
from jaxmle.explore.numbers import DROPS, LEVELS, AtMaximum, AtSliders, Curve, Spread
from jaxmle.explore.state import State

# Okabe and Ito's palette, one meaning each.
NOW, BEST, STICK, ASCENT, SAMPLES_COLOR, INK, SOFT = (
    "#E69F00",
    "#009E73",
    "#0072B2",
    "#D55E00",
    "#CC79A7",
    "#222222",
    "#8a8f98",
)
BANDS = [0.0, 0.1, 0.3, 0.6931, 1.4, 2.3026, 2.9957, 4.5, 7.0, 11.0, 18.0, 30.0, 60.0]
SHADES = ["#08519c", "#1764ab", "#2878b8", "#3b8bc2", "#549ecd", "#6eb0d7", "#8cc0de", "#a9cfe5", "#c3daee", "#d5e5f4"]
SHADES += ["#e4eef9", "#f1f6fc"]


def _plot(title: str, **options: Any) -> Any:
    plot: Any = figure(
        title=title,
        tools="",
        toolbar_location=None,
        sizing_mode="stretch_both",
        output_backend="canvas",
        min_border=6,
        outline_line_color=None,
        background_fill_color="#ffffff",
        border_fill_color="#ffffff",
        **options,
    )
    plot.title.text_font_size, plot.title.text_color, plot.title.text_font_style = "13px", INK, "normal"
    plot.title.text_font = "system-ui, sans-serif"
    for axis in plot.axis:
        axis.axis_line_color = axis.major_tick_line_color = "#b8bcc4"
        axis.minor_tick_line_color = None
        axis.major_label_text_font_size, axis.major_label_text_color = "11px", "#555b66"
        axis.axis_label_text_font_size, axis.axis_label_text_color = "12px", "#333842"
        axis.axis_label_text_font_style = "normal"
        axis.major_label_text_font = axis.axis_label_text_font = "system-ui, sans-serif"
    plot.grid.grid_line_color = "#eef0f3"
    return plot


def source(*names: str) -> ColumnDataSource:
    """Make an empty source of data with these columns."""
    return ColumnDataSource({name: [] for name in names})


def _message(plot: figure) -> Label:
    """Add the label for a sentence in the middle of a plot that has nothing to draw."""
    label = Label(
        x=0.5, y=0.5, text="", text_align="center", text_baseline="middle",
        text_color="#6b7280", text_font_size="13px", text_font="system-ui, sans-serif",
    )  # fmt: skip
    plot.add_layout(label)
    return label


def _middle(plot: Any) -> tuple[float, float]:
    return (plot.x_range.start + plot.x_range.end) / 2, (plot.y_range.start + plot.y_range.end) / 2


class Density:
    """The density over the observations, with a stick for each observation's likelihood."""

    def __init__(self) -> None:
        self.plot = _plot("", x_range=Range1d(start=-6, end=6), y_range=Range1d(start=-0.1, end=0.5), name="density")
        self.plot.min_border_left, self.plot.min_border_right = 66, 14  # the axis must not move under the pointer
        self.plot.yaxis.axis_label, self.plot.xaxis.axis_label = "density", "observation"
        self.now, self.best = source("x", "y"), source("x", "y")
        self.sticks, self.points = source("x", "y"), source("x", "y", "id")
        self.now.name, self.sticks.name, self.points.name = "curve", "sticks", "points"
        self.plot.add_layout(Span(location=0, dimension="width", line_color="#b8bcc4"))
        self.areas = self.plot.varea("x", 0, "y", source=self.now, fill_color=NOW, fill_alpha=0.10)
        self.stick = self.plot.segment(
            "x", 0, "x", "y", source=self.sticks, line_color=STICK, line_width=2, line_alpha=0.75
        )
        pairs = ((self.best, BEST, "dashed", 0.0), (self.now, NOW, "solid", 0.10))
        self.shapes = [
            [
                self.plot.line("x", "y", source=d, line_color=c, line_dash=dash, line_width=2.5)
                for d, c, dash, _ in pairs
            ],
            [
                self.plot.vbar(
                    "x", 0.84, "y", source=d, line_color=c, line_dash=dash, line_width=2, fill_color=c, fill_alpha=alpha
                )
                for d, c, dash, alpha in pairs
            ],
        ]
        self.tops = self.plot.scatter("x", "y", source=self.sticks, size=6, fill_color=STICK, line_color="white")
        (best, now), _ = self.shapes
        named = {"at the sliders": now, "at the maximum": best, "likelihood of an observation": self.stick}
        look: dict[str, Any] = {"padding": 0, "margin": 4, "spacing": 14, "glyph_height": 12}
        look |= {"border_line_color": None, "background_fill_alpha": 0}
        look |= {"label_text_font_size": "11.5px", "label_text_font": "system-ui, sans-serif"}
        items = [LegendItem(label=label, renderers=[glyph]) for label, glyph in named.items()]
        self.plot.add_layout(Legend(items=items, orientation="horizontal", location="top_right", **look), "above")
        self.dots = self.plot.scatter(
            "x", "y", source=self.points, size=11, fill_color=INK, line_color="white", line_width=1.2
        )

    def set_family(self, family: str) -> None:
        """Set labels and ticks of a family; rarely called, since a new ticker makes Bokeh go through all of its models."""
        coin, discrete = family == families.COIN, families.response(family).discrete
        self.plot.yaxis.axis_label = "probability" if discrete else "density"
        self.plot.xaxis.axis_label = "toss" if coin else "observation"
        self.plot.xaxis.ticker = FixedTicker(ticks=[0, 1]) if coin else BasicTicker()
        self.plot.xaxis.major_label_overrides = {0: "tails", 1: "heads"} if coin else {}

    def show_points(self, state: State) -> None:
        """Show the observations, equal ones side by side and above one another."""
        ranks: dict[float, int] = {}
        high = float(self.plot.y_range.end)
        gap, x, y = (state.window[1] - state.window[0]) / 56, [], []
        for value in state.x:
            rank = ranks[value] = ranks.get(value, -1) + 1
            row, column = rank % 3, rank // 3 % 9
            x.append(value + gap * ((column + 1) // 2) * (-1 if column % 2 else 1))
            y.append(-high * (0.045 + 0.062 * row))
        self.points.data = {"x": x, "y": y, "id": list(state.ids)}
        many = len(x) > 60
        self.dots.glyph.size, self.tops.glyph.size = (7, 4) if many else (11, 6)
        self.stick.glyph.line_width, self.stick.glyph.line_alpha = (1, 0.45) if many else (2, 0.75)

    def show(self, state: State, here: AtSliders, whole: AtMaximum | None) -> None:
        discrete = families.response(state.family).discrete
        for shape, visible in zip(self.shapes, (not discrete, discrete), strict=True):
            for glyph in shape:
                glyph.visible = visible
        self.areas.visible = not discrete
        density = np.where(np.isfinite(here.density), here.density, np.nan)
        at = np.exp(here.terms)
        best = whole.best if whole is not None and whole.best is not None else np.zeros(0)
        fitted = len(best) == len(here.grid)
        # An infinite density at an end must not flatten the rest.
        tops = [
            np.nanquantile(d[np.isfinite(d)], 0.995)
            for d in (density, best if fitted else density)
            if np.isfinite(d).any()
        ]
        top = float(max([*tops, 1e-12])) * 1.12
        self.plot.y_range.start, self.plot.y_range.end = -0.22 * top, top
        self.plot.x_range.start, self.plot.x_range.end = state.window
        self.now.data = {"x": here.grid, "y": np.minimum(density, 3 * top)}
        self.best.data = {"x": here.grid, "y": np.minimum(best, 3 * top)} if fitted else {"x": [], "y": []}
        self.sticks.data = {"x": np.array(state.x)[: len(at)], "y": np.minimum(at, 3 * top)}
        self.plot.yaxis.bounds = (0, top)


class Surface:
    """The log-likelihood over two parameters, with the sliders, the maximum, an ascent and estimates of samples."""

    def __init__(self) -> None:
        self.plot = _plot("", x_range=Range1d(start=0, end=1), y_range=Range1d(start=0, end=1), name="surface")
        self.plot.grid.grid_line_color = None
        empty = (np.array([0.0, 1.0]), np.array([0.0, 1.0]), np.full((2, 2), -1e9))
        self.levels = [-b for b in reversed(BANDS)]
        self.lines = sorted(-drop for drop in DROPS[2])
        self.bands = self.plot.contour(*empty, self.levels, fill_color=list(reversed(SHADES)), line_color=None)
        self.rings = self.plot.contour(*empty, self.lines, line_color="white", line_width=1.6)
        self.names = source("x", "y", "text")
        self.plot.text(
            "x", "y", "text", source=self.names, text_font_size="11px", text_color="white", text_align="center",
            text_baseline="bottom", text_font={"value": "system-ui, sans-serif"},
        )  # fmt: skip
        self.samples, self.ascent = source("x", "y"), source("x", "y")
        self.now, self.best = source("x", "y"), source("x", "y")
        self.plot.scatter(
            "x",
            "y",
            source=self.samples,
            size=5,
            fill_color=SAMPLES_COLOR,
            line_color="white",
            line_width=0.4,
            fill_alpha=0.9,
        )
        self.plot.line("x", "y", source=self.ascent, line_color=ASCENT, line_width=2)
        self.plot.scatter("x", "y", source=self.ascent, size=5, fill_color=ASCENT, line_color="white", line_width=0.6)
        self.plot.scatter(
            "x", "y", source=self.best, size=14, marker="star", fill_color=BEST, line_color="white", line_width=1
        )
        self.arrow: Any = Arrow(
            x_start=0,
            y_start=0,
            x_end=0,
            y_end=0,
            visible=False,
            end=NormalHead(size=10, fill_color=NOW, line_color=NOW),
        )
        self.arrow.line_color, self.arrow.line_width = NOW, 3
        self.plot.add_layout(self.arrow)
        self.plot.scatter("x", "y", source=self.now, size=12, fill_color=NOW, line_color="white", line_width=1.5)
        self.message = _message(self.plot)

    def show(self, state: State, here: AtSliders, whole: AtMaximum) -> None:
        drawn = whole.surface is not None
        for renderer in self.plot.renderers:
            renderer.visible = drawn
        self.plot.axis.visible = drawn
        self.message.text = "" if drawn else text.why_none(whole)
        self.message.x, self.message.y = _middle(self.plot)
        self.plot.title.text = "log-likelihood surface" + (f"  ({whole.how})" if drawn and whole.how else "")
        if whole.surface is None:
            self.arrow.visible = False
            return
        x, y, drop = whole.surface
        z = np.where(np.isfinite(drop), np.clip(drop, -BANDS[-1], -1e-9), -BANDS[-1])
        self.bands.set_data(contour_data(x, y, z, self.levels, want_line=False))
        rings = contour_data(x, y, z, self.lines, want_fill=False)
        self.rings.set_data(rings)
        self._name(rings.line_data)
        across, up = state.axes
        self.plot.xaxis.axis_label, self.plot.yaxis.axis_label = across, up
        self.plot.x_range.start, self.plot.x_range.end = float(x[0]), float(x[-1])
        self.plot.y_range.start, self.plot.y_range.end = float(y[0]), float(y[-1])
        self.best.data = {"x": [float(whole.fitted.params[across])], "y": [float(whole.fitted.params[up])]}
        self.move(state, here)

    def _name(self, rings: Any) -> None:
        """Write 50 %, 90 %, 95 % above the top of their contours."""
        found: dict[str, Any] = {"x": [], "y": [], "text": []}
        for xs, ys, level in zip(rings.xs, rings.ys, self.lines, strict=False):
            xs, ys = np.asarray(xs, float), np.asarray(ys, float)
            if len(ys) and np.isfinite(ys).any():
                top = int(np.nanargmax(ys)) if level != self.lines[1] else int(np.nanargmin(ys))
                found["x"].append(xs[top])
                found["y"].append(ys[top])
                found["text"].append(f"{LEVELS[int(np.argmin(np.abs(np.array(DROPS[2]) + level)))]} %")
        self.names.data = dict(found)

    def move(self, state: State, here: AtSliders) -> None:
        """Show the point of the sliders, with the score as an arrow, uphill on the screen."""
        across, up = state.axes
        x, y = here.params[across], here.params[up]
        width, height = (r.end - r.start for r in (self.plot.x_range, self.plot.y_range))
        self.now.data = {"x": [x], "y": [y]}
        slope = np.array([here.score[across] * width, here.score[up] * height])
        length = float(np.hypot(*slope))
        shown = np.isfinite(length) and length > 1e-2
        self.arrow.visible = bool(shown) and self.plot.renderers[0].visible
        if shown:
            reach = 0.12 + 0.18 * np.tanh(length / 100)
            step = slope / length * reach
            self.arrow.x_start, self.arrow.y_start = x, y
            self.arrow.x_end, self.arrow.y_end = x + step[0] * width, y + step[1] * height

    def show_ascent(self, state: State, path: Path | None, upto: int | None = None) -> None:
        points = path.points if path is not None else {}
        self.ascent.data = {
            axis: list(points[name][:upto]) if name in points else []
            for axis, name in zip("xy", state.axes, strict=True)
        }

    def show_samples(self, state: State, found: Spread | None) -> None:
        self.samples.data = {
            axis: found.estimates[name] if found is not None else []
            for axis, name in zip("xy", state.axes, strict=True)
        }


class Likelihood:
    """The likelihood of a single parameter as a share of its maximum: the coin's curve."""

    def __init__(self) -> None:
        self.plot = _plot("", x_range=Range1d(start=0, end=1), y_range=Range1d(start=0, end=1.12), name="likelihood")
        self.plot.yaxis.axis_label = "likelihood / maximum"
        self.curve, self.now, self.best = source("x", "y"), source("x", "y"), source("x", "y")
        self.samples = source("x", "y")
        self.labels: Any = [
            Label(
                x=1, y=float(np.exp(-drop)), text=f"{level} %", text_font_size="10px", text_color="#6b7280",
                text_align="right",
            )
            for level, drop in zip(LEVELS, DROPS[1], strict=True)
        ]  # fmt: skip
        for label in self.labels:
            self.plot.add_layout(Span(location=label.y, dimension="width", line_color=SOFT, line_dash="dotted"))
            self.plot.add_layout(label)
        self.plot.varea("x", 0, "y", source=self.curve, fill_color=STICK, fill_alpha=0.12)
        self.plot.line("x", "y", source=self.curve, line_color=STICK, line_width=2.5)
        self.plot.segment("x", 0, "x", "y", source=self.best, line_color=BEST, line_width=2, line_dash="dashed")
        self.plot.scatter(
            "x", "y", source=self.samples, size=4, fill_color=SAMPLES_COLOR, line_color=None, fill_alpha=0.6
        )
        self.plot.scatter("x", "y", source=self.best, size=14, marker="star", fill_color=BEST, line_color="white")
        self.plot.scatter("x", "y", source=self.now, size=12, fill_color=NOW, line_color="white", line_width=1.5)
        self.message = _message(self.plot)

    def show(self, state: State, here: AtSliders, whole: AtMaximum) -> None:
        drawn = bool(whole.curves)
        for renderer in self.plot.renderers:
            renderer.visible = drawn
        self.message.text = "" if drawn else text.why_none(whole)
        self.message.x, self.message.y = _middle(self.plot)
        name = state.axes[0]
        self.plot.xaxis.axis_label = name
        coin = state.family == families.COIN
        heads = int(sum(state.x))
        self.plot.title.text = (
            f"binomial likelihood: {heads} heads in {len(state.x)} tosses" if coin else f"likelihood of {name}"
        )
        if not drawn:
            return
        x, drop = whole.curves[0].x, whole.curves[0].drop
        self.curve.data = {"x": x, "y": np.where(np.isfinite(drop), np.exp(np.minimum(drop, 0.0)), 0.0)}
        self.plot.x_range.start, self.plot.x_range.end = (0, 1) if coin else (float(x[0]), float(x[-1]))
        for label in self.labels:
            label.x = self.plot.x_range.end
        self.best.data = {"x": [float(whole.fitted.params[name])], "y": [1.0]}
        self.move(state, here, whole)

    def move(self, state: State, here: AtSliders, whole: AtMaximum) -> None:
        share = float(np.exp(min(here.log_likelihood - whole.fitted.log_likelihood, 0.0))) if whole.curves else 0.0
        self.now.data = {"x": [here.params[state.axes[0]]], "y": [share]}

    def show_samples(self, state: State, found: Spread | None) -> None:
        x = found.estimates[state.axes[0]] if found is not None else np.zeros(0)
        self.samples.data = {"x": x, "y": 0.03 + 0.03 * (np.arange(len(x)) % 5)}


class Profile:
    """Log-likelihood along one parameter, the others refitted at every point."""

    def __init__(self, name: str) -> None:
        self.plot = _plot("", x_range=Range1d(start=0, end=1), y_range=Range1d(start=-6, end=0.5), name=name)
        self.plot.yaxis.axis_label = "ℓ − maximum"
        self.plot.xaxis.ticker = BasicTicker(desired_num_ticks=4)
        self.curve, self.best, self.samples = source("x", "y"), source("x", "y"), source("left", "right", "top")
        for drop in DROPS[1]:
            self.plot.add_layout(Span(location=-drop, dimension="width", line_color=SOFT, line_dash="dotted"))
        self.plot.quad(
            "left",
            "right",
            "top",
            -6,
            source=self.samples,
            fill_color=SAMPLES_COLOR,
            fill_alpha=0.35,
            line_color="white",
        )
        self.plot.line("x", "y", source=self.curve, line_color=STICK, line_width=2.5)
        self.plot.scatter("x", "y", source=self.best, size=12, marker="star", fill_color=BEST, line_color="white")
        self.slider = Span(location=0, dimension="height", line_color=NOW, line_width=2, visible=False)
        self.plot.add_layout(self.slider)

    def show(self, curve: Curve | None, here: AtSliders, whole: AtMaximum) -> None:
        self.curve.data = {"x": curve.x, "y": curve.drop} if curve else {"x": [], "y": []}
        self.plot.title.text = f"{curve.name}: {curve.how or 'log-likelihood'}" if curve else "profile"
        self.plot.visible = self.slider.visible = curve is not None
        if curve is None:
            return
        self.plot.x_range.start, self.plot.x_range.end = float(curve.x[0]), float(curve.x[-1])
        self.plot.xaxis.axis_label = curve.name
        self.best.data = {"x": [float(whole.fitted.params[curve.name])], "y": [0.0]}
        self.slider.location = here.params[curve.name]

    def move(self, name: str, here: AtSliders) -> None:
        self.slider.location = here.params[name]

    def show_samples(self, name: str, found: Spread | None) -> None:
        """Show a histogram of the estimates, its highest bar two thirds of the plot."""
        x = found.estimates[name] if found is not None else np.zeros(0)
        if not len(x):
            self.samples.data = {"left": [], "right": [], "top": []}
            return
        count, edges = np.histogram(x, bins=24, range=(self.plot.x_range.start, self.plot.x_range.end))
        self.samples.data = {"left": edges[:-1], "right": edges[1:], "top": -6 + 4.2 * count / max(count.max(), 1)}
