"""What is fitted: families of the catalogue, and random expressions as a user's models."""

import dataclasses
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

import jaxmle as jm
from benchmarks.fuzz import data
from benchmarks.fuzz.arithmetic import Jax
from benchmarks.fuzz.densities import DENSITIES, Density
from jaxmle import distributions, spaces

BOUNDS = {
    "real()": (-np.inf, np.inf),
    "positive()": (0.0, np.inf),
    "interval(0, 1)": (0.0, 1.0),
    "above(1)": (1.0, np.inf),
}
Draw = Callable[[np.random.Generator, int, int], tuple[data.Rows, list[str]]]


@dataclasses.dataclass(frozen=True)
class Subject:
    """A model to fuzz.

    Attributes:
        name: a family's, or the expression of a random model.
        model: what `jm.fit` takes.
        names: of the parameters, in their order.
        low, high: ends of each parameter, [p].
        density: in any arithmetic; None where none is written: then only crashes, statuses and steps are counted.
        draw: `(r, sets, n) -> (data, kinds)`.
        line: Python that makes the model for a reproducing line.
    """

    name: str
    model: Any
    names: tuple[str, ...]
    low: np.ndarray
    high: np.ndarray
    density: Density | None
    draw: Draw
    line: str


def family(name: str) -> Subject:
    """Make the subject of a family of the catalogue."""
    record = getattr(distributions, name)
    names = tuple(sorted(record.space))
    low, high = np.array([BOUNDS[str(record.space[k])] for k in names]).T
    return Subject(
        name, name, names, low, high, DENSITIES.get(name), lambda r, sets, n: data.draw(record, r, sets, n), repr(name)
    )


def families() -> list[str]:
    """List the families of numbers and of binomial rows; those of vectors have other data."""
    named = ((k, getattr(distributions, k)) for k in sorted(distributions.__all__))
    return [k for k, v in named if hasattr(v, "logpdf") and all(str(s) in BOUNDS for s in v.space.values())]


# --- random expressions ----------------------------------------------------------------------------------

UNARY = ("exp", "sin", "tanh", "log1p(square)", "sqrt(1 + square)", "square", "negative")
BINARY = ("+", "+", "*", "*", "-", "/(1 + square)")
Tree = tuple[Any, ...] | str | float


def _tree(r: np.random.Generator, depth: int) -> Tree:
    if depth == 0 or r.uniform() < 0.2:
        return str(r.choice(["a", "b", "x", "x"])) if r.uniform() < 0.9 else round(float(r.normal()), 2)
    if r.uniform() < 0.35:
        return (str(r.choice(UNARY)), _tree(r, depth - 1))
    return (str(r.choice(BINARY)), _tree(r, depth - 1), _tree(r, depth - 1))


def _leaves(tree: Tree) -> set[Any]:
    return set().union(*map(_leaves, tree[1:])) if isinstance(tree, tuple) else {tree}


def _value(m: Any, tree: Tree, at: dict[str, Any]) -> Any:
    if not isinstance(tree, tuple):
        return at[tree] if isinstance(tree, str) else tree + 0 * at["x"]
    x = _value(m, tree[1], at)
    if len(tree) == 2:
        match tree[0]:
            case "square":
                return x * x
            case "negative":
                return -x
            case "log1p(square)":
                return m.log1p(x * x)
            case "sqrt(1 + square)":
                return m.sqrt(1 + x * x)
            case name:
                return getattr(m, name)(x)
    y = _value(m, tree[2], at)
    match tree[0]:
        case "+":
            return x + y
        case "-":
            return x - y
        case "*":
            return x * y
        case _:
            return x / (1 + y * y)


def _written(tree: Tree) -> str:
    if not isinstance(tree, tuple):
        return str(tree)
    inside = [_written(t) for t in tree[1:]]
    return f"{tree[0]}({inside[0]})" if len(tree) == 2 else f"({inside[0]} {tree[0]} {inside[1]})"


NOISES = ("normal, scale known", "normal", "logistic", "cauchy", "poisson", "bernoulli")


def _density(tree: Tree, noise: str) -> Density:
    """Make the log-density of y given x, whose mean (or predictor) is the tree."""

    def density(m: Any, p: SimpleNamespace, rows: dict[str, Any]) -> Any:
        eta, y = _value(m, tree, {"a": p.a, "b": p.b, "x": rows["x"]}), rows["y"]
        if noise == "poisson":
            return y * eta - m.exp(eta)
        if noise == "bernoulli":
            return y * eta - m.where(eta > 0, eta, 0 * eta) - m.log1p(m.exp(-abs(eta)))
        scale = 1 + 0 * eta if noise == "normal, scale known" else p.scale
        z = (y - eta) / scale
        if noise == "cauchy":
            return -m.log1p(z * z) - m.log(scale)
        if noise == "logistic":
            return -abs(z) - 2 * m.log1p(m.exp(-abs(z))) - m.log(scale)
        return -z * z / 2 - m.log(scale)

    return density


def _draw_rows(tree: Tree, noise: str, r: np.random.Generator, sets: int, n: int) -> tuple[data.Rows, list[str]]:
    """Draw x of odd kinds and y about the tree at random parameters."""
    kinds = [str(k) for k in r.choice(["plain", "plain", "ties", "offset", "two values", "zeros", "units"], sets)]
    x, y = np.empty((sets, n)), np.empty((sets, n))
    with np.errstate(all="ignore"):
        for i, kind in enumerate(kinds):
            x[i] = np.clip(data.CHANGES[kind](r, r.normal(size=n)), -1e8, 1e8)
            at = {"a": r.normal(), "b": r.normal(), "x": x[i]}
            eta = np.nan_to_num(np.broadcast_to(_value(np, tree, at), n), nan=0.0, posinf=1e8, neginf=-1e8)
            if noise == "poisson":
                y[i] = r.poisson(np.exp(np.clip(eta, -5, 10)))
            elif noise == "bernoulli":
                y[i] = r.uniform(size=n) < 1 / (1 + np.exp(-np.clip(eta, -30, 30)))
            else:
                y[i] = eta + 10.0 ** r.uniform(-3, 1) * r.normal(size=n)
    return {"x": x, "y": y}, kinds


def expression(seed: int) -> Subject:
    """Make a random model: y about a random expression of a, b and x, with one of several kinds of noise."""
    r = np.random.default_rng([seed, 77])
    tree = _tree(r, 3)
    while not {"a", "b", "x"} <= _leaves(tree):
        tree = _tree(r, 3)
    noise = str(r.choice(NOISES))
    names = ("a", "b", "scale") if noise in ("normal", "logistic", "cauchy") else ("a", "b")
    density = _density(tree, noise)
    model = jm.Model(
        lambda p, rows: density(Jax, SimpleNamespace(**p), rows),
        {k: spaces.positive if k == "scale" else spaces.real for k in names},
        name=f"{noise}: {_written(tree)}",
    )
    low, high = np.array([BOUNDS["positive()" if k == "scale" else "real()"] for k in names]).T
    return Subject(
        model.name or "", model, names, low, high, density,
        lambda r, sets, n: _draw_rows(tree, noise, r, sets, n), f"subjects.expression({seed}).model",
    )  # fmt: skip


def subject(name: str) -> Subject:
    """Make the subject of a family's name, or of `expression:SEED`."""
    kind, _, seed = name.partition(":")
    return expression(int(seed)) if kind == "expression" else family(name)
