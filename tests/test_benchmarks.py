"""The benchmarks fit what they say: on a tiny task of each workload every rival meets jaxmle's log-likelihood."""

import dataclasses
import json

import numpy as np
import pytest

from benchmarks import measure
from benchmarks.__main__ import main, markdown
from benchmarks.rivals import RIVALS, Answer, Rival
from benchmarks.workloads import WORKLOADS, task

BY_NAME = {rival.name: rival for rival in RIVALS}
TINY = {w.name: dataclasses.replace(w, calls=min(w.calls, 1)) for w in WORKLOADS}


def quiet(_):
    pass


@pytest.mark.parametrize("rival", [r for r in RIVALS if r.name != "jaxmle"], ids=lambda r: r.name)
@pytest.mark.parametrize("name", TINY)
def test_rivals_agree_with_jaxmle(name, rival):
    if rival.missing:
        pytest.skip(f"needs {rival.missing}")
    tiny = task(TINY[name], 6, 40)
    own, other = BY_NAME["jaxmle"].prepare(tiny)(), rival.prepare(tiny)()
    judge = TINY[name].by_hand.judge
    assert own.converged.all()
    assert other.converged.all()
    assert len(other.converged) == len(other.steps) == tiny.datasets
    np.testing.assert_allclose(judge(other.params, tiny.data), judge(own.params, tiny.data), rtol=0, atol=1e-7)


@pytest.mark.parametrize("name", TINY)
def test_judge_is_the_model(name):
    import jax

    tiny = task(TINY[name], 3, 20)
    with jax.enable_x64(True):
        own = jax.vmap(tiny.model.log_likelihood)(tiny.start, tiny.data).sum(1)
    np.testing.assert_allclose(TINY[name].by_hand.judge(tiny.start, tiny.data), own, rtol=1e-12)


@pytest.mark.parametrize("name", TINY)
def test_tasks_are_seeded(name):
    one, two = task(TINY[name], 3, 20), task(TINY[name], 3, 20)
    np.testing.assert_equal(one.data, two.data)
    np.testing.assert_equal(one.first(1).start, {k: v[:1] for k, v in two.start.items()})


def broken(_):
    raise RuntimeError("it broke")


def lost(drawn):
    # Converged by its own account, and nowhere near: the judge must see through it.
    start = {k: 3 * v for k, v in drawn.start.items()}
    return lambda: Answer(start, np.ones(drawn.datasets, bool), np.ones(drawn.datasets, int))


def test_failures_stay_in_the_record():
    rivals = [
        BY_NAME["jaxmle"],
        Rival("absent", "absent", broken, needs=("no_such_module",)),
        Rival("broken", "broken", broken),
        Rival("lost", "lost", lost, most=2),
    ]
    race = measure.race(task(TINY["gamma"], 3, 20), rivals, 2, quiet)
    own, absent, failed, far = race["rivals"]
    assert own["close"] == 1
    assert own["not_converged"] == 0
    assert len(own["seconds"]) == 2
    assert absent["skipped"] == "needs no_such_module"
    assert "it broke" in failed["failed"]
    assert far["datasets"] == 2
    assert far["close"] == 0
    assert far["ratio"]["least"] <= far["ratio"]["median"] <= far["ratio"]["most"]


def test_command_line(tmp_path, capsys):
    file = tmp_path / "out.json"
    arguments = ["--only", "gamma", "--against", "vmap", "--sizes", "3x20", "--repeats", "1", "--json", str(file)]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    record = json.loads(file.read_text())
    assert [r["rival"] for r in record["workloads"][0]["rivals"]] == ["jaxmle", "vmap"]
    assert markdown(record).strip() == printed.strip()
    assert main(["--table", str(file)]) == 0
    assert capsys.readouterr().out == printed


@pytest.mark.parametrize(
    "wrong", [["--only", "nothing"], ["--against", "nobody"], ["--sizes", "3"], ["--repeats", "0"]]
)
def test_command_line_says_what_is_wrong(wrong, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(wrong)
    assert wrong[0] in capsys.readouterr().err


def test_committed_result_and_its_table_belong_together():
    from pathlib import Path

    found = sorted((Path(measure.__file__).parent / "results").glob("*.json"))
    assert found
    for file in found:
        assert markdown(json.loads(file.read_text())).strip() in file.with_suffix(".md").read_text()
