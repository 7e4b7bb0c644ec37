"""Broken promises of a model, what the check refuses, and its report."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from derivatives import GAMMA, GAMMA_AT, GAMMA_DATA, RNG, N, gamma_hessian, gamma_score
from test_check import in_score

from jaxmle import spaces
from jaxmle.checks.check import Report, check
from jaxmle.model.model import Model, constant, rows

# --- broken promises -----------------------------------------------------------------------------------------

Z = RNG.normal(size=8)
FIXED = jnp.asarray(Z, jnp.float32)
COUNTER = itertools.count()
LOC = {"loc": spaces.real}


def square(p, x):
    return -0.5 * (x - p["loc"]) ** 2


def negative(p, x):
    return 0.5 * (x - p["loc"]) ** 2


def summed(p, x):
    return square(p, x).sum()


def column(p, x):
    return square(p, x)[:, None]


def with_numpy(p, x):
    return -0.5 * np.square(np.asarray(x - p["loc"]))


def with_if(p, x):
    return square(p, x) if p["loc"] > 0 else 2 * square(p, x)


def outside(p, x):
    return jnp.log(x - p["loc"])


def where_trap(p, x):
    z = x - p["loc"]
    return jnp.where(z > 0, -z - jnp.sqrt(jnp.maximum(z, 0.0)), z)


def centred(p, x):
    return -0.5 * (x - x.mean() - p["loc"]) ** 2


def shared_penalty(p, x):
    return square(p, x) - p["loc"] ** 2 / len(x)


def cast(p, x):
    return square(p, x.astype(jnp.float32)).astype(x.dtype)


def float32_constant(p, x):
    return square(p, x) - jnp.float32(0.1) * p["loc"]


def closed_over(p, x):
    return square(p, FIXED) + 0 * x


def table_inside(p, x):
    return square(p, x) + 0 * jnp.asarray(np.linspace(0, 1, 100)).sum() * p["loc"]


def ignores_data(p, x):
    return square(p, jnp.zeros(8))


def impure(p, x):
    return square(p, x) * (1 + next(COUNTER))


def positional(p, x):
    return square(p, x) + jnp.arange(len(x)) * p["loc"]


def cancelling(p, x):
    return -0.5 * ((x + 1e7) - (p["loc"] + 1e7)) ** 2


def stopped(p, x):
    return square(p, x) - jax.lax.stop_gradient(p["loc"]) * x


def integers(p, x):
    return jnp.round(square(p, x)).astype(int)


def mean_start(x, w):
    return {"loc": x.mean()}


def weighted_start(x, w):
    return {"loc": jnp.sum(w * x) / jnp.sum(w)}


def numpy_start(x, w):
    return {"loc": np.mean(np.asarray(x))}


def integer_start(x, w):
    return {"loc": jnp.array(0)}


def illegal_start(x, w):
    return {"scale": -jnp.sum(w * x**2)}


def infinite_start(x, w):
    return {"loc": jnp.inf * jnp.sum(w)}


def scaled(p, x):
    return -jnp.log(p["scale"]) - 0.5 * (x / p["scale"]) ** 2


def simulate_unit(key, p, x):
    return p["loc"] + jax.random.normal(key, x.shape)


def simulate_biased(key, p, x):
    return p["loc"] + 0.3 + jax.random.normal(key, x.shape)


def simulate_short(key, p, x):
    return jnp.zeros(3)


def half(p, x):
    return -1.0 * (x - p["loc"]) ** 2


def two_parameters(p, x):
    return square(p, x) + 0 * p["idle"]


def future(p, x):
    return -0.5 * (x - p["loc"] * jnp.append(x[1:], 0.0)) ** 2


def past(p, x):
    return -0.5 * (x - p["loc"] * jnp.append(0.0, x[:-1])) ** 2


SCALE = {"scale": spaces.positive}
BROKEN = [
    (Model(summed, LOC), "contributions", "fail", "did you sum"),
    (Model(column, LOC), "contributions", "fail", "squeeze"),
    (Model(integers, LOC), "contributions", "fail", "floating-point"),
    (Model(with_numpy, LOC), "contributions", "fail", "jax.numpy"),
    (Model(with_if, LOC), "contributions", "fail", "jnp.where"),
    (Model(outside, LOC), "finite at params", "fail", "outside the support"),
    (Model(where_trap, LOC), "finite gradients", "fail", "loc"),
    (Model(centred, LOC), "no dependence on other rows", "fail", "mean"),
    (Model(shared_penalty, LOC), "weight 0 equals absent", "fail", "number of rows"),
    (Model(positional, LOC), "order of rows", "fail", "permuted"),
    (Model(cast, LOC), "float32 numbers", "fail", "astype"),
    (Model(float32_constant, LOC), "float32 numbers", "fail", "0.1"),
    (Model(closed_over, LOC), "float32 numbers", "fail", "made outside"),
    (Model(closed_over, LOC), "no data captured in the function", "fail", "captured"),
    (Model(table_inside, LOC), "no data captured in the function", "warn", "[100]"),
    (Model(ignores_data, LOC), "arguments used", "fail", "data"),
    (Model(impure, LOC), "pure", "fail", "two traces"),
    (Model(cancelling, LOC), "float32 digits", "warn", "large numbers"),
    (Model(stopped, LOC), "exact score against finite differences", "fail", "stop_gradient"),
    (Model(negative, LOC), "sign", "warn", "negative"),
    (Model(two_parameters, {"loc": spaces.real, "idle": spaces.real}), "every parameter matters", "warn", "idle"),
    (Model(square, LOC, start=mean_start), "start respects weights", "fail", "jnp.sum(w * x)"),
    (Model(square, LOC, start=weighted_start), "start respects weights", "pass", "twice"),
    (Model(square, LOC, start=numpy_start), "start", "fail", "jax.numpy"),
    (Model(square, LOC, start=integer_start), "start", "warn", "integer"),
    (Model(square, LOC, start=infinite_start), "start", "fail", "outside"),
    (Model(scaled, SCALE, start=illegal_start), "start", "fail", "outside"),
    (Model(square, LOC, simulate=simulate_unit), "information equality", "pass", "agree"),
    (Model(square, LOC, simulate=simulate_biased), "mean score is zero", "fail", "different models"),
    (Model(half, LOC, simulate=simulate_unit), "information equality", "fail", "log-densities"),
    (Model(square, LOC, simulate=simulate_short), "simulate", "fail", "expected data"),
    (Model(square, LOC), "mean score is zero", "skipped", "cannot simulate"),
    (Model(future, LOC, observations="ordered"), "no dependence on later rows", "fail", "past"),
    (Model(past, LOC, observations="ordered"), "no dependence on later rows", "pass", "past"),
]


@pytest.mark.parametrize(
    ("model", "name", "verdict", "words"), BROKEN, ids=[f"{m.log_likelihood.__name__}-{n}-{v}" for m, n, v, _ in BROKEN]
)
def test_broken_promises_are_named(model, name, verdict, words):
    at = dict.fromkeys(model.space, 0.6)
    data = np.where(np.arange(8) == 3, 0.6, Z) if model.log_likelihood is where_trap else Z
    report = check(model, at, data)
    assert report[name]["verdict"] == verdict, str(report)
    assert words in report[name]["message"]
    assert report.ok == all(r["verdict"] != "fail" for r in report.rows)


def one(p, d):
    return -0.5 * ((d["x"] - p["loc"]) / d["scale"]) ** 2


def with_constant(p, d):
    return -0.5 * ((d["x"] - p["loc"]) / d["scale"]) ** 2


def test_rows_and_constants_pass():
    report = check(Model(rows(one), LOC), {"loc": 0.2}, {"x": Z, "scale": np.full(8, 2.0)})
    assert report.ok, str(report)
    report = check(Model(with_constant, LOC), {"loc": 0.2}, {"x": Z, "scale": constant(2.0)})
    assert report.ok, str(report)


def test_integer_params_are_a_warning():
    assert check(Model(square, LOC), {"loc": 1}, Z)["floating params"]["verdict"] == "warn"


# --- the door ------------------------------------------------------------------------------------------------

DOOR = [
    ({"shape": 1.0}, GAMMA_DATA, "scale missing"),
    ({"shape": 1.0, "scale": 1.0, "rate": 1.0}, GAMMA_DATA, "rate unknown"),
    ({"shape": 1.0, "scale": -1.0}, GAMMA_DATA, "scale = -1. is outside"),
    ({"shape": 1.0, "scale": [1.0, 2.0]}, GAMMA_DATA, r"scale has shape \[2\]"),
    ({"shape": 1.0, "scale": "big"}, GAMMA_DATA, "scale is 'big'"),
    ([1.0, 2.0], GAMMA_DATA, "parameters scale, shape"),
    (GAMMA_AT, 3.0, "single number"),
    (GAMMA_AT, [], "no leaf|no rows"),
    (GAMMA_AT, {"x": np.ones(3), "y": np.ones(4)}, "differ in their number of rows"),
    (GAMMA_AT, np.array(["a", "b"]), "expected numbers"),
]


@pytest.mark.parametrize(("params", "data", "words"), DOOR, ids=[d[2] for d in DOOR])
def test_the_door_names_what_is_wrong(params, data, words):
    with pytest.raises(ValueError, match=words):
        check(GAMMA, params, data)


def test_weights_at_the_door():
    with pytest.raises(ValueError, match="one per row"):
        check(GAMMA, GAMMA_AT, GAMMA_DATA, weights=[1.0])
    with pytest.raises(ValueError, match="not all 0"):
        check(GAMMA, GAMMA_AT, GAMMA_DATA, weights=np.zeros(N))


# --- the report ----------------------------------------------------------------------------------------------


def test_report_reads_well_and_holds_no_jax_array():
    report = check(GAMMA, GAMMA_AT, GAMMA_DATA, in_score(gamma_score, "scale", lambda s, p, d, o: -s), gamma_hessian)
    text = str(report)
    assert text.startswith("gamma_log_likelihood: 24 observations, 2 parameters\nNOT OK: ")
    assert max(map(len, text.splitlines())) <= 110
    assert next(line for line in text.splitlines() if "WRONG" in line).split()[0] == "scale"
    assert "WRONG" in report._repr_html_()
    with pytest.raises(AssertionError, match="score of scale: wrong sign"):
        report.raise_if_failed()
    leaves = jax.tree.leaves([report.rows, report.score, report.hessian, report.title])
    assert all(isinstance(x, (str, float, int)) for x in leaves)
    assert not report
    assert isinstance(report, Report)
    with pytest.raises(KeyError, match="no check named"):
        report["nothing"]


def test_the_global_flag_is_left_alone_and_does_not_matter():
    before = jax.config.jax_enable_x64
    off = check(GAMMA, GAMMA_AT, GAMMA_DATA, gamma_score)
    assert jax.config.jax_enable_x64 == before
    with jax.enable_x64(True):
        on = check(GAMMA, GAMMA_AT, GAMMA_DATA, gamma_score)
    assert off.score == on.score
    assert [r["verdict"] for r in off.rows] == [r["verdict"] for r in on.rows]
    off.raise_if_failed()


def test_rules_for_one_row_may_have_constants():
    """`rows` must tell constants from rows, in a check as in a fit; simulated data get the marks of the data."""

    def one(params, row):
        return -0.5 * ((row["x"] - params["loc"]) / row["scale"]) ** 2

    def simulate(key, params, data):
        return {**data, "x": params["loc"] + data["scale"] * jax.random.normal(key, data["x"].shape)}

    model = Model(rows(one), {"loc": spaces.real}, simulate=simulate)
    report = check(model, {"loc": 1.0}, {"x": np.arange(5.0), "scale": constant(2.0)})
    assert report.ok, report
