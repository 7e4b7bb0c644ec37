"""The workloads' models as an expert writes them by hand with NumPy: the judge, reduced data, gradients.

Nothing here knows jaxmle, so that the judge is impartial. Coordinates theta are those of the workload's model: names in
alphabetical order, logarithms of what is positive. Kernels for numba are in `kernels.py`.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

HALF_LOG_2_PI = 0.5 * math.log(2 * math.pi)


@dataclasses.dataclass(frozen=True)
class ByHand:
    """One model by hand, B data sets of n rows.

    Attributes:
        judge: (params with leaves f[B, ...], data) -> log-likelihood f[B], NumPy, every constant kept.
        reduce: data -> arrays [B, ...]: what an expert computes once and not at every step.
        log_likelihood: (theta f[p], reduced arrays of one data set) -> f[], JAX.
        minimand: the same -> (f[], f[p]), negative log-likelihood and gradient, NumPy. These three are None where there
            is nothing to gain by hand.
        pair: data -> the two arrays f[B, n], f[B, n, q] that a kernel reads.
    """

    judge: Callable[..., Any]
    reduce: Any = None
    log_likelihood: Any = None
    minimand: Any = None
    pair: Callable[..., Any] = lambda x: (x, np.empty((len(x), 1, 1)))


_lgamma = np.vectorize(math.lgamma, otypes=[float])


def _softplus(x: Any) -> Any:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def _normal_log(z: Any, scale: Any) -> Any:
    return -0.5 * z * z - np.log(scale) - HALF_LOG_2_PI


# --- normal -------------------------------------------------------------------------------------------------


def _normal_judge(params: Any, x: Any) -> Any:
    scale = params["scale"][:, None]
    return _normal_log((x - params["loc"][:, None]) / scale, scale).sum(1)


# --- gamma: three sufficient statistics; theta = log scale, log shape ------------------------------------------


def _gamma_judge(params: Any, x: Any) -> Any:
    k, s = params["shape"], params["scale"]
    terms = (k[:, None] - 1) * np.log(x) - x / s[:, None]
    return terms.sum(1) - x.shape[1] * (k * np.log(s) + _lgamma(k))


def _gamma_reduce(x: Any) -> tuple[Any, ...]:
    return np.log(x).sum(1), x.sum(1), np.full(len(x), x.shape[1], x.dtype)


def _gamma_log_likelihood(theta: Any, logs: Any, total: Any, n: Any) -> Any:
    shape = jnp.exp(theta[1])
    return (shape - 1) * logs - total * jnp.exp(-theta[0]) - n * (shape * theta[0] + jax.lax.lgamma(shape))


def _gamma_minimand(theta: Any, logs: Any, total: Any, n: Any) -> tuple[Any, Any]:
    b, a = theta
    shape, rest = math.exp(a), total * math.exp(-b)
    value = (shape - 1) * logs - rest - n * (shape * b + math.lgamma(shape))
    return -value, -np.array([rest - n * shape, shape * (logs - n * b - n * polygammas(shape)[0])])


# --- beta: three sufficient statistics; theta = log a, log b ----------------------------------------------------


def _beta_judge(params: Any, x: Any) -> Any:
    a, b = params["a"], params["b"]
    terms = (a[:, None] - 1) * np.log(x) + (b[:, None] - 1) * np.log1p(-x)
    return terms.sum(1) - x.shape[1] * (_lgamma(a) + _lgamma(b) - _lgamma(a + b))


def _beta_reduce(x: Any) -> tuple[Any, ...]:
    return np.log(x).sum(1), np.log1p(-x).sum(1), np.full(len(x), x.shape[1], x.dtype)


def _beta_log_likelihood(theta: Any, first: Any, second: Any, n: Any) -> Any:
    a, b = jnp.exp(theta[0]), jnp.exp(theta[1])
    constant = jax.lax.lgamma(a) + jax.lax.lgamma(b) - jax.lax.lgamma(a + b)
    return (a - 1) * first + (b - 1) * second - n * constant


def _beta_minimand(theta: Any, first: Any, second: Any, n: Any) -> tuple[Any, Any]:
    a, b = math.exp(theta[0]), math.exp(theta[1])
    both = polygammas(a + b)[0]
    value = (a - 1) * first + (b - 1) * second - n * (math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b))
    slope = [a * (first - n * (polygammas(a)[0] - both)), b * (second - n * (polygammas(b)[0] - both))]
    return -value, -np.array(slope)


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


# --- right-censored Weibull: logarithms taken once; theta = log scale, log shape --------------------------------


def _weibull_judge(params: Any, data: Any) -> Any:
    k, s = params["shape"][:, None], params["scale"][:, None]
    log_x, event = np.log(data["lower"]), np.isfinite(data["upper"])
    z = k * (log_x - np.log(s))
    return (np.where(event, np.log(k) - log_x + z, 0.0) - np.exp(z)).sum(1)


def _weibull_reduce(data: Any) -> tuple[Any, ...]:
    return np.log(data["lower"]), np.isfinite(data["upper"]).astype(data["lower"].dtype)


def _weibull_log_likelihood(theta: Any, log_x: Any, event: Any) -> Any:
    z = jnp.exp(theta[1]) * (log_x - theta[0])
    return jnp.sum(event * (theta[1] - log_x + z) - jnp.exp(z))


def _weibull_minimand(theta: Any, log_x: Any, event: Any) -> tuple[Any, Any]:
    shape = math.exp(theta[1])
    z = shape * (log_x - theta[0])
    hazard, events = np.exp(z), event.sum()
    value = events * theta[1] + event @ (z - log_x) - hazard.sum()
    return -value, -np.array([shape * (hazard.sum() - events), events + event @ z - hazard @ z])


# --- regressions ----------------------------------------------------------------------------------------------


def _predictor(params: Any, data: Any) -> Any:
    return np.einsum("bnp,bp->bn", data["x"], params["beta"])


def _logistic_judge(params: Any, data: Any) -> Any:
    eta = _predictor(params, data)
    return (data["y"] * eta - _softplus(eta)).sum(1)


def _columns(data: Any) -> tuple[Any, ...]:
    return data["y"], data["x"]


def _logistic_log_likelihood(theta: Any, y: Any, x: Any) -> Any:
    eta = x @ theta
    return jnp.sum(y * eta - jax.nn.softplus(eta))


def _logistic_minimand(theta: Any, y: Any, x: Any) -> tuple[Any, Any]:
    eta = x @ theta
    return _softplus(eta).sum() - y @ eta, x.T @ (1 / (1 + np.exp(-eta)) - y)


def _counts_judge(params: Any, data: Any) -> Any:
    y, r, mean = data["y"], 1 / params["dispersion"][:, None], np.exp(_predictor(params, data))
    terms = _lgamma(y + r) - _lgamma(r) - _lgamma(y + 1) + r * np.log(r) + y * np.log(mean) - (y + r) * np.log(r + mean)
    return terms.sum(1)


def _counts_reduce(data: Any) -> tuple[Any, ...]:
    return data["y"], data["x"], _lgamma(data["y"] + 1).sum(1).astype(data["y"].dtype)


def _counts_log_likelihood(theta: Any, y: Any, x: Any, constant: Any) -> Any:
    eta, a = x @ theta[:-1], theta[-1]
    r = jnp.exp(-a)
    rising = jax.lax.lgamma(y + r) - jax.lax.lgamma(r)
    return jnp.sum(rising + y * (eta + a) - (y + r) * jnp.log1p(jnp.exp(eta + a))) - constant


# --- Student t -------------------------------------------------------------------------------------------------


def _student_judge(params: Any, x: Any) -> Any:
    v, scale = params["df"], params["scale"][:, None]
    q = ((x - params["loc"][:, None]) / scale) ** 2
    constant = _lgamma((v + 1) / 2) - _lgamma(v / 2) - 0.5 * np.log(np.pi * v) - np.log(scale[:, 0])
    return x.shape[1] * constant - 0.5 * (v + 1) * np.log1p(q / v[:, None]).sum(1)


# --- two normals mixed -------------------------------------------------------------------------------------------


def _mixture_judge(params: Any, x: Any) -> Any:
    parts = [
        np.log(weight)[:, None] + _normal_log((x - params["loc"][:, i, None]) / scale, scale)
        for i, weight in enumerate((params["weight"], 1 - params["weight"]))
        for scale in (params["scale"][:, i, None],)
    ]
    return np.logaddexp(*parts).sum(1)


# --- GARCH(1,1), its first variance the mean square ------------------------------------------------------------


def _garch_judge(params: Any, x: Any) -> Any:
    square = (x * x).T
    variance, total = square.mean(0), 0.0
    for today in square:
        total = total - 0.5 * (np.log(variance) + today / variance) - HALF_LOG_2_PI
        variance = params["omega"] + params["alpha"] * today + params["beta"] * variance
    return total


# --- Gaussian spot -----------------------------------------------------------------------------------------------


def _spot_judge(params: Any, data: Any) -> Any:
    p = {name: value[:, None] for name, value in params.items()}
    square = (data["row"] - p["row"]) ** 2 + (data["column"] - p["column"]) ** 2
    fitted = p["offset"] + p["amplitude"] * np.exp(-0.5 * square / p["width"] ** 2)
    return _normal_log(data["light"] - fitted, 1.0).sum(1)


def _spot_pair(data: Any) -> tuple[Any, Any]:
    places = np.stack([data["row"], data["column"]], axis=-1)
    return data["light"], np.broadcast_to(places, (*data["light"].shape, 2))


NORMAL = ByHand(_normal_judge)
GAMMA = ByHand(_gamma_judge, _gamma_reduce, _gamma_log_likelihood, _gamma_minimand)
BETA = ByHand(_beta_judge, _beta_reduce, _beta_log_likelihood, _beta_minimand)
WEIBULL = ByHand(
    _weibull_judge,
    _weibull_reduce,
    _weibull_log_likelihood,
    _weibull_minimand,
    lambda data: (data["lower"], data["upper"][:, :, None]),
)
LOGISTIC = ByHand(_logistic_judge, _columns, _logistic_log_likelihood, _logistic_minimand, _columns)
COUNTS = ByHand(_counts_judge, _counts_reduce, _counts_log_likelihood, pair=_columns)
STUDENT = ByHand(_student_judge)
MIXTURE = ByHand(_mixture_judge)
GARCH = ByHand(_garch_judge)
SPOT = ByHand(_spot_judge, pair=_spot_pair)
