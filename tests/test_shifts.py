"""A covariate plus a constant changes nothing but the intercept: the same fit at any offset, or a sentence that says why not."""

import jax.numpy as jnp
import numpy as np
import pytest
from cases import rng
from jax.scipy.stats import norm

import jaxmle as jm
from jaxmle.special import gammaln

REAL, POSITIVE = jm.spaces.real, jm.spaces.positive
N = 40


def predictor(p, d):
    return p["intercept"] + p["slope"] * d["x"]


# name: log-likelihood, further parameters, a response for the predictor eta
REGRESSIONS = {
    "normal": (lambda p, d: norm.logpdf(d["y"], predictor(p, d), p["scale"]), {"scale": POSITIVE}, lambda r, eta: r.normal(eta, 0.3)),
    "poisson": (lambda p, d: d["y"] * predictor(p, d) - jnp.exp(predictor(p, d)) - gammaln(d["y"] + 1), {}, lambda r, eta: r.poisson(np.exp(eta))),
    "logistic": (
        lambda p, d: d["y"] * predictor(p, d) - jnp.logaddexp(0.0, predictor(p, d)),
        {},
        lambda r, eta: r.binomial(1, 1 / (1 + np.exp(1 - eta))),
    ),
    "gamma": (
        lambda p, d: jm.distributions.gamma.logpdf({"shape": p["shape"], "scale": jnp.exp(predictor(p, d)) / p["shape"]}, d["y"]),
        {"shape": POSITIVE},
        lambda r, eta: r.gamma(4.0, np.exp(eta) / 4),
    ),
}  # fmt: skip


@pytest.mark.parametrize("order", ["intercept first", "slope first"])
@pytest.mark.parametrize("name", REGRESSIONS)
def test_an_offset_of_the_covariate_moves_the_intercept_alone(name, order):
    contributions, more, draw = REGRESSIONS[name]
    if order == "slope first":
        contributions = _renamed(contributions)
        intercept, slope = "z", "b"
    else:
        intercept, slope = "intercept", "slope"
    model = jm.Model(contributions, {intercept: REAL, slope: REAL, **more})
    r, x = rng(720), 1.0 * np.arange(N)
    y = draw(r, 0.5 + 0.05 * x)
    offsets = np.array([0.0, 1e3, 1e6, 1e7])
    data = {"x": offsets[:, None] + x, "y": np.broadcast_to(y, (len(offsets), N)).astype(float)}
    fits = jm.fit_many(model, data)
    assert fits.converged.all(), fits
    assert np.ptp(fits.steps) <= 3
    # What rounding leaves of a sum whose terms are as large as the offset.
    noise = 1e-7 + 1e-11 * offsets
    np.testing.assert_allclose(fits.log_likelihood, fits.log_likelihood[0], rtol=1e-9, atol=1e-7)
    assert np.all(np.abs(fits.params[slope] / fits.params[slope][0] - 1) <= noise)
    errors = fits.standard_errors()[slope]
    assert np.all(np.abs(errors / errors[0] - 1) <= 1e-4 + 1e-9 * offsets)
    seconds = jm.fit(model, {"x": 1.6e9 + x, "y": y.astype(float)})
    assert seconds.converged or "centre the covariate" in seconds.message()


def _renamed(contributions):
    return lambda p, d: contributions({**p, "intercept": p["z"], "slope": p["b"]}, d)
