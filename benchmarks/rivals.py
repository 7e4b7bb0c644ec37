"""Who fits it: each rival turns a task into a function without arguments that fits it and hands back an answer.

All get the same arrays and the same start, and stop at the same log-likelihood still to be gained, where they can.
Getting data in and answers out as NumPy is part of everyone's time. jaxmle computes its start itself; the others are
given it for nothing.
"""

import dataclasses
import functools
import importlib.util
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jax.flatten_util import ravel_pytree

import jaxmle as jm
from benchmarks.by_hand import ByHand
from benchmarks.machine import default_device, in_r
from benchmarks.workloads import Task
from jaxmle import optimizers
from jaxmle.model.objective import Objective

MAX_STEPS = 100


def _on_accelerator(_: Task) -> str:
    return "the data are at hand anyway" if default_device().platform == "cpu" else ""


class Answer(NamedTuple):
    """What a rival found.

    Attributes:
        params: natural params, leaves f[m, ...], m the data sets that it was given.
        converged: by its own account, bool[m].
        steps: its evaluations or iterations, int[m]; 0 where it does not say.
        notes: anything else it has to say, for the record.
    """

    params: dict[str, np.ndarray]
    converged: np.ndarray
    steps: np.ndarray
    notes: dict[str, Any] = {}  # noqa: RUF012


@dataclasses.dataclass(frozen=True)
class Rival:
    """A way to fit.

    Attributes:
        name, title: on the command line, and in the table.
        prepare: task -> a function without arguments that fits all of it.
        needs: modules without which it is skipped; packages of R as `R:name`.
        works: task -> why it has nothing to offer there, or "".
        most: rows it is given at most, in whole data sets; its rate is that of those.
        quick: whether it runs in the short set.
    """

    name: str
    title: str
    prepare: Callable[[Task], Callable[[], Answer]]
    needs: tuple[str, ...] = ()
    works: Callable[[Task], str] = lambda task: ""
    most: int | None = None
    quick: bool = True

    def share(self, task: Task) -> Task:
        """What it is given of a task: the first data sets, at least one."""
        return task if self.most is None else task.first(max(self.most // task.rows, 1))

    @property
    def missing(self) -> list[str]:
        """The modules it needs that are not installed."""
        return [
            name
            for name in self.needs
            if not (name in in_r() if name.startswith("R:") else importlib.util.find_spec(name))
        ]


def only(workloads: Collection[str]) -> Callable[[Task], str]:
    """`Rival.works` of one that has a model for these alone."""
    return lambda task: "" if task.workload.name in workloads else "it has no such model"


# --- jaxmle ------------------------------------------------------------------------------------------------


def _jaxmle(task: Task) -> Callable[[], Answer]:
    return jaxmle_with(task)


def _resident(task: Task) -> Callable[[], Answer]:
    with task.precision():
        return jaxmle_with(dataclasses.replace(task, own=jax.block_until_ready(jax.device_put(task.own))))


def _mixed(task: Task) -> Callable[[], Answer]:
    return jaxmle_with(task, precision="mixed")


def _in_float32_already(task: Task) -> str:
    return (
        "it ascends in float32 anyway"
        if task.dtype == "float32"
        else "it is for batches"
        if task.workload.calls
        else ""
    )


def jaxmle_with(task: Task, **options: Any) -> Callable[[], Answer]:
    """jaxmle with options of `fit_many`; `options` are for batches only."""
    options = {"tolerance": task.tolerance, "dtype": task.dtype, **options}
    if task.shared is not None:
        options["shared"] = task.shared

    notes: dict[str, Any] = {}

    def run() -> Answer:
        fits = jm.fit_many(task.given, task.own, **options)
        if not notes:  # in the first call: it takes a hash of the data
            notes.update((k, x) for k, x in fits.info.items() if k in ("lanes", "utilization", "workers"))
        return Answer(fits.params, fits.converged, fits.steps, notes)

    def run_one() -> Answer:
        data = jax.tree.map(lambda x: x[0], task.own)
        for _ in range(task.calls):
            fit = jm.fit(task.given, data, tolerance=task.tolerance, dtype=task.dtype)
        params = {name: np.asarray(x)[None] for name, x in fit.params.items()}
        return Answer(params, np.array([fit.converged]), np.array([fit.steps]))

    return run_one if task.workload.calls else run


def _traced(task: Task) -> Callable[[], Answer]:
    def one(own: Any, shared: Any) -> jm.Maximum:
        return jm.maximize(task.model, own if shared is None else {**own, **shared}, tolerance=task.tolerance)

    program = jax.jit(jax.vmap(one, in_axes=(0, None)))

    def run() -> Answer:
        with task.precision():
            found = jax.tree.map(np.asarray, program(task.own, task.shared))
        return Answer(found.params, found.converged, found.steps)

    return run


# --- for all that run on JAX --------------------------------------------------------------------------------


def objective(task: Task) -> Callable[[Any, Any], Objective]:
    """(own data of one set, shared data) -> jaxmle's objective: the same log-density for every rival."""
    model = task.model

    def build(own: Any, shared: Any) -> Objective:
        data = own if shared is None else {**own, **shared}
        leaf = jax.tree.leaves(own)[0]
        return Objective(model, data, jnp.ones(leaf.shape[:1], leaf.dtype))

    return build


def negative(task: Task) -> Callable[[Any, Any, Any], Any]:
    """(theta f[p], own, shared) -> negative log-likelihood f[]."""
    build = objective(task)
    with task.precision():
        _, unravel = ravel_pytree(task.model.origin(task.dtype))

    def value(theta: Any, own: Any, shared: Any) -> Any:
        return build(own, shared)(unravel(theta))

    return value


def on_jax(task: Task, program: Callable[..., Any], *arrays: Any) -> Callable[[], Answer]:
    """A run of a compiled program that returns coordinates f[m, p], converged bool[m], steps int[m]."""
    program = jax.jit(program)

    def run() -> Answer:
        with task.precision():
            for _ in range(task.calls):
                theta, converged, steps = jax.tree.map(np.asarray, program(*arrays))
        return Answer(task.natural(theta.astype(float)), converged, steps)

    return run


def vmapped(task: Task, one: Callable[..., Any]) -> Callable[[], Answer]:
    """A run of `one(theta, own, shared)` over all data sets."""
    return on_jax(task, jax.vmap(one, in_axes=(0, 0, None)), task.theta, task.own, task.shared)


# --- a vmapped while_loop: the same model and the same step, without lanes -------------------------------------


def _vmap(task: Task) -> Callable[[], Answer]:
    newton, build, tolerance = optimizers.newton(), objective(task), task.tolerance
    with task.precision():
        _, unravel = ravel_pytree(task.model.origin(task.dtype))

    def one(theta: Any, own: Any, shared: Any) -> Any:
        mine, u = build(own, shared), unravel(theta)

        def ended(carry: Any) -> Any:
            _, state, before = carry
            return (before <= tolerance) & (state.decrement <= tolerance)

        def step(carry: Any) -> Any:
            u, state, _ = carry
            before = state.decrement
            value, gradient = jax.value_and_grad(mine)(u)
            move, state = newton.update(gradient, state, u, value=value, grad=gradient, value_fn=mine)
            return optax.apply_updates(u, move), state, before

        begun = newton.init(u)
        end = lax.while_loop(
            lambda c: ~ended(c) & (c[1].count < MAX_STEPS), step, (u, begun, jnp.full_like(begun.decrement, jnp.inf))
        )
        return ravel_pytree(end[0])[0], ended(end), end[1].count

    return vmapped(task, one)


# --- JAX by hand: a lean damped Newton over reduced data, vmapped ----------------------------------------------


def _solve(matrix: Any, rhs: Any) -> tuple[Any, Any]:
    """Unrolled Cholesky without square roots; the solution, and whether the matrix is positive definite."""
    p = rhs.shape[0]
    low: list[list[Any]] = [[0.0] * p for _ in range(p)]
    pivot: list[Any] = [0.0] * p
    definite = jnp.array(True)
    for j in range(p):
        d = matrix[j, j] - sum(low[j][k] ** 2 * pivot[k] for k in range(j))
        definite, pivot[j] = definite & (d > 0), jnp.where(d > 0, d, 1.0)
        for i in range(j + 1, p):
            low[i][j] = (matrix[i, j] - sum(low[i][k] * low[j][k] * pivot[k] for k in range(j))) / pivot[j]
    x: list[Any] = [0.0] * p
    for i in range(p):
        x[i] = rhs[i] - sum(low[i][k] * x[k] for k in range(i))
    for i in reversed(range(p)):
        x[i] = x[i] / pivot[i] - sum(low[k][i] * x[k] for k in range(i + 1, p))
    return jnp.stack(x), definite


def _lean(by_hand: ByHand, tolerance: float, theta: Any, mine: Any) -> Any:
    def value_of(x: Any) -> Any:
        return by_hand.log_likelihood(x, *mine)

    def step(s: Any) -> Any:
        point, best, gradient, hessian, damping, candidate, _, count = s
        value, slope = jax.value_and_grad(value_of)(candidate)
        curvature = jax.hessian(value_of)(candidate)
        better = jnp.isfinite(value) & (value >= best - 500 * jnp.finfo(value.dtype).eps * jnp.abs(best))

        def keep(new: Any, old: Any) -> Any:
            return jnp.where(better, new, old)

        point, best = keep(candidate, point), keep(value, best)
        gradient, hessian = keep(slope, gradient), keep(curvature, hessian)
        damping = keep(jnp.where(damping < 1e-2, 0.0, 0.1 * damping), jnp.maximum(10 * damping, 0.1))
        scale = jnp.abs(jnp.diagonal(hessian))
        newton, definite = _solve(-hessian + jnp.diag(damping * scale), gradient)
        move = jnp.where(definite, newton, gradient / jnp.maximum(scale, 1e-8))
        ended = definite & (damping == 0) & (0.5 * gradient @ move <= tolerance)
        return point, best, gradient, hessian, damping, point + move, ended, count + 1

    zero = jnp.zeros_like(theta)
    start = (theta, -jnp.inf, zero, -jnp.eye(theta.shape[0], dtype=theta.dtype), 0.0, theta, False, 0)
    start = tuple(jnp.asarray(x, theta.dtype if isinstance(x, float) else None) for x in start)
    s = lax.while_loop(lambda s: ~s[6] & (s[7] < MAX_STEPS), step, start)
    return s[5], s[6], s[7]


def _jax(task: Task) -> Callable[[], Answer]:
    by_hand = task.workload.by_hand
    assert by_hand.reduce is not None
    program = jax.jit(jax.vmap(functools.partial(_lean, by_hand, task.tolerance)))

    def run() -> Answer:
        return on_jax(task, program, task.theta, by_hand.reduce(task.data))()

    return run


def _written(task: Task) -> str:
    if task.theta.shape[1] > 10:
        return "its unrolled equations are for few parameters"
    return "" if task.workload.by_hand.log_likelihood else "nothing to gain by hand over the model itself"


# --- SciPy, one data set after the other ------------------------------------------------------------------------


def _scipy(task: Task) -> Callable[[], Answer]:
    """BFGS: it is given no Hessian, but was faster here than SciPy's own Newton methods."""
    from scipy.optimize import minimize

    by_hand, options = task.workload.by_hand, {"gtol": task.steep}
    value = negative(task)
    with task.precision():
        compiled = jax.jit(jax.value_and_grad(value))

    def by_jax(theta: Any, *mine: Any) -> Any:
        f, g = compiled(theta, *mine)
        return float(f), np.asarray(g, float)

    def run() -> Answer:
        with task.precision():
            for _ in range(task.calls):
                if by_hand.minimand is not None:
                    reduced = (by_hand.reduce or (lambda x: (x,)))(task.data)
                    items = [tuple(x[i] for x in reduced) for i in range(task.datasets)]
                    f = by_hand.minimand
                else:
                    shared = jax.device_put(task.shared)
                    items = [(jax.tree.map(lambda x: x[i], task.own), shared) for i in range(task.datasets)]  # noqa: B023
                    items, f = jax.device_put(items), by_jax
                found = [
                    minimize(f, theta, mine, "BFGS", jac=True, options=options)
                    for theta, mine in zip(task.theta.astype(float), items, strict=True)
                ]
        # Status 2, loss of precision, is a line search that can see no more progress: at the maximum, to rounding.
        converged = np.array([r.success for r in found])
        return Answer(task.natural(np.stack([r.x for r in found])), converged, np.array([r.nfev for r in found]))

    return run


# --- numba: an expert's kernel, parallel over data sets -----------------------------------------------------------


def _numba(task: Task) -> Callable[[], Answer]:
    from benchmarks import solver

    by_hand = task.workload.by_hand
    kernel = solver.solver(by_hand, task.datasets > 1)

    def run() -> Answer:
        for _ in range(task.calls):
            first, second = by_hand.pair(task.data)
            points, converged = np.empty(task.theta.shape), np.zeros(task.datasets, bool)
            steps, width = np.zeros(task.datasets, np.int64), solver.width(by_hand, first)
            kernel(task.theta, first, second, task.tolerance, width, points, converged, steps)
        return Answer(task.natural(points), converged, steps)

    return run


OWN = (
    Rival("jaxmle", "jaxmle", _jaxmle),
    Rival("mixed", 'jaxmle, precision="mixed": float32 first', _mixed, works=_in_float32_already),
    Rival("resident", "jaxmle, data on the device", _resident, works=_on_accelerator),
    Rival("traced", "jax.vmap(jaxmle.maximize) under jax.jit", _traced, quick=False),
    Rival("numba", "numba by hand: analytic derivatives, all cores", _numba, needs=("numba",)),
    Rival("vmap", "vmap of a while_loop: the same model and Newton step", _vmap),
    Rival("jax", "JAX by hand: lean Newton over reduced data, vmapped", _jax, works=_written),
    Rival("scipy", "SciPy minimize in a loop: BFGS, exact gradient", _scipy, needs=("scipy",), most=40_000),
)
