"""The numbers of the page: compiled once for a family and a size, since padding has weight 0."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import DTypeLike

from jaxmle._solver.status import Status
from jaxmle._util.arrays import Array, Data, Float, Params
from jaxmle._util.compile import compiled_with, in_float64
from jaxmle.explore import families
from jaxmle.explore.state import MOST, State
from jaxmle.fitting import fit as fit_one
from jaxmle.fitting import fit_many
from jaxmle.inference.interval_record import Interval
from jaxmle.model.model import Model
from jaxmle.model.response import Known, Response
from jaxmle.models import pinned
from jaxmle.result.fit import Fit

ROWS = (256, MOST)
"Rows that a compiled program takes: one more observation compiles nothing."
CURVE, PROFILE, ALONE = 301, 31, 151
"Points of a density, of a profile, and of the curve of a single parameter."
SIDE = {False: (33, 12), True: (23, 8)}
"Points of a side of the surface, near the maximum and out to the sliders; fewer where each of them is a fit."
LEVELS = (50, 90, 95)
DROPS = {1: (0.2275, 1.3528, 1.9207), 2: (0.6931, 2.3026, 2.9957)}
"Half the chi-square quantiles at LEVELS, with 1 and 2 degrees of freedom."


class AtSliders(NamedTuple):
    """The family at the sliders.

    Attributes:
        params: values of the sliders.
        grid, density: f[CURVE] or, for counts, the whole numbers shown.
        terms: log-likelihood of each observation, f[n].
        score: derivative of the log-likelihood by each parameter.
    """

    params: dict[str, float]
    grid: np.ndarray
    density: np.ndarray
    terms: np.ndarray
    score: dict[str, float]

    @property
    def log_likelihood(self) -> float:
        return float(self.terms.sum())

    def product(self, dtype: DTypeLike) -> float:
        """Multiply the likelihood in numbers of `dtype`: 0 where it underflows."""
        with np.errstate(under="ignore"):
            return float(np.prod(np.exp(self.terms).astype(dtype), dtype=dtype))


class Curve(NamedTuple):
    """Log-likelihood along one parameter, below its maximum: f[m] twice; `how` is "profile" or "slice"."""

    name: str
    x: np.ndarray
    drop: np.ndarray
    how: str


class AtMaximum(NamedTuple):
    """The fit of the observations, with the curves and the surface around it.

    Attributes:
        fit: of `jaxmle.fit`, or None where the data are refused.
        verdict: the sentence of its status, or why it was refused.
        best: density of the fit on the grid of `AtSliders`, or None.
        surface: x f[k], y f[m] and log-likelihood below the maximum f[m, k] over two parameters; None where there is
            no maximum.
        how: whether the other parameters are profiled, or where they are held.
        curves: one for each parameter shown.
        errors, interval: standard errors, and the 95 % Wald interval or None.
    """

    fit: Fit | None
    verdict: str
    best: np.ndarray | None = None
    surface: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
    how: str = ""
    curves: tuple[Curve, ...] = ()
    errors: Params = None
    interval: Interval | None = None

    @property
    def fitted(self) -> Fit:
        """The fit, of data that were not refused."""
        assert self.fit is not None
        return self.fit

    @property
    def found(self) -> bool:
        """Tell whether there is a maximum."""
        return self.fit is not None and (self.fit.converged or self.fit.status is Status.AT_DATA_EDGE)

    @property
    def aic(self) -> tuple[float | None, str]:
        """AIC, or None and why there is none."""
        if self.fit is None or not (self.found or self.fit.status.at_limit) or not np.isfinite(self.fit.aic):
            return None, self.verdict
        return float(self.fit.aic), ""

    def holds(self, state: State) -> bool:
        """Tell whether the sliders are on the surface."""
        if self.surface is None:
            return True
        sides = zip(self.surface[:2], state.axes, strict=True)
        return all(side[0] <= state.params[name] <= side[-1] for side, name in sides)


def size(x: Sequence[float]) -> int:
    """Return the number of rows, padding included, of the compiled program for observations f[n]."""
    return next(rows for rows in ROWS if rows >= len(x))


def rows(family: str, x: Sequence[float]) -> tuple[Data, Float[np.ndarray, " n"]]:
    """Pad observations f[n] to data of a fixed number of rows, with weights 1 for the first n and 0 beyond."""
    filled = np.full(size(x), x[0] if len(x) else families.nearest_possible(family, 1.0))
    filled[: len(x)] = x
    return families.data(family, filled), (np.arange(len(filled)) < len(x)).astype(float)


@in_float64
def start(family: str, x: Sequence[float]) -> dict[str, float]:
    """Choose the first values of the sliders: the family's start for the observations, or for typical ones."""
    if len(x) < 2:
        low, high = families.window(family, np.zeros(0))
        x = [
            families.nearest_possible(family, v) for v in np.linspace(0.8 * low + 0.2 * high, 0.3 * low + 0.7 * high, 9)
        ]
    found = _start(families.model(family), *rows(family, x))
    return {name: float(f"{float(v):.3g}") for name, v in found.items()}


@in_float64
def at_sliders(state: State) -> AtSliders:
    """Compute the family at the sliders: one small program, some milliseconds."""
    response = families.response(state.family)
    data, weights = rows(state.family, state.x)
    density, terms, score = _at_sliders(response, state.params, data, weights, families.data(state.family, grid(state)))
    shown = slice(None, int(state.window[1] - state.window[0])) if response.discrete else slice(None)
    return AtSliders(
        state.params,
        grid(state)[shown],
        np.asarray(density)[shown],
        np.asarray(terms)[: len(state.x)],
        {name: float(s) for name, s in score.items()},
    )


def grid(state: State) -> Float[np.ndarray, " m"]:
    """Choose points of a density: strictly inside the window, or the whole numbers from its left end."""
    low, high = state.window
    if families.response(state.family).discrete:
        return np.arange(CURVE) + np.ceil(low)
    margin = 1e-4 * (high - low)
    return np.linspace(low + margin, high - margin, CURVE)


@in_float64
def at_maximum(state: State) -> AtMaximum:
    """Fit the observations, and compute curves and surface around the maximum."""
    family, model = state.family, families.model(state.family)
    data, weights = rows(family, state.x)
    try:
        fit = fit_one(model, data, weights=weights)
    except (ValueError, TypeError) as error:
        return AtMaximum(None, str(error))
    interval = fit.interval() if fit.converged else None
    result = AtMaximum(fit, fit.message(), errors=fit.standard_errors(), interval=interval)
    known = np.all(np.isfinite(list(fit.params.values())))
    if not state.x or not np.isfinite(fit.log_likelihood) or not (result.found or (known and fit.status.at_limit)):
        return result
    params = {name: float(v) for name, v in fit.params.items()}
    if not result.found and len(params) > 1:
        return result
    if result.found:
        at = families.data(family, grid(state))
        best, _, _ = _at_sliders(families.response(family), params, data, weights, at)
        result = result._replace(best=np.asarray(best)[: len(at_sliders(state).grid)])
    between = fit.interval(0.9992) if fit.converged else None
    spans = {name: _span(fit, between, state, name) for name in state.axes}
    curves = tuple(_curve(family, fit, data, weights, name, spans[name]) for name in state.axes)
    result = result._replace(curves=curves)
    if len(state.axes) < 2:
        return result
    others = [name for name in params if name not in state.axes]
    profiled = bool(others) and families.smooth(family)
    x, y = (_side(spans[name], state.params.get(name, params[name]), SIDE[profiled]) for name in state.axes)
    held = dict(zip(state.axes, (v.ravel() for v in np.meshgrid(x, y)), strict=True))
    if profiled:
        total, how = _profile(model, fit, data, weights, held), f"{', '.join(others)} profiled"
    else:
        total = _slice(families.response(family), params, data, weights, held)
        how = f"slice: {', '.join(f'{name} = {params[name]:.4g}' for name in others)}" if others else ""
    return result._replace(surface=(x, y, total.reshape(len(y), len(x)) - fit.log_likelihood), how=how)


def _span(fit: Fit, between: Interval | None, state: State, name: str) -> tuple[float, float]:
    """Choose the range of a curve: an interval of some three standard errors, or a guess where there is none."""
    space, value = fit.model.space[name], float(fit.params[name])
    ends = space.kind.name == "interval"
    if between is not None and not (ends and len(fit.params) == 1):
        low, high = float(between.lower[name]), float(between.upper[name])
        if np.isfinite(low) and np.isfinite(high) and low < high:
            return low, high
    if ends:
        low, high = (float(b) for b in space.bounds)
        return low + 1e-4 * (high - low), high - 1e-4 * (high - low)
    spread = float(np.std(state.x)) or 1.0
    return (value - spread, value + spread) if space.kind.name == "real" else (value / 3, value * 3)


def _side(span: tuple[float, float], slider: float, points: tuple[int, int]) -> np.ndarray:
    """Choose points along a side of the surface, fine over the span and coarse out to the slider; always as many."""
    low, high = span
    margin = 0.08 * (high - low)
    ends = min(low, slider - margin) if slider < low else low, max(high, slider + margin)
    if low > 0 >= ends[0]:
        ends = (min(low, slider / 2), ends[1])
    return np.sort(np.concatenate([np.linspace(low, high, points[0]), np.linspace(*ends, points[1])]))


def _curve(
    family: str, fit: Fit, data: Data, weights: Float[np.ndarray, " n"], name: str, span: tuple[float, float]
) -> Curve:
    """Compute the profile of one parameter, or a slice where the family is not smooth or has no other."""
    alone = len(fit.params) == 1
    x = np.linspace(*span, ALONE if alone else PROFILE)
    smooth = families.smooth(family) and fit.converged
    total = (
        _profile(families.model(family), fit, data, weights, {name: x})
        if smooth and not alone
        else _slice(families.response(family), {k: float(v) for k, v in fit.params.items()}, data, weights, {name: x})
    )
    return Curve(name, x, total - fit.log_likelihood, "" if alone else "profile" if smooth else "slice")


def _profile(
    model: Model, fit: Fit, data: Data, weights: Float[np.ndarray, " n"], held: dict[str, Float[np.ndarray, " m"]]
) -> Float[np.ndarray, " m"]:
    """Maximize the log-likelihood with some parameters held: each point is a fit. NaN where it found no maximum."""
    points = len(next(iter(held.values())))
    start = {name: np.broadcast_to(np.asarray(v, float), points) for name, v in fit.params.items()}
    every = jax.tree.map(lambda v: np.broadcast_to(v, (points, *v.shape)), (data, weights))
    fits = fit_many(pinned(model, held), every[0], weights=every[1], start=start)
    limit = np.isin(fits.status, [status for status in Status if status.at_limit])
    return np.where(fits.converged | limit, fits.log_likelihood, np.nan)


def _slice(
    response: Response,
    params: dict[str, float],
    data: Data,
    weights: Float[np.ndarray, " n"],
    held: dict[str, Float[np.ndarray, " m"]],
) -> Float[np.ndarray, " m"]:
    """Compute the log-likelihood with some parameters moved and the others held; NaN where it is not finite."""
    points = len(next(iter(held.values())))
    every = {name: np.broadcast_to(np.asarray(held.get(name, v), float), points) for name, v in params.items()}
    total = np.asarray(_totals(response, every, data, weights))
    return np.where(np.isfinite(total), total, np.nan)


class Spread(NamedTuple):
    """Fits to samples drawn at the estimate.

    Attributes:
        estimates: f[R] for each parameter, of the samples that have a maximum.
        deviation, error: their standard deviation, and the standard error that the fit claims.
        covered: share of the samples whose 95 % Wald interval holds the parameter they were drawn with.
        without: samples that have no maximum.
    """

    estimates: dict[str, np.ndarray]
    deviation: dict[str, float]
    error: dict[str, float]
    covered: dict[str, float]
    without: int


SAMPLES = 200


@in_float64
def resample(state: State, fit: Fit, draw: int) -> Spread:
    """Draw SAMPLES data sets of the same size at the fit, and fit each; `draw` counts the requests."""
    _, weights = rows(state.family, state.x)
    key = jax.random.fold_in(jax.random.key(0), draw)
    shape = (SAMPLES, len(weights))
    known = families.known(state.family, shape)
    drawn = np.asarray(_draw(families.response(state.family), shape, key, dict(fit.params), known))
    data = families.data(state.family, drawn)
    fits = fit_many(families.model(state.family), data, weights=np.broadcast_to(weights, drawn.shape))
    good, interval, errors = fits.converged, fits.interval(), fit.standard_errors()
    estimates = {name: np.asarray(v)[good] for name, v in fits.params.items()}
    holds = {
        name: (interval.lower[name] <= fit.params[name]) & (fit.params[name] <= interval.upper[name])
        for name in estimates
    }
    return Spread(
        estimates,
        {name: float(np.std(v)) if len(v) else np.nan for name, v in estimates.items()},
        {name: float(v) for name, v in errors.items()},
        {name: float(np.mean(v[good])) if good.any() else np.nan for name, v in holds.items()},
        int((~good).sum()),
    )


@in_float64
def criteria(family: str, x: tuple[float, ...]) -> tuple[float | None, str]:
    """Compute AIC of one family, or return None and why there is none."""
    data, weights = rows(family, x)
    try:
        fit = fit_one(families.model(family), data, weights=weights)
    except Exception as error:  # one family that fails is a line of the table, no more
        return None, str(error)
    return AtMaximum(fit, fit.message()).aic


# --- programs ------------------------------------------------------------------------------------------------


@compiled_with(static_argnums=0)
def _at_sliders(
    response: Response, params: Params, data: Data, weights: Array, grid: Data
) -> tuple[Array, Array, Params]:
    """Compute the density on the grid, the terms of the log-likelihood, and the score."""

    def total(params: Params) -> tuple[Array, Array]:
        terms = response(params, data)
        return jnp.sum(jnp.where(weights > 0, terms, 0.0)), terms

    score, terms = jax.grad(total, has_aux=True)({name: jnp.asarray(v, float) for name, v in params.items()})
    return jnp.exp(response(params, grid)), terms, score


@compiled_with(static_argnums=0)
def _totals(response: Response, params: Params, data: Data, weights: Array) -> Array:
    """Compute the log-likelihood at params f[B] each, f[B]."""
    return jax.vmap(lambda p: jnp.sum(jnp.where(weights > 0, response(p, data), 0.0)))(params)


@compiled_with(static_argnums=0)
def _start(model: Model, data: Data, weights: Array) -> Params:
    """Compute the start of a model."""
    assert model.start is not None
    return model.start(data, weights)


@compiled_with(static_argnums=(0, 1))
def _draw(response: Response, shape: tuple[int, int], key: Array, params: Params, known: Known) -> Data:
    """Draw outcomes at params."""
    return response.sample(key, params, shape, known)
