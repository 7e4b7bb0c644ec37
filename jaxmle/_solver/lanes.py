"""Many fits at once: a fixed number of lanes step together, and a lane that ends takes the next data set.

A plain `vmap` of a `while_loop` runs every fit until the slowest ends. Here an outer loop gathers new data into the
freed lanes, around an inner loop that steps until a share of the lanes has ended; the data are loop-invariant in the
inner loop. Results are written to a log, so that neither the number of data sets nor their source is part of the
program: one program serves slices of any batch (`advance`) and one traced whole (`run`), bit for bit.
"""

from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxmle._util.arrays import Array, ArrayLike, Bool, Int

T = TypeVar("T")
S = TypeVar("S")
"The state of a fit, or of many: leaves with one more axis."
D = TypeVar("D")
"The data set of a fit, or of many."
R = TypeVar("R")
"The result of a fit, or of many."

SHARE = 4
"The inner loop ends when one lane in SHARE has ended, and so many are served at a time."

IDLE = np.int32(np.iinfo(np.int32).max)
"The index of a lane without a data set."


class Policy(NamedTuple, Generic[S, D, R]):
    """The steps of a lane, as pure functions of one fit.

    Attributes:
        begin: item -> state.
        step: (state, item) -> state; a state that is done must pass through unchanged.
        done: state -> bool[].
        end: (state, item) -> result.
    """

    begin: Callable[[D], S]
    step: Callable[[S, D], S]
    done: Callable[[S], Bool[Array, ""]]
    end: Callable[[S, D], R]


class Work(NamedTuple, Generic[D]):
    """Data sets that wait for a lane.

    Attributes:
        items: leaves [C, ...].
        position, stop: the next of them, and where to stop, int[].
        offset: the index of the first, int[].
        drain: whether the lanes finish their data sets when these run out, bool[].
    """

    items: D
    position: Int[Array | np.integer, ""]
    stop: Int[Array | np.integer, ""]
    offset: Int[Array | np.integer, ""]
    drain: Bool[Array | np.bool, ""]


class Carry(NamedTuple, Generic[S, D, R]):
    """The lanes between two refills.

    Attributes:
        state, item: of each lane, leaves [L, ...].
        index: the data set of each lane, int[L]; IDLE without one.
        log, ids: results in the order in which they ended, leaves [R, ...], and the index of their data sets, int[R].
        written: how many of them, int[].
        steps: inner steps so far, int[].
    """

    state: S
    item: D
    index: Int[Array, " L"]  # pyright: ignore[reportIncompatibleMethodOverride]
    log: R
    ids: Int[Array, " R"]
    written: Int[Array, ""]
    steps: Int[Array, ""]


def room(lanes: int) -> int:
    """Return how many lanes are served at a time."""
    return max(lanes // SHARE, 1)


def _take(items: T, index: Int[Array, " k"]) -> T:
    """Gather the rows `index` of the leaves of a pytree; an index beyond the end takes the last row."""
    return jax.tree.map(lambda x: x.at[index].get(mode="clip"), items)


def start(policy: Policy[S, D, R], items: D, lanes: int, capacity: int) -> Carry[S, D, R]:
    """Return lanes without work, and an empty log for `capacity` results between two calls of `advance`."""
    item = jax.tree.map(lambda x: jnp.broadcast_to(x[0], (lanes, *x.shape[1:])), items)
    state = jax.eval_shape(jax.vmap(policy.begin), item)
    results = jax.eval_shape(jax.vmap(policy.end), state, item)
    size = capacity + room(lanes)
    state = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), state)
    log = jax.tree.map(lambda s: jnp.zeros((size, *s.shape[1:]), s.dtype), results)
    idle = jnp.full(lanes, IDLE)
    return Carry(state, item, idle, log, jnp.full(size, IDLE), jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32))


def busy(carry: Carry[S, D, R], work: Work[D]) -> Bool[Array | np.ndarray, ""]:
    """Return whether data sets wait or lanes must finish, bool[]."""
    return (work.position < work.stop) | (work.drain & jnp.any(carry.index != IDLE))


def refill(policy: Policy[S, D, R], carry: Carry[S, D, R], work: Work[D]) -> tuple[Carry[S, D, R], Int[Array, ""]]:
    """Step until a share of the lanes is free, write their results and give them new data sets; return the carry and the next position."""
    served = room(carry.index.shape[0])
    live = carry.index != IDLE
    idle = jnp.sum(~live, dtype=jnp.int32)
    enough = jnp.minimum(jnp.sum(live, dtype=jnp.int32), jnp.where(work.position < work.stop, served - idle, served))
    done = jax.vmap(policy.done)

    def waiting(inner: tuple[S, Int[Array, ""]]) -> Bool[Array, ""]:
        return jnp.sum(done(inner[0]) & live, dtype=jnp.int32) < enough

    def inner_step(inner: tuple[S, Int[Array, ""]]) -> tuple[S, Int[Array, ""]]:
        return jax.vmap(policy.step)(inner[0], carry.item), inner[1] + 1

    state, steps = lax.while_loop(waiting, inner_step, (carry.state, carry.steps))
    ended = done(state) & live
    _, lane = lax.top_k(2 * ended.astype(jnp.int32) + ~live, served)  # those that ended, then idle ones, then the rest
    ended, free, index = ended[lane], ended[lane] | ~live[lane], carry.index[lane]
    here, item = _take(state, lane), _take(carry.item, lane)

    def write(log: Array, new: Array) -> Array:
        return lax.dynamic_update_slice_in_dim(log, new, carry.written, 0)

    log = jax.tree.map(write, carry.log, jax.vmap(policy.end)(here, item))
    ids = write(carry.ids, jnp.where(ended, index, IDLE))

    following = work.position + jnp.arange(served, dtype=jnp.int32)
    given = free & (following < work.stop)
    fresh = _take(work.items, following)
    begun = jax.vmap(policy.begin)(fresh)
    index = jnp.where(given, work.offset + following, jnp.where(free, IDLE, index))

    slot = (
        jnp.full(live.shape, served, jnp.int32)
        .at[lane]
        .set(jnp.where(given, jnp.arange(served, dtype=jnp.int32), np.int32(served)))
    )
    mine = slot < served

    def put(all_: Array, new: Array) -> Array:
        return jnp.where(mine.reshape((-1,) + (1,) * (all_.ndim - 1)), new.at[slot].get(mode="clip"), all_)

    carry = Carry(
        jax.tree.map(put, state, begun),
        jax.tree.map(put, carry.item, fresh),
        carry.index.at[lane].set(index),
        log,
        ids,
        carry.written + jnp.sum(ended, dtype=jnp.int32),
        steps,
    )
    return carry, work.position + jnp.sum(given, dtype=jnp.int32)


def advance(
    policy: Policy[S, D, R], carry: Carry[S, D, R], work: Work[D], refills: ArrayLike
) -> tuple[Carry[S, D, R], Int[Array, ""]]:
    """Do at most `refills` refills, while the log has room; return the carry and the next position."""
    served, size = room(carry.index.shape[0]), carry.ids.shape[0]

    def goes_on(loop: tuple[Carry[S, D, R], Int[Array, ""], Int[Array, ""]]) -> Bool[Array | np.ndarray, ""]:
        carry, position, k = loop
        return busy(carry, work._replace(position=position)) & (k < refills) & (carry.written + served <= size)

    def body(
        loop: tuple[Carry[S, D, R], Int[Array, ""], Int[Array, ""]],
    ) -> tuple[Carry[S, D, R], Int[Array, ""], Int[Array, ""]]:
        carry, position, k = loop
        return *refill(policy, carry, work._replace(position=position)), k + 1

    carry, position, _ = lax.while_loop(goes_on, body, (carry, cast(Array, work.position), jnp.zeros((), jnp.int32)))
    return carry, position


def run(policy: Policy[S, D, R], items: D, lanes: int) -> R:
    """Fit all data sets in one traced program; return results with leaves [B, ...]."""
    size = jax.tree.leaves(items)[0].shape[0]
    carry = start(policy, items, min(lanes, size), size)
    work = Work(items, jnp.int32(0), jnp.int32(size), jnp.int32(0), jnp.array(True))
    carry, _ = advance(policy, carry, work, IDLE)
    return jax.tree.map(lambda x: jnp.zeros((size, *x.shape[1:]), x.dtype).at[carry.ids].set(x, mode="drop"), carry.log)
