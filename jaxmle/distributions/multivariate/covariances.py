"""Means and covariances of vectors: what multivariate normal, multivariate t and copulas share."""

import jax
import jax.numpy as jnp
from jax import Array

from jaxmle.distributions.base.types import Params, Shape
from jaxmle.special.elementary import floating


def all_finite(x: Array) -> Array:
    """Test rows x [n, d] for having finite entries only, bool[n]."""
    return jnp.all(jnp.isfinite(floating(x)), -1)


def squared_distances(matrix: Array, rest: Array) -> tuple[Array, Array]:
    """Compute r' matrix^-1 r for rows r [n, d] of `rest`, and log |matrix|, from the Cholesky factor of matrix."""
    low = jnp.linalg.cholesky(matrix)
    z = jax.scipy.linalg.solve_triangular(low, rest.T, lower=True)
    return jnp.sum(z * z, 0), 2 * jnp.sum(jnp.log(jnp.diagonal(low)))


def normal_sample(key: Array, params: Params, shape: Shape = ()) -> Array:
    """Draw normal vectors, f[*shape, d], with mean `loc` and the covariance of params."""
    loc, low = floating(params["loc"]), jnp.linalg.cholesky(floating(params["covariance"]))
    return loc + jax.random.normal(key, (*shape, loc.shape[-1]), loc.dtype) @ low.T


def vector_moments(x: Array, weights: Array) -> tuple[Array, Array, Array]:
    """Compute means, standard deviations (never 0) and correlations of the columns of x [n, d]; missing entries are the mean."""
    x, weights = floating(x), floating(weights)
    observed = jnp.isfinite(x) & (weights > 0)[:, None]
    w = jnp.where(observed, weights[:, None], 0)
    total = jnp.sum(w, 0)
    total = jnp.where(total > 0, total, 1)
    size = jnp.max(jnp.where(observed, jnp.abs(x), 0), 0)
    size = jnp.where(size > 0, size, 1)
    y = jnp.where(observed, x, 0) / size
    loc = jnp.sum(w * y, 0) / total
    z = jnp.where(observed, y - loc, 0)
    scale = jnp.sqrt(jnp.sum(w * z * z, 0) / total)
    scale = jnp.where(scale > 1e-14, scale, 1e-14 * jnp.abs(loc) + jnp.where(loc == 0, 1, 0))
    z = z / scale
    overlap = jnp.sqrt(total[:, None] * total[None, :])
    correlation = (jnp.where(weights > 0, weights, 0)[:, None] * z).T @ z / overlap
    return loc * size, scale * size, correlation


def correlation_of(x: Array, weights: Array) -> Array:
    """Compute the correlation of the columns of x [n, d], shrunk until it is positive definite for certain."""
    return _positive_definite(vector_moments(x, weights)[2])


def _positive_definite(correlation: Array) -> Array:
    """Shrink a correlation towards the unit matrix until it is positive definite: by no more than rounding where it is."""
    eye = jnp.eye(len(correlation), dtype=correlation.dtype)
    least = jnp.linalg.eigvalsh(jnp.where(eye > 0, 1.0, correlation))[0]
    shrink = jnp.where(least > 1e-6, 0.0, jnp.clip((1e-3 - least) / (1 - least), 0.0, 1.0))
    return jnp.where(eye > 0, 1.0, (1 - shrink) * correlation)


def mean_and_covariance(x: Array, weights: Array) -> tuple[Array, Array]:
    """Compute means and a positive definite covariance of the columns of x [n, d]."""
    loc, scale, correlation = vector_moments(x, weights)
    return loc, _positive_definite(correlation) * scale[:, None] * scale[None, :]
