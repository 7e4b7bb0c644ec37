"""Simulated data are censored as the study was: refits of them spread as fits of fresh samples do."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import rng

import jaxmle as jm
from jaxmle.models import EndOfStudy, Estimated, Inspections
from jaxmle.models.interval_draws import draw_containing

INF = np.inf
N = 120


def right(t, c):
    return {"lower": np.minimum(t, c), "upper": np.where(t <= c, t, INF)}


def inspected(t, times):
    """Inspect row i at times[i], ascending."""
    grid = np.concatenate([np.full((len(t), 1), -INF), times, np.full((len(t), 1), INF)], axis=1)
    after = (grid < t[:, None]).sum(1)
    rows = np.arange(len(t))
    return {"lower": grid[rows, after - 1], "upper": grid[rows, after]}


# How a study shows lifetimes t; each draws what is random in it.
STUDIES = {
    "one end of study": lambda r, t: right(t, 6.0),
    "entry at random": lambda r, t: right(t, r.uniform(1, 12, len(t))),
    "limit of detection": lambda r, t: {"lower": np.where(t <= 5.0, -INF, t), "upper": np.maximum(t, 5.0)},
    "both": lambda r, t: {
        "lower": np.where(t <= 3.0, -INF, np.minimum(t, 9.0)),
        "upper": np.where(t <= 3.0, 3.0, np.where(t > 9.0, INF, t)),
    },
    "grid of inspections": lambda r, t: inspected(t, np.tile([2.0, 4.0, 7.0, 12.0], (len(t), 1))),
    "own inspections": lambda r, t: inspected(t, np.sort(r.uniform(1, 16, (len(t), 2)), axis=1)),
    "one inspection": lambda r, t: inspected(t, r.uniform(2, 14, (len(t), 1))),
}


def lifetimes(r):
    return 10 * r.weibull(1.5, N)


def widths(data):
    """What a study shows: shares of the kinds of rows, and the mean width of intervals."""
    low, up = data["lower"], data["upper"]
    inside = np.isfinite(low) & np.isfinite(up)
    share = [(low == up).mean(), (np.isinf(up)).mean(), np.isinf(low).mean()]
    return [*share, (up - low)[inside].mean() if inside.any() else 0.0]


@pytest.mark.parametrize("study", STUDIES)
def test_refits_of_simulated_data_spread_as_fits_of_fresh_samples(study):
    """From one fit of a large study, cut to N rows at a time: within Monte Carlo error of 200 and 400 samples."""
    r = rng(700)
    samples = [STUDIES[study](r, lifetimes(r)) for _ in range(400)]
    stacked = {k: np.stack([s[k] for s in samples]) for k in ("lower", "upper")}
    fresh = jm.fit_many("weibull", stacked)
    pooled = {k: v[:25].reshape(-1) for k, v in stacked.items()}
    fit = jm.fit("weibull", pooled)
    drawn = [fit.simulate(i) for i in range(8)]
    again = {k: np.concatenate([np.asarray(d[k]).reshape(-1, N) for d in drawn]) for k in ("lower", "upper")}
    refits = jm.fit_many("weibull", again)
    assert fresh.converged.mean() > 0.98 and refits.converged.mean() > 0.98
    np.testing.assert_allclose(widths(pooled), widths(drawn[0]), atol=0.035, rtol=0.06)
    for name in ("shape", "scale"):
        one, other = (np.std(np.log(x.params[name][x.converged])) for x in (fresh, refits))
        assert abs(np.log(other / one)) < 0.15, (name, one, other)  # to 5 % and 3.5 %


def test_a_stated_scheme_is_used_and_kept(tmp_path):
    t = lifetimes(rng(701))
    data = right(t, 6.0)
    for scheme, least in (
        (EndOfStudy(4.0), 4.0),
        (EndOfStudy(np.linspace(3.0, 4.0, N)), 4.0),
        (Inspections([1.0, 4.0]), 4.0),
    ):
        fit = jm.fit(jm.models.censored("weibull", scheme=scheme), data)
        drawn = fit.simulate(3)
        assert drawn["lower"].max() <= least and np.isinf(drawn["upper"]).any()
        fit.save(tmp_path / "fit.npz", data=True)
        loaded = jm.load(tmp_path / "fit.npz")
        for k, v in loaded.simulate(3).items():
            np.testing.assert_array_equal(v, drawn[k])
    for wrong in (lambda: EndOfStudy([[1.0]]), lambda: Inspections([2.0, 1.0]), lambda: Inspections([])):
        with pytest.raises(ValueError, match="EndOfStudy|Inspections"):
            wrong()


def test_what_a_row_shows_of_its_scheme_is_kept():
    """No outcome after a censoring time of its own; complete data stay complete; rows that say nothing say nothing."""
    lower = jnp.array([1.0, 2.0, 3.0, 2.5, -INF, -INF])
    upper = jnp.array([1.0, INF, INF, 2.5, 0.5, INF])
    model = jm.models.censored("exponential")
    draw = jax.jit(lambda key, data: model.simulate(key, {"rate": 0.4}, data))
    for i in range(40):
        drawn = draw(jax.random.key(i), {"lower": lower, "upper": upper})
        low, up = np.asarray(drawn["lower"]), np.asarray(drawn["upper"])
        assert low[1] <= 2.0 and low[2] <= 3.0 and np.isinf(up[[1, 2]][low[[1, 2]] == [2.0, 3.0]]).all()
        assert up[4] >= 0.5 and low[5] == -INF and up[5] == INF
        assert set(low[np.isinf(up)][:-1]) <= {2.0, 3.0}
    whole = jnp.arange(1.0, 6.0)
    drawn = model.simulate(jax.random.key(0), {"rate": 0.4}, {"lower": whole, "upper": whole})
    np.testing.assert_array_equal(drawn["lower"], drawn["upper"])
    assert Estimated() == Estimated() != EndOfStudy(1.0)


def test_a_draw_among_intervals_is_by_weight():
    """Against the weights themselves, and never an interval that does not contain its point; the time is that of a sort."""
    r = rng(990)
    with jax.enable_x64(True):
        lower, upper, weight = np.array([0, 0, 0.5, 1.0]), np.array([1, 2, 1.5, 3.0]), np.array([1, 2, 3, 4.0])
        many = draw_containing(r.uniform(size=40_000), np.full(40_000, 0.75), lower, upper, weight)
        share = np.bincount(np.asarray(many), minlength=4) / 40_000
        np.testing.assert_allclose(share, [1 / 6, 1 / 3, 1 / 2, 0], atol=4 * np.sqrt(0.25 / 40_000))
        t, start = r.weibull(1.5, 3000), np.floor(4 * r.weibull(1.5, 3000)) / 4
        drawn = np.asarray(draw_containing(r.uniform(size=3000), t, start, start + 0.25, r.uniform(size=3000)))
    inside = (start < t[:, None]) & (t[:, None] <= start + 0.25)
    assert inside[np.arange(3000), drawn][drawn >= 0].all() and not inside[drawn < 0].any()
