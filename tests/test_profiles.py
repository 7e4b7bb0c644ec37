"""Profile intervals against root finders of their own: every certified fit has one, and limits have one-sided ones."""

import jax
import jax.numpy as jnp
import matplotlib.pyplot
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


def two_hills(p, d):
    """Two hills over a, 0.3 exp(-a^2/2) + 0.7 exp(-(a-3)^2/2), whose valley is less than 1.92 deep; b is alone."""
    hills = jnp.logaddexp(jnp.log(0.3) - 0.5 * p["a"] ** 2, jnp.log(0.7) - 0.5 * (p["a"] - 3) ** 2)
    return hills + 0 * d - (0.5 * (p["b"] - d) ** 2 if "b" in p else 0)


@pytest.mark.parametrize("names", ["a", "ab"])
def test_a_higher_maximum_on_a_profile_is_adopted_and_said(names):
    """From either hill the same intervals, in a batch too; from the lower one with its status, the maximum and a warning."""
    model = jm.Model(two_hills, dict.fromkeys(names, jm.spaces.real))

    def start(a):
        return {name: a if name == "a" else np.zeros_like(a) for name in names}

    low, high = (jm.fit(model, [0.5], start=start(a)) for a in (0.0, 3.0))
    assert low.converged and high.converged and low.log_likelihood < high.log_likelihood
    right = high.interval(method="profile")
    assert right.maximum is None and set(right.status.values()) == {IntervalStatus.LIKELIHOOD}
    with pytest.warns(UserWarning, match="not at the highest point.*start=") as said:
        ends = low.interval(method="profile")
    assert said[0].filename == __file__ and set(ends.status.values()) == {IntervalStatus.HIGHER}
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-6), ends[:2], right[:2])
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-6), ends.maximum, high.params)
    again = jm.fit(model, [0.5], start=ends.maximum)
    assert again.log_likelihood == pytest.approx(high.log_likelihood, abs=1e-9)
    many = jm.fit_many(model, np.full((3, 1), 0.5), start=start(np.array([3.0, 0.0, 3.0])))
    with pytest.warns(UserWarning, match="1 of 3 fits"):
        all_ends = many.interval(method="profile")
    assert all_ends.status["a"].tolist() == [
        IntervalStatus.LIKELIHOOD,
        IntervalStatus.HIGHER,
        IntervalStatus.LIKELIHOOD,
    ]
    np.testing.assert_allclose(all_ends.lower["a"], right.lower["a"], rtol=1e-6)
    np.testing.assert_allclose(all_ends.upper["a"], right.upper["a"], rtol=1e-6)
    with pytest.warns(UserWarning, match="not at the highest point"):
        panels = np.atleast_1d(low.plot("profile"))
    assert all("a higher maximum than the fit's" in axes.get_title(loc="left") for axes in panels)
    if len(names) == 2:
        with pytest.warns(UserWarning, match="not at the highest point"):
            axes = low.plot("contours", points=15)
        assert "the fit, not the highest point" in [t.get_text() for t in axes.get_legend().get_texts()]
    matplotlib.pyplot.close("all")
