"""Estimates without a model: Kaplan and Meier, Turnbull."""

import numpy as np
import pytest

import jaxmle as jm
from jaxmle.plot.distribution import empirical
from jaxmle.plot.empirical import kaplan_meier, turnbull
from jaxmle.plot.sample import Sample, sample_of

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

WEEKS = np.array([6.0, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35])
RELAPSE = np.array([1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0], bool)


@pytest.fixture(scope="module")
def kicks():
    return jm.fit("poisson", [0, 1, 2, 3, 4], weights=[109, 65, 22, 3, 1])


def test_kaplan_meier_of_the_remissions():
    """Kalbfleisch & Prentice 2002, table 1.1; the log-log intervals are those of R's survfit."""
    km = kaplan_meier(WEEKS, RELAPSE, np.ones(21))
    found = dict(zip(km.time, np.stack([km.survival, km.lower, km.upper], 1), strict=True))
    table = {6: (0.857, 0.620, 0.952), 7: (0.807, 0.563, 0.923), 10: (0.753, 0.503, 0.889)}
    for t, row in table.items():
        np.testing.assert_allclose(found[t], row, atol=6e-4)
    for t, s in {13: 0.690, 16: 0.627, 22: 0.538, 23: 0.448, 35: 0.448}.items():
        assert found[t][0] == pytest.approx(s, abs=6e-4)
    assert km.at_risk[km.time == 10] == 15
    assert km.censored.sum() == 12


def test_turnbull_is_kaplan_meier_for_right_censored_rows():
    km = kaplan_meier(WEEKS, RELAPSE, np.ones(21))
    left, right, mass = turnbull(WEEKS, np.where(RELAPSE, WEEKS, np.inf), np.ones(21))
    exact = left == right
    np.testing.assert_allclose(1 - np.cumsum(mass[exact]), km.survival[km.events > 0], atol=1e-6)
    assert mass.sum() == pytest.approx(1)


def test_turnbull_solves_its_own_equation():
    rng = np.random.default_rng(0)
    lower = np.floor(rng.exponential(5.0, 60))
    upper = lower + rng.integers(1, 4, 60)
    left, right, mass = turnbull(lower, upper, np.ones(60))
    inside = (left >= lower[:, None]) & (right <= upper[:, None])
    again = (inside * mass / (inside @ mass)[:, None]).mean(0)
    np.testing.assert_allclose(again, mass, atol=1e-6)


def test_weight_two_is_the_row_twice(kicks):
    x = np.repeat([0.0, 1, 2, 3, 4], [109, 65, 22, 3, 1])
    rows = Sample(sample_of(kicks, "cdf").response, x, x, np.ones(200), {})
    for one, two in zip(empirical(sample_of(kicks, "cdf"))[:2], empirical(rows)[:2], strict=True):
        np.testing.assert_allclose(one, two)
    many = kaplan_meier(WEEKS, RELAPSE, 2 * np.ones(21))
    twice = kaplan_meier(np.tile(WEEKS, 2), np.tile(RELAPSE, 2), np.ones(42))
    for one, two in zip(many, twice, strict=True):
        np.testing.assert_allclose(one, two)
