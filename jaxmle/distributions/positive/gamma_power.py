"""Powers of gamma variables: what chi, generalized gamma, inverse gamma and Nakagami share.

With v = log(x / scale), shape e^w of a linear w of v is standard gamma, so one set of formulas serves all; measured from
its mode, a density keeps its digits where the shape is large.
"""

from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from jaxmle import special
from jaxmle._util.records import record
from jaxmle.distributions.base import weighted_moments
from jaxmle.distributions.base.distribution import Distribution
from jaxmle.distributions.base.log_ratio import log_quotient, log_rows
from jaxmle.distributions.base.overflow import below_overflow
from jaxmle.distributions.base.standard_form import LOG, NumericalQuantile, from_standard_form, identity
from jaxmle.distributions.base.support import is_positive, within
from jaxmle.distributions.base.types import Params, Shape
from jaxmle.special.elementary import expm1_rest, floating

Terms = Callable[[Params], tuple[Any, Any, Any]]
"`(params) -> (shape, slope, shift)`: shape e^(slope v + shift) is standard gamma."


@record
class GammaPowerDensity:
    """The log-density of x."""

    terms: Terms

    def __call__(self, params: Params, x: Array) -> Array:
        x = floating(x)
        inside = is_positive(x)
        rows, c = log_rows(within(inside, x, 0.5), params["scale"])
        shape, slope, shift = self.terms(params)
        away = slope * log_quotient(c, params["scale"]) + shift
        w = slope * rows + away
        curved = w - jnp.expm1(w)
        if isinstance(slope, float):
            curved = _curved_near_0(slope * rows, away, curved)
        value = jnp.log(jnp.abs(slope)) + shape * curved + special.gamma_excess(shape) - rows - jnp.log(c)
        return jnp.where(inside, value, -jnp.inf)


def _curved_near_0(a: Array, b: Array, far: Array) -> Array:
    """Compute a + b - (e^(a + b) - 1), without a difference of nearly equal numbers where a and b are near 0; else `far`.

    The functions of a, which depends on the data alone, are computed once.
    """
    near = (jnp.abs(a) < 0.25) & (jnp.abs(b) < 0.25)
    a, b = jnp.where(jnp.abs(a) < 0.25, a, 0), jnp.where(jnp.abs(b) < 0.25, b, 0)
    value = -a * a * expm1_rest(a) - b * b * expm1_rest(b) - jnp.expm1(a) * jnp.expm1(b)
    return jnp.where(near, value, far)


@record
class GammaPower:
    """The logarithm of the lower or upper tail of the gamma variable, at v."""

    terms: Terms
    what: Literal["lower", "upper"]

    def __call__(self, params: Params, v: Array) -> Array:
        shape, slope, shift = self.terms(params)
        tail = special.log_gammainc if self.what == "lower" else special.log_gammaincc
        return tail(shape, jnp.exp(below_overflow(slope * v + shift + jnp.log(shape))))


@record
class GammaDraw:
    """The sampler of v, from the logarithm of gamma variables."""

    terms: Terms

    def __call__(self, key: Array, params: Params, shape: Shape, dtype: DTypeLike) -> Array:
        a, slope, shift = self.terms(params)
        w = jax.random.loggamma(key, jnp.broadcast_to(jnp.asarray(a, dtype), shape), shape, dtype)
        return (w - jnp.log(a) - shift) / slope


def from_gamma_power(name: str, terms: Terms, *, decreasing: bool = False, **fields: Any) -> Distribution:
    """Make the record of a family from the terms of its gamma variable.

    Args:
        name: of the family.
        terms: `(params) -> (shape, slope, shift)`.
        decreasing: whether the gamma variable falls as x grows, for a negative slope.
        **fields: of `from_standard_form`, or of the record.
    """
    below = GammaPower(terms, "upper" if decreasing else "lower")
    above = GammaPower(terms, "lower" if decreasing else "upper")
    return from_standard_form(
        LOG,
        name,
        logpdf=None,
        log_density=GammaPowerDensity(terms),
        logcdf=below,
        logsf=above,
        quantile=NumericalQuantile(below, above, identity, -700.0, 700.0),
        draw=GammaDraw(terms),
        **fields,
    )


def root_mean_square_and_shape(x: Array, weights: Array) -> tuple[Array, Array]:
    """Compute the weighted root mean square of x, and estimate the gamma shape of the squares."""
    x, weights = weighted_moments.usable_rows(x, weights, is_positive(x))
    size = weighted_moments.root_mean_square(x, weights)
    return size, weighted_moments.gamma_shape(jnp.where(weights > 0, x / size, 1) ** 2, weights)
