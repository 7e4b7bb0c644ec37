"""Both tails of families whose limits and integrals SciPy rounds, against mpmath."""

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

from jaxmle import distributions

pytestmark = [pytest.mark.usefixtures("x64"), pytest.mark.slow]
mp.mp.dps = 40
LEVELS = np.array([1e-25, 1e-9, 0.01, 0.3, 0.5, 0.8])


def compared(name, params, x, below, above, rtol):
    """Both log-tails at x, against mpmath's."""
    d = distributions.by_name(name)
    found = jax.jit(lambda p, x: jnp.stack([d.logcdf(p, x), d.logsf(p, x)]))(params, jnp.asarray(x))
    want = [[float(mp.log(f(mp.mpf(float(v))))) for v in x] for f in (below, above)]
    np.testing.assert_allclose(np.asarray(found), want, rtol=rtol, atol=1e-300)


@pytest.mark.parametrize("shape", [0.01, 8.0, 60.0])
def test_rice(shape):
    a = mp.mpf(shape)
    density = lambda z: z * mp.exp(-(z * z + a * a) / 2) * mp.besseli(0, a * z)
    x = np.array([1e-3, 0.3, max(shape - 5, 0.9), max(shape, 1.2), shape + 1, shape + 6, shape + 9])
    below = lambda v: mp.quad(density, [0, v / 4, v / 2, 3 * v / 4, v] if v < a + 3 else [0, a / 2, a, a + 1, a + 3, v])
    above = lambda v: mp.quad(
        density, [v, v + 0.3, v + 1, v + 2, v + 4, v + 10] if v > a else [v, a - 8, a, a + 8, a + 30]
    )
    middle = x[(x > shape - 9)]
    compared("rice", {"scale": 1.0, "shape": shape}, middle, below, above, 1e-12)
    near = x[x <= 2] if shape < 9 else x[:0]
    compared("rice", {"scale": 1.0, "shape": shape}, near, below, lambda v: 1 - below(v), 1e-12)


@pytest.mark.parametrize("skew", [0.0, -1e-4, 5.9e-4, 6.1e-4, 0.8])
def test_pearson3(skew):
    k = mp.mpf(skew) / 2
    x = np.array([-6.0, -3.0, -0.6, 0.0, 0.7, 2.0, 6.0])
    x = x[1 + 0.5 * skew * x > 1e-3]

    def lower(z):
        if skew == 0:
            return mp.ncdf(z)
        a = 1 / k**2
        # mpmath's own incomplete gamma function is slow at shapes above 1e5: the integral around the peak in its place
        log = lambda t: (a - 1) * mp.log(abs(1 + k * t)) - a * k * t + constant
        constant = a * mp.log(a) - a - mp.loggamma(a) - mp.log(a) / 2
        low = max(-1 / k, -40) if k > 0 else -40
        points = [low, *[v for v in (-20, -12, -8, -5, -3, -1, 0, 1, 3, 5) if low < v < z], z]
        return mp.quad(lambda t: mp.exp(log(t)), points)

    def upper(z):
        nonlocal k
        k = -k
        value = lower(-z) if skew else mp.ncdf(-z)
        k = -k
        return value

    compared("pearson3", {"loc": 0.0, "scale": 1.0, "skew": skew}, x, lower, upper, 3e-12)
    d = distributions.pearson3
    q = jnp.asarray(np.append(LEVELS, 1 - LEVELS[2:]))
    z = d.quantile({"loc": 0.0, "scale": 1.0, "skew": skew}, q)
    np.testing.assert_allclose(jnp.exp(d.logcdf({"loc": 0.0, "scale": 1.0, "skew": skew}, z)), q, rtol=2e-9)


@pytest.mark.parametrize(("df1", "df2"), [(0.3, 5.0), (4.0, 900.0), (50.0, 1e9), (1e9, 3.0)])
def test_densities_of_f(df1, df2):
    x = np.array([1e-8, 0.2, 0.9, 1.0, 1.3, 7.0, 1e6])
    a, b = mp.mpf(df1) / 2, mp.mpf(df2) / 2
    want = [
        a * mp.log(a / b) + (a - 1) * mp.log(v) - (a + b) * mp.log1p(a * v / b) - mp.log(mp.beta(a, b))
        for v in map(mp.mpf, x)
    ]
    found = distributions.f.logpdf({"df1": df1, "df2": df2}, jnp.asarray(x))
    np.testing.assert_allclose(np.asarray(found), [float(v) for v in want], rtol=1e-11, atol=1e-12)
