"""What a fit takes: data, starts, and sentences for what it refuses."""

import jax.numpy as jnp
import numpy as np
import pandas as pd
import polars as pl
import pytest
from cases import REGRESSION, gaussian, rng
from test_fit import unit_log_likelihood

import jaxmle as jm
from jaxmle import Status, spaces

FIVE = np.array([2.3, 1.9, 2.5, 2.8, 1.7])


# --- anything array-like ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        FIVE.tolist(),
        tuple(FIVE),
        pd.Series(FIVE),
        pl.Series(FIVE),
        jnp.asarray(FIVE),
        FIVE.astype(np.float32),
        FIVE[::-1],
    ],
    ids=["list", "tuple", "pandas", "polars", "jax", "float32", "view"],
)
def test_array_likes(data):
    np.testing.assert_allclose(jm.fit("normal", data).params["loc"], 2.24, rtol=1e-6)


def test_data_frame_columns():
    frame = {"lower": [1.0, 2.0, 3.0], "upper": [1.0, np.inf, 3.0]}
    want = jm.fit("exponential", frame).params["rate"]
    np.testing.assert_allclose(want, 2 / 6, rtol=1e-12)
    for table in (pd.DataFrame(frame), pl.DataFrame(frame)):
        np.testing.assert_allclose(jm.fit("exponential", table).params["rate"], want)


def test_missing_values():
    x = [1.0, np.nan, 3.0]
    with pytest.raises(ValueError, match=r"missing \(NaN\) in row 1"):
        jm.fit("exponential", x)
    dropped = jm.fit("exponential", x, missing="drop")
    np.testing.assert_allclose(dropped.params["rate"], 0.5)
    assert dropped.n_observations == 2
    assert "Dropped rows:" in dropped.summary()
    with pytest.raises(ValueError, match="expected 'error', 'drop'"):
        jm.fit("exponential", x, missing="ignore")


# --- starts ----------------------------------------------------------------------------------------------


def test_starts():
    x = rng(75).gamma(2.0, 1.0, 40)
    cold = jm.fit("gamma", x, start={"shape": 30.0, "scale": 9.0})
    warm = jm.fit("gamma", x, start=cold)
    np.testing.assert_allclose(cold.params["shape"], warm.params["shape"], rtol=1e-10)
    assert warm.steps < cold.steps


@pytest.mark.parametrize(
    ("start", "words"),
    [
        ({"shape": 1.0}, r"another structure.*\['shape'\].*\['scale', 'shape'\]"),
        ({"shape": -1.0, "scale": 1.0}, r"start of shape is -1\.0.*outside its space positive"),
        ({"shape": 0.0, "scale": 1.0}, "start of shape is 0.0"),
        ({"shape": [1.0, 2.0], "scale": 1.0}, r"start of shape has shape \[2\]"),
        ({"shape": np.nan, "scale": 1.0}, "start of shape is nan"),
        ([1.0, 2.0], "another structure"),
    ],
)
def test_wrong_starts(start, words):
    with pytest.raises(ValueError, match=words):
        jm.fit("gamma", [1.0, 2.0, 3.0], start=start)


# --- the door --------------------------------------------------------------------------------------------


def scalar_log_likelihood(params, x):
    return jnp.sum(gaussian(x - params["loc"], 1.0))


def column_log_likelihood(params, x):
    return gaussian(x - params["loc"], 1.0)[:, None]


def pair_log_likelihood(params, x):
    return x, x


def count_log_likelihood(params, x):
    return jnp.ones(x.shape, int)


@pytest.mark.parametrize(
    ("f", "words"),
    [
        (scalar_log_likelihood, r"scalar_log_likelihood must return .* shape \[5\] .* got \[\].*did you sum.*rows"),
        (column_log_likelihood, r"\[5, 1\].*extra axis"),
        (pair_log_likelihood, "one array"),
        (count_log_likelihood, "real numbers"),
    ],
)
@pytest.mark.parametrize("verb", ["fit", "fit_many"])
def test_a_wrong_log_likelihood(f, words, verb):
    model = jm.Model(f, {"loc": spaces.real})
    with pytest.raises(ValueError, match=words):
        jm.fit(model, FIVE) if verb == "fit" else jm.fit_many(model, FIVE[None])


RAGGED = [[1.0, 2.0], [3.0]]
LOCATION = jm.Model(unit_log_likelihood, {"loc": spaces.real})
DOOR = {
    "text": (TypeError, "holds text", lambda: jm.fit("normal", ["a", "b"])),
    "objects": (TypeError, "object", lambda: jm.fit("normal", np.array([1.0, None], object))),
    "dates": (TypeError, "datetime64", lambda: jm.fit("normal", np.array(["2020-01-01"], "datetime64[D]"))),
    "text column": (TypeError, r"column 'b'", lambda: jm.fit(REGRESSION, pd.DataFrame({"a": [1.0], "b": ["u"]}))),
    "ragged": (TypeError, "fit_many with groups=", lambda: jm.fit("normal", RAGGED)),
    "scalar": (ValueError, "observation axis", lambda: jm.fit("normal", 3.0)),
    "lengths": (ValueError, "share their leading axes.*x .*y", lambda: jm.fit(REGRESSION, {"x": np.ones((4, 3)), "y": FIVE})),
    "weights negative": (ValueError, r"-2\.0 in row 1", lambda: jm.fit("normal", FIVE, weights=[1, -2, 1, 1, 1])),
    "weights nan": (ValueError, "in row 0", lambda: jm.fit("normal", FIVE, weights=[np.nan, 1, 1, 1, 1])),
    "weights length": (ValueError, "weights", lambda: jm.fit("normal", FIVE, weights=np.ones(4))),
    "weights shape": (ValueError, r"\[n\]", lambda: jm.fit("normal", FIVE, weights=np.ones((5, 1)))),
    "distribution": (ValueError, "Did you mean 'weibull'", lambda: jm.fit("weibul", FIVE)),
    "model": (TypeError, "expected a Model", lambda: jm.fit(3, FIVE)),
    "tolerance": (ValueError, "tolerance=0", lambda: jm.fit("normal", FIVE, tolerance=0)),
    "tolerance nan": (ValueError, "tolerance=nan", lambda: jm.fit("normal", FIVE, tolerance=float("nan"))),
    "max_steps": (ValueError, "at least 1", lambda: jm.fit("normal", FIVE, max_steps=0)),
    "kind": (ValueError, "'observed'", lambda: jm.fit("normal", FIVE).covariance("hessian")),
    "level": (ValueError, r"did you mean 0\.95", lambda: jm.fit("normal", FIVE).interval(95)),
    "method": (ValueError, "'wald'", lambda: jm.fit("normal", FIVE).interval(method="magic")),
    "scale": (ValueError, "'natural'", lambda: jm.fit("normal", FIVE).interval(scale="log")),
    "one axis": (ValueError, r"\[datasets, n, \.\.\.\].*shared=", lambda: jm.fit_many("normal", FIVE)),
    "groups length": (ValueError, r"one key per row.*\[5\]", lambda: jm.fit_many("normal", FIVE, groups=[1, 2])),
    "lanes": (ValueError, "lanes=0", lambda: jm.fit_many("normal", FIVE[None], lanes=0)),
    "lanes text": (ValueError, "'auto'", lambda: jm.fit_many("normal", FIVE[None], lanes="many")),
    "many weights": (ValueError, "weights", lambda: jm.fit_many("normal", FIVE[None], weights=np.ones(4))),
    "shared twice": (ValueError, "once", lambda: jm.fit_many(REGRESSION, {"x": np.ones((1, 4, 3)), "y": np.ones((1, 4))},
                                                             shared={"x": np.ones((4, 3))})),
    "shared axis": (ValueError, "first axis", lambda: jm.fit_many(REGRESSION, {"y": np.ones((1, 4))},
                                                                  shared={"x": np.ones((3, 3))})),
    "no expected": (TypeError, "not known", lambda: jm.fit(LOCATION, FIVE).covariance("expected")),
}  # fmt: skip


@pytest.mark.parametrize("name", DOOR)
def test_the_door_speaks(name):
    error, words, call = DOOR[name]
    with pytest.raises(error, match=words):
        call()


def test_an_empty_data_set_is_a_verdict():
    fit = jm.fit("normal", [])
    assert fit.status is Status.NO_DATA
    assert np.isnan(fit.params["loc"])
    assert fit.n_observations == 0
    assert "no data" in fit.summary()
