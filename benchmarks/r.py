"""R, where there is one: its packages, and TMB. A process of R is handed the arrays before time counts, and answers runs."""

import hashlib
import shutil
import subprocess
import tempfile
import weakref
from collections.abc import Collection
from pathlib import Path

import numpy as np

from benchmarks.rivals import Answer, Rival, only
from benchmarks.workloads import WORKLOADS, Task

HERE = Path(__file__).parent


class _Process:
    """An Rscript that fits all of a task whenever it is called."""

    def __init__(self, task: Task, way: str) -> None:
        self.task = task
        self.folder = tempfile.TemporaryDirectory(prefix="jaxmle-r-")
        first, second = task.workload.by_hand.pair(task.data)
        self._write("y", first)
        self._write("x", second)
        self._write("theta", task.theta)
        if way == "tmb":
            (self._path / _template().name).symlink_to(_template())
        command = [
            "Rscript",
            "--vanilla",
            str(HERE / "rivals.R"),
            str(self._path),
            way,
            task.workload.name,
            str(task.calls),
        ]
        with open(self._path / "errors", "w") as errors:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, bufsize=1
            )
        weakref.finalize(self, self.process.communicate)

    @property
    def _path(self) -> Path:
        return Path(self.folder.name)

    def _write(self, name: str, array: np.ndarray) -> None:
        np.ascontiguousarray(array, np.float64).tofile(self._path / name)
        (self._path / f"{name}.shape").write_text(" ".join(map(str, array.shape)))

    def __call__(self) -> Answer:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("run\n")
        if self.process.stdout.readline() != "done\n":
            raise RuntimeError((self._path / "errors").read_text()[-1000:])
        found = np.fromfile(self._path / "found").reshape(self.task.datasets, -1)
        return Answer(self.task.natural(found[:, :-2]), found[:, -2] == 1, found[:, -1].astype(int))


def _template() -> Path:
    """TMB's template, compiled; kept among the temporary files, for it takes a minute."""
    source = (HERE / "rivals.cpp").read_bytes()
    kept = Path(tempfile.gettempdir()) / f"jaxmle-tmb-{hashlib.sha256(source).hexdigest()[:16]}"
    if not kept.exists():
        with tempfile.TemporaryDirectory(prefix="jaxmle-tmb-") as folder:
            (Path(folder) / "rivals.cpp").write_bytes(source)
            subprocess.run(
                ["Rscript", "--vanilla", "-e", 'TMB::compile("rivals.cpp")'],
                cwd=folder,
                check=True,
                capture_output=True,
            )
            shutil.copytree(folder, kept, dirs_exist_ok=True)
    return kept / "rivals.so"


def _rival(name: str, title: str, needs: tuple[str, ...], workloads: Collection[str], most: int | None) -> Rival:
    return Rival(name, title, lambda task: _Process(task, name), needs, only(workloads), most, quick=False)


_ALL = {w.name for w in WORKLOADS}

R = (
    _rival(
        "r",
        "R: survreg, glm, glm.nb, fitdistr in a loop",
        ("R:MASS", "R:survival"),
        _ALL - {"mixture", "garch", "spot"},
        5_000,
    ),
    _rival("rfast", "R: Rfast, all columns at once", ("R:Rfast",), {"normal", "gamma"}, None),
    _rival("tmb", "R: TMB and nlminb in a loop", ("R:TMB",), _ALL, 20_000),
)
