"""Laws of the distributions that SciPy has to the last digits, over the table `CORE`."""

import functools
import inspect

import family_files
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats as st
from catalogue import CORE as TABLE
from catalogue import TABLE as REST
from catalogue import TRIALS, VECTORS

from jaxmle import distributions
from jaxmle.distributions.base import other_names
from jaxmle.model.model import Model
from jaxmle.models import iid

pytestmark = pytest.mark.usefixtures("x64")

N = TRIALS
NAMES = list(TABLE)
BY_COST = [pytest.param(n, marks=pytest.mark.slow) if row.costly else n for n, row in TABLE.items()]
CONTINUOUS = [n for n in NAMES if not distributions.by_name(n).discrete]
Q = np.array([1e-9, 1e-4, 0.03, 0.2, 0.5, 0.77, 0.95, 0.9999])


def case(name):
    row = TABLE[name]
    return distributions.by_name(name), jax.tree.map(jnp.asarray, row.params), row.scipy


def data(d, x):
    """x as the distribution takes it."""
    x = jnp.asarray(x, float)
    return {"successes": x, "trials": jnp.full(x.shape, N)} if d.columns else x


def extra(d):
    return {"trials": N} if d.columns else {}


@functools.lru_cache
def compiled(name):
    d = distributions.by_name(name)
    return jax.jit(lambda params, x: jnp.stack([f(params, data(d, x)) for f in (d.logpdf, d.logcdf, d.logsf)]))


def evaluate(name, params, x):
    """logpdf, logcdf and logsf, [3, n], by one program for all tests (x padded to one length)."""
    x = np.asarray(x, float)
    flat = np.resize(x.ravel(), 1280) if x.size > 64 else np.resize(x.ravel(), 64)
    return np.asarray(compiled(name)(params, flat))[:, : x.size].reshape(3, *x.shape)


def close(value, want, rel):
    np.testing.assert_allclose(np.asarray(value), want, rtol=rel, atol=0)


def test_the_table_is_complete():
    names = sorted([*NAMES, *REST])
    assert distributions.names() == names
    assert all(distributions.by_name(n) == getattr(distributions, n) for n in names)
    assert len({hash(distributions.by_name(n)) for n in names}) == len(names)


def test_the_list_of_families_is_made_from_the_files():
    assert family_files.FACE.read_text() == family_files.renewed(), "run: python tests/family_files.py"
    families = family_files.families()
    assert (
        families.keys()
        == {*NAMES, *REST, *VECTORS}
        == set(distributions.__all__) - {"Distribution", "by_name", "names"} - set(family_files.combinators())
    )
    for name in VECTORS:
        assert getattr(distributions, name)(3).name == f"{name}(3)"
        assert inspect.signature(getattr(distributions, name)).return_annotation is distributions.Distribution


def test_unknown_names_get_a_hint():
    with pytest.raises(ValueError, match=r"'weibul'. Did you mean 'weibull'\? Known: asymmetric_laplace, "):
        distributions.by_name("weibul")
    assert distributions.by_name("Negative Binomial").name == "negative_binomial"
    with pytest.raises(ValueError, match=r"unknown distribution 'cosine'. Known: "):  # no family is near
        distributions.by_name("cosine")


@pytest.mark.parametrize(
    ("theirs", "told"),
    [
        ("genextreme", "'gev' here; SciPy's shape c has the other sign"),
        ("nbinom", "'negative_binomial' here"),
        ("fisk", "'log_logistic' here"),
        ("gengamma", "'generalized_gamma' here"),
        ("t", "'student_t' here"),
        ("dnorm", "'normal' here"),
        ("rlnorm", "'lognormal' here"),
        ("pweibull", "'weibull' here"),
        ("exponnorm", "not in the catalogue"),
    ],
)
def test_names_of_scipy_and_r_are_corrected(theirs, told):
    with pytest.raises(ValueError, match=told):
        distributions.by_name(theirs)


def test_the_table_of_other_names_leads_to_families():
    for name, (ours, _) in other_names.NAMES.items():
        assert ours in distributions.names() and name not in distributions.names(), name
    # Whatever SciPy calls by a name of its own is told or is missing here: no name is guessed to be another family.
    for family in (d for d in vars(st).values() if isinstance(d, (st.rv_continuous, st.rv_discrete))):
        if family.name not in distributions.names():
            with pytest.raises(ValueError, match="unknown distribution") as error:
                distributions.by_name(family.name)
            assert "Did you mean" not in str(error.value), error.value


@pytest.mark.parametrize("name", NAMES)
def test_matches_scipy(name):
    d, params, theirs = case(name)
    x = np.unique(np.concatenate([theirs.ppf(Q), theirs.isf(Q)]))
    density, below, above = evaluate(name, params, x)
    close(density, theirs.logpmf(x) if d.discrete else theirs.logpdf(x), 1e-12)
    # Through probabilities: scipy's own logcdf near 1 is log(1 - tiny) with few digits.
    close(np.exp(below), theirs.cdf(x), 1e-11)
    close(np.exp(above), theirs.sf(x), 1e-11)


@pytest.mark.parametrize("name", NAMES)
def test_integrates_to_one(name):
    d, params, theirs = case(name)
    if d.discrete:
        x = np.arange(0, N + 1 if d.columns else 2 if name == "bernoulli" else 200.0)
        assert np.exp(evaluate(name, params, x)[0]).sum() == pytest.approx(1, abs=1e-12)
    else:
        nodes, weights = np.polynomial.legendre.leggauss(30)
        tail = np.logspace(-9, -2, 8)
        ends = np.concatenate([theirs.ppf(tail), theirs.ppf(np.linspace(0.05, 0.95, 15)), theirs.isf(tail[::-1])])
        width = np.diff(ends)[:, None]
        x = ends[:-1, None] + width * (nodes + 1) / 2
        assert (np.exp(evaluate(name, params, x)[0]) * weights * width / 2).sum() == pytest.approx(1, abs=1e-8)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_slope_of_the_cdf_is_the_density(name):
    d, params, theirs = case(name)
    x = jnp.asarray(theirs.ppf(Q))
    ones = jnp.ones_like(x)
    value, slope = jax.jit(
        lambda x: jax.jvp(lambda x: jnp.stack([d.logcdf(params, x), d.logsf(params, x)]), (x,), (ones,))
    )(x)
    density = evaluate(name, params, x)[0]
    close(slope[0], np.exp(density - value[0]), 1e-10)
    close(-slope[1], np.exp(density - value[1]), 1e-10)


@pytest.mark.parametrize("name", [n for n in NAMES if n not in CONTINUOUS])
def test_steps_of_the_cdf_are_the_mass(name):
    d, params, theirs = case(name)
    x = np.arange(0.0, 12.0)
    mass, below, above = np.exp(evaluate(name, params, x))
    np.testing.assert_allclose(np.diff(below), mass[1:], atol=1e-14)
    np.testing.assert_allclose(below + above, 1, atol=1e-14)
    np.testing.assert_allclose(np.exp(evaluate(name, params, x + 0.5)[1]), below, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_quantile_inverts_the_cdf(name):
    d, params, theirs = case(name)
    quantile = jax.jit(lambda q: d.quantile(params, q, **extra(d)))
    x = quantile(Q)
    close(x, theirs.ppf(Q), 1e-11)
    if not d.discrete:
        close(np.exp(evaluate(name, params, x)[1]), Q, 1e-11)
    assert np.isnan(quantile(np.resize([-0.1, 1.1, np.nan], Q.size))).all()


@pytest.mark.parametrize("name", NAMES)
def test_samples_agree_with_the_cdf(name):
    d, params, theirs = case(name)
    n = 4000
    x = np.sort(d.sample(jax.random.key(7), params, (n,), **extra(d)))
    grid = np.unique(x)
    empirical = np.searchsorted(x, grid, side="right") / n
    assert np.abs(empirical - theirs.cdf(grid)).max() < 1.7 / np.sqrt(n)
    assert d.support(data(d, x)).all()


@pytest.mark.parametrize("name", NAMES)
def test_outside_the_support(name):
    d, params, theirs = case(name)
    low, high = theirs.support()
    x = np.array([low - 1 if np.isfinite(low) else -np.inf, np.inf, np.nan] + ([0.5] if d.discrete else []))
    assert not d.support(data(d, x)).any()
    assert (evaluate(name, params, x)[0] == -np.inf).all()
    row = data(d, x)
    slope = jax.jit(jax.jacfwd(lambda p: d.logpdf(p, row)))(params)
    back = jax.jit(jax.grad(lambda p: jnp.where(jnp.isfinite(v := d.logpdf(p, row)), v, 0).sum()))(params)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((slope, back)))
    ends = np.array([-1e300 if np.isfinite(low) else -np.inf, np.inf])
    assert (np.exp(evaluate(name, params, ends)[1:]) == [[0, 1], [1, 0]]).all()


@functools.lru_cache
def derivatives(name):
    """Values [3n], slopes and curvatures of all three functions at 27 points of unconstrained coordinates."""
    d, params, theirs = case(name)
    model = Model(d.logpdf, d.space)
    x = np.unique(np.concatenate([theirs.ppf(Q), theirs.isf(Q)]))

    # Through the incomplete beta function both tails are one program, slow to compile.
    functions = [d.logpdf, d.logcdf] + [d.logsf] * (name not in ("binomial", "negative_binomial", "student_t"))

    def contributions(u):
        p = model.forward(dict(zip(model.names, u, strict=True)))
        return jnp.concatenate([f(p, data(d, x)) for f in functions])

    def pieces(u):
        slope = jax.jacfwd(contributions)
        return contributions(u), slope(u), jax.jacfwd(slope)(u)

    program = jax.jit(jax.vmap(pieces))
    return lambda u: tuple(np.asarray(v)[: len(u)] for v in program(np.resize(u, (27, len(params)))))


@pytest.mark.parametrize("name", BY_COST)
def test_derivatives_are_finite_at_extreme_parameters(name):
    p = len(TABLE[name].params)
    corners = np.array(np.meshgrid(*[[-12.0, 0.0, 12.0]] * p)).reshape(p, -1).T
    value, slope, curve = derivatives(name)(corners)
    assert not np.isnan(value).any()
    assert np.isfinite(slope[np.isfinite(value)]).all() and np.isfinite(curve[np.isfinite(value)]).all()


@pytest.mark.parametrize("name", BY_COST)
def test_scores_and_hessians_match_finite_differences(name):
    d, params, _ = case(name)
    centre = np.array([float(d.space[k].inverse(params[k])) for k in d.space])
    h = 1e-3
    for i in range(centre.size):
        points = centre + h * np.array([0, 1, -1, 2, -2])[:, None] * np.eye(centre.size)[i]
        value, slope, curve = derivatives(name)(points)
        fine = np.isfinite(value[0])
        for exact, f in ((slope[0, :, i], value), (curve[0, :, i], slope)):
            f = np.where(np.isfinite(f), f, 0)
            difference = (8 * (f[1] - f[2]) - (f[3] - f[4])) / (12 * h)
            np.testing.assert_allclose(exact[fine], difference[fine], rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", [n for n in NAMES if distributions.by_name(n).geometry.information is not None])
def test_information_is_the_expected_curvature(name):
    d, params, theirs = case(name)
    q = (np.arange(20000) + 0.5) / 20000
    x = np.asarray(theirs.ppf(q), float)
    flat, unravel = jax.flatten_util.ravel_pytree(params)
    scores = jax.jit(jax.jacfwd(lambda p: d.logpdf(unravel(p), data(d, x))))(flat)
    information = d.geometry.information(params, data(d, x))
    assert information.shape == (x.size, flat.size, flat.size)
    np.testing.assert_allclose(scores.T @ scores / x.size, information.mean(0), rtol=5e-3, atol=1e-3)


def test_information_about_df_is_continuous_and_positive_far_out():
    df = np.array([199.999, 200.001, 1e4, 1e9])
    information = [
        distributions.student_t.geometry.information({"df": v, "loc": 0.0, "scale": 1.0}, jnp.zeros(1))[0, 0, 0]
        for v in df
    ]
    assert information[0] / information[1] == pytest.approx((200.001 / 199.999) ** 4, rel=1e-6)
    close(np.array(information[2:]) * df[2:] ** 4, [3.5, 3.5], 1e-3)


SAMPLES = {
    "one row": [3.0],
    "all equal": [2.0] * 5,
    "zeros": [0.0] * 4,
    "zero and one": [0.0, 1.0],
    "tiny": [1e-300, 3e-300, 2e-300],
    "huge": [1e300, 3e300, 2e300],
    "shifted": [1e9 + 1, 1e9 + 2, 1e9 + 4],
    "negative": [-3.0, -2.0, 1.0],
    "nothing legal": [np.nan, np.inf, -np.inf],
    "counts": [0.0, 7.0, 12.0, 1.0, 1.0],
}


@pytest.mark.parametrize("name", NAMES)
def test_starts_are_legal(name):
    d = distributions.by_name(name)
    start_at = jax.jit(lambda x, w: d.start(data(d, x), w))
    for sample in SAMPLES.values():
        for weights in (np.ones(len(sample)), np.zeros(len(sample)), np.linspace(0, 3, len(sample))):
            start = start_at(np.resize(sample, 8), np.append(weights, np.zeros(8 - len(sample))))
            assert start.keys() == d.space.keys()
            for leaf, space in d.space.items():
                assert space.contains(start[leaf]), (sample, weights, start)
                assert np.isfinite(space.inverse(start[leaf]))


@pytest.mark.parametrize("name", NAMES)
def test_rows_of_weight_zero_do_not_touch_the_start(name):
    d, _, theirs = case(name)
    x, rng = np.asarray(theirs.rvs(30, random_state=1), float), np.random.default_rng(0)
    w = rng.integers(1, 3, 30).astype(float)
    start_at = jax.jit(lambda x, w: d.start(data(d, x), w))
    start = start_at(x, w)
    bad = np.concatenate([x, [np.nan, -5.0, np.inf, 1e30]])
    padded = start_at(bad, np.concatenate([w, np.zeros(4)]))
    twice = start_at(np.repeat(x, w.astype(int)), np.ones(int(w.sum())))
    for leaf in start:
        close(padded[leaf], start[leaf], 1e-12)
        close(twice[leaf], start[leaf], 1e-10)


@pytest.mark.parametrize("name", CONTINUOUS)
@pytest.mark.parametrize("factor", [1e12, 1e-12])
def test_starts_follow_the_units(name, factor):
    d, params, theirs = case(name)
    x, w = jnp.asarray(theirs.rvs(40, random_state=2)), jnp.ones(40)
    one, other = d.start(x, w), d.start(x * factor, w)
    shift = d.logpdf(other, x * factor) + np.log(factor) - d.logpdf(one, x)
    np.testing.assert_allclose(shift, 0, atol=1e-8)


@pytest.mark.parametrize("name", ["normal", "student_t"])
def test_starts_follow_a_shift(name):
    d, params, theirs = case(name)
    x, w = jnp.asarray(theirs.rvs(40, random_state=2)), jnp.ones(40)
    one, other = d.start(x, w), d.start(x + 1e9, w)
    close(other["loc"] - 1e9, one["loc"], 1e-5)
    close(other["scale"], one["scale"], 1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_compiled_total_is_the_sum_of_the_rows(name):
    # XLA's CPU compiler fuses some formulas into a sum wrongly (log, log1p or expm1 twice); ours must not be among them.
    d, params, theirs = case(name)
    x = data(d, theirs.ppf(np.linspace(0.01, 0.9, 64)))
    w = np.linspace(0.5, 1, 64)

    def rows(p):
        return d.logpdf(p, x)

    def total(p):
        return jnp.sum(w * rows(p))

    for f, g in ((rows, total), (jax.jacrev(rows), jax.grad(total))):
        one, other = jax.tree.leaves(jax.jit(f)(params)), jax.tree.leaves(jax.jit(g)(params))
        for a, b in zip(one, other, strict=True):
            np.testing.assert_allclose(b, (w * a).sum(), rtol=1e-10, atol=1e-10)


def test_limits_have_exact_values():
    x = jnp.arange(6.0)
    value = jax.jit(distributions.negative_binomial.logpdf)({"mean": 2.0, "dispersion": 0.0}, x)
    close(value, st.poisson(2.0).logpmf(np.arange(6)), 1e-14)
    value = jax.jit(distributions.student_t.logpdf)({"df": jnp.inf, "loc": 0.0, "scale": 1.0}, x)
    close(value, st.norm.logpdf(np.arange(6)), 1e-14)
    assert (distributions.bernoulli.logpdf({"probability": 0.0}, jnp.zeros(2)) == 0).all()
    assert (distributions.bernoulli.logpdf({"probability": 1.0}, jnp.ones(2)) == 0).all()
    assert (distributions.binomial.logpdf({"probability": 1.0}, data(distributions.binomial, [N])) == 0).all()
    assert (distributions.geometric.logpdf({"probability": 1.0}, jnp.ones(2)) == 0).all()
    assert (distributions.poisson.logpdf({"mean": 0.0}, jnp.zeros(2)) == 0).all()
    assert (distributions.poisson.logpdf({"mean": 0.0}, jnp.ones(2)) == -jnp.inf).all()


def test_negative_binomial_near_poisson():
    x, mean = jnp.array([0.0, 3.0, 50.0, 400.0]), 30.0

    def f(a):
        return distributions.negative_binomial.logpdf({"mean": mean, "dispersion": a}, x)

    derivatives = jax.jit(lambda a: (jax.jacfwd(f)(a), jax.jacfwd(jax.jacfwd(f))(a)))
    # The Taylor series about the Poisson: a ((x - m)^2 - x) / 2 + a^2 third / 2 + ...
    first, third = ((x - mean) ** 2 - x) / 2, x * mean**2 - 2 * mean**3 / 3 - (x - 1) * x * (2 * x - 1) / 6
    for dispersion in (0.0, 1e-16, 1e-12, 1e-8):
        slope, curve = derivatives(dispersion)
        close(slope, first + dispersion * third, 1e-9)
        close(curve, third, 1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_float32_stays_float32(name):
    d, params, theirs = case(name)
    params = jax.tree.map(lambda v: v.astype(jnp.float32), params)
    x = theirs.ppf(Q[2:6]).astype(np.float32)
    row = {"successes": jnp.asarray(x), "trials": jnp.full(4, N, jnp.float32)} if d.columns else jnp.asarray(x)
    for f, want in (
        (d.logpdf, theirs.logpmf(x) if d.discrete else theirs.logpdf(x)),
        (d.logcdf, theirs.logcdf(x)),
        (d.logsf, theirs.logsf(x)),
    ):
        value = f(params, row)
        assert value.dtype == jnp.float32
        np.testing.assert_allclose(value, want, rtol=2e-5, atol=2e-6)
    start = iid(d).start(row, jnp.ones(4, jnp.float32))
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(start))
