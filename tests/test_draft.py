"""Draft and certify: the ascent in float32, certified in float64, and what that cannot do is done in float64 alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import CASES, REGRESSION, gaussian, on_rows, rng

import jaxmle as jm
from jaxmle import Status, spaces
from jaxmle._engine import mixed_precision

SETS, PADDING = 12, 4
FAST = {"gamma", "logistic by rows", "autoregression", "tied"}
"Rows, a scan, a tie; the others are slow tests."


def spread(x, w):
    """Mean and standard deviation of the rows that count."""
    mean = jnp.sum(w * x) / jnp.sum(w)
    return mean, jnp.sqrt(jnp.sum(w * (x - mean) ** 2) / jnp.sum(w))


GUMBEL = jm.Model(
    lambda p, x: -(x - p["loc"]) / p["scale"] - jnp.exp(-(x - p["loc"]) / p["scale"]) - jnp.log(p["scale"]),
    {"loc": spaces.real, "scale": spaces.positive},
    start=lambda x, w: {"loc": spread(x, w)[0], "scale": jnp.where(spread(x, w)[1] > 0, spread(x, w)[1], 1.0)},
)
RATE = jm.Model(lambda p, x: jnp.log(p["rate"]) - p["rate"] * x, {"rate": spaces.positive})


def columns(params, size):
    """Params as one row for each data set, f[size, q]."""
    return np.concatenate([np.reshape(x, (size, -1)) for x in jax.tree.leaves(params)], axis=1)


def agree(mixed, full, drafted):
    """Status equal, parameters within 1e-6 standard errors, log-likelihood to 1e-10; and drafts were what led there."""
    np.testing.assert_array_equal(mixed.status, full.status)
    ok, size = full.converged, len(full)
    a, b, se = (columns(x, size)[ok] for x in (mixed.params, full.params, full.standard_errors()))
    assert (np.abs(a - b) <= 1e-6 * se + 1e-13 * np.abs(b)).all()
    np.testing.assert_allclose(mixed.log_likelihood, full.log_likelihood, rtol=1e-10)
    within = mixed.status == Status.CONVERGED
    assert (mixed.decrement[within] <= mixed.info["tolerance"]).all()
    assert mixed.info["precision"] == "mixed" and mixed.info["drafted"] >= drafted
    assert full.info["precision"] == "full" and "drafted" not in full.info


def both(model, data, **options):
    return (jm.fit_many(model, data, precision=precision, **options) for precision in ("mixed", "full"))


def identical(a, b, where=slice(None)):
    for mine, other in zip(a.solution.outcome, b.solution.outcome, strict=True):
        np.testing.assert_array_equal(mine[where], other[where])


@pytest.mark.parametrize("lanes", ["auto", pytest.param(4, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "case", [pytest.param(c, id=c.name, marks=[] if c.name in FAST else pytest.mark.slow) for c in CASES]
)
def test_mixed_is_full(case, lanes):
    data = on_rows(lambda x: np.concatenate([x, np.zeros_like(x[:, :PADDING])], axis=1), case.data(2, SETS, case.n))
    weights = np.tile(np.r_[np.ones(case.n), np.zeros(PADDING)], (SETS, 1))
    mixed, full = both(case.model, data, weights=weights, lanes=lanes)
    agree(mixed, full, 0.0 if case.model.geometry.closed_form is not None else 0.8 * full.converged.sum())


# --- what float32 cannot hold ----------------------------------------------------------------------------


@pytest.mark.parametrize("lanes", ["auto", pytest.param(4, marks=pytest.mark.slow)])
def test_extremes_among_good_ones(lanes):
    """Noise of 1 that float32 loses beside 1e9, numbers beyond its largest, and data sets that hold no answer."""
    x = rng(310).gumbel(3.0, 2.0, (14, 50))
    good = np.r_[0:4, 10:14]
    x[4] = 1e9 + rng(311).gumbel(size=50)
    x[5] *= 1e40
    x[6] *= 1e-40
    x[12] *= 1e300
    x[7, 3], x[8, 5], x[9] = np.nan, np.inf, 7.0
    weights = np.ones(x.shape)
    weights[11] = 0
    mixed, full = both(GUMBEL, x, weights=weights, lanes=lanes, retries=1)
    agree(mixed, full, len(good) - 2)
    want = ["MISSING_VALUES", "NO_FINITE_START", "UNBOUNDED", "NO_DATA"]
    assert [Status(int(mixed.status[i])).name for i in (7, 8, 9, 11)] == want
    assert full.converged[[4, 5, 6]].all()
    clean = np.delete(x, [4, 5, 6, 7, 8, 9, 11], axis=0)
    alone = jm.fit_many(GUMBEL, clean, lanes=lanes, precision="mixed")
    where = np.setdiff1d(good, [11])
    np.testing.assert_array_equal(alone.params["scale"], mixed.params["scale"][where])
    np.testing.assert_array_equal(alone.log_likelihood, mixed.log_likelihood[where])


def test_counts_beyond_the_whole_numbers_of_float32():
    """Counts of 3e8 that differ by less than float32's steps of 32 there."""
    model = jm.Model(lambda p, y: (y - 300_000_000) * jnp.log(p["rate"]) - p["rate"], {"rate": spaces.positive})
    y = 300_000_000 + rng(312).poisson(4.0, (8, 40))
    mixed, full = both(model, y)
    agree(mixed, full, 0)
    np.testing.assert_allclose(mixed.params["rate"], (y - 300_000_000).mean(1), rtol=1e-10)


# --- who else is there, and who asks ---------------------------------------------------------------------


def test_neighbours_workers_and_portions_change_no_bit(monkeypatch):
    x = rng(313).gamma(2.0, 1.0, (60, 20))
    one = jm.fit_many(RATE, x, lanes=4, precision="mixed", devices=1)
    x[[3, 31, 58]] = np.nan
    some = jm.fit_many(RATE, x, lanes=4, precision="mixed", devices=3)
    others = np.setdiff1d(np.arange(60), [3, 31, 58])
    identical(some, one, others)
    assert some.info["drafted"] == 57 and some.info["lanes"] == 4
    monkeypatch.setattr(mixed_precision, "PORTION_BYTES", 1)
    monkeypatch.setattr(mixed_precision, "EACH_LANE", 2)
    told = []
    parts = jm.fit_many(RATE, x, lanes=4, precision="mixed", devices=3, progress=lambda *t: told.append(t))
    identical(parts, some)
    assert told[-1] == (60, 3, 60) and [t[0] for t in told] == sorted(t[0] for t in told)


def test_an_interrupt_keeps_the_portions_that_are_finished(monkeypatch):
    monkeypatch.setattr(mixed_precision, "PORTION_BYTES", 1)
    monkeypatch.setattr(mixed_precision, "EACH_LANE", 4)
    x = rng(314).gamma(2.0, 1.0, (200, 20))

    def stop(done, *_):
        if done >= 100:
            raise KeyboardInterrupt

    fits = jm.fit_many(RATE, x, lanes=4, devices=1, precision="mixed", progress=stop)
    left = fits.status == Status.NOT_RUN
    assert fits.info["interrupted"] and left.any() and 100 <= fits.info["drafted"] == (~left).sum()
    assert fits.converged[~left].all() and np.isnan(fits.params["rate"][left]).all() and not fits.steps[left].any()
    identical(fits, jm.fit_many(RATE, x, lanes=4, devices=1, precision="mixed"), ~left)


def test_groups_starts_and_steps():
    x = rng(315).gumbel(3.0, 2.0, (6, 80))
    keys = np.repeat(np.arange(6), 80)
    keep = rng(316).uniform(size=len(keys)) < 0.9
    rows, keys = x.reshape(-1)[keep], keys[keep]
    mixed, full = both(GUMBEL, rows, groups=keys, starts=2)
    agree(mixed, full, 6)
    start = {"loc": 9.0, "scale": 1.0}
    again = jm.fit_many(GUMBEL, rows, groups=keys, start=start, precision="mixed", max_steps=3)
    assert set(again.status.tolist()) == {Status.MAX_STEPS} and again.info["drafted"] == 0
    assert (again.steps > 3).all()  # the draft's are counted


def test_another_method_drafts_and_newton_certifies():
    r = rng(317)
    x = np.column_stack([np.ones(40), r.normal(size=(40, 2))])
    y = x @ np.array([1.0, 2.0, -1.0]) + r.normal(size=(9, 40))
    mixed, full = both(REGRESSION, {"y": y}, shared={"x": x}, optimizer="lbfgs")
    agree(mixed, full, 8)
    assert (mixed.newton_steps > 0).all() and (mixed.newton_steps < mixed.steps).all()


def test_second_chances_are_float64s():
    """A start so far that neither precision leads back: the second chance does, and is counted."""
    x = rng(318).standard_t(3, (6, 40))
    model = jm.Model(lambda p, x: gaussian(jnp.arctan(x - p["loc"]), 1.0), {"loc": spaces.real})
    start = {"loc": np.r_[1e12, np.zeros(5)]}
    mixed, full = both(model, x, start=start)
    agree(mixed, full, 5)
    assert mixed.attempt.tolist() == full.attempt.tolist()


def test_a_closed_form_needs_no_draft():
    mixed, full = both("laplace", rng(319).normal(size=(5, 20)))
    assert mixed.info["drafted"] == 0
    identical(mixed, full)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"precision": "half"}, "precision='half'; expected 'full' or 'mixed'"),
        ({"precision": "mixed", "dtype": "float32"}, "drafts in float32 and certifies in float64, got dtype='float32'"),
    ],
    ids=["unknown", "float32"],
)
def test_what_cannot_be_asked_for(options, words):
    with pytest.raises(ValueError, match=words):
        jm.fit_many("gamma", np.ones((2, 5)), **options)


def test_a_model_that_float32_breaks_is_told_so():
    def log_likelihood(params, x):
        last = jax.lax.scan(lambda last, now: (now, last), jnp.zeros((), jnp.float64), x)[1]
        return gaussian(x - params["loc"] * last, 1.0)

    model = jm.Model(log_likelihood, {"loc": spaces.real})
    x = rng(320).normal(size=(3, 20))
    assert jm.fit_many(model, x).converged.all()
    assert jm.fit_many(model, x, precision="mixed").info["drafted"] == 3  # the machine takes only sums in float32
    with pytest.raises(TypeError, match=r"precision='mixed' computes the log-likelihood in float32 too"):
        jm.fit_many(model, x, precision="mixed", lanes=4)
