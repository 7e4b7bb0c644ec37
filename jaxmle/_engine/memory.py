"""Memory: how many data sets and lanes a worker may hold at once."""

import os
from typing import Any

import jax
import numpy as np

from jaxmle._engine.plan import Backend, Device, Lanes
from jaxmle._util.arrays import PyTree


def share(devices: list[Device], memory: int | None) -> int:
    """Return the bytes of data that each worker may hold at once: a share of `memory`, or of half of what is free.

    Args:
        devices: one for each worker.
        memory: bytes for all of them together, or None.
    """
    if memory is None:
        stats = [device.memory_stats() or {} for device in dict.fromkeys(devices)]
        if all("bytes_limit" in s for s in stats):
            memory = sum(s["bytes_limit"] - s.get("bytes_in_use", 0) for s in stats) // 2
        elif hasattr(os, "sysconf") and "SC_AVPHYS_PAGES" in os.sysconf_names:
            memory = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
        else:
            memory = 1 << 30
    elif isinstance(memory, bool) or not isinstance(memory, (int, np.integer)) or memory < 1:
        raise ValueError(f"memory={memory!r}; expected None, or a positive whole number of bytes")
    return max(int(memory) // len(devices), 1)


def bytes_each(items: PyTree) -> int:
    """Return the bytes of one data set."""
    return max(sum(x[:1].nbytes for x in jax.tree.leaves(items)), 1)


def rounded_up(n: int) -> int:
    """Round a number of rows or data sets up to a power of two, 1 at least: few shapes, few programs."""
    return 1 << max(int(n) - 1, 0).bit_length()


def together(items: PyTree) -> int:
    """Choose how many data sets to compute at a time where each is computed once: on a CPU what fits in its cache."""
    default: Any = getattr(jax.config, "jax_default_device", None)
    platform = default.platform if isinstance(default, jax.Device) else default or jax.default_backend()
    return int(np.clip((1 << (18 if platform == "cpu" else 28)) // bytes_each(items), 256, 1 << 16))


def lanes_that_fit(wide: int, items: PyTree, bound: int) -> int:
    """Reduce `wide` lanes so that their data, and two chunks of as many data sets, fit the worker's share of memory."""
    return int(np.clip(bound // (4 * bytes_each(items)), 1, wide))


def out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that a device or the host ran out of memory."""
    return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)


def width(backend: Backend, count: int, n: int, workers: int) -> int:
    """Choose how many fits step together in each worker: their rows should fit in cache, and all workers have work.

    Args:
        backend: a number of lanes is taken as it is, up to `count`.
        count: data sets.
        n: rows of each.
        workers: how many.
    """
    if isinstance(backend, Lanes):
        return min(backend.width, count)
    wide = int(np.clip(np.floor(np.log2(32768 / max(n, 1))), 4, 8))
    return 1 << min(wide, max(0, int(np.ceil(np.log2(max(count, 1) / (2 * workers))))))
