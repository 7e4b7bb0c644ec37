"""Checks of a model's functions at trace time: shapes and structures, each mistake with its own sentence."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxmle._util.arrays import Data, Float
from jaxmle._util.reads import arguments_read
from jaxmle.model.model import Model
from jaxmle.model.objective import Objective
from jaxmle.model.observations import bare


def check_contributions(objective: Objective, n: int) -> None:
    """Check at trace time that the log-likelihood returns exactly [n].

    Raises:
        TypeError, ValueError: saying what was returned, and what to try.
    """
    model = objective.model
    u = model.origin(objective.weights.dtype)
    name = model.function_name or model.name or "log_likelihood"
    shape = _traced(name, objective, lambda: model.log_likelihood(model.forward(u), objective.data))
    got = getattr(shape, "shape", None)
    if got is None:
        raise ValueError(f"{name} must return one array of shape [{n}], got {type(shape).__name__}")
    if got == (n,) and n > 0 and jnp.issubdtype(shape.dtype, jnp.floating):
        return
    if got == (n,):
        if n == 0:
            return
        raise ValueError(f"{name} must return real numbers, got {shape.dtype}")
    hint = "return one value per observation"
    if got == ():
        hint = "did you sum? Return one value per observation, or write it for one observation and use jaxmle.rows"
    elif got in ((n, 1), (1, n)):
        hint = "drop the extra axis, for example with [:, 0]; it would broadcast against the weights"
    elif len(got) == 2 and got[0] == n:
        hint = (
            "are these many data sets? Give them to jaxmle.fit_many; where each row holds several numbers, sum over the "
            "second axis"
        )
    raise ValueError(
        f"{name} must return the contribution of each observation, shape [{n}] for these data, got {list(got)}: {hint}"
    )


def coordinates_read(objective: Objective) -> list[bool]:
    """Tell which coordinates, in `ravel_pytree` order, enter the log-likelihood: those of the parameters that it reads."""
    model = objective.model
    read = arguments_read(objective.contributions, model.origin(objective.weights.dtype))
    sizes = [int(np.prod(s.coordinate_shape)) for s in jax.tree.leaves(model.space)]
    return [is_read for size, is_read in zip(sizes, read, strict=True) for _ in range(size)]


def check_start(objective: Objective) -> None:
    """Check at trace time that the model's own start has the structure of its space.

    Raises:
        TypeError, ValueError: saying what was returned, and what to try.
    """
    model = objective.model
    if model.start is None:
        return
    start = model.start
    name = getattr(start, "__name__", "start")
    shape = _traced(name, objective, lambda: start(objective.data, objective.weights))
    if jax.tree.structure(shape) != jax.tree.structure(model.space):
        got = sorted(shape) if isinstance(shape, dict) else jax.tree.structure(shape)
        raise ValueError(
            f"{name} returns {got}; expected one value for each parameter of the model's space, {model.names}: give both "
            "the same keys"
        )


def _traced(name: str, objective: Objective, call: Callable[[], object]) -> Any:
    """Evaluate the shapes that `call()` returns; explain in words a missing name and a function that JAX cannot trace."""
    try:
        return jax.eval_shape(call)
    except (KeyError, AttributeError) as error:
        if isinstance(error, AttributeError) and not isinstance(error.obj, (dict, tuple)):
            raise
        asked = error.name if isinstance(error, AttributeError) else error.args[0]
        data = objective.data
        columns = f"; data have {sorted(map(str, data))}" if isinstance(data, dict) else ""
        raise ValueError(
            f"{name} asks for {asked!r}, which is not there: params have {objective.model.names}, as the model's space "
            f"says{columns}. Give the space, the start and the function the same keys"
        ) from error
    except _UNTRACEABLE as error:
        raise TypeError(
            f"{name} cannot be traced by JAX ({type(error).__name__}); expected a pure JAX function. NumPy, SciPy and "
            "math see a tracer instead of numbers: use jax.numpy and jax.scipy on whatever depends on params or data, "
            "and jnp.where instead of if"
        ) from error


_UNTRACEABLE = (
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerBoolConversionError,
    jax.errors.TracerIntegerConversionError,
    jax.errors.ConcretizationTypeError,
    jax.errors.NonConcreteBooleanIndexError,
)


def percent(model: Model, data: Data, weights: Float[np.ndarray, " n"]) -> str:
    """Suggest to divide by 100 where data outside the support would then be inside it; else the empty string.

    Args:
        data: of one data set, leaves [n, ...].
        weights: f[n].
    """
    x = bare(data)
    if model.response is None or isinstance(x, (dict, tuple, list)):
        return ""
    if not np.all(((x >= 0) & (x <= 100)).all(tuple(range(1, x.ndim))) | (weights == 0)):
        return ""
    inside = np.asarray(model.possible(jnp.asarray(x / 100))) | (weights == 0)
    return "; divided by 100 all of them are inside: are these percentages?" if inside.all() else ""
