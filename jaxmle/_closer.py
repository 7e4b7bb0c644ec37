"""A closer look at the fits of a batch that did not converge, one after the other, on the host."""

from typing import Any

import jax
import numpy as np

from jaxmle._compile import compiled
from jaxmle._limits import unsettled
from jaxmle._places import near
from jaxmle._solve import Problem, Program, items_of, settle_many, without_start
from jaxmle._step import Outcome
from jaxmle.optimizers import newton

QUICK_FITS = 256
"So many are looked at before a program compiled with more care would have begun."


def _settled(program: Program, own: Any, shared: Any, outcome: Outcome) -> Outcome:
    return settle_many(program, own, shared, outcome)


_settle = compiled(_settled, static_argnums=0)
_settle_few = compiled(_settled, quick=True, static_argnums=0)


def look_closer(program: Program, problem: Problem, outcome: Outcome, finished: np.ndarray) -> None:
    """Settles, in place, the fits that did not converge; nothing is compiled where all did."""
    look = np.flatnonzero(np.asarray(unsettled(outcome)) & finished)
    if not len(look):
        return
    one_for_all = program._replace(optimizer=newton(), lanes=0)  # the same program whatever the method
    program, problem = without_start(one_for_all, problem)
    own, shared = items_of(program, problem)
    padded = np.resize(look, 1 << int(np.ceil(np.log2(len(look)))))  # few shapes, few programs
    taken = [np.asarray(x[padded]) for x in own]
    with near(0):  # one after the other
        settle = _settle_few if len(padded) <= QUICK_FITS else _settle
        part = settle(program, taken, shared, jax.tree.map(lambda x: x[padded], outcome))
    for mine, new in zip(outcome, part, strict=True):
        mine[look] = np.asarray(new)[: len(look)]
