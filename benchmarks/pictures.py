"""Pictures of a record, one function each: record -> matplotlib figure, or None where the record holds nothing for it."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter

from benchmarks.table import value_at

INK, PALE, OWN = "#222222", "#d8d8d8", "#c8102e"
STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
    "axes.labelcolor": INK,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "xtick.color": INK,
    "ytick.color": INK,
    "svg.fonttype": "path",  # looks the same wherever it is shown
    "svg.hashsalt": "jaxmle",
    "figure.facecolor": "white",
    "legend.frameon": False,
}

# Colors that the color-blind tell apart (Okabe & Ito 2008), a marker for each kind of rival.
LOOKS = {
    "jaxmle": (OWN, "o"),
    "mixed": (OWN, "^"),
    "resident": (OWN, "s"),
    "traced": (OWN, "d"),
    "numba": ("#000000", "D"),
    "vmap": ("#0072b2", "s"),
    "jax": ("#56b4e9", "s"),
    "scipy": ("#009e73", "^"),
    "jaxopt-bfgs": ("#e69f00", "v"),
    "jaxopt-lbfgs": ("#f0c75e", "v"),
    "optimistix-bfgs": ("#cc79a7", "v"),
    "optimistix-newton": ("#9c5c86", "v"),
    "tfp": ("#a65628", "v"),
    "optax": ("#7570b3", "v"),
    "scipy-fit": ("#66c2a5", "P"),
    "blas": ("#999933", "D"),
    "statsmodels": ("#888888", "P"),
    "scikit-learn": ("#666666", "X"),
    "glum": ("#aaaaaa", "X"),
    "lifelines": ("#444444", "P"),
    "r": ("#1b4f9c", "P"),
    "rfast": ("#1b4f9c", "X"),
    "tmb": ("#1b4f9c", "D"),
}
NAMES = {
    "mixed": "jaxmle, mixed precision", "resident": "jaxmle, data on the device", "traced": "vmap(jaxmle.maximize)", "vmap": "vmap(while_loop)", "jax": "JAX by hand", "numba": "numba by hand", "scipy": "SciPy minimize",
    "scipy-fit": "SciPy .fit", "tfp": "TFP BFGS", "optax": "optax L-BFGS", "jaxopt-bfgs": "jaxopt BFGS",
    "jaxopt-lbfgs": "jaxopt L-BFGS", "optimistix-bfgs": "optimistix BFGS", "optimistix-newton": "optimistix Newton",
    "r": "R, packages", "rfast": "R, Rfast", "tmb": "R, TMB",
    "blas": "NumPy by hand", "differences": "differences of the value", "autodiff": "JAX, exact",
}  # fmt: skip


def label(rival: str) -> str:
    return NAMES.get(rival, rival)


def _timed(race: dict[str, Any]) -> list[dict[str, Any]]:
    return [entry for entry in race["rivals"] if "fits_per_second" in entry]


def _plain(value: float, _: Any = None) -> str:
    """1000 as `1k`."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def _rows(names: list[str], width: float = 8.2) -> tuple[Figure, Any]:
    fig, ax = plt.subplots(figsize=(width, 1.3 + 0.42 * len(names)), layout="constrained")
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    for i in range(len(names)):
        ax.axhline(i, color=PALE, lw=0.8, zorder=0)
    return fig, ax


def _legend(fig: Figure, rivals: list[str], hollow: bool = False) -> None:
    marks = [
        Line2D([], [], color=LOOKS[r][0], marker=LOOKS[r][1], ls="", ms=9 if r == "jaxmle" else 6.5, label=label(r))
        for r in rivals
    ]
    if hollow:
        marks.append(
            Line2D([], [], color=INK, marker="o", mfc="white", ls="", ms=6.5, label="hollow: < 99 % at the best")
        )
    fig.legend(handles=marks, loc="outside right upper", handletextpad=0.3, fontsize=9)


def rivals(record: dict[str, Any]) -> Figure | None:
    """How fast everyone is relative to jaxmle; a line from least to most where it shows."""
    races = [race for race in record["workloads"] if _timed(race)]
    if not races:
        return None
    fig, ax = _rows([f"{race['title']}  ({_plain(race['datasets'])} × {_plain(race['rows'])})" for race in races])
    ax.axvline(1, color=OWN, lw=1.2, zorder=0)
    seen, hollow = [], False
    for y, race in enumerate(races):
        for entry in _timed(race):
            speeds = {k: 1 / v for k, v in entry["ratio"].items()}
            color, marker = LOOKS[entry["rival"]]
            own, good = entry["rival"] == "jaxmle", entry["close"] >= 0.99
            ax.plot([speeds["most"], speeds["least"]], [y, y], color=color, lw=2, solid_capstyle="butt", zorder=2)
            ax.plot(
                speeds["median"], y, marker, color=color, ms=9 if own else 6.5, mfc=color if good else "white",
                zorder=4 if own else 3,
            )  # fmt: skip
            hollow |= not good
            if entry["rival"] not in seen:
                seen.append(entry["rival"])
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(lambda v, _: f"{v:g}×" if v >= 1 else f"1/{_plain(round(1 / v))}")
    ax.set_xlabel("fits per second, relative to jaxmle (farther right is faster)")
    _legend(fig, [r for r in LOOKS if r in seen], hollow)
    return fig


def throughput(record: dict[str, Any]) -> Figure | None:
    """Fits per second of everyone."""
    races = [race for race in record["workloads"] if _timed(race)]
    if not races:
        return None
    fig, ax = _rows([race["title"] for race in races])
    seen: list[str] = []
    for y, race in enumerate(races):
        for entry in _timed(race):
            color, marker = LOOKS[entry["rival"]]
            own = entry["rival"] == "jaxmle"
            rate = entry["fits_per_second"]
            ax.plot([rate["least"], rate["most"]], [y, y], color=color, lw=2, solid_capstyle="butt", zorder=2)
            ax.plot(rate["median"], y, marker, color=color, ms=9 if own else 6.5, zorder=4 if own else 3)
            if entry["rival"] not in seen:
                seen.append(entry["rival"])
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(_plain)
    ax.set_xlabel("fits per second")
    _legend(fig, [r for r in LOOKS if r in seen])
    return fig


def scaling(record: dict[str, Any]) -> Figure | None:
    """Throughput against each axis; lines are the median, bands from least to most."""
    axes = record.get("scaling")
    if not axes:
        return None
    fig, places = plt.subplots(1, len(axes), figsize=(3.1 * len(axes), 3.3), layout="constrained")
    seen: list[str] = []
    for ax, axis in zip(np.atleast_1d(places), axes, strict=True):
        ticks: set[int] = set()
        for rival, line in axis["lines"].items():
            values = sorted(int(v) for v in line)
            ticks |= set(values)
            low, middle, high = (
                [value_at(line, v)[k] * (v if axis["axis"] == "rows" else 1) for v in values]
                for k in ("least", "median", "most")
            )
            color, marker = LOOKS[rival]
            ax.fill_between(values, low, high, color=color, alpha=0.2, lw=0)
            ax.plot(values, middle, color=color, marker=marker, ms=5, lw=1.6)
            if rival not in seen:
                seen.append(rival)
        if axis["axis"] in ("workers", "parameters"):
            ax.set_xscale("log", base=2)
        else:
            ax.set_xscale("log")
        ax.set_yscale("log" if axis["axis"] != "workers" else "linear")
        if axis["axis"] == "workers":
            ax.set_ylim(bottom=0)
        ax.set_xticks(sorted(ticks), [_plain(t) for t in sorted(ticks)])
        ax.minorticks_off()
        ax.yaxis.set_major_formatter(_plain)
        ax.set_xlabel(axis["title"])
        ax.set_title(axis["workload"] + (", rows per second" if axis["axis"] == "rows" else ", fits per second"))
        ax.grid(axis="y", color=PALE, lw=0.6)
    _legend(fig, [r for r in LOOKS if r in seen])
    return fig


def roofline(record: dict[str, Any]) -> Figure | None:
    """Which share of the bound is reached."""
    found = record.get("fractions")
    if not found:
        return None
    titles = {race["workload"]: race["title"] for race in record["workloads"]}
    names = list(dict.fromkeys(entry["workload"] for entry in found))
    fig, ax = _rows([titles[name] for name in names])
    for entry in found:
        y, (color, marker) = names.index(entry["workload"]), LOOKS[entry["rival"]]
        own = entry["rival"] == "jaxmle"
        ax.plot(100 * entry["fraction"], y, marker, color=color, ms=9 if own else 6.5, zorder=4 if own else 3)
    ax.axvline(100, color=INK, lw=1.2)
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(lambda v, _: f"{v:g} %")
    ax.set_xlabel("of the speed that the measured ceilings allow for the unavoidable work (line: 100 %)")
    _legend(fig, [r for r in LOOKS if any(entry["rival"] == r for entry in found)])
    return fig


def derivatives(record: dict[str, Any]) -> Figure | None:
    """Time and error of value, score and Hessian."""
    found = record.get("derivatives")
    if not found:
        return None
    looks = {"autodiff": (OWN, "o"), "by hand": ("#000000", "D"), "differences": ("#0072b2", "s")}
    height = 1.5 + 0.42 * len(found)
    fig, places = plt.subplots(1, 2, figsize=(10, height), layout="constrained", sharey=True)
    for ax in places:
        ax.set_yticks(range(len(found)), [f"{e['title']} ({e['rows']}, p = {e['parameters']})" for e in found])
        ax.set_ylim(len(found) - 0.5, -0.5)
        ax.tick_params(axis="y", length=0)
        ax.set_xscale("log")
        for i in range(len(found)):
            ax.axhline(i, color=PALE, lw=0.8, zorder=0)
    for y, entry in enumerate(found):
        for way, parts in entry["ways"].items():
            color, marker = looks[way]
            places[0].plot(1e6 * parts["hessian"]["seconds"]["median"], y, marker, color=color, ms=7)
            error = parts["hessian"].get("hessian_error")
            if error is not None:
                places[1].plot(max(error, 1e-17), y, marker, color=color, ms=7)
    places[0].set_xlabel("microseconds a data set")
    places[0].set_title("Value, score and Hessian")
    places[1].set_xlabel("relative to JAX's")
    places[1].set_title("Largest error of the Hessian")
    marks = [Line2D([], [], color=c, marker=m, ls="", ms=7, label=label(way)) for way, (c, m) in looks.items()]
    fig.legend(handles=marks, loc="outside right upper", fontsize=9)
    return fig


def cold(record: dict[str, Any]) -> Figure | None:
    """From an empty process to the first result, and the memory it takes beyond the data."""
    races = [race for race in record["workloads"] if any("seconds" in e.get("cold", {}) for e in race["rivals"])]
    if not races:
        return None
    fig, places = plt.subplots(1, 2, figsize=(10, 1.5 + 0.42 * len(races)), layout="constrained", sharey=True)
    seen: list[str] = []
    for ax, key, title in zip(places, ("seconds", "megabytes"), ("First result", "Peak memory"), strict=True):
        ax.set_yticks(range(len(races)), [race["title"] for race in races])
        ax.set_ylim(len(races) - 0.5, -0.5)
        ax.tick_params(axis="y", length=0)
        ax.set_title(title)
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter(_plain)
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if key == "seconds" else (1,)))
        ax.xaxis.set_minor_formatter(NullFormatter())
        for y, race in enumerate(races):
            ax.axhline(y, color=PALE, lw=0.8, zorder=0)
            for entry in race["rivals"]:
                if key in entry.get("cold", {}):
                    color, marker = LOOKS[entry["rival"]]
                    own = entry["rival"] == "jaxmle"
                    ax.plot(max(entry["cold"][key], 0.1), y, marker, color=color, ms=9 if own else 6.5)
                    if entry["rival"] not in seen:
                        seen.append(entry["rival"])
    places[0].set_xlabel("seconds from an empty process")
    places[1].set_xlabel("megabytes beyond the data and the imports")
    _legend(fig, [r for r in LOOKS if r in seen])
    return fig


PICTURES = {
    "rivals": (rivals, "Everyone, relative to jaxmle"),
    "throughput": (throughput, "Fits per second"),
    "scaling": (scaling, "How throughput scales"),
    "roofline": (roofline, "What the machine would allow"),
    "derivatives": (derivatives, "Derivatives"),
    "cold": (cold, "From an empty process"),
}
