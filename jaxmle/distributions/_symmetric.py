"""Symmetric laws on the line: Cauchy, hyperbolic secant, Laplace, logistic and generalized normal."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxmle import spaces, special
from jaxmle.distributions import _means, _moments
from jaxmle.distributions._distribution import is_finite, symmetric
from jaxmle.distributions._standard import ENDLESS, LINE, Solved, law
from jaxmle.model.model import Chart, Kink
from jaxmle.special.elementary import floating

_PI = np.pi
_LOG_2 = 0.6931471805599453
_LOG_PI = 1.1447298858494002


def moment_start(ratio: float) -> Any:
    """A start from mean and standard deviation; `ratio` is scale over standard deviation."""

    def start(x: Any, weights: Any) -> Any:
        loc, scale = _moments.location_scale(*_moments.usable(x, weights, True))
        return {"loc": loc, "scale": _moments.legal_positive(ratio * scale)}

    return start


def _diagonal(loc: float, scale: float) -> Any:
    """Information loc/scale^2 about the location and scale/scale^2 about the scale."""

    def information(params: Any, x: Any) -> Any:
        unit = params["scale"] ** -2.0
        return symmetric(x, [[loc * unit, 0.0], [0.0, scale * unit]])

    return information


# --- Cauchy ----------------------------------------------------------------------------------------------


def _cauchy_lower(params: Any, z: Any) -> Any:
    tail = jnp.log(jnp.arctan2(jnp.ones_like(z), jnp.abs(z))) - _LOG_PI
    return jnp.where(z < 0, tail, jnp.log1p(-jnp.exp(tail)))


def _cauchy_quantile(params: Any, q: Any) -> Any:
    # Near 1/2 the cotangent of the tail is as good as the tangent about the middle.
    return jnp.where(q < 0.5, -1 / jnp.tan(_PI * q), 1 / jnp.tan(_PI * (1 - q)))


def _cauchy_start(x: Any, weights: Any) -> Any:
    loc, scale = _moments.middle_half(*_moments.usable(x, weights, True))
    return {"loc": loc, "scale": scale}


cauchy = law(
    LINE,
    "cauchy",
    lambda p, z: -_LOG_PI - jnp.log1p(z * z),
    _cauchy_lower,
    lambda p, z: _cauchy_lower(p, -z),
    _cauchy_start,
    quantile=_cauchy_quantile,
    information=_diagonal(0.5, 0.5),
    mean=_means.none,
    doc="""Cauchy: density 1 / (pi scale (1 + ((x - loc) / scale)^2)).

    Errors with very heavy tails, ratios of normals, resonances; no moments: loc is the median, scale half the distance of
    the quartiles. Small samples may have several maxima. Johnson, Kotz & Balakrishnan, *Continuous Univariate
    Distributions* 1, chapter 16.""",
)


# --- hyperbolic secant -----------------------------------------------------------------------------------


def _secant_lower(params: Any, z: Any) -> Any:
    w = 0.5 * _PI * z
    tail = jnp.log(jnp.arctan(jnp.exp(-jnp.abs(w)))) - math.log(_PI / 2)
    far = jnp.abs(w) > 300
    tail = jnp.where(far, -jnp.abs(w) - math.log(_PI / 2), jnp.where(far, 0, tail))
    return jnp.where(z < 0, tail, special.log1mexp(tail))


def _secant_quantile(params: Any, q: Any) -> Any:
    small = jnp.minimum(q, 1 - q)
    z = 2 / _PI * jnp.log(jnp.tan(0.5 * _PI * small))
    return jnp.where(q < 0.5, z, -z)


hyperbolic_secant = law(
    LINE,
    "hyperbolic_secant",
    lambda p, z: -jnp.logaddexp(0.5 * _PI * z, -0.5 * _PI * z),
    _secant_lower,
    lambda p, z: _secant_lower(p, -z),
    moment_start(1.0),
    quantile=_secant_quantile,
    mean=_means.loc,
    doc="""Hyperbolic secant: density sech(pi (x - loc) / (2 scale)) / (2 scale).

    Between normal and Laplace in its tails; asset returns. Mean loc, standard deviation scale.
    Johnson, Kotz & Balakrishnan, *Continuous Univariate Distributions* 2, section 23.11.""",
)


# --- Laplace ---------------------------------------------------------------------------------------------


def _laplace_lower(params: Any, z: Any) -> Any:
    tail = -jnp.abs(z) - _LOG_2
    return jnp.where(z < 0, tail, jnp.log1p(-jnp.exp(tail)))


def _laplace_quantile(params: Any, q: Any) -> Any:
    small = jnp.log(2 * jnp.minimum(q, 1 - q))
    return jnp.where(q < 0.5, small, -small)


def _laplace_maximum(x: Any, weights: Any) -> Any:
    x, weights = _moments.usable(x, weights, True)
    (loc,) = _moments.quantiles(x, weights, 0.5)
    size = jnp.max(jnp.abs(x - loc) * (weights > 0))
    return {"loc": loc, "scale": size * _moments.mean(jnp.abs(x - loc) / jnp.where(size > 0, size, 1), weights)}


def _laplace_start(x: Any, weights: Any) -> Any:
    at = _laplace_maximum(x, weights)
    _, spread = _moments.location_scale(*_moments.usable(x, weights, True))
    return {"loc": at["loc"], "scale": _moments.legal_positive(jnp.where(at["scale"] > 0, at["scale"], spread))}


laplace = law(
    LINE,
    "laplace",
    lambda p, z: -jnp.abs(z) - _LOG_2,
    _laplace_lower,
    lambda p, z: _laplace_lower(p, -z),
    _laplace_start,
    quantile=_laplace_quantile,
    maximum=_laplace_maximum,
    information=_diagonal(1.0, 1.0),
    regularity="kinked",
    mean=_means.loc,
    doc="""Laplace: density exp(-|x - loc| / scale) / (2 scale).

    Errors judged by their size; least absolute deviations. Mean loc, variance 2 scale^2. The maximum is the (lower)
    median and the mean absolute deviation from it; standard errors come from the expected information.
    Johnson, Kotz & Balakrishnan, *Continuous Univariate Distributions* 2, chapter 24.""",
)


# --- logistic --------------------------------------------------------------------------------------------

logistic = law(
    LINE,
    "logistic",
    lambda p, z: jax.nn.log_sigmoid(z) + jax.nn.log_sigmoid(-z),
    lambda p, z: jax.nn.log_sigmoid(z),
    lambda p, z: jax.nn.log_sigmoid(-z),
    moment_start(math.sqrt(3) / _PI),
    quantile=lambda p, q: jnp.log(q) - jnp.log1p(-q),
    information=_diagonal(1 / 3, (3 + _PI**2) / 9),
    mean=_means.loc,
    doc="""Logistic: density e^-z / (scale (1 + e^-z)^2), z = (x - loc) / scale.

    Growth, choice, errors a little heavier than normal. Mean loc, variance (pi scale)^2 / 3.
    Johnson, Kotz & Balakrishnan, *Continuous Univariate Distributions* 2, chapter 23.""",
)


# --- generalized normal ----------------------------------------------------------------------------------

_SHAPES = np.exp(np.linspace(np.log(0.3), np.log(20), 60))
_RATIOS = np.array([math.exp(2 * math.lgamma(2 / b) - math.lgamma(1 / b) - math.lgamma(3 / b)) for b in _SHAPES])
"(E|z|)^2 / E z^2 of those shapes."


def _power(params: Any, z: Any) -> Any:
    """|z|^shape, with an end to its derivatives at 0."""
    size = jnp.maximum(jnp.abs(z), float(jnp.finfo(z.dtype).tiny) ** 0.5)
    return jnp.exp(params["shape"] * jnp.log(size))


def _generalized_logpdf(params: Any, z: Any) -> Any:
    shape = params["shape"]
    return jnp.log(shape) - _LOG_2 - special.gammaln(1 / shape) - _power(params, z)


def _generalized_lower(params: Any, z: Any) -> Any:
    shape, power = params["shape"], _power(params, z)
    # Next to the middle the law is uniform.
    near = power < 1e-17
    tail = special.log_gammaincc(1 / shape, jnp.where(near, 1, power)) - _LOG_2
    slope = jnp.exp(jnp.log(shape) - special.gammaln(1 / shape))
    middle = jnp.log1p(jnp.where(near, z, 0) * slope) - _LOG_2
    return jnp.where(near, middle, jnp.where(z < 0, tail, special.log1mexp(jnp.where(near, -1, tail))))


def _generalized_upper(params: Any, z: Any) -> Any:
    return _generalized_lower(params, -z)


def _generalized_start(x: Any, weights: Any) -> Any:
    x, weights = _moments.usable(x, weights, True)
    loc, scale = _moments.location_scale(x, weights)
    size = _moments.mean(jnp.where(weights > 0, jnp.abs(x - loc) / scale, 0), weights)
    shape = _moments.by_table(size**2, _RATIOS, _SHAPES)
    unit = jnp.exp(0.5 * (special.gammaln(3 / shape) - special.gammaln(1 / shape)))
    return {"loc": loc, "scale": _moments.legal_positive(scale / unit), "shape": shape}


def _generalized_information(params: Any, x: Any) -> Any:
    b, scale = floating(params["shape"]), params["scale"]
    a = 1 / b
    one, two = special.digamma(a + 1), special.trigamma(a + 1)
    loc = jnp.exp(special.gammaln(2 - a) - special.gammaln(a)) * (b / scale) ** 2
    loc = jnp.where(b > 0.5, loc, jnp.nan)
    shape = a**2 * (1 + 2 * a * special.digamma(a) + a**2 * special.trigamma(a) + a * (two + one**2))
    cross = -a * (1 + one) / scale
    return symmetric(x, [[loc, 0.0, 0.0], [0.0, b / scale**2, cross], [0.0, cross, shape]])


def _generalized_ends(x: Any, weights: Any) -> tuple[Any, Any, Any]:
    """Least and greatest row, and the range, 0 where there is none."""
    low, high = _moments.ends(x, is_finite(x))
    return low, high, jnp.where((high > low) & jnp.isfinite(high - low), high - low, 0)


def _generalized_at(v: Any, ends: Any) -> tuple[Any, Any, Any, Any]:
    """1 / shape, half the logarithm of the ratio of the ends' distances to loc, log scale, and half of log(power powers)."""
    c = jnp.clip(v["shape"], -ENDLESS, ENDLESS)
    a, middle = jnp.exp(-c), jnp.clip(v["scale"], -1e6, 1e6) - c
    turn, reach = jnp.clip(v["loc"], -1e6, 1e6) * a, jnp.log(jnp.where(ends[2] > 0, ends[2], 1))
    size = reach - middle * a - jnp.logaddexp(turn, -turn)
    return a, turn, jnp.where(ends[2] > 0, size, v["scale"]), middle


def _generalized_contributions(v: Any, x: Any, ends: Any) -> Any:
    """The log-likelihood in log shape and the logarithms of shape |z|^shape at the least and the greatest row.

    Their mean is v of scale, half their difference that of loc. Towards infinite shape, the uniform law from the least to
    the greatest row, they keep finite: what is lost there goes as log(shape) / shape.
    """
    x, (low, high, width) = floating(x), ends
    inside, (a, turn, size, middle) = is_finite(x), _generalized_at(v, ends)
    width = jnp.where(width > 0, width, 1)
    left, right = (jnp.where(inside, side / width, 0.5) for side in (x - low, high - x))
    # One minus the distances from the ends, in units of the ends' distances from loc.
    above, below = (1 - gap * (1 + jnp.exp(s)) for gap, s in ((right, -2 * turn), (left, 2 * turn)))
    share = jnp.where(above > 0, above, jnp.where(below > 0, below, 0))
    end = middle + jnp.where(above > 0, v["loc"], -v["loc"])
    power = jnp.exp(end + jnp.log(jnp.maximum(share, float(jnp.finfo(x.dtype).tiny) ** 0.5)) / a)
    value = -_LOG_2 - special.gammaln(1 + a) - size - jnp.where(ends[2] > 0, power, 0)
    return jnp.where(inside, value, -jnp.inf)


def _generalized_limits(x: Any, weights: Any, ends: Any) -> list[Any]:
    """The uniform law from the least to the greatest row."""
    zero = jnp.zeros_like(weights[0])
    return [{"loc": zero, "scale": zero, "shape": zero + jnp.inf}]


def _generalized_outward(v: Any, ends: Any) -> Any:
    _, turn, size, _ = _generalized_at(v, ends)
    return {"loc": ends[0] + ends[2] * jax.nn.sigmoid(-2 * turn), "scale": size, "shape": v["shape"]}


def _generalized_inward(u: Any, ends: Any) -> Any:
    low, high, width = ends
    least = jnp.where(width > 0, 1e-6 * width, 1)
    up, down = (jnp.log(jnp.maximum(gap, least)) - u["scale"] for gap in (high - u["loc"], u["loc"] - low))
    b = jnp.exp(u["shape"])
    scale = jnp.where(width > 0, 0.5 * (up + down) * b + u["shape"], u["scale"])
    return {"loc": 0.5 * (up - down) * b, "scale": scale, "shape": u["shape"]}


_NEAREST = 64
"Rows that may take loc over, at shapes below 1."


def _generalized_best(params: Any, x: Any, weights: Any) -> Any:
    """loc and scale for this shape b: loc has the least sum of |x - loc|^b, and scale^b is b times their mean.

    From b = 1 on the sum is convex in loc, and its slope is bisected. Below, it is concave between rows: loc is the best of
    the rows nearby.
    """
    x, weights = _moments.usable(x, weights, True)
    b = params["shape"]
    low, high = _moments.ends(x, weights > 0)
    width = jnp.where(high > low, high - low, 1)

    def powers(loc: Any, power: Any) -> Any:
        return jnp.exp(power * jnp.log(jnp.abs(x - loc) / width))

    def halved(_: Any, ends: Any) -> Any:
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


def _generalized_on(params: Any, x: Any) -> Any:
    return (params["shape"] < 2) & jnp.any(x == params["loc"])


generalized_normal = law(
    LINE,
    "generalized_normal",
    _generalized_logpdf,
    _generalized_lower,
    _generalized_upper,
    _generalized_start,
    shapes={"shape": spaces.positive},
    quantile=Solved(_generalized_lower, _generalized_upper, jnp.sinh, -300.0, 300.0),
    information=_generalized_information,
    mean=_means.loc,
    kink=Kink("loc", _generalized_best, _generalized_on),
    chart=Chart(
        _generalized_ends,
        _generalized_contributions,
        _generalized_outward,
        _generalized_inward,
        (False, False, True),
        _generalized_limits,
    ),
    doc="""Generalized normal (exponential power): density shape exp(-|z|^shape) / (2 scale Gamma(1/shape)), z = (x - loc) / scale.

    Tails between Laplace (shape 1), normal (2) and uniform (infinity). Mean loc, variance scale^2 Gamma(3/shape) /
    Gamma(1/shape). Up to shape 1 the density has a kink at loc, and up to shape 2 its curvature there is unbounded; as shape
    -> 0 with loc on a row the likelihood has no bound for any data, so that a maximum, or a limit told, is a local one. A
    maximum up to shape 1 has loc on a row: standard errors come from the expected information, and up to shape 1/2, where
    that is infinite, it is told as a maximum at a data edge. A climb that leads to shape 0 is told as unbounded, or as the
    uniform limit where it began no higher.
    Box & Tiao 1973, *Bayesian Inference in Statistical Analysis*, section 3.2.""",
)
