"""Programs kept in a folder are found again, and those compiled ahead are there when the data come."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import rng

import jaxmle as jm
from jaxmle._util import cache, compile

X = rng(310).exponential(size=(6, 20))


def forget():
    """As in a new process."""
    for program in compile._PROGRAMS:
        program.clear_cache()


def fitted():
    fits = jm.fit_many("exponential", X, lanes=2)
    return [*fits.solution.outcome, fits.standard_errors()["rate"]]


def test_another_process_compiles_nothing(tmp_path, monkeypatch):
    with jm.cache(tmp_path):
        forget()
        first = fitted()
        kept = sorted(tmp_path.iterdir())
        assert len(kept) >= 3
        forget()
        monkeypatch.setattr(jax.stages.Lowered, "compile", lambda *_: 1 / 0)
        again = fitted()
        assert sorted(tmp_path.iterdir()) == kept
    monkeypatch.undo()
    assert cache.folder() is None
    for mine, other in zip(again, first, strict=True):
        np.testing.assert_array_equal(mine, other)
    for file in kept:  # cut short by a full disk
        file.write_bytes(file.read_bytes()[:100])
    monkeypatch.setenv("JAXMLE_CACHE", str(tmp_path))
    forget()
    again, mended = fitted(), [file.stat().st_size for file in kept]
    assert min(mended) > 100
    for mine, other in zip(again, first, strict=True):
        np.testing.assert_array_equal(mine, other)


def test_compiled_ahead():
    """Of a model nobody has fitted: what comes later finds its programs."""
    model = jm.Model(lambda p, x: -jax.numpy.cosh(x - p["a"]), {"a": jm.spaces.real})
    x = rng(311).normal(size=(40, 10))
    jm.compile_ahead(model, x[0], datasets=40, lanes=4)
    before = compile.programs()
    assert jm.fit_many(model, x, lanes=4).converged.all()
    assert compile.programs() == before


MODULE = """module @jit_f {
  func.func public @main(%arg0: tensor<f64>) -> tensor<f64> {
    %0 = call @twice(%arg0) : (tensor<f64>) -> tensor<f64>
    %1 = call @SECOND(%0) : (tensor<f64>) -> tensor<f64>
    return %1 : tensor<f64>
  }
  func.func private @twice(%arg0: tensor<f64>) -> tensor<f64> {
    %0 = stablehlo.add %arg0, %arg0 : tensor<f64>
    return %0 : tensor<f64>
  }
OTHER}
"""
TWICE_AGAIN = """  func.func private @twice_3(%arg0: tensor<f64>) -> tensor<f64> {
    %0 = stablehlo.add %arg0, %arg0 : tensor<f64>
    return %0 : tensor<f64>
  }
"""


def test_a_program_is_known_by_what_it_does():
    """Not by which of its equal functions share a name."""
    shared = MODULE.replace("SECOND", "twice").replace("OTHER", "")
    apart = MODULE.replace("SECOND", "twice_3").replace("OTHER", TWICE_AGAIN)
    another = MODULE.replace("SECOND", "twice_3").replace("OTHER", TWICE_AGAIN.replace("add", "multiply"))
    assert cache._canonical(shared) == cache._canonical(apart) != cache._canonical(another)
    assert cache._canonical(shared) != cache._canonical(shared.replace("tensor<f64>", "tensor<f32>"))


def regression(column):
    """Of one column of a table on another; robust errors and profiles are programs of their own."""
    return jm.Model(
        lambda p, d: -0.5 * ((d["y"] - p["a"] - p["b"] * d[column]) / p["s"]) ** 2 - jnp.log(p["s"]),
        {"a": jm.spaces.real, "b": jm.spaces.real, "s": jm.spaces.positive},
    )


def numbers(model, data):
    fit = jm.fit_many(model, {k: v[None] for k, v in data.items()}, lanes=2)[0]
    return [
        fit.params["b"],
        fit.log_likelihood,
        fit.standard_errors("observed")["b"],
        fit.standard_errors("robust")["b"],
    ]


def test_any_cache_gives_the_numbers_of_none(tmp_path):
    """Models that differ in the column they read, data with leaves that nobody reads: empty and full, in any order."""
    x, noise = rng(312).normal(size=(2, 40)), rng(313).normal(size=40)
    tables = [{"x1": x[0], "x2": x[1], "y": 1 + x[0] - x[1] + noise, "unread": np.ones((40, k))} for k in (3, 4)]
    asked = [("x1", tables[0]), ("x2", tables[0]), ("x1", tables[1])]

    def answered(order):
        forget()
        answers = {i: numbers(regression(asked[i][0]), asked[i][1]) for i in order}
        return [answers[i] for i in range(len(asked))]

    alone = answered(range(len(asked)))
    with jm.cache(tmp_path):
        for order in (range(len(asked)), reversed(range(len(asked)))):
            np.testing.assert_array_equal(answered(order), alone)


@pytest.mark.skipif(os.name == "nt", reason="the folders of a user are the user's")
def test_what_others_can_write_is_not_run(tmp_path):
    """Neither a folder that is open to others, or lies in one, nor a file in a folder that is not."""
    kept = (lambda: cache.kept("text", lambda: b"made"), lambda: cache.kept("text", lambda: b"made again"))
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "open" / "mine").mkdir(mode=0o700)
    for folder in (tmp_path / "open", tmp_path / "open" / "mine"):
        with pytest.warns(UserWarning, match="no compiled programs are kept") as said, jm.cache(folder):
            assert [each() for each in kept] == [b"made", b"made again"]
        assert len(said) == 1 and not [x for x in folder.iterdir() if x.is_file()]
    with jm.cache(tmp_path / "new"):
        assert [each() for each in kept] == [b"made", b"made"]
        assert (tmp_path / "new").stat().st_mode & 0o77 == 0
        [file] = (tmp_path / "new").iterdir()
        file.chmod(0o666)
        assert kept[1]() == b"made again"
        assert kept[0]() == b"made again"


def test_a_file_of_another_program_is_a_miss(tmp_path):
    with jm.cache(tmp_path):
        assert cache.kept("one", lambda: b"1") == b"1"
        [one] = tmp_path.iterdir()
        assert cache.kept("two", lambda: b"2") == b"2"
        [two] = set(tmp_path.iterdir()) - {one}
        for wrong in (one.read_bytes(), b"", b"\x80\x04.", two.read_bytes()[:-1], two.read_bytes() + b"x"):
            two.write_bytes(wrong)
            assert cache.kept("two", lambda: b"2 again") == b"2 again"
        two.unlink()
        two.symlink_to(one)
        assert cache.kept("two", lambda: b"2") == b"2"


def test_the_folder_is_bounded(tmp_path):
    (tmp_path / "of the user").write_bytes(b"x" * 10_000)
    with jm.cache(tmp_path, max_bytes=3_000):
        for i in range(8):
            cache.kept(f"{i}", lambda: bytes(1_000))
            cache.kept("0", lambda: bytes(1_000))  # used last
            for age, file in enumerate(sorted(tmp_path.iterdir(), key=lambda x: x.stat().st_mtime_ns, reverse=True)):
                os.utime(file, (1e9 - age, 1e9 - age))
        assert sum(x.stat().st_size for x in tmp_path.iterdir()) <= 13_000
        assert cache.kept("0", lambda: b"was deleted") == bytes(1_000)
    assert (tmp_path / "of the user").exists()


WORKER = """
import sys, numpy as np, jaxmle as jm
with jm.cache(sys.argv[1]):
    print(repr(float(jm.fit_many("gamma", np.random.default_rng(0).gamma(2.0, size=(3, 20)), lanes=2).params["shape"].sum())))
"""


def test_two_processes_share_a_folder(tmp_path):
    workers = [
        subprocess.Popen([sys.executable, "-c", WORKER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    answers = {worker.communicate(timeout=300)[0] for worker in workers}
    assert len(answers) == 1 and float(answers.pop()) > 0
    assert not [x for x in tmp_path.iterdir() if x.name.startswith("tmp")]


def test_a_program_that_calls_python_is_run_by_jax(tmp_path):
    """Its text holds an address of this process."""
    called = compile.compiled(lambda x: jax.pure_callback(lambda y: 2 * y, jax.ShapeDtypeStruct((), x.dtype), x))
    with jm.cache(tmp_path):
        assert float(called(jnp.asarray(3.0))) == 6.0
        assert not list(tmp_path.iterdir())
