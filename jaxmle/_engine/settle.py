"""A closer look at the fits of a batch that did not converge, on the host: by the machine where it may, else in XLA."""

import itertools
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from jaxmle._engine.backends import machine
from jaxmle._engine.devices import bytes_each, near
from jaxmle._engine.workers import CHUNK_BYTES, on_threads
from jaxmle._solver.limits import unsettled
from jaxmle._solver.phases import SETTLE
from jaxmle._solver.problem import Problem, Program, items_of, without_start
from jaxmle._solver.solve import settle_many
from jaxmle._solver.state import Outcome
from jaxmle._solver.status import Status, at_limit
from jaxmle._util.compile import compiled
from jaxmle._util.records import join
from jaxmle.optimizers import newton

QUICK_FITS = 256
"So many are looked at before a program compiled with more care would have begun."


def _settled(program: Program, own: Any, shared: Any, outcome: Outcome) -> Outcome:
    return settle_many(program, own, shared, outcome)


_settle = compiled(_settled, static_argnums=0)
_settle_few = compiled(_settled, quick=True, static_argnums=0)


def look_closer(program: Program, problem: Problem, outcome: Outcome, finished: np.ndarray, chosen: Any) -> bool:
    """Settles, in place, the fits that did not converge; nothing is compiled where all did.

    What an interrupt leaves without a look is no longer `finished`.

    Args:
        chosen: as `lanes` of `fit_many`.

    Returns:
        whether there was an interrupt.
    """
    waits = np.asarray(unsettled(outcome)) & finished
    if not waits.any():
        return False
    one_for_all = program._replace(optimizer=newton(), lanes=0)  # the same program whatever the method
    program, problem = without_start(one_for_all, problem)
    own, shared = items_of(program, problem)
    portion = max(CHUNK_BYTES // bytes_each(own), 1)
    try:
        for way in (_by_the_machine, _one_by_one):
            look = np.flatnonzero(waits)
            for i in range(0, len(look), portion):
                for at, found in way(program, own, shared, problem.weights, outcome, look[i : i + portion], chosen):
                    for mine, new in zip(outcome, found, strict=True):
                        mine[at] = new
                    waits[at] = False
    except KeyboardInterrupt:
        finished[waits] = False
        return True
    return False


def _by_the_machine(
    program: Program, own: Any, shared: Any, weights: Any, outcome: Outcome, look: np.ndarray, chosen: Any
) -> Iterator[tuple[np.ndarray, Outcome]]:
    """Whom it settles, and as what.

    What seems not identified takes eigenvectors, and what may lie on a kink loops; it is left to XLA.
    """
    look = look[outcome.status[look] != Status.NOT_IDENTIFIED]
    if not len(look):
        return
    items, weights = ([np.asarray(x[look]) for x in own], jax.tree.map(lambda x: x[look], outcome)), weights[look]
    chosen = "auto" if chosen == "native" else chosen
    kinks = join(program.skeleton, itertools.repeat(None)).kink is not None
    for kernel in machine(program, SETTLE, items, shared, weights, {"cpu"}, chosen):
        if not kernel.partial:  # where it has a NaN XLA may have none
            found, left = on_threads(kernel, items, shared, weights)
            left |= kinks & ~at_limit(found.status)
            yield look[~left], jax.tree.map(lambda x, left=left: x[~left], found)


def _one_by_one(
    program: Program, own: Any, shared: Any, _: Any, outcome: Outcome, look: np.ndarray, chosen: Any
) -> Iterator[tuple[np.ndarray, Outcome]]:
    """The same in XLA, one after the other."""
    padded = np.resize(look, 1 << int(np.ceil(np.log2(len(look)))))  # few shapes, few programs
    settle = _settle_few if len(padded) <= QUICK_FITS else _settle
    with near(0):
        found = settle(
            program, [np.asarray(x[padded]) for x in own], shared, jax.tree.map(lambda x: x[padded], outcome)
        )
    yield look, jax.tree.map(lambda x: np.asarray(x)[: len(look)], found)
