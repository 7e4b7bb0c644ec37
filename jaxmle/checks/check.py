"""`check`: hand-derived derivatives against exact ones, and the properties that a model must have, in words."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from jaxmle._util.arrays import Array, ArrayLike, Data, Params
from jaxmle._util.compile import float64
from jaxmle.checks.bartlett import check_bartlett, check_sign
from jaxmle.checks.derivatives import check_derivatives
from jaxmle.checks.exact import Case, evaluate, nearby, numpy
from jaxmle.checks.given import Derivative
from jaxmle.checks.promises import check_batch, check_finite, check_float32, check_rows, check_shape, check_start
from jaxmle.checks.report import Entry, Report, Row, row
from jaxmle.checks.trace import check_trace, failure_in_words
from jaxmle.distributions.base.distribution import Distribution
from jaxmle.model.model import Model, constant
from jaxmle.model.observations import for_model, is_constant

__all__ = ["Report", "check"]


def check(
    model: Model | Distribution | str,
    params: Params,
    data: Data,
    score: Derivative | None = None,
    hessian: Derivative | None = None,
    *,
    weights: ArrayLike | None = None,
    key: Array | None = None,
) -> Report:
    """Check a hand-derived score and Hessian, and the properties that a log-likelihood must have.

    The score is S(theta) = sum w_i d l_i / d theta and the Hessian sum w_i d2 l_i / d theta d theta', both of the
    log-likelihood (not of its negative) and with respect to the natural parameters. Each entry is compared with the
    exact derivative (automatic differentiation in float64) and with extrapolated finite differences, at `params` and
    at four points nearby, on all rows, halves and single rows, so that a wrong entry can be named: a sign, a
    factor, a missing term, swapped entries, another parametrization.

    Args:
        model: a `Model`, a distribution, or its name.
        params: natural parameters, the structure of `model.space`; any legal point will do, a maximum or not.
        data: as for `fit`: leaves [n, ...], and `constant` leaves.
        score: function `(params, data) -> score`, or its value at `params`: params' structure or f[p] in
            `jax.flatten_util.ravel_pytree` order (dict keys sorted); or contributions, with an axis [n] in front.
        hessian: function `(params, data) -> hessian`, or its value: f[p, p], or nested like `jax.hessian`'s result.
        weights: f[n], frequencies; they multiply contributions. A total is compared with the weighted total.
        key: for the nearby points and the simulated data; `jax.random.key(0)` by default.

    Returns:
        a `Report`: print it, or use `ok`, `rows`, `score`, `hessian` and `raise_if_failed()`.

    Raises:
        ValueError: params of another structure, shape or outside the space; data without a common number of rows.

    Example:
        >>> import jax.numpy as jnp, jaxmle as jm
        >>> def log_likelihood(params, x):
        ...     return jnp.log(params["rate"]) - params["rate"] * x
        >>> def score(params, x):
        ...     return {"rate": -x.sum()}
        >>> model = jm.Model(log_likelihood, {"rate": jm.spaces.positive})
        >>> report = jm.check(model, {"rate": 0.7}, [1.0, 2.0, 4.0], score=score)
        >>> report.ok
        False
        >>> print(report["score of rate"]["message"].split(" (")[0])
        a term that does not depend on the data is missing: add n/rate
    """
    if not isinstance(model, Model):
        from jaxmle.models import as_model

        model = as_model(model)
    with float64():
        case, integers = _case(model, params, data, weights, key)
        rows = [_integers(integers), check_shape(case)]
        title = f"{_title(model)}: {case.n} observations, {len(case.flat)} parameters"
        if rows[-1]["verdict"] == "fail":
            rows.append(row("other checks", "skipped", "correct the contributions first"))
            return Report(title, rows, [], [])
        try:
            rows += check_trace(model, case.params, for_model(model, case.data), case.n, model.names)
            rows += check_finite(case)
        except Exception as error:
            text = f"the log-likelihood cannot be differentiated or run: {failure_in_words(error)}"
            return Report(title, [*rows, row("derivatives", "fail", text)], [], [])
        finite = all(r["verdict"] != "fail" for r in rows if r["name"].startswith("finite"))
        scores: list[Entry] = []
        hessians: list[Entry] = []
        points = [case.flat]
        if finite:
            found, scores, hessians = check_derivatives(case, score, hessian)
            exact = numpy(evaluate(model, case.params, case.data, case.weights))
            points = nearby(case, exact["hessian"], 2)
            rows = [*found, *rows, check_sign(case, points)]
        else:
            text = "the exact derivatives are not finite at params"
            rows += [
                row(kind, "skipped", text) for kind, g in (("score", score), ("hessian", hessian)) if g is not None
            ]
        rows += [*check_rows(case), check_batch(case, points[-1]), check_float32(case), *check_start(case)]
        rows += check_bartlett(case) if finite else []
        return Report(title, rows, scores, hessians)


def _title(model: Model) -> str:
    """Name the model, by the function inside `rows` where it has no name of its own."""
    return model.label if model.name or model.function_name in ("", "<lambda>") else model.function_name


def _integers(names: list[str]) -> Row:
    if names:
        text = f"params of {', '.join(names)} are integers and were read as floats; jax.grad itself would refuse them"
        return row("floating params", "warn", text)
    return row("floating params", "pass", "params are floating-point numbers")


# --- reading the arguments ----------------------------------------------------------------------------------------------


def _case(
    model: Model, params: Params, data: Data, weights: ArrayLike | None, key: Array | None
) -> tuple[Case, list[str]]:
    params, integers = _read_params(model, params)
    data, n = _read_data(data)
    w = np.ones(n) if weights is None else np.asarray(weights, float)
    if w.shape != (n,):
        raise ValueError(f"check: weights have shape {list(w.shape)}; expected one per row, [{n}]")
    if not (np.all(np.isfinite(w)) and np.all(w >= 0) and w.sum() > 0):
        raise ValueError("check: weights must be finite, not negative, and not all 0")
    flat, unravel = ravel_pytree(params)
    if not flat.size:
        raise ValueError("check: the model has no parameters")
    key = jax.random.key(0) if key is None else key
    return Case(model, params, np.asarray(flat), unravel, data, w, key), integers


def _read_params(model: Model, params: Params) -> tuple[Params, list[str]]:
    """Read params as float64 arrays, and name those that were integers; raise where they do not suit the space."""
    space = model.space
    if isinstance(space, Mapping) and isinstance(params, Mapping):
        missing, extra = [k for k in space if k not in params], [k for k in params if k not in space]
        if missing or extra:
            parts = [f"{', '.join(map(str, missing))} missing"] if missing else []
            parts += [f"{', '.join(map(str, extra))} unknown"] if extra else []
            raise ValueError(f"check: params: {'; '.join(parts)}; the model's parameters are {', '.join(model.names)}")
        params = {k: params[k] for k in space}
    leaves, tree = jax.tree.flatten(space)
    try:
        values = tree.flatten_up_to(params)
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"check: params have the structure {jax.tree.structure(params)}; expected that of the space, {tree}, with "
            f"parameters {', '.join(model.names)}"
        ) from error
    out, integers = [], []
    for name, s, value in zip(model.names, leaves, values, strict=True):
        try:
            x = np.asarray(value)
            integers += [name] if x.dtype.kind in "iub" else []
            x = x.astype(float)
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"check: params: {name} is {value!r}; expected numbers of shape {list(s.value_shape)}"
            ) from error
        if x.shape != s.value_shape:
            raise ValueError(f"check: params: {name} has shape {list(x.shape)}; expected {list(s.value_shape)}")
        if not bool(s.contains(x)):
            raise ValueError(f"check: params: {name} = {np.array2string(x, threshold=6)} is outside its space {s!r}")
        out.append(jnp.asarray(x))
    return tree.unflatten(out), integers


def _read_data(data: Data) -> tuple[Data, int]:
    """Read data as arrays of numbers, and count their rows."""
    if isinstance(data, (list, tuple)) and data and all(isinstance(x, (int, float)) for x in data):
        data = np.asarray(data)
    if isinstance(data, Mapping):
        data = {k: np.asarray(v) if isinstance(v, list) else v for k, v in data.items()}
    counts: dict[str, int] = {}

    def read(path: jax.tree_util.KeyPath, x: Any) -> np.ndarray | constant:
        name = jax.tree_util.keystr(path, simple=True, separator=".") or "data"
        if is_constant(x):
            return constant(jax.tree.map(_numbers(name), x.value))
        x = _numbers(name)(x)
        if x.ndim == 0:
            raise ValueError(f"check: data {name} is a single number; expected one per row, or jaxmle.constant({name})")
        counts[name] = len(x)
        return x

    data = jax.tree_util.tree_map_with_path(read, data, is_leaf=lambda x: is_constant(x) or hasattr(x, "__array__"))
    if not counts:
        raise ValueError("check: data have no leaf with an observation axis")
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{k}: {v}" for k, v in counts.items())
        raise ValueError(
            f"check: data leaves differ in their number of rows ({listed}); mark one without rows as constant"
        )
    n = next(iter(counts.values()))
    if n == 0:
        raise ValueError("check: data have no rows")
    return data, n


def _numbers(name: str) -> Callable[[Any], np.ndarray]:
    """Make the reader of a leaf of the data, called `name` in errors."""

    def read(x: Any) -> np.ndarray:
        x = np.asarray(x)
        if x.dtype.kind == "f":
            return x.astype(np.float64)
        if x.dtype.kind not in "iub":
            raise ValueError(f"check: data {name} have dtype {x.dtype}; expected numbers (encode text and dates first)")
        return x

    return read
