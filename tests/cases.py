"""The one table that the laws are tested over: every kind of model, with data, truth and closed form."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxmle as jm
from jaxmle import distributions, models, spaces

# --- models that a user might write ----------------------------------------------------------------------


def gaussian(residual, scale):
    return -0.5 * jnp.log(2 * jnp.pi) - jnp.log(scale) - 0.5 * (residual / scale) ** 2


def regression_log_likelihood(params, data):
    return gaussian(data["y"] - data["x"] @ params["beta"], params["scale"])


def regression_simulate(key, params, data):
    noise = jax.random.normal(key, data["y"].shape, data["y"].dtype)
    return {**data, "y": data["x"] @ params["beta"] + params["scale"] * noise}


def regression_start(data, weights):
    return {"beta": jnp.zeros(data["x"].shape[1]), "scale": jnp.sqrt(jnp.average(data["y"] ** 2, weights=weights))}


def regression_information(params, data):
    x, variance = data["x"], params["scale"] ** 2
    p = x.shape[1]
    whole = jnp.zeros((x.shape[0], p + 1, p + 1), x.dtype)
    whole = whole.at[:, :p, :p].set(x[:, :, None] * x[:, None, :] / variance)
    return whole.at[:, p, p].set(2 / variance)


def logistic_log_likelihood(params, data):
    eta = data["x"] @ params["beta"]
    return data["y"] * eta - jax.nn.softplus(eta)


def logistic_row(params, row):
    eta = row["x"] @ params["beta"]
    return row["y"] * eta - jax.nn.softplus(eta)


def logistic_simulate(key, params, data):
    draw = jax.random.bernoulli(key, jax.nn.sigmoid(data["x"] @ params["beta"]))
    return {**data, "y": draw.astype(data["y"].dtype)}


def logistic_information(params, data):
    probability = jax.nn.sigmoid(data["x"] @ params["beta"])
    return (probability * (1 - probability))[:, None, None] * data["x"][:, :, None] * data["x"][:, None, :]


def counts_log_likelihood(params, data):
    mean = jnp.exp(data["x"] @ params["beta"])
    return distributions.negative_binomial.logpdf({"mean": mean, "dispersion": params["dispersion"]}, data["y"])


def mixture_log_likelihood(params, x):
    parts = jnp.log(params["share"]) + gaussian(x[:, None] - params["loc"], params["scale"])
    return jax.nn.logsumexp(parts, axis=1)


def mixture_start(x, weights):
    loc = jnp.average(x, weights=weights)
    sd = jnp.sqrt(jnp.average((x - loc) ** 2, weights=weights))
    return {"loc": jnp.stack([loc - sd, loc + sd]), "scale": 0.5 * sd, "share": jnp.array([0.5, 0.5])}


def autoregression_log_likelihood(params, y):
    """Conditional on what was before the series: 0."""

    def step(last, now):
        return now, gaussian(now - params["loc"] - params["phi"] * last, params["scale"])

    return jax.lax.scan(step, jnp.zeros((), y.dtype), y)[1]


def autoregression_information(params, y):
    """Conditional on the past, as the score's own variance is."""
    last = jnp.concatenate([jnp.zeros(1, y.dtype), y[:-1]])
    zero, one = jnp.zeros_like(y), jnp.ones_like(y)
    rows = [[one, last, zero], [last, last**2, zero], [zero, zero, 2 * one]]
    return jnp.stack([jnp.stack(r, -1) for r in rows], -2) / params["scale"] ** 2


def garch_log_likelihood(params, y):
    weight, total = params["weight"], params["total"]

    def step(state, now):
        variance = params["variance"] * (1 - total) + total * (weight * state[0] ** 2 + (1 - weight) * state[1])
        return (now, variance), gaussian(now, jnp.sqrt(variance))

    return jax.lax.scan(step, (jnp.zeros((), y.dtype), params["variance"]), y)[1]


def garch_start(y, weights):
    half = jnp.full((), 0.5, y.dtype)
    return {"variance": jnp.average(y**2, weights=weights), "weight": 0.3 * half, "total": 1.6 * half}


def bivariate_log_likelihood(params, x):
    factor = jnp.linalg.cholesky(params["covariance"])
    z = jax.scipy.linalg.solve_triangular(factor, (x - params["loc"]).T, lower=True)
    return -jnp.log(2 * jnp.pi) - jnp.sum(jnp.log(jnp.diagonal(factor))) - 0.5 * jnp.sum(z**2, axis=0)


def two_groups_log_likelihood(params, data):
    second = data["group"] == 1
    loc = jnp.where(second, params["loc"]["b"], params["loc"]["a"])
    return gaussian(data["x"] - loc, jnp.where(second, params["scale_b"], params["scale_a"]))


def known_scale_log_likelihood(params, data):
    return gaussian(data["x"] - params["loc"], data["scale"])


REGRESSION = jm.Model(
    regression_log_likelihood,
    {"beta": spaces.real(shape=3), "scale": spaces.positive},
    start=regression_start,
    simulate=regression_simulate,
    information=regression_information,
    name="regression",
)
LOGISTIC = jm.Model(
    logistic_log_likelihood,
    {"beta": spaces.real(shape=2)},
    simulate=logistic_simulate,
    information=logistic_information,
    name="logistic",
)
LOGISTIC_ROWS = jm.Model(jm.rows(logistic_row), {"beta": spaces.real(shape=2)}, name="logistic by rows")
COUNTS = jm.Model(counts_log_likelihood, {"beta": spaces.real(shape=2), "dispersion": spaces.positive})
MIXTURE = jm.Model(
    mixture_log_likelihood,
    {"loc": spaces.ordered(2), "scale": spaces.positive, "share": spaces.simplex(2)},
    start=mixture_start,
)
AUTOREGRESSION = jm.Model(
    autoregression_log_likelihood,
    {"loc": spaces.real, "phi": spaces.real, "scale": spaces.positive},
    information=autoregression_information,
    observations="ordered",
)
GARCH = jm.Model(
    garch_log_likelihood,
    {"variance": spaces.positive, "weight": spaces.interval(0.0, 1.0), "total": spaces.interval(0.0, 1.0)},
    start=garch_start,
    observations="ordered",
)
BIVARIATE = jm.Model(bivariate_log_likelihood, {"loc": spaces.real(shape=2), "covariance": spaces.covariance(2)})
TWO_GROUPS = jm.Model(
    two_groups_log_likelihood,
    {"loc": {"a": spaces.real, "b": spaces.real}, "scale_a": spaces.positive, "scale_b": spaces.positive},
)
KNOWN_SCALE = jm.Model(known_scale_log_likelihood, {"loc": spaces.real})


# --- data ------------------------------------------------------------------------------------------------


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng([20, seed])


def design(r: np.random.Generator, sets: int, n: int, p: int) -> np.ndarray:
    x = r.normal(size=(sets, n, p))
    x[..., 0] = 1.0
    return x


def censored_data(seed: int, sets: int, n: int) -> Any:
    r = rng(seed)
    x, limit = 3.0 * r.weibull(1.5, (sets, n)), r.uniform(1.0, 8.0, (sets, n))
    return {"lower": np.minimum(x, limit), "upper": np.where(x < limit, x, np.inf)}


def regression_data(seed: int, sets: int, n: int) -> Any:
    r = rng(seed)
    x = design(r, sets, n, 3)
    return {"x": x, "y": x @ np.array([1.0, -2.0, 0.5]) + 0.7 * r.normal(size=(sets, n))}


def logistic_data(seed: int, sets: int, n: int) -> Any:
    r = rng(seed)
    x = design(r, sets, n, 2)
    return {"x": x, "y": (r.uniform(size=(sets, n)) < 1 / (1 + np.exp(-x @ np.array([0.3, 0.8])))).astype(float)}


def counts_data(seed: int, sets: int, n: int) -> Any:
    r = rng(seed)
    x = design(r, sets, n, 2)
    return {"x": x, "y": r.poisson(np.exp(x @ np.array([1.5, 0.5])) * r.gamma(1.25, 0.8, (sets, n))).astype(float)}


def mixture_data(seed: int, sets: int, n: int) -> Any:
    r = rng(seed)
    return np.where(r.uniform(size=(sets, n)) < 0.4, -2.0, 2.0) + 0.8 * r.normal(size=(sets, n))


def series_data(seed: int, sets: int, n: int) -> Any:
    r = rng(seed)
    y = np.zeros((sets, n + 1))
    for t in range(n):
        y[:, t + 1] = 0.5 + 0.6 * y[:, t] + r.normal(size=sets)
    return y[:, 1:]


def garch_data(seed: int, sets: int, n: int) -> Any:
    r = rng(seed)
    y, variance = np.zeros((sets, n)), np.ones(sets)
    for t in range(n):
        y[:, t] = np.sqrt(variance) * r.normal(size=sets)
        variance = 0.2 + 0.8 * (0.3 * y[:, t] ** 2 + 0.7 * variance)
    return y


def bivariate_data(seed: int, sets: int, n: int) -> Any:
    return rng(seed).normal(size=(sets, n, 2)) @ np.array([[1.0, 0.8], [0.0, 0.6]]) + np.array([1.0, -1.0])


def two_groups_data(seed: int, sets: int, n: int) -> Any:
    r = rng(seed)
    group = np.tile(np.arange(n) % 2, (sets, 1))
    return {"group": group, "x": 1.5 * r.normal(size=(sets, n)) + np.where(group == 1, 4.0, 1.0)}


def known_scale_data(seed: int, sets: int, n: int) -> Any:
    r = rng(seed)
    scale = r.uniform(0.5, 2.0, sets)
    return {"x": 3.0 + scale[:, None] * r.normal(size=(sets, n)), "scale": jm.constant(scale)}


def student_data(seed: int, sets: int, n: int) -> Any:
    return 1.0 + 2.0 * rng(seed).standard_t(3.0, (sets, n))


# --- closed forms: data of one set, weights -> params ----------------------------------------------------


def mean_sd(x, w):
    loc = np.average(x, weights=w)
    return {"loc": loc, "scale": np.sqrt(np.average((x - loc) ** 2, weights=w))}


def least_squares(data, w):
    x, y = data["x"], data["y"]
    beta = np.linalg.lstsq(x * np.sqrt(w)[:, None], y * np.sqrt(w), rcond=None)[0]
    return {"beta": beta, "scale": np.sqrt(np.average((y - x @ beta) ** 2, weights=w))}


def autoregression(y, w):
    x = np.stack([np.ones_like(y), np.concatenate([[0.0], y[:-1]])], axis=1)
    found = least_squares({"x": x, "y": y}, w)
    return {"loc": found["beta"][0], "phi": found["beta"][1], "scale": found["scale"]}


def moments(x, w):
    loc = np.average(x, weights=w, axis=0)
    return {"loc": loc, "covariance": np.average((x - loc)[:, :, None] * (x - loc)[:, None, :], weights=w, axis=0)}


def pooled(data, w):
    x, second = data["x"], data["group"] == 1
    a, b = (np.average(x[m], weights=w[m]) for m in (~second, second))
    scale = np.sqrt(np.average((x - np.where(second, b, a)) ** 2, weights=w))
    return {"loc": {"a": a, "b": b}, "scale_a": scale, "scale_b": scale}


# --- the table -------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Case:
    """One line of the table.

    Attributes:
        name, model: the model, as a record.
        data: (seed, sets, n) -> NumPy leaves [sets, n, ...], `constant` leaves [sets, ...].
        truth: the params that the data come from.
        closed: (data of one set, weights) -> params, where the maximum has a closed form.
        n: rows at which samples are regular.
        tags: `scale` (data may be multiplied), `location` (and shifted), `ordered` (a series), `expected`
            (information is known), `simulates`.
    """

    name: str
    model: Any
    data: Callable[[int, int, int], Any]
    truth: Any
    closed: Callable[[Any, np.ndarray], Any] | None = None
    n: int = 40
    tags: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        return self.name


def _case(name, model, data, truth, closed=None, n=40, tags=""):
    model = models.iid(model) if isinstance(model, distributions.Distribution) else model
    found = set(tags.split())
    found |= {"expected"} if model.geometry.information else set()
    found |= {"simulates"} if model.simulate else set()
    found |= {"ordered"} if model.observations == "ordered" else set()
    return Case(name, model, data, truth, closed, n, frozenset(found))


d = distributions
CASES = [
    _case("normal", d.normal, lambda s, b, n: rng(s).normal(1.0, 2.0, (b, n)), {"loc": 1.0, "scale": 2.0}, mean_sd,
          tags="scale location"),
    _case("exponential", d.exponential, lambda s, b, n: rng(s).exponential(2.0, (b, n)), {"rate": 0.5},
          lambda x, w: {"rate": 1 / np.average(x, weights=w)}, tags="scale"),
    _case("gamma", d.gamma, lambda s, b, n: rng(s).gamma(2.5, 1.5, (b, n)), {"shape": 2.5, "scale": 1.5}, tags="scale"),
    _case("weibull", d.weibull, lambda s, b, n: 3.0 * rng(s).weibull(1.5, (b, n)), {"scale": 3.0, "shape": 1.5},
          tags="scale"),
    _case("lognormal", d.lognormal, lambda s, b, n: rng(s).lognormal(0.5, 0.8, (b, n)), {"loc": 0.5, "scale": 0.8},
          lambda x, w: mean_sd(np.log(x), w), tags="scale"),
    _case("poisson", d.poisson, lambda s, b, n: rng(s).poisson(3.0, (b, n)).astype(float), {"mean": 3.0},
          lambda x, w: {"mean": np.average(x, weights=w)}),
    _case("bernoulli", d.bernoulli, lambda s, b, n: (rng(s).uniform(size=(b, n)) < 0.4).astype(float),
          {"probability": 0.4}, lambda x, w: {"probability": np.average(x, weights=w)}),
    _case("binomial", d.binomial,
          lambda s, b, n: {"successes": rng(s).binomial(np.arange(1, n + 1), 0.3, (b, n)),
                           "trials": np.tile(np.arange(1, n + 1), (b, 1))},
          {"probability": 0.3}, lambda x, w: {"probability": np.sum(w * x["successes"]) / np.sum(w * x["trials"])}),
    _case("geometric", d.geometric, lambda s, b, n: rng(s).geometric(0.3, (b, n)).astype(float), {"probability": 0.3},
          lambda x, w: {"probability": 1 / np.average(x, weights=w)}),
    _case("negative_binomial", d.negative_binomial,
          lambda s, b, n: rng(s).poisson(5.0 * rng(s + 99).gamma(1.25, 0.8, (b, n))).astype(float),
          {"mean": 5.0, "dispersion": 0.8}),
    _case("student_t", d.student_t, student_data, {"df": 3.0, "loc": 1.0, "scale": 2.0}, n=160, tags="scale location"),
    _case("censored weibull", models.censored(d.weibull), censored_data, {"scale": 3.0, "shape": 1.5}, n=60,
          tags="scale"),
    _case("regression", REGRESSION, regression_data, {"beta": np.array([1.0, -2.0, 0.5]), "scale": 0.7}, least_squares),
    _case("logistic", LOGISTIC, logistic_data, {"beta": np.array([0.3, 0.8])}, n=60),
    _case("logistic by rows", LOGISTIC_ROWS, logistic_data, {"beta": np.array([0.3, 0.8])}, n=60),
    _case("counts", COUNTS, counts_data, {"beta": np.array([1.5, 0.5]), "dispersion": 0.8}),
    _case("mixture", MIXTURE, mixture_data,
          {"loc": np.array([-2.0, 2.0]), "scale": 0.8, "share": np.array([0.4, 0.6])}, n=80),
    _case("autoregression", AUTOREGRESSION, series_data, {"loc": 0.5, "phi": 0.6, "scale": 1.0}, autoregression),
    _case("bivariate", BIVARIATE, bivariate_data,
          {"loc": np.array([1.0, -1.0]), "covariance": np.array([[1.0, 0.8], [0.8, 1.0]])}, moments),
    _case("pinned", models.pinned("gamma", shape=2.5), lambda s, b, n: rng(s).gamma(2.5, 1.5, (b, n)),
          {"shape": 2.5, "scale": 1.5}, lambda x, w: {"shape": 2.5, "scale": np.average(x, weights=w) / 2.5},
          tags="scale"),
    _case("tied", models.tied(TWO_GROUPS, scale_b="scale_a"), two_groups_data,
          {"loc": {"a": 1.0, "b": 4.0}, "scale_a": 1.5, "scale_b": 1.5}, pooled),
    _case("constant", KNOWN_SCALE, known_scale_data, {"loc": 3.0},
          lambda data, w: {"loc": np.average(data["x"], weights=w)}),
]  # fmt: skip
BY_NAME = {case.name: case for case in CASES}
GARCH_CASE = _case("garch", GARCH, garch_data, {"variance": 1.0, "weight": 0.3, "total": 0.8}, n=600)


# --- small tools of the laws -----------------------------------------------------------------------------


def is_constant(x: Any) -> bool:
    return isinstance(x, jm.constant)


def on_rows(f: Callable[[np.ndarray], np.ndarray], data: Any) -> Any:
    """`f` on every leaf that has rows."""
    return jax.tree.map(lambda x: x if is_constant(x) else f(x), data, is_leaf=is_constant)


def pick(data: Any, i: int) -> Any:
    """Data set i of a batch."""
    return jax.tree.map(lambda x: jm.constant(x.value[i]) if is_constant(x) else x[i], data, is_leaf=is_constant)


def flat(params: Any) -> np.ndarray:
    """Params (of one fit, or batched) as one vector per data set, f[..., q]."""
    leaves = [np.asarray(x) for x in jax.tree.leaves(params)]
    return np.concatenate([x.reshape(-1) for x in leaves])


def errors(fit: Any, params: Any) -> float:
    """The largest distance between two estimates of one fit, in standard errors."""
    a, b, se = flat(fit.params), flat(params), flat(fit.standard_errors())
    rounding = 1e-13 * np.abs(b)
    return float(np.max(np.maximum(np.abs(a - b) - rounding, 0) / np.where(se > 0, se, 1.0), initial=0.0))
