"""Shares and counts of k categories: categorical, Dirichlet, Dirichlet-multinomial and multinomial."""

import functools
from typing import Any

import jax
import jax.numpy as jnp

from jaxmle import spaces, special
from jaxmle.distributions import _moments
from jaxmle.distributions._counts import is_count
from jaxmle.distributions._distribution import Distribution, law_of_vectors
from jaxmle.special.elementary import floating


def _usable(x: Any, weights: Any, inside: Any) -> tuple[Any, Any]:
    """Rows [n, k] and weights with illegal rows and rows of weight 0 neutralized."""
    x, weights = floating(x), floating(weights)
    keep = (weights > 0) & inside
    return jnp.where(keep[:, None], x, 0), jnp.where(keep, weights, 0)


def _shares(counts: Any) -> Any:
    """Shares of counts [k], half a count added to each where one is empty, to stay inside the space."""
    counts = jnp.where(jnp.all(counts > 0), counts, counts + 0.5)
    return counts / jnp.sum(counts)


# --- categorical -----------------------------------------------------------------------------------------


def _is_category(k: int) -> Any:
    return lambda x: is_count(x) & (floating(x) < k)


def _categorical_logpdf(params: Any, x: Any) -> Any:
    p, x = params["probability"], floating(x)
    inside = _is_category(p.shape[-1])(x)
    return jnp.where(inside, jnp.log(p)[jnp.where(inside, x, 0).astype(int)], -jnp.inf)


def _cumulative(params: Any, x: Any, upper: bool) -> Any:
    """log of the sum of the shares beyond x, or up to it."""
    p, x = params["probability"], floating(x)[..., None]
    categories = jnp.arange(p.shape[-1])
    chosen = (categories > x) if upper else (categories <= x)
    total = jnp.sum(jnp.where(chosen, p, 0), -1)
    value = jnp.where(total > 0, jnp.log(jnp.where(total > 0, total, 1)), -jnp.inf)
    return jnp.where(jnp.isnan(x[..., 0]), jnp.nan, value)


def _categorical_quantile(params: Any, q: Any) -> Any:
    q = floating(q)
    below = jnp.cumsum(params["probability"])[:-1] < q[..., None] * (1 - 8 * jnp.finfo(q.dtype).eps)
    return jnp.where((q >= 0) & (q <= 1), jnp.sum(below, -1).astype(q.dtype), jnp.nan)


def _categorical_sample(key: Any, params: Any, shape: Any = ()) -> Any:
    p = floating(params["probability"])
    return jax.random.categorical(key, jnp.log(p), shape=shape).astype(p.dtype)


def _tally(k: int) -> Any:
    def counts(x: Any, weights: Any) -> Any:
        x, weights = _moments.usable(x, weights, _is_category(k)(x))
        return jnp.sum(jnp.where(x[:, None] == jnp.arange(k), weights[:, None], 0), 0)

    return counts


@functools.lru_cache
def categorical(k: int) -> Distribution:
    """A law of k categories, numbered 0, ..., k - 1.

    >>> from jaxmle import distributions, fit
    >>> fit(distributions.categorical(3), [0, 1, 1, 2]).params["probability"].round(9)
    array([0.25, 0.5 , 0.25])
    """
    tally = _tally(k)
    return Distribution(
        name=f"categorical({k})",
        logpdf=_categorical_logpdf,
        logcdf=lambda params, x: _cumulative(params, x, False),
        logsf=lambda params, x: _cumulative(params, x, True),
        quantile=_categorical_quantile,
        sample=_categorical_sample,
        support=_is_category(k),
        space={"probability": spaces.simplex(k)},
        start=lambda x, weights: {"probability": _shares(tally(x, weights))},
        maximum=lambda x, weights: {"probability": (c := tally(x, weights)) / jnp.sum(c)},
        discrete=True,
        doc="""Categorical: mass probability[x], x = 0, ..., k - 1.

        One choice a row. The maximum are the shares; an empty category has its maximum on the boundary.
        Johnson, Kotz & Balakrishnan, *Discrete Multivariate Distributions*, chapter 35.""",
    )


# --- multinomial and Dirichlet-multinomial ---------------------------------------------------------------


def _counts_support(x: Any) -> Any:
    counts = floating(x["counts"])
    return jnp.all(is_count(counts), -1) & (jnp.sum(counts, -1) == floating(x["trials"]))


def _counted(x: Any) -> tuple[Any, Any, Any]:
    """Which rows are possible, counts [n, k] with a dummy for others, and the logarithm of the number of orders."""
    inside = _counts_support(x)
    counts = jnp.where(inside[..., None], floating(x["counts"]), 0)
    ways = special.gammaln(jnp.sum(counts, -1) + 1) - jnp.sum(special.gammaln(counts + 1), -1)
    return inside, counts, ways


def _multinomial_logpdf(params: Any, x: Any) -> Any:
    inside, counts, ways = _counted(x)
    return jnp.where(inside, ways + jnp.sum(special.xlogy(counts, params["probability"]), -1), -jnp.inf)


def _multinomial_draw(key: Any, p: Any, shape: Any, trials: Any) -> Any:
    """Category after category, each a binomial share of what is left; p [..., k]."""
    left = jnp.broadcast_to(floating(trials), shape).astype(p.dtype)
    rest = jnp.flip(jnp.cumsum(jnp.flip(p, -1), -1), -1)
    drawn = []
    for j in range(p.shape[-1] - 1):
        key, now = jax.random.split(key)
        chance = jnp.broadcast_to(jnp.clip(p[..., j] / rest[..., j], 0, 1), shape)
        drawn.append(jax.random.binomial(now, left, chance, shape, dtype=p.dtype))
        left = left - drawn[-1]
    return jnp.stack([*drawn, left], -1)


def _multinomial_sample(key: Any, params: Any, shape: Any = (), trials: Any = 1) -> Any:
    return _multinomial_draw(key, floating(params["probability"]), shape, trials)


def _totals(x: Any, weights: Any) -> Any:
    counts, weights = _usable(x["counts"], weights, _counts_support(x))
    return jnp.sum(counts * weights[:, None], 0)


@functools.lru_cache
def multinomial(k: int) -> Distribution:
    """A law of counts of k categories; data {"counts": [n, k], "trials": [n]}.

    >>> from jaxmle import distributions, fit
    >>> data = {"counts": [[1, 2, 1], [0, 3, 3]], "trials": [4, 6]}
    >>> fit(distributions.multinomial(3), data).params["probability"].round(9)
    array([0.1, 0.5, 0.4])
    """
    return law_of_vectors(
        name=f"multinomial({k})",
        logpdf=_multinomial_logpdf,
        sample=_multinomial_sample,
        support=_counts_support,
        space={"probability": spaces.simplex(k)},
        start=lambda x, weights: {"probability": _shares(_totals(x, weights))},
        maximum=lambda x, weights: {"probability": (c := _totals(x, weights)) / jnp.sum(c)},
        discrete=True,
        columns=("counts", "trials"),
        event=1,
        doc="""Multinomial: mass trials! / prod x_j! prod probability_j^x_j, x = counts.

        Means trials probability; the maximum are the shares of all counts.
        Johnson, Kotz & Balakrishnan, *Discrete Multivariate Distributions*, chapter 35.""",
    )


def _polya_logpdf(params: Any, x: Any) -> Any:
    inside, counts, ways = _counted(x)
    a = params["concentration"]
    drawn = jnp.sum(special.gammaln_difference(counts, jnp.broadcast_to(a, counts.shape)), -1)
    whole = special.gammaln_difference(jnp.sum(counts, -1), jnp.broadcast_to(jnp.sum(a), inside.shape))
    return jnp.where(inside, ways + drawn - whole, -jnp.inf)


def _polya_sample(key: Any, params: Any, shape: Any = (), trials: Any = 1) -> Any:
    first, second = jax.random.split(key)
    return _multinomial_draw(second, _dirichlet_sample(first, params, shape), shape, trials)


def _polya_start(x: Any, weights: Any) -> Any:
    # Moments of the first category, as for the beta-binomial.
    p = _shares(_totals(x, weights))
    counts, weights = _usable(x["counts"], weights, _counts_support(x))
    n = jnp.sum(counts, -1)
    excess = jnp.sum(weights[:, None] * ((counts - n[:, None] * p) ** 2 / (p * (1 - p)) - n[:, None])) / p.size
    pairs = jnp.sum(weights * n * (n - 1))
    share = jnp.clip(excess / jnp.where(pairs > 0, pairs, 1), 0.01, 0.9)
    return {"concentration": p * (1 - share) / share}


@functools.lru_cache
def dirichlet_multinomial(k: int) -> Distribution:
    """A law of counts of k categories that vary more than multinomial ones; data {"counts": [n, k], "trials": [n]}."""
    return law_of_vectors(
        name=f"dirichlet_multinomial({k})",
        logpdf=_polya_logpdf,
        sample=_polya_sample,
        support=_counts_support,
        space={"concentration": spaces.positive(shape=k)},
        start=_polya_start,
        discrete=True,
        columns=("counts", "trials"),
        event=1,
        doc="""Dirichlet-multinomial (Polya): mass n! Gamma(A) / Gamma(n + A) prod Gamma(x_j + a_j) / (x_j! Gamma(a_j)).

        a = concentration, A its sum, n = trials: microbiomes, words, elections. Means n a / A; A -> infinity is the
        multinomial. Johnson, Kotz & Balakrishnan, *Discrete Multivariate Distributions*, section 35.13.""",
    )


# --- Dirichlet -------------------------------------------------------------------------------------------


def _is_composition(x: Any) -> Any:
    x = floating(x)
    near = 1e-9 if x.dtype == jnp.float64 else 1e-5
    return jnp.all(x > 0, -1) & (jnp.abs(jnp.sum(x, -1) - 1) < near)


def _dirichlet_logpdf(params: Any, x: Any) -> Any:
    x, a = floating(x), params["concentration"]
    inside = _is_composition(x)
    logs = jnp.log(jnp.where(inside[..., None], x, 0.5))
    constant = special.gammaln(jnp.sum(a)) - jnp.sum(special.gammaln(a))
    return jnp.where(inside, constant + jnp.sum((a - 1) * logs, -1), -jnp.inf)


def _dirichlet_sample(key: Any, params: Any, shape: Any = ()) -> Any:
    a = floating(params["concentration"])
    return jax.nn.softmax(jax.random.loggamma(key, jnp.broadcast_to(a, (*shape, a.shape[-1]))), -1)


def _dirichlet_start(x: Any, weights: Any) -> Any:
    x, weights = _usable(x, weights, _is_composition(x))
    total = jnp.sum(weights)
    mean = jnp.where(total > 0, weights @ x / jnp.where(total > 0, total, 1), 1 / x.shape[-1])
    square = weights @ (x - mean) ** 2 / jnp.where(total > 0, total, 1)
    size = jnp.clip(jnp.sum(mean * (1 - mean)) / jnp.maximum(jnp.sum(square), 1e-12) - 1, 0.1, 1e8)
    return {"concentration": jnp.maximum(mean, 1e-6) * size}


def _dirichlet_information(params: Any, x: Any) -> Any:
    a = params["concentration"]
    matrix = jnp.diag(special.trigamma(a)) - special.trigamma(jnp.sum(a))
    return jnp.broadcast_to(matrix, (x.shape[0], *matrix.shape))


@functools.lru_cache
def dirichlet(k: int) -> Distribution:
    """A law of k positive shares that sum to 1; data [n, k]."""
    return law_of_vectors(
        name=f"dirichlet({k})",
        logpdf=_dirichlet_logpdf,
        sample=_dirichlet_sample,
        support=_is_composition,
        space={"concentration": spaces.positive(shape=k)},
        start=_dirichlet_start,
        information=_dirichlet_information,
        event=1,
        doc="""Dirichlet: density Gamma(A) / prod Gamma(a_j) prod x_j^(a_j - 1), a = concentration, A its sum.

        Compositions: budgets, diets, sediments. Means a / A, variances m (1 - m) / (A + 1).
        Minka 2000, "Estimating a Dirichlet distribution".""",
    )
