"""Known units of any distribution of numbers: x is a known factor times an outcome."""

import math
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from jaxmle._util.arrays import Array, Bool, Data, Float
from jaxmle._util.records import numbers, record
from jaxmle.distributions.base.distribution import Distribution, combinator
from jaxmle.distributions.base.types import Params, Shape
from jaxmle.distributions.composed.composition import Part, check_number, composed
from jaxmle.model.geometry import Geometry
from jaxmle.special.elementary import floating


@record
class Scaling:
    """A distribution and the factor of its outcomes."""

    of: Distribution
    known: float = numbers()

    def logpdf(self, params: Params, x: Array) -> Array:
        slope = 0.0 if self.of.discrete else jnp.log(self.known)
        return self.of.logpdf(params, floating(x) / self.known) - slope

    def logcdf(self, params: Params, x: Array) -> Array:
        return self.of.logcdf(params, floating(x) / self.known)

    def logsf(self, params: Params, x: Array) -> Array:
        return self.of.logsf(params, floating(x) / self.known)

    def quantile(self, params: Params, q: Array) -> Array:
        return self.known * self.of.quantile(params, q)

    def sample(self, key: Array, params: Params, shape: Shape = ()) -> Data:
        return self.known * floating(self.of.sample(key, params, shape))

    def mean(self, params: Params) -> Array:
        assert self.of.mean is not None
        return self.known * self.of.mean(params)

    def support(self, x: Array) -> Bool[Array, " n"]:
        return self.of.support(floating(x) / self.known)

    def start(self, x: Array, weights: Float[Array, " n"]) -> Params:
        return self.of.start(floating(x) / self.known, weights)


@record
class OfScaled:
    """What is known of a log-likelihood, of x over the factor."""

    f: Callable[..., Any]
    known: float = numbers()

    def on_data(self, x: Array, *arguments: Any) -> Any:
        return self.f(floating(x) / self.known, *arguments)

    def on_params(self, params: Params, x: Array, *arguments: Any) -> Any:
        return self.f(params, floating(x) / self.known, *arguments)


@combinator
def scaled(d: Distribution, known: float) -> Distribution:
    """Make the distribution of known Y, Y of distribution `d`: data in other units, parameters in those of `d`.

    log f(x / known) - log(known); of counts log f(x / known), such as events that are recorded in thousands.

    Args:
        d: of one number, continuous or of counts.
        known: the factor, above 0.

    Example:
        >>> from jaxmle import distributions, fit
        >>> hours = fit(distributions.scaled(distributions.exponential, 60.0), [30.0, 90.0])
        >>> round(float(hours.params["rate"]), 6)
        1.0
    """
    check_number("scaled", d)
    factor = float(known)
    if not 0 < factor < math.inf:
        raise ValueError(f"scaled: the known factor must be above 0 and finite, got {known}")
    g = d.geometry
    geometry = Geometry(
        maximum=None if g.maximum is None else Part(OfScaled(g.maximum, factor), "on_data"),
        information=None if g.information is None else Part(OfScaled(g.information, factor), "on_params"),
        regularity=g.regularity,
        regular=g.regular,
    )
    scaling = Scaling(d, factor)
    return composed(d, scaling, f"scaled({d.name}, {factor:g})", geometry=geometry, doc=f"{factor:g} times {d.doc}")
