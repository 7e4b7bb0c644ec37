"""Where workers compute, how much each may hold, and how many fits step together there."""

import contextlib
import os
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from jaxmle._util.threads import cores

HOST_BELOW = 1 << 22
"Numbers below which the host is done before an accelerator has begun."


def nearby(numbers: int) -> Any:
    """The host's first device where it has less to do than a launch costs, and nobody asked for another; or None."""
    default: Any = getattr(jax.config, "jax_default_device", None)  # a device, the name of a platform, or None
    if default is not None or jax.default_backend() == "cpu" or numbers >= HOST_BELOW:
        return None
    try:
        return jax.local_devices(backend="cpu")[0]
    except RuntimeError:  # JAX was told to do without
        return None


def near(numbers: int) -> Any:
    """A context in which so few numbers are computed where they are at hand."""
    host = nearby(numbers)
    return contextlib.nullcontext() if host is None else jax.default_device(host)


def places(devices: Any, numbers: int = HOST_BELOW) -> list[Any]:
    """Where the workers compute, one entry each; a CPU that stands alone has a worker for each core.

    Args:
        devices: None for all, how many of them, or a sequence of `jax.Device`.
        numbers: of the data; a few of them stay with the host unless devices are named.
    """
    default: Any = getattr(jax.config, "jax_default_device", None)
    ours: list[Any] = [default] if isinstance(default, jax.Device) else jax.local_devices(backend=default)
    if devices is None and (host := nearby(numbers)) is not None:
        ours = [host]
    if len(ours) == 1 and ours[0].platform == "cpu":
        ours = ours * cores()
    if devices is None:
        return ours
    if isinstance(devices, (int, np.integer)) and not isinstance(devices, bool) and devices >= 1:
        return [ours[i % len(ours)] for i in range(devices)] if ours[0].platform == "cpu" else ours[:devices]
    if isinstance(devices, Sequence) and devices and all(isinstance(d, jax.Device) for d in devices):
        return list(devices)
    raise ValueError(f"devices={devices!r}; expected None, a positive number, or a sequence of jax.Device")


def platforms_of(places: list[Any]) -> set[str]:
    """Of what kinds they are."""
    return {place.platform for place in places}


def together(items: Any) -> int:
    """How many data sets are computed at a time where each is computed once: on a CPU what sits in its cache."""
    default: Any = getattr(jax.config, "jax_default_device", None)
    platform = default.platform if isinstance(default, jax.Device) else default or jax.default_backend()
    return int(np.clip((1 << (18 if platform == "cpu" else 28)) // bytes_each(items), 256, 1 << 16))


def share(places: list[Any], memory: int | None) -> int:
    """Bytes of data that each worker may hold at once: of what was given, or of half of what is free.

    Args:
        places: one for each worker.
        memory: bytes for all of them together, or None.
    """
    if memory is None:
        stats = [place.memory_stats() or {} for place in dict.fromkeys(places)]
        if all("bytes_limit" in s for s in stats):
            memory = sum(s["bytes_limit"] - s.get("bytes_in_use", 0) for s in stats) // 2
        elif hasattr(os, "sysconf") and "SC_AVPHYS_PAGES" in os.sysconf_names:
            memory = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
        else:
            memory = 1 << 30
    elif isinstance(memory, bool) or not isinstance(memory, (int, np.integer)) or memory < 1:
        raise ValueError(f"memory={memory!r}; expected None, or a positive whole number of bytes")
    return max(int(memory) // len(places), 1)


def bytes_each(items: Any) -> int:
    """Bytes of one data set."""
    return max(sum(x[:1].nbytes for x in jax.tree.leaves(items)), 1)


def fitting(wide: int, items: Any, bound: int) -> int:
    """So many of `wide` lanes that what they hold, and two chunks of as many, fit the worker's share."""
    return int(np.clip(bound // (4 * bytes_each(items)), 1, wide))


def out_of_memory(error: BaseException) -> bool:
    """Whether a device or the machine had no room left."""
    return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)


def width(chosen: Any, count: int, n: int, workers: int) -> int:
    """How many fits step together in each worker: their rows should sit in cache, and all workers should have work."""
    if isinstance(chosen, str) and chosen in ("auto", "native"):
        wide = int(np.clip(np.floor(np.log2(32768 / max(n, 1))), 4, 8))
        return 1 << min(wide, max(0, int(np.ceil(np.log2(max(count, 1) / (2 * workers))))))
    if isinstance(chosen, bool) or not isinstance(chosen, (int, np.integer)) or chosen < 1:
        raise ValueError(f"lanes={chosen!r}; expected 'auto', 'native' or a positive whole number")
    return min(int(chosen), count)
