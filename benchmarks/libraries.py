"""Optimizers of other JAX libraries under vmap, on the same log-density that jaxmle gets.

Each stops on a slope of sqrt(n tolerance), where its rule is on the slope; optimistix looks at the last change instead.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import lax

from benchmarks.rivals import Answer, Rival, negative, on_jax, vmapped
from benchmarks.workloads import Task

MAX_STEPS = 500


def _jaxopt(solver: str) -> Callable[[Task], Callable[[], Answer]]:
    def prepare(task: Task) -> Callable[[], Answer]:
        import jaxopt

        method = getattr(jaxopt, solver)(negative(task), tol=task.steep, maxiter=MAX_STEPS)

        def one(theta: Any, own: Any, shared: Any) -> Any:
            found = method.run(theta, own, shared)
            return found.params, found.state.error <= task.steep, found.state.iter_num

        return vmapped(task, one)

    return prepare


def _changes(task: Task) -> dict[str, Any]:
    """optimistix stops when its last step changed coordinates and value by less than this; with superlinear steps what
    is then left to be gained is far less."""
    return {"rtol": 1e-12, "atol": 1e-7} if task.dtype == "float64" else {"rtol": 1e-6, "atol": 1e-3}


def _optimistix_bfgs(task: Task) -> Callable[[], Answer]:
    import optimistix

    value, method = negative(task), optimistix.BFGS(**_changes(task))

    def one(theta: Any, own: Any, shared: Any) -> Any:
        found = optimistix.minimise(lambda x, _: value(x, own, shared), method, theta, max_steps=MAX_STEPS, throw=False)
        return found.value, found.result == optimistix.RESULTS.successful, found.stats["num_steps"]

    return vmapped(task, one)


def _optimistix_newton(task: Task) -> Callable[[], Answer]:
    import optimistix

    value, method = negative(task), optimistix.Newton(**_changes(task))

    def one(theta: Any, own: Any, shared: Any) -> Any:
        score = jax.grad(value)
        found = optimistix.root_find(
            lambda x, _: score(x, own, shared), method, theta, max_steps=MAX_STEPS, throw=False
        )
        return found.value, found.result == optimistix.RESULTS.successful, found.stats["num_steps"]

    return vmapped(task, one)


def _tfp(task: Task) -> Callable[[], Answer]:
    from tensorflow_probability.substrates import jax as tfp

    each = jax.vmap(jax.value_and_grad(negative(task)), in_axes=(0, 0, None))

    def program(theta: Any, own: Any, shared: Any) -> Any:
        found = tfp.optimizer.bfgs_minimize(
            lambda x: each(x, own, shared), theta, tolerance=task.steep, max_iterations=MAX_STEPS
        )
        # It counts the batch's iterations, not those of each fit.
        return found.position, found.converged, jnp.broadcast_to(found.num_iterations, found.converged.shape)

    return on_jax(task, program, task.theta, task.own, task.shared)


def _optax(task: Task) -> Callable[[], Answer]:
    value, method = negative(task), optax.lbfgs()

    def one(theta: Any, own: Any, shared: Any) -> Any:
        def f(x: Any) -> Any:
            return value(x, own, shared)

        both = optax.value_and_grad_from_state(f)

        def slope(state: Any) -> Any:
            return optax.tree.norm(optax.tree.get(state, "grad"))

        def step(carry: Any) -> Any:
            x, state, count = carry
            v, g = both(x, state=state)
            move, state = method.update(g, state, x, value=v, grad=g, value_fn=f)
            return optax.apply_updates(x, move), state, count + 1

        def goes_on(carry: Any) -> Any:
            _, state, count = carry
            return (count == 0) | ((count < MAX_STEPS) & (slope(state) > task.steep))

        x, state, count = lax.while_loop(goes_on, step, (theta, method.init(theta), jnp.asarray(0)))
        return x, slope(state) <= task.steep, count

    return vmapped(task, one)


def _library(name: str, title: str, prepare: Any, *needs: str, quick: bool = False) -> Rival:
    return Rival(name, title, prepare, needs=needs, most=200_000, quick=quick)


LIBRARIES = (
    _library("jaxopt-bfgs", "jaxopt BFGS, vmapped", _jaxopt("BFGS"), "jaxopt"),
    _library("jaxopt-lbfgs", "jaxopt L-BFGS, vmapped", _jaxopt("LBFGS"), "jaxopt"),
    _library("optimistix-bfgs", "optimistix BFGS, vmapped", _optimistix_bfgs, "optimistix", quick=True),
    _library("optimistix-newton", "optimistix Newton on the score, vmapped", _optimistix_newton, "optimistix"),
    _library("tfp", "TFP bfgs_minimize, batched", _tfp, "tensorflow_probability"),
    _library("optax", "optax L-BFGS in a vmapped while_loop", _optax),
)
