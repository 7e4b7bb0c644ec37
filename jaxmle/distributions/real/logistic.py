"""Logistic distribution of errors a little heavier-tailed than normal.

Parameters: `loc`, the mean; `scale` > 0, the standard deviation times sqrt(3) / pi.

>>> from jaxmle import distributions
>>> round(float(distributions.logistic.logpdf({"loc": 0.5, "scale": 2.0}, 1.5)), 3)
-2.141
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

from jaxmle.distributions.base import means
from jaxmle.distributions.base.standard_form import LINE, from_standard_form
from jaxmle.distributions.real.location_scale import diagonal_information, moment_start
from jaxmle.model.geometry import Geometry

logistic = from_standard_form(
    LINE,
    "logistic",
    logpdf=lambda p, z: jax.nn.log_sigmoid(z) + jax.nn.log_sigmoid(-z),
    logcdf=lambda p, z: jax.nn.log_sigmoid(z),
    logsf=lambda p, z: jax.nn.log_sigmoid(-z),
    start=moment_start(math.sqrt(3) / np.pi),
    quantile=lambda p, q: jnp.log(q) - jnp.log1p(-q),
    mean=means.loc,
    geometry=Geometry(information=diagonal_information(1 / 3, (3 + np.pi**2) / 9)),
    doc="""Logistic: density e^-z / (scale (1 + e^-z)^2), z = (x - loc) / scale.

    Growth, choice, errors a little heavier than normal. Mean loc, variance (pi scale)^2 / 3.
    Johnson, Kotz & Balakrishnan, *Continuous Univariate Distributions* 2, chapter 23.""",
)
