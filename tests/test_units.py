"""Units of the data, the start and the height of the log-likelihood change no verdict."""

import jax.numpy as jnp
import numpy as np
import pytest
from cases import rng
from irregular import (
    EXPOSURES,
    LOCATION,
    POSITIVE,
    TAILED,
    VARIANCES,
    exposures,
    normal_log_likelihood,
    own_start,
    variances,
    weibull_log_likelihood,
)

import jaxmle as jm
from jaxmle import Status, spaces

UNITS = {
    "normal": ("normal", POSITIVE),
    "gamma": ("gamma", POSITIVE),
    "weibull": ("weibull", POSITIVE),
    "exponential": ("exponential", POSITIVE),
    "student_t": ("student_t", TAILED),
    "own, no start": (jm.Model(normal_log_likelihood, LOCATION), TAILED),
    "own with a shape, no start": (
        jm.Model(weibull_log_likelihood, {"scale": spaces.positive, "shape": spaces.positive}), POSITIVE,
    ),
    "own, a start": (jm.Model(normal_log_likelihood, LOCATION, start=own_start), TAILED),
}  # fmt: skip
POWER = {"loc": 1, "scale": 1, "rate": -1, "shape": 0, "df": 0}


@pytest.mark.parametrize("name", UNITS)
def test_units_change_nothing(name):
    model, data = UNITS[name]

    def fitted(x):
        if name != "student_t":
            return jm.fit(model, x, retries=0, tolerance=1e-12)
        # In lanes: of its native kernel's products of powers of a scale some are 0 at 1e46.
        return jm.fit_many(model, x[None], lanes=1, retries=0, tolerance=1e-12)[0]

    plain = fitted(data)
    assert plain.status is Status.CONVERGED
    few = 4 if "no start" in name else 0  # in units of 1 the origin is near enough and is kept
    for unit in (1e-46, 1e-100, 1e46, 1e100):
        fit = fitted(data * unit)
        assert fit.status == plain.status and abs(fit.steps - plain.steps) <= few, (unit, fit.message())
        assert fit.log_likelihood + len(data) * np.log(unit) == pytest.approx(plain.log_likelihood, rel=1e-12)
        for k, value in fit.params.items():
            assert float(value) / unit ** POWER[k] == pytest.approx(float(plain.params[k]), rel=1e-7), (unit, k)


def test_a_sweep_ends_where_nothing_is_finite():
    model = UNITS["own, no start"][0]
    x = np.stack([TAILED, np.where(np.arange(200) == 3, np.nan, TAILED), 1e200 * TAILED])
    for lanes, more in (("auto", {}), (1, {"retries": 0})):  # the sweep is of the first attempt
        fits = jm.fit_many(model, x, lanes=lanes, **more)
        assert list(fits.status[:2]) == [Status.CONVERGED, Status.MISSING_VALUES]
        assert float(fits.params["scale"][0]) == pytest.approx(TAILED.std(), rel=1e-7)


@pytest.mark.parametrize(
    ("model", "data", "start"),
    [
        (EXPOSURES, exposures, {"s": 1e-6, "b": 1.0}),
        (EXPOSURES, exposures, {"s": 1e-12, "b": 1e-12}),
        (VARIANCES, variances, {"v0": 1.0, "v1": 1e-8}),
        (VARIANCES, variances, {"v0": 1e-4, "v1": 1e-4}),
        (VARIANCES, variances, {"v0": 1e-10, "v1": 1e-10}),
    ],
)
def test_a_start_beside_a_boundary_is_left(model, data, start):
    """There slope and curvature are gone, but the slope points inward: no limit (Karush, Kuhn and Tucker)."""
    best, fit = jm.fit(model, data()), jm.fit(model, data(), start=start, retries=0)
    assert fit.status is Status.CONVERGED, fit.explain()
    assert fit.log_likelihood == pytest.approx(best.log_likelihood, rel=1e-12)


def test_a_slope_that_points_out_is_a_boundary():
    """The nearest case to the above: the same model, where no variance grows with z."""
    r = rng(44)
    z = r.uniform(0.0, 3.0, 200)
    data = {"z": z, "y": r.normal(size=200) / np.sqrt(1 + z)}
    for start in (None, {"v0": 1.0, "v1": 1e-8}):
        fit = jm.fit(VARIANCES, data, start=start, retries=0)
        assert fit.status is Status.AT_BOUNDARY and fit.params["v1"] == 0.0, fit.explain()
        assert fit.params["v0"] == pytest.approx(np.mean(data["y"] ** 2), rel=1e-6)


def test_a_log_likelihood_of_any_height_is_bounded():
    """Without its constant the log-likelihood of large counts is beyond 1e5 a row."""
    x = rng(45).poisson(1e5, 50).astype(float)
    model = jm.Model(lambda p, x: x * jnp.log(p["mean"]) - p["mean"], {"mean": spaces.positive})
    assert float(jm.fit(model, x).params["mean"]) == pytest.approx(x.mean(), rel=1e-9)
