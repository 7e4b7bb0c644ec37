"""Truncation of any distribution of numbers: outcomes outside an interval are never seen."""

import dataclasses
import math
from typing import Literal

import jax
import jax.numpy as jnp

from jaxmle._util.arrays import Array, Bool, Float
from jaxmle._util.records import numbers, record
from jaxmle.distributions.base import quantiles
from jaxmle.distributions.base.distribution import Distribution, combinator
from jaxmle.distributions.base.means import integral_over_positive
from jaxmle.distributions.base.sampling import sample_shape
from jaxmle.distributions.base.types import Params, Shape
from jaxmle.distributions.composed.composition import Above, Between, Part, check_number, largest, log_between, supports
from jaxmle.model.geometry import Geometry
from jaxmle.special.elementary import floating
from jaxmle.special.quadrature import integral

_NODES, _MOST = 128, 100_000
"Points of the integral of a mean; terms of its sum."


@record
class Truncation:
    """A distribution given lower <= X <= upper; `side` says which of the two there are.

    `first` is the least outcome of counts, else lower.
    """

    of: Distribution
    side: Literal["lower", "upper", "both"]
    lower: float = numbers()
    upper: float = numbers()

    def before(self) -> float:
        """The number up to which outcomes are cut off."""
        return self.lower - 1 if self.of.discrete else self.lower

    def log_mass(self, params: Params) -> Array:
        """Compute log P(lower <= X <= upper)."""
        low, high = (jnp.asarray(v, float) for v in (self.before(), self.upper))
        if self.side == "lower":
            return self.of.logsf(params, low)
        return self.of.logcdf(params, high) if self.side == "upper" else log_between(self.of, params, low, high)

    def holds(self, x: Array) -> Bool[Array, " n"]:
        x = floating(x)
        inside = self.of.support(x)
        inside = inside if self.side == "upper" else inside & (x >= self.lower)
        return inside if self.side == "lower" else inside & (x <= self.upper)

    def clipped(self, x: Array) -> Array:
        x = floating(x)
        x = x if self.side == "upper" else jnp.where(x < self.before(), self.before(), x)
        return x if self.side == "lower" else jnp.where(x > self.upper, self.upper, x)


@record
class LogDensity:
    """The log-density given the interval."""

    t: Truncation

    def __call__(self, params: Params, x: Array) -> Array:
        value = self.t.of.logpdf(params, x) - self.t.log_mass(params)
        return jnp.where(self.t.holds(x), value, -jnp.inf)


@record
class LogTail:
    """The logarithm of a tail given the interval."""

    t: Truncation
    upper: bool

    def __call__(self, params: Params, x: Array) -> Array:
        t, at = self.t, self.t.clipped(x)
        if self.upper:
            high = jnp.asarray(t.upper, at.dtype)
            value = t.of.logsf(params, at) if t.side == "lower" else log_between(t.of, params, at, high)
        else:
            low = jnp.asarray(t.before(), at.dtype)
            value = t.of.logcdf(params, at) if t.side == "upper" else log_between(t.of, params, low, at)
        return jnp.minimum(value - t.log_mass(params), 0)


@record
class Quantile:
    """The quantile given the interval."""

    t: Truncation

    def __call__(self, params: Params, q: Array) -> Array:
        t, q = self.t, quantiles.legal_probability(q)
        below, above = LogTail(t, False), LogTail(t, True)
        if t.side == "upper":
            value = t.of.quantile(params, jnp.exp(jnp.log(q) + t.log_mass(params)))
            return jnp.where(q == 1, t.upper, jnp.minimum(value, t.upper))
        if t.of.discrete:
            mass, low = t.log_mass(params), jnp.asarray(t.before(), q.dtype)
            value = t.lower + quantiles.whole(lambda p, k: log_between(t.of, p, low, k + t.lower) - mass, params, q)
            return jnp.where(q == 1, t.upper, value) if t.side == "both" else value
        if t.side == "both":
            x_of, (low, high) = Between(t.lower, t.upper), (-largest(q), 40.0)
        else:
            x_of, (low, high) = Above(t.lower), (-largest(q), largest(q))
        value = quantiles.continuous(below, above, params, q, x_of, low, high)
        last = t.upper if t.side == "both" else jnp.inf
        return jnp.where(q == 0, t.lower, jnp.where(q == 1, last, value))


@record
class Sample:
    """The sampler: the quantile of uniform numbers."""

    quantile: Quantile

    def __call__(self, key: Array, params: Params, shape: Shape = ()) -> Array:
        values = [floating(v) for v in jax.tree.leaves(params)]
        dtype = jnp.result_type(*values)
        size = sample_shape(shape, *values)
        return self.quantile(params, jax.random.uniform(key, size, dtype, float(jnp.finfo(dtype).tiny), 1.0))


@record
class Mean:
    """The expectation given the interval, by the integral of a tail or the sum of the masses.

    `bounded` says whether both ends are finite; `terms` is the number of counts in the interval, or below it.
    """

    t: Truncation
    bounded: bool
    terms: int

    def __call__(self, params: Params) -> Array:
        t = self.t
        if t.of.discrete:
            return self._of_counts(params)
        below, above = LogTail(t, False), LogTail(t, True)
        if self.bounded:
            low = 0.0 if t.side == "upper" else t.lower
            high = jnp.asarray(t.upper, jnp.result_type(float))
            return high - integral(lambda x: jnp.exp(below(params, x)), low, high, _NODES)
        middle = Quantile(t)(params, jnp.asarray(0.5))
        whole = floating(t.of.mean(params)) if t.of.mean is not None else jnp.nan
        if t.side == "lower":
            size = middle - t.lower
            value = t.lower + size * integral_over_positive(lambda s: jnp.exp(above(params, t.lower + size * s)))
        else:
            size = t.upper - middle
            value = t.upper - size * integral_over_positive(lambda s: jnp.exp(below(params, t.upper - size * s)))
        return jnp.where(jnp.isnan(whole), jnp.nan, value)

    def _of_counts(self, params: Params) -> Array:
        t = self.t
        if self.bounded:
            k = (0.0 if t.side == "upper" else t.lower) + jnp.arange(self.terms)
            return jnp.sum(k * jnp.exp(LogDensity(t)(params, k)))
        k = jnp.arange(float(self.terms))
        assert t.of.mean is not None
        return (t.of.mean(params) - jnp.sum(k * jnp.exp(t.of.logpdf(params, k)))) / jnp.exp(t.log_mass(params))


@record
class Start:
    """The start of the distribution itself, from the rows inside."""

    t: Truncation

    def __call__(self, x: Array, weights: Float[Array, " n"]) -> dict[str, Array]:
        return self.t.of.start(x, jnp.where(self.t.holds(x), weights, 0))  # pyright: ignore[reportReturnType]


@combinator
def truncated(d: Distribution, lower: float | None = None, upper: float | None = None) -> Distribution:
    """Make the distribution of X given lower <= X <= upper: outcomes outside are never seen, nor counted.

    log f(x) - log P(lower <= X <= upper), with the parameters of `d`. Where outcomes outside are counted but not measured,
    the data are censored: `jaxmle.models.censored`.

    Args:
        d: of one number, continuous or of counts.
        lower, upper: the least and the greatest outcome seen; None for no end.

    Example:
        >>> from jaxmle import distributions
        >>> seen = distributions.truncated(distributions.poisson, lower=1)
        >>> round(float(seen.mean({"mean": 2.0})), 4)
        2.313

    Reference: Cohen 1991, *Truncated and Censored Samples*, chapters 2 and 3.
    """
    check_number("truncated", d)
    low, high = (-math.inf if lower is None else float(lower)), (math.inf if upper is None else float(upper))
    if math.isnan(low) or math.isnan(high) or not low < high:
        raise ValueError(f"truncated: expected lower < upper, got lower={lower} and upper={upper}")
    if math.isinf(low) and math.isinf(high):
        raise ValueError("truncated needs lower=, upper= or both")
    if d.discrete:
        low, high = math.ceil(low) if math.isfinite(low) else low, math.floor(high) if math.isfinite(high) else high
    negative = supports(d, -1.0)
    if math.isfinite(low) and low <= 0 and not negative and not (low == 0 and not d.discrete):
        raise ValueError(f"truncated: no outcome of {d.name} is below lower={lower}; leave it out")
    side: Literal["lower", "upper", "both"] = "upper" if math.isinf(low) else "lower" if math.isinf(high) else "both"
    bounded = side == "both" or (side == "upper" and not negative)
    t = Truncation(d, side, low if math.isfinite(low) else 0.0, high if math.isfinite(high) else 0.0)
    terms = int(t.upper - t.lower) + 1 if bounded else int(t.lower)
    terms = terms if d.discrete else 0
    if d.discrete and ((negative and side != "both") or terms > _MOST):
        raise ValueError(f"truncated: {d.name} needs both ends, at most {_MOST:,} apart")
    ends = ", ".join(f"{name}={x:g}" for name, x in (("lower", low), ("upper", high)) if math.isfinite(x))
    quantile = Quantile(t)
    return dataclasses.replace(
        d,
        name=f"truncated({d.name}, {ends})",
        logpdf=LogDensity(t),
        logcdf=LogTail(t, False),
        logsf=LogTail(t, True),
        quantile=quantile,
        sample=Sample(quantile),
        support=Part(t, "holds"),
        start=Start(t),
        geometry=Geometry(regular=d.geometry.regular),
        mean=Mean(t, bounded, terms),
        doc=f"Given {ends}: {d.doc}",
    )
