"""Multinomial distribution of counts of k categories.

Parameters: `probability`, k shares that sum to 1; `trials` are a column of the data.

>>> import jax.numpy as jnp
>>> from jaxmle import distributions
>>> params = {"probability": jnp.array([0.2, 0.5, 0.3])}
>>> round(float(distributions.multinomial(3).logpdf(params, {"counts": jnp.array([[2, 4, 3]]), "trials": jnp.array([9])})[0]), 3)
-2.465
"""

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxmle import spaces, special
from jaxmle.distributions.base.distribution import Distribution, sized, vector_distribution
from jaxmle.distributions.base.types import Params, Rows, Shape
from jaxmle.distributions.base.weighted_moments import interior_shares
from jaxmle.distributions.multivariate.category_counts import (
    category_totals,
    counts_support,
    legal_counts,
    multinomial_draw,
)
from jaxmle.model.geometry import Geometry
from jaxmle.special.elementary import floating


def _logpdf(params: Params, x: Rows) -> Array:
    inside, counts, ways = legal_counts(x)
    return jnp.where(inside, ways + jnp.sum(special.xlogy(counts, params["probability"]), -1), -jnp.inf)


def _sample(key: Array, params: Params, shape: Shape = (), trials: ArrayLike = 1) -> Array:
    return multinomial_draw(key, floating(params["probability"]), shape, trials)


@sized
def multinomial(k: int) -> Distribution:
    """Make the multinomial distribution of counts of k categories; data {"counts": [n, k], "trials": [n]}.

    >>> from jaxmle import distributions, fit
    >>> data = {"counts": [[1, 2, 1], [0, 3, 3]], "trials": [4, 6]}
    >>> fit(distributions.multinomial(3), data).params["probability"].round(9)
    array([0.1, 0.5, 0.4])
    """
    return vector_distribution(
        name=f"multinomial({k})",
        logpdf=_logpdf,
        sample=_sample,
        support=counts_support,
        space={"probability": spaces.simplex(k)},
        start=lambda x, weights: {"probability": interior_shares(category_totals(x, weights))},
        discrete=True,
        columns=("counts", "trials"),
        event=1,
        geometry=Geometry(maximum=lambda x, weights: {"probability": (c := category_totals(x, weights)) / jnp.sum(c)}),
        doc="""Multinomial: mass trials! / prod x_j! prod probability_j^x_j, x = counts.

        Means trials probability; the maximum are the shares of all counts.
        Johnson, Kotz & Balakrishnan, *Discrete Multivariate Distributions*, chapter 35.""",
    )
