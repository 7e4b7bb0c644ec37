"""A point found above a fit's own maximum: the ascent from it, and the solution that takes the fit's place."""

import dataclasses
import sys
import warnings

import numpy as np

from jaxmle._engine.plan import Plan
from jaxmle._engine.solution import Solution
from jaxmle._engine.solve import solve
from jaxmle._solver.state import Outcome
from jaxmle._solver.status import at_limit
from jaxmle._util.arrays import Bool, Float
from jaxmle._util.text_tables import number

_LEAST = 1e-6
"Of log-likelihood: what lies less above a maximum is taken for its rounding."

_SHOWN = 8
"Parameters that a warning names."


def supported(solution: Solution) -> Bool[np.ndarray, " B"]:
    """Tell which fits a likelihood interval can be drawn around: regular maxima, and limits with a finite supremum."""
    limit = at_limit(solution.outcome.status) & np.isfinite(solution.outcome.value)
    rule = solution.model.geometry.regular
    return solution.regular | (limit if rule is None else np.zeros_like(limit))


def is_above(solution: Solution, value: Float[np.ndarray, " B"]) -> Bool[np.ndarray, " B"]:
    """Tell which log-likelihoods lie above the fit's by more than rounding and what the fit says is left to gain."""
    best, left = -solution.outcome.value, solution.outcome.decrement
    with np.errstate(invalid="ignore"):
        rounding = 1e3 * np.finfo(solution.outcome.u.dtype).eps * np.abs(best)
        return value - best > _LEAST + rounding + np.where(np.isfinite(left), 2 * left, 0.0)


def ascended(
    solution: Solution, value: Float[np.ndarray, " B"], point: Float[np.ndarray, "B q"]
) -> tuple[Bool[np.ndarray, " B"], Solution]:
    """Ascend from points above the fits' own maxima: which fits have a higher maximum, bool[B], and the solution with those.

    Only a certified maximum, or a limit with a finite supremum, takes a fit's place.

    Args:
        value: the highest log-likelihood found of each fit; -inf where none was.
        point: its natural parameters.
    """
    above = is_above(solution, value)
    if not above.any():
        return above, solution
    at = np.flatnonzero(above)
    part = solution if solution.single else solution.take(at)
    found = solve(part.model, part.batch, Plan(start=part.structured(point[at]), dtype=part.outcome.u.dtype))
    better = supported(found) & is_above(part, -found.outcome.value)
    above[at] = better
    outcome = Outcome(
        *(_replaced(old, at, better, new) for old, new in zip(solution.outcome, found.outcome, strict=True))
    )
    return above, dataclasses.replace(solution, outcome=outcome, starts=None)


def warn(solution: Solution, higher: Solution, which: Bool[np.ndarray, " B"]) -> None:
    """Warn that fits are not at the highest point: how many, where the first one's is, and how to fit from there."""
    first = int(np.flatnonzero(which)[0])
    gain = solution.outcome.value[first] - higher.outcome.value[first]
    names = solution.model.value_names
    shown = ", ".join(f"{n}={number(x)}" for n, x in zip(names[:_SHOWN], higher.natural[first], strict=False))
    more = ", ..." if len(names) > _SHOWN else ""
    who = "this fit is not" if solution.single else f"{which.sum():,} of {len(which):,} fits are not"
    whose = "" if solution.single else f" in data set {solution.label(first)}"
    warnings.warn(
        f"{who} at the highest point of the likelihood: a maximum {number(gain)} higher was found on the way{whose}, at "
        f"{shown}{more}. What you get is around that one; fit again from there with start=, or with starts=10",
        UserWarning,
        stacklevel=_levels_to_caller(),
    )


def _levels_to_caller() -> int:
    """Count the frames from `warn` to the first one outside this package: the line that a warning should name."""
    frame, levels = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "jaxmle":
        frame, levels = frame.f_back, levels + 1
    return levels


def _replaced(old: np.ndarray, at: np.ndarray, better: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Copy an array of all fits [B, ...], with the better of the fits at positions `at` in their places."""
    out = np.array(old)
    out[at[better]] = new[better]
    return out
