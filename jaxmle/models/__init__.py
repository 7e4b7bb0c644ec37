"""Combinators: functions from records to models."""

from jaxmle.models.censoring import censored
from jaxmle.models.censoring_schemes import EndOfStudy, Estimated, Inspections
from jaxmle.models.copulas import gaussian_copula, t_copula
from jaxmle.models.independent import iid
from jaxmle.models.restricted import as_model, pinned, tied

__all__ = [
    "EndOfStudy",
    "Estimated",
    "Inspections",
    "as_model",
    "censored",
    "gaussian_copula",
    "iid",
    "pinned",
    "t_copula",
    "tied",
]
