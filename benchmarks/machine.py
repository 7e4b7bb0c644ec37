"""Where and with what it was measured: without this a number means nothing."""

import datetime
import functools
import importlib.metadata
import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jax

PACKAGES = (
    "jaxmle", "jax", "jaxlib", "optax", "numpy", "scipy", "numba", "jaxopt", "optimistix", "tfp-nightly",
    "statsmodels", "scikit-learn", "glum", "lifelines", "R", "R:MASS", "R:survival", "R:Rfast", "R:TMB",
)  # fmt: skip


def machine() -> dict[str, Any]:
    """The machine, the versions, the date, and how busy it was."""
    versions = {name: _version(name) for name in PACKAGES}
    if not versions["jaxmle"]:  # run from a checkout that is not installed
        import jaxmle

        versions["jaxmle"] = jaxmle.__version__
    device = default_device()
    return {
        "date": datetime.date.today().isoformat(),
        "cpu": _cpu(),
        "cores": cores(),
        "device": f"{device.platform}: {device.device_kind}",
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "versions": versions,
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }


def default_device() -> Any:
    """The device that `jax.default_device` names, else JAX's first."""
    chosen: Any = getattr(jax.config, "jax_default_device", None)
    return chosen if isinstance(chosen, jax.Device) else jax.local_devices(backend=chosen)[0]


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def label(where: dict[str, Any]) -> str:
    """A machine as the name of a folder: `cpu-2-cores`, `gpu-nvidia-h100-80gb-hbm3`."""
    platform_, kind = where["device"].split(": ", 1)
    return f"cpu-{where['cores']}-cores" if platform_ == "cpu" else f"gpu-{'-'.join(kind.lower().split())}"


@functools.cache
def in_r() -> dict[str, str]:
    """Versions of R and its packages, as `R` and `R:name`; empty where there is no R."""
    if shutil.which("Rscript") is None:
        return {}
    code = 'v <- installed.packages()[, "Version"]; writeLines(paste(c("R", paste0("R:", names(v))), c(format(getRversion()), v)))'
    out = subprocess.run(["Rscript", "--vanilla", "-e", code], capture_output=True, text=True).stdout
    return dict(line.split() for line in out.splitlines())


def _version(name: str) -> str:
    if name in in_r():
        return in_r()[name]
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
