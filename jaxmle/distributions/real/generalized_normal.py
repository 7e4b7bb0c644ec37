"""Generalized normal (exponential power) distribution, with tails from Laplace to uniform.

Parameters: `loc`, the mean; `scale` > 0; `shape` > 0, the power of the absolute deviation.

>>> from jaxmle import distributions
>>> round(float(distributions.generalized_normal.logpdf({"loc": 0.5, "scale": 2.0, "shape": 2.6}, 1.5)), 3)
-1.433
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxmle import spaces, special
from jaxmle.distributions.base import means, weighted_moments
from jaxmle.distributions.base.constants import LOG_2
from jaxmle.distributions.base.information import information_matrix
from jaxmle.distributions.base.interpolation import interpolate
from jaxmle.distributions.base.overflow import LARGEST_LOG
from jaxmle.distributions.base.standard_form import LINE, NumericalQuantile, from_standard_form
from jaxmle.distributions.base.support import is_finite
from jaxmle.distributions.base.types import Params
from jaxmle.model.geometry import Chart, Coordinates, Geometry, Kink
from jaxmle.special.elementary import floating

_SHAPES = np.exp(np.linspace(np.log(0.3), np.log(20), 60))
_RATIOS = np.array([math.exp(2 * math.lgamma(2 / b) - math.lgamma(1 / b) - math.lgamma(3 / b)) for b in _SHAPES])
"(E|z|)^2 / E z^2 of those shapes."


def _absolute_power(params: Params, z: Array) -> Array:
    """Compute |z|^shape, whose derivatives stay finite at 0."""
    size = jnp.maximum(jnp.abs(z), float(jnp.finfo(z.dtype).tiny) ** 0.5)
    return jnp.exp(params["shape"] * jnp.log(size))


def _logpdf(params: Params, z: Array) -> Array:
    shape = params["shape"]
    return jnp.log(shape) - LOG_2 - special.gammaln(1 / shape) - _absolute_power(params, z)


def _logcdf(params: Params, z: Array) -> Array:
    shape, power = params["shape"], _absolute_power(params, z)
    # Next to the middle the density is constant.
    near = power < 1e-17
    tail = special.log_gammaincc(1 / shape, jnp.where(near, 1, power)) - LOG_2
    slope = jnp.exp(jnp.log(shape) - special.gammaln(1 / shape))
    middle = jnp.log1p(jnp.where(near, z, 0) * slope) - LOG_2
    return jnp.where(near, middle, jnp.where(z < 0, tail, special.log1mexp(jnp.where(near, -1, tail))))


def _logsf(params: Params, z: Array) -> Array:
    return _logcdf(params, -z)


def _start(x: Array, weights: Array) -> dict[str, Array]:
    x, weights = weighted_moments.usable_rows(x, weights, True)
    loc, scale = weighted_moments.location_scale(x, weights)
    size = weighted_moments.mean(jnp.where(weights > 0, jnp.abs(x - loc) / scale, 0), weights)
    shape = interpolate(size**2, _RATIOS, _SHAPES)
    unit = jnp.exp(0.5 * (special.gammaln(3 / shape) - special.gammaln(1 / shape)))
    return {"loc": loc, "scale": weighted_moments.legal_positive(scale / unit), "shape": shape}


def _information(params: Params, x: Array) -> Array:
    b, scale = floating(params["shape"]), params["scale"]
    a = 1 / b
    one, two = special.digamma(a + 1), special.trigamma(a + 1)
    loc = jnp.exp(special.gammaln(2 - a) - special.gammaln(a)) * (b / scale) ** 2
    loc = jnp.where(b > 0.5, loc, jnp.nan)
    shape = a**2 * (1 + 2 * a * special.digamma(a) + a**2 * special.trigamma(a) + a * (two + one**2))
    cross = -a * (1 + one) / scale
    return information_matrix(x, [[loc, 0.0, 0.0], [0.0, b / scale**2, cross], [0.0, cross, shape]])


def _ends(x: Array, weights: Array) -> tuple[Array, Array, Array]:
    """Find the least and the greatest row of x, and their distance, 0 where there is none."""
    low, high = weighted_moments.ends(x, is_finite(x))
    return low, high, jnp.where((high > low) & jnp.isfinite(high - low), high - low, 0)


def _chart_terms(v: Coordinates, ends: tuple[Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
    """Compute terms of the log-likelihood from chart coordinates v.

    1 / shape, half the logarithm of the ratio of the ends' distances to loc, log scale, and v of scale less log shape.
    """
    c = jnp.clip(v["shape"], -LARGEST_LOG, LARGEST_LOG)
    a, middle = jnp.exp(-c), jnp.clip(v["scale"], -1e6, 1e6) - c
    turn, reach = jnp.clip(v["loc"], -1e6, 1e6) * a, jnp.log(jnp.where(ends[2] > 0, ends[2], 1))
    size = reach - middle * a - jnp.logaddexp(turn, -turn)
    return a, turn, jnp.where(ends[2] > 0, size, v["scale"]), middle


def _contributions(v: Coordinates, x: Array, ends: tuple[Array, Array, Array]) -> Array:
    """Compute the log-likelihood in log shape and the logarithms of shape |z|^shape at the least and the greatest row.

    Their mean is v of scale, half their difference that of loc. Towards infinite shape, the uniform distribution
    from the least to the greatest row, they keep finite: what is lost there goes as log(shape) / shape.
    """
    x, (low, high, width) = floating(x), ends
    inside, (a, turn, size, middle) = is_finite(x), _chart_terms(v, ends)
    width = jnp.where(width > 0, width, 1)
    left, right = (jnp.where(inside, side / width, 0.5) for side in (x - low, high - x))
    # One minus the distances from the ends, in units of the ends' distances from loc.
    above, below = (1 - gap * (1 + jnp.exp(s)) for gap, s in ((right, -2 * turn), (left, 2 * turn)))
    share = jnp.where(above > 0, above, jnp.where(below > 0, below, 0))
    end = middle + jnp.where(above > 0, v["loc"], -v["loc"])
    power = jnp.exp(end + jnp.log(jnp.maximum(share, float(jnp.finfo(x.dtype).tiny) ** 0.5)) / a)
    value = -LOG_2 - special.gammaln(1 + a) - size - jnp.where(ends[2] > 0, power, 0)
    return jnp.where(inside, value, -jnp.inf)


def _limits(x: Array, weights: Array, ends: tuple[Array, Array, Array]) -> list[dict[str, Array]]:
    """List the supremum at infinity: the uniform distribution from the least to the greatest row."""
    zero = jnp.zeros_like(weights[0])
    return [{"loc": zero, "scale": zero, "shape": zero + jnp.inf}]


def _outward(v: Coordinates, ends: tuple[Array, Array, Array]) -> dict[str, Array]:
    _, turn, size, _ = _chart_terms(v, ends)
    return {"loc": ends[0] + ends[2] * jax.nn.sigmoid(-2 * turn), "scale": size, "shape": v["shape"]}


def _inward(u: Coordinates, ends: tuple[Array, Array, Array]) -> dict[str, Array]:
    low, high, width = ends
    least = jnp.where(width > 0, 1e-6 * width, 1)
    up, down = (jnp.log(jnp.maximum(gap, least)) - u["scale"] for gap in (high - u["loc"], u["loc"] - low))
    b = jnp.exp(u["shape"])
    scale = jnp.where(width > 0, 0.5 * (up + down) * b + u["shape"], u["scale"])
    return {"loc": 0.5 * (up - down) * b, "scale": scale, "shape": u["shape"]}


_NEAREST = 64
"Rows that may take loc over, at shapes below 1."


def _best(params: Params, x: Array, weights: Array) -> dict[str, Array]:
    """Maximize over loc and scale for this shape b: loc has the least sum of |x - loc|^b, and scale^b is b times their mean.

    From b = 1 on the sum is convex in loc, and its slope is bisected. Below, it is concave between rows: loc is the best of
    the rows nearby.
    """
    x, weights = weighted_moments.usable_rows(x, weights, True)
    b = params["shape"]
    low, high = weighted_moments.ends(x, weights > 0)
    width = jnp.where(high > low, high - low, 1)

    def powers(loc: Array, power: Array) -> Array:
        return jnp.exp(power * jnp.log(jnp.abs(x - loc) / width))

    def halved(_: Array, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = ends
        middle = low + 0.5 * (high - low)
        right = jnp.sum(weights * jnp.where(x == middle, 0, jnp.sign(x - middle) * powers(middle, b - 1))) > 0
        return jnp.where(right, middle, low), jnp.where(right, high, middle)

    ends = jax.lax.fori_loop(0, jnp.finfo(x.dtype).nmant + 8, halved, (low, high))
    near = jnp.where(weights > 0, -jnp.abs(x - params["loc"]), -jnp.inf)
    rows = x[jax.lax.top_k(near, min(_NEAREST, x.shape[0]))[1]]
    places = jnp.concatenate([rows, jnp.stack(ends)])
    sums = jax.lax.map(lambda loc: jnp.sum(weights * powers(loc, b)), places)
    least = jnp.argmin(sums)
    scale = width * jnp.exp(jnp.log(b * sums[least] / jnp.sum(weights)) / b)
    # Where all rows are one, none is too small.
    return {"loc": places[least], "scale": jnp.where(scale > 0, scale, 1e-10 * params["scale"]), "shape": b}


def _on_row(params: Params, x: Array) -> Array:
    """Test whether loc is on a row of x where the density has no curvature, bool[]."""
    return (params["shape"] < 2) & jnp.any(x == params["loc"])


generalized_normal = from_standard_form(
    LINE,
    "generalized_normal",
    logpdf=_logpdf,
    logcdf=_logcdf,
    logsf=_logsf,
    start=_start,
    shapes={"shape": spaces.positive},
    quantile=NumericalQuantile(_logcdf, _logsf, jnp.sinh, -300.0, 300.0),
    mean=means.loc,
    geometry=Geometry(
        information=_information,
        chart=Chart(
            _ends,
            _contributions,
            _outward,
            _inward,
            (False, False, True),
            _limits,
        ),
        kink=Kink("loc", _best, _on_row),
    ),
    doc="""Generalized normal (exponential power): density shape exp(-|z|^shape) / (2 scale Gamma(1/shape)), z = (x - loc) / scale.

    Tails between Laplace (shape 1), normal (2) and uniform (infinity). Mean loc, variance scale^2 Gamma(3/shape) /
    Gamma(1/shape). Up to shape 1 the density has a kink at loc, and up to shape 2 its curvature there is unbounded; as shape
    -> 0 with loc on a row the likelihood has no bound for any data, so that a maximum, or a limit reported, is a local one. A
    maximum up to shape 1 has loc on a row: standard errors come from the expected information, and up to shape 1/2, where
    that is infinite, it is reported as a maximum at a data edge. An ascent that leads to shape 0 is reported as unbounded,
    or as the uniform limit where it began no higher.
    Box & Tiao 1973, *Bayesian Inference in Statistical Analysis*, section 3.2.""",
)
