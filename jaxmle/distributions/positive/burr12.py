"""Burr XII (Singh-Maddala) distribution of incomes, claims and floods.

Parameters: `scale` > 0; `shape1` > 0, the exponent at 0; `shape2` > 0, by which the tail exponent is `shape1` `shape2`.

>>> from jaxmle import distributions
>>> round(float(distributions.burr12.logpdf({"scale": 3.0, "shape1": 2.2, "shape2": 1.4}, 3.0)), 3)
-1.637
"""

import jax
import jax.numpy as jnp
from jax import Array

from jaxmle import spaces, special
from jaxmle.distributions.base.means import where_finite
from jaxmle.distributions.base.overflow import LARGEST_LOG
from jaxmle.distributions.base.standard_form import LOG, from_standard_form
from jaxmle.distributions.base.support import is_positive
from jaxmle.distributions.base.types import Params
from jaxmle.distributions.positive.log_logistic import log_logistic
from jaxmle.distributions.positive.power_limits import gumbel_maximum, log_end, log_rows
from jaxmle.model.geometry import Chart, Coordinates, Geometry
from jaxmle.special.elementary import floating


def _cumulative_hazard(params: Params, v: Array) -> tuple[Array, Array]:
    """Compute log(1 + z^shape1), and its logarithm."""
    w = params["shape1"] * v
    far = w < -36
    soft = jnp.logaddexp(jnp.where(far, 0, w), 0)
    return jnp.where(far, jnp.exp(jnp.minimum(w, 0)), soft), jnp.where(far, w, jnp.log(soft))


def _logpdf(params: Params, v: Array) -> Array:
    w = params["shape1"] * v
    total = jnp.logaddexp(w, 0)
    return jnp.log(params["shape1"]) + jnp.log(params["shape2"]) + w - (params["shape2"] + 1) * total


def _start(x: Array, weights: Array) -> dict[str, Array]:
    at = log_logistic.start(x, weights)
    return {"scale": at["scale"], "shape1": at["shape"], "shape2": jnp.ones_like(at["shape"])}


def _chart_terms(v: Coordinates) -> tuple[Array, Array, Array]:
    """Compute terms of the log-likelihood from chart coordinates v.

    log shape2, log shape1, and how far from the least row to the mean of log x the place lies that v of scale refers to.
    """
    size = jnp.clip(v["shape2"], -LARGEST_LOG, LARGEST_LOG)
    return size, v["shape1"] + jax.nn.softplus(-2 - size), jax.nn.log_sigmoid(2 * size + 4)


def _contributions(v: Coordinates, x: Array, anchor: tuple[Array, Array]) -> Array:
    """Compute the log-likelihood in log shape2, log(shape1 shape2 / (shape2 + e^-2)) and log(shape2 z^shape1) at a place.

    All keep finite but the first. For shape2 -> infinity the distribution is Weibull, of shape shape1; the place is
    the mean of log x. For shape2 -> 0 it is Pareto from the least row on, the place, of shape shape1 shape2. With
    w = shape1 log z there, e^-w + n shape2 w is lost of that limit: least where w is -log(n shape2).
    """
    inside, (size, steep, share), (least, mean) = is_positive(x), _chart_terms(v), anchor
    y = log_rows(x, inside)
    w = v["scale"] - size - mean * jnp.exp(steep + share) + jnp.exp(steep) * jnp.where(inside, y - least, 0)
    value = size + steep - jax.nn.softplus(-w) - jnp.exp(size) * jax.nn.softplus(w) - y
    return jnp.where(inside, value, -jnp.inf)


def _outward(v: Coordinates, anchor: tuple[Array, Array]) -> dict[str, Array]:
    size, steep, share = _chart_terms(v)
    scale = anchor[0] + anchor[1] * jnp.exp(share) - (v["scale"] - size) * jnp.exp(-steep)
    shape1 = v["shape1"] + jax.nn.softplus(-2 - v["shape2"])
    return {"scale": jnp.where(v["shape2"] > LARGEST_LOG, jnp.inf, scale), "shape1": shape1, "shape2": v["shape2"]}


def _inward(u: Coordinates, anchor: tuple[Array, Array]) -> dict[str, Array]:
    size, _, share = _chart_terms(u)
    w = jnp.exp(u["shape1"]) * (anchor[0] + anchor[1] * jnp.exp(share) - u["scale"])
    return {"scale": w + size, "shape1": u["shape1"] - jax.nn.softplus(-2 - size), "shape2": u["shape2"]}


def _limits(x: Array, weights: Array, anchor: tuple[Array, Array]) -> list[dict[str, Array]]:
    """List the suprema at infinity: Pareto and Weibull."""
    least, mean = anchor
    a, b = gumbel_maximum(log_rows(x, is_positive(x)), weights)
    pareto = {"scale": 0 * mean, "shape1": 2 - jnp.log(mean), "shape2": -jnp.inf + 0 * mean}
    return [pareto, {"scale": a * (least + mean) - b, "shape1": jnp.log(a), "shape2": jnp.inf + 0 * mean}]


def _mean(p: Params) -> Array:
    c, d = floating(p["shape1"]), floating(p["shape2"])
    return p["scale"] * where_finite(c * d > 1, lambda c, d: d * jnp.exp(special.betaln(d - 1 / c, 1 + 1 / c)), c, d)


burr12 = from_standard_form(
    LOG,
    "burr12",
    logpdf=_logpdf,
    logcdf=lambda p, v: special.log1mexpexp(jnp.log(p["shape2"]) + _cumulative_hazard(p, v)[1]),
    logsf=lambda p, v: -p["shape2"] * _cumulative_hazard(p, v)[0],
    start=_start,
    shapes={"shape1": spaces.positive, "shape2": spaces.positive},
    quantile=lambda p, q: jnp.log(jnp.expm1(-jnp.log1p(-q) / p["shape2"])) / p["shape1"],
    mean=_mean,
    geometry=Geometry(
        chart=Chart(
            lambda x, weights: log_end(x, weights, 0),
            _contributions,
            _outward,
            _inward,
            (True, True, True),
            _limits,
        )
    ),
    doc="""Burr XII (Singh-Maddala): survival (1 + z^shape1)^(-shape2), z = x / scale > 0.

    Incomes, claims, floods; shape2 = 1 is log-logistic, shape1 = 1 Lomax, shape2 -> infinity Weibull, where the maximum may
    lie. Shape2 -> 0 is Pareto from the least x on, in small samples often above any maximum. Mean scale
    Gamma(shape2 - 1/shape1) Gamma(1 + 1/shape1) / Gamma(shape2) for shape1 shape2 > 1.
    Kleiber & Kotz 2003, *Statistical Size Distributions in Economics and Actuarial Sciences*, section 6.2.""",
)
