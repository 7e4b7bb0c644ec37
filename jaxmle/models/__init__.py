"""Combinators: functions from records to models."""

from jaxmle.models._censored import Censored, censored
from jaxmle.models._copula import Copula, gaussian_copula, t_copula
from jaxmle.models._iid import IID, iid
from jaxmle.models._restricted import as_model, pinned, tied

__all__ = ["IID", "Censored", "Copula", "as_model", "censored", "gaussian_copula", "iid", "pinned", "t_copula", "tied"]
