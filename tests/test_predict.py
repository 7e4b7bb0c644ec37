"""Using a fit: what the fitted distribution says, against SciPy and closed forms; residuals; simulated data."""

import catalogue
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats as st
from scipy.special import ndtri_exp

import jaxmle as jm
from jaxmle import distributions, models, special
from jaxmle.inference.interval_record import IntervalStatus

Z = st.norm.ppf(0.975)
RNG = np.random.default_rng(5)
POSITIVE = np.array([0.4, 0.9, 1.1, 1.3, 1.6, 2.0, 2.2, 2.9, 3.1, 4.5, 0.7, 1.8])

SCIPY = {
    "exponential": lambda p: st.expon(scale=1 / p["rate"]),
    "gamma": lambda p: st.gamma(p["shape"], scale=p["scale"]),
    "weibull": lambda p: st.weibull_min(p["shape"], scale=p["scale"]),
    "lognormal": lambda p: st.lognorm(p["scale"], scale=np.exp(p["loc"])),
    "normal": lambda p: st.norm(p["loc"], p["scale"]),
    "student_t": lambda p: st.t(p["df"], p["loc"], p["scale"]),
    "poisson": lambda p: st.poisson(p["mean"]),
    "negative_binomial": lambda p: st.nbinom(1 / p["dispersion"], 1 / (1 + p["dispersion"] * p["mean"])),
    "bernoulli": lambda p: st.bernoulli(p["probability"]),
    "binomial": lambda p: st.binom(7, p["probability"]),
    "geometric": lambda p: st.geom(p["probability"]),
}


@pytest.fixture(scope="module")
def exponential():
    return jm.fit("exponential", POSITIVE)


@pytest.fixture(scope="module")
def lognormal():
    return jm.fit("lognormal", POSITIVE)


@pytest.fixture(scope="module")
def waits():
    """Counts from 1, ragged."""
    return jm.fit_many("geometric", [1.0, 1, 2, 3, 1, 1, 4, 2, 5], groups=[7, 7, 7, 7, 7, 9, 9, 9, 8])


@pytest.fixture(scope="module")
def zeros():
    return jm.fit("bernoulli", np.zeros(20))


@pytest.fixture(scope="module")
def ragged():
    """Lengths 5, 3 and 1; the second fit finds no maximum."""
    keys = ["b"] * 5 + ["a"] * 3 + ["c"]
    return jm.fit_many("exponential", [1.0, 2, 3, 4, 6, 2, -1, 3, 5], groups=keys)


def by_scipy(name, what, at, fit):
    """Value and standard error by the delta method, from SciPy and central differences."""
    names, estimate = list(fit.params), np.array([float(x) for x in fit.params.values()])

    def value(x):
        law = SCIPY[name](dict(zip(names, x, strict=True)))
        found = {"pdf": getattr(law, "pdf", None), "cdf": law.cdf, "sf": law.sf, "quantile": law.ppf}
        return law.mean() if what == "mean" else found[what](at)

    steps = np.diag(1e-5 * np.abs(estimate))
    slope = np.stack([(value(estimate + h) - value(estimate - h)) / (2 * h.sum()) for h in steps], -1)
    return value(estimate), np.sqrt(np.einsum("...i,ij,...j", slope, fit.covariance(), slope))


@pytest.mark.parametrize(
    ("name", "verbs"),
    [
        ("lognormal", ("pdf", "sf", "quantile", "mean")),
        pytest.param("gamma", ("quantile",), marks=pytest.mark.slow),
        ("geometric", ("cdf", "quantile")),
    ],
)
def test_values_and_errors(name, verbs, lognormal, waits):
    counts = name == "geometric"
    fit = waits[0] if counts else lognormal if name == "lognormal" else jm.fit(name, POSITIVE)
    points = np.array([1.0, 2.0, 4.0]) if counts else np.array([0.5, 1.7, 6.0])
    for what in verbs:
        at = None if what == "mean" else np.array([0.02, 0.5, 0.97]) if what == "quantile" else points
        found = fit.mean() if what == "mean" else getattr(fit, what)(at)
        value, se = by_scipy(name, what, at, fit)
        np.testing.assert_allclose(found.value, value, rtol=1e-9)
        if counts and what == "quantile":
            assert (found.status == IntervalStatus.STEPS).all() and np.isnan(found.lower).all()
            continue
        np.testing.assert_allclose(found.standard_errors, se, rtol=1e-6)
        assert np.all((found.lower < found.value) & (found.value < found.upper))
        assert np.all(found.lower >= 0) and (what not in ("cdf", "sf") or np.all(found.upper <= 1))


INFINITE = {
    "beta_prime": {"a": 2.5, "b": 1.0, "scale": 2.0},
    "burr12": {"scale": 3.0, "shape1": 2.2, "shape2": 0.3},
    "f": {"df1": 4.0, "df2": 2.0},
    "frechet": {"scale": 3.0, "shape": 0.9},
    "gev": {"loc": 0.5, "scale": 2.0, "shape": 1.2},
    "gpd": {"scale": 2.0, "shape": 1.0},
    "inverse_gamma": {"scale": 2.0, "shape": 0.5},
    "levy": {"scale": 2.0},
    "log_logistic": {"scale": 3.0, "shape": 1.0},
    "lomax": {"scale": 3.0, "shape": 0.4},
    "pareto": {"scale": 2.0, "shape": 1.0},
    "zeta": {"shape": 2.0},
}


@jax.jit
def means(table):
    """The mean of every distribution in a table of params."""
    laws = {name: distributions.by_name(name) for name in table}
    return {k: d.mean(table[k], **({"trials": catalogue.TRIALS} if d.columns else {})) for k, d in laws.items()}


def test_every_mean_is_the_expectation(x64):
    params = {
        "dispersion": 0.7, "mean": 2.3, "probability": 0.3, "rate": 0.4, "shape": 1.7, "scale": 0.6, "loc": 0.2, "df": 3.5,
    }  # fmt: skip
    assert all(distributions.by_name(name).mean is not None for name in distributions.names())
    for name in SCIPY:
        law = distributions.by_name(name)
        own = {key: params[key] for key in law.space}
        known = {"trials": 7} if law.columns else {}
        assert float(law.mean(own, **known)) == pytest.approx(SCIPY[name](own).mean(), rel=1e-6), name
    table = {name: row.params for name, row in catalogue.TABLE.items()}
    found, infinite = means(table), means(INFINITE)
    assert all(np.isnan(x) for x in infinite.values()), infinite
    for name, row in catalogue.TABLE.items():
        if row.scipy is None:  # the sum over the mass, or the average of the quantile
            law, q, k = distributions.by_name(name), (np.arange(4000) + 0.5) / 4000, np.arange(400.0)
            want = k @ np.exp(law.logpdf(row.params, k)) if law.discrete else law.quantile(row.params, q).mean()
            want, close = float(want), 2e-3
        else:
            want, close = np.nan if name in ("cauchy", "levy") else float(row.scipy.mean()), 1e-7
        assert float(found[name]) == pytest.approx(want, rel=close, nan_ok=True, abs=1e-9), name
    for shape in (-1.3, -1e-4, 0.0, 1e-7, 5e-3, 0.9):  # the Gumbel limit in between
        found = distributions.gev.mean({"loc": 0.5, "scale": 2.0, "shape": jnp.float64(shape)})
        assert float(found) == pytest.approx(
            st.genextreme(-shape, 0.5, 2.0).mean() if shape else 0.5 + 2 * np.euler_gamma, rel=1e-6
        )
    assert np.isnan(distributions.student_t.mean({"df": 0.9, "loc": 1.0, "scale": 1.0}))


def test_intervals_are_on_their_scales(exponential):
    n = len(POSITIVE)
    tenth, factor = exponential.quantile(0.1), np.exp(Z / np.sqrt(n))
    assert (tenth.lower, tenth.upper) == pytest.approx((tenth.value / factor, tenth.value * factor), rel=1e-9)
    alive = exponential.sf(2.0)
    logit, half = np.log(alive.value / (1 - alive.value)), Z * 2 / POSITIVE.mean() / np.sqrt(n) / (1 - alive.value)
    assert (alive.lower, alive.upper) == pytest.approx(
        tuple(1 / (1 + np.exp(-logit + s * half)) for s in (1, -1)), rel=1e-9
    )
    beyond = exponential.sf([-1.0, 1e3])  # certain; and far in the tail
    assert (beyond.value[0], beyond.lower[0], beyond.upper[0]) == (1, 1, 1)
    assert 0 <= beyond.lower[1] < beyond.value[1] < 1e-200 and beyond.value[1] < beyond.upper[1]


def test_batch_equals_single(ragged):
    alone = jm.fit("exponential", [1.0, 2, 3, 4, 6])
    for call in (lambda f: f.sf([1.0, 2.0]), lambda f: f.mean()):
        many, one = call(ragged), call(alone)
        for name in ("value", "standard_errors", "lower", "upper"):
            np.testing.assert_allclose(getattr(many, name)[0], getattr(one, name), rtol=1e-10)
        assert np.isnan(many.value[1]).all() and np.isnan(many.lower[1]).all()
        assert np.all(many.status[1] == IntervalStatus.NONE)
    own = ragged.sf([[1.0], [2.0], [3.0]])
    assert own.value.shape == (3, 1)
    assert own.value[2, 0] == pytest.approx(np.exp(-3 / 5), rel=1e-9)
    frame = ragged.sf([1.0, 2.0]).to_pandas()
    assert frame["key"].tolist() == ["b", "b", "a", "a", "c", "c"]
    assert list(frame.columns) == ["key", "at", "sf", "std err", "lower", "upper", "status"]
    assert "no interval" in str(ragged.sf(1.0))


def test_a_limit_has_values_and_no_errors(zeros):
    none = zeros.mean()
    assert none.value == 0
    assert np.isnan(none.standard_errors) and none.status == IntervalStatus.NONE


def test_bad_questions(exponential, ragged):
    own = jm.fit(jm.Model(lambda p, x: -((x - p["a"]) ** 2), {"a": jm.spaces.real}), POSITIVE)
    for call, error, sentence in (
        (lambda: exponential.quantile(10), ValueError, "did you mean 0.1?"),
        (lambda: exponential.sf([[1.0]]), ValueError, r"expected a number or \[m\]"),
        (lambda: ragged.sf(np.ones((2, 2))), ValueError, r"or \[3, m\]"),
        (lambda: exponential.mean(trials=3), ValueError, "expected no further columns, got trials"),
        (lambda: own.sf(1.0), TypeError, "use fit.transform"),
        (lambda: own.residuals(), TypeError, "of your own"),
        (lambda: exponential.interval(method="profil"), ValueError, "expected 'wald' or 'profile'"),
        (lambda: exponential.interval(method="profile", kind="robust"), ValueError, "has no kind="),
    ):
        with pytest.raises(error, match=sentence):
            call()


# --- residuals and simulation ----------------------------------------------------------------------------


def test_residuals_of_exact_rows(lognormal):
    logs = np.log(POSITIVE)
    np.testing.assert_allclose(lognormal.residuals(), (logs - logs.mean()) / logs.std(), rtol=1e-9, atol=1e-12)


def test_residuals_of_impossible_tails(x64):
    log = np.array([-0.7, -30.0, -599, -601, -5e3, -1e6])
    np.testing.assert_allclose(special.ndtri_exp(log), ndtri_exp(log), rtol=1e-12)


def test_residuals_are_standard_normal():
    """Counts, of which half are known only to be larger than where watching ended."""
    life, until = RNG.geometric(0.3, 500).astype(float), RNG.integers(1, 6, 500).astype(float)
    data = {"lower": np.minimum(life, until), "upper": np.where(life <= until, life, np.inf)}
    fit = jm.fit("geometric", data)
    r = fit.residuals(1)
    assert st.kstest(r, "norm").pvalue > 0.01
    np.testing.assert_array_equal(r, fit.residuals(1))
    assert np.any(r != fit.residuals(2))


def test_random_parts_know_their_place(ragged, waits):
    """A data set alone draws what it draws in the batch: padding, order and slicing do not matter."""
    fits = waits
    r, drawn = fits.residuals(3), fits.simulate(3)
    assert r.shape == (3, 5) and np.isnan(r[1, 3:]).all() and np.isfinite(r[0]).all()
    assert [len(x) for x in drawn] == [5, 3, 1]
    part = fits[[2, 0]]
    np.testing.assert_array_equal(fits[1].residuals(3), r[1, :3])
    np.testing.assert_array_equal(part.simulate(3)[1], drawn[0])
    assert np.isnan(ragged.residuals()[1]).all()


def test_simulated_weights_are_rows():
    fit = jm.fit("exponential", [1.0, 2.0, 3.0], weights=[2, 0, 1])
    assert fit.simulate(0).shape == (3,)
    assert np.isnan(fit.residuals()[1]) and np.isfinite(fit.residuals()[[0, 2]]).all()
    with pytest.raises(ValueError, match="not whole"):
        jm.fit("exponential", [1.0, 2.0, 3.0], weights=[0.5, 1, 1]).simulate()


# --- likelihood intervals ----------------------------------------------------------------------------------


def test_likelihood_interval_drops_by_half_a_chi_square_quantile(exponential, ragged):
    n, total = len(POSITIVE), POSITIVE.sum()
    ends = exponential.interval(0.9, method="profile")
    for rate in (float(ends.lower["rate"]), float(ends.upper["rate"])):
        log_likelihood = n * np.log(rate) - rate * total
        assert 2 * (exponential.log_likelihood - log_likelihood) == pytest.approx(st.chi2.ppf(0.9, 1), rel=1e-9)
    assert float(ends.lower["rate"]) < float(exponential.params["rate"]) < float(ends.upper["rate"])
    assert ends.status["rate"] == IntervalStatus.LIKELIHOOD
    many, one = ragged.interval(method="profile"), jm.fit("exponential", [1.0, 2, 3, 4, 6]).interval(method="profile")
    assert many.upper["rate"][0] == pytest.approx(float(one.upper["rate"]), rel=1e-9)
    assert np.isnan(many.lower["rate"][1]) and many.status["rate"][1] == IntervalStatus.NONE


def test_likelihood_interval_at_a_limit(zeros):
    ends = zeros.interval(method="profile")
    assert (float(ends.lower["probability"]), float(ends.upper["probability"])) == pytest.approx(
        (0, 1 - np.exp(-st.chi2.ppf(0.95, 1) / 40)), abs=1e-9
    )
    assert ends.status["probability"] == IntervalStatus.ONE_SIDED


def squashed(params, x):
    return -((x - params["top"] * params["a"] / (1 + abs(params["a"]))) ** 2)


@pytest.mark.slow
def test_likelihood_interval_without_an_end_is_infinite():
    model = models.pinned(jm.Model(squashed, {"a": jm.spaces.real, "top": jm.spaces.positive}), top=1.0)
    ends = jm.fit(model, np.full(10, 0.9), start={"a": 5.0, "top": 1.0}).interval(method="profile")
    share = 0.9 - np.sqrt(st.chi2.ppf(0.95, 1) / 20)
    assert float(ends.lower["a"]) == pytest.approx(share / (1 - share), rel=1e-8)
    assert ends.upper["a"] == np.inf
    assert (float(ends.lower["top"]), ends.status["top"]) == (1.0, IntervalStatus.FIXED)


def squashed_pair(params, data):
    return (
        squashed({**params, "top": 1.0}, data["x"])
        - 0.5 * (data["y"] - params["b"][0]) ** 2
        - 0.5 * params["b"][1] ** 2
    )


def test_profile_of_several_parameters():
    """Two parameters that do not touch each other: each profile is that of its own part."""
    model = jm.Model(squashed_pair, {"a": jm.spaces.real, "b": jm.spaces.real(shape=2)})
    data = {"x": np.full((2, 10), 0.9), "y": np.stack([np.arange(10.0), np.full(10, np.nan)])}
    ends = jm.fit_many(model, data, start={"a": 5.0, "b": [0.0, 1.0]}).interval(method="profile")
    share = 0.9 - np.sqrt(st.chi2.ppf(0.95, 1) / 20)
    assert ends.lower["a"][0] == pytest.approx(share / (1 - share), rel=1e-6)
    assert ends.upper["a"][0] == np.inf
    assert np.isnan(ends.lower["a"][1])
    assert ends.status["a"].tolist() == [IntervalStatus.LIKELIHOOD, IntervalStatus.NONE]
    assert ends.status["b"].tolist() == [IntervalStatus.LIKELIHOOD, IntervalStatus.NONE]
    half = Z / np.sqrt(10)  # each element for itself
    np.testing.assert_allclose(ends.lower["b"][0], [4.5 - half, -half], rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(ends.upper["b"][0], [4.5 + half, half], rtol=1e-7, atol=1e-9)


def test_shares_have_no_profile():
    fit = jm.fit(jm.distributions.categorical(3), [0, 1, 1, 2, 2, 2])
    ends = fit.interval(method="profile")
    assert ends.status["probability"] == IntervalStatus.VECTOR and np.isnan(ends.lower["probability"]).all()


@pytest.mark.slow
def test_profile_of_the_normal():
    x = np.array([0.3, 1.1, -0.4, 2.0, 0.9, 1.4])
    fit, n = jm.fit("normal", x), len(x)
    ends = fit.interval(method="profile")
    half = np.sqrt(x.var() * np.expm1(st.chi2.ppf(0.95, 1) / n))  # n log(1 + (mean - loc)^2 / var) is the quantile
    assert (float(ends.lower["loc"]), float(ends.upper["loc"])) == pytest.approx(
        (x.mean() - half, x.mean() + half), rel=1e-7
    )
    for scale in (float(ends.lower["scale"]), float(ends.upper["scale"])):
        log_likelihood = st.norm.logpdf(x, x.mean(), scale).sum()
        assert 2 * (fit.log_likelihood - log_likelihood) == pytest.approx(st.chi2.ppf(0.95, 1), rel=1e-7)


@pytest.mark.slow
def test_profile_in_a_batch_equals_single():
    data = np.random.default_rng(0).weibull(1.5, (30, 20))
    many = jm.fit_many("weibull", data).interval(method="profile")
    one = jm.fit("weibull", data[7]).interval(method="profile")
    for name in ("scale", "shape"):
        assert many.lower[name][7] == pytest.approx(float(one.lower[name]), rel=1e-6)
        assert many.upper[name][7] == pytest.approx(float(one.upper[name]), rel=1e-6)


def test_summary_warns_of_small_samples(exponential, ragged):
    assert "Small sample" not in exponential.summary()
    assert "3 observations for each free parameter, under 10" in jm.fit("exponential", [1.0, 2, 3]).summary()
    assert "2 of 3 fits have under 10" in ragged.summary()


TIMES = np.linspace(1.0, 3.0, 100)


@pytest.mark.parametrize(
    ("model", "data", "said"),
    [
        ("binomial", {"successes": [2], "trials": [100]}, "2 events of 100"),
        ("binomial", {"successes": [98], "trials": [100]}, "2 events of 100"),
        ("binomial", {"successes": [50], "trials": [100]}, ""),
        ("bernoulli", [1, 1] + [0] * 98, "2 events of 100"),
        ("poisson", [1, 1] + [0] * 98, "2 events of 100"),
        ("poisson", [1] * 100, ""),
        ("weibull", (TIMES, np.where(np.arange(100) < 2, TIMES, np.inf)), "2 events of 100"),
        ("weibull", (TIMES, TIMES), ""),
        ("exponential", (np.where(np.arange(100) < 3, 0.0, TIMES), np.where(np.arange(100) < 3, TIMES, np.inf)), "3 events of 100"),
        ("exponential", (np.where(np.arange(100) < 50, 0.0, TIMES), np.where(np.arange(100) < 50, TIMES, np.inf)), ""),
    ],
)  # fmt: skip
def test_small_samples_are_counted_in_events(model, data, said):
    """Successes or failures, whichever are fewer; counts; and rows that are more than a bound on one side."""
    if isinstance(data, tuple):
        model, data = jm.models.censored(model), {"lower": data[0], "upper": data[1]}
    text = jm.fit(model, data).summary()
    assert (f"Small sample: {said}" in text) if said else "Small sample" not in text
