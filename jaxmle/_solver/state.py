"""The records of the loop: one fit on its way, and what it ends with."""

from typing import Any, NamedTuple

from jaxmle._solver.status import Status

RUNNING, NOMINATED = -1, -2
"Codes of a fit that has not ended; no outcome has one."

NEVER_RAN = (
    Status.NO_DATA, Status.OUTSIDE_SUPPORT, Status.NO_FINITE_START, Status.BAD_WEIGHTS, Status.MISSING_VALUES
)  # fmt: skip
"Verdicts that leave nothing to report: every number is NaN."


class State(NamedTuple):
    """One fit on its way.

    Attributes:
        u, opt: evolving: the candidate (pytree of coordinates) and the optimizer's state.
        begin: where it began, f[p].
        best, value: reported: the best point so far, f[p], and its negative log-likelihood, f[].
        evidence, rule: what the verdict rests on, or None for another method's climb, and which of `RULES` decided, int[].
        status, steps: RUNNING or a code, int[]; evaluations so far, int[].
    """

    u: Any
    opt: Any
    begin: Any
    best: Any
    value: Any
    evidence: Any
    rule: Any
    status: Any
    steps: Any


class Outcome(NamedTuple):
    """What a fit ends with; every number belongs to the point `u`.

    Attributes:
        u: unconstrained coordinates, f[p].
        value: negative weighted log-likelihood, f[].
        information: observed information, f[p, p].
        decrement: log-likelihood still to be gained, f[].
        status: `Status` code, int[].
        steps: evaluations in all, int[].
        polish: how many of them were Newton's, after another method's nomination, int[].
        direction, travel: the last steps, and the whole way from the start, f[p].
        attained: whether the log-likelihood is reached at the reported params, bool[].
        rung: how many more attempts it took, int[]; `_rungs` counts them.
        rule: which rule decided, an index of `verdict.NAMED`, int[].
        evidence: what it rests on, f[k]; `evidence.NOTED` names the numbers.
    """

    u: Any
    value: Any
    information: Any
    decrement: Any
    status: Any
    steps: Any
    polish: Any
    direction: Any
    travel: Any
    attained: Any
    rung: Any
    rule: Any
    evidence: Any
