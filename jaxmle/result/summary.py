"""Results as plain text that a person can read."""

from math import erfc, sqrt

import jax
import numpy as np

from jaxmle._engine.retry import ATTEMPTS
from jaxmle._engine.solution import Solution
from jaxmle._solver.explain import explain as rule_and_evidence
from jaxmle._solver.status import Status, at_limit
from jaxmle._util.text_tables import aligned, number
from jaxmle.inference.covariance import held_at_limit, standard_errors
from jaxmle.inference.events import events
from jaxmle.inference.information_criteria import aic, bic
from jaxmle.inference.intervals import interval
from jaxmle.inference.messages import message
from jaxmle.result.columns import status_counts

_WIDTH = 78
_SHOWN = 10
_ENOUGH = 10
"Observations, or events, for each free parameter under which the summary warns."


def _tail(z: float) -> float:
    """P(|Z| > z)."""
    return erfc(z / sqrt(2))


def table_one(solution: Solution, level: float, kind: str) -> str:
    """Format the summary of one fit, in the layout of statsmodels."""
    outcome, ends = solution.outcome, interval(solution, level, kind=kind)
    flat = {"value": solution.natural[0], "se": solution.flat(standard_errors(solution, kind))[0]}
    flat |= {"low": solution.flat(ends.lower)[0], "high": solution.flat(ends.upper)[0]}
    spaces = [s for s in jax.tree.leaves(solution.model.space) for _ in range(int(np.prod(s.value_shape)))]
    pinned = [s.kind.name == "pinned" for s in spaces]
    free = ~np.array(pinned, bool)
    percent = f"{100 * (1 - level) / 2:g}%", f"{100 * (1 + level) / 2:g}%"
    rows: list[tuple[str, ...]] = [("", "estimate", "std err", "z", "P>|z|", *percent)]
    for j, name in enumerate(solution.model.value_names):
        x, se = flat["value"][j], flat["se"][j]
        tested = spaces[j].kind.name == "real" and se > 0
        z = (number(x / se, 3), f"{_tail(abs(x / se)):.3f}") if tested else ("", "")
        error = "(pinned)" if pinned[j] else number(se)
        bounds = ("", "") if pinned[j] else (number(flat["low"][j]), number(flat["high"][j]))
        rows.append((name, number(x), error, *z, *bounds))
    name = solution.model.label
    left = [
        ("Model:", name),
        ("No. observations:", f"{solution.n_observations[0]:g}"),
        ("Free parameters:", str(solution.model.free)),
    ]
    left += [
        (
            "Steps:",
            f"{outcome.steps[0]}"
            + (f" ({outcome.newton_steps[0]} of them Newton's)" if outcome.newton_steps[0] else ""),
        ),
        ("Covariance:", kind),
    ]
    sup = "" if outcome.attained[0] or not at_limit(outcome.status[0]) else " (supremum)"
    right = [
        ("Log-likelihood:", number(-outcome.value[0]) + sup),
        ("AIC:", number(aic(solution)[0])),
        ("BIC:", number(bic(solution)[0])),
    ]
    right += [("Decrement:", f"{outcome.decrement[0]:.1e}"), ("Dropped rows:", f"{solution.dropped[0]}")]
    body = aligned(rows)
    wide = max(_WIDTH, *(len(line) for line in body))
    half = wide // 2 - 1
    head = [
        f"{a}{b.rjust(half - len(a))}  {c}{d.rjust(wide - half - 2 - len(c))}"
        for (a, b), (c, d) in zip(left, right, strict=True)
    ]
    title = "Maximum likelihood".center(wide).rstrip()
    lines = [title, "=" * wide, *head, "=" * wide, body[0], "-" * wide, *body[1:], "=" * wide]
    scale = "on the scale of each parameter's space (log for positive, logit between bounds), mapped back"
    lines += [
        f"Verdict: {message(solution)}",
        f"Intervals: {scale}" if solution.certified[0] or np.isfinite(flat["se"][free]).any() else "",
        several(solution),
        small(solution),
    ]
    return "\n".join(line for line in lines if line)


def table_many(solution: Solution, level: float, kind: str) -> str:
    """Format the summary of a batch: the verdicts counted, and the first fits."""
    counts = ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in status_counts(solution).items())
    name = solution.model.label
    part = solution.take(np.arange(min(solution.size, _SHOWN)))
    errors, values = part.flat(standard_errors(part, kind)), part.natural
    rows = [("", *(f"{n} (se)" for n in solution.model.value_names), "log-lik", "n", "status")]
    for i in range(part.size):
        cells = [
            f"{number(x)} ({number(se)})" if np.isfinite(se) else number(x)
            for x, se in zip(values[i], errors[i], strict=True)
        ]
        status = Status(int(part.outcome.status[i])).name.lower()
        rows.append((part.label(i), *cells, number(-part.outcome.value[i]), f"{part.n_observations[i]:g}", status))
    body = aligned(rows)
    more = [f"... and {solution.size - _SHOWN:,} more"] if solution.size > _SHOWN else []
    notes = [retried(solution), dropped(solution), several(solution), small(solution)]
    lines = [f"{solution.size:,} fits of {name}: {counts}", *body, *more, *notes]
    return "\n".join(line for line in lines if line)


def small(solution: Solution) -> str:
    """Say what to use instead of Wald's errors where there are few observations, or events, for each free parameter."""
    n, k = solution.n_observations, solution.model.free
    found, with_errors = events(solution), solution.regular | held_at_limit(solution).any(1)
    if not with_errors.any():
        return ""
    many = np.stack([n, n], axis=1) if found is None else found
    response = solution.model.response
    trials = response is not None and not response.intervals and bool(response.known) and k == 1  # a row is many trials
    few_rows, few_events = with_errors & (n < _ENOUGH * k) & (not trials), with_errors & (many[:, 0] < _ENOUGH * k)
    few = few_rows | few_events
    if not few.any():
        return ""
    advice = (
        "prefer interval(method='profile') and likelihood_ratio, or a parametric bootstrap: refits of simulate(key)"
    )
    if response is not None and response.intervals:
        advice += " (censored as its rows show, or as models.censored(..., scheme=) states)"
    if len(n) > 1:
        what = "observations" if found is None else "events"
        who = f"{few.sum():,} of {len(n):,} fits have under {_ENOUGH} {what} for each free parameter"
    elif few_events[0] and (trials or many[0, 0] < n[0]):
        count, of = many[0]
        who = f"{count:g} event{'' if count == 1 else 's'} of {of:g}, under {_ENOUGH} for each free parameter"
    else:
        who = f"{n[0] / k:.3g} observations for each free parameter, under {_ENOUGH}"
    return f"Small sample: {who}. Standard errors and Wald intervals need large n; {advice}."


def retried(solution: Solution) -> str:
    """Say how many fits a retry found, and which attempt; nothing where none did."""
    counts = np.bincount(solution.outcome.attempt, minlength=len(ATTEMPTS))[1:]
    found = ", ".join(f"{n:,} with {name}" for n, name in zip(counts, ATTEMPTS[1:], strict=True) if n)
    return f"Found by a retry: {found}" if found else ""


def dropped(solution: Solution) -> str:
    """Say how many rows were left out because a value was missing; nothing where none was."""
    counts = solution.dropped
    sets = np.count_nonzero(counts)
    where = f", in {sets:,} of {len(counts):,} data sets" if len(counts) > 1 else ""
    return f"Dropped: {counts.sum():,} rows with a missing value{where}" if sets else ""


def several(solution: Solution) -> str:
    """Say what several starts found; nothing where there was one."""
    found = solution.info.get("starts") if solution.starts is not None else None
    if found is None:
        return ""
    if not solution.single:
        many = np.count_nonzero(found["maxima"] > 1)
        return f"Starts: {found['starts']} for each data set; {many:,} of {solution.size:,} have more than one maximum"
    ends = ", ".join(f"{number(m['log_likelihood'])} ({m['starts']})" for m in found["maxima"][:_SHOWN])
    count, more = len(found["maxima"]), ", ..." if len(found["maxima"]) > _SHOWN else ""
    to = f", to {count} {'maximum' if count == 1 else 'maxima'}: {ends}{more}" if count else ""
    return f"Starts: {found['starts']}, {found['converged']} converged{to}"


def explain(solution: Solution, index: int = 0) -> str:
    """Say which rule decided on one fit, why, and what the evidence was against its thresholds.

    Example:
        >>> import jaxmle as jm
        >>> print(jm.fit("exponential", [1.0, 2.0, 3.0]).explain())  # doctest: +ELLIPSIS
        converged...
    """
    return rule_and_evidence(solution.outcome, index, solution.options.get("tolerance"))
