"""Draws among intervals that contain a point, with weights: n log n for n points and n intervals."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxmle._util.arrays import Array, Float, Int

_QUERY, _END, _START = range(3)
"Kinds of events, in the order that they have at one place: (lower, upper] contains upper and not lower."


def draw_containing(
    u: Float[Array, " n"],
    t: Float[Array, " n"],
    lower: Float[Array, " m"],
    upper: Float[Array, " m"],
    weight: Float[Array, " m"],
) -> Int[Array, " n"]:
    """Draw for each point t an interval (lower, upper] that contains it, with odds `weight`; -1 where none does.

    A sweep over points and ends in ascending order keeps the weights of the intervals that are open in a tree of sums,
    and a draw descends it.

    Args:
        u: uniform on [0, 1), one for each point.
        t: the points.
        lower, upper: of the intervals.
        weight: 0 for an interval that is not drawn.

    Example:
        >>> ends = jnp.array([0.0, 0.0, 5.0]), jnp.array([1.0, 2.0, 6.0])
        >>> draw_containing(jnp.array([0.1, 0.9, 0.5]), jnp.array([0.5, 0.5, 3.0]), *ends, jnp.array([1.0, 1.0, 1.0])).tolist()
        [0, 1, -1]
    """
    u, weight = jnp.asarray(u), jnp.asarray(weight)
    n, m = len(t), len(lower)
    depth = max(int(np.ceil(np.log2(max(m, 2)))), 1)
    leaves = 1 << depth
    kind = jnp.asarray(np.repeat([_QUERY, _END, _START], [n, m, m]))
    index = jnp.asarray(np.concatenate([np.arange(n), np.arange(m), np.arange(m)]))
    order = jnp.lexsort((kind, jnp.concatenate([t, upper, lower])))

    def event(tree: Array, e: Array) -> tuple[Array, Array]:
        # At a query a leaf is written anew as it is: a branch would copy the tree.
        query = kind[e] == _QUERY
        at = leaves + jnp.where(query, 0, index[e])
        now = jnp.where(query, tree[leaves], jnp.where(kind[e] == _START, weight[jnp.where(query, 0, index[e])], 0.0))

        def up(_: int, state: tuple[Array, Array]) -> tuple[Array, Array]:
            tree, at = state[0], state[1] // 2
            return tree.at[at].set(tree[2 * at] + tree[2 * at + 1]), at

        tree, _ = jax.lax.fori_loop(0, depth, up, (tree.at[at].set(now), at))

        def down(_: int, state: tuple[Array, Array]) -> tuple[Array, Array]:
            at, rest = state
            left = tree[2 * at]
            right = (rest >= left) & (tree[2 * at + 1] > 0)
            return 2 * at + right, jnp.where(right, rest - left, rest)

        begin = jnp.asarray(1, at.dtype), u[jnp.where(query, index[e], 0)] * tree[1]
        drawn, _ = jax.lax.fori_loop(0, depth, down, begin)
        return tree, jnp.where(tree[1] > 0, drawn - leaves, -1)

    _, drawn = jax.lax.scan(event, jnp.zeros(2 * leaves, weight.dtype), order)
    return jnp.full(n + 2 * m, -1, drawn.dtype).at[order].set(drawn)[:n]
