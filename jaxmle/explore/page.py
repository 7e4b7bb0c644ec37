"""The page: its widgets and their layout. `session` connects them."""

from typing import Any

from bokeh.layouts import column, row
from bokeh.models import (
    Button,
    ColumnDataSource,
    Div,
    FileInput,
    GlobalInlineStyleSheet,
    NumericInput,
    Select,
    Slider,
)  # fmt: skip

from jaxmle import distributions
from jaxmle.explore import families
from jaxmle.explore.ascent import METHODS
from jaxmle.explore.figures import BEST, INK, NOW, Density, Likelihood, Profile, Surface

MOST_PARAMETERS = 4
_FONT = "system-ui, 'Segoe UI', 'Helvetica Neue', 'DejaVu Sans', sans-serif"
_PAGE = f"html, body {{ background: #f4f5f7; font-family: {_FONT}; margin: 0; overflow: hidden; }}"
_CARD = ":host { background: #ffffff; border: 1px solid #e2e5ea; border-radius: 8px; padding: 8px 10px; }"
_WORDS = f"""
:host {{ font: 13px/1.45 {_FONT}; color: {INK}; }}
.bk-clearfix {{ width: 100%; }}
h1 {{ font-size: 17px; font-weight: 650; margin: 0; }} h1 small {{ font-size: 12.5px; font-weight: 400; color: #6b7280; }}
h3 {{ font-size: 13px; font-weight: 650; margin: 10px 0 3px; }}
table {{ border-collapse: collapse; width: 100%; font-size: 12px; font-variant-numeric: tabular-nums; }}
th {{ text-align: right; font-weight: 500; color: #555b66; padding: 2px 3px; white-space: nowrap; }} tr > th:first-child {{ text-align: left; }}
td {{ text-align: right; padding: 2px 3px; border-top: 1px solid #eef0f3; white-space: nowrap; }}
tr.own th, tr.own td {{ font-weight: 700; color: {INK}; }}
.now {{ color: #9a6400; }} .max {{ color: #00745a; }} .again {{ color: #a8487c; }}
.hint {{ color: #6b7280; font-size: 12px; }} .bad {{ color: #b3261e; }} .value {{ font-size: 14px; }}
.formula {{ color: #444b57; }}
.verdict {{ border-left: 4px solid {BEST}; background: #eef8f4; padding: 5px 8px; border-radius: 3px; font-size: 12.5px; margin-bottom: 6px; }}
.verdict.limit {{ border-color: {NOW}; background: #fdf6e7; }} .verdict.bad {{ border-color: #d55e00; background: #fdf0e8; color: {INK}; }}
.alert {{ border-left: 4px solid #d55e00; background: #fdf0e8; padding: 5px 8px; border-radius: 3px; font-size: 12.5px; }}
.note {{ border-left: 4px solid #0072b2; background: #eef5fb; padding: 5px 8px; border-radius: 3px; font-size: 12.5px; }}
"""
_SLIM = f"""
:host {{ font: 12.5px {_FONT}; }} .bk-input, .bk-btn {{ font-size: 12.5px; }}
.bk-btn-success {{ background-color: #00805d; border-color: #00805d; }} .bk-btn-success:hover {{ background-color: #006b4e; }}
.bk-btn-primary {{ background-color: #0072b2; border-color: #0072b2; }}
"""
_KINDS = {
    "coin": "heads and tails", "real": "the real line", "positive": "positive numbers", "share": "shares, 0 to 1",
    "counts": "counts", "counts from 1": "counts from 1", "shares of trials": f"successes in {families.TRIALS:.0f} trials",
    "differences": "differences of counts", "circle": "angles",
}  # fmt: skip


def _options() -> dict[str, Any]:
    groups: dict[str, Any] = {title: [] for title in _KINDS.values()}
    for name in distributions.names():
        label = "coin (bernoulli)" if name == families.COIN else name.replace("_", " ")
        groups[_KINDS[families.kind(name)]].append((name, label))
    return groups


def text_box(name: str, **more: Any) -> Div:
    """Make an empty box of text."""
    return Div(
        text="", name=name, disable_math=True, stylesheets=[_WORDS], sizing_mode="stretch_width", margin=0, **more
    )


class Page:
    """Widgets by name, plots, and `root`, which holds them all."""

    def __init__(self) -> None:
        wide: dict[str, Any] = {"sizing_mode": "stretch_width", "stylesheets": [_SLIM]}
        self.events = ColumnDataSource({"number": [], "kind": [], "x": [], "hit": [], "moved": []}, name="events")
        self.density, self.surface, self.likelihood = Density(), Surface(), Likelihood()
        self.density.plot.scatter("x", "number", source=self.events, visible=False)  # the page must hold them
        self.profiles = (Profile("profile 1"), Profile("profile 2"))

        self.family = Select(title="Family", options=_options(), name="family", **wide)
        self.sliders = [
            Slider(start=0, end=1, value=0.5, step=0.001, show_value=False, name=f"slider {i}", bar_color=NOW, **wide)
            for i in range(MOST_PARAMETERS)
        ]
        box: dict[str, Any] = {"mode": "float", "width": 80, "stylesheets": [_SLIM], "margin": (0, 5, 0, 4)}
        self.boxes = [NumericInput(name=f"box {i}", **box) for i in range(MOST_PARAMETERS)]
        for slider in self.sliders:
            slider.margin = (2, 6, 0, 8)
        self.params = [
            row(s, b, sizing_mode="stretch_width", styles={"align-items": "end"})
            for s, b in zip(self.sliders, self.boxes, strict=True)
        ]
        self.across, self.up = (Select(title=title, name=title, **wide) for title in ("Surface across", "Surface up"))
        self.axes = row(self.across, self.up, sizing_mode="stretch_width", visible=False)
        self.method = Select(title="Ascent", value=METHODS[0], options=list(METHODS), name="method", **wide)
        self.ascent = Button(label="Ascend to the maximum", button_type="success", name="ascent", **wide)
        self.resample = Button(label="Resample: how sure is it?", button_type="default", name="resample", **wide)
        self.heads = Button(label="Heads", button_type="primary", name="heads", **wide)
        self.tails = Button(label="Tails", button_type="primary", name="tails", **wide)
        self.tosses = row(self.heads, self.tails, sizing_mode="stretch_width", visible=False)
        self.draw = Button(label="Draw 10", name="draw", **wide)
        self.clear = Button(label="Clear", name="clear", **wide)
        self.file = FileInput(
            accept=".csv,.parquet,.json,.ndjson", title="A table: CSV or Parquet", name="file", **wide
        )
        self.column = Select(title="Column", name="column", visible=False, **wide)
        self.notes, self.busy = text_box("notes"), text_box("busy")
        self.product, self.maximum = text_box("product", height=62), text_box("maximum")
        self.criteria, self.spread, self.coin = text_box("criteria"), text_box("spread"), text_box("coin")
        self.notes.margin = self.coin.margin = 5
        self.root = self._root()

    def _root(self) -> Any:
        def card(*children: Any, **more: Any) -> Any:
            return column(*children, stylesheets=[_CARD], spacing=4, **more)

        full: dict[str, Any] = {"sizing_mode": "stretch_both"}
        title = text_box("title")
        title.text = "<h1>Likelihood explorer <small>click to place an observation, drag to move it, click it to remove it</small></h1>"
        header = row(title, self.busy, sizing_mode="stretch_width", margin=(0, 2, 6, 2), spacing=10)
        self.busy.sizing_mode, self.busy.width, self.busy.height = "fixed", 330, 22
        self.busy.styles = {"text-align": "right"}
        left = card(
            self.family, self.tosses, self.coin, *self.params, self.axes, self.method, self.ascent, self.resample,
            row(self.draw, self.clear, sizing_mode="stretch_width"), self.file, self.column, self.notes,
            width=244, sizing_mode="stretch_height", styles={"overflow-y": "auto", "overflow-x": "hidden"},
        )  # fmt: skip
        top = card(self.density.plot, self.product, **full, styles={"flex": "1.12 1 0"})
        curves = column(*(p.plot for p in self.profiles), spacing=2, **full, styles={"flex": "1 1 0"})
        below = row(
            column(self.surface.plot, self.likelihood.plot, **full, styles={"flex": "1.35 1 0"}),
            curves, spacing=4, **full,
        )  # fmt: skip
        middle = column(top, card(below, **full), spacing=8, **full)
        right = card(
            self.maximum, self.spread, self.criteria,
            width=312, sizing_mode="stretch_height", styles={"overflow-y": "auto", "overflow-x": "hidden"},
        )  # fmt: skip
        return column(
            header,
            row(left, middle, right, spacing=8, **full),
            stylesheets=[GlobalInlineStyleSheet(css=_PAGE)],
            styles={"padding": "8px", "box-sizing": "border-box", "min-width": "980px", "height": "100vh"},
            **full,
        )
