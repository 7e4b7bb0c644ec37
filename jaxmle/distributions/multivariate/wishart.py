"""Wishart distribution of positive definite matrices.

Parameters: `df` > d - 1; `scale`, a positive definite d x d matrix.

>>> import jax.numpy as jnp
>>> from jaxmle import distributions
>>> round(float(distributions.wishart(3).logpdf({"df": 4.5, "scale": jnp.eye(3)}, jnp.eye(3)[None])[0]), 3)
-7.838
"""

import jax
import jax.numpy as jnp
from jax import Array

from jaxmle import spaces, special
from jaxmle.distributions.base.constants import LOG_2, LOG_PI
from jaxmle.distributions.base.distribution import Distribution, sized, vector_distribution
from jaxmle.distributions.base.types import Params, Shape
from jaxmle.special.elementary import floating


def _is_positive_definite(x: Array) -> Array:
    return jax.vmap(spaces.covariance(x.shape[-1]).contains)(floating(x))


def _log_multigamma(a: Array, d: int) -> Array:
    """Compute the logarithm of the multivariate gamma function at a (Muirhead 1982, theorem 2.1.12)."""
    constant = 0.25 * d * (d - 1) * LOG_PI
    return jnp.add(constant, sum(special.gammaln(a - 0.5 * j) for j in range(d)))


def _logpdf(params: Params, x: Array) -> Array:
    x, df = floating(x), params["df"]
    d, inside = x.shape[-1], _is_positive_definite(x)
    x = jnp.where(inside[:, None, None], x, jnp.eye(d, dtype=x.dtype))
    low, own = jnp.linalg.cholesky(params["scale"]), jnp.linalg.cholesky(x)
    z = jax.scipy.linalg.solve_triangular(jnp.broadcast_to(low, own.shape), own, lower=True)
    # log |scale^-1 x| and its trace from one triangle, in which units cancel.
    size = 2 * jnp.sum(jnp.log(jnp.abs(jnp.diagonal(z, axis1=-2, axis2=-1))), -1)
    units = 2 * jnp.sum(jnp.log(jnp.diagonal(own, axis1=-2, axis2=-1)), -1)
    value = 0.5 * df * size - 0.5 * (d + 1) * units - 0.5 * jnp.sum(z * z, (-2, -1))
    value = value - 0.5 * d * df * LOG_2 - _log_multigamma(0.5 * df, d)
    return jnp.where(inside, value, -jnp.inf)


def _sample(key: Array, params: Params, shape: Shape = ()) -> Array:
    """Draw Wishart matrices by Bartlett's decomposition (Muirhead 1982, theorem 3.2.14)."""
    low, df = jnp.linalg.cholesky(floating(params["scale"])), floating(params["df"])
    d, (first, second) = low.shape[-1], jax.random.split(key)
    chi = jnp.sqrt(2 * jnp.exp(jax.random.loggamma(first, 0.5 * (df - jnp.arange(d)), (*shape, d))))
    normal = jnp.tril(jax.random.normal(second, (*shape, d, d), low.dtype), -1)
    z = low @ (normal + chi[..., None] * jnp.eye(d, dtype=low.dtype))
    return z @ jnp.swapaxes(z, -1, -2)


def _start(x: Array, weights: Array) -> dict[str, Array]:
    # The scale has its maximum at the mean over df; df from the diagonal, whose squared coefficients of variation are 2/df.
    x, d = floating(x), x.shape[-1]
    used = jnp.where(_is_positive_definite(x) & (weights > 0), weights, 0)
    total = jnp.sum(used)
    rows = jnp.where((used > 0)[:, None, None], x, 0)
    mean = jnp.where(
        total > 0, jnp.tensordot(used, rows, 1) / jnp.where(total > 0, total, 1), jnp.eye(d, dtype=x.dtype)
    )
    diagonal = jnp.diagonal(mean)
    ratio = jnp.diagonal(rows, axis1=-2, axis2=-1) / diagonal - 1
    square = jnp.sum(used[:, None] * ratio**2) / (d * jnp.where(total > 0, total, 1))
    df = jnp.clip(2 / jnp.maximum(square, 1e-6), d - 0.5, 1e6)
    return {"df": df, "scale": mean / df}


@sized
def wishart(d: int) -> Distribution:
    """Make the Wishart distribution of positive definite matrices [n, d, d].

    >>> import jax.numpy as jnp
    >>> matrices = wishart(2)
    >>> round(float(matrices.logpdf({"df": 3.0, "scale": jnp.eye(2)}, jnp.eye(2)[None])[0]), 3)
    -3.531
    """
    return vector_distribution(
        name=f"wishart({d})",
        logpdf=_logpdf,
        sample=_sample,
        support=_is_positive_definite,
        space={"df": spaces.interval(d - 1.0, float("inf")), "scale": spaces.covariance(d)},
        start=_start,
        event=2,
        doc="""Wishart: density proportional to |x|^((df - d - 1) / 2) exp(-tr(scale^-1 x) / 2), x positive definite, df > d - 1.

        Scatter matrices of df normal vectors with covariance scale; mean df scale.
        Muirhead 1982, *Aspects of Multivariate Statistical Theory*, theorem 3.2.1.""",
    )
