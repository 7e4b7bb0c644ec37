"""Judge fits: statuses against another backend, claimed maxima and limits against a search, values against mpmath."""

import dataclasses
from types import SimpleNamespace
from typing import Any

import mpmath as mp
import numpy as np

from benchmarks.fuzz import search
from benchmarks.fuzz.arithmetic import DIGITS, DOUBLE, LONG, Exact, Machine
from benchmarks.fuzz.subjects import Subject
from jaxmle import Status

MAXIMA = (Status.CONVERGED, Status.CONVERGED_TO_ROUNDING)
LIMITS = (Status.AT_BOUNDARY, Status.AT_INFINITY)
OPEN = (Status.MAX_STEPS, Status.STALLED, Status.NO_FINITE_START)

GAIN = 1e-8
"What a claimed maximum may leave, besides `ROUNDINGS` units of rounding of the log-likelihood; a status promises 1e-9."
ROUNDINGS = 8
LIMIT_GAIN = 1e-4
"What a limit may leave: docs/design/verdicts.md."
DIGITS_LOST = 1e-8
CONFIRMED = 12
"How many suspects of a batch mpmath looks at, of each kind."
ELEMENTS = 100_000
"How many numbers one evaluation may hold."


@dataclasses.dataclass(frozen=True)
class Finding:
    """One failure: its kind, the data set and how much."""

    kind: str
    index: int
    status: int
    amount: float
    point: tuple[float, ...]
    better: tuple[float, ...] = ()


def _take(rows: Any, index: Any) -> Any:
    return {k: v[index] for k, v in rows.items()} if isinstance(rows, dict) else rows[index]


def _mapped(rows: Any, f: Any) -> Any:
    return {k: f(v) for k, v in rows.items()} if isinstance(rows, dict) else f(rows)


def evaluator(subject: Subject, rows: Any, m: Machine) -> search.LogLikelihood:
    """Make the log-likelihood `points[B, C, p] -> f[B, C]` of data sets [B, n], in pieces that fit a cache."""
    n, density = rows_of(rows), subject.density
    assert density is not None

    def evaluate(points: np.ndarray) -> np.ndarray:
        out = np.empty(points.shape[:2], m.dtype)
        piece = max(1, ELEMENTS // (points.shape[1] * n))
        for i in range(0, len(points), piece):
            part = slice(i, i + piece)
            p = points[part].astype(m.dtype)[..., None]
            at = SimpleNamespace(**{k: p[:, :, j] for j, k in enumerate(subject.names)})
            x = _mapped(_take(rows, part), lambda v: v[:, None, :].astype(m.dtype))
            with np.errstate(all="ignore"):
                out[part] = np.sum(np.broadcast_to(density(m, at, x), (*p.shape[:2], n)), -1)
        return out

    return evaluate


def exact(subject: Subject, rows: Any, point: np.ndarray) -> Any:
    """Evaluate the log-likelihood of one data set [n] at a point [p] in 80 digits, and more where parameters are extreme."""
    assert subject.density is not None
    mpf = np.frompyfunc(lambda v: mp.mpf(float(v)), 1, 1)
    powers = [abs(np.log10(abs(v))) for v in point if v != 0 and np.isfinite(v)]
    with mp.workdps(DIGITS + 2 * int(max(powers, default=0))):
        at = SimpleNamespace(**{k: mp.mpf(float(v)) for k, v in zip(subject.names, point, strict=True)})
        x = _mapped(rows, mpf)
        n = len(next(iter(x.values())) if isinstance(x, dict) else x)
        with np.errstate(all="ignore"):
            return mp.fsum(np.broadcast_to(np.asarray(subject.density(Exact, at, x), object), n))


def points_of(subject: Subject, fits: Any) -> np.ndarray:
    """Collect the reported parameters [B, p]."""
    return np.stack([np.asarray(fits.params[k], float) for k in subject.names], 1)


def _covariance(subject: Subject, fits: Any, points: np.ndarray) -> np.ndarray:
    """Compute the claimed covariance [B, p, p] in natural parameters; NaN where there is none."""
    j = np.asarray(fits.solution.outcome.information, float)
    low, high = subject.low, subject.high
    with np.errstate(all="ignore"):
        slope = np.where(np.isfinite(low), points - low, 1.0)
        slope = np.where(np.isfinite(high), slope * (high - points) / (high - low), slope)
        known = np.isfinite(j).all((1, 2)) & (np.linalg.det(np.where(np.isfinite(j), j, 0)) > 0)
        whole = np.linalg.inv(np.where(known[:, None, None], j, np.eye(j.shape[1])))
        return np.where(known[:, None, None], slope[:, :, None] * whole * slope[:, None, :], np.nan)


def judge(subject: Subject, rows: Any, fits: Any, rounds: int = 3) -> list[Finding]:
    """Find what is wrong with the fits of data sets [B, n]."""
    if subject.density is None:
        return []
    status, points = np.asarray(fits.status), points_of(subject, fits)
    reported = np.asarray(fits.log_likelihood, float)
    return [
        *_maxima(subject, rows, fits, np.flatnonzero(np.isin(status, MAXIMA)), points, reported, rounds),
        *_limits(subject, rows, status, np.flatnonzero(np.isin(status, LIMITS)), points, reported, rounds),
    ]


def rows_of(rows: Any) -> int:
    """Count the rows of each data set."""
    return next(iter(rows.values())).shape[-1] if isinstance(rows, dict) else rows.shape[-1]


def _last_digit(points: np.ndarray) -> np.ndarray:
    """Measure one unit in the last place of each parameter, or of its logarithm where that is coarser."""
    size = np.abs(points)
    with np.errstate(all="ignore"):
        return 1.01 * np.finfo(float).eps * size * np.maximum(1, np.nan_to_num(np.abs(np.log(size)), posinf=1))


def _maxima(
    subject: Subject, rows: Any, fits: Any, index: np.ndarray, points: np.ndarray, reported: np.ndarray, rounds: int
) -> list[Finding]:
    if not len(index):
        return []
    found, status, n = [], np.asarray(fits.status), rows_of(rows)
    rows, at, said = _take(rows, index), points[index], reported[index]
    long = evaluator(subject, rows, LONG)
    true = long(at[:, None])[:, 0]
    lost = np.abs(said - true) / np.maximum(1, np.abs(true))
    for i in np.flatnonzero(~(lost <= DIGITS_LOST))[:CONFIRMED]:
        value = exact(subject, _take(rows, i), at[i])
        amount = float(abs(said[i] - value) / max(1, abs(value)))
        if not amount <= DIGITS_LOST:
            found.append(Finding("log-likelihood off", int(index[i]), int(status[index[i]]), amount, tuple(at[i])))
    covariance = _covariance(subject, fits, points)[index]
    low, high = np.nextafter(subject.low, np.inf), np.nextafter(subject.high, -np.inf)
    better, _ = search.ascend(
        evaluator(subject, rows, DOUBLE), at, np.maximum(np.abs(at), 1e-300), covariance, low, high, rounds
    )
    best = long(better[:, None])[:, 0]
    allowed = GAIN + ROUNDINGS * np.finfo(float).eps * (np.abs(true) + n)
    near = np.all(np.abs(better - at) <= _last_digit(at), axis=1)
    suspects = np.flatnonzero(best - true > allowed)
    for i in suspects[np.argsort(-(best - true)[suspects])][:CONFIRMED]:
        gain = float(exact(subject, _take(rows, i), better[i]) - exact(subject, _take(rows, i), at[i]))
        if gain > allowed[i]:
            kind = "better point a unit in the last place away" if near[i] else "better point"
            kind = f"{kind}, {Status(int(status[index[i]])).name.lower()}"
            found.append(Finding(kind, int(index[i]), int(status[index[i]]), gain, tuple(at[i]), tuple(better[i])))
    return found


def _limits(
    subject: Subject,
    rows: Any,
    status: np.ndarray,
    index: np.ndarray,
    points: np.ndarray,
    reported: np.ndarray,
    rounds: int,
) -> list[Finding]:
    if not len(index):
        return []
    found, rows, at, said, n = [], _take(rows, index), points[index], reported[index], rows_of(rows)
    better, _ = search.beside(evaluator(subject, rows, DOUBLE), at, subject.low, subject.high, 4 * rounds)
    best = evaluator(subject, rows, LONG)(better[:, None])[:, 0]
    allowed = LIMIT_GAIN + ROUNDINGS * np.finfo(float).eps * (np.abs(said) + n)
    suspects = np.flatnonzero(best - said > allowed)
    for i in suspects[np.argsort(-(best - said)[suspects])][:CONFIRMED]:
        gain = float(exact(subject, _take(rows, i), better[i]) - mp.mpf(float(said[i])))
        if gain > allowed[i]:
            kind = f"limit with a better point inward, {Status(int(status[index[i]])).name.lower()}"
            found.append(Finding(kind, int(index[i]), int(status[index[i]]), gain, tuple(at[i]), tuple(better[i])))
    return found
