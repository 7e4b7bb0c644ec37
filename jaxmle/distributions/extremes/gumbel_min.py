"""Gumbel distribution of minima (smallest extreme value).

Parameters: `loc`, the mode; `scale` > 0.

>>> from jaxmle import distributions
>>> round(float(distributions.gumbel_min.logpdf({"loc": 0.5, "scale": 2.0}, 1.5)), 3)
-1.842
"""

import jax.numpy as jnp
from jax import Array

from jaxmle.distributions.base.constants import EULER
from jaxmle.distributions.base.standard_form import LINE, from_standard_form
from jaxmle.distributions.base.types import Params
from jaxmle.distributions.extremes.standard_gumbel import (
    gumbel_information,
    gumbel_logcdf,
    gumbel_logpdf,
    gumbel_logsf,
    gumbel_start,
)
from jaxmle.model.geometry import Geometry


def _mean(p: Params) -> Array:
    return p["loc"] - EULER * p["scale"]


gumbel_min = from_standard_form(
    LINE,
    "gumbel_min",
    logpdf=lambda p, z: gumbel_logpdf(p, -z),
    logcdf=lambda p, z: gumbel_logsf(p, -z),
    logsf=lambda p, z: gumbel_logcdf(p, -z),
    start=gumbel_start(-1.0),
    quantile=lambda p, q: jnp.log(-jnp.log1p(-q)),
    mean=_mean,
    geometry=Geometry(information=gumbel_information(-1.0)),
    doc="""Gumbel of minima (smallest extreme value): density exp(z - e^z) / scale, z = (x - loc) / scale.

    The weakest of many; the logarithm of a Weibull lifetime. Mean loc - 0.5772 scale, variance (pi scale)^2 / 6.
    Meeker & Escobar 1998, *Statistical Methods for Reliability Data*, section 4.7.""",
)
