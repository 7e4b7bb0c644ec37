"""Laws of vectors and matrices: multivariate normal (with missing entries), multivariate t, Wishart."""

import functools
from typing import Any

import jax
import jax.numpy as jnp

from jaxmle import spaces, special
from jaxmle.distributions._distribution import Distribution, law_of_vectors
from jaxmle.special.elementary import floating

_LOG_2PI = 1.8378770664093453


def _all_finite(x: Any) -> Any:
    return jnp.all(jnp.isfinite(floating(x)), -1)


def _finite_or_missing(x: Any) -> Any:
    return jnp.all(~jnp.isinf(floating(x)), -1)


def _whitened(matrix: Any, rest: Any) -> tuple[Any, Any]:
    """|L^-1 r|^2 for rows r [n, d] and log |matrix|, L L' = matrix."""
    low = jnp.linalg.cholesky(matrix)
    z = jax.scipy.linalg.solve_triangular(low, rest.T, lower=True)
    return jnp.sum(z * z, 0), 2 * jnp.sum(jnp.log(jnp.diagonal(low)))


def _normal_logpdf(params: Any, x: Any) -> Any:
    x = floating(x)
    inside = _all_finite(x)
    rest = jnp.where(inside[:, None], x, 0) - jnp.where(inside[:, None], params["loc"], 0)
    square, size = _whitened(params["covariance"], rest)
    return jnp.where(inside, -0.5 * (square + size + x.shape[-1] * _LOG_2PI), -jnp.inf)


def _missing_logpdf(params: Any, x: Any) -> Any:
    """The marginal law of what was seen: rows and columns of what was not are those of the unit matrix."""
    x = floating(x)
    inside, seen = _finite_or_missing(x), ~jnp.isnan(x)
    both = seen[:, :, None] & seen[:, None, :]
    matrix = jnp.where(both, params["covariance"], jnp.eye(x.shape[-1], dtype=x.dtype))
    known = seen & inside[:, None]
    rest = jnp.where(known, x, 0) - jnp.where(known, params["loc"], 0)
    low = jnp.linalg.cholesky(matrix)
    z = jax.scipy.linalg.solve_triangular(low, rest[..., None], lower=True)[..., 0]
    size = 2 * jnp.sum(jnp.log(jnp.diagonal(low, axis1=-2, axis2=-1)), -1)
    return jnp.where(inside, -0.5 * (jnp.sum(z * z, -1) + size + jnp.sum(seen, -1) * _LOG_2PI), -jnp.inf)


def _normal_sample(key: Any, params: Any, shape: Any = ()) -> Any:
    loc, low = floating(params["loc"]), jnp.linalg.cholesky(floating(params["covariance"]))
    return loc + jax.random.normal(key, (*shape, loc.shape[-1]), loc.dtype) @ low.T


def _moments_of(x: Any, weights: Any) -> tuple[Any, Any, Any]:
    """Means, standard deviations (never 0) and correlations of the columns; missing entries stand at the mean."""
    x, weights = floating(x), floating(weights)
    seen = jnp.isfinite(x) & (weights > 0)[:, None]
    w = jnp.where(seen, weights[:, None], 0)
    total = jnp.sum(w, 0)
    total = jnp.where(total > 0, total, 1)
    size = jnp.max(jnp.where(seen, jnp.abs(x), 0), 0)
    size = jnp.where(size > 0, size, 1)
    y = jnp.where(seen, x, 0) / size
    loc = jnp.sum(w * y, 0) / total
    z = jnp.where(seen, y - loc, 0)
    scale = jnp.sqrt(jnp.sum(w * z * z, 0) / total)
    scale = jnp.where(scale > 1e-14, scale, 1e-14 * jnp.abs(loc) + jnp.where(loc == 0, 1, 0))
    z = z / scale
    overlap = jnp.sqrt(total[:, None] * total[None, :])
    correlation = (jnp.where(weights > 0, weights, 0)[:, None] * z).T @ z / overlap
    return loc * size, scale * size, correlation


def correlation_of(x: Any, weights: Any) -> Any:
    """The correlation of the columns, shrunk until it is positive definite for certain."""
    return _positive(_moments_of(x, weights)[2])


def _positive(correlation: Any) -> Any:
    eye = jnp.eye(len(correlation), dtype=correlation.dtype)
    # As little as rounding where it is.
    least = jnp.linalg.eigvalsh(jnp.where(eye > 0, 1.0, correlation))[0]
    shrink = jnp.where(least > 1e-6, 0.0, jnp.clip((1e-3 - least) / (1 - least), 0.0, 1.0))
    return jnp.where(eye > 0, 1.0, (1 - shrink) * correlation)


def _start(x: Any, weights: Any) -> tuple[Any, Any]:
    loc, scale, correlation = _moments_of(x, weights)
    return loc, _positive(correlation) * scale[:, None] * scale[None, :]


def _normal_start(x: Any, weights: Any) -> Any:
    loc, matrix = _start(x, weights)
    return {"covariance": matrix, "loc": loc}


def _normal_maximum(x: Any, weights: Any) -> Any:
    loc, scale, correlation = _moments_of(x, weights)
    return {"covariance": correlation * scale[:, None] * scale[None, :], "loc": loc}


@functools.lru_cache
def multivariate_normal(d: int, missing: bool = False) -> Distribution:
    """The normal law of vectors [n, d]; with `missing`, entries may be NaN (fit with missing="keep") and count for nothing.

    >>> import jaxmle as jm
    >>> law = jm.distributions.multivariate_normal(2)
    >>> fit = jm.fit(law, [[0.0, 1.0], [2.0, 0.0], [1.0, 2.0], [5.0, 1.0]])
    >>> fit.params["loc"].round(9)
    array([2., 1.])
    """
    return law_of_vectors(
        name=f"multivariate_normal({d})",
        logpdf=_missing_logpdf if missing else _normal_logpdf,
        sample=_normal_sample,
        support=_finite_or_missing if missing else _all_finite,
        space={"covariance": spaces.covariance(d), "loc": spaces.real(shape=d)},
        start=_normal_start,
        maximum=None if missing else _normal_maximum,
        event=1,
        doc="""Multivariate normal: density exp(-(x - loc)' covariance^-1 (x - loc) / 2) / sqrt(|2 pi covariance|).

        The maximum are the means and the covariances divided by n. Missing entries, if missing at random, leave the marginal
        law of the others. Little & Rubin 2019, *Statistical Analysis with Missing Data*, 3rd ed., section 11.2.""",
    )


def _t_logpdf(params: Any, x: Any) -> Any:
    # In terms of 1/df, smooth at the normal; see student_t.
    x, df = floating(x), params["df"]
    inside, d = _all_finite(x), x.shape[-1]
    rest = jnp.where(inside[:, None], x, 0) - jnp.where(inside[:, None], params["loc"], 0)
    square, size = _whitened(params["scatter"], rest)
    t = square / df
    constant = special.log_rising(0.5 * d, 2 / df) - 0.5 * (d * _LOG_2PI + size)
    value = constant - 0.5 * d * jnp.log1p(t) - 0.5 * square * special.log1p_ratio(t)
    return jnp.where(inside, value, -jnp.inf)


def _t_sample(key: Any, params: Any, shape: Any = ()) -> Any:
    first, second = jax.random.split(key)
    df = floating(params["df"])
    centred = {"loc": jnp.zeros_like(floating(params["loc"])), "covariance": params["scatter"]}
    mixing = 2 * jnp.exp(jax.random.loggamma(second, 0.5 * df, shape)) / df
    return params["loc"] + _normal_sample(first, centred, shape) / jnp.sqrt(mixing)[..., None]


def _t_start(x: Any, weights: Any) -> Any:
    # A few EM steps at df = 5 (Lange, Little & Taylor 1989) from means and covariances.
    df, d = 5.0, x.shape[-1]
    loc, matrix = _start(x, weights)
    usable = jnp.where((weights > 0) & _all_finite(x), weights, 0)
    rows = jnp.where((usable > 0)[:, None], x, loc)

    def step(_: Any, at: Any) -> Any:
        loc, matrix = at
        square, _ = _whitened(matrix, rows - loc)
        return _start_of(rows, usable * (df + d) / (df + square), usable)

    loc, matrix = jax.lax.fori_loop(0, 6, step, (loc, matrix))
    return {"df": jnp.full_like(loc[0], df), "loc": loc, "scatter": matrix}


def _start_of(x: Any, robust: Any, weights: Any) -> tuple[Any, Any]:
    """Robust means, and scatter divided by the plain weight."""
    loc, matrix = _start(x, robust)
    total = jnp.sum(weights)
    return loc, matrix * jnp.where(total > 0, jnp.sum(robust) / jnp.where(total > 0, total, 1), 1)


@functools.lru_cache
def multivariate_t(d: int) -> Distribution:
    """Student's t of vectors [n, d]."""
    return law_of_vectors(
        name=f"multivariate_t({d})",
        logpdf=_t_logpdf,
        sample=_t_sample,
        support=_all_finite,
        space={"df": spaces.positive, "loc": spaces.real(shape=d), "scatter": spaces.covariance(d)},
        start=_t_start,
        event=1,
        doc="""Multivariate t: density proportional to (1 + q / df)^(-(df + d) / 2) / sqrt(|scatter|), q = (x - loc)' scatter^-1 (x - loc).

        Vectors with heavy tails; df -> infinity is the normal. Covariance scatter df / (df - 2) for df > 2.
        Kotz & Nadarajah 2004, *Multivariate t Distributions and Their Applications*, chapter 1.""",
    )


def _definite(x: Any) -> Any:
    return jax.vmap(spaces.covariance(x.shape[-1]).contains)(floating(x))


def _log_multigamma(a: Any, d: int) -> Any:
    """log of the multivariate gamma function (Muirhead 1982, theorem 2.1.12)."""
    constant = 0.25 * d * (d - 1) * 1.1447298858494002
    return constant + sum(special.gammaln(a - 0.5 * j) for j in range(d))


def _wishart_logpdf(params: Any, x: Any) -> Any:
    x, df = floating(x), params["df"]
    d, inside = x.shape[-1], _definite(x)
    x = jnp.where(inside[:, None, None], x, jnp.eye(d, dtype=x.dtype))
    low, own = jnp.linalg.cholesky(params["scale"]), jnp.linalg.cholesky(x)
    z = jax.scipy.linalg.solve_triangular(jnp.broadcast_to(low, own.shape), own, lower=True)
    # log |scale^-1 x| and its trace from one triangle, in which units cancel.
    size = 2 * jnp.sum(jnp.log(jnp.abs(jnp.diagonal(z, axis1=-2, axis2=-1))), -1)
    units = 2 * jnp.sum(jnp.log(jnp.diagonal(own, axis1=-2, axis2=-1)), -1)
    value = 0.5 * df * size - 0.5 * (d + 1) * units - 0.5 * jnp.sum(z * z, (-2, -1))
    value = value - 0.5 * d * df * 0.6931471805599453 - _log_multigamma(0.5 * df, d)
    return jnp.where(inside, value, -jnp.inf)


def _wishart_sample(key: Any, params: Any, shape: Any = ()) -> Any:
    """Bartlett's decomposition (Muirhead 1982, theorem 3.2.14)."""
    low, df = jnp.linalg.cholesky(floating(params["scale"])), floating(params["df"])
    d, (first, second) = low.shape[-1], jax.random.split(key)
    chi = jnp.sqrt(2 * jnp.exp(jax.random.loggamma(first, 0.5 * (df - jnp.arange(d)), (*shape, d))))
    normal = jnp.tril(jax.random.normal(second, (*shape, d, d), low.dtype), -1)
    z = low @ (normal + chi[..., None] * jnp.eye(d, dtype=low.dtype))
    return z @ jnp.swapaxes(z, -1, -2)


def _wishart_start(x: Any, weights: Any) -> Any:
    # The scale has its maximum at the mean over df; df from the diagonal, whose squared coefficients of variation are 2/df.
    x, d = floating(x), x.shape[-1]
    used = jnp.where(_definite(x) & (weights > 0), weights, 0)
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


@functools.lru_cache
def wishart(d: int) -> Distribution:
    """Wishart's law of positive definite matrices [n, d, d].

    >>> import jax.numpy as jnp
    >>> law = wishart(2)
    >>> round(float(law.logpdf({"df": 3.0, "scale": jnp.eye(2)}, jnp.eye(2)[None])[0]), 3)
    -3.531
    """
    return law_of_vectors(
        name=f"wishart({d})",
        logpdf=_wishart_logpdf,
        sample=_wishart_sample,
        support=_definite,
        space={"df": spaces.interval(d - 1.0, float("inf")), "scale": spaces.covariance(d)},
        start=_wishart_start,
        event=2,
        doc="""Wishart: density proportional to |x|^((df - d - 1) / 2) exp(-tr(scale^-1 x) / 2), x positive definite, df > d - 1.

        Scatter matrices of df normal vectors with covariance scale; mean df scale.
        Muirhead 1982, *Aspects of Multivariate Statistical Theory*, theorem 3.2.1.""",
    )
