"""Laws of `check`: right derivatives pass, every seeded mistake is named, every broken promise is named."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.special import digamma, gammaln

from jaxmle import spaces
from jaxmle.checks.check import Report, check
from jaxmle.model.model import Model, constant, rows

RNG = np.random.default_rng(20)
N = 24


# --- three models with hand-derived scores and Hessians ------------------------------------------------------


def normal_log_likelihood(params, d):
    z = (d["y"] - d["x"] @ params["beta"]) / params["scale"]
    return -0.5 * jnp.log(2 * jnp.pi) - jnp.log(params["scale"]) - 0.5 * z**2


def normal_start(d, w):
    root = jnp.sqrt(w)
    beta = jnp.linalg.lstsq(d["x"] * root[:, None], d["y"] * root)[0]
    return {"beta": beta, "scale": jnp.sqrt(jnp.sum(w * (d["y"] - d["x"] @ beta) ** 2) / jnp.sum(w))}


def normal_simulate(key, params, d):
    return {**d, "y": d["x"] @ params["beta"] + params["scale"] * jax.random.normal(key, d["y"].shape)}


def normal_information(params, d):
    s, n = params["scale"], len(d["y"])
    out = jnp.zeros((n, 3, 3)).at[:, :2, :2].set(d["x"][:, :, None] * d["x"][:, None, :] / s**2)
    return out.at[:, 2, 2].set(2 / s**2)


NORMAL = Model(
    normal_log_likelihood,
    {"beta": spaces.real(shape=2), "scale": spaces.positive},
    start=normal_start,
    simulate=normal_simulate,
    information=normal_information,
    name="normal regression",
)
X = np.stack([np.ones(N), RNG.normal(size=N)], axis=1)
NORMAL_DATA = {"x": X, "y": X @ [1.0, 2.0] + RNG.normal(size=N)}
NORMAL_AT = {"beta": np.array([0.8, 2.1]), "scale": 1.2}


def normal_score(params, d):
    r, s = d["y"] - d["x"] @ params["beta"], params["scale"]
    return {"beta": d["x"].T @ r / s**2, "scale": (r**2).sum() / s**3 - len(r) / s}


def normal_hessian(params, d):
    x, r, s = np.asarray(d["x"]), np.asarray(d["y"] - d["x"] @ params["beta"]), float(params["scale"])
    out = np.zeros((3, 3))
    out[:2, :2] = -x.T @ x / s**2
    out[:2, 2] = out[2, :2] = -2 * x.T @ r / s**3
    out[2, 2] = len(r) / s**2 - 3 * (r**2).sum() / s**4
    return out


def gamma_log_likelihood(params, x):
    k, s = params["shape"], params["scale"]
    return (k - 1) * jnp.log(x) - x / s - gammaln(k) - k * jnp.log(s)


def gamma_simulate(key, params, x):
    return params["scale"] * jax.random.gamma(key, params["shape"], x.shape)


GAMMA = Model(gamma_log_likelihood, {"shape": spaces.positive, "scale": spaces.positive}, simulate=gamma_simulate)
GAMMA_DATA = RNG.gamma(2.5, 1.5, size=N)
GAMMA_AT = {"shape": 2.2, "scale": 1.7}


def gamma_score(params, x):
    k, s = params["shape"], params["scale"]
    return {"shape": jnp.log(x).sum() - len(x) * (digamma(k) + jnp.log(s)), "scale": x.sum() / s**2 - len(x) * k / s}


def gamma_hessian(params, x):
    k, s, n = params["shape"], params["scale"], len(x)
    cross = -n / s
    return {
        "shape": {"shape": -n * jax.scipy.special.polygamma(1, k), "scale": cross},
        "scale": {"shape": cross, "scale": n * k / s**2 - 2 * x.sum() / s**3},
    }


def weibull_log_likelihood(params, x):
    k, s = params["shape"], params["scale"]
    return jnp.log(k / s) + (k - 1) * jnp.log(x / s) - (x / s) ** k


WEIBULL = Model(weibull_log_likelihood, {"shape": spaces.positive, "scale": spaces.positive})
WEIBULL_DATA = 30.0 * RNG.weibull(1.4, size=N)
WEIBULL_AT = {"shape": 1.3, "scale": 33.0}


def weibull_contributions(params, x):
    """One row of scores for each observation, in the order scale, shape."""
    k, s = params["shape"], params["scale"]
    z = np.asarray(x / s)
    return np.stack([-k / s + k / s * z**k, 1 / k + np.log(z) - z**k * np.log(z)], axis=1)


def weibull_hessian(params, x):
    k, s, n = float(params["shape"]), float(params["scale"]), len(x)
    z = np.asarray(x) / s
    cross = -n / s + (z**k * (1 + k * np.log(z))).sum() / s
    scale = n * k / s**2 - k * (k + 1) / s**2 * (z**k).sum()
    return np.array([[scale, cross], [cross, -n / k**2 - (z**k * np.log(z) ** 2).sum()]])


CASES = {
    "normal": (NORMAL, NORMAL_AT, NORMAL_DATA, normal_score, normal_hessian),
    "gamma": (GAMMA, GAMMA_AT, GAMMA_DATA, gamma_score, gamma_hessian),
    "weibull": (WEIBULL, WEIBULL_AT, WEIBULL_DATA, weibull_contributions, weibull_hessian),
}


def message(report):
    """The messages of all rows that did not pass, with their names."""
    return "\n".join(f"{r['name']}: {r['message']}" for r in report.rows if r["verdict"] in ("fail", "warn"))


# --- right derivatives ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_right_derivatives_pass(name):
    model, at, data, score, hessian = CASES[name]
    report = check(model, at, data, score, hessian)
    assert report.ok, str(report)
    assert all(e["verdict"] == "ok" and e["relative_error"] < 1e-8 for e in report.score + report.hessian)
    assert {e["parameter"] for e in report.score} == set(model.value_names)
    assert not [r for r in report.rows if r["verdict"] == "warn"], str(report)


@pytest.mark.parametrize("name", CASES)
def test_right_values_pass_with_weights(name):
    model, at, data, score, hessian = CASES[name]
    w = np.arange(N) % 3 * 1.0
    index = np.repeat(np.arange(N), w.astype(int))
    repeated = jax.tree.map(lambda x: x[index], data)
    with jax.enable_x64(True):
        total, curvature = score(at, repeated), hessian(at, repeated)
    total = np.sum(total, axis=0) if name == "weibull" else total
    report = check(model, at, data, total, curvature, weights=w)
    assert report.ok, str(report)
    assert not [r for r in report.rows if r["verdict"] == "warn"], str(report)


def test_values_computed_in_float32_are_a_warning():
    with jax.enable_x64(False):
        total = jax.tree.map(jnp.float32, gamma_score(GAMMA_AT, GAMMA_DATA))
    report = check(GAMMA, GAMMA_AT, GAMMA_DATA, total)
    assert report.ok
    assert "float32" in message(report)


def test_flat_nested_and_contributions_agree():
    total = {k: np.asarray(v) for k, v in normal_score(NORMAL_AT, NORMAL_DATA).items()}
    flat = np.concatenate([total["beta"], [total["scale"]]])
    H = normal_hessian(NORMAL_AT, NORMAL_DATA)
    nested = {
        "beta": {"beta": H[:2, :2], "scale": H[:2, 2]},
        "scale": {"beta": H[2, :2], "scale": H[2, 2]},
    }

    def each(params, d):
        r, s = d["y"] - d["x"] @ params["beta"], params["scale"]
        return {"beta": d["x"] * (r / s**2)[:, None], "scale": r**2 / s**3 - 1 / s}

    for score in (total, flat, list(flat), each, each(NORMAL_AT, NORMAL_DATA)):
        assert check(NORMAL, NORMAL_AT, NORMAL_DATA, score, nested).ok


# --- seeded mistakes -----------------------------------------------------------------------------------------


def in_score(score, name, change):
    def wrong(params, d):
        out = dict(score(params, d))
        out[name] = change(out[name], params, d, out)
        return out

    return wrong


def n_of(d):
    return len(d["y"]) if isinstance(d, dict) else len(d)


MISTAKES = [
    ("scale", "wrong sign", lambda s, p, d, o: -s),
    ("scale", "factor 2", lambda s, p, d, o: 2 * s),
    ("scale", "factor 1/2", lambda s, p, d, o: s / 2),
    ("scale", "1/n", lambda s, p, d, o: s / n_of(d)),
    ("scale", "1/n", lambda s, p, d, o: s / N),
    ("scale", "log(scale)", lambda s, p, d, o: s * p["scale"]),
    ("scale", "with respect to scale**2", lambda s, p, d, o: s / (2 * p["scale"])),
    ("scale", "with respect to 1/scale", lambda s, p, d, o: -s * p["scale"] ** 2),
    ("scale", "the whole derivative is missing", lambda s, p, d, o: 0 * s),
    ("scale", "base 10", lambda s, p, d, o: s / np.log(10)),
    ("scale", "digits", lambda s, p, d, o: s * 1.0 + 1e-5 * abs(s) * np.sin(1e3 * s)),
    ("scale", "not finite", lambda s, p, d, o: s + np.nan),
    ("scale", "is missing: add -n", lambda s, p, d, o: s + n_of(d)),
    ("scale", "counted once", lambda s, p, d, o: s + (n_of(d) - 1) / p["scale"]),
]


@pytest.mark.parametrize("case", ["normal", "gamma"])
@pytest.mark.parametrize(("parameter", "word", "change"), MISTAKES, ids=lambda x: x if isinstance(x, str) else "")
def test_score_mistakes_are_named(case, parameter, word, change):
    model, at, data, score, _ = CASES[case]
    report = check(model, at, data, in_score(score, parameter, change))
    found = [r for r in report.rows if r["name"] == f"score of {parameter}"]
    assert len(found) == 1, message(report)
    assert word in found[0]["message"]
    assert report.ok == (word == "digits")
    assert [e["parameter"] for e in report.score if e["verdict"] != "ok"] == [parameter]


def test_missing_terms_are_named():
    wrong = in_score(normal_score, "scale", lambda s, p, d, o: s + len(d["y"]) / p["scale"])
    report = check(NORMAL, NORMAL_AT, NORMAL_DATA, wrong)
    assert "does not depend on the data is missing: add -n/scale" in report["score of scale"]["message"]
    wrong = in_score(normal_score, "scale", lambda s, p, d, o: s + 2 * len(d["y"]) / p["scale"])
    report = check(NORMAL, NORMAL_AT, NORMAL_DATA, wrong)
    assert "wrong sign: -n/scale is right" in report["score of scale"]["message"]
    wrong = in_score(gamma_score, "scale", lambda s, p, x, o: s - x.sum() / p["scale"] ** 2)
    report = check(GAMMA, GAMMA_AT, GAMMA_DATA, wrong)
    assert "depends on the data is missing: add sum(data)/scale**2" in report["score of scale"]["message"]
    wrong = in_score(gamma_score, "shape", lambda s, p, x, o: s + len(x) * digamma(p["shape"]))
    report = check(GAMMA, GAMMA_AT, GAMMA_DATA, wrong)
    assert "does not depend on the data is missing or extra" in report["score of shape"]["message"]
    wrong = in_score(gamma_score, "shape", lambda s, p, x, o: s + jnp.sin(x).sum())
    report = check(GAMMA, GAMMA_AT, GAMMA_DATA, wrong)
    assert "depends on the data is missing, extra or wrong" in report["score of shape"]["message"]


def test_unweighted_score_is_named():
    report = check(GAMMA, GAMMA_AT, GAMMA_DATA, gamma_score, weights=np.arange(N) % 3 * 1.0)
    assert "the weights are missing" in message(report)


def test_swapped_entries_and_reversed_signs():
    def swapped(params, x):
        out = gamma_score(params, x)
        return {"shape": out["scale"], "scale": out["shape"]}

    report = check(GAMMA, GAMMA_AT, GAMMA_DATA, swapped)
    assert "swapped: this is the exact entry of scale" in report["score of shape"]["message"]
    assert "swapped: this is the exact entry of shape" in report["score of scale"]["message"]
    negative = check(
        GAMMA,
        GAMMA_AT,
        GAMMA_DATA,
        lambda p, x: jax.tree.map(lambda s: -s, gamma_score(p, x)),
        lambda p, x: jax.tree.map(lambda s: -s, gamma_hessian(p, x)),
    )
    assert "score of the negative log-likelihood" in negative["score of scale, shape"]["message"]
    assert "Hessian of the negative log-likelihood" in message(negative)


def test_an_agreement_by_accident_at_the_maximum_does_not_pass():
    y = NORMAL_DATA["y"]
    beta = np.linalg.lstsq(X, y)[0]
    at = {"beta": beta, "scale": np.sqrt(np.mean((y - X @ beta) ** 2))}
    wrong = in_score(normal_score, "scale", lambda s, p, d, o: -s)
    report = check(NORMAL, at, NORMAL_DATA, wrong)
    assert abs(report.score[2]["analytic"]) < 1e-10
    assert "wrong sign" in report["score of scale"]["message"]
    assert "nearby" in report["score of scale"]["message"]


def changed_hessian(change):
    def wrong(params, d):
        return change(normal_hessian(params, d), params, d)

    return wrong


def put(H, i, j, value, both=True):
    H = H.copy()
    H[i, j] = value
    if both:
        H[j, i] = value
    return H


HESSIANS = [
    ("negated", "Hessian of the negative log-likelihood", lambda H, p, d: -H),
    ("asymmetric", "not symmetric: entry (beta[0], scale)", lambda H, p, d: put(H, 0, 2, 2 * H[0, 2], False)),
    ("asymmetric names the right one", "(scale, beta[0]) is right", lambda H, p, d: put(H, 0, 2, 9.0, False)),
    ("missing cross term", "(beta[1], scale): the analytic value is 0", lambda H, p, d: put(H, 1, 2, 0.0)),
    ("factor", "(scale, scale): an extra factor 2", lambda H, p, d: put(H, 2, 2, 2 * H[2, 2])),
    ("sign of one", "(beta[0], scale): wrong sign", lambda H, p, d: put(H, 0, 2, -H[0, 2])),
    ("missing term", "add n/scale**2", lambda H, p, d: put(H, 2, 2, H[2, 2] - len(d["y"]) / p["scale"] ** 2)),
    ("permuted", "entries swapped", lambda H, p, d: H[::-1, ::-1]),
    ("covariance", "inverse of the information", lambda H, p, d: -np.linalg.inv(H)),
    (
        "expected",
        "expected information",
        lambda H, p, d: -np.asarray(normal_information(p, d)).sum(0),
    ),
    (
        "log scale",
        "second derivative with respect to log(scale)",
        lambda H, p, d: put(H, 2, 2, p["scale"] ** 2 * H[2, 2] + p["scale"] * normal_score(p, d)["scale"]),
    ),
    ("chain rule", "(beta[0], scale): an extra factor scale", lambda H, p, d: put(H, 0, 2, p["scale"] * H[0, 2])),
]


@pytest.mark.parametrize(("name", "words", "change"), HESSIANS, ids=[h[0] for h in HESSIANS])
def test_hessian_mistakes_are_named(name, words, change):
    report = check(NORMAL, NORMAL_AT, NORMAL_DATA, hessian=changed_hessian(change))
    assert not report.ok
    assert words in message(report), str(report)


def test_values_are_diagnosed_at_one_point():
    total = normal_score(NORMAL_AT, NORMAL_DATA)
    report = check(NORMAL, NORMAL_AT, NORMAL_DATA, {**total, "scale": -total["scale"]})
    assert "wrong sign" in report["score of scale"]["message"]
    report = check(NORMAL, NORMAL_AT, NORMAL_DATA, {**total, "scale": total["scale"] / N})
    assert "1/n" in report["score of scale"]["message"]
    report = check(NORMAL, NORMAL_AT, NORMAL_DATA, {**total, "scale": total["scale"] + 0.1234})
    assert "wrong by 0.1234" in report["score of scale"]["message"]


def test_rows_in_another_order_and_transposed():
    values = weibull_contributions(WEIBULL_AT, WEIBULL_DATA)
    report = check(WEIBULL, WEIBULL_AT, WEIBULL_DATA, values[::-1])
    assert "another order" in report["score contributions"]["message"]
    report = check(WEIBULL, WEIBULL_AT, WEIBULL_DATA, values.T)
    assert "transposed" in report["score shape"]["message"]


def test_malformed_derivatives_are_named():
    report = check(GAMMA, GAMMA_AT, GAMMA_DATA, {"shape": 1.0}, np.eye(3))
    assert "no entry for scale" in report["score"]["message"]
    assert "expected [p, p] = [2, 2]" in report["hessian"]["message"]
    report = check(GAMMA, GAMMA_AT, GAMMA_DATA, {"shape": 1.0, "scale": np.ones(3)}, lambda p, x: 1 / 0)
    assert "score of scale has shape [3]" in report["score"]["message"]
    assert "ZeroDivisionError" in report["hessian"]["message"]


def test_data_fixed_inside_the_score_is_a_warning():
    fixed = gamma_score
    report = check(GAMMA, GAMMA_AT, GAMMA_DATA, lambda p, x: fixed(p, GAMMA_DATA))
    assert report.ok
    assert "fixed in the function" in report["score on other data"]["message"]


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
