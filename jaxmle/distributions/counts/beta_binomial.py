"""Beta-binomial distribution of successes in trials that share a chance.

Parameters: mean `probability` in (0, 1); `dispersion` > 0; `trials` are a column of the data.

>>> from jaxmle import distributions
>>> params = {"dispersion": 0.25, "probability": 0.3}
>>> round(float(distributions.beta_binomial.logpdf(params, {"successes": 4, "trials": 12})), 3)
-2.215
"""

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxmle import spaces, special
from jaxmle.distributions.base.discrete_cdf import log_tail
from jaxmle.distributions.base.distribution import Distribution
from jaxmle.distributions.base.sampling import sample_shape
from jaxmle.distributions.base.support import within
from jaxmle.distributions.base.types import Params, Rows, Shape
from jaxmle.distributions.counts.trials import binomial_quantile, binomial_start, binomial_support
from jaxmle.special.elementary import floating


def _mass(k: Array, n: Array, p: Array, a: Array) -> Array:
    # Products of p + i a, 1 - p + i a and 1 + i a: smooth at the binomial, a = 0.
    inside = (k >= 0) & (k <= n)
    k = jnp.where(inside, k, 0)
    rest = n - k
    ways = special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(rest + 1)
    hits = special.xlogy(k, p) + special.log_rising(k, a / p, whole=True)
    misses = special.xlog1py(rest, -p) + special.log_rising(rest, a / (1 - p), whole=True)
    return jnp.where(inside, ways + hits + misses - special.log_rising(n, a, whole=True), -jnp.inf)


def _logpdf(params: Params, x: Rows) -> Array:
    inside = binomial_support(x)
    k, n = within(inside, floating(x["successes"]), 0), within(inside, floating(x["trials"]), 1)
    return jnp.where(inside, _mass(k, n, params["probability"], params["dispersion"]), -jnp.inf)


def _tail(params: Params, x: Rows, upper: bool) -> Array:
    k, n = jnp.floor(floating(x["successes"])), floating(x["trials"])
    middle = (k >= 0) & (k < n)
    y, m = jnp.where(middle, k, 0), jnp.where(middle, n, 1)
    p, a = floating(params["probability"]), floating(params["dispersion"])
    value = log_tail(_mass, y, (m, p, a), m * p, upper)
    sure, never = (0.0, -jnp.inf) if upper else (-jnp.inf, 0.0)
    return jnp.where(middle, value, jnp.where(k < 0, sure, jnp.where(k >= n, never, jnp.nan)))


def _logcdf(params: Params, x: Rows) -> Array:
    return _tail(params, x, False)


def _logsf(params: Params, x: Rows) -> Array:
    return _tail(params, x, True)


def _quantile(params: Params, q: Array, trials: ArrayLike = 1) -> Array:
    return binomial_quantile(_logcdf, params, q, trials)


def _sample(key: Array, params: Params, shape: Shape = (), trials: ArrayLike = 1) -> Array:
    p, a, n = floating(params["probability"]), floating(params["dispersion"]), floating(trials)
    size = sample_shape(shape, p, a, n)
    first, second, third = jax.random.split(key, 3)
    a = jnp.maximum(a, 1e-12)
    hits = jax.random.loggamma(first, jnp.broadcast_to(p / a, size), size)
    misses = jax.random.loggamma(second, jnp.broadcast_to((1 - p) / a, size), size)
    chance = jax.nn.sigmoid(hits - misses)
    return jax.random.binomial(third, n, chance, size, dtype=p.dtype)


def _start(x: Rows, weights: Array) -> dict[str, Array]:
    p = binomial_start(x, weights)["probability"]
    keep = (floating(weights) > 0) & binomial_support(x)
    w = jnp.where(keep, floating(weights), 0)
    k, n = (jnp.where(keep, floating(x[name]), 0) for name in ("successes", "trials"))
    excess = jnp.sum(w * ((k - n * p) ** 2 / (p * (1 - p)) - n))
    pairs = jnp.sum(w * n * (n - 1))
    share = jnp.clip(excess / jnp.where(pairs > 0, pairs, 1), 0.01, 0.9)
    return {"dispersion": share / (1 - share), "probability": p}


def _mean(p: Params, trials: ArrayLike) -> Array:
    return trials * p["probability"]


beta_binomial = Distribution(
    name="beta_binomial",
    logpdf=_logpdf,
    logcdf=_logcdf,
    logsf=_logsf,
    quantile=_quantile,
    sample=_sample,
    support=binomial_support,
    space={"dispersion": spaces.positive, "probability": spaces.interval(0.0, 1.0)},
    start=_start,
    discrete=True,
    columns=("successes", "trials"),
    mean=_mean,
    doc="""Beta-binomial: mass C(n, k) B(k + a, n - k + b) / B(a, b), a = probability / dispersion, b = (1 - probability) / dispersion.

    Successes k = successes in n = trials that share a chance: litters, families, methylation. Mean n probability, variance n
    probability (1 - probability) (1 + (n - 1) r), r = dispersion / (1 + dispersion); dispersion -> 0 is the binomial.
    Johnson, Kemp & Kotz, *Univariate Discrete Distributions*, section 6.2.2.""",
)
