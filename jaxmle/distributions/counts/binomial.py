"""Binomial distribution of successes in a known number of trials.

Parameters: `probability` of a success, in (0, 1); `trials` are a column of the data.

>>> from jaxmle import distributions
>>> round(float(distributions.binomial.logpdf({"probability": 0.3}, {"successes": 4, "trials": 12})), 3)
-1.465
"""

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxmle import special
from jaxmle.distributions.base.distribution import Distribution
from jaxmle.distributions.base.information import information_matrix
from jaxmle.distributions.base.sampling import sample_shape
from jaxmle.distributions.base.support import within
from jaxmle.distributions.base.types import Params, Rows, Shape
from jaxmle.distributions.counts.trials import (
    PROBABILITY_SPACE,
    binomial_quantile,
    binomial_start,
    binomial_sums,
    binomial_support,
)
from jaxmle.model.geometry import Geometry
from jaxmle.special.elementary import floating


def _logpdf(params: Params, x: Rows) -> Array:
    inside = binomial_support(x)
    k = within(inside, floating(x["successes"]), 0)
    n = within(inside, floating(x["trials"]), 1)
    p = params["probability"]
    ways = special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)
    return jnp.where(inside, ways + special.xlogy(k, p) + special.xlog1py(n - k, -p), -jnp.inf)


def _tail(params: Params, x: Rows, upper: bool) -> Array:
    """Compute log P(X > k) = log I_p(k + 1, n - k), if `upper`, or log P(X <= k) = log I_{1-p}(n - k, k + 1)."""
    k, n, p = jnp.floor(floating(x["successes"])), floating(x["trials"]), floating(params["probability"])
    middle = (k >= 0) & (k < n)
    k, n = jnp.where(middle, k, 0), jnp.where(middle, n, 1)
    edge = (p <= 0) | (p >= 1)
    odds = jnp.where(edge, 0.5, p) / (1 - jnp.where(edge, 0.5, p))
    sure, never = (0.0, -jnp.inf) if upper else (-jnp.inf, 0.0)
    value = special.log_betainc_odds(*((k + 1, n - k, odds) if upper else (n - k, k + 1, 1 / odds)))
    value = jnp.where(edge, jnp.where(p >= 1, sure, never), value)
    below = jnp.floor(floating(x["successes"])) < 0
    return jnp.where(middle, value, jnp.where(below, sure, never))


def _logcdf(params: Params, x: Rows) -> Array:
    return _tail(params, x, False)


def _logsf(params: Params, x: Rows) -> Array:
    return _tail(params, x, True)


def _quantile(params: Params, q: Array, trials: ArrayLike = 1) -> Array:
    return binomial_quantile(_logcdf, params, q, trials)


def _sample(key: Array, params: Params, shape: Shape = (), trials: ArrayLike = 1) -> Array:
    p, n = floating(params["probability"]), floating(trials)
    return jax.random.binomial(key, n, p, sample_shape(shape, p, n), dtype=p.dtype)


def _maximum(x: Rows, weights: Array) -> dict[str, Array]:
    successes, trials = binomial_sums(x, weights)
    return {"probability": successes / trials}


def _information(params: Params, x: Rows) -> Array:
    p = params["probability"]
    return information_matrix(x["trials"], [[floating(x["trials"]) / (p * (1 - p))]])


def _mean(params: Params, trials: ArrayLike = 1) -> Array:
    return floating(params["probability"]) * trials


binomial = Distribution(
    name="binomial",
    logpdf=_logpdf,
    logcdf=_logcdf,
    logsf=_logsf,
    quantile=_quantile,
    sample=_sample,
    support=binomial_support,
    space=PROBABILITY_SPACE,
    start=binomial_start,
    discrete=True,
    columns=("successes", "trials"),
    mean=_mean,
    geometry=Geometry(maximum=_maximum, information=_information),
    doc="""Binomial: mass C(trials, successes) probability^successes (1 - probability)^(trials - successes).

    Data are {"successes": ..., "trials": ...}, each [n]. Mean trials probability; the maximum is the share of
    successes. Johnson, Kemp & Kotz, *Univariate Discrete Distributions*, chapter 3.""",
)
