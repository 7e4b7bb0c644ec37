"""Beta prime (Pearson VI) distribution of odds and of ratios of gamma variables.

Parameters: `a` > 0, the exponent at 0; `b` > 0, the tail exponent; `scale` > 0.

>>> from jaxmle import distributions
>>> round(float(distributions.beta_prime.logpdf({"a": 2.5, "b": 3.4, "scale": 2.0}, 3.0)), 3)
-2.25
"""

import jax.numpy as jnp
from jax import Array

from jaxmle import spaces, special
from jaxmle.distributions.base import weighted_moments
from jaxmle.distributions.base.information import information_matrix
from jaxmle.distributions.base.means import where_finite
from jaxmle.distributions.base.standard_form import LOG, NumericalQuantile, from_standard_form, identity
from jaxmle.distributions.base.support import is_positive
from jaxmle.distributions.base.types import Params
from jaxmle.distributions.positive import gamma_ratio
from jaxmle.model.geometry import Chart, Coordinates, Geometry
from jaxmle.special.elementary import floating


def _logcdf(params: Params, v: Array) -> Array:
    return gamma_ratio.log_lower_tail(params["a"], params["b"], v)


def _logsf(params: Params, v: Array) -> Array:
    return gamma_ratio.log_lower_tail(params["b"], params["a"], -v)


def _logpdf(params: Params, v: Array) -> Array:
    a, b = params["a"], params["b"]
    return gamma_ratio.log_density(a, b, v - jnp.log(a) + jnp.log(b))


def _start(x: Array, weights: Array) -> dict[str, Array]:
    # Mean, variance and skewness of log x.
    x, weights = weighted_moments.usable_rows(x, weights, is_positive(x))
    logs = jnp.log(jnp.where(weights > 0, x, 1))
    center, spread = weighted_moments.location_scale(logs, weights)
    spread = jnp.clip(spread, 1e-6, 1e3)
    tilt = jnp.clip(weighted_moments.skewness(logs, weights) / jnp.clip(spread, 0.1, 2.0), -0.9, 0.9)
    a, b = gamma_ratio.shapes_of(spread**2, tilt)
    log_scale = center - special.digamma(a) + special.digamma(b)
    return {"a": a, "b": b, "scale": weighted_moments.legal_positive(jnp.exp(jnp.clip(log_scale, -700, 700)))}


def _information(params: Params, x: Array) -> Array:
    a, b, scale = params["a"], params["b"], params["scale"]
    both = special.trigamma(a + b)
    across = [b / ((a + b) * scale), -a / ((a + b) * scale)]
    return information_matrix(
        x,
        [
            [special.trigamma(a) - both, -both, across[0]],
            [-both, special.trigamma(b) - both, across[1]],
            [*across, a * b / ((a + b + 1) * scale**2)],
        ],
    )


def _contributions(v: Coordinates, x: Array, anchor: tuple[()]) -> Array:
    """Compute the log-likelihood in log a, log b and log(scale a / b), which keeps finite where a or b does not."""
    inside = is_positive(x)
    y = jnp.log(jnp.where(inside, x, 1))
    value = gamma_ratio.log_density(jnp.exp(v["a"]), jnp.exp(v["b"]), y - v["scale"]) - y
    return jnp.where(inside, value, -jnp.inf)


_CHART = Chart(
    lambda x, weights: (),
    _contributions,
    lambda v, anchor: {**v, "scale": v["scale"] - v["a"] + v["b"]},
    lambda u, anchor: {**u, "scale": u["scale"] + u["a"] - u["b"]},
    (True, True, True),
)


def _mean(p: Params) -> Array:
    return p["scale"] * p["a"] * where_finite(p["b"] > 1, lambda b: 1 / (b - 1), floating(p["b"]))


beta_prime = from_standard_form(
    LOG,
    "beta_prime",
    logpdf=_logpdf,
    logcdf=_logcdf,
    logsf=_logsf,
    start=_start,
    shapes={"a": spaces.positive, "b": spaces.positive},
    quantile=NumericalQuantile(_logcdf, _logsf, identity, -700.0, 700.0),
    draw=lambda key, p, shape, dtype: gamma_ratio.draw(key, p["a"], p["b"], shape, dtype),
    mean=_mean,
    geometry=Geometry(information=_information, chart=_CHART),
    doc="""Beta prime (Pearson VI): density z^(a - 1) (1 + z)^(-a - b) / (scale B(a, b)), z = x / scale > 0.

    Odds, incomes, gamma variables whose rates are gamma; with scale df2 / df1, a = df1 / 2 and b = df2 / 2 it is F. Mean
    scale a / (b - 1) for b > 1. The maximum may lie at b -> infinity, which is gamma, or a -> infinity, inverse gamma. The
    standard form has scale 1: `models.pinned("beta_prime", scale=1)`.
    Johnson, Kotz & Balakrishnan, *Continuous Univariate Distributions* 2, section 25.7.""",
)
