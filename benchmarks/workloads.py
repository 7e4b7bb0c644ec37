"""What is fitted: each workload is a record of a seeded generator, a model, a start and a tolerance."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from benchmarks import by_hand, models
from benchmarks.by_hand import ByHand
from jaxmle import Model
from jaxmle.models import as_model


@dataclasses.dataclass(frozen=True)
class Least:
    """What the best known program must do: special functions and arithmetic, the rest of it being free.

    Attributes:
        once: {operation: count} for each row of a data set, once.
        each: the same for each row at each evaluation of value, score and Hessian.
        fixed: the same for each evaluation, whatever the rows.
    """

    once: dict[str, float] = dataclasses.field(default_factory=dict)
    each: dict[str, float] = dataclasses.field(default_factory=dict)
    fixed: dict[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Workload:
    """One thing to fit, for every rival alike.

    Attributes:
        name, title: on the command line, and in the table.
        model: parameters -> what `jaxmle.fit` takes.
        generate: (random generator, datasets, rows, parameters) -> data, leaves [datasets, rows, ...].
        by_hand: the same model written by an expert, for rivals that need it.
        parameters: how many there are.
        datasets, rows: the default size, which keeps the whole set short.
        full: the same of the full set.
        shared: columns that all data sets share: leaves [rows].
        least: parameters -> the work that cannot be avoided.
        seed: of the generator.
        tolerance: log-likelihood still to be gained at which a fit counts as converged.
        calls: fits timed together where one is too short to time; 0 for a batch.
    """

    name: str
    title: str
    model: Callable[[int], Any]
    generate: Callable[[np.random.Generator, int, int, int], Any]
    by_hand: ByHand
    parameters: int
    datasets: int
    rows: int
    full: tuple[int, int]
    shared: tuple[str, ...] = ()
    least: Callable[[int], Least] | None = None
    seed: int = 7
    tolerance: float = 1e-9
    calls: int = 0


@dataclasses.dataclass(frozen=True)
class Task:
    """A workload with its arrays: what every rival is handed.

    Attributes:
        own: data with a data-set axis, leaves [datasets, rows, ...], NumPy.
        shared: columns without one, leaves [rows], or None.
        model: the `Model` that `workload.model` and the data mean.
        given: what `jaxmle.fit` is given: a model, or a distribution's name.
        theta: where the ascent begins, unconstrained coordinates f[datasets, p] in the order of the model; jaxmle's own
            start, which rivals get for nothing.
        dtype: of the computation.
    """

    workload: Workload
    own: Any
    shared: Any
    model: Model
    given: Any
    theta: np.ndarray
    dtype: str

    @property
    def datasets(self) -> int:
        return len(self.theta)

    @property
    def rows(self) -> int:
        return jax.tree.leaves(self.own)[0].shape[1]

    @property
    def calls(self) -> int:
        """Fits of each data set in one run."""
        return self.workload.calls or 1

    @property
    def tolerance(self) -> float:
        return self.workload.tolerance if self.dtype == "float64" else max(self.workload.tolerance, 1e-3)

    @property
    def steep(self) -> float:
        """The slope at which a method that looks only at slopes may stop: with curvature about n, |g|^2 = n tolerance
        leaves half the tolerance to be gained."""
        return float(np.sqrt(self.tolerance * self.rows))

    @property
    def data(self) -> Any:
        """All columns together; what is shared has no data-set axis."""
        return self.own if self.shared is None else {**self.own, **self.shared}

    def precision(self) -> Any:
        """The context in which JAX computes."""
        return jax.enable_x64(self.dtype == "float64")

    def first(self, count: int) -> "Task":
        """The first data sets alone."""
        own = jax.tree.map(lambda x: x[:count], self.own)
        return dataclasses.replace(self, own=own, theta=self.theta[:count])

    def natural(self, theta: np.ndarray) -> dict[str, np.ndarray]:
        """Coordinates f[m, p] as natural params, leaves f[m, ...]; NumPy, so that no rival waits for JAX."""
        found, at = {}, 0
        for name, space in sorted(self.model.space.items()):
            size = int(np.prod(space.coordinate_shape))
            part = theta[:, at : at + size].reshape(len(theta), *space.value_shape)
            found[name], at = _SHAPES[space.kind.name](part), at + size
        return found


_SHAPES = {"real": lambda x: x, "positive": np.exp, "interval": lambda x: 1 / (1 + np.exp(-x))}


def task(
    workload: Workload,
    datasets: int | None = None,
    rows: int | None = None,
    parameters: int | None = None,
    dtype: str = "float64",
) -> Task:
    """Draws the data and computes the start."""
    rng = np.random.default_rng(workload.seed)
    p = parameters or workload.parameters
    batch = workload.datasets if workload.calls else datasets or workload.datasets
    data = workload.generate(rng, batch, rows or workload.rows, p)
    data = jax.tree.map(lambda x: x.astype(dtype), data)
    shared = {name: data.pop(name) for name in workload.shared} or None
    given = workload.model(p)
    model = as_model(given, data)
    if model.start is None:
        raise ValueError(f"workload {workload.name}: its model has no start to hand to the rivals")
    start = model.start

    def begin(own: Any, common: Any) -> Any:
        mine = own if common is None else {**own, **common}
        weights = jnp.ones(jax.tree.leaves(own)[0].shape[:1], dtype)
        return ravel_pytree(model.inverse(start(mine, weights)))[0]

    with jax.enable_x64(dtype == "float64"):
        theta = np.asarray(jax.jit(jax.vmap(begin, in_axes=(0, None)))(data, shared))
    return Task(workload, data, shared, model, given, theta, dtype)


# --- generators --------------------------------------------------------------------------------------------------


def _between(rng: np.random.Generator, datasets: int, centre: float, deviation: float) -> np.ndarray:
    """A log-normal number for each data set."""
    return np.exp(rng.normal(centre, deviation, (datasets, 1)))


def normal(rng: np.random.Generator, datasets: int, rows: int, _: int) -> np.ndarray:
    """Normal samples; means around 0, scales over two orders of magnitude."""
    return rng.normal(0.0, 3.0, (datasets, 1)) + _between(rng, datasets, 0.0, 1.0) * rng.normal(size=(datasets, rows))


def gamma(rng: np.random.Generator, datasets: int, rows: int, _: int) -> np.ndarray:
    """Gamma samples; shapes around 1.6, scales over two orders of magnitude."""
    shape, scale = _between(rng, datasets, 0.5, 0.5), _between(rng, datasets, 0.0, 1.0)
    return scale * rng.gamma(shape, size=(datasets, rows))


def beta(rng: np.random.Generator, datasets: int, rows: int, _: int) -> np.ndarray:
    """Shares; both shapes around 1.6."""
    a, b = _between(rng, datasets, 0.5, 0.5), _between(rng, datasets, 0.5, 0.5)
    return np.clip(rng.beta(a, b, size=(datasets, rows)), 1e-12, 1 - 1e-12)


def censored_weibull(rng: np.random.Generator, datasets: int, rows: int, _: int) -> dict[str, np.ndarray]:
    """Weibull lifetimes, right-censored at random times from the same law 1.7 times longer (20 to 43 %)."""
    shape, scale = _between(rng, datasets, 0.3, 0.4), _between(rng, datasets, 0.0, 1.0)
    life = scale * rng.weibull(shape, (datasets, rows))
    watched = 1.7 * scale * rng.weibull(shape, (datasets, rows))
    return {"lower": np.minimum(life, watched), "upper": np.where(life <= watched, life, np.inf)}


def _design(rng: np.random.Generator, datasets: int, rows: int, columns: int) -> np.ndarray:
    x = rng.normal(size=(datasets, rows, columns))
    x[..., 0] = 1
    return x


def logistic(rng: np.random.Generator, datasets: int, rows: int, p: int) -> dict[str, np.ndarray]:
    """Standard normal covariates and an intercept; coefficients whose log-odds have deviation 1.6 whatever p is."""
    x = _design(rng, datasets, rows, p)
    odds = np.einsum("bnp,bp->bn", x, rng.normal(0.0, 0.7 * np.sqrt(5 / p), (datasets, p)))
    return {"x": x, "y": (rng.uniform(size=odds.shape) < 1 / (1 + np.exp(-odds))).astype(float)}


def counts(rng: np.random.Generator, datasets: int, rows: int, p: int) -> dict[str, np.ndarray]:
    """Counts around 5 with a dispersion around 0.6, log-linear in standard normal covariates."""
    x = _design(rng, datasets, rows, p - 1)
    beta = rng.normal(0.0, 0.3, (datasets, p - 1))
    beta[:, 0] += 1.6
    mean, r = np.exp(np.einsum("bnp,bp->bn", x, beta)), 1 / _between(rng, datasets, -0.5, 0.3)
    return {"x": x, "y": rng.poisson(mean * rng.gamma(r, 1 / r, size=mean.shape)).astype(float)}


def student_t(rng: np.random.Generator, datasets: int, rows: int, _: int) -> np.ndarray:
    """Student t samples with about 4.5 degrees of freedom."""
    df, scale = _between(rng, datasets, 1.5, 0.2), _between(rng, datasets, 0.0, 1.0)
    return rng.normal(0.0, 3.0, (datasets, 1)) + scale * rng.standard_t(df, (datasets, rows))


def mixture(rng: np.random.Generator, datasets: int, rows: int, _: int) -> np.ndarray:
    """Two normals, 3 to 5 standard deviations apart."""
    first = rng.uniform(size=(datasets, rows)) < rng.uniform(0.3, 0.7, (datasets, 1))
    apart = rng.uniform(3.0, 5.0, (datasets, 1))
    z = rng.normal(size=(datasets, rows))
    return _between(rng, datasets, 0.0, 0.5) * np.where(first, z, apart + 0.8 * z)


def garch(rng: np.random.Generator, datasets: int, rows: int, _: int) -> np.ndarray:
    """GARCH(1,1) returns after 200 days nobody saw: alpha 0.08 to 0.2, alpha + beta 0.85 to 0.95, variance 1."""
    alpha, persistence = rng.uniform(0.08, 0.2, datasets), rng.uniform(0.85, 0.95, datasets)
    variance, days = np.ones(datasets), np.empty((rows + 200, datasets))
    for day in days:
        day[:] = np.sqrt(variance) * rng.normal(size=datasets)
        variance = 1 - persistence + alpha * day**2 + (persistence - alpha) * variance
    return np.ascontiguousarray(days[200:].T)


def spot(rng: np.random.Generator, datasets: int, rows: int, _: int) -> dict[str, np.ndarray]:
    """A round Gaussian spot of 20 to 40 noise deviations on a square of pixels, as a microscope sees a molecule."""
    side = round(rows**0.5)
    if side * side != rows:
        raise ValueError(f"the spot needs a square number of pixels, such as 25; got {rows}")
    row, column = (x.ravel().astype(float) for x in np.mgrid[:side, :side])
    where = rng.uniform(-0.5, 0.5, (2, datasets, 1)) + (side - 1) / 2
    width = rng.uniform(0.9, 1.2, (datasets, 1)) * side / 5
    bright = np.exp(-0.5 * ((row - where[0]) ** 2 + (column - where[1]) ** 2) / width**2)
    light = rng.uniform(20, 40, (datasets, 1)) * bright + 10 + rng.normal(size=(datasets, rows))
    return {"light": light, "row": row, "column": column}


# --- the table -----------------------------------------------------------------------------------------------------


def _given(model: Any) -> Callable[[int], Any]:
    return lambda _: model


def _regression(**each: float) -> Callable[[int], Least]:
    """A linear predictor, p multiplications and additions, and cross-products, p (p + 1) / 2 of them with a weight."""
    return lambda p: Least(each={**each, "flop": 6 + 4 * p + p * (p + 1)})


def _least(once: dict[str, float] | None = None, each: Any = None, fixed: Any = None) -> Callable[[int], Least]:
    return lambda _: Least(once or {}, each or {}, fixed or {})


_GAMMA_LEAST = _least({"log": 1, "flop": 2}, fixed={"exp": 2, "log-gamma": 3})

WORKLOADS = (
    Workload(
        "gamma-one", "gamma, one data set", _given("gamma"), gamma, by_hand.GAMMA,
        2, 1, 200, (1, 200), least=_GAMMA_LEAST, calls=20,
    ),
    Workload(
        "normal", "normal", _given("normal"), normal, by_hand.NORMAL,
        2, 20_000, 100, (100_000, 100), least=_least({"flop": 4}),
    ),
    Workload(
        "gamma", "gamma", _given("gamma"), gamma, by_hand.GAMMA,
        2, 20_000, 100, (100_000, 100), least=_GAMMA_LEAST,
    ),
    Workload(
        "beta", "beta", _given("beta"), beta, by_hand.BETA,
        2, 20_000, 100, (100_000, 100), least=_least({"log": 2, "flop": 2}, fixed={"exp": 2, "log-gamma": 9}),
    ),
    Workload(
        "weibull", "censored Weibull", _given("weibull"), censored_weibull, by_hand.WEIBULL,
        2, 10_000, 200, (20_000, 200), least=_least({"log": 1}, {"exp": 1, "flop": 10}),
    ),
    Workload(
        "logistic", "logistic regression", models.logistic, logistic, by_hand.LOGISTIC,
        5, 5_000, 200, (10_000, 200), least=_regression(exp=1, log=1),
    ),
    Workload(
        "negative-binomial", "negative-binomial regression", models.negative_binomial, counts, by_hand.COUNTS,
        4, 2_000, 100, (5_000, 100), least=_regression(exp=1, log=1),
    ),
    Workload(
        "student-t", "Student t", _given("student_t"), student_t, by_hand.STUDENT,
        3, 2_000, 500, (5_000, 500), least=_least(each={"log": 1, "flop": 30}, fixed={"log-gamma": 6}),
    ),
    Workload(
        "mixture", "two normals mixed", _given(models.MIXTURE), mixture, by_hand.MIXTURE,
        5, 1_000, 500, (2_000, 500), least=_least(each={"exp": 2, "log": 1, "flop": 100}),
    ),
    Workload(
        "garch", "GARCH(1,1)", _given(models.GARCH), garch, by_hand.GARCH,
        3, 200, 1000, (1_000, 1000), least=_least(each={"log": 1, "flop": 50}),
    ),
    Workload(
        "spot", "Gaussian spot on 5 × 5 pixels", _given(models.SPOT), spot, by_hand.SPOT,
        5, 10_000, 25, (100_000, 25), shared=("row", "column"), least=_least(each={"exp": 1, "flop": 90}),
    ),
    Workload(
        "logistic-big", "one big logistic regression", models.logistic, logistic, by_hand.LOGISTIC,
        20, 1, 50_000, (1, 500_000), least=_regression(exp=1, log=1), calls=1,
    ),
)  # fmt: skip
