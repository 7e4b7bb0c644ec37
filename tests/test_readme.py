"""What README shows is what happens: its Python runs, its console lines run, and so do those of the site's pages.

`python tests/test_readme.py 1` prints the first of README's two commands, `2` the second: `.ci/run` runs them as they stand there,
from creating the virtual environment to the last test. The Python of the site's pages runs when the site is built.
"""

import re
import shlex
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text()
PAGES = sorted((ROOT / "docs" / "pages").glob("*.md"))


def blocks(language, text=TEXT):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


TWO_COMMANDS = [block.strip() for block in blocks("sh")]
CONSOLE = [
    line for text in (TEXT, *(p.read_text() for p in PAGES)) for x in blocks("console", text) for line in x.splitlines()
]
COMMANDS = sorted(
    {line for line in CONSOLE if line.split()[1] not in ("explore", "demo")}
)  # those have tests of their own


def test_python():
    namespace = {"__name__": "readme"}
    parts = blocks("python")
    assert len(parts) == 3
    before = 0
    for part in parts:
        line = TEXT[: TEXT.index(part, before)].count("\n")
        before = TEXT.index(part, before) + 1
        exec(compile("\n" * line + part, "README.md", "exec"), namespace)


@pytest.mark.parametrize("command", [*COMMANDS, TWO_COMMANDS[0].split(" && ")[-1]])
def test_console(command, tmp_path, monkeypatch):
    from typer.testing import CliRunner

    from jaxmle.cli.app import app

    words = [str(ROOT / w) if w.startswith("examples/") else w for w in shlex.split(command)]
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, words[1:])
    assert result.exit_code == 0, result.output
    assert len(result.stdout.splitlines()) > 3


def test_two_commands():
    setup = r"python3 -m venv \.venv && \.venv/bin/pip install -q (-e )?'\.\[[a-z,]+\]' && "
    first, second = TWO_COMMANDS
    assert re.fullmatch(setup + r"\.venv/bin/jaxmle fit examples/air_conditioning\.csv .*", first)
    assert re.fullmatch(setup + r"\.venv/bin/python -m pytest -q -n 2 tests", second)
    run = (ROOT / ".ci" / "run").read_text()
    assert "check readme_command 1" in run and "check readme_command 2" in run


def test_short():
    assert len(TEXT.encode()) < 9000


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\((?!http)([^)#]+)\)", TEXT))))
def test_links(target):
    assert (ROOT / target).exists()


if __name__ == "__main__":
    print(TWO_COMMANDS[int(sys.argv[1]) - 1])
