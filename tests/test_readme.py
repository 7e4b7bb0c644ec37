"""What README shows is what happens: its Python runs, its console lines run."""

import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def test_python():
    namespace = {"__name__": "readme"}
    parts = blocks("python")
    assert len(parts) >= 5
    before = 0
    for part in parts:
        line = TEXT[: TEXT.index(part, before)].count("\n")
        before = TEXT.index(part, before) + 1
        exec(compile("\n" * line + part, "README.md", "exec"), namespace)


CONSOLE = [line for block in blocks("console") for line in block.splitlines()]
SHELL = [part for block in blocks("sh") for line in block.splitlines() for part in line.split(" && ")]
COMMANDS = CONSOLE + [part.removeprefix(".venv/bin/") for part in SHELL if part.startswith(".venv/bin/jaxmle")]


@pytest.mark.parametrize("command", COMMANDS)
def test_console(command, tmp_path, monkeypatch):
    from typer.testing import CliRunner

    from jaxmle.cli.app import app

    words = [str(ROOT / w) if w.startswith("examples/") else w for w in shlex.split(command)]
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, words[1:])
    assert result.exit_code == 0, result.output
    assert len(result.stdout.splitlines()) > 3


def test_two_commands():
    assert len(SHELL) == 6
    assert any(part.startswith(".venv/bin/jaxmle fit examples/air_conditioning.csv") for part in SHELL)
    assert SHELL[-1] == ".venv/bin/python -m pytest -q -n 2 tests"
    assert "pytest -q -n 2 tests" in (ROOT / ".ci/run").read_text()


@pytest.mark.parametrize("target", re.findall(r"\]\((?!http)([^)#]+)\)", TEXT))
def test_links(target):
    assert (ROOT / target).exists()
