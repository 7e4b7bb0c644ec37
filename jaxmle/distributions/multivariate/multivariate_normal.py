"""Multivariate normal distribution of vectors, which may have missing entries.

Parameters: `loc`, the mean vector; `covariance`, positive definite.

>>> import jax.numpy as jnp
>>> from jaxmle import distributions
>>> params = {"covariance": jnp.eye(3), "loc": jnp.zeros(3)}
>>> round(float(distributions.multivariate_normal(3).logpdf(params, jnp.array([[1.0, -1.0, 0.5]]))[0]), 3)
-3.882
"""

import jax
import jax.numpy as jnp
from jax import Array

from jaxmle import spaces
from jaxmle.distributions.base.constants import LOG_2PI
from jaxmle.distributions.base.distribution import Distribution, sized, vector_distribution
from jaxmle.distributions.base.types import Params
from jaxmle.distributions.multivariate.covariances import (
    all_finite,
    mean_and_covariance,
    normal_sample,
    squared_distances,
    vector_moments,
)
from jaxmle.model.geometry import Geometry
from jaxmle.special.elementary import floating


def _finite_or_missing(x: Array) -> Array:
    return jnp.all(~jnp.isinf(floating(x)), -1)


def _logpdf(params: Params, x: Array) -> Array:
    x = floating(x)
    inside = all_finite(x)
    rest = jnp.where(inside[:, None], x, 0) - jnp.where(inside[:, None], params["loc"], 0)
    square, size = squared_distances(params["covariance"], rest)
    return jnp.where(inside, -0.5 * (square + size + x.shape[-1] * LOG_2PI), -jnp.inf)


def _marginal_logpdf(params: Params, x: Array) -> Array:
    """Compute the marginal log-density of the entries that are not missing: the others have rows and columns of the unit matrix."""
    x = floating(x)
    inside, observed = _finite_or_missing(x), ~jnp.isnan(x)
    both = observed[:, :, None] & observed[:, None, :]
    matrix = jnp.where(both, params["covariance"], jnp.eye(x.shape[-1], dtype=x.dtype))
    known = observed & inside[:, None]
    rest = jnp.where(known, x, 0) - jnp.where(known, params["loc"], 0)
    low = jnp.linalg.cholesky(matrix)
    z = jax.scipy.linalg.solve_triangular(low, rest[..., None], lower=True)[..., 0]
    size = 2 * jnp.sum(jnp.log(jnp.diagonal(low, axis1=-2, axis2=-1)), -1)
    return jnp.where(inside, -0.5 * (jnp.sum(z * z, -1) + size + jnp.sum(observed, -1) * LOG_2PI), -jnp.inf)


def _start(x: Array, weights: Array) -> dict[str, Array]:
    loc, matrix = mean_and_covariance(x, weights)
    return {"covariance": matrix, "loc": loc}


def _maximum(x: Array, weights: Array) -> dict[str, Array]:
    loc, scale, correlation = vector_moments(x, weights)
    return {"covariance": correlation * scale[:, None] * scale[None, :], "loc": loc}


@sized
def multivariate_normal(d: int, missing: bool = False) -> Distribution:
    """Make the normal distribution of vectors [n, d]; with `missing`, NaN entries (fit with missing="keep") count for nothing.

    >>> import jaxmle as jm
    >>> pairs = jm.distributions.multivariate_normal(2)
    >>> fit = jm.fit(pairs, [[0.0, 1.0], [2.0, 0.0], [1.0, 2.0], [5.0, 1.0]])
    >>> fit.params["loc"].round(9)
    array([2., 1.])
    """
    return vector_distribution(
        name=f"multivariate_normal({d})",
        logpdf=_marginal_logpdf if missing else _logpdf,
        sample=normal_sample,
        support=_finite_or_missing if missing else all_finite,
        space={"covariance": spaces.covariance(d), "loc": spaces.real(shape=d)},
        start=_start,
        event=1,
        geometry=Geometry(maximum=None if missing else _maximum),
        doc="""Multivariate normal: density exp(-(x - loc)' covariance^-1 (x - loc) / 2) / sqrt(|2 pi covariance|).

        The maximum are the means and the covariances divided by n. Missing entries, if missing at random, leave the marginal
        distribution of the others. Little & Rubin 2019, *Statistical Analysis with Missing Data*, 3rd ed., section 11.2.""",
    )
