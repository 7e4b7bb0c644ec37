"""Matrix algebra on stacks of small matrices, f[..., p, p]: inverses, quadratic forms, standard errors. NumPy only."""

from collections.abc import Callable

import numpy as np

_BLOCK = 1 << 18
"Bytes of matrices that are computed with at a time: what fits in a cache."


def _together(function: Callable[..., np.ndarray], *stacks: np.ndarray) -> np.ndarray:
    """Apply a function of matrices f[a, b, many] to stacks f[..., a, b], block by block.

    LAPACK and BLAS take a microsecond for a call, which is longer than a fit takes.
    """
    lead = stacks[0].shape[:-2]
    flat = [x.reshape(int(np.prod(lead)), *x.shape[-2:]) for x in stacks]
    step = max(_BLOCK // (8 * max(1, *(x[:1].size for x in flat))), 1)
    parts = []
    for begin in range(0, max(len(flat[0]), 1), step):
        parts.append(function(*(np.ascontiguousarray(np.moveaxis(x[begin : begin + step], 0, -1)) for x in flat)))
    whole = np.concatenate(parts, axis=-1)
    return np.moveaxis(whole, -1, 0).reshape(*lead, *whole.shape[:-1])


def inverse(information: np.ndarray) -> np.ndarray:
    """Invert symmetric matrices f[..., p, p], scaled to unit diagonal first; NaN unless positive definite."""
    with np.errstate(all="ignore"):
        return _together(_inverses, information)


def _inverses(matrices: np.ndarray) -> np.ndarray:
    """Invert symmetric f[p, p, many]: by sweeps (Goodnight 1979, *Am. Stat.* 33, 149-158), and by LAPACK where
    that is not safe."""
    p, out = len(matrices), np.empty_like(matrices)
    diagonal = np.einsum("iib->ib", matrices)
    scale = 1 / np.sqrt(np.where(diagonal > 0, diagonal, np.nan))
    x = [[matrices[i, j] * scale[i] * scale[j] for j in range(i + 1)] for i in range(p)]  # rows of the lower triangle
    determinant = least = np.ones(matrices.shape[-1])
    for k in range(p):
        pivot = x[k][k]
        determinant, least = determinant * pivot, np.minimum(least, pivot)
        others = [i for i in range(p) if i != k]
        column = {i: x[i][k] if i > k else x[k][i] for i in others}
        part = {i: column[i] / pivot for i in others}
        for i in others:
            for j in others[: others.index(i) + 1]:
                x[i][j] = x[i][j] - column[i] * part[j]
            x[max(i, k)][min(i, k)] = part[i]
        x[k][k] = -1 / pivot
    for i in range(p):
        for j in range(i + 1):
            np.multiply(x[i][j], -scale[i] * scale[j], out=out[i, j])
            out[j, i] = out[i, j]
    # The least of eigenvalues that add up to p is at least a third of their product; what is not a number is not above 0.
    unsure = np.flatnonzero(~((least > 0) & (determinant > 1e-6)))
    if len(unsure):
        units = scale[:, None, unsure] * scale[:, unsure]
        some = np.moveaxis(matrices[..., unsure] * units, -1, 0)
        finite = np.isfinite(some).all((1, 2), keepdims=True)
        some = np.where(finite, some, np.eye(p, dtype=some.dtype))
        definite = np.linalg.eigvalsh(some)[:, :1, None] > 4 * p * np.finfo(float).eps
        some = np.linalg.inv(np.where(definite, some, np.eye(p, dtype=some.dtype)))
        out[..., unsure] = np.moveaxis(np.where(finite & definite, some, np.nan), 0, -1) * units
    return out


def delta(jacobian_: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Compute G C G', the covariance of a smooth function of the estimate (van der Vaart 1998, theorem 3.1)."""
    return _together(lambda g, c: _times(_times(g, c), np.swapaxes(g, 0, 1)), jacobian_, covariance)


def _times(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Multiply matrices f[i, j, many] and f[j, k, many]."""
    total = np.zeros((len(a), *b.shape[1:]), np.result_type(a, b))
    for j in range(len(b)):
        total += a[:, j, None] * b[j]
    return total


def standard_deviations(covariance: np.ndarray, jacobian_: np.ndarray | None = None) -> np.ndarray:
    """Take square roots of the diagonal of a covariance, or of its `delta`, f[..., p]; NaN where it is negative."""
    if jacobian_ is None:
        variances = np.diagonal(covariance, axis1=-2, axis2=-1)
    else:
        variances = _together(_variances, jacobian_, covariance)
    with np.errstate(invalid="ignore"):
        return np.sqrt(variances)


def _variances(g: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Compute the diagonal of G C G' for f[q, p, many] and f[p, p, many]; most coordinates have a parameter of their own."""
    out = np.zeros((len(g), g.shape[-1]), np.result_type(g, c))
    for i, row in enumerate(g):
        taken = [j for j, x in enumerate(row) if x.any()]
        for j in taken:
            for k in taken:
                out[i] += row[j] * c[j, k] * row[k]
    return out
