"""Exponentiated Weibull distribution of lifetimes with a bathtub-shaped or unimodal hazard.

Parameters: `scale` > 0 and `shape` > 0 of a Weibull distribution; `power` > 0, to which its distribution function is raised.

>>> from jaxmle import distributions
>>> round(float(distributions.exponentiated_weibull.logpdf({"power": 1.8, "scale": 3.0, "shape": 1.3}, 3.0)), 3)
-1.615
"""

import jax
import jax.numpy as jnp
from jax import Array

from jaxmle import spaces, special
from jaxmle.distributions.base.means import integral_over_positive
from jaxmle.distributions.base.overflow import LARGEST_LOG, below_overflow
from jaxmle.distributions.base.standard_form import LOG, from_standard_form
from jaxmle.distributions.base.support import is_positive
from jaxmle.distributions.base.types import Params
from jaxmle.distributions.positive.power_limits import gumbel_maximum, log_end, log_rows
from jaxmle.distributions.positive.weibull import weibull
from jaxmle.model.geometry import Chart, Coordinates, Geometry
from jaxmle.special.elementary import floating


def _logpdf(params: Params, v: Array) -> Array:
    shape, power = params["shape"], params["power"]
    w = shape * v
    return jnp.log(shape) + jnp.log(power) + w - jnp.exp(w) + (power - 1) * special.log1mexpexp(below_overflow(w))


def _logcdf(params: Params, v: Array) -> Array:
    return params["power"] * special.log1mexpexp(below_overflow(params["shape"] * v))


def _logsf(params: Params, v: Array) -> Array:
    hazard = jnp.exp(below_overflow(params["shape"] * v))
    far = jnp.log(params["power"]) - hazard
    near = far > -40
    inside = near | (hazard < 40)
    whole = jnp.where(inside, _logcdf(params, jnp.where(inside, v, 0)), -1)
    return jnp.where(inside, special.log1mexp(jnp.minimum(whole, -float(jnp.finfo(whole.dtype).tiny))), far)


def _start(x: Array, weights: Array) -> dict[str, Array]:
    at = weibull.start(x, weights)
    return {"power": jnp.ones_like(at["shape"]), "scale": at["scale"], "shape": at["shape"]}


def _quantile(params: Params, q: Array) -> Array:
    return jnp.log(-special.log1mexp(jnp.log(q) / params["power"])) / params["shape"]


def _log_powers(size: Array) -> tuple[Array, Array]:
    """Compute log(power / q) and log power from size = log q, q = log(1 + power)."""
    q = jnp.exp(jnp.clip(size, -LARGEST_LOG, LARGEST_LOG))
    near = q < 1
    low, high = jnp.where(near, q, 0), jnp.where(near, 1, q)
    ratio = jnp.where(near, jnp.log(special.expm1_ratio(low)), high + special.log1mexp(-high) - jnp.log(high))
    return ratio, jnp.where(size > LARGEST_LOG, jnp.inf, ratio + size)


_LARGE = 40.0
"q where e^-q is below a unit in the last place."


def _contributions(v: Coordinates, x: Array, anchor: tuple[Array, Array]) -> Array:
    """Compute the log-likelihood in log q, log(shape q) and (1 + q) d; q = log(1 + power), d = log(z^shape / q) at the greatest row.

    All keep finite but the first. For power -> infinity the distribution is Frechet, of shape shape q: with d in any row, power
    exp(-z^shape) is (power / (1 + power)) e^-t, t = q (e^d - 1), and t tends to shape q log(x / Frechet's scale) as shape does
    to 0, in steps of 1 / log(power). For power -> 0 it is a power law up to the greatest row, of shape shape power.
    """
    inside, size = is_positive(x), jnp.clip(v["power"], -LARGEST_LOG, LARGEST_LOG)
    y, q = log_rows(x, inside), jnp.exp(size)
    back = jnp.where(inside, y - anchor[0], 0)
    d = v["scale"] * jax.nn.sigmoid(-size) + jnp.exp(v["shape"] - size) * back
    w = below_overflow(size + d)
    hazard, lower = jnp.exp(w), special.log1mexpexp(w)
    # Where power is no number to multiply with, and rows are not in the far lower tail, t comes first.
    near = q < _LARGE
    t = (v["scale"] * jax.nn.sigmoid(size) + jnp.exp(v["shape"]) * back) * special.expm1_ratio(
        jnp.where(near, 0, below_overflow(d))
    )
    rest = jnp.where(hazard < 1e-8, 0.5 * hazard, w - lower) - hazard
    slope = jnp.where(near, _log_powers(jnp.where(near, size, 0))[0] + rest, d - t - lower)
    direct = near | (hazard < 30)
    power = jnp.expm1(jnp.minimum(q, 700)) * jnp.where(direct, lower, 0)
    value = v["shape"] + slope + jnp.where(direct, power, -jnp.exp(below_overflow(-t))) - y
    return jnp.where(inside, value, -jnp.inf)


def _outward(v: Coordinates, anchor: tuple[Array, Array]) -> dict[str, Array]:
    size = jnp.clip(v["power"], -LARGEST_LOG, LARGEST_LOG)
    w = size + v["scale"] * jax.nn.sigmoid(-size)
    scale = jnp.where(v["power"] > LARGEST_LOG, -jnp.inf, anchor[0] - w * jnp.exp(size - v["shape"]))
    return {"power": _log_powers(v["power"])[1], "scale": scale, "shape": v["shape"] - v["power"]}


def _inward(u: Coordinates, anchor: tuple[Array, Array]) -> dict[str, Array]:
    tiny = u["power"] < -37
    size = jnp.where(tiny, u["power"], jnp.log(jax.nn.softplus(jnp.where(tiny, 0, u["power"]))))
    d = jnp.exp(u["shape"]) * (anchor[0] - u["scale"]) - size
    return {"power": size, "scale": d * (1 + jnp.exp(size)), "shape": u["shape"] + size}


def _limits(x: Array, weights: Array, anchor: tuple[Array, Array]) -> list[dict[str, Array]]:
    """List the suprema at infinity: a power law up to the greatest row, and Frechet."""
    top, mean = anchor
    a, b = gumbel_maximum(-log_rows(x, is_positive(x)), weights)
    power = {"power": -jnp.inf + 0 * mean, "scale": 0 * mean, "shape": -jnp.log(mean)}
    return [power, {"power": jnp.inf + 0 * mean, "scale": a * top + b, "shape": jnp.log(a)}]


def _mean(p: Params) -> Array:
    power, shape = floating(p["power"]), floating(p["shape"])
    moment = integral_over_positive(
        lambda s: jnp.exp(special.xlogy(1 / shape, s) + (power - 1) * special.log1mexp(-jnp.maximum(s, 1e-300)) - s)
    )
    return p["scale"] * power * moment


exponentiated_weibull = from_standard_form(
    LOG,
    "exponentiated_weibull",
    logpdf=_logpdf,
    logcdf=_logcdf,
    logsf=_logsf,
    start=_start,
    shapes={"power": spaces.positive, "shape": spaces.positive},
    quantile=_quantile,
    mean=_mean,
    geometry=Geometry(
        chart=Chart(
            log_end,
            _contributions,
            _outward,
            _inward,
            (True, False, True),
            _limits,
        )
    ),
    doc="""Exponentiated Weibull: distribution function (1 - exp(-z^shape))^power, z = x / scale > 0.

    Lifetimes with a bathtub or a hump in their hazard; power 1 is Weibull, a whole power the last of so many,
    power -> infinity Frechet. Power -> 0 is a power law up to the greatest x, in small samples often above any maximum.
    Mudholkar & Srivastava 1993, *IEEE Trans. Reliability* 42, 299-302.""",
)
