"""`maximize`: the fit as a pure function, and its derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import (
    COUNTS,
    LOGISTIC,
    MIXTURE,
    REGRESSION,
    counts_data,
    gaussian,
    logistic_data,
    mixture_data,
    pick,
    regression_data,
    rng,
)

import jaxmle as jm
from jaxmle import Status, models, spaces

NORMAL, EXPONENTIAL = models.iid(jm.distributions.normal), models.iid(jm.distributions.exponential)
POISSON, BERNOULLI = models.iid(jm.distributions.poisson), models.iid(jm.distributions.bernoulli)
X = rng(50).normal(1.0, 2.0, 12)
W = rng(51).integers(1, 4, 12).astype(float)


def normal_closed(x, w):
    loc = jnp.sum(w * x) / jnp.sum(w)
    return {"loc": loc, "scale": jnp.sqrt(jnp.sum(w * (x - loc) ** 2) / jnp.sum(w))}


def normal_params(x, w):
    return jm.maximize(NORMAL, x, w).params


def close(a, b, rtol=1e-10, atol=1e-10):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=rtol, atol=atol), a, b)


TRANSFORMS = {
    "value": lambda f: f,
    "jacfwd": lambda f: jax.jacfwd(f, argnums=(0, 1)),
    "jit jacrev": lambda f: jax.jit(jax.jacrev(f, argnums=(0, 1))),
    "hessian": lambda f: jax.jit(jax.hessian(f, argnums=(0, 1))),
    "jacrev jacrev": lambda f: jax.jit(jax.jacrev(jax.jacrev(f))),
    "jacfwd jacfwd": lambda f: jax.jit(jax.jacfwd(jax.jacfwd(f, argnums=1))),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_derivatives_are_those_of_the_closed_form(name, x64):
    transform = TRANSFORMS[name]
    x, w = jnp.asarray(X), jnp.asarray(W)
    close(transform(normal_params)(x, w), transform(normal_closed)(x, w))


def test_vmap_of_derivatives(x64):
    x, w = jnp.asarray(rng(52).normal(size=(5, 12))), jnp.asarray(W)
    inside = jax.jit(jax.vmap(jax.jacrev(normal_params), (0, None)))(x, w)
    close(inside, jax.vmap(jax.jacrev(normal_closed), (0, None))(x, w))
    outside = jax.jit(jax.jacfwd(jax.vmap(normal_params, (0, None)), argnums=1))(x, w)
    close(outside, jax.jacfwd(jax.vmap(normal_closed, (0, None)), argnums=1)(x, w))


def test_log_likelihood_has_the_envelope_gradient(x64):
    x = jnp.asarray(X)
    found = jax.grad(lambda x: jm.maximize(NORMAL, x).log_likelihood)(x)
    best = normal_closed(x, jnp.ones_like(x))
    close(found, -(x - best["loc"]) / best["scale"] ** 2)


def test_least_squares(x64):
    data = jax.tree.map(jnp.asarray, pick(regression_data(3, 1, 30), 0))

    def by_hand(y):
        return jnp.linalg.solve(data["x"].T @ data["x"], data["x"].T @ y)

    def by_fit(y):
        return jm.maximize(REGRESSION, data | {"y": y}).params["beta"]

    close(jax.jit(jax.jacrev(by_fit))(data["y"]), jax.jacrev(by_hand)(data["y"]))


@pytest.mark.parametrize(
    ("model", "data"),
    [
        pytest.param(LOGISTIC, logistic_data(5, 1, 50), id="logistic"),
        pytest.param(COUNTS, counts_data(5, 1, 60), id="counts", marks=pytest.mark.slow),
        pytest.param(MIXTURE, mixture_data(5, 1, 60), id="mixture", marks=pytest.mark.slow),
    ],
)
def test_derivatives_are_those_of_refits(model, data, x64):
    """Central differences of refits in the weights: influence functions."""
    data = jax.tree.map(jnp.asarray, pick(data, 0))
    n = jax.tree.leaves(data)[0].shape[0]
    w = jnp.ones(n)
    run = jax.jit(lambda w: jax.flatten_util.ravel_pytree(jm.maximize(model, data, w, tolerance=1e-12).params)[0])
    exact = jax.jacrev(run)(w)
    for i in (0, 7, 31):
        step = 1e-4 * jnp.eye(n)[i]
        numeric = (run(w + step) - run(w - step)) / 2e-4
        np.testing.assert_allclose(exact[:, i], numeric, rtol=1e-5, atol=1e-7)


def test_derivatives_are_nan_unless_converged(x64):
    probability = lambda y: jm.maximize(BERNOULLI, y).params["probability"]
    value, slope = jax.jit(jax.value_and_grad(probability))(jnp.ones(6))
    assert float(value) == 1.0
    assert np.isnan(slope).all()
    x = rng(53).normal(size=20) ** 2
    stopped = lambda x: jm.maximize(models.iid(jm.distributions.weibull), x, max_steps=2).params["shape"]
    assert np.isnan(jax.jit(jax.jacfwd(stopped))(jnp.asarray(x))).all()


def test_start_has_derivative_zero(x64):
    x = jnp.asarray(X)
    f = lambda loc: jm.maximize(NORMAL, x, start={"loc": loc, "scale": 1.0}).params["loc"]
    assert float(jax.grad(f)(0.3)) == 0.0


def test_integer_data(x64):
    y = jnp.array([3, 1, 4, 1, 5])
    value, influence = jax.jit(jax.value_and_grad(lambda w: jm.maximize(POISSON, y, w).params["mean"]))(jnp.ones(5))
    np.testing.assert_allclose(value, 2.8, rtol=1e-12)
    np.testing.assert_allclose(influence, (y - 2.8) / 5, atol=1e-12)


def profile_log_likelihood(params, data):
    """Scale given, the location inside is itself a maximum."""
    centre = jm.maximize(EXPONENTIAL, data["inner"]).params["rate"]
    return gaussian(data["x"] - params["loc"] * centre, 1.0)


def test_a_fit_inside_a_fit(x64):
    inner, x = jnp.array([1.0, 2.0, 3.0]), jnp.array([2.0, 4.0, 9.0])
    model = jm.Model(profile_log_likelihood, {"loc": spaces.real})
    found = lambda inner: jm.maximize(model, {"inner": inner, "x": x}).params["loc"]
    value, slope = jax.jit(jax.value_and_grad(found))(inner)
    np.testing.assert_allclose(value, 10.0, rtol=1e-10)
    np.testing.assert_allclose(slope, [5 / 3] * 3, rtol=1e-9)


def test_dtype_follows_the_data_and_the_flag_stays():
    assert not jax.config.jax_enable_x64
    x = X.astype(np.float32)
    fit = jm.maximize(NORMAL, x)
    assert {leaf.dtype.name for leaf in (*fit.params.values(), fit.log_likelihood, fit.decrement)} == {"float32"}
    assert bool(fit.converged)
    np.testing.assert_allclose(fit.params["loc"], X.mean(), rtol=1e-5)
    with jax.enable_x64(True):
        run = jax.jit(jax.grad(lambda x: jm.maximize(NORMAL, x).params["loc"]))
        assert run(jnp.asarray(X)).dtype == jnp.float64
        assert run(jnp.asarray(x)).dtype == jnp.float32
    assert not jax.config.jax_enable_x64


def test_vmap_is_fit_many():
    """The batching rule is the lanes: status, parameters and steps."""
    data = logistic_data(54, 80, 60)
    fits = jm.fit_many(LOGISTIC, data, lanes=64)
    with jax.enable_x64(True):
        found = jax.jit(jax.vmap(lambda x: jm.maximize(LOGISTIC, x)))(jax.tree.map(jnp.asarray, data))
        found = jax.tree.map(np.asarray, found)
    np.testing.assert_array_equal(found.status, fits.status)
    np.testing.assert_allclose(found.log_likelihood, fits.log_likelihood, rtol=1e-10)
    good, se = fits.converged, fits.standard_errors()
    for name in found.params:
        assert np.all(np.abs(found.params[name][good] - fits.params[name][good]) < 1e-6 * se[name][good])
    assert np.mean(np.abs(found.steps - fits.steps) <= 1) >= 0.99
    assert np.ptp(found.steps) >= 2


def test_vmap_over_weights_only(x64):
    w = jnp.asarray(rng(55).integers(0, 3, (6, 12)).astype(float))
    found = jax.vmap(lambda w: jm.maximize(NORMAL, jnp.asarray(X), w).params)(w)
    close(found, jax.vmap(lambda w: normal_closed(jnp.asarray(X), w))(w))


def test_methods_and_pinned_values_inside_jit(x64):
    x = jnp.asarray(np.abs(X))
    profile = jax.jit(lambda s: jm.maximize(models.pinned("gamma", shape=s), x).log_likelihood)
    assert float(profile(2.0)) != float(profile(3.0))
    np.testing.assert_allclose(profile(2.0), jm.fit(models.pinned("gamma", shape=2.0), np.abs(X)).log_likelihood)
    newton = jm.maximize(NORMAL, x)
    for method in ("bhhh", "fisher_scoring"):
        other = jm.maximize(NORMAL, x, optimizer=method, max_steps=2000)
        close(other.params, newton.params, rtol=1e-5)


def scalar_log_likelihood(params, x):
    return jnp.sum(-((x - params["loc"]) ** 2))


def column_log_likelihood(params, x):
    return -((x - params["loc"]) ** 2)[:, None]


@pytest.mark.parametrize(
    ("f", "words"),
    [(scalar_log_likelihood, r"got \[\].*did you sum"), (column_log_likelihood, r"\[5, 1\].*extra axis")],
)
@pytest.mark.parametrize("jit", [False, True])
def test_wrong_shapes_raise_at_trace_time(f, words, jit):
    model = jm.Model(f, {"loc": spaces.real})
    run = lambda x: jm.maximize(model, x).params
    with pytest.raises(ValueError, match=words):
        (jax.jit(run) if jit else run)(jnp.arange(5.0))


def test_door_of_maximize():
    with pytest.raises(ValueError, match="share their first axis"):
        jm.maximize(NORMAL, jnp.arange(5.0), jnp.ones(4))
    with pytest.raises(ValueError, match="scalar"):
        jm.maximize(NORMAL, jnp.float32(1.0))


def test_one_bad_lane_leaves_the_others():
    x = rng(56).normal(size=(10, 12)).astype(np.float32)
    run = jax.jit(jax.vmap(lambda x: jm.maximize(NORMAL, x)))
    clean = run(x)
    found = run(np.where(np.arange(10)[:, None] == 3, np.nan, x).astype(np.float32))
    others = np.arange(10) != 3
    np.testing.assert_array_equal(np.asarray(found.params["loc"])[others], np.asarray(clean.params["loc"])[others])
    assert int(found.status[3]) in (Status.NO_FINITE_START, Status.OUTSIDE_SUPPORT)
    assert np.isnan(found.params["loc"][3])
