"""Truths that are not regular: the verdict, the direction, the limit."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import optax
import pytest
import scipy.stats
from cases import gaussian, rng
from irregular import COLLAPSE, LOGISTIC, REVERSED, TWICE, light_tails, quasi_separated, separated, twice_the_same

import jaxmle as jm
from jaxmle import Status, models, spaces
from jaxmle.inference.interval_record import IntervalStatus

LIMITS = {Status.AT_INFINITY, Status.AT_BOUNDARY}


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Data that are not regular, the statuses that may be given, and words that the message must hold."""

    name: str
    model: Any
    data: Callable[[], Any]
    statuses: frozenset[Status]
    words: tuple[str, ...] = ()
    others: bool = False  # whether every optimizer is tried without waiting for the slow tests
    slow: bool = False
    besides: bool = False  # whether there is a maximum besides, which another start may find

    def __repr__(self) -> str:
        return self.name


def _verdict(name, model, data, statuses, *words, **options):
    return Verdict(name, model, data, frozenset(statuses), words, **options)


V = _verdict
VERDICTS = [
    V("logistic p=2 n=20", LOGISTIC[2], lambda: separated(2, 20), LIMITS, "beta[1] -> infinity", others=True),
    V("logistic p=2 n=200", LOGISTIC[2], lambda: separated(2, 200), LIMITS, "beta[1] -> infinity"),
    V("logistic p=2 n=2000", LOGISTIC[2], lambda: separated(2, 2000), LIMITS, "beta[1] -> infinity", slow=True),
    V("logistic p=4 n=20", LOGISTIC[4], lambda: separated(4, 20), LIMITS, "infinity", slow=True),
    V("logistic p=4 n=200", LOGISTIC[4], lambda: separated(4, 200), LIMITS, "infinity"),
    V("logistic p=4 n=2000", LOGISTIC[4], lambda: separated(4, 2000), LIMITS, "infinity", slow=True),
    V("quasi-separation", LOGISTIC[2], lambda: quasi_separated(20), LIMITS, "beta[1] -> infinity"),
    V("coin 10 of 10", "bernoulli", lambda: np.ones(10), LIMITS, "probability -> its upper end", others=True),
    V("coin 0 of 10", "bernoulli", lambda: np.zeros(10), LIMITS, "probability -> its lower end"),
    V("binomial 0 of 20", "binomial", lambda: {"successes": [0, 0], "trials": [10, 10]}, LIMITS,
      "probability -> its lower end"),
    V("binomial 20 of 20", "binomial", lambda: {"successes": [10, 10], "trials": [10, 10]}, LIMITS,
      "probability -> its upper end"),
    V("geometric all ones", "geometric", lambda: np.ones(12), LIMITS, "probability -> its upper end"),
    V("poisson all zeros", "poisson", lambda: np.zeros(15), LIMITS, "mean -> 0"),
    V("exponential all censored", "exponential", lambda: {"lower": np.arange(1.0, 9.0), "upper": np.full(8, np.inf)},
      LIMITS, "rate -> 0"),
    V("weibull all censored", "weibull", lambda: {"lower": np.arange(1.0, 9.0), "upper": np.full(8, np.inf)}, LIMITS,
      "scale -> infinity"),
    V("underdispersed counts", "negative_binomial", lambda: np.array([3.0, 4, 3, 2, 3, 4, 3, 3, 2, 4] * 4), LIMITS,
      "dispersion -> 0"),
    V("dispersed counts, all zeros", "negative_binomial", lambda: np.zeros(40), LIMITS, "mean -> 0"),
    V("t on uniform data", "student_t", lambda: light_tails(100), LIMITS, "df -> infinity"),
    V("t on uniform data, n=1000", "student_t", lambda: light_tails(1000, 1), LIMITS, "df -> infinity", slow=True),
    V("normal, all equal", "normal", lambda: np.full(20, 3.7), {Status.UNBOUNDED}, "scale -> 0"),
    V("normal, one row", "normal", lambda: np.array([3.7]), {Status.UNBOUNDED}, "scale -> 0"),
    V("gamma, all equal", "gamma", lambda: np.full(20, 3.7), {Status.UNBOUNDED}, "shape -> infinity"),
    V("weibull, one row", "weibull", lambda: np.array([3.7]), {Status.UNBOUNDED}, "shape -> infinity"),
    V("duplicated column", TWICE, lambda: twice_the_same(30), {Status.NOT_IDENTIFIED}, "(a, b)"),
    V("mixture, scale -> 0", COLLAPSE, lambda: rng(9).normal(size=40), {Status.UNBOUNDED}, "scale[0] -> 0", besides=True),
    V("reversed sign", REVERSED, lambda: rng(10).normal(size=30), {Status.UNBOUNDED, Status.STALLED}),
    V("empty", "gamma", lambda: np.zeros(0), {Status.NO_DATA}, "no data"),
]  # fmt: skip
TOLERANCES = [1e-4, 1e-9, 1e-14]
METHODS = {
    "fisher_scoring": "fisher_scoring",
    "bhhh": "bhhh",
    "adam": optax.adam(0.05),
    "sgd": optax.sgd(1e-3),
    "lbfgs": "lbfgs",
    "optax.lbfgs": optax.lbfgs(),
}


def known_information(model, data):
    return models.as_model(model, data).information is not None


@pytest.mark.parametrize(
    "verdict", [pytest.param(v, marks=pytest.mark.slow) if v.slow else v for v in VERDICTS], ids=repr
)
def test_newton_recognizes_it_within_fifteen_steps(verdict):
    data = verdict.data()
    for tolerance in TOLERANCES:
        fit = jm.fit(verdict.model, data, tolerance=tolerance)
        assert not fit.converged, tolerance
        assert fit.status in verdict.statuses, (tolerance, fit.message())
        assert fit.steps <= (15 if verdict.statuses <= LIMITS else 50)
        for word in verdict.words:
            assert word in fit.message()
    errors = np.concatenate([np.ravel(x) for x in jax.tree.leaves(fit.standard_errors())])
    # At a limit the other parameters have errors, with the limit held; at none has the diverging one.
    assert np.isnan(errors).any() if verdict.statuses <= LIMITS else np.isnan(errors).all()
    assert fit.summary()


def never_converged(verdict, method, max_steps):
    data = verdict.data()
    if method == "fisher_scoring" and not known_information(verdict.model, data):
        pytest.skip("no expected information")
    for tolerance in TOLERANCES:
        fit = jm.fit(verdict.model, data, tolerance=tolerance, optimizer=METHODS[method], max_steps=max_steps)
        if verdict.besides and fit.converged and fit.attempt:
            continue
        assert not fit.converged, (tolerance, fit.params)
        late = {Status.MAX_STEPS, Status.STALLED}
        assert fit.status in verdict.statuses | late, (tolerance, fit.message())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("verdict", [v for v in VERDICTS if v.others], ids=repr)
def test_never_converged_for_other_methods(verdict, method):
    never_converged(verdict, method, 300)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("verdict", VERDICTS, ids=repr)
def test_never_converged_for_every_method(verdict, method):
    never_converged(verdict, method, None)
    jax.clear_caches()  # hundreds of programs in one process run into the kernel's limit of memory maps


# --- ridges ----------------------------------------------------------------------------------------------

RIDGES = {
    "sum": lambda p: p["a"] + p["b"],
    "product": lambda p: p["a"] * p["b"],
    "ratio": lambda p: p["a"] / (1 + p["b"] ** 2),
    "circle": lambda p: p["a"] ** 2 + p["b"] ** 2,
}


@pytest.mark.parametrize("name", RIDGES)
def test_a_ridge_is_not_identified_and_named(name):
    model = jm.Model(
        lambda p, x: gaussian(x - RIDGES[name](p), p["scale"]),
        {"a": spaces.real, "b": spaces.real, "scale": spaces.positive},
        start=lambda x, w: {"a": 1.0, "b": 0.5, "scale": 1.0},
        name=name,
    )
    fits = jm.fit_many(model, rng(11).normal(5.0, 1.0, (100, 10)), retries=0)
    assert fits.status_counts() == {"not_identified": 100}
    assert all("(a, b)" in fits.message(i) for i in range(0, 100, 10))


@pytest.mark.parametrize("middle", [False, True])
@pytest.mark.parametrize("name", ["cauchy", "wrapped_cauchy"])
def test_two_rows_of_a_cauchy_are_a_ridge(name, middle):
    """Half way between the rows the curvature along loc is 0, and near by only as large as the rest of the ascent.

    Where it is 1e-4 of the scores' squares, rounding may still hide a ridge or a kick from its middle lead to the boundary.
    """
    r = rng(12)
    x = r.uniform(-3.0, 3.0, (200, 1)) + r.uniform(0.1, 2.0, (200, 1)) * [0.0, 1.0]
    mean = np.exp(1j * x).mean(1)
    starts = {
        "cauchy": {"loc": x.mean(1), "scale": 0.7 * x.std(1)},
        "wrapped_cauchy": {"loc": np.angle(mean), "concentration": np.abs(mean)},
    }
    fits = jm.fit_many(name, x, start=starts[name] if middle else None, retries=0)
    counts = fits.status_counts()
    assert counts["not_identified"] >= (200 if name == "cauchy" else 195) and counts.get("converged", 0) <= 1, counts


# --- the limit and the supremum --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "data", "name", "limit", "supremum", "attained"),
    [
        ("bernoulli", np.ones(10), "probability", 1.0, 0.0, True),
        ("bernoulli", np.zeros(10), "probability", 0.0, 0.0, True),
        ("binomial", {"successes": [0, 0], "trials": [10, 10]}, "probability", 0.0, 0.0, True),
        ("geometric", np.ones(12), "probability", 1.0, 0.0, True),
        ("poisson", np.zeros(15), "mean", 0.0, 0.0, True),
    ],
)
def test_the_limit_is_reported(model, data, name, limit, supremum, attained):
    fit = jm.fit(model, data)
    assert fit.status is Status.AT_BOUNDARY
    assert fit.params[name] == limit
    assert fit.log_likelihood == pytest.approx(supremum, abs=1e-8)
    assert fit.attained is attained


def test_no_events_in_twenty():
    """Daily work: the one-sided likelihood interval, 1 - exp(-1.921 / 20)."""
    fit = jm.fit("binomial", {"successes": [0], "trials": [20]})
    ends = fit.interval()
    assert ends.lower["probability"] == 0.0
    assert ends.upper["probability"] == pytest.approx(1 - np.exp(-scipy.stats.chi2.ppf(0.95, 1) / 40), abs=1e-9)
    assert round(float(ends.upper["probability"]), 4) == 0.0916
    assert "boundary" in IntervalStatus(int(ends.status["probability"])).sentence
    mirrored = jm.fit("binomial", {"successes": [20], "trials": [20]}).interval()
    assert mirrored.upper["probability"] == 1.0
    assert mirrored.lower["probability"] == pytest.approx(1 - ends.upper["probability"], abs=1e-9)
    many = jm.fit_many("binomial", {"successes": [[0], [3]], "trials": [[20], [20]]})
    assert many.interval().upper["probability"][0] == pytest.approx(0.0915691, abs=1e-6)


def test_underdispersed_counts_are_poisson():
    x = np.array([3.0, 4, 3, 2, 3, 4, 3, 3, 2, 4] * 4)
    fit = jm.fit("negative_binomial", x)
    poisson = jm.fit("poisson", x)
    assert fit.params["dispersion"] == 0.0
    assert fit.params["mean"] == pytest.approx(x.mean(), rel=1e-9)
    assert fit.log_likelihood == pytest.approx(poisson.log_likelihood, abs=1e-8)


def test_light_tails_are_normal():
    x = light_tails(100, 2)
    fit = jm.fit("student_t", x)
    normal = jm.fit("normal", x)
    assert fit.params["df"] == np.inf
    assert fit.params["loc"] == pytest.approx(float(normal.params["loc"]), abs=2e-6)
    assert fit.params["scale"] == pytest.approx(float(normal.params["scale"]), rel=2e-6)
    assert fit.log_likelihood == pytest.approx(normal.log_likelihood, abs=2e-6)


def test_no_kind_of_covariance_at_a_limit():
    fit = jm.fit("bernoulli", np.ones(10))
    for kind in ("observed", "expected", "opg", "robust"):
        assert np.isnan(fit.covariance(kind)).all()


def test_separated_supremum_is_zero():
    fit = jm.fit(LOGISTIC[2], separated(2, 20))
    assert -1e-3 < fit.log_likelihood <= 0
    assert not fit.attained


def test_data_that_cannot_be_fitted():
    with pytest.raises(ValueError, match=r"row 1 is -1\.0"):
        jm.fit("gamma", [1.0, -1.0, 2.0])
    with pytest.raises(ValueError, match="missing"):
        jm.fit("gamma", [1.0, np.nan, 2.0])
    assert jm.fit("gamma", [1.0, np.nan, 2.0], missing="status").status is Status.MISSING_VALUES
    with pytest.raises(ValueError, match="row 1 is inf"):
        jm.fit("normal", [1.0, np.inf, 2.0])
    assert jm.fit("gamma", [1.0, 2.0], weights=[0.0, 0.0]).status is Status.NO_DATA
    many = jm.fit_many("gamma", [[1.0, 2.0, 3.0], [1.0, -2.0, 3.0], [1.0, np.nan, 3.0]])
    assert list(many.status[1:]) == [Status.OUTSIDE_SUPPORT, Status.MISSING_VALUES]
    with pytest.raises(RuntimeError, match="2 of 3 fits did not converge; data set 1"):
        many.raise_for_status()


def test_a_batch_counts_limits_apart():
    y = np.array([[1.0, 1, 1, 1], [1, 0, 1, 0], [0, 0, 0, 0]])
    fits = jm.fit_many("bernoulli", y)
    assert fits.status_counts() == {"converged": 1, "at_boundary": 2}
    assert fits.params["probability"].tolist() == [1.0, pytest.approx(0.5), 0.0]
    np.testing.assert_array_equal(np.isnan(fits.standard_errors()["probability"]), [True, False, True])
    assert "-> its lower end" in fits.message(2)
