"""Hyperbolic secant distribution, between normal and Laplace in its tails.

Parameters: `loc`, the mean; `scale` > 0, the standard deviation.

>>> from jaxmle import distributions
>>> round(float(distributions.hyperbolic_secant.logpdf({"loc": 0.5, "scale": 2.0}, 1.5)), 3)
-1.667
"""

import math

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxmle import special
from jaxmle.distributions.base import means
from jaxmle.distributions.base.standard_form import LINE, from_standard_form
from jaxmle.distributions.base.types import Params
from jaxmle.distributions.real.location_scale import moment_start


def _logcdf(params: Params, z: Array) -> Array:
    w = 0.5 * np.pi * z
    tail = jnp.log(jnp.arctan(jnp.exp(-jnp.abs(w)))) - math.log(np.pi / 2)
    far = jnp.abs(w) > 300
    tail = jnp.where(far, -jnp.abs(w) - math.log(np.pi / 2), jnp.where(far, 0, tail))
    return jnp.where(z < 0, tail, special.log1mexp(tail))


def _quantile(params: Params, q: Array) -> Array:
    small = jnp.minimum(q, 1 - q)
    z = 2 / np.pi * jnp.log(jnp.tan(0.5 * np.pi * small))
    return jnp.where(q < 0.5, z, -z)


hyperbolic_secant = from_standard_form(
    LINE,
    "hyperbolic_secant",
    logpdf=lambda p, z: -jnp.logaddexp(0.5 * np.pi * z, -0.5 * np.pi * z),
    logcdf=_logcdf,
    logsf=lambda p, z: _logcdf(p, -z),
    start=moment_start(1.0),
    quantile=_quantile,
    mean=means.loc,
    doc="""Hyperbolic secant: density sech(pi (x - loc) / (2 scale)) / (2 scale).

    Between normal and Laplace in its tails; asset returns. Mean loc, standard deviation scale.
    Johnson, Kotz & Balakrishnan, *Continuous Univariate Distributions* 2, section 23.11.""",
)
