"""Success and failure: Bernoulli, binomial and geometric."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxmle import spaces, special
from jaxmle.distributions import _moments
from jaxmle.distributions._counts import is_count, is_whole_from_one
from jaxmle.distributions._distribution import Distribution, symmetric, within
from jaxmle.special.elementary import floating

_UNIT = {"probability": spaces.interval(0.0, 1.0)}


def _inside_unit(probability: Any) -> Any:
    """Keeps a share strictly between 0 and 1."""
    return jnp.clip(probability, 1e-12, 1 - jnp.finfo(probability.dtype).eps)


# --- Bernoulli -------------------------------------------------------------------------------------------


def _is_binary(x: Any) -> Any:
    x = floating(x)
    return (x == 0) | (x == 1)


def _bernoulli_logpdf(params: Any, x: Any) -> Any:
    x, p = floating(x), params["probability"]
    inside = _is_binary(x)
    x = within(inside, x, 0)
    return jnp.where(inside, special.xlogy(x, p) + special.xlog1py(1 - x, -p), -jnp.inf)


def _bernoulli_logcdf(params: Any, x: Any) -> Any:
    x, p = floating(x), floating(params["probability"])
    middle = (x >= 0) & (x < 1)
    value = jnp.where(middle, jnp.log1p(-p), jnp.where(x < 0, -jnp.inf, 0.0))
    return jnp.where(jnp.isnan(x), jnp.nan, value)


def _bernoulli_logsf(params: Any, x: Any) -> Any:
    x, p = floating(x), floating(params["probability"])
    middle = (x >= 0) & (x < 1)
    value = jnp.where(middle, jnp.log(p), jnp.where(x < 0, 0.0, -jnp.inf))
    return jnp.where(jnp.isnan(x), jnp.nan, value)


def _bernoulli_quantile(params: Any, q: Any) -> Any:
    q = floating(q)
    one = 1 - q < params["probability"]
    return jnp.where((q >= 0) & (q <= 1), jnp.where(one, 1.0, 0.0), jnp.nan)


def _bernoulli_sample(key: Any, params: Any, shape: Any = ()) -> Any:
    p = floating(params["probability"])
    return jax.random.bernoulli(key, p, shape or jnp.shape(p)).astype(p.dtype)


def _share(successes: Any, trials: Any) -> Any:
    """successes / trials, with half a success or half a failure where there is none, to stay inside the space."""
    half = jnp.where(trials > 0, 0.5, 0.0)
    interior = (successes > 0) & (successes < trials)
    shrunk = (successes + half) / jnp.where(trials > 0, trials + 2 * half, 1)
    share = jnp.where(interior, successes / jnp.where(trials > 0, trials, 1), shrunk)
    return {"probability": _inside_unit(jnp.where(trials > 0, share, 0.5))}


def _bernoulli_start(x: Any, weights: Any) -> Any:
    x, weights = _moments.usable(x, weights, _is_binary(x))
    return _share(jnp.sum(weights * x), jnp.sum(weights))


def _bernoulli_maximum(x: Any, weights: Any) -> Any:
    return {"probability": _moments.mean(*_moments.usable(x, weights, _is_binary(x)))}


def _bernoulli_information(params: Any, x: Any) -> Any:
    p = params["probability"]
    return symmetric(x, [[1 / (p * (1 - p))]])


def _bernoulli_mean(params: Any) -> Any:
    return floating(params["probability"])


bernoulli = Distribution(
    name="bernoulli",
    logpdf=_bernoulli_logpdf,
    logcdf=_bernoulli_logcdf,
    logsf=_bernoulli_logsf,
    quantile=_bernoulli_quantile,
    sample=_bernoulli_sample,
    support=_is_binary,
    space=_UNIT,
    start=_bernoulli_start,
    maximum=_bernoulli_maximum,
    information=_bernoulli_information,
    discrete=True,
    mean=_bernoulli_mean,
    doc="""Bernoulli: mass probability^x (1 - probability)^(1 - x), x = 0 or 1.

    One trial a row. Mean `probability`; the maximum is the share of ones.
    Johnson, Kemp & Kotz, *Univariate Discrete Distributions*, chapter 3.""",
)


# --- binomial --------------------------------------------------------------------------------------------


def binomial_support(x: Any) -> Any:
    successes, trials = floating(x["successes"]), floating(x["trials"])
    return is_count(successes) & is_count(trials) & (successes <= trials)


def _binomial_logpdf(params: Any, x: Any) -> Any:
    inside = binomial_support(x)
    k = within(inside, floating(x["successes"]), 0)
    n = within(inside, floating(x["trials"]), 1)
    p = params["probability"]
    ways = special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)
    return jnp.where(inside, ways + special.xlogy(k, p) + special.xlog1py(n - k, -p), -jnp.inf)


def _binomial_tail(params: Any, x: Any, upper: bool) -> Any:
    """log P(X > k) = log I_p(k + 1, n - k), or log P(X <= k) = log I_{1-p}(n - k, k + 1)."""
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


def _binomial_logcdf(params: Any, x: Any) -> Any:
    return _binomial_tail(params, x, False)


def _binomial_logsf(params: Any, x: Any) -> Any:
    return _binomial_tail(params, x, True)


def binomial_quantile(logcdf: Any, params: Any, q: Any, trials: Any) -> Any:
    """Least k in 0, ..., trials with P(X <= k) >= q."""
    q, trials = jnp.broadcast_arrays(floating(q), floating(trials))
    level = jnp.log(q) - 8 * jnp.finfo(q.dtype).eps

    def halve(_: Any, ends: Any) -> Any:
        low, high = ends
        middle = jnp.floor(0.5 * (low + high))
        below = logcdf(params, {"successes": middle, "trials": trials}) < level
        return jnp.where(below, middle, low), jnp.where(below, high, middle)

    _, high = jax.lax.fori_loop(0, 52, halve, (jnp.full_like(q, -1), trials))
    return jnp.where((q >= 0) & (q <= 1), high, jnp.nan)


def _binomial_quantile(params: Any, q: Any, trials: Any = 1) -> Any:
    return binomial_quantile(_binomial_logcdf, params, q, trials)


def _binomial_sample(key: Any, params: Any, shape: Any = (), trials: Any = 1) -> Any:
    p, trials = floating(params["probability"]), floating(trials)
    shape = shape or jnp.broadcast_shapes(jnp.shape(p), jnp.shape(trials))
    return jax.random.binomial(key, trials, p, shape, dtype=p.dtype)


def _binomial_sums(x: Any, weights: Any) -> tuple[Any, Any]:
    """Successes and trials in all."""
    weights = floating(weights)
    keep = (weights > 0) & binomial_support(x)
    successes = jnp.sum(jnp.where(keep, weights * jnp.where(keep, floating(x["successes"]), 0), 0))
    return successes, jnp.sum(jnp.where(keep, weights * jnp.where(keep, floating(x["trials"]), 0), 0))


def binomial_start(x: Any, weights: Any) -> Any:
    return _share(*_binomial_sums(x, weights))


def _binomial_maximum(x: Any, weights: Any) -> Any:
    successes, trials = _binomial_sums(x, weights)
    return {"probability": successes / trials}


def _binomial_information(params: Any, x: Any) -> Any:
    p = params["probability"]
    return symmetric(x["trials"], [[floating(x["trials"]) / (p * (1 - p))]])


def _binomial_mean(params: Any, trials: Any = 1) -> Any:
    return trials * floating(params["probability"])


binomial = Distribution(
    name="binomial",
    logpdf=_binomial_logpdf,
    logcdf=_binomial_logcdf,
    logsf=_binomial_logsf,
    quantile=_binomial_quantile,
    sample=_binomial_sample,
    support=binomial_support,
    space=_UNIT,
    start=binomial_start,
    maximum=_binomial_maximum,
    information=_binomial_information,
    discrete=True,
    columns=("successes", "trials"),
    mean=_binomial_mean,
    doc="""Binomial: mass C(trials, successes) probability^successes (1 - probability)^(trials - successes).

    Data are {"successes": ..., "trials": ...}, each [n]. Mean trials probability; the maximum is the share of
    successes. Johnson, Kemp & Kotz, *Univariate Discrete Distributions*, chapter 3.""",
)


# --- geometric -------------------------------------------------------------------------------------------


def _geometric_logpdf(params: Any, x: Any) -> Any:
    x, p = floating(x), params["probability"]
    inside = is_whole_from_one(x)
    return jnp.where(inside, jnp.log(p) + special.xlog1py(within(inside, x, 1) - 1, -p), -jnp.inf)


def _geometric_logsf(params: Any, x: Any) -> Any:
    x, p = floating(x), floating(params["probability"])
    inside = (x >= 1) & (x < jnp.inf)
    value = special.xlog1py(jnp.floor(jnp.where(inside, x, 1)), -p)
    return jnp.where(inside, value, jnp.where(x < 1, 0.0, jnp.where(x > 1, -jnp.inf, jnp.nan)))


def _geometric_logcdf(params: Any, x: Any) -> Any:
    x, p = floating(x), floating(params["probability"])
    inside = (x >= 1) & (x < jnp.inf)
    value = special.log1mexp(special.xlog1py(jnp.floor(jnp.where(inside, x, 1)), -p))
    return jnp.where(inside, value, jnp.where(x < 1, -jnp.inf, jnp.where(x > 1, 0.0, jnp.nan)))


def _geometric_quantile(params: Any, q: Any) -> Any:
    q = floating(q)
    x = jnp.log1p(-q) / jnp.log1p(-params["probability"])
    x = jnp.maximum(jnp.ceil(x * (1 - 8 * jnp.finfo(q.dtype).eps)), 1)
    return jnp.where((q >= 0) & (q <= 1), x, jnp.nan)


def _geometric_sample(key: Any, params: Any, shape: Any = ()) -> Any:
    p = floating(params["probability"])
    waits = jax.random.exponential(key, shape or jnp.shape(p), p.dtype)
    return jnp.maximum(jnp.ceil(waits / -jnp.log1p(-p)), 1)


def _geometric_start(x: Any, weights: Any) -> Any:
    x, weights = _moments.usable(x, weights, is_whole_from_one(x))
    return _share(jnp.sum(weights), jnp.sum(weights * x))


def _geometric_maximum(x: Any, weights: Any) -> Any:
    return {"probability": 1 / _moments.mean(*_moments.usable(x, weights, is_whole_from_one(x)))}


def _geometric_information(params: Any, x: Any) -> Any:
    p = params["probability"]
    return symmetric(x, [[1 / (p**2 * (1 - p))]])


def _geometric_mean(params: Any) -> Any:
    return 1 / floating(params["probability"])


geometric = Distribution(
    name="geometric",
    logpdf=_geometric_logpdf,
    logcdf=_geometric_logcdf,
    logsf=_geometric_logsf,
    quantile=_geometric_quantile,
    sample=_geometric_sample,
    support=is_whole_from_one,
    space=_UNIT,
    start=_geometric_start,
    maximum=_geometric_maximum,
    information=_geometric_information,
    discrete=True,
    mean=_geometric_mean,
    doc="""Geometric: mass probability (1 - probability)^(x - 1), x = 1, 2, 3, ...

    The number of trials up to and including the first success. Mean 1/probability; the maximum is n / sum x.
    Johnson, Kemp & Kotz, *Univariate Discrete Distributions*, section 5.2.""",
)
