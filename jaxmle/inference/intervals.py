"""Confidence intervals of parameters, each on the scale that suits its space."""

import enum
from collections.abc import Callable
from statistics import NormalDist
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from jaxmle._solver.status import Status
from jaxmle._util.compile import compiled_once, in_float64
from jaxmle.inference import covariance as inference
from jaxmle.inference import profile
from jaxmle.result import html, saved
from jaxmle.spaces import Space


class IntervalStatus(enum.IntEnum):
    """What kind of interval a parameter got, or why it got none."""

    WALD = 0
    ONE_SIDED = 1
    FIXED = 2
    NONE = 3
    LIKELIHOOD = 4
    STEPS = 5
    UNDEFINED = 6
    VECTOR = 7
    NOT_FOUND = 8

    @property
    def sentence(self) -> str:
        """In words."""
        return {
            0: "Wald interval, mapped from the scale of the parameter's space",
            1: "one-sided likelihood interval: the maximum is on the boundary",
            2: "pinned: the value is not estimated",
            3: "no interval: the fit has no standard errors (see its status), or it was loaded without its data",
            4: "likelihood interval: where the log-likelihood has fallen by half a chi-square quantile",
            5: "no interval: the quantile of counts is a whole number and moves in steps",
            6: "not defined: a mean that does not exist, or a point that is no number",
            7: "no interval: profiles are there for parameters whose elements vary on their own; use method='wald'",
            8: "no interval: some point of the profile could not be fitted",
        }[int(self)]


class Interval(NamedTuple):
    """A confidence interval for each parameter.

    Attributes:
        lower, upper: structure of params.
        status: `IntervalStatus` codes, one for each parameter (and data set).
    """

    lower: Any
    upper: Any
    status: Any

    def _repr_html_(self) -> str:
        return html.interval(self, lambda code: IntervalStatus(code).name.lower())


def normal_quantile(level: float) -> float:
    """z with P(|Z| <= z) = level.

    Raises:
        ValueError: for a level that is not between 0 and 1.
    """
    if not 0 < level < 1:
        hint = f"; did you mean {level / 100:g}?" if 1 <= level < 100 else ""
        raise ValueError(f"level={level}; expected a probability between 0 and 1, such as 0.95{hint}")
    return NormalDist().inv_cdf(0.5 + level / 2)


class Derived(NamedTuple):
    """A function of the estimate, by the delta method.

    Attributes:
        value: f(params), structure of what f returns.
        standard_errors: the same structure.
        covariance: in `ravel_pytree` order, f[..., m, m].
    """

    value: Any
    standard_errors: Any
    covariance: np.ndarray

    def interval(self, level: float = 0.95) -> Interval:
        """value plus or minus z standard errors."""
        z = normal_quantile(level)
        lower = jax.tree.map(lambda x, se: x - z * se, self.value, self.standard_errors)
        upper = jax.tree.map(lambda x, se: x + z * se, self.value, self.standard_errors)
        status = jax.tree.map(lambda se: np.where(np.isfinite(se), IntervalStatus.WALD, IntervalStatus.NONE), lower)
        return Interval(lower, upper, status)


def wald(space: Space, x: Any, se: Any, u: Any, u_se: Any, z: float, scale: str | None) -> tuple[Any, Any]:
    """Ends of a Wald interval for one parameter, batched over the leading axis.

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


# --- methods of a fit ------------------------------------------------------------------------------------


@in_float64
def interval(
    fit: Any, level: float = 0.95, method: str = "wald", *, kind: str = "observed", scale: str | None = None
) -> Interval:
    """Confidence intervals, each on the scale that suits its parameter's space and mapped back.

    A one-parameter fit with its maximum on the boundary gets the one-sided likelihood interval, such as
    [0, 0.0916] for 0 events in 20.

    Args:
        level: of confidence.
        method: `"wald"`; or `"profile"`, the values that a likelihood-ratio test does not reject, better for small
            samples and the same on every scale. The other parameters are fitted anew at every point; every element of a vector for
            itself, but not shares, covariances and ordered numbers, whose elements bind each other.
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
        return _likelihood_interval(fit, z)
    if method != "wald":
        raise ValueError(f"method={method!r}; expected 'wald' or 'profile'")
    if scale not in (None, "natural"):
        raise ValueError(f"scale={scale!r}; expected None (the scale of each parameter's space) or 'natural'")
    return _wald_interval(fit, z, kind, scale)


def _wald_interval(fit: Any, z: float, kind: str, scale: str | None) -> Interval:
    u_cov = fit._unconstrained(kind)
    se = inference.standard_errors(u_cov, fit._jacobian)
    u, u_se = fit._outcome.u, inference.standard_errors(u_cov)
    leaves = jax.tree.leaves(fit.model.space)
    at = np.cumsum([0] + [int(np.prod(s.value_shape)) for s in leaves])
    at_u = np.cumsum([0] + [int(np.prod(s.coordinate_shape)) for s in leaves])
    done: dict[str, Any] = {}
    one_sided = _one_sided(fit, z)
    for k, (name, s) in enumerate(zip(fit.model.names, leaves, strict=True)):
        value_shape, u_shape = (len(u), *s.value_shape), (len(u), *s.coordinate_shape)
        x = fit._natural[:, at[k] : at[k + 1]].reshape(value_shape)
        x_se = se[:, at[k] : at[k + 1]].reshape(value_shape)
        status = np.where(fit._sound, IntervalStatus.WALD, IntervalStatus.NONE)
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
        done[name] = (low, high, status)
    return _structured(fit, [done[name] for name in fit.model.names])


def _structured(fit: Any, parts: list[Any]) -> Interval:
    """(lower, upper, status) of each parameter, leaves [B, ...], as one interval."""
    tree = jax.tree.structure(fit.model.space)
    pick = (lambda x: x[0]) if fit._single else (lambda x: x)
    return Interval(*(jax.tree.unflatten(tree, [pick(np.asarray(e[i])) for e in parts]) for i in range(3)))


def _ends(fit: Any, which: np.ndarray, z: float) -> tuple[np.ndarray, np.ndarray]:
    """Likelihood intervals of the chosen fits of a one-parameter model, natural values f[B, q] twice; NaN elsewhere."""
    low = np.full(fit._natural.shape, np.nan)
    high = low.copy()
    if which.any():
        part = fit if fit._single else fit[np.flatnonzero(which)]
        u = fit._outcome.u[which]
        ends = part._evaluate(inference.endpoints, u, np.asarray(0.5 * z**2, u.dtype))
        both = [part._evaluate(inference.natural, ends[:, i : i + 1], at=()) for i in range(2)]
        low[which], high[which] = np.minimum(*both), np.maximum(*both)
    return low, high


def _one_sided(fit: Any, z: float) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]] | None:
    """For models with one free coordinate: which fits are at a boundary, and their intervals."""
    u, outcome = fit._outcome.u, fit._outcome
    if u.shape[1] != 1:
        return None
    which = (outcome.status == Status.AT_BOUNDARY) & outcome.attained & np.isinf(u[:, 0])
    lost = not fit._batch.kept or saved.is_lost(fit.model)
    return (which, _ends(fit, which, z)) if which.any() and not lost else None


def _likelihood_interval(fit: Any, z: float) -> Interval:
    fit._batch.check_unchanged()
    one_sided = _one_sided(fit, z)
    limit = np.zeros(len(fit._ok), bool) if one_sided is None else one_sided[0]
    alone = _ends(fit, fit._sound | limit, z) if fit.model.free == 1 else None
    usual = np.where(fit._sound, IntervalStatus.LIKELIHOOD, IntervalStatus.NONE)
    done: dict[str, Any] = {}
    at = 0
    for name, s in zip(fit.model.names, jax.tree.leaves(fit.model.space), strict=True):
        here, shape = slice(at, at + int(np.prod(s.value_shape))), (len(fit._ok), *s.value_shape)
        at, x = here.stop, fit._natural[:, here].reshape(shape)
        nothing = np.full(shape, np.nan)
        if s.kind.name == "pinned":
            done[name] = x, x, np.full(len(x), IntervalStatus.FIXED)
        elif s.source:
            done[name] = done.get(s.source, (nothing, nothing, np.full(len(x), IntervalStatus.NONE)))
        elif alone is not None:
            done[name] = (
                *(end[:, here].reshape(shape) for end in alone),
                np.where(limit, IntervalStatus.ONE_SIDED, usual),
            )
        elif s.kind.ends is None:
            done[name] = nothing, nothing, np.where(fit._sound, IntervalStatus.VECTOR, IntervalStatus.NONE)
        else:
            each = [profile.profile_ends(fit, name, z, j) for j in range(here.stop - here.start)]
            low, high = (np.stack(ends, axis=1).reshape(shape) for ends in zip(*each, strict=True))
            lost = np.isnan(low).reshape(len(x), -1).any(1) | np.isnan(high).reshape(len(x), -1).any(1)
            done[name] = low, high, np.where(fit._sound & lost, IntervalStatus.NOT_FOUND, usual)
    return _structured(fit, [done[name] for name in fit.model.names])


@in_float64
def transform(fit: Any, f: Callable[[Any], Any], kind: str = "observed") -> Derived:
    """Any smooth function of the params, with standard errors by the delta method.

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
    leaves, tree = jax.tree.flatten(fit.model.space)
    example = jax.tree.unflatten(tree, [np.ones(s.value_shape) for s in leaves])
    _, unravel = ravel_pytree(example)
    shaped = jax.eval_shape(f, example)
    _, unravel_value = ravel_pytree(jax.tree.map(lambda s: np.zeros(s.shape), shaped))

    def flat(x: Any) -> Any:
        return ravel_pytree(f(unravel(x)))[0]

    values = np.asarray(compiled_once(jax.vmap(flat))(fit._natural))
    slopes = np.asarray(compiled_once(jax.vmap(jax.jacfwd(flat)))(fit._natural))
    covariance = inference.delta(slopes @ fit._jacobian, fit._unconstrained(kind))
    errors = inference.standard_errors(covariance)

    def structured(x: np.ndarray) -> Any:
        return jax.tree.map(
            np.asarray,
            unravel_value(jnp.asarray(x[0])) if fit._single else jax.vmap(unravel_value)(jnp.asarray(x)),
        )

    return Derived(structured(values), structured(errors), covariance[0] if fit._single else covariance)
