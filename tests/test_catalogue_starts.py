"""Starts, closed forms, charts and limits of every distribution of the catalogue."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from catalogue import TABLE
from catalogue_programs import NAMES, RECORDS, N, by_cost, case, close, data, extra, full, program, rows

import jaxmle as jm
from jaxmle import Status, distributions, models
from jaxmle.distributions.base.weighted_moments import quantiles

pytestmark = pytest.mark.usefixtures("x64")


SAMPLES = {
    "one row": [3.0],
    "all equal": [2.0] * 5,
    "zeros": [0.0] * 4,
    "zero and one": [0.0, 1.0],
    "shares": [0.1, 0.999, 0.5],
    "tiny": [1e-300, 3e-300, 2e-300],
    "huge": [1e300, 3e300, 2e300],
    "shifted": [1e9 + 1, 1e9 + 2, 1e9 + 4],
    "negative": [-3.0, -2.0, 1.0],
    "nothing legal": [np.nan, np.inf, -np.inf],
    "counts": [0.0, 7.0, 12.0, 1.0, 1.0],
}


@pytest.mark.parametrize("name", by_cost(NAMES))
def test_starts_are_legal(name):
    d = RECORDS[name]
    for sample in SAMPLES.values():
        n = len(sample)
        for weights in (np.ones(n), np.zeros(n), np.linspace(0, 3, n)):
            start = program(name, "start")(rows(sample), np.append(weights, np.zeros(N - n)))
            assert start.keys() == d.space.keys()
            for leaf, space in d.space.items():
                assert space.contains(start[leaf]) and np.isfinite(space.inverse(start[leaf])), (sample, weights, start)


@pytest.mark.parametrize("name", by_cost(NAMES))
def test_starts_know_weights_and_units(name):
    d, params, *_ = case(name)
    q = np.random.default_rng(1).uniform(size=N)
    x = np.asarray(program(name, "quantile")(params, q))[:32]
    w = np.random.default_rng(0).integers(1, 3, 32).astype(float)

    def start(x, w):
        return program(name, "start")(rows(x), np.append(w, np.zeros(N - len(w))))

    one = start(np.append(x, np.full(32, np.nan)), w)
    bad = start(np.append(x, np.resize([np.nan, -5.0, np.inf, 1e30], 32)), w)
    repeated = np.repeat(x, w.astype(int))
    twice = start(repeated, np.ones(repeated.size))
    for leaf in one:
        close(bad[leaf], one[leaf], 1e-12)
        close(twice[leaf], one[leaf], 1e-9)
    if "scale" in d.space and name != "logit_normal":
        for factor in (1e12, 1e-12):
            other = start(x * factor, w)
            density = program(name, "values")
            shift = density(full(other), rows(x * factor))[0] + np.log(factor) - density(full(one), rows(x))[0]
            np.testing.assert_allclose(shift, 0, atol=1e-8)


def test_weighted_quantiles_are_rows():
    x, w = jnp.array([3.0, 1.0, 2.0, np.nan]), jnp.array([1.0, 2.0, 1.0, 0.0])
    assert [float(v) for v in quantiles(jnp.where(w > 0, x, 0), w, 0.5, 0.51, 1.0)] == [1.0, 2.0, 3.0]


@pytest.mark.slow
@pytest.mark.parametrize("name", (NAMES))
def test_float32_stays_float32(name):
    d, params, x, values = case(name)
    params = jax.tree.map(lambda v: v.astype(jnp.float32), params)
    middle = np.resize(x[2:7].astype(np.float32), N)
    at = jax.tree.map(lambda v: v.astype(jnp.float32), data(d, middle))
    for f, want in zip((d.logpdf, d.logcdf, d.logsf), values[:3], strict=True):
        value = f(params, at)
        assert value.dtype == jnp.float32
        np.testing.assert_allclose(value, np.resize(want[2:7], N), rtol=1e-4, atol=1e-5)
    start = d.start(at, jnp.ones(N, jnp.float32))
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(start))


CLOSED = [n for n in distributions.names() if distributions.by_name(n).geometry.maximum is not None]


@pytest.mark.parametrize("name", CLOSED)
def test_closed_forms_are_maxima(name):
    # No neighbour is better, in any coordinate, at weighted data.
    d = distributions.by_name(name)
    params = TABLE[name].params if name in TABLE else dict.fromkeys(d.space, 0.4)
    x = data(d, d.sample(jax.random.key(5), jax.tree.map(jnp.asarray, params), (N,), **extra(d)))
    w = jnp.asarray(np.random.default_rng(3).integers(0, 3, N).astype(float))
    best = d.geometry.maximum(x, w)
    u = {k: d.space[k].inverse(best[k]) for k in d.space}

    def total(u):
        p = {k: d.space[k].forward(v) for k, v in u.items()}
        return float(jnp.sum(jnp.where(w > 0, w * d.logpdf(p, x), 0)))

    assert np.isfinite(total(u))
    for k in u:
        for step in (-0.1, -1e-3, 1e-3, 0.1):
            assert total({**u, k: u[k] + step}) < total(u)


CHARTED = [n for n in NAMES if RECORDS[n].geometry.chart is not None]


@pytest.mark.parametrize("name", CHARTED)
def test_charts_are_one_to_one(name):
    # There and back, and the same log-likelihood, wherever rows of the sample are possible.
    d, params, x, _ = case(name)
    chart, x = d.geometry.chart, jnp.asarray(x)
    anchor = chart.anchor(x, jnp.ones(N))
    rng, at = np.random.default_rng(2), d.start(x, jnp.ones(N))
    v = chart.inward({k: d.space[k].inverse(at[k]) for k in d.space}, anchor)
    for _ in range(20):
        there = {k: v[k] + rng.normal() for k in v}
        u = chart.outward(there, anchor)
        back = chart.inward(u, anchor)
        for k in v:
            assert float(back[k]) == pytest.approx(float(there[k]), rel=1e-7, abs=1e-7)
        density = d.logpdf({k: d.space[k].forward(u[k]) for k in u}, x)
        np.testing.assert_allclose(chart.contributions(there, x, anchor), density, rtol=1e-7, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("name", CHARTED)
def test_small_samples_end_in_a_verdict(name):
    d, params = RECORDS[name], jax.tree.map(jnp.asarray, TABLE[name].params)
    x = d.sample(jax.random.key(4), params, (400, 10))
    fits = jm.fit_many(name, np.asarray(x), retries=0)
    lost = np.isin(fits.status, [Status.MAX_STEPS, Status.STALLED, Status.NOT_IDENTIFIED, Status.NO_FINITE_START])
    # Below shape 1 a generalized normal has a cusp on every row, which no step of Newton's reaches, but `kinks` does.
    # A spike on a row, where Johnson's SU has no bound either, is reached slowly.
    # Half of ten rows of Pearson III lead to where it has no bound; some of these ridges are long.
    slow = {"generalized_normal": (0.01, 30), "johnson_su": (0.06, 20), "pearson3": (0.02, 15)}
    share, steps = slow.get(name, (0.01, 15))
    assert lost.mean() < share and np.mean(fits.steps) < steps and fits.info["lanes"] == "native"
    assert all("->" in fits.message(int(i)) for i in np.flatnonzero(fits.status == Status.AT_INFINITY))

    # A supremum is one: no start and no maximum of another sample is above it.
    limit = np.flatnonzero(np.isin(fits.status, [Status.AT_INFINITY, Status.AT_BOUNDARY]))
    total = jax.jit(lambda p, x: jnp.sum(d.logpdf(p, x)))
    others = {k: jnp.asarray(v[fits.converged]) for k, v in fits.params.items()}
    for i in limit[:40]:
        values = [total(d.start(x[i], jnp.ones(10)), x[i]), *jax.vmap(total, (0, None))(others, x[i])]
        assert np.nanmax(values) <= fits.log_likelihood[i] + 1e-6
    known = [np.asarray(v)[limit] for v in limiting(name, np.asarray(x))]
    if known:
        np.testing.assert_allclose(fits.log_likelihood[limit], np.max(known, axis=0), atol=1e-8)


@pytest.mark.parametrize(("shape", "n"), [(2.5, 30), (10.0, 100)])
def test_a_half_normal_is_told_where_no_steep_skew_normal_is_above_it(shape, n):
    d = RECORDS["skew_normal"]
    x = np.asarray(d.sample(jax.random.key(7), {"loc": 0.5, "scale": 2.0, "shape": shape}, (100, n)))
    fits = jm.fit_many(d, x, retries=0)
    limit = np.flatnonzero(~fits.converged)
    side, best = np.sign(fits.params["shape"][limit]), np.full(len(limit), -np.inf)
    for steep in (3.0, 5.0, 8.0, 13.0, 20.0, 35.0):
        fixed = jm.fit_many(models.pinned(d, shape=steep * side), x[limit])
        best = np.fmax(best, np.where(fixed.converged, fixed.log_likelihood, -np.inf))
    assert np.isfinite(best).all() and np.mean(best > fits.log_likelihood[limit] + 1e-6) < 0.03
    assert (best < fits.log_likelihood[limit] + 0.1).all()


def limiting(name, x):
    """Log-likelihoods of the distributions that a family tends to, f[B] each, where all are known."""
    fitted = lambda name, x: jm.fit_many(name, x).log_likelihood
    if name == "burr12":
        return [fitted("pareto", x), fitted("weibull", x)]
    if name == "exponentiated_weibull":
        return [fitted("pareto", 1 / x) - 2 * np.log(x).sum(1), fitted("frechet", x)]
    return []


def test_kinks_are_certified_by_the_expected_information():
    x = np.array([[1.0, 4.0, 2.0, 8.0, 3.0], [2.0, 2.0, 2.0, 2.0, 2.0], [0.0, 1.0, 5.0, 2.0, 2.5]])
    fits = jm.fit_many("laplace", x, optimizer="bhhh")
    assert list(fits.status) == [Status.CONVERGED, Status.UNBOUNDED, Status.CONVERGED]
    np.testing.assert_allclose(fits.params["loc"], [3, np.nan, 2])
    np.testing.assert_allclose(fits.params["scale"], [1.8, np.nan, 1.3])
    np.testing.assert_allclose(fits.standard_errors()["loc"][[0, 2]], np.array([1.8, 1.3]) / np.sqrt(5))
    one = jm.fit("laplace", x[0], weights=[1, 1, 1, 1, 1])
    assert one.log_likelihood == pytest.approx(fits.log_likelihood[0], rel=1e-14) and one.steps == 1


def test_edges_say_so():
    fits = jm.fit_many("uniform", [[1.0, 4.0, 2.0], [3.0, 3.0, 3.0]], weights=[[1.0, 2.0, 0.0], [1.0, 1.0, 1.0]])
    assert list(fits.status) == [Status.AT_DATA_EDGE, Status.UNBOUNDED] and list(fits.attained) == [True, False]
    assert fits.log_likelihood[0] == pytest.approx(-3 * np.log(3)) and not fits.converged.any()
    assert np.isnan(fits.standard_errors()["upper"]).all()
    assert "data edge" in fits[0].message()
    with pytest.raises(ValueError, match="row 1 is -2.0, outside the support of pareto"):
        jm.fit("pareto", [1.0, -2.0])
    # With its least value known a Pareto distribution is regular.
    known = jm.fit(models.pinned("pareto", scale=1.0), [1.5, 2.0, 4.0])
    assert known.converged and known.params["shape"] == pytest.approx(3 / np.log(12))
