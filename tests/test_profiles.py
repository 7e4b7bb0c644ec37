"""Profile intervals against root finders of their own: every certified fit has one, and limits have one-sided ones."""

import jax
import numpy as np
import pytest
import scipy.optimize
import scipy.special
import scipy.stats as st
from cases import rng

import jaxmle as jm
from jaxmle.inference.interval_record import IntervalStatus

Z = st.norm.ppf(0.975)


def falls_to(negative, best, x, toward):
    """Where a profile has fallen by z^2 / 2, by SciPy."""
    return scipy.optimize.brentq(lambda v: best - negative(v) - 0.5 * Z**2, x, toward, xtol=1e-13)


def regression(r, slope):
    x = r.normal(size=30)
    return {"x": x, "y": 101 + slope * x + r.normal(size=30)}


@pytest.mark.parametrize(("intercept", "slope"), [(101.0, 2.0), (99.0, 2.0), (1e4, -3e5)])
def test_elements_of_a_vector_on_the_real_line(intercept, slope):
    """Least squares has a closed form: beta_j -+ sqrt(RSS (X'X)^-1_jj (e^(z^2/n) - 1)), however large the others are."""
    r, n = rng(750), 30
    x = r.normal(size=n)
    y = intercept + slope * x + r.normal(size=n)
    logpdf = jm.distributions.normal.logpdf
    model = jm.Model(
        lambda p, d: logpdf({"loc": p["beta"][0] + p["beta"][1] * d["x"], "scale": p["scale"]}, d["y"]),
        {"beta": jm.spaces.real(shape=2), "scale": jm.spaces.positive},
    )
    ends = jm.fit(model, {"x": x, "y": y}).interval(method="profile")
    design = np.c_[np.ones(n), x]
    beta = np.linalg.lstsq(design, y, rcond=None)[0]
    rss = np.sum((y - design @ beta) ** 2)
    half = np.sqrt(rss * np.diag(np.linalg.inv(design.T @ design)) * np.expm1(Z**2 / n))
    assert (ends.status["beta"], ends.status["scale"]) == (IntervalStatus.LIKELIHOOD, IntervalStatus.LIKELIHOOD)
    np.testing.assert_allclose(ends.lower["beta"], beta - half, rtol=1e-9, atol=1e-6 * half.min())
    np.testing.assert_allclose(ends.upper["beta"], beta + half, rtol=1e-9, atol=1e-6 * half.min())


@pytest.mark.parametrize(
    ("family", "name", "n"),
    [("gev", "shape", 20), ("student_t", "df", 20), ("gamma", "shape", 5), ("weibull", "shape", 3)],
)
def test_certified_fits_have_profiles(family, name, n):
    """Nine of ten where the others begin outside the support a step away; all elsewhere; and the profile falls by z^2/2 there."""
    r = rng(751)
    x = {
        "gev": lambda: 10 + 20 * ((-np.log(r.uniform(size=(40, n)))) ** -0.1 - 1),
        "student_t": lambda: r.standard_t(3, (40, n)),
        "gamma": lambda: r.gamma(400.0, 1 / 400, (40, n)),
        "weibull": lambda: r.weibull(1.5, (40, n)),
    }[family]()
    fits = jm.fit_many(family, x)
    ends = fits.interval(method="profile")
    some = fits.converged & np.isfinite(ends.lower[name]) & np.isfinite(ends.upper[name])
    expected = fits.converged & ~np.isinf(ends.upper[name])
    assert some.sum() >= (0.9 if family == "gev" else 1.0) * expected.sum() > 10
    for end in (ends.lower, ends.upper):
        held = jm.fit_many(jm.models.pinned(family, {name: np.where(some, end[name], 1.0)}), x, start=None)
        good = some & held.converged
        assert good.sum() >= 0.8 * some.sum()
        np.testing.assert_allclose((fits.log_likelihood - held.log_likelihood)[good], 0.5 * Z**2, rtol=1e-5)


def test_where_one_parameter_is_at_its_limit_the_others_have_intervals():
    """Student t at df = infinity is normal: loc as there; df from below, one-sided."""
    x = rng(752).uniform(-1.0, 1.0, size=20)
    fit = jm.fit("student_t", x)
    assert fit.status == jm.Status.AT_INFINITY
    ends = fit.interval(method="profile")
    half = np.sqrt(x.var() * np.expm1(Z**2 / 20))
    # On the way t with df below infinity may be a little higher than the normal.
    np.testing.assert_allclose(
        [ends.lower["loc"], ends.upper["loc"]], [x.mean() - half, x.mean() + half], rtol=1e-4, atol=1e-4
    )
    assert ends.status["df"] == IntervalStatus.ONE_SIDED and np.isinf(ends.upper["df"])
    held = jm.fit(jm.models.pinned("student_t", df=float(ends.lower["df"])), x)
    np.testing.assert_allclose(fit.log_likelihood - held.log_likelihood, 0.5 * Z**2, rtol=1e-6)

    counts = [3, 3, 2, 4, 3, 3]  # underdispersed: negative binomial ends at Poisson
    fit = jm.fit("negative_binomial", counts)
    poisson = jm.fit("poisson", counts).interval(method="profile")
    ends = fit.interval(method="profile")
    assert fit.status == jm.Status.AT_BOUNDARY and ends.lower["dispersion"] == 0 < ends.upper["dispersion"] < np.inf
    np.testing.assert_allclose(
        [ends.lower["mean"], ends.upper["mean"]], [poisson.lower["mean"], poisson.upper["mean"]], rtol=1e-6
    )


def test_one_parameter_at_infinity():
    """Zeta of ones: n log zeta(s) has risen by z^2/2; logit of ones: n log(1 + e^-a)."""
    ends = jm.fit("zeta", [1, 1, 1, 1]).interval(method="profile")
    wanted = scipy.optimize.brentq(lambda s: 4 * np.log(scipy.special.zeta(s)) - 0.5 * Z**2, 1.01, 50)
    np.testing.assert_allclose(ends.lower["shape"], wanted, rtol=1e-8)
    assert np.isinf(ends.upper["shape"]) and ends.status["shape"] == IntervalStatus.ONE_SIDED
    logit = jm.Model(
        lambda p, y: -jax.numpy.logaddexp(0.0, jax.numpy.where(y == 1, -1.0, 1.0) * p["a"]), {"a": jm.spaces.real}
    )
    ends = jm.fit(logit, np.ones(6)).interval(method="profile")
    np.testing.assert_allclose(ends.lower["a"], -np.log(np.expm1(0.5 * Z**2 / 6)), rtol=1e-8)
    assert np.isinf(ends.upper["a"])
