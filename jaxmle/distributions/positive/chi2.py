"""Chi-squared distribution of sums of squares of standard normal variables.

Parameters: `df` > 0, degrees of freedom, the mean. No scale: sums of squares of other variance are `gamma`.

>>> from jaxmle import distributions
>>> round(float(distributions.chi2.logpdf({"df": 3.3}, 3.0)), 3)
-1.824
"""

import jax.numpy as jnp
from jax import Array

from jaxmle import spaces, special
from jaxmle.distributions.base import weighted_moments
from jaxmle.distributions.base.constants import EULER, LOG_2
from jaxmle.distributions.base.information import information_matrix
from jaxmle.distributions.base.means import ParameterMean
from jaxmle.distributions.base.standard_form import PURE, NumericalQuantile, from_standard_form, identity
from jaxmle.distributions.base.support import is_positive
from jaxmle.distributions.base.types import Params
from jaxmle.distributions.positive.gamma_power import GammaDraw, GammaPower
from jaxmle.model.geometry import Geometry


def _terms(p: Params) -> tuple[Array, float, Array]:
    return 0.5 * p["df"], 1.0, -jnp.log(p["df"])


def _log_density(p: Params, v: Array) -> Array:
    """Compute the log-density of v = log x from its mode."""
    shape, _, shift = _terms(p)
    w = v + shift
    return shape * (w - jnp.expm1(w)) + special.gamma_excess(shape)


def _start(x: Array, weights: Array) -> dict[str, Array]:
    # The maximum is where digamma(df / 2) is the mean of log(x / 2); its inverse after Minka 2002, "Estimating a gamma
    # distribution", appendix C.
    x, weights = weighted_moments.usable_rows(x, weights, is_positive(x))
    center = weighted_moments.mean(jnp.log(jnp.where(weights > 0, x, 1)), weights) - LOG_2
    low = center < -2.22
    half = jnp.where(low, -1 / (jnp.where(low, center, -3) + EULER), jnp.exp(jnp.minimum(center, 650)) + 0.5)
    return {"df": jnp.clip(2 * half, 1e-3, float(jnp.finfo(half.dtype).max) ** 0.5)}


_below, _above = GammaPower(_terms, "lower"), GammaPower(_terms, "upper")

chi2 = from_standard_form(
    PURE,
    "chi2",
    logpdf=_log_density,
    logcdf=_below,
    logsf=_above,
    start=_start,
    shapes={"df": spaces.positive},
    quantile=NumericalQuantile(_below, _above, identity, -700.0, 700.0),
    draw=GammaDraw(_terms),
    mean=ParameterMean("df"),
    geometry=Geometry(information=lambda p, x: information_matrix(x, [[0.25 * special.trigamma(0.5 * p["df"])]])),
    doc="""Chi-squared: density x^(df/2 - 1) exp(-x / 2) / (2^(df/2) Gamma(df/2)), x > 0.

    Sums of squares of df standard normal variables, statistics of tests; gamma of shape df / 2 and scale 2. Mean df,
    variance 2 df. The maximum is where digamma(df / 2) is the mean of log(x / 2).
    Johnson, Kotz & Balakrishnan, *Continuous Univariate Distributions* 1, chapter 18.""",
)
