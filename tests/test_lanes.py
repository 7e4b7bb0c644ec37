"""`fit_many`: its forms of data, and the lanes beneath."""

import functools
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from cases import AUTOREGRESSION, KNOWN_SCALE, REGRESSION, TWO_GROUPS, rng, series_data

import jaxmle as jm
from jaxmle import Status, _native, models
from jaxmle._engine import run, settle, workers
from jaxmle._engine.memory import lanes_that_fit, share
from jaxmle._solver import lanes

X = rng(80).gamma(2.0, 1.0, (12, 30))


# --- the engine alone ------------------------------------------------------------------------------------


def countdown(state, item):
    return jnp.maximum(state - 1, 0)


POLICY = lanes.Policy(
    begin=lambda item: item,
    step=countdown,
    done=lambda state: state == 0,
    end=lambda state, item: {"item": item, "left": state},
)


ADVANCE = jax.jit(functools.partial(lanes.advance, POLICY))


@pytest.mark.parametrize("width", [1, 3, 4, 8, 40])
def test_every_item_is_handed_out_once(width):
    items = jnp.asarray(rng(81).integers(0, 30, 25))
    found = jax.jit(lambda x: lanes.run(POLICY, x, width))(items)
    np.testing.assert_array_equal(found["item"], items)
    np.testing.assert_array_equal(found["left"], 0)


def all_of(items):
    return lanes.Work(items, jnp.int32(0), jnp.int32(len(items)), jnp.int32(0), jnp.array(True))


def collected(carry, size):
    out = np.zeros(size, int)
    ids, written = np.asarray(carry.ids), int(carry.written)
    assert len(set(ids[:written].tolist())) == written == size
    out[ids[:written]] = np.asarray(carry.log["item"])[:written]
    return out


@pytest.mark.parametrize("refills", [1, 2, 5])
def test_slices_are_the_whole(refills):
    items = jnp.asarray(rng(82).integers(0, 30, 25))
    carry, work, cuts = lanes.start(POLICY, items, 4, 25), all_of(items), 0
    while bool(lanes.busy(carry, work)):
        carry, position = ADVANCE(carry, work, refills)
        work, cuts = work._replace(position=position), cuts + 1
    assert cuts > 2
    np.testing.assert_array_equal(collected(carry, 25), items)


def test_chunks_follow_one_another_in_running_lanes():
    items = jnp.asarray(rng(82).integers(1, 30, 24))
    carry = lanes.start(POLICY, items[:8], 4, 24)
    for begin in (0, 8, 16):
        work = all_of(items[begin : begin + 8])._replace(offset=jnp.int32(begin), drain=jnp.array(begin == 16))
        carry, position = ADVANCE(carry, work, 1000)
        assert int(position) == 8
        assert (int(carry.written) < begin + 8) == (begin < 16)  # the lanes run on into the next chunk
    np.testing.assert_array_equal(collected(carry, 24), items)


def test_a_full_log_ends_the_slice():
    items = jnp.asarray(rng(82).integers(0, 30, 25))
    carry, position = ADVANCE(lanes.start(POLICY, items, 4, 6), all_of(items), 1000)
    assert 6 <= int(carry.written) <= 8
    assert int(position) < 25


def test_lanes_do_not_wait_for_the_slowest():
    """One slow item in every four: a plain vmap would step each batch to its slowest."""
    items = jnp.asarray(np.tile([40, 1, 1, 1], 16))
    carry, _ = ADVANCE(lanes.start(POLICY, items, 4, len(items)), all_of(items), 10_000)
    assert int(carry.steps) < 0.5 * 40 * len(items) / 4


# --- forms of data ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plain():
    return jm.fit_many("gamma", X)


def test_groups_of_any_kind_in_any_order(plain):
    rows = X.reshape(-1)
    index = np.repeat(np.arange(12), 30)
    order = rng(83).permutation(len(rows))
    names = np.array(list("qwertyuiopas"))
    for keys in (index[order], names[index][order], pd.Series(index[order] * 1.5), pd.Categorical(names[index][order])):
        fits = jm.fit_many("gamma", rows[order], groups=keys)
        seen = list(dict.fromkeys(np.asarray(keys).tolist()))
        assert fits.keys.tolist() == seen  # in order of first appearance
        which = list(dict.fromkeys(index[order].tolist()))
        np.testing.assert_allclose(fits.params["shape"], plain.params["shape"][which], rtol=1e-8)
        np.testing.assert_array_equal(fits.n_observations, 30)


def test_groups_name_the_table(plain):
    frame = pd.DataFrame({"plane": np.repeat(["b", "a"], 30), "hours": X[:2].reshape(-1)})
    fits = jm.fit_many("gamma", frame["hours"], groups=frame["plane"])
    assert fits.to_polars().columns[0] == "plane"
    assert fits["a"].log_likelihood == pytest.approx(plain.log_likelihood[1], rel=1e-12)


def test_a_series_keeps_its_order_inside_a_group():
    y = series_data(84, 3, 50)
    keys = np.tile(np.arange(3), 50)  # interleaved in time
    fits = jm.fit_many(AUTOREGRESSION, y.T.reshape(-1), groups=keys)
    whole = jm.fit_many(AUTOREGRESSION, y)
    np.testing.assert_allclose(fits.params["phi"], whole.params["phi"], rtol=1e-8)


def test_very_ragged_groups():
    sizes = np.r_[np.full(40, 3), np.full(40, 30), 5000]
    keys = np.repeat(np.arange(81), sizes)
    x = rng(85).exponential(2.0, len(keys))
    fits = jm.fit_many("exponential", x, groups=keys)
    means = pd.Series(x).groupby(keys).mean().to_numpy()
    np.testing.assert_allclose(fits.params["rate"], 1 / means, rtol=1e-9)
    np.testing.assert_array_equal(fits.n_observations, sizes)


def test_weights_of_every_shape(plain):
    ones = jm.fit_many("gamma", X, weights=np.ones(30))
    np.testing.assert_array_equal(ones.log_likelihood, plain.log_likelihood)
    w = rng(86).integers(0, 3, X.shape)
    own = jm.fit_many("gamma", X, weights=w)
    np.testing.assert_array_equal(own.n_observations, w.sum(1))
    grouped = jm.fit_many("gamma", X.reshape(-1), weights=w.reshape(-1), groups=np.repeat(np.arange(12), 30))
    np.testing.assert_allclose(grouped.log_likelihood, own.log_likelihood, rtol=1e-12)


def test_a_shared_design():
    """One design for all responses, never copied: the same fits as with a copy each."""
    r = rng(87)
    x = np.column_stack([np.ones(30), r.normal(size=(30, 2))])
    y = x @ np.array([1.0, 2.0, -1.0]) + r.normal(size=(12, 30))
    fits = jm.fit_many(REGRESSION, {"y": y}, shared={"x": x})
    beta = np.linalg.lstsq(x, y.T, rcond=None)[0].T
    np.testing.assert_allclose(fits.params["beta"], beta, rtol=1e-8)
    held = fits.solution.batch.buckets[0].data["x"]
    assert held.shape == (30, 3)
    copied = jm.fit_many(REGRESSION, {"y": y, "x": np.tile(x, (12, 1, 1))})
    np.testing.assert_allclose(fits.covariance("robust"), copied.covariance("robust"), rtol=1e-7, atol=1e-14)


def test_constants_one_each_and_shared():
    r = rng(88)
    x, scale = r.normal(3.0, 1.0, (6, 20)), r.uniform(0.5, 2.0, 6)
    each = jm.fit_many(KNOWN_SCALE, {"x": x, "scale": jm.constant(scale)})
    np.testing.assert_allclose(each.params["loc"], x.mean(1), rtol=1e-12)
    np.testing.assert_allclose(each.standard_errors()["loc"], scale / np.sqrt(20), rtol=1e-9)
    common = jm.fit_many(KNOWN_SCALE, {"x": x}, shared={"scale": jm.constant(2.0)})
    np.testing.assert_allclose(common.standard_errors()["loc"], 2 / np.sqrt(20), rtol=1e-9)
    keys = np.repeat(np.arange(6), 20)
    grouped = jm.fit_many(KNOWN_SCALE, {"x": x.reshape(-1), "scale": jm.constant(2.0)}, groups=keys)
    np.testing.assert_allclose(grouped.params["loc"], x.mean(1), rtol=1e-12)


# --- pinned values and starts, one for all or one each ---------------------------------------------------


def test_pinned_values_one_each():
    shapes = np.linspace(0.5, 4.0, 12)
    fits = jm.fit_many(models.pinned("gamma", shape=shapes), X)
    np.testing.assert_allclose(fits.params["shape"], shapes)
    np.testing.assert_allclose(fits.params["scale"], X.mean(1) / shapes, rtol=1e-9)
    np.testing.assert_array_equal(fits.standard_errors()["shape"], 0.0)
    one = fits[3]
    assert one.params["shape"] == shapes[3]
    np.testing.assert_allclose(one.covariance("robust"), fits.covariance("robust")[3], rtol=1e-10)
    assert len(fits[2:5].summary().splitlines()) == 5
    with pytest.raises(ValueError, match="one value for each of the 12"):
        jm.fit_many(models.pinned("gamma", shape=shapes[:5]), X)


def test_a_tied_model_in_lanes():
    r = rng(89)
    group = np.tile(np.arange(30) % 2, (12, 1))
    x = r.normal(size=(12, 30)) + 3.0 * group
    model = models.tied(TWO_GROUPS, scale_b="scale_a")
    fits = jm.fit_many(model, {"x": x, "group": group})
    np.testing.assert_array_equal(fits.params["scale_a"], fits.params["scale_b"])
    np.testing.assert_array_equal(fits.standard_errors()["scale_a"], fits.standard_errors()["scale_b"])
    assert model.free == 3


def test_starts_for_all_one_each_and_from_another_fit(plain):
    common = jm.fit_many("gamma", X, start={"shape": 20.0, "scale": 0.1})
    np.testing.assert_allclose(common.params["shape"], plain.params["shape"], rtol=1e-8)
    warm = jm.fit_many("gamma", X, start=plain)
    assert np.all(warm.steps <= 3)
    assert warm.steps.sum() < common.steps.sum()
    each = jm.fit_many("gamma", X, start={"shape": np.linspace(1, 9, 12), "scale": 1.0})
    np.testing.assert_allclose(each.params["shape"], plain.params["shape"], rtol=1e-8)
    bad = jm.fit_many("gamma", X, start={"shape": np.r_[-1.0, np.ones(11)], "scale": 1.0}, retries=0)
    assert Status(int(bad.status[0])) is Status.NO_FINITE_START
    assert bad.converged[1:].all()


# --- lanes, progress, interruption -----------------------------------------------------------------------


def test_the_choice_of_lanes_is_recorded_and_replayed():
    first = jm.fit_many("gamma", X)
    again = jm.fit_many("gamma", X, lanes=first.info["lanes"])
    for a, b in zip(first.solution.outcome, again.solution.outcome, strict=True):
        np.testing.assert_array_equal(a, b)


def test_progress_is_told():
    told = []
    jm.fit_many("gamma", X, lanes=4, progress=lambda *x: told.append(x))
    done, failed, total = told[-1][:3]
    assert (done, failed, total) == (12, 0, 12)
    assert [t[0] for t in told] == sorted(t[0] for t in told)


def test_an_interrupt_keeps_what_is_finished():
    def stop(*_):
        raise KeyboardInterrupt

    x = rng(90).gamma(2.0, 1.0, (400, 30))
    fits = jm.fit_many("gamma", x, lanes=4, progress=stop)
    assert fits.info["interrupted"]
    left = fits.status == Status.NOT_RUN
    assert left.any()
    assert fits.converged[~left].all()
    assert np.isnan(fits.params["shape"][left]).all()
    whole = jm.fit_many("gamma", x, lanes=4)
    np.testing.assert_array_equal(fits.params["shape"][~left], whole.params["shape"][~left])


def test_an_interrupt_keeps_what_was_looked_at(monkeypatch):
    """Portions of 20 data sets; the third never comes."""
    x, real, calls = rng(93).normal(size=(100, 30)), settle.on_threads, iter(range(3))

    def looked(*args):
        if next(calls) == 2:
            raise KeyboardInterrupt
        return real(*args)

    whole = jm.fit_many("student_t", x)
    monkeypatch.setattr(settle, "CHUNK_BYTES", 20 * 8 * (2 * 30 + 4))
    monkeypatch.setattr(settle, "on_threads", looked)
    fits = jm.fit_many("student_t", x)
    left = fits.status == Status.NOT_RUN
    assert fits.info["interrupted"] and left.any()
    assert (whole.status[left] == Status.AT_INFINITY).all()
    looked_at = whole.status[~left] == Status.AT_INFINITY
    assert looked_at.sum() >= 30
    np.testing.assert_array_equal(fits.status[~left], whole.status[~left])
    np.testing.assert_array_equal(fits.params["df"][~left], whole.params["df"][~left])


@pytest.mark.parametrize("devices", [1, 3, [jax.devices("cpu")[0]] * 2], ids=["1", "3", "a list"])
def test_workers_change_no_bit(devices):
    x = rng(91).gamma(2.0, 1.0, (300, 20))
    x[[3, 77, 298]] = np.nan
    one, some = (jm.fit_many("gamma", x, lanes=8, devices=d) for d in (1, devices))
    for a, b in zip(one.solution.outcome, some.solution.outcome, strict=True):
        np.testing.assert_array_equal(a, b)
    assert some.status_counts() == {"converged": 297, "missing_values": 3}


@pytest.mark.parametrize("devices", [0, True, "gpu", [], [1]], ids=repr)
def test_wrong_devices(devices):
    with pytest.raises(ValueError, match="expected None, a positive number, or a sequence of jax.Device"):
        jm.fit_many("gamma", X, devices=devices)


def test_an_error_in_progress_reaches_the_caller():
    def wrong(*_):
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        jm.fit_many("gamma", X, lanes=4, progress=wrong)
    assert threading.active_count() == len([t for t in threading.enumerate() if not t.name.startswith("jaxmle")])


def test_another_number_of_data_sets_traces_nothing():
    """Chunks have few sizes: batches of 40 and of 60 are the same program."""
    traces = []

    def log_likelihood(params, x):
        traces.append(1)
        return jnp.log(params["rate"]) - params["rate"] * x

    model = jm.Model(log_likelihood, {"rate": jm.spaces.positive})
    first = jm.fit_many(model, X[:10], lanes=4)
    assert first.converged.all()
    traces.clear()
    assert jm.fit_many(model, X, lanes=4).converged.all()
    assert not traces


def test_one_data_set_and_none():
    one = jm.fit_many("gamma", X[:1])
    assert len(one) == 1
    assert one[0].log_likelihood == one.log_likelihood[0]
    with pytest.raises(ValueError, match="at least one data set"):
        jm.fit_many("gamma", np.zeros(0), groups=np.zeros(0, int))


# --- memory ----------------------------------------------------------------------------------------------


def test_out_of_memory_backs_off_and_goes_on(plain, monkeypatch):
    """A device that holds eight data sets at most: the chunks are halved, then the lanes, and all are fitted."""
    held, real = [], workers._advance

    def advance(program, phase, shared, work, *rest):
        held.append(len(jax.tree.leaves(work.items)[0]))
        if held[-1] > 8 and not work.drain:
            raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes.")
        return real(program, phase, shared, work, *rest)

    monkeypatch.setattr(workers, "_advance", advance)
    fits = jm.fit_many("gamma", X, lanes=12)
    assert max(held) > 8 and fits.info["lanes"] <= 8 and fits.converged.all()
    np.testing.assert_allclose(fits.params["shape"], plain.params["shape"], rtol=1e-8)


def test_what_never_fits_is_an_error(monkeypatch):
    def never(*_):
        raise MemoryError

    monkeypatch.setattr(workers, "_advance", never)
    with pytest.raises(MemoryError):
        jm.fit_many("gamma", X, lanes=8)


def test_a_bound_on_memory_is_kept():
    places, each = [None, None], X[:1].nbytes
    bound = share(places, 1000 * each)
    assert bound == 500 * each
    assert lanes_that_fit(256, X, bound) == 125 and lanes_that_fit(4, X, bound) == 4 and lanes_that_fit(256, X, 1) == 1
    with pytest.raises(ValueError, match="memory=0; expected None, or a positive whole number of bytes"):
        jm.fit_many("gamma", X, memory=0)


@pytest.mark.slow
def test_a_measured_number_of_lanes_is_recorded_and_replayed(monkeypatch):
    monkeypatch.setattr(run, "WORTH", 0.0)
    monkeypatch.setattr(_native, "missing", lambda platform: "it is not wanted here")
    x = rng(86).gamma(2.0, size=(600, 2048))
    fits = jm.fit_many("gamma", x, devices=1)
    assert fits.info["lanes"] in fits.info["tried"] and len(fits.info["tried"]) > 1
    again = jm.fit_many("gamma", x, lanes=fits.info["lanes"], devices=1)
    assert "tried" not in again.info
    for mine, other in zip(fits.solution.outcome, again.solution.outcome, strict=True):
        np.testing.assert_array_equal(mine, other)


def test_lanes_are_busy():
    """At least 85 % of the steps of all lanes are steps that a fit needed (a plain vmap: 50 %)."""
    x = np.stack([rng(87).gamma(k, size=20) for k in np.linspace(0.2, 20, 160)])
    assert jm.fit_many("gamma", x, lanes=4).info["utilization"] >= 0.85
