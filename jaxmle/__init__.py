"""Maximum likelihood in JAX: one log-likelihood in, a certified maximum out, for one data set or for millions."""

from jaxmle import optimizers, spaces
from jaxmle._status import Status
from jaxmle.maximize import Maximum, maximize
from jaxmle.model import Model, constant, rows

__all__ = [
    "Maximum", "Model", "Status", "constant", "maximize", "optimizers", "rows", "spaces",
]  # fmt: skip
