"""The Newton step: its two factorizations agree, it goes downhill, and unbounded likelihoods end within few steps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.stats import norm

import jaxmle as jm
from jaxmle._util import linalg
from jaxmle._util.linalg import descend

REAL, POSITIVE = jm.spaces.real, jm.spaces.positive


def _systems(count: int, seed: int = 0):
    r = np.random.default_rng(seed)
    for i in range(count):
        p = int(r.integers(1, 7))
        half = r.normal(size=(p, p))
        matrix = half @ half.T if i % 3 == 0 else half + half.T
        yield matrix, r.normal(size=p), float(r.choice([0.0, 0.1, 10.0])), r.random(p) < 0.5


def test_both_factorizations_give_the_same_step_and_it_descends(monkeypatch):
    with jax.enable_x64(True):
        for matrix, gradient, damping, unitless in _systems(24):
            given = (matrix, gradient, np.abs(np.diag(matrix)), damping, -0.0, unitless)
            monkeypatch.setattr(linalg, "_UNROLLED", 8)
            unrolled = descend(*given)
            monkeypatch.setattr(linalg, "_UNROLLED", 0)
            looped = descend(*given)
            for x, y in zip(unrolled, looped, strict=True):
                np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-11)
            if np.all(np.linalg.eigvalsh(matrix) > 1e-6) and not damping and np.all(np.abs(unrolled.move) <= 1):
                np.testing.assert_allclose(unrolled.move, -np.linalg.solve(matrix, gradient), rtol=1e-6)
            assert unrolled.decrement >= 0
            assert not unitless.any() or np.abs(unrolled.move).max() > 1 or unrolled.move @ gradient <= 1e-12


def test_a_scale_that_does_not_suit_the_rest_moves_apart():
    """-l = n u + r^2 / (2 e^2u) with a location far off: its Newton step is exact whatever the scale, so it is taken whole."""
    with jax.enable_x64(True):

        def f(v):
            return 8 * v[1] + 0.5 * jnp.sum((v[0] - jnp.arange(8.0)) ** 2) / jnp.exp(2 * v[1])

        u = jnp.array([40.0, 0.0])
        matrix, gradient = jax.hessian(f)(u), jax.grad(f)(u)
        d = descend(matrix, gradient, jnp.abs(jnp.diag(matrix)), 0.0, -0.0, np.array([False, True]))
        assert not d.definite
        assert u[0] + d.move[0] == pytest.approx(3.5, rel=1e-12)


def _suspended(times, last, failures):
    x = np.array([*times, *[last] * failures])
    return {"lower": x, "upper": np.where(np.arange(len(x)) < len(times), np.inf, x)}


TIES = [
    ((2.0, 3, 4), 7.0, 1),
    ((2.0, 3, 4), 7.0, 3),
    ((1.0, 5), 6.0, 1),
    ((120.0, 300, 410, 55), 800.0, 1),
    ((), 6.0, 3),
]
"Suspensions, then failures tied at the last time: a point mass there has an infinite likelihood."


@pytest.mark.parametrize("unit", [1.0, 1e-46, 1e46])
@pytest.mark.parametrize("case", TIES, ids=str)
def test_failures_tied_at_the_last_time_are_unbounded(case, unit):
    times, last, failures = case
    fit = jm.fit("weibull", _suspended([unit * t for t in times], unit * last, failures), retries=0)
    assert fit.status == jm.Status.UNBOUNDED, fit.explain()
    assert fit.steps <= 60


@pytest.mark.parametrize(
    "name", ["lognormal", "log_logistic", "gumbel_min", "gumbel", "frechet", "logistic", "birnbaum_saunders", "normal",
             "inverse_gaussian", pytest.param("student_t", marks=pytest.mark.slow), "cauchy"],
)  # fmt: skip
def test_so_they_are_for_other_lifetimes(name):
    fit = jm.fit(name, _suspended((2.0, 3, 4), 7.0, 2), retries=0)
    assert fit.status == jm.Status.UNBOUNDED, fit.explain()


def test_among_others_they_cost_no_more_than_their_neighbours():
    rng = np.random.default_rng(0)
    time, end = rng.weibull(1.5, (2000, 5)) * 100, rng.uniform(0, 60, (2000, 5))
    lower = np.minimum(time, end)
    fits = jm.fit_many("weibull", {"lower": lower, "upper": np.where(time <= end, lower, np.inf)})
    alone = (time <= end) & (lower == lower.max(1, keepdims=True))
    unbounded = (alone.sum(1) == 1) & ((time <= end).sum(1) == 1)
    assert unbounded.sum() > 50
    assert np.all(fits.status[unbounded] == jm.Status.UNBOUNDED)
    assert np.all(fits.status[~unbounded] != jm.Status.UNBOUNDED)
    assert fits.steps.max() < 100


LINE = jm.Model(
    lambda p, d: norm.logpdf(d["y"], p["a"] + p["b"] * d["x"], p["s"]), {"a": REAL, "b": REAL, "s": POSITIVE}
)


@pytest.mark.parametrize(("a", "b", "n"), [(2, 3, 8), (0, 1, 10), (5, -1, 6), (32, 1.8, 11)])
def test_a_perfect_fit_is_unbounded(a, b, n):
    x = np.arange(1.0, n + 1)
    fit = jm.fit(LINE, {"x": x, "y": a + b * x}, retries=0)
    assert fit.status == jm.Status.UNBOUNDED, fit.explain()
    assert fit.steps <= 30
