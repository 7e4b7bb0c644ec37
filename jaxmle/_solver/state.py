"""The records of the solver: the state of a fit between two steps, and its outcome."""

from typing import Any, Generic, NamedTuple, TypeVar

from jaxmle._solver.evidence import Evidence
from jaxmle._solver.status import Status
from jaxmle._util.arrays import Array, Bool, Float, Int, Params

A = TypeVar("A")
"What the leaves of a record are: arrays of a traced program, arrays of NumPy, or one flag for each."

RUNNING, NOMINATED = -1, -2
"Codes of a fit that has not ended: its ascent goes on, or another method has nominated a point. No outcome has one."

NEVER_RAN = (
    Status.NO_DATA, Status.OUTSIDE_SUPPORT, Status.NO_FINITE_START, Status.BAD_WEIGHTS, Status.MISSING_VALUES
)  # fmt: skip
"Verdicts without an estimate: every number is NaN."


class State(NamedTuple):
    """The state of one fit between two steps.

    Attributes:
        u, opt: the candidate (pytree of coordinates) and the optimizer's state.
        begin: the start, f[p].
        best, value: the best point so far, f[p], and its negative log-likelihood, f[].
        evidence, rule: for the verdict, or None for another method's ascent, and which of `RULES` decided, int[].
        status, steps: RUNNING or a code, int[]; evaluations so far, int[].
    """

    u: Params
    opt: Any
    begin: Float[Array, " p"]
    best: Float[Array, " p"]
    value: Float[Array, ""]
    evidence: Evidence | None
    rule: Int[Array, ""]
    status: Int[Array, ""]
    steps: Int[Array, ""]


class Outcome(NamedTuple, Generic[A]):
    """The outcome of one fit; every number belongs to the point `u`.

    Attributes:
        u: unconstrained coordinates, f[p].
        value: negative weighted log-likelihood, f[].
        information: observed information, f[p, p].
        decrement: predicted gain of the log-likelihood, f[].
        status: `Status` code, int[].
        steps: evaluations in all, int[].
        newton_steps: how many of them Newton's method took after another method had nominated a point, int[].
        direction, travel: the last steps, and the difference from the start, f[p].
        attained: whether the log-likelihood is reached at the reported params, bool[].
        attempt: the further attempt that succeeded, int[]; 0 where none was needed, or none did.
        rule: which rule decided, an index of `verdict.NAMED`, int[].
        evidence: the numbers that it rests on, f[k]; `evidence.STORED` names the numbers.
    """

    u: Float[A, " p"]
    value: Float[A, ""]
    information: Float[A, "p p"]
    decrement: Float[A, ""]
    status: Int[A, ""]
    steps: Int[A, ""]
    newton_steps: Int[A, ""]
    direction: Float[A, " p"]
    travel: Float[A, " p"]
    attained: Bool[A, ""]
    attempt: Int[A, ""]
    rule: Int[A, ""]
    evidence: Float[A, " k"]
