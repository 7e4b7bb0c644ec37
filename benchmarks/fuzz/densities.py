"""Log-densities of the families from their textbook definitions, in any arithmetic; see `arithmetic`.

Where two large terms cancel, they stand as the difference that they are, so that long double shows small gains.
"""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

Density = Callable[[Any, SimpleNamespace, Any], Any]
"`(m, p, x) -> contributions`: arithmetic, parameters as attributes, data (a dict of columns for binomial families)."


def _half_log_2pi(m: Any) -> Any:
    return m.log(2 * m.pi + 0 * m.pi) / 2


def _z(p: SimpleNamespace, x: Any) -> Any:
    return (x - p.loc) / p.scale


def _normal(m: Any, z: Any, scale: Any) -> Any:
    return -z * z / 2 - _half_log_2pi(m) - m.log(scale)


def _softplus(m: Any, v: Any) -> Any:
    """log(1 + e^v)."""
    return m.where(v > 0, v, 0 * v) + m.log1p(m.exp(-abs(v)))


def _log1mexp(m: Any, v: Any) -> Any:
    """log(1 - e^v), v < 0."""
    return m.log(-m.expm1(v))


def _gamma_power(m: Any, shape: Any, w: Any, log_slope: Any) -> Any:
    """log-density where shape e^w is gamma of that shape; log_slope of |dw/dx|."""
    return log_slope + shape * (w - m.expm1(w)) + m.excess(shape)


def _counted(m: Any, x: Any) -> Any:
    """(x + 1) log(x + 1) - (x + 1) - log x!."""
    return m.excess(x + 1)


def _xlog(m: Any, x: Any, s: Any) -> Any:
    """x log(x / s), 0 at x = 0."""
    none = x == 0
    return m.where(none, 0 * x, x * m.log_ratio(m.where(none, s + 0 * x, x), s + 0 * x))


def _binomial_ways(m: Any, n: Any, k: Any) -> Any:
    """log C(n, k) + k log(k / n) + (n - k) log((n - k) / n): Stirling's remainders and square roots alone."""

    def rest(j: Any) -> Any:
        # log j! - j log j + j
        safe = m.where(j == 0, 1 + 0 * j, j)
        return m.where(j == 0, 0 * j, m.log(safe) - m.excess(safe))

    return rest(n) - rest(k) - rest(n - k)


def _binomial(m: Any, p: SimpleNamespace, x: Any) -> Any:
    n, k = x["trials"], x["successes"]
    return _binomial_ways(m, n, k) - _xlog(m, k, n * p.probability) - _xlog(m, n - k, n * (1 - p.probability))


def _beta_ratio(m: Any, a: Any, b: Any) -> Any:
    """log B(a, b)."""
    s = a + b
    return a * m.log_ratio(a, s) + b * m.log_ratio(b, s) - m.excess(a) - m.excess(b) + m.excess(s)


def _beta_binomial(m: Any, p: SimpleNamespace, x: Any) -> Any:
    n, k = x["trials"], x["successes"]
    a, b = p.probability / p.dispersion, (1 - p.probability) / p.dispersion
    ways = m.excess(k + 1) + m.excess(n - k + 1) - m.excess(n + 1) + 1
    ways = ways + (n + 1) * m.log(n + 1) - (k + 1) * m.log(k + 1) - (n - k + 1) * m.log(n - k + 1)
    return ways + _beta_ratio(m, k + a, n - k + b) - _beta_ratio(m, a, b)


def _poisson(m: Any, p: SimpleNamespace, x: Any) -> Any:
    y = x + 1
    return -x * m.log_ratio(y, p.mean) + (y - p.mean) - m.log(y) + _counted(m, x)


def _negative_binomial(m: Any, p: SimpleNamespace, x: Any) -> Any:
    r, y = 1 / p.dispersion, x + 1
    value = (x + r) * m.log1p((x - p.mean) / (r + p.mean)) - x * m.log_ratio(y, p.mean) - m.log(y) + 1
    return value + m.excess(r) - m.excess(x + r) + m.excess(y)


def _generalized_poisson(m: Any, p: SimpleNamespace, x: Any) -> Any:
    t, y = p.mean * (1 - p.dispersion), x + 1
    rate = t + p.dispersion * x
    return m.log_ratio(t, rate) - x * m.log_ratio(y, rate) + y - rate - m.log(y) + _counted(m, x)


def _gev(m: Any, p: SimpleNamespace, x: Any) -> Any:
    z = _z(p, x)
    flat = p.shape == 0
    k = m.where(flat, 1 + 0 * p.shape, p.shape)
    y = m.where(flat, z, m.log1p(m.where(flat, 0 * z, k * z)) / k)
    return -(1 + p.shape) * y - m.exp(-y) - m.log(p.scale)


def _gpd(m: Any, p: SimpleNamespace, x: Any) -> Any:
    z = x / p.scale
    flat = p.shape == 0
    k = m.where(flat, 1 + 0 * p.shape, p.shape)
    y = m.where(flat, z, m.log1p(m.where(flat, 0 * z, k * z)) / k)
    return -(1 + p.shape) * y - m.log(p.scale)


def _student_t(m: Any, p: SimpleNamespace, x: Any) -> Any:
    h = p.df / 2
    # log Gamma(h + 1/2) - log Gamma(h) - log(h) / 2
    ratio = (h + 0.5) * m.log1p(1 / (2 * h)) - 0.5 + m.excess(h) - m.excess(h + 0.5)
    return ratio - m.log(2 * m.pi + 0 * h) / 2 - m.log(p.scale) - (p.df + 1) / 2 * m.log1p(_z(p, x) ** 2 / p.df)


def _asymmetric_laplace(m: Any, p: SimpleNamespace, x: Any) -> Any:
    z, k = _z(p, x), p.asymmetry
    return m.where(z < 0, z / k, -k * z) - m.log(p.scale) - m.log(k + 1 / k)


def _johnson_su(m: Any, p: SimpleNamespace, x: Any) -> Any:
    z = _z(p, x)
    return _normal(m, p.gamma + p.delta * m.arcsinh(z), p.scale) + m.log(p.delta) - m.log1p(z * z) / 2


def _birnbaum_saunders(m: Any, p: SimpleNamespace, x: Any) -> Any:
    z = (x - p.scale) / m.sqrt(x) / m.sqrt(p.scale) / p.shape
    return (
        -z * z / 2
        - _half_log_2pi(m)
        + m.log1p(x / p.scale)
        + m.log_ratio(p.scale, x) / 2
        - m.log(x)
        - m.log(2 * p.shape)
    )


def _inverse_gaussian(m: Any, p: SimpleNamespace, x: Any) -> Any:
    z = (x - p.mean) / p.mean
    return (m.log(p.shape) - 3 * m.log(x)) / 2 - _half_log_2pi(m) - p.shape / x * z * z / 2


def _weibull(m: Any, p: SimpleNamespace, x: Any) -> Any:
    v = p.shape * m.log_ratio(x, p.scale)
    return m.log(p.shape) - m.log(x) + v - m.exp(v)


def _frechet(m: Any, p: SimpleNamespace, x: Any) -> Any:
    v = -p.shape * m.log_ratio(x, p.scale)
    return m.log(p.shape) - m.log(x) + v - m.exp(v)


def _exponentiated_weibull(m: Any, p: SimpleNamespace, x: Any) -> Any:
    v = p.shape * m.log_ratio(x, p.scale)
    return m.log(p.shape) + m.log(p.power) - m.log(x) + v - m.exp(v) + (p.power - 1) * _log1mexp(m, -m.exp(v))


def _burr12(m: Any, p: SimpleNamespace, x: Any) -> Any:
    v = p.shape1 * m.log_ratio(x, p.scale)
    return m.log(p.shape1) + m.log(p.shape2) + v - m.log(x) - (p.shape2 + 1) * _softplus(m, v)


def _log_logistic(m: Any, p: SimpleNamespace, x: Any) -> Any:
    v = p.shape * m.log_ratio(x, p.scale)
    return m.log(p.shape) + v - m.log(x) - 2 * _softplus(m, v)


def _gamma(m: Any, p: SimpleNamespace, x: Any) -> Any:
    return _gamma_power(m, p.shape, m.log_ratio(x, p.scale * p.shape), -m.log(x))


def _inverse_gamma(m: Any, p: SimpleNamespace, x: Any) -> Any:
    return _gamma_power(m, p.shape, m.log_ratio(p.scale, x * p.shape), -m.log(x))


def _generalized_gamma(m: Any, p: SimpleNamespace, x: Any) -> Any:
    w = p.power * m.log_ratio(x, p.scale) - m.log(p.shape)
    return _gamma_power(m, p.shape, w, m.log(p.power) - m.log(x))


def _chi(m: Any, p: SimpleNamespace, x: Any) -> Any:
    return _gamma_power(m, p.df / 2, 2 * m.log_ratio(x, p.scale * m.sqrt(p.df)), m.log(2 + 0 * x) - m.log(x))


def _nakagami(m: Any, p: SimpleNamespace, x: Any) -> Any:
    return _gamma_power(m, p.shape, 2 * m.log_ratio(x, p.scale), m.log(2 + 0 * x) - m.log(x))


def _generalized_normal(m: Any, p: SimpleNamespace, x: Any) -> Any:
    z = abs(_z(p, x))
    none = z == 0
    power = m.where(none, 0 * z, m.exp(p.shape * m.log(m.where(none, 1 + 0 * z, z))))
    s = 1 / p.shape
    log_gamma = s * m.log(s) - s - m.excess(s)
    return m.log(p.shape) - m.log(2 * p.scale) - log_gamma - power


def _beta(m: Any, p: SimpleNamespace, x: Any) -> Any:
    s = p.a + p.b
    mode = p.a / s
    value = p.a * m.log_ratio(x, mode) + p.b * m.log_ratio(1 - x, p.b / s)
    return value - m.log(x) - m.log(1 - x) + m.excess(p.a) + m.excess(p.b) - m.excess(s)


def _kumaraswamy(m: Any, p: SimpleNamespace, x: Any) -> Any:
    return m.log(p.a) + m.log(p.b) + (p.a - 1) * m.log(x) + (p.b - 1) * _log1mexp(m, p.a * m.log(x))


def _logit_normal(m: Any, p: SimpleNamespace, x: Any) -> Any:
    z = (m.log(x) - m.log(1 - x) - p.loc) / p.scale
    return _normal(m, z, p.scale) - m.log(x) - m.log(1 - x)


def _lognormal(m: Any, p: SimpleNamespace, x: Any) -> Any:
    return _normal(m, (m.log(x) - p.loc) / p.scale, p.scale) - m.log(x)


def _wrapped_cauchy(m: Any, p: SimpleNamespace, x: Any) -> Any:
    r = p.concentration
    half = m.sin((x - p.loc) / 2)
    return m.log(1 - r) + m.log(1 + r) - m.log(2 * m.pi + 0 * r) - m.log((1 - r) ** 2 + 4 * r * half * half)


def _logistic(m: Any, p: SimpleNamespace, x: Any) -> Any:
    z = abs(_z(p, x))
    return -z - m.log(p.scale) - 2 * m.log1p(m.exp(-z))


def _hyperbolic_secant(m: Any, p: SimpleNamespace, x: Any) -> Any:
    z = m.pi * abs(_z(p, x)) / 2
    return -z - m.log1p(m.exp(-2 * z)) - m.log(p.scale)


def _triangular(m: Any, p: SimpleNamespace, x: Any) -> Any:
    return m.log(2 * m.where(x <= p.mode, x / p.mode, (1 - x) / (1 - p.mode)))


def _geometric(m: Any, p: SimpleNamespace, x: Any) -> Any:
    return m.log(p.probability) + (x - 1) * m.log1p(-p.probability)


def _logarithmic(m: Any, p: SimpleNamespace, x: Any) -> Any:
    return x * m.log(p.probability) - m.log(x) - m.log(-m.log1p(-p.probability))


def _skellam(m: Any, p: SimpleNamespace, x: Any) -> Any:
    z = 2 * m.sqrt(p.mean1) * m.sqrt(p.mean2)
    gap = m.sqrt(p.mean1) - m.sqrt(p.mean2)
    return -gap * gap - z + x * m.log_ratio(p.mean1, p.mean2) / 2 + m.log_i(abs(x), z + 0 * x)


def _bernoulli(m: Any, p: SimpleNamespace, x: Any) -> Any:
    return m.where(x == 1, m.log(p.probability), m.log1p(-p.probability))


def _pareto(m: Any, p: SimpleNamespace, x: Any) -> Any:
    value = m.log(p.shape) - m.log(x) - p.shape * m.log_ratio(x, p.scale)
    return m.where(x >= p.scale, value, -m.inf + 0 * value)


def _uniform(m: Any, p: SimpleNamespace, x: Any) -> Any:
    value = -m.log(p.upper - p.lower) + 0 * x
    return m.where((x >= p.lower) & (x <= p.upper), value, -m.inf + 0 * value)


DENSITIES: dict[str, Density] = {
    "asymmetric_laplace": _asymmetric_laplace,
    "bernoulli": _bernoulli,
    "beta": _beta,
    "beta_binomial": _beta_binomial,
    "binomial": _binomial,
    "birnbaum_saunders": _birnbaum_saunders,
    "burr12": _burr12,
    "cauchy": lambda m, p, x: -m.log(m.pi * p.scale) - m.log1p(_z(p, x) ** 2),
    "chi": _chi,
    "exponential": lambda m, p, x: m.log(p.rate) - p.rate * x,
    "exponentiated_weibull": _exponentiated_weibull,
    "frechet": _frechet,
    "gamma": _gamma,
    "generalized_gamma": _generalized_gamma,
    "generalized_normal": _generalized_normal,
    "generalized_poisson": _generalized_poisson,
    "geometric": _geometric,
    "gev": _gev,
    "gompertz": lambda m, p, x: m.log(p.shape) - m.log(p.scale) + x / p.scale - p.shape * m.expm1(x / p.scale),
    "gpd": _gpd,
    "gumbel": lambda m, p, x: -_z(p, x) - m.exp(-_z(p, x)) - m.log(p.scale),
    "gumbel_min": lambda m, p, x: _z(p, x) - m.exp(_z(p, x)) - m.log(p.scale),
    "half_normal": lambda m, p, x: m.log(2 / m.pi + 0 * x) / 2 - m.log(p.scale) - (x / p.scale) ** 2 / 2,
    "hyperbolic_secant": _hyperbolic_secant,
    "inverse_gamma": _inverse_gamma,
    "inverse_gaussian": _inverse_gaussian,
    "johnson_su": _johnson_su,
    "kumaraswamy": _kumaraswamy,
    "laplace": lambda m, p, x: -abs(_z(p, x)) - m.log(2 * p.scale),
    "log_logistic": _log_logistic,
    "logarithmic": _logarithmic,
    "logistic": _logistic,
    "logit_normal": _logit_normal,
    "lognormal": _lognormal,
    "lomax": lambda m, p, x: m.log(p.shape) - m.log(p.scale) - (p.shape + 1) * m.log1p(x / p.scale),
    "nakagami": _nakagami,
    "negative_binomial": _negative_binomial,
    "normal": lambda m, p, x: _normal(m, _z(p, x), p.scale),
    "pareto": _pareto,
    "poisson": _poisson,
    "rayleigh": lambda m, p, x: m.log(x) - 2 * m.log(p.scale) - (x / p.scale) ** 2 / 2,
    "skellam": _skellam,
    "skew_normal": lambda m, p, x: _normal(m, _z(p, x), p.scale / 2) + m.log_ndtr(p.shape * _z(p, x)),
    "student_t": _student_t,
    "triangular": _triangular,
    "uniform": _uniform,
    "von_mises": lambda m, p, x: (
        -2 * p.concentration * m.sin((x - p.loc) / 2) ** 2
        + p.concentration
        - m.log(2 * m.pi + 0 * x)
        - m.log_i(0 * p.concentration, p.concentration)
    ),
    "weibull": _weibull,
    "wrapped_cauchy": _wrapped_cauchy,
    "zeta": lambda m, p, x: -p.shape * m.log(x) - m.log_zeta(p.shape),
}
