"""Covariances of the estimates of a solution, in coordinates and in natural parameters.

A kind of covariance is a function of a solution and a row of `KINDS`.
"""

from collections.abc import Callable

import jax
import numpy as np

from jaxmle._engine.solution import Solution
from jaxmle._solver.status import at_limit
from jaxmle._util.arrays import Bool, Float, Params
from jaxmle._util.compile import in_float64
from jaxmle.inference import at_point, matrices


def held_at_limit(solution: Solution) -> Bool[np.ndarray, "B p"]:
    """Tell which coordinates are held at their limit where the others have standard errors; none where those have none.

    The others have them where the information among them, at the end of the ascent, is positive definite and hardly
    depends on the coordinates that diverge, and no more than a share of a standard error is left to gain.
    """
    outcome = solution.outcome
    held = np.isinf(outcome.u) & at_limit(outcome.status)[:, None]
    if solution.model.geometry.regular is not None or not held.any():
        return np.zeros_like(held)
    information, free = outcome.information, ~held
    with np.errstate(all="ignore"):
        size = np.abs(np.diagonal(information, axis1=1, axis2=2))
        coupling = information**2 / (size[:, :, None] * size[:, None, :])
        coupling = np.where(information == 0, 0.0, coupling)
        coupled = np.any((free[:, :, None] & held[:, None, :]) & ~(coupling < _COUPLED), axis=(1, 2))
        left = outcome.decrement <= _LEFT
    named = ~np.any((outcome.direction != 0) & free, axis=1)
    return held & (named & left & ~coupled & np.isfinite(outcome.value))[:, None]


def far(solution: Solution) -> Float[np.ndarray, "B p"]:
    """Return the estimates with infinite coordinates far out, where a log-likelihood is a number: f[B, p]."""
    u, travel = solution.outcome.u, solution.outcome.travel
    unitless = [
        s.kind.unitless for s in jax.tree.leaves(solution.model.space) for _ in range(int(np.prod(s.coordinate_shape)))
    ]
    out = np.where(np.array(unitless, bool), _FAR, 3 * np.where(np.isfinite(travel), np.abs(travel), 1.0))
    return np.where(np.isinf(u), np.copysign(out, u), u)


def _inverse_of_free(
    information: Float[np.ndarray, "B p p"], held: Bool[np.ndarray, "B p"]
) -> Float[np.ndarray, "B p p"]:
    """Invert the information among the coordinates that are not held; NaN along the others."""
    if not held.any():
        return matrices.inverse(information)
    either = held[:, :, None] | held[:, None, :]
    eye = np.eye(held.shape[1], dtype=information.dtype)
    return np.where(either, np.nan, matrices.inverse(np.where(either, eye, information)))


def observed(solution: Solution, held: Bool[np.ndarray, "B p"]) -> Float[np.ndarray, "B p p"]:
    """Compute J^-1, the inverse observed information (Efron & Hinkley 1978, *Biometrika* 65, 457-482)."""
    return _inverse_of_free(solution.outcome.information, held)


def expected(solution: Solution, held: Bool[np.ndarray, "B p"]) -> Float[np.ndarray, "B p p"]:
    """Compute the inverse expected information (Fisher 1925)."""
    return _inverse_of_free(solution.evaluate(at_point.expected, far(solution)), held)


def opg(solution: Solution, held: Bool[np.ndarray, "B p"]) -> Float[np.ndarray, "B p p"]:
    """Compute K^-1, the inverse outer product of scores (Berndt, Hall, Hall & Hausman 1974)."""
    return _inverse_of_free(solution.evaluate(at_point.opg, far(solution)), held)


def robust(solution: Solution, held: Bool[np.ndarray, "B p"]) -> Float[np.ndarray, "B p p"]:
    """Compute J^-1 K J^-1, the sandwich, right also when the model is wrong; no small-sample factor.

    Reference: Huber 1967; White 1982, *Econometrica* 50, 1-25, eq. 3.2.
    """
    either = held[:, :, None] | held[:, None, :]
    meat = np.where(either, 0.0, solution.evaluate(at_point.opg, far(solution)))
    bread = np.where(either, 0.0, observed(solution, held))
    return np.where(either, np.nan, bread @ meat @ bread)


KINDS: dict[str, Callable[[Solution, np.ndarray], np.ndarray]] = {
    "observed": observed,
    "expected": expected,
    "opg": opg,
    "robust": robust,
}
"Kinds of covariance by name, for `kind=`."

_FAR = 60.0
"The logarithm or logit that stands for infinity where a log-likelihood is evaluated beside a limit."

_LEFT = 1e-4
"Of log-likelihood: the greatest remaining gain beside a limit, a hundredth of a standard error."

_COUPLED = 1e-3
"The greatest share of a parameter's information that a coordinate at its limit may account for."


@in_float64
def in_coordinates(solution: Solution, kind: str = "observed") -> np.ndarray:
    """Compute the covariance of the coordinates, f[B, p, p]; NaN unless converged and regular, and along a coordinate that is
    held at its limit.

    Raises:
        ValueError: for a kind that is none.
    """
    if kind not in KINDS:
        raise ValueError(f"kind={kind!r}; expected one of {', '.join(map(repr, KINDS))}")
    held = held_at_limit(solution)
    some = solution.regular | held.any(1)
    return np.where(some[:, None, None], KINDS[kind](solution, held), np.nan)


def covariance(solution: Solution, kind: str = "observed") -> np.ndarray:
    """Compute the covariance of the natural parameters, f[..., q, q], in the order of `names` (delta method).

    NaN unless converged, where the matrix it needs is singular, and where the distribution has no regular standard
    errors (gev and gpd with shape <= -1/2). Where a parameter is at its limit, the covariance of the others holds it there.

    Args:
        kind: `"observed"`, J^-1; `"expected"`, the inverse expected information; `"opg"`, K^-1; `"robust"`,
            J^-1 K J^-1, right also when the model is wrong (White 1982, *Econometrica* 50, 1-25).
    """
    in_u = in_coordinates(solution, kind)
    found = matrices.delta(solution.jacobian, in_u)
    if (held := held_at_limit(solution)).any():  # of what does not depend on them
        others = matrices.delta(solution.jacobian, np.where(held[:, :, None] | held[:, None, :], 0.0, in_u))
        touched = np.any((solution.jacobian != 0) & held[:, None, :], axis=2)
        found = np.where(np.logical_or(touched[:, :, None], touched[:, None, :]), np.nan, others)
    return found[0] if solution.single else found


def standard_errors(solution: Solution, kind: str = "observed") -> Params:
    """Compute standard errors, the square roots of the diagonal of `covariance(kind)`, in the structure of params; 0 if pinned."""
    return solution.structured(matrices.standard_deviations(in_coordinates(solution, kind), solution.jacobian))
