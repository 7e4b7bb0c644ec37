"""Pearson III distribution (gamma with a threshold) of floods, skewed to either side.

Parameters: `loc`, the mean; `scale` > 0, the standard deviation; `skew`, the skewness, 0 where normal.

>>> from jaxmle import distributions
>>> round(float(distributions.pearson3.logpdf({"loc": 0.5, "scale": 2.0, "skew": 0.8}, 1.5)), 3)
-1.918
"""

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from jaxmle import spaces, special
from jaxmle.distributions.base import means, weighted_moments
from jaxmle.distributions.base.constants import HALF_LOG_2PI
from jaxmle.distributions.base.standard_form import LINE, from_standard_form
from jaxmle.distributions.base.types import Params, Shape
from jaxmle.distributions.extremes import range_chart
from jaxmle.model.geometry import Chart, Coordinates, Geometry
from jaxmle.special.elementary import atanh_rest, expm1_rest, hazard
from jaxmle.special.gamma import stirling

_NEARLY_NORMAL = 3e-4
"A |skew| / 2 below which distribution function and quantile follow from the normal ones: the shape is above 1e7."


def _constant(k: Array) -> Array:
    """Compute log(shape^(shape - 1/2) e^-shape / Gamma(shape)), shape = k^-2, smooth at k = 0, where the normal is."""
    square = k * k
    near = square < 0.12
    shape = 1 / jnp.where(near, 1, square)
    far = special.gamma_excess(shape) - 0.5 * jnp.log(shape)
    return jnp.where(near, -HALF_LOG_2PI - stirling(jnp.where(near, square, 0.1)), far)


def _from_end(params: Params, z: Array) -> tuple[Array, Array, Array]:
    """Compute k = skew / 2, which z are inside, and there d = k z, the gamma variable over its shape less 1."""
    k = 0.5 * params["skew"]
    inside = k * z > -1
    return k, inside, jnp.where(inside, k * z, 0)


def _half_square(d: Array) -> Array:
    """Evaluate (d - log(1 + d)) / d^2, smooth at 0, where it is 1/2."""
    near = jnp.abs(d) < 0.4
    s = jnp.where(near, d, 0)
    u = s / (2 + s)
    far = jnp.where(near, 1, d)
    # d - log(1 + d) = d u - 2 u^3 rest(u^2), u = d / (2 + d)
    return jnp.where(near, 1 / (2 + s) - 2 * u / (2 + s) ** 2 * atanh_rest(u * u), (far - jnp.log1p(far)) / far**2)


def _logpdf(params: Params, z: Array) -> Array:
    k, inside, d = _from_end(params, z)
    z = jnp.where(inside, z, 0)
    return jnp.where(inside, _constant(k) - z * z * _half_square(d) - jnp.log1p(d), -jnp.inf)


def _tail(params: Params, z: Array, upper: bool) -> Array:
    """Compute the logarithm of a tail: of the gamma variable, or near the normal from Temme's expansion.

    Of P(shape, shape (1 + d)): Phi(y) - k c(d) phi(y), y^2 / 2 = shape (d - log(1 + d)), c = 1 / d - sqrt(shape) / y, but for
    terms of 1 / shape (Temme 1979, *SIAM J. Math. Anal.* 10, 757-766).
    """
    k, inside, d = _from_end(params, z)
    z = jnp.where(inside, z, 0)
    normal = jnp.abs(k) < _NEARLY_NORMAL
    s = jnp.clip(jnp.where(normal, d, 0), -0.3, 0.3)
    u = s / (2 + s)
    # With g^2 = 2 (d - log(1 + d)) / d^2: y = z g, and c = (g - 1) / (d g), where (g^2 - 1) / d has no difference.
    g = jnp.sqrt(2 * _half_square(s))
    over_d = (-1 / (2 + s) - 4 / (2 + s) ** 3 * atanh_rest(u * u)) / (1 + g)
    y = (-z if upper else z) * g
    close = special.log_ndtr(y) + jnp.log1p(jnp.maximum((k if upper else -k) * over_d / g * hazard(y), -0.5))
    away = jnp.where(normal, 1, k)
    shape = away**-2.0
    ratio = shape * jnp.where(normal, 1, 1 + d)
    low, high = special.log_gammainc(shape, ratio), special.log_gammaincc(shape, ratio)
    far = jnp.where((away < 0) ^ upper, high, low)
    past = jnp.where((k < 0) ^ upper, 0.0, -jnp.inf)  # outside
    return jnp.where(inside, jnp.where(normal, close, far), past)


def _logcdf(params: Params, z: Array) -> Array:
    return _tail(params, z, False)


def _logsf(params: Params, z: Array) -> Array:
    return _tail(params, z, True)


def _quantile(params: Params, q: Array) -> Array:
    k = 0.5 * params["skew"]
    k, q = jnp.broadcast_arrays(k, q)
    normal = jnp.abs(k) < _NEARLY_NORMAL
    away = jnp.where(normal, 1, k)
    shape = away**-2.0
    ratio = jnp.where(away > 0, special.gammaincinv(shape, q), special.gammainccinv(shape, q)) / shape
    far = (ratio - 1) / away
    # Cornish and Fisher's expansion, then two of Newton's steps in the logarithm of the smaller tail.
    inside = (q > 0) & (q < 1)
    y = jax.scipy.special.ndtri(jnp.where(inside, q, 0.5))
    near = {"skew": jnp.where(normal, 2 * k, 0)}
    z = y + jnp.where(normal, k, 0) * (y * y - 1) / 3
    low = q < 0.5
    level = jnp.where(low, jnp.log(jnp.where(inside, q, 0.5)), jnp.log1p(-jnp.where(inside, q, 0.5)))
    for _ in range(2):
        tail = jnp.where(low, _logcdf(near, z), _logsf(near, z))
        slope = jnp.exp(_logpdf(near, z) - tail)
        z = z - (tail - level) / jnp.where(low, slope, -slope)
    z = jnp.where(inside, z, jnp.where(q == 0, -jnp.inf, jnp.where(q == 1, jnp.inf, jnp.nan)))
    return jnp.where(normal, z, far)


def _draw(key: Array, params: Params, shape: Shape, dtype: DTypeLike) -> Array:
    k = jnp.broadcast_to(jnp.asarray(0.5 * params["skew"], dtype), shape)
    first, second = jax.random.split(key)
    normal = jnp.abs(k) < _NEARLY_NORMAL
    a = jnp.where(normal, 1, k) ** -2.0
    d = jnp.expm1(jax.random.loggamma(first, a, shape, dtype) - jnp.log(a))
    y = jax.random.normal(second, shape, dtype)
    return jnp.where(normal, y + k * (y * y - 1) / 3, d / jnp.where(normal, 1, k))


def _start(x: Array, weights: Array) -> dict[str, Array]:
    # Moments, with less skewness where a row would be impossible.
    x, weights = weighted_moments.usable_rows(x, weights, True)
    loc, scale = weighted_moments.location_scale(x, weights)
    skew = jnp.clip(weighted_moments.skewness(x, weights), -1.2, 1.2)
    z = jnp.where(weights > 0, (x - loc) / scale, 0)
    skew = jnp.clip(skew, -1.8 / jnp.maximum(jnp.max(z), 1e-3), 1.8 / jnp.maximum(-jnp.min(z), 1e-3))
    return {"loc": loc, "scale": scale, "skew": skew}


def _contributions(v: Coordinates, x: Array, ends: range_chart.Ends) -> Array:
    """Compute the log-likelihood, with k = skew / 2 for the shape of the chart.

    e^(k y) is the gamma variable over its shape, so that shape (e^(k y) - 1 - k y) is y^2 expm1_rest(k y).
    """
    inside, k, y = range_chart.reduced_rows({**v, "shape": v["skew"]}, x, ends)
    log_scale = v["scale"] - k * v["loc"]
    return jnp.where(inside, _constant(k) - y * y * expm1_rest(k * y) - k * y - log_scale, -jnp.inf)


def _outward(v: Coordinates, ends: range_chart.Ends) -> dict[str, Array]:
    u = range_chart.outward({"loc": v["loc"], "scale": v["scale"], "shape": v["skew"]}, ends)
    return {"loc": u["loc"], "scale": u["scale"], "skew": 2 * u["shape"]}


def _inward(u: Coordinates, ends: range_chart.Ends) -> dict[str, Array]:
    v = range_chart.inward({"loc": u["loc"], "scale": u["scale"], "shape": 0.5 * u["skew"]}, ends)
    return {"loc": v["loc"], "scale": v["scale"], "skew": v["shape"]}


def _is_regular(params: Params) -> Array:
    """Test params for regular standard errors, shape > 2 (Smith 1985, *Biometrika* 72, 67-90)."""
    return params["skew"] ** 2 < 2


pearson3 = from_standard_form(
    LINE,
    "pearson3",
    logpdf=_logpdf,
    logcdf=_logcdf,
    logsf=_logsf,
    start=_start,
    shapes={"skew": spaces.real},
    quantile=_quantile,
    draw=_draw,
    mean=means.loc,
    geometry=Geometry(
        regular=_is_regular, chart=Chart(range_chart.ends, _contributions, _outward, _inward, (False, True, True))
    ),
    doc="""Pearson III: (1 + skew z / 2) shape is standard gamma of shape 4 / skew^2, z = (x - loc) / scale; normal for skew 0.

    Floods, and gamma data with a threshold, at loc - 2 scale / skew: of three parameters. Mean loc, variance scale^2,
    skewness skew. No regular standard errors for skew^2 >= 2, and an unbounded likelihood above 4, where half
    of the samples of 10 rows lead. The exponential of it is
    log-Pearson III, the hydrologists'. Johnson, Kotz & Balakrishnan, *Continuous Univariate Distributions* 1, section 17.2;
    Bobee & Ashkar 1991, *The Gamma Family and Derived Distributions Applied in Hydrology*.""",
)
