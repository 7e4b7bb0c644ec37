"""The command line, on the shipped data and their published numbers."""

import math
import os
import subprocess
import sys

import polars as pl
import pytest
from commands import AIRCRAFT, COIN, LINE, MODEL, REMISSION, WEIBULL, fitted, jaxmle, refused

import jaxmle as jm
from jaxmle import io


def test_aircraft_pooled(tmp_path):
    frame, result = fitted(tmp_path, AIRCRAFT, *WEIBULL, "--value", "hours")
    assert frame["shape"][0] == pytest.approx(0.9246, abs=5e-5)
    assert frame["scale"][0] == pytest.approx(89.558, abs=5e-4)
    assert frame["log_likelihood"][0] == pytest.approx(-1177.585, abs=5e-4)
    assert frame["n"][0] == 213
    assert frame["status"][0] == "converged"
    for word in ("0.92", "89.5", "1177.58", "onverged"):
        assert word in result.stdout


def test_equal_rates_of_aircraft(tmp_path):
    each, result = fitted(tmp_path, AIRCRAFT, "-d", "exponential", "--value", "hours", "--by", "plane")
    one, _ = fitted(tmp_path, AIRCRAFT, "-d", "exponential", "--value", "hours")
    assert 2 * (each["log_likelihood"].sum() - one["log_likelihood"].sum()) == pytest.approx(24.573, abs=5e-4)
    assert each["plane"].to_list() == [*range(7907, 7918), 8044, 8045]
    assert each["n"].sum() == 213
    assert "7917" in result.stdout
    pooled = jaxmle("fit", AIRCRAFT, "-d", "exponential", "--value", "hours", "--by", "plane", "--pooled")
    assert "Likelihood ratio 24.573 on 12 degrees of freedom, p = 0.01698" in pooled.stdout


def test_two_groups_of_binomial_data(tmp_path):
    path = tmp_path / "ab.csv"
    path.write_text("arm,attacks,people\naspirin,104,11037\nplacebo,189,11034\n")
    words = [path, "-d", "binomial", "--value", "attacks", "--trials", "people", "--by", "arm", "--pooled"]
    text = jaxmle("fit", *words).stdout
    for word in (
        "25.372 on 1 degrees",
        "placebo against aspirin",
        "0.0077060",
        "1.8178",
        "1.4330",
        "2.3059",
        "odds ratio",
    ):
        assert word in text
    other = jaxmle("fit", *words, "--reference", "placebo").stdout
    assert "aspirin against placebo" in other and "0.55011" in other


def test_several_distributions_quantiles_and_survival(tmp_path):
    words = [AIRCRAFT, "-d", "weibull,exponential", "--value", "hours", "--by", "plane"]
    frame, result = fitted(tmp_path, *words, "--criterion", "bic")
    assert frame.columns[:2] == ["plane", "model"]
    assert frame.height == 26
    assert frame["weight"].sum() == pytest.approx(13)
    assert frame.filter(pl.col("difference") == 0).height == 13
    assert "difference" in result.stdout
    words = [AIRCRAFT, "-d", "exponential", "--value", "hours", "--by", "plane"]
    frame, result = fitted(tmp_path, *words, "--quantile", "0.1", "--survival", "100,200")
    rate = frame["rate"].to_numpy()
    assert frame["quantile_0.1"].to_numpy() == pytest.approx(-math.log(0.9) / rate, rel=1e-9)
    assert frame["survival_200"].to_numpy() == pytest.approx([math.exp(-200 * r) for r in rate], rel=1e-9)
    assert (frame["survival_100_lower"] < frame["survival_100"]).all()
    assert "P(X > at)" in result.stdout and "stays below" in result.stdout


def test_main_job(tmp_path):
    frame, result = fitted(tmp_path, AIRCRAFT, *WEIBULL, "--value", "hours", "--by", "plane")
    assert frame.height == 13
    assert frame.columns[0] == "plane"
    for name in ("shape", "scale"):
        assert (frame[f"{name}_lower"] < frame[name]).all()
        assert (frame[name] < frame[f"{name}_upper"]).all()
        assert (frame[f"{name}_se"] > 0).all()
    table = result.stdout
    for word in ("plane", "parameter", "estimate", "std. error", "95 % interval", "log-likelihood", "n", "verdict"):
        assert word in table
    assert table.count("converged") == 13
    assert "13 data sets, 213 rows" in result.stderr


@pytest.mark.parametrize("flag", ["--event", "--censored"])
def test_remission(tmp_path, flag):
    source = io.read_table(REMISSION).with_columns(running=1 - pl.col("event").cast(pl.Int64))
    path = tmp_path / "r.csv"
    source.write_csv(path)
    which = "event" if flag == "--event" else "running"
    words = [path, *WEIBULL, "--value", "weeks", flag, which]
    frame, result = fitted(tmp_path, *words, "--by", "treatment")
    drug, placebo = frame.to_dicts()
    assert (drug["treatment"], placebo["treatment"]) == ("6-MP", "placebo")
    assert drug["shape"] == pytest.approx(1.3537, abs=5e-5)
    assert drug["scale"] == pytest.approx(33.765, abs=5e-4)
    assert drug["log_likelihood"] == pytest.approx(-41.6587, abs=5e-5)
    assert placebo["shape"] == pytest.approx(1.3705, abs=5e-5)
    assert placebo["scale"] == pytest.approx(9.4821, abs=5e-5)
    assert placebo["log_likelihood"] == pytest.approx(-64.9201, abs=5e-5)
    assert (drug["n"], drug["events"], drug["censored"]) == (21, 9, 12)
    assert "30 events, 12 censored" in result.stdout

    path.write_text(source.filter(pl.col("treatment") == "6-MP").write_csv())
    assert "9 events, 12 censored" in jaxmle("fit", *words).stdout


def test_interval_columns(tmp_path):
    path = tmp_path / "i.csv"
    path.write_text("".join(["a,b\n", *(f"{x},{x}\n" for x in (1, 2, 4, 5)), "3,inf\n"]))
    frame, result = fitted(tmp_path, path, *WEIBULL, "--value", "a,b")
    path.write_text("t,d\n1,1\n2,1\n4,1\n5,1\n3,0\n")
    same, _ = fitted(tmp_path, path, *WEIBULL, "--value", "t", "--event", "d")
    assert frame["shape"][0] == pytest.approx(same["shape"][0], rel=1e-9)
    assert "4 exact, 1 censored" in result.stdout


def test_coin(tmp_path):
    frame, result = fitted(tmp_path, COIN, "-d", "bernoulli", "--value", "heads")
    assert frame["probability"][0] == pytest.approx(0.7, abs=1e-12)
    assert "0.7" in result.stdout
    path = tmp_path / "c.csv"
    path.write_text("s,n\n7,10\n")
    frame, _ = fitted(tmp_path, path, "-d", "binomial", "--value", "s", "--trials", "n")
    assert frame["probability"][0] == pytest.approx(0.7, abs=1e-12)


def test_weights_are_frequencies(tmp_path):
    (tmp_path / "w.csv").write_text("x,w\n1,2\n3,1\n4,0\n5,1\n")
    (tmp_path / "r.csv").write_text("x\n1\n1\n3\n5\n")
    words = ["-d", "exponential", "--value", "x"]
    one, _ = fitted(tmp_path, tmp_path / "w.csv", *words, "--weights", "w")
    two, _ = fitted(tmp_path, tmp_path / "r.csv", *words)
    assert one["log_likelihood"][0] == pytest.approx(two["log_likelihood"][0], rel=1e-12)
    assert one["n"][0] == two["n"][0] == 4


def test_own_model(tmp_path):
    frame, result = fitted(tmp_path, LINE, "--model", f"{MODEL}:line")
    assert frame["slope"][0] == pytest.approx(2.0, abs=0.02)
    assert "intercept" in result.stdout


def test_own_model_by_several_columns(tmp_path):
    line = io.read_table(LINE).with_columns(a=pl.lit("u"), b=pl.Series([1, 1, 1, 1, 2, 2, 2, 2]))
    line.write_csv(tmp_path / "l.csv")
    frame, _ = fitted(tmp_path, tmp_path / "l.csv", "--model", f"{MODEL}:line", "--by", "a,b", "--value", "x,y")
    assert frame.select("a", "b").rows() == [("u", 1), ("u", 2)]


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".json", ".ndjson"])
def test_formats_agree(tmp_path, ending):
    words = [REMISSION, "-d", "exponential", "--value", "weeks", "--event", "event", "--by", "treatment"]
    frame, result = fitted(tmp_path, *words, ending=ending)
    assert frame["treatment"].to_list() == ["6-MP", "placebo"]
    closed_form = [-d * (math.log(weeks / d) + 1) for d, weeks in ((9, 359), (21, 182))]
    assert list(io.numeric(frame, "log_likelihood")) == pytest.approx(closed_form, rel=1e-12)
    assert f"out{ending}" in result.stderr


def test_level(tmp_path):
    words = [COIN, "-d", "bernoulli", "--value", "heads"]
    wide, _ = fitted(tmp_path, *words, "--level", "0.99")
    usual, _ = fitted(tmp_path, *words)
    assert wide["probability_lower"][0] < usual["probability_lower"][0] < 0.7
    assert 0.7 < usual["probability_upper"][0] < wide["probability_upper"][0]


def test_a_group_column_may_be_called_like_a_result(tmp_path):
    (tmp_path / "c.csv").write_text("n,x\n5,1\n5,2\n3,1\n3,4\n")
    frame, _ = fitted(tmp_path, tmp_path / "c.csv", "-d", "exponential", "--value", "x", "--by", "n")
    assert frame["group_n"].to_list() == [5, 3]
    assert frame["n"].to_list() == [2, 2]


def test_many_groups_are_cut_but_never_the_failed_ones(tmp_path):
    (tmp_path / "m.csv").write_text(
        "g,x\n" + "".join(f"{g},{x}\n" for g in range(150) for x in (1, g + 1)) + "bad,-1\n"
    )
    frame, result = fitted(tmp_path, tmp_path / "m.csv", "-d", "exponential", "--value", "x", "--by", "g", code=1)
    assert frame.height == 151
    assert frame["status"][150] == "outside_support"
    assert "g bad: " in result.stdout
    assert "51 more groups are not shown" in result.stdout


def test_quiet(tmp_path):
    result = jaxmle("fit", COIN, "-d", "bernoulli", "--value", "heads", "--quiet", "--out", tmp_path / "o.csv")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert (tmp_path / "o.csv").exists()


@pytest.mark.parametrize("optimizer", ["newton", "bhhh"])
def test_optimizers(tmp_path, optimizer):
    frame, _ = fitted(tmp_path, AIRCRAFT, *WEIBULL, "--value", "hours", "--optimizer", optimizer)
    assert frame["shape"][0] == pytest.approx(0.92455, abs=1e-5)


def test_several_starts_name_the_maxima(tmp_path):
    rows = [-3.0, -2.8, -2.9, 3.1, 2.9, 3.3, 3.0]
    table, model = tmp_path / "two.csv", tmp_path / "split.py"
    pl.DataFrame({"x": rows * 2, "side": ["a"] * 7 + ["b"] * 7}).write_csv(table)
    model.write_text(
        "import jax.numpy as jnp\nimport jaxmle as jm\n"
        "split = jm.Model(lambda p, data: -jnp.log1p((data['x'] - p['loc']) ** 2), {'loc': jm.spaces.real})\n"
    )
    ask = (table, "--model", f"{model}:split", "--value", "x", "--starts", 8)
    frame, result = fitted(tmp_path, *ask, "--by", "side", "--key", 3)
    assert "Starts: 8 for each data set; 2 of 2 have more than one maximum" in result.stdout
    here = jm.fit(jm.models.pinned("cauchy", scale=1.0), rows, starts=8)
    assert frame["loc"].to_list() == pytest.approx([float(here.params["loc"])] * 2, abs=1e-4)
    assert "Starts: 8, 8 converged, to 2 maxima: " in jaxmle("fit", *ask).stdout
    assert "--starts" in refused("fit", *ask[:-1], 0)


def test_boundary_is_no_failure(tmp_path):
    path = tmp_path / "z.csv"
    path.write_text("g,x\n" + "a,1\na,0\n" * 5 + "b,0\n" * 20)
    frame, result = fitted(tmp_path, path, "-d", "bernoulli", "--value", "x", "--by", "g")
    assert frame["status"].to_list()[0] == "converged"
    assert frame["probability"].to_list() == pytest.approx([0.5, 0.0], abs=1e-12)
    assert "g b: " in result.stdout


def test_a_failed_group_is_exit_code_1(tmp_path):
    path = tmp_path / "f.csv"
    path.write_text("g,x\n" + "a,1\na,2\na,4\n" + "b,3\nb,NA\nb,5\n" + "c,2\nc,2.5\nc,1\n")
    words = [path, *WEIBULL, "--value", "x", "--by", "g", "--missing", "status"]
    frame, result = fitted(tmp_path, *words, code=1)
    assert frame["status"].to_list()[::2] == ["converged", "converged"]
    assert frame["status"][1] != "converged"
    assert "g b: " in result.stdout
    alone, _ = fitted(tmp_path, path, *WEIBULL, "--value", "x", "--by", "g", "--missing", "drop")
    assert alone["n"].to_list() == [3, 2, 3]


def test_dropping_is_counted(tmp_path):
    path = tmp_path / "f.csv"
    path.write_text("t,x\na,1\na,\na,NA\na,2\na,4\n")
    frame, result = fitted(tmp_path, path, *WEIBULL, "--value", "x", "--missing", "drop")
    assert frame["n"][0] == 3
    assert "2 rows with missing numbers dropped" in result.stdout


def test_distributions():
    result = jaxmle("distributions")
    assert result.exit_code == 0
    for name in ("weibull", "negative_binomial", "shape", "df"):
        assert name in result.stdout


def test_demo():
    result = jaxmle("demo")
    assert result.exit_code == 0, result.output
    published = ("1.818", "25.372", "-113.691", "24.573", "0.9246", "-41.6587", "33.765", "dispersion -> 0")
    published += (
        "2.102",
        "81.88",
        "-222.437",
        "0.9760",
        "1.1467",
        "0.4652",
        "1.1559",
    )  # sizes 1.02459 and 0.865 of mites and accidents
    for number in ("0.7", *published, "scale"):
        assert number in result.stdout


def test_info(tmp_path):
    fits = jm.fit_many("exponential", [1.0, 2.0, 3.0, 4.0], groups=["a", "a", "b", "b"])
    result = jaxmle("info", fits.save(tmp_path / "fits.npz"))
    assert result.exit_code == 0, result.output
    for words in ("rate (positive)", "2, by key", "2 converged", "not in the file", "newton"):
        assert words in result.stdout
    assert "cannot be read as a saved fit" in refused("info", COIN)


def test_group_keys_that_differ_in_blanks(tmp_path):
    (tmp_path / "b.csv").write_text("g,x\na,1\n a,2\na,3\n")
    line = refused("fit", tmp_path / "b.csv", "-d", "exponential", "--value", "x", "--by", "g")
    assert "column 'g': 'a' and ' a' differ only in blanks" in line


@pytest.mark.parametrize("words", [[], ["--help"], ["fit", "--help"], ["--version"]])
def test_help(words):
    result = jaxmle(*words)
    assert result.exit_code == 0
    assert "jaxmle" in result.stdout
    if "fit" in words:
        for word in ("--event", "--out", "Examples", "Exit code"):
            assert word in result.stdout


def test_as_a_program(tmp_path):
    """The real thing: exit codes, streams and no stray output."""
    command = [sys.executable, "-m", "jaxmle", "fit", COIN, "-d", "bernoulli", "--value"]
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    good = subprocess.run([*command, "heads"], capture_output=True, text=True, env=environment, timeout=300)
    assert good.returncode == 0, good.stderr
    assert "0.7" in good.stdout
    bad = subprocess.run([*command, "tails"], capture_output=True, text=True, env=environment, timeout=300)
    assert (bad.returncode, bad.stdout) == (2, "")
    assert bad.stderr == "jaxmle: no column 'tails'; the columns are: toss, heads\n"


def test_counts_out_of_trials_have_quantiles_of_a_number_of_trials(tmp_path):
    table = tmp_path / "won.csv"
    table.write_text("site,won,tried\na,3,10\na,4,10\nb,7,10\nb,9,12\n")
    words = [table, "-d", "binomial", "--value", "won", "--trials", "tried", "--by", "site"]
    saved = tmp_path / "fits.npz"
    frame, result = fitted(tmp_path, *words, "--quantile", "0.1", "--survival", "4", "--of", "20", "--save", saved)
    fits = jm.load(saved)
    assert fits.keys.tolist() == ["a", "b"] and f"wrote {saved}" in result.stderr
    assert frame["quantile_0.1"].to_list() == fits.quantile(0.1, trials=20.0).value.tolist()
    assert frame["survival_4"].to_list() == fits.sf({"successes": 4.0, "trials": 20.0}).value.tolist()
    assert "needs --of" in refused("fit", *words, "--quantile", "0.1").replace("need ", "needs ")
    assert "keeps one fit" in refused("fit", AIRCRAFT, "-d", "weibull,gamma", "--value", "hours", "--save", saved)


def test_rows_count_from_one(tmp_path):
    table = tmp_path / "x.csv"
    table.write_text("x\n1\n-2\n")
    assert "row 2 is -2.0, outside the support" in refused("fit", table, *WEIBULL, "--value", "x")


def test_outputs_replace_nothing_that_is_read(tmp_path):
    """Nor one another; by whatever path they are called."""
    path = tmp_path / "in.csv"
    path.write_text("hours\n1.5\n2.5\n0.7\n")
    (tmp_path / "link.csv").symlink_to(path)
    before = path.read_bytes()
    for out in (path, tmp_path / "." / "in.csv", tmp_path / "link.csv"):
        assert "would replace" in refused("fit", path, *WEIBULL, "--value", "hours", "--out", out)
    assert "would replace --out" in refused(
        "fit", path, *WEIBULL, "--value", "hours", "--out", tmp_path / "o.csv", "--save", tmp_path / "o.csv"
    )
    assert path.read_bytes() == before and not (tmp_path / "o.csv").exists()


def test_sentences_name_the_columns_of_the_file(tmp_path):
    (tmp_path / "ends.csv").write_text("lo,hi\n0,10\n20,\n")
    line = refused("fit", tmp_path / "ends.csv", *WEIBULL, "--value", "lo,hi")
    assert "column 'hi', row 2: missing; write inf" in line
    (tmp_path / "bare.csv").write_text("1.5\n2.5\n")
    assert "the columns are: 1.5 (is the header missing?)" in refused(
        "fit", tmp_path / "bare.csv", *WEIBULL, "--value", "hours"
    )
