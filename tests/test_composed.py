"""Laws of composed distributions: truncated, shifted, scaled, folded, over several distributions and over each other."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats as st

import jaxmle as jm
from jaxmle import distributions as D
from jaxmle import models
from jaxmle.distributions import folded, scaled, shifted, truncated

pytestmark = pytest.mark.usefixtures("x64")
NORMAL = {"loc": 0.5, "scale": 2.0}
WEIBULL = {"scale": 3.0, "shape": 1.7}
CASES = {
    "truncated normal": (truncated(D.normal, -1.0, 3.0), NORMAL),
    "truncated far off": (truncated(D.normal, lower=20.0), NORMAL),
    "truncated below": (truncated(D.laplace, upper=0.3), NORMAL),
    "truncated weibull": (truncated(D.weibull, lower=1.0), WEIBULL),
    "truncated lognormal": (truncated(D.lognormal, upper=2.5), {"loc": 0.3, "scale": 0.8}),
    "truncated poisson": (truncated(D.poisson, lower=1), {"mean": 1.3}),
    "truncated geometric": (truncated(D.geometric, 2, 9), {"probability": 0.3}),
    "truncated skellam": (truncated(D.skellam, -3, 4), {"mean1": 3.0, "mean2": 1.6}),
    "shifted weibull": (shifted(D.weibull), {**WEIBULL, "shift": 10.0}),
    "shifted lognormal": (shifted(D.lognormal), {"loc": 0.3, "scale": 0.8, "shift": -4.0}),
    "shifted exponential": (shifted(D.exponential), {"rate": 0.7, "shift": 1.0}),
    "scaled exponential": (scaled(D.exponential, 60.0), {"rate": 0.7}),
    "scaled logistic": (scaled(D.logistic, 0.01), NORMAL),
    "scaled poisson": (scaled(D.poisson, 1000.0), {"mean": 3.5}),
    "folded normal": (folded(D.normal), NORMAL),
    "folded logistic": (folded(D.logistic), NORMAL),
    "folded laplace": (folded(D.laplace), NORMAL),
    "truncated shifted weibull": (truncated(shifted(D.weibull), upper=14.0), {**WEIBULL, "shift": 10.0}),
    "scaled folded normal": (scaled(folded(D.normal), 2.5), NORMAL),
    "shifted folded logistic": (shifted(folded(D.logistic)), {**NORMAL, "shift": 1.0}),
    "folded truncated normal": (folded(truncated(D.normal, lower=-2.0)), NORMAL),
    "truncated scaled poisson": (truncated(D.poisson, 1, 6), {"mean": 2.0}),
}
BY_COST = [pytest.param(n, marks=pytest.mark.slow) if "skellam" in n or "poisson" in n else n for n in CASES]
CONTINUOUS = [name for name, (d, _) in CASES.items() if not d.discrete]
COUNTS = [name for name, (d, _) in CASES.items() if d.discrete]
Q = np.array([1e-9, 1e-3, 0.2, 0.5, 0.8, 0.97])


@functools.lru_cache
def at(name):
    """The record, params, points from quantiles, and there log-density, both log-tails and the slopes of these."""
    d, params = CASES[name]
    params = {k: jnp.asarray(v) for k, v in params.items()}
    with jax.enable_x64(True):
        x = jax.jit(d.quantile)(params, jnp.asarray(np.append(Q, 1 - Q[:2])))

        @jax.jit
        def values(x):
            tails = lambda x: jnp.stack([d.logcdf(params, x), d.logsf(params, x)])
            if d.discrete:
                return jnp.stack([d.logpdf(params, x), *tails(x)])
            both, slopes = jax.jvp(tails, (x,), (jnp.ones_like(x),))
            return jnp.stack([d.logpdf(params, x), *both, *slopes])

        return d, params, np.asarray(x), np.asarray(values(x))


@pytest.mark.parametrize("name", BY_COST)
def test_quantile_and_tails(name):
    d, params, x, (density, below, above, *_) = at(name)
    assert d.support(jnp.asarray(x)).all() and np.isfinite(density).all()
    np.testing.assert_allclose(np.exp(below) + np.exp(above), 1, atol=1e-12)
    q = np.append(Q, 1 - Q[:2])
    if d.discrete:
        assert (np.exp(below) >= q * (1 - 1e-9)).all()
    else:
        np.testing.assert_allclose(np.exp(below), q, rtol=1e-7, atol=1e-15 * np.abs(x).max())
    assert np.isnan(d.quantile(params, jnp.array([-0.1, 1.1, jnp.nan]))).all()
    far = np.exp(np.stack([f(params, jnp.array([-jnp.inf, jnp.inf])) for f in (d.logcdf, d.logsf)]))
    np.testing.assert_array_equal(far, [[0, 1], [1, 0]])


@pytest.mark.parametrize("name", CONTINUOUS)
def test_the_density_is_the_slope_of_the_cdf(name):
    _, _, _, (density, below, above, rise, fall) = at(name)
    np.testing.assert_allclose(rise, np.exp(density - below), rtol=1e-9)
    np.testing.assert_allclose(-fall, np.exp(density - above), rtol=1e-9)


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) for n in COUNTS])
def test_the_masses_add_up(name):
    d, params, *_ = at(name)
    k = jnp.arange(-50.0, 200.0) * (1000 if name == "scaled poisson" else 1)
    mass = np.exp(d.logpdf(params, k))
    np.testing.assert_allclose(mass.sum(), 1, rtol=1e-12)
    np.testing.assert_allclose(np.cumsum(mass), np.exp(d.logcdf(params, k)), atol=1e-12)
    np.testing.assert_allclose(d.mean(params), mass @ k, rtol=1e-9)


@pytest.mark.parametrize("name", BY_COST)
def test_samples_means_and_starts(name):
    d, params, *_ = at(name)
    x = np.asarray(d.sample(jax.random.key(3), params, (4000,)))
    assert x.shape == (4000,) and d.support(jnp.asarray(x)).all()
    points = np.sort(x)[::400]
    empirical = np.searchsorted(np.sort(x), points, side="right") / len(x)
    assert np.abs(empirical - np.exp(d.logcdf(params, jnp.asarray(points)))).max() < 1.7 / np.sqrt(len(x))
    assert float(d.mean(params)) == pytest.approx(x.mean(), abs=5 * x.std() / np.sqrt(len(x)))
    for sample in (x[:20], np.append(x[:20], np.nan), x[:1], np.full(3, np.nan)):
        start = d.start(jnp.asarray(sample), jnp.ones(len(sample)))
        assert start.keys() == d.space.keys()
        assert all(space.contains(start[k]) and np.isfinite(start[k]) for k, space in d.space.items()), sample
    assert np.isfinite(d.logpdf(d.start(jnp.asarray(x), jnp.ones(4000)), jnp.asarray(x))).all()


FITTED = [n for n in CASES if n not in ("truncated far off", "shifted exponential", "shifted folded logistic")]


@pytest.mark.slow
@pytest.mark.parametrize("name", FITTED)
def test_fits_recover_the_parameters(name):
    d, params, *_ = at(name)
    x = np.asarray(d.sample(jax.random.key(5), params, (10, 1500)))
    fits = jm.fit_many(d, x)
    assert fits.converged.all()
    errors = fits.standard_errors()
    for k, truth in params.items():
        z = (np.abs(fits.params[k]) - abs(truth)) / errors[k]  # a folded distribution and its mirror image are one
        assert np.abs(z).max() < 4.5 and abs(z.mean()) < 1.3, k


def test_against_scipy():
    x = np.array([0.1, 0.7, 2.9])
    cases = [
        (truncated(D.normal, 0.0, 3.0), NORMAL, st.truncnorm(-0.25, 1.25, 0.5, 2.0)),
        (truncated(D.exponential, upper=3.0), {"rate": 0.5}, st.truncexpon(1.5, 0, 2.0)),
        (shifted(D.weibull), {**WEIBULL, "shift": 0.05}, st.weibull_min(1.7, 0.05, 3.0)),
        (shifted(D.gamma), {"scale": 3.0, "shape": 1.7, "shift": 0.05}, st.gamma(1.7, 0.05, 3.0)),
        (scaled(D.lognormal, 3.0), {"loc": 0.0, "scale": 0.8}, st.lognorm(0.8, 0, 3.0)),
        (folded(D.normal), NORMAL, st.foldnorm(0.25, 0, 2.0)),
        (folded(D.cauchy), {"loc": 1.0, "scale": 1.0}, st.foldcauchy(1.0)),
    ]
    for d, params, theirs in cases:
        params = {k: jnp.asarray(v) for k, v in params.items()}
        np.testing.assert_allclose(d.logpdf(params, jnp.asarray(x)), theirs.logpdf(x), rtol=1e-11, err_msg=d.name)
        np.testing.assert_allclose(np.exp(d.logcdf(params, jnp.asarray(x))), theirs.cdf(x), rtol=1e-10, err_msg=d.name)
        if np.isfinite(theirs.mean()):
            np.testing.assert_allclose(d.mean(params), theirs.mean(), rtol=1e-7, err_msg=d.name)


def test_far_tails_keep_their_digits():
    # Of a normal above 20 deviations, where 1 - cdf is 0, and between ends in either tail.
    d, unit = truncated(D.normal, lower=20.0), {"loc": jnp.asarray(0.0), "scale": jnp.asarray(1.0)}
    assert float(d.mean(unit)) == pytest.approx(20.0497530685, rel=1e-9)
    for low, high in ((20.0, 21.0), (-21.0, -20.0)):
        both = truncated(D.normal, low, high)
        middle = float(both.quantile(unit, jnp.asarray(0.5)))
        assert abs(middle) == pytest.approx(st.norm.isf((st.norm.sf(20) + st.norm.sf(21)) / 2), rel=1e-9)


def test_composed_models():
    """Censored, pinned and tied models of composed distributions, in native kernels and by name."""
    x = np.asarray(
        shifted(D.weibull).sample(
            jax.random.key(1), {k: jnp.asarray(v) for k, v in CASES["shifted weibull"][1].items()}, (6, 60)
        )
    )
    end = 12.5
    rows = {"lower": np.minimum(x, end), "upper": np.where(x < end, x, np.inf)}
    fits = jm.fit_many(shifted(D.weibull), rows)
    assert (fits.converged | (fits.status == jm.Status.UNBOUNDED)).all() and fits.converged.sum() >= 4
    held = jm.fit_many(models.pinned(shifted(D.weibull), shift=0.0), x)
    np.testing.assert_allclose(held.log_likelihood, jm.fit_many("weibull", x).log_likelihood, rtol=1e-10)
    # Truncation at an end that cuts nothing changes nothing; the closed form of scaled data stays.
    loose = jm.fit_many(truncated(D.weibull, lower=1e-200), x)
    np.testing.assert_allclose(loose.log_likelihood, jm.fit_many("weibull", x).log_likelihood, rtol=1e-10)
    one = jm.fit(scaled(D.pareto, 60.0), 60 * x[0])
    assert one.status == jm.Status.AT_DATA_EDGE and one.params["scale"] == pytest.approx(x[0].min())
    found = jm.fit_all(x[0], ["weibull", shifted(D.weibull), shifted(D.exponential)])
    assert found.best in found and "shifted(weibull)" in found


def test_zero_truncated_poisson_is_the_root_of_its_equation():
    # mean / (1 - e^-mean) is the mean of the data (Cohen 1960, Biometrics 16, 203-211).
    x = [1] * 15 + [2] * 7 + [3] * 3
    fit = jm.fit(truncated(D.poisson, lower=1), x)
    m = fit.params["mean"]
    assert fit.converged and m / -np.expm1(-m) == pytest.approx(np.mean(x), rel=1e-9)
    with pytest.raises(ValueError, match="row 0 is 0"):
        jm.fit(truncated(D.poisson, lower=1), [0, 1, 2])


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda: truncated(D.normal), ValueError, "needs lower=, upper= or both"),
        (lambda: truncated(D.normal, 2.0, 1.0), ValueError, "expected lower < upper"),
        (lambda: truncated(D.gamma, lower=-1.0), ValueError, "no outcome of gamma is below"),
        (lambda: truncated(D.skellam, lower=0), ValueError, "needs both ends"),
        (lambda: truncated(D.binomial, lower=1), ValueError, "one of successes and trials"),
        (lambda: truncated("normal", lower=1), TypeError, "takes a distribution"),
        (lambda: shifted(D.normal), ValueError, "positive numbers"),
        (lambda: shifted(truncated(D.exponential, lower=0.5)), ValueError, "from 0 on"),
        (lambda: shifted(D.beta), ValueError, "without an upper end"),
        (lambda: shifted(shifted(D.weibull)), ValueError, "positive numbers"),
        (lambda: scaled(D.normal, 0.0), ValueError, "above 0"),
        (lambda: folded(D.weibull), ValueError, "either sign"),
        (lambda: folded(D.von_mises), ValueError, "of angles"),
        (lambda: D.by_name("truncated"), ValueError, "made of another distribution"),
    ],
)
def test_mistakes_are_told(call, error, sentence):
    with pytest.raises(error, match=sentence):
        call()


def test_equal_arguments_make_equal_records():
    assert truncated(D.normal, lower=1.0) == truncated(D.normal, 1.0) and hash(shifted(D.gamma)) == hash(
        shifted(D.gamma)
    )
