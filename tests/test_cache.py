"""Programs kept in a folder are found again, and those compiled ahead are there when the data come."""

import jax
import numpy as np
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
