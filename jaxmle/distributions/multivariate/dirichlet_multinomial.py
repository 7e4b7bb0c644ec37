"""Dirichlet-multinomial (Polya) distribution of counts that vary more than multinomial ones.

Parameters: `concentration` > 0 of each of k categories; `trials` are a column of the data.

>>> import jax.numpy as jnp
>>> from jaxmle import distributions
>>> params = {"concentration": jnp.array([1.5, 4.0, 2.5])}
>>> round(float(distributions.dirichlet_multinomial(3).logpdf(params, {"counts": jnp.array([[2, 4, 3]]), "trials": jnp.array([9])})[0]), 3)
-3.28
"""

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxmle import spaces, special
from jaxmle.distributions.base.distribution import Distribution, sized, vector_distribution
from jaxmle.distributions.base.types import Params, Rows, Shape
from jaxmle.distributions.base.weighted_moments import interior_shares, usable_vectors
from jaxmle.distributions.multivariate.category_counts import (
    category_totals,
    counts_support,
    legal_counts,
    multinomial_draw,
)
from jaxmle.distributions.multivariate.dirichlet import sample_shares


def _logpdf(params: Params, x: Rows) -> Array:
    inside, counts, ways = legal_counts(x)
    a = params["concentration"]
    drawn = jnp.sum(special.gammaln_difference(counts, jnp.broadcast_to(a, counts.shape)), -1)
    whole = special.gammaln_difference(jnp.sum(counts, -1), jnp.broadcast_to(jnp.sum(a), inside.shape))
    return jnp.where(inside, ways + drawn - whole, -jnp.inf)


def _sample(key: Array, params: Params, shape: Shape = (), trials: ArrayLike = 1) -> Array:
    first, second = jax.random.split(key)
    return multinomial_draw(second, sample_shares(first, params, shape), shape, trials)


def _start(x: Rows, weights: Array) -> dict[str, Array]:
    # Moments of the first category, as for the beta-binomial.
    p = interior_shares(category_totals(x, weights))
    counts, weights = usable_vectors(x["counts"], weights, counts_support(x))
    n = jnp.sum(counts, -1)
    excess = jnp.sum(weights[:, None] * ((counts - n[:, None] * p) ** 2 / (p * (1 - p)) - n[:, None])) / p.size
    pairs = jnp.sum(weights * n * (n - 1))
    share = jnp.clip(excess / jnp.where(pairs > 0, pairs, 1), 0.01, 0.9)
    return {"concentration": p * (1 - share) / share}


@sized
def dirichlet_multinomial(k: int) -> Distribution:
    """Make the Dirichlet-multinomial distribution of counts of k categories; data {"counts": [n, k], "trials": [n]}."""
    return vector_distribution(
        name=f"dirichlet_multinomial({k})",
        logpdf=_logpdf,
        sample=_sample,
        support=counts_support,
        space={"concentration": spaces.positive(shape=k)},
        start=_start,
        discrete=True,
        columns=("counts", "trials"),
        event=1,
        doc="""Dirichlet-multinomial (Polya): mass n! Gamma(A) / Gamma(n + A) prod Gamma(x_j + a_j) / (x_j! Gamma(a_j)).

        a = concentration, A its sum, n = trials: microbiomes, words, elections. Means n a / A; A -> infinity is the
        multinomial. Johnson, Kotz & Balakrishnan, *Discrete Multivariate Distributions*, section 35.13.""",
    )
