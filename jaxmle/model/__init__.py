"""Models: log-likelihood contributions of the observations, and the objective that is built from them."""

from jaxmle.model.geometry import Chart, Geometry, Kink
from jaxmle.model.model import Model, constant, rows

__all__ = ["Chart", "Geometry", "Kink", "Model", "constant", "rows"]
