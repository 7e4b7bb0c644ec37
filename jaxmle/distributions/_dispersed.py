"""Counts with a dispersion of their own: beta-binomial, Conway-Maxwell-Poisson and generalized Poisson."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxmle import spaces, special
from jaxmle.distributions import _means, _moments, _quantiles
from jaxmle.distributions._counts import count_mean, floored, is_count, steps
from jaxmle.distributions._distribution import Distribution, within
from jaxmle.distributions._sums import elementwise, log_tail
from jaxmle.distributions._trials import binomial_quantile, binomial_start, binomial_support
from jaxmle.special.elementary import floating

# --- beta-binomial ---------------------------------------------------------------------------------------


def _beta_binomial_mass(k: Any, n: Any, p: Any, a: Any) -> Any:
    # Products of p + i a, 1 - p + i a and 1 + i a: smooth at the binomial, a = 0.
    inside = (k >= 0) & (k <= n)
    k = jnp.where(inside, k, 0)
    rest = n - k
    ways = special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(rest + 1)
    hits = special.xlogy(k, p) + special.log_rising(k, a / p, whole=True)
    misses = special.xlog1py(rest, -p) + special.log_rising(rest, a / (1 - p), whole=True)
    return jnp.where(inside, ways + hits + misses - special.log_rising(n, a, whole=True), -jnp.inf)


def _beta_binomial_logpdf(params: Any, x: Any) -> Any:
    inside = binomial_support(x)
    k, n = within(inside, floating(x["successes"]), 0), within(inside, floating(x["trials"]), 1)
    return jnp.where(inside, _beta_binomial_mass(k, n, params["probability"], params["dispersion"]), -jnp.inf)


def _beta_binomial_tail(params: Any, x: Any, upper: bool) -> Any:
    k, n = jnp.floor(floating(x["successes"])), floating(x["trials"])
    middle = (k >= 0) & (k < n)
    y, m = jnp.where(middle, k, 0), jnp.where(middle, n, 1)
    p, a = floating(params["probability"]), floating(params["dispersion"])
    value = log_tail(_beta_binomial_mass, y, (m, p, a), m * p, upper)
    sure, never = (0.0, -jnp.inf) if upper else (-jnp.inf, 0.0)
    return jnp.where(middle, value, jnp.where(k < 0, sure, jnp.where(k >= n, never, jnp.nan)))


def _beta_binomial_logcdf(params: Any, x: Any) -> Any:
    return _beta_binomial_tail(params, x, False)


def _beta_binomial_logsf(params: Any, x: Any) -> Any:
    return _beta_binomial_tail(params, x, True)


def _beta_binomial_quantile(params: Any, q: Any, trials: Any = 1) -> Any:
    return binomial_quantile(_beta_binomial_logcdf, params, q, trials)


def _beta_binomial_sample(key: Any, params: Any, shape: Any = (), trials: Any = 1) -> Any:
    p, a, trials = floating(params["probability"]), floating(params["dispersion"]), floating(trials)
    shape = shape or jnp.broadcast_shapes(p.shape, a.shape, trials.shape)
    first, second, third = jax.random.split(key, 3)
    a = jnp.maximum(a, 1e-12)
    hits = jax.random.loggamma(first, jnp.broadcast_to(p / a, shape), shape)
    misses = jax.random.loggamma(second, jnp.broadcast_to((1 - p) / a, shape), shape)
    chance = jax.nn.sigmoid(hits - misses)
    return jax.random.binomial(third, trials, chance, shape, dtype=p.dtype)


def _beta_binomial_start(x: Any, weights: Any) -> Any:
    p = binomial_start(x, weights)["probability"]
    keep = (floating(weights) > 0) & binomial_support(x)
    w = jnp.where(keep, floating(weights), 0)
    k, n = (jnp.where(keep, floating(x[name]), 0) for name in ("successes", "trials"))
    excess = jnp.sum(w * ((k - n * p) ** 2 / (p * (1 - p)) - n))
    pairs = jnp.sum(w * n * (n - 1))
    share = jnp.clip(excess / jnp.where(pairs > 0, pairs, 1), 0.01, 0.9)
    return {"dispersion": share / (1 - share), "probability": p}


beta_binomial = Distribution(
    name="beta_binomial",
    logpdf=_beta_binomial_logpdf,
    logcdf=_beta_binomial_logcdf,
    logsf=_beta_binomial_logsf,
    quantile=_beta_binomial_quantile,
    sample=_beta_binomial_sample,
    support=binomial_support,
    space={"dispersion": spaces.positive, "probability": spaces.interval(0.0, 1.0)},
    start=_beta_binomial_start,
    discrete=True,
    columns=("successes", "trials"),
    mean=_means.beta_binomial,
    doc="""Beta-binomial: mass C(n, k) B(k + a, n - k + b) / B(a, b), a = probability / dispersion, b = (1 - probability) / dispersion.

    Successes k = successes in n = trials that share a chance: litters, families, methylation. Mean n probability, variance n
    probability (1 - probability) (1 + (n - 1) r), r = dispersion / (1 + dispersion); dispersion -> 0 is the binomial.
    Johnson, Kemp & Kotz, *Univariate Discrete Distributions*, section 6.2.2.""",
)


# --- generalized Poisson ---------------------------------------------------------------------------------


def _generalized_mass(k: Any, mean: Any, spread: Any) -> Any:
    inside = k >= 0
    k = jnp.where(inside, k, 0)
    theta = mean * (1 - spread)
    rate = theta + spread * k
    return jnp.where(inside, jnp.log(theta) + (k - 1) * jnp.log(rate) - rate - special.gammaln(k + 1), -jnp.inf)


def _generalized_terms(params: Any) -> tuple[Any, Any]:
    return floating(params["mean"]), floating(params["dispersion"])


def _generalized_logpdf(params: Any, x: Any) -> Any:
    x = floating(x)
    inside = is_count(x)
    return jnp.where(inside, _generalized_mass(within(inside, x, 0), *_generalized_terms(params)), -jnp.inf)


def _generalized_logcdf(params: Any, x: Any) -> Any:
    x, terms = floating(x), _generalized_terms(params)
    return steps(x, log_tail(_generalized_mass, floored(x), terms, terms[0], False), -jnp.inf, 0.0)


def _generalized_logsf(params: Any, x: Any) -> Any:
    x, terms = floating(x), _generalized_terms(params)
    return steps(x, log_tail(_generalized_mass, floored(x), terms, terms[0], True), 0.0, -jnp.inf)


def _generalized_sample(key: Any, params: Any, shape: Any = ()) -> Any:
    # All descendants of Poisson many, each with Poisson(dispersion) children.
    mean, spread = jnp.broadcast_arrays(*_generalized_terms(params))
    shape = shape or mean.shape

    def breed(state: Any) -> Any:
        key, total, born = state
        key, now = jax.random.split(key)
        born = jax.random.poisson(now, spread * born, shape).astype(mean.dtype)
        return key, total + born, born

    key, now = jax.random.split(key)
    born = jax.random.poisson(now, mean * (1 - spread), shape).astype(mean.dtype)
    return jax.lax.while_loop(lambda s: jnp.any(s[2] > 0), breed, (key, born, born))[1]


def _generalized_start(x: Any, weights: Any) -> Any:
    x, weights = _moments.usable(x, weights, is_count(x))
    mean, _ = count_mean(x, weights)
    ratio = _moments.mean(jnp.where(weights > 0, x / mean - 1, 0) ** 2, weights) * mean
    return {"dispersion": jnp.clip(1 - 1 / jnp.sqrt(jnp.maximum(ratio, 1e-6)), 0.02, 0.95), "mean": mean}


generalized_poisson = Distribution(
    name="generalized_poisson",
    logpdf=_generalized_logpdf,
    logcdf=_generalized_logcdf,
    logsf=_generalized_logsf,
    quantile=lambda params, q: _quantiles.whole(_generalized_logcdf, params, q),
    sample=_generalized_sample,
    support=is_count,
    space={"dispersion": spaces.interval(0.0, 1.0), "mean": spaces.positive},
    start=_generalized_start,
    discrete=True,
    mean=_means.mean,
    doc="""Generalized Poisson: mass t (t + d x)^(x - 1) exp(-t - d x) / x!, t = mean (1 - d), d = dispersion in (0, 1).

    Sizes of outbreaks: everyone infects Poisson(dispersion) others. Mean mean, variance mean / (1 - dispersion)^2;
    dispersion -> 0 is the Poisson. Consul 1989, *Generalized Poisson Distributions*, chapter 1.""",
)


# --- Conway-Maxwell-Poisson ------------------------------------------------------------------------------

_CHUNK, _MOST = 64, 1_000_000


def _relative(k: Any, centre: Any, power: Any) -> Any:
    """log of (centre^k / k!)^power over its value at the mode: exactly 0 there, however large the power."""
    mode = jnp.floor(jax.lax.stop_gradient(centre))
    rise = special.gammaln(k + 1) - special.gammaln(mode + 1)
    return power * (special.xlogy(k - mode, centre) - rise)


def _log_total(x: Any, centre: Any, power: Any) -> Any:
    """log of the sum of `_relative` terms over k >= 0, from 10 standard deviations below the mode on; `x` is no matter."""
    at, strength = jax.lax.stop_gradient((centre, power))
    mode = jnp.floor(at)
    low = jnp.maximum(jnp.floor(mode - 10 * jnp.sqrt(at / strength) - 10), 0)
    offsets = jnp.arange(_CHUNK, dtype=centre.dtype).reshape((-1,) + (1,) * centre.ndim)
    least = 1e-3 * float(jnp.finfo(centre.dtype).eps)

    def add(state: Any) -> Any:
        j, total, _ = state
        terms = jnp.exp(_relative(low + j + offsets, centre, power))
        return j + _CHUNK, total + jnp.sum(terms, 0), terms[-1]

    def goes_on(state: Any) -> Any:
        j, total, last = state
        return jnp.any((last > least * total) | (low + j <= mode)) & (j < _MOST)

    start = (jnp.zeros((), centre.dtype), jnp.zeros_like(centre), jnp.ones_like(centre))
    _, total, last = jax.lax.while_loop(goes_on, add, start)
    return jnp.where(last <= least * total, jnp.log(total), jnp.nan)


def _conway_terms(params: Any) -> tuple[Any, Any]:
    centre, power = jnp.broadcast_arrays(floating(params["center"]), floating(params["power"]))
    return centre, power


def _conway_total(params: Any) -> Any:
    centre, power = _conway_terms(params)
    return elementwise(_log_total, jnp.zeros_like(centre), centre, power)


def _conway_mass(k: Any, centre: Any, power: Any, total: Any) -> Any:
    inside = k >= 0
    return jnp.where(inside, _relative(jnp.where(inside, k, 0), centre, power) - total, -jnp.inf)


def _conway_logpdf(params: Any, x: Any) -> Any:
    x = floating(x)
    inside = is_count(x)
    return jnp.where(inside, _relative(within(inside, x, 0), *_conway_terms(params)) - _conway_total(params), -jnp.inf)


def _conway_tail(params: Any, x: Any, upper: bool) -> Any:
    centre, power = _conway_terms(params)
    return log_tail(_conway_mass, floored(x), (centre, power, _conway_total(params)), centre, upper)


def _conway_logcdf(params: Any, x: Any) -> Any:
    x = floating(x)
    return steps(x, _conway_tail(params, x, False), -jnp.inf, 0.0)


def _conway_logsf(params: Any, x: Any) -> Any:
    x = floating(x)
    return steps(x, _conway_tail(params, x, True), 0.0, -jnp.inf)


def _conway_quantile(params: Any, q: Any) -> Any:
    return _quantiles.whole(_conway_logcdf, params, q)


def _conway_sample(key: Any, params: Any, shape: Any = ()) -> Any:
    centre, _ = _conway_terms(params)
    return _conway_quantile(params, jax.random.uniform(key, shape or centre.shape, centre.dtype))


def _conway_start(x: Any, weights: Any) -> Any:
    x, weights = _moments.usable(x, weights, is_count(x))
    mean, _ = count_mean(x, weights)
    ratio = _moments.mean(jnp.where(weights > 0, x / mean - 1, 0) ** 2, weights) * mean
    power = jnp.clip(1 / jnp.maximum(ratio, 1e-6), 0.2, 20.0)
    centre = jnp.maximum(mean + 0.5 * (1 - 1 / power), 0.1 * mean)
    return {"center": centre, "power": power}


def _conway_mean(params: Any) -> Any:
    """From the score in center, power (k - mean) / center, at any k."""
    center, power = floating(params["center"]), params["power"]
    k = jnp.round(jax.lax.stop_gradient(center))
    slope = jax.grad(lambda c: jnp.sum(_conway_logpdf({"center": c, "power": power}, k)))(center)
    return k - center * slope / power


conway_maxwell_poisson = Distribution(
    name="conway_maxwell_poisson",
    logpdf=_conway_logpdf,
    logcdf=_conway_logcdf,
    logsf=_conway_logsf,
    quantile=_conway_quantile,
    sample=_conway_sample,
    support=is_count,
    space={"center": spaces.positive, "power": spaces.positive},
    start=_conway_start,
    discrete=True,
    mean=_conway_mean,
    doc="""Conway-Maxwell-Poisson: mass proportional to (center^x / x!)^power, x = 0, 1, 2, ...

    Counts less (power > 1) or more (power < 1) dispersed than the Poisson (power 1). Mean about center - (1 - 1/power) / 2,
    variance about center / power. center^power is the rate (lambda) of the literature, power its nu.
    NaN where its constant has more than a million terms.
    Shmueli et al. 2005, *JRSS C* 54, 127-142; Guikema & Coffelt 2008, *Risk Analysis* 28, 213-223.""",
)
