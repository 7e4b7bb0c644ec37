"""Rows of a series stand in time: one of weight 0 is missing, and what depends on it is not moved."""

import inspect

import jax.numpy as jnp
import numpy as np
import pytest
from cases import CASES, GARCH_CASE, rng

import jaxmle as jm

SERIES = {case.name: case for case in [*CASES, GARCH_CASE] if case.model.observations == "ordered"}


def rows_of(case, n=240):
    many = len(inspect.signature(case.data).parameters) == 3
    return case.data(3, 4, n) if many else case.data(3)


def masked(model):
    """The same series by definition: all rows are seen, and the contributions of some are left out."""

    def contributions(params, data):
        return jnp.where(data["counts"] > 0, model.log_likelihood(params, data["rows"]), 0.0)

    start = None if model.start is None else lambda data, weights: model.start(data["rows"], data["counts"])
    return jm.Model(contributions, model.space, start=start, observations="ordered")


@pytest.mark.parametrize("lanes", ["auto", 2])
@pytest.mark.parametrize("name", SERIES)
def test_a_row_of_weight_0_is_missing(name, lanes):
    model, rows = SERIES[name].model, rows_of(SERIES[name])
    assert isinstance(rows, np.ndarray)
    sets, n = rows.shape[:2]
    weights = np.ones((sets, n))
    weights[0, [5, 6, 17]] = 0
    weights[1, [0, 1, n // 2]] = 0
    weights[2, n - 9 :] = 0
    weights[3, n - 9 :] = weights[3, 10] = 0
    found = jm.fit_many(model, rows, weights=weights, lanes=lanes)
    shown = jm.fit_many(masked(model), {"rows": rows, "counts": weights})
    assert found.converged.all()
    np.testing.assert_allclose(found.log_likelihood, shown.log_likelihood, rtol=1e-9)
    for k, v in found.params.items():
        np.testing.assert_allclose(v, shown.params[k], rtol=2e-5, atol=1e-7)
    np.testing.assert_array_equal(found.n_observations, weights.sum(1))
    # What a missing row holds counts, since the state goes on from it; what padding holds does not.
    padded = rows.copy()
    padded[2, n - 9 :] = np.nan
    again = jm.fit_many(model, padded, weights=weights, lanes=lanes)
    np.testing.assert_array_equal(again.log_likelihood, found.log_likelihood)


def test_what_a_series_refuses():
    model, y = SERIES["autoregression"].model, rng(741).normal(size=30)
    with pytest.raises(ValueError, match=r"weights of a series are 0 .* or 1, got 0.5 in row 3"):
        jm.fit(model, y, weights=np.where(np.arange(30) == 3, 0.5, 1.0))
    weights = np.ones((2, 30))
    weights[1, 4] = 2.0
    fits = jm.fit_many(model, np.stack([y, y]), weights=weights)
    assert [jm.Status(int(s)).name for s in fits.status] == ["CONVERGED", "BAD_WEIGHTS"]
    holed = np.where(np.arange(30) == 7, np.nan, y)
    with pytest.raises(ValueError, match="row 7 out of a series"):
        jm.fit(model, holed, missing="drop")
    with pytest.raises(ValueError, match="row 7 out of a series"):
        jm.fit_many(model, np.stack([y, holed]), missing="drop")
    ends = np.where(np.arange(30) >= 27, np.nan, y)
    np.testing.assert_allclose(
        jm.fit(model, ends, missing="drop").log_likelihood, jm.fit(model, y[:27]).log_likelihood, rtol=1e-12
    )


def test_a_model_that_reads_nan_keeps_its_gaps():
    """A local level by Kalman's filter against the same rows given as weights 0."""

    def level(p, y):
        import jax

        def step(state, x):
            mean, variance = state
            seen = ~jnp.isnan(x)
            x = jnp.where(seen, x, 0.0)
            total = variance + p["noise"]
            gain = jnp.where(seen, variance / total, 0.0)
            term = jnp.where(seen, -0.5 * (jnp.log(2 * jnp.pi * total) + (x - mean) ** 2 / total), 0.0)
            return (mean + gain * (x - mean), (1 - gain) * variance + p["drift"]), term

        return jax.lax.scan(step, (0.0, 1e4), y)[1]

    model = jm.Model(level, {"noise": jm.spaces.positive, "drift": jm.spaces.positive}, observations="ordered")
    r = rng(742)
    y = np.cumsum(r.normal(size=80)) + r.normal(size=80)
    holes = np.isin(np.arange(80), [10, 11, 40])
    kept = jm.fit(model, np.where(holes, np.nan, y), missing="keep")
    assert kept.converged
    weighted = jm.fit(model, np.where(holes, np.nan, y), weights=np.where(holes, 0.0, 1.0))
    np.testing.assert_allclose(weighted.log_likelihood, kept.log_likelihood, rtol=1e-9)
