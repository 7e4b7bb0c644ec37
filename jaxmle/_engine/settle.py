"""Examination of the fits that did not converge, on the host: native kernels where that can be, else XLA."""

import itertools
from collections.abc import Iterator

import jax
import numpy as np

from jaxmle._engine.backends import kernels_of
from jaxmle._engine.devices import host_if_small
from jaxmle._engine.memory import bytes_each, rounded_up
from jaxmle._engine.phase_leaves import PhaseLeaves, Shared
from jaxmle._engine.plan import Auto, Backend, Native
from jaxmle._engine.workers import CHUNK_BYTES, on_threads
from jaxmle._solver.limits import unsettled
from jaxmle._solver.phases import SETTLE
from jaxmle._solver.problem import Problem, Program, items_of, without_start
from jaxmle._solver.solve import settle_many
from jaxmle._solver.state import Outcome
from jaxmle._solver.status import Status, at_limit
from jaxmle._util.arrays import Array, Bool, Int
from jaxmle._util.compile import compiled
from jaxmle._util.records import join
from jaxmle.optimizers import newton

QUICK_FITS = 256
"Up to so many fits are examined by a program that compiles fast, before an optimized one would have begun."


def _settled(program: Program, own: list[Array], shared: Shared, outcome: Outcome) -> Outcome:
    return settle_many(program, own, shared, outcome)


_settle = compiled(_settled, static_argnums=0)
_settle_few = compiled(_settled, quick=True, static_argnums=0)


def settle(
    program: Program, problem: Problem, outcome: Outcome, finished: Bool[np.ndarray, " B"], backend: Backend
) -> bool:
    """Examine the fits that did not converge for a limit, in place; nothing is compiled where all did.

    Fits that an interrupt leaves unexamined are no longer `finished`.

    Args:
        outcome: of all data sets.
        finished: which of them have an outcome, bool[B].
        backend: of the batch.

    Returns:
        whether there was an interrupt.
    """
    waits = np.asarray(unsettled(outcome)) & finished
    if not waits.any():
        return False
    one_for_all = program._replace(optimizer=newton(), lanes=0)  # the same program whatever the method
    program, problem = without_start(one_for_all, problem)
    own, shared = items_of(program, problem)
    leaves = PhaseLeaves((own,), shared, problem.weights)
    portion = max(CHUNK_BYTES // bytes_each(own), 1)
    try:
        for method in (_native, _one_by_one):
            unsettled_at = np.flatnonzero(waits)
            for i in range(0, len(unsettled_at), portion):
                for at, found in method(program, leaves, outcome, unsettled_at[i : i + portion], backend):
                    for mine, new in zip(outcome, found, strict=True):
                        mine[at] = new
                    waits[at] = False
    except KeyboardInterrupt:
        finished[waits] = False
        return True
    return False


def _native(
    program: Program, leaves: PhaseLeaves, outcome: Outcome, positions: Int[np.ndarray, " b"], backend: Backend
) -> Iterator[tuple[Int[np.ndarray, " b"], Outcome]]:
    """Settle fits by a native kernel; yield positions and outcomes.

    Fits that seem not identified need eigenvectors, and fits that may lie on a kink need loops: they are left to XLA.
    """
    positions = positions[outcome.status[positions] != Status.NOT_IDENTIFIED]
    if not len(positions):
        return
    own = [np.asarray(x[positions]) for x in leaves.items[0]]
    mine = jax.tree.map(lambda x: x[positions], outcome)
    leaves = PhaseLeaves((own, mine), leaves.shared, leaves.weights[positions])
    backend = Auto() if isinstance(backend, Native) else backend
    kinks = join(program.skeleton, itertools.repeat(None)).geometry.kink is not None
    for kernel in kernels_of(program, SETTLE, leaves, {"cpu"}, backend):
        if not kernel.partial:  # where it has a NaN XLA may have none
            found, left = on_threads(kernel, leaves)
            left |= kinks & ~at_limit(found.status)
            yield positions[~left], jax.tree.map(lambda x, left=left: x[~left], found)


def _one_by_one(
    program: Program, leaves: PhaseLeaves, outcome: Outcome, positions: Int[np.ndarray, " b"], _: Backend
) -> Iterator[tuple[Int[np.ndarray, " b"], Outcome]]:
    """Settle fits in XLA, one after the other; yield positions and outcomes."""
    padded = np.resize(positions, rounded_up(len(positions)))
    settle = _settle_few if len(padded) <= QUICK_FITS else _settle
    with host_if_small(0):
        own = [np.asarray(x[padded]) for x in leaves.items[0]]
        found = settle(program, own, leaves.shared, jax.tree.map(lambda x: x[padded], outcome))
    yield positions, jax.tree.map(lambda x: np.asarray(x)[: len(positions)], found)
