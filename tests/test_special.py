"""Special functions against mpmath: values and first and second derivatives, on wide grids."""

from functools import partial

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
from digits import relative, truth
from scipy.special import erf

from jaxmle import special
from jaxmle.special.bessel import log_bessel_rest

pytestmark = pytest.mark.usefixtures("x64")


WIDE = np.concatenate(
    [10.0 ** np.linspace(-150, 150, 31), 10.0 ** np.linspace(-3, 3, 61), [1.0, 1.4616321449683623, 2.0]]
)


def test_gamma_excess():
    exact = lambda s: s * mp.log(s) - s - mp.loggamma(s)
    at = WIDE[WIDE < 1e20]
    assert relative(special.gamma_excess(at), truth(exact, at), 1) < 1e-14
    at = at[(at > 1e-6) & (at < 1e6)]
    slope = jax.vmap(jax.grad(special.gamma_excess))(at)
    assert relative(slope, truth(lambda s: mp.log(s) - mp.digamma(s), at)) < 1e-13


def test_gammaln_and_digamma():
    # Wide, where the recurrence's steps begin and end, and on either side of the roots.
    x = np.concatenate(
        [WIDE, np.nextafter(np.arange(0.5, 9, 0.5), 0), np.arange(0.5, 9, 0.5), np.linspace(0.1, 9, 999)]
    )
    x = np.concatenate([x, *(root + sign * 10.0 ** np.arange(-15, 0) for root in (1, 2) for sign in (-1, 1))])
    assert relative(special.gammaln(x), truth(mp.loggamma, x)) < 2e-15
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
    assert (
        np.isnan(special.gammaln(np.array([-0.5, -1.5, -9.5]))).all()
        and special.gammaln(0.0) == np.inf
        and special.gammaln(np.inf) == np.inf
    )


def test_gammaln_float32():
    x = np.float32(10.0) ** np.linspace(-3, 6, 50, dtype=np.float32)
    value = special.gammaln(x)
    assert value.dtype == jnp.float32
    assert relative(value, truth(mp.loggamma, x), 1) < 2e-6


def log_rising(y, a):
    return mp.loggamma(y + 1 / a) - mp.loggamma(1 / a) + y * mp.log(a)


@pytest.mark.parametrize("whole", [False, True])
def test_log_rising_keeps_digits_at_any_dispersion(whole):
    counts = [2.0, 3.0, 7.0, 8.0, 9.0, 40.0, 1e5] if whole else [2.0, 3.0, 40.0, 1e5, 2.5]
    a, y = map(np.ravel, np.meshgrid([1e-12, 1e-6, 0.01, 0.1249, 0.1251, 0.7, 20.0, 1e6], counts))
    f = partial(special.log_rising, whole=whole)
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


@pytest.mark.parametrize("whole", [False, True])
def test_log_rising_at_zero(whole):
    f = partial(special.log_rising, whole=whole)
    assert f(5.0, 0.0) == 0 and f(0.0, 0.3) == 0 and f(1.0, 0.3) == pytest.approx(0, abs=1e-15)
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


def test_normal_quantile_of_a_logarithm():
    y = -np.array([1e-18, 1e-8, 0.3, 0.6931, 0.694, 1.0, 5.0, 20.0, 79.0, 81.0, 300.0, 1e3, 1e5, 1e8])
    z = np.asarray(special.ndtri_exp(y))
    with mp.workdps(60):
        roots = [
            mp.findroot(lambda t, v=v: mp.log(mp.ncdf(t)) - mp.mpf(v), float(w)) for v, w in zip(y, z, strict=True)
        ]
        exact = np.array([float(x) for x in roots])
    assert relative(z, exact, 1e-3) < 3e-13
    slope, curve = (jax.vmap(f)(y[2:]) for f in (jax.grad(special.ndtri_exp), jax.grad(jax.grad(special.ndtri_exp))))
    with mp.workdps(60):
        ratio = [mp.ncdf(t) / mp.npdf(t) for t in roots[2:]]  # z' = R(z), z'' = R (1 + z R)
        curved = [float(r * (1 + t * r)) for r, t in zip(ratio, roots[2:], strict=True)]
    assert relative(slope, np.array(ratio, float), 0) < 1e-12
    assert relative(curve[:-1], np.array(curved[:-1]), 0) < 1e-9


def test_log_iv_at_any_concentration():
    order = np.repeat([0.0, 0.5, 1.0, 1.5, 7.0, 40.0, 300.0], 6)
    x = np.tile([1e-8, 0.3, 4.0, 60.0, 900.0, 1e5], 7)
    value, slope = jax.jit(jax.vmap(jax.value_and_grad(special.log_iv, 1)))(order, x)
    assert relative(value, truth(lambda v, t: mp.log(mp.besseli(v, t)), order, x), 1) < 1e-14
    assert relative(slope, truth(lambda v, t: mp.besseli(v + 1, t) / mp.besseli(v, t) + v / t, order, x), 1) < 1e-13
    # What is left of I_0 when e^x is taken out keeps its digits: -1/(2x) - 1/(8x^2) - ...
    rest, curve = jax.value_and_grad(jax.grad(log_bessel_rest, 1), 1)(0.0, 1e6)
    assert rest == pytest.approx(-5e-7 - 1.25e-13, rel=1e-12) and curve == pytest.approx(5e-13, rel=1e-5)
    assert special.log_iv(0.0, 0.0) == pytest.approx(0, abs=1e-14) and special.log_iv(2.0, 0.0) == -np.inf


def test_log_iv_of_any_order():
    orders, points = (
        [0.1, 0.25, 1 / 3, 0.5, 1.0, 2.7, 10.3, 57.1, 200.0],
        [1e-10, 1e-3, 0.999, 1.0, 4.0, 30.0, 250.0, 1e5],
    )
    order, x = (a.ravel() for a in np.meshgrid(orders, points))

    def each(v, x):
        slopes = lambda v, x: jnp.stack(jax.grad(special.log_iv, (0, 1))(v, x))
        (by_v, by_x), (twice_v, cross), (_, twice_x) = slopes(v, x), *jax.jacfwd(slopes, (0, 1))(v, x)
        return jnp.stack([special.log_iv(v, x), by_v, by_x, twice_v, cross, twice_x])

    def exact(v, x):
        h = mp.mpf(10) ** -15
        log_i = lambda v: mp.log(mp.besseli(v, x))
        slope = lambda v: mp.besseli(v + 1, x) / mp.besseli(v, x) + v / x
        low, here, high = log_i(v - h), log_i(v), log_i(v + h)
        twice_x = 1 + (v / x) ** 2 - slope(v) / x - slope(v) ** 2  # Bessel's equation
        cross = (slope(v + h) - slope(v - h)) / (2 * h)
        return [here, (high - low) / (2 * h), slope(v), (high - 2 * here + low) / h**2, cross, twice_x]

    with mp.workdps(50):
        want = np.array([[float(t) for t in exact(mp.mpf(v), mp.mpf(y))] for v, y in zip(order, x, strict=True)])
    got = np.asarray(jax.jit(jax.vmap(each))(order, x))
    for j, tolerance in enumerate([1e-14, 1e-14, 1e-14, 1e-13, 1e-13, 1e-13]):
        assert relative(got[:, j], want[:, j], 1) < tolerance
    assert relative(got[:, 2], want[:, 2]) < 1e-14
    assert np.isnan([special.log_iv(-0.1, 1.0), special.log_iv(1.0, -1.0)]).all()


def test_owens_t():
    h = np.array([0.0, 1e-8, 1e-3, 0.5, 1.0, 2.0, 3.0, 6.0, 10.0, 0.2])
    a = np.array([3.0, 1e9, 100.0, -2.0, 1.0, 0.3, 5.0, 1e-3, 0.1, 0.0])

    def exact(h, a):
        cuts = [0, *(10.0**k for k in range(-2, 10) if 10.0**k < abs(a)), abs(a)]
        f = lambda x: mp.exp(-h * h * (1 + x * x) / 2) / (1 + x * x) / (2 * mp.pi)
        return mp.sign(a) * mp.quad(f, cuts)

    value, slopes = jax.jit(jax.vmap(jax.value_and_grad(special.owens_t, (0, 1))))(h, a)
    assert relative(value, truth(exact, h, a)) < 1e-13
    want = np.exp(-h * h * (1 + a * a) / 2) / (1 + a * a) / (2 * np.pi)
    np.testing.assert_allclose(slopes[1], want, rtol=1e-12, atol=1e-17)
    phi = np.exp(-h * h / 2) / np.sqrt(2 * np.pi)
    np.testing.assert_allclose(slopes[0], -phi * erf(a * h / np.sqrt(2)) / 2, atol=1e-15)
    # The rest keeps its digits where the difference of the two has none: T(h, inf) - T(h, a).

    def rest(h, a):
        f = lambda t: mp.exp(-h * h * a * a * mp.expm1(2 * t) / 2) * a * mp.exp(t) / (1 + a * a * mp.exp(2 * t))
        whole = mp.quad(f, [0, 1e-3, 1e-2, 0.1, 0.5, 1, 3, 9, 40])
        return mp.log(whole / (2 * mp.pi)) - h * h * (1 + a * a) / 2

    h, a = np.array([3.0, 30.0, 0.1, 2.0]), np.array([2.0, 2.0, 1e3, 0.3])
    assert relative(special.log_owens_rest(h, a), truth(rest, h, a)) < 1e-13


def test_log_zeta():
    s = np.array([1.0001, 1.5, 2.6, 3.0, 40.0, 40.0, 100.0, 30.0, 2.0])
    a = np.array([1.0, 1.0, 7.0, 1e6, 1.0, 50.0, 100.0, 17.0, 0.3])
    value, slope = jax.jit(jax.vmap(jax.value_and_grad(special.log_zeta)))(s, a)
    assert relative(value, truth(lambda s, a: mp.log(mp.zeta(s, a)), s, a), 1e-3) < 1e-14
    keep = s != 40.0  # mpmath's own derivative is lost there
    want = truth(lambda s, a: mp.zeta(s, a, derivative=1) / mp.zeta(s, a), s[keep], a[keep])
    assert relative(slope[keep], want) < 1e-13


def test_differences_and_ratios():
    upper, lower = np.array([-1e-300, -1.0, -1000.0, -5.0]), np.array([-1e-3, -1.0 - 1e-12, -1001.0, -np.inf])
    want = truth(lambda u, v: u + mp.log(-mp.expm1(v - u)) if v > -mp.inf else u, upper, lower)
    assert relative(special.log_diff(upper, lower), want) < 1e-14
    t = np.array([-800.0, -3.0, -0.49, -1e-9, 1e-300, 0.49, 3.0, 600.0])
    value, slope = jax.vmap(jax.value_and_grad(special.expm1_ratio))(t)
    assert relative(value, truth(lambda t: mp.expm1(t) / t, t)) < 1e-15
    assert relative(slope, truth(lambda t: (t * mp.exp(t) - mp.expm1(t)) / t**2 if abs(t) > 1e-20 else 0.5, t)) < 1e-13
    t = np.array([-1 + 1e-12, -0.9, -0.501, -0.499, -1e-3, -1e-12])
    value, slope = jax.vmap(jax.value_and_grad(special.log1p_ratio))(t)
    assert relative(value, truth(lambda t: mp.log1p(t) / t, t)) < 2e-15
    assert relative(slope, truth(lambda t: (t / (1 + t) - mp.log1p(t)) / t**2, t)) < 1e-12
