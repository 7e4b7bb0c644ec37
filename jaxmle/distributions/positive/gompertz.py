"""Gompertz distribution of adult lifetimes, with an exponentially rising hazard.

Parameters: `scale` > 0, the time in which the hazard rises e-fold; `shape` > 0, the hazard at 0 times `scale`.

>>> from jaxmle import distributions
>>> round(float(distributions.gompertz.logpdf({"scale": 3.0, "shape": 0.2}, 3.0)), 3)
-2.052
"""

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxmle import spaces, special
from jaxmle.distributions.base import weighted_moments
from jaxmle.distributions.base.constants import LOG_2
from jaxmle.distributions.base.interpolation import interpolate
from jaxmle.distributions.base.means import integral_over_positive
from jaxmle.distributions.base.overflow import below_overflow
from jaxmle.distributions.base.standard_form import RATIO, from_standard_form
from jaxmle.distributions.base.support import is_nonnegative
from jaxmle.distributions.base.types import Params
from jaxmle.special.elementary import floating

_MEDIANS = np.exp(np.linspace(np.log(1e-3), np.log(30.0), 80))
_RATIOS = np.log1p(np.log(10) / np.log(2) * np.expm1(_MEDIANS)) / _MEDIANS  # 90 % point over median, where that is _T


def _logcdf(params: Params, z: Array) -> Array:
    inside = z > 0
    rise = jnp.log(jnp.expm1(below_overflow(jnp.where(inside, z, 1))))
    return jnp.where(inside, special.log1mexpexp(jnp.log(params["shape"]) + rise), -jnp.inf)


def _start(x: Array, weights: Array) -> dict[str, Array]:
    x, weights = weighted_moments.usable_rows(x, weights, is_nonnegative(x))
    middle, high = weighted_moments.quantiles(x, weights, 0.5, 0.9)
    middle = weighted_moments.legal_positive(jnp.where(middle > 0, middle, weighted_moments.positive_mean(x, weights)))
    t = interpolate(high / middle, _RATIOS[::-1], _MEDIANS[::-1])
    return {"scale": weighted_moments.legal_positive(middle / t), "shape": LOG_2 / jnp.expm1(t)}


def _mean(p: Params) -> Array:
    shape = floating(p["shape"])
    return p["scale"] * integral_over_positive(lambda s: jnp.exp(-s) / (shape + s))


gompertz = from_standard_form(
    RATIO,
    "gompertz",
    logpdf=lambda p, z: jnp.log(p["shape"]) + z - p["shape"] * jnp.expm1(z),
    logcdf=_logcdf,
    logsf=lambda p, z: -p["shape"] * jnp.expm1(below_overflow(z)),
    start=_start,
    shapes={"shape": spaces.positive},
    quantile=lambda p, q: jnp.log1p(-jnp.log1p(-q) / p["shape"]),
    mean=_mean,
    doc="""Gompertz: hazard (shape / scale) exp(x / scale), x >= 0.

    Mortality of adults: the hazard doubles every scale log 2. Data whose hazard does not rise have their maximum at the
    exponential, scale -> infinity. Johnson, Kotz & Balakrishnan, *Continuous Univariate Distributions* 2, section 22.8.""",
)
