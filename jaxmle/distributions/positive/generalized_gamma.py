"""Generalized gamma distribution of lifetimes, from Weibull and gamma to lognormal.

Parameters: `scale` > 0; `power` > 0 of z = x / scale; `shape` > 0 of the gamma variable z^power.

>>> from jaxmle import distributions
>>> round(float(distributions.generalized_gamma.logpdf({"power": 1.3, "scale": 3.0, "shape": 1.8}, 3.0)), 3)
-1.765
"""

import jax
import jax.numpy as jnp
from jax import Array

from jaxmle import spaces, special
from jaxmle.distributions.base import weighted_moments
from jaxmle.distributions.base.constants import HALF_LOG_2PI
from jaxmle.distributions.base.support import is_positive
from jaxmle.distributions.base.types import Params
from jaxmle.distributions.positive.gamma_power import from_gamma_power
from jaxmle.model.geometry import Chart, Coordinates, Geometry
from jaxmle.special.elementary import expm1_rest, floating
from jaxmle.special.gamma import stirling


def _start(x: Array, weights: Array) -> dict[str, Array]:
    # log x = log scale + log(gamma) / power: its skewness gives the shape, its spread the power.
    x, weights = weighted_moments.usable_rows(x, weights, is_positive(x))
    logs = jnp.log(jnp.where(weights > 0, x, 1))
    center, spread = weighted_moments.location_scale(logs, weights)
    skew = -jnp.clip(weighted_moments.skewness(logs, weights), -1.9, -0.2)
    shape = jnp.clip(1 / skew**2 + 0.3, 0.3, 30.0)
    power = jnp.sqrt(special.trigamma(shape)) / jnp.clip(spread, 1e-6, 1e6)
    scale = jnp.exp(jnp.clip(center - special.digamma(shape) / power, -700, 700))
    return {"power": power, "scale": weighted_moments.legal_positive(scale), "shape": shape}


def _prentice_terms(v: Coordinates, top: Array) -> tuple[Array, Array, Array, Array]:
    """Compute from chart coordinates v: log q, -log sigma, (top - mu) / sigma and power (top - mu).

    q = shape^(-1/2), sigma = q / power, and log x is mu + sigma log(gamma / shape) / q (Prentice 1974, *Biometrika* 61,
    539-544): lognormal for q = 0, through which all is smooth. Where q grows the end, at mu, closes on the greatest row:
    power shape and power (top - mu) keep finite.
    """
    log_q = -0.5 * v["shape"]
    rise = jax.nn.softplus(log_q)
    gap = jnp.exp(v["scale"] - rise)
    q_gap = jnp.exp(v["scale"]) * jax.nn.sigmoid(log_q)
    return log_q, v["power"] + rise, gap * special.log1p_ratio(q_gap), jnp.log1p(q_gap)


def _contributions(v: Coordinates, x: Array, top: Array) -> Array:
    log_q, narrow, gap, _ = _prentice_terms(v, top)
    inside, q = is_positive(x), jnp.exp(log_q)
    y = jnp.log(jnp.where(inside, x, 1))
    w = (y - top) * jnp.exp(narrow) + gap
    near = q < 0.35
    low, high = jnp.where(near, q, 0), jnp.where(near, 1, q)
    constant = jnp.where(near, -HALF_LOG_2PI - stirling(low * low), jnp.log(high) + special.gamma_excess(high**-2.0))
    return jnp.where(inside, constant - y + narrow - w * w * expm1_rest(q * w), -jnp.inf)


def _outward(v: Coordinates, top: Array) -> dict[str, Array]:
    log_q, narrow, _, ahead = _prentice_terms(v, top)
    power = narrow + log_q
    back = (ahead + v["shape"]) * jnp.exp(-power)
    return {"power": power, "scale": jnp.where(power > 700, top, top - back), "shape": v["shape"]}


def _inward(u: Coordinates, top: Array) -> dict[str, Array]:
    log_q = -0.5 * u["shape"]
    least = 1e-3 * jnp.exp(jnp.minimum(log_q, 0))
    ahead = jnp.maximum(jnp.exp(u["power"]) * (top - u["scale"]) - u["shape"], least)
    rise = jax.nn.softplus(log_q)
    gap = ahead + jnp.log(-jnp.expm1(-ahead))
    return {"power": u["power"] - log_q - rise, "scale": gap - log_q + rise, "shape": u["shape"]}


def _log_greatest(x: Array, weights: Array) -> Array:
    return jnp.log(jnp.max(jnp.where(is_positive(x), x, 1)))


_CHART = Chart(_log_greatest, _contributions, _outward, _inward, (True, True, True))


def _mean(p: Params) -> Array:
    shape = floating(p["shape"])
    return p["scale"] * jnp.exp(special.gammaln(shape + 1 / p["power"]) - special.gammaln(shape))


generalized_gamma = from_gamma_power(
    "generalized_gamma",
    lambda p: (p["shape"], p["power"], -jnp.log(p["shape"])),
    start=_start,
    shapes={"power": spaces.positive, "shape": spaces.positive},
    mean=_mean,
    geometry=Geometry(chart=_CHART),
    doc="""Generalized gamma: density power z^(power shape - 1) exp(-z^power) / (scale Gamma(shape)), z = x / scale > 0.

    Lifetimes: shape 1 is Weibull, power 1 gamma; shape -> infinity lognormal, where the maximum may lie. Mean scale
    Gamma(shape + 1/power) / Gamma(shape). Stacy 1962, *Ann. Math. Stat.* 33, 1187-1192.""",
)
