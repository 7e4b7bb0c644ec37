"""Devices on which workers compute."""

import contextlib
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from jaxmle._engine.plan import Device
from jaxmle._util.array_passes import cores

HOST_BELOW = 1 << 22
"Numbers below which the host is done before an accelerator has begun."


def host_device(numbers: int) -> Device | None:
    """Return the host's first device where a launch on an accelerator would cost more than the work, else None."""
    default: Any = getattr(jax.config, "jax_default_device", None)  # a device, the name of a platform, or None
    if default is not None or jax.default_backend() == "cpu" or numbers >= HOST_BELOW:
        return None
    try:
        return jax.local_devices(backend="cpu")[0]
    except RuntimeError:  # JAX was told to do without
        return None


def host_if_small(numbers: int) -> contextlib.AbstractContextManager[Any]:
    """Return a context that computes on the host where the data hold few numbers."""
    host = host_device(numbers)
    return contextlib.nullcontext() if host is None else jax.default_device(host)


def worker_devices(devices: int | Sequence[Device] | None, numbers: int = HOST_BELOW) -> list[Device]:
    """List the device of each worker; a CPU that stands alone has a worker for each core.

    Args:
        devices: None for all, how many of them, or a sequence of `jax.Device`.
        numbers: of the data; a few of them stay with the host unless devices are named.
    """
    default: Any = getattr(jax.config, "jax_default_device", None)
    ours: list[Any] = [default] if isinstance(default, jax.Device) else jax.local_devices(backend=default)
    if devices is None and (host := host_device(numbers)) is not None:
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


def platforms_of(devices: list[Device]) -> set[str]:
    """Return the platforms of devices, such as {"cpu"}."""
    return {device.platform for device in devices}
