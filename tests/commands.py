"""The command line inside a test: shipped data, a run, its table, its refusal."""

from typer.testing import CliRunner

from jaxmle import io
from jaxmle.cli.app import app

AIRCRAFT, REMISSION, COIN, LINE, MODEL = (
    str(io.example(name))
    for name in ("air_conditioning.csv", "remission.csv", "coin.csv", "line.csv", "normal_model.py")
)
WEIBULL = ["--distribution", "weibull"]


def jaxmle(*words):
    return CliRunner().invoke(app, [str(w) for w in words])


def fitted(tmp_path, *words, code=0, ending=".parquet"):
    out = tmp_path / f"out{ending}"
    result = jaxmle("fit", *words, "--out", out)
    assert result.exit_code == code, result.output
    return io.read_table(out), result


def refused(*words):
    """The one line on stderr of a command that cannot be carried out."""
    result = jaxmle(*words)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("jaxmle: ")
    return lines[0]
