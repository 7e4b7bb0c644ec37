"""A law of durations raised to a power: Burr XII, whose survival is a log-logistic's, and the exponentiated Weibull.

With w = shape log(x / scale) and the power held, each log-likelihood is concave in w's slope and offset. It has two limits
in all samples, one as the power grows and one as it vanishes, and at most a few maxima between them. The second is a power
law whose end is an observation, and always a local supremum; the climb is charted through both.
"""

from typing import Any

import jax
import jax.numpy as jnp

from jaxmle import spaces, special
from jaxmle.distributions import _means, _moments
from jaxmle.distributions._distribution import is_positive
from jaxmle.distributions._durations import log_logistic
from jaxmle.distributions._extremes import held
from jaxmle.distributions._lifetimes import weibull
from jaxmle.distributions._standard import ENDLESS, LOG, law
from jaxmle.model.model import Chart


def _logs(x: Any, inside: Any) -> Any:
    return jnp.log(jnp.where(inside, x, 1))


def _log_end(x: Any, weights: Any, which: int) -> tuple[Any, Any]:
    """The least (0) or the greatest (1) of log x, and the mean distance of log x from there."""
    inside = is_positive(x)
    end = _moments.ends(_logs(x, inside), inside)[which]
    end = jnp.where(jnp.isfinite(end), end, 0)
    x, weights = _moments.usable(x, weights, inside)
    return end, _moments.mean(jnp.where(weights > 0, jnp.abs(_logs(x, weights > 0) - end), 0), weights)


def _gumbel(z: Any, weights: Any) -> tuple[Any, Any]:
    """Slope a and offset b of the maximum of a Gumbel law of minima: exp(a z - b) is standard exponential."""
    top = jnp.max(jnp.where(weights > 0, z, -jnp.inf))
    y = jnp.where(weights > 0, z - top, 0)
    centre, spread = _moments.location_scale(y, weights)

    def better(_: Any, a: Any) -> Any:
        e = weights * jnp.exp(a * y)
        mean = jnp.sum(e * y) / jnp.sum(e)
        slope = a * (centre - mean)
        curve = a**2 * jnp.sum(e * (y - mean) ** 2) / jnp.sum(e) - slope
        return a * jnp.exp(jnp.clip((1 + slope) / curve, -1, 1))

    a = jax.lax.fori_loop(0, 12, better, 1 / spread)  # in log a; 8 were the most that any of 1600 samples needed
    return a, jnp.log(_moments.mean(jnp.exp(a * y), weights)) + a * top


# --- Burr XII --------------------------------------------------------------------------------------------


def _burr_hazard(params: Any, v: Any) -> Any:
    """log(1 + z^shape1), and its logarithm."""
    w = params["shape1"] * v
    far = w < -36
    soft = jnp.logaddexp(jnp.where(far, 0, w), 0)
    return jnp.where(far, jnp.exp(jnp.minimum(w, 0)), soft), jnp.where(far, w, jnp.log(soft))


def _burr_logpdf(params: Any, v: Any) -> Any:
    w = params["shape1"] * v
    total = jnp.logaddexp(w, 0)
    return jnp.log(params["shape1"]) + jnp.log(params["shape2"]) + w - (params["shape2"] + 1) * total


def _burr_start(x: Any, weights: Any) -> Any:
    at = log_logistic.start(x, weights)
    return {"scale": at["scale"], "shape1": at["shape"], "shape2": jnp.ones_like(at["shape"])}


def _burr_at(v: Any) -> tuple[Any, Any, Any]:
    """log shape2, log shape1, and how far from the least row to the mean of log x the place is that the third hangs on."""
    size = jnp.clip(v["shape2"], -ENDLESS, ENDLESS)
    return size, v["shape1"] + jax.nn.softplus(-2 - size), jax.nn.log_sigmoid(2 * size + 4)


def _burr_contributions(v: Any, x: Any, anchor: Any) -> Any:
    """The log-likelihood in log shape2, log(shape1 shape2 / (shape2 + e^-2)) and log(shape2 z^shape1) at a place of the data.

    All keep finite but the first. For shape2 -> infinity the law is Weibull, of shape shape1; the place is the mean of log x.
    For shape2 -> 0 it is Pareto from the least row on, the place, of shape shape1 shape2. With w = shape1 log z there,
    e^-w + n shape2 w is lost of that limit: least where w is -log(n shape2).
    """
    inside, (size, steep, share), (least, mean) = is_positive(x), _burr_at(v), anchor
    y = _logs(x, inside)
    w = v["scale"] - size - mean * jnp.exp(steep + share) + jnp.exp(steep) * jnp.where(inside, y - least, 0)
    value = size + steep - jax.nn.softplus(-w) - jnp.exp(size) * jax.nn.softplus(w) - y
    return jnp.where(inside, value, -jnp.inf)


def _burr_outward(v: Any, anchor: Any) -> Any:
    size, steep, share = _burr_at(v)
    scale = anchor[0] + anchor[1] * jnp.exp(share) - (v["scale"] - size) * jnp.exp(-steep)
    shape1 = v["shape1"] + jax.nn.softplus(-2 - v["shape2"])
    return {"scale": jnp.where(v["shape2"] > ENDLESS, jnp.inf, scale), "shape1": shape1, "shape2": v["shape2"]}


def _burr_inward(u: Any, anchor: Any) -> Any:
    size, _, share = _burr_at(u)
    w = jnp.exp(u["shape1"]) * (anchor[0] + anchor[1] * jnp.exp(share) - u["scale"])
    return {"scale": w + size, "shape1": u["shape1"] - jax.nn.softplus(-2 - size), "shape2": u["shape2"]}


def _burr_limits(x: Any, weights: Any, anchor: Any) -> list[Any]:
    """Pareto and Weibull."""
    least, mean = anchor
    a, b = _gumbel(_logs(x, is_positive(x)), weights)
    pareto = {"scale": 0 * mean, "shape1": 2 - jnp.log(mean), "shape2": -jnp.inf + 0 * mean}
    return [pareto, {"scale": a * (least + mean) - b, "shape1": jnp.log(a), "shape2": jnp.inf + 0 * mean}]


burr12 = law(
    LOG,
    "burr12",
    _burr_logpdf,
    lambda p, v: special.log1mexpexp(jnp.log(p["shape2"]) + _burr_hazard(p, v)[1]),
    lambda p, v: -p["shape2"] * _burr_hazard(p, v)[0],
    _burr_start,
    shapes={"shape1": spaces.positive, "shape2": spaces.positive},
    quantile=lambda p, q: jnp.log(jnp.expm1(-jnp.log1p(-q) / p["shape2"])) / p["shape1"],
    mean=_means.burr12,
    chart=Chart(
        lambda x, weights: _log_end(x, weights, 0),
        _burr_contributions,
        _burr_outward,
        _burr_inward,
        (True, True, True),
        _burr_limits,
    ),
    doc="""Burr XII (Singh-Maddala): survival (1 + z^shape1)^(-shape2), z = x / scale > 0.

    Incomes, claims, floods; shape2 = 1 is log-logistic, shape1 = 1 Lomax, shape2 -> infinity Weibull, where the maximum may
    lie. Shape2 -> 0 is Pareto from the least x on, in small samples often above any maximum. Mean scale
    Gamma(shape2 - 1/shape1) Gamma(1 + 1/shape1) / Gamma(shape2) for shape1 shape2 > 1.
    Kleiber & Kotz 2003, *Statistical Size Distributions in Economics and Actuarial Sciences*, section 6.2.""",
)


# --- exponentiated Weibull -------------------------------------------------------------------------------


def _exponentiated_logpdf(params: Any, v: Any) -> Any:
    shape, power = params["shape"], params["power"]
    w = shape * v
    return jnp.log(shape) + jnp.log(power) + w - jnp.exp(w) + (power - 1) * special.log1mexpexp(held(w))


def _exponentiated_lower(params: Any, v: Any) -> Any:
    return params["power"] * special.log1mexpexp(held(params["shape"] * v))


def _exponentiated_upper(params: Any, v: Any) -> Any:
    hazard = jnp.exp(held(params["shape"] * v))
    far = jnp.log(params["power"]) - hazard
    near = far > -40
    inside = near | (hazard < 40)
    whole = jnp.where(inside, _exponentiated_lower(params, jnp.where(inside, v, 0)), -1)
    return jnp.where(inside, special.log1mexp(jnp.minimum(whole, -float(jnp.finfo(whole.dtype).tiny))), far)


def _exponentiated_start(x: Any, weights: Any) -> Any:
    at = weibull.start(x, weights)
    return {"power": jnp.ones_like(at["shape"]), "scale": at["scale"], "shape": at["shape"]}


def _exponentiated_quantile(params: Any, q: Any) -> Any:
    return jnp.log(-special.log1mexp(jnp.log(q) / params["power"])) / params["shape"]


def _logs_of_one_more(size: Any) -> tuple[Any, Any]:
    """For q = log(1 + power) = e^size: log(power / q), and log power."""
    q = jnp.exp(jnp.clip(size, -ENDLESS, ENDLESS))
    near = q < 1
    low, high = jnp.where(near, q, 0), jnp.where(near, 1, q)
    ratio = jnp.where(near, jnp.log(special.expm1_ratio(low)), high + special.log1mexp(-high) - jnp.log(high))
    return ratio, jnp.where(size > ENDLESS, jnp.inf, ratio + size)


def _exponentiated_contributions(v: Any, x: Any, anchor: Any) -> Any:
    """The log-likelihood in log q, q = log(1 + power), log(shape q) and (1 + q) d, d = log(z^shape / q) at the greatest row.

    All keep finite but the first. For power -> infinity the law is Frechet, of shape shape q: with d in any row, power
    exp(-z^shape) is (power / (1 + power)) e^-t, t = q (e^d - 1), and t tends to shape q log(x / Frechet's scale) as shape does
    to 0, in steps of 1 / log(power). For power -> 0 it is a power law up to the greatest row, of shape shape power.
    """
    inside, size = is_positive(x), jnp.clip(v["power"], -ENDLESS, ENDLESS)
    y, q = _logs(x, inside), jnp.exp(size)
    back = jnp.where(inside, y - anchor[0], 0)
    d = v["scale"] * jax.nn.sigmoid(-size) + jnp.exp(v["shape"] - size) * back
    w = held(size + d)
    hazard, lower = jnp.exp(w), special.log1mexpexp(w)
    # Where power is no number to multiply with, and rows are not in the far lower tail, t comes first.
    near = q < _LARGE
    t = (v["scale"] * jax.nn.sigmoid(size) + jnp.exp(v["shape"]) * back) * special.expm1_ratio(
        jnp.where(near, 0, held(d))
    )
    rest = jnp.where(hazard < 1e-8, 0.5 * hazard, w - lower) - hazard
    slope = jnp.where(near, _logs_of_one_more(jnp.where(near, size, 0))[0] + rest, d - t - lower)
    direct = near | (hazard < 30)
    power = jnp.expm1(jnp.minimum(q, 700)) * jnp.where(direct, lower, 0)
    value = v["shape"] + slope + jnp.where(direct, power, -jnp.exp(held(-t))) - y
    return jnp.where(inside, value, -jnp.inf)


_LARGE = 40.0
"q where e^-q is below a unit in the last place."


def _exponentiated_outward(v: Any, anchor: Any) -> Any:
    size = jnp.clip(v["power"], -ENDLESS, ENDLESS)
    w = size + v["scale"] * jax.nn.sigmoid(-size)
    scale = jnp.where(v["power"] > ENDLESS, -jnp.inf, anchor[0] - w * jnp.exp(size - v["shape"]))
    return {"power": _logs_of_one_more(v["power"])[1], "scale": scale, "shape": v["shape"] - v["power"]}


def _exponentiated_inward(u: Any, anchor: Any) -> Any:
    tiny = u["power"] < -37
    size = jnp.where(tiny, u["power"], jnp.log(jax.nn.softplus(jnp.where(tiny, 0, u["power"]))))
    d = jnp.exp(u["shape"]) * (anchor[0] - u["scale"]) - size
    return {"power": size, "scale": d * (1 + jnp.exp(size)), "shape": u["shape"] + size}


def _exponentiated_limits(x: Any, weights: Any, anchor: Any) -> list[Any]:
    """A power law up to the greatest row, and Frechet."""
    top, mean = anchor
    a, b = _gumbel(-_logs(x, is_positive(x)), weights)
    power = {"power": -jnp.inf + 0 * mean, "scale": 0 * mean, "shape": -jnp.log(mean)}
    return [power, {"power": jnp.inf + 0 * mean, "scale": a * top + b, "shape": jnp.log(a)}]


exponentiated_weibull = law(
    LOG,
    "exponentiated_weibull",
    _exponentiated_logpdf,
    _exponentiated_lower,
    _exponentiated_upper,
    _exponentiated_start,
    shapes={"power": spaces.positive, "shape": spaces.positive},
    quantile=_exponentiated_quantile,
    mean=_means.exponentiated_weibull,
    chart=Chart(
        lambda x, weights: _log_end(x, weights, 1),
        _exponentiated_contributions,
        _exponentiated_outward,
        _exponentiated_inward,
        (True, False, True),
        _exponentiated_limits,
    ),
    doc="""Exponentiated Weibull: distribution function (1 - exp(-z^shape))^power, z = x / scale > 0.

    Lifetimes with a bathtub or a hump in their hazard; power 1 is Weibull, a whole power the last of so many,
    power -> infinity Frechet. Power -> 0 is a power law up to the greatest x, in small samples often above any maximum.
    Mudholkar & Srivastava 1993, *IEEE Trans. Reliability* 42, 299-302.""",
)
