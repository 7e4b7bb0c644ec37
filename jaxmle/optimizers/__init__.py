"""Optimizers made for likelihoods: plain optax citizens, usable in any optax loop.

Any `optax.GradientTransformation` works in their place: `optax.adam(1e-2)`, `optax.lbfgs()`, chains, schedules.
"""

from jaxmle.optimizers._curvature import bhhh, fisher_scoring, newton
from jaxmle.optimizers._lbfgs import lbfgs
from jaxmle.optimizers._named import by_name

__all__ = ["bhhh", "by_name", "fisher_scoring", "lbfgs", "newton"]
