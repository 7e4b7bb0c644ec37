"""Laws of angles in radians, measured from loc: von Mises and wrapped Cauchy; von Mises-Fisher of directions.

Any finite x is an angle, and the density has period 2 pi. The distribution function starts opposite to loc: it is
P(loc - pi <= X <= x) with x taken within half a turn of loc.
"""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxmle import spaces, special
from jaxmle.distributions import _means, _moments
from jaxmle.distributions._distribution import Distribution, law_of_vectors, symmetric
from jaxmle.distributions._standard import ANGLE, Solved, law, wrapped
from jaxmle.special.bessel import log_bessel_rest
from jaxmle.special.elementary import floating
from jaxmle.special.quadrature import integral

_CUT = 38.0
_LOG_2 = 0.6931471805599453
_LOG_2PI = 1.8378770664093453


def direction(x: Any, weights: Any) -> tuple[Any, Any]:
    """Mean direction, and 1 - R, one minus the mean resultant length, without cancellation."""
    x, weights = _moments.usable(x, weights, True)
    loc = jnp.arctan2(_moments.mean(jnp.sin(x), weights), _moments.mean(jnp.cos(x), weights))
    return loc, jnp.clip(_moments.mean(2 * jnp.sin(0.5 * (x - loc)) ** 2, weights), 1e-14, 1)


# --- von Mises -------------------------------------------------------------------------------------------


def _von_mises_small(k: Any, z: Any) -> Any:
    """log P(Z <= z) for z < 0, as the integral from z backwards; it ends where it is below e^-38 of its start."""
    square = jnp.sin(0.5 * z) ** 2
    here, at = jax.lax.stop_gradient((square + 0.5 * _CUT / jnp.maximum(k, 1e-3), z))
    end = 2 * jnp.arcsin(jnp.sqrt(jnp.minimum(here, 1))) + at
    width = jnp.where(here < 1, jnp.minimum(end, np.pi + z), np.pi + z)
    # sin^2((z - s)/2) - sin^2(z/2) = sin(s/2) sin(s/2 - z)
    total = integral(lambda s: jnp.exp(-2 * k * jnp.sin(0.5 * s) * jnp.sin(0.5 * s - z)), 0, width, 48)
    return -2 * k * square + jnp.log(total) - _LOG_2PI - log_bessel_rest(0.0, k)


def _von_mises_lower(params: Any, z: Any) -> Any:
    small = _von_mises_small(params["concentration"], jnp.where(z < 0, z, -z))
    return jnp.where(z < 0, small, special.log1mexp(small))


def _von_mises_upper(params: Any, z: Any) -> Any:
    return _von_mises_lower(params, -z)


def _von_mises_start(x: Any, weights: Any) -> Any:
    # Best & Fisher 1981, Commun. Stat. B10, 493-502.
    loc, rest = direction(x, weights)
    r = 1 - rest
    k = jnp.where(r < 0.53, 2 * r + r**3 + 5 / 6 * r**5, -0.4 + 1.39 * r + 0.43 / rest)
    k = jnp.where(r < 0.85, k, 1 / (jnp.maximum(r, 0.1) * rest * (3 - r)))
    return {"concentration": jnp.maximum(k, 0.01), "loc": loc}


def _von_mises_information(params: Any, x: Any) -> Any:
    k = params["concentration"]
    slope = jax.grad(lambda k: jnp.sum(log_bessel_rest(0.0, k)))  # A(k) - 1
    ratio, curve = 1 + slope(k), jax.grad(lambda k: jnp.sum(slope(k)))(k)
    return symmetric(x, [[curve, 0.0], [0.0, k * ratio]])


von_mises = law(
    ANGLE,
    "von_mises",
    lambda p, z: -2 * p["concentration"] * jnp.sin(0.5 * z) ** 2 - _LOG_2PI - log_bessel_rest(0.0, p["concentration"]),
    _von_mises_lower,
    _von_mises_upper,
    _von_mises_start,
    shapes={"concentration": spaces.positive},
    quantile=Solved(_von_mises_lower, _von_mises_upper, lambda v: v, -np.pi, np.pi),
    information=_von_mises_information,
    mean=_means.loc,
    doc="""Von Mises: density exp(concentration cos(x - loc)) / (2 pi I0(concentration)), x an angle in radians.

    Directions, times of day: the circle's normal, of variance 1 / concentration where that is large. Mean direction loc,
    mean resultant length I1 / I0. Mardia & Jupp 2000, *Directional Statistics*, section 3.5.4.""",
)


# --- wrapped Cauchy --------------------------------------------------------------------------------------


def _wrapped_logpdf(params: Any, z: Any) -> Any:
    r = params["concentration"]
    return jnp.log1p(r) + jnp.log1p(-r) - _LOG_2PI - jnp.log((1 - r) ** 2 + 4 * r * jnp.sin(0.5 * z) ** 2)


def _wrapped_lower(params: Any, z: Any) -> Any:
    r = params["concentration"]
    half = 0.5 * jnp.abs(z)
    tail = jnp.log(jnp.arctan2((1 - r) * jnp.cos(half), (1 + r) * jnp.sin(half))) - math.log(np.pi)
    return jnp.where(z < 0, tail, jnp.log1p(-jnp.exp(tail)))


def _wrapped_quantile(params: Any, q: Any) -> Any:
    r = params["concentration"]
    small = jnp.pi * jnp.minimum(q, 1 - q)
    z = -2 * jnp.arctan2((1 - r) * jnp.cos(small), (1 + r) * jnp.sin(small))
    return jnp.where(q < 0.5, z, -z)


def _wrapped_start(x: Any, weights: Any) -> Any:
    # Half way from the mean direction to the next row behind it: between two rows the likelihood is flat along a ridge,
    # and the middle of that lies close to concentration 0 where they are opposite.
    loc, rest = direction(x, weights)
    x, weights = _moments.usable(x, weights, True)
    gap = wrapped(x - loc)
    behind = jnp.max(jnp.where((weights > 0) & (gap < 0), gap, -jnp.inf))
    loc = loc + jnp.where(jnp.isfinite(behind), 0.5 * behind, 0)
    return {"concentration": jnp.clip(1 - rest, 0.01, 1 - 1e-12), "loc": loc}


def _wrapped_information(params: Any, x: Any) -> Any:
    r = params["concentration"]
    unit = 2 / (1 - r * r) ** 2
    return symmetric(x, [[unit, 0.0], [0.0, r * r * unit]])


wrapped_cauchy = law(
    ANGLE,
    "wrapped_cauchy",
    _wrapped_logpdf,
    _wrapped_lower,
    lambda p, z: _wrapped_lower(p, -z),
    _wrapped_start,
    shapes={"concentration": spaces.interval(0.0, 1.0)},
    quantile=_wrapped_quantile,
    information=_wrapped_information,
    mean=_means.loc,
    doc="""Wrapped Cauchy: density (1 - r^2) / (2 pi (1 + r^2 - 2 r cos(x - loc))), r = concentration, x an angle in radians.

    Directions with heavy tails, turning angles of animals. Mean direction loc, mean resultant length r.
    Mardia & Jupp 2000, *Directional Statistics*, section 3.5.7.""",
)


# --- von Mises-Fisher: directions in d dimensions --------------------------------------------------------


def _is_direction(x: Any) -> Any:
    x = floating(x)
    return jnp.abs(jnp.sum(x * x, -1) - 1) < 1e-6


def _fisher_logpdf(params: Any, x: Any) -> Any:
    # loc'x - 1 = -|x - loc|^2 / 2, and without a concentration there is the sphere's area.
    x, k = floating(x), params["concentration"]
    d, inside = x.shape[-1], _is_direction(x)
    gap = jnp.where(inside[..., None], x - params["loc"], 0)
    area = _LOG_2 + 0.5 * d * math.log(np.pi) - special.gammaln(jnp.asarray(0.5 * d, x.dtype))
    value = -0.5 * k * jnp.sum(gap * gap, -1) - area - log_bessel_rest(0.5 * d - 1, k)
    return jnp.where(inside, value, -jnp.inf)


def _fisher_sample(key: Any, params: Any, shape: Any = ()) -> Any:
    """Wood 1994, *Communications in Statistics B* 23, 157-164: the angle to loc by rejection, then a way to turn."""
    loc, k = floating(params["loc"]), floating(params["concentration"])
    d, (first, second) = loc.shape[-1], jax.random.split(key)
    b = (d - 1) / (2 * k + jnp.sqrt(4 * k * k + (d - 1) ** 2))
    center = (1 - b) / (1 + b)
    most = k * center + (d - 1) * jnp.log1p(-center * center)

    def draw(state: Any) -> Any:
        w, done, key = state
        key, one, two = jax.random.split(key, 3)
        z = jax.random.beta(one, 0.5 * (d - 1), 0.5 * (d - 1), shape, loc.dtype)
        new = (1 - (1 + b) * z) / (1 - (1 - b) * z)
        good = k * new + (d - 1) * jnp.log1p(-center * new) - most >= jnp.log(jax.random.uniform(two, shape, loc.dtype))
        return jnp.where(done, w, new), done | good, key

    state = (jnp.zeros(shape, loc.dtype), jnp.zeros(shape, bool), first)
    w = jax.lax.while_loop(lambda s: ~jnp.all(s[1]), draw, state)[0][..., None]
    side = jax.random.normal(second, (*shape, d), loc.dtype)
    side = side - (side @ loc)[..., None] * loc
    side = side / jnp.linalg.norm(side, axis=-1, keepdims=True)
    found = w * loc + jnp.sqrt(jnp.maximum(1 - w * w, 0)) * side
    return found / jnp.linalg.norm(found, axis=-1, keepdims=True)


def _fisher_start(x: Any, weights: Any) -> Any:
    # Banerjee et al. 2005, J. Machine Learning Research 6, 1345-1382, eq. 4.4.
    x, d = floating(x), x.shape[-1]
    used = jnp.where(_is_direction(x), weights, 0)
    total = jnp.where(used > 0, used, 0) @ jnp.where((used > 0)[:, None], x, 0)
    length = jnp.linalg.norm(total)
    loc = jnp.where(length > 1e-12, total / jnp.where(length > 1e-12, length, 1), jnp.eye(d, dtype=x.dtype)[0])
    rest = _moments.mean(0.5 * jnp.sum(jnp.where((used > 0)[:, None], x - loc, 0) ** 2, -1), used)
    rest = jnp.clip(jnp.nan_to_num(rest, nan=0.5), 1e-14, 1.0)
    k = (1 - rest) * (d - (1 - rest) ** 2) / (rest * (2 - rest))
    return {"concentration": jnp.maximum(k, 0.01), "loc": loc}


@functools.lru_cache
def von_mises_fisher(d: int) -> Distribution:
    """Directions in d dimensions: unit vectors [n, d] around loc.

    >>> import jaxmle as jm
    >>> fit = jm.fit(jm.distributions.von_mises_fisher(3), [[1.0, 0, 0], [0, 1.0, 0], [0.6, 0.8, 0], [0.8, 0, 0.6]])
    >>> fit.params["loc"].round(4)
    array([0.7845, 0.5883, 0.1961])
    """
    return law_of_vectors(
        name=f"von_mises_fisher({d})",
        logpdf=_fisher_logpdf,
        sample=_fisher_sample,
        support=_is_direction,
        space={"concentration": spaces.positive, "loc": spaces.unit_vector(d)},
        start=_fisher_start,
        event=1,
        doc="""Von Mises-Fisher: density k^(d/2 - 1) exp(k loc'x) / ((2 pi)^(d/2) I_(d/2 - 1)(k)), k = concentration, |x| = 1.

        Directions in space, text as normalized counts. Mean direction loc, mean resultant length I_(d/2) / I_(d/2 - 1).
        Mardia & Jupp 2000, *Directional Statistics*, section 9.3.2.""",
    )
