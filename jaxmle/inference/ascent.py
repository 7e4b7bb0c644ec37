"""The ascent of a fit from its start to its maximum, repeated and recorded step by step."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from jaxmle._engine.solution import Solution
from jaxmle._solver.start import first
from jaxmle._solver.state import State
from jaxmle._solver.step import init, step
from jaxmle._util.arrays import Array, Float
from jaxmle._util.compile import in_float64
from jaxmle._util.records import record
from jaxmle.inference import at_point, matrices
from jaxmle.inference.at_point import Point, Unravel
from jaxmle.inference.surface import surface
from jaxmle.model.objective import Objective
from jaxmle.optimizers import by_name

_RECORDED = 256
"Steps of an ascent that are recorded; of longer ones the first."


class Ascent(NamedTuple):
    """The points of an ascent: the best one after each evaluation.

    Attributes:
        steps: evaluations so far, int[m].
        u: coordinates, f[m, p].
        log_likelihood: f[m].
        decrement: remaining possible gain of log-likelihood by the quadratic there, f[m]; NaN where it has no maximum.
    """

    steps: np.ndarray
    u: np.ndarray
    log_likelihood: np.ndarray
    decrement: np.ndarray


@record
class _Ascent:
    """Records the best points of an ascent: f[length, 1 + p + 1 + p (p + 1)], ended or not, point, value, S and J."""

    optimizer: optax.GradientTransformationExtraArgs
    length: int
    own_start: bool

    def __call__(
        self, objective: Objective, u: Point, unravel: Unravel, tolerance: Float[Array, ""]
    ) -> Float[Array, "m k"]:
        def one(state: State, _: None) -> tuple[State, tuple[Array, Point]]:
            state = step(self.optimizer, objective, state, tolerance, self.length + 1)
            return state, (state.steps, state.best)

        begin = first(objective, None) if self.own_start else unravel(u)
        _, (steps, best) = lax.scan(one, init(self.optimizer, objective, begin), None, self.length)

        def matrices_at(x: Point) -> Float[Array, " k"]:
            both = at_point.score_and_observed(objective, x, unravel)
            return jnp.concatenate([x, -objective(unravel(x))[None], both.reshape(-1)])

        return jnp.concatenate([steps[:, None].astype(u.dtype), lax.map(matrices_at, best)], axis=1)


@in_float64
def ascent(solution: Solution, optimizer: str | optax.GradientTransformation | None = None) -> Ascent:
    """Repeat the ascent of a fit from its start to its maximum, and record it step by step.

    Where another method than Newton's found the maximum its start is not kept; the ascent then begins at the model's own.

    Args:
        solution: of one data set.
        optimizer: the method; the fit's own by default.

    Raises:
        ValueError: where the method is not known by name, or the start is not known.
    """
    name = solution.info.get("optimizer") if optimizer is None else optimizer
    try:
        method = by_name(name)
    except ValueError:
        raise ValueError(
            f"the fit's optimizer, {name}, is not known by name; give it again to see its ascent: optimizer=..."
        ) from None
    p, (u,) = solution.model.free, solution.outcome.u
    begin = u - solution.outcome.travel[0]
    if not np.isfinite(begin).all():
        raise ValueError("the ascent cannot be drawn: the fit has no finite start or ended at a limit at infinity")
    if solution.model.geometry.closed_form is not None:
        points = np.stack([begin, u])
        return Ascent(np.array([0, 1]), points, surface(solution, points), np.array([np.nan, 0.0]))
    length = min(_RECORDED, max(8, 1 << int(np.ceil(np.log2(max(int(solution.outcome.steps[0]), 1))))))
    tolerance = np.asarray(solution.info["tolerance"], u.dtype)
    found = solution.evaluate(_Ascent(method, length, bool(solution.outcome.newton_steps[0])), begin[None], tolerance)[
        0
    ]
    steps, points, value = found[:, 0], found[:, 1 : p + 1], found[:, p + 1]
    new = np.concatenate([[True], np.diff(steps) > 0])
    if optimizer is None:  # as far as the fit itself went
        new &= steps <= max(int(solution.outcome.steps[0] - solution.outcome.newton_steps[0]), 1)
    both = found[new, p + 2 :].reshape(-1, p, p + 1)
    return Ascent(steps[new].astype(int), points[new], value[new], decrements(both))


def decrements(both: np.ndarray) -> np.ndarray:
    """Compute 1/2 S' J^-1 S of S and J side by side, f[m, p, p + 1]; NaN where J is not positive definite."""
    score, inverse = both[..., 0], matrices.inverse(both[..., 1:])
    return 0.5 * np.einsum("mi,mij,mj->m", score, inverse, score)
