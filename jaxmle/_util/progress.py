"""Progress of long work: a line on the terminal, a bar in Jupyter, or a call to whoever asked."""

import sys
import time
from collections.abc import Callable
from typing import Any

_EVERY = 0.1
"Seconds between two drawings."


class Progress:
    """Counts data sets, or other units of work, that are done.

    Args:
        how: False for silence, True for a bar in a notebook or a line on stderr where that is a terminal, or a function
            called with (done, failed, total).
        total: data sets in all.
        unit: what is counted.
    """

    def __init__(self, how: bool | Callable[..., Any], total: int, unit: str = "data sets") -> None:
        self.unit = unit
        self.how, self.total, self.before, self.failed = how, total, 0, 0
        self.began = self.last = time.perf_counter()
        self.draw: Callable[[str, int], None] | None = None
        if how is True:
            self.draw = _bar(total, unit) or (_line if sys.stderr.isatty() else None)

    def update(self, done: int, failed: int) -> None:
        """`done` and `failed` of the present bucket."""
        done = self.before + done
        if callable(self.how):
            self.how(done, self.failed + failed, self.total)
        elif self.draw is not None and time.perf_counter() - self.last > _EVERY:
            self.last = time.perf_counter()
            self.draw(self._words(done, self.failed + failed), done)
        self.latest = failed

    def advance(self, count: int) -> None:
        """End the present bucket of `count` data sets."""
        self.before += count
        self.failed += getattr(self, "latest", 0)

    def close(self) -> None:
        if self.draw is _line:
            _line("", 0)
            sys.stderr.write("\r")
        elif self.draw is not None:
            self.draw(self._words(self.before, self.failed), self.before)

    def _words(self, done: int, failed: int) -> str:
        seconds = max(time.perf_counter() - self.began, 1e-9)
        rate = done / seconds
        left = f", {(self.total - done) / rate:,.0f} s left" if 0 < done < self.total else ""
        return f"{done:,} of {self.total:,} {self.unit}, {failed:,} failed, {rate:,.0f}/s{left}"


def _line(words: str, _: int) -> None:
    """Over the last line of the terminal."""
    sys.stderr.write(f"\r{words:<78}")
    sys.stderr.flush()


def _bar(total: int, unit: str) -> Callable[[str, int], None] | None:
    """Make a bar in the notebook that runs this program; None where there is none. Nothing is imported for it."""
    ipython: Any = sys.modules.get("IPython")
    if ipython is None or getattr(ipython.get_ipython(), "kernel", None) is None:
        return None
    display, html = ipython.display.display, ipython.display.HTML

    def picture(words: str, done: int) -> Any:
        return html(f"<progress value='{done}' max='{total}' style='width:20em'></progress> {words}")

    shown = display(picture(f"0 of {total:,} {unit}", 0), display_id=True)
    return lambda words, done: shown.update(picture(words, done))
