"""Laws of the whole catalogue, evaluated operation by operation: nothing is compiled for one distribution alone."""

import functools
import math

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
from catalogue import TABLE, TRIALS

from jaxmle import distributions
from jaxmle.distributions._moments import quantiles

pytestmark = pytest.mark.usefixtures("x64")

NAMES = list(TABLE)
RECORDS = {name: distributions.by_name(name) for name in NAMES}
CONTINUOUS = [n for n in NAMES if not RECORDS[n].discrete]
COUNTS = [n for n in NAMES if RECORDS[n].discrete]
CIRCULAR = ("von_mises", "wrapped_cauchy")
SMOOTH = [n for n in NAMES if RECORDS[n].regularity == "smooth"]
INFORMED = [n for n in NAMES if RECORDS[n].information is not None]
Q = np.array([1e-9, 1e-4, 0.03, 0.2, 0.45, 0.77, 0.95, 0.9999])
# SciPy takes 1 - cdf for sf, or rounds; these are held to mpmath below and to the other laws here.
ROUGH = {"log_logistic", "pareto", "skellam", "skew_normal", "triangular", "uniform", "von_mises", "zeta"}


def data(d, x):
    x = jnp.asarray(x, float)
    return {"successes": x, "trials": jnp.full(x.shape, TRIALS)} if d.columns else x


def extra(d):
    return {"trials": TRIALS} if d.columns else {}


@functools.lru_cache
def case(name):
    """The record, its params, 16 points from both tails, and there logpdf, logcdf, logsf."""
    with jax.enable_x64(True):
        d, params = RECORDS[name], jax.tree.map(jnp.asarray, TABLE[name].params)
        x = np.asarray(d.quantile(params, jnp.asarray(np.concatenate([Q, 1 - Q])), **extra(d)))
        rows = data(d, x)
        return d, params, x, tuple(np.asarray(f(params, rows)) for f in (d.logpdf, d.logcdf, d.logsf))


def close(value, want, rel):
    np.testing.assert_allclose(np.asarray(value), want, rtol=rel, atol=0)


@pytest.mark.parametrize("name", [n for n in NAMES if TABLE[n].law is not None])
def test_matches_scipy(name):
    law, (d, _, x, (density, below, above)) = TABLE[name].law, case(name)
    close(density, law.logpmf(x) if d.discrete else law.logpdf(x), 1e-11)
    close(np.exp(below), law.cdf(x), 1e-6 if name in ROUGH else 1e-11)
    close(np.exp(above), law.sf(x), 1e-6 if name in ROUGH else 1e-11)


def conway(x, center, power):
    terms = [(mp.mpf(center) ** k / mp.factorial(k)) ** power for k in range(200)]
    total = mp.fsum(terms)
    return [t / total for t in terms]


def consul(x, dispersion, mean):
    t = mean * (1 - mp.mpf(dispersion))
    return [t * (t + dispersion * k) ** (k - 1) * mp.exp(-t - dispersion * k) / mp.factorial(k) for k in range(200)]


@pytest.mark.parametrize(("name", "masses"), [("conway_maxwell_poisson", conway), ("generalized_poisson", consul)])
def test_counts_match_mpmath(name, masses):
    _, params, x, (density, below, above) = case(name)
    mass = masses(x, **TABLE[name].params)
    for i, k in enumerate(x.astype(int)):
        assert density[i] == pytest.approx(float(mp.log(mass[k])), rel=1e-12)
        assert below[i] == pytest.approx(float(mp.log(mp.fsum(mass[: k + 1]))), rel=1e-11)
        assert above[i] == pytest.approx(float(mp.log(mp.fsum(mass[k + 1 :]))), rel=1e-11)


def test_shares_match_their_formulas():
    _, _, x, (density, below, _) = case("kumaraswamy")
    close(np.exp(below), 1 - (1 - x**2.5) ** 0.8, 1e-7)
    close(density, np.log(2.5 * 0.8 * x**1.5 * (1 - x**2.5) ** -0.2), 1e-11)
    _, _, x, (density, below, _) = case("logit_normal")
    z = (np.log(x / (1 - x)) + 0.4) / 0.9
    close(density, -z * z / 2 - np.log(0.9 * math.sqrt(2 * math.pi) * x * (1 - x)), 1e-11)
    _, _, x, (density, _, _) = case("wrapped_cauchy")
    close(density, np.log((1 - 0.16) / (2 * np.pi * (1 + 0.16 - 0.8 * np.cos(x)))), 1e-12)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_the_density_is_the_slope_of_the_cdf(name):
    d, params, x, (density, below, above) = case(name)
    x = jnp.asarray(x)
    slope = jax.jvp(lambda x: (d.logcdf(params, x), d.logsf(params, x)), (x,), (jnp.ones_like(x),))[1]
    close(slope[0], np.exp(density - below), 1e-10)
    close(-slope[1], np.exp(density - above), 1e-10)
    # Between neighbouring quantiles the density integrates to the difference of the distribution function.
    nodes, weights = np.polynomial.legendre.leggauss(24)
    ends = np.sort(x[np.abs(np.exp(below) - 0.5) < 0.49])
    ends = np.linspace(ends[0], ends[-1], 17)
    width = np.diff(ends)
    inner = np.ravel(ends[:-1, None] + width[:, None] * (nodes + 1) / 2)
    integral = (np.exp(d.logpdf(params, jnp.asarray(inner))).reshape(16, -1) * weights * width[:, None] / 2).sum()
    close(integral, np.diff(np.exp(d.logcdf(params, jnp.asarray(ends[[0, -1]])))), 1e-5 if name in KINKS else 1e-10)


KINKS = ("asymmetric_laplace", "generalized_normal", "laplace", "triangular")


@pytest.mark.parametrize("name", COUNTS)
def test_the_mass_is_the_step_of_the_cdf(name):
    d, params, *_ = case(name)
    mass, below, above = (np.exp(f(params, data(d, np.arange(16.0)))) for f in (d.logpdf, d.logcdf, d.logsf))
    np.testing.assert_allclose(np.diff(below), mass[1:], atol=2e-15)
    np.testing.assert_allclose(below + above, 1, atol=2e-15)
    between = d.logcdf(params, data(d, np.arange(16.0) + 0.5))
    np.testing.assert_allclose(np.exp(between), below, atol=1e-15)


@pytest.mark.parametrize("name", NAMES)
def test_the_quantile_inverts_the_cdf(name):
    d, params, x, (_, below, _) = case(name)
    q = np.concatenate([Q, 1 - Q])
    if d.discrete:
        assert (np.exp(below) >= q * (1 - 1e-12)).all()
        before = np.exp(np.asarray(d.logcdf(params, data(d, x - 1))))
        assert (before < q).all()
    else:
        close(np.exp(below), q, 1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_samples_agree_with_the_cdf(name):
    d, params, *_ = case(name)
    n = 4000
    x = d.sample(jax.random.key(7), params, (n,), **extra(d))
    assert x.shape == (n,) and d.support(data(d, x)).all()
    chosen = np.unique(np.sort(np.asarray(x))[:: n // 16][:16])
    at = np.resize(chosen, 16)
    empirical = np.searchsorted(np.sort(x), at, side="right") / n
    assert np.abs(empirical - np.exp(d.logcdf(params, data(d, at)))).max() < 1.7 / np.sqrt(n)


def outside(name):
    """Points that are impossible, whatever the parameters."""
    d = RECORDS[name]
    bad = [np.nan, np.inf, -np.inf]
    if name in ("beta", "kumaraswamy", "logit_normal", "triangular"):
        bad += [0.0, 1.0, -0.5, 1.5]
    elif d.discrete:
        bad += [0.5] if name == "skellam" else [0.5, -1.0]
    elif "loc" not in d.space and name != "uniform":
        bad += [-1.0]
    return np.resize(bad, 16)


@pytest.mark.parametrize("name", NAMES)
def test_outside_the_support(name):
    d, params, *_ = case(name)
    x = outside(name)
    rows = data(d, x)
    assert not d.support(rows).any()
    slope = jax.jvp(lambda p: d.logpdf(p, rows), (params,), (jax.tree.map(jnp.ones_like, params),))
    assert (slope[0] == -np.inf).all() and np.isfinite(slope[1]).all()
    back = jax.grad(lambda p: jnp.where(jnp.isfinite(v := d.logpdf(p, rows)), v, 0).sum())(params)
    assert all(np.isfinite(leaf) for leaf in jax.tree.leaves(back))
    ends = data(d, np.resize([-np.inf, np.inf], 16))
    assert (np.exp(d.logcdf(params, ends)) == np.resize([0, 1], 16)).all()
    assert (np.exp(d.logsf(params, ends)) == np.resize([1, 0], 16)).all()
    assert np.isnan(d.quantile(params, jnp.asarray(np.resize([-0.1, 1.1, np.nan], 16)), **extra(d))).all()


@functools.lru_cache
def curvature(name):
    """(coordinates [p, n], x [n]) -> log-density, first and second derivatives along each coordinate, [n] each."""
    d = RECORDS[name]
    keys = list(d.space)

    def at(u, x):
        return d.logpdf({k: d.space[k].forward(v) for k, v in zip(keys, u, strict=True)}, data(d, x))

    def along(i, u, x):
        unit = [jnp.full_like(u[0], float(k == i)) for k in range(len(keys))]

        def once(u):
            return jax.jvp(lambda u: at(u, x), (u,), (unit,))

        (value, slope), (_, curve) = jax.jvp(once, (u,), (unit,))
        return value, slope, curve

    return along


@pytest.mark.parametrize("name", SMOOTH)
def test_derivatives_are_exact_and_finite_at_extremes(name):
    d, params, x, _ = case(name)
    p = len(d.space)
    x = jnp.asarray(x)
    centre = [jnp.full_like(x, d.space[k].inverse(params[k])) for k in d.space]
    h, size = 1e-3, 1.0 if name in HEAVY else 9.0
    for i in range(p):
        here = curvature(name)(i, centre, x)
        near = [curvature(name)(i, [u + s * h * (k == i) for k, u in enumerate(centre)], x) for s in (1, -1, 2, -2)]
        for order in (0, 1):
            f = [np.asarray(v[order]) for v in near]
            difference = (8 * (f[0] - f[1]) - (f[2] - f[3])) / (12 * h)
            fine = np.isfinite(np.stack(f)).all(0)
            np.testing.assert_allclose(np.asarray(here[order + 1])[fine], difference[fine], rtol=1e-6, atol=1e-8)
        for corner in np.resize(np.array(np.meshgrid(*[[-size, size]] * p)).reshape(p, -1).T, (4, p)):
            value, *rest = curvature(name)(i, [jnp.full_like(x, c) for c in corner], x)
            assert not np.isnan(value).any(), corner
            assert np.isfinite(np.stack(rest)[:, np.isfinite(value)]).all(), corner


# Their constants are sums that have no end at absurd parameters.
HEAVY = ("conway_maxwell_poisson",)


@pytest.mark.parametrize("name", INFORMED)
def test_information_is_the_expected_curvature(name):
    d, params, *_ = case(name)
    q = (np.arange(4096) + 0.5) / 4096
    x = d.quantile(params, jnp.asarray(q), **extra(d))
    flat = [jnp.full_like(x, v) for v in params.values()]
    scores = []
    for i in range(len(flat)):
        unit = [jnp.full_like(x, float(k == i)) for k in range(len(flat))]
        f = lambda v: d.logpdf(dict(zip(params, v, strict=True)), x)
        scores.append(jax.jvp(f, (flat,), (unit,))[1])
    scores = np.stack(scores, -1)
    information = np.asarray(d.information(params, data(d, x)))
    assert information.shape == (x.size, len(flat), len(flat))
    np.testing.assert_allclose(scores.T @ scores / x.size, information.mean(0), rtol=1e-2, atol=3e-3)


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


@pytest.mark.parametrize("name", NAMES)
def test_starts_are_legal(name):
    d = RECORDS[name]
    samples = np.array([np.resize(s, 8) for s in SAMPLES.values() for _ in range(3)])
    weights = [
        np.append(w, np.zeros(8 - len(w)))
        for s in SAMPLES.values()
        for w in (np.ones(len(s)), np.zeros(len(s)), np.linspace(0, 3, len(s)))
    ]
    starts = jax.vmap(lambda x, w: d.start(data(d, x), w))(jnp.asarray(samples), jnp.asarray(weights))
    assert starts.keys() == d.space.keys()
    for leaf, space in d.space.items():
        inside = np.asarray(jax.vmap(space.contains)(starts[leaf]))
        assert inside.all(), (leaf, samples[~inside], starts[leaf][~inside])
        assert np.isfinite(space.inverse(starts[leaf])).all()


@pytest.mark.parametrize("name", NAMES)
def test_starts_know_weights_and_units(name):
    d, params, *_ = case(name)
    x = np.asarray(d.sample(jax.random.key(3), params, (30,), **extra(d)))
    w = np.random.default_rng(0).integers(1, 3, 30).astype(float)

    def start(x, w):
        return d.start(data(d, x), jnp.asarray(w))

    one = start(np.append(x, np.full(30, np.nan)), np.append(w, np.zeros(30)))
    bad = start(np.append(x, np.resize([np.nan, -5.0, np.inf, 1e30], 30)), np.append(w, np.zeros(30)))
    twice = start(np.resize(np.repeat(x, w.astype(int)), 60), (np.arange(60) < w.sum()).astype(float))
    for leaf in one:
        close(bad[leaf], one[leaf], 1e-12)
        close(twice[leaf], one[leaf], 1e-9)
    if "scale" in d.space and name != "logit_normal":
        for factor in (1e12, 1e-12):
            other = start(np.append(x * factor, np.full(30, np.nan)), np.append(w, np.zeros(30)))
            shift = d.logpdf(other, jnp.asarray(x * factor)) + np.log(factor) - d.logpdf(one, jnp.asarray(x))
            np.testing.assert_allclose(shift, 0, atol=1e-8)


def test_weighted_quantiles_are_rows():
    x, w = jnp.array([3.0, 1.0, 2.0, np.nan]), jnp.array([1.0, 2.0, 1.0, 0.0])
    assert [float(v) for v in quantiles(jnp.where(w > 0, x, 0), w, 0.5, 0.51, 1.0)] == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("name", NAMES)
def test_float32_stays_float32(name):
    d, params, x, values = case(name)
    params = jax.tree.map(lambda v: v.astype(jnp.float32), params)
    middle = np.resize(x[2:7].astype(np.float32), 16)
    rows = jax.tree.map(lambda v: v.astype(jnp.float32), data(d, middle))
    for f, want in zip((d.logpdf, d.logcdf, d.logsf), values, strict=True):
        value = f(params, rows)
        assert value.dtype == jnp.float32
        np.testing.assert_allclose(value, np.resize(want[2:7], 16), rtol=1e-4, atol=1e-5)
    start = d.start(rows, jnp.ones(16, jnp.float32))
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(start))
