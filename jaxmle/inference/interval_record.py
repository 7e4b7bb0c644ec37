"""Records of intervals: what kind each is, or why there is none."""

import enum
from statistics import NormalDist
from typing import NamedTuple

import jax
import numpy as np

from jaxmle._util.arrays import Params
from jaxmle._util.html_tables import paragraph, table
from jaxmle._util.text_tables import number

_SHOWN = 10
"Data sets of a batch that are shown."


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
    HIGHER = 9
    HELD = 10
    AT_LIMIT = 11

    @property
    def sentence(self) -> str:
        """In words."""
        return {
            0: "Wald interval, mapped from the scale of the parameter's space",
            1: "one-sided likelihood interval: the maximum is on the boundary, or at another limit",
            2: "pinned: the value is not estimated",
            3: "no interval: the fit has no standard errors (see its status), or it was loaded without its data",
            4: "likelihood interval: where the log-likelihood has fallen by half a chi-square quantile",
            5: "no interval: the quantile of counts is a whole number and moves in steps",
            6: "not defined: a mean that does not exist, or a point that is no number",
            7: "no interval: profiles are there for parameters whose elements vary on their own; use method='wald'",
            8: "no interval: some point of the profile could not be fitted; an end that was found is given",
            9: "likelihood interval around a higher maximum than the fit's, which was found on its profile: "
            "interval.maximum; fit again with start=interval.maximum",
            10: "Wald interval, with the parameters at a limit held there",
            11: "no Wald interval: the parameter is at its limit; method='profile' gives a one-sided one",
        }[int(self)]


class Interval(NamedTuple):
    """A confidence interval for each parameter.

    Attributes:
        lower, upper: structure of params.
        status: `IntervalStatus` codes, one for each parameter (and data set).
        maximum: params of the maximum that the interval is around, where a profile found a higher one than the fit's; None
            where it found none.
    """

    lower: Params
    upper: Params
    status: Params
    maximum: Params = None

    def _repr_html_(self) -> str:
        return _html(self)


def normal_quantile(level: float) -> float:
    """Compute z with P(|Z| <= z) = level for a standard normal Z.

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

    value: Params
    standard_errors: Params
    covariance: np.ndarray

    def interval(self, level: float = 0.95) -> Interval:
        """Compute the interval from value - z standard errors to value + z standard errors."""
        z = normal_quantile(level)
        lower = jax.tree.map(lambda x, se: x - z * se, self.value, self.standard_errors)
        upper = jax.tree.map(lambda x, se: x + z * se, self.value, self.standard_errors)
        status = jax.tree.map(lambda se: np.where(np.isfinite(se), IntervalStatus.WALD, IntervalStatus.NONE), lower)
        return Interval(lower, upper, status)


def _html(ends: Interval) -> str:
    """Format an interval for each parameter, or those of the first data sets of a batch, as HTML."""
    paths, _ = jax.tree_util.tree_flatten_with_path(ends.lower)
    names = [jax.tree_util.keystr(path, simple=True, separator=".") or "value" for path, _ in paths]
    status = [np.asarray(x) for x in jax.tree.leaves(ends.status)]
    batched = status[0].ndim > 0
    rows = []
    for i in range(min(len(status[0]), _SHOWN) if batched else 1):
        for name, code, *pair in zip(
            names, status, jax.tree.leaves(ends.lower), jax.tree.leaves(ends.upper), strict=True
        ):
            low, high, said = (np.asarray(x)[i] if batched else np.asarray(x) for x in (*pair, code))
            for k in np.ndindex(low.shape):
                own = f"{name}[{','.join(map(str, k))}]" if k else name
                cells = [own, number(low[k]), number(high[k]), IntervalStatus(int(said)).name.lower()]
                rows.append([str(i), *cells] if batched else cells)
    head = (["data set"] if batched else []) + ["", "lower", "upper", "status"]
    more = f"... and {len(status[0]) - _SHOWN:,} more" if batched and len(status[0]) > _SHOWN else ""
    return f"<div>{table(head, rows)}{paragraph(more) if more else ''}</div>"
