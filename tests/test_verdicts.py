"""Truths that are not regular: the verdict, the direction, the limit; and no alarm where the data are regular."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.stats
from cases import gaussian, logistic_log_likelihood, rng

import jaxmle as jm
from jaxmle import Status, models, spaces
from jaxmle._solver.verdict import NAMED, RULES
from jaxmle.inference.interval_record import IntervalStatus

LIMITS = {Status.AT_INFINITY, Status.AT_BOUNDARY}


# --- models and data -------------------------------------------------------------------------------------


def regression_log_likelihood(params, data):
    return gaussian(data["y"] - params["a"] * data["u"] - params["b"] * data["v"], params["scale"])


def free_mixture_log_likelihood(params, x):
    parts = jnp.log(0.5) + gaussian(x[:, None] - params["loc"], params["scale"])
    return jax.nn.logsumexp(parts, axis=1)


def collapsing_start(x, weights):
    return {"loc": jnp.stack([x[0], jnp.mean(x)]), "scale": jnp.stack([1e-3 * jnp.std(x), jnp.std(x)])}


def reversed_log_likelihood(params, x):
    return 0.5 * (x - params["loc"]) ** 2


LOGISTIC = {
    p: jm.Model(logistic_log_likelihood, {"beta": spaces.real(shape=p)}, name=f"logistic {p}") for p in (1, 2, 4)
}
TWICE = jm.Model(regression_log_likelihood, {"a": spaces.real, "b": spaces.real, "scale": spaces.positive})
COLLAPSE = jm.Model(
    free_mixture_log_likelihood,
    {"loc": spaces.real(shape=2), "scale": spaces.positive(shape=2)},
    start=collapsing_start,
)
REVERSED = jm.Model(reversed_log_likelihood, {"loc": spaces.real})


def separated(p, n, seed=0):
    x = rng(seed).normal(size=(n, p))
    x[:, 0] = 1.0
    return {"x": x, "y": (x[:, 1:].sum(1) > 0.1).astype(float)}


def quasi_separated(n, seed=0):
    """Separated but for rows on the border, which have both outcomes."""
    x = np.abs(rng(seed).normal(size=n)) * np.where(np.arange(n) % 2, 1.0, -1.0)
    x[:4] = 0.0
    y = (x > 0).astype(float)
    y[:2] = 1.0
    return {"x": np.stack([np.ones(n), x], axis=1), "y": y}


def light_tails(n, seed=0):
    return rng(seed).uniform(-1.0, 1.0, n)


def twice_the_same(n):
    r = rng(8)
    u = r.normal(size=n)
    return {"u": u, "v": 2.0 * u, "y": u + r.normal(size=n)}


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
    assert np.isnan(errors).all()
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
    """Half way between the rows the curvature along loc is 0, and near by only as large as the rest of the climb.

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


# --- no false alarms -------------------------------------------------------------------------------------


def gamma_samples(sets, n):
    return "gamma", rng(30).gamma(2.0, 1.0, (sets, n)), np.ones(sets, bool)


def weibull_samples(sets, n):
    return "weibull", 2.0 * rng(31).weibull(0.8, (sets, n)), np.ones(sets, bool)


def normal_samples(sets, n):
    return "normal", rng(32).normal(5.0, 0.1, (sets, n)), np.ones(sets, bool)


def logistic_samples(sets, n):
    """Regular unless separated: with an intercept and one x, when the x of both outcomes do not overlap."""
    r = rng(33)
    x = r.normal(size=(sets, n))
    y = r.uniform(size=(sets, n)) < 1 / (1 + np.exp(-0.5 - x))
    low0, high0 = (f(np.where(y, fill, x), axis=1) for f, fill in ((np.min, np.inf), (np.max, -np.inf)))
    low1, high1 = (f(np.where(y, x, fill), axis=1) for f, fill in ((np.min, np.inf), (np.max, -np.inf)))
    regular = (low1 < high0) & (low0 < high1)
    return LOGISTIC[2], {"x": np.stack([np.ones_like(x), x], -1), "y": y.astype(float)}, regular


def bernoulli_samples(sets, n):
    x = (rng(34).uniform(size=(sets, n)) < 0.3).astype(float)
    return "bernoulli", x, (x.sum(1) > 0) & (x.sum(1) < n)


def counts_samples(sets, n):
    """The maximum is inside exactly where the sample is overdispersed (Levin & Reeds 1977)."""
    r = rng(35)
    x = r.poisson(r.gamma(2.0, 2.0, (sets, n))).astype(float)
    return "negative_binomial", x, x.var(1) > x.mean(1)


def censored_samples(sets, n):
    """Regular with two distinct failures; where all failures come last the shape may run away."""
    r = rng(36)
    t, limit = r.weibull(1.5, (sets, n)), r.uniform(0.3, 3.0, (sets, n))
    events = (t < limit).sum(1)
    return "weibull", {"lower": np.minimum(t, limit), "upper": np.where(t < limit, t, np.inf)}, events >= 2


FAMILIES = [gamma_samples, logistic_samples, bernoulli_samples, weibull_samples, normal_samples, counts_samples,
            censored_samples]  # fmt: skip
ALARMS = [Status.AT_INFINITY, Status.AT_BOUNDARY, Status.NOT_IDENTIFIED, Status.UNBOUNDED]


def alarms(samples, sets, n):
    model, data, regular = samples(sets, n)
    fits = jm.fit_many(model, data)
    wrong = np.isin(fits.status, ALARMS) & regular
    missed = fits.converged & ~regular
    return int(wrong.sum()), int(missed.sum()), float(fits.converged[regular].mean()), fits, regular


@pytest.mark.parametrize("samples", FAMILIES[:3], ids=lambda f: f.__name__.removesuffix("_samples"))
def test_regular_data_raise_no_alarm(samples):
    wrong, missed, share, fits, regular = alarms(samples, 2000, 20)
    assert wrong == 0, fits.status_counts()
    assert missed == 0
    assert share > 0.999


@pytest.mark.slow
@pytest.mark.parametrize("n", [10, 30, 200])
@pytest.mark.parametrize("samples", FAMILIES, ids=lambda f: f.__name__.removesuffix("_samples"))
def test_fewer_than_one_false_alarm_in_ten_thousand(samples, n):
    wrong, missed, share, _, regular = alarms(samples, 20_000, n)
    assert wrong <= regular.sum() / 10_000
    assert missed <= 2
    assert share > 0.999


@pytest.mark.parametrize("name", ["gpd", pytest.param("gev", marks=pytest.mark.slow)])
def test_no_standard_errors_beyond_half_a_shape(name):
    """Smith 1985: the maximum is there for -1 < shape <= -1/2, its large-sample theory is not."""
    law = scipy.stats.genpareto if name == "gpd" else scipy.stats.genextreme
    sets = [law(-c if name == "gpd" else c, 0, 2.0).rvs(200, random_state=1) for c in (0.7, 0.2)]
    fits = jm.fit_many(name, sets)
    assert fits.converged.all() and (fits.params["shape"] < [-0.5, 0]).all()
    covariance, ends = fits.covariance(), fits.interval()
    assert np.isnan(covariance[0]).all() and np.isfinite(covariance[1]).all()
    none, wald = ends.status["shape"]
    assert (none, wald) == (IntervalStatus.NONE, IntervalStatus.WALD) and np.isnan(ends.lower["scale"][0])
    assert "not regular at these parameters" in fits[0].message() and "regular" not in fits[1].message()
    assert np.isnan(fits[0].quantile(0.5).standard_errors) and np.isfinite(fits[0].quantile(0.5).value)


# --- units -----------------------------------------------------------------------------------------------


def weibull_log_likelihood(params, x):
    z = x / params["scale"]
    return jnp.log(params["shape"] / params["scale"]) + (params["shape"] - 1) * jnp.log(z) - z ** params["shape"]


def own_start(x, weights):
    return {"loc": jnp.mean(x), "scale": jnp.std(x)}


def normal_log_likelihood(params, x):
    return gaussian(x - params["loc"], params["scale"])


LOCATION = {"loc": spaces.real, "scale": spaces.positive}
POSITIVE = rng(40).gamma(2.3, 1.7, 200)
TAILED = 1.0 + 2.0 * rng(41).standard_t(4.0, 200)
UNITS = {
    "normal": ("normal", POSITIVE),
    "gamma": ("gamma", POSITIVE),
    "weibull": ("weibull", POSITIVE),
    "exponential": ("exponential", POSITIVE),
    "student_t": ("student_t", TAILED),
    "own, no start": (jm.Model(normal_log_likelihood, LOCATION), TAILED),
    "own with a shape, no start": (
        jm.Model(weibull_log_likelihood, {"scale": spaces.positive, "shape": spaces.positive}), POSITIVE,
    ),
    "own, a start": (jm.Model(normal_log_likelihood, LOCATION, start=own_start), TAILED),
}  # fmt: skip
POWER = {"loc": 1, "scale": 1, "rate": -1, "shape": 0, "df": 0}


@pytest.mark.parametrize("name", UNITS)
def test_units_change_nothing(name):
    model, data = UNITS[name]

    def fitted(x):
        if name != "student_t":
            return jm.fit(model, x, retries=0, tolerance=1e-12)
        # In lanes: of its native kernel's products of powers of a scale some are 0 at 1e46.
        return jm.fit_many(model, x[None], lanes=1, retries=0, tolerance=1e-12)[0]

    plain = fitted(data)
    assert plain.status is Status.CONVERGED
    few = 4 if "no start" in name else 0  # in units of 1 the origin is near enough and is kept
    for unit in (1e-46, 1e-100, 1e46, 1e100):
        fit = fitted(data * unit)
        assert fit.status == plain.status and abs(fit.steps - plain.steps) <= few, (unit, fit.message())
        assert fit.log_likelihood + len(data) * np.log(unit) == pytest.approx(plain.log_likelihood, rel=1e-12)
        for k, value in fit.params.items():
            assert float(value) / unit ** POWER[k] == pytest.approx(float(plain.params[k]), rel=1e-7), (unit, k)


def test_a_sweep_ends_where_nothing_is_finite():
    model = UNITS["own, no start"][0]
    x = np.stack([TAILED, np.where(np.arange(200) == 3, np.nan, TAILED), 1e200 * TAILED])
    for lanes in ("auto", 1):
        fits = jm.fit_many(model, x, lanes=lanes)
        assert list(fits.status[:2]) == [Status.CONVERGED, Status.MISSING_VALUES]
        assert float(fits.params["scale"][0]) == pytest.approx(TAILED.std(), rel=1e-7)


def exposures_log_likelihood(params, data):
    mean = params["s"] * data["e"] + params["b"] * data["b"]
    return data["n"] * jnp.log(mean) - mean


def exposures():
    r = rng(42)
    e, b = r.uniform(0.5, 2.0, 60), r.uniform(0.5, 2.0, 60)
    return {"n": r.poisson(3 * e + 5 * b).astype(float), "e": e, "b": b}


def variances_log_likelihood(params, data):
    variance = params["v0"] + params["v1"] * data["z"]
    return -0.5 * (jnp.log(variance) + data["y"] ** 2 / variance)


def variances():
    r = rng(43)
    z = r.uniform(0.0, 3.0, 200)
    return {"z": z, "y": np.sqrt(1 + 2 * z) * r.normal(size=200)}


EXPOSURES = jm.Model(exposures_log_likelihood, {"s": spaces.positive, "b": spaces.positive})
VARIANCES = jm.Model(variances_log_likelihood, {"v0": spaces.positive, "v1": spaces.positive})


@pytest.mark.parametrize(
    ("model", "data", "start"),
    [
        (EXPOSURES, exposures, {"s": 1e-6, "b": 1.0}),
        (EXPOSURES, exposures, {"s": 1e-12, "b": 1e-12}),
        (VARIANCES, variances, {"v0": 1.0, "v1": 1e-8}),
        (VARIANCES, variances, {"v0": 1e-4, "v1": 1e-4}),
        (VARIANCES, variances, {"v0": 1e-10, "v1": 1e-10}),
    ],
)
def test_a_start_beside_a_boundary_is_left(model, data, start):
    """There slope and curvature are gone, but the slope points inward: no limit (Karush, Kuhn and Tucker)."""
    best, fit = jm.fit(model, data()), jm.fit(model, data(), start=start, retries=0)
    assert fit.status is Status.CONVERGED, fit.explain()
    assert fit.log_likelihood == pytest.approx(best.log_likelihood, rel=1e-12)


def test_a_slope_that_points_out_is_a_boundary():
    """The nearest case to the above: the same model, where no variance grows with z."""
    r = rng(44)
    z = r.uniform(0.0, 3.0, 200)
    data = {"z": z, "y": r.normal(size=200) / np.sqrt(1 + z)}
    for start in (None, {"v0": 1.0, "v1": 1e-8}):
        fit = jm.fit(VARIANCES, data, start=start, retries=0)
        assert fit.status is Status.AT_BOUNDARY and fit.params["v1"] == 0.0, fit.explain()
        assert fit.params["v0"] == pytest.approx(np.mean(data["y"] ** 2), rel=1e-6)


def test_a_log_likelihood_of_any_height_is_bounded():
    """Without its constant the log-likelihood of large counts is beyond 1e5 a row."""
    x = rng(45).poisson(1e5, 50).astype(float)
    model = jm.Model(lambda p, x: x * jnp.log(p["mean"]) - p["mean"], {"mean": spaces.positive})
    assert float(jm.fit(model, x).params["mean"]) == pytest.approx(x.mean(), rel=1e-9)


# --- the table of rules ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [rule.name for rule in NAMED])
def test_rules_have_a_name_of_their_own_and_a_reason(name):
    (rule,) = (rule for rule in NAMED if rule.name == name)
    assert len(rule.why) > 20 and bool(rule.conditions) == (rule in RULES)


def rule_of(fit):
    return NAMED[int(fit.solution.outcome.rule[0])].name


NORMAL = jm.Model(normal_log_likelihood, LOCATION, start=lambda x, w: {"loc": jnp.mean(x), "scale": 2.0})
# A case that a rule must name, and the nearest regular one that it must leave alone.
RULED = {
    "no finite start": (lambda: jm.fit(NORMAL, [1.0, 2.0, 4.0], start={"loc": 1e300, "scale": 1e-10}, retries=0),
                        lambda: jm.fit(NORMAL, [1.0, 2.0, 4.0], start={"loc": 1e3, "scale": 1e-3}, retries=0)),
    "point mass": (lambda: jm.fit("normal", np.full(20, 3.7)),
                   lambda: jm.fit("normal", 3.7 + 1e-12 * rng(50).normal(size=20))),
    "certificate": (lambda: jm.fit("gamma", POSITIVE), lambda: jm.fit("gamma", POSITIVE, max_steps=2)),
    "rise that gains pace": (lambda: jm.fit(REVERSED, rng(10).normal(size=30)),
                             lambda: jm.fit(NORMAL, rng(10).normal(size=30), start={"loc": 1e6, "scale": 1e-2}, retries=0)),
    "long tail": (lambda: jm.fit("student_t", light_tails(100)),
                  lambda: jm.fit("student_t", rng(51).standard_t(30.0, 2000))),
    "flat ridge": (lambda: jm.fit(TWICE, twice_the_same(30)),
                   lambda: jm.fit(TWICE, twice_the_same(30) | {"v": twice_the_same(30)["u"] * 2 + 1e-3 * np.arange(30) ** 2})),
    "constant rows, many steps": (lambda: jm.fit("gamma", np.full(20, 3.7)),
                                  lambda: jm.fit("gamma", 3.7 + 1e-3 * rng(52).normal(size=20))),
}  # fmt: skip


@pytest.mark.parametrize("name", RULED)
def test_a_rule_names_its_case_and_leaves_the_nearest_alone(name):
    named, regular = (f() for f in RULED[name])
    assert rule_of(named) == name, named.explain()
    assert rule_of(regular) != name
    assert regular.converged or name == "certificate", regular.explain()


def test_the_fit_explains_its_verdict(tmp_path):
    fit, limit = jm.fit("gamma", POSITIVE), jm.fit("poisson", np.zeros(15))
    assert "by the rule 'certificate'" in fit.explain() and "at most the tolerance, 1e-09" in fit.explain()
    assert "by the rule 'long tail'" in limit.explain() and "a step inward from the limit loses" in limit.explain()
    assert jm.load(fit.save(tmp_path / "fit.npz")).explain() == fit.explain()
    many = jm.fit_many("poisson", np.stack([np.zeros(15), np.ones(15)]))
    assert many.explain(0).startswith("at boundary") and many.explain(1).startswith("converged")
    assert (
        "refused" in jm.fit("gamma", np.zeros(0)).explain() or "did not run" in jm.fit("gamma", np.zeros(0)).explain()
    )
