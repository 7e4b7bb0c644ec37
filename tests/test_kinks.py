"""Maxima on a kink: certified where slopes say nothing, and maxima of the log-likelihood for all that."""

import jax
import numpy as np
import pytest
from scipy.special import gammaln

import jaxmle as jm
from jaxmle import Status, distributions, models

FAMILY = distributions.generalized_normal


def sample(shape, n, size, seed=0):
    params = {"loc": np.float64(0.5), "scale": np.float64(2.0), "shape": np.float64(shape)}
    return np.asarray(FAMILY.sample(jax.random.key(seed), params, (size, n)))


def total(x, loc, log_scale, log_shape):
    """The log-likelihood, by its formula."""
    shape = np.exp(log_shape)
    with np.errstate(divide="ignore"):
        power = np.exp(shape * (np.log(np.abs(x - loc)) - log_scale))
    return np.sum(log_shape - np.log(2) - log_scale - gammaln(1 / shape) - power)


@pytest.mark.parametrize(("shape", "n"), [(0.8, 40), (0.4, 60)])
def test_a_maximum_on_a_row_is_one(shape, n, x64):
    x, rng = sample(shape, n, 30), np.random.default_rng(1)
    fits = jm.fit_many(FAMILY, x, retries=0)
    assert fits.info["lanes"] == "native"
    assert not np.isin(fits.status, [Status.MAX_STEPS, Status.STALLED]).any()
    loc, scale, b = (np.asarray(fits.params[k]) for k in ("loc", "scale", "shape"))
    edge = fits.status == Status.AT_DATA_EDGE
    on = (x == loc[:, None]).any(1) & (fits.converged | edge)
    assert on.sum() >= 20
    for i in np.flatnonzero(on):
        at = (loc[i], np.log(scale[i]), np.log(b[i]))
        here = total(x[i], *at)
        assert fits.log_likelihood[i] == pytest.approx(here, rel=1e-12)
        assert fits.decrement[i] <= 1e-9 and edge[i] == (b[i] <= 0.5)
        moves = rng.normal(size=(300, 3)) * 10 ** -rng.uniform(2, 8, (300, 3))
        assert max(total(x[i], *(at + move)) for move in moves) <= here + 1e-9
        # The closed form of the scale, and no row whose sum is less: the maximum over loc at this shape.
        sums = np.sum(np.abs(x[i] - x[i][:, None]) ** b[i], axis=1)
        assert scale[i] ** b[i] == pytest.approx(b[i] / n * sums.min(), rel=1e-4)
        assert np.sum(np.abs(x[i] - loc[i]) ** b[i]) == pytest.approx(sums.min(), rel=1e-12)


def test_standard_errors_on_a_row_are_the_expected_informations(x64):
    x = sample(0.8, 200, 4)
    fits = jm.fit_many(FAMILY, x, retries=0)
    found = fits.standard_errors()
    assert fits.converged.all() and (x == np.asarray(fits.params["loc"])[:, None]).any()
    for i in np.flatnonzero((x == np.asarray(fits.params["loc"])[:, None]).any(1)):
        params = {k: v[i] for k, v in fits.params.items()}
        errors = np.sqrt(np.diag(np.linalg.inv(np.sum(FAMILY.geometry.information(params, x[i]), axis=0))))
        np.testing.assert_allclose([found[k][i] for k in FAMILY.space], errors, rtol=1e-9)


@pytest.mark.parametrize("n", [7, 8, 101])
def test_at_shape_one_it_is_the_laplace_law(n):
    x = np.random.default_rng(n).laplace(size=n)
    one, known = jm.fit(models.pinned(FAMILY, shape=1.0), x), jm.fit("laplace", x)
    assert one.status is Status.CONVERGED
    assert one.log_likelihood == pytest.approx(known.log_likelihood, rel=1e-14)
    assert float(one.params["scale"]) == pytest.approx(float(known.params["scale"]), rel=1e-9)
    if n % 2:  # else any place between the two middle rows
        assert float(one.params["loc"]) == float(known.params["loc"])
        assert float(one.standard_errors()["loc"]) == pytest.approx(float(known.standard_errors()["loc"]), rel=1e-9)


def test_units_change_nothing(x64):
    x = sample(0.8, 50, 8)
    plain = jm.fit_many(FAMILY, x, retries=0, tolerance=1e-13)  # shapes as exact as they are compared
    for factor in (1e-60, 1e60):
        scaled = jm.fit_many(FAMILY, x * factor, retries=0, tolerance=1e-13)
        assert list(scaled.status) == list(plain.status)
        np.testing.assert_allclose(scaled.params["shape"], plain.params["shape"], rtol=1e-6)
        moved = scaled.log_likelihood + x.shape[1] * np.log(factor) - plain.log_likelihood
        np.testing.assert_allclose(moved, 0, atol=3e-9)


def test_a_rise_on_a_row_has_no_bound(x64):
    x = sample(1.1, 10, 40)
    fits = jm.fit_many(FAMILY, x, retries=0)
    endless = np.flatnonzero(fits.status == Status.UNBOUNDED)
    assert len(endless) and not np.isin(fits.status, [Status.MAX_STEPS, Status.STALLED]).any()
    for i in endless:
        row = x[i][np.argmin(np.abs(x[i] - fits.params["loc"][i]))]
        shapes = np.geomspace(0.5, 0.03, 40)
        scales = [np.log(b / 10 * np.sum(np.abs(x[i] - row) ** b)) / b for b in shapes]
        values = [total(x[i], row, s, np.log(b)) for s, b in zip(scales, shapes, strict=True)]
        assert values[-1] > values[0] + 10 and values[-1] > values[-2] > values[-3]


def test_a_rise_that_began_below_the_uniform_law_is_told_as_that_limit(x64):
    x = sample(2.6, 5, 100)
    fits = jm.fit_many(FAMILY, x, retries=0)
    limit = fits.status == Status.AT_INFINITY
    assert np.mean(limit) > 0.9 and not np.isin(fits.status, [Status.MAX_STEPS, Status.STALLED]).any()
    assert np.isinf(fits.params["shape"][limit]).all() and not fits.attained[limit].any()
    np.testing.assert_allclose(fits.log_likelihood[limit], -5 * np.log(np.ptp(x[limit], axis=1)), rtol=1e-9, atol=1e-9)


def test_steps_that_were_bounded_are():
    assert jm.fit(FAMILY, sample(0.8, 50, 1)[0], max_steps=3).status is Status.MAX_STEPS


def test_no_derivative_of_the_estimate_on_a_row(x64):
    x = sample(0.8, 200, 1)[0]
    fit = jm.fit(FAMILY, x, retries=0)
    assert fit.converged and float(fit.params["loc"]) in x
    assert np.isnan(jax.jit(jax.grad(lambda x: jm.maximize(models.iid(FAMILY), x).params["shape"]))(x)).all()


def test_whole_numbers_are_data():
    x = np.array([0, 1, 2, 3, 5, 8])
    assert jm.fit(FAMILY, x).status is jm.fit(FAMILY, x.astype(float)).status
