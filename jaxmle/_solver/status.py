"""Verdicts as data: the status of a fit, and a sentence that says what to try."""

import enum
from typing import Any, TypeVar

import numpy as np

from jaxmle._util.arrays import Array, Bool, Int

Codes = TypeVar("Codes", Array, np.ndarray, int)
"One code of `Status`, or an array of them."


class Status(enum.IntEnum):
    """Verdict of one fit. `Status(code).sentence` says what happened and what to try.

    >>> from jaxmle import Status
    >>> Status.CONVERGED.sentence
    'converged: the remaining gain in log-likelihood is below the tolerance'
    """

    CONVERGED = 0
    CONVERGED_TO_ROUNDING = 1
    MAX_STEPS = 2
    STALLED = 3
    NO_FINITE_START = 4
    AT_INFINITY = 5
    AT_BOUNDARY = 6
    NOT_IDENTIFIED = 7
    UNBOUNDED = 8
    NO_DATA = 9
    OUTSIDE_SUPPORT = 10
    NOT_RUN = 11
    BAD_WEIGHTS = 12
    MISSING_VALUES = 13
    AT_DATA_EDGE = 14

    @property
    def sentence(self) -> str:
        """What happened and what to try."""
        return _SENTENCES[self]

    @property
    def ok(self) -> bool:
        """Whether the fit is a certified maximum."""
        return bool(at_maximum(self))

    @property
    def at_limit(self) -> bool:
        """Whether the log-likelihood has a finite supremum that no interior point reaches."""
        return bool(at_limit(self))


_SENTENCES = {
    Status.CONVERGED: "converged: the remaining gain in log-likelihood is below the tolerance",
    Status.CONVERGED_TO_ROUNDING: "converged to rounding: the last step is below one unit in the last place; "
    "center or rescale the data if more digits are needed",
    Status.MAX_STEPS: "ran out of steps before the tolerance was met",
    Status.STALLED: "stalled: no step increases the log-likelihood, yet its slope is not zero or its curvature is that of a "
    "saddle; try another start, and run jaxmle.check on the model",
    Status.NO_FINITE_START: "no finite start: the log-likelihood or its derivatives are not finite at the start; "
    "give start=, and run jaxmle.check on the model",
    Status.AT_INFINITY: "maximum at infinity: the log-likelihood keeps increasing towards a limit and has no finite "
    "maximum; more data, a simpler model or a pinned parameter is needed (no standard errors there)",
    Status.AT_BOUNDARY: "maximum on the boundary of the parameter space; the limit is reported, and standard "
    "errors do not exist there",
    Status.NOT_IDENTIFIED: "not identified: the log-likelihood is flat along a direction; drop or pin one of the "
    "parameters named; where they are an intercept and a slope, centre the covariate (x - its mean)",
    Status.UNBOUNDED: "unbounded likelihood: it rises without limit; the data are constant or too few for the model, "
    "or the sign of the log-likelihood is reversed",
    Status.NO_DATA: "no data: no row has a positive weight",
    Status.OUTSIDE_SUPPORT: "data outside the support: some row is impossible under the model (at the start, or at any "
    "parameters)",
    Status.NOT_RUN: "not run: the batch was interrupted before this data set was finished",
    Status.BAD_WEIGHTS: "bad weights: a weight is negative or not a number; weights are frequencies, 0 or more, "
    "and in a series 0 (missing) or 1",
    Status.MISSING_VALUES: "missing values: a value is NaN; drop such rows with missing='drop', or pass missing='keep' "
    "to a model that knows what NaN means",
    Status.AT_DATA_EDGE: "maximum at a data edge: an end of the support, or a cusp of the density, is an observation, where "
    "the log-likelihood has no slope; the estimate is exact, and standard errors do not exist",
}

_FINE = (Status.CONVERGED, Status.CONVERGED_TO_ROUNDING, Status.AT_BOUNDARY, Status.AT_DATA_EDGE)
_FAILED = np.array([*(x not in _FINE for x in Status), True])  # the last for what still runs


def _among(status: Codes, one: Status, other: Status) -> Codes:
    """Return which codes are one of two, bool of the shape of `status`."""
    found: Any = (status == one) | (status == other)
    return found


def at_maximum(status: Codes) -> Codes:
    """Return which fits ended at a certified maximum, bool of the shape of `status`."""
    return _among(status, Status.CONVERGED, Status.CONVERGED_TO_ROUNDING)


def at_limit(status: Codes) -> Codes:
    """Return which fits have a finite supremum that no interior point reaches, bool of the shape of `status`."""
    return _among(status, Status.AT_INFINITY, Status.AT_BOUNDARY)


def undecided(status: Codes) -> Codes:
    """Return which fits ended without a verdict on the likelihood, bool of the shape of `status`."""
    return _among(status, Status.MAX_STEPS, Status.STALLED)


def failed(status: Int[np.ndarray, "..."]) -> Bool[np.ndarray, "..."]:
    """Return which fits ended neither at a maximum nor at an edge of what was allowed, bool of the shape of `status`."""
    return _FAILED[status]
