"""Laws of the catalogue, over the table `TABLE`: four programs for each distribution, on arrays of one length."""

import functools
import math

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
from catalogue import TABLE, TRIALS

import jaxmle as jm
from jaxmle import Status, distributions, models
from jaxmle.distributions.base.weighted_moments import quantiles

pytestmark = pytest.mark.usefixtures("x64")

NAMES = list(TABLE)
RECORDS = {name: distributions.by_name(name) for name in NAMES}


def by_cost(names):
    return [pytest.param(n, marks=pytest.mark.slow) if TABLE[n].costly else n for n in names]


CONTINUOUS = [n for n in NAMES if not RECORDS[n].discrete]
COUNTS = [n for n in NAMES if RECORDS[n].discrete]
SMOOTH = [n for n in NAMES if RECORDS[n].geometry.regularity == "smooth"]
INFORMED = [n for n in NAMES if RECORDS[n].geometry.information is not None]
Q = np.array([1e-9, 1e-4, 0.03, 0.2, 0.45, 0.77, 0.95, 0.9999])


N = 64


def rows(x):
    """x as N rows."""
    return jnp.asarray(np.resize(np.asarray(x, float), N))


def full(params):
    """Params for each of N rows."""
    return jax.tree.map(lambda v: jnp.full(N, v), params)


def data(d, x):
    x = jnp.asarray(x, float)
    return {"successes": x, "trials": jnp.full(x.shape, TRIALS)} if d.columns else x


def extra(d):
    return {"trials": TRIALS} if d.columns else {}


@functools.lru_cache
def program(name, what):
    """One compiled program: `values` (logpdf, logcdf, logsf and the slopes of the last two, [5, N]), `quantile`, `start`, or
    `pieces` (log-density and its first and second derivatives along each coordinate, [p, 3, N])."""
    d = RECORDS[name]
    keys = list(d.space)

    def values(params, x):
        tails = lambda x: jnp.stack([d.logcdf(params, data(d, x)), d.logsf(params, data(d, x))])
        ends, slopes = (tails(x), None) if d.discrete else jax.jvp(tails, (x,), (jnp.ones_like(x),))
        return jnp.stack([d.logpdf(params, data(d, x)), *ends, *(ends if slopes is None else slopes)])

    def pieces(u, x):
        def at(u):
            return d.logpdf({k: d.space[k].forward(v) for k, v in zip(keys, u, strict=True)}, data(d, x))

        def along(unit):
            once = lambda u: jax.jvp(at, (u,), (unit,))
            (value, slope), (_, curve) = jax.jvp(once, (u,), (unit,))
            return jnp.stack([value, slope, curve])

        return jax.vmap(along)(jnp.broadcast_to(jnp.eye(len(keys))[:, :, None], (len(keys), *u.shape)))

    f = {
        "values": values,
        "quantile": lambda params, q: d.quantile(params, q, **extra(d)),
        "start": lambda x, w: d.start(data(d, x), w),
        "pieces": pieces,
    }[what]
    return jax.jit(f)


@functools.lru_cache
def case(name):
    """The record, its params, N points from both tails, and there logpdf, logcdf, logsf and the slopes of the last two."""
    with jax.enable_x64(True):
        d, params = RECORDS[name], full(TABLE[name].params)
        x = program(name, "quantile")(params, rows(np.concatenate([Q, 1 - Q])))
        return d, params, np.asarray(x), np.asarray(program(name, "values")(params, x))


def close(value, want, rel):
    np.testing.assert_allclose(np.asarray(value), want, rtol=rel, atol=0)


@pytest.mark.parametrize("name", by_cost([n for n in NAMES if TABLE[n].scipy is not None]))
def test_matches_scipy(name):
    row, (d, _, x, (density, below, above, *_)) = TABLE[name], case(name)
    close(density, row.scipy.logpmf(x) if d.discrete else row.scipy.logpdf(x), 1e-11)
    close(np.exp(below), row.scipy.cdf(x), 1e-6 if row.rough else 1e-11)
    close(np.exp(above), row.scipy.sf(x), 1e-6 if row.rough else 1e-11)


def conway(x, center, power):
    terms = [(mp.mpf(center) ** k / mp.factorial(k)) ** power for k in range(200)]
    total = mp.fsum(terms)
    return [t / total for t in terms]


def consul(x, dispersion, mean):
    t = mean * (1 - mp.mpf(dispersion))
    return [t * (t + dispersion * k) ** (k - 1) * mp.exp(-t - dispersion * k) / mp.factorial(k) for k in range(200)]


@pytest.mark.parametrize(
    ("name", "masses"),
    [pytest.param("conway_maxwell_poisson", conway, marks=pytest.mark.slow), ("generalized_poisson", consul)],
)
def test_counts_match_mpmath(name, masses):
    _, params, x, (density, below, above, *_) = case(name)
    mass = masses(x, **TABLE[name].params)
    for i, k in enumerate(x.astype(int)):
        assert density[i] == pytest.approx(float(mp.log(mass[k])), rel=1e-12)
        assert below[i] == pytest.approx(float(mp.log(mp.fsum(mass[: k + 1]))), rel=1e-11)
        assert above[i] == pytest.approx(float(mp.log(mp.fsum(mass[k + 1 :]))), rel=1e-11)


@pytest.mark.slow
def test_no_count_is_more_than_certain():
    # However strong the power, which multiplies the rounding of what stands beside it.
    d, center = RECORDS["conway_maxwell_poisson"], np.random.default_rng(0).uniform(0.1, 60, N)
    center[::2] = np.ceil(center[::2])  # two counts share the mode
    mass = jax.jit(d.logpdf)
    for power in 10.0 ** np.arange(0, 11):
        values = [mass({"center": center, "power": jnp.full(N, power)}, np.floor(center) - i) for i in (0, -1, 1)]
        assert (np.stack(values)[np.isfinite(values)] <= 0).all()


def test_shares_match_their_formulas():
    _, _, x, (density, below, *_) = case("kumaraswamy")
    close(np.exp(below), 1 - (1 - x**2.5) ** 0.8, 1e-7)
    close(density, np.log(2.5 * 0.8 * x**1.5 * (1 - x**2.5) ** -0.2), 1e-11)
    _, _, x, (density, *_) = case("logit_normal")
    z = (np.log(x / (1 - x)) + 0.4) / 0.9
    close(density, -z * z / 2 - np.log(0.9 * math.sqrt(2 * math.pi) * x * (1 - x)), 1e-11)
    _, _, x, (density, *_) = case("wrapped_cauchy")
    close(density, np.log((1 - 0.16) / (2 * np.pi * (1 + 0.16 - 0.8 * np.cos(x)))), 1e-12)


@pytest.mark.parametrize("name", by_cost(CONTINUOUS))
def test_the_density_is_the_slope_of_the_cdf(name):
    _, params, x, (density, below, above, rise, fall) = case(name)
    close(rise, np.exp(density - below), 1e-10)
    close(-fall, np.exp(density - above), 1e-10)
    # Between two quantiles the density integrates to the difference of the distribution function.
    nodes, weights = np.polynomial.legendre.leggauss(N)
    low, high = x[3], x[5]
    density = program(name, "values")(params, low + (high - low) * jnp.asarray(nodes + 1) / 2)[0]
    if name not in KINKS:
        close((np.exp(density) * weights * (high - low) / 2).sum(), Q[5] - Q[3], 1e-9)


KINKS = [n for n in NAMES if RECORDS[n].geometry.regularity == "kinked" or RECORDS[n].geometry.kink is not None]


@pytest.mark.parametrize("name", by_cost(COUNTS))
def test_the_mass_is_the_step_of_the_cdf(name):
    _, params, *_ = case(name)
    k = np.arange(float(N))
    mass, below, above, *_ = np.exp(program(name, "values")(params, k))
    np.testing.assert_allclose(np.diff(below), mass[1:], atol=2e-15)
    np.testing.assert_allclose(below + above, 1, atol=2e-15)
    np.testing.assert_allclose(np.exp(program(name, "values")(params, k + 0.5)[1]), below, atol=1e-15)


@pytest.mark.parametrize("name", by_cost(NAMES))
def test_the_quantile_inverts_the_cdf(name):
    d, params, x, (density, below, *_) = case(name)
    q = np.asarray(rows(np.concatenate([Q, 1 - Q])))
    if d.discrete:
        assert (np.exp(below) >= q * (1 - 1e-12)).all()
        before = np.exp(program(name, "values")(params, x - 1)[1])
        assert (before < q).all()
    else:
        one_unit_of_x = 1e-15 * np.exp(density) * np.abs(x)
        assert (np.abs(np.exp(below) - q) <= 1e-10 * q + one_unit_of_x).all()


SOLVED = ("beta", "chi", "generalized_normal", "inverse_gaussian", "skew_normal", "von_mises")
"Families whose quantile is found by iteration; chi for all that are powers of a gamma."


@pytest.mark.parametrize("name", by_cost([*SOLVED, "cauchy", "gev"]))
def test_the_quantile_has_its_derivatives(name):
    """F(x(q)) = q: along q its slope is 1, along the parameters 0."""
    d, params = RECORDS[name], jax.tree.map(jnp.asarray, TABLE[name].params)
    q = jnp.array([0.02, 0.3, 0.7, 0.98])
    ones = jax.tree.map(jnp.ones_like, params)

    @jax.jit
    def slopes(params, q):
        x, rise = jax.jvp(lambda q: d.quantile(params, q), (q,), (jnp.ones_like(q),))
        _, moved = jax.jvp(lambda p: d.logcdf(p, x), (params,), (ones,))
        _, whole = jax.jvp(lambda p: d.logcdf(p, d.quantile(p, q)), (params,), (ones,))
        return rise * jnp.exp(d.logpdf(params, x)), moved, whole

    along_q, moved, whole = slopes(params, q)
    np.testing.assert_allclose(along_q, 1, rtol=1e-9)
    assert (np.abs(moved) > 1e-3).any() and (np.abs(whole) <= 1e-9 * np.abs(moved).max()).all()


@pytest.mark.parametrize("name", by_cost(NAMES))
def test_samples_agree_with_the_cdf(name):
    d, params, *_ = case(name)
    n = 4000
    x = d.sample(jax.random.key(7), jax.tree.map(jnp.asarray, TABLE[name].params), (n,), **extra(d))
    assert x.shape == (n,) and d.support(data(d, x)).all()
    at = np.sort(np.asarray(x))[np.arange(N) * (n // N)]
    empirical = np.searchsorted(np.sort(x), at, side="right") / n
    assert np.abs(empirical - np.exp(program(name, "values")(params, at)[1])).max() < 1.7 / np.sqrt(n)


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
    return np.resize(bad, N)


@pytest.mark.parametrize("name", by_cost(NAMES))
def test_outside_the_support(name):
    d, params, *_ = case(name)
    at = outside(name)
    assert not d.support(data(d, at)).any()
    assert (program(name, "values")(params, at)[0] == -np.inf).all()
    _, below, above, *_ = np.exp(program(name, "values")(params, np.resize([-np.inf, np.inf], N)))
    assert (below == np.resize([0, 1], N)).all() and (above == np.resize([1, 0], N)).all()
    assert np.isnan(program(name, "quantile")(params, np.resize([-0.1, 1.1, np.nan], N))).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", (SMOOTH))
def test_derivatives_are_exact_and_finite_at_extremes(name):
    d, params, x, _ = case(name)
    p, pieces = len(d.space), program(name, "pieces")
    centre = np.stack([d.space[k].inverse(params[k]) for k in d.space])
    beyond = np.asarray(pieces(centre, outside(name)))
    assert (beyond[:, 0] == -np.inf).all() and np.isfinite(beyond[:, 1:]).all()
    here, h, size = np.asarray(pieces(centre, x)), 1e-3, 1.0 if name in HEAVY else 9.0
    for i in range(p):
        step = h * np.eye(p)[i][:, None]
        f = np.stack([pieces(centre + s * step, x)[i] for s in (1, -1, 2, -2)])
        difference = (8 * (f[0] - f[1]) - (f[2] - f[3])) / (12 * h)
        fine = np.isfinite(f).all((0, 1))
        np.testing.assert_allclose(here[i, 1:, fine], difference[:2, fine].T, rtol=1e-6, atol=1e-8)
    corners = np.array(np.meshgrid(*[[-size, size]] * p)).reshape(p, -1)
    for corner in corners.T:
        far = np.asarray(pieces(np.repeat(corner[:, None], N, axis=1), x))
        assert not np.isnan(far[:, 0]).any(), corner
        assert np.isfinite(far[:, 1:][np.isfinite(far[:, :1]).repeat(2, 1)]).all(), corner


# Their constants are sums that have no end at absurd parameters.
HEAVY = ("conway_maxwell_poisson",)


@pytest.mark.slow
@pytest.mark.parametrize("name", (INFORMED))
def test_information_is_the_expected_curvature(name):
    d, params, *_ = case(name)
    nodes, weights = np.polynomial.legendre.leggauss(N)
    t = 0.5 * (nodes + 1)  # nodes crowd towards both ends, where scores may be large
    weights, q = weights * 6 * t * (1 - t), t * t * (3 - 2 * t)
    x = program(name, "quantile")(params, jnp.asarray(q))
    u = jnp.stack([d.space[k].inverse(params[k]) for k in d.space])
    scores = np.asarray(program(name, "pieces")(u, x)[:, 1]).T
    scores = scores / [float(jax.grad(s.forward)(v[0])) for s, v in zip(d.space.values(), u, strict=True)]
    information = np.asarray(d.geometry.information(params, data(d, x)))
    assert information.shape == (N, len(u), len(u))
    np.testing.assert_allclose(scores.T @ (scores * weights[:, None] / 2), information[0], rtol=3e-2, atol=6e-3)


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
    slow = {"generalized_normal": (0.01, 30), "johnson_su": (0.06, 20)}
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
