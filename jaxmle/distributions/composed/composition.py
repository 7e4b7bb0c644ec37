"""What functions from distributions to distributions share: checks of the argument, probabilities of intervals, quantiles."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from jaxmle import special
from jaxmle._util.arrays import Array
from jaxmle._util.records import numbers, record
from jaxmle.distributions.base.distribution import Distribution
from jaxmle.distributions.base.types import Params
from jaxmle.model.geometry import Geometry
from jaxmle.special.elementary import floating


def check_number(what: str, d: Distribution) -> None:
    """Raise where a distribution is not one of a number on the line without further columns."""
    if not isinstance(d, Distribution):
        raise TypeError(
            f"{what} takes a distribution, such as jaxmle.distributions.weibull, got {type(d).__name__}: {d!r}"
        )
    reason = "of vectors" if d.event else "of angles" if d.period else f"of {' and '.join(d.columns)}" * bool(d.columns)
    if reason:
        raise ValueError(f"{what} takes a distribution of one number; {d.name} is one {reason}")


def supports(d: Distribution, x: float) -> bool:
    """Tell whether a number is possible."""
    with jax.ensure_compile_time_eval():
        return bool(d.support(jnp.asarray(x)))


def log_between(d: Distribution, params: Params, a: Array, b: Array) -> Array:
    """Compute log P(a < X <= b) from the tail in which it has its digits."""
    ends = jnp.stack(jnp.broadcast_arrays(a, b))  # each tail is compiled once
    below, above = d.logcdf(params, ends), d.logsf(params, ends)
    left = below[1] <= above[0]
    high = jnp.where(left, below[1], above[0])
    low = jnp.where(left, below[0], above[1])
    none = high <= low
    return jnp.where(none, -jnp.inf, special.log_diff(jnp.where(none, 0, high), jnp.where(none, -1, low)))


@record
class Part:
    """A method of a record as a record: two of equal records are equal, which bound methods are not."""

    of: Any
    name: str

    def __call__(self, *arguments: Any, **known: Any) -> Any:
        return getattr(self.of, self.name)(*arguments, **known)


@record
class Above:
    """The increasing map of all v onto x > lower."""

    lower: float = numbers()

    def __call__(self, v: Array) -> Array:
        return self.lower + jnp.exp(v)


@record
class Between:
    """The increasing map of all v onto lower < x < upper."""

    lower: float = numbers()
    upper: float = numbers()

    def __call__(self, v: Array) -> Array:
        return self.lower + (self.upper - self.lower) * jax.nn.sigmoid(v)


def composed(d: Distribution, of: Any, name: str, **fields: Any) -> Distribution:
    """Make the record of a composed distribution from the methods of `of`, and from d for what is not among `fields`."""
    methods: dict[str, Any] = {
        k: Part(of, k) for k in ("logpdf", "logcdf", "logsf", "quantile", "sample", "support", "start", "mean")
    }
    if d.mean is None:
        methods["mean"] = None
    return dataclasses.replace(d, name=name, **(methods | {"geometry": Geometry()} | fields))


def largest(q: Array) -> float:
    """Choose how far v reaches in a search with `Above`."""
    return 700.0 if floating(q).dtype == jnp.float64 else 80.0
