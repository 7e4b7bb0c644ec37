"""Gumbel distribution of maxima with light tails.

Parameters: `loc`, the mode; `scale` > 0.

>>> from jaxmle import distributions
>>> round(float(distributions.gumbel.logpdf({"loc": 0.5, "scale": 2.0}, 1.5)), 3)
-1.8
"""

from jax import Array

from jaxmle.distributions.base.constants import EULER
from jaxmle.distributions.base.standard_form import LINE, from_standard_form
from jaxmle.distributions.base.types import Params
from jaxmle.distributions.extremes.standard_gumbel import (
    gumbel_information,
    gumbel_logcdf,
    gumbel_logpdf,
    gumbel_logsf,
    gumbel_quantile,
    gumbel_start,
)
from jaxmle.model.geometry import Geometry


def _mean(p: Params) -> Array:
    return p["loc"] + EULER * p["scale"]


gumbel = from_standard_form(
    LINE,
    "gumbel",
    logpdf=gumbel_logpdf,
    logcdf=gumbel_logcdf,
    logsf=gumbel_logsf,
    start=gumbel_start(1.0),
    quantile=gumbel_quantile,
    mean=_mean,
    geometry=Geometry(information=gumbel_information(1.0)),
    doc="""Gumbel of maxima: density exp(-z - e^-z) / scale, z = (x - loc) / scale.

    Annual maxima of floods, wind, loads with light tails. Mean loc + 0.5772 scale, variance (pi scale)^2 / 6.
    Coles 2001, *An Introduction to Statistical Modeling of Extreme Values*, section 3.1.""",
)
