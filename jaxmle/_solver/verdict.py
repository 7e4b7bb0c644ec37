"""Verdicts: the certificate of a maximum and a table of rules for all other ends of an ascent; the first rule that holds decides."""

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
        name: its name in `Fit.explain`.
        status: how the fit ends where all conditions hold.
        conditions: all of them must hold.
        why: the reason, for `Fit.explain`.
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
    """Join conditions and tuples of them to one tuple."""
    return tuple(y for x in conditions for y in (x if isinstance(x, tuple) and not isinstance(x, Condition) else (x,)))


C = Condition

FAR = 0.75
"Share of half the range of exponents from which on a logarithm is beyond numbers: a factor of 1e115 in float64, 1e14 in float32."

SETTLED = 0.1
"By how much the curvature along a step may change, relative to itself, where it has settled; a tail changes it by e^-1 - 1."

KEPT = 0.5
"The least ratio of a coordinate's own curvature after a step to before with which a maximum is certified; in a tail it is e^-1 at most."

BENT = 0.1
"The ratio of a coordinate's own curvature after a settled step to before, below which the step is along a curved ridge."

LITTLE = 1e-4
"Greatest predicted gain in a tail whose rate is well known, or whose curvature has vanished; a tenth of it where the rate is not."

MOST = 1e-2
"The factor by which slope and curvature must have fallen together, over steps in a row, in a tail."

WELL = 1e-4
"The factor by which they have fallen where the tail's rate is well known."

RISES = 1e-3
"Least predicted gain of a step per unit of weight where the log-likelihood still increases."

STEEP = 1e5
"Least predicted gain of a step per unit of weight on an accelerating increase where the information is not positive definite."

GAINS = 5
"Steps in a row over which such an increase accelerates; from a far start it does over two or three."

NARROWEST = 20.0
"How narrow a density on equal rows must be, as a logarithm, for the end of the ascent to be one by rounding."

_MOVED = C("evaluations", ">", 1)
_NEXT = C("accepted", "is", True)
_SETTLED = (C("curvature_ratio", ">=", 1 - SETTLED), C("curvature_ratio", "<=", 1 + SETTLED))
CERTIFICATE = _all(
    C("vanished", "is", False), _NEXT, C("definite", "is", True), _MOVED, _SETTLED, C("curvature_retained", ">=", KEPT)
)
"The information is positive definite and the curvature has settled, whatever gain is predicted."
NOT_DEFINITE = C("definite", "is", False)
_NEWTON = (_NEXT, C("undamped", "is", True))
_STAYS = C("leaves_boundary", "is", False)
FLAT = _all(
    NOT_DEFINITE, _STAYS, C("lowest_pivot", "<=", 1e3), C("lowest_pivot", ">=", -1e3), C("decrement_before", "<=", "allowed"),
    _NEWTON, C("decrement", "<=", "allowed"),
)  # fmt: skip
"Along some direction both slope and curvature have vanished."
CURVED = _all(
    _SETTLED,
    _STAYS,
    C("curvature_retained", "<", BENT),
    C("tailing", "is", False),
    _NEWTON,
    C("decrement", "<=", "allowed"),
)
"The curvature has settled along the step and vanished across it: half way between two rows of a Cauchy sample, say."
NARROW = (C("varies", "is", False), C("narrowness", ">", NARROWEST))
CONSTANT = "where all rows are equal a density can be as narrow as numbers allow, and rounding ends the ascent"
TAIL = "curvature and slope have fallen together: towards a maximum the curvature settles"

RULES = (
    Rule("no finite start", Status.NO_FINITE_START, (C("evaluations", "<=", 1), C("accepted", "is", False)),
         "the first evaluation gave no finite value, gradient and information"),
    Rule("point mass", Status.UNBOUNDED, _all(_NEXT, _MOVED, C("resolution", ">", 1.0)),
         "the density is narrower than the last digit of a coordinate"),
    Rule("certificate", Status.CONVERGED,
         _all(C("decrement", "<=", "tolerance"), C("decrement_before", "<=", "tolerance"), C("unresolved", "<=", "tolerance"), CERTIFICATE),
         "the predicted gain of the log-likelihood is within the tolerance, the information is positive definite, and the curvature "
         "along the last step has settled"),
    Rule("certificate to rounding", Status.CONVERGED_TO_ROUNDING,
         _all(C("left", ">", "tolerance"), C("decrement", "<=", "rounding"), C("decrement_before", "<=", "rounding"), CERTIFICATE),
         "the predicted gain of the log-likelihood is less than the rounding error of the sum of the contributions, or than what one unit "
         "in the last place of the parameters is worth"),
    Rule("certificate to the last digit", Status.CONVERGED_TO_ROUNDING,
         _all(C("decrement", ">", "tolerance"), C("negligible_step", "is", True), CERTIFICATE),
         "the next step is less than one unit in the last place of each coordinate, or than the tolerance"),
    Rule("rise that gains pace", Status.UNBOUNDED,
         _all(_NEXT, _MOVED, NOT_DEFINITE, C("predicted_gain_per_weight", ">", STEEP), C("growing_gain", ">=", GAINS)),
         "the curvature is not that of a maximum, and the predicted gain of each step is greater than that of the one before"),
    Rule("endless rise", Status.UNBOUNDED,
         _all(C("furthest", ">", FAR), _NEXT, NOT_DEFINITE, C("predicted_gain_per_weight", ">", RISES)),
         "a logarithm or a logit has gone beyond the range of numbers, and the log-likelihood still increases"),
    Rule("tail", Status.AT_INFINITY,
         (C("tailing", "is", True), C("tail_rate", "<", MOST), C("tail_rate", ">", WELL), C("predicted_gain", "<=", 0.1 * LITTLE)), TAIL),
    Rule("long tail", Status.AT_INFINITY, (C("tailing", "is", True), C("tail_rate", "<=", WELL), C("predicted_gain", "<=", LITTLE)), TAIL),
    Rule("end of a tail", Status.AT_INFINITY,
         (C("tailing", "is", False), C("certain", "is", False), C("tail_rate", "<", MOST), C("predicted_gain", "<=", LITTLE)),
         TAIL + "; rounding hides the rest"),
    Rule("nothing left of a tail", Status.AT_INFINITY, (C("tailing", "is", False), C("tail_rate", "<", MOST), C("predicted_gain", "<=", 0.0)),
         TAIL + "; the slope has vanished"),
    Rule("vanished coordinate", Status.AT_INFINITY, _all(C("vanished", "is", True), _MOVED, C("predicted_gain", "<=", LITTLE)),
         "a logarithm or a logit has neither slope nor curvature: the log-likelihood no longer depends on it"),
    Rule("far and flat", Status.AT_INFINITY, _all(C("furthest", ">", FAR), _NEXT, C("decrement", "<=", LITTLE)),
         "a logarithm or a logit has gone beyond the range of numbers, and no further gain is predicted"),
    Rule("constant rows, many steps", Status.UNBOUNDED, _all(NARROW, C("evaluations", ">=", 25)), CONSTANT),
    Rule("constant rows, flat", Status.UNBOUNDED, _all(NARROW, FLAT), CONSTANT),
    Rule("constant rows, curved", Status.UNBOUNDED, _all(NARROW, CURVED), CONSTANT),
    Rule("constant rows, stuck", Status.UNBOUNDED, _all(NARROW, C("overdamped", "is", True)), CONSTANT),
    Rule("flat ridge", Status.NOT_IDENTIFIED, FLAT, "along a combination of parameters both slope and curvature have vanished"),
    Rule("curved ridge", Status.NOT_IDENTIFIED, CURVED,
         "along a combination of parameters the curvature vanishes with the step: a curved ridge, or its middle"),
    Rule("stuck far away", Status.UNBOUNDED, (C("overdamped", "is", True), C("furthest", ">", FAR)),
         "no step from beyond the range of numbers has a finite log-likelihood that is higher"),
    Rule("stuck on a point mass", Status.UNBOUNDED, (C("overdamped", "is", True), C("resolution", ">", 1.0)),
         "no step from a density narrower than the last digit raises the log-likelihood"),
    Rule("stuck", Status.STALLED, (C("overdamped", "is", True),),
         "no step, however short, raises the log-likelihood, and there is no certificate"),
)  # fmt: skip
"The table of rules, in the order in which they are tried."


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
    Rule("known limit", Status.AT_INFINITY, (), "the ascent ended at a limit that the family lists, the highest of them"),
    Rule("certificate on a kink", Status.CONVERGED, (),
         "one parameter lies on a kink, where it is best, and the others have a certificate"),
    Rule("edge on a kink", Status.AT_DATA_EDGE, (), "one parameter lies on an observation, where the density has a cusp"),
    Rule("endless rise on a kink", Status.UNBOUNDED, (), "on a kink a logarithm falls without end, and the log-likelihood rises"),
)  # fmt: skip
"Verdicts outside the table of rules: of closed forms, and of the settling stage."

NAMED = RULES + OTHERWISE
"All rules; an outcome names one by its index."


def number_of(name: str) -> int:
    """Return the index in `NAMED` of the rule called `name`."""
    return next(i for i, rule in enumerate(NAMED) if rule.name == name)


def ended_by(status: Int[Array, ""], rule: Int[Array, ""]) -> Int[Array, ""]:
    """Return the index of the rule that ended an ascent, int[]: that of the table, or of what else ends one."""
    other = jnp.where(status == Status.MAX_STEPS, number_of("steps used up"), number_of("before the first step"))
    return jnp.where(rule >= 0, rule, other).astype(jnp.int32)


def decide(e: Evidence) -> tuple[Int[Array, ""], Int[Array, ""]]:
    """Return the status and the index in `RULES` of the first rule that holds; RUNNING and -1 where none does, int[] each."""
    status, rule = jnp.asarray(RUNNING, jnp.int32), jnp.asarray(-1, jnp.int32)
    for i, candidate in reversed(tuple(enumerate(RULES))):
        holds = candidate.holds(e)
        status, rule = jnp.where(holds, int(candidate.status), status), jnp.where(holds, i, rule)
    return status.astype(jnp.int32), rule.astype(jnp.int32)
