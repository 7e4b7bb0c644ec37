"""Covariances of the estimates of a solution, in coordinates and in natural parameters.

A kind of covariance is a function of a solution and a row of `KINDS`.
"""

from collections.abc import Callable

import numpy as np

from jaxmle._engine.solution import Solution
from jaxmle._util.arrays import Params
from jaxmle._util.compile import in_float64
from jaxmle.inference import at_point, matrices


def observed(solution: Solution) -> np.ndarray:
    """Compute J^-1, f[B, p, p], the inverse observed information (Efron & Hinkley 1978, *Biometrika* 65, 457-482)."""
    return matrices.inverse(solution.outcome.information)


def expected(solution: Solution) -> np.ndarray:
    """Compute the inverse expected information, f[B, p, p] (Fisher 1925)."""
    return matrices.inverse(solution.evaluate(at_point.expected, solution.finite))


def opg(solution: Solution) -> np.ndarray:
    """Compute K^-1, f[B, p, p], the inverse outer product of scores (Berndt, Hall, Hall & Hausman 1974)."""
    return matrices.inverse(solution.evaluate(at_point.opg, solution.finite))


def robust(solution: Solution) -> np.ndarray:
    """Compute J^-1 K J^-1, f[B, p, p], the sandwich, right also when the model is wrong; no small-sample factor.

    Reference: Huber 1967; White 1982, *Econometrica* 50, 1-25, eq. 3.2.
    """
    meat = solution.evaluate(at_point.opg, solution.finite)
    bread = matrices.inverse(solution.outcome.information)
    return bread @ meat @ bread


KINDS: dict[str, Callable[[Solution], np.ndarray]] = {
    "observed": observed,
    "expected": expected,
    "opg": opg,
    "robust": robust,
}
"Kinds of covariance by name, for `kind=`."


@in_float64
def in_coordinates(solution: Solution, kind: str = "observed") -> np.ndarray:
    """Compute the covariance of the coordinates, f[B, p, p]; NaN unless converged and regular.

    Raises:
        ValueError: for a kind that is none.
    """
    if kind not in KINDS:
        raise ValueError(f"kind={kind!r}; expected one of {', '.join(map(repr, KINDS))}")
    return np.where(solution.regular[:, None, None], KINDS[kind](solution), np.nan)


def covariance(solution: Solution, kind: str = "observed") -> np.ndarray:
    """Compute the covariance of the natural parameters, f[..., q, q], in the order of `names` (delta method).

    NaN unless converged, where the matrix it needs is singular, and where the distribution has no regular standard
    errors (gev and gpd with shape <= -1/2).

    Args:
        kind: `"observed"`, J^-1; `"expected"`, the inverse expected information; `"opg"`, K^-1; `"robust"`,
            J^-1 K J^-1, right also when the model is wrong (White 1982, *Econometrica* 50, 1-25).
    """
    found = matrices.delta(solution.jacobian, in_coordinates(solution, kind))
    return found[0] if solution.single else found


def standard_errors(solution: Solution, kind: str = "observed") -> Params:
    """Compute standard errors, the square roots of the diagonal of `covariance(kind)`, in the structure of params; 0 if pinned."""
    return solution.structured(matrices.standard_deviations(in_coordinates(solution, kind), solution.jacobian))
