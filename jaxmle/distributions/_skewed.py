"""Skewed laws on the line: asymmetric Laplace and skew normal."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxmle import spaces, special
from jaxmle.distributions import _means, _moments
from jaxmle.distributions._distribution import is_finite, symmetric
from jaxmle.distributions._standard import ENDLESS, LINE, Solved, law
from jaxmle.model.model import Chart

_LOG_2 = 0.6931471805599453
_HALF_LOG_2PI = 0.9189385332046727
_NEARLY = 200.0
"The logarithm of an asymmetry that is as good as infinite."
_STEEP, _BACK = 1000.0, -2.0
"A shape, and a place on the chart there, from which a skew normal climbs to the half-normal."


# --- asymmetric Laplace ----------------------------------------------------------------------------------


def _asymmetric_logpdf(params: Any, z: Any) -> Any:
    k = params["asymmetry"]
    return -jnp.log(k + 1 / k) + jnp.where(z < 0, z / k, -k * z)


def _asymmetric_lower(params: Any, z: Any) -> Any:
    k = params["asymmetry"]
    right = -jnp.log1p(k * k) - k * jnp.where(z < 0, 0, z)
    left = -jnp.log1p(k**-2.0) + jnp.where(z < 0, z, 0) / k
    return jnp.where(z < 0, left, special.log1mexp(right))


def _asymmetric_upper(params: Any, z: Any) -> Any:
    return _asymmetric_lower({"asymmetry": 1 / params["asymmetry"]}, -z)


def _asymmetric_quantile(params: Any, q: Any) -> Any:
    k = params["asymmetry"]
    left = k * (jnp.log(q) + jnp.log1p(k**-2.0))
    right = -(jnp.log1p(-q) + jnp.log1p(k * k)) / k
    return jnp.where(q * (1 + k**-2.0) < 1, left, right)


def _asymmetric_maximum(x: Any, weights: Any) -> Any:
    # The location is the row where sqrt(a) + sqrt(b) is least, a and b the mean distances to its right and left
    # (Kotz, Kozubowski & Podgorski 2001, section 3.5, with the other two parameters profiled out).
    x, weights = _moments.usable(x, weights, True)
    centre, size = _moments.location_scale(x, weights)
    x, weights = _moments.in_order(x, weights)
    z = jnp.where(weights > 0, (x - centre) / size, 0)
    share = weights / jnp.where(jnp.sum(weights) > 0, jnp.sum(weights), 1)
    left = z * jnp.cumsum(share) - jnp.cumsum(share * z)
    right = left - z + jnp.sum(share * z)
    rounding = 1e-13 if z.dtype == jnp.float64 else 1e-5
    left, right = (jnp.where(side > rounding, side, 0) for side in (left, right))
    value = jnp.where(weights > 0, jnp.sqrt(left) + jnp.sqrt(right), jnp.inf)
    loc = _moments.least(x, value == jnp.min(value))
    a, b = (jnp.max(jnp.where((weights > 0) & (x == loc), side, 0)) for side in (right, left))
    # At an outermost row one side is empty: an exponential law from there, to which this one tends.
    ratio = jnp.sqrt(jnp.sqrt(jnp.where((a > 0) & (b > 0), b, 1) / jnp.where((a > 0) & (b > 0), a, 1)))
    edge = jnp.where((a > 0) & (b == 0), -_NEARLY, jnp.where((a == 0) & (b > 0), _NEARLY, 0.0))
    asymmetry = (ratio * jnp.exp(edge)).astype(z.dtype)
    return {"asymmetry": asymmetry, "loc": loc, "scale": _asymmetric_scale(a, b, asymmetry) * size}


def _asymmetric_scale(a: Any, b: Any, asymmetry: Any) -> Any:
    return (jnp.sqrt(a) + jnp.sqrt(b)) ** 2 / (asymmetry + 1 / asymmetry)


def _asymmetric_start(x: Any, weights: Any) -> Any:
    at = _asymmetric_maximum(x, weights)
    _, spread = _moments.location_scale(*_moments.usable(x, weights, True))
    k = at["asymmetry"]
    near = jnp.clip(k, 1e-3, 1e3)
    scale = at["scale"] * (k + 1 / k) / (near + 1 / near)
    return {"asymmetry": near, "loc": at["loc"], "scale": _moments.legal_positive(jnp.where(scale > 0, scale, spread))}


def _asymmetric_information(params: Any, x: Any) -> Any:
    k, scale = params["asymmetry"], params["scale"]
    square = 1 + k * k
    kk = (1 + 4 * k**2 - k**4) / (k * square) ** 2 + 2 / square
    loc, cross = -2 / (square * scale), (k * k - 1) / (k * square * scale)
    unit = scale**-2.0
    return symmetric(x, [[kk, loc, cross], [loc, unit, 0.0], [cross, 0.0, unit]])


asymmetric_laplace = law(
    LINE,
    "asymmetric_laplace",
    _asymmetric_logpdf,
    _asymmetric_lower,
    _asymmetric_upper,
    _asymmetric_start,
    shapes={"asymmetry": spaces.positive},
    quantile=_asymmetric_quantile,
    maximum=_asymmetric_maximum,
    information=_asymmetric_information,
    regularity="kinked",
    mean=_means.asymmetric_laplace,
    doc="""Asymmetric Laplace: density exp(-k z) for z >= 0 and exp(z / k) for z < 0, over scale (k + 1/k), z = (x - loc) / scale.

    k = asymmetry; loc is the k^2 / (1 + k^2) quantile: quantile regression, financial returns. Mean loc + scale (1/k - k).
    The maximum is found among the rows; standard errors come from the expected information. Where it is the least or the
    greatest row it is not attained: asymmetry -> 0 or infinity with scale -> 0, an exponential law from that row on.
    Kotz, Kozubowski & Podgorski 2001, *The Laplace Distribution and Generalizations*, chapter 3.""",
)


# --- skew normal -----------------------------------------------------------------------------------------


def _skew_small(a: Any, z: Any) -> Any:
    """For a >= 0: log P(Z <= z) where z < 0, log P(Z > z) elsewhere; sums of positive terms."""
    left = z < 0
    h = jnp.where(left, -z, z)
    below = _LOG_2 + special.log_owens_rest(h, a)
    part = jnp.where(a > 0, a, 1)
    above = jnp.logaddexp(special.log_ndtr(-h), jnp.where(a > 0, _LOG_2 + special.log_owens_t(h, part), -jnp.inf))
    return jnp.where(left, below, above)


def _skew_tail(params: Any, z: Any, upper: bool) -> Any:
    a = params["shape"]
    flip = a < 0
    a, z = jnp.where(flip, -a, a), jnp.where(flip, -z, z)
    small = _skew_small(a, z)
    direct = (z < 0) ^ flip ^ upper
    return jnp.where(direct, small, special.log1mexp(small))


def _skew_lower(params: Any, z: Any) -> Any:
    return _skew_tail(params, z, False)


def _skew_upper(params: Any, z: Any) -> Any:
    return _skew_tail(params, z, True)


def _skew_draw(key: Any, params: Any, shape: Any, dtype: Any) -> Any:
    a = params["shape"]
    one, two = jax.random.normal(key, (2, *shape), dtype)
    return (a * jnp.abs(one) + two) / jnp.sqrt(1 + a * a)


def _skew_moments(skew: Any) -> tuple[Any, Any, Any]:
    """loc, scale and shape of mean 0, variance 1 and a skewness (Azzalini 1985); away from shape 0, which is singular."""
    size = jnp.clip(jnp.abs(skew), 0.02, 0.9) ** (2 / 3)
    delta = jnp.sqrt(np.pi / 2 * size / (size + ((4 - np.pi) / 2) ** (2 / 3)))
    delta = jnp.where(skew < 0, -delta, delta)
    scale = 1 / jnp.sqrt(1 - 2 * delta**2 / np.pi)
    return -scale * delta * math.sqrt(2 / np.pi), scale, delta / jnp.sqrt(1 - delta**2)


def _skew_start(x: Any, weights: Any) -> Any:
    # Moments, or the mean and the deviation with more skewness where that is likelier; where a half-normal from an
    # outermost row on is likelier still, the maximum often lies at infinite shape, and the start near it.
    x, weights = _moments.usable(x, weights, True)
    mean, spread = _moments.location_scale(x, weights)
    z = jnp.where(weights > 0, (x - mean) / spread, 0)
    left, right = -jnp.min(z), jnp.max(z)

    def rise(loc: Any, scale: Any, shape: Any) -> Any:
        """The log-likelihood of a row over that of the normal."""
        y = (z - loc) / scale
        value = _LOG_2 - 0.5 * (y * y - z * z) + special.log_ndtr(shape * y)
        return _moments.mean(value, weights) - jnp.log(scale)

    skew = _moments.mean(z**3, weights)
    best = rise(*_skew_moments(skew))
    for more in (0.5, 0.8):
        other = jnp.where(skew < 0, -more, more)
        value = rise(*_skew_moments(other))
        skew, best = jnp.where(value > best, other, skew), jnp.maximum(value, best)
    near, sign = jnp.minimum(left, right), jnp.where(left < right, 1, -1)
    limit = _LOG_2 - 0.5 * jnp.log1p(near**2)
    ends = limit > best
    score = _skew_score({"loc": _BACK, "shape": jnp.arcsinh(_STEEP)}) / math.sqrt(1 + _STEEP**2)
    scale = jnp.sqrt(1 + near**2)
    beside = (-sign * (near + score * scale), scale, sign * _STEEP)
    # Unless there is a steep maximum above it: in each that was seen (38 samples of 10 to 30 rows) shape z of the end row
    # was -1.1 to -0.9, and of any maximum the mean of z^2 is 1. So one number is left, the shape: up to 4 n / 15.
    for k in range(4):
        shape = 4 * jnp.maximum(jnp.sum(weights) / 15, 1) ** (k / 3)
        share = 1 - shape**-2
        scale = (jnp.sqrt(near**2 + share) - near / shape) / share
        steep = (-sign * (near - scale / shape), scale, sign * shape)
        value = rise(*steep)
        beside = tuple(jnp.where(value > limit, new, old) for new, old in zip(steep, beside, strict=True))
        limit = jnp.maximum(limit, value)
    loc, scale, shape = (jnp.where(ends, there, here) for here, there in zip(_skew_moments(skew), beside, strict=True))
    return {"loc": mean + spread * loc, "scale": _moments.legal_positive(spread * scale), "shape": shape}


def _ends(x: Any, weights: Any) -> tuple[Any, Any]:
    """Least and greatest row."""
    low, high = _moments.ends(x, is_finite(x))
    fine = jnp.isfinite(high - low)
    return jnp.where(fine, low, 0), jnp.where(fine, high, 0)


def _skew_score(v: Any) -> Any:
    """shape z of the end row, w^2 = 2 y^2 / (y^2 + 4)^(1/2) with y = v + asinh(shape): y near 0, (2 |y|)^(1/2) far off."""
    y = jnp.clip(v["loc"], -1e6, 1e6) + v["shape"]
    return math.sqrt(2) * y / jnp.sqrt(jnp.sqrt(y * y + 4))


def _skew_contributions(v: Any, x: Any, ends: Any) -> Any:
    """The log-likelihood in asinh(shape), log scale and what keeps the end of the law off the row that it closes on.

    The limit is half-normal from an outermost row on. There shape z of that row is w, and what is lost goes as
    exp(-w^2 / 2) + c w / shape: least where w^2 = 2 log(shape) + constant. With d = shape / (1 + shape^2)^(1/2), loc is
    the middle of the range less d half its width less scale w / (1 + shape^2)^(1/2), so that either end may close.
    """
    low, high = ends
    inside, v = is_finite(x), {**v, "shape": jnp.clip(v["shape"], -ENDLESS, ENDLESS)}
    left, right = (jnp.where(inside, side, 0) for side in (x - low, high - x))
    share, rest = jax.nn.sigmoid(2 * v["shape"]), jax.nn.sigmoid(-2 * v["shape"])
    z = (left * share - right * rest) * jnp.exp(-v["scale"]) + _skew_score(v) / jnp.cosh(v["shape"])
    value = _LOG_2 - _HALF_LOG_2PI - v["scale"] - 0.5 * z * z + special.log_ndtr(jnp.sinh(v["shape"]) * z)
    return jnp.where(inside, value, -jnp.inf)


def _skew_middle(v: Any, ends: Any) -> Any:
    low, high = ends
    return low * jax.nn.sigmoid(2 * v["shape"]) + high * jax.nn.sigmoid(-2 * v["shape"])


def _skew_outward(v: Any, ends: Any) -> Any:
    near = jnp.clip(v["shape"], -ENDLESS, ENDLESS)
    gap = jnp.exp(v["scale"]) * _skew_score({"loc": v["loc"], "shape": near}) / jnp.cosh(near)
    return {"loc": _skew_middle(v, ends) - gap, "scale": v["scale"], "shape": jnp.sinh(v["shape"])}


def _skew_inward(u: Any, ends: Any) -> Any:
    shape = jnp.arcsinh(u["shape"])
    w = (_skew_middle({"shape": shape}, ends) - u["loc"]) * jnp.exp(-u["scale"]) * jnp.cosh(shape)
    square = w * w
    y = w * jnp.sqrt((square + jnp.sqrt(square * square + 64)) / 8)
    return {"loc": y - shape, "scale": u["scale"], "shape": shape}


skew_normal = law(
    LINE,
    "skew_normal",
    lambda p, z: _LOG_2 - 0.5 * z * z - _HALF_LOG_2PI + special.log_ndtr(p["shape"] * z),
    _skew_lower,
    _skew_upper,
    _skew_start,
    shapes={"shape": spaces.real},
    quantile=Solved(_skew_lower, _skew_upper, jnp.sinh, -19.0, 19.0),
    draw=_skew_draw,
    mean=_means.skew_normal,
    chart=Chart(_ends, _skew_contributions, _skew_outward, _skew_inward, (False, True, True)),
    doc="""Skew normal: density 2 phi(z) Phi(shape z) / scale, z = (x - loc) / scale.

    Normal errors with a selection on one side; shape 0 is the normal, where the information is singular. Mean loc + scale
    d sqrt(2/pi), d = shape / sqrt(1 + shape^2). In small samples the maximum may lie at infinite shape.
    Azzalini 1985, *Scand. J. Statist.* 12, 171-178.""",
)
