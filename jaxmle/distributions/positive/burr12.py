"""Burr XII (Singh-Maddala) distribution of incomes, claims and floods.

Parameters: `scale` > 0; `shape1` > 0, the exponent at 0; `shape2` > 0, by which the tail exponent is `shape1` `shape2`.

>>> from jaxmle import distributions
>>> round(float(distributions.burr12.logpdf({"scale": 3.0, "shape1": 2.2, "shape2": 1.4}, 3.0)), 3)
-1.637
"""

import jax.numpy as jnp
from jax import Array

from jaxmle import spaces, special
from jaxmle.distributions.base.means import where_finite
from jaxmle.distributions.base.standard_form import LOG, from_standard_form
from jaxmle.distributions.base.support import is_positive
from jaxmle.distributions.base.types import Params
from jaxmle.distributions.positive import burr_chart
from jaxmle.distributions.positive.log_logistic import log_logistic
from jaxmle.distributions.positive.power_limits import log_rows
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


def _anchor(x: Array, weights: Array) -> tuple[Array, Array]:
    inside = is_positive(x)
    return burr_chart.anchor(log_rows(x, inside), weights, inside)


def _contributions(v: Coordinates, x: Array, anchor: tuple[Array, Array]) -> Array:
    inside = is_positive(x)
    y = log_rows(x, inside)
    return jnp.where(inside, burr_chart.contributions(v, jnp.where(inside, y, anchor[0]), anchor) - y, -jnp.inf)


def _limits(x: Array, weights: Array, anchor: tuple[Array, Array]) -> list[dict[str, Array]]:
    return burr_chart.limits(log_rows(x, is_positive(x)), weights, anchor)


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
            _anchor,
            _contributions,
            burr_chart.outward,
            burr_chart.inward,
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
