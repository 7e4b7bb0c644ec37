"""Results as plain text that a person can read."""

from math import erfc, sqrt
from typing import Any

import jax
import numpy as np

from jaxmle._engine.retry import RUNGS
from jaxmle._solver.state import NEVER_RAN
from jaxmle._solver.status import Status
from jaxmle._util.text_tables import aligned
from jaxmle.model.contract import percent
from jaxmle.models import Censored

_WIDTH = 78
_SHOWN = 10
_ENOUGH = 10
"Observations for each free parameter under which the summary warns."


def number(x: Any, digits: int = 4) -> str:
    """A number in about ten characters; nothing for NaN."""
    x = float(x)
    if np.isnan(x):
        return ""
    if np.isinf(x):
        return "inf" if x > 0 else "-inf"
    return f"{x:.{digits}f}" if 1e-3 <= abs(x) < 1e6 or x == 0 else f"{x:.{digits}e}"


def _tail(z: float) -> float:
    """P(|Z| > z)."""
    return erfc(z / sqrt(2))


def table_one(fit: Any, level: float, kind: str) -> str:
    """The summary of one fit, in the layout of statsmodels."""
    ends = fit.interval(level, kind=kind)
    flat = {"value": fit._natural[0], "se": fit._flat(fit.standard_errors(kind))[0]}
    flat |= {"low": fit._flat(ends.lower)[0], "high": fit._flat(ends.upper)[0]}
    spaces = [s for s in jax.tree.leaves(fit.model.space) for _ in range(int(np.prod(s.value_shape)))]
    pinned = [s.kind.name == "pinned" for s in spaces]
    percent = f"{100 * (1 - level) / 2:g}%", f"{100 * (1 + level) / 2:g}%"
    rows: list[tuple[str, ...]] = [("", "estimate", "std err", "z", "P>|z|", *percent)]
    for j, name in enumerate(fit.names):
        x, se = flat["value"][j], flat["se"][j]
        tested = spaces[j].kind.name == "real" and se > 0
        z = (number(x / se, 3), f"{_tail(abs(x / se)):.3f}") if tested else ("", "")
        error = "(pinned)" if pinned[j] else number(se)
        bounds = ("", "") if pinned[j] else (number(flat["low"][j]), number(flat["high"][j]))
        rows.append((name, number(x), error, *z, *bounds))
    name = fit.model.name or getattr(fit.model.log_likelihood, "__name__", "model")
    left = [
        ("Model:", name),
        ("No. observations:", f"{fit.n_observations:g}"),
        ("Free parameters:", str(fit.model.free)),
    ]
    left += [
        ("Steps:", f"{fit.steps}" + (f" ({fit.polish} of them Newton's)" if fit.polish else "")),
        ("Covariance:", kind),
    ]
    sup = "" if fit.attained or not fit.status.at_limit else " (supremum)"
    right = [
        ("Log-likelihood:", number(fit.log_likelihood) + sup),
        ("AIC:", number(fit.aic)),
        ("BIC:", number(fit.bic)),
    ]
    right += [("Decrement:", f"{fit.decrement:.1e}"), ("Dropped rows:", f"{fit.dropped}")]
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
    lines += [f"Verdict: {fit.message()}", f"Intervals: {scale}" if fit.converged else "", several(fit), small(fit)]
    return "\n".join(line for line in lines if line)


def table_many(fits: Any, level: float, kind: str) -> str:
    """The summary of a batch: the verdicts counted, and the first fits."""
    counts = ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in fits.status_counts().items())
    name = fits.model.name or getattr(fits.model.log_likelihood, "__name__", "model")
    some = fits[: min(len(fits), _SHOWN)]
    errors, values = some._flat(some.standard_errors(kind)), some._natural
    rows = [("", *(f"{n} (se)" for n in fits.names), "log-lik", "n", "status")]
    for i in range(len(some)):
        cells = [
            f"{number(x)} ({number(se)})" if np.isfinite(se) else number(x)
            for x, se in zip(values[i], errors[i], strict=True)
        ]
        status = Status(int(some._outcome.status[i])).name.lower()
        rows.append((some._label(i), *cells, number(-some._outcome.value[i]), f"{some.n_observations[i]:g}", status))
    body = aligned(rows)
    more = [f"... and {len(fits) - _SHOWN:,} more"] if len(fits) > _SHOWN else []
    notes = [second_chances(fits), dropped(fits), several(fits), small(fits)]
    lines = [f"{len(fits):,} fits of {name}: {counts}", *body, *more, *notes]
    return "\n".join(line for line in lines if line)


def small(fit: Any) -> str:
    """What to use instead of Wald's errors where there are few observations for each free parameter."""
    n, k = np.atleast_1d(fit.n_observations), fit.model.free
    few = fit._sound & (n < _ENOUGH * k)
    if not few.any():
        return ""
    advice = "interval(method='profile') and likelihood_ratio rest on it less, refitting simulate(key) not at all"
    who = (
        f"{few.sum():,} of {len(n):,} fits have"
        if len(n) > 1
        else f"{n[0] / k:.3g} observations for each free parameter,"
    )
    few_each = f"under {_ENOUGH} observations for each free parameter" if len(n) > 1 else f"under {_ENOUGH}"
    return f"Small sample: {who} {few_each}. Standard errors and Wald intervals rest on large n; {advice}."


def second_chances(fits: Any) -> str:
    """How many fits succeeded at a second chance, and at which; nothing where none did."""
    counts = np.bincount(fits._outcome.rung, minlength=len(RUNGS))[1:]
    found = ", ".join(f"{n:,} by {name}" for n, name in zip(counts, RUNGS[1:], strict=True) if n)
    return f"Second chance: {found}" if found else ""


def dropped(fits: Any) -> str:
    """How many rows were left out because a value was missing; nothing where none was."""
    counts = np.atleast_1d(fits.dropped)
    sets = np.count_nonzero(counts)
    where = f", in {sets:,} of {len(counts):,} data sets" if len(counts) > 1 else ""
    return f"Dropped: {counts.sum():,} rows with a missing value{where}" if sets else ""


def several(fit: Any) -> str:
    """What several starts found; nothing where there was one."""
    found = fit.info.get("starts") if fit._starts is not None else None
    if found is None:
        return ""
    if not fit._single:
        many = np.count_nonzero(found["maxima"] > 1)
        return f"Starts: {found['starts']} for each data set; {many:,} of {len(fit):,} have more than one maximum"
    ends = ", ".join(f"{number(m['log_likelihood'])} ({m['starts']})" for m in found["maxima"][:_SHOWN])
    count, more = len(found["maxima"]), ", ..." if len(found["maxima"]) > _SHOWN else ""
    to = f", to {count} {'maximum' if count == 1 else 'maxima'}: {ends}{more}" if count else ""
    return f"Starts: {found['starts']}, {found['converged']} converged{to}"


def message(fit: Any, index: int) -> str:
    """What happened to one fit, with the direction named."""
    status = Status(int(fit._outcome.status[index]))
    where = _where(fit, index)
    head, colon, tail = status.sentence.partition(":")
    text = status.sentence if not where else f"{head} ({where}):{tail}" if colon else f"{status.sentence} ({where})"
    rung = int(fit._outcome.rung[index])
    chance = [f"found at a second chance, by {RUNGS[rung]}"] if rung else []
    return "; ".join([text, *chance, *_hints(fit, index, status)])


def _hints(fit: Any, index: int, status: Status) -> list[str]:
    """What about the data of one fit may explain a verdict that is no certified maximum, or why it has no errors."""
    if status.ok:
        why = "no standard errors: the likelihood is not regular at these parameters (see the distribution); use simulation"
        return [] if fit._sound[index] else [why]
    n, k = np.atleast_1d(fit.n_observations)[index], fit.model.free
    gone = np.atleast_1d(fit.dropped)[index]
    found = [f"{gone} rows with a missing value were dropped"] if gone and status is Status.NO_DATA else []
    degenerate = status in (Status.UNBOUNDED, Status.NOT_IDENTIFIED)
    if 0 < n < k + degenerate and status not in NEVER_RAN:
        found.append(
            f"{n:g} {'observation' if n == 1 else 'observations'} for {k} free parameter{'s' * (k > 1)}: too few"
        )
    if not fit._batch.kept:
        return found
    data, weights = fit._batch.one(index)
    used = weights > 0
    if isinstance(fit.model.log_likelihood, Censored) and used.any() and np.all(data["upper"][used] == np.inf):
        found.append("no events: every row is right-censored; are the event and the censoring flag swapped?")
    if status is Status.OUTSIDE_SUPPORT and (hint := percent(fit.model, data, weights)):
        found.append(hint.removeprefix("; "))
    return found


def _where(fit: Any, index: int) -> str:
    """The direction of a verdict in parameter names: `dispersion -> 0`, `beta[1] -> infinity`."""
    status, d = Status(int(fit._outcome.status[index])), fit._outcome.direction[index]
    names = fit.model.coordinate_names
    if status is Status.NOT_IDENTIFIED:
        diagonal = np.abs(np.diagonal(fit._outcome.information[index]))
        scaled = np.where(diagonal > 0, np.abs(d) * np.sqrt(diagonal), np.inf if (diagonal == 0).any() else 0)
        return ", ".join(name for name, x in zip(names, scaled, strict=True) if x > 0.1 * scaled.max() or x == np.inf)
    if not status.at_limit and status is not Status.UNBOUNDED:
        return ""
    ends = [s.kind.ends for s in jax.tree.leaves(fit.model.space) for _ in range(int(np.prod(s.coordinate_shape)))]
    found = []
    for name, step, end, value in zip(names, d, ends, fit._outcome.u[index], strict=True):
        if step != 0 and (status.at_limit or not np.abs(value) <= 10):
            found.append(f"{name} -> {end[int(step > 0)] if end else 'its limit'}")
    return ", ".join(found)
