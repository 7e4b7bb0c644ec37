"""Nakagami distribution of amplitudes of fading signals.

Parameters: `scale` > 0, the root mean square; `shape` > 0, usually above 1/2.

>>> from jaxmle import distributions
>>> round(float(distributions.nakagami.logpdf({"scale": 2.0, "shape": 1.4}, 3.0)), 3)
-1.829
"""

import jax.numpy as jnp
from jax import Array

from jaxmle import spaces, special
from jaxmle.distributions.base.information import information_matrix
from jaxmle.distributions.base.types import Params
from jaxmle.distributions.positive.gamma_power import from_gamma_power, root_mean_square_and_shape
from jaxmle.model.geometry import Geometry
from jaxmle.special.elementary import floating


def _start(x: Array, weights: Array) -> dict[str, Array]:
    size, shape = root_mean_square_and_shape(x, weights)
    return {"scale": size, "shape": shape}


def _information(params: Params, x: Array) -> Array:
    shape, scale = params["shape"], params["scale"]
    return information_matrix(x, [[4 * shape / scale**2, 0.0], [0.0, special.trigamma(shape) - 1 / shape]])


def _mean(p: Params) -> Array:
    return p["scale"] * jnp.exp(special.log_rising(0.5, 1 / floating(p["shape"])))


nakagami = from_gamma_power(
    "nakagami",
    lambda p: (p["shape"], 2.0, 0.0),
    start=_start,
    shapes={"shape": spaces.positive},
    mean=_mean,
    geometry=Geometry(information=_information),
    doc="""Nakagami: density 2 shape^shape z^(2 shape - 1) exp(-shape z^2) / (scale Gamma(shape)), z = x / scale > 0.

    Amplitudes of fading radio signals and ultrasound echoes; shape 1 is Rayleigh. Mean square scale^2 (omega in the
    literature, where shape is m). Nakagami 1960, *Statistical Methods in Radio Wave Propagation*, 3-36.""",
)
