"""The workloads' models as an expert writes them by hand: reduced data, analytic derivatives, no generality.

Coordinates are theta = (log shape, log scale). Everything here is independent of jaxmle, so that the judge is too.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

NAMES = ("shape", "scale")


@dataclasses.dataclass(frozen=True)
class ByHand:
    """One model by hand, B data sets of n rows.

    Attributes:
        judge: (params with leaves f[B], data) -> log-likelihood f[B], NumPy, every constant kept.
        reduce: data -> arrays [B, ...]: what an expert computes once and not at every step.
        log_likelihood: (theta f[2], reduced arrays of one data set) -> f[], JAX.
        minimand: the same -> (f[], f[2]), negative log-likelihood and gradient, NumPy.
        prepare: (row arrays..., work f[2, n]) -> None: `reduce` of one data set, in Python that numba compiles.
        evaluate: (log shape, log scale, work) -> value, two first and three second derivatives, likewise.
    """

    judge: Callable[..., Any]
    reduce: Callable[..., Any]
    log_likelihood: Callable[..., Any]
    minimand: Callable[..., Any]
    prepare: Callable[..., Any]
    evaluate: Callable[..., Any]


_lgamma = np.vectorize(math.lgamma, otypes=[float])


# --- gamma: three sufficient statistics --------------------------------------------------------------------


def _gamma_judge(params: Any, x: Any) -> Any:
    k, s = params["shape"], params["scale"]
    terms = (k[:, None] - 1) * np.log(x) - x / s[:, None]
    return terms.sum(1) - x.shape[1] * (k * np.log(s) + _lgamma(k))


def _gamma_reduce(x: Any) -> tuple[Any, ...]:
    return np.log(x).sum(1), x.sum(1), np.full(len(x), float(x.shape[1]))


def _gamma_log_likelihood(theta: Any, logs: Any, total: Any, n: Any) -> Any:
    shape = jnp.exp(theta[0])
    return (shape - 1) * logs - total * jnp.exp(-theta[1]) - n * (shape * theta[1] + jax.lax.lgamma(shape))


def _gamma_minimand(theta: Any, logs: Any, total: Any, n: Any) -> tuple[Any, Any]:
    a, b = theta
    shape, rest = math.exp(a), total * math.exp(-b)
    value = (shape - 1) * logs - rest - n * (shape * b + math.lgamma(shape))
    return -value, -np.array([shape * (logs - n * b - n * polygammas(shape)[0]), rest - n * shape])


def polygammas(x: float) -> tuple[float, float]:
    """digamma and trigamma, x > 0: recurrence to 8, then asymptotic series (Abramowitz & Stegun 6.3.18, 6.4.12)."""
    first, second = 0.0, 0.0
    while x < 8.0:
        first -= 1.0 / x
        second += 1.0 / (x * x)
        x += 1.0
    w = 1.0 / (x * x)
    series = w * (1 / 12 - w * (1 / 120 - w * (1 / 252 - w * (1 / 240 - w * (1 / 132 - w * 691 / 32760)))))
    first += math.log(x) - 0.5 / x - series
    series = w * (1 / 6 - w * (1 / 30 - w * (1 / 42 - w * (1 / 30 - w * (5 / 66 - w * 691 / 2730)))))
    second += (1.0 + 0.5 / x + series) / x
    return first, second


def _gamma_prepare(x: Any, _: Any, work: Any) -> None:
    logs, total = 0.0, 0.0
    for value in x:
        logs += math.log(value)
        total += value
    work[0, 0], work[0, 1], work[1, 0] = logs, total, len(x)


def _gamma_evaluate(a: float, b: float, work: Any) -> tuple[float, ...]:
    logs, total, n = work[0, 0], work[0, 1], work[1, 0]
    shape, rest = math.exp(a), total * math.exp(-b)
    digamma, trigamma = polygammas(shape)
    value = (shape - 1) * logs - rest - n * (shape * b + math.lgamma(shape))
    slope = shape * (logs - n * b - n * digamma)
    return value, slope, rest - n * shape, slope - n * shape * shape * trigamma, -n * shape, -rest


# --- right-censored Weibull: logarithms taken once -----------------------------------------------------------


def _weibull_judge(params: Any, data: Any) -> Any:
    k, s = params["shape"][:, None], params["scale"][:, None]
    log_x, event = np.log(data["lower"]), np.isfinite(data["upper"])
    z = k * (log_x - np.log(s))
    return (np.where(event, np.log(k) - log_x + z, 0.0) - np.exp(z)).sum(1)


def _weibull_reduce(data: Any) -> tuple[Any, ...]:
    return np.log(data["lower"]), np.isfinite(data["upper"]).astype(float)


def _weibull_log_likelihood(theta: Any, log_x: Any, event: Any) -> Any:
    z = jnp.exp(theta[0]) * (log_x - theta[1])
    return jnp.sum(event * (theta[0] - log_x + z) - jnp.exp(z))


def _weibull_minimand(theta: Any, log_x: Any, event: Any) -> tuple[Any, Any]:
    shape = math.exp(theta[0])
    z = shape * (log_x - theta[1])
    hazard, events = np.exp(z), event.sum()
    value = events * theta[0] + event @ (z - log_x) - hazard.sum()
    return -value, -np.array([events + event @ z - hazard @ z, shape * (hazard.sum() - events)])


def _weibull_prepare(lower: Any, upper: Any, work: Any) -> None:
    for i in range(len(lower)):
        work[0, i] = math.log(lower[i])
        work[1, i] = 1.0 if upper[i] < math.inf else 0.0


def _weibull_evaluate(a: float, b: float, work: Any) -> tuple[float, ...]:
    shape = math.exp(a)
    value, events, first, hazard, moment, square = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(work.shape[1]):
        z = shape * (work[0, i] - b)
        e = math.exp(z)
        value += work[1, i] * (a - work[0, i] + z) - e
        events += work[1, i]
        first += work[1, i] * z
        hazard += e
        moment += e * z
        square += e * z * z
    return (
        value,
        events + first - moment,
        shape * (hazard - events),
        first - square - moment,
        shape * (hazard - events + moment),
        -shape * shape * hazard,
    )


GAMMA = ByHand(_gamma_judge, _gamma_reduce, _gamma_log_likelihood, _gamma_minimand, _gamma_prepare, _gamma_evaluate)
WEIBULL = ByHand(
    _weibull_judge, _weibull_reduce, _weibull_log_likelihood, _weibull_minimand, _weibull_prepare, _weibull_evaluate
)
