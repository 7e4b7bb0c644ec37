"""Nulls on an edge: whether a null is what the full model becomes at an end of one of its parameters."""

import jax
import numpy as np
from jax.flatten_util import ravel_pytree

from jaxmle._engine.plan import Plan
from jaxmle._engine.solve import solve
from jaxmle._util.arrays import Bool, Float
from jaxmle.inference.profile import fit_held
from jaxmle.result.fit import Fit

_FAR = 30.0
"Logs or logits from the estimate at which a parameter stands for its end."

_SAME = 1e-6
"Differences of log-likelihoods below this, relative to their size, are none."


def on_edge(null: Fit, full: Fit) -> Bool[np.ndarray, " B"]:
    """Tell for which data sets the null's maximum is the full model's at an end of one of its parameters.

    For models of which nobody knows how the one lies in the other (a normal in a mixture of two normals). Each parameter
    with an end (a variance, a probability, shares) is held there and the others are fitted: where that gives the null's
    log-likelihood, the null lies on that edge.

    Args:
        null: the smaller model's fit.
        full: the larger model's, of the same data sets.
    """
    leaves, at = jax.tree.leaves(full.model.space), 0
    u = np.where(np.isfinite(full.solution.outcome.u), full.solution.outcome.u, 0.0)
    low, found = -null.solution.outcome.value, np.zeros(len(u), bool)
    for k, space in enumerate(leaves):
        size = int(np.prod(space.coordinate_shape))
        for element in range(size if space.kind.unitless or space.kind.name == "simplex" else 0):
            for side in (-_FAR, _FAR):
                value = _at_end(full, k, element, at + element, side)
                with np.errstate(invalid="ignore"):
                    found |= np.abs(value - low) <= _SAME * (1 + np.abs(low))
        at += size
    return found


def _at_end(full: Fit, k: int, element: int, column: int, side: float) -> Float[np.ndarray, " B"]:
    """Fit the other parameters with an element of parameter k at its end; log-likelihoods.

    Args:
        full: the fit.
        k: which parameter.
        element: which of its elements.
        column: of the coordinates, the element's.
        side: how far to move from the estimate.
    """
    model, u = full.model, np.where(np.isfinite(full.solution.outcome.u), full.solution.outcome.u, 0.0).copy()
    u[:, column] = np.clip(u[:, column], -_FAR, _FAR) + side
    unravel = ravel_pytree(model.origin(u.dtype))[1]
    start = jax.vmap(lambda v: model.forward(unravel(v)))(u)
    if jax.tree.leaves(model.space)[k].kind.unitless:
        return fit_held(full.solution, k, element, u[:, column], start)[0]
    # Shares cannot be held one by one: the ascent stays where neither slope nor curvature is left.
    return -solve(model, full.solution.batch, Plan(start=start, dtype=u.dtype)).outcome.value
