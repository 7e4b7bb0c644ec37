"""Powers of gamma variables: chi, generalized gamma, half-normal, inverse gamma, Nakagami and Rayleigh.

With v = log(x / scale), shape e^w of a linear w of v is standard gamma, so one set of formulas serves all; measured from
its mode, a density keeps its digits where the shape is large.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp

from jaxmle import spaces, special
from jaxmle._util.records import record
from jaxmle.distributions import _means, _moments
from jaxmle.distributions._distribution import Distribution, is_nonnegative, is_positive, symmetric
from jaxmle.distributions._extremes import held
from jaxmle.distributions._standard import LOG, RATIO, Solved, law
from jaxmle.model.model import Chart
from jaxmle.special.elementary import expm1_rest
from jaxmle.special.gamma import stirling

_LOG_2 = 0.6931471805599453
_HALF_LOG_2PI = 0.9189385332046727


@record
class GammaPower:
    """shape e^(slope v + shift) is standard gamma; `terms(params) -> (shape, slope, shift)`."""

    terms: Any
    what: str

    def __call__(self, params: Any, v: Any) -> Any:
        shape, slope, shift = self.terms(params)
        w = slope * v + shift
        if self.what == "density":
            return jnp.log(jnp.abs(slope)) + shape * (w - jnp.expm1(w)) + special.gamma_excess(shape)
        f, g = special.log_gammainc, special.log_gammaincc
        if self.what == "falls":
            f, g = g, f
        return (f if self.what != "upper" else g)(shape, jnp.exp(held(w + jnp.log(shape))))


@record
class GammaDraw:
    """Standard values from the logarithm of gamma variables."""

    terms: Any

    def __call__(self, key: Any, params: Any, shape: Any, dtype: Any) -> Any:
        a, slope, shift = self.terms(params)
        w = jax.random.loggamma(key, jnp.broadcast_to(jnp.asarray(a, dtype), shape), shape, dtype)
        return (w - jnp.log(a) - shift) / slope


def _same(v: Any) -> Any:
    return v


def _gamma_power(name: str, terms: Any, start: Any, doc: str, falls: bool = False, **fields: Any) -> Distribution:
    lower, upper = GammaPower(terms, "falls" if falls else "lower"), GammaPower(terms, "lower" if falls else "upper")
    quantile = Solved(lower, upper, _same, -700.0, 700.0)
    density = GammaPower(terms, "density")
    return law(LOG, name, density, lower, upper, start, doc, quantile=quantile, draw=GammaDraw(terms), **fields)


def _squares(x: Any, weights: Any) -> tuple[Any, Any]:
    """Root mean square, and the gamma shape of the squares."""
    x, weights = _moments.usable(x, weights, is_positive(x))
    size = _moments.root_mean_square(x, weights)
    return size, _moments.gamma_shape(jnp.where(weights > 0, x / size, 1) ** 2, weights)


# --- chi -------------------------------------------------------------------------------------------------


def _chi_start(x: Any, weights: Any) -> Any:
    size, shape = _squares(x, weights)
    return {"df": 2 * shape, "scale": _moments.legal_positive(size / jnp.sqrt(2 * shape))}


def _chi_information(params: Any, x: Any) -> Any:
    df, scale = params["df"], params["scale"]
    return symmetric(x, [[0.25 * special.trigamma(0.5 * df), 1 / scale], [1 / scale, 2 * df / scale**2]])


chi = _gamma_power(
    "chi",
    lambda p: (0.5 * p["df"], 2.0, -jnp.log(p["df"])),
    _chi_start,
    shapes={"df": spaces.positive},
    information=_chi_information,
    mean=_means.chi,
    doc="""Chi: density 2^(1 - df/2) z^(df - 1) exp(-z^2 / 2) / (scale Gamma(df/2)), z = x / scale > 0.

    Lengths of normal vectors: df 1 half-normal, 2 Rayleigh, 3 Maxwell. Mean scale sqrt(2) Gamma((df + 1)/2) / Gamma(df/2),
    mean square scale^2 df. Johnson, Kotz & Balakrishnan, *Continuous Univariate Distributions* 1, chapter 18.""",
)


# --- generalized gamma -----------------------------------------------------------------------------------


def _generalized_start(x: Any, weights: Any) -> Any:
    # log x = log scale + log(gamma) / power: its skewness gives the shape, its spread the power.
    x, weights = _moments.usable(x, weights, is_positive(x))
    logs = jnp.log(jnp.where(weights > 0, x, 1))
    centre, spread = _moments.location_scale(logs, weights)
    skew = -jnp.clip(_moments.skewness(logs, weights), -1.9, -0.2)
    shape = jnp.clip(1 / skew**2 + 0.3, 0.3, 30.0)
    power = jnp.sqrt(special.trigamma(shape)) / jnp.clip(spread, 1e-6, 1e6)
    scale = jnp.exp(jnp.clip(centre - special.digamma(shape) / power, -700, 700))
    return {"power": power, "scale": _moments.legal_positive(scale), "shape": shape}


def _prentice(v: Any, top: Any) -> tuple[Any, Any, Any, Any]:
    """log q, -log sigma, (top - mu) / sigma and power (top - mu): q = shape^(-1/2), sigma = q / power.

    log x is mu + sigma log(gamma / shape) / q (Prentice 1974, *Biometrika* 61, 539-544): lognormal for q = 0, through which
    all is smooth. Where q grows the end, at mu, closes on the greatest row: power shape and power (top - mu) keep finite.
    """
    log_q = -0.5 * v["shape"]
    rise = jax.nn.softplus(log_q)
    gap = jnp.exp(v["scale"] - rise)
    q_gap = jnp.exp(v["scale"]) * jax.nn.sigmoid(log_q)
    return log_q, v["power"] + rise, gap * special.log1p_ratio(q_gap), jnp.log1p(q_gap)


def _prentice_contributions(v: Any, x: Any, top: Any) -> Any:
    log_q, narrow, gap, _ = _prentice(v, top)
    inside, q = is_positive(x), jnp.exp(log_q)
    y = jnp.log(jnp.where(inside, x, 1))
    w = (y - top) * jnp.exp(narrow) + gap
    near = q < 0.35
    low, high = jnp.where(near, q, 0), jnp.where(near, 1, q)
    constant = jnp.where(near, -_HALF_LOG_2PI - stirling(low * low), jnp.log(high) + special.gamma_excess(high**-2.0))
    return jnp.where(inside, constant - y + narrow - w * w * expm1_rest(q * w), -jnp.inf)


def _prentice_outward(v: Any, top: Any) -> Any:
    log_q, narrow, _, ahead = _prentice(v, top)
    power = narrow + log_q
    back = (ahead + v["shape"]) * jnp.exp(-power)
    return {"power": power, "scale": jnp.where(power > 700, top, top - back), "shape": v["shape"]}


def _prentice_inward(u: Any, top: Any) -> Any:
    log_q = -0.5 * u["shape"]
    least = 1e-3 * jnp.exp(jnp.minimum(log_q, 0))
    ahead = jnp.maximum(jnp.exp(u["power"]) * (top - u["scale"]) - u["shape"], least)
    rise = jax.nn.softplus(log_q)
    gap = ahead + jnp.log(-jnp.expm1(-ahead))
    return {"power": u["power"] - log_q - rise, "scale": gap - log_q + rise, "shape": u["shape"]}


def _log_top(x: Any, weights: Any) -> Any:
    return jnp.log(jnp.max(jnp.where(is_positive(x), x, 1)))


_PRENTICE = Chart(_log_top, _prentice_contributions, _prentice_outward, _prentice_inward, (True, True, True))

generalized_gamma = _gamma_power(
    "generalized_gamma",
    lambda p: (p["shape"], p["power"], -jnp.log(p["shape"])),
    _generalized_start,
    shapes={"power": spaces.positive, "shape": spaces.positive},
    mean=_means.generalized_gamma,
    chart=_PRENTICE,
    doc="""Generalized gamma: density power z^(power shape - 1) exp(-z^power) / (scale Gamma(shape)), z = x / scale > 0.

    Lifetimes: shape 1 is Weibull, power 1 gamma; shape -> infinity lognormal, where the maximum may lie. Mean scale
    Gamma(shape + 1/power) / Gamma(shape). Stacy 1962, *Ann. Math. Stat.* 33, 1187-1192.""",
)


# --- half-normal -----------------------------------------------------------------------------------------


def _half_normal_start(x: Any, weights: Any) -> Any:
    x, weights = _moments.usable(x, weights, is_nonnegative(x))
    return {"scale": _moments.root_mean_square(x, weights)}


def _half_normal_lower(params: Any, z: Any) -> Any:
    inside = z > 0
    return jnp.where(inside, special.log_gammainc(0.5, 0.5 * jnp.where(inside, z, 1) ** 2), -jnp.inf)


half_normal = law(
    RATIO,
    "half_normal",
    lambda p, z: _LOG_2 - _HALF_LOG_2PI - 0.5 * z * z,
    _half_normal_lower,
    lambda p, z: _LOG_2 + special.log_ndtr(-z),
    _half_normal_start,
    quantile=lambda p, q: jnp.where(
        q < 0.5, jax.scipy.special.erfinv(q) * math.sqrt(2), -jax.scipy.special.ndtri(0.5 * (1 - q))
    ),
    draw=lambda key, p, shape, dtype: jnp.abs(jax.random.normal(key, shape, dtype)),
    maximum=_half_normal_start,
    information=lambda p, x: symmetric(x, [[2 * p["scale"] ** -2.0]]),
    mean=_means.half_normal,
    doc="""Half-normal: density sqrt(2/pi) exp(-(x / scale)^2 / 2) / scale, x >= 0.

    Sizes of normal errors, distances from a line. Mean scale sqrt(2/pi); the maximum is the root mean square.
    Johnson, Kotz & Balakrishnan, *Continuous Univariate Distributions* 1, section 13.10.1.""",
)


# --- inverse gamma ---------------------------------------------------------------------------------------


def _inverse_start(x: Any, weights: Any) -> Any:
    x, weights = _moments.usable(x, weights, is_positive(x))
    shape = _moments.gamma_shape(jnp.where(weights > 0, _least(x, weights) / jnp.where(weights > 0, x, 1), 0), weights)
    harmonic = _least(x, weights) / _moments.positive_mean(
        jnp.where(weights > 0, _least(x, weights) / jnp.where(weights > 0, x, 1), 0), weights
    )
    return {"scale": _moments.legal_positive(shape * harmonic), "shape": shape}


def _least(x: Any, weights: Any) -> Any:
    least = jnp.min(jnp.where(weights > 0, x, jnp.inf))
    return jnp.where(jnp.isfinite(least), least, 1)


def _inverse_information(params: Any, x: Any) -> Any:
    shape, scale = params["shape"], params["scale"]
    return symmetric(x, [[shape / scale**2, -1 / scale], [-1 / scale, special.trigamma(shape)]])


inverse_gamma = _gamma_power(
    "inverse_gamma",
    lambda p: (p["shape"], -1.0, -jnp.log(p["shape"])),
    _inverse_start,
    falls=True,
    shapes={"shape": spaces.positive},
    information=_inverse_information,
    mean=_means.lomax,
    doc="""Inverse gamma: density (scale / x)^(shape + 1) exp(-scale / x) / (scale Gamma(shape)), x > 0.

    1/x is gamma: variances, first passages with heavy tails. Mean scale / (shape - 1) for shape > 1.
    Gelman et al. 2013, *Bayesian Data Analysis*, 3rd ed., appendix A.""",
)


# --- Nakagami --------------------------------------------------------------------------------------------


def _nakagami_start(x: Any, weights: Any) -> Any:
    size, shape = _squares(x, weights)
    return {"scale": size, "shape": shape}


def _nakagami_information(params: Any, x: Any) -> Any:
    shape, scale = params["shape"], params["scale"]
    return symmetric(x, [[4 * shape / scale**2, 0.0], [0.0, special.trigamma(shape) - 1 / shape]])


nakagami = _gamma_power(
    "nakagami",
    lambda p: (p["shape"], 2.0, 0.0),
    _nakagami_start,
    shapes={"shape": spaces.positive},
    information=_nakagami_information,
    mean=_means.nakagami,
    doc="""Nakagami: density 2 shape^shape z^(2 shape - 1) exp(-shape z^2) / (scale Gamma(shape)), z = x / scale > 0.

    Amplitudes of fading radio signals and ultrasound echoes; shape 1 is Rayleigh. Mean square scale^2 (omega in the
    literature, where shape is m). Nakagami 1960, *Statistical Methods in Radio Wave Propagation*, 3-36.""",
)


# --- Rayleigh --------------------------------------------------------------------------------------------


def _rayleigh_start(x: Any, weights: Any) -> Any:
    x, weights = _moments.usable(x, weights, is_positive(x))
    return {"scale": _moments.legal_positive(_moments.root_mean_square(x, weights) * math.sqrt(0.5))}


rayleigh = law(
    LOG,
    "rayleigh",
    lambda p, v: 2 * v - 0.5 * jnp.exp(2 * v),
    lambda p, v: special.log1mexpexp(held(2 * v - _LOG_2)),
    lambda p, v: -jnp.exp(held(2 * v - _LOG_2)),
    _rayleigh_start,
    quantile=lambda p, q: 0.5 * jnp.log(-2 * jnp.log1p(-q)),
    maximum=_rayleigh_start,
    information=lambda p, x: symmetric(x, [[4 * p["scale"] ** -2.0]]),
    mean=_means.rayleigh,
    doc="""Rayleigh: density x exp(-(x / scale)^2 / 2) / scale^2, x > 0.

    Length of a normal vector in the plane: wind speeds, wave heights, misses. Mean scale sqrt(pi/2); the maximum is
    scale^2 = mean(x^2) / 2. Johnson, Kotz & Balakrishnan, *Continuous Univariate Distributions* 1, section 18.3.""",
)
