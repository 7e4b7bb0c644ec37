"""Special functions against mpmath: values and first and second derivatives, on wide grids."""

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

from jaxmle import special

pytestmark = pytest.mark.usefixtures("x64")


def truth(f, *grids, order=None):
    """The function (or its partial derivative) in 50 digits, as floats."""
    out = []
    with mp.workdps(50):
        for point in zip(*grids, strict=True):
            at = tuple(mp.mpf(float(x)) for x in point)
            out.append(float(f(*at) if order is None else mp.diff(f, at, order, h=mp.mpf(10) ** -14)))
    return np.array(out)


def relative(value, want, floor=0.0):
    value = np.asarray(value)
    error = np.abs(value - want) / np.maximum(np.abs(want), max(floor, 1e-290))
    return np.where(value == want, 0.0, error).max()


WIDE = np.concatenate(
    [10.0 ** np.linspace(-150, 150, 31), 10.0 ** np.linspace(-3, 3, 61), [1.0, 1.4616321449683623, 2.0]]
)


def test_gammaln_and_digamma():
    assert relative(special.gammaln(WIDE), truth(mp.loggamma, WIDE), 1) < 1e-14
    assert relative(special.digamma(WIDE), truth(mp.digamma, WIDE), 1) < 2e-15


@pytest.mark.parametrize("n", [1, 2, 3])
def test_polygamma(n):
    x = WIDE[(WIDE > 1e-60) & (WIDE < 1e60)]
    assert relative(special.polygamma(n, x), truth(lambda t: mp.polygamma(n, t), x)) < 2e-15


def test_gammaln_derivatives_are_the_polygammas():
    x = np.array([0.3, 5.0, 50.0])
    f = special.gammaln
    first, second = jax.jit(jax.vmap(lambda x: (jax.grad(f)(x), jax.grad(jax.grad(f))(x))))(x)
    assert relative(first, special.digamma(x)) < 1e-15 and relative(second, special.trigamma(x)) < 1e-15
    assert np.isnan(special.gammaln(-0.5)) and special.gammaln(0.0) == np.inf and special.gammaln(np.inf) == np.inf


def test_gammaln_float32():
    x = np.float32(10.0) ** np.linspace(-3, 6, 50, dtype=np.float32)
    value = special.gammaln(x)
    assert value.dtype == jnp.float32
    assert relative(value, truth(mp.loggamma, x), 1) < 2e-6


def log_rising(y, a):
    return mp.loggamma(y + 1 / a) - mp.loggamma(1 / a) + y * mp.log(a)


def test_log_rising_keeps_digits_at_any_dispersion():
    a, y = map(np.ravel, np.meshgrid([1e-12, 1e-6, 0.01, 0.1249, 0.1251, 0.7, 20.0, 1e6], [2.0, 3.0, 40.0, 1e5, 2.5]))
    f = special.log_rising
    derivatives = jax.jit(jax.vmap(lambda y, a: (f(y, a), jax.grad(f, 1)(y, a), jax.grad(jax.grad(f, 1), 1)(y, a))))
    for value, order in zip(derivatives(y, a), (0, 1, 2), strict=True):
        with mp.workdps(120):
            points = [(mp.mpf(float(u)), mp.mpf(float(v))) for u, v in zip(y, a, strict=True)]
            want = [
                mp.diff(lambda t, u=u: log_rising(u, t), v, order, h=v * mp.mpf(10) ** -25)
                if order
                else log_rising(u, v)
                for u, v in points
            ]
        assert relative(value, np.array([float(w) for w in want])) < 1e-11


def test_log_rising_at_zero():
    f = special.log_rising
    assert f(5.0, 0.0) == 0 and f(1.0, 0.3) == pytest.approx(0, abs=1e-15)
    first, second = jax.jit(lambda a: (jax.grad(f, 1)(5.0, a), jax.grad(jax.grad(f, 1), 1)(5.0, a)))(0.0)
    assert first == pytest.approx(10.0, rel=1e-14) and second == pytest.approx(-30.0, rel=1e-13)


@pytest.mark.parametrize(("a", "b"), [(3.0, 1e12), (1e-3, 2e-3), (1e5, 1e5)])
def test_betaln(a, b):
    assert relative(special.betaln(a, b), truth(lambda x, y: mp.log(mp.beta(x, y)), [a], [b])) < 1e-13


def test_log_ndtr():
    x = np.array([-1e4, -40, -6, -5.01, -4.99, -3, -1, -0.1, 0.1, 1, 3, 5, 6, 8.0])
    f = special.log_ndtr
    value, first, second = jax.jit(jax.vmap(lambda x: (f(x), jax.grad(f)(x), jax.grad(jax.grad(f))(x))))(x)

    def hazard(t):
        return mp.exp(-t * t / 2) / mp.sqrt(2 * mp.pi) / (mp.erfc(-t / mp.sqrt(2)) / 2)

    assert (
        relative(
            value,
            truth(
                lambda t: mp.log1p(-mp.erfc(t / mp.sqrt(2)) / 2) if t > 0 else mp.log(mp.erfc(-t / mp.sqrt(2)) / 2), x
            ),
        )
        < 2e-14
    )
    assert relative(first, truth(hazard, x)) < 2e-14
    assert relative(second, truth(lambda t: -hazard(t) * (hazard(t) + t), x)) < 2e-13


def test_logs_of_complements():
    x = -(10.0 ** np.linspace(-300, 2, 40))
    assert (
        relative(special.log1mexp(x), truth(lambda t: mp.log1p(-mp.exp(t)) if t < -1 else mp.log(-mp.expm1(t)), x))
        < 1e-15
    )
    v = np.linspace(-800, 5, 60)
    assert (
        relative(
            special.log1mexpexp(v),
            truth(lambda t: mp.log1p(-mp.exp(-mp.exp(t))) if t > 0 else mp.log(-mp.expm1(-mp.exp(t))), v),
        )
        < 1e-14
    )
    slope = jax.vmap(jax.grad(special.log1mexpexp))(v)
    assert relative(slope, truth(lambda t: mp.exp(t) / mp.expm1(mp.exp(t)), v)) < 1e-13


@pytest.mark.parametrize(
    ("f", "exact"),
    [
        (special.log1p_ratio, lambda t: mp.log1p(t) / t),
        (special.xlogx_excess, lambda t: (1 + t) * mp.log1p(t) / t - 1),
        (special.log1pmx, lambda t: mp.log1p(t) - t),
    ],
)
def test_smooth_ratios(f, exact):
    x = 10.0 ** np.linspace(-12, 6, 37)
    value, first, second = jax.jit(jax.vmap(lambda x: (f(x), jax.grad(f)(x), jax.grad(jax.grad(f))(x))))(x)
    with mp.workdps(90):
        for got, order in ((value, 0), (first, 1), (second, 2)):
            want = [mp.diff(exact, mp.mpf(float(t)), order, h=mp.mpf(float(t)) * mp.mpf(10) ** -15) for t in x]
            assert relative(got, np.array([float(w) for w in want])) < 1e-12


def test_xlogy_limits():
    assert special.xlogy(0.0, 0.0) == 0 and special.xlog1py(0.0, -1.0) == 0
    assert jax.grad(special.xlogy, 1)(0.0, 0.0) == 0
    assert jax.grad(special.xlogy, 0)(0.0, 2.0) == np.log(2.0)


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
        assert error[np.isfinite(want) & (want < 0)].max() < 3e-14


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
    assert error.max() < 1e-12
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
