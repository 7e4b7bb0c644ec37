"""Passes through memory over large arrays, by all cores of the host: whether a number is NaN, and a checksum of every byte."""

import os
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

_MUCH = 1 << 24
"Bytes from which on a second core is worth waking."

_WIDTH, _CHUNK = 1021, 64 * 1021
"Words of 8 bytes that others are folded into, and of a stretch that stays in the cache while it is looked at twice."


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


class Scanner:
    """Looks at each array once, however much is asked of it; nobody may change it meanwhile."""

    def __init__(self) -> None:
        self._found: dict[
            int, tuple[np.ndarray, bool, int]
        ] = {}  # with the array, so that none other gets its identity

    def nan(self, x: np.ndarray) -> bool:
        """Tell whether any number is NaN, at the speed of memory: the greatest number of NumPy is then NaN, that of XLA need not be."""
        if not isinstance(x, np.ndarray):
            return bool(jnp.isnan(x).any())
        return self._scan(x)[1] if x.flags.c_contiguous else bool(np.isnan(x.max(initial=-np.inf)))

    def checksum(self, x: np.ndarray) -> int:
        """Compute the checksum of every byte of an array; a row that moves changes it."""
        return self._scan(np.ascontiguousarray(x))[2]

    def _scan(self, x: np.ndarray) -> tuple[np.ndarray, bool, int]:
        if id(x) not in self._found:
            flat, floating = x.reshape(-1).view(np.uint8), x.dtype.kind == "f"
            words = flat[: len(flat) // (8 * _WIDTH) * 8 * _WIDTH].view(np.uint64)
            rest = flat[words.nbytes :]
            nan = [floating and bool(np.isnan(rest.view(x.dtype)).any())]
            folds = []
            for found, fold in by_cores(lambda part: _folded(part, x.dtype if floating else None), words, unit=_WIDTH):
                nan.append(found)
                folds.append(fold)
            checksum = zlib.crc32(rest.tobytes(), zlib.crc32(np.bitwise_xor.reduce(folds).tobytes()))
            self._found[id(x)] = x, any(nan), checksum
        return self._found[id(x)]


def _folded(words: np.ndarray, dtype: DTypeLike | None) -> tuple[bool, np.ndarray]:
    """Tell whether there is a NaN among numbers of this type, if any, and fold the words into `_WIDTH`."""
    fold, greatest = np.zeros(_WIDTH, np.uint64), -np.inf
    for i in range(0, len(words), _CHUNK):
        part = words[i : i + _CHUNK]
        if dtype is not None:
            greatest = np.maximum(greatest, part.view(dtype).max())
        fold ^= np.bitwise_xor.reduce(part.reshape(-1, _WIDTH), axis=0)
    return bool(np.isnan(greatest)), fold
