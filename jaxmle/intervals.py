"""Confidence intervals of parameters, each on the scale that suits its space."""

import enum
from statistics import NormalDist
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxmle.spaces import Space


class IntervalStatus(enum.IntEnum):
    """What kind of interval a parameter got, or why it got none."""

    WALD = 0
    ONE_SIDED = 1
    FIXED = 2
    NONE = 3

    @property
    def sentence(self) -> str:
        """In words."""
        return {
            0: "Wald interval, mapped from the scale of the parameter's space",
            1: "one-sided likelihood interval: the maximum is on the boundary",
            2: "pinned: the value is not estimated",
            3: "no interval: the fit has no standard errors (see its status), or it was loaded without its data",
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
