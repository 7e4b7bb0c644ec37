"""Powers of gamma variables: what chi, generalized gamma, inverse gamma and Nakagami share.

With v = log(x / scale), shape e^w of a linear w of v is standard gamma, so one set of formulas serves all; measured from
its mode, a density keeps its digits where the shape is large.
"""

from collections.abc import Callable
from math import factorial
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from jaxmle import special
from jaxmle._util.records import record
from jaxmle.distributions.base import weighted_moments
from jaxmle.distributions.base.distribution import Distribution
from jaxmle.distributions.base.log_ratio import log_quotient, log_rows, shared_by_rows
from jaxmle.distributions.base.overflow import below_overflow
from jaxmle.distributions.base.standard_form import LOG, NumericalQuantile, from_standard_form, identity
from jaxmle.distributions.base.support import is_positive, within
from jaxmle.distributions.base.types import Params, Shape
from jaxmle.special.elementary import floating, horner

Terms = Callable[[Params], tuple[Any, Any, Any]]
"`(params) -> (shape, slope, shift)`: shape e^(slope v + shift) is standard gamma."


@record
class GammaPowerDensity:
    """The log-density of x."""

    terms: Terms

    def __call__(self, params: Params, x: Array) -> Array:
        x, scale = floating(x), params["scale"]
        inside = is_positive(x)
        shape, slope, shift = self.terms(params)
        known = isinstance(slope, float) and shared_by_rows(x, scale, shape)
        rows, c = log_rows(within(inside, x, 0.5), scale, least=known and slope < 0)
        away = slope * log_quotient(c, scale) + shift
        if known:
            curved = _curved(slope * rows, away)
        else:
            w = slope * rows + away
            curved = w - jnp.expm1(w)
        value = jnp.log(jnp.abs(slope)) + shape * curved + special.gamma_excess(shape) - rows - jnp.log(c)
        return jnp.where(inside, value, -jnp.inf)


def _curved(a: Array, b: Array) -> Array:
    """Compute a + b - (e^(a + b) - 1), a <= 0, so that a fit computes functions of a once, with digits near 0.

    With E = e^a - 1 and T = e^b - 1 it is (a - E) + (b - T) - E T.
    """
    (e, far_e), (t, far_t) = _exponential_parts(a), _exponential_parts(b)
    return -far_e - far_t - e * t


def _exponential_parts(a: Array) -> tuple[Array, Array]:
    """Compute e^a - 1 and e^a - 1 - a."""
    near = jnp.abs(a) < 0.25
    s = jnp.where(near, a, 0)
    rest = s * s * horner(tuple(1 / factorial(k + 2) for k in range(12)), s)
    whole = jnp.expm1(below_overflow(jnp.where(near, 1, a)))
    return jnp.where(near, s + rest, whole), jnp.where(near, rest, whole - a)


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
