"""Generalized Pareto distribution of excesses over a high threshold.

Parameters: `scale` > 0; `shape`, positive for heavy tails, negative for an upper end.

>>> from jaxmle import distributions
>>> round(float(distributions.gpd.logpdf({"scale": 2.0, "shape": 0.25}, 3.0)), 3)
-2.285
"""

import jax.numpy as jnp
from jax import Array

from jaxmle import spaces, special
from jaxmle.distributions.base import weighted_moments
from jaxmle.distributions.base.information import information_matrix
from jaxmle.distributions.base.means import where_finite
from jaxmle.distributions.base.standard_form import RATIO, from_standard_form
from jaxmle.distributions.base.support import is_nonnegative
from jaxmle.distributions.base.types import Params
from jaxmle.distributions.extremes.reduced_variate import is_regular, reduced_variate, standard_value
from jaxmle.model.geometry import Chart, Coordinates, Geometry
from jaxmle.special.elementary import floating


def _logpdf(params: Params, z: Array) -> Array:
    inside, y = reduced_variate(params, z)
    return jnp.where(inside, -(1 + params["shape"]) * y, -jnp.inf)


def _logcdf(params: Params, z: Array) -> Array:
    inside, y = reduced_variate(params, z)
    inside, zero = inside & (z > 0), z <= 0
    value = special.log1mexpexp(jnp.log(jnp.where(inside, y, 1)))
    return jnp.where(inside, value, jnp.where(zero, -jnp.inf, 0.0))


def _logsf(params: Params, z: Array) -> Array:
    inside, y = reduced_variate(params, z)
    return jnp.where(inside, -y, -jnp.inf)


def _start(x: Array, weights: Array) -> dict[str, Array]:
    # Moments (Hosking & Wallis 1987, Technometrics 29, 339-349), with every row possible.
    x, weights = weighted_moments.usable_rows(x, weights, is_nonnegative(x))
    center = weighted_moments.positive_mean(x, weights)
    y = jnp.where(weights > 0, x / center, 1)
    ratio = 1 / jnp.maximum(weighted_moments.mean((y - 1) ** 2, weights), 1e-6)
    shape = jnp.clip(0.5 * (1 - ratio), -0.4, 0.4)
    scale = 1 - shape
    shape = jnp.maximum(shape, -0.9 * scale / jnp.maximum(jnp.max(y), 1))
    return {"scale": weighted_moments.legal_positive(scale * center), "shape": shape}


def _contributions(v: Coordinates, x: Array, top: Array) -> Array:
    # 1 + shape z is 1 + (e^v - 1) x / top: positive up to the greatest row for any v.
    inside = is_nonnegative(x)
    z = jnp.where(inside, x, 0) * jnp.exp(-v["scale"])
    r, rest = jnp.where(inside, x / top, 0), jnp.where(inside, (top - x) / top, 1)
    near = v["shape"] > -1
    t = jnp.expm1(jnp.where(near, v["shape"], 0)) * r
    low = jnp.where(near, -1, v["shape"])
    ends = jnp.log(rest + r * jnp.exp(low))
    shape = _shape(v, top)
    y = jnp.where(near, z * special.log1p_ratio(t), ends / jnp.where(near, 1, shape))
    return jnp.where(inside, -v["scale"] - (1 + shape) * y, -jnp.inf)


def _shape(v: Coordinates, top: Array) -> Array:
    return jnp.expm1(v["shape"]) * jnp.exp(v["scale"]) / top


def _inward(u: Coordinates, top: Array) -> dict[str, Array]:
    t = u["shape"] * top * jnp.exp(-u["scale"])
    return {"scale": u["scale"], "shape": jnp.log1p(jnp.maximum(t, -0.9999))}


def _greatest(x: Array, weights: Array) -> Array:
    top = jnp.max(jnp.where(is_nonnegative(x), x, 0))
    return jnp.where(top > 0, top, 1)


_CHART = Chart(
    _greatest,
    _contributions,
    lambda v, top: {"scale": v["scale"], "shape": _shape(v, top)},
    _inward,
    (True, True),
)


def _information(params: Params, x: Array) -> Array:
    # Smith 1984; only for shape > -1/2.
    k, scale = params["shape"], params["scale"]
    unit = 1 / jnp.where(k > -0.5, 1 + 2 * k, jnp.nan)
    cross = unit / ((1 + k) * scale)
    return information_matrix(x, [[unit / scale**2, cross], [cross, 2 * unit / (1 + k)]])


def _mean(p: Params) -> Array:
    return p["scale"] * where_finite(p["shape"] < 1, lambda a: 1 / (1 - a), floating(p["shape"]))


gpd = from_standard_form(
    RATIO,
    "gpd",
    logpdf=_logpdf,
    logcdf=_logcdf,
    logsf=_logsf,
    start=_start,
    shapes={"shape": spaces.real},
    quantile=lambda p, q: standard_value(p, -jnp.log1p(-q)),
    mean=_mean,
    geometry=Geometry(information=_information, regular=is_regular, chart=_CHART),
    doc="""Generalized Pareto: density (1 + shape x / scale)^(-1/shape - 1) / scale, x >= 0, 1 + shape x / scale > 0.

    Excesses over a high threshold: shape > 0 heavy-tailed, 0 exponential, < 0 with an upper end at -scale / shape. Mean
    scale / (1 - shape) for shape < 1. No regular standard errors for shape <= -1/2, and an unbounded likelihood below
    -1 (Smith 1985, *Biometrika* 72, 67-90). Coles 2001, chapter 4.""",
)
