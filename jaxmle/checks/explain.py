"""Descriptions of wrong derivatives: the simple mistake that explains all comparisons at once, in a sentence.

Each comparison is one point and one subset of the rows. A formula with one unknown
constant that fits a dozen of them to seven digits does not do so by chance.
"""

from collections.abc import Iterator

import numpy as np

from jaxmle._util.arrays import Float, Int
from jaxmle._util.records import record

WRONG_SIGN = "wrong sign: the analytic value is -1 times the exact one; multiply it by -1"
UNKNOWN = (
    "wrong by",
    "a term that depends on the data is missing, extra or wrong",
    "a term that does not depend on the data is missing or extra",
)
"How the sentences begin that describe a mistake without naming it."
_NICE = {1: "", 2: "2", 3: "3", 4: "4", 0.5: "1/2", 1 / 3: "1/3", 0.25: "1/4"}


@record
class Evidence:
    """m comparisons of q derivative entries.

    Args:
        analytic, exact: f[m, q].
        tolerance: f[m, q], differences below it are rounding.
        params: f[m, p], the natural scalars, named by `param_names`; `roots` says which are worth trying alone.
        n: f[m], the number of rows (sum of weights) of each comparison.
        features: sums over the rows of simple functions of the data, name -> f[m].
        same_point: list of index arrays, each the single-row comparisons made at one point.
        known: values of well-known wrong entries, sentence (with {0} for the name of the parameter) -> f[m, q].
    """

    analytic: Float[np.ndarray, "m q"]
    exact: Float[np.ndarray, "m q"]
    tolerance: Float[np.ndarray, "m q"]
    params: Float[np.ndarray, "m p"]
    param_names: list[str]
    roots: list[int]
    n: Float[np.ndarray, " m"]
    features: dict[str, Float[np.ndarray, " m"]]
    same_point: list[Int[np.ndarray, " k"]]
    known: dict[str, Float[np.ndarray, "m q"]]


def explain(evidence: Evidence, k: int, names: list[str], own: list[int], kind: str) -> str:
    """Describe what is wrong with entry `k` in one sentence.

    Args:
        evidence: the comparisons.
        k: which of the q entries is wrong.
        names: the names of the q entries.
        own: indices of the parameters with respect to which the entry is a derivative.
        kind: "score" or "hessian", for the wording.
    """
    at_once = simple(evidence, k, own, kind)
    if at_once:
        return at_once
    a, e, tol = evidence.analytic[:, k], evidence.exact[:, k], evidence.tolerance[:, k]
    several = len(a) > 1
    for words, values in evidence.known.items():
        if _equal(a, values[:, k], tol, e):
            return words.format(evidence.param_names[own[0]])
    swapped = [j for j in range(len(names)) if j != k and _equal(a, evidence.exact[:, j], tol, e)]
    if swapped:
        return f"entries swapped: this is the exact entry of {names[swapped[0]]}; check the order of the entries"
    for name, values in _powers(evidence, own):
        c = _constant(a, e * values, tol)
        if c is not None and (several or _nice(c)):
            return _chain(c, name, evidence, own, kind)
    return _difference(evidence, k, names, own, kind)


def simple(evidence: Evidence, k: int, own: list[int], kind: str) -> str:
    """Describe a value that is not finite, 0 or off by a constant factor; an empty string for any other."""
    a, e, tol = evidence.analytic[:, k], evidence.exact[:, k], evidence.tolerance[:, k]
    if not np.all(np.isfinite(a)):
        return "the analytic value is not finite; look for log, division or a power at 0"
    if np.all(np.abs(a) <= tol):
        return "the analytic value is 0 everywhere, the exact one is not: " + (
            "the cross term is missing" if kind == "hessian" and len(own) > 1 else "the whole derivative is missing"
        )
    c = _constant(a, e, tol)
    # A factor of 1 means that the value has few right digits.
    if c is None or np.isclose(c, 1, rtol=1e-6) or not (len(a) > 1 or _nice(c)):
        return ""
    return _factor(c, evidence)


def _factor(c: float, evidence: Evidence) -> str:
    n = float(evidence.n[0])
    if np.isclose(c, -1, rtol=1e-6):
        return WRONG_SIGN
    for value, word in ((n, "n"), (-n, "-n"), (1 / n, "1/n"), (-1 / n, "-1/n")):
        if np.isclose(c, value, rtol=1e-6) and n > 4:
            tail = "; the score is a sum over the observations, not a mean" if "1/n" in word else ""
            return f"an extra factor {word} (n = {n:g}){tail}"
    if np.isclose(abs(c), np.log(10), rtol=1e-6) or np.isclose(abs(c), 1 / np.log(10), rtol=1e-6):
        return f"an extra factor {c:.6g}, which is log(10) or its inverse: a logarithm to base 10?"
    sign = " (and the wrong sign)" if c < 0 else ""
    return f"an extra factor {_coefficient(c) or '1'}{sign}: the analytic value is {c:.6g} times the exact one"


def _chain(c: float, name: str, evidence: Evidence, own: list[int], kind: str) -> str:
    factor = _product(c, name)
    if kind == "score" and len(own) == 1:
        x = evidence.param_names[own[0]]
        known = {
            (1, x): f"log({x})",
            (-1, f"{x}**2"): f"1/{x}",
            (0.5, f"1/{x}"): f"{x}**2",
            (2, f"sqrt({x})"): f"sqrt({x})",
        }
        for (value, power), target in known.items():
            if name == power and np.isclose(c, value, rtol=1e-6):
                return f"the derivative with respect to {target} was taken in place of {x}: an extra factor {factor}"
    hint = (
        f", as for a derivative with respect to log({name})"
        if name in evidence.param_names and np.isclose(c, 1)
        else ""
    )
    return f"an extra factor {factor}: the analytic value is {factor} times the exact one{hint}"


def _difference(evidence: Evidence, k: int, names: list[str], own: list[int], kind: str) -> str:
    """Describe analytic minus exact as a term of the sum that is missing, extra or of the wrong sign."""
    d, tol = evidence.analytic[:, k] - evidence.exact[:, k], evidence.tolerance[:, k]
    n = evidence.n
    # Only where the number of rows varies does a term that depends on the data differ from one that does not.
    several = varies = np.ptp(n) > 0
    scales = [("", np.ones_like(n)), *_powers(evidence, own, with_n=False)]
    counts = [("n", n), ("", np.ones_like(n)), *([("(n - 1)", n - 1)] if varies else [])]
    for word, count in counts:
        for power, values in scales:
            c = _constant(d, count * values, tol)
            if c is not None and (several or _nice(c)):
                return _term(c, _times(word, power) or "1", "that does not depend on the data")
    few = range(len(names) if kind == "score" and len(names) <= 10 else 0)
    others = {f"the exact entry of {names[j]}": evidence.exact[:, j] for j in few if j != k}
    for word, sums in {**evidence.features, **others}.items():
        for power, values in scales:
            c = _constant(d, sums * values, tol)
            if c is not None and (several or _nice(c)):
                return _term(c, _times(word, power), "that depends on the data")
    flat = [np.ptp(d[i]) <= np.max(tol[i]) + 1e-7 * np.max(np.abs(d[i])) for i in evidence.same_point if len(i) > 2]
    at = f"(analytic - exact = {d[0]:.6g} on {n[0]:g} observations)"
    if flat and all(flat):
        return f"a term that does not depend on the data is missing or extra {at}: the same for each observation"
    if flat:
        return f"a term that depends on the data is missing, extra or wrong {at}: it differs between observations"
    return f"wrong by {d[0]:.6g} {at}; give a function in place of values to have the mistake named"


def _term(c: float, name: str, where: str) -> str:
    change = _product(-c, name)
    if np.isclose(abs(c), 2, rtol=1e-6):
        return f"a term {where} has the wrong sign: {_product(-c / 2, name)} is right (exact - analytic = {change})"
    once = "; it is counted once in place of n times" if name.startswith("(n - 1)") else ""
    return f"a term {where} is missing: add {change} (exact - analytic = {change}{once})"


def _constant(
    target: Float[np.ndarray, " m"], base: Float[np.ndarray, " m"], tolerance: Float[np.ndarray, " m"]
) -> float | None:
    """Fit c of target = c * base in every comparison; None where no c does."""
    if not (np.all(np.isfinite(base)) and np.any(np.abs(target) > 10 * tolerance)):
        return None
    weight = 1 / (tolerance + 1e-7 * np.abs(target) + 1e-300)
    b, t = base * weight, target * weight
    top = np.max(np.abs(b))
    if not (np.isfinite(top) and top > 0):
        return None
    b, t = b / top, t / top  # squares of these cannot overflow
    c = float(b @ t / (b @ b))
    # The base must itself be known better than its own rounding: |c| * tolerance is what that rounding can do.
    allowed = (1 + min(abs(c), 1e6)) * tolerance + 1e-7 * np.abs(target)
    if c == 0 or np.any(np.abs(target - c * base) > allowed) or np.max(np.abs(c * base)) <= 10 * np.max(tolerance):
        return None
    return c


def _equal(
    a: Float[np.ndarray, " m"],
    b: Float[np.ndarray, " m"],
    tolerance: Float[np.ndarray, " m"],
    exact: Float[np.ndarray, " m"],
) -> bool:
    """Tell whether a and b agree in every comparison, and b is not the exact value."""
    slack = tolerance + 1e-7 * np.abs(b)
    return bool(np.all(np.abs(a - b) <= slack) and np.any(np.abs(exact - b) > slack))


def _powers(evidence: Evidence, own: list[int], with_n: bool = True) -> Iterator[tuple[str, Float[np.ndarray, " m"]]]:
    """List powers and products of n and of the parameters, the entry's own first, with their names."""
    n = evidence.n
    if with_n:
        yield "n", n
        yield "1/n", 1 / n
    order = [*own, *(j for j in evidence.roots if j not in own)]
    for j in dict.fromkeys(order):
        x, name = evidence.params[:, j], evidence.param_names[j]
        if np.all(np.abs(x) > 0):
            yield name, x
            yield f"1/{name}", 1 / x
            yield f"{name}**2", x**2
            yield f"1/{name}**2", 1 / x**2
            yield f"{name}**3", x**3
            yield f"1/{name}**3", 1 / x**3
        if np.all(x > 0):
            yield f"sqrt({name})", np.sqrt(x)
            yield f"log({name})", np.log(x)
        if np.all((x > 0) & (x < 1)):
            yield f"({name} (1 - {name}))", x * (1 - x)
            yield f"1/({name} (1 - {name}))", 1 / (x * (1 - x))
            yield f"1/(1 - {name})", 1 / (1 - x)
    for i, j in ((i, j) for i in order for j in order if i < j):
        x, y, words = evidence.params[:, i], evidence.params[:, j], (evidence.param_names[i], evidence.param_names[j])
        if np.all(np.abs(x * y) > 0):
            yield f"{words[0]} {words[1]}", x * y
            yield f"{words[0]}/{words[1]}", x / y
            yield f"{words[1]}/{words[0]}", y / x


def _nice(c: float) -> bool:
    return any(np.isclose(abs(c), x, rtol=1e-6) for x in _NICE)


def _coefficient(c: float) -> str:
    word = next((w for x, w in _NICE.items() if np.isclose(abs(c), x, rtol=1e-6)), f"{abs(c):.6g}")
    return ("-" if c < 0 else "") + word


def _product(c: float, name: str) -> str:
    """Write a product: of -1/2 and n/scale, '-1/2 * n/scale'."""
    word = _coefficient(c)
    if name == "1":
        return word if word not in ("", "-") else word + "1"
    return word + name if word in ("", "-") else f"{word} * {name}"


def _times(first: str, second: str) -> str:
    if not first or not second:
        return first or second
    return first + second[1:] if second.startswith("1/") else f"{first} * {second}"
