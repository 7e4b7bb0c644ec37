"""An independent search for points better than the claimed maxima, for many data sets side by side.

It knows no derivatives: from each claimed point it tries steps of all sizes along each parameter and along the principal
axes of the claimed covariance, takes the best, and begins again. Points are pairs of float64 numbers, as no float64
optimizer could tell of others.
"""

from collections.abc import Callable

import numpy as np

LogLikelihood = Callable[[np.ndarray], np.ndarray]
"`points[B, C, p] -> f[B, C]`, in some arithmetic."

RELATIVE = 2.0 ** -np.array([51, 46, 40, 34, 28, 22, 16, 10, 6, 3, 1])
"Steps along a parameter, in units of its size."
ERRORS = np.array([1e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1, 3])
"Steps along a principal axis, in standard errors."
LADDER = 10.0 ** np.array(
    [-300, -150, -60, -30, -20, -15, -12, -10, -8, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 60]
)
"Values beside a limit."


def _axes(covariance: np.ndarray) -> np.ndarray:
    """Compute the principal axes of the correlation matrices [B, p, p], in standard errors; 0 where they are not finite."""
    with np.errstate(all="ignore"):
        errors = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
        correlation = covariance / errors[:, :, None] / errors[:, None, :]
        known = np.all(np.isfinite(correlation), axis=(1, 2))
        correlation = np.where(known[:, None, None], correlation, np.eye(covariance.shape[1]))
        values, vectors = np.linalg.eigh(correlation)
        axes = vectors * np.sqrt(np.maximum(values, 0))[:, None, :] * errors[:, :, None]
    return np.where(known[:, None, None], axes, 0).swapaxes(1, 2)


def ascend(
    evaluate: LogLikelihood,
    points: np.ndarray,
    size: np.ndarray,
    covariance: np.ndarray | None,
    low: np.ndarray,
    high: np.ndarray,
    rounds: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Ascend from points [B, p] and return the best found and its log-likelihood; the given ones are among the candidates.

    Args:
        evaluate: the log-likelihood.
        points: float64.
        size: of each parameter, [B, p], for relative steps.
        covariance: of the parameters, [B, p, p], NaN where unknown.
        low, high: bounds of each parameter, [p].
        rounds: at most.
    """
    p = points.shape[1]
    axes = np.zeros((len(points), p, p)) if covariance is None else _axes(covariance)
    best = evaluate(points[:, None])[:, 0]
    for _ in range(rounds):
        along = (RELATIVE[:, None, None] * np.eye(p)).reshape(-1, p)[None] * size[:, None, :]
        across = (ERRORS[None, :, None, None] * axes[:, None]).reshape(len(points), -1, p)
        moves = np.concatenate([along, across], 1)
        tried = np.clip(points[:, None] + np.concatenate([moves, -moves], 1), low, high)
        value = evaluate(tried)
        value = np.where(np.isfinite(value), value, -np.inf)
        which = np.argmax(value, 1)
        found = np.take_along_axis(value, which[:, None], 1)[:, 0]
        better = found > best
        if not np.any(better):
            break
        points = np.where(better[:, None], np.take_along_axis(tried, which[:, None, None], 1)[:, 0], points)
        best = np.where(better, found, best)
    return points, best


def beside(
    evaluate: LogLikelihood, points: np.ndarray, low: np.ndarray, high: np.ndarray, rounds: int
) -> tuple[np.ndarray, np.ndarray]:
    """Ascend from the best point a step inward of limits: points [B, p] with infinite values or values at a bound.

    All parameters at a limit take each value of a ladder, first together and then one by one.
    """
    at_limit = ~np.isfinite(points) | (points <= low) | (points >= high)
    width = np.where(np.isfinite(high - low), high - low, 1.0)
    sign = np.where(np.isfinite(points), 1.0, np.sign(points))
    rungs = np.where(
        (points >= high) & np.isfinite(high),
        high - width * LADDER[:, None, None],
        np.where(np.isfinite(low), low, 0) + sign * width * LADDER[:, None, None],
    )  # [L, B, p]
    rungs = np.clip(rungs, np.nextafter(low, np.inf), np.nextafter(high, -np.inf))
    tried = np.where(at_limit, rungs, points).swapaxes(0, 1)
    value = evaluate(tried)
    which = np.argmax(np.where(np.isfinite(value), value, -np.inf), 1)
    begun = np.take_along_axis(tried, which[:, None, None], 1)[:, 0]
    return ascend(
        evaluate,
        begun,
        np.maximum(np.abs(begun), 1e-300),
        None,
        np.nextafter(low, np.inf),
        np.nextafter(high, -np.inf),
        rounds,
    )
