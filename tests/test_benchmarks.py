"""The benchmarks fit what they say: on a tiny task of each workload every rival meets the best log-likelihood."""

import dataclasses
import functools
import json
import time
from pathlib import Path

import jax
import numpy as np
import pytest

from benchmarks import derivatives, fresh, functions, measure, report, rivals, roofline, scaling
from benchmarks.__main__ import main
from benchmarks.by_hand import GARCH, STUDENT
from benchmarks.compare import compare
from benchmarks.everyone import RIVALS
from benchmarks.rivals import Answer, Rival
from benchmarks.table import markdown
from benchmarks.workloads import WORKLOADS, task

ROOT = Path(__file__).parents[1]
RESULTS = sorted((ROOT / "benchmarks/results").glob("*/result.json"))
BY_NAME = {rival.name: rival for rival in RIVALS}
TINY = {w.name: dataclasses.replace(w, calls=min(w.calls, 1)) for w in WORKLOADS}


def quiet(_):
    pass


@functools.cache
def tiny(name, datasets=4):
    long = TINY[name].by_hand in (GARCH, STUDENT)
    return task(TINY[name], datasets, 300 if long else 36, 3 if name == "logistic-big" else None)


@functools.cache
def own(name):
    """jaxmle's answer, judged."""
    drawn = tiny(name)
    answer = BY_NAME["jaxmle"].prepare(drawn)()
    return answer, TINY[name].by_hand.judge(answer.params, drawn.data)


@pytest.mark.parametrize("name", TINY)
def test_judge_is_the_model_and_tasks_are_seeded(name):
    one, two = tiny(name), tiny.__wrapped__(name)
    np.testing.assert_equal(one.data, two.data)
    np.testing.assert_equal(one.first(1).theta, two.theta[:1])
    with jax.enable_x64(True):
        value = jax.jit(jax.vmap(rivals.negative(one), in_axes=(0, 0, None)))(one.theta, one.own, one.shared)
    found = TINY[name].by_hand.judge(one.natural(one.theta), one.data)
    np.testing.assert_allclose(found, -value, rtol=1e-11)


# One compilation is seconds: each way of fitting once; the rest is slow.
QUICK = {("weibull", rival) for rival in ("numba", "vmap", "jax", "scipy", "optax", "scipy-fit", "lifelines")}
PAIRS = [
    pytest.param(name, rival, id=f"{name}-{rival.name}", marks=() if (name, rival.name) in QUICK else pytest.mark.slow)
    for name in TINY
    for rival in RIVALS
    if rival.name != "jaxmle" and not rival.works(tiny(name, 1))
]


@pytest.mark.parametrize(("name", "rival"), PAIRS)
def test_rivals_agree_with_jaxmle(name, rival):
    if rival.missing:
        pytest.skip(f"needs {rival.missing}")
    if rival.name == "tfp":
        pytest.importorskip("tensorflow_probability.substrates.jax")
    answer, value = own(name)
    drawn = tiny(name)
    other = rival.prepare(drawn)()
    assert len(other.converged) == len(other.steps) == drawn.datasets
    judged = TINY[name].by_hand.judge(other.params, drawn.data)
    both = answer.converged & other.converged
    # An undamped Newton on the score finds other zeros of it, and a line search may give up.
    assert both.mean() >= (0 if rival.name in ("optimistix-newton", "tfp") else 0.75)
    if rival.name not in ("optimistix-newton", "tfp"):
        # R's fitdistr stops where its own rule says.
        np.testing.assert_allclose(judged[both], value[both], rtol=0, atol=1e-2 if rival.name == "r" else 1e-6)


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n == "spot" else pytest.mark.slow) for n in TINY if not TINY[n].calls]
)
def test_kernels_derivatives_are_exact(name):
    pytest.importorskip("numba")
    found = derivatives.derivatives(TINY[name], 3, 36, 1, quiet)["ways"]
    assert found["by hand"]["hessian"]["score_error"] < 1e-9
    assert found["by hand"]["hessian"]["hessian_error"] < 1e-9
    assert 1e-13 < found["differences"]["hessian"]["hessian_error"] < 1e-3


def broken(_):
    raise RuntimeError("it broke")


def lost(drawn):
    # Converged by its own account, and nowhere near: the judge must see through it.
    far = drawn.natural(drawn.theta + 1.0)
    return lambda: Answer(far, np.ones(drawn.datasets, bool), np.ones(drawn.datasets, int))


def test_failures_stay_in_the_record():
    others = [
        BY_NAME["jaxmle"],
        Rival("absent", "absent", broken, needs=("no_such_module",)),
        Rival("shy", "shy", broken, works=lambda _: "not this one"),
        Rival("broken", "broken", broken),
        Rival("lost", "lost", lost, most=2 * 36),
    ]
    race = measure.race(tiny("gamma"), others, 2, quiet)
    first, absent, shy, failed, far = race["rivals"]
    assert first["close"] == 1
    assert first["not_converged"] == first["wrong"] == 0
    assert len(first["seconds"]) == 2
    assert absent["skipped"] == "needs no_such_module"
    assert shy["skipped"] == "not this one"
    assert "it broke" in failed["failed"]
    assert far["datasets"] == far["wrong"] == 2
    assert far["close"] == 0
    assert far["ratio"]["least"] <= far["ratio"]["median"] <= far["ratio"]["most"]


# --- the command line ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    """A tiny record of everything that needs no fresh process."""
    file = tmp_path_factory.mktemp("benchmarks") / "old.json"
    arguments = ["--only", "gamma,weibull", "--against", "scipy", "--sizes", "4x36", "--repeats", "2"]
    assert main([*arguments, "--device", "cpu", "--json", str(file)]) == 0
    return file


def test_table_of_a_file_is_that_of_its_run(record, capsys):
    assert main(["--table", str(record)]) == 0
    printed = capsys.readouterr().out
    assert printed.strip() == markdown(json.loads(record.read_text())).strip()
    assert printed.count("SciPy minimize") == 2


def test_guard_finds_what_became_slower(record, capsys, monkeypatch):
    assert main(["--table", str(record), "--compare", str(record)]) == 0
    assert "within its spread" in capsys.readouterr().out
    fit_many = rivals.jm.fit_many

    def slowed(model, *args, **kwargs):
        if model == "gamma":
            time.sleep(1.0)
        return fit_many(model, *args, **kwargs)

    monkeypatch.setattr(rivals.jm, "fit_many", slowed)
    assert main(["--compare", str(record), "--against", "scipy", "--repeats", "1"]) == 1
    lines = [line for line in capsys.readouterr().out.splitlines() if "times as fast as before" in line]
    assert lines[0].startswith("gamma:")
    assert lines[0].endswith("SLOWER")
    assert not lines[1].endswith("SLOWER") or "0.0" not in lines[1]


def test_guard_knows_a_slower_machine_and_a_worse_answer(record):
    old = json.loads(record.read_text())

    def changed(times, worse=0.0, only=None):
        new = json.loads(record.read_text())
        for entry in (e for race in new["workloads"] for e in race["rivals"] if only in (None, e["rival"])):
            entry["fits_per_second"] = {k: v * times for k, v in entry["fits_per_second"].items()}
            entry["close"] -= worse
        return new

    assert not compare(old, changed(0.1))[1]
    assert compare(old, changed(0.1, only="jaxmle"))[1]
    assert not compare(old, changed(10.0, only="jaxmle"))[1]
    assert compare(old, changed(1.0, worse=0.1))[1]


@pytest.mark.parametrize(
    "wrong",
    [["--only", "none"], ["--against", "no"], ["--sizes", "3"], ["--repeats", "0"], ["--compare", "no.json"]],
)
def test_command_line_says_what_is_wrong(wrong, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(wrong)
    assert wrong[0] in capsys.readouterr().err


def test_ceilings_and_fractions(record):
    found = json.loads(record.read_text())
    found["ceilings"] = roofline.ceilings("float64", 0.002, 1, quiet)
    assert all(value["median"] > 1e6 for value in found["ceilings"].values())
    reached = roofline.fractions(found)
    assert {entry["workload"] for entry in reached} == {"gamma", "weibull"}
    assert all(0 < entry["fraction"] < 1 and entry["bound"] > 0 for entry in reached)
    assert all(sum(entry["by"].values()) == pytest.approx(1) for entry in reached)


def test_every_rival_has_a_look():
    pytest.importorskip("matplotlib")
    from benchmarks import pictures

    assert {rival.name for rival in RIVALS} == set(pictures.LOOKS)


def test_page_needs_no_other_file(record, tmp_path):
    pytest.importorskip("matplotlib")
    found = json.loads(record.read_text())
    for entry in found["workloads"][0]["rivals"]:
        entry["cold"] = {"seconds": 3.0, "megabytes": 100.0}
    line = {str(k): {"median": 2.0 * k, "least": 1.0 * k, "most": 3.0 * k} for k in (1, 10)}
    found["scaling"] = [{"axis": "rows", "title": "rows", "workload": "gamma", "lines": {"jaxmle": line}}]
    report.write(found, tmp_path)
    page = (tmp_path / "index.html").read_text()
    assert page.count("<svg") == len(list(tmp_path.glob("*.svg"))) == 4
    assert "src=" not in page
    assert report.claim(found) in (tmp_path / "README.md").read_text()
    assert json.loads((tmp_path / "result.json").read_text()) == found


def test_claim_counts_only_who_finds_the_maximum(record):
    found = json.loads(record.read_text())
    for race in found["workloads"]:
        for entry, rate in zip(race["rivals"], (100.0, 10.0), strict=True):
            entry["fits_per_second"] = {"median": rate, "least": rate, "most": rate}
        race["rivals"][1]["rival"] = "optax"
    assert "10 times as fast as the best other JAX optimizer" in report.claim(found)
    found["workloads"][0]["rivals"][1]["close"] = 0.5
    found["workloads"][1]["rivals"][1]["close"] = 0.5
    assert "times as fast" not in report.claim(found)


@pytest.mark.slow
def test_fresh_processes(record):
    races = json.loads(record.read_text())["workloads"][:1]
    fresh.cold(races, quiet)
    for entry in races[0]["rivals"]:
        assert entry["cold"]["seconds"] > 0.5
        assert 0 < entry["cold"]["megabytes"] < 2000
    once = fresh.once(1, quiet)
    assert all(0 < entry["spread"]["median"] < 60 for entry in once.values())


@pytest.mark.slow
def test_scaling():
    small = scaling.Axis("datasets", "data sets", "weibull", (2, 4), (), lambda b: (b, 36, None))
    found = scaling.scaling([BY_NAME["jaxmle"], BY_NAME["vmap"]], False, 1, "float64", quiet, [small])
    assert [axis["axis"] for axis in found] == ["datasets", "workers"]
    assert all(at["median"] > 0 for axis in found for line in axis["lines"].values() for at in line.values())


# --- what is committed --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", RESULTS, ids=lambda f: f.parent.name)
def test_committed_results_and_their_tables_belong_together(file):
    found = json.loads(file.read_text())
    assert markdown(found).strip() in (file.parent / "README.md").read_text()


def test_the_claim_in_readme_is_made_from_the_file():
    assert RESULTS
    text = (ROOT / "README.md").read_text()
    assert report.section(text) in [report.speed(json.loads(file.read_text()), file.parent) for file in RESULTS]


@pytest.mark.parametrize("file", sorted((ROOT / "benchmarks").glob("*.py")), ids=lambda f: f.name)
def test_no_giants(file):
    assert len(file.read_text().splitlines()) <= 400


@pytest.mark.slow
def test_special_functions_are_near_the_truth():
    pytest.importorskip("mpmath")
    for entry in functions.functions(100, 20, 1, quiet):
        ours = entry["libraries"]["jaxmle"]
        assert ours["value"]["error"] < 1e-9 and ours["slope"]["error"] < 1e-8, entry
