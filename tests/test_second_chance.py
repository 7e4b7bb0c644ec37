"""A second chance: what failed, and only that, is tried again; the result says by what it succeeded."""

import jax.numpy as jnp
import numpy as np
import pytest
from cases import gaussian, rng

import jaxmle as jm
from jaxmle import Status, spaces

X = rng(300).standard_t(3, (16, 40))
BAD = [3, 12]
CAUCHY = jm.Model(
    lambda p, x: -jnp.log(jnp.pi * p["scale"]) - jnp.log1p(((x - p["loc"]) / p["scale"]) ** 2),
    {"loc": spaces.real, "scale": spaces.positive},
    start=lambda x, w: {"loc": jnp.mean(x), "scale": jnp.std(x)},
)


def starts():
    """So flat that a hundred steps do not lead back; and one outside its space."""
    loc, scale = np.zeros(16), np.ones(16)
    loc[3], scale[3], scale[12] = 1e60, 1e100, -1.0
    return {"loc": loc, "scale": scale}


@pytest.fixture(scope="module", params=["native", pytest.param(4, marks=pytest.mark.slow)])
def fits(request):
    if request.param == "native":
        pytest.importorskip("llvmlite")
    options = {"start": starts(), "lanes": request.param}
    return jm.fit_many(CAUCHY, X, retries=0, **options), jm.fit_many(CAUCHY, X, **options)


def test_what_failed_succeeds_and_the_others_keep_every_bit(fits):
    first, second = fits
    others = np.setdiff1d(np.arange(16), BAD)
    assert first.status[BAD].tolist() == [Status.MAX_STEPS, Status.NO_FINITE_START]
    assert (
        second.converged[BAD].all() and second.attempt[BAD].tolist() == [1, 1] and (second.attempt[others] == 0).all()
    )
    assert second.log_likelihood[3] > first.log_likelihood[3] and second.steps[3] > first.steps[3]
    for mine, other in zip(second.solution.outcome, first.solution.outcome, strict=True):
        np.testing.assert_array_equal(mine[others], other[others])


def test_it_is_said(fits):
    first, second = fits
    assert "found by a retry, with another start" in second[3].message()
    assert "Found by a retry: 2 with another start" in second.summary() and "retry" not in first.summary()
    assert second.columns()["attempt"].tolist() == second.attempt.tolist() and "attempt" not in first.columns()


def test_every_attempt_can_be_the_one():
    """No number below 1.5 is finite, and the origin lies there: only luck of the start leads out."""
    pytest.importorskip("llvmlite")
    model = jm.Model(lambda p, x: jnp.where(p["a"] > 1.5, gaussian(x - p["a"], 1.0), jnp.nan), {"a": spaces.real})
    x = rng(301).normal(4.0, 1.0, (64, 20))
    fits = jm.fit_many(model, x)
    assert set(fits.attempt.tolist()) >= {1, 3}
    won = fits.attempt > 0
    assert (fits.status[won] == Status.CONVERGED).all() and (fits.status[~won] == Status.NO_FINITE_START).all()
    np.testing.assert_allclose(fits.params["a"][won], x.mean(1)[won], rtol=1e-9)
    part = jm.fit_many(model, x[:5])  # the starts hang on the position alone, not on who else failed
    np.testing.assert_array_equal(part.attempt, fits.attempt[:5])
