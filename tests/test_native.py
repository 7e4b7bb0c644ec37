"""Fits as compiled kernels: they compute what the lanes compute, for every model that they support."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from cases import BY_NAME, GARCH_CASE, errors, flat, rng
from test_laws import identical, padded, weights_of

import jaxmle as jm
from jaxmle import Status, _native, spaces
from jaxmle._engine import settle
from jaxmle._solver import lanes

pytest.importorskip("llvmlite")


def test_a_loop_over_the_rows_is_compiled():
    """The other cases are in the laws, where all of them meet the lanes, the ascent by Newton's method."""
    data, weights = padded(GARCH_CASE.data(1, 6, GARCH_CASE.n)), weights_of(GARCH_CASE, 6)
    fits = jm.fit_many(GARCH_CASE.model, data, weights=weights, lanes="native")
    assert fits.info["lanes"] == "native" and fits.converged.all()


AGREE = [
    pytest.param(name, method, marks=() if (name, method) == ("gamma", "bhhh") else pytest.mark.slow)
    for name in ("gamma", "student_t", "counts", "bivariate", "censored weibull") for method in ("bhhh", "lbfgs")
]  # fmt: skip


@pytest.mark.parametrize(("name", "optimizer"), AGREE)
def test_kernels_and_lanes_agree(name, optimizer):
    case = BY_NAME[name]
    data = case.data(3, 16, case.n)
    mine, theirs = (
        jm.fit_many(case.model, data, optimizer=optimizer, max_steps=2000, lanes=lanes) for lanes in ("native", 8)
    )
    np.testing.assert_array_equal(mine.status, theirs.status)
    np.testing.assert_allclose(mine.log_likelihood, theirs.log_likelihood, rtol=1e-12)
    assert optimizer == "bhhh" or np.mean(np.abs(mine.steps - theirs.steps) <= 1) >= 0.99
    assert all(errors(mine[i], theirs[i].params) < 1e-6 for i in range(16))
    np.testing.assert_allclose(mine.covariance(), theirs.covariance(), rtol=1e-6, atol=1e-12)


LOOKED = {
    "burr12": lambda rng: rng.weibull(1.5, (60, 20)),
    "gev": lambda rng: rng.uniform(size=(200, 6)),
    "negative_binomial": lambda rng: rng.poisson(1.0, (200, 8)),  # sums over values that take other sums
    "student_t": lambda rng: rng.normal(size=(100, 40)),
}


@pytest.mark.parametrize("name", LOOKED)
def test_closer_looks_are_xlas(name, monkeypatch):
    """Limits, suprema and directions; whatever lies in the memory that a kernel is given."""
    x = LOOKED[name](np.random.default_rng(7)).astype(float)
    scratch = _native.Compiled.scratch
    monkeypatch.setattr(_native.Compiled, "scratch", lambda self, rows: np.full_like(scratch(self, rows), 7.0))
    mine = jm.fit_many(name, x, retries=0)
    one = int(np.argmax(~mine.converged))
    assert 0.1 < mine.converged.mean() < 0.9
    assert str(jm.fit(name, x[one], retries=0)) == str(mine[one])
    monkeypatch.setattr(settle, "kernels_of", lambda *_: [])
    theirs = jm.fit_many(name, x, retries=0)
    np.testing.assert_array_equal(mine.status, theirs.status)
    told = (mine.status == Status.AT_INFINITY) | (mine.status == Status.AT_BOUNDARY)
    for field in ("u", "value", "decrement", "attained"):
        got, want = (getattr(fits.solution.outcome, field)[told] for fits in (mine, theirs))
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(*(np.sign(fits.solution.outcome.direction) for fits in (mine[told], theirs[told])))


@pytest.mark.parametrize("n", [1, 7, 90])
def test_counts_are_summed_by_value(n):
    """Few values or many, below the number of rows or above it, the last row the largest, floats or integers."""
    rng = np.random.default_rng(5)
    y = rng.negative_binomial(1.5, 0.2, (80, n))
    y[:16] *= 20
    y[16:32], y[32:40] = np.arange(n), 3
    y[40:60] = rng.integers(0, n + 2, (20, n))
    mine, theirs = (jm.fit_many("negative_binomial", y.astype(float), lanes=lanes) for lanes in ("native", 16))
    np.testing.assert_array_equal(mine.status, theirs.status)
    np.testing.assert_allclose(mine.log_likelihood, theirs.log_likelihood, rtol=1e-11, atol=1e-11)
    np.testing.assert_array_equal(jm.fit_many("negative_binomial", y).log_likelihood, mine.log_likelihood)


def in_order(data, xp, sort):
    """Rows that only the right order gives: keys, a third of them tied and some not a number, and what goes with them."""
    x, rank = data["x"], xp.arange(data["x"].shape[0])
    key, y, place, high = sort(xp.where(x > 1.5, xp.nan, x), data["y"], rank, data["y"] > 0)
    columns = {"key": xp.where(xp.isnan(key), -1.0, key), "y": y, "place": place, "high": xp.where(high, 1.0, 0.0)}
    return {k: v * (1.0 + rank) / x.shape[0] for k, v in columns.items()}


def ordered(params, data):
    rows = in_order(data, jnp, lambda *x: jax.lax.sort(x, num_keys=1, is_stable=True))
    return -0.5 * sum((params[k] - rows[k]) ** 2 for k in rows)


@pytest.mark.parametrize("n", [1, 2, 3, 8, 33, 100, 1001])
def test_rows_are_sorted(n):
    rng = np.random.default_rng(n)
    x, y = rng.normal(size=(9, n)), rng.normal(size=(9, n))
    x = np.where(rng.random(x.shape) < 0.3, np.round(x), x)
    x[0], x[1] = np.sort(x[0]), -np.sort(-x[1])
    names = ("key", "y", "place", "high")
    model = jm.Model(ordered, {k: spaces.real() for k in names}, start=lambda data, weights: dict.fromkeys(names, 0.0))
    fits = jm.fit_many(model, {"x": x, "y": y}, lanes="native")

    def stable(key, *rows):
        at = np.argsort(key, kind="stable")
        return [v[at] for v in (key, *rows)]

    for i in range(9):
        want = in_order({"x": x[i], "y": y[i]}, np, stable)
        for k in names:
            np.testing.assert_allclose(fits.params[k][i], want[k].mean(), rtol=1e-9, atol=1e-12)


def chosen(x):
    """Rows by their rank or their number, which depends on the data."""
    tenth, most = jnp.quantile(x, jnp.array([0.1, 0.9]))
    counts = jnp.floor(4 * x).astype(int)
    return [jnp.median(x), tenth, most, jnp.sort(x)[0], x[jnp.argmax(x * x)], x[jnp.argmin(x)], x[-1], (2 * x)[0],
            x[jnp.argsort(-x)[0]], jnp.max(counts) - 0.5 * jnp.min(counts), x[jnp.argmax(counts)]]  # fmt: skip


@pytest.mark.parametrize("n", [1, 2, 40, 101])
def test_rows_are_chosen(n):
    def log_likelihood(params, x):
        return -0.5 * (params["at"] - jnp.stack(chosen(x))) @ (params["at"] - jnp.stack(chosen(x))) + 0 * x

    model = jm.Model(log_likelihood, {"at": spaces.real(shape=11)}, start=lambda x, w: {"at": jnp.zeros(11)})
    x = np.random.default_rng(n).normal(size=(9, n))
    fits = jm.fit_many(model, x, lanes="native")
    with jax.enable_x64(True):
        want = jax.jit(jax.vmap(lambda x: jnp.stack(chosen(x))))(x)
    np.testing.assert_allclose(fits.params["at"], want, rtol=1e-12, atol=1e-12)


# --- elementary functions --------------------------------------------------------------------------------

GRID = np.concatenate(
    [
        -np.logspace(-320, 308, 400), np.logspace(-320, 308, 400), np.linspace(-40, 40, 801), [0.0, -0.0, 709.7, 710.0],
        [-745.2, -708.5, 1 - 2**-53, 1 + 2**-52, np.inf, -np.inf, np.nan],
    ]
)  # fmt: skip
FUNCTIONS = {
    "exp": (jnp.exp, mpmath.exp), "expm1": (jnp.expm1, mpmath.expm1), "log": (jnp.log, mpmath.log),
    "log1p": (jnp.log1p, mpmath.log1p), "tanh": (jnp.tanh, mpmath.tanh),
    "logistic": (jax.nn.sigmoid, lambda x: 1 / (1 + mpmath.exp(-x))), "sqrt": (jnp.sqrt, mpmath.sqrt),
    "sin": (jnp.sin, mpmath.sin), "erf": (jax.lax.erf, lambda x: mpmath.erf(max(min(x, 40), -40))), "erfc": (jax.lax.erfc, lambda x: mpmath.erfc(max(min(x, 40), -40))),
}  # fmt: skip


@pytest.fixture(scope="module")
def computed():
    """Each function at each point of the grid, as the sum over a data set of one row."""
    functions = [f for f, _ in FUNCTIONS.values()]
    fit = lanes.Policy(
        begin=lambda x: jnp.zeros(1),
        done=lambda state: state[0] == 0,
        step=lambda state, x: state,
        end=lambda state, x: jnp.stack([jnp.sum(f(x)) for f in functions]),
    )
    leaf = _native.Leaf((_native.ROWS,), np.dtype(float), True)
    built = _native.build((leaf,), jax.tree.structure(0), fit)(1)
    out, left = np.zeros((len(FUNCTIONS), len(GRID))), np.ones(len(GRID), np.uint8)
    built.arguments([GRID[:, None]], np.ones((len(GRID), 1))).fit(0, len(GRID), out, left, None, built.scratch(1))
    assert not left.any()
    return dict(zip(FUNCTIONS, out, strict=True))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_elementary_functions_are_exact_to_four_units_in_the_last_place(name, computed):
    with np.errstate(all="ignore"):
        reference = np.array([_exact(FUNCTIONS[name][1], x) for x in GRID.tolist()])
    found = computed[name]
    np.testing.assert_array_equal(np.isnan(found), np.isnan(reference))
    same = (found == reference) | np.isnan(reference)
    same |= (np.abs(reference) < np.finfo(float).tiny) & (found == 0)  # no number is below the normal ones
    assert same[~np.isfinite(reference)].all()
    with np.errstate(all="ignore"):
        apart = np.abs(found - reference) / np.maximum(np.spacing(np.abs(reference)), 5e-324)
    assert np.max(np.where(same, 0, apart)) <= 4


def _exact(f, x):
    if np.isnan(x):
        return np.nan
    with mpmath.workprec(120):
        try:
            value = f(mpmath.mpf(x))
        except (ValueError, ZeroDivisionError):  # a pole
            return -np.inf
        return float(value) if mpmath.im(value) == 0 else np.nan


# --- where there is NaN ----------------------------------------------------------------------------------

ZEROS = {
    "0 log(negative)": lambda at, x: 0 * jnp.log(at - 100),
    "0 log(negative) in some rows": lambda at, x: 0.0 * jnp.log(at * x - 4),
    "0 log(negative) of the data": lambda at, x: 0 * jnp.log(x - 5.0),
    "0 infinity": lambda at, x: 0 * x,
    "infinity less infinity": lambda at, x: x - x,
    "0 / 0": lambda at, x: 0 / jnp.floor(jnp.abs(x - 5)),
    "below a sum": lambda at, x: jnp.exp(jnp.sum(0 * jnp.log(x - 5.0)) * at) + jnp.zeros_like(x),
    "in a branch that is not taken": lambda at, x: jnp.where(at > 0, 0.0, 0 * jnp.log(at - 100)),
    "in a branch that is taken": lambda at, x: jnp.where(at > 0, 0 * jnp.log(at - 100), 0.0),
    "a factor in a branch that is not taken": lambda at, x: jnp.where(
        at < 0, jax.lax.stop_gradient(at) * jnp.log(x - 4.5), 0.0
    ),
    "of what is finite": lambda at, x: 0 * jnp.tanh(at) + 0 * jnp.exp(-at),
    "over the rows": lambda at, x: 0 * jax.lax.scan(lambda c, y: (c + y, jnp.log(c - y * at)), 0.0, x)[1],
}
"What is 0 or NaN beside a log-likelihood, by location and data."


FAST = {"0 log(negative)", "0 infinity", "below a sum", "a factor in a branch that is not taken", "over the rows"}


@pytest.mark.parametrize("name", [pytest.param(x, marks=() if x in FAST else pytest.mark.slow) for x in ZEROS])
def test_kernels_and_lanes_agree_in_where_they_are_nan(name):
    """0 x is 0 for a finite x only: which rows are NaN decides whether a point counts, whatever derivatives leave out."""

    def log_likelihood(params, x):
        return -0.5 * (jnp.minimum(x, 9.0) - params["at"]) ** 2 + ZEROS[name](params["at"], x)

    model = jm.Model(log_likelihood, {"at": spaces.real()}, start=lambda x, w: {"at": jnp.asarray(4.0)})
    x = np.random.default_rng(0).normal(6.0, 0.4, (6, 30))
    x[1, 3], x[2, 7], x[3] = np.inf, 2.0, 8.0
    mine, theirs = (jm.fit_many(model, x, lanes=lanes, retries=0, max_steps=30) for lanes in ("native", 8))
    np.testing.assert_array_equal(mine.status, theirs.status)
    np.testing.assert_allclose(mine.log_likelihood, theirs.log_likelihood, rtol=1e-12)


# --- rows that do not count ------------------------------------------------------------------------------


def test_rows_of_weight_zero_anywhere():
    case = BY_NAME["regression"]
    data = case.data(2, 8, case.n)
    weights = np.random.default_rng(0).integers(0, 3, (8, case.n)).astype(float)
    weights[3] = 0  # nothing left
    weights[4] = 2
    spoiled = {k: np.where((weights == 0).reshape(8, case.n, *[1] * (x.ndim - 2)), np.nan, x) for k, x in data.items()}
    fits = jm.fit_many(case.model, spoiled, weights=weights, missing="keep", lanes="native")
    for i in range(8):
        rows = weights[i] > 0
        if i == 3:
            assert fits[i].status == Status.NO_DATA
            continue
        one = jm.fit_many(
            case.model,
            {k: x[i : i + 1, rows] for k, x in data.items()},
            weights=weights[i : i + 1, rows],
            lanes="native",
        )
        np.testing.assert_allclose(fits[i].log_likelihood, one.log_likelihood[0], rtol=1e-13)
        np.testing.assert_allclose(flat(fits[i].params), flat(one[0].params), rtol=1e-12)


def test_rows_of_weight_zero_beside_a_shared_design():
    case = BY_NAME["logistic"]
    data = case.data(2, 8, case.n)
    shared = {"x": data["x"][0].copy()}
    weights = np.ones((8, case.n))
    weights[::2, 5] = 0
    whole = jm.fit_many(case.model, {"y": data["y"]}, shared=shared, weights=weights, lanes=8)
    mine = jm.fit_many(case.model, {"y": data["y"]}, shared=shared, weights=weights, lanes="native")
    np.testing.assert_array_equal(mine.status, whole.status)
    np.testing.assert_allclose(mine.log_likelihood, whole.log_likelihood, rtol=1e-13)


def test_data_sets_do_not_touch_each_other():
    x = np.random.default_rng(1).gamma(2.0, 1.0, (50, 21))
    clean = jm.fit_many("gamma", x, lanes="native")
    spoiled = x.copy()
    spoiled[[0, 7, 49]] = np.array([np.nan, -1.0, np.inf])[:, None]
    fits = jm.fit_many("gamma", spoiled, lanes="native")
    others = np.setdiff1d(np.arange(50), [0, 7, 49])
    identical(clean, fits, others)
    assert not fits.converged[[0, 7, 49]].any()
    one = jm.fit_many("gamma", x[20:21], lanes="native", devices=1)
    np.testing.assert_array_equal(one.solution.outcome.u[0], clean.solution.outcome.u[20])


# --- what is not supported goes through the lanes --------------------------------------------------------


def by_the_mean(params, x):
    return -0.5 * (x - params["loc"]) ** 2 * (1 + 0 * jnp.mean(x)) - 0.5 * jnp.log(2 * jnp.pi) * x.shape[0] / 30


OFFSETS = np.linspace(0.0, 1.0, 30)


def by_its_own_rows(params, x):
    return -0.5 * (x - params["loc"] - OFFSETS) ** 2


def test_what_belongs_to_one_number_of_rows_goes_through_the_lanes():
    model = jm.Model(by_its_own_rows, {"loc": spaces.real()})
    x = np.random.default_rng(0).normal(size=(5, 30))
    fits = jm.fit_many(model, x)
    assert fits.info["lanes"] != "native" and fits.converged.all()
    np.testing.assert_allclose(fits.params["loc"], x.mean(1) - 0.5, rtol=1e-9, atol=1e-12)
    with pytest.raises(ValueError, match="lanes='native' cannot fit this model"):
        jm.fit_many(model, x, lanes="native")


def test_a_count_of_rows_means_the_rows_that_are_there():
    # Where rows of weight 0 at the end count in a mean, the lanes fit the data set.
    model = jm.Model(by_the_mean, {"loc": spaces.real()})
    x, weights = np.random.default_rng(0).normal(size=(6, 30)), np.ones((6, 30))
    weights[3:, 20:] = 0
    fits = jm.fit_many(model, x, weights=weights, lanes="native")
    alone = [jm.fit(model, x[i], weights=weights[i]) for i in (0, 3)]
    assert fits.converged.all()
    np.testing.assert_allclose(fits.log_likelihood[[0, 3]], [f.log_likelihood for f in alone], rtol=1e-13)


def negative_arguments(params, x):
    # lgamma has values left of 0, where the kernel's is NaN.
    return -((x - params["loc"]) ** 2) + 0.0 * jax.lax.lgamma(params["loc"] - 10.0)


def test_a_function_known_in_part_gets_a_second_look():
    model = jm.Model(negative_arguments, {"loc": spaces.real()}, start=lambda x, w: {"loc": jnp.mean(x) + 0.3})
    x = np.random.default_rng(0).normal(5.5, 0.1, size=(4, 10))
    fits = jm.fit_many(model, x)
    assert fits.converged.all()
    np.testing.assert_allclose(fits.params["loc"], x.mean(1), rtol=1e-9)


def test_float32_is_for_the_lanes():
    fits = jm.fit_many("normal", np.random.default_rng(0).normal(size=(4, 20)), dtype="float32")
    assert fits.info["lanes"] != "native" and fits.converged.all()


def test_without_llvmlite(monkeypatch):
    monkeypatch.setattr(_native, "find_spec", lambda name: None)
    x = np.random.default_rng(0).gamma(2.0, 1.0, (4, 20))
    assert jm.fit_many("gamma", x).info["lanes"] != "native"
    with pytest.raises(ValueError, match="pip install llvmlite"):
        jm.fit_many("gamma", x, lanes="native")


BAD = {
    "nan": (np.nan, Status.MISSING_VALUES),
    "infinite": (np.inf, Status.OUTSIDE_SUPPORT),
    "negative": (-1.0, Status.OUTSIDE_SUPPORT),
    "empty": (1.0, Status.NO_DATA),
    "constant": (2.5, Status.UNBOUNDED),
}


@pytest.mark.parametrize("sets", [5_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_one_in_a_hundred_is_bad(sets):
    r = np.random.default_rng(5)
    x, weights = r.gamma(2.5, 1.5, (sets, 20)), np.ones((sets, 20))
    clean = jm.fit_many("gamma", x)
    where = r.permutation(sets)[: sets // 100]
    parts = np.array_split(where, len(BAD))
    for part, (value, _) in zip(parts, BAD.values(), strict=True):
        x[part, :: 1 if value in (1.0, 2.5) else 7] = value
    weights[parts[list(BAD).index("empty")]] = 0
    fits = jm.fit_many("gamma", x, weights=weights)
    assert fits.info["lanes"] == "native"
    for part, (_, status) in zip(parts, BAD.values(), strict=True):
        assert set(fits.status[part].tolist()) == {int(status)}
    identical(clean, fits, np.setdiff1d(np.arange(sets), where))


def test_expressions_of_any_depth_are_fitted():
    """Random intercepts by quadrature: sums inside a row, over rows of a unit and nodes, are long chains of additions."""
    r = rng(760)
    x, u = r.normal(size=(20, 8)), 0.8 * r.normal(size=20)
    y = (r.random((20, 8)) < 1 / (1 + np.exp(-(0.3 + 0.7 * x + u[:, None])))).astype(float)
    z, w = np.polynomial.hermite_e.hermegauss(15)

    def contributions(p, d):
        eta = p["a"] + p["b"] * d["x"][:, :, None] + p["t"] * d["z"]
        return jax.nn.logsumexp((d["y"][:, :, None] * eta - jax.nn.softplus(eta)).sum(1) + d["w"], axis=1)

    space = {"a": jm.spaces.real, "b": jm.spaces.real, "t": jm.spaces.positive}
    model = jm.Model(contributions, space, observations="units")
    data = {"x": x, "y": y, "z": jm.constant(z), "w": jm.constant(np.log(w / w.sum()))}
    fit = jm.fit(model, data)
    assert fit.status.ok or fit.status.at_limit, fit
