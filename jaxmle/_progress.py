"""Progress of long work: a line on the terminal, or a call to whoever asked."""

import sys
import time
from collections.abc import Callable
from typing import Any


class Progress:
    """Counts data sets that are done.

    Args:
        how: False for silence, True for a line on stderr where that is a terminal, or a function called with
            (done, failed, total).
        total: data sets in all.
    """

    def __init__(self, how: bool | Callable[..., Any], total: int) -> None:
        self.how, self.total, self.before, self.failed = how, total, 0, 0
        self.began = self.last = time.perf_counter()
        self.line = how is True and sys.stderr.isatty()

    def update(self, done: int, failed: int) -> None:
        """`done` and `failed` of the present bucket."""
        done = self.before + done
        if callable(self.how):
            self.how(done, self.failed + failed, self.total)
        elif self.line and time.perf_counter() - self.last > 0.1:
            self.last = time.perf_counter()
            rate = done / max(self.last - self.began, 1e-9)
            left = (self.total - done) / rate if rate else 0.0
            sys.stderr.write(
                f"\r{done:,} of {self.total:,} data sets, {self.failed + failed:,} failed, {rate:,.0f}/s, {left:,.0f} s left "
            )
            sys.stderr.flush()
        self.latest = failed

    def advance(self, count: int) -> None:
        """The present bucket is over."""
        self.before += count
        self.failed += getattr(self, "latest", 0)

    def close(self) -> None:
        if self.line:
            sys.stderr.write("\r" + " " * 78 + "\r")
            sys.stderr.flush()
