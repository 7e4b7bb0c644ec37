"""Models: log-likelihood contributions of the observations, and the objective that is built from them."""

from jaxmle.model.model import Model, constant, rows

__all__ = ["Model", "constant", "rows"]
