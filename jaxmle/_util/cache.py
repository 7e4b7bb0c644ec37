"""Compiled programs kept in a folder, on request: another process loads what this one compiled.

JAX's own cache is one for the whole process and belongs to the user; this one holds the programs of this package alone.
"""

import contextlib
import functools
import hashlib
import os
import platform
import re
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
from jax.experimental import serialize_executable

_FOLDERS: list[Path] = []


@contextlib.contextmanager
def cache(path: str | os.PathLike[str]) -> Iterator[None]:
    """Keeps compiled programs in a folder while the block runs, and loads those that are there.

    The environment variable `JAXMLE_CACHE` names a folder for the whole process. What is loaded is code that runs: keep
    the folder where only you can write. Programs are found by their text, the versions of JAX and the machine; a folder
    may be deleted at any time. Where there are several devices programs are compiled as ever.

    Args:
        path: the folder; made where there is none.

    Example:
        >>> import tempfile, jaxmle as jm
        >>> with tempfile.TemporaryDirectory() as folder, jm.cache(folder):
        ...     jm.fit("exponential", [1.0, 2.0, 3.0, 4.0]).converged
        True
    """
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    _FOLDERS.append(folder)
    try:
        yield
    finally:
        _FOLDERS.remove(folder)


def folder() -> Path | None:
    """Return the folder in which programs are kept now, or None."""
    named = os.environ.get("JAXMLE_CACHE")
    return _FOLDERS[-1] if _FOLDERS else Path(named) if named else None


def kept(text: str, make: Callable[[], bytes]) -> bytes:
    """Return what `make` returns, from the folder where another process left it; for anything that `text` and the processor decide."""
    here = folder()
    if here is None:
        return make()
    file = here / hashlib.sha256(f"{_machine()}\n{text}".encode()).hexdigest()
    with contextlib.suppress(OSError):
        digest, held = (whole := file.read_bytes())[:32], whole[32:]
        if hashlib.sha256(held).digest() == digest:  # a file cut short could bring the process down
            return held
    made = make()
    with contextlib.suppress(OSError):  # a full disk, or a folder that may only be read
        here.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=here)
        with os.fdopen(handle, "wb") as out:
            out.write(hashlib.sha256(made).digest() + made)
        os.replace(name, file)  # whole or not at all, whoever else writes it
    return made


def program(lowered: Any) -> Any:
    """Compiles, or loads what was compiled before."""
    compiled: list[Any] = []

    def make() -> bytes:
        compiled.append(lowered.compile())
        return serialize_executable.serialize(compiled[0])[0]

    try:
        payload = kept(_canonical(lowered.as_text()), make)
        return (
            compiled[0]
            if compiled
            else serialize_executable.deserialize_and_load(payload, lowered.in_tree, lowered.out_tree)
        )
    except Exception:  # a program that cannot be kept, such as one that calls back into Python, or a file cut short
        return compiled[0] if compiled else lowered.compile()


_FUNCTION = re.compile(r"^  func\.func (public|private) @([\w.$-]+)(.*?^  }$)", re.MULTILINE | re.DOTALL)
_NAME = re.compile(r"@([\w.$-]+)")


def _canonical(text: str) -> str:
    """Return a module's text with each private function named by what it does.

    Which of its equal functions share a name hangs on what JAX traced before and still remembers (JAX 0.12), so that a
    program's text would differ from process to process.
    """
    functions = _FUNCTION.findall(text)
    bodies = {name: body for _, name, body in functions}
    names: dict[str, str] = {}

    def named(called: re.Match[str]) -> str:
        name = called[1]
        if name in bodies and name not in names:
            names[name] = hashlib.sha256(_NAME.sub(named, bodies[name]).encode()).hexdigest()
        return f"@{names.get(name, name)}"

    roots = [_NAME.sub(named, body) for kind, _, body in functions if kind == "public"]
    return "\n".join([*_FUNCTION.sub("", text).split(), *roots])


@functools.cache
def _machine() -> str:
    """Describe what a program is compiled for, apart from its text: versions, platform and processor."""
    device: Any = jax.devices()[0]
    cpu = ""
    with contextlib.suppress(OSError):
        cpu = next(
            (x for x in Path("/proc/cpuinfo").read_text().splitlines() if x.startswith(("flags", "Features"))), ""
        )
    parts = (jax.__version__, version("jaxlib"), device.device_kind, device.client.platform_version)
    return "\n".join((*parts, platform.machine(), cpu, os.environ.get("XLA_FLAGS", ""), str(os.cpu_count())))
