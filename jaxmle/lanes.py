"""Many fits at once: a fixed number of lanes step together, and a lane that ends takes the next data set.

A plain `vmap` of a `while_loop` runs every fit until the slowest ends. Here an outer loop gathers new data into the
freed lanes, around an inner loop that steps until a share of the lanes has ended; the data are loop-invariant in the
inner loop. The same body serves one traced program (`run`) and bounded slices (`advance`), bit for bit.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

SHARE = 4
"The inner loop ends when one lane in SHARE has ended."


class Policy(NamedTuple):
    """What a lane does; pure functions of one fit.

    Attributes:
        begin: item -> state.
        step: (state, item) -> state; a state that is done must pass through unchanged.
        done: state -> bool[].
        end: (state, item) -> result.
    """

    begin: Callable[[Any], Any]
    step: Callable[[Any, Any], Any]
    done: Callable[[Any], Any]
    end: Callable[[Any, Any], Any]


class Carry(NamedTuple):
    """Lanes between two refills.

    Attributes:
        state, item: of each lane, leaves [L, ...].
        index: which data set each lane works on, int[L]; `count` or more where it idles.
        following: the next data set to hand out, int[].
        results: leaves [B + 1, ...]; the last row takes what idle lanes write.
        work: inner steps so far, int[].
    """

    state: Any
    item: Any
    index: Any
    following: Any
    results: Any
    work: Any


def _take(items: Any, index: Any) -> Any:
    return jax.tree.map(lambda x: x[jnp.minimum(index, x.shape[0] - 1)], items)


def _select(mask: Any, new: Any, old: Any) -> Any:
    return jax.tree.map(lambda a, b: jnp.where(mask.reshape((-1,) + (1,) * (a.ndim - 1)), a, b), new, old)


def start(policy: Policy, items: Any, count: Any, lanes: int) -> Carry:
    """The first `lanes` data sets take their places.

    Args:
        items: leaves [B, ...].
        count: how many of them are to be fitted, int[]; at most B.
    """
    size = jax.tree.leaves(items)[0].shape[0]
    index = jnp.arange(lanes, dtype=jnp.int32)
    item = _take(items, index)
    state = jax.vmap(policy.begin)(item)
    shapes = jax.eval_shape(jax.vmap(policy.end), state, item)
    results = jax.tree.map(lambda s: jnp.zeros((size + 1, *s.shape[1:]), s.dtype), shapes)
    count = jnp.asarray(count, jnp.int32)
    index = jnp.where(index < count, index, size)
    return Carry(state, item, index, jnp.minimum(jnp.int32(lanes), count), results, jnp.zeros((), jnp.int32))


def unfinished(carry: Carry) -> Any:
    """Whether any lane still works."""
    return jnp.any(carry.index < jax.tree.leaves(carry.results)[0].shape[0] - 1)


def refill(policy: Policy, items: Any, count: Any, carry: Carry) -> Carry:
    """Steps until a share of the lanes has ended, writes their results and hands out the next data sets."""
    lanes, size = carry.index.shape[0], jax.tree.leaves(items)[0].shape[0]
    live = carry.index < size
    enough = jnp.minimum(jnp.sum(live), max(lanes // SHARE, 1))
    done = jax.vmap(policy.done)

    def drained(inner: Any) -> Any:
        return jnp.sum(done(inner[0]) & live) < enough

    def inner_step(inner: Any) -> Any:
        return jax.vmap(policy.step)(inner[0], carry.item), inner[1] + 1

    state, work = lax.while_loop(drained, inner_step, (carry.state, carry.work))
    ended = done(state) & live
    slot = jnp.where(ended, carry.index, size)
    result = jax.vmap(policy.end)(state, carry.item)
    results = jax.tree.map(lambda all_, new: all_.at[slot].set(new), carry.results, result)
    following = carry.following + jnp.cumsum(ended, dtype=jnp.int32) - 1
    index = jnp.where(ended, jnp.where(following < count, following, size), carry.index)
    item = _take(items, index)
    state = _select(ended, jax.vmap(policy.begin)(item), state)
    handed = jnp.minimum(carry.following + jnp.sum(ended, dtype=jnp.int32), jnp.asarray(count, jnp.int32))
    return Carry(state, item, index, handed, results, work)


def advance(policy: Policy, items: Any, count: Any, carry: Carry, refills: Any) -> Carry:
    """At most `refills` refills: a slice of the work."""
    out = lax.while_loop(
        lambda c: unfinished(c[0]) & (c[1] < refills),
        lambda c: (refill(policy, items, count, c[0]), c[1] + 1),
        (carry, jnp.zeros((), jnp.int32)),
    )
    return out[0]


def run(policy: Policy, items: Any, lanes: int) -> Any:
    """All of it in one traced program; results with leaves [B, ...]."""
    size = jax.tree.leaves(items)[0].shape[0]
    carry = start(policy, items, size, min(lanes, size))
    carry = lax.while_loop(unfinished, lambda c: refill(policy, items, size, c), carry)
    return jax.tree.map(lambda x: x[:size], carry.results)
