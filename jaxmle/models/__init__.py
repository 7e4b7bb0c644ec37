"""Combinators: functions from records to models."""

from jaxmle.models._censored import Censored, censored
from jaxmle.models._iid import IID, iid
from jaxmle.models._restricted import as_model, pinned, tied

__all__ = ["IID", "Censored", "as_model", "censored", "iid", "pinned", "tied"]
