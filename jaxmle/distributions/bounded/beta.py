"""Beta distribution of shares and probabilities.

Parameters: `a` > 0 and `b` > 0, the exponents at 0 and at 1.

>>> from jaxmle import distributions
>>> round(float(distributions.beta.logpdf({"a": 2.5, "b": 0.8}, 0.8)), 3)
0.538
"""

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from jaxmle import spaces, special
from jaxmle.distributions.base import weighted_moments
from jaxmle.distributions.base.information import information_matrix
from jaxmle.distributions.base.standard_form import SHARE, from_standard_form
from jaxmle.distributions.base.support import is_share
from jaxmle.distributions.base.types import Params, Shape
from jaxmle.model.geometry import Geometry


def _logcdf(params: Params, z: Array) -> Array:
    return special.log_betainc_odds(params["a"], params["b"], z / (1 - z))


def _logsf(params: Params, z: Array) -> Array:
    return special.log_betainc_odds(params["b"], params["a"], (1 - z) / z)


def _start(x: Array, weights: Array) -> dict[str, Array]:
    x, weights = weighted_moments.usable_rows(x, weights, is_share(x))
    center = jnp.clip(weighted_moments.mean(x, weights), 1e-6, 1 - 1e-6)
    center = jnp.where(jnp.sum(weights) > 0, center, 0.5)
    square = jnp.maximum(weighted_moments.mean(jnp.where(weights > 0, x - center, 0) ** 2, weights), 1e-14)
    total = jnp.clip(center * (1 - center) / square - 1, 0.05, 1e10)
    return {"a": center * total, "b": (1 - center) * total}


def _draw(key: Array, params: Params, shape: Shape, dtype: DTypeLike) -> Array:
    first, second = jax.random.split(key)
    a, b = (jnp.broadcast_to(jnp.asarray(params[k], dtype), shape) for k in "ab")
    odds = jax.random.loggamma(first, a, shape, dtype) - jax.random.loggamma(second, b, shape, dtype)
    eps = float(jnp.finfo(dtype).eps)
    return jnp.clip(jax.nn.sigmoid(odds), float(jnp.finfo(dtype).tiny), 1 - eps)


def _information(params: Params, x: Array) -> Array:
    a, b = params["a"], params["b"]
    both = special.trigamma(a + b)
    return information_matrix(x, [[special.trigamma(a) - both, -both], [-both, special.trigamma(b) - both]])


def _mean(p: Params) -> Array:
    return p["a"] / (p["a"] + p["b"])


beta = from_standard_form(
    SHARE,
    "beta",
    logpdf=lambda p, z: (p["a"] - 1) * jnp.log(z) + (p["b"] - 1) * jnp.log1p(-z) - special.betaln(p["a"], p["b"]),
    logcdf=_logcdf,
    logsf=_logsf,
    start=_start,
    shapes={"a": spaces.positive, "b": spaces.positive},
    quantile=lambda p, q: special.betaincinv(p["a"], p["b"], q),
    draw=_draw,
    mean=_mean,
    geometry=Geometry(information=_information),
    doc="""Beta: density x^(a - 1) (1 - x)^(b - 1) / B(a, b), 0 < x < 1.

    Shares and probabilities. Mean a / (a + b), variance a b / ((a + b)^2 (a + b + 1)).
    Johnson, Kotz & Balakrishnan, *Continuous Univariate Distributions* 2, chapter 25.""",
)
