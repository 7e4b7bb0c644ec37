"""The notebook in examples/ runs in a real kernel, and draws."""

import os
import sys
from types import SimpleNamespace

import pytest

from jaxmle import io
from jaxmle._util import progress as _progress


def test_notebook(monkeypatch):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    root = str(io.example("").parent)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")])))
    book = nbformat.read(io.example("first_week.ipynb"), as_version=4)
    nbformat.validate(book)
    nbclient.NotebookClient(book, timeout=300, kernel_name="python3").execute()
    shown = [out["data"].get("text/html", "") for c in book.cells for out in c.get("outputs", ()) if "data" in out]
    for words in ("<progress value='13' max='13'", "13 fits: 13 converged", "<b>exponential</b>", "NOT OK"):
        assert any(words in text for text in shown), words


class IPython:
    """As far as the bar is concerned: a shell with a kernel, and what it displays."""

    def __init__(self):
        self.kernel, self.drawn = True, []
        shown = SimpleNamespace(update=self.drawn.append)
        self.display = SimpleNamespace(HTML=str, display=lambda x, display_id: (self.drawn.append(x), shown)[1])

    def get_ipython(self):
        return self


def test_a_bar_in_jupyter_and_silence_elsewhere(monkeypatch, capsys):
    shell = IPython()
    monkeypatch.setitem(sys.modules, "IPython", shell)
    monkeypatch.setattr(_progress, "_EVERY", 0.0)
    progress = _progress.Progress(True, 10)
    progress.update(4, 1)
    progress.advance(10)
    progress.close()
    first, second, last = shell.drawn
    assert "value='0' max='10'" in first
    assert "value='4' max='10'" in second and "4 of 10 data sets, 1 failed" in second
    assert "value='10' max='10'" in last
    shell.kernel = None
    progress = _progress.Progress(True, 10)
    progress.update(4, 1)
    progress.close()
    assert len(shell.drawn) == 3
    assert capsys.readouterr() == ("", "")
