"""Maximum likelihood in JAX: one log-likelihood in, a certified maximum out, for one data set or for millions."""

from jaxmle import distributions, models, optimizers, plot, spaces, special
from jaxmle._status import Status
from jaxmle._version import __version__
from jaxmle.check import Report, check
from jaxmle.compare import compare, likelihood_ratio, score_test, wald_test
from jaxmle.fit import fit, fit_many
from jaxmle.load import load
from jaxmle.maximize import Maximum, maximize
from jaxmle.model import Model, constant, rows
from jaxmle.result import Fit

__all__ = [
    "Fit",
    "Maximum",
    "Model",
    "Report",
    "Status",
    "__version__",
    "check",
    "compare",
    "constant",
    "distributions",
    "fit",
    "fit_many",
    "likelihood_ratio",
    "load",
    "maximize",
    "models",
    "optimizers",
    "plot",
    "rows",
    "score_test",
    "spaces",
    "special",
    "wald_test",
]
