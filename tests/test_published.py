"""Published data and their published figures to every digit; those of the slow tests stand in the demo too, which
`test_cli.py` reads in every run."""

import numpy as np
import pytest

import jaxmle as jm
from jaxmle import io


def read(name, *columns):
    table = io.read_table(io.example(name))
    return [io.numeric(table, c) for c in columns]


@pytest.mark.slow
def test_ball_bearings():
    """Lieblein and Zelen 1956: 23 bearings, Weibull 2.102, 81.88, log-likelihood -113.691."""
    (x,) = read("ball_bearings.csv", "revolutions")
    fit = jm.fit("weibull", x)
    assert (len(x), fit.converged) == (23, True)
    assert fit.params["shape"] == pytest.approx(2.102, abs=5e-4)
    assert fit.params["scale"] == pytest.approx(81.88, abs=5e-3)
    assert fit.log_likelihood == pytest.approx(-113.691, abs=5e-4)


@pytest.mark.slow
def test_aspirin():
    """Physicians' Health Study 1989: relative risk 1.818, likelihood ratio 25.372 on 1 degree of freedom."""
    successes, trials = (np.tile(x, 2) for x in read("aspirin.csv", "attacks", "physicians"))
    groups = ["aspirin", "placebo", "pooled", "pooled"]
    fits = jm.fit_many("binomial", {"successes": successes, "trials": trials}, groups=groups)
    risk = {name: float(fits[name].params["probability"]) for name in groups}
    assert risk["placebo"] / risk["aspirin"] == pytest.approx(1.818, abs=5e-4)
    best = dict(zip(fits.keys, fits.log_likelihood, strict=True))
    assert 2 * (best["aspirin"] + best["placebo"] - best["pooled"]) == pytest.approx(25.372, abs=5e-4)


TABLES = {  # columns, observations
    "mites": ("mites", "leaves", 150),
    "accidents": ("accidents", "women", 647),
    "horse_kicks": ("deaths", "corps_years", 200),
}


def counts():
    """Three tables of counts, weights and the table of each row, in long format."""
    parts = [(*read(f"{name}.csv", *columns), name) for name, (*columns, _) in TABLES.items()]
    x, w = (np.concatenate([part[k] for part in parts]) for k in (0, 1))
    return x, w, np.repeat([p[2] for p in parts], [len(p[0]) for p in parts])


@pytest.fixture(scope="module")
def negative_binomial():
    x, w, table = counts()
    return jm.fit_many("negative_binomial", x, weights=w, groups=table)


@pytest.fixture(scope="module")
def poisson():
    x, w, table = counts()
    (wafers,) = read("wafers.csv", "defects")
    groups = np.append(table, np.repeat("wafers", 25))
    return jm.fit_many("poisson", np.append(x, wafers), weights=np.append(w, np.ones(25)), groups=groups)


@pytest.mark.slow
def test_counts_that_vary_more_than_the_poisson(negative_binomial, poisson):
    """Bliss and Fisher 1953: mean 1.14667, size 1.02459, -222.437 against -242.810; Greenwood and Yule 1920."""
    for name, (_, _, n) in TABLES.items():
        assert negative_binomial[name].n_observations == poisson[name].n_observations == n
    mites, accidents = negative_binomial["mites"], negative_binomial["accidents"]
    assert mites.converged and accidents.converged
    assert mites.params["mean"] == pytest.approx(1.14667, abs=5e-6)
    assert 1 / mites.params["dispersion"] == pytest.approx(1.02459, abs=5e-6)
    assert mites.log_likelihood == pytest.approx(-222.437, abs=5e-4)
    assert accidents.params["mean"] == pytest.approx(0.465, abs=5e-4)
    assert 1 / accidents.params["dispersion"] == pytest.approx(0.865, abs=5e-4)


@pytest.mark.slow
def test_the_last_cell_is_censored():
    """Greenwood and Yule's last cell is "5 or more", X > 4; values from SciPy's nbinom, tail included."""
    x, most, w = read("accidents.csv", "accidents", "at_most", "women")
    lower = np.where(np.isinf(most), x - 1, x)
    fit = jm.fit("negative_binomial", {"lower": lower, "upper": most}, weights=w)
    assert fit.converged
    assert fit.params["mean"] == pytest.approx(0.46687, abs=5e-6)
    assert 1 / fit.params["dispersion"] == pytest.approx(0.84389, abs=5e-6)
    assert fit.log_likelihood == pytest.approx(-591.42102, abs=5e-6)


@pytest.mark.slow
def test_horse_kicks(negative_binomial, poisson):
    """Bortkiewicz 1898: the variance is under the mean, so the dispersion is exactly 0, and that is the verdict."""
    x, w = read("horse_kicks.csv", "deaths", "corps_years")
    mean = (w * x).sum() / w.sum()
    assert mean == 0.61
    assert (w * (x - mean) ** 2).sum() / w.sum() < mean
    fit, poisson = negative_binomial["horse_kicks"], poisson["horse_kicks"]
    assert fit.status.at_limit and not fit.converged
    assert fit.params["dispersion"] == 0.0
    assert fit.params["mean"] == pytest.approx(0.61, rel=1e-9)
    assert "dispersion -> 0" in fit.message()
    assert np.isnan(fit.standard_errors()["dispersion"])
    assert fit.log_likelihood == pytest.approx(poisson.log_likelihood, rel=1e-9)
    assert poisson.params["mean"] == pytest.approx(0.61, rel=1e-12)


def test_poisson(poisson):
    """NIST/SEMATECH e-Handbook, 6.3.3.1: 25 wafers, 400 defects, limits 4 and 28, one wafer above them."""
    assert poisson["mites"].log_likelihood == pytest.approx(-242.810, abs=5e-4)  # Bliss and Fisher 1953
    (x,) = read("wafers.csv", "defects")
    fit = poisson["wafers"]
    mean = float(fit.params["mean"])
    assert (len(x), x.sum()) == (25, 400)
    assert mean == pytest.approx(16, rel=1e-12)
    assert (mean - 3 * mean**0.5, mean + 3 * mean**0.5) == pytest.approx((4, 28))
    assert (np.flatnonzero(x > 28) + 1).tolist() == [24]
    assert fit.standard_errors()["mean"] == pytest.approx((16 / 25) ** 0.5, rel=1e-9)
