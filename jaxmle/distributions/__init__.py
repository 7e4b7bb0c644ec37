"""Distributions as records of pure functions: `logpdf, logcdf, logsf, quantile, sample, support, space, start`.

One family a file, in folders by support. Families of vectors are functions of their dimension.
`truncated`, `shifted`, `scaled` and `folded` make a distribution of another.
"""

import difflib

# Made from the files by `python tests/family_files.py`; not to be edited.
from jaxmle.distributions.base.distribution import Distribution
from jaxmle.distributions.base.other_names import name_here
from jaxmle.distributions.bounded.beta import beta
from jaxmle.distributions.bounded.kumaraswamy import kumaraswamy
from jaxmle.distributions.bounded.logit_normal import logit_normal
from jaxmle.distributions.bounded.power_law import power_law
from jaxmle.distributions.bounded.triangular import triangular
from jaxmle.distributions.bounded.uniform import uniform
from jaxmle.distributions.circular.von_mises import von_mises
from jaxmle.distributions.circular.wrapped_cauchy import wrapped_cauchy
from jaxmle.distributions.composed.folded import folded
from jaxmle.distributions.composed.scaled import scaled
from jaxmle.distributions.composed.shifted import shifted
from jaxmle.distributions.composed.truncated import truncated
from jaxmle.distributions.counts.bernoulli import bernoulli
from jaxmle.distributions.counts.beta_binomial import beta_binomial
from jaxmle.distributions.counts.binomial import binomial
from jaxmle.distributions.counts.categorical import categorical
from jaxmle.distributions.counts.conway_maxwell_poisson import conway_maxwell_poisson
from jaxmle.distributions.counts.generalized_poisson import generalized_poisson
from jaxmle.distributions.counts.geometric import geometric
from jaxmle.distributions.counts.logarithmic import logarithmic
from jaxmle.distributions.counts.negative_binomial import negative_binomial
from jaxmle.distributions.counts.poisson import poisson
from jaxmle.distributions.counts.skellam import skellam
from jaxmle.distributions.counts.zeta import zeta
from jaxmle.distributions.extremes.frechet import frechet
from jaxmle.distributions.extremes.gev import gev
from jaxmle.distributions.extremes.gpd import gpd
from jaxmle.distributions.extremes.gumbel import gumbel
from jaxmle.distributions.extremes.gumbel_min import gumbel_min
from jaxmle.distributions.multivariate.dirichlet import dirichlet
from jaxmle.distributions.multivariate.dirichlet_multinomial import dirichlet_multinomial
from jaxmle.distributions.multivariate.multinomial import multinomial
from jaxmle.distributions.multivariate.multivariate_normal import multivariate_normal
from jaxmle.distributions.multivariate.multivariate_t import multivariate_t
from jaxmle.distributions.multivariate.von_mises_fisher import von_mises_fisher
from jaxmle.distributions.multivariate.wishart import wishart
from jaxmle.distributions.positive.beta_prime import beta_prime
from jaxmle.distributions.positive.birnbaum_saunders import birnbaum_saunders
from jaxmle.distributions.positive.burr12 import burr12
from jaxmle.distributions.positive.chi import chi
from jaxmle.distributions.positive.chi2 import chi2
from jaxmle.distributions.positive.exponential import exponential
from jaxmle.distributions.positive.exponentiated_weibull import exponentiated_weibull
from jaxmle.distributions.positive.f import f
from jaxmle.distributions.positive.gamma import gamma
from jaxmle.distributions.positive.generalized_gamma import generalized_gamma
from jaxmle.distributions.positive.gompertz import gompertz
from jaxmle.distributions.positive.half_normal import half_normal
from jaxmle.distributions.positive.inverse_gamma import inverse_gamma
from jaxmle.distributions.positive.inverse_gaussian import inverse_gaussian
from jaxmle.distributions.positive.levy import levy
from jaxmle.distributions.positive.log_logistic import log_logistic
from jaxmle.distributions.positive.lognormal import lognormal
from jaxmle.distributions.positive.lomax import lomax
from jaxmle.distributions.positive.nakagami import nakagami
from jaxmle.distributions.positive.pareto import pareto
from jaxmle.distributions.positive.rayleigh import rayleigh
from jaxmle.distributions.positive.rice import rice
from jaxmle.distributions.positive.weibull import weibull
from jaxmle.distributions.real.asymmetric_laplace import asymmetric_laplace
from jaxmle.distributions.real.cauchy import cauchy
from jaxmle.distributions.real.generalized_logistic import generalized_logistic
from jaxmle.distributions.real.generalized_normal import generalized_normal
from jaxmle.distributions.real.hyperbolic_secant import hyperbolic_secant
from jaxmle.distributions.real.johnson_su import johnson_su
from jaxmle.distributions.real.laplace import laplace
from jaxmle.distributions.real.logistic import logistic
from jaxmle.distributions.real.normal import normal
from jaxmle.distributions.real.pearson3 import pearson3
from jaxmle.distributions.real.skew_normal import skew_normal
from jaxmle.distributions.real.student_t import student_t

__all__ = [
    "Distribution",
    "asymmetric_laplace",
    "bernoulli",
    "beta",
    "beta_binomial",
    "beta_prime",
    "binomial",
    "birnbaum_saunders",
    "burr12",
    "by_name",
    "categorical",
    "cauchy",
    "chi",
    "chi2",
    "conway_maxwell_poisson",
    "dirichlet",
    "dirichlet_multinomial",
    "exponential",
    "exponentiated_weibull",
    "f",
    "folded",
    "frechet",
    "gamma",
    "generalized_gamma",
    "generalized_logistic",
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
    "levy",
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
    "pearson3",
    "poisson",
    "power_law",
    "rayleigh",
    "rice",
    "scaled",
    "shifted",
    "skellam",
    "skew_normal",
    "student_t",
    "triangular",
    "truncated",
    "uniform",
    "von_mises",
    "von_mises_fisher",
    "weibull",
    "wishart",
    "wrapped_cauchy",
    "zeta",
]
# End of what is made from the files.

_FAMILIES = {name: x for name in __all__ if isinstance(x := globals().get(name), Distribution)}
_COMBINATORS = {name for name in __all__ if "composed" in getattr(globals().get(name), "__module__", "")}
_SIZED = set(__all__) - set(_FAMILIES) - _COMBINATORS - {"Distribution", "by_name", "names"}


def names() -> list[str]:
    """List the names of all distributions of one number, sorted; those of vectors are functions of their dimension."""
    return list(_FAMILIES)


def by_name(name: str) -> Distribution:
    """Look up the distribution called `name`; a ValueError says what a name of SciPy or R is called here, or lists all names.

    >>> from jaxmle import distributions
    >>> distributions.by_name("weibull")
    <distribution weibull(scale, shape)>
    """
    plain = str(name).strip().lower().replace("-", "_").replace(" ", "_")
    if plain in _FAMILIES:
        return _FAMILIES[plain]
    if plain in _SIZED:
        raise ValueError(f"{plain} needs its number of categories or dimensions: jaxmle.distributions.{plain}(3)")
    if plain in _COMBINATORS:
        raise ValueError(
            f"{plain} is made of another distribution: jaxmle.distributions.{plain}(distributions.weibull, ...)"
        )
    if meant := name_here(plain, _FAMILIES):
        raise ValueError(f"unknown distribution {name!r}: {meant}")
    close = difflib.get_close_matches(plain, _FAMILIES, n=1, cutoff=0.7)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise ValueError(f"unknown distribution {name!r}.{hint} Known: {', '.join(_FAMILIES)}")
