"""Messages about fits: the sentence of a status, the parameters that it is about, and what to try."""

import jax
import numpy as np

from jaxmle._engine.build import unread
from jaxmle._engine.plan import Plan
from jaxmle._engine.retry import ATTEMPTS
from jaxmle._engine.solution import Solution
from jaxmle._solver.evidence import STORED
from jaxmle._solver.state import NEVER_RAN
from jaxmle._solver.status import Status
from jaxmle._util.compile import float64
from jaxmle.inference.covariance import held_at_limit
from jaxmle.model.contract import percent
from jaxmle.model.unsaved import is_unsaved

SHOWN_ABOVE = 1e-9
"The gain in log-likelihood, out of reach of rounding, from which on it is worth a word."


def message(solution: Solution, index: int = 0) -> str:
    """Say what happened to one fit, with the direction named, and what to try."""
    status = Status(int(solution.outcome.status[index]))
    where = _where(solution, index)
    head, colon, tail = status.sentence.partition(":")
    text = status.sentence if not where else f"{head} ({where}):{tail}" if colon else f"{status.sentence} ({where})"
    attempt = int(solution.outcome.attempt[index])
    retry = [f"found by a retry, with {ATTEMPTS[attempt]}"] if attempt else []
    return "; ".join([text, *retry, *_hints(solution, index, status)])


def _hints(solution: Solution, index: int, status: Status) -> list[str]:
    """Say what about the data of one fit may explain a verdict that is no certified maximum, or why it has no errors."""
    if status.ok:
        why = "no standard errors: the likelihood is not regular at these parameters (see the distribution); use simulation"
        return _attainable(solution, index, status) + ([] if solution.regular[index] else [why])
    n, k = solution.n_observations[index], solution.model.free
    if status is Status.NOT_IDENTIFIED and (names := _unread(solution)):
        verb, them = ("does", "it") if len(names) == 1 else ("do", "them")
        few = [f"{', '.join(names)} {verb} not enter the log-likelihood: {solution.model.label} never reads {them}"]
        return few + _too_few(n, k, status)
    if status.at_limit and np.isinf(solution.outcome.u[index]).sum() < k:
        held = held_at_limit(solution.take(np.array([index])))[0]
        if held.any():
            names = ", ".join(name for name, x in zip(solution.model.coordinate_names, held, strict=True) if x)
            return [f"the standard errors of the other parameters hold {names} there"]
    gone = solution.dropped[index]
    found = [f"{gone} rows with a missing value were dropped"] if gone and status is Status.NO_DATA else []
    if status is Status.MAX_STEPS:
        found.append(_more_steps(solution))
    found += _too_few(n, k, status)
    if not solution.batch.kept:
        return found
    data, weights = solution.batch.data_set(index)
    used = weights > 0
    response = solution.model.response
    if response is not None and response.intervals and used.any() and np.all(response.bounds(data)[1][used] == np.inf):
        found.append("no events: every row is right-censored; are the event and the censoring flag swapped?")
    if status is Status.OUTSIDE_SUPPORT and (hint := percent(solution.model, data, weights)):
        found.append(hint.removeprefix("; "))
    return found


def _attainable(solution: Solution, index: int, status: Status) -> list[str]:
    """Say how near to the maximum rounding lets a fit come, where that is more than the tolerance."""
    outcome = solution.outcome
    known = dict(zip(STORED, outcome.evidence[index], strict=False))
    gain = float(np.fmax(outcome.decrement[index], known.get("unresolved", np.nan)))
    if status is not Status.CONVERGED_TO_ROUNDING or not gain > SHOWN_ABOVE:
        return []
    return [f"the log-likelihood is within {gain:.1g} of its maximum, as near as numbers of this type come"]


def _more_steps(solution: Solution) -> str:
    """Say what may help a fit that ran out of steps: what it was asked for and what it was tried with decide."""
    method, allowed = solution.options.get("optimizer", "newton"), solution.options.get("max_steps")
    if method != "newton":
        return "raise max_steps, give a better start, or use optimizer='newton'"
    if allowed is not None:
        return "raise max_steps, or give a better start"
    return "give a better start, or hold parameters that the data hardly determine (jaxmle.models.pinned)"


def _too_few(n: float, k: int, status: Status) -> list[str]:
    """Say that there are fewer observations than a fit of k free parameters needs; nothing where there are enough."""
    if status in NEVER_RAN or not 0 < n < k + (status in (Status.UNBOUNDED, Status.NOT_IDENTIFIED)):
        return []
    return [f"{n:g} {'observation' if n == 1 else 'observations'} for {k} free parameter{'s' * (k > 1)}: too few"]


def _unread(solution: Solution) -> list[str]:
    """Name the coordinates of parameters that never enter a user's log-likelihood; none where that is not known."""
    model = solution.model
    if model.response is not None or not solution.batch.kept or is_unsaved(model.log_likelihood):
        return []
    with float64():
        gone = unread(model, solution.batch, Plan(dtype=solution.outcome.u.dtype))
    return [name for name, is_gone in zip(model.coordinate_names, gone, strict=True) if is_gone]


def _where(solution: Solution, index: int) -> str:
    """Name the direction of a verdict in parameters: `dispersion -> 0`, `beta[1] -> infinity`."""
    status, d = Status(int(solution.outcome.status[index])), solution.outcome.direction[index]
    names = solution.model.coordinate_names
    if status is Status.NOT_IDENTIFIED:
        diagonal = np.abs(np.diagonal(solution.outcome.information[index]))
        scaled = np.where(diagonal > 0, np.abs(d) * np.sqrt(diagonal), np.inf if (diagonal == 0).any() else 0)
        return ", ".join(name for name, x in zip(names, scaled, strict=True) if x > 0.1 * scaled.max() or x == np.inf)
    if not status.at_limit and status is not Status.UNBOUNDED:
        return ""
    ends = [s.kind.ends for s in jax.tree.leaves(solution.model.space) for _ in range(int(np.prod(s.coordinate_shape)))]
    found = []
    for name, step, end, value in zip(names, d, ends, solution.outcome.u[index], strict=True):
        if step != 0 and (status.at_limit or not np.abs(value) <= 10):
            found.append(f"{name} -> {end[int(step > 0)] if end else 'its limit'}")
    return ", ".join(found)
