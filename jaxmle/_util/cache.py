"""Compiled programs kept in a folder, on request: another process loads what this one compiled.

JAX's own cache is one for the whole process and belongs to the user; this one holds the programs of this package alone.
What a file holds is machine code, so only files that nobody but the user can have written are read: see `_trusted`.
"""

import contextlib
import functools
import hashlib
import os
import platform
import re
import stat
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax

_FOLDERS: list[tuple[Path, int]] = []

_MAGIC = b"jaxmle program 1\n"
_SHA = 32  # bytes of a digest
_LARGEST = 1 << 30
_NAME = re.compile(r"[0-9a-f]{64}|tmp\w{8}")  # programs, and what a process that was killed left behind
_ABANDONED = 3600.0  # seconds after which a file that is being written has no writer any more


@contextlib.contextmanager
def cache(path: str | os.PathLike[str], *, max_bytes: int = _LARGEST) -> Iterator[None]:
    """Keep compiled programs in a folder while the block runs, and load those that are there.

    The environment variable `JAXMLE_CACHE` names a folder for the whole process. Programs are code that runs: the folder
    and its files must belong to you and be writable by nobody else (a new folder is made so); otherwise one warning says
    what is wrong, and programs are compiled as ever. A program is found by everything that decides what it computes and
    how it is called: its text, arguments and results, compiler options, versions of JAX, device and processor. Files cut
    short or of other origin are compiled anew. Any file may be deleted at any time, and processes may share a folder.
    Where there are several devices programs are compiled as ever.

    Args:
        path: the folder; made where there is none.
        max_bytes: the size that the folder may take; programs that were used longest ago are deleted beyond it.

    Example:
        >>> import tempfile, jaxmle as jm
        >>> with tempfile.TemporaryDirectory() as folder, jm.cache(folder):
        ...     jm.fit("exponential", [1.0, 2.0, 3.0, 4.0]).converged
        True
    """
    here = Path(path)
    _made(here)
    _FOLDERS.append((here, max_bytes))
    try:
        yield
    finally:
        _FOLDERS.remove((here, max_bytes))


def folder() -> Path | None:
    """Return the folder in which programs are kept now; None without one, or where others may write to it."""
    here, _ = _named()
    return here if here is not None and _safe(here) else None


def _named() -> tuple[Path | None, int]:
    named = os.environ.get("JAXMLE_CACHE")
    return _FOLDERS[-1] if _FOLDERS else (Path(named) if named else None, _LARGEST)


def kept(text: str, make: Callable[[], bytes]) -> bytes:
    """Return what `make` returns, from the folder where another process left it.

    Args:
        text: decides, together with versions and processor, what is made.
        make: makes it where it is not found.
    """
    here = folder()
    if here is None:
        return make()
    key = hashlib.sha256(f"{_machine()}\n{text}".encode())
    file = here / key.hexdigest()
    held = _read(file, key.digest())
    if held is not None:
        return held
    made = make()
    _write(file, key.digest(), made)
    return made


def _read(file: Path, key: bytes) -> bytes | None:
    """Read a program from its file; None where there is none, where it is another's or not whole."""
    with contextlib.suppress(OSError):
        opened = os.open(file, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(opened, "rb") as source:
            known = os.fstat(opened)
            if not stat.S_ISREG(known.st_mode) or _fault(known):
                return None
            whole = source.read()
        start = len(_MAGIC) + 2 * _SHA
        head, held = whole[:start], whole[start:]
        if head == _MAGIC + key + hashlib.sha256(held).digest():
            with contextlib.suppress(OSError):
                os.utime(file)  # used last, deleted last
            return held
    return None


def _write(file: Path, key: bytes, made: bytes) -> None:
    """Write a program to its file, whole or not at all, whoever else writes it; a full disk keeps none."""
    name = None
    try:
        handle, name = tempfile.mkstemp(dir=file.parent)
        with os.fdopen(handle, "wb") as out:
            out.write(_MAGIC + key + hashlib.sha256(made).digest() + made)
        os.replace(name, file)
        _bound(file.parent)
    except OSError:
        if name is not None:
            with contextlib.suppress(OSError):
                os.unlink(name)


def _bound(here: Path) -> None:
    """Delete the programs used longest ago until the folder takes no more than it may."""
    now, limit = time.time(), _named()[1]
    files = []
    for entry in os.scandir(here):
        with contextlib.suppress(OSError):  # another process deletes too
            if _NAME.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                known = entry.stat(follow_symlinks=False)
                if entry.name.startswith("tmp") and now - known.st_mtime > _ABANDONED:
                    os.unlink(entry.path)
                else:
                    files.append((known.st_mtime, known.st_size, entry.path))
    total = sum(size for _, size, _ in files)
    for _, size, path in sorted(files):
        if total <= limit:
            break
        with contextlib.suppress(OSError):
            os.unlink(path)
        total -= size


def _made(here: Path) -> None:
    """Make a folder that only its owner may enter, where there is none."""
    here.mkdir(mode=0o700, parents=True, exist_ok=True)


def _safe(here: Path) -> bool:
    """Make the folder where there is none; warn once for one that others may write to, and answer whether none may."""
    try:
        _made(here)
        known = here.stat()
        whole = here.resolve()
        above = [folder.stat() for folder in whole.parents]
    except OSError as error:
        return _warned(str(here), f"cannot be used ({error.strerror or error})")
    said = _trusted((known.st_uid, known.st_mode), tuple((x.st_uid, x.st_mode, x.st_gid) for x in above))
    return said is None or _warned(str(here), said)


@functools.lru_cache(maxsize=64)
def _trusted(known: tuple[int, int], above: tuple[tuple[int, int, int], ...]) -> str | None:
    """Say why code from a folder may not be run; None where only the user, and root, can have put it there."""
    mine = getattr(os, "geteuid", lambda: None)()
    if mine is None:  # Windows: its folders of a user are the user's
        return None
    owner, mode = known
    if owner != mine:
        return f"belongs to another user (number {owner})"
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"can be written to by others (mode {stat.S_IMODE(mode):o}; try chmod 700)"
    for owner, mode, group in above:
        open_to_group = mode & stat.S_IWGRP and group != os.getegid()
        if owner not in (0, mine) or ((mode & stat.S_IWOTH or open_to_group) and not mode & stat.S_ISVTX):
            return "lies in a folder where others can put another in its place"
    return None


def _fault(known: os.stat_result) -> bool:
    """Answer whether somebody else may have written a file."""
    mine = getattr(os, "geteuid", lambda: None)()
    return mine is not None and (known.st_uid != mine or bool(known.st_mode & (stat.S_IWGRP | stat.S_IWOTH)))


@functools.cache
def _warned(here: str, said: str) -> bool:
    """Warn, once for each folder and reason, that no programs are kept; return False."""
    warnings.warn(f"no compiled programs are kept: the folder {here!r} {said}", stacklevel=2)
    return False


class Program:
    """A compiled program with the arguments that it was lowered for, called without JAX's compilation.

    The module takes every argument (`keep_unused`), so that its leaves are the executable's operands one by one.
    """

    def __init__(self, executable: Any, lowered: jax.stages.Lowered) -> None:
        """Hold an executable of XLA's and the tree of its results."""
        self.executable = executable
        self.out_tree = lowered.out_tree

    def __call__(self, leaves: list[jax.Array]) -> Any:
        """Run the program on the leaves of its arguments; return its tree of results."""
        results = self.executable.execute_sharded(leaves).disassemble_into_single_device_arrays()
        return jax.tree.unflatten(self.out_tree, [each[0] for each in results])


def program(lowered: jax.stages.Lowered, options: str) -> Program | None:
    """Compile a lowered program, or load what another process compiled.

    Args:
        lowered: of a function whose unused arguments are kept.
        options: those of its compiler.

    Returns:
        The program; None for one that only JAX itself can run: it calls back into Python, holds constants apart, or
        takes or returns what is not an array.
    """
    text = lowered.as_text()
    arguments, results = jax.tree.leaves(lowered.args_info), jax.tree.leaves(lowered.out_info)
    plain = all(not jax.numpy.issubdtype(x.dtype, jax.dtypes.extended) for x in (*arguments, *results))
    if not plain or _CALLS_BACK.search(text) or _operands(text) != len(arguments):
        return None
    kinds = [f"{x.shape} {x.dtype}" for x in (*arguments, *results)]
    compiled: list[Any] = []
    client = jax.devices()[0].client

    def make() -> bytes:
        compiled.append(lowered.compile().runtime_executable())
        return client.serialize_executable(compiled[0])

    try:
        held = kept("\n".join((options, _settings(), *kinds, str(lowered.out_tree), _canonical(text))), make)
        executable = compiled[0] if compiled else _loaded(client, held)
    except Exception:  # an executable that XLA cannot write down, or of another make than its digest says
        executable = compiled[0] if compiled else lowered.compile().runtime_executable()
    return None if executable is None else Program(executable, lowered)


def _loaded(client: Any, held: bytes) -> Any:
    """Load an executable into this process."""
    from jaxlib import xla_client  # JAX has no public name for a list of devices

    return client.deserialize_executable(held, executable_devices=xla_client.DeviceList(tuple(jax.devices()[:1])))


_CALLS_BACK = re.compile(r"custom_call @\w*callback")
_MAIN = re.compile(r"func\.func public @main\((.*?)\) ->", re.DOTALL)


def _operands(text: str) -> int:
    """Count the arguments of a module's main function."""
    found = _MAIN.search(text)
    return len(re.findall(r"%arg\d+:", found[1])) if found else -1


_FUNCTION = re.compile(r"^  func\.func (public|private) @([\w.$-]+)(.*?^  }$)", re.MULTILINE | re.DOTALL)
_CALLED = re.compile(r"@([\w.$-]+)")


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
            names[name] = hashlib.sha256(_CALLED.sub(named, bodies[name]).encode()).hexdigest()
        return f"@{names.get(name, name)}"

    roots = [_CALLED.sub(named, body) for kind, _, body in functions if kind == "public"]
    return "\n".join([*_FUNCTION.sub("", text).split(), *roots])


def _settings() -> str:
    """Write down the settings of JAX, among them those that its compiler reads."""
    plain = (bool, int, float, str, type(None))
    apart = ("cache", "log", "traceback", "dump", "profile")  # change no program
    values = sorted(jax.config.values.items())
    return "\n".join(f"{k} {v}" for k, v in values if isinstance(v, plain) and not any(x in k for x in apart))


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
    flags = [os.environ.get(x, "") for x in ("XLA_FLAGS", "LIBTPU_INIT_ARGS")]
    return "\n".join((*parts, platform.machine(), cpu, *flags, str(os.cpu_count())))
