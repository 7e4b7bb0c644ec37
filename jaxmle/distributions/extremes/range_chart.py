"""Chart in which every row is possible: what families of the reduced variate y = log(1 + shape z) / shape share.

The support of generalized extreme value and of Pearson III ends where 1 + shape z is 0. In these coordinates it is positive
at all rows of the data, whatever the coordinates. u are loc, log scale and shape.
"""

import jax.numpy as jnp
from jax import Array

from jaxmle import special
from jaxmle.distributions.base import weighted_moments
from jaxmle.distributions.base.support import is_finite
from jaxmle.model.geometry import Coordinates

Ends = tuple[Array, Array, Array]
"The least and the greatest row, and whether they are the same."


def ends(x: Array, weights: Array) -> Ends:
    """Find the least and the greatest row of x, and whether they are the same."""
    low, high = weighted_moments.ends(x, is_finite(x))
    same = ~((high > low) & jnp.isfinite(high - low))
    low = jnp.where(jnp.isfinite(low), low, 0)
    return low, jnp.where(same, low, high), same


def _terms(v: Coordinates, at: Ends) -> tuple[Array, Array, Array, Array]:
    """Compute from chart coordinates v the middle of the range, half its width (or 1), scale (1 + shape z) there, and shape."""
    low, high, same = at
    width, size = 0.5 * high - 0.5 * low, jnp.exp(v["scale"])
    half = jnp.where(same, 1, width)
    return low + width, half, size, jnp.tanh(v["shape"]) * size / half


def reduced_rows(v: Coordinates, x: Array, at: Ends) -> tuple[Array, Array, Array]:
    """Compute from chart coordinates v which rows are inside, the shape, and y of the rows.

    The log of the scale is v of scale less shape times v of loc.
    """
    # From the middle m, 1 + shape z is (1 + shape (m - loc) / scale) (1 + tanh(v) d), |d| <= 1: positive for any v.
    (low, high, same), (_, half, size, shape) = at, _terms(v, at)
    inside = is_finite(x)
    left, right = (jnp.where(inside & ~same, side / half, 1) for side in (x - low, high - x))
    d = 0.5 * (left - right)
    near = (jnp.abs(v["shape"]) < 0.5) | same
    t = jnp.where(near, jnp.tanh(v["shape"]), 0) * d
    far = jnp.where(near, 1, v["shape"])
    small = jnp.exp(-2 * jnp.abs(far))
    log = jnp.log(jnp.where(far > 0, left + right * small, right + left * small)) - jnp.log1p(small)
    rise = jnp.where(near, d * half / size * special.log1p_ratio(t), log / jnp.where(near, 1, shape))
    return inside, shape, v["loc"] + rise


def outward(v: Coordinates, at: Ends) -> dict[str, Array]:
    """Map chart coordinates v to u."""
    middle, _, size, shape = _terms(v, at)
    bend = shape * v["loc"]
    loc = middle - size * v["loc"] * special.expm1_ratio(-bend)
    return {"loc": loc, "scale": v["scale"] - bend, "shape": shape}


def inward(u: Coordinates, at: Ends) -> dict[str, Array]:
    """Map u to chart coordinates."""
    middle, half, *_ = _terms({"scale": u["scale"], "shape": u["shape"]}, at)
    z = (middle - u["loc"]) * jnp.exp(-u["scale"])
    stretch = u["scale"] + jnp.log1p(u["shape"] * z)
    turn = jnp.clip(u["shape"] * half * jnp.exp(-stretch), -0.9999, 0.9999)
    return {"loc": z * special.log1p_ratio(u["shape"] * z), "scale": stretch, "shape": jnp.arctanh(turn)}
