"""Checks of the properties that a log-likelihood must have, one function for each; float64 must be on."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxmle._util.arrays import Array, Bool, Data, Float, Int, Params
from jaxmle._util.compile import compiled
from jaxmle.checks.exact import Case, contributions, evaluate, gradient, join_rows, numpy, take
from jaxmle.checks.report import Row, row
from jaxmle.checks.trace import failure_in_words
from jaxmle.model.model import Model
from jaxmle.model.observations import for_model, row_leaves

_SAME = 1e-9


def check_shape(case: Case) -> Row:
    """Check that there is one contribution per observation, shape exactly [n]: others broadcast against the weights."""
    name = "contributions"
    try:
        out = jax.eval_shape(case.model.log_likelihood, case.params, for_model(case.model, case.data))
    except Exception as error:
        return row(name, "fail", f"the log-likelihood cannot be traced: {failure_in_words(error)}")
    shape, n = getattr(out, "shape", None), case.n
    if shape is None:
        return row(name, "fail", f"the log-likelihood returned {type(out).__name__}; expected one array of shape [{n}]")
    if shape == (n,) and jnp.issubdtype(out.dtype, jnp.floating):
        return row(name, "pass", f"one per observation, shape [{n}]")
    if shape == (n,):
        return row(name, "fail", f"contributions have dtype {out.dtype}; expected real floating-point numbers")
    if shape == ():
        text = "a scalar was returned: did you sum? Return one value per observation, or write it for one row and use jaxmle.rows"
    elif shape in ((n, 1), (1, n)):
        text = f"shape {list(shape)} was returned: squeeze it to [{n}], or keep a vector's axis out of the broadcast (x[:, 0])"
    elif len(shape) == 2 and shape[0] == n:
        text = f"shape {list(shape)} was returned: sum over the last axis, which is within an observation"
    else:
        text = f"shape {list(shape)} was returned: return one value per observation, or use jaxmle.rows"
    return row(name, "fail", f"{text} (expected [{n}])")


def check_finite(case: Case) -> list[Row]:
    """Check that contributions, score and Hessian are finite."""
    e = numpy(evaluate(case.model, case.params, case.data, case.weights))
    bad = np.flatnonzero(~np.isfinite(e["value"]) & (case.weights != 0))
    if len(bad):
        text = (
            f"{len(bad)} of {case.n} contributions are not finite (row {bad[0]}: {e['value'][bad[0]]}): is that row "
            "outside the support of the model at params, or is there log(0), 0/0 or an overflow?"
        )
        return [
            row("finite at params", "fail", text),
            row("finite gradients", "skipped", "the contributions themselves are not finite"),
        ]
    rows = [row("finite at params", "pass", f"log-likelihood {np.sum(case.weights * e['value']):.8g}")]
    wrong = np.argwhere(~np.isfinite(e["scores"]))
    names = case.names
    if len(wrong) or not np.all(np.isfinite(e["score"])):
        which = np.unique(wrong[:, 1]) if len(wrong) else np.flatnonzero(~np.isfinite(e["score"]))
        where = f" (row {wrong[0, 0]})" if len(wrong) else ""
        text = (
            f"the value is finite but the derivative with respect to {', '.join(names[k] for k in which)} is not"
            f"{where}: "
            "jnp.where differentiates both branches, so a NaN in the branch not taken reaches the derivative; clean the "
            "argument before it enters log, sqrt, division or a power, not only the result"
        )
        return [*rows, row("finite gradients", "fail", text)]
    if not np.all(np.isfinite(e["hessian"])):
        i, j = np.argwhere(~np.isfinite(e["hessian"]))[0]
        text = (
            f"the score is finite but the second derivative ({names[i]}, {names[j]}) is not: Newton's method cannot run"
        )
        return [*rows, row("finite gradients", "fail", text)]
    rows.append(row("finite gradients", "pass", "score and Hessian are finite"))
    flat = [names[k] for k in range(len(names)) if np.all(e["scores"][:, k] == 0) and not np.any(e["hessian"][k])]
    if flat:
        rows.append(
            row(
                "every parameter matters",
                "warn",
                f"the derivative with respect to {', '.join(flat)} is exactly 0 for every row: not identified, or "
                "stop_gradient, round, floor or a comparison cuts it off",
            )
        )
    return rows


def check_rows(case: Case) -> list[Row]:
    """Check that contributions depend on their own row only, not on rows of weight 0, and not on the order of rows.

    In an ordered model they may depend on earlier rows.
    """
    if case.n < 2:
        return [row("no dependence on other rows", "skipped", "one row only")]
    model, data, n = case.model, case.data, case.n
    ordered = model.observations == "ordered"
    base = _values(case, data)
    rows = []
    name = "no dependence on later rows" if ordered else "no dependence on other rows"
    pair = None
    for j in np.unique([0, n // 2, n - 1]):
        other = _different_row(data, int(j))
        if other is None:
            continue
        index = np.arange(n)
        index[j] = other
        moved = np.flatnonzero(~_close(_values(case, take(data, index)), base))
        moved = moved[moved < j] if ordered else moved[moved != j]
        if len(moved):
            pair = pair or (int(j), int(moved[0]))
    if pair and ordered:
        text = f"row {pair[0]} changes the contribution of the earlier row {pair[1]}: condition on the past only"
        rows.append(row(name, "fail", text))
    elif pair:
        text = (
            f"row {pair[0]} changes the contribution of row {pair[1]}: a mean, a sum or a norm over the rows inside "
            "the log-likelihood? Compute it beforehand and pass it as a jaxmle.constant; if the rows are a series, set "
            "observations='ordered'"
        )
        rows.append(row(name, "fail", text))
    else:
        text = (
            "a changed row changes only its own contribution"
            if not ordered
            else "a changed row leaves the past as it is"
        )
        rows.append(row(name, "pass", text))
    padded = join_rows(data, take(data, np.full(3, n - 1)))
    name = "weight 0 equals absent"
    try:
        now = _values(case, padded)[:n]
        same = _close(now, base)
        if np.all(same):
            rows.append(row(name, "pass", "rows of weight 0 at the end change nothing"))
        else:
            text = (
                f"three more rows of weight 0 change the contribution of row {np.argmin(same)}: the log-likelihood "
                "uses the number of rows or a sum over them (a term divided by n, a penalty shared out, centring)"
            )
            rows.append(row(name, "fail", text))
    except Exception as error:
        text = f"it fails on {n + 3} rows: is n, or an array of n elements, fixed inside? {failure_in_words(error)}"
        rows.append(row(name, "fail", text))
    if not ordered:
        index = np.roll(np.arange(n)[::-1], 1)
        same = _close(_values(case, take(data, index)), base[index])
        name = "order of rows"
        if np.all(same):
            rows.append(row(name, "pass", "permuted rows give permuted contributions"))
        else:
            text = (
                "permuted rows do not give permuted contributions: an array with one value per row is fixed inside the "
                "function or marked jaxmle.constant, or the position of a row matters"
            )
            rows.append(row(name, "fail", text))
    return rows


@compiled
def _batched(model: Model, params: Params, data: Data) -> Float[Array, "B n"]:
    return jax.vmap(lambda p, d: model.log_likelihood(p, for_model(model, d)))(params, data)


def check_batch(case: Case, other: Float[np.ndarray, " p"]) -> Row:
    """Check that vmap over two data sets equals each alone; `other` f[p] are a second set of parameters."""
    name = "batch equals loop"
    second = take(case.data, np.arange(case.n)[::-1].copy())
    stack = lambda a, b: np.stack([np.asarray(a), np.asarray(b)])
    params = jax.tree.map(stack, case.params, case.at(other))
    data = jax.tree.map(stack, case.data, second)
    try:
        both = np.asarray(_batched(case.model, params, data))
    except Exception as error:
        return row(name, "fail", f"vmap over two data sets fails: {failure_in_words(error)}")
    alone = np.stack([_values(case, case.data), np.asarray(contributions(case.model, case.at(other), second))])
    if np.all(_close(both, alone)):
        return row(name, "pass", "two data sets under vmap equal each alone")
    gap = np.nanmax(np.abs(both - alone))
    return row(
        name, "fail", f"two data sets under vmap differ from each alone by up to {gap:.2g}: a batching rule is wrong"
    )


def check_float32(case: Case) -> Row:
    """Count the digits of value and score that float32 keeps."""
    name = "float32 digits"
    low = lambda x: x.astype(np.float32) if x.dtype == np.float64 else x
    params, data = jax.tree.map(low, numpy(case.params)), jax.tree.map(low, case.data)
    e = numpy(evaluate(case.model, case.params, case.data, case.weights))
    try:
        with jax.enable_x64(False):
            value = np.asarray(contributions(case.model, params, data), float)
            score = np.asarray(gradient(case.model, params, data, case.weights.astype(np.float32)), float)
    except Exception as error:
        return row(name, "warn", f"cannot be evaluated in float32: {failure_in_words(error)}")
    with np.errstate(all="ignore"):
        size = np.sqrt(np.mean(e["value"] ** 2))
        gap = np.max(np.abs(value - e["value"])) / size if size else np.max(np.abs(value - e["value"]))
        scale = np.sum(np.abs(case.weights[:, None] * e["scores"]), axis=0)
        gaps = np.where(scale > 0, np.abs(score - e["score"]) / scale, 0.0)
    digits, kept = _digits(gap), [_digits(g) for g in gaps]
    text = f"float32 keeps {digits:.1f} digits of the contributions and {min(kept):.1f} of the score"
    if min(digits, *kept) >= 4:
        return row(name, "pass", text)
    worst = case.names[int(np.argmin(kept))] if min(kept) < digits else "the value"
    return row(
        name,
        "warn",
        f"{text} (worst: {worst}): stay with float64, or look for a difference of large numbers (centre the data, use "
        "log1p, expm1, log1mexp) or an overflow",
    )


def _digits(relative: float) -> float:
    return 0.0 if not np.isfinite(relative) else float(np.clip(-np.log10(max(relative, 1e-16)), 0, 7.2))


def check_start(case: Case) -> list[Row]:
    """Check that the start is legal, finite, pure, and respects weights."""
    model, data, n = case.model, case.data, case.n
    if model.start is None:
        start = numpy(model.forward(model.origin(jnp.float64)))
        return [_start_is_finite(case, start, "the default start (0 in unconstrained coordinates)")]
    ones = np.ones(n)
    try:
        start = numpy(_start(model, data, case.weights))
    except Exception as error:
        text = f"the start cannot be compiled, but it must be a pure JAX function, since many starts run at once: {failure_in_words(error)}"
        return [row("start", "fail", text)]
    wanted = jax.tree.structure(case.params)
    if jax.tree.structure(start) != wanted:
        text = f"start returned {jax.tree.structure(start)}; expected the structure of params, {wanted}"
        return [row("start", "fail", text)]
    rows = [_start_is_legal(case, start)]
    if rows[0]["verdict"] == "fail":
        return rows

    def moved(changed: Data, weights: Float[np.ndarray, " n"], reference: Params) -> list[str]:
        now = jax.tree.leaves(numpy(_start(model, changed, weights)))
        pairs = zip(model.names, now, jax.tree.leaves(reference), strict=True)
        return [name for name, a, b in pairs if not np.allclose(a, b, rtol=1e-7, atol=1e-12, equal_nan=True)]

    name = "start respects weights"
    index = _extremes(data, n)
    padded, weights = join_rows(data, take(data, np.repeat(index, 3))), np.concatenate([ones, np.zeros(3 * len(index))])
    try:
        reference = numpy(_start(model, data, ones))
        ignored = moved(padded, weights, reference)
        doubled = ones.copy()
        doubled[index] = 2.0
        repeated = numpy(_start(model, join_rows(data, take(data, index)), np.ones(n + len(index))))
        unequal = moved(data, doubled, repeated)
    except Exception as error:
        return [*rows, row(name, "fail", f"the start fails on other rows or weights: {failure_in_words(error)}")]
    if ignored:
        text = (
            f"rows of weight 0 move the start of {', '.join(ignored)}: use jnp.sum(w * x) / jnp.sum(w) in place of "
            "jnp.mean(x), and mask rows of weight 0 in min, max and quantiles"
        )
        return [*rows, row(name, "fail", text)]
    if unequal:
        text = (
            f"a row of weight 2 and the same row twice give different starts of {', '.join(unequal)}; harmless if small"
        )
        return [*rows, row(name, "warn", text)]
    return [*rows, row(name, "pass", "rows of weight 0 do not move it; weight 2 equals the row twice")]


@compiled
def _start(model: Model, data: Data, weights: Float[Array, " n"]) -> Params:
    assert model.start is not None
    return model.start(for_model(model, data), weights)


def _start_is_legal(case: Case, start: Params) -> Row:
    leaves = zip(case.model.names, jax.tree.leaves(case.model.space), jax.tree.leaves(start), strict=True)
    integers = []
    for name, space, x in leaves:
        if x.shape != space.value_shape:
            text = f"start of {name} has shape {list(x.shape)}; expected {list(space.value_shape)}"
            return row("start", "fail", text)
        if not bool(space.contains(x)):
            text = f"start of {name} is {_brief(x)}, outside {space!r}: clip it into the space"
            return row("start", "fail", text)
        if x.dtype.kind in "iub":
            integers.append(name)
    result = _start_is_finite(case, start, "the start")
    if integers and result["verdict"] == "pass":
        return row(
            "start", "warn", f"start of {', '.join(integers)} is an integer: return floats, such as 1.0 in place of 1"
        )
    return result


def _start_is_finite(case: Case, start: Params, what: str) -> Row:
    start = jax.tree.map(lambda x: jnp.asarray(x, jnp.float64), start)
    e = numpy(evaluate(case.model, start, case.data, case.weights))
    used = case.weights != 0
    where = ", ".join(f"{name} = {_brief(x)}" for name, x in zip(case.model.names, jax.tree.leaves(start), strict=True))
    if not np.all(np.isfinite(e["value"][used])):
        bad = np.flatnonzero(~np.isfinite(e["value"]) & used)
        text = f"the log-likelihood is not finite at {what}, {where} (row {bad[0]})"
        return row("start", "fail", f"{text}: give Model(start=(data, weights) -> params)")
    if not (np.all(np.isfinite(e["score"])) and np.all(np.isfinite(e["hessian"]))):
        return row("start", "fail", f"score or Hessian is not finite at {what}, {where}: give a better start")
    return row("start", "pass", f"{what} is legal and finite: {where}")


def _brief(x: Float[np.ndarray, "..."]) -> str:
    return np.array2string(np.asarray(x), precision=4, threshold=6, edgeitems=2)


def _values(case: Case, data: Data) -> Float[np.ndarray, " n"]:
    return np.asarray(contributions(case.model, case.params, data))


def _close(a: Float[np.ndarray, "..."], b: Float[np.ndarray, "..."]) -> Bool[np.ndarray, "..."]:
    size = np.sqrt(np.mean(np.where(np.isfinite(b), b, 0.0) ** 2))
    with np.errstate(invalid="ignore"):
        return (np.abs(a - b) <= _SAME * (np.abs(b) + size) + 1e-300) | (a == b) | (np.isnan(a) & np.isnan(b))


def _leaves(data: Data) -> list[np.ndarray]:
    return [np.asarray(x) for x in row_leaves(data)]


def _different_row(data: Data, j: int) -> int | None:
    """Find a row that differs from row j, most of all in the first leaf that varies; None where all are equal."""
    for x in _leaves(data):
        gap = np.sum(np.abs(x.reshape(len(x), -1) - x.reshape(len(x), -1)[j]).astype(float), axis=1)
        if np.any(gap > 0):
            return int(np.nanargmax(gap))
    return None


def _extremes(data: Data, n: int) -> Int[np.ndarray, " m"]:
    """Find the rows with the smallest and the largest values, which influence a start most."""
    ends = [int(f(x.reshape(n, -1)[:, 0])) for x in _leaves(data) for f in (np.argmin, np.argmax)]
    return np.unique([0, *ends])[:4]
