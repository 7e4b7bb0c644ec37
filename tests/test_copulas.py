"""Copulas: densities against SciPy, starts, samples, recovery, what they refuse."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats as st

import jaxmle as jm

R = np.array([[1.0, 0.6], [0.6, 1.0]])
MARGINS = {"h": st.norm(0.5, 2.0), "w": st.weibull_min(1.5, scale=3.0)}
PARAMS = {"correlation": R, "h": {"loc": 0.5, "scale": 2.0}, "w": {"scale": 3.0, "shape": 1.5}}
COPULAS = {
    "gaussian": (jm.models.gaussian_copula({"h": "normal", "w": "weibull"}), PARAMS, st.norm(), st.multivariate_normal(None, R)),
    "t": (jm.models.t_copula({"h": "normal", "w": "weibull"}), PARAMS | {"df": 4.0}, st.t(4), st.multivariate_t([0, 0], R, 4)),
}  # fmt: skip
EACH = pytest.mark.parametrize("name", COPULAS)


def drawn(name, n, seed=3):
    _, _, alone, joint = COPULAS[name]
    share = alone.cdf(joint.rvs(n, random_state=seed))
    return {k: law.ppf(share[:, j]) for j, (k, law) in enumerate(MARGINS.items())}


@EACH
def test_density_and_start(name, x64):
    model, params, alone, joint = COPULAS[name]
    data = drawn(name, 50)
    z = np.stack([alone.ppf(law.cdf(data[k])) for k, law in MARGINS.items()], -1)
    want = sum(law.logpdf(data[k]) for k, law in MARGINS.items()) + joint.logpdf(z) - alone.logpdf(z).sum(1)
    density, start_at = jax.jit(model.log_likelihood), jax.jit(model.start)
    value = density(params, jax.tree.map(jnp.asarray, data))
    np.testing.assert_allclose(value, want, rtol=1e-10, atol=1e-10)
    start = start_at(jax.tree.map(jnp.asarray, data), jnp.ones(50))
    leaves, tree = jax.tree.flatten(model.space)
    assert all(s.contains(x) for s, x in zip(leaves, tree.flatten_up_to(start), strict=True))
    assert start["correlation"][0, 1] == pytest.approx(0.6, abs=0.3)
    bad = {"h": np.resize([0.5, 1.0, 30.0], 50), "w": np.resize([-1.0, np.nan, 2.0], 50)}
    assert (density(params, bad) > -np.inf).tolist()[:3] == [False, False, True]


@pytest.mark.slow
def test_an_extreme_row_has_slopes(x64):
    model, params, *_ = COPULAS["gaussian"]
    data = {"h": jnp.array([1e3, 0.5]), "w": jnp.array([2.0, -1.0])}
    slope = jax.grad(lambda p: model.log_likelihood(p, data)[0])(jax.tree.map(jnp.asarray, params))
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(slope))


@pytest.mark.slow
@EACH
def test_samples(name, x64):
    model, params, *_ = COPULAS[name]
    new = model.simulate(jax.random.key(0), params, {k: np.zeros(3000) for k in MARGINS} | {"more": 1})
    assert new["more"] == 1
    for k, law in MARGINS.items():
        assert st.kstest(new[k], law.cdf).pvalue > 1e-3
    assert st.spearmanr(new["h"], new["w"]).statistic == pytest.approx(6 / np.pi * np.arcsin(0.3), abs=0.05)


@pytest.mark.slow
@EACH
def test_recovers(name):
    model, params, *_ = COPULAS[name]
    fit = jm.fit(model, drawn(name, 2000))
    assert fit.converged
    error = jax.tree.leaves(fit.standard_errors())
    for x, truth, se in zip(jax.tree.leaves(fit.params), jax.tree.leaves(params), error, strict=True):
        assert (np.abs(x - truth) < 4.5 * se + 1e-12).all()


@pytest.mark.parametrize(
    ("margins", "error", "words"),
    [
        ({"a": "normal"}, ValueError, "two margins or more"),
        ({"a": "normal", "b": "poisson"}, ValueError, "poisson; a copula's density needs"),
        ({"a": "normal", "b": "laplace"}, ValueError, "laplace; a copula's density needs"),
        ({"a": "normal", "df": "normal"}, ValueError, "cannot be called 'df'"),
        ({"a": "normal", "b": 3}, TypeError, "margin 'b' is 3"),
    ],
)
def test_refuses(margins, error, words):
    with pytest.raises(error, match=words):
        jm.models.gaussian_copula(margins)


def test_columns_must_have_the_margins_names():
    with pytest.raises(TypeError, match=r"columns, got \['a', 'b'\]"):
        jm.fit(COPULAS["gaussian"][0], {"a": [1.0, 2.0], "b": [1.0, 3.0]})
