"""Fits on a GPU: a thread for each data set does what the CPU's vectors do."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import CASES, GARCH_CASE, LOGISTIC
from test_laws import padded, weights_of
from threads import on_threads

import jaxmle as jm
from jaxmle import Status, _native
from jaxmle._engine import devices, ingest
from jaxmle._engine.ingest import row_items
from jaxmle._solver import lanes

pytest.importorskip("llvmlite")

GPUS = [d for d in jax.devices() if d.platform == "gpu"]
needs_gpu = pytest.mark.skipif(not GPUS, reason="needs a GPU")
DATA_SETS = 40
COUNTED = jm.Model(
    lambda p, d: d["k"] * jnp.log(p["rate"]) - p["rate"], {"rate": jm.spaces.positive()}, name="whole numbers"
)


def same(a, b):
    """Two fits of the same data, by machines that sum up in another order."""
    np.testing.assert_array_equal(a.status, b.status)
    np.testing.assert_allclose(a.log_likelihood, b.log_likelihood, rtol=1e-10)
    assert np.mean(np.abs(a.steps - b.steps) <= 1) >= 0.97
    for mine, theirs in zip(jax.tree.leaves(a.params), jax.tree.leaves(b.params), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-6)


def drawn(case, size=DATA_SETS):
    """Data sets of a case: some shorter than others, some weights 0 or 2 in between, one without rows, one of NaN."""
    data = padded(case.data(5, size, case.n))
    shape = row_items(data)[0][1].shape[:2]
    given = weights_of(case, size)
    weights = np.ones(shape) if given is None else np.array(np.broadcast_to(given, shape), float)
    weights[1, 1::7] *= 2
    weights[2, 2::9] = 0
    weights[3] = 0
    return data, weights


NOW = {"gamma", "counts", "constant", "garch"}


@pytest.mark.parametrize(
    "case",
    [pytest.param(c, marks=[] if repr(c) in NOW else pytest.mark.slow) for c in (*CASES, GARCH_CASE)],
    ids=repr,
)
def test_threads_and_vectors_agree(case, monkeypatch):
    data, weights = drawn(case)
    vectors = jm.fit_many(case.model, data, weights=weights, lanes="native", retries=0)
    with on_threads(monkeypatch):
        threads = jm.fit_many(case.model, data, weights=weights, lanes="native", retries=0)
    same(vectors, threads)
    assert threads.status[3] == Status.NO_DATA


def test_designs_that_all_share(monkeypatch):
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(60, 2)), rng.integers(0, 2, (DATA_SETS, 60))
    vectors = jm.fit_many(LOGISTIC, {"y": y}, shared={"x": x}, lanes="native")
    with on_threads(monkeypatch):
        for precision in ("full", "mixed"):
            same(vectors, jm.fit_many(LOGISTIC, {"y": y}, shared={"x": x}, lanes="native", precision=precision))


def test_arrays_of_jax_are_read_where_they_lie(monkeypatch):
    y = np.random.default_rng(3).gamma(2.0, 1.5, (70_000, 20))
    y[7, 3], y[8, 4] = np.nan, -1.0
    with jax.enable_x64(True):
        there = jax.device_put(y)
    with on_threads(monkeypatch):
        a = jm.fit_many("gamma", y)
        monkeypatch.setattr(ingest, "on_accelerator", lambda x: isinstance(x, jax.Array))
        b = jm.fit_many("gamma", there)
        c = jm.fit_many(COUNTED, {"k": jnp.full((500, 20), 3)})
    assert b.solution.batch.buckets[0].data is there and c.converged.all()
    assert [*b.status[7:9]] == [Status.MISSING_VALUES, Status.OUTSIDE_SUPPORT]
    np.testing.assert_array_equal(a.status, b.status)
    np.testing.assert_array_equal(a.log_likelihood, b.log_likelihood)
    np.testing.assert_array_equal(a.standard_errors()["shape"], b.standard_errors()["shape"])
    np.testing.assert_allclose(a[:9].covariance("robust"), b[:9].covariance("robust"))
    np.testing.assert_allclose(c.params["rate"], 3.0)


@needs_gpu
@pytest.mark.gpu
@pytest.mark.parametrize("case", [*CASES, GARCH_CASE], ids=repr)
def test_the_gpu_and_the_cpu_agree(case):
    data, weights = drawn(case, 200)
    there = jm.fit_many(case.model, data, weights=weights, lanes="native", retries=0, devices=GPUS[:1])
    here = jm.fit_many(case.model, data, weights=weights, lanes="native", retries=0, devices=jax.devices("cpu")[:1])
    same(here, there)
    mixed = jm.fit_many(
        case.model, data, weights=weights, lanes="native", precision="mixed", retries=0, devices=GPUS[:1]
    )
    np.testing.assert_array_equal(mixed.status, here.status)
    np.testing.assert_allclose(mixed.log_likelihood, here.log_likelihood, rtol=1e-10)


@needs_gpu
@pytest.mark.gpu
def test_data_that_lie_on_the_gpu_stay_there():
    y = np.random.default_rng(3).gamma(2.0, 1.5, (100_000, 60))
    y[7, 3], y[8, 4], y[9] = np.nan, -1.0, 2.5
    with jax.enable_x64(True):
        there = jax.device_put(y, GPUS[0])
    a, b = jm.fit_many("gamma", y), jm.fit_many("gamma", there)
    assert [*b.status[7:10]] == [Status.MISSING_VALUES, Status.OUTSIDE_SUPPORT, a.status[9]]
    assert a.info["lanes"] == b.info["lanes"] == "native" and np.delete(b.converged, (7, 8, 9)).all()
    np.testing.assert_array_equal(a.log_likelihood, b.log_likelihood)
    np.testing.assert_array_equal(a.standard_errors()["shape"], b.standard_errors()["shape"])
    assert b.solution.batch.buckets[0].data is there


@needs_gpu
@pytest.mark.gpu
def test_small_problems_stay_with_the_host():
    y = np.random.default_rng(4).gamma(2.0, 1.5, (50, 60))
    assert {d.platform for d in devices.worker_devices(None, y.size)} == {"cpu"}
    assert {d.platform for d in devices.worker_devices(GPUS[:1], y.size)} == {"gpu"}
    same(jm.fit_many("gamma", y), jm.fit_many("gamma", y, devices=GPUS[:1]))


def test_ptx_needs_no_gpu():
    """A step of y |-> log(1 + |y|) towards its sum, as code for a GPU."""
    total = lanes.Policy(
        begin=lambda y: jnp.zeros(2),
        step=lambda state, y: state + jnp.sum(jnp.log1p(jnp.abs(y) * jnp.exp(state[0]))),
        done=lambda state: state[1] > 1e3,
        end=lambda state, y: (state, jnp.sum(y > 0)),
    )
    leaf = _native.Leaf((_native.ROWS,), np.dtype(float), True)
    ptx = _native.build((leaf,), jax.tree.structure(0), total, "gpu")(1).kernel.ptx
    assert ptx.count(b".entry fit(") == 1 and b".target sm_80" in ptx and b"ld.f64" in ptx.replace(b"ld.b64", b"ld.f64")


def test_what_keeps_a_platform_from_it_is_said():
    assert _native.missing("cpu") is None
    assert "tpu" in str(_native.missing("tpu"))
    if not GPUS:
        assert "CUDA's driver" in str(_native.missing("gpu"))
