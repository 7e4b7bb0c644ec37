"""Multivariate t distribution of vectors with heavy tails.

Parameters: `df` > 0; `loc`, the center; `scatter`, positive definite.

>>> import jax.numpy as jnp
>>> from jaxmle import distributions
>>> params = {"df": 4.0, "loc": jnp.zeros(3), "scatter": jnp.eye(3)}
>>> round(float(distributions.multivariate_t(3).logpdf(params, jnp.array([[1.0, -1.0, 0.5]]))[0]), 3)
-4.158
"""

import jax
import jax.numpy as jnp
from jax import Array

from jaxmle import spaces, special
from jaxmle.distributions.base.constants import LOG_2PI
from jaxmle.distributions.base.distribution import Distribution, sized, vector_distribution
from jaxmle.distributions.base.types import Params, Shape
from jaxmle.distributions.multivariate.covariances import (
    all_finite,
    mean_and_covariance,
    normal_sample,
    squared_distances,
)
from jaxmle.special.elementary import floating


def _logpdf(params: Params, x: Array) -> Array:
    # In terms of 1/df, smooth at the normal; see student_t.
    x, df = floating(x), params["df"]
    inside, d = all_finite(x), x.shape[-1]
    rest = jnp.where(inside[:, None], x, 0) - jnp.where(inside[:, None], params["loc"], 0)
    square, size = squared_distances(params["scatter"], rest)
    t = square / df
    constant = special.log_rising(0.5 * d, 2 / df) - 0.5 * (d * LOG_2PI + size)
    value = constant - 0.5 * d * jnp.log1p(t) - 0.5 * square * special.log1p_ratio(t)
    return jnp.where(inside, value, -jnp.inf)


def _sample(key: Array, params: Params, shape: Shape = ()) -> Array:
    first, second = jax.random.split(key)
    df = floating(params["df"])
    centered = {"loc": jnp.zeros_like(floating(params["loc"])), "covariance": params["scatter"]}
    mixing = 2 * jnp.exp(jax.random.loggamma(second, 0.5 * df, shape)) / df
    return params["loc"] + normal_sample(first, centered, shape) / jnp.sqrt(mixing)[..., None]


def _start(x: Array, weights: Array) -> dict[str, Array]:
    # A few EM steps at df = 5 (Lange, Little & Taylor 1989) from means and covariances.
    df, d = 5.0, x.shape[-1]
    loc, matrix = mean_and_covariance(x, weights)
    usable = jnp.where((weights > 0) & all_finite(x), weights, 0)
    rows = jnp.where((usable > 0)[:, None], x, loc)

    def step(_: Array, at: tuple[Array, Array]) -> tuple[Array, Array]:
        loc, matrix = at
        square, _ = squared_distances(matrix, rows - loc)
        return _robust_moments(rows, usable * (df + d) / (df + square), usable)

    loc, matrix = jax.lax.fori_loop(0, 6, step, (loc, matrix))
    return {"df": jnp.full_like(loc[0], df), "loc": loc, "scatter": matrix}


def _robust_moments(x: Array, robust: Array, weights: Array) -> tuple[Array, Array]:
    """Compute means by robust weights, and their scatter divided by the sum of the plain weights."""
    loc, matrix = mean_and_covariance(x, robust)
    total = jnp.sum(weights)
    return loc, matrix * jnp.where(total > 0, jnp.sum(robust) / jnp.where(total > 0, total, 1), 1)


@sized
def multivariate_t(d: int) -> Distribution:
    """Make Student's t distribution of vectors [n, d]."""
    return vector_distribution(
        name=f"multivariate_t({d})",
        logpdf=_logpdf,
        sample=_sample,
        support=all_finite,
        space={"df": spaces.positive, "loc": spaces.real(shape=d), "scatter": spaces.covariance(d)},
        start=_start,
        event=1,
        doc="""Multivariate t: density proportional to (1 + q / df)^(-(df + d) / 2) / sqrt(|scatter|), q = (x - loc)' scatter^-1 (x - loc).

        Vectors with heavy tails; df -> infinity is the normal. Covariance scatter df / (df - 2) for df > 2.
        Kotz & Nadarajah 2004, *Multivariate t Distributions and Their Applications*, chapter 1.""",
    )
