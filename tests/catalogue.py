"""The tables of the catalogue: every distribution, with parameters and SciPy's distribution there."""

from typing import Any, NamedTuple

import numpy as np
import scipy.stats as st

TRIALS = 12.0


class Row(NamedTuple):
    """One distribution: params at which it is tested, and SciPy's distribution there (None where it has none).

    `fixed` is what SciPy's own fit holds fixed when maxima are compared; None where it cannot fit.
    `costly`: its programs take long to compile (incomplete gamma and beta functions, sums of masses).
    `rough`: SciPy takes 1 - cdf for sf, or rounds; such tails are compared to mpmath, and to the other functions here.
    """

    params: dict[str, Any]
    scipy: Any = None
    fixed: dict[str, Any] | None = None
    costly: bool = False
    rough: bool = False


FREE: dict[str, Any] = {}
AT_0 = {"floc": 0.0}
UNIT = {"floc": 0.0, "fscale": 1.0}
COSTLY, ROUGH = {"costly": True}, {"rough": True}
"Of a row."

# Tested in test_catalogue.
TABLE = {
    "asymmetric_laplace": Row({"asymmetry": 1.6, "loc": 0.5, "scale": 2.0}, st.laplace_asymmetric(1.6, 0.5, 2.0), FREE),
    "beta": Row({"a": 2.5, "b": 0.8}, st.beta(2.5, 0.8), UNIT, **COSTLY),
    "beta_binomial": Row({"dispersion": 0.25, "probability": 0.3}, st.betabinom(int(TRIALS), 1.2, 2.8), **COSTLY),
    "beta_prime": Row({"a": 2.5, "b": 3.4, "scale": 2.0}, st.betaprime(2.5, 3.4, 0, 2.0), AT_0, **COSTLY),
    "birnbaum_saunders": Row({"scale": 3.0, "shape": 0.7}, st.fatiguelife(0.7, 0, 3.0), AT_0),
    "burr12": Row({"scale": 3.0, "shape1": 2.2, "shape2": 1.4}, st.burr12(2.2, 1.4, 0, 3.0), AT_0),
    "cauchy": Row({"loc": 0.5, "scale": 2.0}, st.cauchy(0.5, 2.0), FREE),
    "chi": Row({"df": 3.3, "scale": 2.0}, st.chi(3.3, 0, 2.0), AT_0, **COSTLY),
    "chi2": Row({"df": 3.3}, st.chi2(3.3), UNIT, **COSTLY),
    "conway_maxwell_poisson": Row({"center": 4.0, "power": 1.7}, **COSTLY),
    "exponentiated_weibull": Row({"power": 1.8, "scale": 3.0, "shape": 1.3}, st.exponweib(1.8, 1.3, 0, 3.0), AT_0),
    "f": Row({"df1": 4.0, "df2": 9.0}, st.f(4.0, 9.0), UNIT, **COSTLY),
    "frechet": Row({"scale": 3.0, "shape": 1.7}, st.invweibull(1.7, 0, 3.0), AT_0),
    "generalized_gamma": Row({"power": 1.3, "scale": 3.0, "shape": 1.8}, st.gengamma(1.8, 1.3, 0, 3.0), AT_0, **COSTLY),
    "generalized_logistic": Row({"loc": 0.5, "scale": 2.0, "shape": 2.5}, st.genlogistic(2.5, 0.5, 2.0), FREE, **ROUGH),
    "generalized_normal": Row({"loc": 0.5, "scale": 2.0, "shape": 2.6}, st.gennorm(2.6, 0.5, 2.0), FREE, **COSTLY),
    "generalized_poisson": Row({"dispersion": 0.3, "mean": 3.5}),
    "gev": Row({"loc": 0.5, "scale": 2.0, "shape": 0.2}, st.genextreme(-0.2, 0.5, 2.0), FREE),
    "gompertz": Row({"scale": 3.0, "shape": 0.2}, st.gompertz(0.2, 0, 3.0), AT_0),
    "gpd": Row({"scale": 2.0, "shape": 0.25}, st.genpareto(0.25, 0, 2.0), AT_0),
    "gumbel": Row({"loc": 0.5, "scale": 2.0}, st.gumbel_r(0.5, 2.0), FREE),
    "gumbel_min": Row({"loc": 0.5, "scale": 2.0}, st.gumbel_l(0.5, 2.0), FREE),
    "half_normal": Row({"scale": 2.0}, st.halfnorm(0, 2.0), AT_0),
    "hyperbolic_secant": Row({"loc": 0.5, "scale": 2.0}, st.hypsecant(0.5, 4 / np.pi), FREE),
    "inverse_gamma": Row({"scale": 2.0, "shape": 3.5}, st.invgamma(3.5, 0, 2.0), AT_0),
    "inverse_gaussian": Row({"mean": 2.0, "shape": 3.0}, st.invgauss(2 / 3, 0, 3.0), AT_0),
    "johnson_su": Row({"delta": 1.6, "gamma": -0.7, "loc": 0.5, "scale": 2.0}, st.johnsonsu(-0.7, 1.6, 0.5, 2.0), FREE),
    "kumaraswamy": Row({"a": 2.5, "b": 0.8}),
    "laplace": Row({"loc": 0.5, "scale": 2.0}, st.laplace(0.5, 2.0), FREE),
    "levy": Row({"scale": 2.0}, st.levy(0, 2.0), AT_0),
    "log_logistic": Row({"scale": 3.0, "shape": 2.2}, st.fisk(2.2, 0, 3.0), AT_0, **ROUGH),
    "logarithmic": Row({"probability": 0.7}, st.logser(0.7)),
    "logistic": Row({"loc": 0.5, "scale": 2.0}, st.logistic(0.5, 2.0), FREE),
    "logit_normal": Row({"loc": -0.4, "scale": 0.9}),
    "lomax": Row({"scale": 3.0, "shape": 2.4}, st.lomax(2.4, 0, 3.0), AT_0),
    "nakagami": Row({"scale": 2.0, "shape": 1.4}, st.nakagami(1.4, 0, 2.0), AT_0, **COSTLY),
    "pareto": Row({"scale": 2.0, "shape": 2.4}, st.pareto(2.4, 0, 2.0), AT_0, **ROUGH),
    "pearson3": Row({"loc": 0.5, "scale": 2.0, "skew": 0.5}, st.pearson3(0.5, 0.5, 2.0), FREE, **COSTLY),
    "power_law": Row({"shape": 2.5}, st.powerlaw(2.5), UNIT),
    "rayleigh": Row({"scale": 2.0}, st.rayleigh(0, 2.0), AT_0),
    "rice": Row({"scale": 2.0, "shape": 1.4}, st.rice(1.4, 0, 2.0), AT_0, **COSTLY, **ROUGH),
    "skellam": Row({"mean1": 3.0, "mean2": 1.6}, st.skellam(3.0, 1.6), **COSTLY, **ROUGH),
    "skew_normal": Row({"loc": 0.5, "scale": 2.0, "shape": 2.5}, st.skewnorm(2.5, 0.5, 2.0), FREE, **COSTLY, **ROUGH),
    "triangular": Row({"mode": 0.3}, st.triang(0.3), UNIT, **ROUGH),
    "uniform": Row({"lower": -1.0, "upper": 2.5}, st.uniform(-1.0, 3.5), FREE, **ROUGH),
    "von_mises": Row({"concentration": 2.3, "loc": 0.0}, st.vonmises(2.3), {"fscale": 1.0}, **ROUGH),
    "wrapped_cauchy": Row({"concentration": 0.4, "loc": 0.0}),
    "zeta": Row({"shape": 2.6}, st.zipf(2.6), **ROUGH),
}

# Tested in test_distributions, against SciPy to the last digits.
CORE = {
    "bernoulli": Row({"probability": 0.3}, st.bernoulli(0.3)),
    "binomial": Row({"probability": 0.3}, st.binom(int(TRIALS), 0.3), **COSTLY),
    "exponential": Row({"rate": 0.7}, st.expon(0, 1 / 0.7)),
    "gamma": Row({"shape": 2.5, "scale": 1.5}, st.gamma(2.5, 0, 1.5), **COSTLY),
    "geometric": Row({"probability": 0.3}, st.geom(0.3)),
    "lognormal": Row({"loc": 0.3, "scale": 0.8}, st.lognorm(0.8, 0, np.exp(0.3))),
    "negative_binomial": Row({"mean": 3.5, "dispersion": 0.4}, st.nbinom(2.5, 1 / (1 + 0.4 * 3.5)), **COSTLY),
    "normal": Row({"loc": 0.5, "scale": 2.0}, st.norm(0.5, 2.0)),
    "poisson": Row({"mean": 3.5}, st.poisson(3.5)),
    "student_t": Row({"df": 4.0, "loc": 1.0, "scale": 2.0}, st.t(4.0, 1.0, 2.0), **COSTLY),
    "weibull": Row({"scale": 3.0, "shape": 1.7}, st.weibull_min(1.7, 0, 3.0)),
}

# Families of vectors, as of 3 dimensions: tested in test_vectors.
MATRIX = np.array([[2.0, 0.6, -0.3], [0.6, 1.0, 0.2], [-0.3, 0.2, 0.5]])
LOC = np.array([1.0, -1.0, 0.5])
P = np.array([0.2, 0.5, 0.3])
A = np.array([1.5, 4.0, 2.5])
UNIT = LOC / np.linalg.norm(LOC)
VECTORS = {
    "categorical": Row({"probability": P}),
    "dirichlet": Row({"concentration": A}, st.dirichlet(A)),
    "dirichlet_multinomial": Row({"concentration": A}, st.dirichlet_multinomial(A, 9)),
    "multinomial": Row({"probability": P}, st.multinomial(9, P)),
    "multivariate_normal": Row({"covariance": MATRIX, "loc": LOC}, st.multivariate_normal(LOC, MATRIX)),
    "multivariate_t": Row({"df": np.array(4.0), "loc": LOC, "scatter": MATRIX}, st.multivariate_t(LOC, MATRIX, 4.0)),
    "von_mises_fisher": Row({"concentration": np.array(7.0), "loc": UNIT}, st.vonmises_fisher(UNIT, 7.0)),
    "wishart": Row({"df": np.array(4.5), "scale": MATRIX}, st.wishart(4.5, MATRIX)),
}
