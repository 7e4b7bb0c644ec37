"""`fit` and `Fit`: the textbook's cases, every number against a formula, the door, float64, threads, lifetime."""

import gc
import threading
import weakref
from types import FunctionType, ModuleType

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.special
import scipy.stats
from cases import KNOWN_SCALE, LOGISTIC, REGRESSION, gaussian, logistic_data, pick, regression_data, rng

import jaxmle as jm
from jaxmle import models, spaces

FIVE = np.array([2.3, 1.9, 2.5, 2.8, 1.7])
Z = scipy.stats.norm.ppf(0.975)


# --- the textbook ----------------------------------------------------------------------------------------


def test_five_numbers():
    fit = jm.fit("normal", [2.3, 1.9, 2.5, 2.8, 1.7])
    assert fit.converged
    np.testing.assert_allclose(fit.params["loc"], 2.24, rtol=1e-13)
    np.testing.assert_allclose(fit.params["scale"], np.std(FIVE), rtol=1e-12)
    np.testing.assert_allclose(fit.log_likelihood, scipy.stats.norm.logpdf(FIVE, 2.24, np.std(FIVE)).sum(), rtol=1e-13)
    np.testing.assert_allclose(fit.standard_errors()["loc"], np.std(FIVE) / np.sqrt(5), rtol=1e-10)
    np.testing.assert_allclose(fit.standard_errors()["scale"], np.std(FIVE) / np.sqrt(10), rtol=1e-9)
    assert fit.n_observations == 5


def test_seven_heads_of_ten():
    fit = jm.fit("bernoulli", [1, 1, 1, 0, 1, 0, 1, 1, 0, 1])
    np.testing.assert_allclose(fit.params["probability"], 0.7, rtol=1e-13)
    np.testing.assert_allclose(fit.standard_errors()["probability"], np.sqrt(0.7 * 0.3 / 10), rtol=1e-9)
    logit = np.log(0.7 / 0.3) + np.array([-1, 1]) * Z / np.sqrt(10 * 0.7 * 0.3)
    ends = fit.interval()
    found = [ends.lower["probability"], ends.upper["probability"]]
    np.testing.assert_allclose(found, scipy.special.expit(logit), rtol=1e-9)
    weighted = jm.fit("bernoulli", [1, 0], weights=[7, 3])
    np.testing.assert_allclose(weighted.params["probability"], 0.7, rtol=1e-13)
    np.testing.assert_allclose(weighted.log_likelihood, fit.log_likelihood, rtol=1e-13)


REG = pick(regression_data(11, 1, 40), 0)


@pytest.fixture(scope="module")
def regression():
    return jm.fit(REGRESSION, REG)


def by_least_squares():
    x, y = REG["x"], REG["y"]
    beta = np.linalg.lstsq(x, y, rcond=None)[0]
    e = y - x @ beta
    return x, e, beta, e @ e / len(y)


def test_regression_is_least_squares(regression):
    _, _, beta, variance = by_least_squares()
    np.testing.assert_allclose(regression.params["beta"], beta, rtol=1e-10)
    np.testing.assert_allclose(regression.params["scale"] ** 2, variance, rtol=1e-10)
    assert regression.names == ["beta[0]", "beta[1]", "beta[2]", "scale"]


def test_covariances_are_the_textbooks(regression):
    """Observed: s2 (X'X)^-1. Robust: statsmodels' HC0. Opg and robust from scores written by hand."""
    x, e, _, variance = by_least_squares()
    bread = np.linalg.inv(x.T @ x)
    np.testing.assert_allclose(regression.covariance()[:3, :3], variance * bread, rtol=1e-8)
    np.testing.assert_allclose(regression.covariance("expected")[:3, :3], variance * bread, rtol=1e-8)
    hc0 = bread @ (x.T * e**2) @ x @ bread
    np.testing.assert_allclose(regression.covariance("robust")[:3, :3], hc0, rtol=1e-7)
    s = np.sqrt(variance)
    scores = np.column_stack([x * (e / variance)[:, None], e**2 / s**3 - 1 / s])
    np.testing.assert_allclose(regression.covariance("opg"), np.linalg.inv(scores.T @ scores), rtol=1e-7)
    information = np.zeros((4, 4))
    information[:3, :3], information[3, 3] = x.T @ x / variance, 2 * len(e) / variance
    j = np.linalg.inv(information)
    np.testing.assert_allclose(regression.covariance("robust"), j @ scores.T @ scores @ j, rtol=1e-6, atol=1e-12)
    for kind in ("observed", "opg", "robust"):
        se = regression.standard_errors(kind)
        np.testing.assert_allclose(
            [*se["beta"], se["scale"]], np.sqrt(np.diagonal(regression.covariance(kind))), rtol=1e-12
        )


def test_intervals_live_on_the_right_scale(regression):
    p, se, ends = regression.params, regression.standard_errors(), regression.interval()
    np.testing.assert_allclose(ends.lower["beta"], p["beta"] - Z * se["beta"], rtol=1e-10)
    np.testing.assert_allclose(ends.upper["beta"], p["beta"] + Z * se["beta"], rtol=1e-10)
    np.testing.assert_allclose(ends.upper["scale"], p["scale"] * np.exp(Z * se["scale"] / p["scale"]), rtol=1e-10)
    plain = regression.interval(scale="natural")
    np.testing.assert_allclose(plain.lower["scale"], p["scale"] - Z * se["scale"], rtol=1e-10)
    wide = regression.interval(0.99)
    assert wide.lower["scale"] < ends.lower["scale"]
    robust = regression.interval(kind="robust")
    np.testing.assert_allclose(
        robust.upper["beta"], p["beta"] + Z * regression.standard_errors("robust")["beta"], rtol=1e-10
    )


def test_transform_is_the_delta_method(regression):
    found = regression.transform(lambda p: {"ratio": p["beta"][1] / p["beta"][2], "variance": p["scale"] ** 2})
    b, s, c = regression.params["beta"], regression.params["scale"], regression.covariance()
    slope = np.array([0, 1 / b[2], -b[1] / b[2] ** 2, 0])
    np.testing.assert_allclose(found.value["ratio"], b[1] / b[2], rtol=1e-12)
    np.testing.assert_allclose(found.standard_errors["ratio"], np.sqrt(slope @ c @ slope), rtol=1e-10)
    np.testing.assert_allclose(found.standard_errors["variance"], 2 * s * np.sqrt(c[3, 3]), rtol=1e-10)
    ends = found.interval()
    np.testing.assert_allclose(ends.upper["variance"], s**2 + Z * found.standard_errors["variance"], rtol=1e-12)


def test_criteria(regression):
    k, n, best = 4, 40, regression.log_likelihood
    assert regression.model.free == k
    np.testing.assert_allclose(regression.aic, -2 * best + 2 * k, rtol=1e-14)
    np.testing.assert_allclose(regression.aicc, regression.aic + 2 * k * (k + 1) / (n - k - 1), rtol=1e-14)
    np.testing.assert_allclose(regression.bic, -2 * best + k * np.log(n), rtol=1e-14)
    assert np.isnan(jm.fit("normal", FIVE[:3]).aicc)
    doubled = jm.fit("normal", FIVE, weights=np.full(5, 2))
    np.testing.assert_allclose(doubled.bic, -2 * doubled.log_likelihood + 2 * np.log(10), rtol=1e-14)


def test_logistic_is_statsmodels():
    """Newton-Raphson by hand, and H^-1 there."""
    data = pick(logistic_data(12, 1, 80), 0)
    fit = jm.fit(LOGISTIC, data)
    x, y, beta = data["x"], data["y"], np.zeros(2)
    for _ in range(30):
        q = scipy.special.expit(x @ beta)
        h = (x.T * (q * (1 - q))) @ x
        beta = beta + np.linalg.solve(h, x.T @ (y - q))
    np.testing.assert_allclose(fit.params["beta"], beta, rtol=1e-10)
    np.testing.assert_allclose(fit.covariance(), np.linalg.inv(h), rtol=1e-8)
    np.testing.assert_allclose(fit.covariance("expected"), np.linalg.inv(h), rtol=1e-8)


# --- tables ----------------------------------------------------------------------------------------------


def test_summary_reads_like_statsmodels(regression):
    text = regression.summary()
    for word in (
        "std err",
        "P>|z|",
        "2.5%",
        "97.5%",
        "Log-likelihood:",
        "AIC:",
        "BIC:",
        "No. observations:",
        "beta[2]",
    ):
        assert word in text
    assert "converged" in text
    assert repr(regression) == text
    scale = next(line for line in text.splitlines() if line.startswith("scale"))
    assert len(scale.split()) == 5  # no z and no p for a scale
    assert "(pinned)" in jm.fit(models.pinned("gamma", shape=2.0), [1.0, 2.0, 3.0]).summary()


def batch():
    keys = np.repeat(["b", "a", "c"], 20)
    return jm.fit_many("gamma", rng(70).gamma(2.0, 1.0, 60), groups=pd.Series(keys, name="machine"))


def test_data_frames():
    fits = batch()
    each = [name + suffix for name in ("scale", "shape") for suffix in ("", "_se", "_lower", "_upper")]
    columns = ["machine", *each, "log_likelihood", "n", "dropped", "status", "steps", "decrement"]
    for table in (fits.to_pandas(), fits.to_polars()):
        assert list(table.columns) == columns
        assert list(table["machine"]) == ["b", "a", "c"]
        assert list(table["status"]) == ["converged"] * 3
        np.testing.assert_allclose(table["shape"], fits.params["shape"])
        np.testing.assert_allclose(table["shape_upper"], fits.interval().upper["shape"])
    assert isinstance(fits.to_polars(), pl.DataFrame)
    assert len(jm.fit("normal", FIVE).to_pandas()) == 1
    assert "3 fits of gamma: 3 converged" in repr(fits)


def test_parts_of_a_batch():
    fits = batch()
    assert len(fits) == 3
    assert fits["a"].params["shape"] == fits.params["shape"][1]
    assert fits[-1].log_likelihood == fits.log_likelihood[2]
    assert list(fits[1:].keys) == ["a", "c"]
    assert list(fits[np.array([True, False, True])].keys) == ["b", "c"]
    np.testing.assert_array_equal(fits[[2, 0]].params["scale"], fits.params["scale"][[2, 0]])
    np.testing.assert_allclose(fits[[2, 0]].covariance("robust"), fits.covariance("robust")[[2, 0]], rtol=1e-12)
    assert [f.steps for f in fits] == fits.steps.tolist()
    assert fits.raise_for_status() is fits
    with pytest.raises(KeyError, match="'z'"):
        fits["z"]
    with pytest.raises(IndexError, match="of 3"):
        fits[3]
    with pytest.raises(TypeError, match="fit_many"):
        len(jm.fit("normal", FIVE))
    with pytest.raises(TypeError, match="fit_many"):
        jm.fit("normal", FIVE)[0]


def test_simulate_from_a_fit():
    fit = jm.fit("gamma", rng(71).gamma(2.0, 1.0, 50))
    again = fit.simulate(3)
    assert again.shape == (50,)
    assert again.dtype == np.float64
    np.testing.assert_array_equal(again, fit.simulate(jax.random.key(3)))
    assert np.any(again != fit.simulate(4))


# --- float64, threads, what a Fit holds ------------------------------------------------------------------

METHODS = {
    "params": lambda f: f.params,
    "log_likelihood": lambda f: f.log_likelihood,
    "covariance": lambda f: f.covariance(),
    "expected": lambda f: f.covariance("expected"),
    "opg": lambda f: f.covariance("opg"),
    "robust": lambda f: f.covariance("robust"),
    "standard_errors": lambda f: f.standard_errors(),
    "interval": lambda f: f.interval()[:2],
    "natural interval": lambda f: f.interval(scale="natural")[:2],
    "transform": lambda f: f.transform(lambda p: {"mean": p["shape"] * p["scale"]}),
    "criteria": lambda f: (f.aic, f.aicc, f.bic),
    "summary": lambda f: f.summary(),
    "columns": lambda f: f.columns(),
    "message": lambda f: f.message(),
    "simulate": lambda f: f.simulate(1),
}


def everything(single):
    x = rng(72).gamma(2.0, 1.0, (3, 40))
    fit = jm.fit("gamma", x[0]) if single else jm.fit_many("gamma", x)
    return {name: method(fit) for name, method in METHODS.items()}


def same(a, b):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("single", [True, False], ids=["fit", "fit_many"])
def test_the_flag_and_the_thread_change_no_number(single):
    off = everything(single)
    assert not jax.config.jax_enable_x64
    assert jnp.ones(1).dtype == jnp.float32
    for leaf in jax.tree.leaves(off):
        assert not isinstance(leaf, jax.Array)
        if isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f":
            assert leaf.dtype == np.float64
    with jax.enable_x64(True):
        same(everything(single), off)
    found = [None, None]
    threads = [threading.Thread(target=lambda i=i: found.__setitem__(i, everything(single))) for i in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for numbers in found:
        same(numbers, off)


def reachable(root):
    """Everything that hangs on an object: attributes, containers, closures' records; not modules or functions."""
    seen, todo = {}, [root]
    while todo:
        x = todo.pop()
        if id(x) in seen or isinstance(x, (ModuleType, FunctionType, type, str)):
            continue
        seen[id(x)] = x
        todo += [r for r in gc.get_referents(x) if not isinstance(r, (ModuleType, FunctionType, type))]
    return list(seen.values())


def test_no_jax_array_is_reachable_from_a_fit():
    fit = jm.fit(KNOWN_SCALE, {"x": jnp.arange(5.0), "scale": jm.constant(jnp.ones(()))})
    for method in ("covariance", "standard_errors", "interval", "summary"):
        getattr(fit, method)()
    for f in (fit, jm.fit_many("gamma", jnp.ones((2, 5)) + jnp.arange(5.0))):
        assert not [x for x in reachable(f) if isinstance(x, jax.Array)]


def unit_log_likelihood(params, x):
    return gaussian(x - params["loc"], 1.0)


def test_fit_model_and_data_are_collected():
    x = np.arange(200_000.0) / 1e5
    model = jm.Model(unit_log_likelihood, {"loc": spaces.real})
    fit = jm.fit(model, x)
    assert fit.summary()
    assert np.isfinite(fit.covariance("robust")).all()
    watched = weakref.ref(x), weakref.ref(model), weakref.ref(fit)
    del x, model, fit
    gc.collect()
    assert [w() for w in watched] == [None, None, None]


def test_fit_data_and_numbers_are_collected():
    """Compiled programs keep a model's functions and spaces, but neither data nor numbers nor fits."""
    x, shape = 1.0 + np.arange(200_000.0) / 1e5, np.array(2.0)
    model = models.pinned("gamma", shape=shape)
    fit = jm.fit(model, x)
    assert fit.summary()
    assert np.isfinite(fit.covariance("robust")).all()
    watched = weakref.ref(x), weakref.ref(shape), weakref.ref(model), weakref.ref(fit)
    del x, shape, model, fit
    gc.collect()
    assert [w() for w in watched] == [None] * 4


def test_data_are_held_not_copied_and_watched():
    x = rng(73).normal(size=200_000)
    fit = jm.fit("normal", x)
    assert any(np.shares_memory(x, y) for y in jax.tree.leaves(fit.solution.batch.buckets[0].data))
    before = fit.covariance("opg")
    x[0] += 1.0
    with pytest.raises(RuntimeError, match="changed in place"):
        fit.covariance("robust")
    x[0] -= 1.0
    np.testing.assert_allclose(fit.covariance("opg"), before)
    small = np.array([1.0, 2.0, 4.0])
    fit = jm.fit("normal", small)
    before = fit.covariance("opg")
    small[:] = 0.0
    np.testing.assert_array_equal(fit.covariance("opg"), before)


def test_float32_on_request():
    fit = jm.fit("gamma", rng(74).gamma(2.0, 1.0, 100), dtype="float32")
    assert fit.converged
    assert fit.params["shape"].dtype == np.float32
    exact = jm.fit("gamma", rng(74).gamma(2.0, 1.0, 100))
    np.testing.assert_allclose(fit.params["shape"], exact.params["shape"], rtol=1e-2)
