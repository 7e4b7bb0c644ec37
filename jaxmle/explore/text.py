"""Sentences and tables of the page as HTML: pure functions of the numbers."""

from html import escape

import numpy as np

from jaxmle._solver.status import Status
from jaxmle.explore.numbers import SAMPLES, AtMaximum, AtSliders, Spread
from jaxmle.explore.state import State

DOUBLE_ENDS = -745.13
"Log of the smallest positive 64-bit number, 4.9e-324."


def number(x: float, digits: int = 4) -> str:
    """Format a number for the page.

    >>> number(0.5), number(123456.0), number(1.5e-30), number(float("nan"))
    ('0.5', '1.235e5', '1.5e-30', '–')
    """
    if not np.isfinite(x):
        return "–" if np.isnan(x) else "∞" if x > 0 else "−∞"
    text = f"{x:.{digits}g}"
    if "e" in text:
        mantissa, power = text.split("e")
        text = f"{mantissa}e{int(power)}"
    return text


def likelihood(here: AtSliders) -> str:
    """Write the product and where it underflows, beside the sum of logs."""
    terms, n = here.terms, len(here.terms)
    if n == 0:
        return "<div class='hint'>Click the plot: each click is an observation. Drag to move it, click it to remove it.</div>"
    shown = np.exp(terms[:4])
    more = " × …" if n > 4 else ""
    single, double = here.product(np.float32), here.product(np.float64)
    factors = " × ".join(number(float(v), 3) for v in shown) + more
    logs = " + ".join(f"({number(float(v), 3)})" if v < 0 else number(float(v), 3) for v in terms[:4])
    total = here.log_likelihood
    mean = total / n
    last = int(np.ceil(DOUBLE_ENDS / mean)) if mean < 0 and np.isfinite(mean) else 0
    ends = f"; at this mean {number(mean, 3)} a 64-bit product ends at about {last} observations" if last else ""
    return (
        f"<div><b>Product</b> <span class='formula'>L = {factors}</span> = <b class='value'>{_small(double)}</b>"
        f" <span class='hint'>(32-bit: {_small(single)})</span></div>"
        f"<div><b>Sum of logs</b> <span class='formula'>ℓ = {logs}{' + …' if n > 4 else ''}</span> = "
        f"<b class='value' id='log-likelihood'>{number(total, 6)}</b> <span class='hint'>never underflows{ends}</span></div>"
    )


def _small(product: float) -> str:
    """Write a product, marked where it underflows."""
    return number(product) if product > 0 else "<span class='bad'>0, underflow</span>"


def maximum(here: AtSliders, whole: AtMaximum, n: int) -> str:
    """Write the verdict, and the estimates beside the sliders."""
    found, fit = whole.found, whole.fit
    kind = "good" if found else "limit" if fit is not None and (fit.status.at_limit or n == 0) else "bad"
    sentence = "Nothing to fit yet: click the plot to add observations" if n == 0 and fit is not None else whole.verdict
    head = f"<div class='verdict {kind}' id='verdict'>{escape(sentence)}</div>"
    if fit is None or n == 0 or not np.isfinite(fit.log_likelihood):
        return head
    errors, interval = whole.errors, whole.interval
    known, lines = found or fit.status.at_limit, ""  # a point on an ascent without end is no estimate
    for name, value in here.params.items():
        estimate, error = float(fit.params[name]) if known else np.nan, float(errors[name])
        between = (
            f"{number(float(interval.lower[name]), 3)} … {number(float(interval.upper[name]), 3)}" if interval else "–"
        )
        lines += (
            f"<tr><th>{name}</th><td class='now'>{number(value)}</td><td class='max'>{number(estimate)}</td>"
            f"<td>{number(error, 3)}</td><td>{between}</td></tr>"
        )
    score = ", ".join(f"∂ℓ/∂{name} = {number(0.0 if abs(s) < 1e-7 else s, 3)}" for name, s in here.score.items())
    return (
        f"{head}<table><tr><th></th><th class='now'>slider</th><th class='max'>maximum</th><th>std. err.</th>"
        f"<th>95 % interval</th></tr>{lines}<tr class='sum'><th>ℓ</th><td class='now'>{number(here.log_likelihood, 5)}</td>"
        f"<td class='max'>{number(fit.log_likelihood if known else np.nan, 5)}</td><td colspan=2>n = {n}</td></tr></table>"
        f"<div class='hint'>score at the sliders: {score}</div>"
    )


def criteria(found: dict[str, tuple[float | None, str]], names: tuple[str, ...]) -> str:
    """Write a table of AIC of this family, the first of `names`, and the others: the best first, pending ones last."""
    if len(names) < 2:
        return ""
    best = min((value for value, _ in found.values() if value is not None), default=np.nan)
    rows = ""
    for name in sorted(names, key=lambda name: (name not in found, (found.get(name, (None,))[0] or np.inf))):
        own = " class='own'" if name == names[0] else ""
        value, why = found.get(name, (None, ""))
        cells = "<td class='hint'>…</td><td></td>"
        if value is not None:
            cells = f"<td>{number(value, 5)}</td><td>{value - best:.1f}</td>"
        elif why:
            cells = f"<td colspan=2 class='hint' title='{escape(why, quote=True)}'>no maximum</td>"
        rows += f"<tr{own}><th>{name.replace('_', ' ')}</th>{cells}</tr>"
    note = "<div class='hint'>the others follow …</div>" if len(found) < len(names) else ""
    return f"<h3>AIC beside other families</h3><table><tr><th></th><th>AIC</th><th>difference</th></tr>{rows}</table>{note}"


def why_none(whole: AtMaximum) -> str:
    """Write why there is no curve where there is no maximum."""
    if whole.fit is None:
        return "these data do not suit the family"
    if whole.fit.status is Status.NO_DATA:
        return "no data yet: click the plot to add observations"
    return f"{whole.fit.status.sentence.split(':')[0].split(';')[0]}: no curve to draw"


def _percent(shares: list[float]) -> str:
    """Write shares as a range of percentages: "90 to 92 %", or "90 %" where they round to one."""
    ends = [f"{100 * x:.0f}" for x in (min(shares), max(shares))]
    return " to ".join(dict.fromkeys(ends)) + " %"


def spread(found: Spread | None, n: int) -> str:
    """Write a table of the sampling spread of the estimates and their standard errors."""
    if found is None:
        return ""
    rows = ""
    for name, deviation in found.deviation.items():
        rows += (
            f"<tr><th>{name}</th><td class='again'>{number(deviation, 3)}</td><td>{number(found.error[name], 3)}</td>"
            f"<td>{100 * found.covered[name]:.0f} %</td></tr>"
        )
    without = f"; {found.without} of them have no maximum" if found.without else ""
    known = [c for c in found.covered.values() if np.isfinite(c)]
    short = [c for c in known if c < 0.92]
    ratios = [found.deviation[name] / error for name, error in found.error.items() if error > 0]
    agree = known and not short and all(0.8 < ratio < 1.25 for ratio in ratios) and found.without < SAMPLES / 20
    sentence = (
        "The standard errors agree with the spread here."
        if agree
        else f"At n = {n} the 95 % intervals cover only {_percent(short)}."
        if short
        else f"At n = {n} the standard errors do not yet agree with the spread."
    )
    small = f"<div class='hint'>{sentence}</div>"
    return (
        f"<h3>{SAMPLES} samples drawn at the maximum</h3><table><tr><th></th><th class='again'>spread</th>"
        f"<th>std. error</th><th>95 % holds</th></tr>{rows}</table>"
        f"<div class='hint'>spread: standard deviation of the estimates{without}</div>{small}"
    )


def coin(state: State) -> str:
    """Count heads and tails."""
    heads = int(sum(state.x))
    n = len(state.x)
    share = f", share of heads {number(heads / n)}" if n else ""
    return f"<b>{heads}</b> heads, <b>{n - heads}</b> tails{share}"
