"""Dirichlet distribution of k shares that sum to 1.

Parameters: `concentration` > 0 of each of k categories.

>>> import jax.numpy as jnp
>>> from jaxmle import distributions
>>> params = {"concentration": jnp.array([1.5, 4.0, 2.5])}
>>> round(float(distributions.dirichlet(3).logpdf(params, jnp.array([[0.2, 0.5, 0.3]]))[0]), 3)
1.879
"""

import jax
import jax.numpy as jnp
from jax import Array

from jaxmle import spaces, special
from jaxmle.distributions.base.distribution import Distribution, sized, vector_distribution
from jaxmle.distributions.base.types import Params, Shape
from jaxmle.distributions.base.weighted_moments import usable_vectors
from jaxmle.model.geometry import Geometry
from jaxmle.special.elementary import floating


def _is_composition(x: Array) -> Array:
    x = floating(x)
    near = 1e-9 if x.dtype == jnp.float64 else 1e-5
    return jnp.all(x > 0, -1) & (jnp.abs(jnp.sum(x, -1) - 1) < near)


def _logpdf(params: Params, x: Array) -> Array:
    x, a = floating(x), params["concentration"]
    inside = _is_composition(x)
    logs = jnp.log(jnp.where(inside[..., None], x, 0.5))
    constant = special.gammaln(jnp.sum(a)) - jnp.sum(special.gammaln(a))
    return jnp.where(inside, constant + jnp.sum((a - 1) * logs, -1), -jnp.inf)


def sample_shares(key: Array, params: Params, shape: Shape = ()) -> Array:
    """Draw shares, f[*shape, k], as gamma variables divided by their sum."""
    a = floating(params["concentration"])
    return jax.nn.softmax(jax.random.loggamma(key, jnp.broadcast_to(a, (*shape, a.shape[-1]))), -1)


def _start(x: Array, weights: Array) -> dict[str, Array]:
    x, weights = usable_vectors(x, weights, _is_composition(x))
    total = jnp.sum(weights)
    mean = jnp.where(total > 0, weights @ x / jnp.where(total > 0, total, 1), 1 / x.shape[-1])
    square = weights @ (x - mean) ** 2 / jnp.where(total > 0, total, 1)
    size = jnp.clip(jnp.sum(mean * (1 - mean)) / jnp.maximum(jnp.sum(square), 1e-12) - 1, 0.1, 1e8)
    return {"concentration": jnp.maximum(mean, 1e-6) * size}


def _information(params: Params, x: Array) -> Array:
    a = params["concentration"]
    matrix = jnp.diag(special.trigamma(a)) - special.trigamma(jnp.sum(a))
    return jnp.broadcast_to(matrix, (x.shape[0], *matrix.shape))


@sized
def dirichlet(k: int) -> Distribution:
    """Make the Dirichlet distribution of k positive shares that sum to 1; data [n, k]."""
    return vector_distribution(
        name=f"dirichlet({k})",
        logpdf=_logpdf,
        sample=sample_shares,
        support=_is_composition,
        space={"concentration": spaces.positive(shape=k)},
        start=_start,
        event=1,
        geometry=Geometry(information=_information),
        doc="""Dirichlet: density Gamma(A) / prod Gamma(a_j) prod x_j^(a_j - 1), a = concentration, A its sum.

        Compositions: budgets, diets, sediments. Means a / A, variances m (1 - m) / (A + 1).
        Minka 2000, "Estimating a Dirichlet distribution".""",
    )
