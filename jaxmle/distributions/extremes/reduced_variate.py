"""Reduced variate log(1 + shape z) / shape: what generalized extreme value and generalized Pareto share."""

import jax.numpy as jnp
from jax import Array

from jaxmle import special
from jaxmle.distributions.base.types import Params


def reduced_variate(params: Params, z: Array) -> tuple[Array, Array]:
    """Map z to whether 1 + shape z > 0, and to log(1 + shape z) / shape, smooth at shape 0; 0 outside."""
    t = params["shape"] * z
    inside = t > -1
    return inside, jnp.where(inside, z, 0) * special.log1p_ratio(jnp.where(inside, t, 0))


def standard_value(params: Params, y: Array) -> Array:
    """Map a reduced variate y, infinite ones too, to z = (e^(shape y) - 1) / shape, the inverse of `reduced_variate`."""
    finite = jnp.isfinite(y)
    end = jnp.where(y > 0, jnp.where(params["shape"] < 0, -1 / params["shape"], jnp.inf), -jnp.inf)
    end = jnp.where((y < 0) & (params["shape"] > 0), -1 / params["shape"], end)
    whole = jnp.where(finite, y, 0)
    value = whole * special.expm1_ratio(params["shape"] * whole)
    return jnp.where(finite, value, jnp.where(jnp.isnan(y), jnp.nan, end))


def is_regular(params: Params) -> Array:
    """Test params for regular standard errors, shape > -1/2.

    Below, the information is infinite, as the density does not vanish fast enough at its upper end (Smith 1985,
    *Biometrika* 72, 67-90).
    """
    return params["shape"] > -0.5
