"""Distributions as records of pure functions: `logpdf, logcdf, logsf, quantile, sample, support, space, start`."""

import difflib

from jaxmle.distributions._counts import negative_binomial, poisson
from jaxmle.distributions._distribution import Distribution
from jaxmle.distributions._lifetimes import exponential, gamma, lognormal, weibull
from jaxmle.distributions._real_line import normal, student_t
from jaxmle.distributions._trials import bernoulli, binomial, geometric

__all__ = [
    "Distribution",
    "bernoulli",
    "binomial",
    "by_name",
    "exponential",
    "gamma",
    "geometric",
    "lognormal",
    "names",
    "negative_binomial",
    "normal",
    "poisson",
    "student_t",
    "weibull",
]

_ALL = {
    d.name: d
    for d in (
        bernoulli,
        binomial,
        exponential,
        gamma,
        geometric,
        lognormal,
        negative_binomial,
        normal,
        poisson,
        student_t,
        weibull,
    )
}


def names() -> list[str]:
    """The names of all distributions, sorted."""
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
    close = difflib.get_close_matches(plain, _ALL, n=1, cutoff=0.5)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise ValueError(f"unknown distribution {name!r}.{hint} Known: {', '.join(_ALL)}")
