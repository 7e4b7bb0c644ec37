"""Names of distributions in SciPy and R, and what they are called here."""

SAME = {
    "beta_binom": "beta_binomial", "betabinom": "beta_binomial", "binom": "binomial", "burr": "burr12", "erlang": "gamma",
    "exp": "exponential", "expon": "exponential", "exponweib": "exponentiated_weibull", "extreme_value": "gev",
    "fatiguelife": "birnbaum_saunders", "fisk": "log_logistic", "gaussian": "normal", "gengamma": "generalized_gamma",
    "gennorm": "generalized_normal", "genpareto": "gpd", "generalized_extreme_value": "gev",
    "generalized_pareto": "gpd", "geom": "geometric", "genextreme": "gev", "gumbel_l": "gumbel_min", "gumbel_r": "gumbel",
    "halfnorm": "half_normal", "hypsecant": "hyperbolic_secant", "invgamma": "inverse_gamma",
    "invgauss": "inverse_gaussian", "invweibull": "frechet", "johnsonsu": "johnson_su",
    "laplace_asymmetric": "asymmetric_laplace", "llogis": "log_logistic", "lnorm": "lognormal", "loglogistic": "log_logistic",
    "lognorm": "lognormal", "logis": "logistic", "logser": "logarithmic", "nbinom": "negative_binomial",
    "nbinomial": "negative_binomial", "negbin": "negative_binomial", "negbinomial": "negative_binomial", "norm": "normal",
    "pois": "poisson", "skewnorm": "skew_normal", "student": "student_t", "students_t": "student_t", "t": "student_t",
    "triang": "triangular", "unif": "uniform", "vonmises": "von_mises", "wald": "inverse_gaussian",
    "weibull_min": "weibull", "wrapcauchy": "wrapped_cauchy", "zipf": "zeta",
}  # fmt: skip
"Another name, and the name here."

_DIFFERENT = {
    "burr": "SciPy's burr is Burr's type III, of 1/x; its burr12 is the one here",
    "erlang": "an Erlang is a gamma with a whole number as its shape",
    "fisk": "scale and shape c are the same",
    "genextreme": "SciPy's c is minus the shape here",
    "invgauss": "SciPy's mu is mean / shape here",
    "nbinom": "here by mean and dispersion: n = 1 / dispersion, p = 1 / (1 + dispersion mean)",
    "geom": "here the number of trials, 1 and up, as in SciPy; R counts failures, 0 and up",
    "zipf": "its exponent is the shape here",
}
"Where parameters differ, how."

ABSENT = {
    "chi2": "a chi-square is a gamma with its scale held: models.pinned('gamma', {'scale': 2.0}), df = 2 shape",
    "chisq": "a chi-square is a gamma with its scale held: models.pinned('gamma', {'scale': 2.0}), df = 2 shape",
    "f": "write its log-density, such as jaxmle.Model(function, spaces)",
    "levy": "it is models.pinned('inverse_gamma', {'shape': 0.5}), whose scale is half of Levy's",
    "maxwell": "x^2 of Maxwell's distribution is a gamma with shape 3/2; or write its log-density as a jaxmle.Model",
    "powerlaw": "on (0, 1) it is models.pinned('beta', {'b': 1.0})",
    "rice": "write its log-density as a jaxmle.Model, with jaxmle.special for the Bessel function",
    "weibull_max": "fit 'weibull' to -x",
    "loggamma": "fit 'generalized_gamma' to exp(x)",
    "truncnorm": "write its log-density as a jaxmle.Model",
    "hypergeom": "write its log-mass as a jaxmle.Model",
}
"Names that stand for nothing here, and what to do."


def hint(name: str) -> str:
    """Say what a name of SciPy's or R's is called here, or what to do without it; empty for other names.

    Example:
        >>> hint("genextreme")
        "It is called 'gev' here (SciPy's c is minus the shape here)."
        >>> hint("anything")
        ''
    """
    if name in ABSENT:
        return f"There is no {name} here: {ABSENT[name]}."
    plain = name if name in SAME else name[1:] if name[:1] in ("d", "p", "q", "r") and name[1:] in SAME else ""
    if not plain:
        return ""
    note = f" ({_DIFFERENT[plain]})" if plain in _DIFFERENT else ""
    return f"It is called {SAME[plain]!r} here{note}."
