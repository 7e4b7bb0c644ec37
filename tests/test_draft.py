"""Draft and certify: climbed in float32, certified in float64, and what that cannot do is done in float64 alone."""

import jax.numpy as jnp
import numpy as np
import pytest
from cases import CASES, COUNTS, LOGISTIC, MIXTURE, counts_data, is_constant, logistic_data, mixture_data, on_rows, rng

import jaxmle as jm
from jaxmle import Status, _draft, spaces

SETS, PADDING = 12, 4
FAST = {"gamma", "student_t", "censored weibull", "logistic by rows", "mixture", "autoregression", "bivariate", "tied",
    "constant", "binomial"}  # fmt: skip
"Rows of several kinds, a scan, a matrix, spaces of every kind; the others are slow tests."


def columns(params, size):
    """Params as one row for each data set, f[size, q]."""
    return np.concatenate([np.reshape(x, (size, -1)) for x in jm._draft.jax.tree.leaves(params)], axis=1)


def agree(mixed, full, drafted=1.0):
    """Status equal, parameters within 1e-6 standard errors, log-likelihood to 1e-10; and drafts were what led there."""
    np.testing.assert_array_equal(mixed.status, full.status)
    ok, size = full.converged, len(full)
    a, b, se = (columns(x, size)[ok] for x in (mixed.params, full.params, full.standard_errors()))
    assert (np.abs(a - b) <= 1e-6 * se + 1e-13 * np.abs(b)).all()
    np.testing.assert_allclose(mixed.log_likelihood, full.log_likelihood, rtol=1e-10)
    assert (mixed.decrement[ok] <= 1e-9).all()
    assert mixed.info["precision"] == "mixed" and mixed.info["drafted"] >= drafted * ok.sum()


def both(model, data, **options):
    return (jm.fit_many(model, data, precision=precision, **options) for precision in ("mixed", "full"))


@pytest.mark.parametrize(
    "case", [pytest.param(c, id=c.name, marks=[] if c.name in FAST else pytest.mark.slow) for c in CASES]
)
def test_mixed_is_full(case):
    data = on_rows(lambda x: np.concatenate([x, np.zeros_like(x[:, :PADDING])], axis=1), case.data(2, SETS, case.n))
    weights = np.tile(np.r_[np.ones(case.n), np.zeros(PADDING)], (SETS, 1))
    mixed, full = both(case.model, data, weights=weights)
    agree(mixed, full, 0.0 if case.model.maximum is not None else 0.8)
