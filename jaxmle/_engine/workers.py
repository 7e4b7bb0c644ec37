"""Worker threads that fit the chunks of one phase of one bucket.

Each worker is a host thread that runs lanes of its own or a native kernel. It takes the next chunk as soon as all data
sets of the last one are in its lanes, so that no worker waits for another. Between slices progress is shown and an
interrupt is noticed; fits that are finished by then are kept.
"""

import functools
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxmle import _native
from jaxmle._engine.memory import bytes_each
from jaxmle._engine.phase_leaves import Items, PhaseLeaves, Shared
from jaxmle._engine.plan import Device
from jaxmle._solver import lanes
from jaxmle._solver.phases import phases
from jaxmle._solver.problem import Program
from jaxmle._solver.state import Outcome
from jaxmle._solver.status import failed
from jaxmle._util.array_passes import cores
from jaxmle._util.arrays import Bool, Int
from jaxmle._util.compile import compiled, float64
from jaxmle._util.progress import Progress

SLICE_SECONDS = 0.2
"About how long a slice of lanes runs before progress is shown and an interrupt is noticed."

CHUNKS = 8
"Chunks for each worker: enough that all end at about the same time."

MOMENT = 512
"The smallest share of a slice worth a call: 0.4 ms, where a call costs less than 0.1 ms."

CHUNK_BYTES = 1 << 25
"Bytes of a chunk at most, where that is more than one data set for each lane."

SMALL = 1 << 20
"Bytes up to which a chunk has a data set for each lane however few are left, so that one program serves all."


def _begun(program: Program, phase: int, items: Items, shared: Shared, capacity: int) -> lanes.Carry:
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


class LanePhase(NamedTuple):
    """A phase of a program, to be run in lanes.

    Attributes:
        program: for the model, the method and the number of lanes.
        number: of the phase.
        quick: whether it is compiled fast rather than optimized.
    """

    program: Program
    number: int
    quick: bool = False


class PhaseRun:
    """One phase of one bucket, divided among workers: in lanes, or by a native kernel.

    Attributes:
        count: B, the data sets.
        size, each: data sets of a chunk, and bytes of a data set.
        left: 0 for data sets that have results, uint8[B].
        out: results of the native kernel, f[k, B].
    """

    def __init__(
        self, backend: LanePhase | _native.Compiled, leaves: PhaseLeaves, workers: int = 1, bound: int = CHUNK_BYTES
    ) -> None:
        self.lane_phase = backend if isinstance(backend, LanePhase) else None
        self.kernel = kernel = None if isinstance(backend, LanePhase) else backend
        self.items, self.shared, self.rows = leaves.items, leaves.shared, leaves.rows
        self.count = count = len(leaves.weights)
        self.each = bytes_each(self.items)
        if kernel is not None and kernel.on_gpu:  # whose buffers lie beside the data
            self.each += 8 * (kernel.kernel.results + kernel.kernel.buffers * self.rows)
        else:
            bound = min(4 * CHUNK_BYTES, bound)
        most = bound // 4 // self.each
        self.position, self.workers = 0, workers
        if isinstance(backend, LanePhase):
            least = min(backend.program.lanes, max(count, SMALL // self.each))
            room = max(min(count // (CHUNKS * workers), most) // least, 1)
            self.size = least * 4 ** min((room.bit_length() - 1) // 2, 2)  # 1, 4 or 16 data sets a lane: few programs
        else:
            self.size, self.least = max(min(most, backend.max_batch), 1), backend.min_batch(self.rows)
        self.begins, self.lock = iter(range(0, count, self.size)), threading.Lock()
        self.stop: threading.Event = threading.Event()
        self.messages: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.left, self.lane_steps = np.ones(count, np.uint8), 0
        if isinstance(backend, LanePhase):

            def log_of(items: Items, shared: Shared) -> Any:
                return lanes.start(phases(backend.program, shared)[backend.number], items, 1, 1).log

            log = jax.eval_shape(log_of, self.items, self.shared)
            self.log = jax.tree.map(lambda s: np.zeros((count, *s.shape[1:]), s.dtype), log)
        else:
            self.arguments = backend.arguments(jax.tree.leaves((self.items, self.shared)), leaves.weights)
            self.out = np.zeros((backend.kernel.results, count))

    @property
    def finished(self) -> np.ndarray:
        """Return which data sets have results, bool[B]."""
        return self.left == 0

    @functools.cached_property
    def results(self) -> Outcome:
        """Return the results of all data sets as NumPy arrays [B, ...]; complete for those that are `finished`."""
        return self.log if self.kernel is None else self.kernel.results(self.out)

    def chunk(self, begin: int, device: Device) -> lanes.Work:
        """Copy the chunk of data sets that begins at `begin` to a device."""
        held = min(self.size, self.count - begin)

        def part(x: Any) -> Any:
            cut = np.asarray(x)[begin : begin + held]
            return cut if held == self.size else np.concatenate([cut, np.repeat(cut[:1], self.size - held, axis=0)])

        items = jax.device_put(jax.tree.map(part, self.items), device)
        return lanes.Work(items, np.int32(0), np.int32(held), np.int32(begin), np.bool_(False))

    def next(self, device: Device) -> lanes.Work | None:
        """Copy the next chunk to a device; None when all are taken."""
        with self.lock:
            begin = next(self.begins, None)
        return None if begin is None else self.chunk(begin, device)

    def compile(self, device: Device | None) -> None:
        """Compile the program of the lanes once, before several workers would compile it side by side."""
        if self.lane_phase is not None and device is not None:
            with jax.default_device(device):
                work = self.chunk(0, device)._replace(stop=np.int32(0), drain=np.bool_(True))
                self.run_lanes(self.lane_phase, device, work)

    def run_lanes(self, phase: LanePhase, device: Device, work: lanes.Work | None) -> None:
        """Fit `work` and every further chunk in lanes, until the lanes are empty."""
        if work is None:
            return
        program, number = phase.program, phase.number
        advance = _advance_few if phase.quick else _advance
        shared = jax.device_put(self.shared, device)
        carry = _start(program, number, work.items, shared, self.size + program.lanes)
        refills, busy = 8, True
        while busy and not self.stop.is_set():
            began = time.perf_counter()
            carry, position, busy = advance(program, number, shared, work, carry[:3], carry[3:], np.int32(refills))
            position, busy = np.int32(position), bool(busy)
            if not work.drain and position == work.stop:
                work, busy = self.next(device) or work._replace(position=work.stop, drain=np.bool_(True)), True
            else:
                work = work._replace(position=position)
            self.collect(carry)
            took = max(time.perf_counter() - began, 1e-4)
            refills = int(np.clip(refills * SLICE_SECONDS / took, 1, min(4 * refills, 10_000)))
        with self.lock:
            self.lane_steps += int(carry.steps) * program.lanes

    def run_kernel(
        self, kernel: _native.Compiled, device: Device | None, between: Callable[[], None] = lambda: None
    ) -> None:
        """Fit data sets by a native kernel: fewer and fewer at a time, and never more than a slice of time allows.

        Data sets that it has fitted are finished even where an interrupt comes first.

        Args:
            kernel: of this run.
            device: None for the host.
            between: called after each call of the kernel.
        """
        pace = self.size if kernel.on_gpu else self.least  # before any time is measured
        scratch = kernel.scratch(self.rows)
        status = kernel.result_offsets.status
        while not self.stop.is_set():
            with self.lock:
                begin, rest = self.position, self.count - self.position
                least = max(rest // (2 * self.workers), self.least, pace // MOMENT)
                size = min(pace, self.size, least)
                size = min(max(size - size % kernel.group_size, kernel.group_size), rest)
                self.position += size
            if not size:
                return
            began = time.perf_counter()
            self.arguments.fit(begin, size, self.out, self.left, device, scratch)
            took = max(time.perf_counter() - began, 1e-6)
            pace = int(np.clip(size * SLICE_SECONDS / took, 1, 8 * pace))
            part = slice(begin, begin + size)
            fitted = self.left[part] == 0
            bad = failed(self.out[status, part].astype(np.int32)) & fitted
            self.messages.put((int(fitted.sum()), int(bad.sum())))
            between()

    def collect(self, carry: lanes.Carry) -> None:
        """Copy the results that a slice of time has written to the host."""
        written = int(carry.written)
        log = jax.tree.map(lambda x: np.asarray(x)[:written], carry.log)
        ids = np.asarray(carry.ids)[:written]
        for all_, new in zip(jax.tree.leaves(self.log), jax.tree.leaves(log), strict=True):
            all_[ids] = new
        self.left[ids] = 0
        self.messages.put((written, int(np.sum(failed(log.status)))))

    @property
    def utilization(self) -> float | None:
        """Return the share of the lanes' steps that a fit needed; None for a native kernel."""
        steps = self.results.newton_steps if self.lane_phase and self.lane_phase.number else self.results.steps
        return float(np.sum(steps[self.finished])) / self.lane_steps if self.lane_steps else None

    def copy_to(self, results: Outcome, where: Int[np.ndarray, " B"]) -> None:
        """Copy the results of finished data sets into those of a larger batch, at positions `where`."""
        done = self.finished
        for all_, mine in zip(jax.tree.leaves(results), jax.tree.leaves(self.results), strict=True):
            all_[where[done]] = mine[done]

    def work(self, device: Device) -> None:
        """Run one worker's thread; contexts of JAX belong to a thread."""
        try:
            if self.kernel is not None:
                self.run_kernel(self.kernel, device)
            elif self.lane_phase is not None:
                with float64(), jax.default_device(device):
                    self.run_lanes(self.lane_phase, device, self.next(device))
            self.messages.put(None)
        except BaseException as error:
            self.messages.put(error)


def run_phase(run: PhaseRun, devices: Sequence[Device | None], shown: Progress | None, before: int) -> bool:
    """Run one phase on its workers; return whether it was interrupted. An error of a worker is raised here.

    Args:
        run: the phase.
        devices: one for each worker; None for the host.
        shown: shows how many data sets are done.
        before: how many were done already.

    On the cores of the host this thread is a worker too: of two threads that begin while it goes to sleep, one often
    waits 2 to 4 ms for a core of its own (measured).
    """
    own = run.kernel is not None and not run.kernel.on_gpu
    threads = [
        threading.Thread(target=run.work, args=(device,), name=f"jaxmle {i}") for i, device in enumerate(devices[own:])
    ]
    done, bad, working = before, 0, 0
    interrupted, error = False, None

    def begin() -> None:
        nonlocal working
        run.compile(devices[0])
        for thread in threads:
            thread.start()
            working += 1

    def work() -> None:
        if own and run.kernel is not None:
            run.run_kernel(run.kernel, devices[0], between)

    def between() -> None:
        while not run.messages.empty():
            read_message()

    def read_message() -> None:
        nonlocal done, bad, working
        message = run.messages.get()
        if isinstance(message, tuple):
            done, bad = done + message[0], bad + message[1]
            if shown is not None and message[0]:
                shown.update(done, bad)
            return
        working -= 1
        if message is not None:
            raise message

    todo = [begin, work, between]
    while todo or working:
        try:
            todo.pop(0)() if todo else read_message()
        except KeyboardInterrupt:
            run.stop.set()
            interrupted = True
        except BaseException as raised:  # by a worker, or by the user's progress function
            run.stop.set()
            error = raised
    for thread in threads:
        if thread.ident is not None:  # it was started
            thread.join()
    if error is not None:
        raise error
    return interrupted


def on_threads(kernel: _native.Compiled, leaves: PhaseLeaves) -> tuple[Outcome, Bool[np.ndarray, " B"]]:
    """Fit a batch by a native kernel on every core, without a call of JAX; return results and which were not fitted."""
    workers = cores() if len(leaves.weights) > kernel.min_batch(leaves.rows) else 1
    run = PhaseRun(kernel, leaves, workers)
    if workers == 1:
        run.run_kernel(kernel, None)
    elif run_phase(run, [None] * workers, None, 0):
        raise KeyboardInterrupt
    return run.results, ~run.finished
