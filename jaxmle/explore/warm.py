"""Compilation ahead of use: the programs of a family, which then answer within milliseconds."""

from collections.abc import Callable

import jax
import numpy as np

from jaxmle._util.arrays import Float
from jaxmle.explore import families, numbers
from jaxmle.explore import state as states
from jaxmle.explore.ascent import METHODS, ascent
from jaxmle.explore.state import State
from jaxmle.result.fit import Fit

_WARM: set[tuple[str, int]] = set()
"Families and sizes whose programs are compiled."
_BUTTONS_WARM: set[tuple[str, int]] = set()
"Those for which the programs behind the buttons are compiled, too."


def is_warm(state: State) -> bool:
    """Return whether the programs of a state are compiled."""
    return (state.family, numbers.size(state.x)) in _WARM


def now_warm(state: State) -> None:
    """Note that the programs of a state are compiled."""
    _WARM.add((state.family, numbers.size(state.x)))


def warm_buttons(state: State, fit: Fit) -> None:
    """Compile every ascent and the samples, once for a family and a size."""
    key = (state.family, numbers.size(state.x))
    if key not in _BUTTONS_WARM:
        _BUTTONS_WARM.add(key)
        for method in METHODS:
            ascent(state, fit, method)
        numbers.resample(state, fit, 0)


def warm(state: State, report: Callable[[str], None]) -> None:
    """Compile the programs of the first page; `report` is called with the name of each."""
    family = state.family
    report(f"{family}: density")
    params = numbers.start(family, state.x)
    numbers.at_sliders(state._replace(params=params))
    report(f"{family}: fit, surface, profiles")
    twelve = states.draw(state, sample(family, params, 12, 0), "")._replace(params=params)
    found = numbers.at_maximum(twelve)
    for few in (3, 2, 1):  # where a maximum is hard to find, or is none
        numbers.at_maximum(twelve._replace(ids=twelve.ids[:few], x=twelve.x[:few]))
    numbers.at_maximum(state._replace(params=params))
    if found.found:
        report(f"{family}: ascent")
        ascent(twelve, found.fitted, METHODS[0])
        report(f"{family}: samples")
        numbers.resample(twelve, found.fitted, 0)
    now_warm(state)


def sample(family: str, params: dict[str, float], size: int, draw: int) -> Float[np.ndarray, " n"]:
    """Draw observations at the sliders; `draw` counts the requests."""
    key, known = jax.random.fold_in(jax.random.key(1), draw), families.known(family, (size,))
    with jax.enable_x64(True):
        return np.asarray(families.response(family).sample(key, params, (size,), known))
