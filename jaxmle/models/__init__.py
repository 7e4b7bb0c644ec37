"""Combinators: functions from records to models."""

from jaxmle.models.censoring import Censored, censored
from jaxmle.models.copulas import Copula, gaussian_copula, t_copula
from jaxmle.models.independent import IID, iid
from jaxmle.models.restricted import as_model, pinned, tied

__all__ = ["IID", "Censored", "Copula", "as_model", "censored", "gaussian_copula", "iid", "pinned", "t_copula", "tied"]
