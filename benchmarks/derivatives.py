"""Scores and Hessians: exact ones of JAX against those by hand and finite differences; time and error."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.measure import interleaved, spread
from benchmarks.rivals import negative
from benchmarks.workloads import Task, Workload, task
from jaxmle._util.compile import compiled_once

TITLES = {
    "autodiff": "JAX, exact",
    "by hand": "by hand, numba on all cores",
    "differences": "central differences of the value, JAX",
}


def derivatives(workload: Workload, datasets: int, rows: int | None, repeats: int, say: Callable[[str], None]) -> Any:
    """One record: {workload, datasets, rows, parameters, ways: {way: {score, hessian}}}, each with seconds a data set
    and the largest error relative to the largest exact entry of the same data set; near the start of the ascent, float64.
    """
    drawn = task(workload, datasets, rows)
    # A little off the start, which may be the maximum itself: there the score is nothing but rounding.
    drawn = dataclasses.replace(drawn, theta=drawn.theta + 0.1)
    runs: dict[tuple[str, str], Callable[[], Any]] = {}
    for way, build in (("autodiff", _exact), ("differences", _differences)):
        for what, f in build(negative(drawn)).items():
            runs[way, what] = _compiled(drawn, f)
    by_hand = _by_hand(drawn)
    if by_hand is not None:
        runs["by hand", "hessian"] = by_hand
    say(f"derivatives: {workload.name}")
    results = {key: run() for key, run in runs.items()}
    seconds = interleaved(list(runs.values()), repeats, say)
    ways: dict[str, dict[str, Any]] = {}
    for (way, what), took in zip(runs, seconds, strict=True):
        entry: dict[str, Any] = {"seconds": spread([s / drawn.datasets for s in took])}
        if way != "autodiff":
            exact = results["autodiff", "hessian"]
            found = results[way, what]
            entry["score_error"] = _error(found[0], exact[0])
            if what == "hessian":
                entry["hessian_error"] = _error(found[1], exact[1])
        ways.setdefault(way, {})[what] = entry
    return {
        "workload": workload.name,
        "title": workload.title,
        "datasets": drawn.datasets,
        "rows": drawn.rows,
        "parameters": drawn.theta.shape[1],
        "ways": ways,
    }


def _error(found: Any, exact: Any) -> float:
    axes = tuple(range(1, exact.ndim))
    return float(np.max(np.max(np.abs(found - exact), axis=axes) / np.max(np.abs(exact), axis=axes)))


def _exact(f: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
    """Value with score, and score with Hessian."""
    return {
        "score": lambda *x: jax.value_and_grad(f)(*x)[::-1],
        "hessian": lambda *x: (jax.grad(f)(*x), jax.hessian(f)(*x)),
    }


def _differences(f: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
    """Steps eps^(1/3) and eps^(1/4), relative to coordinates of size 1 and more."""

    def steps(theta: Any, power: float) -> Any:
        return jnp.diag(jnp.finfo(theta.dtype).eps ** power * jnp.maximum(jnp.abs(theta), 1.0))

    def score(theta: Any, *data: Any) -> Any:
        h = steps(theta, 1 / 3)
        values = jax.vmap(lambda x: f(x, *data))(jnp.concatenate([theta + h, theta - h]))
        p = len(theta)
        return ((values[:p] - values[p:]) / (2 * jnp.diagonal(h)),)

    def hessian(theta: Any, *data: Any) -> Any:
        h, p = steps(theta, 1 / 4), len(theta)
        size = jnp.diagonal(h)
        first, second = h[:, None], h[None, :]
        points = jnp.stack(
            [theta + first + second, theta + first - second, theta - first + second, theta - first - second]
        )
        values = jax.vmap(lambda x: f(x, *data))(points.reshape(4 * p * p, p)).reshape(4, p, p)
        bend = (values[0] - values[1] - values[2] + values[3]) / (4 * size[:, None] * size[None, :])
        return score(theta, *data)[0], bend

    return {"score": score, "hessian": hessian}


def _compiled(drawn: Task, f: Callable[..., Any]) -> Callable[[], Any]:
    program = compiled_once(jax.vmap(f, in_axes=(0, 0, None)))
    with jax.enable_x64(True):
        arrays = jax.device_put((drawn.theta, drawn.own, drawn.shared))

    def run() -> Any:
        with jax.enable_x64(True):
            return jax.tree.map(np.asarray, program(*arrays))

    return run


def _by_hand(drawn: Task) -> Callable[[], Any] | None:
    try:
        from benchmarks import solver
    except ImportError:
        return None
    model = drawn.workload.by_hand
    first, second = model.pair(drawn.data)
    everywhere = solver.everywhere(model)
    width, (b, p) = solver.width(model, first), drawn.theta.shape

    def run() -> Any:
        g, h = np.empty((b, p)), np.empty((b, p, p))
        everywhere(drawn.theta, first, second, width, g, h)
        upper = np.triu(np.ones((p, p), bool), 1)
        return -g, -np.where(upper, np.swapaxes(h, 1, 2), h)

    return run
