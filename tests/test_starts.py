"""Several starts: the highest certified maximum is reported, and every other that was found is named."""

import jax
import numpy as np
import pytest
from cases import mixture_log_likelihood

import jaxmle as jm
from jaxmle import distributions, models, spaces
from jaxmle._engine.multistart import _choose
from jaxmle._solver.state import Outcome

CAUCHY = models.pinned(models.iid(distributions.cauchy), scale=1.0)
MIXTURE = jm.Model(
    mixture_log_likelihood,
    {"loc": spaces.real(shape=2), "scale": spaces.positive, "share": spaces.simplex(2)},
    name="mixture",
)
# Givens & Hoeting 2013, *Computational Statistics*, 2nd ed., problem 2.1: loc = -0.1923, and a local maximum at 2.8175.
PUBLISHED = np.array(
    [1.77, -0.23, 2.76, 3.8, 3.47, 56.75, -1.34, 4.24, -2.44, 3.29, 3.71, -2.4, 4.53, -0.07, -1.05, -13.87, -2.53, -1.75, 0.27, 43.21]
)  # fmt: skip
THREE = np.array([-14.0, -12.0, 0.0, 1.0, 1.5, 17.0, 18.5])


def maxima(x, points=200_001):
    """Local maxima of the Cauchy location likelihood on a grid, the highest first."""
    grid = np.linspace(x.min() - 1, x.max() + 1, points)
    value = -np.log(np.pi * (1 + (x[:, None] - grid) ** 2)).sum(0)
    inner = 1 + np.flatnonzero((value[1:-1] > value[2:]) & (value[1:-1] > value[:-2]))
    return grid[inner[np.argsort(-value[inner])]]


@pytest.mark.parametrize(("x", "begin"), [(PUBLISHED, None), (THREE, "worst"), (1e6 * THREE + 1e9, "worst")])
def test_the_highest_of_several_maxima(x, begin):
    scale = 1e6 if x[0] > 1e6 else 1.0
    z = (x - (1e9 if scale > 1 else 0.0)) / scale
    model = models.pinned(models.iid(distributions.cauchy), scale=scale)
    known = maxima(z)
    there = known[-1] if len(known) < 4 else known[1]
    start = None if begin is None else {"loc": there * scale + x[0] - z[0] * scale, "scale": scale}
    fit = jm.fit(model, x, start=start, starts=30)
    found = fit.info["starts"]
    assert fit.converged and found["starts"] == 30 and found["converged"] >= 25
    np.testing.assert_allclose((fit.params["loc"] - x[0]) / scale + z[0], known[0], atol=1e-3)
    at = [(m["params"]["loc"] - x[0]) / scale + z[0] for m in found["maxima"]]
    assert len(at) >= 2 and all(np.min(np.abs(a - known)) < 1e-3 for a in at)
    assert len({round(a, 3) for a in at}) == len(at)
    values = [m["log_likelihood"] for m in found["maxima"]]
    assert values == sorted(values, reverse=True) and values[0] == fit.log_likelihood
    assert sum(m["starts"] for m in found["maxima"]) == found["converged"]
    assert f"Starts: 30, {found['converged']} converged, to {len(at)} maxima" in fit.summary()


def test_one_start_is_trapped_where_several_are_not():
    trapped = jm.fit(CAUCHY, PUBLISHED, start={"loc": 3.0, "scale": 1.0})
    free = jm.fit(CAUCHY, PUBLISHED, start={"loc": 3.0, "scale": 1.0}, starts=10)
    np.testing.assert_allclose([trapped.params["loc"], free.params["loc"]], [2.8175, -0.1923], atol=1e-4)
    assert "Starts" not in trapped.summary() and "starts" not in trapped.info


def test_batches_keys_and_files(tmp_path):
    x = np.concatenate([PUBLISHED, THREE, [np.nan, 1.0], PUBLISHED])
    groups = np.repeat(["a", "b", "missing", "again"], [20, 7, 2, 20])
    fits = jm.fit_many(CAUCHY, x, groups=groups, starts=12, key=3)
    found = fits.info["starts"]
    assert fits["missing"].status == jm.Status.MISSING_VALUES
    assert found["maxima"].tolist()[2] == 0 and (found["maxima"][[0, 1, 3]] >= 2).all()
    np.testing.assert_allclose(
        fits.params["loc"][[0, 1, 3]], [maxima(d)[0] for d in (PUBLISHED, THREE, PUBLISHED)], atol=1e-3
    )
    assert "Starts: 12 for each data set; 3 of 4 have more than one maximum" in fits.summary()
    again = jm.fit_many(CAUCHY, x, groups=groups, starts=12, key=jax.random.key(3))
    np.testing.assert_array_equal(again.solution.starts.maximum, fits.solution.starts.maximum)
    np.testing.assert_allclose(again.solution.starts.natural, fits.solution.starts.natural, atol=1e-8)
    one = jm.fit(CAUCHY, PUBLISHED, starts=12, key=3)  # the first of a batch draws what a single fit draws
    assert [m["starts"] for m in one.info["starts"]["maxima"]] == [
        m["starts"] for m in fits["a"].info["starts"]["maxima"]
    ]
    loaded = jm.load(fits.save(tmp_path / "fits.npz"))
    assert loaded.summary() == fits.summary() and loaded["b"].info["starts"] == fits["b"].info["starts"]
    joined = jm.Fit.concatenate([fits[3:], fits["a"]])
    assert joined.info["starts"]["maxima"].tolist() == found["maxima"][[3, 0]].tolist()


def test_both_labelings_of_a_mixture():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(0, 1, 60), rng.normal(4, 1, 30)])
    fit = jm.fit(MIXTURE, x, starts=16)
    assert fit.converged
    first, second = fit.info["starts"]["maxima"][:2]
    np.testing.assert_allclose(first["log_likelihood"], second["log_likelihood"], atol=1e-8)
    np.testing.assert_allclose(first["params"]["loc"], second["params"]["loc"][::-1], atol=1e-4)


def test_a_limit_above_every_maximum_stays_the_verdict():
    own, other = jm.Status.AT_BOUNDARY, jm.Status.CONVERGED
    for value, chosen in ((1.0, 0), (3.0, 1)):  # negative log-likelihoods: the certified one is at 2
        ends = Outcome(
            u=np.array([[[np.inf], [0.5]]]), value=np.array([[value, 2.0]]), information=np.ones((1, 2, 1, 1)),
            decrement=np.zeros((1, 2)), status=np.array([[own, other]]), steps=0, newton_steps=0, direction=0, travel=0,
            attained=True, attempt=0, rule=0, evidence=0,
        )  # fmt: skip
        found, maximum = _choose(ends, 1e-9)
        assert found.tolist() == [chosen] and maximum.tolist() == [[-1, 0]]


def test_bad_numbers_of_starts():
    for starts in (0, 2.5, True):
        with pytest.raises(ValueError, match="starting points"):
            jm.fit(CAUCHY, THREE, starts=starts)
    assert jm.fit("laplace", [1.0, 2.0, 4.0], starts=5).converged  # in closed form: nothing to search
