"""Tests and criteria: closed forms, published figures, batch equals single, and what cannot be compared."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats as st
from cases import rng

import jaxmle as jm
from jaxmle import models
from jaxmle.comparison.criteria import SignificanceStatus, two_groups

REAL, POSITIVE = jm.spaces.real, jm.spaces.positive
HOURS = np.array([1.0, 2.0, 3.0, 8.0, 9.0])
N, TOTAL = len(HOURS), HOURS.sum()
OTHER = np.array([0.5, 0.4, 1.1, 0.2, 0.9])


@pytest.fixture(scope="module")
def rate():
    """Exponential: the null rate = 1, and the full model; one data set of HOURS, and a batch with OTHER."""
    held = models.pinned("exponential", rate=1.0)
    both = np.stack([HOURS, OTHER])
    return jm.fit(held, HOURS), jm.fit("exponential", HOURS), jm.fit_many(held, both), jm.fit_many("exponential", both)


@pytest.fixture(scope="module")
def attacks():
    """Aspirin and heart attack, Steering Committee of the Physicians' Health Study 1989, *NEJM* 321, 129-135."""
    table = {"successes": [104, 189], "trials": [11037, 11034]}
    return jm.fit("binomial", table), jm.fit_many("binomial", table, groups=["aspirin", "placebo"])


@pytest.fixture(scope="module")
def mites():
    """Mites on apple leaves (Bliss & Fisher 1953, *Biometrics* 9, 176-200, table 1); horse kicks (Bortkiewicz 1898)."""
    on_leaves, horse_kicks = [70, 38, 17, 10, 9, 3, 2, 1], [109, 65, 22, 3, 1, 0, 0, 0]
    return [
        [jm.fit(name, np.arange(8.0), weights=counts) for name in ("poisson", "negative_binomial")]
        for counts in (on_leaves, horse_kicks)
    ]


def test_exponential_closed_forms(rate):
    null, full, nulls, fulls = rate
    mean = TOTAL / N
    expected = {
        "ratio": (jm.likelihood_ratio(null, full), 2 * N * (mean - 1 - np.log(mean))),
        "wald": (jm.wald_test({"rate": 1.0}, full), N * np.log(mean) ** 2),
        "wald, natural": (jm.wald_test(null.model, full, scale="natural"), N * (1 - mean) ** 2),
        "wald, function": (jm.wald_test(lambda p: p["rate"] - 1, full), N * (1 - mean) ** 2),
        "score": (jm.score_test(null, full), N * (1 - mean) ** 2),
        "score, observed": (jm.score_test(null, full.model, kind="observed"), N * (1 - mean) ** 2 / mean),
    }
    for name, (test, statistic) in expected.items():
        assert test.statistic == pytest.approx(statistic, rel=1e-9), name
        assert test.p_value == pytest.approx(st.chi2.sf(statistic, 1), rel=1e-9), name
        assert (test.df, test.status) == (1, SignificanceStatus.CHI_SQUARE)
    low, high = (float(x["rate"]) for x in full.interval(1 - expected["wald"][0].p_value)[:2])
    assert min(abs(low - 1), abs(high - 1)) < 1e-9  # the interval of that level ends at the null


def test_batch_equals_single(rate):
    null, full, nulls, fulls = rate
    for one, many in (
        (jm.likelihood_ratio(null, full), jm.likelihood_ratio(nulls, fulls)),
        (jm.wald_test({"rate": 1.0}, full), jm.wald_test({"rate": 1.0}, fulls)),
        (jm.score_test(null, full), jm.score_test(nulls, fulls)),
    ):
        assert many.statistic.shape == many.p_value.shape == (2,)
        assert many.statistic[0] == pytest.approx(one.statistic, rel=1e-10)
        assert many.p_value[0] == pytest.approx(one.p_value, rel=1e-10)
        assert list(many.to_pandas().columns) == ["key", "statistic", "df", "p_value", "status"]
        assert "chi_square" in str(many)
    one = jm.compare({"held": null, "free": full}, "aicc")
    many = jm.compare({"held": nulls, "free": fulls}, "aicc")
    for name in ("log_likelihood", "aic", "aicc", "bic", "difference", "weight"):
        np.testing.assert_allclose(getattr(many, name)[0], getattr(one, name), rtol=1e-10, atol=1e-12)
    assert many.best.tolist() == ["free", "held"]
    assert "held 1" in str(many) and len(many.to_pandas()) == 4
    own = models.pinned("exponential", rate=np.array([1.0, 2.0]))  # a value for each data set
    assert jm.wald_test(own, fulls).statistic[1] == pytest.approx(N * np.log(2 * OTHER.mean()) ** 2, rel=1e-9)


@pytest.mark.slow
def test_normal_mean_known_order():
    """Wald >= likelihood ratio >= score (Berndt & Savin 1977), each in closed form."""
    x = np.array([0.3, 1.1, -0.4, 2.0, 0.9, 1.4])
    null, full = jm.fit(models.pinned("normal", loc=0.0), x), jm.fit("normal", x)
    t = x.mean() ** 2 / x.var()
    found = jm.wald_test(null, full), jm.likelihood_ratio(null, full), jm.score_test(null, full)
    for test, statistic in zip(found, len(x) * np.array([t, np.log1p(t), t / (1 + t)]), strict=True):
        assert test.statistic == pytest.approx(statistic, rel=1e-8)


def two_means(params, data):
    loc = data["first"] * params["a"] + (1 - data["first"]) * params["b"]
    return -0.5 * (data["x"] - loc) ** 2


def test_tied_null():
    full = jm.Model(two_means, {"a": jm.spaces.real, "b": jm.spaces.real})
    data = {"x": HOURS, "first": np.array([1.0, 1, 1, 0, 0])}
    wide, narrow = jm.fit(full, data), jm.fit(models.tied(full, b="a"), data)
    statistic = (HOURS[:3].mean() - HOURS[3:].mean()) ** 2 / (1 / 3 + 1 / 2)
    for test in (jm.likelihood_ratio(narrow, wide), jm.wald_test(narrow, wide), jm.score_test(narrow, full)):
        assert test.statistic == pytest.approx(statistic, rel=1e-9)
        assert test.df == 1


# --- published figures -------------------------------------------------------------------------------------


def test_aspirin(attacks):
    pooled, groups = attacks
    ratio, score = jm.likelihood_ratio(pooled, groups), jm.score_test(pooled, groups)
    assert (round(ratio.statistic, 3), ratio.df) == (25.372, 1)
    died = np.array([[104, 189], [11037 - 104, 11034 - 189]])
    pearson = st.chi2_contingency(died, correction=False)
    assert (score.statistic, score.p_value) == pytest.approx((pearson.statistic, pearson.pvalue), rel=1e-7)
    # Agresti 2007, sections 2.2.2, 2.2.4 and 2.3.3
    found = two_groups(groups)
    other = two_groups(groups, reference=1)
    np.testing.assert_allclose(other.value, [-found.value[0], *(1 / found.value[1:])])
    np.testing.assert_allclose(other.lower, [-found.upper[0], *(1 / found.upper[1:])])
    assert found.label == "placebo / aspirin"
    assert found.value == pytest.approx([0.0077, 1.818, 1.832], abs=5e-4)
    assert found.lower == pytest.approx([0.0047, 1.433, 1.44], abs=5e-4)
    assert found.upper == pytest.approx([0.0107, 2.306, 2.331], abs=5e-4)
    assert found.to_pandas()["contrast"].tolist() == ["difference", "ratio", "odds ratio"]
    with pytest.raises(ValueError, match="two data sets, got one"):
        two_groups(pooled)


def test_a_share_has_the_interval_of_its_parameter(attacks):
    _, groups = attacks
    ends = groups.interval()
    for found in (groups.mean(trials=1), groups.pdf({"successes": 1, "trials": 1})):
        np.testing.assert_allclose(found.lower, ends.lower["probability"], rtol=1e-9)
        np.testing.assert_allclose(found.upper, ends.upper["probability"], rtol=1e-9)
    with pytest.raises(ValueError, match="expected trials="):
        groups.quantile(0.5)
    with pytest.raises(ValueError, match="a dict of successes and trials"):
        groups.pdf(3)


def test_mites_and_horse_kicks(mites):
    (poisson, negative), (kicks, many_kicks) = mites
    assert (poisson.log_likelihood, negative.log_likelihood) == pytest.approx((-242.810, -222.437), abs=5e-4)
    test = jm.likelihood_ratio(poisson, negative)
    assert test.status == SignificanceStatus.HALF
    assert test.p_value == pytest.approx(0.5 * st.chi2.sf(2 * (242.80994 - 222.43715), 1), rel=1e-4)
    assert np.isnan(jm.likelihood_ratio(poisson, negative, on_edge=2).p_value)
    table = jm.compare({"poisson": poisson, "negative binomial": negative})
    assert table.best == "negative binomial"
    assert table.difference[0] == pytest.approx(2 * (242.80994 - 222.43715) - 2, abs=1e-3)
    nothing = jm.likelihood_ratio(kicks, many_kicks)  # variance under the mean: dispersion exactly 0
    assert (nothing.p_value, nothing.status) == (1, SignificanceStatus.HALF)
    assert nothing.statistic == pytest.approx(0, abs=1e-6)
    edge = jm.compare({"poisson": kicks, "negative binomial": many_kicks})
    assert edge.difference == pytest.approx([0, 2], abs=1e-6)
    assert edge.status.tolist() == [jm.Status.CONVERGED, jm.Status.AT_BOUNDARY]
    assert "dispersion -> 0" in str(edge)


# --- criteria ----------------------------------------------------------------------------------------------


def test_criteria_by_hand(rate):
    null, full, *_ = rate
    table = jm.compare({"held": null, "free": full}, "bic")
    bic = np.array([2 * TOTAL, 2 * N * (1 + np.log(TOTAL / N)) + np.log(N)])
    assert table.bic == pytest.approx(bic, rel=1e-10)
    assert table.free.tolist() == [0, 1]
    assert table.weight == pytest.approx(np.exp(-0.5 * bic) / np.exp(-0.5 * bic).sum(), rel=1e-9)
    assert table.best == "free" and table.to_pandas()["model"].tolist() == ["free", "held"]


# --- what cannot be trusted or compared --------------------------------------------------------------------


def changed(fit, **kwargs):
    """The fit with another outcome."""
    outcome = fit.solution.outcome._replace(
        **{name: np.full_like(getattr(fit.solution.outcome, name), x) for name, x in kwargs.items()}
    )
    return jm.Fit(dataclasses.replace(fit.solution, outcome=outcome))


def test_what_failed_is_nan_with_a_reason(rate):
    null, full, *_ = rate
    failed, limit = jm.Status.MAX_STEPS, jm.Status.AT_BOUNDARY
    for test, status in (
        (jm.likelihood_ratio(null, changed(full, status=failed)), SignificanceStatus.FULL_FAILED),
        (jm.likelihood_ratio(changed(null, status=failed), full), SignificanceStatus.NULL_FAILED),
        (jm.likelihood_ratio(null, changed(full, value=TOTAL + 1)), SignificanceStatus.FULL_WORSE),
        (jm.likelihood_ratio(changed(null, status=limit), full), SignificanceStatus.NULL_AT_LIMIT),
        (jm.wald_test({"rate": 1.0}, changed(full, status=limit)), SignificanceStatus.NO_ERRORS),
        (jm.score_test(changed(null, status=failed), full), SignificanceStatus.NULL_FAILED),
    ):
        assert np.isnan(test.p_value) and test.status == status
        assert status.sentence in str(test)
    supremum = jm.likelihood_ratio(null, changed(full, status=limit))
    assert supremum.status == SignificanceStatus.AT_LIMIT and np.isfinite(supremum.p_value)
    table = jm.compare({"held": null, "free": changed(full, status=failed)})
    assert np.isnan(table.aic[1]) and np.isnan(table.weight[1]) and table.weight[0] == 1
    assert "free: ran out of steps" in str(table)


def test_what_cannot_be_compared(rate, mites, attacks):
    null, full, nulls, fulls = rate
    poisson, _ = mites[0]
    twice = jm.fit("exponential", HOURS, weights=np.full(N, 2.0))
    logged = jm.fit("exponential", np.log(HOURS + 1))
    lognormal = dataclasses.replace(
        full.model, name="lognormal", log_likelihood=models.as_model("lognormal").log_likelihood
    )
    for call, error, sentence in (
        (lambda: jm.compare({"a": full, "b": logged}), ValueError, "logged and unlogged data cannot be compared"),
        (lambda: jm.compare({"a": full, "b": twice}), ValueError, r"differ \(5 and 10 observations\)"),
        (
            lambda: jm.compare({"a": full, "b": poisson}),
            ValueError,
            "b is a distribution of counts, the other is continuous",
        ),
        (lambda: jm.compare({"a": full, "b": fulls}), ValueError, r"a \(one data set\) with b \(2 data sets\)"),
        (lambda: jm.compare({"a": fulls, "b": fulls[[1, 0]]}), ValueError, "differ, first in data set 0"),
        (lambda: jm.compare({"a": full, "b": full}, "dic"), ValueError, "expected one of 'aic'"),
        (lambda: jm.compare([full]), TypeError, "a dict from names to fits"),
        (lambda: jm.likelihood_ratio(full, null), ValueError, "rate is held in the full model"),
        (lambda: jm.likelihood_ratio(full, full), ValueError, "a test needs a null with fewer"),
        (
            lambda: jm.likelihood_ratio(full, jm.Fit(dataclasses.replace(full.solution, model=lognormal))),
            ValueError,
            "not known",
        ),
        (lambda: jm.likelihood_ratio(full, fulls), ValueError, "must be fitted to all their rows together"),
        (lambda: jm.likelihood_ratio("weibull", full), TypeError, "null must be a fit"),
        (lambda: jm.wald_test({"rat": 1.0}, full), ValueError, "Did you mean 'rate'"),
        (lambda: jm.wald_test(1.0, full), TypeError, "a dict of values or a function"),
        (lambda: jm.score_test(null, "exponential"), TypeError, "full must be a model or a fit"),
        (lambda: jm.score_test(null, full, kind="robust"), ValueError, "expected one of 'observed'"),
    ):
        with pytest.raises(error, match=sentence):
            call()
    assert jm.compare({"a": fulls, "b": fulls[:]}).difference.tolist() == [[0, 0], [0, 0]]


def own_negative_binomial():
    """Counts of a user's own model: no name tells that Poisson is its edge."""
    return jm.Model(
        lambda p, x: jm.distributions.negative_binomial.logpdf(p, x),
        jm.distributions.negative_binomial.space,
        name="own",
    )


def test_an_edge_is_found_for_models_that_nobody_knows():
    """A variance at 0 halves the p value; a share of a mixture leaves none; elsewhere chi-square is called an assumption."""
    counts = rng(730).negative_binomial(3.0, 0.4, 80)
    poisson, own = jm.fit("poisson", counts), jm.fit(own_negative_binomial(), counts)
    test, known = jm.likelihood_ratio(poisson, own), jm.likelihood_ratio(poisson, jm.fit("negative_binomial", counts))
    assert test.status == known.status == SignificanceStatus.HALF
    np.testing.assert_allclose(test.p_value, known.p_value, rtol=1e-6)

    x = rng(731).gumbel(size=100)
    logpdf = jm.distributions.normal.logpdf
    mixture = jm.Model(
        lambda p, x: jnp.logaddexp(
            jnp.log(p["share"]) + logpdf({"loc": p["a"], "scale": p["s"]}, x),
            jnp.log1p(-p["share"]) + logpdf({"loc": p["b"], "scale": p["t"]}, x),
        ),
        {"a": REAL, "b": REAL, "s": POSITIVE, "t": POSITIVE, "share": jm.spaces.interval(0, 1)},
        start=lambda x, w: {"a": -0.5, "b": 1.5, "s": 1.0, "t": 1.0, "share": 0.5},
    )
    test = jm.likelihood_ratio(jm.fit("normal", x), jm.fit(mixture, x))
    assert test.status == SignificanceStatus.SEVERAL_ON_EDGE and np.isnan(test.p_value) and test.statistic > 0

    line = jm.Model(
        lambda p, d: logpdf({"loc": p["a"] + p["b"] * d["z"], "scale": p["s"]}, d["x"]),
        {"a": REAL, "b": REAL, "s": POSITIVE},
    )
    flat = jm.Model(lambda p, d: logpdf({"loc": p["a"], "scale": p["s"]}, d["x"]), {"a": REAL, "s": POSITIVE})
    data = {"x": x, "z": np.linspace(0, 1, 100)}
    test = jm.likelihood_ratio(jm.fit(flat, data), jm.fit(line, data))
    assert test.status == SignificanceStatus.ASSUMED and 0 < test.p_value < 1 and "assuming" in repr(test)


def test_angles_are_not_compared_with_numbers():
    x = rng(732).gamma(2.0, 4.0, 50)
    fits = {name: jm.fit(name, x) for name in ("gamma", "von_mises", "wrapped_cauchy")}
    assert jm.compare({name: fits[name] for name in ("von_mises", "wrapped_cauchy")}).best
    for order in (("gamma", "von_mises"), ("wrapped_cauchy", "gamma")):
        with pytest.raises(ValueError, match="distribution of angles"):
            jm.compare({name: fits[name] for name in order})
