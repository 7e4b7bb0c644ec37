"""Batches in hand: keys, parts, joints, tables; missing values counted; files. One batch serves nearly every test."""

import json
import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pandas as pd
import polars as pl
import pytest

import jaxmle as jm
from jaxmle import spaces
from jaxmle._engine import ingest
from jaxmle._engine.plan import Plan
from jaxmle._engine.solve import solve
from jaxmle._util import group_keys
from jaxmle.result import saved

SITES, YEARS = ["u", "u", "v", "w"], [1, 2, 1, 1]
ROWS = [4, 7, 5, 6]


def table():
    """Four groups of different size in mixed order; the third misses a value."""
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"site": np.repeat(SITES, ROWS), "n": np.repeat(YEARS, ROWS), "x": rng.gamma(2.0, 1.0, 22)})
    frame.loc[12, "x"] = np.nan
    return frame.iloc[np.argsort(np.arange(22) % 3, kind="stable")]


@pytest.fixture(scope="module")
def fits():
    frame = table()
    return jm.fit_many("exponential", frame["x"], groups=frame[["site", "n"]], missing="drop")


def group(i):
    frame = table()
    return frame["x"][(frame["site"] == SITES[i]) & (frame["n"] == YEARS[i])].to_numpy()


def test_keys_of_several_columns(fits):
    assert fits.keys.dtype.names == ("site", "n")
    assert fits.keys.tolist() == list(zip(SITES, YEARS, strict=True))
    for i, key in enumerate([("u", 1), "u, 2", ("v", "1")]):
        assert fits[key].log_likelihood == fits.log_likelihood[i]
    with pytest.raises(KeyError, match="did you mean 'u, 2'"):
        fits["u,2"]
    with pytest.raises(KeyError, match="has 3 parts; the keys are site, n"):
        fits["u", 1, 2]
    assert fits[[("w", 1), ("u", 1)]].keys.tolist() == [("w", 1), ("u", 1)]


def test_number_keys_are_found_as_text(fits):
    keys = np.array([7912, 7913])
    assert group_keys.find(keys, "7913") == 1
    with pytest.raises(KeyError, match="'7914'; did you mean '791"):
        group_keys.find(keys, "7914")
    with pytest.raises(IndexError, match="position 4 of 4 data sets"):
        fits[4]


def test_answers_of_a_batch_are_those_of_single_fits(fits):
    for i in range(4):
        one, alone = (
            fits[i],
            jm.fit("exponential", np.resize(group(i), 7), missing="drop", weights=np.arange(7) < ROWS[i]),
        )
        for name in ("log_likelihood", "n_observations", "dropped", "status", "converged", "aicc", "bic"):
            assert getattr(one, name) == pytest.approx(getattr(alone, name), rel=1e-10)
        np.testing.assert_allclose(one.interval().upper["rate"], alone.interval().upper["rate"], rtol=1e-6)
        np.testing.assert_allclose(one.covariance("robust"), alone.covariance("robust"), rtol=1e-6)
        assert one.columns().keys() - {"site", "group_n"} == alone.columns().keys()


def test_parts_and_joints(fits):
    assert fits.status_counts() == {"converged": 4}
    none = fits[~fits.converged]
    assert len(none) == len(none.to_pandas()) == 0 and none.covariance("robust").shape == (0, 1, 1)
    assert "0 fits of exponential" in none.summary() and "0 fits" in none._repr_html_()
    assert [f.n_observations for f in fits] == [4, 7, 4, 6]
    twice = fits[[1, 1, 0]]
    np.testing.assert_array_equal(twice.covariance("opg"), fits.covariance("opg")[[1, 1, 0]])
    again = jm.Fit.concatenate([fits[2:], fits["u", 1], fits[1:2]])
    order = [2, 3, 0, 1]
    assert again.keys.tolist() == fits.keys[order].tolist()
    for kind in ("observed", "robust"):
        np.testing.assert_allclose(again.covariance(kind), fits.covariance(kind)[order], rtol=1e-12)
    assert again.dropped.tolist() == [1, 0, 0, 0]
    assert len(again.solution.batch.buckets) == len(fits.solution.batch.buckets)
    pinned = [jm.fit(jm.models.pinned("normal", scale=s), [1.0, 2.0, 3.0]) for s in (1.0, 2.0)]
    np.testing.assert_array_equal(jm.Fit.concatenate(pinned).params["scale"], [1.0, 2.0])


def test_joints_that_do_not_fit(fits):
    other = jm.fit("poisson", [1, 2, 3])
    for parts, words in (
        ([], "no fits"),
        ([fits, fits], "'u, 1' stands in more than one"),
        ([fits, other], "different models: exponential and poisson"),
    ):
        with pytest.raises(ValueError, match=words):
            jm.Fit.concatenate(parts)


def test_tables(fits):
    wide = ["rate", "rate_se", "rate_lower", "rate_upper"]
    for frame in (fits.to_pandas(), fits.to_polars()):
        assert list(frame.columns)[:7] == ["site", "group_n", *wide, "log_likelihood"]
        assert list(frame["dropped"]) == [0, 0, 1, 0]
        assert list(frame["group_n"]) == YEARS
    for frame in (fits.to_pandas(long=True), fits.to_polars(long=True)):
        assert list(frame.columns) == ["site", "n", "parameter", "estimate", "se", "lower", "upper", "status"]
        np.testing.assert_array_equal(frame["estimate"], fits.params["rate"])
    assert list(jm.fit_many("exponential", [[1.0, 2.0]]).columns(long=True))[:2] == ["dataset", "parameter"]


def test_xarray(fits):
    xarray = pytest.importorskip("xarray")
    found = fits.to_xarray()
    assert isinstance(found, xarray.Dataset)
    assert found["rate"].dims == ("dataset",)
    assert found["site"].values.tolist() == SITES
    assert found.attrs["data"] == fits.info["data"]
    one = fits[0].to_xarray()
    assert one["rate"].dims == ()
    assert float(one["rate_upper"]) == found["rate_upper"].values[0]


def test_html(fits):
    for fit, words in ((fits, ("4 fits: 4 converged", "u, 2", "Dropped: 1 rows")), (fits[2], ("2.5%", "converged"))):
        text = fit._repr_html_()
        for word in words:
            assert word in text
        assert text.count("<tr>") == text.count("</tr>") > 1
        ends = fit.interval()._repr_html_()
        assert "wald" in ends and ends.count("<tr>") == 1 + (4 if fit is fits else 1)


# --- missing values --------------------------------------------------------------------------------------


def test_missing_values_are_counted_and_shown(fits):
    assert fits.dropped.tolist() == [0, 0, 1, 0]
    assert "Dropped: 1 rows with a missing value, in 1 of 4 data sets" in fits.summary()
    assert fits[2].dropped == 1
    assert "Dropped rows:                        1" in fits[2].summary()
    frame = table()
    told = jm.fit_many("exponential", frame["x"], groups=frame[["site", "n"]])
    assert told.status_counts() == {"converged": 3, "missing_values": 1}
    np.testing.assert_array_equal(told.params["rate"][[0, 1, 3]], fits.params["rate"][[0, 1, 3]])
    assert np.isnan(told.params["rate"][2])


@pytest.mark.parametrize(
    "data",
    [
        pd.Series([1.0, None, 2.0]),
        pd.Series([1, None, 2], dtype="Int64"),
        pl.Series([1, None, 2]),
        np.ma.array([1.0, 7.0, 2.0], mask=[False, True, False]),
    ],
    ids=["pandas", "nullable", "polars", "masked"],
)
def test_missing_in_any_dress(data):
    with pytest.raises(ValueError, match=r"missing \(NaN\) in row 1, and in 1 rows in all.*missing='drop'"):
        jm.fit("poisson", data)
    assert jm.fit("poisson", data, missing="drop").dropped == 1


def test_infinite_is_never_dropped():
    with pytest.raises(ValueError, match="row 1 is inf"):
        jm.fit("poisson", [1.0, np.inf, np.nan], missing="drop")


def test_a_data_set_that_misses_everything():
    fit = jm.fit("poisson", [np.nan, np.nan, np.nan], missing="drop")
    assert fit.status is jm.Status.NO_DATA
    assert "3 rows with a missing value were dropped" in fit.message()


# --- files -----------------------------------------------------------------------------------------------


def exponential_by_hand(params, x):
    return jnp.log(params["rate"]) - params["rate"] * x


def wrong_by_hand(params, x):
    return 2 * (jnp.log(params["rate"]) - params["rate"] * x)


MINE, WRONG = (jm.Model(f, {"rate": spaces.positive}) for f in (exponential_by_hand, wrong_by_hand))


def same(a, b):
    """Every number of two fits, to the last bit."""
    for x, y in zip(a.columns().values(), b.columns().values(), strict=True):
        np.testing.assert_array_equal(x, y)
    np.testing.assert_array_equal(a.covariance(), b.covariance())
    assert repr(a) == repr(b)
    assert a.info == b.info


def test_other_weights_for_the_same_rows():
    """A batch with other weights is the batch that was given with them; ragged data sets, padding included."""
    x, groups = np.array([1.0, 3.0, 2.0, 4.0, 6.0, 0.5]), np.array(["a", "a", "b", "b", "b", "c"])
    weights = np.array([2.0, 1.0, 0.0, 3.0, 1.0, 2.0])
    model = jm.models.as_model("exponential")
    batch = ingest.grouped(x, groups, None, None, np.float64, "error")
    longest = max(b.weights.shape[1] for b in batch.buckets)
    wide = np.zeros((3, longest))
    for i, key in enumerate(("a", "b", "c")):
        wide[i, : (groups == key).sum()] = weights[groups == key]
    again = solve(model, batch.reweighted(wide), Plan())
    want = jm.fit_many(model, x, groups=groups, weights=weights)
    np.testing.assert_allclose(again.params["rate"], want.params["rate"], rtol=1e-12)
    np.testing.assert_array_equal(again.n_observations, want.n_observations)


def test_a_loaded_fit_has_the_same_numbers(fits, tmp_path):
    for fit in (fits, fits["u", 2], fits[1:3]):
        same(jm.load(fit.save(tmp_path / "fit.npz")), fit)
    fits.save(tmp_path / "again.npz")
    first = (tmp_path / "again.npz").read_bytes()
    fits.save(tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == first
    assert sorted(p.name for p in tmp_path.iterdir()) == ["again.npz", "fit.npz"]


def test_what_needs_data_says_so_or_finds_them(fits, tmp_path):
    bare = jm.load(fits.save(tmp_path / "bare.npz"))
    absent = bare.solution.batch.buckets[0].data
    calls = [lambda: bare.covariance("robust"), lambda: bare[0].covariance("opg"), lambda: bare.simulate(1)]
    for call in (*calls, lambda: absent.shape, lambda: np.asarray(absent)):
        with pytest.raises(RuntimeError, match="file that the fit was loaded from holds none.*data=True"):
            call()
    whole = jm.load(fits.save(tmp_path / "whole.npz", data=True))
    np.testing.assert_array_equal(whole.covariance("robust"), fits.covariance("robust"))
    for x, y in zip(whole[2:].simulate(7), fits[2:].simulate(7), strict=True):
        np.testing.assert_array_equal(x, y)
    with pytest.raises(RuntimeError, match="data=True"):
        bare.save(tmp_path / "third.npz", data=True)


def test_a_users_model_is_not_needed(tmp_path):
    """Another process, which has never seen the model, reads the same numbers."""
    fit = jm.fit(MINE, [1.0, 2.0, 4.0])
    path = fit.save(tmp_path / "mine.npz", data=True)
    code = f"import jaxmle as jm; f = jm.load({str(path)!r}); print(f.params['rate'].hex(), f.interval().upper['rate'].hex())"
    code = code.replace("f.params['rate'].hex()", "float(f.params['rate']).hex()")
    code = code.replace("f.interval().upper['rate'].hex()", "float(f.interval().upper['rate']).hex()")
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    want = f"{float(fit.params['rate']).hex()} {float(fit.interval().upper['rate']).hex()}\n"
    assert (result.stdout, result.stderr) == (want, "")


def test_what_needs_the_model_says_so_or_gets_it(tmp_path):
    fit = jm.fit(MINE, [1.0, 2.0, 4.0])
    path = fit.save(tmp_path / "mine.npz", data=True)
    with pytest.raises(RuntimeError, match=r"log-likelihood of exponential_by_hand.*load\(path, model=\.\.\.\)"):
        jm.load(path).covariance("opg")
    np.testing.assert_array_equal(jm.load(path, model=MINE).covariance("opg"), fit.covariance("opg"))
    with pytest.raises(ValueError, match="its log-likelihood is .*, the file says .*give the model that was fitted"):
        jm.load(path, model=WRONG)
    with pytest.raises(ValueError, match="parameters are not those of the model given: mean"):
        jm.load(path, model="poisson")


def test_params_of_any_structure_come_back(tmp_path):
    def f(params, data):
        return -0.5 * ((data["x"] @ params[0]["a"] - params[1]) / data["s"]) ** 2

    space = ({"a": spaces.real(shape=2), "b": spaces.interval(0.0, 1.0)}, spaces.real)
    model = jm.models.pinned(jm.Model(f, space), {"0": {"b": 0.25}, "1": 1.0})
    fit = jm.fit(model, {"x": np.eye(3)[:, :2] + 0.1, "s": jm.constant(2.0)})
    back = jm.load(fit.save(tmp_path / "fit.npz", data=True), model=model)
    same(back, fit)
    assert isinstance(back.params, tuple)
    same(jm.load(tmp_path / "fit.npz"), fit)


def test_files_of_format_1_come_back(fits, tmp_path):
    path = fits.save(tmp_path / "fit.npz")
    with np.load(path) as file:
        arrays = {
            f"outcome.{saved.RENAMED.get(k[8:], k[8:])}" if k[:8] == "outcome." else k: v for k, v in file.items()
        }
    header = json.loads(arrays["header"].tobytes()) | {"format": 1}
    assert "outcome.polish" in arrays and "outcome.rung" in arrays
    np.savez(path, **arrays | {"header": np.frombuffer(json.dumps(header).encode(), np.uint8)})
    same(jm.load(path), fits)


def test_files_that_are_no_fits(fits, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file .*none\.npz; expected one that fit\.save"):
        jm.load(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("x,y\n1,2\n")
    np.savez(tmp_path / "arrays.npz", x=np.ones(3))
    path = fits.save(tmp_path / "fit.npz")
    (tmp_path / "half.npz").write_bytes(path.read_bytes()[:500])
    for name in ("text", "arrays", "half"):
        with pytest.raises(ValueError, match="cannot be read as a saved fit .*; expected a file that"):
            jm.load(tmp_path / f"{name}.npz")
    with np.load(path) as file:
        arrays = dict(file)
    header = json.loads(arrays["header"].tobytes()) | {"format": saved.FORMAT + 1}
    np.savez(path, **arrays | {"header": np.frombuffer(json.dumps(header).encode(), np.uint8)})
    with pytest.raises(ValueError, match=rf"has format {saved.FORMAT + 1}, written by jaxmle .*upgrade"):
        jm.load(path)
    with pytest.raises(ValueError, match="there is no folder"):
        fits.save(tmp_path / "no" / "fit.npz")


def test_info_of_a_fit(fits):
    for name in ("jaxmle", "jax", "device", "dtype", "optimizer", "tolerance", "missing", "data"):
        assert name in fits.info
    assert fits.info["optimizer"] == "newton"
    assert jm.fit("poisson", [1, 2, 3]).info["data"] != jm.fit("poisson", [1, 2, 4]).info["data"]


def test_parts_files_and_tables_of_what_is_computed(fits, tmp_path):
    found = fits.quantile(0.5).columns()  # every key column stands beside the numbers
    assert (list(found)[:2], found["n"].tolist()) == (["site", "n"], YEARS)
    same = jm.likelihood_ratio(jm.fit("exponential", table()["x"], missing="drop"), fits)
    assert same.df == 3 and np.isfinite(same.p_value)
    assert list(jm.compare({"first": fits, "again": fits}).columns())[:2] == ["site", "n"]
    np.testing.assert_array_equal(fits[[2, 0]].simulate(1)[0], fits.simulate(1)[2])  # part or whole, the same draws
    kept, bare = (jm.load(fits.save(tmp_path / f"{data}.npz", data=data)) for data in (True, False))
    np.testing.assert_array_equal(kept.residuals(1), fits.residuals(1))
    for needs in (lambda f: f.interval(method="profile"), lambda f: f.residuals(), lambda f: f.simulate()):
        with pytest.raises(RuntimeError, match="holds none"):
            needs(bare)
    assert fits[:0].interval(method="profile").lower["rate"].shape == (0,)
    assert fits[:0].quantile(0.5).value.shape == (0,)
