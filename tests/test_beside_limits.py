"""Standard errors beside a limit: those of the model that has the limit as its parameter's value."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import rng

import jaxmle as jm
from jaxmle.inference.interval_record import IntervalStatus

X = np.linspace(-2.0, 2.0, 20)
TRIALS = np.full(20, 40)


def psychometric(p, d):
    lapse = p.get("lapse", 0.0)
    right = lapse + (1 - lapse) * jax.nn.sigmoid((d["x"] - p["middle"]) / p["width"])
    return d["k"] * jnp.log(right) + (d["n"] - d["k"]) * jnp.log1p(-right)


def logistic(p, d):
    at = p["b"][0] + p["b"][1] * d["group"] + p["b"][2] * d["x"]
    return d["y"] * jax.nn.log_sigmoid(at) + (1 - d["y"]) * jax.nn.log_sigmoid(-at)


def logistic_without_the_group(p, d):
    at = p["b"][0] + p["b"][1] * d["x"]
    rest = d["y"] * jax.nn.log_sigmoid(at) + (1 - d["y"]) * jax.nn.log_sigmoid(-at)
    return jnp.where(d["group"] == 1, 0.0, rest)


GUESSING = jm.Model(
    psychometric,
    {"lapse": jm.spaces.interval(0.0, 0.2), "middle": jm.spaces.real, "width": jm.spaces.positive},
)
NO_GUESSING = jm.Model(psychometric, {"middle": jm.spaces.real, "width": jm.spaces.positive})
GROUP = (np.arange(20) < 6) * 1.0
GROUPS = {"group": GROUP, "x": rng(754).normal(size=20), "y": np.where(GROUP == 1, 1.0, np.arange(20) % 3 == 0)}
NO_LAPSE = {"x": X, "n": TRIALS, "k": np.random.default_rng(2).binomial(40, 1 / (1 + np.exp(-2 * X)))}

CASES = {
    "student_t": ("student_t", "normal", rng(752).uniform(-1, 1, 20), {"loc": "loc", "scale": "scale"}),
    "negative_binomial": ("negative_binomial", "poisson", np.array([3, 3, 2, 4, 3, 3]), {"mean": "mean"}),
    "psychometric": (
        GUESSING, NO_GUESSING, NO_LAPSE, {"middle": "middle", "width": "width"},
    ),
    "quasi-separated": (
        jm.Model(logistic, {"b": jm.spaces.real(shape=3)}),
        jm.Model(logistic_without_the_group, {"b": jm.spaces.real(shape=2)}), GROUPS, {"b": "b"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("kind", ["observed", "opg", "robust"])
def test_the_others_have_the_errors_of_the_limit(name, kind):
    model, limit, data, names = CASES[name]
    full, exact = jm.fit(model, data), jm.fit(limit, data)
    assert full.status.at_limit and exact.converged
    errors, right = full.standard_errors(kind), exact.standard_errors(kind)
    ends, right_ends = full.interval(kind=kind), exact.interval(kind=kind)
    for mine, other in names.items():
        finite = np.isfinite(errors[mine])
        assert finite.sum() == np.size(right[other])
        np.testing.assert_allclose(errors[mine][finite], np.atleast_1d(right[other]), rtol=2e-5)
        np.testing.assert_allclose(
            np.array(ends.lower[mine])[finite], np.atleast_1d(right_ends.lower[other]), rtol=2e-4
        )
    for gone in set(full.params) - set(names):
        assert np.isnan(errors[gone]) and ends.status[gone] == IntervalStatus.AT_LIMIT
        assert all(ends.status[mine] == IntervalStatus.HELD for mine in names)
    covariance = full.covariance(kind)
    both = np.isfinite(covariance)
    np.testing.assert_allclose(covariance[both], np.ravel(exact.covariance(kind)[-both.sum(0).max() :, -both.sum(0).max() :]), rtol=1e-3, atol=1e-6)  # fmt: skip
    assert "hold" in full.message() and "hold" in full.summary(kind=kind)


@pytest.mark.parametrize("name", CASES)
def test_a_batch_has_the_same_errors(name):
    """Beside fits that converge, from lanes and native kernels, and after saving."""
    model, _, data, _ = CASES[name]
    one = jm.fit(model, data)
    many = jm.fit_many(model, jax.tree.map(lambda x: np.stack([x, x]), data))
    jax.tree.map(
        lambda x, y: np.testing.assert_allclose(x[1], y, rtol=1e-6), many.standard_errors(), one.standard_errors()
    )
    for x, y in zip(many.interval()[:3], one.interval()[:3], strict=True):
        jax.tree.map(lambda x, y: np.testing.assert_allclose(x[1], y, rtol=1e-6), x, y)


def test_no_errors_beside_an_edge_or_where_nothing_is_left():
    """Half-normal's end is on a row: the likelihood is not regular there. With all coefficients infinite nothing is left."""
    x = rng(753).normal(size=20)
    edge = next(f for s in range(20) if not (f := jm.fit("skew_normal", rng(760 + s).normal(size=20))).converged)
    assert np.isnan(list(edge.standard_errors().values())).all()
    separated = jm.fit(CASES["quasi-separated"][0], {"group": GROUP, "x": x, "y": GROUP})
    assert not separated.converged and np.isnan(separated.standard_errors()["b"]).sum() >= 1
