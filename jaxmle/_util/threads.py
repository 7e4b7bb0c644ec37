"""The cores of the host, for passes over large arrays."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

_MUCH = 1 << 24
"Bytes from which on a second core is worth waking."


def cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def by_cores(f: Callable[..., Any], *arrays: np.ndarray, unit: int = 1) -> list[Any]:
    """f of each stretch of flat arrays, a core for each where there is much; all but the last are whole units long."""
    n = len(arrays[0])
    if arrays[0].nbytes < _MUCH or (workers := cores()) == 1:
        return [f(*arrays)]
    ends = [n // unit * i // workers * unit for i in range(1, workers)]
    mine, *others = zip(*(np.split(x, ends) for x in arrays), strict=True)
    with ThreadPoolExecutor(workers - 1) as pool:  # this thread works too: see `_engine.workers.run_phase`
        found = pool.map(lambda parts: f(*parts), others)
        return [f(*mine), *found]
