"""Gauss and Newton's curvature of a sum of contributions, found from its derivatives by the response.

Where a row depends on its response y and on some parameters through y - m alone, m a function of these and of covariates, the
second derivative by them is m' m'^T l_yy - m'' l_y. The last term has mean zero at the maximum, and far from it leads
astray; without it the curvature is positive definite for every log-concave noise (Gauss and Newton's method for least
squares; Nocedal & Wright 2006, *Numerical Optimization*, 2nd ed., section 10.3). Nothing has to be declared for it: m' = -l_ym / l_yy,
and whether a parameter enters through y - m alone shows in l_m l_yy = l_y l_ym, row by row.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxmle._util.arrays import Array, Bool, Data, Float

AGREES = 1e-6
"The relative error of the identity up to which a parameter counts as part of a location."

MOST_LEAVES = 4
"Leaves of the data that are tried as the response, at most."

Rows = Callable[[Float[Array, " p"], Data], Float[Array, " n"]]


def gauss_newton(
    rows: Rows, u: Float[Array, " p"], data: Data, weights: Float[Array, " n"], information: Float[Array, "p p"]
) -> Float[Array, "p p"]:
    """Replace the part of the information that belongs to a location of the response by Gauss and Newton's, f[p, p].

    Args:
        rows: contributions f[n] of coordinates f[p] and data.
        u: coordinates.
        data: leaves [n], and any others.
        weights: of the rows.
        information: the observed one at u; it is returned where no coordinate belongs to a location.
    """
    leaves, tree = jax.tree.flatten(data)
    scores = jax.jacfwd(lambda x: rows(x, data))(u)
    most, matrix = jnp.zeros((), jnp.int32), information
    for k in _responses(leaves, weights):

        def of(x: Array, y: Array, k: int = k) -> Array:
            return rows(x, jax.tree.unflatten(tree, [*leaves[:k], y, *leaves[k + 1 :]]))

        part, curvature = _along(of, u, leaves[k], weights, scores)
        count = jnp.sum(part.astype(jnp.int32))
        apart = jnp.where(part[:, None] == part[None, :], jnp.where(part[:, None], curvature, information), 0.0)
        matrix, most = jnp.where(count > most, apart, matrix), jnp.maximum(count, most)
    return matrix


def _responses(leaves: list[Array], weights: Array) -> list[int]:
    """List the leaves that may be a response: real numbers, one a row."""
    real = [i for i, x in enumerate(leaves) if x.shape == weights.shape and jnp.issubdtype(x.dtype, jnp.floating)]
    return real[:MOST_LEAVES]


def _along(
    rows: Callable[[Float[Array, " p"], Float[Array, " n"]], Float[Array, " n"]],
    u: Float[Array, " p"],
    y: Float[Array, " n"],
    weights: Float[Array, " n"],
    scores: Float[Array, "n p"],
) -> tuple[Bool[Array, " p"], Float[Array, "p p"]]:
    """Find the coordinates of the location of y, bool[p], and sum m' m'^T (-l_yy), f[p, p]."""

    def by_response(x: Array, y: Array) -> Array:
        return jax.grad(lambda y: jnp.sum(rows(x, y)))(y)

    slope, bend = jax.jvp(lambda y: by_response(u, y), (y,), (jnp.ones_like(y),))
    mixed = jax.jacfwd(lambda x: by_response(x, y))(u)
    left, right = scores * bend[:, None], mixed * slope[:, None]
    used = (weights != 0)[:, None]
    size = jnp.where(used, jnp.abs(left) + jnp.abs(right), 0.0)
    agree = jnp.where(used, jnp.abs(left - right) <= AGREES * jnp.max(size, 0), True)
    part = jnp.all(agree, 0) & jnp.any(used & (mixed != 0), 0)
    concave = bend < 0
    share = jnp.where(concave, weights / jnp.where(concave, -bend, 1.0), 0.0)
    return part, (mixed * share[:, None]).T @ mixed
