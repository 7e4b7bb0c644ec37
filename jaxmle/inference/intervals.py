"""Confidence intervals of parameters, each on the scale that suits its space."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from jaxmle._engine.evaluate import natural
from jaxmle._engine.solution import Solution
from jaxmle._solver.status import at_limit
from jaxmle._util.arrays import Array, Float, Params
from jaxmle._util.compile import compiled_once, in_float64
from jaxmle.inference import at_point, matrices, profile
from jaxmle.inference.covariance import held_at_limit, in_coordinates
from jaxmle.inference.higher import ascended, supported, warn
from jaxmle.inference.interval_record import Derived, Interval, IntervalStatus, normal_quantile
from jaxmle.inference.profile import Highest
from jaxmle.model.unsaved import is_unsaved
from jaxmle.spaces import Space

Ends = tuple[np.ndarray, np.ndarray, np.ndarray]
"Lower ends, upper ends and status codes of one parameter, leaves [B, ...]."

_RESTARTS = 5
"Times that a higher maximum takes the place of one from which it was found."


def wald(
    space: Space, x: np.ndarray, se: np.ndarray, u: np.ndarray, u_se: np.ndarray, z: float, scale: str | None
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the ends of a Wald interval for one parameter, batched over the leading axis.

    Elementwise spaces: on the unconstrained scale, mapped back. The others by the delta method: variances on the log,
    correlations on Fisher's z, shares on the logit, the rest as they are.

    Args:
        space: where the parameter lives.
        x, se: natural values and standard errors, f[B, *value_shape].
        u, u_se: the same in coordinates, f[B, *coordinate_shape].
        z: normal quantile.
        scale: "natural" for estimate plus or minus z se.
    """
    if scale == "natural":
        return x - z * se, x + z * se
    if space.kind.ends is not None:
        with np.errstate(all="ignore"):
            ends = np.stack([np.asarray(jax.vmap(space.forward)(u + sign * z * u_se)) for sign in (-1, 1)])
        return ends.min(0), ends.max(0)
    with np.errstate(all="ignore"):
        if space.kind.name == "simplex":
            logit, half = np.log(x) - np.log1p(-x), z * se / (x * (1 - x))
            return 1 / (1 + np.exp(half - logit)), 1 / (1 + np.exp(-half - logit))
        if space.kind.name == "covariance":
            on = np.eye(x.shape[-1], dtype=bool)
            factor = np.exp(z * se / np.abs(x))
            return np.where(on, x / factor, x - z * se), np.where(on, x * factor, x + z * se)
        if space.kind.name == "correlation":
            on = np.eye(x.shape[-1], dtype=bool)
            inside = np.where(on, 0.0, x)
            half = z * se / (1 - inside**2)
            low, high = np.tanh(np.arctanh(inside) - half), np.tanh(np.arctanh(inside) + half)
            return np.where(on, x, low), np.where(on, x, high)
    return x - z * se, x + z * se


# --- of a solution ------------------------------------------------------------------------------------


@in_float64
def interval(
    solution: Solution, level: float = 0.95, method: str = "wald", *, kind: str = "observed", scale: str | None = None
) -> Interval:
    """Compute confidence intervals, each on the scale that suits its parameter's space and mapped back.

    A one-parameter fit with its maximum on the boundary gets the one-sided likelihood interval, such as
    [0, 0.0916] for 0 events in 20.

    Args:
        level: of confidence.
        method: `"wald"`; or `"profile"`, the values that a likelihood-ratio test does not reject, better for small
            samples and the same on every scale. The other parameters are fitted again at every point; every element of a vector for
            itself, but not shares, covariances and ordered numbers, whose elements bind each other. Where a profile leads to
            a maximum above the fit's, the interval is around that one, its status says so, and a warning is given.
        kind: of covariance, for Wald intervals.
        scale: `"natural"` for estimate plus or minus z standard errors.

    Returns:
        an `Interval` with the structure of params; its `status` says what each one is.

    Raises:
        ValueError: for a method, scale or level that is none.

    Example:
        >>> import jaxmle as jm
        >>> fit = jm.fit("poisson", [0, 2, 1, 0])
        >>> ends = fit.interval(0.95, "profile")
        >>> round(float(ends.lower["mean"]), 4), round(float(ends.upper["mean"]), 4)
        (0.1865, 1.9448)

    Reference: Pawitan 2001, *In All Likelihood*, sections 2.6 (likelihood), 2.7 (Wald) and 3.4 (profile).
    """
    z = normal_quantile(level)
    if method == "profile":
        if kind != "observed" or scale is not None:
            raise ValueError("a likelihood interval has no kind= and no scale=: those belong to method='wald'")
        return _adopting_interval(solution, z)
    if method != "wald":
        raise ValueError(f"method={method!r}; expected 'wald' or 'profile'")
    if scale not in (None, "natural"):
        raise ValueError(f"scale={scale!r}; expected None (the scale of each parameter's space) or 'natural'")
    return _wald_interval(solution, z, kind, scale)


def _wald_interval(solution: Solution, z: float, kind: str, scale: str | None) -> Interval:
    u_cov = in_coordinates(solution, kind)
    se = matrices.standard_deviations(u_cov, solution.jacobian)
    u, u_se = solution.outcome.u, matrices.standard_deviations(u_cov)
    leaves = jax.tree.leaves(solution.model.space)
    at = np.cumsum([0] + [int(np.prod(s.value_shape)) for s in leaves])
    at_u = np.cumsum([0] + [int(np.prod(s.coordinate_shape)) for s in leaves])
    done: dict[str, Ends] = {}
    one_sided, held = _one_sided(solution, z), held_at_limit(solution)
    usual = np.where(solution.regular, IntervalStatus.WALD, IntervalStatus.NONE)
    usual = np.where(held.any(1), IntervalStatus.HELD, usual)
    for k, (name, s) in enumerate(zip(solution.model.names, leaves, strict=True)):
        value_shape, u_shape = (len(u), *s.value_shape), (len(u), *s.coordinate_shape)
        x = solution.natural[:, at[k] : at[k + 1]].reshape(value_shape)
        x_se = se[:, at[k] : at[k + 1]].reshape(value_shape)
        status = usual
        if s.kind.name == "pinned":
            low, high, status = x, x, np.full(len(u), IntervalStatus.FIXED)
        elif s.source:
            low, high, status = done.get(s.source, (x, x, status))
        else:
            here = slice(at_u[k], at_u[k + 1])
            low, high = wald(s, x, x_se, u[:, here].reshape(u_shape), u_se[:, here].reshape(u_shape), z, scale)
            bad = ~np.isfinite(x_se).all(tuple(range(1, x_se.ndim)))
            if one_sided is not None and s.kind.ends is not None and np.prod(s.coordinate_shape) == 1:
                which, ends = one_sided
                pick = which.reshape(-1, *[1] * (x.ndim - 1))
                low = np.where(pick, ends[0][:, at[k] : at[k + 1]].reshape(value_shape), low)
                high = np.where(pick, ends[1][:, at[k] : at[k + 1]].reshape(value_shape), high)
                status, bad = np.where(which, IntervalStatus.ONE_SIDED, status), bad & ~which
            status = np.where(bad, IntervalStatus.NONE, status)
            status = np.where(bad & held[:, here].any(1), IntervalStatus.AT_LIMIT, status)
        done[name] = (low, high, status)
    return _structured(solution, [done[name] for name in solution.model.names])


def _structured(solution: Solution, parts: list[Ends], maximum: Params = None) -> Interval:
    """Join (lower, upper, status) of each parameter, leaves [B, ...], to one interval."""
    tree = jax.tree.structure(solution.model.space)
    pick = (lambda x: x[0]) if solution.single else (lambda x: x)
    low, high, status = (jax.tree.unflatten(tree, [pick(np.asarray(e[i])) for e in parts]) for i in range(3))
    return Interval(low, high, status, maximum)


def _ends(solution: Solution, which: np.ndarray, z: float) -> tuple[np.ndarray, np.ndarray, Highest]:
    """Compute likelihood intervals of the chosen fits of a one-parameter model, natural values f[B, q] twice, NaN
    elsewhere, and the highest points on the way."""
    low = np.full(solution.natural.shape, np.nan)
    high, highest = low.copy(), Highest.none(solution)
    if which.any():
        part = solution if solution.single else solution.take(np.flatnonzero(which))
        u = solution.outcome.u[which]
        ends = part.evaluate(at_point.endpoints, u, np.asarray(0.5 * z**2, u.dtype))
        both = [part.evaluate(natural, ends[:, i : i + 1], at=()) for i in range(3)]
        low[which], high[which] = np.minimum(*both[:2]), np.maximum(*both[:2])
        highest.log_likelihood[which], highest.natural[which] = ends[:, 3], both[2]
    return low, high, highest


def _one_sided(solution: Solution, z: float) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]] | None:
    """Find the fits at a boundary, of a model with one free coordinate, and their one-sided intervals."""
    u, outcome = solution.outcome.u, solution.outcome
    if u.shape[1] != 1:
        return None
    which = at_limit(outcome.status) & np.isfinite(outcome.value) & np.isinf(u[:, 0])
    missing = not solution.batch.kept or is_unsaved(solution.model.log_likelihood)
    return (which, _ends(solution, which, z)[:2]) if which.any() and not missing else None


def _adopting_interval(solution: Solution, z: float) -> Interval:
    """Compute likelihood intervals; where a profile leads above the fit's maximum, around the higher one, with a warning."""
    solution.batch.check_unchanged()
    parts, highest = _likelihood_intervals(solution, z)
    best, adopted = solution, np.zeros(solution.size, bool)
    for _ in range(_RESTARTS):
        which, higher = ascended(best, *highest)
        if not which.any():
            break
        best, adopted = higher, adopted | which
        at = np.flatnonzero(which)
        some, found = _likelihood_intervals(best if best.single else best.take(at), z)
        for whole, new in zip(parts, some, strict=True):
            for x, y in zip(whole, new, strict=True):
                x[at] = y
        highest = Highest.none(best)
        highest.log_likelihood[at], highest.natural[at] = found
    if not adopted.any():
        return _structured(solution, parts)
    there = (IntervalStatus.LIKELIHOOD, IntervalStatus.ONE_SIDED)
    parts = [(low, high, np.where(adopted & np.isin(s, there), IntervalStatus.HIGHER, s)) for low, high, s in parts]
    warn(solution, best, adopted)
    return _structured(solution, parts, best.structured(best.natural))


def _likelihood_intervals(solution: Solution, z: float) -> tuple[list[Ends], Highest]:
    """Compute the likelihood interval of each parameter, leaves [B, ...], and the highest points on the way."""
    one_sided = _one_sided(solution, z)
    limit = np.zeros(len(solution.certified), bool) if one_sided is None else one_sided[0]
    alone = _ends(solution, solution.regular | limit, z) if solution.model.free == 1 else None
    highest = Highest.none(solution) if alone is None else alone[2]
    usual = np.where(supported(solution), IntervalStatus.LIKELIHOOD, IntervalStatus.NONE)
    at_u = np.cumsum([0] + [int(np.prod(s.coordinate_shape)) for s in jax.tree.leaves(solution.model.space)])
    done: dict[str, Ends] = {}
    at = 0
    for k, (name, s) in enumerate(zip(solution.model.names, jax.tree.leaves(solution.model.space), strict=True)):
        here, shape = slice(at, at + int(np.prod(s.value_shape))), (len(solution.certified), *s.value_shape)
        at, x = here.stop, solution.natural[:, here].reshape(shape)
        nothing = np.full(shape, np.nan)
        if s.kind.name == "pinned":
            done[name] = x, x, np.full(len(x), IntervalStatus.FIXED)
        elif s.source:
            done[name] = done.get(s.source, (nothing, nothing, np.full(len(x), IntervalStatus.NONE)))
        elif alone is not None:
            low, high = (end[:, here].reshape(shape) for end in alone[:2])
            done[name] = low, high, np.where(limit, IntervalStatus.ONE_SIDED, usual)
        elif s.kind.ends is None:
            done[name] = nothing, nothing, np.where(solution.regular, IntervalStatus.VECTOR, IntervalStatus.NONE)
        else:
            each = [profile.profile_ends(solution, name, z, j) for j in range(here.stop - here.start)]
            low, high = (np.stack([ends[i] for ends in each], axis=1).reshape(shape) for i in range(2))
            for *_, top in each:
                highest = highest.or_higher(*top, np.isfinite(top.log_likelihood))
            unknown = np.isnan(low).reshape(len(x), -1).any(1) | np.isnan(high).reshape(len(x), -1).any(1)
            ends = np.where(
                np.isinf(solution.outcome.u[:, at_u[k] : at_u[k + 1]]).any(1), IntervalStatus.ONE_SIDED, usual
            )
            ends = np.where(usual == IntervalStatus.NONE, usual, ends)
            done[name] = low, high, np.where((ends != IntervalStatus.NONE) & unknown, IntervalStatus.NOT_FOUND, ends)
    return [(np.array(a), np.array(b), np.array(c)) for a, b, c in map(done.__getitem__, solution.model.names)], highest


@in_float64
def transform(solution: Solution, f: Callable[[Params], Params], kind: str = "observed") -> Derived:
    """Compute any smooth function of the params, with standard errors by the delta method.

    Args:
        f: params of one data set -> pytree of numbers; pure JAX.
        kind: of covariance.

    Example:
        >>> import jaxmle as jm
        >>> fit = jm.fit("exponential", [1.0, 2.0, 3.0])
        >>> mean = fit.transform(lambda p: 1 / p["rate"])
        >>> round(float(mean.value), 10), round(float(mean.standard_errors), 10)
        (2.0, 1.1547005384)
    """
    leaves, tree = jax.tree.flatten(solution.model.space)
    example = jax.tree.unflatten(tree, [np.ones(s.value_shape) for s in leaves])
    _, unravel = ravel_pytree(example)
    shaped = jax.eval_shape(f, example)
    _, unravel_value = ravel_pytree(jax.tree.map(lambda s: np.zeros(s.shape), shaped))

    def flat(x: Float[Array, " q"]) -> Float[Array, " m"]:
        return ravel_pytree(f(unravel(x)))[0]

    values = np.asarray(compiled_once(jax.vmap(flat))(solution.natural))
    slopes = np.asarray(compiled_once(jax.vmap(jax.jacfwd(flat)))(solution.natural))
    covariance = matrices.delta(slopes @ solution.jacobian, in_coordinates(solution, kind))
    errors = matrices.standard_deviations(covariance)

    def structured(x: np.ndarray) -> Params:
        return jax.tree.map(
            np.asarray,
            unravel_value(jnp.asarray(x[0])) if solution.single else jax.vmap(unravel_value)(jnp.asarray(x)),
        )

    return Derived(structured(values), structured(errors), covariance[0] if solution.single else covariance)
