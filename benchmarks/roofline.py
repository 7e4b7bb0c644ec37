"""What the machine can do at best, measured, and which fraction of it each workload reaches.

The bound of a fit is the time that its unavoidable work (`Least` of its workload) takes at the measured ceilings: special
functions and arithmetic one after the other, or reading the data once, whichever is longer.
"""

import functools
import threading
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from benchmarks.machine import cores, default_device
from benchmarks.measure import spread
from benchmarks.workloads import WORKLOADS
from jaxmle import special
from jaxmle._util.compile import compiled_once

DEGREE = 64
"Multiplications, each with an addition, of the polynomial that measures arithmetic."


def _polynomial(x: Any) -> Any:
    y = x
    for k in range(DEGREE):
        y = y * x + 1.0 / (k + 2)
    return y


OPERATIONS: dict[str, tuple[Callable[[Any], Any], float]] = {
    "exp": (lambda x: jnp.exp(-x), 1),
    "log": (jnp.log, 1),
    "log-gamma": (special.gammaln, 1),
    "JAX's log-gamma": (lax.lgamma, 1),
    "flop": (_polynomial, 2 * DEGREE),
}
"Each on an array that stays in cache, and how many of its kind one element takes."

SIDE = 512
"Of the matrices whose product measures arithmetic on a CPU."


def ceilings(dtype: str, seconds: float, repeats: int, say: Callable[[str], None]) -> dict[str, dict[str, float]]:
    """Spread of operations a second, over all cores or on the device, and of bytes a second read from memory.

    On a CPU the best of XLA, whose vectors may be half as wide as the machine's, and of NumPy and its BLAS.
    """
    device = default_device()
    on_cpu = device.platform == "cpu"
    crew, size = (cores(), 1 << 14) if on_cpu else (1, 1 << 24)
    found = {}
    with jax.enable_x64(dtype == "float64"):
        x = jnp.linspace(0.5, 1.5, size, dtype=dtype)
        for name, (f, count) in OPERATIONS.items():
            say(f"ceiling: {name}")
            program = compiled_once(_repeated(f))
            rates = [_rate(lambda n, program=program: program(x, n), size * count, crew, dtype, seconds, repeats)]
            if on_cpu and name in ("exp", "log"):
                own = functools.partial(_again, getattr(np, name), (np.asarray(x),))
                rates.append(_rate(own, size, crew, dtype, seconds, repeats))
            if on_cpu and name == "flop":
                own = functools.partial(_again, np.matmul, (np.ones((SIDE, SIDE), dtype),) * 2)
                rates.append(_rate(own, 2 * SIDE**3, 1, dtype, seconds, repeats))  # BLAS takes all cores
            found[name] = _best(rates)
        say("ceiling: bytes")
        long = jnp.ones(((1 << 28 if on_cpu else 1 << 30) // (size * np.dtype(dtype).itemsize), size), dtype)
        readers: list[Any] = [functools.partial(compiled_once(f), long) for f in (_summed, _added)]
        if on_cpu:
            host = np.asarray(long)
            readers.append(lambda n: [host.sum() for _ in range(int(n))])
        rates = [_rate(reader, long.nbytes, crew, dtype, seconds, repeats) for reader in readers]
        found["byte"] = _best(rates)
    return found


def _best(rates: list[dict[str, float]]) -> dict[str, float]:
    return max(rates, key=lambda rate: rate["median"])


def _again(f: Any, args: tuple[np.ndarray, ...], n: Any) -> None:
    """NumPy's f, n times, always into the same array."""
    out = np.empty_like(args[0])
    for _ in range(int(n)):
        f(*args, out=out)


def _repeated(f: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    """x -> the sum of f over x, n times over; a little else each time, so that nothing is taken out of the loop."""

    def program(x: Any, n: Any) -> Any:
        def once(i: Any, total: Any) -> Any:
            return total + f(x + jnp.asarray(1e-9, x.dtype) * i.astype(x.dtype))

        return jnp.sum(lax.fori_loop(0, n, once, jnp.zeros_like(x)))

    return program


def _summed(x: Any, n: Any) -> Any:
    """Reads x[m, size] n times, as XLA sums it."""

    def once(i: Any, total: Any) -> Any:
        return total + jnp.sum(x * (1 + jnp.asarray(1e-9, x.dtype) * i.astype(x.dtype)))

    return lax.fori_loop(0, n, once, jnp.zeros((), x.dtype))


def _added(x: Any, n: Any) -> Any:
    """Reads x[m, size] n times, one row added to the next."""
    m = x.shape[0]
    return jnp.sum(lax.fori_loop(0, n * m, lambda i, total: total + x[i % m], jnp.zeros_like(x[0])))


def _rate(
    program: Callable[[Any], Any], each: float, crew: int, dtype: str, seconds: float, repeats: int
) -> dict[str, float]:
    """Operations a second of `crew` threads at once, each running the program for about `seconds`."""

    def run(n: int) -> float:
        def work() -> None:
            with jax.enable_x64(dtype == "float64"):
                jax.block_until_ready(program(np.int32(n)))

        threads = [threading.Thread(target=work) for _ in range(crew)]
        begin = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.perf_counter() - begin

    run(1)  # compiles
    n = 1
    while (took := run(n)) < 0.2 * seconds:
        n *= 4
    n = max(int(n * seconds / took), 1)
    return spread([crew * n * each / run(n) for _ in range(repeats)])


def fractions(record: dict[str, Any]) -> list[dict[str, Any]]:
    """For each race and each rival that counts its steps: {workload, rival, bound (fits/s), fraction, by}.

    `by` says what the bound consists of: the share of each operation.
    """
    found = []
    best = {name: value["median"] for name, value in record.get("ceilings", {}).items()}
    if not best:
        return found
    best["log-gamma"] = max(best["log-gamma"], best["JAX's log-gamma"])
    by_name = {w.name: w for w in WORKLOADS}
    for race in record["workloads"]:
        workload = by_name.get(race["workload"])
        if workload is None or workload.least is None or "bytes" not in race:
            continue
        least = workload.least(race["parameters"])
        for entry in race["rivals"]:
            if entry["rival"] not in ("jaxmle", "numba", "vmap", "jax") or "fits_per_second" not in entry:
                continue
            rows, steps = race["rows"], max(entry["mean_steps"], 1.0)
            cost: dict[str, float] = {}
            for work, times in ((least.once, rows), (least.each, rows * steps), (least.fixed, steps)):
                for name, count in work.items():
                    cost[name] = cost.get(name, 0.0) + count * times / best[name]
            reading = race["bytes"] / race["datasets"] / best["byte"]
            bound = max(sum(cost.values()), reading)
            rate = entry["fits_per_second"]["median"]
            by = {"byte": 1.0} if bound == reading else {name: c / bound for name, c in cost.items()}
            found.append(
                {
                    "workload": race["workload"],
                    "rival": entry["rival"],
                    "bound": 1 / bound,
                    "fraction": bound * rate,
                    "by": by,
                }
            )
    return found
