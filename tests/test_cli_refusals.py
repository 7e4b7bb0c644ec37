"""One clear line for everything that can go wrong at the command line."""

import pytest
from commands import AIRCRAFT, LINE, MODEL, REMISSION, WEIBULL, refused

FIT = ["fit", AIRCRAFT, *WEIBULL, "--value", "hours"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["fit", AIRCRAFT, *WEIBULL, "--value", "hour"], "no column 'hour'; did you mean 'hours'?"),
        ([*FIT, "--by", "aeroplane"], "The columns are: plane, hours"),
        (["fit", AIRCRAFT, *WEIBULL], "give --value COLUMN; the columns are: plane, hours"),
        (["fit", AIRCRAFT, "--value", "hours"], "give either --distribution NAME"),
        ([*FIT, "--model", f"{MODEL}:line"], "give either --distribution NAME"),
        (["fit", AIRCRAFT, "-d", "weibul", "--value", "hours"], "weibull"),
        ([*FIT, "--event", "hours", "--censored", "plane"], "not both"),
        ([*FIT, "--event", "hours"], "column 'hours', row 1: '194' found; expected 0 or 1"),
        ([*FIT, "--missing", "maybe"], "expected error, drop or status"),
        ([*FIT, "--level", "2"], "--level"),
        ([*FIT, "--optimizer", "newtom"], "newton"),
        ([*FIT, "--out", "results.xlsx"], "the name must end in"),
        ([*FIT, "--out", "no/such/folder/results.csv"], "there is no folder"),
        ([*FIT, "--nonsense"], "nonsense"),
        ([*FIT, "--pooled"], "say which with --by COLUMN"),
        ([*FIT, "--quantile", "ten"], "--quantile ten: expected numbers separated by commas"),
        ([*FIT, "--quantile", "10"], "did you mean 0.1?"),
        ([*FIT, "--criterion", "dic"], "expected aic, aicc or bic"),
        (
            ["fit", AIRCRAFT, "-d", "weibull,poisson", "--value", "hours"],
            "a distribution of counts (poisson) with one that is continuous",
        ),
        (["fit", "nowhere.csv", *WEIBULL, "--value", "x"], "no file nowhere.csv"),
        (["fit", LINE, "--model", "model.py"], "expected FILE.py:NAME"),
        (["fit", LINE, "--model", "nowhere.py:line"], "no file nowhere.py"),
        (["fit", LINE, "--model", f"{MODEL}:lime"], "lime is not there; models there: line"),
        (["fit", LINE, "--model", f"{MODEL}:start"], "start is a function, not a jaxmle.Model"),
        (["fit", REMISSION, "--model", f"{MODEL}:line", "--event", "event"], "a model reads columns by name"),
        (["fit", AIRCRAFT, "--model", f"{MODEL}:line"], "normal_model.py, line"),
        (["nonsense"], "nonsense"),
    ],
)
def test_one_clear_line(words, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert sentence in refused(*words)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty"),
        ("x\n", "has no rows"),
        ("t,x\na,1\nb,oops\n", "column 'x', row 2: 'oops' is not a number"),
        ("t,x\na,1\nb,\n", "column 'x', row 2: missing; use --missing drop"),
    ],
)
def test_bad_data(tmp_path, text, sentence):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    out = tmp_path / "out.csv"
    assert sentence in refused("fit", path, *WEIBULL, "--value", "x", "--out", out)
    assert not out.exists()


def test_bad_weights(tmp_path):
    (tmp_path / "w.csv").write_text("x,w\n1,2\n3,-1\n")
    line = refused("fit", tmp_path / "w.csv", *WEIBULL, "--value", "x", "--weights", "w")
    assert "column 'w', row 2: a weight must be 0 or more, not -1" in line


def test_an_error_in_a_users_file_names_its_line(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("import jaxmle as jm\n\nmodel = jm.Modell\n")
    assert "mine.py, line 3: AttributeError" in refused("fit", LINE, "--model", f"{path}:model")
    path.write_text("def f(:\n")
    assert "cannot be loaded" in refused("fit", LINE, "--model", f"{path}:model")
