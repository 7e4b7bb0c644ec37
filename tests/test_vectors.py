"""Distributions of categories and vectors: SciPy's densities, recovery, closed forms, missing entries."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats as st
from catalogue import LOC, MATRIX, P
from catalogue import VECTORS as TABLE

import jaxmle as jm
from jaxmle import distributions

pytestmark = pytest.mark.usefixtures("x64")


def sample(name, n, seed=0):
    d = getattr(distributions, name)(3)
    extra = {"trials": 9.0} if d.columns else {}
    x = np.asarray(d.sample(jax.random.key(seed), jax.tree.map(jnp.asarray, TABLE[name].params), (n,), **extra))
    return d, ({"counts": x, "trials": np.full(n, 9.0)} if d.columns else x), x


@pytest.mark.parametrize("name", TABLE)
def test_density_support_and_start(name):
    (params, theirs, *_), (d, data, x) = TABLE[name], sample(name, 40)
    assert getattr(distributions, name)(3) is d and d.support(data).all()
    value = np.asarray(d.logpdf(params, data))
    if theirs is None:
        want = np.log(P[x.astype(int)])
    elif name == "dirichlet":
        want = theirs.logpdf(x.T)
    elif name == "wishart":
        want = theirs.logpdf(np.moveaxis(x, 0, -1))
    else:
        want = theirs.logpmf(x) if d.discrete else theirs.logpdf(x)
    np.testing.assert_allclose(value, want, rtol=1e-11, atol=1e-12)
    for weights in (np.ones(40), np.zeros(40), np.eye(40)[3]):
        start = d.start(data, jnp.asarray(weights))
        assert all(d.space[k].contains(start[k]) for k in d.space)
    with pytest.raises(ValueError, match=rf"distributions\.{name}\(3\)"):
        distributions.by_name(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLE)
def test_recovers(name):
    params = TABLE[name].params
    d, data, _ = sample(name, 4000)
    fit = jm.fit(d, data)
    assert fit.converged
    error = fit.standard_errors()
    for k, truth in params.items():
        assert (np.abs(fit.params[k] - truth) < 4.5 * error[k] + 1e-12).all()
    if d.geometry.maximum is not None:
        best = d.geometry.maximum(jax.tree.map(jnp.asarray, data), jnp.ones(4000))
        for k in best:
            np.testing.assert_allclose(fit.params[k], best[k], rtol=1e-6, atol=1e-9)


def test_categories_beyond_the_last_are_impossible():
    d = distributions.categorical(3)
    x = jnp.array([-1.0, 0.5, 3.0, np.nan, np.inf])
    assert not d.support(x).any() and (d.logpdf({"probability": P}, x) == -np.inf).all()
    with pytest.raises(ValueError, match="row 1 is 3.0, outside the support"):
        jm.fit(d, [0.0, 3.0, 1.0])
    q = jnp.array([0.0, 0.2, 0.21, 0.7, 1.0])
    np.testing.assert_array_equal(d.quantile({"probability": P}, q), [0, 0, 1, 1, 2])
    np.testing.assert_allclose(np.exp(d.logcdf({"probability": P}, jnp.array([-1, 0, 1.5, 2]))), [0, 0.2, 0.7, 1])
    np.testing.assert_allclose(np.exp(d.logsf({"probability": P}, jnp.array([-1, 0, 1.5, 2]))), [1, 0.8, 0.3, 0])


def test_missing_entries_leave_the_marginal_distribution():
    d, x = distributions.multivariate_normal(3, missing=True), sample("multivariate_normal", 30)[2].copy()
    params = TABLE["multivariate_normal"].params
    full = np.asarray(d.logpdf(params, x))
    np.testing.assert_allclose(full, TABLE["multivariate_normal"].scipy.logpdf(x), rtol=1e-12)
    x[0, 1], x[1, :2], x[2] = np.nan, np.nan, np.nan
    value = d.logpdf(params, jnp.asarray(x))
    pair = st.multivariate_normal(LOC[[0, 2]], MATRIX[np.ix_([0, 2], [0, 2])])
    want = [pair.logpdf(x[0, [0, 2]]), st.norm(LOC[2], MATRIX[2, 2] ** 0.5).logpdf(x[1, 2]), 0.0]
    np.testing.assert_allclose(value[:3], want, rtol=1e-12)
    slope = jax.grad(lambda p: d.logpdf(p, jnp.asarray(x)).sum())(jax.tree.map(jnp.asarray, params))
    assert all(np.isfinite(v).all() for v in jax.tree.leaves(slope))


@pytest.mark.slow
def test_fits_with_missing_entries():
    d, x = distributions.multivariate_normal(3, missing=True), sample("multivariate_normal", 200)[2].copy()
    x[np.random.default_rng(0).uniform(size=x.shape) < 0.2] = np.nan
    fit = jm.fit(d, x, missing="keep")
    assert fit.converged and (np.abs(fit.params["loc"] - LOC) < 4.5 * fit.standard_errors()["loc"]).all()
