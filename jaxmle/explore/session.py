"""One open page: every action makes a new state, and a thread computes its numbers, so that the page never waits."""

import base64
import contextlib
import functools
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import numpy as np

from jaxmle._solver.status import Status
from jaxmle.explore import families, numbers, pointer, text
from jaxmle.explore import state as states
from jaxmle.explore.ascent import Path, ascent
from jaxmle.explore.numbers import AtMaximum, AtSliders, Spread
from jaxmle.explore.page import Page
from jaxmle.explore.state import State
from jaxmle.explore.warm import is_warm, now_warm, sample, warm_buttons

_NOW, _LATER = ThreadPoolExecutor(1, "explore"), ThreadPoolExecutor(1, "explore-later")
"The thread that answers, and the one for later work: other families, and compiling what the buttons need."
_FRAMES, _SHORT, _LONG = 40, 40, 250
"Frames of an ascent at most, and milliseconds of one."
_PATIENCE = 300
"Milliseconds after which the page says that it is computing."


Key = tuple[str, tuple[float, ...], tuple[str, ...]]
"Family, observations and axes, on which the maximum and its surface depend."


class Session:
    """The state of one page, its widgets, and its pending work."""

    def __init__(self, document: Any, state: State, table: dict[str, np.ndarray]) -> None:
        self.document, self.state, self.table = document, state, table
        self.page = Page()
        self.whole: AtMaximum | None = None
        self.known: Key | None = None
        self.here: AtSliders | None = None
        self.path: Path | None = None
        self.spread: Spread | None = None
        self.aic: dict[str, tuple[float | None, str]] = {}
        self.draws = self.frame = self.round = 0
        self.working = self.dirty = self.quiet = False
        self.timer: Any = None
        self._connect()
        document.title = "jaxmle explore"
        document.add_root(self.page.root)
        pointer.listen(document, self.page.density.plot, self.page.density.points, self.page.events)
        if table:
            self._offer(table, next((name for name, x in table.items() if tuple(x) == state.x), next(iter(table))))
        self._family()
        self.page.density.show_points(state)
        self._ask()

    def _connect(self) -> None:
        page = self.page
        page.events.on_change("data", self._when_changed(lambda _: self._read_events()))
        page.family.on_change("value", self._when_changed(lambda v: self._change(states.choose(self.state, v))))
        for i, (slider, box) in enumerate(zip(page.sliders, page.boxes, strict=True)):
            slider.on_change("value", self._when_changed(lambda v, i=i: self._set_parameter(i, v)))
            box.on_change("value", self._when_changed(lambda v, i=i: self._set_parameter(i, v)))
        for select in (page.across, page.up):
            select.on_change("value", self._when_changed(lambda _: self._choose_axes()))
        page.heads.on_click(lambda: self._change(states.place(self.state, 1.0)))
        page.tails.on_click(lambda: self._change(states.place(self.state, 0.0)))
        page.clear.on_click(lambda: self._change(states.clear(self.state)))
        page.draw.on_click(lambda: self._draw())
        page.ascent.on_click(lambda: self._ascend())
        page.resample.on_click(lambda: self._resample())
        page.file.on_change("value", self._when_changed(lambda _: self.document.add_next_tick_callback(self._open)))
        page.column.on_change("value", self._when_changed(self._load))

    def _when_changed(self, function: Callable[[Any], None]) -> Callable[..., None]:
        """Make a callback that passes on the values that the user sets, and ignores those that the session sets."""
        return lambda attr, old, new: None if self.quiet or new is None else function(new)

    # --- from the page to the state ----------------------------------------------------------------------

    def _read_events(self) -> None:
        data, state = self.page.events.data, self.state
        rows = zip(*(data[name] for name in ("number", "kind", "x", "hit", "moved")), strict=True)
        for number, kind, x, hit, moved in rows:
            state = states.pointer(state, int(number), int(kind), float(x), int(hit), bool(moved))
        if (state.ids, state.x) != (self.state.ids, self.state.x):
            self._change(state)
        else:
            self.state = state

    def _change(self, state: State) -> None:
        """Show a new state: its observations at once, its numbers as soon as they are computed."""
        self._halt()
        other = state.family != self.state.family
        if other or state.x != self.state.x:
            self.path = self.spread = None
        self.state = state
        if other:
            self.aic = {}
            self._family()
        self.page.density.show_points(state)
        self.page.coin.text = text.coin(state) if state.family == families.COIN else ""
        self._note()
        self._ask()

    def _set_parameter(self, i: int, value: float) -> None:
        names = list(families.model(self.state.family).space)
        if i >= len(names) or not self.state.params:
            return
        space = families.model(self.state.family).space[names[i]]
        with jax.enable_x64(True):
            legal = bool(space.contains(float(value)))
        if not legal:
            self.state = self.state._replace(note=f"{names[i]} = {value:g} is outside its space {space!r}")
            self._note(bad=True)
            return
        self._change(self.state._replace(params={**self.state.params, names[i]: float(value)}, note=""))

    def _choose_axes(self) -> None:
        across, up = self.page.across.value, self.page.up.value
        if across != up:
            self._change(self.state._replace(axes=(across, up)))

    def _draw(self) -> None:
        family, params = self.state.family, self.state.params
        if params:
            self.draws += 1
            self._run(functools.partial(sample, family, params, 10, self.draws), lambda x: self._drawn(family, x))

    def _drawn(self, family: str, x: np.ndarray) -> None:
        if family == self.state.family:
            self._change(states.place_all(self.state, x))

    def _open(self) -> None:
        name, content = self.page.file.filename, base64.b64decode(str(self.page.file.value))
        try:
            table, _ = states.columns_of(str(name), content)
        except (ValueError, OSError, ImportError) as error:
            self.state = self.state._replace(note=str(error))
            self._note(bad=True)
            return
        self._offer(table, max(table, key=lambda name: len(np.unique(table[name]))))
        self._load(self.page.column.value)

    def _offer(self, table: dict[str, np.ndarray], name: str) -> None:
        self.table, self.quiet = table, True
        self.page.column.update(options=list(table), value=name, visible=True)
        self.quiet = False

    def _load(self, name: str) -> None:
        x = self.table[name]
        self._change(states.draw(self.state, x, f"column {name!r}: {len(x)} rows"))

    # --- from the state to the page ----------------------------------------------------------------------

    def _family(self) -> None:
        """Set the widgets that depend on the family."""
        page, state = self.page, self.state
        names, coin = list(families.model(state.family).space), state.family == families.COIN
        self.quiet = True
        page.family.value = state.family
        for i, row in enumerate(page.params):
            row.visible = i < len(names)
        page.density.set_family(state.family)
        page.tosses.visible = page.coin.visible = coin
        page.axes.visible = len(names) > 2
        page.across.update(options=names, value=state.axes[0])
        page.up.update(options=names, value=state.axes[-1])
        page.surface.plot.visible, page.likelihood.plot.visible = len(names) > 1, len(names) == 1
        page.draw.label = "Toss 10" if coin else "Draw 10"
        page.coin.text = text.coin(state) if coin else ""
        self.quiet = False

    def _note(self, bad: bool = False) -> None:
        missed = f"<div class='alert'>{self.state.missed} clicks were lost</div>" if self.state.missed else ""
        shown = (
            f"<div class='{'alert' if bad else 'note'}'>{text.escape(self.state.note)}</div>" if self.state.note else ""
        )
        self.page.notes.text = shown + missed

    def _sliders(self) -> None:
        state, page = self.state, self.page
        self.quiet = True
        for i, name in enumerate(families.model(state.family).space):
            value = state.params[name]
            low, high = families.slider_ends(state.family, name, state.window, value)
            if page.sliders[i].title != name or not (page.sliders[i].start <= value <= page.sliders[i].end):
                page.sliders[i].update(title=name, start=low, end=high, step=(high - low) / 500)
            page.sliders[i].value = value
            page.boxes[i].value = float(f"{value:.5g}")
        self.quiet = False

    def _ask(self) -> None:
        """Hand the state to the thread; if it is busy, the newest state follows."""
        if self.working:
            self.dirty = True
            return
        self.working, self.dirty = True, False
        self.round += 1
        self.document.add_timeout_callback(functools.partial(self._slow, self.round), _PATIENCE)
        _NOW.submit(self._work, self.state, self.whole, self.known)

    def _slow(self, round_: int) -> None:
        if self.working and round_ == self.round:
            doing = "computing" if is_warm(self.state) else "compiling"
            self.page.busy.text = f"<span class='hint'>{doing} {self.state.family.replace('_', ' ')} …</span>"

    def _work(self, state: State, whole: AtMaximum | None, known: Key | None) -> None:
        """Compute the numbers of a state in the thread; the page is changed in its own loop alone."""
        try:
            if not state.params:
                state = state._replace(params=numbers.start(state.family, state.x))
            here = numbers.at_sliders(state)
            before = whole if known is not None and known[0] == state.family else None
            self._back(lambda: self._show(state, here, before))
            key = (state.family, state.x, state.axes)
            fresh = whole is not None and key == known and whole.holds(state)
            found = whole if fresh and whole is not None else numbers.at_maximum(state)
            now_warm(state)
            self._back(lambda: self._receive(state, here, found, key))
        except Exception as error:  # the page must survive any error
            logging.getLogger(__name__).exception("explore")
            sentence = f"{type(error).__name__}: {error}"
            self._back(lambda: self._failed(sentence))

    def _back(self, function: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError, ValueError):  # the page may be closed meanwhile
            self.document.add_next_tick_callback(function)

    def _failed(self, sentence: str) -> None:
        self.working = False
        self.page.busy.text = ""
        self.page.notes.text = f"<div class='alert'>{text.escape(sentence)}</div>"
        if self.dirty:
            self._ask()

    def _show(self, state: State, here: AtSliders, whole: AtMaximum | None) -> None:
        if state.family != self.state.family or self.timer is not None:
            return
        if not self.state.params:
            self.state = self.state._replace(params=state.params)
        self.here = here
        self._sliders()
        self.page.density.show(state, here, whole)
        self.page.density.show_points(self.state)  # which may be ahead of the numbers
        self.page.product.text = text.likelihood(here)

    def _receive(self, state: State, here: AtSliders, whole: AtMaximum, key: Key) -> None:
        self.working = False
        page = self.page
        if state.family == self.state.family and self.timer is None:
            fresh = key != self.known
            self.whole, self.known = whole, key
            self._show(state, here, whole)
            if len(state.params) > 1:
                page.surface.show(state, here, whole)
            else:
                page.likelihood.show(state, here, whole)
            for profile, curve in zip(page.profiles, (*whole.curves, None, None), strict=False):
                profile.show(curve, here, whole)
            page.maximum.text = text.maximum(here, whole, len(state.x))
            self._extras()
            if fresh:
                self._later(state, whole)
        page.busy.text = ""
        if self.dirty:
            self._ask()

    def _extras(self) -> None:
        page, state = self.page, self.state
        if len(state.axes) > 1:
            page.surface.show_ascent(state, self.path)
            page.surface.show_samples(state, self.spread)
        else:
            page.likelihood.show_samples(state, self.spread)
        for name, profile in zip(state.axes, page.profiles, strict=False):
            profile.show_samples(name, self.spread)
        page.spread.text = text.spread(self.spread, len(state.x))

    # --- what may come later -----------------------------------------------------------------------------

    def _later(self, state: State, whole: AtMaximum) -> None:
        """Compute AIC of the other families one by one, then compile what the buttons need; a newer state ends it."""
        own, *others = families.alternatives(state.family)
        self.aic = {own: whole.aic}
        self._criteria()

        def current() -> bool:
            return (self.state.x, self.state.family) == (state.x, state.family)

        def work() -> None:
            for name in others:
                if not current():
                    return
                found = numbers.criteria(name, state.x)
                self._back(functools.partial(compared, name, found))
            if current() and whole.found and whole.fitted.converged:
                warm_buttons(state, whole.fitted)

        def compared(name: str, found: tuple[float | None, str]) -> None:
            if current():
                self.aic[name] = found
                self._criteria()

        if len(state.x) > 1:
            _LATER.submit(work)

    def _criteria(self) -> None:
        names = families.alternatives(self.state.family) if len(self.state.x) > 1 else ()
        self.page.criteria.text = text.criteria(self.aic, names)

    # --- the two buttons ---------------------------------------------------------------------------------

    def _ready(self) -> bool:
        """Return whether the observations on the page have a maximum; if not, show a note."""
        state = self.state
        if self.whole is None or self.known != (state.family, state.x, state.axes) or not state.params:
            return False
        usable = self.whole.found and self.whole.fitted.status is not Status.AT_DATA_EDGE
        if not usable:
            self.state = state._replace(note="There is no maximum inside: " + self.whole.verdict)
            self._note(bad=True)
        return usable

    def _ascend(self) -> None:
        if not self._ready() or self.whole is None:
            return
        self._halt()
        state, fit, method = self.state, self.whole.fitted, str(self.page.method.value)
        self.page.busy.text = f"<span class='hint' id='busy'>{method} …</span>"
        self._run(lambda: ascent(state, fit, method), lambda path: self._animate(state, path))

    def _resample(self) -> None:
        if not self._ready() or self.whole is None:
            return
        self.draws += 1
        state, fit, draw = self.state, self.whole.fitted, self.draws
        self.page.busy.text = "<span class='hint' id='busy'>drawing and fitting samples …</span>"
        self._run(lambda: numbers.resample(state, fit, draw), lambda found: self._spread(state, found))

    def _run(self, work: Callable[[], Any], then: Callable[[Any], None]) -> None:
        def task() -> None:
            try:
                found = work()
                self._back(lambda: then(found))
            except Exception as error:
                logging.getLogger(__name__).exception("explore")
                sentence = f"{type(error).__name__}: {error}"
                self._back(lambda: self._failed(sentence))

        _NOW.submit(task)

    def _spread(self, state: State, found: Spread) -> None:
        self.page.busy.text = ""
        if (state.family, state.x) == (self.state.family, self.state.x):
            self.spread = found
            self._extras()

    def _animate(self, state: State, path: Path) -> None:
        self.page.busy.text = ""
        if (state.family, state.x) != (self.state.family, self.state.x) or self.timer is not None:
            return
        self.path = path
        count = len(next(iter(path.points.values())))
        frames = np.unique(np.linspace(0, count - 1, min(count, _FRAMES)).astype(int))
        self.frame = 0
        period = int(np.clip(1500 / len(frames), _SHORT, _LONG))
        self.timer = self.document.add_periodic_callback(lambda: self._step(path, frames), period)

    def _step(self, path: Path, frames: np.ndarray) -> None:
        at, whole = int(frames[self.frame]), self.whole
        assert whole is not None  # an ascent needs a maximum, and a new one ends it
        self.frame += 1
        params = {name: float(v[at]) for name, v in path.points.items()}
        self.state = self.state._replace(params=params)
        here = self.here = numbers.at_sliders(self.state)
        self._sliders()
        self.page.density.show(self.state, here, whole)
        self.page.product.text = text.likelihood(here)
        self.page.maximum.text = text.maximum(here, whole, len(self.state.x))
        if len(self.state.axes) > 1:
            self.page.surface.move(self.state, here)
            self.page.surface.show_ascent(self.state, path, at + 1)
        else:
            self.page.likelihood.move(self.state, here, whole)
        for name, profile in zip(self.state.axes, self.page.profiles, strict=False):
            profile.move(name, here)
        if self.frame == len(frames):
            self._halt()
            self.state = self.state._replace(note=path.sentence)
            self._note()

    def _halt(self) -> None:
        if self.timer is not None:
            self.document.remove_periodic_callback(self.timer)
            self.timer = None
