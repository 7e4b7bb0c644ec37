"""Covariances and intervals: pure functions of a model at a point; arrays in, arrays out."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.flatten_util import ravel_pytree

from jaxmle._compile import compiled_with
from jaxmle._solve import Problem, objective_of
from jaxmle.objective import Objective


def natural(objective: Objective, u: Any, unravel: Any) -> Any:
    """Natural parameters in `ravel_pytree` order, f[q]."""
    return ravel_pytree(objective.model.forward(unravel(u)))[0]


def jacobian(objective: Objective, u: Any, unravel: Any) -> Any:
    """d natural / d u, f[q, p]: the delta method's matrix."""
    return jax.jacfwd(lambda x: natural(objective, x, unravel))(u)


def opg(objective: Objective, u: Any, unravel: Any) -> Any:
    """K = sum w s s', f[p, p], the outer product of scores (Berndt, Hall, Hall & Hausman 1974)."""
    return objective.opg(unravel(u))


def expected(objective: Objective, u: Any, unravel: Any) -> Any:
    """Expected information in unconstrained coordinates, f[p, p]."""
    return objective.expected(unravel(u))


def value(objective: Objective, u: Any, unravel: Any) -> Any:
    """Negative log-likelihood, f[]."""
    return objective(unravel(u))


def contributions(objective: Objective, u: Any, unravel: Any) -> Any:
    """Contributions times their weights, f[n]; 0 on padding."""
    return objective.weights * objective.contributions(unravel(u))


def endpoint(objective: Objective, u: Any, unravel: Any, drop: Any) -> Any:
    """Where the log-likelihood of a one-parameter model has fallen by `drop` from its limit, f[1].

    The likelihood interval of a maximum on the boundary is one-sided: it ends here. Bisection between the limit and
    a coordinate as far on the other side. Pawitan 2001, *In All Likelihood*, section 2.6.

    Args:
        u: the limit, plus or minus infinity, f[1].
        drop: half a chi-square quantile, f[].
    """
    best = objective(unravel(u))
    away = -jnp.sign(u)

    def halve(_: Any, ends: Any) -> Any:
        near, far = ends
        middle = 0.5 * (near + far)
        inside = objective(unravel(middle)) - best <= drop
        return jnp.where(inside, middle, near), jnp.where(inside, far, middle)

    near, far = lax.fori_loop(0, 200, halve, (-700.0 * away, 700.0 * away))
    return 0.5 * (near + far)


def _evaluate(
    function: Any, skeleton: Any, tree: Any, axes: tuple[bool, ...], own: Any, shared: Any, u: Any, *more: Any
) -> Any:
    """`function(objective, u, unravel, *more)` for every data set, a few hundred at a time.

    Args:
        function: one of this module's.
        skeleton, tree, axes: the program, as in `Program`.
        own, shared: the problem's leaves with and without a data-set axis.
        u: f[B, p].
    """

    def one(x: Any) -> Any:
        mine, common, at = iter(x[0]), iter(shared), x[1]
        problem: Problem = jax.tree.unflatten(tree, [next(mine) if has else next(common) for has in axes])
        objective = objective_of(skeleton, problem)
        _, unravel = ravel_pytree(objective.model.origin(at.dtype))
        return function(objective, at, unravel, *more)

    return lax.map(one, (own, u), batch_size=min(256, u.shape[0]))


evaluate = compiled_with(static_argnums=(0, 1, 2, 3))(_evaluate)


def evaluated(
    function: Any, skeleton: Any, tree: Any, axes: Any, own: Any, shared: Any, u: Any, *more: Any
) -> np.ndarray:
    """`evaluate`, as a NumPy array; without any data set an empty array of the right shape, and nothing is computed."""
    if len(u):
        return np.asarray(evaluate(function, skeleton, tree, axes, own, shared, u, *more))
    some = [jax.ShapeDtypeStruct((1, *x.shape[1:]), x.dtype) for x in (*own, u)]
    shape = jax.eval_shape(
        lambda x, at: _evaluate(function, skeleton, tree, axes, x, shared, at, *more), some[:-1], some[-1]
    )
    return np.empty((0, *shape.shape[1:]), shape.dtype)


# --- NumPy, batched over the leading axis ----------------------------------------------------------------


def inverse(information: np.ndarray) -> np.ndarray:
    """J^-1 for f[..., p, p], scaled to unit diagonal first; NaN where it is singular or not positive definite."""
    diagonal = np.diagonal(information, axis1=-2, axis2=-1)
    with np.errstate(all="ignore"):
        root = np.sqrt(np.where(diagonal > 0, diagonal, np.nan))
        scaled = information / root[..., :, None] / root[..., None, :]
    p = information.shape[-1]
    good = np.asarray(np.isfinite(scaled).all((-1, -2)))
    safe = np.where(good[..., None, None], scaled, np.eye(p))
    lowest = np.linalg.eigvalsh(safe)[..., 0] if p else np.ones(safe.shape[:-2])
    good &= lowest > 4 * p * np.finfo(float).eps
    safe = np.where(good[..., None, None], scaled, np.eye(p))
    with np.errstate(all="ignore"):
        out = np.linalg.inv(safe) / root[..., :, None] / root[..., None, :]
    return np.where(good[..., None, None], out, np.nan)


def robust(information: np.ndarray, meat: np.ndarray) -> np.ndarray:
    """J^-1 K J^-1, the sandwich (Huber 1967; White 1982, *Econometrica* 50, 1-25, eq. 3.2); no small-sample factor."""
    bread = inverse(information)
    return bread @ meat @ bread


def delta(jacobian_: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """G C G': the covariance of a smooth function of the estimate (van der Vaart 1998, theorem 3.1)."""
    return jacobian_ @ covariance @ np.swapaxes(jacobian_, -1, -2)


def standard_errors(covariance: np.ndarray) -> np.ndarray:
    """Square roots of the diagonal, f[..., p]; NaN where it is negative."""
    with np.errstate(invalid="ignore"):
        return np.sqrt(np.diagonal(covariance, axis1=-2, axis2=-1))
