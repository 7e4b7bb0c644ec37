"""Compiled before it is needed: the programs of a family, which then answer within milliseconds."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jaxmle.explore import families, numbers
from jaxmle.explore import state as _state
from jaxmle.explore.climb import METHODS, climb
from jaxmle.explore.state import State

_WARM: set[tuple[str, int]] = set()
"Families and sizes whose programs are compiled."
_PRESSED: set[tuple[str, int]] = set()
"Those for which the programs behind the buttons are compiled, too."


def is_warm(state: State) -> bool:
    return (state.family, numbers.size(state.x)) in _WARM


def now_warm(state: State) -> None:
    _WARM.add((state.family, numbers.size(state.x)))


def warm_buttons(state: State, fit: Any) -> None:
    """Compiles every ascent and the samples, once for a family and a size."""
    key = (state.family, numbers.size(state.x))
    if key not in _PRESSED:
        _PRESSED.add(key)
        for method in METHODS:
            climb(state, fit, method)
        numbers.resample(state, fit, 0)


def warm(state: State, tell: Callable[[str], None]) -> None:
    """Compiles what the first page needs; `tell` hears what is being done."""
    family = state.family
    tell(f"{family}: density")
    params = numbers.start(family, state.x)
    numbers.here(state._replace(params=params))
    tell(f"{family}: fit, surface, profiles")
    twelve = _state.draw(state, sample(family, params, 12, 0), "")._replace(params=params)
    found = numbers.whole(twelve)
    for few in (3, 2, 1):  # where a maximum is hard to find, or is none
        numbers.whole(twelve._replace(ids=twelve.ids[:few], x=twelve.x[:few]))
    numbers.whole(state._replace(params=params))
    if found.found:
        tell(f"{family}: ascent")
        climb(twelve, found.fit, METHODS[0])
        tell(f"{family}: samples")
        numbers.resample(twelve, found.fit, 0)
    now_warm(state)


def sample(family: str, params: dict[str, float], size: int, draw: int) -> np.ndarray:
    """Observations drawn at the sliders, f[size]; `draw` counts the requests."""
    key, known = jax.random.fold_in(jax.random.key(1), draw), families.known(family, (size,))
    with jax.enable_x64(True):
        return np.asarray(families.response(family).sample(key, params, (size,), known))
