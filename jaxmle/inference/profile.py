"""Profile-likelihood intervals: each point of a profile is a fit with one parameter held, in a batch like any other."""

import dataclasses

import jax
import numpy as np

from jaxmle import spaces
from jaxmle._engine.evaluate import everywhere, natural
from jaxmle._engine.plan import Plan
from jaxmle._engine.solution import Solution
from jaxmle._engine.solve import solve
from jaxmle._solver.status import Status
from jaxmle._util.arrays import Params
from jaxmle.inference.covariance import in_coordinates
from jaxmle.spaces import Space

_ROUNDS = 60
_FAR = 60.0
"Logs or logits from the estimate, or hundreds of standard errors, beyond which an end counts as infinite."


def profile_ends(solution: Solution, name: str, z: float, element: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Find where the profile of one scalar has fallen by z^2 / 2 on either side; natural values f[B] twice.

    The others are fitted again at every point. The signed root sqrt(2 (l - l_profile)), nearly straight in the
    parameter's coordinate, is solved for z by a secant inside a bracket. NaN where a point could not be fitted; the
    limit of the parameter where the profile never falls so far.

    Args:
        solution: of the fits.
        name: of a parameter whose space is elementwise.
        element: which of its elements, in flat order.
        z: normal quantile.

    Reference: Venzon & Moolgavkar 1988, *Applied Statistics* 37, 87-94; Pawitan 2001, *In All Likelihood*, section 3.4.
    """
    if not solution.regular.any():
        return np.full(len(solution.regular), np.nan), np.full(len(solution.regular), np.nan)
    k = solution.model.names.index(name)
    leaves = jax.tree.leaves(solution.model.space)
    begin = sum(int(np.prod(s.coordinate_shape)) for s in leaves[:k])
    at, size = begin + element, int(np.prod(leaves[k].coordinate_shape))
    center = np.where(solution.regular, solution.outcome.u[:, at], 0.0)
    error = np.sqrt(np.where(solution.regular, in_coordinates(solution, "observed")[:, at, at], 1.0))
    far = np.full(len(center), _FAR) if leaves[k].kind.unitless else 100 * _FAR * error
    ends = []
    for side in (-1.0, 1.0):
        found = center + side * _distance(solution, k, element, center, side, np.minimum(z * error, far), far, z)
        with np.errstate(over="ignore"):
            whole = np.where(solution.regular[:, None], solution.outcome.u[:, begin : begin + size], 0.0)
            whole[:, element] = found
            natural = jax.vmap(leaves[k].forward)(whole.reshape(-1, *leaves[k].coordinate_shape))
            ends.append(np.asarray(natural).reshape(whole.shape)[:, element])
    return np.minimum(*ends), np.maximum(*ends)


def _distance(
    solution: Solution,
    k: int,
    element: int,
    center: np.ndarray,
    side: float,
    first: np.ndarray,
    far: np.ndarray,
    z: float,
) -> np.ndarray:
    """Find how far from the estimate the signed root is z, f[B]; infinite where it never is, NaN where it is not known."""
    tree, best = jax.tree.structure(solution.model.space), -solution.outcome.value
    start = [np.asarray(x, float).reshape(len(center), *s.value_shape) for x, s in _leaves(solution)]
    low, high = np.zeros_like(center), np.full_like(center, np.inf)
    last, last_root = np.zeros_like(center), np.zeros_like(center)
    t, answer, open_ = first, np.full_like(center, np.nan), solution.regular.copy()
    for _ in range(_ROUNDS):
        value, params, good = fit_held(
            solution, k, element, center + side * np.where(open_, t, 0.0), jax.tree.unflatten(tree, start)
        )
        with np.errstate(all="ignore"):
            root = np.sqrt(2 * np.maximum(best - value, 0))
            exact = (np.abs(root - z) <= 1e-8 * z) | (high - low <= 4 * np.finfo(float).eps * (np.abs(center) + t))
            there = open_ & good & exact
            never = open_ & good & (root < z) & (t >= far)
            answer = np.where(there, t, np.where(never, np.inf, answer))
            open_ = open_ & good & ~there & ~never
            if not open_.any():
                break
            low, high = np.where(root < z, t, low), np.where(root < z, high, t)
            step = t + (z - root) * (t - last) / (root - last_root)
            middle = np.where(np.isfinite(high), 0.5 * (low + high), 2 * t)
            inside = (step > low) & (step < np.where(np.isfinite(high), high, 4 * t))
            last, last_root = t, root
            t = np.minimum(np.where(inside, step, middle), far)
            start = [np.where(good.reshape(-1, *[1] * (x.ndim - 1)), x, y) for x, y in zip(params, start, strict=True)]
    return answer


def _leaves(solution: Solution) -> list[tuple[np.ndarray, Space]]:
    return list(zip(jax.tree.leaves(solution.params), jax.tree.leaves(solution.model.space), strict=True))


def fit_held(
    solution: Solution, k: int, element: int, u: np.ndarray, start: Params
) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
    """Fit with an element of parameter k held at coordinates u[B]: log-likelihoods, params, and which are maxima or limits."""
    from_space, tree = jax.tree.flatten(solution.model.space)
    held, own = list(from_space), from_space[k]
    if own.value_shape:
        held[k] = spaces.held_at(own, element, u)
    else:
        held[k] = spaces.pinned_at(own, np.asarray(jax.vmap(own.forward)(u)))
    model = dataclasses.replace(solution.model, space=jax.tree.unflatten(tree, held))
    outcome = solve(model, solution.batch, Plan(start=start, dtype=u.dtype)).outcome
    good = np.isin(outcome.status, [s for s in Status if s.ok or s.at_limit])
    finite = np.where(np.isfinite(outcome.u), outcome.u, 0.0)
    flat = everywhere(model, solution.batch, natural, finite, at=())
    sizes = np.cumsum([int(np.prod(s.value_shape)) for s in from_space])[:-1]
    params = [x.reshape(len(u), *s.value_shape) for x, s in zip(np.split(flat, sizes, axis=1), from_space, strict=True)]
    return -outcome.value, params, good
