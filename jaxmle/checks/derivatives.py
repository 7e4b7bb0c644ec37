"""Comparison of hand-derived, exact and finite-difference derivatives, entry by entry, in words."""

import jax
import numpy as np

from jaxmle._util.arrays import Bool, Float, Int
from jaxmle._util.records import record
from jaxmle.checks.exact import Case, Derivatives, evaluate, features, finite_differences, nearby, numpy
from jaxmle.checks.explain import UNKNOWN, WRONG_SIGN, Evidence, explain, simple
from jaxmle.checks.given import Derivative, Given, read_hessian, read_score
from jaxmle.checks.parametrizations import alternatives
from jaxmle.checks.report import Entry, Row, row

_TOLERANCE = 1e-7
_IMPRECISE = 1e-4
_POINTS = 4
_SEARCHED = 40

Flat = Float[np.ndarray, " q"]
"The q entries of a derivative."
Entries = Float[np.ndarray, "m q"]
"The q entries in each of m comparisons."


@record
class Comparison:
    """One evaluation of the user's derivative: at `x` (the `point`-th), on the rows `index`, with `weights` f[n]."""

    point: int
    x: Float[np.ndarray, " p"]
    index: Int[np.ndarray, " m"]
    weights: Float[np.ndarray, " n"]


def check_derivatives(
    case: Case, score: Derivative | None, hessian: Derivative | None
) -> tuple[list[Row], list[Entry], list[Entry]]:
    """Compare the derivatives; return the report's rows, the score table and the Hessian table."""
    exact = numpy(evaluate(case.model, case.params, case.data, case.weights))
    fd = finite_differences(case, exact)
    points = nearby(case, exact["hessian"], _POINTS)
    scale_score, scale_hessian = _scales(exact, case.weights)
    rows: list[Row] = []
    tables = []
    for kind, given, scale in (("score", score, scale_score), ("hessian", hessian, scale_hessian)):
        names = case.names if kind == "score" else [f"{a}, {b}" for a in case.names for b in case.names]
        table = _table(names, exact[kind].ravel(), fd[kind].ravel(), fd[f"{kind}_error"].ravel(), scale.ravel())
        new: list[Row] = []
        if given is not None:
            new = _compare(case, kind, given, points, names, table)
        rows += [*new, _automatic(kind, table, scale.ravel())]
        tables.append(table)
    return rows, tables[0], tables[1]


def _scales(
    e: Derivatives, weights: Float[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, " p"], Float[np.ndarray, "p p"]]:
    """Measure the size of the summands of each entry, to which rounding is relative also where the sum is near 0."""
    own = np.sqrt(np.abs(np.diag(e["hessian"])))
    score = np.sum(np.abs(weights[:, None] * e["scores"]), axis=0) + 1e-2 * own
    size = np.sqrt(np.sum(weights[:, None] * e["scores"] ** 2, axis=0))
    hessian = np.outer(size, size) + np.abs(e["hessian"]) + np.outer(own, own)
    return score, hessian


def _table(names: list[str], exact: Flat, fd: Flat, error: Flat, scale: Flat) -> list[Entry]:
    """Make the table of a derivative, without analytic values."""
    return [
        {
            "parameter": name,
            "analytic": None,
            "exact": float(e),
            "finite_difference": float(f),
            "finite_difference_error": float(s),
            "relative_error": float(_relative(f, e, size)),
            "verdict": "",
        }
        for name, e, f, s, size in zip(names, exact, fd, error, scale, strict=True)
    ]


def _relative(a: Flat | float, exact: Flat | float, scale: Flat | float) -> np.ndarray:
    """Evaluate |a - exact| / |exact|, or relative to the summands where the sum is rounding."""
    base = np.where(np.abs(exact) > 1e-8 * scale, np.abs(exact), scale)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(a == exact, 0.0, np.abs(a - exact) / base)


def _automatic(kind: str, table: list[Entry], scale: Flat) -> Row:
    """Check automatic derivatives against finite differences of the log-likelihood."""
    name = f"exact {kind} against finite differences"
    wrong, worst = [], 0.0
    for e, size in zip(table, scale, strict=True):
        gap = abs(e["exact"] - e["finite_difference"])
        if not gap <= 20 * e["finite_difference_error"] + 1e-6 * size:
            wrong.append(e)
        elif np.isfinite(gap):
            worst = max(worst, gap / size if size else 0.0)
    if not wrong:
        return row(name, "pass", f"agree to {worst:.0e} of the summed terms, within the error of the differences")
    e = wrong[0]
    text = (
        f"{e['parameter']}: automatic derivative {e['exact']:.8g}, finite difference {e['finite_difference']:.8g} "
        f"+- {e['finite_difference_error']:.1g}; look for a kink (abs, max, round, where), stop_gradient, a custom "
        "derivative, or digits lost to cancellation"
    )
    a = e["analytic"]
    if a is not None and abs(a - e["finite_difference"]) <= 20 * e["finite_difference_error"] + 1e-6 * abs(a):
        text += "; the analytic value agrees with the finite difference, so the automatic one is at fault"
    return row(name, "fail", text)


def _compare(
    case: Case,
    kind: str,
    given: Derivative,
    points: list[Float[np.ndarray, " p"]],
    names: list[str],
    table: list[Entry],
) -> list[Row]:
    reader = read_score if kind == "score" else read_hessian
    try:
        first = reader(given, case, points[0], None)
    except Exception as error:
        return [row(kind, "fail", str(error) or type(error).__name__)]
    rows = [row(f"{kind} shape", "fail", first.note)] if first.note else []
    tests = _comparisons(case, points, callable(given))
    used, analytic, exact, tolerance, extra = [], [], [], [], []
    for t in tests:
        whole = len(t.index) == case.n
        try:
            out = first if t is tests[0] else reader(given, case, t.x, None if whole else t.index)
        except Exception:
            if whole:
                raise
            continue  # some rules need all rows; the full data decide
        e = numpy(evaluate(case.model, case.at(t.x), case.data, t.weights))
        scales = _scales(e, t.weights)
        entry = {"score": 0, "hessian": 1}[kind]
        if not np.all(np.isfinite(e[kind])):
            continue
        used.append(t)
        analytic.append(_total(out, t.weights[t.index]).ravel())
        exact.append(e[kind].ravel())
        tolerance.append(_TOLERANCE * scales[entry].ravel())
        extra.append(e)
    if not used:
        return [*rows, row(kind, "skipped", "the exact derivatives are not finite here")]
    if first.rows is not None and not callable(given):
        _add_rows(case, kind, first.rows, used, analytic, exact, tolerance, extra)
    a, e, tol = np.array(analytic), np.array(exact), np.array(tolerance)
    full = np.array([len(t.index) == case.n for t in used])
    for k, item in enumerate(table):
        item["analytic"] = float(a[0, k])
        scale = np.max(tol[full, k]) / _TOLERANCE
        item["relative_error"] = float(_relative(a[0, k], e[0, k], tol[0, k] / _TOLERANCE if scale else 0.0))
    rows += _verdicts(case, kind, names, table, used, a, e, tol, full, extra)
    if first.rows is not None:
        rows += _check_rows(case, kind, first.rows, extra[0], table)
    return rows


def _comparisons(case: Case, points: list[Float[np.ndarray, " p"]], function: bool) -> list[Comparison]:
    everything = np.arange(case.n)
    tests = [Comparison(i, x, everything, case.weights) for i, x in enumerate(points)]
    if not function:
        return tests[:1]
    ordered = case.model.observations == "ordered"
    parts = [(1, everything[: (case.n + 1) // 2])]
    if not ordered:
        parts += [(2, everything[case.n // 2 :])]
        singles = np.unique(np.linspace(0, case.n - 1, 5).astype(int))
        parts += [(i, np.array([j])) for i in (1, 2) for j in singles]
    for i, index in parts:
        if 0 < len(index) < case.n:
            weights = np.zeros(case.n)
            weights[index] = 1.0
            tests.append(Comparison(i, points[i], index, weights))
    return tests


def _total(out: Given, weights: Float[np.ndarray, " n"]) -> np.ndarray:
    """Sum contributions by weights; a total is the user's own."""
    if out.rows is not None:
        return np.tensordot(weights, out.rows, 1)
    assert out.total is not None  # a reader gives one of the two
    return out.total


def _add_rows(
    case: Case,
    kind: str,
    contributions: np.ndarray,
    used: list[Comparison],
    analytic: list[Flat],
    exact: list[Flat],
    tolerance: list[Flat],
    extra: list[Derivatives],
) -> None:
    """Append comparisons of one row each from contributions given as numbers, [n, p] or [n, p, p]."""
    for i in np.unique(np.linspace(0, case.n - 1, 12).astype(int)):
        weights = np.zeros(case.n)
        weights[i] = 1.0
        e = numpy(evaluate(case.model, case.params, case.data, weights))
        used.append(Comparison(0, case.flat, np.array([i]), weights))
        analytic.append(contributions[i].ravel())
        exact.append(e[kind].ravel())
        tolerance.append(_TOLERANCE * _scales(e, weights)[0 if kind == "score" else 1].ravel())
        extra.append(e)


def _evidence(
    case: Case, kind: str, used: list[Comparison], a: Entries, e: Entries, tol: Entries, extra: list[Derivatives]
) -> Evidence:
    """Collect what `explain` reads of the comparisons."""
    singles = [
        np.array([i for i, t in enumerate(used) if t.point == q and len(t.index) == 1 and case.n > 1]) for q in range(3)
    ]
    sums = [features(case, t.index, t.weights) for t in used]
    scalar = [
        s.value_shape == () for s in jax.tree.leaves(case.model.space) for _ in range(int(np.prod(s.value_shape)))
    ]
    return Evidence(
        analytic=a,
        exact=e,
        tolerance=tol,
        params=np.array([t.x for t in used]),
        param_names=case.names,
        roots=[int(j) for j in np.flatnonzero(scalar)[:8]],
        n=np.array([t.weights.sum() for t in used]),
        features={name: np.array([s[name] for s in sums]) for name in sums[0]},
        same_point=singles,
        known=alternatives(case, kind, [(t.x, t.weights) for t in used], extra),
    )


def _verdicts(
    case: Case,
    kind: str,
    names: list[str],
    table: list[Entry],
    used: list[Comparison],
    a: Entries,
    e: Entries,
    tol: Entries,
    full: Bool[np.ndarray, " m"],
    extra: list[Derivatives],
) -> list[Row]:
    p = len(case.flat)
    bad = ~(np.abs(a - e) <= tol)
    wrong = [int(k) for k in np.flatnonzero(bad[full].any(axis=0))]
    for item in table:
        item["verdict"] = "ok"
    rows = _not_symmetric(case, *(x[0].reshape(p, p) for x in (a, e, tol))) if kind == "hessian" else []
    partial = np.flatnonzero(bad[~full].any(axis=0) & ~bad[full].any(axis=0))
    if len(partial):
        listed = ", ".join(names[k] for k in partial[:4])
        text = f"agrees on these data but not on a part of their rows ({listed})"
        rows.append(row(f"{kind} on other data", "warn", f"{text}: are n or the data fixed in the function?"))
    if not wrong:
        count = f"{int(full.sum())} points" if full.sum() > 1 else "the point given"
        return [*rows, row(kind, "pass", f"analytic and exact agree in every entry, at {count}")]
    with np.errstate(all="ignore"):
        gaps = np.abs(a - e) / (tol + 1e-300)
    gaps = np.where(np.isfinite(gaps), gaps, 1e300)
    texts = _explanations(case, kind, names, used, a, e, tol, full, extra, wrong, gaps)
    messages: dict[str, list[int]] = {}
    for k in wrong:
        messages.setdefault(texts[k], []).append(k)
        table[k]["verdict"] = "imprecise" if texts[k].startswith("agrees") else "wrong"
    nonzero = (np.abs(e[full]) > tol[full]).any(axis=0)
    if list(messages) == [WRONG_SIGN] and len(wrong) == nonzero.sum() and len(wrong) > 1:
        which = "score" if kind == "score" else "Hessian"
        text = f"all signs are reversed: this is the {which} of the negative log-likelihood; multiply it by -1"
        messages = {text: wrong}
    for text, entries in messages.items():
        k = max(entries, key=lambda j: np.max(gaps[full, j]))
        where = int(np.argmax(np.where(full, gaps[:, k], -1)))
        point = "at params" if used[where].point == 0 else "at a nearby point"
        numbers = f"{names[k]} {point}: analytic {a[where, k] + 0.0:.8g}, exact {e[where, k] + 0.0:.8g}"
        verdict = "warn" if text.startswith("agrees") else "fail"
        rows.append(row(f"{kind} of {_listed(kind, names, entries, p)}", verdict, f"{text} ({numbers})"))
    return rows


def _explanations(
    case: Case,
    kind: str,
    names: list[str],
    used: list[Comparison],
    a: Entries,
    e: Entries,
    tol: Entries,
    full: Bool[np.ndarray, " m"],
    extra: list[Derivatives],
    wrong: list[int],
    gaps: Entries,
) -> dict[int, str]:
    """Describe each wrong entry in a sentence; only the worst ones are searched for a formula."""
    p, only = len(case.flat), np.flatnonzero(full)
    everything = _evidence(case, kind, used, a, e, tol, extra)
    whole = _evidence(case, kind, [used[i] for i in only], a[full], e[full], tol[full], [extra[i] for i in only])
    texts: dict[int, str] = {}
    searched = 0
    for k in sorted(wrong, key=lambda j: -np.max(gaps[full, j])):
        mirror = (k % p) * p + k // p if kind == "hessian" else k
        if mirror in texts and np.array_equal(a[:, k], a[:, mirror]):
            texts[k] = texts[mirror]
            continue
        own = [k] if kind == "score" else list(dict.fromkeys(divmod(k, p)))
        if searched >= _SEARCHED:
            texts[k] = simple(everything, k, own, kind) or "also wrong; correct the entries that are explained first"
            continue
        text = explain(everything, k, names, own, kind)
        searched += not simple(everything, k, own, kind)
        if text.startswith(UNKNOWN) and len(only) > 1:
            # A function that holds its own data or n is wrong on a part of the rows by another rule.
            again = explain(whole, k, names, own, kind)
            text = text if again.startswith(UNKNOWN) else again
        size = np.max(gaps[full, k]) * _TOLERANCE
        if text.startswith(UNKNOWN) and size < _IMPRECISE:
            digits = f"agrees with the exact value to only {-np.log10(size):.0f} digits"
            text = f"{digits}: is something computed in float32, or by finite differences?"
        texts[k] = text
    return texts


def _listed(kind: str, names: list[str], entries: list[int], p: int) -> str:
    if kind == "hessian":  # a symmetric pair is one entry to a person
        entries = [k for k in entries if k // p <= k % p or (k % p) * p + k // p not in entries]
    words = [f"({names[k]})" if kind == "hessian" else names[k] for k in entries]
    return ", ".join(words[:6]) + (f" and {len(words) - 6} more" if len(words) > 6 else "")


def _not_symmetric(
    case: Case, a: Float[np.ndarray, "p p"], e: Float[np.ndarray, "p p"], tol: Float[np.ndarray, "p p"]
) -> list[Row]:
    """Check the symmetry of an analytic Hessian."""
    with np.errstate(invalid="ignore"):
        i, j = np.nonzero(np.triu(np.abs(a - a.T) > 2 * tol, 1))
    if not len(i):
        return []
    i, j = int(i[0]), int(j[0])
    first, second = f"({case.names[i]}, {case.names[j]})", f"({case.names[j]}, {case.names[i]})"
    good = [w for w, x in ((first, a[i, j]), (second, a[j, i])) if abs(x - e[i, j]) <= tol[i, j]]
    text = f"not symmetric: entry {first} is {a[i, j]:.8g}, entry {second} is {a[j, i]:.8g}, exact is {e[i, j]:.8g}"
    return [row("hessian symmetry", "fail", text + (f"; {good[0]} is right" if good else "; both are wrong"))]


def _check_rows(case: Case, kind: str, contributions: np.ndarray, exact: Derivatives, table: list[Entry]) -> list[Row]:
    """Check the contributions to the score, which may be wrong though their sum is right."""
    if kind != "score" or any(item["verdict"] != "ok" for item in table):
        return []
    scale = np.abs(exact["scores"]) + np.mean(np.abs(exact["scores"]), axis=0)
    bad = np.argwhere(~(np.abs(contributions - exact["scores"]) <= 1e-6 * scale))
    if not len(bad):
        return [row("score contributions", "pass", "every row agrees with its exact score")]
    i, k = bad[0]
    text = (
        f"the sum is right but {len(np.unique(bad[:, 0]))} rows are not: row {i}, {case.names[k]}: analytic "
        f"{contributions[i, k]:.8g}, exact {exact['scores'][i, k]:.8g}; are the rows in another order?"
    )
    return [row("score contributions", "fail", text)]
