"""What happens once in a process, each in a fresh one: imports, the first result, peak memory."""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.machine import default_device
from benchmarks.measure import spread

_IMPORT = """
import time, jax
begin = time.perf_counter()
import jaxmle
print(time.perf_counter() - begin)
"""

_FIRST_FIT = """
import time, jax, numpy
x = numpy.random.default_rng(7).gamma(1.6, 2.0, 200)
begin = time.perf_counter()
import jaxmle
assert jaxmle.fit("gamma", x).converged
print(time.perf_counter() - begin)
"""

_LOGISTIC = """
import time, jax, jax.numpy as jnp, numpy as np
import jaxmle as jm

def log_likelihood(params, data):
    eta = data["x"] @ params["beta"]
    return data["y"] * eta - jnp.logaddexp(0.0, eta)

rng = np.random.default_rng(7)
x = rng.normal(size=(200, 5))
y = 1.0 * (rng.uniform(size=200) < 1 / (1 + np.exp(-x @ (0.7 * rng.normal(size=5)))))
model = jm.Model(log_likelihood, {"beta": jm.spaces.real(shape=5)})

def seconds():
    begin = time.perf_counter()
    assert jm.fit(model, {"x": x, "y": y}).converged
    return time.perf_counter() - begin

jm.fit("exponential", [1.0, 2.0, 4.0])  # what only the very first fit pays
first = seconds()
print(first - min(seconds() for _ in range(5)))
"""

_BOUNDED = """
import numpy as np, jaxmle as jm
from benchmarks.fresh import _held, _peak
x = np.random.default_rng(7).gamma(1.6, 2.0, (100_000, 320))
jm.fit_many("gamma", x[:64], lanes={lanes!r})
held = _held()
assert jm.fit_many("gamma", x, lanes={lanes!r}, memory={memory}).converged.all()
print(_peak() - held)
"""

BATCH = 256
"Megabytes of data of the batch whose memory is bounded."

BOUNDS = (8, 32, 128, 512)

ONCE = {
    "import": ("import jaxmle, beyond importing jax", _IMPORT),
    "first fit": ("import jaxmle and a first fit (gamma, n = 200), beyond importing jax", _FIRST_FIT),
    "compile": ("compile a logistic regression, p = 5, n = 200", _LOGISTIC),
}


def once(repeats: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Seconds of what happens once, each time in a fresh process."""
    found: dict[str, Any] = {name: {"title": title, "seconds": []} for name, (title, _) in ONCE.items()}
    for repeat in range(repeats):
        for name, (_, code) in ONCE.items():
            say(f"once: {name}, {repeat + 1} of {repeats}")
            out = _process(code)
            if out.returncode:
                found[name]["failed"] = _last_line(out.stderr)
            else:
                found[name]["seconds"].append(float(out.stdout))
    for entry in found.values():
        if entry["seconds"]:
            entry["spread"] = spread(entry["seconds"])
    return found


def bounded(say: Callable[[str], None]) -> dict[str, Any]:
    """Megabytes at the peak, beyond data and imports, of a batch that is given so many of them for its data."""
    lines: dict[str, dict[int, Any]] = {"native": {}, "lanes": {}}
    for way, lanes in (("native", "native"), ("lanes", 64)):
        for bound in BOUNDS:
            say(f"memory: {way}, {bound} MB")
            out = _process(_BOUNDED.format(lanes=lanes, memory=bound * 1_000_000))
            lines[way][bound] = float(out.stdout) if out.returncode == 0 else _last_line(out.stderr)
    return {"data_megabytes": BATCH, "lines": lines}


def cold(races: list[dict[str, Any]], say: Callable[[str], None]) -> None:
    """Adds to each rival of each race: seconds from an empty process to its first result, and its peak memory."""
    platform = default_device().platform
    for race in races:
        for entry in race["rivals"]:
            if "seconds" not in entry:
                continue
            say(f"fresh process: {race['workload']}, {entry['rival']}")
            size = {key: race[key] for key in ("datasets", "rows", "parameters", "dtype")}
            call = f"child({race['workload']!r}, {entry['rival']!r}, {size!r}, {platform!r})"
            out = _process(f"from benchmarks.fresh import child\n{call}")
            if out.returncode:
                entry["cold"] = {"failed": _last_line(out.stderr)}
            else:
                entry["cold"] = json.loads(out.stdout.splitlines()[-1])


def child(workload: str, rival: str, size: dict[str, Any], platform: str) -> None:
    """Runs inside the fresh process: one rival's first result on one task; prints a line of JSON.

    Drawing the data and JAX's start of the device are not counted, imports are; memory is the peak beyond what the
    process held with data and imports, and on a device that keeps count, the device's peak beyond the same.
    """
    begin = _birth()
    import jax

    from benchmarks.everyone import RIVALS
    from benchmarks.workloads import WORKLOADS, task

    imported = time.time()
    device = jax.devices(platform)[0]
    with jax.default_device(device):
        chosen = next(r for r in RIVALS if r.name == rival)
        drawn = task(next(w for w in WORKLOADS if w.name == workload), **size)
        mine = chosen.share(drawn)
        held, held_there, ready = _held(), _on_device(device, "bytes_in_use"), time.time()
        chosen.prepare(mine)()
    found = {"seconds": (imported - begin) + (time.time() - ready)}
    if not any(name.startswith("R:") for name in chosen.needs):  # which works in a process of its own
        found["megabytes"] = _peak() - held
    if platform != "cpu":
        found["device_megabytes"] = _on_device(device, "peak_bytes_in_use") - held_there
    found["data_megabytes"] = sum(x.nbytes for x in jax.tree.leaves(drawn.data)) / 1e6
    print(json.dumps(found))


def _on_device(device: Any, key: str) -> float:
    return (device.memory_stats() or {}).get(key, 0) / 1e6


def _birth() -> float:
    """When this process began, as `time.time` counts; now, where the system does not say."""
    try:
        ticks = int(Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19])
        up = float(Path("/proc/uptime").read_text().split()[0])
    except OSError:
        return time.time()
    return time.time() - up + ticks / os.sysconf("SC_CLK_TCK")


def _held() -> float:
    """Megabytes held now; the peak is counted from here on, where the system can."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
        return _status("VmRSS")
    except (OSError, KeyError):
        return _peak()


def _peak() -> float:
    """Megabytes at the peak since `_held`, or since the process began."""
    try:
        return _status("VmHWM")
    except (OSError, KeyError):
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def _status(key: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return float(dict(line.split(":", 1) for line in lines)[key].split()[0]) * 1024 / 1e6


def _process(code: str) -> subprocess.CompletedProcess[str]:
    root = str(Path(__file__).parents[1])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no message"])[-1]
