"""Names that SciPy, R, MATLAB and books give to families of the catalogue: one table, for the sentence of an error.

A name of another package is corrected, not taken: its parameters are other ones, and some have the other sign.
"""

from collections.abc import Container

NAMES: dict[str, tuple[str, str]] = {
    "betabinom": ("beta_binomial", "its probability is a / (a + b), its dispersion 1 / (a + b)"),
    "betaprime": ("beta_prime", ""),
    "binom": ("binomial", "its data are the columns successes and trials"),
    "breit_wigner": ("cauchy", ""),
    "burr": ("burr12", "SciPy's burr is Burr III: 1/x of it follows burr12"),
    "chi_square": ("chi2", ""),
    "chi_squared": ("chi2", ""),
    "chisq": ("chi2", ""),
    "chisquare": ("chi2", ""),
    "double_exponential": ("laplace", ""),
    "erlang": ("gamma", "a whole shape k is held by models.pinned('gamma', shape=k)"),
    "ev": ("gumbel_min", ""),
    "exp": ("exponential", "its rate is R's"),
    "expon": ("exponential", "its rate is 1 / SciPy's scale"),
    "exponweib": ("exponentiated_weibull", "SciPy's a is power, c is shape"),
    "extreme_value": ("gumbel", "minima follow gumbel_min"),
    "fatiguelife": ("birnbaum_saunders", "SciPy's c is shape"),
    "fisk": ("log_logistic", "SciPy's c is shape"),
    "gaussian": ("normal", ""),
    "generalized_extreme_value": ("gev", ""),
    "generalized_pareto": ("gpd", "subtract the threshold from the data"),
    "genextreme": ("gev", "SciPy's shape c has the other sign: shape = -c"),
    "gengamma": ("generalized_gamma", "SciPy's a is shape, c is power"),
    "genlogistic": ("generalized_logistic", "SciPy's c is shape"),
    "gennorm": ("generalized_normal", "SciPy's beta is shape"),
    "genpareto": ("gpd", "SciPy's c is shape, of the same sign; subtract loc, the threshold, from the data"),
    "geom": ("geometric", "it counts trials from 1 as SciPy's does; R's counts failures from 0"),
    "gibrat": ("lognormal", "Gibrat's is models.pinned('lognormal', scale=1)"),
    "gp": ("gpd", "subtract the threshold from the data"),
    "gumbel_l": ("gumbel_min", ""),
    "gumbel_max": ("gumbel", ""),
    "gumbel_r": ("gumbel", ""),
    "halfnorm": ("half_normal", ""),
    "hypsecant": ("hyperbolic_secant", "its scale is the standard deviation, pi/2 of SciPy's"),
    "inverse_weibull": ("frechet", ""),
    "invgamma": ("inverse_gamma", "SciPy's a is shape"),
    "invgauss": ("inverse_gaussian", "its mean is SciPy's mu scale, its shape SciPy's scale"),
    "invweibull": ("frechet", "SciPy's c is shape"),
    "johnsonsu": ("johnson_su", "SciPy's a is gamma, b is delta"),
    "laplace_asymmetric": ("asymmetric_laplace", "SciPy's kappa is asymmetry"),
    "llogis": ("log_logistic", ""),
    "lnorm": ("lognormal", "R's meanlog is loc, sdlog is scale"),
    "log_normal": ("lognormal", ""),
    "loglogistic": ("log_logistic", ""),
    "logis": ("logistic", ""),
    "lognorm": ("lognormal", "SciPy's s is scale, the logarithm of its scale is loc"),
    "logser": ("logarithmic", "SciPy's p is probability"),
    "maxwell": ("chi", "Maxwell's is models.pinned('chi', df=3)"),
    "nbinom": (
        "negative_binomial",
        "with n (R's size) and p of SciPy and R its dispersion is 1/n, its mean n (1 - p) / p",
    ),
    "neg_binomial": ("negative_binomial", ""),
    "norm": ("normal", "sd is scale"),
    "pareto2": ("lomax", ""),
    "pearson_iii": ("pearson3", ""),
    "pearson_vi": ("beta_prime", ""),
    "pois": ("poisson", "R's lambda is mean"),
    "powerlaw": ("power_law", "SciPy's a is shape"),
    "rician": ("rice", ""),
    "singh_maddala": ("burr12", ""),
    "skewnorm": ("skew_normal", "SciPy's a is shape"),
    "sn": ("skew_normal", "alpha is shape"),
    "students_t": ("student_t", ""),
    "studentt": ("student_t", ""),
    "t": ("student_t", "its loc and scale are fitted too"),
    "triang": ("triangular", "SciPy's c is mode, on 0 to 1"),
    "unif": ("uniform", "min and max are lower and upper"),
    "vonmises": ("von_mises", "SciPy's kappa is concentration"),
    "wald": ("inverse_gaussian", ""),
    "wbl": ("weibull", ""),
    "weibull_max": ("weibull", "SciPy's weibull_max is that of -x"),
    "weibull_min": ("weibull", "SciPy's c is shape; subtract loc, the threshold, from the data"),
    "wrapcauchy": ("wrapped_cauchy", "SciPy's c is concentration"),
    "zipf": ("zeta", "SciPy's a is shape"),
}
"Name elsewhere (lower case, underscores) -> name here, and how the parameters correspond where that is not plain."

ABSENT: dict[str, str] = {
    **dict.fromkeys(
        (
            "betanbinom", "foldcauchy", "genhalflogistic", "halfcauchy", "halfgennorm", "halflogistic", "hyper", "hypergeom",
            "kappa3", "kappa4", "poisson_binom", "skewcauchy", "truncpareto", "tweedie",
        ),
        "",
    ),
    "exponnorm": "skew_normal is near",
    "foldnorm": "rice is the length of a vector in the plane",
    "johnsonsb": "logit_normal is that on 0 to 1",
    "levy_l": "it is levy of -x",
    "loggamma": "fit 'gamma' to exp(x)",
    "loglaplace": "fit 'laplace' to log(x)",
    "loguniform": "fit 'uniform' to log(x)",
    "vonmises_line": "von_mises is that of angles",
}  # fmt: skip
"Names of families that are missing here, and what is near: none of them is another family's name misspelt."


def name_here(plain: str, families: Container[str]) -> str:
    """Say which family a name from elsewhere means; empty where the name is unknown there too.

    Args:
        plain: the name in lower case with underscores.
        families: the names here.

    Example:
        >>> name_here("gumbel_l", ())
        "it is called 'gumbel_min' here"
        >>> name_here("dnorm", ())
        "it is called 'normal' here; sd is scale"
    """
    if plain in ABSENT:
        return "it is not in the catalogue" + (f"; {ABSENT[plain]}" if ABSENT[plain] else "")
    found = NAMES.get(plain)
    if found is None and plain[:1] in "dpqr":  # R's density, probability, quantile and sample
        found = NAMES.get(plain[1:], (plain[1:], "") if plain[1:] in families else None)
    if found is None:
        return ""
    return f"it is called {found[0]!r} here" + (f"; {found[1]}" if found[1] else "")
