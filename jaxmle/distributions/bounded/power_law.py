"""Power law distribution of shares, up to 1; power laws of sizes above a least one are `pareto`.

Parameters: `shape` > 0, the exponent of the distribution function.

>>> from jaxmle import distributions
>>> round(float(distributions.power_law.logpdf({"shape": 2.5}, 0.8)), 3)
0.582
"""

import jax.numpy as jnp
from jax import Array

from jaxmle import spaces, special
from jaxmle.distributions.base import weighted_moments
from jaxmle.distributions.base.information import information_matrix
from jaxmle.distributions.base.standard_form import SHARE, from_standard_form
from jaxmle.distributions.base.support import is_share
from jaxmle.model.geometry import Geometry


def _start(x: Array, weights: Array) -> dict[str, Array]:
    # The maximum.
    x, weights = weighted_moments.usable_rows(x, weights, is_share(x))
    depth = weighted_moments.mean(-jnp.log(jnp.where(weights > 0, x, 0.5)), weights)
    return {"shape": 1 / jnp.where(depth > 0, depth, 1)}


power_law = from_standard_form(
    SHARE,
    "power_law",
    logpdf=lambda p, z: jnp.log(p["shape"]) + (p["shape"] - 1) * jnp.log(z),
    logcdf=lambda p, z: p["shape"] * jnp.log(z),
    logsf=lambda p, z: special.log1mexp(p["shape"] * jnp.log(z)),
    start=_start,
    shapes={"shape": spaces.positive},
    quantile=lambda p, q: jnp.exp(jnp.log(q) / p["shape"]),
    mean=lambda p: p["shape"] / (p["shape"] + 1),
    geometry=Geometry(maximum=_start, information=lambda p, x: information_matrix(x, [[p["shape"] ** -2.0]])),
    doc="""Power law (power function): density shape x^(shape - 1), 0 < x < 1.

    Shares of a whole, greatest of several uniform numbers: SciPy's powerlaw at scale 1, and beta with b = 1. A power law
    of sizes above a least one, without an upper end, is `pareto`. Mean shape / (shape + 1); the maximum is
    -1 / mean(log x). Johnson, Kotz & Balakrishnan, *Continuous Univariate Distributions* 1, section 20.8.""",
)
