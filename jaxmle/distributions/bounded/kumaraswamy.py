"""Kumaraswamy distribution of shares, with a distribution function in closed form.

Parameters: `a` > 0 and `b` > 0, the exponents at 0 and at 1.

>>> from jaxmle import distributions
>>> round(float(distributions.kumaraswamy.logpdf({"a": 2.5, "b": 0.8}, 0.8)), 3)
0.528
"""

import jax.numpy as jnp
from jax import Array

from jaxmle import spaces, special
from jaxmle.distributions.base import weighted_moments
from jaxmle.distributions.base.standard_form import SHARE, from_standard_form
from jaxmle.distributions.base.support import is_share
from jaxmle.distributions.base.types import Params
from jaxmle.distributions.bounded.beta import beta
from jaxmle.special.elementary import floating


def _log_rest(params: Params, z: Array) -> tuple[Array, Array]:
    """Compute log(1 - z^a), and the logarithm of its negative."""
    power = params["a"] * jnp.log(z)
    far = power < -40
    rest = special.log1mexp(jnp.where(far, -1, power))
    return jnp.where(far, -jnp.exp(jnp.minimum(power, -40)), rest), jnp.where(far, power, jnp.log(-rest))


def _logpdf(params: Params, z: Array) -> Array:
    a, b = params["a"], params["b"]
    return jnp.log(a) + jnp.log(b) + (a - 1) * jnp.log(z) + (b - 1) * _log_rest(params, z)[0]


def _start(x: Array, weights: Array) -> dict[str, Array]:
    # b has a closed form given a; a from the beta distribution of the same mean and variance.
    a = jnp.clip(beta.start(x, weights)["a"], 0.1, 20.0)
    x, weights = weighted_moments.usable_rows(x, weights, is_share(x))
    rest = weighted_moments.mean(-_log_rest({"a": a}, jnp.where(weights > 0, x, 0.5))[0], weights)
    return {"a": a, "b": jnp.clip(1 / jnp.where(rest > 0, rest, 1), 1e-6, 1e12)}


def _mean(p: Params) -> Array:
    return p["b"] * jnp.exp(special.betaln(1 + 1 / floating(p["a"]), floating(p["b"])))


kumaraswamy = from_standard_form(
    SHARE,
    "kumaraswamy",
    logpdf=_logpdf,
    logcdf=lambda p, z: special.log1mexpexp(jnp.log(p["b"]) + _log_rest(p, z)[1]),
    logsf=lambda p, z: p["b"] * _log_rest(p, z)[0],
    start=_start,
    shapes={"a": spaces.positive, "b": spaces.positive},
    quantile=lambda p, q: jnp.exp(special.log1mexp(jnp.log1p(-q) / p["b"]) / p["a"]),
    mean=_mean,
    doc="""Kumaraswamy: density a b x^(a - 1) (1 - x^a)^(b - 1), 0 < x < 1.

    Shares, with a distribution function in closed form: 1 - (1 - x^a)^b. Mean b B(1 + 1/a, b).
    Jones 2009, *Statistical Methodology* 6, 70-81.""",
)
