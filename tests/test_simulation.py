"""What the theory promises, in simulation: efficiency, coverage, recovery. Fixed seeds; bounds are Monte-Carlo errors."""

import numpy as np
import pytest
from cases import BY_NAME, REGRESSION, design, rng

import jaxmle as jm


def samples(name, sets, n, seed=100):
    return BY_NAME[name].data(seed, sets, n)


def efficiency(sets, sizes):
    """sqrt(n) RMSE over the Cramer-Rao bound, of the exponential's rate: exactly known, sd = rate / sqrt(n)."""
    found = []
    for n in sizes:
        total = rng(n).gamma(n, 2.0, sets)  # the sum is sufficient: one row of weight n
        fits = jm.fit_many("exponential", (total / n)[:, None], weights=np.full((sets, 1), float(n)))
        assert fits.converged.all()
        rmse = np.sqrt(np.mean((fits.params["rate"] - 0.5) ** 2))
        found.append(np.sqrt(n) * rmse / 0.5)
    return np.array(found)


def test_the_cramer_rao_bound_is_approached():
    """From n = 10, where E[1/mean] is n/(n-1) times too large, to 100 000."""
    sets = 4000
    ratio = efficiency(sets, [10, 100, 1000, 100_000])
    noise = 4 / np.sqrt(2 * sets)
    assert ratio[0] > 1 + noise
    assert np.all(np.abs(ratio[2:] - 1) < noise)
    assert np.all(np.diff(np.abs(ratio - 1))[:1] < 0)


@pytest.mark.slow
@pytest.mark.parametrize("n", [10, 100, 1000, 10_000, 100_000])
def test_the_bound_on_raw_data(n):
    """The normal's scale: sd = scale / sqrt(2 n); low by (n - 1) / n in the variance on tiny data."""
    sets = 2000 if n <= 1000 else 100
    fits = jm.fit_many("normal", samples("normal", sets, n))
    ratio = np.sqrt(2 * n) * np.sqrt(np.mean((fits.params["scale"] - 2.0) ** 2)) / 2.0
    assert abs(ratio - 1) < 4 / np.sqrt(2 * sets) + 2.0 / n


def z_scores(fits, truth):
    se = fits.standard_errors()
    return {
        k: ((fits.params[k] - truth[k]) / se[k])[fits.converged].reshape(fits.converged.sum(), -1) for k in fits.params
    }


@pytest.mark.parametrize("name", ["gamma", "logistic"])
def test_recovers(name):
    """The mean of (estimate - truth) / se is within 0.1 at n = 2000 (400 replicates: one Monte-Carlo error is 0.05)."""
    case = BY_NAME[name]
    fits = jm.fit_many(case.model, samples(name, 400, 2000))
    assert fits.converged.all()
    for z in z_scores(fits, case.truth).values():
        assert np.all(np.abs(z.mean(0)) < 0.1 + 0.1)
        assert np.all(np.abs(z.std(0) - 1) < 5 / np.sqrt(800))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["normal", "exponential", "gamma", "weibull", "lognormal", "poisson", "bernoulli", "geometric", "negative_binomial",
     "student_t", "censored weibull", "logistic", "counts", "mixture", "autoregression"],
)  # fmt: skip
def test_every_model_recovers(name):
    case = BY_NAME[name]
    fits = jm.fit_many(case.model, samples(name, 4000, 2000))
    assert fits.converged.mean() > 0.999
    for key, z in z_scores(fits, case.truth).items():
        assert np.all(np.abs(z.mean(0)) < 0.1), (key, z.mean(0))


def coverage(fits, truth):
    ends = fits.interval()
    return {
        k: np.mean(((ends.lower[k] <= truth[k]) & (truth[k] <= ends.upper[k])).reshape(len(fits), -1), axis=0)
        for k in fits.params
    }


def test_wald_intervals_cover_small():
    case = BY_NAME["weibull"]
    fits = jm.fit_many(case.model, samples("weibull", 2000, 300))
    for share in coverage(fits, case.truth).values():
        assert np.all(np.abs(share - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 2000) + 0.005)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["normal", "gamma", "weibull", "censored weibull", "logistic", "negative_binomial"])
def test_wald_intervals_cover(name):
    """n = 2000, 20 000 replicates: between 94.4 and 95.6 %."""
    case, hits = BY_NAME[name], []
    for part in range(4):
        fits = jm.fit_many(case.model, samples(name, 5000, 2000, 200 + part))
        hits.append(coverage(fits, case.truth))
    for key in hits[0]:
        share = np.mean([h[key] for h in hits], axis=0)
        assert np.all((share > 0.944) & (share < 0.956)), (key, share)


@pytest.mark.slow
def test_coverage_at_twenty_is_that_of_the_same_interval_by_hand():
    """The normal's location at n = 20, against NumPy's own mean +- 1.96 sd / sqrt(n) on other samples."""
    sets, n, z = 20_000, 20, 1.959963984540054
    share = coverage(jm.fit_many("normal", samples("normal", sets, n)), {"loc": 1.0, "scale": 2.0})["loc"]
    x = rng(301).normal(1.0, 2.0, (400_000, n))
    mine = np.mean(np.abs(x.mean(1) - 1.0) <= z * x.std(1) / np.sqrt(n))
    assert abs(share - mine) < 4 * np.sqrt(mine * (1 - mine) / sets)


@pytest.mark.slow
def test_the_sandwich_covers_where_the_model_is_wrong():
    """A regression whose noise grows with x: robust standard errors cover the slope, observed ones do not."""
    r, sets, n = rng(302), 4000, 1000
    x = design(r, sets, n, 3)
    y = x @ np.array([1.0, -2.0, 0.5]) + (0.2 + np.abs(x[..., 1])) * r.normal(size=(sets, n))
    fits = jm.fit_many(REGRESSION, {"x": x, "y": y})
    found = {}
    for kind in ("observed", "robust"):
        ends = fits.interval(kind=kind)
        found[kind] = np.mean((ends.lower["beta"][:, 1] <= -2.0) & (ends.upper["beta"][:, 1] >= -2.0))
    assert abs(found["robust"] - 0.95) < 4 * np.sqrt(0.95 * 0.05 / sets) + 0.003
    assert found["observed"] < 0.85
