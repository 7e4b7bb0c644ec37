"""L-BFGS of our own: one evaluation a step, hard functions, units, and what a candidate that is given up leaves behind."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from cases import LOGISTIC, design, logistic_data, logistic_log_likelihood, regression_log_likelihood, rng

import jaxmle as jm
from jaxmle import Status, optimizers, spaces

WIDE = jm.Model(logistic_log_likelihood, {"beta": spaces.real(shape=50)})


def wide_data(seed, sets, n=600, units=1.0):
    """Columns in units a million million apart, where `units` says so."""
    r = rng(seed)
    x = design(r, sets, n, 50)
    y = (r.uniform(size=(sets, n)) < 1 / (1 + np.exp(-x @ (r.normal(size=50) / 7)))).astype(float)
    return {"x": x * np.logspace(0, np.log10(units), 50), "y": y}


def minimized(f, u, steps=200, **options):
    """A plain optax loop, compiled once: the last point, and the state behind it."""
    optimizer = optimizers.lbfgs(**options)

    def step(_, carry):
        u, state = carry
        value, grad = jax.value_and_grad(f)(u)
        updates, state = optimizer.update(grad, state, u, value=value)
        return optax.apply_updates(u, updates), state

    return jax.jit(lambda u: jax.lax.fori_loop(0, steps, step, (u, optimizer.init(u))))(u)


def rosenbrock(u):
    return jnp.sum(100 * (u[1:] - u[:-1] ** 2) ** 2 + (1 - u[:-1]) ** 2)


@pytest.mark.parametrize("factor", [1.0, 1e12, 1e-12])
def test_rosenbrock(factor, x64):
    u, _ = minimized(lambda u: factor * rosenbrock(u), jnp.full(10, -1.2).at[1::2].set(1.0), 400)
    np.testing.assert_allclose(u, 1.0, rtol=1e-6)


def test_units_of_the_coordinates_do_not_matter(x64):
    """The same steps, up to rounding, where a coordinate is counted in other units."""
    units = jnp.array([1.0, 1e12, 1e-12])
    f = lambda z: jnp.sum(jnp.logaddexp(z, -2 * z) * jnp.array([1.0, 2.0, 3.0])) + z[0] * z[1]
    z, _ = minimized(f, jnp.array([1.0, 2.0, -1.0]), 12)
    u, _ = minimized(lambda u: f(u / units), jnp.array([1.0, 2.0, -1.0]) * units, 12)
    np.testing.assert_allclose(u / units, z, rtol=1e-6)


def test_float32():
    u, state = minimized(lambda u: jnp.sum(jnp.cosh(u - 2.0)), jnp.zeros(5, jnp.float32))
    assert all(leaf.dtype in (jnp.float32, jnp.int32, jnp.bool_) for leaf in jax.tree.leaves(state))
    np.testing.assert_allclose(u, 2.0, rtol=1e-3)


def test_one_evaluation_a_step_and_no_inner_loop():
    """The update never calls the function, and holds no loop and no branch."""
    calls = []

    def f(u):
        calls.append(1)
        return jnp.sum(u**2)

    optimizer, u = optimizers.lbfgs(), jnp.ones(3)
    run = lambda g, s, u, v: optimizer.update(g, s, u, value=v, grad=g, value_fn=f)
    text = str(jax.make_jaxpr(run)(u, optimizer.init(u), u, jnp.float32(3.0)))
    assert not calls
    assert not any(word in text for word in ("while[", "scan[", "cond["))


@pytest.mark.parametrize("bad", [jnp.nan, jnp.inf, 1e6])
def test_a_candidate_given_up_leaves_the_state_sound(bad, x64):
    f = lambda u: jnp.sum((u - 1.0) ** 2 * jnp.array([1.0, 9.0]))
    u, state = minimized(f, jnp.zeros(2), 3)
    gradient = jax.grad(f)(u) + (0.0 if bad == 1e6 else bad)
    updates, new = optimizers.lbfgs().update(gradient, state, u, value=jnp.asarray(bad))
    for name in ("anchor", "value", "gradient"):
        np.testing.assert_array_equal(getattr(new, name), getattr(state, name))
    assert int(new.rejected) == int(state.rejected) + 1
    assert all(bool(jnp.all(jnp.isfinite(x))) for x in (new.moves, new.changes, new.products, new.seed, new.move))
    assert float(jnp.linalg.norm(u + updates - new.anchor)) <= 0.5 * float(jnp.linalg.norm(u - new.anchor)) * 3
    assert float(new.gradient @ new.move) < 0


def test_it_steps_back_from_where_nothing_is_finite(x64):
    u, _ = minimized(lambda u: jnp.sum(u - jnp.log(u)), jnp.array([1e-3, 50.0]))
    np.testing.assert_allclose(u, 1.0, rtol=1e-6)


@pytest.mark.parametrize("units", [1.0, 1e12])
def test_fifty_parameters_in_lanes(units):
    data = wide_data(1, 6, units=units)
    fits, newton = (jm.fit_many(WIDE, data, optimizer=o, lanes=4) for o in ("lbfgs", "newton"))
    assert fits.converged.all()
    assert np.all(fits.steps < 100)
    assert np.all(fits.solution.outcome.newton_steps <= 3)
    scale = newton.standard_errors()["beta"]
    assert np.max(np.abs(fits.params["beta"] - newton.params["beta"]) / scale) < 1e-6


@pytest.mark.parametrize("units", [1e12, 1e-12])
def test_data_in_other_units(units):
    r = rng(2)
    x = design(r, 1, 50, 3)[0]
    y = x @ np.array([1.0, -2.0, 0.5]) + 0.7 * r.normal(size=50)
    model = jm.Model(regression_log_likelihood, {"beta": spaces.real(shape=3), "scale": spaces.positive})
    start = {"beta": np.zeros(3), "scale": units}
    fit = jm.fit(model, {"x": x, "y": y * units}, optimizer="lbfgs", start=start)
    assert fit.converged, fit.message()
    np.testing.assert_allclose(fit.params["beta"] / units, np.linalg.lstsq(x, y)[0], rtol=1e-8)


@pytest.mark.parametrize("tolerance", [1e-4, 1e-9])
def test_separated_data_are_never_converged(tolerance):
    x = np.column_stack([np.ones(20), np.linspace(-1, 1, 20)])
    fit = jm.fit(LOGISTIC, {"x": x, "y": (x[:, 1] > 0).astype(float)}, optimizer="lbfgs", tolerance=tolerance)
    assert not fit.converged
    assert fit.status in {Status.AT_INFINITY, Status.AT_BOUNDARY} | ({Status.STALLED} if tolerance < 1e-12 else set())


def test_a_bad_lane_changes_no_bit_of_the_others():
    data = logistic_data(3, 12, 40)
    clean = jm.fit_many(LOGISTIC, data, optimizer=optimizers.lbfgs(3), lanes=5)
    assert clean.converged.all()
    assert np.ptp(clean.steps) >= 2
    data["x"][4, 0, 1], data["x"][9, 3, 0] = np.nan, np.inf
    found = jm.fit_many(LOGISTIC, data, optimizer=optimizers.lbfgs(3), lanes=5)
    others = np.setdiff1d(np.arange(12), [4, 9])
    assert not found.converged[[4, 9]].any()
    for mine, other in zip(found.solution.outcome, clean.solution.outcome, strict=True):
        np.testing.assert_array_equal(mine[others], other[others])


@pytest.mark.slow
def test_inside_maximize():
    x = jnp.asarray(rng(4).normal(1.0, 2.0, 60), jnp.float32)
    model = jm.Model(lambda p, x: -0.5 * ((x - p["a"]) / p["s"]) ** 2 - jnp.log(p["s"]),
                     {"a": spaces.real, "s": spaces.positive})  # fmt: skip
    found = jax.jit(lambda x: jm.maximize(model, x, optimizer="lbfgs"))(x)
    assert bool(found.converged)
    np.testing.assert_allclose(found.params["a"], x.mean(), rtol=1e-3)


@pytest.mark.parametrize("memory", [0, 2.5, True, jnp.array(3)])
def test_memory_is_a_whole_number(memory):
    with pytest.raises(TypeError, match="whole number of at least 1.*static_args"):
        optimizers.lbfgs(memory)
