"""Distributions as records of pure functions: `logpdf, logcdf, logsf, quantile, sample, support, space, start`."""

import difflib

from jaxmle.distributions._bounded import beta, kumaraswamy, logit_normal, triangular, uniform
from jaxmle.distributions._categories import categorical, dirichlet, dirichlet_multinomial, multinomial
from jaxmle.distributions._circular import von_mises, von_mises_fisher, wrapped_cauchy
from jaxmle.distributions._counts import negative_binomial, poisson
from jaxmle.distributions._dispersed import beta_binomial, conway_maxwell_poisson, generalized_poisson
from jaxmle.distributions._distribution import Distribution
from jaxmle.distributions._durations import birnbaum_saunders, gompertz, inverse_gaussian, log_logistic, pareto
from jaxmle.distributions._extremes import frechet, gev, gpd, gumbel, gumbel_min, lomax
from jaxmle.distributions._gammas import chi, generalized_gamma, half_normal, inverse_gamma, nakagami, rayleigh
from jaxmle.distributions._integers import logarithmic, skellam, zeta
from jaxmle.distributions._johnson import johnson_su
from jaxmle.distributions._lifetimes import exponential, gamma, lognormal, weibull
from jaxmle.distributions._powers import burr12, exponentiated_weibull
from jaxmle.distributions._real_line import normal, student_t
from jaxmle.distributions._skewed import asymmetric_laplace, skew_normal
from jaxmle.distributions._symmetric import cauchy, generalized_normal, hyperbolic_secant, laplace, logistic
from jaxmle.distributions._trials import bernoulli, binomial, geometric
from jaxmle.distributions._vectors import multivariate_normal, multivariate_t, wishart

__all__ = [
    "Distribution",
    "asymmetric_laplace",
    "bernoulli",
    "beta",
    "beta_binomial",
    "binomial",
    "birnbaum_saunders",
    "burr12",
    "by_name",
    "categorical",
    "cauchy",
    "chi",
    "conway_maxwell_poisson",
    "dirichlet",
    "dirichlet_multinomial",
    "exponential",
    "exponentiated_weibull",
    "frechet",
    "gamma",
    "generalized_gamma",
    "generalized_normal",
    "generalized_poisson",
    "geometric",
    "gev",
    "gompertz",
    "gpd",
    "gumbel",
    "gumbel_min",
    "half_normal",
    "hyperbolic_secant",
    "inverse_gamma",
    "inverse_gaussian",
    "johnson_su",
    "kumaraswamy",
    "laplace",
    "log_logistic",
    "logarithmic",
    "logistic",
    "logit_normal",
    "lognormal",
    "lomax",
    "multinomial",
    "multivariate_normal",
    "multivariate_t",
    "nakagami",
    "names",
    "negative_binomial",
    "normal",
    "pareto",
    "poisson",
    "rayleigh",
    "skellam",
    "skew_normal",
    "student_t",
    "triangular",
    "uniform",
    "von_mises",
    "von_mises_fisher",
    "weibull",
    "wishart",
    "wrapped_cauchy",
    "zeta",
]

_ALL = {
    d.name: d
    for d in (
        asymmetric_laplace,
        bernoulli,
        beta,
        beta_binomial,
        binomial,
        birnbaum_saunders,
        burr12,
        cauchy,
        chi,
        conway_maxwell_poisson,
        exponential,
        exponentiated_weibull,
        frechet,
        gamma,
        generalized_gamma,
        generalized_normal,
        generalized_poisson,
        geometric,
        gev,
        gompertz,
        gpd,
        gumbel,
        gumbel_min,
        half_normal,
        hyperbolic_secant,
        inverse_gamma,
        inverse_gaussian,
        johnson_su,
        kumaraswamy,
        laplace,
        log_logistic,
        logarithmic,
        logistic,
        logit_normal,
        lognormal,
        lomax,
        nakagami,
        negative_binomial,
        normal,
        pareto,
        poisson,
        rayleigh,
        skellam,
        skew_normal,
        student_t,
        triangular,
        uniform,
        von_mises,
        weibull,
        wrapped_cauchy,
        zeta,
    )
}


_SIZED = {
    f.__name__: f
    for f in (
        categorical,
        dirichlet,
        dirichlet_multinomial,
        multinomial,
        multivariate_normal,
        multivariate_t,
        von_mises_fisher,
        wishart,
    )
}


def names() -> list[str]:
    """The names of all distributions of one number, sorted; those of vectors are functions of their dimension."""
    return list(_ALL)


def by_name(name: str) -> Distribution:
    """The distribution called `name`; a ValueError lists the known names and the closest one.

    >>> from jaxmle import distributions
    >>> distributions.by_name("weibull")
    <distribution weibull(scale, shape)>
    """
    plain = str(name).strip().lower().replace("-", "_").replace(" ", "_")
    if plain in _ALL:
        return _ALL[plain]
    if plain in _SIZED:
        raise ValueError(f"{plain} needs its number of categories or dimensions: jaxmle.distributions.{plain}(3)")
    close = difflib.get_close_matches(plain, _ALL, n=1, cutoff=0.5)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise ValueError(f"unknown distribution {name!r}.{hint} Known: {', '.join(_ALL)}")
