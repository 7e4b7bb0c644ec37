"""Logarithmic, Skellam and zeta laws of whole numbers."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxmle import spaces, special
from jaxmle.distributions import _means, _moments, _quantiles
from jaxmle.distributions._counts import is_whole_from_one
from jaxmle.distributions._distribution import Distribution, within
from jaxmle.distributions._sums import log_tail
from jaxmle.special.bessel import log_bessel_rest
from jaxmle.special.elementary import floating
from jaxmle.special.incomplete import beta_ratio


def _from_one(x: Any, f: Any, below: float, above: float) -> Any:
    """A step function of the whole part of x >= 1; the ends elsewhere."""
    inside = (x >= 1) & (x < jnp.inf)
    value = f(jnp.floor(jnp.where(inside, x, 1)))
    return jnp.where(inside, value, jnp.where(x < 1, below, jnp.where(x > 1, above, jnp.nan)))


# --- logarithmic -----------------------------------------------------------------------------------------


def _logarithmic_logpdf(params: Any, x: Any) -> Any:
    x, p = floating(x), params["probability"]
    inside = is_whole_from_one(x)
    x = within(inside, x, 1)
    return jnp.where(inside, x * jnp.log(p) - jnp.log(x) - jnp.log(-jnp.log1p(-p)), -jnp.inf)


def _logarithmic_above(params: Any, k: Any) -> Any:
    # The sum of p^j / j over j > k is the incomplete beta function with b = 0.
    k, p = jnp.broadcast_arrays(k, floating(params["probability"]))
    rest = jnp.log(beta_ratio(k + 1, jnp.zeros_like(k), p / (1 - p)))
    return jnp.minimum((k + 1) * jnp.log(p) + rest - jnp.log(-jnp.log1p(-p)), -float(jnp.finfo(k.dtype).tiny))


def _logarithmic_logsf(params: Any, x: Any) -> Any:
    return _from_one(floating(x), lambda k: _logarithmic_above(params, k), 0.0, -jnp.inf)


def _logarithmic_logcdf(params: Any, x: Any) -> Any:
    return _from_one(floating(x), lambda k: special.log1mexp(_logarithmic_above(params, k)), -jnp.inf, 0.0)


def _logarithmic_quantile(params: Any, q: Any) -> Any:
    return _quantiles.whole(_logarithmic_logcdf, params, q, lowest=1.0)


def _logarithmic_sample(key: Any, params: Any, shape: Any = ()) -> Any:
    # Kemp 1981, Applied Statistics 30, 249-253: a geometric law with a random parameter.
    p = floating(params["probability"])
    shape = shape or p.shape
    first, second = jax.random.split(key)
    tiny = float(jnp.finfo(p.dtype).tiny)
    u, v = (jax.random.uniform(k, shape, p.dtype, tiny, 1.0) for k in (first, second))
    return 1 + jnp.floor(jnp.log(v) / special.log1mexp(u * jnp.log1p(-p)))


def _logarithmic_start(x: Any, weights: Any) -> Any:
    # Birch 1963, Biometrika 50, 551-552.
    x, weights = _moments.usable(x, weights, is_whole_from_one(x))
    mean = jnp.maximum(_moments.mean(x, weights), 1.001)
    odds = (5 / 3 - jnp.log(jnp.minimum(mean, 1e6)) / 16) * (mean - 1) + jnp.log(mean)
    return {"probability": jnp.clip(odds / (1 + odds), 1e-6, 1 - 1e-12)}


logarithmic = Distribution(
    name="logarithmic",
    logpdf=_logarithmic_logpdf,
    logcdf=_logarithmic_logcdf,
    logsf=_logarithmic_logsf,
    quantile=_logarithmic_quantile,
    sample=_logarithmic_sample,
    support=is_whole_from_one,
    space={"probability": spaces.interval(0.0, 1.0)},
    start=_logarithmic_start,
    discrete=True,
    mean=_means.logarithmic,
    doc="""Logarithmic series: mass -probability^x / (x log(1 - probability)), x = 1, 2, 3, ...

    Individuals per species in a catch. Mean -p / ((1 - p) log(1 - p)), p = probability. All ones have their maximum at 0.
    Johnson, Kemp & Kotz, *Univariate Discrete Distributions*, chapter 7.""",
)


# --- zeta ------------------------------------------------------------------------------------------------


def _zeta_logpdf(params: Any, x: Any) -> Any:
    x, s = floating(x), params["shape"]
    inside = is_whole_from_one(x)
    return jnp.where(inside, -s * jnp.log(within(inside, x, 1)) - special.log_zeta(s), -jnp.inf)


def _zeta_above(params: Any, k: Any) -> Any:
    s = floating(params["shape"])
    return jnp.minimum(special.log_zeta(s, k + 1) - special.log_zeta(s), -float(jnp.finfo(k.dtype).tiny))


def _zeta_logsf(params: Any, x: Any) -> Any:
    return _from_one(floating(x), lambda k: _zeta_above(params, k), 0.0, -jnp.inf)


def _zeta_logcdf(params: Any, x: Any) -> Any:
    return _from_one(floating(x), lambda k: special.log1mexp(_zeta_above(params, k)), -jnp.inf, 0.0)


def _zeta_quantile(params: Any, q: Any) -> Any:
    return _quantiles.whole(_zeta_logcdf, params, q, lowest=1.0)


def _zeta_sample(key: Any, params: Any, shape: Any = ()) -> Any:
    s = floating(params["shape"])
    return _zeta_quantile(params, jax.random.uniform(key, shape or s.shape, s.dtype))


def _zeta_start(x: Any, weights: Any) -> Any:
    # The continuous law above 1/2 (Clauset, Shalizi & Newman 2009, SIAM Review 51, eq. 3.7).
    x, weights = _moments.usable(x, weights, is_whole_from_one(x))
    rise = _moments.mean(jnp.log(2 * jnp.where(weights > 0, x, 2)), weights)
    return {"shape": 1 + 1 / jnp.maximum(rise, 1e-3)}


zeta = Distribution(
    name="zeta",
    logpdf=_zeta_logpdf,
    logcdf=_zeta_logcdf,
    logsf=_zeta_logsf,
    quantile=_zeta_quantile,
    sample=_zeta_sample,
    support=is_whole_from_one,
    space={"shape": spaces.interval(1.0, jnp.inf)},
    start=_zeta_start,
    discrete=True,
    mean=_means.zeta,
    doc="""Zeta (Zipf without end): mass x^-shape / zeta(shape), x = 1, 2, 3, ...; shape > 1.

    Word counts, degrees of networks, citations: discrete power laws. Mean zeta(shape - 1) / zeta(shape) for shape > 2.
    Johnson, Kemp & Kotz, *Univariate Discrete Distributions*, section 11.2.20.""",
)


# --- Skellam ---------------------------------------------------------------------------------------------


def _is_whole(x: Any) -> Any:
    x = floating(x)
    return jnp.isfinite(x) & (x == jnp.floor(x))


def _skellam_mass(k: Any, one: Any, two: Any) -> Any:
    size = jnp.abs(k)
    lead = jnp.where(k < 0, two, one)
    value = special.xlogy(size, lead) - special.gammaln(size + 1)
    return value - (jnp.sqrt(one) - jnp.sqrt(two)) ** 2 + log_bessel_rest(size, 2 * jnp.sqrt(one * two))


def _skellam_terms(params: Any) -> tuple[Any, Any]:
    return floating(params["mean1"]), floating(params["mean2"])


def _skellam_logpdf(params: Any, x: Any) -> Any:
    x = floating(x)
    inside = _is_whole(x)
    return jnp.where(inside, _skellam_mass(within(inside, x, 0), *_skellam_terms(params)), -jnp.inf)


def _skellam_tail(params: Any, x: Any, upper: bool) -> Any:
    one, two = _skellam_terms(params)
    x = floating(x)
    inside = jnp.isfinite(x)
    value = log_tail(_skellam_mass, jnp.floor(jnp.where(inside, x, 0)), (one, two), one - two, upper)
    below, above = (0.0, -jnp.inf) if upper else (-jnp.inf, 0.0)
    return jnp.where(inside, value, jnp.where(x < 0, below, jnp.where(x > 0, above, jnp.nan)))


def _skellam_logcdf(params: Any, x: Any) -> Any:
    return _skellam_tail(params, x, False)


def _skellam_logsf(params: Any, x: Any) -> Any:
    return _skellam_tail(params, x, True)


def _skellam_quantile(params: Any, q: Any) -> Any:
    one, two = _skellam_terms(params)
    low = jnp.floor(one - two - 40 * jnp.sqrt(one + two) - 800)
    moved = {"mean1": one, "mean2": two, "low": low}
    return low + _quantiles.whole(lambda p, k: _skellam_logcdf(p, p["low"] + k), moved, q)


def _skellam_sample(key: Any, params: Any, shape: Any = ()) -> Any:
    one, two = jnp.broadcast_arrays(*_skellam_terms(params))
    first, second = jax.random.split(key)
    shape = shape or one.shape
    return (jax.random.poisson(first, one, shape) - jax.random.poisson(second, two, shape)).astype(one.dtype)


def _skellam_start(x: Any, weights: Any) -> Any:
    x, weights = _moments.usable(x, weights, _is_whole(x))
    mean, spread = _moments.location_scale(x, weights)
    total = jnp.clip(spread**2, 1e-2, 1e200) * (1 + 0 * mean)
    total = jnp.maximum(total, 1.01 * jnp.abs(mean))
    return {"mean1": 0.5 * (total + mean), "mean2": 0.5 * (total - mean)}


skellam = Distribution(
    name="skellam",
    logpdf=_skellam_logpdf,
    logcdf=_skellam_logcdf,
    logsf=_skellam_logsf,
    quantile=_skellam_quantile,
    sample=_skellam_sample,
    support=_is_whole,
    space={"mean1": spaces.positive, "mean2": spaces.positive},
    start=_skellam_start,
    discrete=True,
    mean=_means.skellam,
    doc="""Skellam: mass exp(-mean1 - mean2) (mean1 / mean2)^(x/2) I_|x|(2 sqrt(mean1 mean2)), x a whole number.

    Difference of two Poisson counts: goals, photon pairs, price ticks. Mean mean1 - mean2, variance mean1 + mean2.
    Johnson, Kemp & Kotz, *Univariate Discrete Distributions*, section 4.12.3.""",
)
