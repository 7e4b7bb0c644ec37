"""Explanations of verdicts: the rule that decided on a fit, and the evidence against its thresholds, in words."""

import numpy as np

from jaxmle._solver.evidence import STORED
from jaxmle._solver.state import Outcome
from jaxmle._solver.status import Status
from jaxmle._solver.verdict import NAMED, Condition, Rule

WORDS = {
    "evaluations": "evaluations",
    "decrement": "predicted gain of the log-likelihood (the decrement)",
    "decrement_before": "predicted gain of the log-likelihood one step before",
    "lowest_pivot": "lowest pivot of the information scaled to unit diagonal, in units of the least that exceeds rounding",
    "curvature_ratio": "curvature along the last step, after it relative to before",
    "curvature_retained": "least ratio of a coordinate's curvature after the last step to before",
    "tail_rate": "factor by which slope and curvature fell together along the last steps",
    "predicted_gain": "predicted gain of the log-likelihood, the lesser of two estimates",
    "predicted_gain_per_weight": "predicted gain per observation of the next step",
    "growing_gain": "steps in a row over which the predicted gain grew while the information was not positive definite",
    "furthest": "greatest distance of a logarithm or a logit from the start of the ascent, relative to half the range of numbers",
    "narrowness": "narrowness of the density, as a logarithm, or distance of a logarithm or a logit from its start",
    "resolution": "spacing of numbers at the estimate, in units of the standard error from one observation",
    "left": "the greater of the predicted gain and of what the last digit of the parameters is worth",
    "unresolved": "possible gain within one unit in the last place of the parameters",
    "inward": "log-likelihood that a step inward from the limit loses",
}
"The numbers of the evidence in words."

TESTED = {
    "accepted": ("the last step was accepted", "the last step was not accepted"),
    "undamped": ("the next step is Newton's own", "the next step is damped"),
    "definite": ("the information is positive definite", "the information is not positive definite"),
    "certain": ("the information is positive definite", "the information is not positive definite"),
    "tailing": ("slope and curvature fell together along the last step", "they did not along the last step"),
    "vanished": (
        "some logarithm or logit has neither slope nor curvature left",
        "every logarithm and logit has slope or curvature",
    ),
    "leaves_boundary": ("a parameter moves away from a boundary", "no parameter moves away from a boundary"),
    "negligible_step": (
        "the next step is below the last digit or the tolerance",
        "the next step is above the last digit",
    ),
    "overdamped": ("no step, however short, raises the log-likelihood", "steps still raise the log-likelihood"),
    "varies": ("rows of the data differ", "all rows of the data are the same"),
}
"The truth values of the evidence in words: where true, and where false."


def explain(outcome: Outcome, index: int, tolerance: float | None) -> str:
    """Write in words which rule decided on one fit, why, and the evidence against its thresholds.

    Args:
        outcome: of a batch.
        index: which fit of it.
        tolerance: the greatest predicted gain at which the fit counts as converged; None where that is not known.
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
        lines.append("  no ascent: the estimate is exact")
    return "\n".join(lines)


def _numbers(outcome: Outcome, index: int, tolerance: float | None) -> dict[str, float]:
    """Return the evidence that the outcome stores, by name."""
    kept = dict(zip(STORED, map(float, outcome.evidence[index]), strict=False))
    kept |= {"decrement": float(outcome.decrement[index]), "evaluations": float(outcome.steps[index])}
    return kept | ({} if tolerance is None else {"tolerance": tolerance, "allowed": tolerance})


def _line(c: Condition, numbers: dict[str, float], rule: Rule) -> str:
    """Write one condition in words, with the number that met it; empty where another condition implies it."""
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
