"""Criteria of how well a model predicts: AIC, AICc and BIC of every fit of a solution, f[B]."""

import numpy as np

from jaxmle._engine.solution import Solution


def aic(solution: Solution) -> np.ndarray:
    """Compute -2 l + 2 k (Akaike 1974); k counts free unconstrained dimensions."""
    return 2 * solution.outcome.value + 2 * solution.model.free


def aicc(solution: Solution) -> np.ndarray:
    """Compute aic + 2 k (k + 1) / (n - k - 1) (Hurvich & Tsai 1989); NaN if n <= k + 1."""
    k, n = solution.model.free, solution.n_observations
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(n > k + 1, aic(solution) + 2 * k * (k + 1) / (n - k - 1), np.nan)


def bic(solution: Solution) -> np.ndarray:
    """Compute -2 l + k log n (Schwarz 1978), n the sum of weights."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return 2 * solution.outcome.value + solution.model.free * np.log(solution.n_observations)
