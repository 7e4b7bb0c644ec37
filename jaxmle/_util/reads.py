"""Which arguments the result of a traced function depends on."""

from collections.abc import Callable
from typing import Any

import jax
from jax.extend.core import Jaxpr, Literal

_CALLS = (
    "jit",
    "pjit",
    "closed_call",
    "core_call",
    "remat",
    "remat2",
    "checkpoint",
    "custom_jvp_call",
    "custom_vjp_call",
)
"Primitives that call a function of a trace with their arguments, one for one."


def arguments_read(function: Callable[..., Any], *args: Any) -> list[bool]:
    """Trace a function and tell which leaves of its arguments the result depends on; where in doubt, that it does.

    Example:
        >>> arguments_read(lambda p, x: p["a"] * x + 0.0 * x, {"a": 1.0, "b": 2.0}, 3.0)
        [True, False, True]
    """
    traced = jax.make_jaxpr(function)(*args).jaxpr
    return _read(traced, [True] * len(traced.outvars))


def _read(jaxpr: Jaxpr, wanted: list[bool]) -> list[bool]:
    """Tell which inputs of a trace its wanted outputs depend on, from the last equation to the first."""
    needed = {v for v, is_wanted in zip(jaxpr.outvars, wanted, strict=True) if is_wanted and not isinstance(v, Literal)}
    for equation in reversed(jaxpr.eqns):
        outputs = [v in needed for v in equation.outvars]
        if not any(outputs):
            continue
        inner = _called(equation)
        read = [True] * len(equation.invars) if inner is None else _read(inner, outputs)
        needed |= {
            v for v, is_read in zip(equation.invars, read, strict=True) if is_read and not isinstance(v, Literal)
        }
    return [v in needed for v in jaxpr.invars]


def _called(equation: Any) -> Jaxpr | None:
    """Return the trace that an equation calls with its own arguments; None where it does something else."""
    if equation.primitive.name not in _CALLS:
        return None
    found = equation.params.get("jaxpr", equation.params.get("call_jaxpr"))
    inner = getattr(found, "jaxpr", found)
    same = (
        inner is not None and len(inner.invars) == len(equation.invars) and len(inner.outvars) == len(equation.outvars)
    )
    return inner if same else None
