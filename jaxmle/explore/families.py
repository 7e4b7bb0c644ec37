"""The families of the explorer by the kind of their observations, and the alternatives to each."""

import functools
import math

import jax
import numpy as np

from jaxmle import distributions
from jaxmle._util.arrays import Data, Float
from jaxmle.model.model import Model
from jaxmle.model.response import Response
from jaxmle.models import iid

COIN = "bernoulli"
TRIALS = 10.0
"Trials behind each count of a family that needs them."

_PROBES = np.array([-2.0, -2.5, 0.0, 0.3, 2.0, 2.5])
_WINDOWS = {
    "real": (-6.0, 6.0),
    "circle": (-math.pi, math.pi),
    "positive": (0.0, 10.0),
    "share": (0.0, 1.0),
    "differences": (-12.5, 12.5),
    "counts": (-0.5, 20.5),
    "counts from 1": (0.5, 20.5),
    "shares of trials": (-0.5, TRIALS + 0.5),
    "coin": (-0.5, 1.5),
}
_ALTERNATIVES = {
    "real": ("normal", "logistic", "student_t", "laplace", "gumbel", "cauchy"),
    "circle": ("von_mises", "wrapped_cauchy"),
    "positive": ("exponential", "weibull", "gamma", "lognormal", "log_logistic", "inverse_gaussian"),
    "share": ("beta", "kumaraswamy", "logit_normal"),
    "counts": ("poisson", "negative_binomial", "generalized_poisson"),
    "counts from 1": ("geometric", "logarithmic", "zeta"),
    "shares of trials": ("binomial", "beta_binomial"),
}


def model(family: str) -> Model:
    """Return the model of independent rows of a family."""
    return iid(distributions.by_name(family))


def response(family: str) -> Response:
    """Return the response of a family."""
    found = model(family).response
    assert found is not None
    return found


def smooth(family: str) -> bool:
    """Return whether the family's density is smooth in its parameters."""
    return distributions.by_name(family).geometry.regularity == "smooth"


@functools.cache
def kind(family: str) -> str:
    """Return the kind of a family's observations: a key of the tables above.

    >>> kind("weibull"), kind("poisson"), kind("normal"), kind("beta")
    ('positive', 'counts', 'real', 'share')
    """
    r = response(family)
    if family == COIN or r.known:
        return "coin" if family == COIN else "shares of trials"
    with jax.enable_x64(True):
        low, fraction, zero, share, _, beyond = np.asarray(r.support(_PROBES, {}))
    if r.discrete:
        return "differences" if low else "counts" if zero else "counts from 1"
    if fraction:
        return "circle" if r.period else "real"
    return "positive" if beyond else "share" if share else "positive"


def window(family: str, x: Float[np.ndarray, " n"]) -> tuple[float, float]:
    """Choose the ends of the axis: the family's usual ones, widened where observations need it.

    >>> window("normal", np.array([10.0, 40.0]))
    (8.2, 41.8)
    """
    usual = _WINDOWS[kind(family)]
    x = x[np.isfinite(x)]
    if not len(x) or (x.min() >= usual[0] and x.max() <= usual[1] and np.ptp(x) > 0.15 * (usual[1] - usual[0])):
        return usual
    margin = 0.06 * np.ptp(x) if np.ptp(x) > 0 else max(abs(x[0]), 1.0) / 2
    low, high = float(x.min() - margin), float(x.max() + margin)
    if response(family).discrete:
        return (min(low, usual[0]) if x.min() < 0 else usual[0], math.ceil(high) + 0.5)
    return (min(0.0, low) if x.min() < 0 else 0.0, high) if kind(family) == "positive" else (low, high)


def alternatives(family: str) -> tuple[str, ...]:
    """Return the families whose AIC is compared, this one first."""
    others = _ALTERNATIVES.get(kind(family), ())
    return (family, *(name for name in others if name != family))


def nearest_possible(family: str, x: float) -> float:
    """Return the possible observation nearest to x: a whole number for counts, else strictly inside the support.

    >>> nearest_possible("poisson", 3.4), nearest_possible("weibull", -0.2)
    (3.0, 0.005)
    """
    low, high = _WINDOWS[kind(family)]
    if response(family).discrete:
        least, most = math.ceil(low), math.floor(high)
        bounded = kind(family) in ("coin", "shares of trials")
        return float(max(round(x), least) if not bounded else min(max(round(x), least), most))
    if kind(family) == "positive":
        return max(x, 0.005)
    return min(max(x, 0.002), 0.998) if kind(family) == "share" else x


def data(family: str, x: Float[np.ndarray, "..."]) -> Data:
    """Join observations and known columns to data of a family."""
    return response(family).join(x, known(family, np.shape(x)))


def known(family: str, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Return the known columns of a family, TRIALS in every row."""
    return {name: np.full(shape, TRIALS) for name in response(family).known}


def values(family: str, rows: Data) -> Float[np.ndarray, "..."]:
    """Return the observations in data of a family: the inverse of `data`."""
    return response(family).split(rows)[0]


def slider_ends(family: str, name: str, shown: tuple[float, float], value: float) -> tuple[float, float]:
    """Choose the ends of the slider of one parameter, with `value` inside."""
    span = shown[1] - shown[0]
    space = model(family).space[name]
    if space.kind.name == "real":
        low, high = shown if name in ("loc", "lower", "upper") and kind(family) != "positive" else (-3.0, 3.0)
    elif space.kind.name == "interval":
        low, high = (float(b) for b in space.bounds)
        return low + 1e-3 * (high - low), high - 1e-3 * (high - low)
    else:
        least = float(space.bounds[0]) if space.bounds else 0.0
        units = name in ("scale", "mean", "center", "mean1", "mean2")
        high = span / 2 if units else 20 / span if name == "rate" else least + (30.0 if name == "df" else 8.0)
        low = least + (high - least) / 400
    if np.isfinite(value):
        low, high = min(low, value), max(high, value)
    return low, high
