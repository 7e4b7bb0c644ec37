"""Nulls on an edge: whether a null is what the full model becomes at an end of one of its parameters."""

import jax
import numpy as np
from jax.flatten_util import ravel_pytree

from jaxmle._engine.plan import Plan
from jaxmle._engine.solve import solve
from jaxmle._util.arrays import Bool, Float
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
    model, batch = full.model, full.solution.batch
    u = np.where(np.isfinite(full.solution.outcome.u), full.solution.outcome.u, 0.0)
    low = -null.solution.outcome.value
    found = np.zeros(len(u), bool)
    for k in np.flatnonzero(_with_ends(full)):
        for side in (-_FAR, _FAR):
            at = u.copy()
            at[:, k] = np.clip(u[:, k], -_FAR, _FAR) + side
            value = _held(full, k, at)
            with np.errstate(invalid="ignore"):
                found |= np.abs(value - low) <= _SAME * (1 + np.abs(low))
    del model, batch
    return found


def _with_ends(full: Fit) -> Bool[np.ndarray, " p"]:
    """Tell which coordinates have ends: logarithms, logits, and logarithms of shares."""
    leaves = jax.tree.leaves(full.model.space)
    return np.array(
        [s.kind.unitless or s.kind.name == "simplex" for s in leaves for _ in range(int(np.prod(s.coordinate_shape)))],
        bool,
    )


def _held(full: Fit, k: int, at: Float[np.ndarray, "B p"]) -> Float[np.ndarray, " B"]:
    """Fit the other parameters from `at`, coordinate k staying there; log-likelihoods."""
    model = full.model
    _, unravel = ravel_pytree(jax.tree.map(lambda s: np.zeros(s.coordinate_shape), model.space))
    start = jax.vmap(lambda v: model.forward(unravel(v)))(at)
    outcome = solve(model, full.solution.batch, Plan(start=start, dtype=at.dtype, retries=0)).outcome
    print(k, at, outcome.u, -outcome.value, outcome.status)
    return -outcome.value
