"""Workers on the chunks of one phase of one bucket of a batch.

Each worker is a host thread with lanes of its own, or at a function of the machine, and takes the next chunk when it has
handed out the last one, its lanes running on: nobody waits for anybody, and no collective is needed. Between slices
progress is shown and an interrupt is noticed; what is finished by then is kept.
"""

import functools
import queue
import threading
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxmle import _native
from jaxmle._engine.devices import bytes_each
from jaxmle._solver import lanes
from jaxmle._solver.phases import phases
from jaxmle._solver.problem import Program
from jaxmle._solver.status import failed
from jaxmle._util.compile import compiled
from jaxmle._util.progress import Progress
from jaxmle._util.threads import cores

SLICE_SECONDS = 0.2
"About how long a slice of lanes runs before progress is shown and an interrupt is noticed."

CHUNKS = 8
"How many chunks each worker can expect: enough that all end at about the same time."

MOMENT = 512
"The smallest share of a slice that is worth handing out: 0.4 ms, where a call costs less than 0.1 ms."

CHUNK_BYTES = 1 << 25
"Data of a chunk, at most, where that is more than one data set a lane."

SMALL = 1 << 20
"Bytes up to which a chunk has a data set for each lane however few are left: one program for all."


def _begun(program: Program, phase: int, items: Any, shared: Any, capacity: int) -> lanes.Carry:
    return lanes.start(phases(program, shared)[phase], items, program.lanes, capacity)


def _advanced(
    program: Program, phase: int, shared: Any, work: lanes.Work, moving: Any, log: Any, refills: Any
) -> tuple[lanes.Carry, Any, Any]:
    carry = lanes.Carry(*moving, *log)._replace(written=jnp.zeros((), jnp.int32))
    carry, position = lanes.advance(phases(program, shared)[phase], carry, work, refills)
    return carry, position, lanes.busy(carry, work._replace(position=position))


_start = compiled(_begun, static_argnums=(0, 1, 4))
_advance = compiled(_advanced, static_argnums=(0, 1), donate_argnums=4)
_advance_few = compiled(_advanced, quick=True, static_argnums=(0, 1), donate_argnums=4)


class Crew:
    """Workers on the chunks of one phase of one bucket.

    Attributes:
        size, each: data sets of a chunk, and bytes of a data set.
        left: 0 of those whose results are there, uint8[count].
        out: what the machine writes, f[k, count].
    """

    def __init__(
        self, program: Any, phase: int, items: Any, shared: Any, count: int, workers: int,
        kernel: _native.Compiled | None = None, weights: Any = None, bound: int = CHUNK_BYTES, few: bool = False,
    ) -> None:  # fmt: skip
        self.advance = _advance_few if few else _advance
        self.program, self.phase, self.items, self.shared, self.count = program, phase, items, shared, count
        self.kernel, self.weights = kernel, weights
        self.each = bytes_each(items)
        if kernel is not None and kernel.on_gpu:  # whose buffers lie beside the data
            self.each += 8 * (kernel.kernel.results + kernel.kernel.buffers * weights.shape[1])
        else:
            bound = min(4 * CHUNK_BYTES, bound)
        most = bound // 4 // self.each
        self.position, self.workers = 0, workers
        if kernel is not None:
            self.size, self.least = max(min(most, kernel.most), 1), kernel.least(weights.shape[1])
        else:
            least = min(program.lanes, max(count, SMALL // self.each))
            room = max(min(count // (CHUNKS * workers), most) // least, 1)
            self.size = least * 4 ** min((room.bit_length() - 1) // 2, 2)  # 1, 4 or 16 data sets a lane: few programs
        self.begins, self.lock = iter(range(0, count, self.size)), threading.Lock()
        self.stop: threading.Event = threading.Event()
        self.messages: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.left, self.lane_steps = np.ones(count, np.uint8), 0
        if kernel is not None:
            arrays = jax.tree.leaves((items, shared))
            self.reader = kernel.reader(arrays, weights)
            self.out = np.zeros((kernel.kernel.results, count))
        else:
            log = jax.eval_shape(lambda i, s: lanes.start(phases(program, s)[phase], i, 1, 1).log, items, shared)
            self.log = jax.tree.map(lambda s: np.zeros((count, *s.shape[1:]), s.dtype), log)

    @property
    def finished(self) -> np.ndarray:
        """Which data sets are there, bool[count]."""
        return self.left == 0

    @functools.cached_property
    def results(self) -> Any:
        """Of all data sets, leaves [count, ...], NumPy; those that are `finished` are there once the workers have ended."""
        return self.log if self.kernel is None else self.kernel.results(self.out)

    def chunk(self, begin: int, place: Any) -> lanes.Work:
        """The data sets from `begin` on, on their device."""
        held = min(self.size, self.count - begin)

        def part(x: Any) -> Any:
            cut = np.asarray(x)[begin : begin + held]
            return cut if held == self.size else np.concatenate([cut, np.repeat(cut[:1], self.size - held, axis=0)])

        items = jax.device_put(jax.tree.map(part, self.items), place)
        return lanes.Work(items, np.int32(0), np.int32(held), np.int32(begin), np.bool_(False))

    def next(self, place: Any) -> lanes.Work | None:
        """The next chunk, or None when all are taken."""
        with self.lock:
            begin = next(self.begins, None)
        return None if begin is None else self.chunk(begin, place)

    def compile(self, place: Any) -> None:
        """So that workers on the same device do not compile the same program side by side."""
        if self.kernel is not None:
            return
        with jax.default_device(place):
            self.labor(place, self.chunk(0, place)._replace(stop=np.int32(0), drain=np.bool_(True)))

    def labor(self, place: Any, work: lanes.Work | None) -> None:
        """Hands out `work` and every further chunk, and drains the lanes."""
        if work is None:
            return
        shared = jax.device_put(self.shared, place)
        carry = _start(self.program, self.phase, work.items, shared, self.size + self.program.lanes)
        refills, busy = 8, True
        while busy and not self.stop.is_set():
            began = time.perf_counter()
            carry, position, busy = self.advance(
                self.program, self.phase, shared, work, carry[:3], carry[3:], np.int32(refills)
            )
            position, busy = np.int32(position), bool(busy)
            if not work.drain and position == work.stop:
                work, busy = self.next(place) or work._replace(position=work.stop, drain=np.bool_(True)), True
            else:
                work = work._replace(position=position)
            self.collect(carry)
            took = max(time.perf_counter() - began, 1e-4)
            refills = int(np.clip(refills * SLICE_SECONDS / took, 1, min(4 * refills, 10_000)))
        with self.lock:
            self.lane_steps += int(carry.steps) * self.program.lanes

    def fit(self, kernel: _native.Compiled, place: Any, between: Callable[[], None] = lambda: None) -> None:
        """Hands out data sets to the machine function: fewer and fewer at a time, and never more than a slice takes.

        What it has fitted is finished even where an interrupt comes before it is told; `between` is called after each.
        """
        pace = self.size if kernel.on_gpu else self.least  # before it knows how long they take
        room = kernel.room(self.weights.shape[1])
        status = kernel.places.status
        while not self.stop.is_set():
            with self.lock:
                begin, rest = self.position, self.count - self.position
                least = max(rest // (2 * self.workers), self.least, pace // MOMENT)
                held = min(pace, self.size, least)
                held = min(max(held - held % kernel.together, kernel.together), rest)
                self.position += held
            if not held:
                return
            began = time.perf_counter()
            self.reader.fit(begin, held, self.out, self.left, place, room)
            took = max(time.perf_counter() - began, 1e-6)
            pace = int(np.clip(held * SLICE_SECONDS / took, 1, 8 * pace))
            part = slice(begin, begin + held)
            fitted = self.left[part] == 0
            bad = failed(self.out[status, part].astype(np.int32)) & fitted
            self.messages.put((int(fitted.sum()), int(bad.sum())))
            between()

    def collect(self, carry: lanes.Carry) -> None:
        """Results that a slice has written."""
        written = int(carry.written)
        log = jax.tree.map(lambda x: np.asarray(x)[:written], carry.log)
        ids = np.asarray(carry.ids)[:written]
        for all_, new in zip(jax.tree.leaves(self.log), jax.tree.leaves(log), strict=True):
            all_[ids] = new
        self.left[ids] = 0
        self.messages.put((written, int(np.sum(failed(log.status)))))

    @property
    def utilization(self) -> float | None:
        """Share of the lanes' steps that a fit needed; None of the machine, which has no lanes."""
        steps = self.results.polish if self.phase else self.results.steps
        return float(np.sum(steps[self.finished])) / self.lane_steps if self.lane_steps else None

    def give(self, results: Any, where: np.ndarray) -> None:
        """Puts what is finished into the results of a larger batch."""
        done = self.finished
        for all_, mine in zip(jax.tree.leaves(results), jax.tree.leaves(self.results), strict=True):
            all_[where[done]] = mine[done]

    def work(self, place: Any) -> None:
        """A worker's thread; contexts of JAX belong to a thread."""
        try:
            if self.kernel is not None:
                self.fit(self.kernel, place)
            else:
                with jax.enable_x64(True), jax.default_device(place):
                    self.labor(place, self.next(place))
            self.messages.put(None)
        except BaseException as error:
            self.messages.put(error)


def run_phase(crew: Crew, crew_places: list[Any], shown: Progress | None, before: int) -> bool:
    """Runs one phase; whether it was interrupted. What a worker raises is raised here. `before` were done already.

    On the cores of the host this thread is a worker too: of two threads that begin while it goes to sleep, one often
    waits 2 to 4 ms for a core of its own (measured).
    """
    own = crew.kernel is not None and not crew.kernel.on_gpu
    threads = [
        threading.Thread(target=crew.work, args=(place,), name=f"jaxmle {i}")
        for i, place in enumerate(crew_places[own:])
    ]
    done, bad, working = before, 0, 0
    interrupted, error = False, None

    def begin() -> None:
        nonlocal working
        crew.compile(crew_places[0])
        for thread in threads:
            thread.start()
            working += 1

    def labor() -> None:
        if own and crew.kernel is not None:
            crew.fit(crew.kernel, crew_places[0], between)

    def between() -> None:
        while not crew.messages.empty():
            hear()

    def hear() -> None:
        nonlocal done, bad, working
        message = crew.messages.get()
        if isinstance(message, tuple):
            done, bad = done + message[0], bad + message[1]
            if shown is not None and message[0]:
                shown.update(done, bad)
            return
        working -= 1
        if message is not None:
            raise message

    todo = [begin, labor, between]
    while todo or working:
        try:
            todo.pop(0)() if todo else hear()
        except KeyboardInterrupt:
            crew.stop.set()
            interrupted = True
        except BaseException as raised:  # by a worker, or by whoever watches the progress
            crew.stop.set()
            error = raised
    for thread in threads:
        if thread.ident is not None:  # it was started
            thread.join()
    if error is not None:
        raise error
    return interrupted


def on_threads(kernel: _native.Compiled, items: Any, shared: Any, weights: np.ndarray) -> tuple[Any, np.ndarray]:
    """A batch on every core, without a call of JAX: its results, and what is left to others, bool[B]."""
    workers = cores() if len(weights) > kernel.least(weights.shape[1]) else 1
    crew = Crew(None, 0, items, shared, len(weights), workers, kernel, weights)
    if workers == 1:
        crew.fit(kernel, None)
    elif run_phase(crew, [None] * workers, None, 0):
        raise KeyboardInterrupt
    return crew.results, ~crew.finished
