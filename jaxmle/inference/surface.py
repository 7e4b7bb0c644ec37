"""The log-likelihood around a fit: some coordinates are held, the others are fitted again or held too."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.flatten_util import ravel_pytree

from jaxmle import spaces
from jaxmle._engine import ingest
from jaxmle._engine.evaluate import natural
from jaxmle._engine.plan import Plan
from jaxmle._engine.solution import Solution
from jaxmle._engine.solve import solve
from jaxmle._solver.status import at_limit
from jaxmle._util.arrays import Array, Data, Float, Params
from jaxmle._util.compile import in_float64
from jaxmle._util.records import record
from jaxmle.inference.at_point import Point, Unravel
from jaxmle.inference.higher import ascended
from jaxmle.model.model import Model, TakesConstants, constant
from jaxmle.model.objective import Objective
from jaxmle.model.observations import for_model


@record
class _Held(TakesConstants):
    """The contributions of a model, some of whose coordinates come with the data."""

    model: Model

    def __call__(self, params: Params, data: Data) -> Float[Array, " n"]:
        held, order = data["held"].value, data["order"].value
        u = order @ jnp.concatenate([held, params["rest"]])
        _, unravel = ravel_pytree(self.model.origin(u.dtype))
        return self.model.log_likelihood(self.model.forward(unravel(u)), for_model(self.model, data["rows"]))


@in_float64
def profiled(
    solution: Solution, which: list[int], at: Float[np.ndarray, "m k"]
) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, "m p"]]:
    """Compute the log-likelihood with coordinates `which` held at the rows of `at` and the others at their best, and the
    coordinates of those points.

    Every row is a fit of one batch, which starts where a quadratic log-likelihood would have its maximum. NaN where a point
    could not be fitted.
    """
    p, k = solution.model.free, len(which)
    u, information = solution.outcome.u[0], solution.outcome.information[0]
    rest = [j for j in range(p) if j not in which]
    if not rest:
        points = at[:, np.argsort(which)]
        return surface(solution, points), points
    pull = np.linalg.solve(information[np.ix_(rest, rest)], information[np.ix_(rest, which)])
    start = u[rest] - (at - u[which]) @ pull.T
    solution.batch.check_unchanged()
    data, weights = solution.batch.data_set(0)
    model = Model(
        _Held(solution.model), {"rest": spaces.real(shape=(p - k,))}, observations=solution.model.observations
    )
    order = np.eye(p)[[*which, *rest]].T
    batch = ingest.rectangular(
        {"held": constant(at)},
        np.broadcast_to(weights, (len(at), len(weights))),
        {"rows": data, "order": constant(order)},
        at.dtype,
        "keep",
    )
    found = solve(model, batch, Plan(start={"rest": start}, dtype=at.dtype, retries=3))
    good = found.certified | at_limit(found.outcome.status)
    points = np.concatenate([at, found.outcome.u], axis=1)[:, np.argsort([*which, *rest])]
    return np.where(good, -found.outcome.value, np.nan), points


@in_float64
def ascended_from(
    solution: Solution, value: Float[np.ndarray, " m"], points: Float[np.ndarray, "m p"]
) -> Solution | None:
    """Ascend from the highest of some points above the maximum of one data set: the solution there; None where none is."""
    if not np.isfinite(value).any():
        return None
    top = int(np.nanargmax(value))
    at = np.where(np.isfinite(points[top]), points[top], 0.0)[None]
    which, higher = ascended(solution, value[[top]], solution.evaluate(natural, at, at=()))
    return higher if which.any() else None


@in_float64
def surface(solution: Solution, at: np.ndarray) -> np.ndarray:
    """Compute the log-likelihood at coordinates f[m, p], f[m]; compiled once for all points of all fits of a model."""
    return solution.evaluate(_surface, solution.outcome.u, at)[0]


def _surface(objective: Objective, u: Point, unravel: Unravel, at: Float[Array, "m p"]) -> Float[Array, " m"]:
    return -lax.map(lambda x: objective(unravel(x)), at, batch_size=min(64, at.shape[0]))


def coordinate(solution: Solution, name: str) -> int:
    """Find the position of a free parameter."""
    names = solution.model.coordinate_names
    if name not in names:
        raise ValueError(f"there is no free parameter {name!r}; expected one of {', '.join(map(repr, names))}")
    return names.index(name)


@in_float64
def axis(solution: Solution, j: int, at: np.ndarray) -> tuple[np.ndarray, str]:
    """Map values of coordinate j to the natural scale, where it has one of its own, and name them."""
    name, first = solution.model.coordinate_names[j], 0
    for space in jax.tree.leaves(solution.model.space):
        size = int(np.prod(space.coordinate_shape))
        if first <= j < first + size:
            if space.kind.ends is None:
                return at, f"{name} (coordinate)"
            each = np.broadcast_to(at[:, None], (len(at), size)).reshape(-1, *space.coordinate_shape)
            with np.errstate(over="ignore"):
                return np.asarray(jax.vmap(space.forward)(each)).reshape(len(at), size)[:, j - first], name
        first += size
    raise AssertionError(j)
