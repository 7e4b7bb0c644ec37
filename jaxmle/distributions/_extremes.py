"""Laws of maxima, minima and exceedances: Gumbel, generalized extreme value, Frechet, generalized Pareto."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxmle import spaces, special
from jaxmle.distributions import _means, _moments
from jaxmle.distributions._distribution import is_finite, is_nonnegative, is_positive, symmetric
from jaxmle.distributions._standard import LINE, LOG, RATIO, law
from jaxmle.model.model import Chart

_EULER = 0.5772156649015329
_SD = 1.2825498301618643  # of a standard Gumbel, pi / sqrt(6)


def held(v: Any) -> Any:
    """`v`, held where its exponential would leave no derivative."""
    return jnp.minimum(v, 0.6 * float(np.log(jnp.finfo(v.dtype).max)))


def _gumbel_logpdf(params: Any, z: Any) -> Any:
    return -z - jnp.exp(-z)


def _gumbel_lower(params: Any, z: Any) -> Any:
    return -jnp.exp(held(-z))


def _gumbel_upper(params: Any, z: Any) -> Any:
    return special.log1mexpexp(held(-z))


def _gumbel_quantile(params: Any, q: Any) -> Any:
    return -jnp.log(-jnp.log(q))


def _gumbel_start(sign: float) -> Any:
    def start(x: Any, weights: Any) -> Any:
        loc, spread = _moments.location_scale(*_moments.usable(x, weights, True))
        scale = _moments.legal_positive(spread / _SD)
        return {"loc": loc - sign * _EULER * scale, "scale": scale}

    return start


def _gumbel_information(sign: float) -> Any:
    def information(params: Any, x: Any) -> Any:
        unit = params["scale"] ** -2.0
        cross = -sign * (1 - _EULER) * unit
        return symmetric(x, [[unit, cross], [cross, (np.pi**2 / 6 + (1 - _EULER) ** 2) * unit]])

    return information


gumbel = law(
    LINE,
    "gumbel",
    _gumbel_logpdf,
    _gumbel_lower,
    _gumbel_upper,
    _gumbel_start(1.0),
    quantile=_gumbel_quantile,
    information=_gumbel_information(1.0),
    mean=_means.gumbel,
    doc="""Gumbel of maxima: density exp(-z - e^-z) / scale, z = (x - loc) / scale.

    Annual maxima of floods, wind, loads with light tails. Mean loc + 0.5772 scale, variance (pi scale)^2 / 6.
    Coles 2001, *An Introduction to Statistical Modeling of Extreme Values*, section 3.1.""",
)

gumbel_min = law(
    LINE,
    "gumbel_min",
    lambda p, z: _gumbel_logpdf(p, -z),
    lambda p, z: _gumbel_upper(p, -z),
    lambda p, z: _gumbel_lower(p, -z),
    _gumbel_start(-1.0),
    quantile=lambda p, q: jnp.log(-jnp.log1p(-q)),
    information=_gumbel_information(-1.0),
    mean=_means.gumbel_min,
    doc="""Gumbel of minima (smallest extreme value): density exp(z - e^z) / scale, z = (x - loc) / scale.

    The weakest of many; the logarithm of a Weibull lifetime. Mean loc - 0.5772 scale, variance (pi scale)^2 / 6.
    Meeker & Escobar 1998, *Statistical Methods for Reliability Data*, section 4.7.""",
)


# --- generalized extreme value ---------------------------------------------------------------------------


def _reduced(params: Any, z: Any) -> tuple[Any, Any]:
    """Whether 1 + shape z > 0, and log(1 + shape z) / shape, smooth at shape 0; 0 outside."""
    t = params["shape"] * z
    inside = t > -1
    return inside, jnp.where(inside, z, 0) * special.log1p_ratio(jnp.where(inside, t, 0))


def _outside(params: Any, z: Any, below: Any, above: Any) -> Any:
    return jnp.where(z < 0, below, above)


def _gev_logpdf(params: Any, z: Any) -> Any:
    inside, y = _reduced(params, z)
    return jnp.where(inside, -(1 + params["shape"]) * y - jnp.exp(-y), -jnp.inf)


def _gev_lower(params: Any, z: Any) -> Any:
    inside, y = _reduced(params, z)
    return jnp.where(inside, -jnp.exp(held(-y)), _outside(params, z, -jnp.inf, 0.0))


def _gev_upper(params: Any, z: Any) -> Any:
    inside, y = _reduced(params, z)
    return jnp.where(inside, special.log1mexpexp(held(-y)), _outside(params, z, 0.0, -jnp.inf))


def _gev_quantile(params: Any, q: Any) -> Any:
    return _stretched(params, _gumbel_quantile(params, q))


def _stretched(params: Any, y: Any) -> Any:
    """(e^(shape y) - 1) / shape, the inverse of `_reduced`."""
    finite = jnp.isfinite(y)
    end = jnp.where(y > 0, jnp.where(params["shape"] < 0, -1 / params["shape"], jnp.inf), -jnp.inf)
    end = jnp.where((y < 0) & (params["shape"] > 0), -1 / params["shape"], end)
    whole = jnp.where(finite, y, 0)
    value = whole * special.expm1_ratio(params["shape"] * whole)
    return jnp.where(finite, value, jnp.where(jnp.isnan(y), jnp.nan, end))


def _gev_start(x: Any, weights: Any) -> Any:
    # Hosking, Wallis & Wood 1985, Technometrics 27, 251-261; their k is -shape.
    x, weights = _moments.usable(x, weights, True)
    first, second, third = _moments.l_moments(x, weights)
    c = 2 / (3 + third) - math.log(2) / math.log(3)
    shape = jnp.clip(-(7.8590 + 2.9554 * c) * c, -0.4, 0.45)
    shape = jnp.where(jnp.abs(shape) < 1e-3, 1e-3, shape)
    gamma = jnp.exp(special.gammaln(1 - shape))
    scale = _moments.legal_positive(second * -shape / ((1 - 2**shape) * gamma))
    loc = first - scale * (gamma - 1) / shape
    # Every row must be possible.
    z = jnp.where(weights > 0, (x - loc) / scale, 0)
    shape = jnp.clip(shape, -0.9 / jnp.maximum(jnp.max(z), 1e-3), 0.9 / jnp.maximum(-jnp.min(z), 1e-3))
    return {"loc": loc, "scale": scale, "shape": shape}


def _gev_ends(x: Any, weights: Any) -> Any:
    """Least and greatest row, and whether they are the same."""
    low, high = _moments.ends(x, is_finite(x))
    same = ~((high > low) & jnp.isfinite(high - low))
    low = jnp.where(jnp.isfinite(low), low, 0)
    return low, jnp.where(same, low, high), same


def _gev_terms(v: Any, ends: Any) -> tuple[Any, Any, Any, Any]:
    """The middle of the range, half its width (or 1), scale times 1 + shape z in the middle, and shape."""
    low, high, same = ends
    width, size = 0.5 * high - 0.5 * low, jnp.exp(v["scale"])
    half = jnp.where(same, 1, width)
    return low + width, half, size, jnp.tanh(v["shape"]) * size / half


def _gev_contributions(v: Any, x: Any, ends: Any) -> Any:
    # From the middle m, 1 + shape z is (1 + shape (m - loc) / scale) (1 + tanh(v) d), |d| <= 1: positive for any v.
    (low, high, same), (_, half, size, shape) = ends, _gev_terms(v, ends)
    inside = is_finite(x)
    left, right = (jnp.where(inside & ~same, side / half, 1) for side in (x - low, high - x))
    d = 0.5 * (left - right)
    near = (jnp.abs(v["shape"]) < 0.5) | same
    t = jnp.where(near, jnp.tanh(v["shape"]), 0) * d
    far = jnp.where(near, 1, v["shape"])
    small = jnp.exp(-2 * jnp.abs(far))
    log = jnp.log(jnp.where(far > 0, left + right * small, right + left * small)) - jnp.log1p(small)
    rise = jnp.where(near, d * half / size * special.log1p_ratio(t), log / jnp.where(near, 1, shape))
    y = v["loc"] + rise
    return jnp.where(inside, shape * v["loc"] - v["scale"] - (1 + shape) * y - jnp.exp(-y), -jnp.inf)


def _gev_outward(v: Any, ends: Any) -> Any:
    middle, _, size, shape = _gev_terms(v, ends)
    bend = shape * v["loc"]
    loc = middle - size * v["loc"] * special.expm1_ratio(-bend)
    return {"loc": loc, "scale": v["scale"] - bend, "shape": shape}


def _gev_inward(u: Any, ends: Any) -> Any:
    middle, half, *_ = _gev_terms({"scale": u["scale"], "shape": u["shape"]}, ends)
    z = (middle - u["loc"]) * jnp.exp(-u["scale"])
    stretch = u["scale"] + jnp.log1p(u["shape"] * z)
    turn = jnp.clip(u["shape"] * half * jnp.exp(-stretch), -0.9999, 0.9999)
    return {"loc": z * special.log1p_ratio(u["shape"] * z), "scale": stretch, "shape": jnp.arctanh(turn)}


_GEV_CHART = Chart(_gev_ends, _gev_contributions, _gev_outward, _gev_inward, (False, True, True))


def _regular(params: Any) -> Any:
    """Smith 1985: the information is infinite where the density does not vanish fast enough at its upper end."""
    return params["shape"] > -0.5


gev = law(
    LINE,
    "gev",
    _gev_logpdf,
    _gev_lower,
    _gev_upper,
    _gev_start,
    shapes={"shape": spaces.real},
    quantile=_gev_quantile,
    regular=_regular,
    mean=_means.gev,
    chart=_GEV_CHART,
    doc="""Generalized extreme value: distribution function exp(-(1 + shape z)^(-1/shape)), z = (x - loc) / scale, 1 + shape z > 0.

    Maxima of blocks: shape > 0 heavy-tailed (Frechet), 0 Gumbel, < 0 with an upper end at loc - scale / shape. Mean loc +
    scale (Gamma(1 - shape) - 1) / shape for shape < 1. No regular standard errors for shape <= -1/2, and an unbounded
    likelihood below -1 (Smith 1985, *Biometrika* 72, 67-90). Coles 2001, *An Introduction to Statistical Modeling of
    Extreme Values*, chapter 3.""",
)


# --- Frechet ---------------------------------------------------------------------------------------------


def _frechet_start(x: Any, weights: Any) -> Any:
    x, weights = _moments.usable(x, weights, is_positive(x))
    centre, spread = _moments.log_moments(x, weights)
    shape = _SD / jnp.clip(spread, 1e-6, 1e6)
    return {"scale": _moments.legal_positive(jnp.exp(centre - _EULER / shape)), "shape": shape}


def _frechet_information(params: Any, x: Any) -> Any:
    shape, scale = params["shape"], params["scale"]
    cross = (1 - _EULER) / scale
    return symmetric(x, [[(shape / scale) ** 2, cross], [cross, (np.pi**2 / 6 + (1 - _EULER) ** 2) / shape**2]])


frechet = law(
    LOG,
    "frechet",
    lambda p, v: jnp.log(p["shape"]) + _gumbel_logpdf(p, p["shape"] * v),
    lambda p, v: _gumbel_lower(p, p["shape"] * v),
    lambda p, v: _gumbel_upper(p, p["shape"] * v),
    _frechet_start,
    shapes={"shape": spaces.positive},
    quantile=lambda p, q: _gumbel_quantile(p, q) / p["shape"],
    information=_frechet_information,
    mean=_means.frechet,
    doc="""Frechet: density (shape / scale) (x / scale)^(-shape - 1) exp(-(x / scale)^-shape), x > 0.

    Maxima with heavy tails; 1/x is Weibull. Mean scale Gamma(1 - 1/shape) for shape > 1.
    Johnson, Kotz & Balakrishnan, *Continuous Univariate Distributions* 2, chapter 22.""",
)


# --- generalized Pareto ----------------------------------------------------------------------------------


def _gpd_logpdf(params: Any, z: Any) -> Any:
    inside, y = _reduced(params, z)
    return jnp.where(inside, -(1 + params["shape"]) * y, -jnp.inf)


def _gpd_lower(params: Any, z: Any) -> Any:
    inside, y = _reduced(params, z)
    inside, zero = inside & (z > 0), z <= 0
    value = special.log1mexpexp(jnp.log(jnp.where(inside, y, 1)))
    return jnp.where(inside, value, jnp.where(zero, -jnp.inf, 0.0))


def _gpd_upper(params: Any, z: Any) -> Any:
    inside, y = _reduced(params, z)
    return jnp.where(inside, -y, -jnp.inf)


def _gpd_start(x: Any, weights: Any) -> Any:
    # Moments (Hosking & Wallis 1987, Technometrics 29, 339-349), with every row possible.
    x, weights = _moments.usable(x, weights, is_nonnegative(x))
    centre = _moments.positive_mean(x, weights)
    y = jnp.where(weights > 0, x / centre, 1)
    ratio = 1 / jnp.maximum(_moments.mean((y - 1) ** 2, weights), 1e-6)
    shape = jnp.clip(0.5 * (1 - ratio), -0.4, 0.4)
    scale = 1 - shape
    shape = jnp.maximum(shape, -0.9 * scale / jnp.maximum(jnp.max(y), 1))
    return {"scale": _moments.legal_positive(scale * centre), "shape": shape}


def _gpd_contributions(v: Any, x: Any, top: Any) -> Any:
    # 1 + shape z is 1 + (e^v - 1) x / top: positive up to the greatest row for any v.
    inside = is_nonnegative(x)
    z = jnp.where(inside, x, 0) * jnp.exp(-v["scale"])
    r, rest = jnp.where(inside, x / top, 0), jnp.where(inside, (top - x) / top, 1)
    near = v["shape"] > -1
    t = jnp.expm1(jnp.where(near, v["shape"], 0)) * r
    low = jnp.where(near, -1, v["shape"])
    ends = jnp.log(rest + r * jnp.exp(low))
    shape = _gpd_shape(v, top)
    y = jnp.where(near, z * special.log1p_ratio(t), ends / jnp.where(near, 1, shape))
    return jnp.where(inside, -v["scale"] - (1 + shape) * y, -jnp.inf)


def _gpd_shape(v: Any, top: Any) -> Any:
    return jnp.expm1(v["shape"]) * jnp.exp(v["scale"]) / top


def _gpd_inward(u: Any, top: Any) -> Any:
    t = u["shape"] * top * jnp.exp(-u["scale"])
    return {"scale": u["scale"], "shape": jnp.log1p(jnp.maximum(t, -0.9999))}


def _gpd_top(x: Any, weights: Any) -> Any:
    top = jnp.max(jnp.where(is_nonnegative(x), x, 0))
    return jnp.where(top > 0, top, 1)


_GPD_CHART = Chart(
    _gpd_top,
    _gpd_contributions,
    lambda v, top: {"scale": v["scale"], "shape": _gpd_shape(v, top)},
    _gpd_inward,
    (True, True),
)


def _gpd_information(params: Any, x: Any) -> Any:
    # Smith 1984; only for shape > -1/2.
    k, scale = params["shape"], params["scale"]
    unit = 1 / jnp.where(k > -0.5, 1 + 2 * k, jnp.nan)
    cross = unit / ((1 + k) * scale)
    return symmetric(x, [[unit / scale**2, cross], [cross, 2 * unit / (1 + k)]])


gpd = law(
    RATIO,
    "gpd",
    _gpd_logpdf,
    _gpd_lower,
    _gpd_upper,
    _gpd_start,
    shapes={"shape": spaces.real},
    quantile=lambda p, q: _stretched(p, -jnp.log1p(-q)),
    information=_gpd_information,
    regular=_regular,
    mean=_means.gpd,
    chart=_GPD_CHART,
    doc="""Generalized Pareto: density (1 + shape x / scale)^(-1/shape - 1) / scale, x >= 0, 1 + shape x / scale > 0.

    Excesses over a high threshold: shape > 0 heavy-tailed, 0 exponential, < 0 with an upper end at -scale / shape. Mean
    scale / (1 - shape) for shape < 1. No regular standard errors for shape <= -1/2, and an unbounded likelihood below
    -1 (Smith 1985, *Biometrika* 72, 67-90). Coles 2001, chapter 4.""",
)


# --- Lomax -----------------------------------------------------------------------------------------------


def _lomax_upper(params: Any, z: Any) -> Any:
    return -params["shape"] * jnp.log1p(z)


def _lomax_lower(params: Any, z: Any) -> Any:
    inside = z > 0
    hazard = params["shape"] * jnp.log1p(jnp.where(inside, z, 1))
    return jnp.where(inside, special.log1mexpexp(jnp.log(hazard)), -jnp.inf)


def _lomax_start(x: Any, weights: Any) -> Any:
    at = _gpd_start(x, weights)
    heavy = jnp.maximum(at["shape"], 0.05)
    return {"scale": _moments.legal_positive(at["scale"] / heavy), "shape": 1 / heavy}


def _lomax_information(params: Any, x: Any) -> Any:
    shape, scale = params["shape"], params["scale"]
    cross = -1 / (scale * (shape + 1))
    return symmetric(x, [[shape / (scale**2 * (shape + 2)), cross], [cross, shape**-2.0]])


lomax = law(
    RATIO,
    "lomax",
    lambda p, z: jnp.log(p["shape"]) - (p["shape"] + 1) * jnp.log1p(z),
    _lomax_lower,
    _lomax_upper,
    _lomax_start,
    shapes={"shape": spaces.positive},
    quantile=lambda p, q: jnp.expm1(-jnp.log1p(-q) / p["shape"]),
    information=_lomax_information,
    mean=_means.lomax,
    doc="""Lomax (Pareto II): density (shape / scale) (1 + x / scale)^(-shape - 1), x >= 0.

    Claims, business failures: exponential lifetimes whose rates are gamma. Mean scale / (shape - 1) for shape > 1. Data
    less spread than an exponential sample have their maximum at infinite shape.
    Johnson, Kotz & Balakrishnan, *Continuous Univariate Distributions* 1, chapter 20.""",
)
