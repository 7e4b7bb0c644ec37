"""Optimizers made for likelihoods: ordinary optax optimizers, usable in any optax loop.

Any `optax.GradientTransformation` works in their place: `optax.adam(1e-2)`, `optax.lbfgs()`, chains, schedules.
"""

from jaxmle.optimizers.curvature import bhhh, fisher_scoring, gauss_newton, newton
from jaxmle.optimizers.named import by_name
from jaxmle.optimizers.quasi_newton import lbfgs

__all__ = ["bhhh", "by_name", "fisher_scoring", "gauss_newton", "lbfgs", "newton"]
