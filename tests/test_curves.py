"""Curves: Gauss and Newton's curvature is found without a declaration, and reference problems end at their certified values."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.stats import norm
from jax.scipy.stats import t as student
from nist import PROBLEMS

import jaxmle as jm
from jaxmle import spaces
from jaxmle.model.objective import Objective

HARD = [("MGH09", 1)]
"Starts from which more than 200 steps are needed."


def curve(mean, count, logpdf=norm.logpdf):
    names = [f"b{i + 1}" for i in range(count)]
    return jm.Model(
        lambda p, d: logpdf(d["y"], mean([p[n] for n in names], d["x"]), p["s"]),
        dict.fromkeys(names, spaces.real) | {"s": spaces.positive},
    )


def at(values, mean, x, y):
    spread = float(np.sqrt(np.mean((y - np.asarray(mean(values, jnp.asarray(x)))) ** 2)))
    return {f"b{i + 1}": v for i, v in enumerate(values)} | {"s": spread}


@pytest.mark.parametrize("which", [1, 2])
@pytest.mark.parametrize("name", PROBLEMS)
def test_reference_problems_end_at_their_certified_values(name, which):
    mean, first, second, certified, squares, x, y = PROBLEMS[name]
    x, y = np.array(x), np.array(y)
    with jax.enable_x64(True):
        start = at(first if which == 1 else second, mean, x, y)
    fit = jm.fit(curve(mean, len(first)), {"x": x, "y": y}, start=start)
    assert fit.converged, fit.explain()
    assert fit.steps < 200 or (name, which) in HARD
    assert fit.params["s"] == pytest.approx(np.sqrt(squares / len(y)), rel=1e-7)
    found = [float(fit.params[f"b{i + 1}"]) for i in range(len(first))]
    np.testing.assert_allclose(sorted(found), sorted(certified), rtol=1e-6)


@pytest.mark.parametrize("noise", ["normal", "student", "logistic"])
def test_the_curvature_of_a_location_is_that_of_its_first_derivatives(noise):
    """For x - c in place of c, too: of the two leaves the one with more parameters is the response."""
    logpdf = {
        "normal": norm.logpdf,
        "student": lambda y, m, s: student.logpdf(y, 5.0, m, s),
        "logistic": lambda y, m, s: -(y - m) / s - 2 * jnp.log1p(jnp.exp(-(y - m) / s)) - jnp.log(s),
    }[noise]

    def mean(b, x):
        return b[0] / (1 + jnp.exp(-b[1] * (x - b[2])))

    r = np.random.default_rng(3)
    x = np.sort(r.uniform(0, 10, 30))
    with jax.enable_x64(True):
        x = jnp.asarray(x)
        b = jnp.array([5.0, 0.9, 4.0])
        y = mean(b, x) + 0.3 * r.normal(size=30)
        model, w = curve(mean, 3, logpdf), jnp.asarray(r.uniform(0.5, 2, 30))
        objective = Objective(model, {"x": x, "y": y}, w)
        u = {"b1": b[0] * 2, "b2": b[1], "b3": b[2] + 1, "s": jnp.log(0.5)}
        found = objective.gauss_newton(u)
        values = jnp.array([u["b1"], u["b2"], u["b3"]])
        slopes = jax.jacfwd(lambda v: mean(v, x))(values)
        bend = jax.vmap(jax.grad(jax.grad(lambda y, m: logpdf(y, m, 0.5))))(y, mean(values, x))
        expected = slopes.T @ (slopes * (w * jnp.maximum(-bend, 0))[:, None])
        np.testing.assert_allclose(found[:3, :3], expected, rtol=1e-9)
        np.testing.assert_array_equal(found[:3, 3], 0)
        assert found[3, 3] == pytest.approx(objective.information(u)[3, 3])


def test_where_nothing_is_a_location_it_is_the_observed_information():
    with jax.enable_x64(True):
        model = jm.models.iid("gamma")
        objective = Objective(model, jnp.array([1.0, 2.5, 3.0, 7.0]), jnp.ones(4))
        u = {"scale": jnp.array(0.3), "shape": jnp.array(0.1)}
        np.testing.assert_array_equal(objective.gauss_newton(u), objective.information(u))


def test_it_is_a_method_by_name():
    mean, first, _, certified, _, x, y = PROBLEMS["Rat42"]
    x, y = np.array(x), np.array(y)
    fit = jm.fit(curve(mean, 3), {"x": x, "y": y}, start=at(first, mean, x, y), optimizer="gauss_newton", retries=0)
    assert fit.converged and fit.newton_steps > 0
    np.testing.assert_allclose([float(fit.params[f"b{i}"]) for i in (1, 2, 3)], certified, rtol=1e-7)
