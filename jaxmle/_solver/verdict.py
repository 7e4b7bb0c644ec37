"""How a climb ends: the certificate of a maximum, and the table of rules that name what is none; the first that holds decides."""

from typing import NamedTuple

import jax.numpy as jnp

from jaxmle._solver.evidence import Evidence
from jaxmle._solver.state import RUNNING
from jaxmle._solver.status import Status
from jaxmle._util.arrays import Array, Bool, Int


class Condition(NamedTuple):
    """One piece of evidence against a threshold.

    Attributes:
        evidence: a field of `Evidence`.
        relation: `"<="`, `"<"`, `">="`, `">"`, or `"is"`.
        threshold: a number, a truth value, or the field of `Evidence` that is the threshold.
    """

    evidence: str
    relation: str
    threshold: float | bool | str

    def holds(self, e: Evidence) -> Bool[Array, ""]:
        """Return whether it holds, bool[]."""
        x, at = getattr(e, self.evidence), self.threshold
        if self.relation == "is":
            return x if at else ~x
        at = getattr(e, at) if isinstance(at, str) else at
        match self.relation:
            case "<=":
                return x <= at
            case "<":
                return x < at
            case ">=":
                return x >= at
            case _:
                return x > at


class Rule(NamedTuple):
    """A verdict on the likelihood.

    Attributes:
        name: what `Fit.explain` calls it.
        status: how the fit ends where all conditions hold.
        conditions: what must hold.
        why: one sentence for a reader who asks why that is so.
    """

    name: str
    status: Status
    conditions: tuple[Condition, ...]
    why: str

    def holds(self, e: Evidence) -> Bool[Array, ""]:
        """Return whether all conditions hold, bool[]."""
        result = self.conditions[0].holds(e)
        for condition in self.conditions[1:]:
            result = result & condition.holds(e)
        return result


def _all(*conditions: Condition | tuple[Condition, ...]) -> tuple[Condition, ...]:
    return tuple(y for x in conditions for y in (x if isinstance(x, tuple) and not isinstance(x, Condition) else (x,)))


C = Condition

FAR = 0.75
"From this share of half the range of exponents on a logarithm is beyond numbers: a factor of 1e115 in float64, 1e14 in float32."

SETTLED = 0.1
"By how much the curvature along a step may change, relative to itself, where it has settled; a tail changes it by e^-1 - 1."

KEPT = 0.5
"The share of each coordinate's own curvature that a certificate asks for; a tail keeps e^-1 of it a step at most."

BENT = 0.1
"A settled step along which some coordinate keeps less than this is one along a ridge that bends."

LITTLE = 1e-4
"Log-likelihood that may be left in a tail whose rate is well known, or whose curvature is gone; a tenth where it is not."

MOST = 1e-2
"By what factor slope and curvature must have fallen together, over steps in a row, before they are called a tail."

WELL = 1e-4
"By what factor they have fallen where the tail's rate is well known."

RISES = 1e-3
"Log-likelihood that a step promises per unit of weight where it still rises."

STEEP = 1e5
"Log-likelihood that a step promises per unit of weight on a rise that gains pace where the curvature is turned away."

GAINS = 5
"Steps in a row over which such a rise gains pace; from a far start it does over two or three."

NARROWEST = 20.0
"How narrow a density on equal rows must be, as a logarithm, before what ends the climb there is rounding."

_MOVED = C("evaluations", ">", 1)
_NEXT = C("accepted", "is", True)
_SETTLED = (C("curvature_ratio", ">=", 1 - SETTLED), C("curvature_ratio", "<=", 1 + SETTLED))
CERTIFICATE = _all(
    C("vanished", "is", False), _NEXT, C("definite", "is", True), _MOVED, _SETTLED, C("curvature_retained", ">=", KEPT)
)
"That the information is positive definite and the curvature has settled, whatever is left to be gained."
NOT_DEFINITE = C("definite", "is", False)
_NEWTON = (_NEXT, C("undamped", "is", True))
_STAYS = C("leaves", "is", False)
FLAT = _all(
    NOT_DEFINITE, _STAYS, C("lowest_pivot", "<=", 1e3), C("lowest_pivot", ">=", -1e3), C("decrement_before", "<=", "allowed"),
    _NEWTON, C("decrement", "<=", "allowed"),
)  # fmt: skip
"That along some direction neither slope nor curvature is left."
CURVED = _all(
    _SETTLED,
    _STAYS,
    C("curvature_retained", "<", BENT),
    C("tailing", "is", False),
    _NEWTON,
    C("decrement", "<=", "allowed"),
)
"That the curvature has settled along the step and vanished across it: half way between two rows of a Cauchy law, say."
NARROW = (C("varies", "is", False), C("narrowness", ">", NARROWEST))
CONSTANT = "where all rows are one row a density can be as narrow as numbers allow, and rounding ends the climb"
TAIL = "curvature and slope have fallen together: towards a maximum the curvature settles"

RULES = (
    Rule("no finite start", Status.NO_FINITE_START, (C("evaluations", "<=", 1), C("accepted", "is", False)),
         "the first evaluation gave no finite value, gradient and information"),
    Rule("point mass", Status.UNBOUNDED, _all(_NEXT, _MOVED, C("resolution", ">", 1.0)),
         "the density is narrower than the last digit of a coordinate"),
    Rule("certificate", Status.CONVERGED,
         _all(C("decrement", "<=", "tolerance"), C("decrement_before", "<=", "tolerance"), CERTIFICATE),
         "the log-likelihood still to be gained is within the tolerance, the information is positive definite, and the curvature "
         "along the last step has settled"),
    Rule("certificate to rounding", Status.CONVERGED_TO_ROUNDING,
         _all(C("decrement", ">", "tolerance"), C("decrement", "<=", "rounding"), C("decrement_before", "<=", "rounding"), CERTIFICATE),
         "what is still to be gained is less than rounding leaves unsure in the sum of the contributions"),
    Rule("certificate to the last digit", Status.CONVERGED_TO_ROUNDING,
         _all(C("decrement", ">", "tolerance"), C("minute", "is", True), CERTIFICATE),
         "the next step is less than one unit in the last place of each coordinate, or than the tolerance"),
    Rule("rise that gains pace", Status.UNBOUNDED,
         _all(_NEXT, _MOVED, NOT_DEFINITE, C("rise", ">", STEEP), C("gaining", ">=", GAINS)),
         "the curvature is not that of a maximum, and each step promises more than the one before"),
    Rule("endless rise", Status.UNBOUNDED,
         _all(C("furthest", ">", FAR), _NEXT, NOT_DEFINITE, C("rise", ">", RISES)),
         "a logarithm or a logit has gone beyond the range of numbers, and the log-likelihood still rises"),
    Rule("tail", Status.AT_INFINITY,
         (C("tailing", "is", True), C("tail_rate", "<", MOST), C("tail_rate", ">", WELL), C("left", "<=", 0.1 * LITTLE)), TAIL),
    Rule("long tail", Status.AT_INFINITY, (C("tailing", "is", True), C("tail_rate", "<=", WELL), C("left", "<=", LITTLE)), TAIL),
    Rule("end of a tail", Status.AT_INFINITY,
         (C("tailing", "is", False), C("certain", "is", False), C("tail_rate", "<", MOST), C("left", "<=", LITTLE)),
         TAIL + "; rounding hides the rest"),
    Rule("nothing left of a tail", Status.AT_INFINITY, (C("tailing", "is", False), C("tail_rate", "<", MOST), C("left", "<=", 0.0)),
         TAIL + "; no slope is left"),
    Rule("vanished coordinate", Status.AT_INFINITY, _all(C("vanished", "is", True), _MOVED, C("left", "<=", LITTLE)),
         "a logarithm or a logit has neither slope nor curvature left: the log-likelihood no longer depends on it"),
    Rule("far and flat", Status.AT_INFINITY, _all(C("furthest", ">", FAR), _NEXT, C("decrement", "<=", LITTLE)),
         "a logarithm or a logit has gone beyond the range of numbers, and nothing is left to be gained"),
    Rule("constant rows, many steps", Status.UNBOUNDED, _all(NARROW, C("evaluations", ">=", 25)), CONSTANT),
    Rule("constant rows, flat", Status.UNBOUNDED, _all(NARROW, FLAT), CONSTANT),
    Rule("constant rows, curved", Status.UNBOUNDED, _all(NARROW, CURVED), CONSTANT),
    Rule("constant rows, stuck", Status.UNBOUNDED, _all(NARROW, C("stuck", "is", True)), CONSTANT),
    Rule("flat ridge", Status.NOT_IDENTIFIED, FLAT, "along a combination of parameters neither slope nor curvature is left"),
    Rule("curved ridge", Status.NOT_IDENTIFIED, CURVED,
         "along a combination of parameters the curvature goes with the step: a ridge that bends, or its middle"),
    Rule("stuck far away", Status.UNBOUNDED, (C("stuck", "is", True), C("furthest", ">", FAR)),
         "no step from beyond the range of numbers has a finite log-likelihood that is higher"),
    Rule("stuck on a point mass", Status.UNBOUNDED, (C("stuck", "is", True), C("resolution", ">", 1.0)),
         "no step from a density narrower than the last digit raises the log-likelihood"),
    Rule("stuck", Status.STALLED, (C("stuck", "is", True),),
         "no step, however short, raises the log-likelihood, and there is no certificate"),
)  # fmt: skip
"Tried in this order."


OTHERWISE = (
    Rule("steps used up", Status.MAX_STEPS, (), "no rule held within the steps that were allowed"),
    Rule("closed form", Status.CONVERGED, (), "the maximum is a formula of the data, and the expected information certifies it"),
    Rule("data edge", Status.AT_DATA_EDGE, (), "the maximum has an end of the support, or a cusp, on an observation"),
    Rule("rows that are one", Status.UNBOUNDED, (), "the formula of the maximum is infinite, and the rows do not differ"),
    Rule("no formula", Status.STALLED, (), "the formula of the maximum gives no finite log-likelihood"),
    Rule("before the first step", Status.NOT_RUN, (), "the data, the weights or the start decided, or the fit did not run"),
    Rule("no curvature", Status.STALLED, (), "another method nominated a point where the information is not finite"),
    Rule("rise beside a limit", Status.MAX_STEPS, (), "beside the limit the other parameters still gain with each step"),
    Rule("rise inward", Status.STALLED, (),
         "a limit was in sight, but a step inward from it gains: the slope there does not point out of the space"),
    Rule("no ridge", Status.STALLED, (), "what seemed flat is not flat on both sides"),
    Rule("ridge to infinity", Status.AT_INFINITY, (), "a ridge is flat because it leads to infinity"),
    Rule("beyond numbers", Status.AT_INFINITY, (), "the maximum has a parameter that no number of this type can hold"),
    Rule("known limit", Status.AT_INFINITY, (), "the climb ended at a limit that the family lists, the highest of them"),
    Rule("certificate on a kink", Status.CONVERGED, (),
         "one parameter lies on a kink, where it is best, and the others have a certificate"),
    Rule("edge on a kink", Status.AT_DATA_EDGE, (), "one parameter lies on an observation, where the density has a cusp"),
    Rule("endless rise on a kink", Status.UNBOUNDED, (), "on a kink a logarithm falls without end, and the log-likelihood rises"),
)  # fmt: skip
"What decides where the table of rules does not: closed forms, and what settling finds."

NAMED = RULES + OTHERWISE
"All of them; an outcome names one by its index."


def number_of(name: str) -> int:
    """Return the index in `NAMED` of the rule called `name`."""
    return next(i for i, rule in enumerate(NAMED) if rule.name == name)


def ended_by(status: Int[Array, ""], rule: Int[Array, ""]) -> Int[Array, ""]:
    """Return the rule of a finished climb, int[]: what the table said, or what else ends one."""
    other = jnp.where(status == Status.MAX_STEPS, number_of("steps used up"), number_of("before the first step"))
    return jnp.where(rule >= 0, rule, other).astype(jnp.int32)


def decide(e: Evidence) -> tuple[Int[Array, ""], Int[Array, ""]]:
    """Return the status and the index in `RULES` of the first rule that holds; RUNNING and -1 where none does, int[] each."""
    status, rule = jnp.asarray(RUNNING, jnp.int32), jnp.asarray(-1, jnp.int32)
    for i, candidate in reversed(tuple(enumerate(RULES))):
        holds = candidate.holds(e)
        status, rule = jnp.where(holds, int(candidate.status), status), jnp.where(holds, i, rule)
    return status.astype(jnp.int32), rule.astype(jnp.int32)
