"""Folding of any distribution of numbers of either sign: only the size of an outcome is seen."""

import jax.numpy as jnp

from jaxmle._util.arrays import Array, Bool, Data, Float
from jaxmle._util.records import record
from jaxmle.distributions.base import quantiles
from jaxmle.distributions.base.distribution import Distribution, combinator
from jaxmle.distributions.base.means import integral_over_positive
from jaxmle.distributions.base.support import is_nonnegative
from jaxmle.distributions.base.types import Params, Shape
from jaxmle.distributions.composed.composition import (
    Above,
    Part,
    check_number,
    composed,
    largest,
    log_between,
    supports,
)
from jaxmle.model.geometry import Geometry
from jaxmle.special.elementary import floating


@record
class Folding:
    """A distribution of which the sizes are seen."""

    of: Distribution

    def logpdf(self, params: Params, x: Array) -> Array:
        x = floating(x)
        inside = is_nonnegative(x)
        x = jnp.where(inside, x, 1)
        value = jnp.logaddexp(self.of.logpdf(params, x), self.of.logpdf(params, -x))
        return jnp.where(inside, value, -jnp.inf)

    def logcdf(self, params: Params, x: Array) -> Array:
        x = floating(x)
        inside = is_nonnegative(x) & (x > 0)
        at = jnp.where(inside, x, 1)
        return jnp.where(
            inside, log_between(self.of, params, -at, at), jnp.where(x > 0, 0.0, jnp.where(x <= 0, -jnp.inf, x))
        )

    def logsf(self, params: Params, x: Array) -> Array:
        x = floating(x)
        inside = is_nonnegative(x)
        at = jnp.where(inside, x, 1)
        value = jnp.minimum(jnp.logaddexp(self.of.logsf(params, at), self.of.logcdf(params, -at)), 0)
        return jnp.where(inside, value, jnp.where(x > 0, -jnp.inf, jnp.where(x <= 0, 0.0, x)))

    def quantile(self, params: Params, q: Array) -> Array:
        q, end = quantiles.legal_probability(q), largest(q)
        tails = Part(self, "logcdf"), Part(self, "logsf")
        value = quantiles.continuous(*tails, params, q, Above(0.0), -end, end)
        return jnp.where(q == 0, 0.0, jnp.where(q == 1, jnp.inf, value))

    def sample(self, key: Array, params: Params, shape: Shape = ()) -> Data:
        return jnp.abs(floating(self.of.sample(key, params, shape)))

    def mean(self, params: Params) -> Array:
        assert self.of.mean is not None
        middle = self.quantile(params, jnp.asarray(0.5))
        value = middle * integral_over_positive(lambda s: jnp.exp(self.logsf(params, middle * s)))
        return jnp.where(jnp.isnan(floating(self.of.mean(params))), jnp.nan, value)

    def support(self, x: Array) -> Bool[Array, " n"]:
        return is_nonnegative(x) & self.of.support(x)

    def start(self, x: Array, weights: Float[Array, " n"]) -> Params:
        return self.of.start(x, weights)


@combinator
def folded(d: Distribution) -> Distribution:
    """Make the distribution of |Y|, Y of distribution `d`: sizes of errors whose sign is lost.

    log(f(x) + f(-x)), x >= 0. The likelihood is the same for a distribution and its mirror image: the fit is the one with
    most of it above 0. Folded about 0, a normal distribution of mean 0 is `half_normal`.

    Args:
        d: continuous, of a number of either sign.

    Example:
        >>> import math
        >>> from jaxmle import distributions
        >>> sizes = distributions.folded(distributions.normal)
        >>> round(float(sizes.mean({"loc": 0.0, "scale": 1.0})) - math.sqrt(2 / math.pi), 6)
        0.0

    Reference: Leone, Nelson & Nottingham 1961, *Technometrics* 3, 543-550.
    """
    check_number("folded", d)
    if d.discrete or not supports(d, -1.0):
        raise ValueError(f"folded takes a continuous distribution of numbers of either sign, not {d.name}")
    geometry = Geometry(regular=d.geometry.regular)
    return composed(d, Folding(d), f"folded({d.name})", geometry=geometry, doc=f"Sizes of {d.doc}")
