"""Which rule decided on a fit, and on what evidence, in words that a statistician reads."""

import numpy as np

from jaxmle._solver.evidence import NOTED
from jaxmle._solver.state import Outcome
from jaxmle._solver.status import Status
from jaxmle._solver.verdict import NAMED, Condition, Rule

WORDS = {
    "evaluations": "evaluations",
    "decrement": "log-likelihood still to be gained (the decrement)",
    "decrement_before": "log-likelihood that was to be gained one step before",
    "lowest_pivot": "lowest pivot of the information scaled to unit diagonal, in units of the least that can be trusted",
    "curvature_ratio": "curvature along the last step after it, relative to before",
    "curvature_retained": "least share of its curvature that a coordinate kept along the last step",
    "tail_rate": "factor by which slope and curvature fell together along the last steps",
    "left": "log-likelihood that is left",
    "rise": "log-likelihood per observation that the next step promised",
    "gaining": "steps in a row over which the log-likelihood that a step promises grew, the curvature turned away",
    "furthest": "furthest that a logarithm or a logit went from where the climb began, of half the range of numbers",
    "narrowness": "how narrow the density is, as a logarithm, or how far a logarithm or a logit went",
    "resolution": "spacing of numbers at the estimate, in units of what one observation says",
    "inward": "log-likelihood that a step inward from the limit loses",
}
"What the pieces of evidence are called."

TESTED = {
    "accepted": ("the last step was accepted", "the last step was not accepted"),
    "undamped": ("the next step is Newton's own", "the next step is damped"),
    "definite": ("the information is positive definite", "the information is not positive definite"),
    "certain": ("the information is positive definite", "the information is not positive definite"),
    "tailing": ("slope and curvature fell together along the last step", "they did not along the last step"),
    "vanished": (
        "some logarithm or logit has neither slope nor curvature left",
        "every parameter still has slope or curvature",
    ),
    "leaves": ("a boundary is left", "no parameter is on its way out of a boundary"),
    "minute": ("the next step is below the last digit or the tolerance", "the next step is above the last digit"),
    "stuck": ("no step, however short, raises the log-likelihood", "steps still raise the log-likelihood"),
    "varies": ("rows of the data differ", "all rows of the data are the same"),
}
"What the questions of yes or no say."


def explain(outcome: Outcome, index: int, tolerance: float | None) -> str:
    """Say which rule decided on one fit, why, and what the evidence was against its thresholds.

    Args:
        outcome: of a batch.
        index: which fit of it.
        tolerance: log-likelihood that was allowed to be left; None where that is not known.
    """
    status, number = Status(int(outcome.status[index])), int(outcome.rule[index])
    head = f"{status.name.lower().replace('_', ' ')}"
    if not 0 <= number < len(NAMED):
        return f"{head}: which rule decided was not kept (a file from before rules had names); fit again to know"
    rule, numbers = NAMED[number], _numbers(outcome, index, tolerance)
    lines = [f"{head}, by the rule '{rule.name}': {rule.why}."]
    lines += [f"  {text}" for text in dict.fromkeys(_line(c, numbers, rule) for c in rule.conditions) if text]
    if np.isfinite(inward := numbers.get("inward", np.nan)):
        lines.append(f"  {WORDS['inward']}: {inward:.2g}" + (" (it gains: there is no limit)" if inward < 0 else ""))
    if status.ok and not rule.conditions:
        lines.append("  no climb: the estimate is exact")
    return "\n".join(lines)


def _numbers(outcome: Outcome, index: int, tolerance: float | None) -> dict[str, float]:
    """Return the evidence that the outcome keeps, by name."""
    kept = dict(zip(NOTED, map(float, outcome.evidence[index]), strict=False))
    kept |= {"decrement": float(outcome.decrement[index]), "evaluations": float(outcome.steps[index])}
    return kept | ({} if tolerance is None else {"tolerance": tolerance, "allowed": tolerance})


def _line(c: Condition, numbers: dict[str, float], rule: Rule) -> str:
    """Return one condition in words, with the number that met it; empty where it says nothing of its own."""
    if c.relation == "is":
        return TESTED[c.evidence][0 if c.threshold else 1]
    if c.evidence == "evaluations" and c.threshold == 1:
        return ""
    both = [x.threshold for x in rule.conditions if x.evidence == c.evidence and not isinstance(x.threshold, str)]
    if len(both) == 2:
        bound = f"between {min(both):g} and {max(both):g}"
    else:
        at = c.threshold
        shown = f"{at:g}" if not isinstance(at, str) else f"the {at}" + (f", {numbers[at]:g}" if at in numbers else "")
        bound = {"<=": "at most", "<": "below", ">=": "at least", ">": "above"}[c.relation] + f" {shown}"
    value = numbers.get(c.evidence, np.nan)
    return (
        f"{WORDS[c.evidence]}: {value:.3g} ({bound})"
        if not np.isnan(value)
        else f"{WORDS[c.evidence]}: not kept ({bound})"
    )
