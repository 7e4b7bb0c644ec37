"""`maximize`: the fit as a pure JAX function, with exact derivatives through the score equations."""

from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jax.flatten_util import ravel_pytree

from jaxmle._engine.build import Given, problem_of
from jaxmle._engine.plan import Plan
from jaxmle._engine.traced import LANES, solver
from jaxmle._solver.problem import Program, objective_of, problem_dtype
from jaxmle._solver.state import RUNNING, Outcome
from jaxmle._solver.status import at_maximum
from jaxmle._util.arrays import Array, ArrayLike, Bool, Data, Float, Int, Params
from jaxmle._util.compile import compiled
from jaxmle._util.records import is_traced, join, split
from jaxmle.distributions import Distribution
from jaxmle.model.contract import check_contributions
from jaxmle.model.model import Model
from jaxmle.model.observations import row_leaves
from jaxmle.models import as_model
from jaxmle.optimizers import by_name


class Maximum(NamedTuple):
    """A certified maximum, as arrays.

    Attributes:
        params: natural parameters, structure of the model's space.
        log_likelihood: sum of the weighted contributions there, f[].
        status: `Status` code, int[].
        converged: whether the maximum is certified, bool[].
        steps: evaluations, int[].
        decrement: remaining gain in log-likelihood, f[].
        information: observed information in unconstrained coordinates, f[p, p].
        coordinates: the unconstrained coordinates, f[p].
    """

    params: Params
    log_likelihood: Float[Array, ""]
    status: Int[Array, ""]
    converged: Bool[Array, ""]
    steps: Int[Array, ""]
    decrement: Float[Array, ""]
    information: Float[Array, "p p"]
    coordinates: Float[Array, " p"]


def maximize(
    model: Model | Distribution | str,
    data: Data,
    weights: Float[ArrayLike, " n"] | None = None,
    *,
    start: Params | None = None,
    optimizer: str | optax.GradientTransformation = "newton",
    tolerance: Float[ArrayLike, ""] | None = None,
    max_steps: Int[ArrayLike, ""] | None = None,
) -> Maximum:
    """Maximizes a log-likelihood inside JAX: works under `jit`, `vmap`, `grad` and `jacfwd`, to second order.

    The derivative of the estimate with respect to data and weights solves the differentiated score equations,
    J du = dS (implicit function theorem; Blondel et al. 2022, *NeurIPS* 35, eq. 2); it is NaN unless converged, or on a
    kink, and 0 with respect to `start`. The dtype follows the data; the global x64 flag is never touched.

    In float64 on a CPU the fit is a call of native kernels, as in `fit_many`, on every core;
    `jax.vmap(maximize)`, however nested, is one such call for all data sets. What these do not understand, and all on
    other devices, runs through refilled lanes. A program runs in the process that traced it: `jax.export` needs
    `disabled_checks` for the call, and another process has to trace it anew. `jax.shard_map` needs `check_vma=False`, for
    the loops. On a CPU, XLA's library fusions of JAX 0.10.2 to 0.12 can sum two logarithms as one: where derivatives or
    lanes are compiled by your own `jax.jit`, give it `compiler_options={"xla_cpu_experimental_ynn_fusion_type": ""}`.

    Args:
        model: a `Model`, a distribution or its name, as in `fit`.
        data: leaves [n, ...], or `constant`.
        weights: frequencies, f[n]; 1 by default.
        start: natural params; by default the model's own start.
        optimizer: a name (`"newton"`, `"fisher_scoring"`, `"bhhh"`, `"lbfgs"`) or any optax optimizer.
        tolerance: remaining gain in log-likelihood below which it has converged; 1e-9 in float64, 1e-3 in float32.
        max_steps: evaluations of the method; 100 with second derivatives, 1000 for bhhh and lbfgs, 10 000 for others.

    Returns:
        a `Maximum`.

    Raises:
        ValueError: where the log-likelihood does not return one contribution per observation.

    Example:
        >>> import jax, jax.numpy as jnp, jaxmle as jm
        >>> def log_likelihood(params, x):
        ...     return -0.5 * (x - params["loc"]) ** 2
        >>> model = jm.Model(log_likelihood, {"loc": jm.spaces.real})
        >>> mean = lambda x: jm.maximize(model, x).params["loc"]
        >>> [round(float(g), 6) for g in jax.grad(mean)(jnp.array([1.0, 2.0, 6.0, 7.0]))]
        [0.25, 0.25, 0.25, 0.25]
    """
    model = as_model(model, data)
    skeleton, numbers = split(model)
    given = (numbers, data, weights, start, tolerance, max_steps)
    ascend = _ascend if any(is_traced(x) for x in jax.tree.leaves(given)) else _ascend_at_once
    return ascend((skeleton, by_name(optimizer)), *given)


def _ascend(
    fixed: tuple[Hashable, optax.GradientTransformationExtraArgs],
    numbers: list[ArrayLike],
    data: Data,
    weights: Float[ArrayLike, " n"] | None,
    start: Params | None,
    tolerance: Float[ArrayLike, ""] | None,
    max_steps: Int[ArrayLike, ""] | None,
) -> Maximum:
    """Maximize a log-likelihood from its skeleton, with the method, and its numbers."""
    skeleton, optimizer = fixed
    model: Model = join(skeleton, numbers)
    data = jax.tree.map(jnp.asarray, data)
    weights = None if weights is None else jnp.asarray(weights)
    dtype = problem_dtype(data, weights)
    n = count_rows(data, weights)
    ones = weights is None
    weights = jnp.ones(n, dtype) if ones else weights.astype(dtype)
    if start is not None:
        start = jax.tree.map(lambda x: lax.stop_gradient(jnp.asarray(x, dtype)), start)
    plan = Plan(optimizer, tolerance=tolerance, max_steps=max_steps, dtype=dtype)
    problem = problem_of(numbers, Given(data, weights, start, RUNNING), plan, jnp.asarray)
    objective = objective_of(skeleton, problem)
    check_contributions(objective, n)
    origin, unravel = ravel_pytree(model.origin(dtype))
    leaves, tree = jax.tree.flatten(problem)
    program = Program(skeleton, optimizer, tree, (False,) * len(leaves), LANES)

    def score(u: Float[Array, " p"]) -> Float[Array, " p"]:
        return jax.grad(lambda x: objective(unravel(x)))(u)

    def solve(_: object, u: Float[Array, " p"]) -> tuple[Float[Array, " p"], Outcome[Any]]:
        outcome = solver(program, ones)(*jax.tree.leaves(problem))
        return outcome.u, jax.tree.map(lambda x: x.astype(dtype), outcome._replace(u=None))

    def tangent_solve(linear: Callable[[Array], Array], y: Float[Array, " p"]) -> Float[Array, " p"]:
        return jnp.linalg.solve(jax.jacfwd(linear)(jnp.zeros_like(y)), y)

    u, rest = lax.custom_root(score, origin, solve, tangent_solve, has_aux=True)
    rest = jax.tree.map(lax.stop_gradient, rest)
    status = rest.status.astype(jnp.int32)
    converged = at_maximum(status)
    kink = objective.model.geometry.kink
    smooth = converged if kink is None else converged & ~kink.on(objective.model.forward(unravel(u)), objective.data)
    u = _differentiable_if(smooth, u)
    params = objective.model.forward(unravel(u))
    # At a limit the coordinates are infinite and the value there need not be.
    slope = jnp.where(converged, -objective(unravel(jnp.where(converged, u, 0.0))), 0.0)
    log_likelihood = _with_slope_of(slope, -rest.value)
    return Maximum(
        params, log_likelihood, status, converged, rest.steps.astype(jnp.int32), rest.decrement, rest.information, u
    )


_ascend_at_once = compiled(_ascend, static_argnums=0)
"Outside of a user's own `jax.jit` a second call with the same shapes compiles nothing."


def count_rows(data: Data, weights: Float[Array, " n"] | None = None) -> int:
    """n, from the weights or the leading axis that the data leaves share.

    Raises:
        ValueError: where they disagree, or where there is nothing to count.
    """
    sizes = {x.shape[0] if x.ndim else -1 for x in row_leaves(data)}
    if -1 in sizes:
        raise ValueError(
            "a data leaf is a scalar: every leaf needs an observation axis [n, ...]; wrap it as jaxmle.constant(x) if it "
            "has none"
        )
    if weights is not None:
        sizes |= set(weights.shape[:1])
    if len(sizes) != 1:
        raise ValueError(
            f"the leaves of data{' and the weights' if weights is not None else ''} must share their first axis, the "
            f"observations; got lengths {sorted(sizes)}. Wrap a leaf without that axis as jaxmle.constant(x)"
        )
    return sizes.pop()


@jax.custom_jvp
def _differentiable_if(ok: Bool[Array, ""], x: Array) -> Array:
    """x, with derivative NaN unless ok."""
    return x


@_differentiable_if.defjvp
def _(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    ok, x = primals
    return _differentiable_if(ok, x), tangents[1] * jnp.where(ok, 1.0, jnp.nan).astype(x.dtype)


@jax.custom_jvp
def _with_slope_of(smooth: Array, x: Array) -> Array:
    """x, with the derivative of `smooth`, which is not computed where nobody asks for it."""
    return x


@_with_slope_of.defjvp
def _(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    return _with_slope_of(*primals), tangents[0]
