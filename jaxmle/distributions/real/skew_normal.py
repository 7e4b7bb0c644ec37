"""Skew normal distribution of normal errors selected on one side.

Parameters: `loc`; `scale` > 0; `shape`, 0 where normal, positive for the longer tail on the right.

>>> from jaxmle import distributions
>>> round(float(distributions.skew_normal.logpdf({"loc": 0.5, "scale": 2.0, "shape": 2.5}, 1.5)), 3)
-1.156
"""

import math
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from jaxmle import spaces, special
from jaxmle.distributions.base import weighted_moments
from jaxmle.distributions.base.constants import HALF_LOG_2PI, LOG_2
from jaxmle.distributions.base.overflow import LARGEST_LOG
from jaxmle.distributions.base.standard_form import LINE, NumericalQuantile, from_standard_form
from jaxmle.distributions.base.support import is_finite
from jaxmle.distributions.base.types import Params, Shape
from jaxmle.model.geometry import Chart, Coordinates, Geometry
from jaxmle.special.elementary import floating

_STEEP, _BACK = 1000.0, -2.0
"A shape, and a place on the chart there, from which a skew normal ascends to the half-normal."


def _smaller_tail(a: Array, z: Array) -> Array:
    """Compute, for a >= 0, log P(Z <= z) where z < 0 and log P(Z > z) elsewhere, as sums of positive terms."""
    left = z < 0
    h = jnp.where(left, -z, z)
    below = LOG_2 + special.log_owens_rest(h, a)
    part = jnp.where(a > 0, a, 1)
    above = jnp.logaddexp(special.log_ndtr(-h), jnp.where(a > 0, LOG_2 + special.log_owens_t(h, part), -jnp.inf))
    return jnp.where(left, below, above)


def _tail(params: Params, z: Array, upper: bool) -> Array:
    a = params["shape"]
    flip = a < 0
    a, z = jnp.where(flip, -a, a), jnp.where(flip, -z, z)
    small = _smaller_tail(a, z)
    direct = (z < 0) ^ flip ^ upper
    return jnp.where(direct, small, special.log1mexp(small))


def _logcdf(params: Params, z: Array) -> Array:
    return _tail(params, z, False)


def _logsf(params: Params, z: Array) -> Array:
    return _tail(params, z, True)


def _draw(key: Array, params: Params, shape: Shape, dtype: DTypeLike) -> Array:
    a = params["shape"]
    one, two = jax.random.normal(key, (2, *shape), dtype)
    return (a * jnp.abs(one) + two) / jnp.sqrt(1 + a * a)


def _from_skewness(skew: Array) -> tuple[Array, Array, Array]:
    """Compute loc, scale and shape from a skewness, mean 0 and variance 1 (Azzalini 1985); away from shape 0, which is singular."""
    size = jnp.clip(jnp.abs(skew), 0.02, 0.9) ** (2 / 3)
    delta = jnp.sqrt(np.pi / 2 * size / (size + ((4 - np.pi) / 2) ** (2 / 3)))
    delta = jnp.where(skew < 0, -delta, delta)
    scale = 1 / jnp.sqrt(1 - 2 * delta**2 / np.pi)
    return -scale * delta * math.sqrt(2 / np.pi), scale, delta / jnp.sqrt(1 - delta**2)


def _start(x: Array, weights: Array) -> dict[str, Array]:
    # Moments, or the mean and the deviation with more skewness where that is likelier; where a half-normal from an
    # outermost row on is likelier still, the maximum often lies at infinite shape, and the start near it.
    x, weights = weighted_moments.usable_rows(x, weights, True)
    mean, spread = weighted_moments.location_scale(x, weights)
    z = jnp.where(weights > 0, (x - mean) / spread, 0)
    left, right = -jnp.min(z), jnp.max(z)

    def rise(loc: Array, scale: Array, shape: Array) -> Array:
        """Compute the mean log-likelihood of a row over that of the normal."""
        y = (z - loc) / scale
        value = LOG_2 - 0.5 * (y * y - z * z) + special.log_ndtr(shape * y)
        return weighted_moments.mean(value, weights) - jnp.log(scale)

    skew = weighted_moments.mean(z**3, weights)
    best = rise(*_from_skewness(skew))
    for more in (0.5, 0.8):
        other = jnp.where(skew < 0, -more, more)
        value = rise(*_from_skewness(other))
        skew, best = jnp.where(value > best, other, skew), jnp.maximum(value, best)
    near, sign = jnp.minimum(left, right), jnp.where(left < right, 1, -1)
    limit = LOG_2 - 0.5 * jnp.log1p(near**2)
    ends = limit > best
    score = _score({"loc": _BACK, "shape": jnp.arcsinh(_STEEP)}) / math.sqrt(1 + _STEEP**2)
    scale = jnp.sqrt(1 + near**2)
    beside = (-sign * (near + score * scale), scale, sign * _STEEP)
    # Unless there is a steep maximum above it: in each of those found (38 samples of 10 to 30 rows) shape z of the end row
    # was -1.1 to -0.9, and of any maximum the mean of z^2 is 1. So one number is left, the shape: up to 4 n / 15.
    for k in range(4):
        shape = 4 * jnp.maximum(jnp.sum(weights) / 15, 1) ** (k / 3)
        share = 1 - shape**-2
        scale = (jnp.sqrt(near**2 + share) - near / shape) / share
        steep = (-sign * (near - scale / shape), scale, sign * shape)
        value = rise(*steep)
        beside = tuple(jnp.where(value > limit, new, old) for new, old in zip(steep, beside, strict=True))
        limit = jnp.maximum(limit, value)
    loc, scale, shape = (jnp.where(ends, there, here) for here, there in zip(_from_skewness(skew), beside, strict=True))
    return {"loc": mean + spread * loc, "scale": weighted_moments.legal_positive(spread * scale), "shape": shape}


def _ends(x: Array, weights: Array) -> tuple[Array, Array]:
    """Find the least and the greatest row of x."""
    low, high = weighted_moments.ends(x, is_finite(x))
    fine = jnp.isfinite(high - low)
    return jnp.where(fine, low, 0), jnp.where(fine, high, 0)


def _score(v: Mapping[str, ArrayLike]) -> Array:
    """Compute w = shape z of the end row from chart coordinates v.

    w^2 = 2 y^2 / (y^2 + 4)^(1/2) with y = v of loc + asinh(shape): w is about y near 0 and (2 |y|)^(1/2) far off.
    """
    y = jnp.clip(v["loc"], -1e6, 1e6) + v["shape"]
    return math.sqrt(2) * y / jnp.sqrt(jnp.sqrt(y * y + 4))


def _contributions(v: Coordinates, x: Array, ends: tuple[Array, Array]) -> Array:
    """Compute the log-likelihood in asinh(shape), log scale and what keeps the end of the distribution off its nearest row.

    The limit is half-normal from an outermost row on. There shape z of that row is w, and what is lost goes as
    exp(-w^2 / 2) + c w / shape: least where w^2 = 2 log(shape) + constant. With d = shape / (1 + shape^2)^(1/2), loc is
    the middle of the range less d half its width less scale w / (1 + shape^2)^(1/2), so that either end may close.
    """
    low, high = ends
    inside, v = is_finite(x), {**v, "shape": jnp.clip(v["shape"], -LARGEST_LOG, LARGEST_LOG)}
    left, right = (jnp.where(inside, side, 0) for side in (x - low, high - x))
    share, rest = jax.nn.sigmoid(2 * v["shape"]), jax.nn.sigmoid(-2 * v["shape"])
    z = (left * share - right * rest) * jnp.exp(-v["scale"]) + _score(v) / jnp.cosh(v["shape"])
    value = LOG_2 - HALF_LOG_2PI - v["scale"] - 0.5 * z * z + special.log_ndtr(jnp.sinh(v["shape"]) * z)
    return jnp.where(inside, value, -jnp.inf)


def _middle(v: Coordinates, ends: tuple[Array, Array]) -> Array:
    """Weight the ends of the range by the sign and the size of shape."""
    low, high = ends
    return low * jax.nn.sigmoid(2 * v["shape"]) + high * jax.nn.sigmoid(-2 * v["shape"])


def _outward(v: Coordinates, ends: tuple[Array, Array]) -> dict[str, Array]:
    near = jnp.clip(v["shape"], -LARGEST_LOG, LARGEST_LOG)
    gap = jnp.exp(v["scale"]) * _score({"loc": v["loc"], "shape": near}) / jnp.cosh(near)
    return {"loc": _middle(v, ends) - gap, "scale": v["scale"], "shape": jnp.sinh(v["shape"])}


def _inward(u: Coordinates, ends: tuple[Array, Array]) -> dict[str, Array]:
    shape = jnp.arcsinh(u["shape"])
    w = (_middle({"shape": shape}, ends) - u["loc"]) * jnp.exp(-u["scale"]) * jnp.cosh(shape)
    square = w * w
    y = w * jnp.sqrt((square + jnp.sqrt(square * square + 64)) / 8)
    return {"loc": y - shape, "scale": u["scale"], "shape": shape}


def _mean(p: Params) -> Array:
    shape = floating(p["shape"])
    return p["loc"] + p["scale"] * math.sqrt(2 / np.pi) * shape / jnp.sqrt(1 + shape * shape)


skew_normal = from_standard_form(
    LINE,
    "skew_normal",
    logpdf=lambda p, z: LOG_2 - 0.5 * z * z - HALF_LOG_2PI + special.log_ndtr(p["shape"] * z),
    logcdf=_logcdf,
    logsf=_logsf,
    start=_start,
    shapes={"shape": spaces.real},
    quantile=NumericalQuantile(_logcdf, _logsf, jnp.sinh, -19.0, 19.0),
    draw=_draw,
    mean=_mean,
    geometry=Geometry(chart=Chart(_ends, _contributions, _outward, _inward, (False, True, True))),
    doc="""Skew normal: density 2 phi(z) Phi(shape z) / scale, z = (x - loc) / scale.

    Normal errors with a selection on one side; shape 0 is the normal, where the information is singular. Mean loc + scale
    d sqrt(2/pi), d = shape / sqrt(1 + shape^2). In small samples the maximum may lie at infinite shape.
    Azzalini 1985, *Scand. J. Statist.* 12, 171-178.""",
)
