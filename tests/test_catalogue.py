"""Laws of the catalogue, over the table `TABLE`: four programs for each distribution, on arrays of one length."""

import math

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
from catalogue import TABLE
from catalogue_programs import (
    CONTINUOUS,
    COUNTS,
    INFORMED,
    NAMES,
    RECORDS,
    SMOOTH,
    N,
    Q,
    by_cost,
    case,
    close,
    data,
    extra,
    program,
    rows,
)

pytestmark = pytest.mark.usefixtures("x64")


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
    if name in ("beta", "kumaraswamy", "logit_normal", "power_law", "triangular"):
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
