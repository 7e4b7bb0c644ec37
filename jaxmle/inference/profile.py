"""Profile-likelihood intervals: each point of a profile is a fit with one parameter held, a lane like any other."""

import dataclasses
from typing import Any

import jax
import numpy as np

from jaxmle import spaces
from jaxmle._engine import run
from jaxmle._engine.batch import Batch
from jaxmle._solver.problem import Problem, Program, default_max_steps, default_tolerance, numbers_of
from jaxmle._solver.status import Status
from jaxmle._util.progress import Progress
from jaxmle._util.records import split
from jaxmle.inference import covariance
from jaxmle.model.model import Model
from jaxmle.optimizers import newton

_ROUNDS = 60
_FAR = 60.0
"Logs or logits from the estimate, or hundreds of standard errors, beyond which an end counts as infinite."


def profile_ends(fit: Any, name: str, z: float, element: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Where the profile of one scalar has fallen by z^2 / 2 on either side; natural values f[B] twice.

    The others are fitted anew at every point. The signed root sqrt(2 (l - l_profile)), nearly straight in the
    parameter's coordinate, is solved for z by a secant inside a bracket. NaN where a point could not be fitted; the
    limit of the parameter where the profile never falls so far.

    Args:
        fit: a `Fit`.
        name: of a parameter whose space is elementwise.
        element: which of its elements, in flat order.
        z: normal quantile.

    Reference: Venzon & Moolgavkar 1988, *Applied Statistics* 37, 87-94; Pawitan 2001, *In All Likelihood*, section 3.4.
    """
    if not fit._sound.any():
        return np.full(len(fit._sound), np.nan), np.full(len(fit._sound), np.nan)
    k = fit.model.names.index(name)
    leaves = jax.tree.leaves(fit.model.space)
    begin = sum(int(np.prod(s.coordinate_shape)) for s in leaves[:k])
    at, size = begin + element, int(np.prod(leaves[k].coordinate_shape))
    center = np.where(fit._sound, fit._outcome.u[:, at], 0.0)
    error = np.sqrt(np.where(fit._sound, fit._unconstrained("observed")[:, at, at], 1.0))
    far = np.full(len(center), _FAR) if leaves[k].kind.unitless else 100 * _FAR * error
    ends = []
    for side in (-1.0, 1.0):
        found = center + side * _distance(fit, k, element, center, side, np.minimum(z * error, far), far, z)
        with np.errstate(over="ignore"):
            whole = np.where(fit._sound[:, None], fit._outcome.u[:, begin : begin + size], 0.0)
            whole[:, element] = found
            natural = jax.vmap(leaves[k].forward)(whole.reshape(-1, *leaves[k].coordinate_shape))
            ends.append(np.asarray(natural).reshape(whole.shape)[:, element])
    return np.minimum(*ends), np.maximum(*ends)


def _distance(
    fit: Any, k: int, element: int, center: np.ndarray, side: float, first: np.ndarray, far: np.ndarray, z: float
) -> np.ndarray:
    """How far from the estimate the signed root is z, f[B]; infinite where it never is, NaN where it is not known."""
    tree, best = jax.tree.structure(fit.model.space), -fit._outcome.value
    start = [np.asarray(x, float).reshape(len(center), *s.value_shape) for x, s in _leaves(fit)]
    low, high = np.zeros_like(center), np.full_like(center, np.inf)
    last, last_root = np.zeros_like(center), np.zeros_like(center)
    t, answer, open_ = first, np.full_like(center, np.nan), fit._sound.copy()
    for _ in range(_ROUNDS):
        value, params, good = _climb(
            fit, k, element, center + side * np.where(open_, t, 0.0), jax.tree.unflatten(tree, start)
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


def _leaves(fit: Any) -> list[tuple[Any, Any]]:
    return list(zip(jax.tree.leaves(fit.params), jax.tree.leaves(fit.model.space), strict=True))


def _climb(
    fit: Any, k: int, element: int, u: np.ndarray, start: Any
) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
    """The fits with an element of parameter k held at coordinates u[B]: log-likelihoods, params, and which are maxima or limits."""
    from_space, tree = jax.tree.flatten(fit.model.space)
    held, own = list(from_space), from_space[k]
    if own.value_shape:
        held[k] = spaces.held_at(own, element, u)
    else:
        held[k] = spaces.pinned_at(own, np.asarray(jax.vmap(own.forward)(u)))
    model = dataclasses.replace(fit.model, space=jax.tree.unflatten(tree, held))
    outcome = _fit(model, fit._batch, start)
    good = np.isin(outcome.status, [s for s in Status if s.ok or s.at_limit])
    finite = np.where(np.isfinite(outcome.u), outcome.u, 0.0)
    flat = covariance.everywhere(model, fit._batch, covariance.natural, finite, at=())
    sizes = np.cumsum([int(np.prod(s.value_shape)) for s in from_space])[:-1]
    params = [x.reshape(len(u), *s.value_shape) for x, s in zip(np.split(flat, sizes, axis=1), from_space, strict=True)]
    return -outcome.value, params, good


def _fit(model: Model, batch: Batch, start: Any) -> Any:
    """Newton through the lanes, from params with a data-set axis."""
    parts, dtype = [], batch.buckets[0].weights.dtype
    numbers, each = numbers_of(model, batch.size, dtype)
    for bucket in batch.buckets:
        here = bucket.index
        own_numbers = [x[here] if own else x for x, own in zip(numbers, each, strict=True)]
        own_start = jax.tree.map(lambda x, here=here: np.asarray(x[here], dtype), start)
        problem = Problem(
            own_numbers,
            bucket.data,
            bucket.weights,
            own_start,
            bucket.status,
            np.asarray(default_tolerance(dtype), dtype),
            np.int32(default_max_steps(newton())),
        )
        axes = Problem(each, list(batch.own), True, jax.tree.map(lambda _: True, start), True, False, False)
        crew = run.places(None, len(here) * bucket.weights.shape[1])
        width = run.width("auto", len(here), bucket.weights.shape[1], len(crew))
        tree = jax.tree.structure(problem)
        program = Program(split(model)[0], newton(), tree, tuple(jax.tree.leaves(axes)), width)
        part, _, interrupted = run.run(program, problem, len(here), crew, Progress(False, len(here)), "auto", False)
        if interrupted:
            raise KeyboardInterrupt
        parts.append(part)
    return batch.gathered(parts)
