"""Profile-likelihood intervals: each point of a profile is a fit with one parameter held, in a batch like any other."""

import dataclasses
from typing import NamedTuple

import jax
import numpy as np

from jaxmle import spaces
from jaxmle._engine.evaluate import everywhere, natural
from jaxmle._engine.plan import Plan
from jaxmle._engine.solution import Solution
from jaxmle._engine.solve import solve
from jaxmle._solver.status import Status
from jaxmle._util.arrays import Bool, Float, Params
from jaxmle.inference.covariance import in_coordinates
from jaxmle.inference.higher import supported
from jaxmle.model.model import Model
from jaxmle.spaces import Space

_ROUNDS = 60
_SHORTEST = 1e-3
"Of a first step: shorter ones are not tried where a fit fails."

_FAR = 60.0
"Logs or logits from the estimate, or hundreds of standard errors, beyond which an end counts as infinite."


class Highest(NamedTuple):
    """The highest points met on profiles.

    Attributes:
        log_likelihood: of each fit, f[B]; -inf where there was none.
        natural: its natural parameters, f[B, q].
    """

    log_likelihood: Float[np.ndarray, " B"]
    natural: Float[np.ndarray, "B q"]

    @classmethod
    def none(cls, solution: Solution) -> "Highest":
        """Return the record of a profile without any point."""
        return cls(np.full(solution.size, -np.inf), np.array(solution.natural))

    def or_higher(self, value: np.ndarray, natural: np.ndarray, good: np.ndarray) -> "Highest":
        """Return the higher of two points for each fit; the other counts where it is `good`."""
        pick = good & (value > self.log_likelihood)
        return Highest(np.where(pick, value, self.log_likelihood), np.where(pick[:, None], natural, self.natural))


def profile_ends(
    solution: Solution, name: str, z: float, element: int = 0
) -> tuple[Float[np.ndarray, " B"], Float[np.ndarray, " B"], Highest]:
    """Find where the profile of one scalar has fallen by z^2 / 2 on either side: natural values f[B] twice, and the
    highest points on the way.

    The others are fitted again at every point. The signed root sqrt(2 (l - l_profile)), nearly straight in the
    parameter's coordinate, is solved for z by a secant inside a bracket. A point that cannot be fitted, because the others
    begin outside the support there, is approached in shorter steps, each from the fit before. NaN where that fails; the
    limit of the parameter where the profile never falls so far. Where the maximum has the parameter at its limit, the one
    end is that limit; where it has another there, that one stays free to leave it.

    Args:
        solution: of the fits.
        name: of a parameter whose space is elementwise.
        element: which of its elements, in flat order.
        z: normal quantile.

    Reference: Venzon & Moolgavkar 1988, *Applied Statistics* 37, 87-94; Pawitan 2001, *In All Likelihood*, section 3.4.
    """
    some, highest = supported(solution), Highest.none(solution)
    if not some.any():
        return np.full(len(some), np.nan), np.full(len(some), np.nan), highest
    k = solution.model.names.index(name)
    leaves = jax.tree.leaves(solution.model.space)
    begin = sum(int(np.prod(s.coordinate_shape)) for s in leaves[:k])
    at, size = begin + element, int(np.prod(leaves[k].coordinate_shape))
    u = solution.outcome.u[:, at]
    limit = some & np.isinf(u)
    center = np.where(limit, np.copysign(_FAR, u), np.where(some, u, 0.0))
    error = np.where(solution.regular, in_coordinates(solution, "observed")[:, at, at], np.nan)
    with np.errstate(all="ignore"):
        error = np.where(np.isnan(error), 1 / solution.outcome.information[:, at, at], error)
    error = np.sqrt(np.where(np.isfinite(error) & (error > 0), error, 1.0))
    far = np.full(len(center), _FAR) if leaves[k].kind.unitless else 100 * _FAR * error
    first = np.where(limit, _FAR - 3.0, np.minimum(z * error, far))
    far = np.where(limit, 2 * _FAR, far)
    ends = []
    for side in (-1.0, 1.0):
        here = some & ~(limit & (np.sign(u) == side))  # on the other side there is nothing
        distance, highest = _distance(solution, k, element, center, side, here, first, far, z, highest)
        found = np.where(here | ~some, center + side * distance, side * np.inf)
        with np.errstate(over="ignore", invalid="ignore"):
            whole = np.where(some[:, None], solution.finite[:, begin : begin + size], 0.0)
            whole[:, element] = found
            natural = jax.vmap(leaves[k].forward)(whole.reshape(-1, *leaves[k].coordinate_shape))
            ends.append(np.asarray(natural).reshape(whole.shape)[:, element])
    falls = _falls(leaves[k])
    return np.where(falls, ends[1], ends[0]), np.where(falls, ends[0], ends[1]), highest


def _falls(space: Space) -> bool:
    """Tell whether an elementwise space's values fall as coordinates rise."""
    low, high = (np.asarray(space.forward(np.full(space.coordinate_shape, x))).reshape(-1)[0] for x in (0.0, 1.0))
    return bool(high < low)


def _distance(
    solution: Solution,
    k: int,
    element: int,
    center: Float[np.ndarray, " B"],
    side: float,
    some: Bool[np.ndarray, " B"],
    first: Float[np.ndarray, " B"],
    far: Float[np.ndarray, " B"],
    z: float,
    highest: Highest,
) -> tuple[Float[np.ndarray, " B"], Highest]:
    """Find how far from the estimate the signed root is z, f[B], infinite where it never is, NaN where it is not known;
    and the highest points on the way."""
    tree, best = jax.tree.structure(solution.model.space), -solution.outcome.value
    start = _values(solution.model, everywhere(solution.model, solution.batch, natural, solution.finite, at=()))
    low, high = np.zeros_like(center), np.full_like(center, np.inf)
    last, last_root = np.zeros_like(center), np.zeros_like(center)
    before, before_root = last, last_root
    reach, shortest = np.full_like(center, np.inf), first * _SHORTEST
    t, answer, open_ = first, np.full_like(center, np.nan), some.copy()
    for _ in range(_ROUNDS):
        value, flat, good = fit_held(
            solution, k, element, center + side * np.where(open_, t, 0.0), jax.tree.unflatten(tree, start)
        )
        highest = highest.or_higher(value, flat, open_ & good)
        with np.errstate(all="ignore"):
            root = np.sqrt(2 * np.maximum(best - value, 0))
            exact = (np.abs(root - z) <= 1e-8 * z) | (high - low <= 4 * np.finfo(float).eps * (np.abs(center) + t))
            there = open_ & good & exact
            never = open_ & good & (root < z) & (t >= far)
            answer = np.where(there, t, np.where(never, np.inf, answer))
            # The fit before this one is the start of the next: what it does not lead to is approached in shorter steps.
            reach = np.where(good, 2 * reach, 0.5 * np.abs(t - last))
            open_ = open_ & ~there & ~never & (good | (reach > shortest))
            if not open_.any():
                break
            fine, below = open_ & good, root < z
            low, high = np.where(fine & below, t, low), np.where(fine & ~below, t, high)
            before, before_root = np.where(fine, last, before), np.where(fine, last_root, before_root)
            last, last_root = np.where(fine, t, last), np.where(fine, root, last_root)
            step = last + (z - last_root) * (last - before) / (last_root - before_root)
            middle = np.where(np.isfinite(high), 0.5 * (low + high), np.where(last > 0, 2 * last, t))
            inside = (step > low) & (step < np.where(np.isfinite(high), high, 4 * np.maximum(last, low)))
            wanted = np.minimum(np.where(inside, step, middle), far)
            t = last + np.clip(wanted - last, -reach, reach)
            params = _values(solution.model, flat)
            start = [np.where(fine.reshape(-1, *[1] * (x.ndim - 1)), x, y) for x, y in zip(params, start, strict=True)]
    return answer, highest


def _values(model: Model, flat: Float[np.ndarray, "B q"]) -> list[np.ndarray]:
    """Split natural values into parameters, f[B, ...] each."""
    leaves = jax.tree.leaves(model.space)
    sizes = np.cumsum([int(np.prod(s.value_shape)) for s in leaves])[:-1]
    return [x.reshape(len(flat), *s.value_shape) for x, s in zip(np.split(flat, sizes, axis=1), leaves, strict=True)]


def fit_held(
    solution: Solution, k: int, element: int, u: np.ndarray, start: Params
) -> tuple[Float[np.ndarray, " B"], Float[np.ndarray, "B q"], Bool[np.ndarray, " B"]]:
    """Fit with an element of parameter k held at coordinates u[B]: log-likelihoods, natural values, and which are maxima
    or limits."""
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
    return -outcome.value, flat, good
