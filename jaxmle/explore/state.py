"""The state of a page as one record, and the pure functions that a click, a drag or a choice applies to it."""

import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxmle import io
from jaxmle.explore import families

MOST = 2000
"Observations shown at most; of a longer column a fixed random sample."
PRESS, MOVE, RELEASE = 0, 1, 2
"Kinds of pointer events."


class State(NamedTuple):
    """The state of a page; everything that it shows follows from this.

    Attributes:
        family: a name of the catalogue.
        params: values of the sliders; empty until the family's own start is known.
        ids, x: the observations: a permanent number of each, and its value.
        window: the ends of the axis.
        axes: the one or two parameters of the surface.
        following: the next id.
        grabbed, fresh: the observation under the pressed pointer (-1: none), and whether this press placed it.
        last_event: the number of the last pointer event; they count 1, 2, 3, ...
        missed: pointer events that never arrived.
        note: a sentence about a file, or about an error.
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
    last_event: int = 0
    missed: int = 0
    note: str = ""


def new(family: str = "normal") -> State:
    """Return the state of an empty page.

    >>> new().axes, new("poisson").window
    (('loc', 'scale'), (-0.5, 20.5))
    """
    return State(family, {}, (), (), families.window(family, np.zeros(0)), _axes(family))


def _axes(family: str) -> tuple[str, ...]:
    """Choose the one or two parameters of the surface."""
    names = list(families.model(family).space)
    first = [name for name in ("loc", "scale", "shape", "mean") if name in names]
    return tuple((first + [name for name in names if name not in first])[:2])


def pointer(state: State, number: int, kind: int, x: float, hit: int, moved: bool) -> State:
    """Apply one event of the pointer over the density.

    A press on nothing places an observation, and a drag moves it; a press on one grabs it, a release without having
    moved removes it. Events are numbered, so that missed ones are counted.

    Args:
        state: before it.
        number: of the event, 1, 2, 3, ...; one that has already been applied is ignored.
        kind: PRESS, MOVE or RELEASE.
        x: in units of the axis.
        hit: id of the observation under a press, -1 for none.
        moved: whether the pointer has left the place of the press.

    >>> state = pointer(new(), 1, PRESS, 1.5, -1, False)
    >>> state = pointer(state, 2, RELEASE, 1.5, -1, False)
    >>> state.x, pointer(pointer(state, 3, PRESS, 1.5, 1, False), 4, RELEASE, 1.5, 1, False).x
    ((1.5,), ())
    """
    if number <= state.last_event:
        return state
    state = state._replace(last_event=number, missed=state.missed + number - state.last_event - 1)
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
        state = state._replace(x=(*state.x[:at], families.nearest_possible(state.family, inside), *state.x[at + 1 :]))
    elif kind == RELEASE and not state.fresh:
        state = state._replace(ids=state.ids[:at] + state.ids[at + 1 :], x=state.x[:at] + state.x[at + 1 :])
    return state._replace(grabbed=-1) if kind == RELEASE else state


def place(state: State, x: float) -> State:
    """Add an observation; at most MOST."""
    if len(state.x) >= MOST:
        return state._replace(note=f"{MOST} observations are the most that the page shows")
    ids, x_ = (*state.ids, state.following), (*state.x, families.nearest_possible(state.family, x))
    return state._replace(ids=ids, x=x_, following=state.following + 1, note="")


def place_all(state: State, x: np.ndarray) -> State:
    """Add observations f[n], and widen the window where they need it."""
    for value in x:
        state = place(state, float(value))
    low, high = families.window(state.family, np.array(state.x))
    return state._replace(window=(min(low, state.window[0]), max(high, state.window[1])))


def clear(state: State) -> State:
    """Remove all observations."""
    return state._replace(ids=(), x=(), grabbed=-1, note="", window=families.window(state.family, np.zeros(0)))


def choose(state: State, family: str) -> State:
    """Choose another family, and keep the observations; its parameters begin at its own start."""
    return state._replace(
        family=family,
        params={},
        axes=_axes(family),
        window=families.window(family, np.array(state.x)),
        grabbed=-1,
        note="",
    )


def draw(state: State, x: np.ndarray, note: str) -> State:
    """Replace the observations by f[n]; the note says what was left out.

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
    """Read the columns of numbers in an uploaded table, and a sentence for each column that has none.

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
    """Read the columns of numbers in a table, and a sentence for each column that has none.

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
