"""What people hand over: tables, dates, whole numbers of any size, fits on their way to other processes."""

import datetime
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import polars as pl
import pytest

import jaxmle as jm

X = [1.2, 3.4, 2.2, 5.1, 0.7]
EVENT = [1, 1, 0, 1, 0]
INTERVALS = {"lower": X, "upper": [x if e else np.inf for x, e in zip(X, EVENT, strict=True)]}
FRAME = {"hours": X, "note": [np.nan] * 4 + [1.0]}

# name: (what is given, what it stands for)
SAME = {
    "pandas, one column": (pd.DataFrame({"hours": X}), X),
    "polars, one column": (pl.DataFrame({"hours": X}), X),
    "a dict of one": ({"hours": X}, X),
    "sparse": (pd.arrays.SparseArray(X), X),
    "time and event": (pd.DataFrame({"time": X, "event": EVENT, "machine": list("abcde")}), INTERVALS),
    "true and false": ({"time": X, "event": np.array(EVENT, bool)}, INTERVALS),
    "a column with gaps that nobody reads": ({**INTERVALS, "note": [np.nan] * 5}, INTERVALS),
}  # fmt: skip


@pytest.mark.parametrize("name", SAME)
def test_a_table_gives_what_is_meant(name):
    given, meant = SAME[name]
    one, other = jm.fit("weibull", given), jm.fit("weibull", meant)
    assert one.log_likelihood == other.log_likelihood and one.n_observations == 5
    if "event" not in name and not isinstance(given, pd.arrays.SparseArray):
        many = jm.fit_many("weibull", given, groups=[0] * 5)
        np.testing.assert_allclose(many.log_likelihood[0], other.log_likelihood, rtol=1e-12)


def test_pyarrow_is_read():
    table = pytest.importorskip("pyarrow").table({"hours": X})
    assert jm.fit("weibull", table).log_likelihood == jm.fit("weibull", X).log_likelihood


def test_vectors_are_the_columns_of_a_frame():
    r = np.random.default_rng(0).normal(size=(12, 2))
    frame = pd.DataFrame(r, columns=["height", "weight"])
    family = jm.distributions.multivariate_normal(2)
    assert jm.fit(family, frame).log_likelihood == jm.fit(family, r).log_likelihood


REFUSED = {
    "which column": (lambda: jm.fit("weibull", pd.DataFrame(FRAME)), ValueError, r"columns are: hours, note; give that column, such as data\['hours'\]"),
    "one name twice": (lambda: jm.fit("weibull", pd.DataFrame(np.ones((4, 3)), columns=["lower", "upper", "upper"])), ValueError, "several are called 'upper'"),
    "a lazy frame": (lambda: jm.fit("weibull", pl.DataFrame({"x": X}).lazy()), TypeError, r"give data.collect\(\)"),
    "a list for two columns": (lambda: jm.fit("binomial", [3, 4]), ValueError, "successes and trials, got one list"),
    "an event of 2": (lambda: jm.fit("weibull", {"time": X, "event": [1, 2, 0, 1, 0]}), ValueError, "event is 1 where"),
    "a generator": (lambda: jm.fit("weibull", (x for x in X)), TypeError, r"make it a list"),
    "durations": (lambda: jm.fit("weibull", pd.to_timedelta(X, unit="h")), TypeError, r"dt.total_seconds\(\)"),
    "dates": (lambda: jm.fit("normal", np.array(["2020-01-01"], "datetime64[D]")), TypeError, "Subtract a first date"),
    "inside jit": (lambda: jax.jit(lambda x: jm.fit("normal", x).params)(jnp.array(X)), TypeError, "jaxmle.maximize"),
    "keys beyond 64 bits": (lambda: jm.fit_many("normal", X, groups=[2**70] * 2 + [2**71] * 3), TypeError, "make them text first"),
    "a missing key of pandas": (lambda: jm.fit_many("normal", X, groups=pd.Series(["a", pd.NA, "b", "b", "b"], dtype="string")), ValueError, "key of row 1 is missing"),
    "a missing truth value": (lambda: jm.fit_many("normal", X, groups=pd.Series([True, pd.NA, False, False, False], dtype="boolean")), ValueError, "key of row 1 is missing"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_says_what_to_give(name):
    call, error, words = REFUSED[name]
    with pytest.raises(error, match=words):
        call()


def test_dates_are_keys():
    days = [datetime.date(2020, 1, 1)] * 2 + [datetime.date(2020, 1, 2)] * 3
    fits = jm.fit_many("normal", X, groups=days)
    for key in (days[2], pd.Timestamp(days[2]), "2020-01-02", np.datetime64("2020-01-02")):
        assert fits[key].log_likelihood == fits[1].log_likelihood
    assert fits["2020-01-01"].n_observations == 2
    with pytest.raises(KeyError, match="several data sets"):
        fits["2020-01"]
    noon = datetime.datetime(2020, 1, 1, 12, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))
    assert jm.fit_many("normal", X, groups=[noon] * 5)["2020-01-01T10:00"].n_observations == 5


def test_whole_numbers_beyond_2_to_63_keep_their_sign():
    x = np.array([2**63 + 2**20, 2**63 + 2**21, 2**63 + 3 * 2**21], np.uint64)
    np.testing.assert_allclose(jm.fit("normal", x).params["loc"], x.astype(float).mean(), rtol=1e-15)


def test_fits_travel_to_other_processes():
    for fit in (
        jm.fit("weibull", INTERVALS),
        jm.fit_many("gamma", [X, X[::-1]]),
        jm.fit(jm.models.pinned("gamma", shape=2.0), X),
    ):
        other = pickle.loads(pickle.dumps(fit))
        for name, value in fit.params.items():
            np.testing.assert_array_equal(other.params[name], value)
        np.testing.assert_array_equal(list(other.standard_errors().values()), list(fit.standard_errors().values()))
    own = jm.Model(lambda p, x: -jnp.cosh(x - p["a"]), {"a": jm.spaces.real})
    other = pickle.loads(pickle.dumps(jm.fit(own, X)))
    assert other.converged and other.params["a"] == jm.fit(own, X).params["a"]


def test_an_estimate_at_a_limit_is_no_start():
    """The model's own takes its place, as in `fit_many`."""
    at_infinity = jm.fit("student_t", np.linspace(-1.0, 1.0, 9))
    assert not np.isfinite(at_infinity.params["df"])
    x = np.random.default_rng(1).standard_t(3, 50)
    np.testing.assert_allclose(
        jm.fit("student_t", x, start=at_infinity).params["df"], jm.fit("student_t", x).params["df"], rtol=1e-6
    )


def test_maximize_takes_what_fit_takes_and_compiles_once(monkeypatch):
    x = jnp.array(X)
    first = jm.maximize("gamma", x)
    monkeypatch.setattr(jax.stages.Lowered, "compile", lambda *_: 1 / 0)
    again = jm.maximize(jm.distributions.gamma, x + 1.0)
    assert first.converged and again.converged
