"""What a model of one's own reads decides: columns of a table, missing values, parameters; and names of other packages."""

import jax
import numpy as np
import pandas as pd
import polars as pl
import pytest
from jax.scipy.stats import norm

import jaxmle as jm

X = [1.2, 3.4, 2.2, 5.1, 0.7]
REAL, POSITIVE = jm.spaces.real, jm.spaces.positive


def of_array(p, d):
    return norm.logpdf(d, p["loc"], p["scale"])


def of_column(p, d):
    return norm.logpdf(d["y"], p["loc"], p["scale"])


ARRAY = jm.Model(of_array, {"loc": REAL, "scale": POSITIVE})
COLUMN = jm.Model(of_column, {"loc": REAL, "scale": POSITIVE})
COMPILED = jm.Model(jax.jit(of_column), {"loc": REAL, "scale": POSITIVE})
STARTED = jm.Model(
    of_column,
    {"loc": REAL, "scale": POSITIVE},
    start=lambda d, w: {"loc": d["y"].mean(), "scale": 1.0 + 0 * d["z"].sum()},
)


@pytest.mark.parametrize("table", [pd.DataFrame({"y": X}), pl.DataFrame({"y": X}), {"y": X}, {"y": np.array(X)}])
def test_a_model_of_an_array_reads_a_table_of_one_column(table):
    assert jm.fit(ARRAY, table).log_likelihood == jm.fit(ARRAY, X).log_likelihood
    many = jm.fit_many(ARRAY, table, groups=[0] * 5)
    assert many.log_likelihood[0] == pytest.approx(jm.fit(ARRAY, X).log_likelihood, rel=1e-12)


@pytest.mark.parametrize("model", [COLUMN, COMPILED], ids=["traced", "compiled"])
@pytest.mark.parametrize("missing", ["error", "drop", "status"])
@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame, dict])
@pytest.mark.parametrize(
    "note", [[np.nan] * 4 + [1.0], list("abcde"), [None, None, 1.0, 2.0, 3.0]], ids=["nan", "text", "none"]
)
def test_columns_that_the_model_does_not_read_decide_nothing(model, missing, frame, note):
    found, alone = jm.fit(model, frame({"y": X, "note": note}), missing=missing), jm.fit(model, {"y": X})
    assert (found.log_likelihood, found.n_observations, found.dropped) == (alone.log_likelihood, 5, 0)
    many = jm.fit_many(model, frame({"y": X, "note": note}), groups=list("aabbb"), missing=missing)
    assert many.n_observations.tolist() == [2, 3]


def test_columns_that_the_start_reads_are_read():
    with pytest.raises(ValueError, match=r"z is missing \(NaN\) in row 0"):
        jm.fit(STARTED, {"y": X, "z": [np.nan] * 5})


def test_columns_of_a_model_of_an_array_are_asked_for():
    with pytest.raises(
        ValueError, match=r"reads an array, and the data have the columns y, z; give that column, such as data\['y'\]"
    ):
        jm.fit(ARRAY, pd.DataFrame({"y": X, "z": X}))


@pytest.mark.parametrize("function", [of_array, jax.jit(of_array)], ids=["traced", "compiled"])
def test_a_parameter_that_never_enters_is_named(function):
    model = jm.Model(function, {"loc": REAL, "scale": POSITIVE, "extra": POSITIVE})
    fit, many = jm.fit(model, X), jm.fit_many(model, [X, X])
    both = jm.fit(
        jm.Model(function, {"loc": REAL, "scale": POSITIVE, "extra": POSITIVE, "more": jm.spaces.simplex(3)}), X
    )
    assert fit.status == both.status == jm.Status.NOT_IDENTIFIED and (many.status == jm.Status.NOT_IDENTIFIED).all()
    for said in (fit.message(), many.message(1)):
        assert "not identified (extra)" in said and "extra does not enter the log-likelihood" in said
    assert "extra, more[0], more[1] do not enter the log-likelihood" in both.message()
    assert jm.fit(jm.models.pinned(model, {"extra": 1.0}), X).converged
    assert jm.fit(jm.models.tied(model, {"extra": "scale"}), X).converged


def test_spaces_show_their_public_names_alone():
    assert dir(jm.spaces) == sorted(jm.spaces.__all__)


def test_a_margin_that_is_a_model_is_named_in_few_words():
    with pytest.raises(
        TypeError, match="margin 'a' is the model 'gamma'; expected a distribution or its name"
    ) as error:
        jm.models.gaussian_copula({"a": jm.models.pinned("gamma", {"shape": 2.0}), "b": "weibull"})
    assert len(str(error.value)) < 250 and "Response" not in str(error.value)
