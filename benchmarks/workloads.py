"""What is fitted: each workload is a record of a seeded generator, a model, a start and a tolerance."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from benchmarks import by_hand
from benchmarks.by_hand import ByHand
from jaxmle import Model
from jaxmle.models import as_model


@dataclasses.dataclass(frozen=True)
class Workload:
    """One thing to fit, for every rival alike.

    Attributes:
        name, title: on the command line, and in the table.
        model: what `jaxmle.fit` takes.
        generate: (random generator, datasets, rows) -> data, leaves [datasets, rows].
        by_hand: the same model written by an expert, for rivals that need it.
        datasets, rows: the default size.
        seed: of the generator.
        tolerance: log-likelihood still to be gained at which a fit counts as converged.
        calls: fits timed together where one is too short to time; 0 for a batch.
    """

    name: str
    title: str
    model: str
    generate: Callable[[np.random.Generator, int, int], Any]
    by_hand: ByHand
    datasets: int
    rows: int = 200
    seed: int = 7
    tolerance: float = 1e-9
    calls: int = 0


@dataclasses.dataclass(frozen=True)
class Task:
    """A workload with its arrays: what every rival is handed.

    Attributes:
        data: leaves [datasets, rows], NumPy float64.
        model: the `Model` that `workload.model` and the data mean.
        start: natural params, leaves [datasets]; jaxmle's own start, which rivals get for nothing.
    """

    workload: Workload
    data: Any
    model: Model
    start: dict[str, np.ndarray]

    @property
    def datasets(self) -> int:
        return len(jax.tree.leaves(self.data)[0])

    @property
    def rows(self) -> int:
        return jax.tree.leaves(self.data)[0].shape[1]

    def first(self, count: int) -> "Task":
        """The task with its first `count` data sets only."""
        data, start = jax.tree.map(lambda x: x[:count], (self.data, self.start))
        return dataclasses.replace(self, data=data, start=start)


def task(workload: Workload, datasets: int | None = None, rows: int | None = None) -> Task:
    """Draws the data and computes the start."""
    rng = np.random.default_rng(workload.seed)
    batch = workload.datasets if workload.calls else datasets or workload.datasets
    data = workload.generate(rng, batch, rows or workload.rows)
    model = as_model(workload.model, data)
    if model.start is None:
        raise ValueError(f"workload {workload.name}: its model has no start to hand to the rivals")
    with jax.enable_x64(True):
        start = jax.jit(jax.vmap(model.start))(data, np.ones(jax.tree.leaves(data)[0].shape))
    return Task(workload, data, model, {k: np.asarray(v) for k, v in start.items()})


def gamma(rng: np.random.Generator, datasets: int, rows: int) -> np.ndarray:
    """Gamma samples; shapes around 1.6, scales over two orders of magnitude."""
    shape, scale = np.exp(rng.normal(0.5, 0.5, (datasets, 1))), np.exp(rng.normal(0.0, 1.0, (datasets, 1)))
    return scale * rng.gamma(shape, size=(datasets, rows))


def censored_weibull(rng: np.random.Generator, datasets: int, rows: int) -> dict[str, np.ndarray]:
    """Weibull lifetimes, right-censored at random times from the same law 1.7 times longer (20 to 43 %)."""
    shape, scale = np.exp(rng.normal(0.3, 0.4, (datasets, 1))), np.exp(rng.normal(0.0, 1.0, (datasets, 1)))
    life = scale * rng.weibull(shape, (datasets, rows))
    watched = 1.7 * scale * rng.weibull(shape, (datasets, rows))
    return {"lower": np.minimum(life, watched), "upper": np.where(life <= watched, life, np.inf)}


WORKLOADS = (
    Workload("gamma-one", "gamma, one data set", "gamma", gamma, by_hand.GAMMA, datasets=1, calls=20),
    Workload("gamma", "gamma, many data sets", "gamma", gamma, by_hand.GAMMA, datasets=20_000),
    Workload(
        "weibull", "censored Weibull, many data sets", "weibull", censored_weibull, by_hand.WEIBULL, datasets=20_000
    ),
)
