"""Kappa distribution of four parameters (Hosking) of floods and rainfall, from generalized logistic to generalized Pareto.

Parameters: `loc`; `scale` > 0; `shape`, positive for heavy tails (SciPy's k with the other sign); `h`, 0 for generalized
extreme value, 1 for generalized Pareto, -1 for generalized logistic.

>>> from jaxmle import distributions
>>> round(float(distributions.kappa4.logpdf({"h": -0.3, "loc": 0.5, "scale": 2.0, "shape": 0.2}, 1.5)), 3)
-2.005
"""

import jax.numpy as jnp
from jax import Array

from jaxmle import spaces, special
from jaxmle.distributions.base.means import integral_over_positive
from jaxmle.distributions.base.overflow import below_overflow
from jaxmle.distributions.base.standard_form import LINE, from_standard_form
from jaxmle.distributions.base.types import Params
from jaxmle.distributions.extremes import range_chart
from jaxmle.distributions.extremes.gev import gev
from jaxmle.distributions.extremes.reduced_variate import reduced_variate, standard_value
from jaxmle.model.geometry import Chart, Coordinates, Geometry
from jaxmle.special.elementary import floating


def _hazard(params: Params, z: Array) -> tuple[Array, Array, Array]:
    """Compute which z are inside, the reduced variate y, and log(-log F) with F^h = 1 - h e^-y."""
    possible, y = reduced_variate(params, z)
    t = -params["h"] * jnp.exp(below_overflow(-y))
    inside = possible & (t > -1)
    y = jnp.where(inside, y, 1 + jnp.log(1 + jnp.abs(params["h"])))
    t = -params["h"] * jnp.exp(below_overflow(-y))
    return inside, y, jnp.log(special.log1p_ratio(t)) - y


def _logpdf(params: Params, z: Array) -> Array:
    inside, y, hazard = _hazard(params, z)
    value = (params["h"] - 1) * jnp.exp(below_overflow(hazard)) - (1 + params["shape"]) * y
    return jnp.where(inside, value, -jnp.inf)


def _is_above(params: Params, z: Array) -> Array:
    """Test z outside the support for lying above it."""
    return (params["shape"] < 0) & (params["shape"] * z <= -1)


def _logcdf(params: Params, z: Array) -> Array:
    inside, _, hazard = _hazard(params, z)
    return jnp.where(inside, -jnp.exp(below_overflow(hazard)), jnp.where(_is_above(params, z), 0.0, -jnp.inf))


def _logsf(params: Params, z: Array) -> Array:
    inside, _, hazard = _hazard(params, z)
    value = special.log1mexpexp(below_overflow(hazard))
    return jnp.where(inside, value, jnp.where(_is_above(params, z), -jnp.inf, 0.0))


def _minus_log_power(h: Array, s: Array) -> Array:
    """Compute y where -log F is s: -log((1 - e^(-h s)) / h)."""
    return -jnp.log(s) - jnp.log(special.expm1_ratio(-h * s))


def _quantile(params: Params, q: Array) -> Array:
    h, low = params["h"], q == 0
    s = -jnp.log(jnp.where(low, 0.5, q))
    s = jnp.where(q == 1, 0.0, s)
    least = jnp.where(h > 0, jnp.log(jnp.where(h > 0, h, 1)), -jnp.inf)
    return standard_value(params, jnp.where(low, least, _minus_log_power(h, s)))


def _start(x: Array, weights: Array) -> dict[str, Array]:
    at = gev.start(x, weights)
    return {"h": jnp.zeros_like(at["loc"]), **at}


def _chart_terms(v: Coordinates, ends: range_chart.Ends) -> tuple[Array, Array]:
    """Compute from chart coordinates v: h e^-y of the least row, which is below 1, and y there."""
    return -jnp.expm1(-v["h"]), range_chart.reduced_rows(v, ends[0], ends)[2]


def _contributions(v: Coordinates, x: Array, ends: range_chart.Ends) -> Array:
    """Compute the log-likelihood, with -log(1 - h e^-y) of the least row for h: every row is possible then.

    Where that coordinate grows the lower end closes on the least row, and for h > 1 there is no bound.
    """
    inside, shape, y = range_chart.reduced_rows(v, x, ends)
    share, least = _chart_terms(v, ends)
    ahead = jnp.where(inside, y - least, 0)
    t = -share * jnp.exp(-ahead)
    close = t < -0.5
    rest = jnp.exp(-v["h"]) - share * jnp.expm1(-ahead)  # 1 + t, without the difference
    log = jnp.log(jnp.where(close, rest, 1)) / jnp.where(close, t, 1)
    ratio = jnp.where(close, log, special.log1p_ratio(jnp.where(close, 0, t)))
    log_scale = v["scale"] - shape * v["loc"]
    value = -(t + jnp.exp(below_overflow(-y))) * ratio - (1 + shape) * y - log_scale
    return jnp.where(inside, value, -jnp.inf)


def _outward(v: Coordinates, ends: range_chart.Ends) -> dict[str, Array]:
    share, least = _chart_terms(v, ends)
    return {"h": share * jnp.exp(least), **range_chart.outward(v, ends)}


def _inward(u: Coordinates, ends: range_chart.Ends) -> dict[str, Array]:
    v = range_chart.inward(u, ends)
    least = range_chart.reduced_rows(v, ends[0], ends)[2]
    return {"h": -jnp.log1p(-jnp.minimum(u["h"] * jnp.exp(-least), 1 - 1e-6)), **v}


_CHART = Chart(range_chart.ends, _contributions, _outward, _inward, (True, False, True, True))


def _is_regular(params: Params) -> Array:
    """Test params for a density that vanishes fast enough at both ends (Smith 1985, *Biometrika* 72, 67-90)."""
    h, shape = params["h"], params["shape"]
    return (shape > -0.5) & (h < 0.5) & (h * shape > -0.5)


def _mean(p: Params) -> Array:
    h, shape = floating(p["h"]), floating(p["shape"])
    fine = (shape < 1) & ((h >= 0) | (h * shape < 1))
    at = {"h": jnp.where(fine, h, 0), "shape": jnp.where(fine, shape, 0)}
    z = integral_over_positive(lambda s: standard_value(at, _minus_log_power(at["h"], s)) * jnp.exp(-s))
    return p["loc"] + p["scale"] * jnp.where(fine, z, jnp.nan)


kappa4 = from_standard_form(
    LINE,
    "kappa4",
    logpdf=_logpdf,
    logcdf=_logcdf,
    logsf=_logsf,
    start=_start,
    shapes={"h": spaces.real, "shape": spaces.real},
    quantile=_quantile,
    mean=_mean,
    geometry=Geometry(regular=_is_regular, chart=_CHART),
    doc="""Kappa of four parameters: distribution function (1 - h e^-y)^(1/h), y = log(1 + shape z) / shape, z = (x - loc) / scale.

    Floods, rainfall, flows of low water: h = 0 is generalized extreme value, 1 generalized Pareto, -1 generalized
    logistic; shape 0 Gumbel-like. An upper end for shape < 0, a lower one for h > 0, or for h <= 0 and shape > 0. No regular
    standard errors for shape <= -1/2, h >= 1/2 or h shape <= -1/2. The likelihood has no
    bound for h > 1 or shape < -1, where samples of few rows lead (most of 10, few of 100). The mean, for shape < 1, by an
    integral. The shape is SciPy's -k. Hosking 1994, *IBM Journal of Research and Development* 38, 251-258.""",
)
