"""The laws, over the one table `cases.py`. All data sets of a case share one shape, so each case compiles little."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from cases import BY_NAME, CASES, GARCH_CASE, errors, flat, is_constant, on_rows, pick, rng

import jaxmle as jm
from jaxmle import Status, _native, spaces

SETS, PADDING, LANES = 24, 8, "auto"
MORE_STEPS = 2000  # for bhhh, which is linear


def padded(data):
    """PADDING rows of NaN (or -1) at the end of every data set."""

    def pad(x):
        fill = np.nan if x.dtype.kind == "f" else -1
        return np.concatenate([x, np.full((x.shape[0], PADDING, *x.shape[2:]), fill, x.dtype)], axis=1)

    return on_rows(pad, data)


def weights_of(case, sets=SETS):
    return np.tile(np.r_[np.ones(case.n), np.zeros(PADDING)], (sets, 1))


def many(case, data, weights, optimizer="newton", lanes=LANES, **options):
    if optimizer == "bhhh":
        options["max_steps"] = MORE_STEPS
    return jm.fit_many(case.model, data, weights=weights, optimizer=optimizer, lanes=lanes, **options)


@functools.cache
def ragged(name, optimizer="newton", lanes=LANES):
    """The case's data sets, of different lengths (trailing weights 0), and their fits."""
    case = BY_NAME[name]
    data, weights = padded(case.data(1, SETS, case.n)), weights_of(case)
    return data, weights, many(case, data, weights, optimizer, lanes)


@functools.cache
def alone(name, optimizer="newton"):
    """The same data sets without padding, one by one."""
    case = BY_NAME[name]
    data = case.data(1, SETS, case.n)
    steps = MORE_STEPS if optimizer == "bhhh" else None
    return [jm.fit(case.model, pick(data, i), optimizer=optimizer, max_steps=steps) for i in range(SETS)]


def agree(case, fits, singles, curvature=True):
    """Status equal, parameters within 1e-6 standard errors, log-likelihood to 1e-10, steps within one."""
    assert [Status(int(s)) for s in fits.status] == [f.status for f in singles]
    for i, one in enumerate(singles):
        if one.converged:
            assert errors(one, fits[i].params) < 1e-6
        np.testing.assert_allclose(fits.log_likelihood[i], one.log_likelihood, rtol=1e-10)
    apart = np.abs(fits.steps - np.array([f.steps for f in singles]))
    assert not curvature or np.mean(apart <= 1) >= 0.99


def identical(a, b, where=slice(None)):
    """Bit for bit the same, everything that a fit reports."""
    for mine, other in zip(a.solution.outcome, b.solution.outcome, strict=True):
        np.testing.assert_array_equal(mine[where], other[where])


@pytest.fixture(scope="module", params=CASES, ids=repr)
def case(request):
    return request.param


# --- one table, one program ------------------------------------------------------------------------------


def test_certificate(case):
    """The log-likelihood is the sum at params, to 1e-12; the decrement there, computed anew, is within tolerance."""
    data, weights, fits = ragged(case.name)
    assert fits.converged.mean() > 0.9
    i = int(np.argmax(fits.converged))
    with jax.enable_x64(True):
        raw = on_rows(lambda x: jnp.asarray(x[: case.n]), pick(data, i))
        if not isinstance(case.model.log_likelihood, jm.rows):
            raw = jax.tree.map(lambda x: x.value if is_constant(x) else x, raw, is_leaf=is_constant)

        def total(u):
            return jnp.sum(case.model.log_likelihood(case.model.forward(u), raw))

        u, unravel = jax.flatten_util.ravel_pytree(case.model.inverse(jax.tree.map(jnp.asarray, fits[i].params)))
        f = lambda x: total(unravel(x))
        slopes = jax.jit(lambda x, params: (case.model.log_likelihood(params, raw), jax.grad(f)(x), jax.hessian(f)(x)))
        rows, g, hessian = jax.tree.map(np.asarray, slopes(u, jax.tree.map(jnp.asarray, fits[i].params)))
    np.testing.assert_allclose(fits.log_likelihood[i], rows.sum(), rtol=1e-12)
    decrement = -0.5 * g @ np.linalg.solve(hessian, g)
    assert 0 <= decrement <= 1e-9
    assert fits.decrement[i] <= 1e-9
    np.testing.assert_allclose(
        fits.solution.outcome.information[i], -hessian, rtol=1e-7, atol=1e-7 * np.abs(hessian).max()
    )


def test_many_is_one_by_one_and_padding_changes_nothing(case):
    """Laws 1 and 2: lanes over padded data, against single fits of unpadded data."""
    agree(case, ragged(case.name)[2], alone(case.name))


def test_native_kernels_and_the_lanes_agree(case):
    """Native kernels support every case; their fits are those of the lanes, wherever a maximum was found."""
    data, weights, mine = ragged(case.name)
    if mine.info["lanes"] != "native":
        assert _native.missing("cpu") is not None
        pytest.skip("needs llvmlite")
    theirs = many(case, data, weights, lanes=8)
    np.testing.assert_array_equal(mine.status, theirs.status)
    np.testing.assert_allclose(mine.log_likelihood, theirs.log_likelihood, rtol=1e-12)
    assert np.mean(np.abs(mine.steps - theirs.steps) <= 1) >= 0.99
    where = np.flatnonzero(mine.converged)
    assert all(errors(mine[i], theirs[i].params) < 1e-6 for i in where)
    np.testing.assert_allclose(mine.covariance()[where], theirs.covariance()[where], rtol=1e-6, atol=1e-12)


def test_closed_form(case):
    """Met to 1e-7 standard errors, from the default start and from a bad one (aim: to rounding)."""
    if case.closed is None:
        pytest.skip("no closed form")
    data, weights, fits = ragged(case.name)
    far = jax.tree.map(
        lambda x, s: 1e-2 + 0.1 * np.asarray(x) if s.kind.name == "interval" else x * 30.0, case.truth, case.model.space
    )
    if "covariance" in case.truth:
        far["covariance"] = np.diag([1e3, 1e-2])
    for i in range(4):
        raw = on_rows(lambda x: x[: case.n], pick(data, i))
        raw = jax.tree.map(lambda x: x.value if is_constant(x) else x, raw, is_leaf=is_constant)
        want = case.closed(raw, np.ones(case.n))
        assert errors(fits[i], want) < 1e-7
        bad = jm.fit(case.model, pick(case.data(1, SETS, case.n), i), start=far)
        assert bad.converged, bad.message()
        assert errors(bad, want) < 1e-7
        np.testing.assert_allclose(flat(bad.params), flat(want), rtol=1e-9, atol=1e-9)


def test_weight_zero_is_absent(case):
    """Rows of weight 0 change nothing wherever they stand and whatever they hold."""
    if "ordered" in case.tags:
        pytest.skip("a series: weight 0 means missing")
    data, weights, fits = ragged(case.name)
    place = np.stack([rng(i).permutation(case.n + PADDING) for i in range(SETS)])

    def spread(x):
        return np.take_along_axis(x, place.reshape(place.shape + (1,) * (x.ndim - 2)), axis=1)

    agree(case, many(case, on_rows(spread, data), spread(weights)), list(fits))


def test_weight_two_is_the_row_twice(case):
    if "ordered" in case.tags:
        pytest.skip("a series: only weights 0 and 1")
    half = (case.n + PADDING) // 2
    data = padded(case.data(1, SETS, case.n))
    first = on_rows(lambda x: x[:, :half], data)
    twice = many(case, on_rows(lambda x: np.concatenate([x, x], axis=1), first), np.ones((SETS, case.n + PADDING)))
    weights = np.tile(np.r_[2 * np.ones(half), np.zeros(half)], (SETS, 1))
    weighted = many(case, data, weights)
    np.testing.assert_array_equal(weighted.n_observations, twice.n_observations)
    agree(case, weighted, list(twice))
    np.testing.assert_allclose(weighted.bic, twice.bic, rtol=1e-10)
    np.testing.assert_allclose(weighted.covariance(), twice.covariance(), rtol=1e-6, atol=1e-12)


def test_order_of_data_sets_does_not_matter(case):
    data, weights, fits = ragged(case.name)
    order = rng(3).permutation(SETS)
    moved = jax.tree.map(lambda x: x[order], data)
    identical(many(case, moved, weights[order]), fits[order])


def poison(case, data, weights, where):
    """Makes the data sets at `where` NaN, infinite, empty or illegal, by turns."""
    data, weights = jax.tree.map(np.copy, data), weights.copy()
    expected = {}
    rows = [x for x in jax.tree.leaves(data, is_leaf=is_constant) if not is_constant(x) and x.dtype.kind == "f"]
    for turn, i in enumerate(where):
        kind = turn % 4 if rows else 2
        if kind == 0:
            rows[-1][i, 0], expected[i] = np.nan, {Status.MISSING_VALUES}
        elif kind == 1:
            for x in rows:
                x[i, 0] = np.inf
            expected[i] = {Status.NO_FINITE_START, Status.OUTSIDE_SUPPORT}
        elif kind == 2:
            weights[i], expected[i] = 0.0, {Status.NO_DATA}
        else:
            weights[i, 0], expected[i] = -1.0, {Status.BAD_WEIGHTS}
    return data, weights, expected


@pytest.mark.parametrize(
    "where", [range(4), [0, 5, 11, 23], range(7), range(SETS)], ids=["first", "some", "lanes", "all"]
)
def test_a_bad_data_set_changes_no_bit_of_the_others(case, where):
    """Law 3: at any position, among the first lanes, the whole batch; through retries once, as each compiles anew."""
    data, weights, fits = ragged(case.name)
    bad, weights, expected = poison(case, data, weights, where)
    found = many(case, bad, weights, retries=3 if len(where) == 7 else 0)
    identical(found, fits, np.setdiff1d(np.arange(SETS), list(where)))
    for i, statuses in expected.items():
        assert Status(int(found.status[i])) in statuses, i
        assert np.isnan(found.log_likelihood[i])
        assert np.isnan(flat(found[i].params)).any()


def test_score_is_the_finite_difference(case):
    """Law 4, at the truth: central differences of the contributions of one data set."""
    data = on_rows(lambda x: x[0], padded(case.data(1, 1, case.n)))
    with jax.enable_x64(True):
        raw = jax.tree.map(
            lambda x: x.value[0] if is_constant(x) else jnp.asarray(x[: case.n]), data, is_leaf=is_constant
        )
        raw, model = jax.tree.map(jnp.asarray, raw), case.model
        u, unravel = jax.flatten_util.ravel_pytree(model.inverse(jax.tree.map(jnp.asarray, case.truth)))
        f = jax.jit(lambda x: model.log_likelihood(model.forward(unravel(x)), raw))
        exact = np.asarray(jax.jit(jax.jacfwd(f))(u))
        h, u = 1e-5, np.asarray(u)
        numeric = np.stack([(f(u + h * e) - f(u - h * e)) / (2 * h) for e in np.eye(len(u))], axis=1)
    np.testing.assert_allclose(exact, numeric, rtol=1e-6, atol=1e-6)


def test_bartlett_identities_by_simulation(case):
    """Law 4: E[score] = 0, and the expected information is the variance of the score, within 5 Monte-Carlo errors."""
    if "simulates" not in case.tags:
        pytest.skip("the model does not say how to simulate")
    n = 4000
    with jax.enable_x64(True):
        template = jax.tree.map(lambda x: jnp.asarray(np.resize(x[0], (n, *x.shape[2:]))), case.data(1, 1, n))
        truth = jax.tree.map(jnp.asarray, case.truth)
        data = jax.jit(case.model.simulate)(jax.random.key(7), truth, template)
        u, unravel = jax.flatten_util.ravel_pytree(case.model.inverse(truth))
        f = lambda x: case.model.log_likelihood(case.model.forward(unravel(x)), data)
        s, h = jax.jit(lambda x: (jax.jacfwd(f)(x), jax.hessian(lambda x: f(x).sum())(x)))(u)
        s, h = np.asarray(s), -np.asarray(h) / n
        outer = s[:, :, None] * s[:, None, :]
        spread = np.sqrt(outer.var(0) / n) + 5e-3 * np.abs(h).max()
    assert np.all(np.abs(s.mean(0)) < 5 * s.std(0) / np.sqrt(n))
    assert np.all(np.abs(outer.mean(0) - h) < 5 * spread)


@pytest.mark.parametrize("units", [1e12, 1e-12])
def test_other_units(case, units):
    """Law 5: data times c are the same fit; the log-likelihood shifts by -(uncensored count) log c."""
    if "scale" not in case.tags:
        pytest.skip("not a scale family")
    data, weights, fits = ragged(case.name)
    other = many(case, on_rows(lambda x: x * units, data), weights)
    events = case.n
    if isinstance(data, dict) and "lower" in data:
        events = np.sum((data["lower"] == data["upper"]) & (weights > 0), axis=1)
    np.testing.assert_array_equal(other.status, fits.status)
    np.testing.assert_allclose(other.log_likelihood, fits.log_likelihood - events * np.log(units), rtol=1e-10)
    for i in np.flatnonzero(fits.converged)[:6]:
        back = {
            k: v / units if k in ("loc", "scale") and case.name != "lognormal" else v * units if k == "rate" else v
            for k, v in other[i].params.items()
        }
        if case.name == "lognormal":
            back["loc"] = other[i].params["loc"] - np.log(units)
        if case.name == "pinned":
            back["shape"] = other[i].params["shape"]
        assert errors(fits[i], back) < 1e-6


def test_another_origin(case):
    """Law 5: location-scale families, data plus 1e9."""
    if "location" not in case.tags:
        pytest.skip("not a location family")
    data, weights, fits = ragged(case.name)
    rounded = (data + 1e9) - 1e9  # what is left of the data there
    fits = many(case, rounded, weights)
    other = many(case, data + 1e9, weights)
    assert other.converged.sum() == fits.converged.sum()
    for i in np.flatnonzero(fits.converged)[:6]:
        back = other[i].params | {"loc": other[i].params["loc"] - 1e9}
        # One unit in the last place of the location is 1e-7.
        assert errors(fits[i], back) < 1e-6 + 3e-7 / float(fits[i].standard_errors()["loc"])
        np.testing.assert_allclose(other.log_likelihood[i], fits.log_likelihood[i], rtol=1e-9)


# --- other methods ---------------------------------------------------------------------------------------

METHODS = {
    "bhhh": "bhhh",
    "fisher_scoring": "fisher_scoring",
    "lbfgs": "lbfgs",
    "optax.lbfgs": optax.lbfgs(),
    "adam": optax.adam(0.05),
}
# How far bhhh must go depends on how well scores stand for curvature: linear convergence, slow in small samples.
SOME = [
    ("exponential", "bhhh"),
    ("binomial", "fisher_scoring"),
    ("gamma", "lbfgs"),
    ("bernoulli", "optax.lbfgs"),
    ("bernoulli", "adam"),
]


@pytest.mark.parametrize(("name", "method"), SOME)
def test_many_is_one_by_one_for_other_methods(name, method):
    optimizer = METHODS[method]
    fits, singles = ragged(name, optimizer)[2], alone(name, optimizer)
    assert fits.converged.mean() > 0.9
    agree(BY_NAME[name], fits, singles, curvature=method == "fisher_scoring")
    newtons = ragged(name)[2]
    for i in np.flatnonzero(fits.converged & newtons.converged):
        assert errors(newtons[i], fits[i].params) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_many_is_one_by_one_for_every_method_and_case(case, method):
    if method == "fisher_scoring" and "expected" not in case.tags:
        pytest.skip("no expected information")
    fits, singles = ragged(case.name, METHODS[method])[2], alone(case.name, METHODS[method])
    agree(case, fits, singles, curvature=method == "fisher_scoring")


@pytest.mark.parametrize("lanes", [1, 7, 64])
@pytest.mark.parametrize("name", ["logistic", pytest.param("student_t", marks=pytest.mark.slow)])
def test_any_number_of_lanes(name, lanes):
    agree(BY_NAME[name], ragged(name, "newton", lanes)[2], alone(name))


def test_lanes_took_different_step_counts():
    """Otherwise the laws above would say little about refills."""
    assert np.ptp(ragged("student_t")[2].steps) >= 2
    assert np.ptp(ragged("mixture")[2].steps) >= 2


def test_ragged_groups_are_single_fits():
    r = rng(4)
    sizes = r.integers(20, 60, 40)
    keys = np.repeat([f"g{i}" for i in range(40)], sizes)
    x = r.gamma(2.5, 1.5, len(keys))
    order = r.permutation(len(keys))
    fits = jm.fit_many("gamma", x[order], groups=keys[order])
    assert sorted(fits.keys) == sorted(set(keys))
    singles = [jm.fit("gamma", x[keys == k]) for k in fits.keys[:2]]
    agree(BY_NAME["gamma"], fits[:2], singles)


def test_trailing_padding_of_a_series():
    """Law 2 for ordered models, through a scan of 600 steps."""
    data = GARCH_CASE.data(1, 6, GARCH_CASE.n)
    fits = jm.fit_many(GARCH_CASE.model, padded(data), weights=weights_of(GARCH_CASE, 6), lanes=3)
    assert fits.converged.mean() > 0.6
    agree(GARCH_CASE, fits, [jm.fit(GARCH_CASE.model, x) for x in data])


def test_an_illegal_row_is_outside_the_support():
    x = rng(5).gamma(2.0, 1.0, (SETS, 30))
    clean = jm.fit_many("gamma", x, lanes=LANES)
    x[3, 4] = -1.0
    x[11, 0] = 0.0
    found = jm.fit_many("gamma", x, lanes=LANES)
    assert {3, 11} == set(np.flatnonzero(found.status == Status.OUTSIDE_SUPPORT))
    identical(found, clean, np.setdiff1d(np.arange(SETS), [3, 11]))


def precision_log_likelihood(params, x):
    return 0.5 * jnp.log(params["precision"] / (2 * jnp.pi)) - 0.5 * params["precision"] * (x - params["loc"]) ** 2


def test_another_parametrization():
    """Law 5: the maximum does not depend on how the parameters are written."""
    model = jm.Model(precision_log_likelihood, {"loc": spaces.interval(-50.0, 50.0), "precision": spaces.positive})
    x = rng(6).normal(1.0, 2.0, 40)
    one, other = jm.fit("normal", x), jm.fit(model, x)
    np.testing.assert_allclose(other.log_likelihood, one.log_likelihood, rtol=1e-13)
    np.testing.assert_allclose(other.params["loc"], one.params["loc"], rtol=1e-10)
    np.testing.assert_allclose(other.params["precision"] ** -0.5, one.params["scale"], rtol=1e-10)
    back = other.transform(lambda p: {"loc": p["loc"], "scale": p["precision"] ** -0.5})
    np.testing.assert_allclose(back.standard_errors["scale"], one.standard_errors()["scale"], rtol=1e-9)
