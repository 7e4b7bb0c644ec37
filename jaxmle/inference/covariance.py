"""Covariances and intervals: pure functions of a model at a point; arrays in, arrays out."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.flatten_util import ravel_pytree

from jaxmle._engine.batch import Batch, Bucket
from jaxmle._engine.devices import near, together
from jaxmle._solver.problem import Problem, numbers_of, objective_of
from jaxmle._solver.state import RUNNING
from jaxmle._util.compile import compiled_with
from jaxmle._util.records import split
from jaxmle.model.model import Model
from jaxmle.model.objective import Objective


def natural(objective: Objective, u: Any, unravel: Any) -> Any:
    """Natural parameters in `ravel_pytree` order, f[q]."""
    return ravel_pytree(objective.model.forward(unravel(u)))[0]


def jacobian(objective: Objective, u: Any, unravel: Any) -> Any:
    """d natural / d u, f[q, p]: the delta method's matrix."""
    return jax.jacfwd(lambda x: natural(objective, x, unravel))(u)


def opg(objective: Objective, u: Any, unravel: Any) -> Any:
    """K = sum w s s', f[p, p], the outer product of scores (Berndt, Hall, Hall & Hausman 1974)."""
    return objective.opg(unravel(u))


def expected(objective: Objective, u: Any, unravel: Any) -> Any:
    """Expected information in unconstrained coordinates, f[p, p]."""
    return objective.expected(unravel(u))


def value(objective: Objective, u: Any, unravel: Any) -> Any:
    """Negative log-likelihood, f[]."""
    return objective(unravel(u))


def contributions(objective: Objective, u: Any, unravel: Any) -> Any:
    """Contributions times their weights, f[n]; 0 on padding."""
    return objective.weights * objective.contributions(unravel(u))


def endpoints(objective: Objective, u: Any, unravel: Any, drop: Any) -> Any:
    """Where the log-likelihood of a one-parameter model has fallen by `drop` from its maximum, f[2]: below and above.

    Doubled steps until it has fallen further, then bisection. A maximum at a limit (u infinite) is its own end on that
    side, so that its likelihood interval is one-sided; an end beyond which the log-likelihood never falls is infinite.
    Pawitan 2001, *In All Likelihood*, section 2.6.

    Args:
        u: the maximum, f[1].
        drop: half a chi-square quantile, f[].
    """
    best = objective(unravel(u))

    def inside(x: Any) -> Any:
        return objective(unravel(x)) - best <= drop

    def end(side: float) -> Any:
        limit = jnp.isinf(u)
        begin, first = jnp.where(limit, -700.0 * side, u), jnp.where(limit, 1.0, 1e-10 * jnp.maximum(jnp.abs(u), 1))

        def going(state: Any) -> Any:
            step, count = state
            return (count < 1000) & inside(begin + side * step)

        step, count = lax.while_loop(going, lambda s: (2 * s[0], s[1] + 1), (first, 0))

        def halve(_: Any, ends: Any) -> Any:
            near, far = ends
            middle = 0.5 * (near + far)
            return lax.cond(inside(middle), lambda: (middle, far), lambda: (near, middle))

        near = begin + side * jnp.where(count > 0, 0.5 * step, 0)
        near, far = lax.fori_loop(0, 80, halve, (near, begin + side * step))
        falls = (count < 1000) & ~jnp.isnan(objective(unravel(far)))
        found = jnp.where(falls, 0.5 * (near + far), side * jnp.inf)
        return jnp.where(limit & (jnp.sign(u) == side), u, found)

    return jnp.concatenate([end(-1.0), end(1.0)])


def score_and(information: str, objective: Objective, u: Any, unravel: Any) -> Any:
    """The score S and an information matrix side by side, f[p, p + 1]."""
    rule = {"observed": objective.information, "expected": objective.expected, "opg": objective.opg}[information]
    score = -jax.grad(lambda x: objective(unravel(x)))(u)
    return jnp.concatenate([score[:, None], rule(unravel(u))], axis=1)


def score_and_observed(objective: Objective, u: Any, unravel: Any) -> Any:
    """S and J, f[p, p + 1]."""
    return score_and("observed", objective, u, unravel)


def score_and_expected(objective: Objective, u: Any, unravel: Any) -> Any:
    """S and the expected information, f[p, p + 1]."""
    return score_and("expected", objective, u, unravel)


def score_and_opg(objective: Objective, u: Any, unravel: Any) -> Any:
    """S and K, f[p, p + 1]."""
    return score_and("opg", objective, u, unravel)


def _evaluate(
    function: Any,
    skeleton: Any,
    tree: Any,
    axes: tuple[bool, ...],
    wide: int,
    own: Any,
    shared: Any,
    u: Any,
    *more: Any,
) -> Any:
    """`function(objective, u, unravel, *more)` for every data set, `wide` at a time.

    Args:
        function: one of this module's.
        skeleton, tree, axes: the program, as in `Program`.
        own, shared: the problem's leaves with and without a data-set axis.
        u: f[B, p].
    """

    def one(x: Any) -> Any:
        mine, common, at = iter(x[0]), iter(shared), x[1]
        problem: Problem = jax.tree.unflatten(tree, [next(mine) if has else next(common) for has in axes])
        objective = objective_of(skeleton, problem)
        _, unravel = ravel_pytree(objective.model.origin(at.dtype))
        return function(objective, at, unravel, *more)

    return lax.map(one, (own, u), batch_size=min(wide, u.shape[0]))


evaluate = compiled_with(static_argnums=(0, 1, 2, 3, 4))(_evaluate)


def evaluated(
    function: Any, skeleton: Any, tree: Any, axes: Any, own: Any, shared: Any, u: Any, *more: Any
) -> np.ndarray:
    """`evaluate`, as a NumPy array; without any data set an empty array of the right shape, and nothing is computed."""
    if len(u):
        return np.asarray(evaluate(function, skeleton, tree, axes, together(own), own, shared, u, *more))
    some = [jax.ShapeDtypeStruct((1, *x.shape[1:]), x.dtype) for x in (*own, u)]
    shape = jax.eval_shape(
        lambda x, at: _evaluate(function, skeleton, tree, axes, 1, x, shared, at, *more), some[:-1], some[-1]
    )
    return np.empty((0, *shape.shape[1:]), shape.dtype)


def parts(
    model: Model, batch: Batch, function: Any, u: np.ndarray, *more: Any, at: Any = None
) -> Iterator[tuple[Bucket, np.ndarray]]:
    """(bucket, `function(objective, u, unravel, *more)` f[b, ...]) of every bucket of data sets; see `everywhere`."""
    if at is None:
        batch.check_unchanged()
    numbers, each = numbers_of(model, batch.size, u.dtype)
    skeleton = split(model)[0]
    for b in batch.buckets:
        data, weights, own_data = b.data, b.weights, list(batch.own)
        taken = slice(None) if len(batch.buckets) == 1 else b.index  # one bucket keeps the order
        if at is not None:  # no data, no copy, one program whatever the length
            data = jax.tree.map(lambda x, taken=taken: x[taken], at)
            leaves = jax.tree.leaves(data)
            weights = np.ones(leaves[0].shape if leaves else (len(b.index), 1), u.dtype)
            own_data = [True] * len(leaves)
        own_numbers = [x[taken] if own else x for x, own in zip(numbers, each, strict=True)]
        problem = Problem(own_numbers, data, weights, None, np.int32(RUNNING), u.dtype.type(1), np.int32(1))
        own = Problem(each, own_data, True, [], False, False, False)
        axes = tuple(jax.tree.leaves(own))
        leaves, tree = jax.tree.flatten(problem)
        mine = [x for x, has in zip(leaves, axes, strict=True) if has]
        common = [x for x, has in zip(leaves, axes, strict=True) if not has]
        with near(batch.numbers if at is None else 0):
            part = evaluated(function, skeleton, tree, axes, mine, common, u[taken], *more)
        yield b, part


def everywhere(model: Model, batch: Batch, function: Any, u: np.ndarray, *more: Any, at: Any = None) -> np.ndarray:
    """`function(objective, u, unravel, *more)` for every data set, f[B, ...], in the original order.

    Args:
        model, batch: of a fit.
        function: one of a module, since programs are remembered by it.
        u: coordinates, f[B, p].
        *more: arrays, the same for all data sets.
        at: points that take the place of the data, leaves f[B, m]; `()` where the parameters alone matter.
    """
    return batch.gathered([part for _, part in parts(model, batch, function, u, *more, at=at)])


# --- NumPy, batched over the leading axis ----------------------------------------------------------------


_BLOCK = 1 << 18
"Bytes of matrices that are computed with at a time: what sits in a cache."


def _together(function: Callable[..., np.ndarray], *stacks: np.ndarray) -> np.ndarray:
    """A function of matrices f[a, b, many], each entry of many together, for stacks of them, f[..., a, b].

    LAPACK and BLAS take a microsecond for a call, which is longer than a fit takes.
    """
    lead = stacks[0].shape[:-2]
    flat = [x.reshape(int(np.prod(lead)), *x.shape[-2:]) for x in stacks]
    step = max(_BLOCK // (8 * max(1, *(x[:1].size for x in flat))), 1)
    parts = []
    for begin in range(0, max(len(flat[0]), 1), step):
        parts.append(function(*(np.ascontiguousarray(np.moveaxis(x[begin : begin + step], 0, -1)) for x in flat)))
    whole = np.concatenate(parts, axis=-1)
    return np.moveaxis(whole, -1, 0).reshape(*lead, *whole.shape[:-1])


def inverse(information: np.ndarray) -> np.ndarray:
    """J^-1 for f[..., p, p], scaled to unit diagonal first; NaN where it is singular or not positive definite."""
    with np.errstate(all="ignore"):
        return _together(_inverses, information)


def _inverses(matrices: np.ndarray) -> np.ndarray:
    """`inverse` of symmetric f[p, p, many]: by sweeps (Goodnight 1979, *Am. Stat.* 33, 149-158), and by LAPACK where
    that is not safe."""
    p, out = len(matrices), np.empty_like(matrices)
    diagonal = np.einsum("iib->ib", matrices)
    scale = 1 / np.sqrt(np.where(diagonal > 0, diagonal, np.nan))
    x = [[matrices[i, j] * scale[i] * scale[j] for j in range(i + 1)] for i in range(p)]  # rows of the lower triangle
    determinant = least = np.ones(matrices.shape[-1])
    for k in range(p):
        pivot = x[k][k]
        determinant, least = determinant * pivot, np.minimum(least, pivot)
        others = [i for i in range(p) if i != k]
        column = {i: x[i][k] if i > k else x[k][i] for i in others}
        part = {i: column[i] / pivot for i in others}
        for i in others:
            for j in others[: others.index(i) + 1]:
                x[i][j] = x[i][j] - column[i] * part[j]
            x[max(i, k)][min(i, k)] = part[i]
        x[k][k] = -1 / pivot
    for i in range(p):
        for j in range(i + 1):
            np.multiply(x[i][j], -scale[i] * scale[j], out=out[i, j])
            out[j, i] = out[i, j]
    # The least of eigenvalues that add up to p is at least a third of their product; what is not a number is not above 0.
    unsure = np.flatnonzero(~((least > 0) & (determinant > 1e-6)))
    if len(unsure):
        units = scale[:, None, unsure] * scale[:, unsure]
        some = np.moveaxis(matrices[..., unsure] * units, -1, 0)
        finite = np.isfinite(some).all((1, 2), keepdims=True)
        some = np.where(finite, some, np.eye(p, dtype=some.dtype))
        definite = np.linalg.eigvalsh(some)[:, :1, None] > 4 * p * np.finfo(float).eps
        some = np.linalg.inv(np.where(definite, some, np.eye(p, dtype=some.dtype)))
        out[..., unsure] = np.moveaxis(np.where(finite & definite, some, np.nan), 0, -1) * units
    return out


def robust(information: np.ndarray, meat: np.ndarray) -> np.ndarray:
    """J^-1 K J^-1, the sandwich (Huber 1967; White 1982, *Econometrica* 50, 1-25, eq. 3.2); no small-sample factor."""
    bread = inverse(information)
    return bread @ meat @ bread


def delta(jacobian_: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """G C G': the covariance of a smooth function of the estimate (van der Vaart 1998, theorem 3.1)."""
    return _together(lambda g, c: _times(_times(g, c), np.swapaxes(g, 0, 1)), jacobian_, covariance)


def _times(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Products of f[i, j, many] and f[j, k, many]."""
    total = np.zeros((len(a), *b.shape[1:]), np.result_type(a, b))
    for j in range(len(b)):
        total += a[:, j, None] * b[j]
    return total


def standard_errors(covariance: np.ndarray, jacobian_: np.ndarray | None = None) -> np.ndarray:
    """Square roots of the diagonal of a covariance, or of its `delta`, f[..., p]; NaN where it is negative."""
    if jacobian_ is None:
        variances = np.diagonal(covariance, axis1=-2, axis2=-1)
    else:
        variances = _together(_variances, jacobian_, covariance)
    with np.errstate(invalid="ignore"):
        return np.sqrt(variances)


def _variances(g: np.ndarray, c: np.ndarray) -> np.ndarray:
    """The diagonal of G C G' for f[q, p, many] and f[p, p, many]; most coordinates have a parameter of their own."""
    out = np.zeros((len(g), g.shape[-1]), np.result_type(g, c))
    for i, row in enumerate(g):
        taken = [j for j, x in enumerate(row) if x.any()]
        for j in taken:
            for k in taken:
                out[i] += row[j] * c[j, k] * row[k]
    return out
