"""The lanes on every core and device: chunks of a batch go to workers, results come back as they end.

Each worker is a host thread with lanes of its own and takes the next chunk when it has handed out the last one, its
lanes running on: nobody waits for anybody, and no collective is needed. Between slices progress is shown and an
interrupt is noticed; what is finished by then is kept.
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

from jaxmle import lanes, native
from jaxmle._closer import look_closer
from jaxmle._compile import compiled
from jaxmle._places import bytes_each, cores, fitting, out_of_memory, places, share, width
from jaxmle._progress import Progress
from jaxmle._solve import Problem, Program, items_of, phases
from jaxmle._status import Status, failed
from jaxmle._step import Outcome
from jaxmle._ways import DRAFTED, apart, machine, ready

__all__ = ["places", "run", "share", "width"]

SLICE_SECONDS = 0.2
"About how long a slice of lanes runs before progress is shown and an interrupt is noticed."

CHUNKS = 8
"How many chunks each worker can expect: enough that all end at about the same time."

WORTH = 10.0
"Other numbers of lanes are tried where the batch will take so many times as long as a compilation."

MOMENT = 128
"The smallest share of a slice that is worth handing out."

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


class _Crew:
    """Workers on the chunks of one phase of one bucket.

    Attributes:
        size, each: data sets of a chunk, and bytes of a data set.
        finished: which of them are there, bool[count].
        out, left: what the machine writes, f[k, count], and 0 where it did, uint8[count].
    """

    def __init__(
        self, program: Any, phase: int, items: Any, shared: Any, count: int, workers: int,
        kernel: native.Compiled | None = None, weights: Any = None, bound: int = CHUNK_BYTES, few: bool = False,
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
            self.size, self.least = max(min(most, kernel.most), 1), kernel.least
        else:
            least = min(program.lanes, max(count, SMALL // self.each))
            room = max(min(count // (CHUNKS * workers), most) // least, 1)
            self.size = least * 4 ** min((room.bit_length() - 1) // 2, 2)  # 1, 4 or 16 data sets a lane: few programs
        self.begins, self.lock = iter(range(0, count, self.size)), threading.Lock()
        self.stop: threading.Event = threading.Event()
        self.messages: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.finished, self.lane_steps = np.zeros(count, bool), 0
        if kernel is not None:
            arrays = jax.tree.leaves((items, shared))
            self.reader = kernel.reader(arrays, weights)
            self.out, self.left = np.zeros((kernel.kernel.results, count)), np.ones(count, np.uint8)
        else:
            log = jax.eval_shape(lambda i, s: lanes.start(phases(program, s)[phase], i, 1, 1).log, items, shared)
            self.log = jax.tree.map(lambda s: np.zeros((count, *s.shape[1:]), s.dtype), log)

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

    def fit(self, kernel: native.Compiled, place: Any) -> None:
        """Hands out data sets to the machine function: fewer and fewer at a time, and never more than a slice takes."""
        pace, room = kernel.first(self.size), kernel.room(self.weights.shape[1])
        status = kernel.places.status
        while not self.stop.is_set():
            with self.lock:
                begin, rest = self.position, self.count - self.position
                least = max(rest // (2 * self.workers), self.least, pace // MOMENT)
                held = min(pace, self.size, least, rest)
                self.position += held
            if not held:
                return
            began = time.perf_counter()
            self.reader.fit(begin, held, self.out, self.left, place, room)
            part = slice(begin, begin + held)
            self.finished[part] = fitted = self.left[part] == 0
            bad = failed(self.out[status, part].astype(np.int32)) & fitted
            self.messages.put((int(fitted.sum()), int(bad.sum())))
            took = max(time.perf_counter() - began, 1e-6)
            pace = int(np.clip(pace * SLICE_SECONDS / took, 1, 8 * pace))

    def collect(self, carry: lanes.Carry) -> None:
        """Results that a slice has written."""
        written = int(carry.written)
        log = jax.tree.map(lambda x: np.asarray(x)[:written], carry.log)
        ids = np.asarray(carry.ids)[:written]
        for all_, new in zip(jax.tree.leaves(self.log), jax.tree.leaves(log), strict=True):
            all_[ids] = new
        self.finished[ids] = True
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


def _phase(crew: _Crew, crew_places: list[Any], shown: Progress | None, before: int) -> bool:
    """Runs one phase; whether it was interrupted. What a worker raises is raised here. `before` were done already."""
    threads = [
        threading.Thread(target=crew.work, args=(place,), name=f"jaxmle {i}") for i, place in enumerate(crew_places)
    ]
    done, bad = before, 0
    working, interrupted, error = 0, False, None
    try:
        crew.compile(crew_places[0])
        for thread in threads:
            thread.start()
            working += 1
    except KeyboardInterrupt:
        crew.stop.set()
        interrupted = True
    while working:
        try:
            message = crew.messages.get()
            if isinstance(message, tuple):
                done, bad = done + message[0], bad + message[1]
                if shown is not None and message[0]:
                    shown.update(done, bad)
                continue
            working -= 1
            if message is not None:
                error = message
                crew.stop.set()
        except KeyboardInterrupt:
            crew.stop.set()
            interrupted = True
        except BaseException as raised:  # by whoever watches the progress
            crew.stop.set()
            error = raised
    for thread in threads:
        if thread.ident is not None:  # it was started
            thread.join()
    if error is not None:
        raise error
    return interrupted


def tuned(crew: Callable[[Program], _Crew], program: Program, places: list[Any]) -> tuple[Program, Any, bool]:
    """The program with the number of lanes that measured best, what was tried, and whether an interrupt came.

    Only where it pays: each other number is a compilation more. What the trials fitted is fitted again, so that the
    number alone replays the run.
    """
    tried: dict[int, float] = {}
    for factor in (1.0, 4.0, 0.25):
        here = program._replace(lanes=int(program.lanes * factor))
        if here.lanes < 1:
            continue
        trial = crew(here)
        most = trial.size * max(16 * here.lanes * len(places) // trial.size, len(places))
        trial.begins = iter(range(0, min(most, trial.count), trial.size))
        began = time.perf_counter()
        try:
            trial.compile(places[0])
            compiled = time.perf_counter()
            if _phase(trial, places, None, 0):
                return program, tried, True
        except Exception as error:
            if not out_of_memory(error):
                raise
            continue
        tried[here.lanes] = float(trial.finished.sum()) / max(time.perf_counter() - compiled, 1e-9)
        if trial.count / tried[here.lanes] < WORTH * (compiled - began):
            break
    best = max(tried, key=lambda w: tried[w], default=program.lanes)
    return program._replace(lanes=best), {w: round(x, 1) for w, x in tried.items()}, False


def run(
    program: Program, problem: Problem, count: int, crew_places: list[Any], shown: Progress, chosen: Any,
    interrupted: bool, memory: int | None = None, few: bool = False, look: bool = True,
) -> tuple[Outcome, dict[str, Any], bool]:  # fmt: skip
    """One bucket; its outcome, how it was fitted (lanes, their utilization, data sets/s of others tried), and whether an interrupt left some of it out.

    Args:
        chosen: as `lanes` of `fit_many`, or `DRAFTED` for the machine with drafts and nothing else.
        memory: bytes that the workers may use for data together; None for half of what is free.
        few: whether lanes compile longer than they run.
        look: whether what did not converge is looked at more closely.

    Where memory runs out all the same, what is left goes on in chunks, then in lanes, half as large.
    """
    program, problem, kernels = ready(program, problem, crew_places, chosen)
    own, shared = items_of(program, problem)
    last = len(phases(program, shared)) - 1
    items: Any = (own,)
    bound = share(crew_places, memory)
    program = program._replace(lanes=fitting(program.lanes, items, bound))
    used: dict[str, Any] = {"lanes": program.lanes}
    results: Any = None
    finished = np.zeros(count, bool)
    for phase in range(last + 1):
        watched = shown if phase == last else None
        if phase:
            kernels = machine(program, phase, items, shared, problem.weights, crew_places, chosen)
        results, finished, left = None, np.zeros(count, bool), np.arange(count)
        turns: list[native.Compiled | None] = [*kernels] if chosen == DRAFTED else [*kernels, None]
        while turns and len(left) and not (interrupted and results is not None):
            kernel = turns.pop(0)
            mine, weights = items, problem.weights
            if len(left) < count:
                mine, weights = jax.tree.map(lambda x, left=left: x[left], (items, weights))
            crew_of = functools.partial(
                _Crew, phase=phase, items=mine, shared=shared, count=len(left), workers=len(crew_places), kernel=kernel,
                weights=weights, bound=bound, few=few,
            )  # fmt: skip
            where = crew_places
            if kernel is not None:
                where = [place for place in crew_places for _ in range(kernel.abreast)]
            elif not interrupted:
                where = apart(program, phase, items, shared, problem.weights, crew_places)
                if chosen == "auto" and not (phase or kernels) and len(left) >= 32 * program.lanes * len(where):
                    program, used["tried"], interrupted = tuned(crew_of, program, where)
            crew = crew_of(program)
            if not interrupted:
                try:
                    interrupted = _phase(crew, where, watched, count - len(left))
                except Exception as error:
                    if not out_of_memory(error) or crew.size == 1:
                        raise
                    bound = 2 * crew.size * crew.each
                    program = program._replace(lanes=fitting(program.lanes, items, bound))
                    turns.insert(0, kernel)
            if results is None:
                results = crew.results
            else:
                crew.give(results, left)
            finished[left[crew.finished]] = True
            again = ~crew.finished | (failed(crew.results.status) if kernel is not None and kernel.partial else False)
            left = left[again]
        items = (own, results)  # what another method nominated waits for its certificate
        used |= {"lanes": "native"} if kernels else {"lanes": program.lanes, "utilization": crew.utilization}
    shown.advance(count)
    outcome: Outcome = results
    if look:
        look_closer(program, problem, outcome, finished)
    if not finished.all():
        outcome = _not_run(outcome, ~finished)
    return outcome, used, interrupted


def on_the_machine(program: Program, problem: Problem, numbers: int) -> Outcome | None:
    """A batch of one data set, of so many numbers, as functions of the machine, in this thread; None where that cannot be."""
    here = places(None, numbers)[:1]
    program, problem, kernels = ready(program, problem, here, "auto")
    own, shared = items_of(program, problem)
    items: Any = (own,)
    results: Any = None
    for phase in range(len(phases(program, shared))):
        results = None
        if phase:
            kernels = machine(program, phase, items, shared, problem.weights, here, "auto")
        for kernel in kernels:
            crew = _Crew(program, phase, items, shared, 1, 1, kernel, problem.weights)
            crew.fit(kernel, here[0])
            if crew.finished.all() and not (kernel.partial and failed(crew.results.status).any()):
                results = crew.results
        if results is None:
            return None
        items = (own, results)
    return results


def on_threads(kernel: native.Compiled, items: Any, shared: Any, weights: np.ndarray, results: Any) -> np.ndarray:
    """A batch on every core, without a call of JAX; fills `results` and says what is left to others, bool[B]."""
    workers = cores() if len(weights) > kernel.least else 1
    crew = _Crew(None, 0, items, shared, len(weights), workers, kernel, weights)
    if workers == 1:
        crew.fit(kernel, None)
    elif _phase(crew, [None] * workers, None, 0):
        raise KeyboardInterrupt
    for x, mine in zip(results, jax.tree.leaves(crew.results), strict=True):
        x[...] = mine
    return ~crew.finished | (failed(crew.results.status) if kernel.partial else False)


def _not_run(outcome: Outcome, mask: np.ndarray) -> Outcome:
    for x in outcome:
        x[mask] = np.nan if x.dtype.kind == "f" else 0
    outcome.status[mask] = Status.NOT_RUN
    return outcome
