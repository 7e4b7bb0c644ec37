"""Maximum likelihood in JAX: one log-likelihood in, a certified maximum out, for one data set or for millions."""

from jaxmle import distributions, models, optimizers, plot, spaces, special
from jaxmle._solver.status import Status
from jaxmle._util.cache import cache
from jaxmle._util.version import __version__
from jaxmle.checks.check import Report, check
from jaxmle.compare import compare, likelihood_ratio, score_test, wald_test
from jaxmle.fitting import compile_ahead, fit, fit_many
from jaxmle.maximum import Maximum, maximize
from jaxmle.model.model import Model, constant, rows
from jaxmle.result.fit import Fit
from jaxmle.result.load import load
from jaxmle.selection import fit_all

__all__ = [
    "Fit",
    "Maximum",
    "Model",
    "Report",
    "Status",
    "__version__",
    "cache",
    "check",
    "compare",
    "compile_ahead",
    "constant",
    "distributions",
    "fit",
    "fit_all",
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
