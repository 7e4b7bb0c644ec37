"""Asymmetric Laplace distribution of quantile regression and financial returns.

Parameters: `loc`, the mode; `scale` > 0; `asymmetry` > 0, 1 where symmetric, above 1 for the longer tail on the left.

>>> from jaxmle import distributions
>>> round(float(distributions.asymmetric_laplace.logpdf({"asymmetry": 1.6, "loc": 0.5, "scale": 2.0}, 1.5)), 3)
-2.293
"""

import jax.numpy as jnp
from jax import Array

from jaxmle import spaces, special
from jaxmle.distributions.base import weighted_moments
from jaxmle.distributions.base.information import information_matrix
from jaxmle.distributions.base.standard_form import LINE, from_standard_form
from jaxmle.distributions.base.types import Params
from jaxmle.model.geometry import Geometry

_LARGEST_LOG_ASYMMETRY = 200.0
"The logarithm of an asymmetry that is as good as infinite."


def _logpdf(params: Params, z: Array) -> Array:
    k = params["asymmetry"]
    return -jnp.log(k + 1 / k) + jnp.where(z < 0, z / k, -k * z)


def _logcdf(params: Params, z: Array) -> Array:
    k = params["asymmetry"]
    right = -jnp.log1p(k * k) - k * jnp.where(z < 0, 0, z)
    left = -jnp.log1p(k**-2.0) + jnp.where(z < 0, z, 0) / k
    return jnp.where(z < 0, left, special.log1mexp(right))


def _logsf(params: Params, z: Array) -> Array:
    return _logcdf({"asymmetry": 1 / params["asymmetry"]}, -z)


def _quantile(params: Params, q: Array) -> Array:
    k = params["asymmetry"]
    left = k * (jnp.log(q) + jnp.log1p(k**-2.0))
    right = -(jnp.log1p(-q) + jnp.log1p(k * k)) / k
    return jnp.where(q * (1 + k**-2.0) < 1, left, right)


def _maximum(x: Array, weights: Array) -> dict[str, Array]:
    # The location is the row where sqrt(a) + sqrt(b) is least, a and b the mean distances to its right and left
    # (Kotz, Kozubowski & Podgorski 2001, section 3.5, with the other two parameters profiled out).
    x, weights = weighted_moments.usable_rows(x, weights, True)
    center, size = weighted_moments.location_scale(x, weights)
    x, weights = weighted_moments.in_order(x, weights)
    z = jnp.where(weights > 0, (x - center) / size, 0)
    share = weights / jnp.where(jnp.sum(weights) > 0, jnp.sum(weights), 1)
    left = z * jnp.cumsum(share) - jnp.cumsum(share * z)
    right = left - z + jnp.sum(share * z)
    rounding = 1e-13 if z.dtype == jnp.float64 else 1e-5
    left, right = (jnp.where(side > rounding, side, 0) for side in (left, right))
    value = jnp.where(weights > 0, jnp.sqrt(left) + jnp.sqrt(right), jnp.inf)
    loc = weighted_moments.least_of(x, value == jnp.min(value))
    a, b = (jnp.max(jnp.where((weights > 0) & (x == loc), side, 0)) for side in (right, left))
    # At an outermost row one side is empty: the limit is an exponential distribution from there.
    ratio = jnp.sqrt(jnp.sqrt(jnp.where((a > 0) & (b > 0), b, 1) / jnp.where((a > 0) & (b > 0), a, 1)))
    edge = jnp.where(
        (a > 0) & (b == 0), -_LARGEST_LOG_ASYMMETRY, jnp.where((a == 0) & (b > 0), _LARGEST_LOG_ASYMMETRY, 0.0)
    )
    asymmetry = (ratio * jnp.exp(edge)).astype(z.dtype)
    return {"asymmetry": asymmetry, "loc": loc, "scale": _scale(a, b, asymmetry) * size}


def _scale(a: Array, b: Array, asymmetry: Array) -> Array:
    return (jnp.sqrt(a) + jnp.sqrt(b)) ** 2 / (asymmetry + 1 / asymmetry)


def _start(x: Array, weights: Array) -> dict[str, Array]:
    at = _maximum(x, weights)
    _, spread = weighted_moments.location_scale(*weighted_moments.usable_rows(x, weights, True))
    k = at["asymmetry"]
    near = jnp.clip(k, 1e-3, 1e3)
    scale = at["scale"] * (k + 1 / k) / (near + 1 / near)
    return {
        "asymmetry": near,
        "loc": at["loc"],
        "scale": weighted_moments.legal_positive(jnp.where(scale > 0, scale, spread)),
    }


def _information(params: Params, x: Array) -> Array:
    k, scale = params["asymmetry"], params["scale"]
    square = 1 + k * k
    kk = (1 + 4 * k**2 - k**4) / (k * square) ** 2 + 2 / square
    loc, cross = -2 / (square * scale), (k * k - 1) / (k * square * scale)
    unit = scale**-2.0
    return information_matrix(x, [[kk, loc, cross], [loc, unit, 0.0], [cross, 0.0, unit]])


def _mean(p: Params) -> Array:
    return p["loc"] + p["scale"] * (1 / p["asymmetry"] - p["asymmetry"])


asymmetric_laplace = from_standard_form(
    LINE,
    "asymmetric_laplace",
    logpdf=_logpdf,
    logcdf=_logcdf,
    logsf=_logsf,
    start=_start,
    shapes={"asymmetry": spaces.positive},
    quantile=_quantile,
    mean=_mean,
    geometry=Geometry(maximum=_maximum, information=_information, regularity="kinked"),
    doc="""Asymmetric Laplace: density exp(-k z) for z >= 0 and exp(z / k) for z < 0, over scale (k + 1/k), z = (x - loc) / scale.

    k = asymmetry; loc is the k^2 / (1 + k^2) quantile: quantile regression, financial returns. Mean loc + scale (1/k - k).
    The maximum is found among the rows; standard errors come from the expected information. Where it is the least or the
    greatest row it is not attained: asymmetry -> 0 or infinity with scale -> 0, an exponential distribution from that row on.
    Kotz, Kozubowski & Podgorski 2001, *The Laplace Distribution and Generalizations*, chapter 3.""",
)
