"""The ascent from the sliders to the maximum, step by step, by one of four methods."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxmle import optimizers
from jaxmle._util.arrays import Array, Data, Float, Params
from jaxmle._util.compile import compiled_with, in_float64
from jaxmle.explore import families
from jaxmle.explore.numbers import rows
from jaxmle.explore.state import State
from jaxmle.model.model import Model
from jaxmle.model.objective import Objective
from jaxmle.result.fit import Fit

METHODS = ("Newton", "L-BFGS", "Adam", "gradient ascent")
STEPS = 200
ARRIVED = 1e-6
"Remaining gain in log-likelihood below which a path has arrived."


class Path(NamedTuple):
    """The points of an ascent for each parameter, the last one the maximum of `jaxmle.fit`, and a sentence about it."""

    points: dict[str, Float[np.ndarray, " k"]]
    sentence: str


@functools.cache
def _optimizer(method: str) -> optax.GradientTransformationExtraArgs:
    if method == "gradient ascent":
        search = optax.scale_by_backtracking_linesearch(max_backtracking_steps=25, increase_factor=2.0)
        return optax.chain(optax.sgd(1.0), search)
    return {"Newton": optimizers.newton, "L-BFGS": optax.lbfgs, "Adam": lambda: optax.adam(0.1)}[method]()


@in_float64
def ascent(state: State, fit: Fit, method: str) -> Path:
    """Ascend from the sliders to the maximum.

    Every method ascends the mean log-likelihood in the coordinates of the parameters' spaces, those with units divided
    by the standard deviation of the observations. Where a method has not arrived after STEPS steps, the path ends at the
    maximum of the fit.

    Args:
        state: the sliders and the observations.
        fit: with a maximum.
        method: one of METHODS.
    """
    model = families.model(state.family)
    data, weights = rows(state.family, state.x)
    spread = float(np.std(state.x)) or 1.0
    units = {name: spread if _has_units(model, name) else 1.0 for name in model.names}
    points, values = _path(model, method, dict(state.params), units, data, weights)
    points, values = {name: np.asarray(v) for name, v in points.items()}, np.asarray(values)
    finite = np.isfinite(values) & np.all(np.isfinite(list(points.values())), axis=0)
    stop = len(values) if finite.all() else int(np.argmin(finite))
    at_maximum = np.flatnonzero(values[:stop] >= fit.log_likelihood - ARRIVED)
    arrived = len(at_maximum) > 0
    last = int(at_maximum[0]) if arrived else stop - 1
    shown = np.arange(last + 1)
    if method == "Newton":  # steps that it takes back are no part of the path
        shown = shown[values[shown] >= np.maximum.accumulate(values[shown])]
    path = {name: np.append(v[shown], float(fit.params[name])) for name, v in points.items()}
    back = f" ({last + 1 - len(shown)} taken back)" if len(shown) <= last else ""
    counted = f"{method}: {last} step{'s' * (last != 1)}{back}"
    if arrived:
        return Path(path, f"{counted} to the maximum")
    missing = fit.log_likelihood - values[max(last, 0)]
    return Path(path, f"{counted}, still {missing:.2g} below; Newton finishes")


def _has_units(model: Model, name: str) -> bool:
    """Return whether a parameter has the units of the data and may be negative."""
    return not model.space[name].kind.unitless and name in ("loc", "lower", "upper")


@compiled_with(static_argnums=(0, 1))
def _path(
    model: Model, method: str, params: Params, units: dict[str, float], data: Data, weights: Float[Array, " n"]
) -> tuple[Params, Array]:
    """Compute the natural parameters of STEPS + 1 points, f[STEPS + 1] each, and the log-likelihood there."""
    optimizer, objective, n = _optimizer(method), Objective(model, data, weights), jnp.sum(weights)
    u = model.inverse({name: jnp.asarray(v, float) for name, v in params.items()})
    own = method == "Newton"  # it knows no units, and asks the objective for its curvature
    scale = {name: jnp.asarray(1.0 if own else v, float) for name, v in units.items()}

    def natural(z: Params) -> Params:
        return jax.tree.map(lambda a, b: a * b, z, scale)

    value_fn = objective if own else lambda z: objective(natural(z)) / n

    def step(
        carry: tuple[Params, optax.OptState], _: None
    ) -> tuple[tuple[Params, optax.OptState], tuple[Params, Array]]:
        z, state = carry
        value, gradient = jax.value_and_grad(value_fn)(z)
        updates, state = optimizer.update(gradient, state, z, value=value, grad=gradient, value_fn=value_fn)
        new = optax.apply_updates(z, updates)
        return (jax.tree.map(lambda x, y: x.astype(y.dtype), new, z), state), (z, value)

    z = jax.tree.map(lambda a, b: a / b, u, scale)
    _, (path, values) = jax.lax.scan(step, (z, optimizer.init(z)), None, length=STEPS + 1)
    total = -values if own else -values * n
    return jax.vmap(lambda z: model.forward(natural(z)))(path), total
