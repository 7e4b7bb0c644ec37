"""The log-likelihood around a fit: with some coordinates held and the others fitted anew, or held too; and the ascent."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.flatten_util import ravel_pytree

from jaxmle import spaces
from jaxmle._solver.start import first
from jaxmle._solver.status import Status
from jaxmle._solver.step import init, step
from jaxmle._util.compile import in_float64
from jaxmle._util.records import record
from jaxmle.fitting import fit_many
from jaxmle.inference import covariance
from jaxmle.model.model import Model, constant
from jaxmle.model.observations import bare
from jaxmle.optimizers import by_name
from jaxmle.plot.sample import rows_of

_RECORDED = 256
"Steps of an ascent that are recorded; of longer ones the first."


@record
class _Held:
    """The contributions of a model, some of whose coordinates come with the data."""

    model: Model

    @property
    def keeps_constants(self) -> bool:
        return True

    def __call__(self, params: Any, data: Any) -> Any:
        held, place = data["held"].value, data["place"].value
        u = place @ jnp.concatenate([held, params["rest"]])
        _, unravel = ravel_pytree(self.model.origin(u.dtype))
        rule = self.model.log_likelihood
        rows = data["rows"] if getattr(rule, "keeps_constants", False) else bare(data["rows"])
        return rule(self.model.forward(unravel(u)), rows)


@in_float64
def profiled(fit: Any, which: list[int], at: np.ndarray) -> np.ndarray:
    """Log-likelihood with coordinates `which` held at the rows of f[m, k] and the others at their best, f[m].

    Every row is a fit in the lanes, begun where a quadratic log-likelihood would have its maximum. NaN where a point
    could not be fitted.
    """
    p, k = fit.model.free, len(which)
    u, information = fit._outcome.u[0], fit._outcome.information[0]
    rest = [j for j in range(p) if j not in which]
    if not rest:
        return surface(fit, at[:, np.argsort(which)])
    pull = np.linalg.solve(information[np.ix_(rest, rest)], information[np.ix_(rest, which)])
    start = u[rest] - (at - u[which]) @ pull.T
    data, weights = rows_of(fit, "profile")
    model = Model(_Held(fit.model), {"rest": spaces.real(shape=(p - k,))}, observations=fit.model.observations)
    place = np.eye(p)[[*which, *rest]].T
    fits = fit_many(
        model,
        {"held": constant(at)},
        weights=np.broadcast_to(weights, (len(at), len(weights))),
        shared={"rows": data, "place": constant(place)},
        start={"rest": start},
        missing="keep",
    )
    good = np.isin(fits.status, [s for s in Status if s.ok or s.at_limit])
    return np.where(good, fits.log_likelihood, np.nan)


@in_float64
def surface(fit: Any, at: np.ndarray) -> np.ndarray:
    """Log-likelihood at coordinates f[m, p], f[m]; compiled once for all points of all fits of a model."""
    return fit._evaluate(_surface, fit._outcome.u, at)[0]


def _surface(objective: Any, u: Any, unravel: Any, at: Any) -> Any:
    return -lax.map(lambda x: objective(unravel(x)), at, batch_size=min(64, at.shape[0]))


def coordinate(fit: Any, name: Any) -> int:
    """The position of a free parameter."""
    names = fit.model.coordinate_names
    if name not in names:
        raise ValueError(f"there is no free parameter {name!r}; expected one of {', '.join(map(repr, names))}")
    return names.index(name)


@in_float64
def axis(fit: Any, j: int, at: np.ndarray) -> tuple[np.ndarray, str]:
    """Values of coordinate j on the natural scale where it has one of its own, and what to call them."""
    name, first = fit.model.coordinate_names[j], 0
    for space in jax.tree.leaves(fit.model.space):
        size = int(np.prod(space.coordinate_shape))
        if first <= j < first + size:
            if space.kind.ends is None:
                return at, f"{name} (coordinate)"
            each = np.broadcast_to(at[:, None], (len(at), size)).reshape(-1, *space.coordinate_shape)
            with np.errstate(over="ignore"):
                return np.asarray(jax.vmap(space.forward)(each)).reshape(len(at), size)[:, j - first], name
        first += size
    raise AssertionError(j)


# --- the ascent ------------------------------------------------------------------------------------------


class Ascent(NamedTuple):
    """A way to the maximum: the best point after each evaluation.

    Attributes:
        steps: evaluations so far, int[m].
        u: coordinates, f[m, p].
        log_likelihood: f[m].
        decrement: log-likelihood still to be gained by the quadratic there, f[m]; NaN where it has no maximum.
    """

    steps: np.ndarray
    u: np.ndarray
    log_likelihood: np.ndarray
    decrement: np.ndarray


@record
class _Climb:
    """Records the best points of an ascent: f[length, 1 + p + 1 + p (p + 1)], ended or not, point, value, S and J."""

    optimizer: Any
    length: int
    own_start: bool

    def __call__(self, objective: Any, u: Any, unravel: Any, tolerance: Any) -> Any:
        def one(state: Any, _: Any) -> Any:
            state = step(self.optimizer, objective, state, tolerance, self.length + 1)
            return state, (state.steps, state.best)

        begin = first(objective, None) if self.own_start else unravel(u)
        _, (steps, best) = lax.scan(one, init(self.optimizer, objective, begin), None, self.length)

        def look(x: Any) -> Any:
            both = covariance.score_and_observed(objective, x, unravel)
            return jnp.concatenate([x, -objective(unravel(x))[None], both.reshape(-1)])

        return jnp.concatenate([steps[:, None].astype(u.dtype), lax.map(look, best)], axis=1)


@in_float64
def ascent(fit: Any, optimizer: Any = None) -> Ascent:
    """The way of a fit from its start to its maximum, climbed anew and recorded step by step.

    Where another method than Newton's led to the maximum its start is not kept; the way then begins at the model's own.

    Args:
        fit: of one data set.
        optimizer: the method; the fit's own by default.

    Raises:
        ValueError: where the method is not known by name, or the start is not known.
    """
    name = fit.info.get("optimizer") if optimizer is None else optimizer
    try:
        method = by_name(name)
    except ValueError:
        raise ValueError(
            f"the fit's optimizer, {name}, is not known by name; give it again to see its way: optimizer=..."
        ) from None
    p, (u,) = fit.model.free, fit._outcome.u
    begin = u - fit._outcome.travel[0]
    if not np.isfinite(begin).all():
        raise ValueError("the way cannot be drawn: the fit has no finite start or ended at a limit at infinity")
    if fit.model.maximum is not None:
        points = np.stack([begin, u])
        return Ascent(np.array([0, 1]), points, surface(fit, points), np.array([np.nan, 0.0]))
    length = min(_RECORDED, max(8, 1 << int(np.ceil(np.log2(max(int(fit.steps), 1))))))
    tolerance = np.asarray(fit.info["tolerance"], u.dtype)
    found = fit._evaluate(_Climb(method, length, bool(fit.polish)), begin[None], tolerance)[0]
    steps, points, value = found[:, 0], found[:, 1 : p + 1], found[:, p + 1]
    new = np.concatenate([[True], np.diff(steps) > 0])
    if optimizer is None:  # as far as the fit itself went
        new &= steps <= max(fit.steps - fit.polish, 1)
    both = found[new, p + 2 :].reshape(-1, p, p + 1)
    return Ascent(steps[new].astype(int), points[new], value[new], decrements(both))


def decrements(both: np.ndarray) -> np.ndarray:
    """1/2 S' J^-1 S of S and J side by side, f[m, p, p + 1]; NaN where J is not positive definite."""
    score, inverse = both[..., 0], covariance.inverse(both[..., 1:])
    return 0.5 * np.einsum("mi,mij,mj->m", score, inverse, score)
