"""Exact and finite-difference derivatives at natural parameters, for `check`. float64 must be on."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from jaxmle._util.arrays import Array, Bool, Data, Float, Int, Params
from jaxmle._util.compile import compiled
from jaxmle._util.records import record
from jaxmle.model.model import Model
from jaxmle.model.observations import for_model, is_constant, row_leaves

_LEVELS = 7

Derivatives = dict[str, np.ndarray]
"What `evaluate` and `finite_differences` return, as NumPy arrays: `score` f[p], `hessian` f[p, p], and more."


@record
class Case:
    """One model, one point and one data set to check.

    Args:
        model: the Model.
        params: pytree of float64 arrays; `flat` f[p] is the same in `ravel_pytree` order.
        data: pytree of arrays [n, ...] and `constant`.
        weights: f[n].
        key: for the nearby points and the simulations.
    """

    model: Model
    params: Params
    flat: Float[np.ndarray, " p"]
    unravel: Callable[[Array], Params]
    data: Data
    weights: Float[np.ndarray, " n"]
    key: Array

    @property
    def n(self) -> int:
        """The number of rows."""
        return len(self.weights)

    @property
    def names(self) -> list[str]:
        """The names of the p natural scalars."""
        return self.model.value_names

    def at(self, x: Float[np.ndarray, " p"]) -> Params:
        """Map natural scalars f[p] to params."""
        return self.unravel(jnp.asarray(x))

    def rows(self, index: Int[np.ndarray, " m"]) -> Data:
        """Select the data of some rows."""
        return take(self.data, index)


def take(data: Data, index: Int[np.ndarray, " m"]) -> Data:
    """Select rows `index` of every leaf that has an observation axis."""
    return jax.tree.map(lambda x: x if is_constant(x) else x[index], data, is_leaf=is_constant)


def join_rows(first: Data, second: Data) -> Data:
    """Concatenate the rows of two data sets."""
    return jax.tree.map(
        lambda x, y: x if is_constant(x) else np.concatenate([x, y]), first, second, is_leaf=is_constant
    )


@compiled
def contributions(model: Model, params: Params, data: Data) -> Float[Array, " n"]:
    """Evaluate the contributions l_i."""
    return model.log_likelihood(params, for_model(model, data))


@compiled
def gradient(model: Model, params: Params, data: Data, weights: Float[Array, " n"]) -> Float[Array, " p"]:
    """Evaluate the score f[p] with respect to the natural parameters."""
    flat, unravel = ravel_pytree(params)
    return jax.grad(lambda x: jnp.sum(weights * model.log_likelihood(unravel(x), for_model(model, data))))(flat)


@compiled
def evaluate(model: Model, params: Params, data: Data, weights: Float[Array, " n"]) -> dict[str, Array]:
    """Evaluate contributions f[n], their scores f[n, p], the total score f[p] and Hessian f[p, p], natural parameters."""
    flat, unravel = ravel_pytree(params)

    def each(x: Float[Array, " p"]) -> Float[Array, " n"]:
        return model.log_likelihood(unravel(x), for_model(model, data))

    def total(x: Float[Array, " p"]) -> Float[Array, ""]:
        return jnp.sum(weights * each(x))

    def slope(x: Float[Array, " p"]) -> tuple[Float[Array, " p"], Float[Array, " p"]]:
        g = jax.grad(total)(x)
        return g, g

    hessian, score = jax.jacfwd(slope, has_aux=True)(flat)
    return {"value": each(flat), "scores": jax.jacfwd(each)(flat), "score": score, "hessian": hessian}


def numpy(tree: Data) -> Data:
    """Convert the leaves of a pytree to NumPy arrays."""
    return jax.tree.map(np.asarray, tree)


def nearby(case: Case, hessian: Float[np.ndarray, "p p"], count: int) -> list[Float[np.ndarray, " p"]]:
    """List the point itself and `count` legal ones around it, about a standard error away, f[p] each."""
    model = case.model
    u, unravel = ravel_pytree(model.inverse(case.params))
    jacobian = jax.jacfwd(lambda v: ravel_pytree(model.forward(unravel(v)))[0])(u)
    curvature = np.abs(np.diag(np.asarray(jacobian).T @ hessian @ np.asarray(jacobian)))
    with np.errstate(divide="ignore"):
        size = np.minimum(0.2 * (1 + np.abs(u)), 1.5 / np.sqrt(curvature))
    points = [case.flat]
    for i in range(count):
        # Away from 0, so that no parameter stays where it was.
        z = np.asarray(jax.random.normal(jax.random.fold_in(case.key, i), u.shape, jnp.float64))
        x = np.asarray(ravel_pytree(model.forward(unravel(u + size * (z + 0.3 * np.sign(z)))))[0])
        # A pinned parameter keeps the value that was given.
        points.append(np.where(_pinned(model), case.flat, x))
    return points


def _pinned(model: Model) -> Bool[np.ndarray, " p"]:
    """Find the natural scalars that are pinned."""
    leaves = jax.tree.leaves(model.space)
    return np.concatenate(
        [np.full(int(np.prod(s.value_shape)), s.coordinate_shape == (0,) and s.value_shape != (0,)) for s in leaves]
    ).astype(bool)


def central(f: Callable[[float], np.ndarray], h: float, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Evaluate f'(0) by Richardson's extrapolation of central differences, with an estimate of its error.

    Steps h, h/2, h/4, ...; the tableau's entry with the smallest estimated error is kept
    (Ridders 1982, *Advances in Engineering Software* 4, 75-76).

    Args:
        f: real -> [...], symmetric differences of it are taken.
        h: the first step.
        noise: [...], the rounding error of f.

    Returns:
        the derivative and its error, [...] each.
    """
    best = error = None
    previous: list[np.ndarray] = []
    for level in range(_LEVELS):
        step = h / 2**level
        current = [f(step) / (2 * step)]
        for m, before in enumerate(previous, start=1):
            current.append(current[-1] + (current[-1] - before) / (4**m - 1))
            guess = np.maximum(np.abs(current[m] - current[m - 1]), np.abs(current[m] - before)) + noise / step
            if best is None or error is None:
                best, error = current[m], guess
            better = guess < error
            best, error = np.where(better, current[m], best), np.where(better, guess, error)
        previous = current
    assert best is not None  # from the second level on
    assert error is not None
    return best, error


def finite_differences(case: Case, exact: Derivatives) -> Derivatives:
    """Evaluate the score from differences of contributions, Hessian from differences of the exact score, and their errors."""
    p = len(case.flat)
    weights = case.weights
    eps = np.finfo(float).eps
    score, score_error = np.full(p, np.nan), np.full(p, np.inf)
    hessian, hessian_error = np.full((p, p), np.nan), np.full((p, p), np.inf)
    value_noise = 2 * eps * np.sqrt(np.sum((weights * exact["value"]) ** 2))
    score_noise = 2 * eps * np.sqrt(np.sum((weights[:, None] * exact["scores"]) ** 2, axis=0))
    for k, h in enumerate(_steps(case, exact["hessian"])):
        unit = np.eye(p)[k]

        def value(s: float, unit: np.ndarray = unit) -> np.ndarray:
            a, b = (contributions(case.model, case.at(case.flat + t * unit), case.data) for t in (s, -s))
            return np.sum(weights * (np.asarray(a) - np.asarray(b)))

        def slope(s: float, unit: np.ndarray = unit) -> np.ndarray:
            a, b = (gradient(case.model, case.at(case.flat + t * unit), case.data, weights) for t in (s, -s))
            return np.asarray(a) - np.asarray(b)

        with np.errstate(all="ignore"):
            score[k], score_error[k] = central(value, h, value_noise)
            hessian[k], hessian_error[k] = central(slope, h, score_noise)
    return {"score": score, "score_error": score_error, "hessian": hessian, "hessian_error": hessian_error}


def _steps(case: Case, hessian: Float[np.ndarray, "p p"]) -> list[float]:
    """Choose a first step for each scalar: half a standard error, less where that would leave the space."""
    steps = []
    spaces = [s for s in jax.tree.leaves(case.model.space) for _ in range(int(np.prod(s.value_shape)))]
    for x, curvature, space in zip(case.flat, np.abs(np.diag(hessian)), spaces, strict=True):
        h = 0.1 * max(abs(x), 1.0)
        if curvature > 0 and np.isfinite(curvature):
            h = min(h, 0.5 / np.sqrt(curvature))
        if space.kind.ends is not None and not np.ndim(space.bounds[0] if space.bounds else 0.0):
            while h > 1e-300 and not (bool(space.contains(x + 1.5 * h)) and bool(space.contains(x - 1.5 * h))):
                h /= 2
        steps.append(2.0 ** np.floor(np.log2(h)))
    return steps


def features(case: Case, index: Int[np.ndarray, " m"], weights: Float[np.ndarray, " n"]) -> dict[str, float]:
    """Sum simple functions of the data over rows, by names such as sum(x**2)."""
    paths = jax.tree_util.tree_flatten_with_path(case.data, is_leaf=is_constant)[0]
    columns: dict[str, np.ndarray] = {}
    for path, leaf in paths:
        if is_constant(leaf) or leaf.dtype.kind not in "fiub":
            continue
        name = jax.tree_util.keystr(path, simple=True, separator=".") or "data"
        flat = leaf.reshape(len(leaf), -1).astype(float)
        for j in range(min(flat.shape[1], 6)):
            columns[name if leaf.ndim == 1 else f"{name}[:, {j}]"] = flat[:, j]
    columns = dict(list(columns.items())[:8])
    finite = {k: v for k, v in columns.items() if np.all(np.isfinite(v))}
    out = {}
    for name, x in finite.items():
        out[f"sum({name})"], out[f"sum({name}**2)"] = x, x**2
        if np.all(x > 0):
            out[f"sum(log({name}))"], out[f"sum(1/{name})"] = np.log(x), 1 / x
    items = list(finite.items())
    for i, (a, x) in enumerate(items):
        for b, y in items[i + 1 :]:
            out[f"sum({a} * {b})"] = x * y
    return {name: float(np.sum(weights[index] * values[index])) for name, values in out.items()}


def row_count(data: Data) -> int:
    """Count the rows n by the first leaf that has an observation axis."""
    return row_leaves(data)[0].shape[0]
