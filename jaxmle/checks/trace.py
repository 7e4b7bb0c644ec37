"""Checks of the traced log-likelihood: float32 numbers, data captured in the function, unused arguments, impurity."""

import re
from collections.abc import Iterator
from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal, Var

from jaxmle._util.arrays import ArrayLike, Data, Params
from jaxmle._util.records import is_traced
from jaxmle.checks.report import Row, row
from jaxmle.model.model import Model

_LOW = ("float32", "float16", "bfloat16")
_LARGE = 64


def check_trace(model: Model, params: Params, data: Data, n: int, names: list[str]) -> list[Row]:
    """Check precision, captured data, unused arguments and purity of a log-likelihood; float64 must be on."""
    first, second = (_trace(model, params, data) for _ in range(2))
    constants = [np.asarray(c) for c in _constants(first) if not _is_key(c)]
    return [
        _precision(first, constants),
        _closure(constants, data, n),
        _unused(first, names, len(jax.tree.leaves(params))),
        _purity(first, second, model, params, data),
    ]


def _trace(model: Model, params: Params, data: Data) -> ClosedJaxpr:
    # A new function object each time: a cached trace would hide that the second one differs.
    return jax.make_jaxpr(lambda p, d: model.log_likelihood(p, d))(params, data)


def _inner(value: object) -> Iterator[ClosedJaxpr | Jaxpr]:
    """List the jaxprs in a parameter of an equation."""
    if hasattr(value, "eqns") or hasattr(value, "jaxpr"):
        yield cast(ClosedJaxpr | Jaxpr, value)
    elif isinstance(value, (tuple, list)):
        for v in value:
            yield from _inner(v)


def _all(closed: ClosedJaxpr | Jaxpr) -> Iterator[ClosedJaxpr | Jaxpr]:
    """Walk through a jaxpr and all that it contains."""
    yield closed
    for equation in getattr(closed, "jaxpr", closed).eqns:
        for value in equation.params.values():
            for inner in _inner(value):
                yield from _all(inner)


def _constants(closed: ClosedJaxpr) -> list[ArrayLike]:
    """List the arrays captured in a jaxpr, each once."""
    found = {id(c): c for j in _all(closed) for c in getattr(j, "consts", ()) if hasattr(c, "dtype")}
    return list(found.values())


def _literals(closed: ClosedJaxpr) -> list[ArrayLike]:
    """List the numbers written in the equations of a jaxpr."""
    equations = [e for j in _all(closed) for e in getattr(j, "jaxpr", j).eqns]
    return [v.val for e in equations for v in e.invars if isinstance(v, Literal)]


def _dtype(x: Var | Literal) -> str:
    return str(getattr(x.aval, "dtype", ""))


def _precision(closed: ClosedJaxpr, constants: list[np.ndarray]) -> Row:
    name = "float32 numbers"
    casts = [
        _dtype(v)
        for j in _all(closed)
        for e in getattr(j, "jaxpr", j).eqns
        if e.primitive.name == "convert_element_type" and any(_dtype(i) == "float64" for i in e.invars)
        for v in e.outvars
        if _dtype(v) in _LOW
    ]
    low = [c for c in constants if str(c.dtype) in _LOW]
    rounded = [v for v in [*constants, *map(np.asarray, _literals(closed))] if _was_float32(v)]
    found = []
    if casts:
        found.append(f"{len(casts)} cast(s) from float64 to {casts[0]}: remove astype, or use astype(x.dtype)")
    if low:
        found.append(
            f"{len(low)} constant(s) of dtype {low[0].dtype} (such as {_short(low[0])}): a jnp array made outside the "
            "function is float32 while jax's x64 flag is off; use a Python float or a NumPy array"
        )
    if rounded:
        found.append(
            f"{len(rounded)} number(s) that were rounded to float32 (such as {_short(rounded[0])}): write a Python "
            "float in place of float32(...)"
        )
    if found:
        return row(name, "fail", "the result has only float32's 7 digits: " + "; ".join(found))
    return row(name, "pass", "no float32 constants or casts in the float64 model")


def _short(x: np.ndarray) -> str:
    return f"{float(x):.17g}" if np.ndim(x) == 0 else f"an array of shape {list(np.shape(x))}"


def _was_float32(x: np.ndarray) -> bool:
    """Tell whether float64 numbers carry exactly float32's 24 bits, as 0.10000000149011612 does and 0.1, 0.5, 3 do not."""
    x = np.asarray(x)
    if x.dtype != np.float64 or x.size == 0 or not np.all(np.isfinite(x)):
        return False
    with np.errstate(over="ignore", under="ignore"):
        if not np.all(x.astype(np.float32).astype(np.float64) == x):
            return False
    bits = np.frexp(np.abs(x))[0] * 2.0**17
    return bool(np.mean(bits != np.floor(bits)) > 0.5)  # more than 17 bits in use


def _closure(constants: list[np.ndarray], data: Data, n: int) -> Row:
    name = "no data captured in the function"
    leaves = [np.asarray(x) for x in jax.tree.leaves(data)]
    for c in constants:
        same = c.ndim > 0 and c.size > 1 and any(x.shape == c.shape and np.allclose(x, c, 1e-5, 0) for x in leaves)
        if same:
            return row(
                name,
                "fail",
                f"the data are captured in the function: a constant of shape {list(c.shape)} in the log-likelihood equals the "
                "data; use the `data` argument, otherwise every data set gets the estimates of this one",
            )
    for c in constants:
        if c.ndim > 0 and n > 1 and (c.shape[0] == n or c.size > _LARGE):
            return row(
                name,
                "warn",
                f"a constant of shape {list(c.shape)} is captured in the function; if it is data, pass it in the data pytree "
                "(jaxmle.constant(x) where it has no observation axis); tables such as quadrature nodes are fine",
            )
    return row(name, "pass", "no large array is captured")


def _unused(closed: ClosedJaxpr, names: list[str], n_params: int) -> Row:
    used = {id(v) for e in closed.jaxpr.eqns for v in e.invars} | {id(v) for v in closed.jaxpr.outvars}
    used_inputs = [id(v) in used for v in closed.jaxpr.invars]
    if not any(used_inputs[n_params:]):
        return row("arguments used", "fail", "the log-likelihood does not use its data argument")
    unused = [name for name, u in zip(names, used_inputs[:n_params], strict=True) if not u]
    if unused:
        return row("arguments used", "fail", f"the log-likelihood does not use {', '.join(unused)}: not identified")
    return row("arguments used", "pass", "the log-likelihood uses the data and every parameter")


def _purity(first: ClosedJaxpr, second: ClosedJaxpr, model: Model, params: Params, data: Data) -> Row:
    name = "pure"
    texts = [re.sub(r"0x[0-9a-f]+", "", str(j)) for j in (first, second)]
    a, b = ([np.asarray(x) for x in _plain(_constants(j) + _literals(j))] for j in (first, second))
    same = len(a) == len(b) and all(
        np.array_equal(x, y, equal_nan=x.dtype.kind == "f") for x, y in zip(a, b, strict=True)
    )
    if texts[0] != texts[1] or not same:
        return row(
            name,
            "fail",
            "not pure: two traces of the log-likelihood differ; take out random numbers, counters, clocks and "
            "anything else that changes between calls (a pure function of params and data is needed)",
        )
    leaks = [x for x in jax.tree.leaves(model.log_likelihood(params, data)) if is_traced(x)]
    if leaks:
        return row(name, "fail", "not pure: a traced value of an earlier call is kept in a global or an attribute")
    return row(name, "pass", "two traces of the log-likelihood are the same")


def _is_key(x: ArrayLike) -> bool:
    return jnp.issubdtype(jnp.result_type(x), jax.dtypes.extended)


def _plain(values: list[ArrayLike]) -> list[ArrayLike]:
    return [v for v in values if not _is_key(v)]


def failure_in_words(error: Exception) -> str:
    """Describe an error of tracing in a sentence for the author of the log-likelihood."""
    kind = type(error).__name__
    if kind == "TracerArrayConversionError":
        return "NumPy (or SciPy, pandas) was called on a traced value: use jax.numpy (or jaxmle.special) in its place"
    if kind == "TracerBoolConversionError":
        return "Python's if, and, or, while or assert is applied to a traced value: use jnp.where, & and | in its place"
    if kind in ("ConcretizationTypeError", "TracerIntegerConversionError", "NonConcreteBooleanIndexError"):
        return (
            "a traced value is used where a plain number is needed (float(), int(), range(), a boolean index or a "
            "shape): use jax.numpy operations and jnp.where in its place"
        )
    if kind == "UnexpectedTracerError":
        return "a traced value of an earlier call is kept in a global or an attribute: make the function pure"
    text = str(error).strip().splitlines()
    return f"it raised {kind}: {text[0] if text else 'no message'}"
