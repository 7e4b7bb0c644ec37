"""Von Mises-Fisher distribution of directions in d dimensions.

Parameters: `loc`, a unit vector; `concentration` > 0.

>>> import jax.numpy as jnp
>>> from jaxmle import distributions
>>> params = {"concentration": 7.0, "loc": jnp.array([0.6, 0.8, 0.0])}
>>> round(float(distributions.von_mises_fisher(3).logpdf(params, jnp.array([[0.8, 0.6, 0.0]]))[0]), 3)
-0.172
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxmle import spaces, special
from jaxmle.distributions.base import weighted_moments
from jaxmle.distributions.base.constants import LOG_2
from jaxmle.distributions.base.distribution import Distribution, sized, vector_distribution
from jaxmle.distributions.base.types import Params, Shape
from jaxmle.special.bessel import log_bessel_rest
from jaxmle.special.elementary import floating


def _is_direction(x: Array) -> Array:
    x = floating(x)
    return jnp.abs(jnp.sum(x * x, -1) - 1) < 1e-6


def _logpdf(params: Params, x: Array) -> Array:
    # loc'x - 1 = -|x - loc|^2 / 2, and without a concentration there is the sphere's area.
    x, k = floating(x), params["concentration"]
    d, inside = x.shape[-1], _is_direction(x)
    gap = jnp.where(inside[..., None], x - params["loc"], 0)
    area = LOG_2 + 0.5 * d * math.log(np.pi) - special.gammaln(jnp.asarray(0.5 * d, x.dtype))
    value = -0.5 * k * jnp.sum(gap * gap, -1) - area - log_bessel_rest(0.5 * d - 1, k)
    return jnp.where(inside, value, -jnp.inf)


def _sample(key: Array, params: Params, shape: Shape = ()) -> Array:
    """Draw directions: the angle to loc by rejection, then a direction across it (Wood 1994, *Comm. Statist. B* 23, 157-164)."""
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


def _start(x: Array, weights: Array) -> dict[str, Array]:
    # Banerjee et al. 2005, J. Machine Learning Research 6, 1345-1382, eq. 4.4.
    x, d = floating(x), x.shape[-1]
    used = jnp.where(_is_direction(x), weights, 0)
    total = jnp.where(used > 0, used, 0) @ jnp.where((used > 0)[:, None], x, 0)
    length = jnp.linalg.norm(total)
    loc = jnp.where(length > 1e-12, total / jnp.where(length > 1e-12, length, 1), jnp.eye(d, dtype=x.dtype)[0])
    rest = weighted_moments.mean(0.5 * jnp.sum(jnp.where((used > 0)[:, None], x - loc, 0) ** 2, -1), used)
    rest = jnp.clip(jnp.nan_to_num(rest, nan=0.5), 1e-14, 1.0)
    k = (1 - rest) * (d - (1 - rest) ** 2) / (rest * (2 - rest))
    return {"concentration": jnp.maximum(k, 0.01), "loc": loc}


@sized
def von_mises_fisher(d: int) -> Distribution:
    """Make the von Mises-Fisher distribution of unit vectors [n, d] around loc.

    >>> import jaxmle as jm
    >>> fit = jm.fit(jm.distributions.von_mises_fisher(3), [[1.0, 0, 0], [0, 1.0, 0], [0.6, 0.8, 0], [0.8, 0, 0.6]])
    >>> fit.params["loc"].round(4)
    array([0.7845, 0.5883, 0.1961])
    """
    return vector_distribution(
        name=f"von_mises_fisher({d})",
        logpdf=_logpdf,
        sample=_sample,
        support=_is_direction,
        space={"concentration": spaces.positive, "loc": spaces.unit_vector(d)},
        start=_start,
        event=1,
        doc="""Von Mises-Fisher: density k^(d/2 - 1) exp(k loc'x) / ((2 pi)^(d/2) I_(d/2 - 1)(k)), k = concentration, |x| = 1.

        Directions in space, text as normalized counts. Mean direction loc, mean resultant length I_(d/2) / I_(d/2 - 1).
        Mardia & Jupp 2000, *Directional Statistics*, section 9.3.2.""",
    )
