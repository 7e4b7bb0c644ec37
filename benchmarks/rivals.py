"""Who fits it: each rival turns a task into a function without arguments that fits it and hands back an answer.

All get the same arrays and the same start, and stop at the same log-likelihood still to be gained, where they can.
Getting data in and answers out as NumPy is part of everyone's time. jaxmle computes its start itself; the others are
given it for nothing.
"""

import dataclasses
import functools
import importlib.util
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

import jaxmle as jm
from benchmarks.by_hand import NAMES, ByHand, polygammas
from benchmarks.workloads import Task
from jaxmle import optimizers
from jaxmle.objective import Objective

MAX_STEPS = 100


class Answer(NamedTuple):
    """What a rival found.

    Attributes:
        params: natural params, leaves f[m], m the data sets that it was given.
        converged: by its own account, bool[m].
        steps: its evaluations or iterations, int[m].
    """

    params: dict[str, np.ndarray]
    converged: np.ndarray
    steps: np.ndarray


@dataclasses.dataclass(frozen=True)
class Rival:
    """A way to fit.

    Attributes:
        name, title: on the command line, and in the table.
        prepare: task -> a function without arguments that fits all of it.
        needs: modules without which it is skipped.
        most: data sets it is given at most; its rate is that of those.
    """

    name: str
    title: str
    prepare: Callable[[Task], Callable[[], Answer]]
    needs: tuple[str, ...] = ()
    most: int | None = None

    @property
    def missing(self) -> list[str]:
        """The modules it needs that are not installed."""
        return [name for name in self.needs if importlib.util.find_spec(name) is None]


# --- jaxmle ------------------------------------------------------------------------------------------------


def _jaxmle(task: Task) -> Callable[[], Answer]:
    workload = task.workload

    def run() -> Answer:
        fits = jm.fit_many(workload.model, task.data, tolerance=workload.tolerance)
        return Answer(fits.params, fits.converged, fits.steps)

    def run_one() -> Answer:
        data = jax.tree.map(lambda x: x[0], task.data)
        for _ in range(workload.calls):
            fit = jm.fit(workload.model, data, tolerance=workload.tolerance)
        params = {name: np.atleast_1d(x) for name, x in fit.params.items()}
        return Answer(params, np.array([fit.converged]), np.array([fit.steps]))

    return run_one if workload.calls else run


# --- a vmapped while_loop: the same model and the same step, without lanes -------------------------------------


@functools.partial(jax.jit, static_argnums=0)
def _vmapped(model: Any, start: Any, data: Any, tolerance: Any) -> Any:
    newton = optimizers.newton()

    def one(params: Any, mine: Any) -> Any:
        objective = Objective(model, mine, jnp.ones(jax.tree.leaves(mine)[0].shape))
        u = model.inverse(params)

        def ended(state: Any) -> Any:
            return (state.before <= tolerance) & (state.decrement <= tolerance)

        def step(carry: Any) -> Any:
            u, state = carry
            value, gradient = jax.value_and_grad(objective)(u)
            move, state = newton.update(gradient, state, u, value=value, grad=gradient, value_fn=objective)
            return optax.apply_updates(u, move), state

        u, state = lax.while_loop(lambda c: ~ended(c[1]) & (c[1].count < MAX_STEPS), step, (u, newton.init(u)))
        return model.forward(u), ended(state), state.count

    return jax.vmap(one)(start, data)


def _vmap(task: Task) -> Callable[[], Answer]:
    def run() -> Answer:
        with jax.enable_x64(True):
            return _repeated(task, lambda: _vmapped(task.model, task.start, task.data, task.workload.tolerance))

    return run


def _repeated(task: Task, call: Callable[[], Any]) -> Answer:
    for _ in range(task.workload.calls or 1):
        answer = jax.tree.map(np.asarray, call())
    return Answer(*answer)


# --- JAX by hand: a lean damped Newton over reduced data, vmapped ----------------------------------------------


@functools.partial(jax.jit, static_argnums=0)
def _lean(by_hand: ByHand, theta: Any, reduced: Any, tolerance: Any) -> Any:
    def one(theta: Any, mine: Any) -> Any:
        def value_of(x: Any) -> Any:
            return by_hand.log_likelihood(x, *mine)

        def step(s: Any) -> Any:
            point, best, gradient, hessian, damping, candidate, _, count = s
            value, slope = jax.value_and_grad(value_of)(candidate)
            curvature = jax.hessian(value_of)(candidate)
            better = jnp.isfinite(value) & (value >= best - 1e-13 * jnp.abs(best))

            def keep(new: Any, old: Any) -> Any:
                return jnp.where(better, new, old)

            point, best = keep(candidate, point), keep(value, best)
            gradient, hessian = keep(slope, gradient), keep(curvature, hessian)
            damping = keep(jnp.where(damping < 1e-2, 0.0, 0.1 * damping), jnp.maximum(10 * damping, 0.1))
            a, b, c = -hessian[0, 0], -hessian[0, 1], -hessian[1, 1]
            a, c = a + damping * jnp.abs(a), c + damping * jnp.abs(c)
            determinant = a * c - b * b
            definite = (a > 0) & (determinant > 0)
            move = jnp.stack([c * gradient[0] - b * gradient[1], a * gradient[1] - b * gradient[0]])
            move = jnp.where(
                definite, move / jnp.where(definite, determinant, 1.0), gradient / jnp.abs(jnp.stack([a, c]))
            )
            ended = definite & (damping == 0) & (0.5 * gradient @ move <= tolerance)
            return point, best, gradient, hessian, damping, point + move, ended, count + 1

        zero = jnp.zeros_like(theta)
        first = (theta, -jnp.inf, zero, -jnp.eye(2, dtype=theta.dtype), 0.0, theta, False, 0)
        first = jax.tree.map(jnp.asarray, first)
        s = lax.while_loop(lambda s: ~s[6] & (s[7] < MAX_STEPS), step, first)
        return dict(zip(NAMES, jnp.exp(s[5]), strict=True)), s[6], s[7]

    return jax.vmap(one)(theta, reduced)


def _jax(task: Task) -> Callable[[], Answer]:
    by_hand = task.workload.by_hand

    def call() -> Any:
        return _lean(by_hand, _theta(task), by_hand.reduce(task.data), task.workload.tolerance)

    def run() -> Answer:
        with jax.enable_x64(True):
            return _repeated(task, call)

    return run


def _theta(task: Task) -> np.ndarray:
    return np.log(np.stack([task.start[name] for name in NAMES], axis=-1))


# --- SciPy, one data set after the other ------------------------------------------------------------------------


def _scipy(task: Task) -> Callable[[], Answer]:
    """BFGS with the analytic gradient: it is given no Hessian, but was faster here than SciPy's own Newton methods.

    Its rule is on the gradient: with curvature about n, |g|^2 = n tolerance leaves half the tolerance to be gained.
    """
    from scipy.optimize import minimize

    by_hand, tolerance = task.workload.by_hand, task.workload.tolerance
    options = {"gtol": math.sqrt(tolerance * task.rows)}

    def run() -> Answer:
        for _ in range(task.workload.calls or 1):
            reduced, theta = by_hand.reduce(task.data), _theta(task)
            found = [
                minimize(by_hand.minimand, theta[i], tuple(x[i] for x in reduced), "BFGS", jac=True, options=options)
                for i in range(task.datasets)
            ]
        points = np.exp(np.stack([r.x for r in found]))
        # Status 2, loss of precision, is a line search that can see no more progress: at the maximum, to rounding.
        converged = np.array([r.success for r in found])
        return Answer(dict(zip(NAMES, points.T, strict=True)), converged, np.array([r.nfev for r in found]))

    return run


# --- numba: an expert's kernel, parallel over data sets -----------------------------------------------------------


@functools.cache
def _kernel(by_hand: ByHand, parallel: bool) -> Callable[..., Any]:
    import numba

    # Sums may be reordered, so that they vectorize; NaN and infinity keep their meaning.
    compiled = functools.partial(numba.njit, fastmath={"reassoc", "contract", "arcp", "nsz"}, error_model="numpy")
    from benchmarks import by_hand as module

    scope = {**vars(module), "polygammas": compiled(polygammas)}

    def rebound(f: Any) -> Any:
        return compiled(type(f)(f.__code__, scope, f.__name__))

    prepare, evaluate = rebound(by_hand.prepare), rebound(by_hand.evaluate)

    @compiled(parallel=parallel)
    def kernel(theta: Any, first: Any, second: Any, tolerance: float, points: Any, converged: Any, steps: Any) -> None:
        for i in numba.prange(theta.shape[0]):
            work = np.empty((2, first.shape[1]))
            prepare(first[i], second[i], work)
            a, b, damping = theta[i, 0], theta[i, 1], 0.0
            best, ga, gb, haa, hab, hbb = evaluate(a, b, work)
            count = 1
            while count < MAX_STEPS:
                p, r = -haa + damping * abs(haa), -hbb + damping * abs(hbb)
                determinant = p * r - hab * hab
                if not (p > 0 and determinant > 0):
                    damping = max(10 * damping, 0.1)
                    if damping > 1e20:
                        break
                    continue
                step_a, step_b = (r * ga + hab * gb) / determinant, (p * gb + hab * ga) / determinant
                if damping == 0 and 0.5 * (ga * step_a + gb * step_b) <= tolerance:
                    a, b, converged[i] = a + step_a, b + step_b, True
                    break
                value, na, nb, naa, nab, nbb = evaluate(a + step_a, b + step_b, work)
                count += 1
                if math.isfinite(value) and value >= best - 1e-13 * abs(best):
                    a, b, best, ga, gb, haa, hab, hbb = a + step_a, b + step_b, value, na, nb, naa, nab, nbb
                    damping = 0.0 if damping < 1e-2 else 0.1 * damping
                else:
                    damping = max(10 * damping, 0.1)
            points[i, 0], points[i, 1], steps[i] = math.exp(a), math.exp(b), count

    return kernel


def _numba(task: Task) -> Callable[[], Answer]:
    kernel = _kernel(task.workload.by_hand, parallel=task.datasets > 1)
    arrays = jax.tree.leaves(task.data)

    def run() -> Answer:
        for _ in range(task.workload.calls or 1):
            count = task.datasets
            points, converged, steps = np.empty((count, 2)), np.zeros(count, bool), np.zeros(count, np.int64)
            kernel(_theta(task), arrays[0], arrays[-1], task.workload.tolerance, points, converged, steps)
        return Answer(dict(zip(NAMES, points.T, strict=True)), converged, steps)

    return run


RIVALS = (
    Rival("jaxmle", "jaxmle", _jaxmle),
    Rival("vmap", "vmap of a while_loop: the same model and Newton step", _vmap),
    Rival("jax", "JAX by hand: lean Newton over reduced data, vmapped", _jax),
    Rival("scipy", "SciPy minimize in a loop: BFGS, analytic gradient", _scipy, needs=("scipy",), most=500),
    Rival("numba", "numba by hand: analytic derivatives, all cores", _numba, needs=("numba",)),
)
