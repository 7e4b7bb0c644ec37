"""F distribution of ratios of two mean squares.

Parameters: `df1` > 0 and `df2` > 0, degrees of freedom above and below. No scale: with one it is `beta_prime`.

>>> from jaxmle import distributions
>>> round(float(distributions.f.logpdf({"df1": 4.0, "df2": 9.0}, 1.5)), 3)
-1.328
"""

import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from jaxmle import spaces, special
from jaxmle.distributions.base import weighted_moments
from jaxmle.distributions.base.information import information_matrix
from jaxmle.distributions.base.means import where_finite
from jaxmle.distributions.base.standard_form import PURE, NumericalQuantile, from_standard_form, identity
from jaxmle.distributions.base.support import is_positive
from jaxmle.distributions.base.types import Params, Shape
from jaxmle.distributions.positive import gamma_ratio
from jaxmle.model.geometry import Geometry
from jaxmle.special.elementary import floating


def _logcdf(params: Params, v: Array) -> Array:
    a, b = 0.5 * params["df1"], 0.5 * params["df2"]
    return gamma_ratio.log_lower_tail(a, b, v + jnp.log(a) - jnp.log(b))


def _logsf(params: Params, v: Array) -> Array:
    return _logcdf({"df1": params["df2"], "df2": params["df1"]}, -v)


def _start(x: Array, weights: Array) -> dict[str, Array]:
    # Of log x the mean is about 1/df2 - 1/df1, the variance twice the sum.
    x, weights = weighted_moments.usable_rows(x, weights, is_positive(x))
    logs = jnp.log(jnp.where(weights > 0, x, 1))
    center, spread = weighted_moments.location_scale(logs, weights)
    variance = jnp.clip(spread, 1e-6, 1e3) ** 2
    a, b = gamma_ratio.shapes_of(variance, jnp.clip(2 * center / variance, -0.9, 0.9))
    return {"df1": 2 * a, "df2": 2 * b}


def _information(params: Params, x: Array) -> Array:
    # That of beta prime at scale b / a, whose logarithm has slopes -1/a and 1/b.
    a, b = 0.5 * params["df1"], 0.5 * params["df2"]
    both, above = special.trigamma(a + b), 1 / (a + b + 1)
    first = special.trigamma(a) - both - 2 * b / (a * (a + b)) + b / a * above
    second = special.trigamma(b) - both - 2 * a / (b * (a + b)) + a / b * above
    cross = 2 / (a + b) - both - above
    return 0.25 * information_matrix(x, [[first, cross], [cross, second]])


def _draw(key: Array, params: Params, shape: Shape, dtype: DTypeLike) -> Array:
    a, b = 0.5 * params["df1"], 0.5 * params["df2"]
    return gamma_ratio.draw(key, a, b, shape, dtype) - jnp.log(a) + jnp.log(b)


f = from_standard_form(
    PURE,
    "f",
    logpdf=lambda p, v: gamma_ratio.log_density(0.5 * p["df1"], 0.5 * p["df2"], v),
    logcdf=_logcdf,
    logsf=_logsf,
    start=_start,
    shapes={"df1": spaces.positive, "df2": spaces.positive},
    quantile=NumericalQuantile(_logcdf, _logsf, identity, -700.0, 700.0),
    draw=_draw,
    mean=lambda p: where_finite(p["df2"] > 2, lambda d: d / (d - 2), floating(p["df2"])),
    geometry=Geometry(information=_information),
    doc="""F: density proportional to x^(df1/2 - 1) (1 + df1 x / df2)^(-(df1 + df2)/2), x > 0.

    Ratios of mean squares, statistics of the analysis of variance. Mean df2 / (df2 - 2) for df2 > 2. Numbers in units of
    their own need a scale, and then follow `beta_prime`.
    Johnson, Kotz & Balakrishnan, *Continuous Univariate Distributions* 2, chapter 27.""",
)
