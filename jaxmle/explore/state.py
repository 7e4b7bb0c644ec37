"""What the page knows, as one record, and what a click, a drag or a choice makes of it: pure functions, no browser."""

import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxmle import io
from jaxmle.explore import families

MOST = 2000
"Observations shown at most; of a longer column a fixed random sample."
PRESS, MOVE, RELEASE = 0, 1, 2
"What a pointer does."


class State(NamedTuple):
    """Everything that the page shows follows from this.

    Attributes:
        family: a name of the catalogue.
        params: where the sliders stand; empty until the family's own start is known.
        ids, x: the observations: a number that stays theirs, and their place.
        window: the stretch of the axis shown.
        axes: the one or two parameters of the surface.
        following: the next id.
        grabbed, fresh: the observation under the pressed pointer (-1: none), and whether this press placed it.
        heard: the number of the last pointer event; they count 1, 2, 3, ...
        lost: pointer events that never came.
        note: what a file was, or what is wrong with it.
    """

    family: str
    params: dict[str, float]
    ids: tuple[int, ...]
    x: tuple[float, ...]
    window: tuple[float, float]
    axes: tuple[str, ...]
    following: int = 1
    grabbed: int = -1
    fresh: bool = False
    heard: int = 0
    lost: int = 0
    note: str = ""


def new(family: str = "normal") -> State:
    """An empty page.

    >>> new().axes, new("poisson").window
    (('loc', 'scale'), (-0.5, 20.5))
    """
    return State(family, {}, (), (), families.window(family, np.zeros(0)), _axes(family))


def _axes(family: str) -> tuple[str, ...]:
    names = list(families.model(family).space)
    first = [name for name in ("loc", "scale", "shape", "mean") if name in names]
    return tuple((first + [name for name in names if name not in first])[:2])


def pointer(state: State, number: int, kind: int, x: float, hit: int, moved: bool) -> State:
    """One event of the pointer over the density.

    A press on nothing places an observation, and a drag moves it; a press on one grabs it, a release without having
    moved removes it. Events are numbered, so that one that is lost would be known.

    Args:
        state: before it.
        number: of the event, 1, 2, 3, ...; one heard before is ignored.
        kind: PRESS, MOVE or RELEASE.
        x: in units of the axis.
        hit: id of the observation under a press, -1 for none.
        moved: whether the pointer has left the place of the press.

    >>> state = pointer(new(), 1, PRESS, 1.5, -1, False)
    >>> state = pointer(state, 2, RELEASE, 1.5, -1, False)
    >>> state.x, pointer(pointer(state, 3, PRESS, 1.5, 1, False), 4, RELEASE, 1.5, 1, False).x
    ((1.5,), ())
    """
    if number <= state.heard:
        return state
    state = state._replace(heard=number, lost=state.lost + number - state.heard - 1)
    if kind == PRESS and hit not in state.ids:
        state = place(state, x)
        return state._replace(grabbed=state.ids[-1], fresh=True)
    if kind == PRESS:
        return state._replace(grabbed=hit, fresh=False)
    if state.grabbed not in state.ids:
        return state._replace(grabbed=-1)
    at = state.ids.index(state.grabbed)
    if moved:
        inside = min(max(x, state.window[0]), state.window[1])
        state = state._replace(x=(*state.x[:at], families.legal(state.family, inside), *state.x[at + 1 :]))
    elif kind == RELEASE and not state.fresh:
        state = state._replace(ids=state.ids[:at] + state.ids[at + 1 :], x=state.x[:at] + state.x[at + 1 :])
    return state._replace(grabbed=-1) if kind == RELEASE else state


def place(state: State, x: float) -> State:
    """One more observation; at most MOST."""
    if len(state.x) >= MOST:
        return state._replace(note=f"{MOST} observations are the most that the page shows")
    ids, x_ = (*state.ids, state.following), (*state.x, families.legal(state.family, x))
    return state._replace(ids=ids, x=x_, following=state.following + 1, note="")


def place_all(state: State, x: np.ndarray) -> State:
    """More observations f[n], the window widened where they need it."""
    for value in x:
        state = place(state, float(value))
    low, high = families.window(state.family, np.array(state.x))
    return state._replace(window=(min(low, state.window[0]), max(high, state.window[1])))


def clear(state: State) -> State:
    return state._replace(ids=(), x=(), grabbed=-1, note="", window=families.window(state.family, np.zeros(0)))


def choose(state: State, family: str) -> State:
    """Another family, the observations kept; its parameters begin at its own start."""
    return state._replace(
        family=family,
        params={},
        axes=_axes(family),
        window=families.window(family, np.array(state.x)),
        grabbed=-1,
        note="",
    )


def draw(state: State, x: np.ndarray, note: str) -> State:
    """Observations f[n] in place of those there are; the note says what was left out.

    Cells that are missing or infinite are counted and dropped, and of more than MOST rows a random sample is shown.
    """
    holes = int((~np.isfinite(x)).sum())
    x = x[np.isfinite(x)]
    note += f"; {holes} missing or infinite cells left out" if holes else ""
    if len(x) > MOST:
        note = f"{note}; a random sample of {MOST} of {len(x)} rows is shown (jaxmle fit uses all)"
        x = np.random.default_rng(0).choice(x, MOST, replace=False)
    ids = tuple(range(state.following, state.following + len(x)))
    return state._replace(
        ids=ids,
        x=tuple(float(v) for v in x),
        following=state.following + len(x),
        params={},
        grabbed=-1,
        note=note,
        window=families.window(state.family, x),
    )


def columns_of(name: str, content: bytes) -> tuple[dict[str, np.ndarray], list[str]]:
    """The columns of numbers in an uploaded table, and a sentence for each column that has none.

    Raises:
        ValueError: what is wrong with the file, in words.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / Path(name).name
        path.write_bytes(content)
        try:
            return columns_in(path)
        except ValueError as error:
            raise ValueError(str(error).replace(str(path), path.name)) from None


def columns_in(path: str | Path) -> tuple[dict[str, np.ndarray], list[str]]:
    """The columns of numbers in a table, and a sentence for each column that has none.

    Raises:
        ValueError: the file cannot be read, has no rows, or no column of numbers.
    """
    frame = io.read_table(path)
    found, complaints = {}, []
    for name in frame.columns:
        try:
            numbers = io.numeric(frame, name)
        except ValueError as error:
            complaints.append(str(error))
            continue
        if np.isfinite(numbers).any():
            found[name] = numbers
        else:
            complaints.append(f"column {name!r} has no finite numbers")
    if not found:
        raise ValueError(f"{path} has no column of numbers: {'; '.join(complaints)}")
    return found, complaints
