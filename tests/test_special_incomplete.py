"""Incomplete gamma and beta functions and their inverses against mpmath."""

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
from digits import relative, truth

from jaxmle import special

pytestmark = pytest.mark.usefixtures("x64")


def log_p(a, x):
    return mp.log(mp.gammainc(a, 0, x, regularized=True))


def log_q(a, x):
    return mp.log(mp.gammainc(a, x, mp.inf, regularized=True))


def test_incomplete_gamma_values():
    a, ratio = map(np.ravel, np.meshgrid([1e-3, 0.1, 0.7, 1, 7.9, 8, 30, 1e4], [1e-8, 1e-3, 0.5, 0.99, 1.01, 1.5, 20]))
    x = a * ratio
    for f, exact in ((special.log_gammainc, log_p), (special.log_gammaincc, log_q)):
        want = truth(exact, a, x)
        error = np.abs(f(a, x) - want) / np.maximum(np.abs(want), 1)
        assert error[np.isfinite(want) & (want < 0)].max() < 1e-14
    # Far left of the mean, with a mass near 0 of which the rest is a part: P is a power of x there.
    a, x = map(np.ravel, np.meshgrid([1e-6, 1e-3, 0.01], [1e-250, 1e-100, 1e-30]))
    want = truth(lambda a, x: mp.log1p(-(x**a) / mp.gamma(a + 1)), a, x)
    assert relative(special.log_gammaincc(a, x), want) < 1e-13


@pytest.mark.parametrize(("f", "exact"), [(special.log_gammainc, log_p), (special.log_gammaincc, log_q)])
def test_incomplete_gamma_derivatives(f, exact):
    a, ratio = map(np.ravel, np.meshgrid([0.3, 2.5, 8.0, 60.0], [0.3, 0.95, 1.2, 2.0]))
    x = a * ratio
    gradient, hessian = jax.jit(jax.vmap(lambda a, x: (jax.grad(f, (0, 1))(a, x), jax.hessian(f, (0, 1))(a, x))))(a, x)
    table = {
        (1, 0): gradient[0],
        (0, 1): gradient[1],
        (2, 0): hessian[0][0],
        (1, 1): hessian[0][1],
        (0, 2): hessian[1][1],
    }
    for order, value in table.items():
        assert relative(value, truth(exact, a, x, order=order)) < 1e-11


def log_i(a, b, odds):
    x = odds / (1 + odds)
    if x < a / (a + b):
        return mp.log(mp.betainc(a, b, 0, x, regularized=True))
    return mp.log1p(-mp.betainc(b, a, 0, 1 / (1 + odds), regularized=True))


BETA = [np.ravel(g) for g in np.meshgrid([0.05, 0.5, 3.0, 40.0, 900.0], [0.5, 1.0, 9.0, 500.0], [0.03, 0.9, 1.1, 30.0])]


def test_incomplete_beta_values():
    a, b, ratio = BETA
    odds = a / b * ratio
    error = np.abs(special.log_betainc_odds(a, b, odds) - (want := truth(log_i, a, b, odds))) / np.maximum(
        np.abs(want), 1
    )
    assert error.max() < 2e-13
    # Odds whose square is no number, and a mass near 1 that the rest is a part of.
    a, b, far = map(np.ravel, np.meshgrid([0.7, 30.0], [1e-6, 1e-3, 0.01], [1e20, 1e60, 1e250]))
    want = truth(lambda a, b, odds: mp.log1p(-(odds**-b) / (b * mp.beta(a, b))), a, b, far)
    assert relative(special.log_betainc_odds(a, b, far), want) < 1e-12
    assert special.betainc(2.0, 3.0, 0.0) == 0 and special.betainc(2.0, 3.0, 1.0) == 1
    assert special.log_betainc(4.0, 2.0, 0.3) == pytest.approx(
        float(special.log_betainc_odds(4.0, 2.0, 3 / 7)), rel=1e-13
    )


@pytest.mark.slow
def test_incomplete_beta_derivatives():
    a, b = np.array([0.5, 3.0, 40.0, 2.0]), np.array([9.0, 0.5, 30.0, 1.0])
    odds = a / b * np.array([0.3, 1.5, 1.1, 0.8])
    f = special.log_betainc_odds
    gradient, hessian = jax.jit(jax.vmap(lambda *z: (jax.grad(f, (0, 1, 2))(*z), jax.hessian(f, (0, 1, 2))(*z))))(
        a, b, odds
    )
    for i in range(3):
        order = tuple(int(k == i) for k in range(3))
        assert relative(gradient[i], truth(log_i, a, b, odds, order=order), 1e-3) < 1e-10
        order = tuple((k == i) + (k == 0) for k in range(3))
        assert relative(hessian[0][i], truth(log_i, a, b, odds, order=order), 1e-3) < 1e-10


def test_inverses_lead_back():
    a, p = map(np.ravel, np.meshgrid([0.01, 0.6, 3.0, 80.0, 1e5], [1e-290, 1e-20, 0.03, 0.5, 0.7, 0.999]))
    b = np.resize([0.4, 1.7, 300.0, 1e4], a.size)
    smaller = np.where(p <= 0.5, np.log(p), np.log1p(-p))
    there = p ** (1 / a) > 1e-280  # else it is 0
    beta = special.betaincinv(a, b, p)
    for x, tail, rest in (
        (special.gammaincinv(a, p), lambda x: special.log_gammainc(a, x), lambda x: special.log_gammaincc(a, x)),
        (special.gammainccinv(a, p), lambda x: special.log_gammaincc(a, x), lambda x: special.log_gammainc(a, x)),
        (beta, lambda x: special.log_betainc(a, b, x), lambda x: special.log_betainc_odds(b, a, (1 - x) / x)),
    ):
        back = np.where(p <= 0.5, tail(x), rest(x))
        exact = there & ((x is not beta) | (beta < 0.9))  # 1 - x has its digits
        assert relative(back[exact], smaller[exact], 1) < 1e-11
    ends = np.array([0.0, 1.0, -0.1, 1.1, np.nan])
    np.testing.assert_array_equal(special.gammaincinv(2.0, ends), [0, np.inf, np.nan, np.nan, np.nan])
    np.testing.assert_array_equal(special.gammainccinv(2.0, ends), [np.inf, 0, np.nan, np.nan, np.nan])
    np.testing.assert_array_equal(special.betaincinv(2.0, 3.0, ends), [0, 1, np.nan, np.nan, np.nan])
    assert np.isnan(special.gammaincinv(-1.0, 0.5)) and np.isnan(special.betaincinv(1.0, 0.0, 0.5))


@pytest.mark.parametrize(
    ("f", "tail", "shapes"),
    [
        (special.gammaincinv, special.log_gammainc, [(0.02, 2.5, 2.5, 60.0)]),
        pytest.param(
            special.betaincinv,
            special.log_betainc,
            [(0.3, 2.5, 2.5, 40.0), (3.0, 0.6, 0.6, 9.0)],
            marks=pytest.mark.slow,
        ),
    ],
)
def test_inverses_have_their_derivatives(f, tail, shapes):
    """F(a, x(a, p)) = p: along any line its slope and curvature are those of p, whatever those of F and x are."""
    at = (*map(np.array, shapes), np.array([0.7, 1e-30, 0.3, 0.99]))
    along = tuple(x * (0.3 + 0.2 * i) for i, x in enumerate(at))

    def twice(g):
        once = lambda *z: jax.jvp(g, z, along)[1]
        return np.stack(jax.jit(lambda *z: jax.jvp(once, z, along))(*at))

    got, want = twice(lambda *z: tail(*z[:-1], f(*z))), twice(lambda *z: jnp.log(z[-1]))
    parts = twice(lambda *z: tail(*z[:-1], f(*at)))
    assert (np.abs(got - want) <= 1e-9 * (np.abs(want) + np.abs(parts))).all() and (np.abs(parts) > 1e-3).any()


def test_incomplete_gamma_far_out():
    for f, want in ((special.log_gammainc, 0.0), (special.log_gammaincc, -np.inf)):
        value, slope = jax.value_and_grad(f, 1)(0.4, 1e200)
        assert value == want and slope == 0
